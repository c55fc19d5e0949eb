// y[rows] = activation(x[rows][K] . w[K] + bias + residual[rows]): a gemm with a single output.
//
// A panel of gemm.hxx would be zero except for one column. Here a register holds adjacent terms of one sum, which runs
// in the order of all reductions along the last axis (reduce.hxx): 16 virtual lanes, in blocks of 16 * tuning::kc
// terms. (1,024 rows of 300: 11 us instead of 53.)
#ifndef SOFIE_JIT_GEMV_HXX
#define SOFIE_JIT_GEMV_HXX

#include "core/memory.hxx"
#include "reduction/reduce.hxx"
#include "core/tile.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// Weights, scaled by alpha and padded with zeros to whole steps.
template <class T>
SOFIE_JIT_COLD Buffer<T> pack_gemv(const T *values, std::size_t K, T alpha = T(1))
{
   Buffer<T> packed((K + tuning::virtual_lanes - 1) / tuning::virtual_lanes * tuning::virtual_lanes);
   for (std::size_t k = 0; k < K; ++k)
      packed[k] = alpha * values[k];
   return packed;
}

// part[i] += x[i][k] * w[k] for the `left` terms of a step, or for a whole step if Whole.
template <bool Whole, int Rows, class T>
SOFIE_JIT_INLINE void gemv_step(lanes16<T> (&part)[Rows], const T *x, std::size_t K, const T *w, std::size_t left)
{
   SOFIE_JIT_UNROLL
   for (int j = 0; j < lanes16<T>::count; ++j) {
      const std::size_t at = std::size_t(j * lanes<T>);
      if (!Whole && at >= left)
         break;
      const vec<T> weights = load(w + at);
      SOFIE_JIT_UNROLL
      for (int i = 0; i < Rows; ++i) {
         const T *const from = x + std::size_t(i) * K + at;
         part[i].v[j] = fma<T>(Whole ? load(from) : load_up_to(from, left - at), weights, part[i].v[j]);
      }
   }
}

template <int Rows, class T>
SOFIE_JIT_NOINLINE void gemv_rows(std::size_t K, const T *x, const T *w, const T *bias, const T *residual, T *y,
                                  const Epilogue<T> &epilogue)
{
   constexpr std::size_t block = tuning::kc * tuning::virtual_lanes;
   vec<T> total[Rows] = {};
   for (std::size_t first = 0; first < K; first += block) {
      const std::size_t end = K - first < block ? K : first + block;
      lanes16<T> part[Rows] = {};
      std::size_t k = first;
      for (; k + tuning::virtual_lanes <= end; k += tuning::virtual_lanes)
         gemv_step<true>(part, x + k, K, w + k, tuning::virtual_lanes);
      if (k < end)
         gemv_step<false>(part, x + k, K, w + k, end - k);
      SOFIE_JIT_UNROLL
      for (int i = 0; i < Rows; ++i)
         total[i] = total[i] + fold<ReduceSum>(part[i]);
   }
   SOFIE_JIT_UNROLL
   for (int i = 0; i < Rows; ++i)
      finish_vector(total[i] + broadcast(*bias), residual_at(residual, std::size_t(i)), y + i, 1, epilogue);
}

// residual may be null.
template <class T>
void gemv(std::size_t rows, std::size_t K, const T *x, const T *w, const T *bias, const T *residual, T *y,
          const Epilogue<T> &epilogue)
{
   constexpr int row_block = lanes16<T>::count <= 2 ? 4 : 1; // rows whose sums fit in the registers
   std::size_t row = 0;
   for (; row + row_block <= rows; row += row_block)
      gemv_rows<row_block>(K, x + row * K, w, bias, residual_at(residual, row), y + row, epilogue);
   for (; row < rows; ++row)
      gemv_rows<1>(K, x + row * K, w, bias, residual_at(residual, row), y + row, epilogue);
   if (epilogue.function)
      epilogue.function(rows, y, y);
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
