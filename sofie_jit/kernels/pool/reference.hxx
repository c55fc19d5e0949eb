// Pooling of channels-last images by its definition, in double precision (see core/reference.hxx).
#ifndef SOFIE_JIT_POOL_REFERENCE_HXX
#define SOFIE_JIT_POOL_REFERENCE_HXX

#include <vector>

#include "core/reference.hxx"

namespace sofie_jit {
namespace reference {

// y[image][pixel][c] = finish(elements of channel c under the window that lie inside the image).
template <class T, class Finish>
std::vector<double> pool(std::size_t batch, const Window &w, std::size_t C, const T *x, const Finish &finish)
{
   std::vector<double> y;
   for (std::size_t image = 0; image < batch; ++image)
      for (std::size_t pixel = 0; pixel < w.pixels(); ++pixel)
         for (std::size_t c = 0; c < C; ++c) {
            std::vector<double> elements;
            each_tap(w, pixel, [&](std::size_t, std::size_t at) {
               elements.push_back(double(x[(image * w.inputs() + at) * C + c]));
            });
            y.push_back(finish(elements));
         }
   return y;
}

// y[image][c] = finish(all elements of channel c).
template <class T, class Finish>
std::vector<double> global_pool(std::size_t batch, std::size_t pixels, std::size_t C, const T *x, const Finish &finish)
{
   std::vector<double> y;
   for (std::size_t image = 0; image < batch; ++image)
      for (std::size_t c = 0; c < C; ++c) {
         std::vector<double> elements;
         for (std::size_t pixel = 0; pixel < pixels; ++pixel)
            elements.push_back(double(x[(image * pixels + pixel) * C + c]));
         y.push_back(finish(elements));
      }
   return y;
}

inline double maximum(const std::vector<double> &elements)
{
   double largest = -HUGE_VAL;
   for (const double element : elements)
      largest = std::fmax(largest, element);
   return largest;
}

inline double sum(const std::vector<double> &elements)
{
   double total = 0;
   for (const double element : elements)
      total += element;
   return total;
}

inline double mean(const std::vector<double> &elements)
{
   return sum(elements) / double(elements.size());
}

} // namespace reference
} // namespace sofie_jit
#endif
