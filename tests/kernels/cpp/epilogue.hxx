// Epilogues for the tests of kernels that have one, and the same in plain words; what they end, too.
#ifndef SOFIE_JIT_TESTS_EPILOGUE_HXX
#define SOFIE_JIT_TESTS_EPILOGUE_HXX

#include <vector>

#include "core/tile.hxx"

namespace check {

template <class T>
constexpr sofie_jit::Epilogue<T> relu{0, std::numeric_limits<T>::infinity(), nullptr};

template <class T>
void negate(std::size_t n, const T *x, T *y)
{
   for (std::size_t i = 0; i < n; ++i)
      y[i] = -x[i];
}

// Both bounds and a function.
template <class T>
constexpr sofie_jit::Epilogue<T> everything{T(-0.5), T(0.75), negate<T>};

template <class T>
double applied(const sofie_jit::Epilogue<T> &epilogue, double x)
{
   x = x < double(epilogue.low) ? double(epilogue.low) : x > double(epilogue.high) ? double(epilogue.high) : x;
   return epilogue.function ? -x : x;
}

// What a layer gives, by its definition: weight(k, n) are its weights. `residual` may be null.
template <class T, class Weight>
std::vector<double> dense64(std::size_t rows, std::size_t K, std::size_t N, const std::vector<T> &x,
                            const Weight &weight, const std::vector<T> &b, const T *residual,
                            const sofie_jit::Epilogue<T> &epilogue)
{
   std::vector<double> y(rows * N);
   for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t n = 0; n < N; ++n) {
         double sum = 0;
         for (std::size_t k = 0; k < K; ++k)
            sum += double(x[r * K + k]) * double(weight(k, n));
         y[r * N + n] = applied(epilogue, sum + double(b[n]) + (residual ? double(residual[r * N + n]) : 0));
      }
   return y;
}

} // namespace check
#endif
