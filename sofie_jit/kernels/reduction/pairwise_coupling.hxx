// Probabilities of classes from the probabilities of their pairs, in double: the second method of Wu, Lin and Weng,
// JMLR 5 (2004), with the stopping rule of LIBSVM.
#ifndef SOFIE_JIT_PAIRWISE_COUPLING_HXX
#define SOFIE_JIT_PAIRWISE_COUPLING_HXX

#include "core/simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// q[i][i] = sum over j != i of r_ji^2 and q[i][j] = -r_ij r_ji, where r_ij is the element of the pair i < j in `r`, and
// r_ji = 1 - r_ij.
template <class T>
void coupling_matrix(std::size_t classes, const T *r, double *q)
{
   for (std::size_t i = 0; i < classes; ++i)
      q[i * classes + i] = 0;
   for (std::size_t i = 0; i < classes; ++i)
      for (std::size_t j = i + 1; j < classes; ++j, ++r) {
         const double first = static_cast<double>(*r), second = 1 - first;
         q[i * classes + j] = q[j * classes + i] = -first * second;
         q[i * classes + i] = fma1(second, second, q[i * classes + i]);
         q[j * classes + j] = fma1(first, first, q[j * classes + j]);
      }
}

// product = q p; returns p^T q p.
inline double coupling_products(std::size_t classes, const double *q, const double *p, double *product)
{
   double square = 0;
   for (std::size_t i = 0; i < classes; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < classes; ++j)
         sum = fma1(q[i * classes + j], p[j], sum);
      product[i] = sum;
      square = fma1(p[i], sum, square);
   }
   return square;
}

// One step of class i: the p[i] that minimizes p^T q p if the others keep their ratios.
inline void coupling_step(std::size_t classes, std::size_t i, const double *q, double *p, double *product,
                          double &square)
{
   const double *row = q + i * classes, step = (square - product[i]) / row[i], total = 1 + step;
   square = fma1(step, fma1(step, row[i], 2 * product[i]), square) / total / total;
   p[i] += step;
   for (std::size_t j = 0; j < classes; ++j) {
      product[j] = fma1(step, row[j], product[j]) / total;
      p[j] /= total;
   }
}

// y [rows][classes] from r [rows][classes (classes - 1) / 2]. A row of NaN stays at equal probabilities. `memory` has
// classes (classes + 2) elements.
template <class T>
void pairwise_coupling(std::size_t rows, std::size_t classes, std::size_t iterations, const T *r, double *memory, T *y)
{
   double *q = memory, *p = q + classes * classes, *product = p + classes;
   for (std::size_t row = 0; row < rows; ++row, r += classes * (classes - 1) / 2, y += classes) {
      coupling_matrix(classes, r, q);
      for (std::size_t i = 0; i < classes; ++i)
         p[i] = 1 / static_cast<double>(classes);
      for (std::size_t iteration = 0; iteration < iterations; ++iteration) {
         double square = coupling_products(classes, q, p, product), error = 0;
         for (std::size_t i = 0; i < classes; ++i) {
            const double gradient = product[i] < square ? square - product[i] : product[i] - square;
            error = gradient > error ? gradient : error;
         }
         if (error < 0.005 / static_cast<double>(classes))
            break;
         for (std::size_t i = 0; i < classes; ++i)
            coupling_step(classes, i, q, p, product, square);
      }
      for (std::size_t i = 0; i < classes; ++i)
         y[i] = static_cast<T>(p[i]);
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
