// The threads that share big calls: a pool kept by the process, for the JIT alone; saved headers make no threads.
//
// Workers spin for a moment between jobs, since the next one mostly comes soon, and sleep after it. One call has the
// pool at a time; calls that find it taken, from other Python threads, run alone. Everything is reached through a
// pointer that is never freed: a forked child, which has none of the threads, starts anew, and nothing is torn down
// under a worker at exit.
#ifndef SOFIE_JIT_THREAD_POOL_HXX
#define SOFIE_JIT_THREAD_POOL_HXX

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <pthread.h>
#include <sched.h>

namespace sofie_jit_runtime {

using Task = void (*)(void *context, int index);
constexpr int most_threads = 256;
constexpr int spins = 2000, spins_between_yields = 32; // the worker may have been put on the caller's core

template <class Done>
bool spin(const Done &done)
{
   for (int i = 0; i < spins; ++i) {
      if (done())
         return true;
      if (i % spins_between_yields == spins_between_yields - 1)
         sched_yield();
#if defined(__x86_64__)
      else
         __builtin_ia32_pause();
#endif
   }
   return false;
}

class ThreadPool {
public:
   // The number of threads, the caller's included, that a job may have now: 1 if the pool is taken. Then release().
   int acquire(int wanted)
   {
      if (wanted < 2 || fTaken.exchange(true, std::memory_order_acquire))
         return 1;
      while (fWorkers + 1 < wanted && fWorkers + 1 < most_threads) {
         fArguments[fWorkers] = {this, fWorkers + 1, fJob.load()};
         pthread_t thread;
         if (pthread_create(&thread, nullptr, work, &fArguments[fWorkers]))
            break;
         pthread_detach(thread);
         ++fWorkers;
      }
      if (fWorkers == 0) {
         release();
         return 1;
      }
      return fWorkers + 1 < wanted ? fWorkers + 1 : wanted;
   }
   void release() { fTaken.store(false, std::memory_order_release); }

   // task(context, 0), ..., task(context, count - 1) at the same time; returns when all are done.
   void run(int count, Task task, void *context)
   {
      fTask = task;
      fContext = context;
      fCount = count;
      fLeft.store(fWorkers, std::memory_order_relaxed);
      pthread_mutex_lock(&fMutex);
      fJob.fetch_add(1, std::memory_order_release);
      pthread_cond_broadcast(&fStart);
      pthread_mutex_unlock(&fMutex);
      task(context, 0);
      const auto done = [this] { return fLeft.load(std::memory_order_acquire) == 0; };
      if (spin(done))
         return;
      pthread_mutex_lock(&fMutex);
      while (!done())
         pthread_cond_wait(&fDone, &fMutex);
      pthread_mutex_unlock(&fMutex);
   }

private:
   struct Argument {
      ThreadPool *pool;
      int index;
      unsigned job;
   };

   static void *work(void *argument)
   {
      const Argument &mine = *static_cast<const Argument *>(argument);
      ThreadPool &pool = *mine.pool;
      for (unsigned last = mine.job;; ++last) {
         const auto started = [&pool, last] { return pool.fJob.load(std::memory_order_acquire) != last; };
         if (!spin(started)) {
            pthread_mutex_lock(&pool.fMutex);
            while (!started())
               pthread_cond_wait(&pool.fStart, &pool.fMutex);
            pthread_mutex_unlock(&pool.fMutex);
         }
         if (mine.index < pool.fCount)
            pool.fTask(pool.fContext, mine.index);
         if (pool.fLeft.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            pthread_mutex_lock(&pool.fMutex);
            pthread_cond_signal(&pool.fDone);
            pthread_mutex_unlock(&pool.fMutex);
         }
      }
   }

   std::atomic<bool> fTaken{false};
   std::atomic<unsigned> fJob{0};
   std::atomic<int> fLeft{0};
   int fWorkers = 0, fCount = 0;
   Task fTask = nullptr;
   void *fContext = nullptr;
   Argument fArguments[most_threads];
   pthread_mutex_t fMutex = PTHREAD_MUTEX_INITIALIZER;
   pthread_cond_t fStart = PTHREAD_COND_INITIALIZER, fDone = PTHREAD_COND_INITIALIZER;
};

inline ThreadPool *pool = nullptr;

// Before the first call, and in a forked child.
void start_pool()
{
   pool = new ThreadPool;
}

// A call whose batch is shared among threads.
struct Shares {
   Infer infer;
   const void *session;
   const std::uint64_t *dims, *tensors, *row_bytes;
   std::uint64_t dim_count, tensor_count, batch_place;
   int threads;
   std::atomic<int> status;
};
constexpr std::uint64_t most_shared = 64; // run-time dimensions, and tensors

inline void run_share(void *context, int index)
{
   Shares &shares = *static_cast<Shares *>(context);
   const std::uint64_t batch = shares.dims[shares.batch_place], threads = static_cast<std::uint64_t>(shares.threads);
   const std::uint64_t first = batch * std::uint64_t(index) / threads, last = batch * std::uint64_t(index + 1) / threads;
   std::size_t dims[most_shared];
   void *tensors[most_shared];
   for (std::uint64_t i = 0; i < shares.dim_count; ++i)
      dims[i] = i == shares.batch_place ? last - first : shares.dims[i];
   for (std::uint64_t i = 0; i < shares.tensor_count; ++i)
      tensors[i] = reinterpret_cast<char *>(shares.tensors[i]) + first * shares.row_bytes[i];
   if (const int status = invoke(shares.infer, shares.session, dims, tensors))
      shares.status.store(status, std::memory_order_relaxed);
}

// `frame`: infer, session, number of run-time dimensions, these, the tensors, and the bytes that each has per row.
// Python calls it without the GIL.
int run_shared(const std::uint64_t *frame, std::uint64_t tensor_count, std::uint64_t batch_place, int threads)
{
   const std::uint64_t *const dims = frame + 3, *const tensors = dims + frame[2];
   const bool fits = frame[2] <= most_shared && tensor_count <= most_shared;
   Shares shares{reinterpret_cast<Infer>(frame[0]), reinterpret_cast<const void *>(frame[1]), dims, tensors,
                 tensors + tensor_count, frame[2], tensor_count, batch_place, fits ? pool->acquire(threads) : 1, {0}};
   if (shares.threads == 1)
      return run(frame);
   pool->run(shares.threads, run_share, &shares);
   pool->release();
   return shares.status.load();
}

} // namespace sofie_jit_runtime
#endif
