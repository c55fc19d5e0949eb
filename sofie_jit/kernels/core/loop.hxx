// Loops and branches that depend on the data of a call.
#ifndef SOFIE_JIT_LOOP_HXX
#define SOFIE_JIT_LOOP_HXX

#include "core/memory.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// Sets the number of the first iteration, and whether there is one by a condition, which may be null.
inline void start_loop(const bool *condition, std::int64_t *number, bool *goes_on)
{
   *number = 0;
   *goes_on = !condition || *condition;
}

// Whether iteration `number` follows, given the maximum number of iterations, which may be null.
inline bool iterates(const std::int64_t *most, const std::int64_t *number, const bool *goes_on)
{
   return *goes_on && (!most || *number < *most);
}

// Writes a row of iteration `number` to y. Returns false if there is space for `most` rows only.
template <class T>
bool store_row(const std::int64_t *number, std::size_t most, std::size_t size, const T *x, T *y)
{
   if (std::size_t(*number) >= most)
      return false;
   copy(size, x, y + std::size_t(*number) * size);
   return true;
}

inline void next_iteration(const bool *condition, std::int64_t *number, bool *goes_on)
{
   ++*number;
   *goes_on = *condition;
}

inline void count_iterations(const std::int64_t *number, std::size_t *count)
{
   *count = std::size_t(*number);
}

inline bool all_iterations(const std::int64_t *number, std::size_t count)
{
   return std::size_t(*number) == count;
}

inline bool is_true(const bool *condition)
{
   return *condition;
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
