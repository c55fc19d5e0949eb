// The first elements of rows in ascending or descending order, and their indices.
#ifndef SOFIE_JIT_SORT_HXX
#define SOFIE_JIT_SORT_HXX

#include "core/simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// Whether a comes before b; NaN comes after all numbers.
template <class T>
SOFIE_JIT_INLINE bool stands_before(bool descending, T a, T b)
{
   return (descending ? a > b : a < b) || (b != b && a == a);
}

// Sorts the indices of x by merging adjacent sorted runs, from runs of one upwards, of which only the first k elements
// matter. Equal elements keep their order. The result is in `from` or `to`, which have space for `size` indices each;
// returns which.
template <class T>
std::int32_t *merge_sort(std::size_t size, std::size_t k, bool descending, const T *x, std::int32_t *from,
                         std::int32_t *to)
{
   const auto shorter = [](std::size_t a, std::size_t b) { return a < b ? a : b; };
   for (std::size_t i = 0; i < size; ++i)
      from[i] = std::int32_t(i);
   for (std::size_t width = 1; width < size; width *= 2) {
      for (std::size_t start = 0; start < size; start += 2 * width) {
         const std::size_t middle = shorter(start + width, size), end = shorter(start + 2 * width, size);
         const std::int32_t *left = from + start, *right = from + middle;
         const std::int32_t *const left_end = left + shorter(k, middle - start);
         const std::int32_t *const right_end = right + shorter(k, end - middle);
         std::int32_t *out = to + start;
         for (std::size_t n = shorter(k, end - start); n-- > 0;) {
            const bool from_right =
               left == left_end || (right != right_end && stands_before(descending, x[*right], x[*left]));
            *out++ = from_right ? *right++ : *left++;
         }
      }
      std::int32_t *const sorted = to;
      to = from;
      from = sorted;
   }
   return from;
}

// Most elements that `insertion_top_k` keeps. For 17 of 100 random numbers it takes 0.4 of the time of a merge sort,
// for 10 of 1,000 a twentieth; for rows that are sorted the other way round up to twice the time.
constexpr std::size_t insertion_max_k = 32;

// Writes the indices of the first k elements of x in order to `indices`, for k <= insertion_max_k. An element after
// the k-th of those before it costs one comparison. Equal elements keep their order.
template <class T>
void insertion_top_k(std::size_t size, std::size_t k, bool descending, const T *x, std::int32_t *indices)
{
   T kept[insertion_max_k];
   for (std::size_t i = 0, count = 0; i < size; ++i) {
      if (count == k && !stands_before(descending, x[i], kept[k - 1]))
         continue;
      std::size_t place = count < k ? count++ : k - 1;
      for (; place > 0 && stands_before(descending, x[i], kept[place - 1]); --place) {
         kept[place] = kept[place - 1];
         indices[place] = indices[place - 1];
      }
      kept[place] = x[i];
      indices[place] = std::int32_t(i);
   }
}

// The first k elements of each row of x[outer][size] in order, and their indices; either may be null if it is not
// needed. scratch: 2 * size elements.
template <class T>
void top_k(std::size_t outer, std::size_t size, std::size_t k, bool descending, const T *x, T *values,
           std::int32_t *indices, std::int32_t *scratch)
{
   for (std::size_t o = 0; o < outer; ++o, x += size) {
      const std::int32_t *sorted = scratch;
      if (k > 0 && k <= insertion_max_k && k < size / 2)
         insertion_top_k(size, k, descending, x, scratch);
      else
         sorted = merge_sort(size, k, descending, x, scratch, scratch + size);
      for (std::size_t i = 0; i < k; ++i) {
         if (values)
            *values++ = x[sorted[i]];
         if (indices)
            *indices++ = sorted[i];
      }
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
