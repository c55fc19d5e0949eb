// Normalizations. Mean and variance are computed in two passes, as in Keras; rows are reduced as in reduce.hxx.
//
// The result is always (x - mean) * factor + shift with the difference computed first: no digits are lost if the mean
// is large.
#ifndef SOFIE_JIT_NORM_HXX
#define SOFIE_JIT_NORM_HXX

#include "core/memory.hxx"
#include "reduction/reduce.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// ---- BatchNormalization: a factor and a shift per channel, known in advance

// gamma / sqrt(variance + epsilon); null gamma means ones.
template <class T>
SOFIE_JIT_COLD Buffer<T> pack_batch_norm_scale(const T *gamma, const T *variance, std::size_t channels, double epsilon)
{
   Buffer<T> scale(channels);
   for (std::size_t c = 0; c < channels; ++c)
      scale[c] = T((gamma ? double(gamma[c]) : 1.0) / std::sqrt(double(variance[c]) + epsilon));
   return scale;
}

// beta - mean * gamma / sqrt(variance + epsilon); null beta means zeros.
template <class T>
SOFIE_JIT_COLD Buffer<T> pack_batch_norm_shift(const T *gamma, const T *beta, const T *mean, const T *variance,
                                               std::size_t channels, double epsilon)
{
   Buffer<T> shift(channels);
   for (std::size_t c = 0; c < channels; ++c) {
      const double scale = (gamma ? double(gamma[c]) : 1.0) / std::sqrt(double(variance[c]) + epsilon);
      shift[c] = T((beta ? double(beta[c]) : 0.0) - rounded(double(mean[c]) * scale));
   }
   return shift;
}

// y = x * scale[channel] + shift[channel] for x [outer][channels][inner].
template <class T>
void batch_normalization(std::size_t outer, std::size_t channels, std::size_t inner, const T *x, const T *scale,
                         const T *shift, T *y)
{
   for (std::size_t o = 0; o < outer; ++o) {
      if (inner == 1) {
         for (std::size_t c = 0; c < channels; c += lanes<T>)
            store_up_to(y + c, fma<T>(load_up_to(x + c, channels - c), load(scale + c), load(shift + c)), channels - c);
         x += channels;
         y += channels;
      } else {
         for (std::size_t c = 0; c < channels; ++c, x += inner, y += inner)
            for (std::size_t i = 0; i < inner; i += lanes<T>)
               store_up_to(y + i, fma<T>(load_up_to(x + i, inner - i), broadcast(scale[c]), broadcast(shift[c])),
                           inner - i);
      }
   }
}

// ---- LayerNormalization and its relatives: statistics of every row

template <class T>
struct SumSquaredDifferences : ReduceSum {
   T mean;
   template <class>
   SOFIE_JIT_INLINE vec<T> term(vec<T> x, vec<T> so_far) const
   {
      const vec<T> d = x - mean;
      return fma<T>(d, d, so_far);
   }
};

// y = (x - mean) * factor * scale + bias; null scale and bias mean ones and zeros.
template <class T>
void normalize_row(std::size_t n, T mean, T factor, const T *x, const T *scale, const T *bias, T *y)
{
   for (std::size_t i = 0; i < n; i += lanes<T>) {
      const vec<T> d = load_up_to(x + i, n - i) - mean;
      const vec<T> f = scale ? load_up_to(scale + i, n - i) * factor : broadcast(factor);
      store_up_to(y + i, bias ? fma<T>(d, f, load_up_to(bias + i, n - i)) : d * f, n - i);
   }
}

// rows for which each step is done before the next, because a step is a long chain (128 elements: 22 instead of 28 ns
// per row)
constexpr std::size_t norm_rows = 4;

// factor = 1 / (sqrt(variance + epsilon) + stddev_epsilon). Unless `centered`, the mean is subtracted only for the
// variance.
template <class T>
void layer_normalization(std::size_t rows, std::size_t n, T epsilon, T stddev_epsilon, bool centered, const T *x,
                         const T *scale, const T *bias, T *y)
{
   for (std::size_t first = 0; first < rows; first += norm_rows, x += norm_rows * n, y += norm_rows * n) {
      const std::size_t count = rows - first < norm_rows ? rows - first : norm_rows;
      T mean[norm_rows], factor[norm_rows];
      SOFIE_JIT_ROLLED
      for (std::size_t r = 0; r < count; ++r)
         mean[r] = reduce_row<ReduceSum>(n, x + r * n) / T(n);
      SOFIE_JIT_ROLLED
      for (std::size_t r = 0; r < count; ++r) {
         const T variance = reduce_row(n, x + r * n, SumSquaredDifferences<T>{{}, mean[r]}, mean[r]) / T(n);
         factor[r] = T(1) / (std::sqrt(variance + epsilon) + stddev_epsilon);
      }
      SOFIE_JIT_ROLLED
      for (std::size_t r = 0; r < count; ++r)
         normalize_row(n, centered ? mean[r] : T(0), factor[r], x + r * n, scale, bias, y + r * n);
   }
}

