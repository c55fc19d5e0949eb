// How Python reaches a Session: every model's text has functions of the same three types, and these here call them.
#ifndef SOFIE_JIT_SESSION_HXX
#define SOFIE_JIT_SESSION_HXX

#include <cstddef>
#include <cstdint>
#include <new>

namespace sofie_jit_runtime {

using Create = void *(*)(const void *const *weights);
using Destroy = void (*)(void *session);
// 0, or the number of what went wrong. `dims`: the run-time dimensions; `tensors`: C-contiguous inputs, then outputs;
// `team`: a Team that shares the work, or null.
using Infer = int (*)(const void *session, const std::size_t *dims, void *const *tensors, const void *team);

// Threads that wait for work; kernels/team.hxx has the same struct.
struct Team {
   void (*run)(void *pool, std::size_t threads, std::size_t parts,
               void (*task)(const void *context, std::size_t part, std::size_t thread), const void *context);
   void *pool;
   std::size_t threads;
   std::size_t min_work;
};

// A call that threads may share.
struct Job {
   Infer infer;
   const void *session;
   const std::size_t *dims;
   void *const *tensors;
   const std::size_t *row_bytes; // of each tensor, per row of the batch; null: rows depend on each other
   std::size_t dim_count, tensor_count, batch_index;
   std::size_t min_rows; // rows of the batch that no thread should have fewer of
   std::size_t threads;
};
inline int (*run_in_parallel)(const Job &) = nullptr; // thread_pool.hxx puts its function here when it is compiled

// Bytes of a register, as kernels/simd.hxx takes them.
int vector_bytes()
{
#if defined(__AVX512F__)
   return 64;
#elif defined(__AVX__) && defined(__FMA__)
   return 32;
#else
   return 16;
#endif
}

// What `invoke` returns when there is too little memory. No exception may reach the interpreter or a thread's end.
constexpr int no_memory = -1;

inline int invoke(Infer infer, const void *session, const std::size_t *dims, void *const *tensors,
                  const Team *team = nullptr)
{
   try {
      return infer(session, dims, tensors, team);
   } catch (const std::bad_alloc &) {
      return no_memory;
   }
}

// The Session, or 0 if there is too little memory.
std::uint64_t create(std::uint64_t function, const std::uint64_t *weights)
{
   try {
      return reinterpret_cast<std::uint64_t>(
         reinterpret_cast<Create>(function)(reinterpret_cast<const void *const *>(weights)));
   } catch (const std::bad_alloc &) {
      return 0;
   }
}

void destroy(std::uint64_t function, std::uint64_t session)
{
   reinterpret_cast<Destroy>(function)(reinterpret_cast<void *>(session));
}

// `frame`: infer, session, number of run-time dimensions, these, and the tensors.
int run(const std::uint64_t *frame)
{
   const Infer infer = reinterpret_cast<Infer>(frame[0]);
   const std::uint64_t *const dims = frame + 3;
   return invoke(infer, reinterpret_cast<const void *>(frame[1]), reinterpret_cast<const std::size_t *>(dims),
                 reinterpret_cast<void *const *>(dims + frame[2]));
}

// The same; Python calls it without the GIL.
int run_released(const std::uint64_t *frame)
{
   return run(frame);
}

} // namespace sofie_jit_runtime
#endif
