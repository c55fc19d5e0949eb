// Reductions, softmax and its relatives, normalizations and sorting by their definitions, in double precision (see
// core/reference.hxx).
#ifndef SOFIE_JIT_REDUCTION_REFERENCE_HXX
#define SOFIE_JIT_REDUCTION_REFERENCE_HXX

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <vector>

namespace sofie_jit {
namespace reference {

using Column = std::vector<double>;

// Calls f(column, offset) for each column along the axis of x, [outer][size][inner]; its elements are inner apart.
template <class T, class F>
void each_column(std::size_t outer, std::size_t size, std::size_t inner, const T *x, const F &f)
{
   for (std::size_t o = 0; o < outer; ++o)
      for (std::size_t i = 0; i < inner; ++i) {
         Column column(size);
         for (std::size_t k = 0; k < size; ++k)
            column[k] = double(x[(o * size + k) * inner + i]);
         f(column, o * size * inner + i);
      }
}

// y[outer][inner]: step(...step(step(start, x[0]), x[1])..., x[size - 1]) of each column.
template <class T, class Step>
std::vector<double> reduce(std::size_t outer, std::size_t size, std::size_t inner, const T *x, double start,
                           const Step &step)
{
   std::vector<double> y;
   each_column(outer, size, inner, x, [&](const Column &column, std::size_t) {
      double result = start;
      for (const double element : column)
         result = step(result, element);
      y.push_back(result);
   });
   return y;
}

// y[outer][size][inner]: function(column) of each column.
template <class T>
std::vector<double> along_axis(std::size_t outer, std::size_t size, std::size_t inner, const T *x,
                               Column (*function)(const Column &))
{
   std::vector<double> y(outer * size * inner);
   each_column(outer, size, inner, x, [&](const Column &column, std::size_t offset) {
      const Column result = function(column);
      for (std::size_t k = 0; k < size; ++k)
         y[offset + k * inner] = result[k];
   });
   return y;
}

inline Column softmax(const Column &x)
{
   const double largest = *std::max_element(x.begin(), x.end());
   double sum = 0;
   for (const double v : x)
      sum += std::exp(v - largest);
   Column y;
   for (const double v : x)
      y.push_back(std::exp(v - largest) / sum);
   return y;
}

inline Column log_softmax(const Column &x)
{
   const double largest = *std::max_element(x.begin(), x.end());
   double sum = 0;
   for (const double v : x)
      sum += std::exp(v - largest);
   Column y;
   for (const double v : x)
      y.push_back(v - largest - std::log(sum));
   return y;
}

// max(x - tau, 0); tau is Keras's, see softmax.hxx.
inline Column sparsemax(const Column &x)
{
   Column z = x;
   std::sort(z.begin(), z.end(), std::greater<double>());
   double running = 0, total = 0, support = 0;
   for (std::size_t k = 0; k < z.size(); ++k) {
      running += z[k];
      if (z[k] - (running - 1) / double(k + 1) > 0) {
         total += running;
         ++support;
      }
   }
   Column y;
   for (const double v : x)
      y.push_back(std::fmax(v - (total - 1) / support, 0));
   return y;
}

// y[o][i] = x[o][0][i] / (1 + exp(-x[o][1][i])) for x [outer][2][half].
template <class T>
std::vector<double> glu(std::size_t outer, std::size_t half, const T *x)
{
   std::vector<double> y;
   for (std::size_t o = 0; o < outer; ++o)
      for (std::size_t i = 0; i < half; ++i)
         y.push_back(double(x[o * 2 * half + i]) / (1 + std::exp(-double(x[(o * 2 + 1) * half + i]))));
   return y;
}

// Mean, variance around it, and mean of squares.
struct Moments {
   double mean = 0, variance = 0, square = 0;

   explicit Moments(const Column &x)
   {
      const double n = double(x.size());
      for (const double v : x)
         mean += v / n;
      for (const double v : x) {
         variance += (v - mean) * (v - mean) / n;
         square += v * v / n;
      }
   }
};

// (x - mean) / sqrt(variance + epsilon) * gamma + beta for x [batch][space][groups][size], with the mean and the
// variance of each image and group, and gamma and beta of each channel.
template <class T>
std::vector<double> group_normalization(std::size_t batch, std::size_t space, std::size_t groups, std::size_t size,
                                        double epsilon, const T *x, const T *gamma, const T *beta)
{
   const std::size_t channels = groups * size;
   std::vector<double> y(batch * space * channels);
   for (std::size_t b = 0; b < batch; ++b)
      for (std::size_t g = 0; g < groups; ++g) {
         std::vector<std::size_t> indices;
         Column elements;
         for (std::size_t s = 0; s < space; ++s)
            for (std::size_t c = g * size; c < (g + 1) * size; ++c) {
               indices.push_back((b * space + s) * channels + c);
               elements.push_back(double(x[indices.back()]));
            }
         const Moments m(elements);
         for (const std::size_t i : indices)
            y[i] = (double(x[i]) - m.mean) / std::sqrt(m.variance + epsilon) * double(gamma[i % channels]) +
                   double(beta[i % channels]);
      }
   return y;
}

// (x - mean) / sqrt(variance + epsilon) * gamma + beta for x [outer][channels][inner] and the rest of each channel.
template <class T>
std::vector<double> batch_normalization(std::size_t outer, std::size_t channels, std::size_t inner, double epsilon,
                                        const T *x, const T *gamma, const T *beta, const T *mean, const T *variance)
{
   std::vector<double> y;
   for (std::size_t i = 0; i < outer * channels * inner; ++i) {
      const std::size_t c = i / inner % channels;
      y.push_back((double(x[i]) - double(mean[c])) / std::sqrt(double(variance[c]) + epsilon) * double(gamma[c]) +
                  double(beta[c]));
   }
   return y;
}

// The indices of x in ascending or descending order; equal elements keep theirs.
template <class T>
std::vector<std::size_t> sorted_indices(std::size_t size, bool descending, const T *x)
{
   std::vector<std::size_t> indices(size);
   for (std::size_t i = 0; i < size; ++i)
      indices[i] = i;
   std::stable_sort(indices.begin(), indices.end(),
                    [&](std::size_t a, std::size_t b) { return descending ? x[a] > x[b] : x[a] < x[b]; });
   return indices;
}

} // namespace reference
} // namespace sofie_jit
#endif
