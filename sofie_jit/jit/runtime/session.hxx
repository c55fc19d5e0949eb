// Calls from Python into a Session: the text of every model defines functions of the same three types.
#ifndef SOFIE_JIT_SESSION_HXX
#define SOFIE_JIT_SESSION_HXX

#include <cstddef>
#include <cstdint>
#include <new>

namespace sofie_jit_runtime {

using Create = void *(*)(const void *const *weights);
using Destroy = void (*)(void *session);
// Returns 0, or the number of an error. `dims`: the run-time dimensions. `tensors`: C-contiguous inputs, then outputs.
// `team`: a Team that shares the work, or null.
using Infer = int (*)(const void *session, const std::size_t *dims, void *const *tensors, const void *team);

// Threads waiting for work; kernels/core/team.hxx defines the same struct.
struct Team {
   void (*run)(void *pool, std::size_t threads, std::size_t parts,
               void (*task)(const void *context, std::size_t part, std::size_t thread), const void *context);
   void *pool;
   std::size_t threads;
   std::size_t min_work;
};

// A call that can be divided among threads.
struct Job {
   Infer infer;
   const void *session;
   const std::size_t *dims;
   void *const *tensors;
   const std::size_t *row_bytes; // of each tensor, per row of the batch; null: rows depend on each other
   std::size_t dim_count, tensor_count, batch_index;
   std::size_t min_rows; // fewest rows of a thread
   std::size_t threads;
};
inline int (*run_in_parallel)(const Job &) = nullptr; // set by thread_pool.hxx when it is compiled

// Status returned by `invoke` if memory runs out. No exception may reach the interpreter or leave a thread.
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

// Returns the Session, or 0 if memory runs out.
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

// `frame`: infer, session, number of run-time dimensions, the dimensions, and the tensors.
int run(const std::uint64_t *frame)
{
   const Infer infer = reinterpret_cast<Infer>(frame[0]);
   const std::uint64_t *const dims = frame + 3;
   return invoke(infer, reinterpret_cast<const void *>(frame[1]), reinterpret_cast<const std::size_t *>(dims),
                 reinterpret_cast<void *const *>(dims + frame[2]));
}

// The same, called by Python without the GIL.
int run_released(const std::uint64_t *frame)
{
   return run(frame);
}

} // namespace sofie_jit_runtime
#endif
