// Results whose size depends on the data; each function returns it in `count`, for which there is space.
#ifndef SOFIE_JIT_SELECT_HXX
#define SOFIE_JIT_SELECT_HXX

#include "movement/transpose.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// The sizes of a tensor, outermost first.
template <int R>
struct Extents {
   std::size_t size[R];
};

// y[axis][i] is the index along each axis of the i-th element of x that is not 0.
template <int R, class T>
void non_zero(const Extents<R> &shape, const T *x, std::int64_t *y, std::size_t *count)
{
   std::size_t total = 1, found = 0;
   for (int axis = 0; axis < R; ++axis)
      total *= shape.size[axis];
   for (std::size_t i = 0; i < total; ++i)
      found += x[i] != T(0);
   *count = found;
   std::size_t index[R] = {};
   std::int64_t *end = y;
   const std::size_t last = R - 1;
   for (std::size_t row = 0; row < total; row += shape.size[last]) {
      for (std::size_t i = 0; i < shape.size[last]; ++i)
         if (x[row + i] != T(0)) {
            for (int axis = 0; axis < R - 1; ++axis)
               end[std::size_t(axis) * found] = std::int64_t(index[axis]);
            end[last * found] = std::int64_t(i);
            ++end;
         }
      for (int axis = R - 2; axis >= 0 && ++index[axis] == shape.size[axis]; --axis)
         index[axis] = 0;
   }
}

// The slices of x[outer][size][inner] whose flag is set.
template <class T>
void compress(std::size_t outer, std::size_t size, std::size_t inner, std::size_t flags, const T *x, const bool *set,
              T *y, std::size_t *count)
{
   const std::size_t end = flags < size ? flags : size;
   *count = 0;
   for (std::size_t i = 0; i < end; ++i)
      *count += set[i];
   for (std::size_t o = 0; o < outer; ++o, x += size * inner)
      for (std::size_t i = 0; i < end; ++i)
         if (set[i]) {
            copy_run(inner, x + i * inner, y);
            y += inner;
         }
}

// y = start, start + step, ... below `limit` (or above it if the step is negative). Returns false, and writes nothing,
// if there are more than `most` numbers or the step is 0.
template <class T>
bool range(const T *start, const T *limit, const T *step, std::size_t most, T *y, std::size_t *count)
{
   const double length = (double(*limit) - double(*start)) / double(*step);
   if (*step == T(0) || !(length <= double(most)))
      return false;
   const std::size_t whole = length > 0 ? std::size_t(length) : 0;
   *count = whole + (length > double(whole));
   for (std::size_t i = 0; i < *count; ++i)
      if constexpr (std::is_floating_point_v<T>)
         y[i] = *start + rounded(T(i) * *step);
      else
         y[i] = T(*start + T(i) * *step);
   return true;
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