// factor = 1 / sqrt(mean of squares + epsilon)
template <class T>
void rms_normalization(std::size_t rows, std::size_t n, T epsilon, const T *x, const T *scale, T *y)
{
   for (std::size_t r = 0; r < rows; ++r, x += n, y += n) {
      const T square = reduce_row<ReduceSumSquare>(n, x) / T(n);
      normalize_row(n, T(0), T(1) / std::sqrt(square + epsilon), x, scale, static_cast<const T *>(nullptr), y);
   }
}

// factor = 1 / sqrt(sum of squares), at most `limit`
template <class T>
void lp_normalization(std::size_t rows, std::size_t n, T limit, const T *x, T *y)
{
   for (std::size_t r = 0; r < rows; ++r, x += n, y += n) {
      const T factor = T(1) / std::sqrt(reduce_row<ReduceSumSquare>(n, x));
      const T *const none = nullptr;
      normalize_row(n, T(0), factor > limit ? limit : factor, x, none, none, y);
   }
}

// ---- InstanceNormalization and GroupNormalization: statistics over space, channels last

// elements of a column whose differences are added in one chain
constexpr std::size_t norm_block = 32;

// Sums of x - mean and of (x - mean)^2 over `size` elements of each of `channels` columns, ascending in blocks that are
// combined one after the other.
template <class T>
void column_differences(std::size_t size, std::size_t channels, const T *x, const T *mean, T *sums, T *squares)
{
   for (std::size_t c = 0; c < channels; c += lanes<T>) {
      const std::size_t left = channels - c;
      const vec<T> center = load_up_to(mean + c, left);
      vec<T> sum = {}, square = {};
      for (std::size_t first = 0; first < size; first += norm_block) {
         vec<T> part = {}, part_of_squares = {};
         for (std::size_t k = first; k < size && k < first + norm_block; ++k) {
            const vec<T> d = load_up_to(x + k * channels + c, left) - center;
            part = part + d;
            part_of_squares = fma<T>(d, d, part_of_squares);
         }
         sum = sum + part;
         square = square + part_of_squares;
      }
      store_up_to(sums + c, sum, left);
      store_up_to(squares + c, square, left);
   }
}

// Replaces every element of a group by the group's sum divided by `count`.
template <class T>
void average_groups(std::size_t groups, std::size_t size, T count, T *values)
{
   for (std::size_t g = 0; g < groups; ++g, values += size) {
      T sum = 0;
      for (std::size_t c = 0; c < size; ++c)
         sum += values[c];
      for (std::size_t c = 0; c < size; ++c)
         values[c] = sum / count;
   }
}

// x [batch][space][groups * size], with statistics over space and the `size` channels of a group; scale and bias per
// channel as in normalize_row. scratch: 3 * groups * size elements.
//
// The mean of the differences from the mean is what rounding left of it: the mean is corrected by it, and the variance
// by its square.
template <class T>
void group_normalization(std::size_t batch, std::size_t space, std::size_t groups, std::size_t size, T epsilon,
                         T stddev_epsilon, const T *x, const T *scale, const T *bias, T *y, T *scratch)
{
   const std::size_t channels = groups * size;
   const T count = T(space * size);
   T *const mean = scratch, *const factor = scratch + channels, *const rest = scratch + 2 * channels;
   for (std::size_t b = 0; b < batch; ++b) {
      reduce<ReduceSum>(1, space, channels, x, mean);
      average_groups(groups, size, count, mean);
      column_differences(space, channels, x, mean, rest, factor);
      average_groups(groups, size, count, rest);
      average_groups(groups, size, count, factor);
      for (std::size_t c = 0; c < channels; ++c) {
         const T square = rounded(rest[c] * rest[c]), variance = factor[c] - (square < factor[c] ? square : T(0));
         mean[c] += rest[c];
         factor[c] = (scale ? scale[c] : T(1)) / (std::sqrt(variance + epsilon) + stddev_epsilon);
      }
      for (std::size_t s = 0; s < space; ++s, x += channels, y += channels)
         for (std::size_t c = 0; c < channels; c += lanes<T>) {
            const std::size_t left = channels - c;
            const vec<T> d = load_up_to(x + c, left) - load_up_to(mean + c, left), f = load_up_to(factor + c, left);
            store_up_to(y + c, bias ? fma<T>(d, f, load_up_to(bias + c, left)) : d * f, left);
         }
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
