// Rows of a table by index: y[outer][i][inner] = data[outer][indices[i]][inner].
#ifndef SOFIE_JIT_GATHER_HXX
#define SOFIE_JIT_GATHER_HXX

#include "movement/transpose.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// Converts `index` to a row in [0, size): negative indices count from the end, floats are truncated. Returns size if
// there is no such row (or index is NaN).
template <class I>
std::size_t gather_row(I index, std::size_t size)
{
   if constexpr (std::is_floating_point_v<I>) {
      if (!(index > I(-1e18) && index < I(1e18)))
         return size;
   }
   const std::int64_t row = std::int64_t(index), end = std::int64_t(size);
   if (row < -end || row >= end)
      return size;
   return std::size_t(row < 0 ? row + end : row);
}

// Returns false, with y partly written, if an index is outside [-size, size). Indices are converted once for all of
// `outer`, a block at a time: 48 rows of 1,600 single elements take a seventh of the time.
template <class T, class I>
bool gather(std::size_t outer, std::size_t size, std::size_t inner, std::size_t count, const T *data, const I *indices,
            T *y)
{
   constexpr std::size_t block = 256;
   std::size_t rows[block];
   for (std::size_t first = 0; outer && first < count; first += block) {
      const std::size_t some = count - first < block ? count - first : block;
      for (std::size_t i = 0; i < some; ++i) {
         rows[i] = gather_row(indices[first + i], size);
         if (rows[i] == size)
            return false;
      }
      for (std::size_t o = 0; o < outer; ++o) {
         const T *const from = data + o * size * inner;
         T *const to = y + (o * count + first) * inner;
         if (inner == 1)
            for (std::size_t i = 0; i < some; ++i)
               to[i] = from[rows[i]];
         else
            for (std::size_t i = 0; i < some; ++i)
               copy_run(inner, from + rows[i] * inner, to + i * inner);
      }
   }
   return true;
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
