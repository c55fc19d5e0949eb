// Resizing by its definition, in double precision (see core/reference.hxx).
#ifndef SOFIE_JIT_RESIZE_REFERENCE_HXX
#define SOFIE_JIT_RESIZE_REFERENCE_HXX

#include <cmath>
#include <cstddef>
#include <vector>

namespace sofie_jit {
namespace reference {

// y[image][oh][ow][c], interpolated linearly along both axes between the pixels around the position
// (oh + 1/2) * H / OH - 1/2, (ow + 1/2) * W / OW - 1/2; positions outside the image take its outermost pixels.
template <class T>
std::vector<double> resize_bilinear(std::size_t batch, std::size_t H, std::size_t W, std::size_t C, std::size_t OH,
                                    std::size_t OW, const T *x)
{
   std::vector<double> y;
   const auto pixel = [&](std::size_t image, double h, double w, std::size_t c) {
      h = std::fmin(std::fmax(h, 0), double(H - 1));
      w = std::fmin(std::fmax(w, 0), double(W - 1));
      return double(x[((image * H + std::size_t(h)) * W + std::size_t(w)) * C + c]);
   };
   for (std::size_t image = 0; image < batch; ++image)
      for (std::size_t oh = 0; oh < OH; ++oh)
         for (std::size_t ow = 0; ow < OW; ++ow)
            for (std::size_t c = 0; c < C; ++c) {
               const double h = (double(oh) + 0.5) * double(H) / double(OH) - 0.5, i = std::floor(h), p = h - i;
               const double w = (double(ow) + 0.5) * double(W) / double(OW) - 0.5, j = std::floor(w), q = w - j;
               const double above = (1 - q) * pixel(image, i, j, c) + q * pixel(image, i, j + 1, c);
               const double below = (1 - q) * pixel(image, i + 1, j, c) + q * pixel(image, i + 1, j + 1, c);
               y.push_back((1 - p) * above + p * below);
            }
   return y;
}

// y[i][o][c] = sum over t < count of x[i][first + t][c] * weights[o][t], with first and count from spans[o].
template <class T, class Span>
std::vector<double> resample(std::size_t outer, std::size_t size, std::size_t out, std::size_t inner, std::size_t taps,
                             const T *x, const T *weights, const Span *spans)
{
   std::vector<double> y;
   for (std::size_t i = 0; i < outer; ++i)
      for (std::size_t o = 0; o < out; ++o)
         for (std::size_t c = 0; c < inner; ++c) {
            const std::size_t first = std::size_t(spans[2 * o]), count = std::size_t(spans[2 * o + 1]);
            double sum = 0;
            for (std::size_t t = 0; t < count; ++t)
               sum += double(x[(i * size + first + t) * inner + c]) * double(weights[o * taps + t]);
            y.push_back(sum);
         }
   return y;
}

// One sample of a channel of height x width pixels by bilinear interpolation; 0 off the image.
inline double sampled(const double *x, std::size_t height, std::size_t width, double v, double h)
{
   if (!(v >= -1 && v <= double(height) && h >= -1 && h <= double(width)))
      return 0;
   const auto at = [&](double i, double j) {
      const auto inside = [](double k, std::size_t n) {
         return k < 0 ? std::size_t(0) : k > double(n - 1) ? n - 1 : std::size_t(k);
      };
      return x[inside(i, height) * width + inside(j, width)];
   };
   const double row = v < 0 ? 0 : v, column = h < 0 ? 0 : h, i = double(long(row)), j = double(long(column));
   const double down = row - i, right = column - j;
   return (1 - down) * ((1 - right) * at(i, j) + right * at(i, j + 1)) +
          down * ((1 - right) * at(i + 1, j) + right * at(i + 1, j + 1));
}

// The mean of samples x samples samples in each of out x out bins of a region of a channel.
inline std::vector<double> roi_align(const std::vector<double> &x, std::size_t height, std::size_t width,
                                     const double (&roi)[4], std::size_t out, std::size_t samples)
{
   std::vector<double> y;
   const double step_y = (roi[3] - roi[1]) / double(out), step_x = (roi[2] - roi[0]) / double(out);
   for (std::size_t oh = 0; oh < out; ++oh)
      for (std::size_t ow = 0; ow < out; ++ow) {
         double total = 0;
         for (std::size_t i = 0; i < samples; ++i)
            for (std::size_t j = 0; j < samples; ++j)
               total += sampled(x.data(), height, width,
                                roi[1] - 0.5 + (double(oh) + (double(i) + 0.5) / double(samples)) * step_y,
                                roi[0] - 0.5 + (double(ow) + (double(j) + 0.5) / double(samples)) * step_x);
         y.push_back(total / double(samples * samples));
      }
   return y;
}

} // namespace reference
} // namespace sofie_jit
#endif
