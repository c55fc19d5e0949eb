// Comparisons of sizes that are known only at run time.
#ifndef SOFIE_JIT_SIZES_HXX
#define SOFIE_JIT_SIZES_HXX

#include "core/isa.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

constexpr bool equal_sizes(std::size_t a, std::size_t b)
{
   return a == b;
}

// Differences of sizes may be negative.
constexpr bool at_most(std::size_t a, std::size_t b)
{
   return static_cast<std::ptrdiff_t>(a) <= static_cast<std::ptrdiff_t>(b);
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
