// The threads that share large calls: a pool kept by the process, for the JIT only; saved headers do not create
// threads.
//
// A job consists of parts. Each thread has a queue of adjacent parts and helps with others' parts when its own queue is
// empty; so the caller never waits for a thread that has not started, such as a worker that another program keeps off
// its core. Workers spin for a moment between jobs, since the next one usually comes soon, and then sleep.
//
// One call uses the pool at a time; calls from other Python threads that find it taken run on their own thread. The
// pool is reached through a pointer that is never freed: a forked child, which has none of the threads, creates a new
// one, and nothing is destroyed under a worker at exit.
#ifndef SOFIE_JIT_THREAD_POOL_HXX
#define SOFIE_JIT_THREAD_POOL_HXX

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <pthread.h>
#include <sched.h>

namespace sofie_jit_runtime {

using Task = void (*)(const void *context, std::size_t part, std::size_t thread);
constexpr std::size_t max_threads = 256, max_arguments = 64; // run-time dimensions, and tensors
constexpr int spins = 2000, spins_between_yields = 32; // yields because the worker may be on the caller's core

constexpr std::size_t min_work = 200 * 1000; // of a part of an operator, in floating-point operations

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

// A thread that waits for a condition; other threads make it true and then call wake().
class Sleeper {
public:
   template <class Done>
   void wait(const Done &done)
   {
      if (spin(done))
         return;
      pthread_mutex_lock(&fMutex);
      fAsleep.store(true);
      while (!done())
         pthread_cond_wait(&fWoken, &fMutex);
      fAsleep.store(false);
      pthread_mutex_unlock(&fMutex);
   }
   void wake()
   {
      if (!fAsleep.load()) // a thread sets this before it checks the condition for the last time
         return;
      pthread_mutex_lock(&fMutex);
      pthread_cond_signal(&fWoken);
      pthread_mutex_unlock(&fMutex);
   }

private:
   std::atomic<bool> fAsleep{false};
   pthread_mutex_t fMutex = PTHREAD_MUTEX_INITIALIZER;
   pthread_cond_t fWoken = PTHREAD_COND_INITIALIZER;
};

class ThreadPool {
public:
   // Number of threads, including the caller's, that jobs may use now: 1 if the pool is taken. Otherwise call release()
   // after them.
   std::size_t acquire(std::size_t wanted)
   {
      if (wanted < 2 || fTaken.exchange(true, std::memory_order_acquire))
         return 1;
      wanted = wanted < max_threads ? wanted : max_threads;
      for (; fStarted < wanted; ++fStarted) {
         fThreads[fStarted].pool = this;
         pthread_t thread;
         if (pthread_create(&thread, nullptr, work, &fThreads[fStarted]))
            break;
         pthread_detach(thread);
      }
      if (fStarted == 1)
         release();
      return fStarted < wanted ? fStarted : wanted;
   }
   void release() { fTaken.store(false, std::memory_order_release); }

   // Calls task(context, part, thread) for every part < parts on `threads` threads; returns when all are done.
   void run(std::size_t threads, std::size_t parts, Task task, const void *context)
   {
      fTask = task;
      fContext = context;
      fCount.store(threads, std::memory_order_relaxed);
      fLeft.store(parts, std::memory_order_relaxed);
      fJob = (fJob + 1) & 0xffffffff;
      for (std::size_t i = 0; i < threads; ++i) {
         const std::size_t first = parts * i / threads, end = parts * (i + 1) / threads;
         fThreads[i].end = end;
         fThreads[i].queue.store(fJob << 32 | (end - first));
      }
      for (std::size_t i = 1; i < threads; ++i)
         fThreads[i].sleeper.wake();
      help(0, fJob);
      fThreads[0].sleeper.wait([this] { return fLeft.load() == 0; });
   }

private:
   struct alignas(64) Thread {
      std::atomic<std::uint64_t> queue{0}; // number of a job, and, below it, how many of its parts are waiting here
      std::size_t end = 0;                 // the part after the last of these
      Sleeper sleeper;
      ThreadPool *pool = nullptr;
   };

   // Runs the waiting parts of a job from any queue, the thread's own first.
   void help(std::size_t thread, std::uint64_t job)
   {
      const std::size_t threads = fCount.load(std::memory_order_relaxed);
      for (std::size_t i = 0, at = thread; i < threads; ++i, at = at + 1 < threads ? at + 1 : 0)
         for (std::size_t part; take(fThreads[at], job, part);) {
            fTask(fContext, part, thread);
            if (fLeft.fetch_sub(1) == 1 && thread)
               fThreads[0].sleeper.wake();
         }
   }

