// Moving elements by definition, index by index (see core/reference.hxx).
#ifndef SOFIE_JIT_MOVEMENT_REFERENCE_HXX
#define SOFIE_JIT_MOVEMENT_REFERENCE_HXX

#include <cstddef>
#include <vector>

namespace sofie_jit {
namespace reference {

// y[o] = x[0][o], x[1][o], ... one after the other; x[i] is [outer][runs[i]].
template <class T>
std::vector<T> concat(std::size_t outer, const std::vector<std::vector<T>> &x, const std::vector<std::size_t> &runs)
{
   std::vector<T> y;
   for (std::size_t o = 0; o < outer; ++o)
      for (std::size_t part = 0; part < x.size(); ++part)
         for (std::size_t i = 0; i < runs[part]; ++i)
            y.push_back(x[part][o * runs[part] + i]);
   return y;
}

// y[o][i][k] = data[o][indices[i]][k]; negative indices count from the end.
template <class T, class I>
std::vector<T> gather(std::size_t outer, std::size_t size, std::size_t inner, const std::vector<T> &data,
                      const std::vector<I> &indices)
{
   std::vector<T> y;
   for (std::size_t o = 0; o < outer; ++o)
      for (const I index : indices)
         for (std::size_t k = 0; k < inner; ++k)
            y.push_back(data[(o * size + std::size_t(index < 0 ? index + I(size) : index)) * inner + k]);
   return y;
}

// y[i][j][k] = x[i * stride[0] + j * stride[1] + k * stride[2]]
template <class T>
std::vector<T> transpose(const std::size_t (&size)[3], const std::size_t (&stride)[3], const std::vector<T> &x)
{
   std::vector<T> y;
   for (std::size_t i = 0; i < size[0]; ++i)
      for (std::size_t j = 0; j < size[1]; ++j)
         for (std::size_t k = 0; k < size[2]; ++k)
            y.push_back(x[i * stride[0] + j * stride[1] + k * stride[2]]);
   return y;
}

// The input index of each of `out` outputs along an axis of `in` inputs, -1 where there is none.
inline std::vector<long> picked(std::size_t in, std::size_t out, long start, long step, std::size_t repeat)
{
   std::vector<long> indices;
   for (std::size_t o = 0; o < out; ++o) {
      const long index = start + long(o / repeat) * step;
      indices.push_back(index >= 0 && index < long(in) ? index : -1);
   }
   return indices;
}

} // namespace reference
} // namespace sofie_jit
#endif
