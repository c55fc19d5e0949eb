// Convolutions of channels-last images by their definition, in double precision (see core/reference.hxx).
#ifndef SOFIE_JIT_CONV_REFERENCE_HXX
#define SOFIE_JIT_CONV_REFERENCE_HXX

#include <vector>

#include "core/reference.hxx"

namespace sofie_jit {
namespace reference {

// y[image][pixel][o] = finish(bias[o] + residual[image][pixel][o] + sum over the taps inside the image and the channels
// c of o's group of x[image][tap's pixel][c] * kernel[tap][c][o]); residual may be null.
template <class T, class Finish>
std::vector<double> conv(std::size_t batch, const Window &w, std::size_t C, std::size_t O, std::size_t groups,
                         const T *x, const T *kernel, const T *bias, const T *residual, const Finish &finish)
{
   const std::size_t channels = C / groups, outputs = O / groups;
   std::vector<double> y;
   for (std::size_t image = 0; image < batch; ++image)
      for (std::size_t pixel = 0; pixel < w.pixels(); ++pixel)
         for (std::size_t o = 0; o < O; ++o) {
            double sum = 0;
            each_tap(w, pixel, [&](std::size_t tap, std::size_t at) {
               const T *inputs = x + (image * w.inputs() + at) * C + o / outputs * channels;
               for (std::size_t c = 0; c < channels; ++c)
                  sum += double(inputs[c]) * double(kernel[(tap * channels + c) * O + o]);
            });
            y.push_back(finish(sum + double(bias[o]) + (residual ? double(residual[y.size()]) : 0)));
         }
   return y;
}

// y[image][pixel][c] = finish(bias[c] + sum over the taps inside the image of x[image][tap's pixel][c] *
// kernel[tap][c]).
template <class T, class Finish>
std::vector<double> depthwise(std::size_t batch, const Window &w, std::size_t C, const T *x, const T *kernel,
                              const T *bias, const Finish &finish)
{
   std::vector<double> y;
   for (std::size_t image = 0; image < batch; ++image)
      for (std::size_t pixel = 0; pixel < w.pixels(); ++pixel)
         for (std::size_t c = 0; c < C; ++c) {
            double sum = double(bias[c]);
            each_tap(w, pixel, [&](std::size_t tap, std::size_t at) {
               sum += double(x[(image * w.inputs() + at) * C + c]) * double(kernel[tap * C + c]);
            });
            y.push_back(finish(sum));
         }
   return y;
}

// `w` is the window of the convolution that is transposed: every pixel of x, one of w's outputs, adds its multiples of
// kernel[tap][o][c] to the pixels of y, w's inputs, under its taps.
template <class T, class Finish>
std::vector<double> conv_transpose(std::size_t batch, const Window &w, std::size_t C, std::size_t O, const T *x,
                                   const T *kernel, const T *bias, const Finish &finish)
{
   std::vector<double> y(batch * w.inputs() * O);
   for (std::size_t image = 0; image < batch; ++image)
      for (std::size_t pixel = 0; pixel < w.pixels(); ++pixel)
         each_tap(w, pixel, [&](std::size_t tap, std::size_t at) {
            const T *input = x + (image * w.pixels() + pixel) * C;
            for (std::size_t o = 0; o < O; ++o)
               for (std::size_t c = 0; c < C; ++c)
                  y[(image * w.inputs() + at) * O + o] += double(input[c]) * double(kernel[(tap * O + o) * C + c]);
         });
   for (std::size_t i = 0; i < y.size(); ++i)
      y[i] = finish(y[i] + double(bias[i % O]));
   return y;
}

} // namespace reference
} // namespace sofie_jit
#endif
