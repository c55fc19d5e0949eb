// Activations, broadcasting and functions along an axis by their definitions, in double precision (see
// core/reference.hxx). Functions of one number are written for numbers other than NaN unless they say so.
#ifndef SOFIE_JIT_ELEMENTWISE_REFERENCE_HXX
#define SOFIE_JIT_ELEMENTWISE_REFERENCE_HXX

#include "core/reference.hxx"

namespace sofie_jit {
namespace reference {

// ---- activations; NaN stays, but for those that compare: shrink, threshold, and general_relu with a threshold

inline double clip(double x, double low, double high)
{
   return x < low ? low : x > high ? high : x;
}

inline double relu(double x)
{
   return x < 0 ? 0 : x;
}

inline double leaky_relu(double x, double alpha)
{
   return x < 0 ? alpha * x : x;
}

inline double general_relu(double x, double negative_slope, double threshold, double low, double high)
{
   const double y = clip(x > threshold ? x : 0, low, high);
   return negative_slope == 0 ? y : y - negative_slope * relu(threshold - x);
}

inline double hard_sigmoid(double x, double alpha, double beta)
{
   return clip(alpha * x + beta, 0, 1);
}

inline double hard_swish(double x)
{
   return x * hard_sigmoid(x, 1.0 / 6, 0.5);
}

inline double shrink(double x, double lambd, double bias)
{
   return x < -lambd ? x + bias : x > lambd ? x - bias : 0;
}

inline double threshold(double x, double threshold, double value)
{
   return x > threshold ? x : value;
}

inline double sparse_sigmoid(double x)
{
   return (clip(x, -1, 1) + 1) / 2;
}

inline double sparse_plus(double x)
{
   return x <= -1 ? 0 : x < 1 ? (x + 1) * (x + 1) / 4 : x;
}

inline double squareplus(double x, double b)
{
   return (x + std::sqrt(x * x + b)) / 2;
}

inline double tanh_shrink(double x)
{
   return x - std::tanh(x);
}

inline double log_sigmoid(double x)
{
   return -softplus(-x);
}

inline double swish(double x)
{
   return x * sigmoid(x);
}

inline double mish(double x)
{
   return x * std::tanh(softplus(x));
}

inline double elu(double x, double alpha)
{
   return x < 0 ? alpha * std::expm1(x) : x;
}

inline double selu(double x)
{
   return 1.0507009873554805 * elu(x, 1.6732632423543772);
}

inline double celu(double x, double alpha)
{
   return x < 0 ? alpha * std::expm1(x / alpha) : x;
}

// x times the probability that a normally distributed number is at most x.
inline double gelu(double x)
{
   return x * (0.5 + 0.5 * std::erf(x * std::sqrt(0.5)));
}

inline double gelu_tanh(double x)
{
   if (std::fabs(x) > 1e12) // where x^3 overflows in float
      return x < 0 ? 0 * x : x;
   return x * (0.5 + 0.5 * std::tanh(std::sqrt(2 / 3.14159265358979324) * (x + 0.044715 * x * x * x)));
}

// ---- broadcasting

// Calls visit(flat index of the result, flat index of each of N inputs) for every element of a result of `rank`
// dimensions; has[i][d] says whether input i has dimension d or is repeated along it.
template <int N, class Has, class Visit>
void each_element(std::size_t rank, const std::size_t *shape, const Has &has, const Visit &visit)
{
   std::size_t total = 1;
   for (std::size_t d = 0; d < rank; ++d)
      total *= shape[d];
   for (std::size_t flat = 0; flat < total; ++flat) {
      std::size_t index[N] = {}, stride[N], rest = flat;
      for (auto &s : stride)
         s = 1;
      for (std::size_t d = rank; d-- > 0; rest /= shape[d])
         for (int i = 0; i < N; ++i)
            if (has[i][d]) {
               index[i] += rest % shape[d] * stride[i];
               stride[i] *= shape[d];
            }
      visit(flat, index);
   }
}

// ---- along an axis: `column` has `size` elements, `inner` apart

template <class T>
std::size_t arg_max(std::size_t size, std::size_t inner, const T *column)
{
   std::size_t largest = 0;
   for (std::size_t k = 1; k < size; ++k)
      largest = column[k * inner] > column[largest * inner] ? k : largest;
   return largest;
}

// The sum of elements 0 to k, in order.
template <class T>
T cum_sum(std::size_t k, std::size_t inner, const T *column)
{
   T sum = column[0];
   for (std::size_t i = 1; i <= k; ++i)
      sum = sum + column[i * inner];
   return sum;
}

// The product of elements 0 to k, in order.
template <class T>
T cum_prod(std::size_t k, std::size_t inner, const T *column)
{
   T product = column[0];
   for (std::size_t i = 1; i <= k; ++i)
      product = product * column[i * inner];
   return product;
}

} // namespace reference
} // namespace sofie_jit
#endif
