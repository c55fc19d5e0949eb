// One call shared among threads, for the JIT alone: a saved header makes no threads, and includes none of this.
//
// Kernels know nothing of threads. Beside those that can compute a part of their result there is a function parallel_*,
// in parallel_*.hxx, which has parts computed at the same time. The kernel comes to it as a pointer, for it is compiled long
// before, when there is but one thread. Which parts these are is a function of sizes and of the number of threads; no bit
// of the result depends on it. Code that only hands out work is not optimised: it compiles in a fraction of the time.
#ifndef SOFIE_JIT_TEAM_HXX
#define SOFIE_JIT_TEAM_HXX

#include "core/memory.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// Threads that wait for work, the caller's among them; a null pointer to one stands for the caller alone.
// (runtime/session.hxx has the same struct.)
struct Team {
   // task(context, part, thread) for every part < parts; returns when all are done. Each thread < threads does one
   // part at a time.
   void (*run)(void *pool, std::size_t threads, std::size_t parts,
               void (*task)(const void *context, std::size_t part, std::size_t thread), const void *context);
   void *pool;
   std::size_t threads;
   std::size_t min_work; // floating-point operations, or what takes as long, below which a part does not pay
};

constexpr std::size_t team_size(const Team *team)
{
   return team ? team->threads : 1;
}

constexpr bool is_parallel(const Team &team, std::size_t work)
{
   return work >= 2 * team.min_work;
}

SOFIE_JIT_UNOPTIMIZED

// In how many parts to share work that can be cut into `blocks` equal pieces: `parts_per_thread` for each thread, if that pays, so
// that those that are done can help one that is held up. At least one, if there is a block.
constexpr std::size_t useful_parts(const Team &team, std::size_t work, std::size_t blocks,
                                   std::size_t parts_per_thread = 4)
{
   const std::size_t max_parts = parts_per_thread * team.threads < blocks ? parts_per_thread * team.threads : blocks;
   const std::size_t paying = work >= team.min_work ? work / team.min_work : 1;
   return paying < max_parts ? paying : max_parts;
}

struct Range {
   std::size_t first, last;
   constexpr std::size_t size() const { return last - first; }
};

// Part `part` of `parts` equal ones of [0, size), which begin at multiples of `step`.
constexpr Range part_of(std::size_t size, std::size_t step, std::size_t part, std::size_t parts)
{
   const std::size_t blocks = (size + step - 1) / step;
   const std::size_t first = blocks * part / parts * step, last = blocks * (part + 1) / parts * step;
   return {first, last < size ? last : size};
}

// How evenly `blocks` equal pieces keep the threads busy, in percent.
constexpr std::size_t balance(const Team &team, std::size_t blocks)
{
   return blocks ? 100 * blocks / ((blocks + team.threads - 1) / team.threads * team.threads) : 0;
}

// f(part, thread) for every part.
template <class F>
void parallel_for(const Team &team, std::size_t parts, const F &f)
{
   const auto task = [](const void *context, std::size_t part, std::size_t thread) {
      (*static_cast<const F *>(context))(part, thread);
   };
   team.run(team.pool, team.threads, parts, task, &f);
}

SOFIE_JIT_OPTIMIZED

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
