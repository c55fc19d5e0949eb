// One call on several threads. Only for the JIT: saved headers do not create threads and do not include this.
//
// Kernels are not aware of threads. For each kernel that can compute a part of its result there is a function
// parallel_* in a header parallel_*.hxx, which computes parts concurrently. It gets the kernel as a pointer, because
// the kernel was compiled earlier, when a single thread was enough. The parts depend on sizes and on the number of
// threads; no bit of the result does. Code that only distributes work is not optimized: it then compiles in a fraction
// of the time.
#ifndef SOFIE_JIT_TEAM_HXX
#define SOFIE_JIT_TEAM_HXX

#include "core/memory.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// Threads waiting for work, including the caller's. A null pointer to a Team means the caller's thread alone.
// (runtime/session.hxx defines the same struct.)
struct Team {
   // Calls task(context, part, thread) for every part < parts and returns when all are done. Each thread < threads runs
   // one part at a time.
   void (*run)(void *pool, std::size_t threads, std::size_t parts,
               void (*task)(const void *context, std::size_t part, std::size_t thread), const void *context);
   void *pool;
   std::size_t threads;
   std::size_t min_work; // floating-point operations (or an equivalent time) below which a part is not worth a thread
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

// Number of parts for work that can be divided into `blocks` equal pieces: up to `parts_per_thread` large enough parts
// for each thread, so that threads that finish early can help one that is delayed. At least 1 if there is a block.
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

// Part `part` of [0, size) divided into `parts` about equal ones that start at multiples of `step`.
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

// Calls f(part, thread) for every part.
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
