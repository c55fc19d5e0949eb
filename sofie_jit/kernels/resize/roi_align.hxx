// Regions of images, resampled to one size: each output is the mean, or the largest term, of samples in its bin.
#ifndef SOFIE_JIT_ROI_ALIGN_HXX
#define SOFIE_JIT_ROI_ALIGN_HXX

#include <cmath>

#include "core/simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

struct RoiAlignShape {
   std::size_t images, channels, height, width, out_height, out_width;
   std::size_t samples; // along each axis of a bin; 0: as many as the bin has pixels
   bool half_pixel; // whether coordinates are those of corners of pixels
   bool max;
   double scale;
};

// The two pixels around a coordinate, and the weight of the second; `outside` if the coordinate is off the image.
template <class T>
struct RoiSample {
   std::size_t low, high;
   T fraction;
   bool outside;
};

template <class T>
RoiSample<T> roi_sample(T at, std::size_t size)
{
   if (!(at >= T(-1) && at <= T(size)))
      return {0, 0, T(0), true};
   const T inside = at < T(0) ? T(0) : at;
   const std::size_t low = std::size_t(inside);
   if (low + 1 >= size)
      return {size - 1, size - 1, T(0), false};
   return {low, low + 1, inside - T(low), false};
}

// Samples along an axis of a bin, at least 1; 0 if the region has no size or one that no image has.
template <class T>
std::size_t roi_samples(T bin, std::size_t samples)
{
   if (!(bin > T(-1e6) && bin < T(1e6)))
      return 0;
   return samples ? samples : bin > T(0) ? std::size_t(std::ceil(bin)) : 1;
}

// x[images][channels][height][width], rois[count][x1, y1, x2, y2], batch[count]: the image of each region,
// y[count][channels][out_height][out_width]. Returns false, with y partly written, if there is no such image or if the
// size of a region is not a number below a million.
template <class T, class I>
bool roi_align(std::size_t count, const RoiAlignShape &shape, const T *x, const T *rois, const I *batch, T *y)
{
   const T offset = shape.half_pixel ? T(0.5) : T(0), scale = T(shape.scale);
   for (std::size_t r = 0; r < count; ++r, rois += 4) {
      const std::int64_t image = std::int64_t(batch[r]);
      if (image < 0 || image >= std::int64_t(shape.images))
         return false;
      const T left = fma1(rois[0], scale, -offset), top = fma1(rois[1], scale, -offset);
      T width = fma1(rois[2], scale, -offset) - left, height = fma1(rois[3], scale, -offset) - top;
      if (!shape.half_pixel) {
         width = width < T(1) ? T(1) : width;
         height = height < T(1) ? T(1) : height;
      }
      const T bin_height = height / T(shape.out_height), bin_width = width / T(shape.out_width);
      const std::size_t rows = roi_samples(bin_height, shape.samples), columns = roi_samples(bin_width, shape.samples);
      if (!rows || !columns)
         return false;
      const T step_y = bin_height / T(rows), step_x = bin_width / T(columns);
      for (std::size_t c = 0; c < shape.channels; ++c) {
         const T *pixels = x + (std::size_t(image) * shape.channels + c) * shape.height * shape.width;
         for (std::size_t oh = 0; oh < shape.out_height; ++oh)
            for (std::size_t ow = 0; ow < shape.out_width; ++ow) {
               T total = T(0);
               bool first = true;
               for (std::size_t i = 0; i < rows; ++i) {
                  const T bin_top = fma1(T(oh), bin_height, top), bin_left = fma1(T(ow), bin_width, left);
                  const auto v = roi_sample(fma1(T(i) + T(0.5), step_y, bin_top), shape.height);
                  for (std::size_t j = 0; j < columns; ++j) {
                     const auto h = roi_sample(fma1(T(j) + T(0.5), step_x, bin_left), shape.width);
                     const bool outside = v.outside || h.outside;
                     const T up = outside ? T(0) : T(1) - v.fraction, down = outside ? T(0) : v.fraction;
                     const T near = outside ? T(0) : T(1) - h.fraction, far = outside ? T(0) : h.fraction;
                     const T *above = pixels + v.low * shape.width, *below = pixels + v.high * shape.width;
                     const T terms[4] = {rounded(rounded(up * near) * above[h.low]),
                                         rounded(rounded(up * far) * above[h.high]),
                                         rounded(rounded(down * near) * below[h.low]),
                                         rounded(rounded(down * far) * below[h.high])};
                     for (const T term : terms) {
                        const bool taken = first || total < term || term != term; // NaN stays
                        total = !shape.max ? total + term : taken ? term : total;
                        first = false;
                     }
                  }
               }
               *y++ = shape.max ? total : total / T(rows * columns);
            }
      }
   }
   return true;
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
