// Comparison for the self test of a saved header. Not used by code compiled in Python.
#ifndef SOFIE_JIT_SELF_TEST_HXX
#define SOFIE_JIT_SELF_TEST_HXX

#include <cmath>
#include <cstddef>
#include <string>

#include "core/simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// Whether `count` elements are within `tolerance` times the largest finite magnitude of `want`, with NaN and infinities
// at the same indices. If not, `message` (unless null) describes the largest difference.
template <class T>
bool agree(const char *name, const T *got, const double *want, std::size_t count, double tolerance,
           std::string *message)
{
   double scale = 0, worst = 0;
   std::size_t worst_at = 0;
   for (std::size_t i = 0; i < count; ++i)
      if (std::isfinite(want[i]) && std::fabs(want[i]) > scale)
         scale = std::fabs(want[i]);
   for (std::size_t i = 0; i < count; ++i) {
      const double g = static_cast<double>(got[i]);
      double error = g == want[i] || (std::isnan(g) && std::isnan(want[i])) ? 0 : std::fabs(g - want[i]);
      if (std::isnan(error))
         error = HUGE_VAL;
      if (error > worst) {
         worst = error;
         worst_at = i;
      }
   }
   if (worst <= tolerance * scale)
      return true;
   if (message)
      *message = std::string(name) + ", element " + std::to_string(worst_at) + ": " +
                 std::to_string(static_cast<double>(got[worst_at])) + " instead of " + std::to_string(want[worst_at]) +
                 "; the difference exceeds " + std::to_string(tolerance / 1e-6) + "e-6 of the largest magnitude";
   return false;
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