   // Takes a part of a job from a queue. Until that part is done the job cannot end, so data written before the job was
   // published, such as `end`, does not change.
   static bool take(Thread &from, std::uint64_t job, std::size_t &part)
   {
      std::uint64_t waiting = from.queue.load();
      while (waiting >> 32 == job && waiting != job << 32)
         if (from.queue.compare_exchange_weak(waiting, waiting - 1)) {
            part = from.end - (waiting - (job << 32));
            return true;
         }
      return false;
   }

   static void *work(void *argument)
   {
      Thread &mine = *static_cast<Thread *>(argument);
      for (;;) {
         mine.sleeper.wait([&mine] { return static_cast<std::uint32_t>(mine.queue.load()) != 0; });
         mine.pool->help(static_cast<std::size_t>(&mine - mine.pool->fThreads), mine.queue.load() >> 32);
      }
   }

   std::atomic<bool> fTaken{false};
   std::atomic<std::size_t> fCount{0}, fLeft{0};
   std::uint64_t fJob = 0;
   std::size_t fStarted = 1; // threads, including the caller's
   Task fTask = nullptr;
   const void *fContext = nullptr;
   Thread fThreads[max_threads]; // the caller's thread is the first
};

inline ThreadPool *pool = nullptr;

inline void run_team(void *pool, std::size_t threads, std::size_t parts, Task task, const void *context)
{
   static_cast<ThreadPool *>(pool)->run(threads, parts, task, context);
}

// Rows of the batch per part, or 0 if threads should share operators instead: if the batch would not keep all threads
// busy, or would give them fewer than `min_rows` rows. Whole register tiles if there are many rows.
std::size_t rows_per_part(std::size_t batch, std::size_t threads, std::size_t min_rows)
{
   constexpr std::size_t tile = 12, parts_per_thread = 4;
   const std::size_t share = (batch + threads - 1) / threads;
   if (10 * batch < 9 * threads * share || share < min_rows)
      return 0;
   const std::size_t rows = (share + parts_per_thread - 1) / parts_per_thread;
   return rows < 2 * tile ? share : (rows + tile - 1) / tile * tile;
}

struct RowParts {
   const Job &job;
   std::size_t rows;
   std::atomic<int> status;
};

inline void run_rows(const void *context, std::size_t part, std::size_t)
{
   RowParts &parts = *static_cast<RowParts *>(const_cast<void *>(context));
   const Job &job = parts.job;
   std::size_t dims[max_arguments];
   void *tensors[max_arguments];
   for (std::size_t i = 0; i < job.dim_count; ++i)
      dims[i] = job.dims[i];
   std::size_t &batch = dims[job.batch_index];
   const std::size_t first = part * parts.rows, left = batch - first;
   batch = left < parts.rows ? left : parts.rows;
   for (std::size_t i = 0; i < job.tensor_count; ++i)
      tensors[i] = static_cast<char *>(job.tensors[i]) + first * job.row_bytes[i];
   if (const int status = invoke(job.infer, job.session, dims, tensors))
      parts.status.store(status, std::memory_order_relaxed);
}

inline int parallel_job(const Job &job)
{
   const std::size_t threads = pool->acquire(job.threads);
   if (threads == 1)
      return invoke(job.infer, job.session, job.dims, job.tensors);
   const bool by_rows = job.row_bytes && job.dim_count <= max_arguments && job.tensor_count <= max_arguments;
   const std::size_t batch = by_rows ? job.dims[job.batch_index] : 0;
   const std::size_t rows = by_rows ? rows_per_part(batch, threads, job.min_rows) : 0;
   int status;
   if (rows) {
      RowParts parts{job, rows, {0}};
      pool->run(threads, (batch + rows - 1) / rows, run_rows, &parts);
      status = parts.status.load();
   } else {
      const Team team{run_team, pool, threads, min_work};
      status = invoke(job.infer, job.session, job.dims, job.tensors, &team);
   }
   pool->release();
   return status;
}

// `frame`: infer, session, number of run-time dimensions, the dimensions, the tensors, and, unless batch_index is
// negative, the bytes of each tensor per row of the batch. Called by Python without the GIL.
int run_parallel(const std::uint64_t *frame, std::uint64_t tensor_count, std::int64_t batch_index,
                 std::uint64_t min_rows, std::uint64_t threads)
{
   const std::uint64_t *const dims = frame + 3, *const tensors = dims + frame[2], *const bytes = tensors + tensor_count;
   return parallel_job({reinterpret_cast<Infer>(frame[0]), reinterpret_cast<const void *>(frame[1]),
                        reinterpret_cast<const std::size_t *>(dims), reinterpret_cast<void *const *>(tensors),
                        batch_index < 0 ? nullptr : reinterpret_cast<const std::size_t *>(bytes), frame[2],
                        tensor_count, static_cast<std::size_t>(batch_index), min_rows, threads});
}

// Called before the first call, and in a forked child.
void start_pool()
{
   pool = new ThreadPool;
   run_in_parallel = parallel_job;
}

} // namespace sofie_jit_runtime
#endif
