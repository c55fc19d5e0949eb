// Concatenation along one axis: for every outer index a run of elements of each tensor.
#ifndef SOFIE_JIT_CONCAT_HXX
#define SOFIE_JIT_CONCAT_HXX

#include "movement/transpose.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

template <class T>
struct ConcatPart {
   const T *x;
   std::size_t run; // elements per outer index
};

template <int N, class T>
struct ConcatParts {
   ConcatPart<T> part[N];
};

template <int N, class T>
void concat(std::size_t outer, const ConcatParts<N, T> &parts, T *y)
{
   for (std::size_t o = 0; o < outer; ++o)
      for (const ConcatPart<T> &part : parts.part) {
         copy_run(part.run, part.x + o * part.run, y);
         y += part.run;
      }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
