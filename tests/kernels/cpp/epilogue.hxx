// Epilogues for the tests of kernels that have one, and the same operations on a double.
#ifndef SOFIE_JIT_TESTS_EPILOGUE_HXX
#define SOFIE_JIT_TESTS_EPILOGUE_HXX

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

// The epilogue as a function, for the references.
template <class T>
auto finish(const sofie_jit::Epilogue<T> &epilogue)
{
   return [&epilogue](double x) { return applied(epilogue, x); };
}

} // namespace check
#endif
