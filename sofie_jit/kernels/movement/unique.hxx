// The distinct slices of a tensor along an axis.
#ifndef SOFIE_JIT_UNIQUE_HXX
#define SOFIE_JIT_UNIQUE_HXX

#include <algorithm>

#include "movement/transpose.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// -1, 0 or 1 as slice a comes before, equals or comes after slice b of x[outer][size][inner]; NaN comes last.
template <class T>
int compare_slices(std::size_t outer, std::size_t size, std::size_t inner, const T *x, std::size_t a, std::size_t b)
{
   for (std::size_t o = 0; o < outer; ++o)
      for (std::size_t k = 0; k < inner; ++k) {
         const T left = x[(o * size + a) * inner + k], right = x[(o * size + b) * inner + k];
         if (left < right || (left == left && right != right))
            return -1;
         if (right < left || (right == right && left != left))
            return 1;
      }
   return 0;
}

// y: the distinct slices of x[outer][size][inner] along the middle axis, ascending or in order of appearance.
// first: where each appears first; inverse: for each slice of x its number in y; counts: how often each appears. These
// may be null. order: 2 * size elements of scratch memory. There is space for `size` slices in y.
template <class T>
void unique(std::size_t outer, std::size_t size, std::size_t inner, bool sorted, const T *x, T *y, std::int64_t *first,
            std::int64_t *inverse, std::int64_t *counts, std::int32_t *order, std::size_t *count)
{
   std::int32_t *const starts = order + size; // of runs of equal slices in `order`
   for (std::size_t i = 0; i < size; ++i)
      order[i] = std::int32_t(i);
   std::sort(order, order + size, [=](std::int32_t a, std::int32_t b) {
      const int sign = compare_slices(outer, size, inner, x, std::size_t(a), std::size_t(b));
      return sign < 0 || (sign == 0 && a < b);
   });
   std::size_t found = 0;
   for (std::size_t i = 0; i < size; ++i)
      if (i == 0 || compare_slices(outer, size, inner, x, std::size_t(order[i - 1]), std::size_t(order[i])) != 0)
         starts[found++] = std::int32_t(i);
   *count = found;
   if (!sorted) // the first of each run is its first appearance, as equal slices keep their order
      std::sort(starts, starts + found, [=](std::int32_t a, std::int32_t b) { return order[a] < order[b]; });
   for (std::size_t i = 0; i < found; ++i) {
      const std::size_t start = std::size_t(starts[i]), at = std::size_t(order[start]);
      std::size_t end = start;
      while (end < size && compare_slices(outer, size, inner, x, at, std::size_t(order[end])) == 0) {
         if (inverse)
            inverse[order[end]] = std::int64_t(i);
         ++end;
      }
      if (first)
         first[i] = std::int64_t(at);
      if (counts)
         counts[i] = std::int64_t(end - start);
      for (std::size_t o = 0; y && o < outer; ++o)
         copy_run(inner, x + (o * size + at) * inner, y + (o * found + i) * inner);
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
