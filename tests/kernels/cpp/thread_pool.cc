// The pool with concurrent callers that request different numbers of threads: every part of a job runs once, on a
// thread of that job, and no thread runs two at a time. (Also clean under -fsanitize=thread.)

#include "../jit/runtime/session.hxx"
#include "../jit/runtime/thread_pool.hxx"

#include "check.hxx"

#include <chrono>
#include <cstdlib>
#include <thread>

using namespace sofie_jit_runtime;

struct Work {
   std::vector<long> done;
   std::vector<std::atomic<bool>> busy;
   std::atomic<bool> wrong{false};
};

void task(const void *context, std::size_t part, std::size_t thread)
{
   Work &work = *static_cast<Work *>(const_cast<void *>(context));
   if (thread >= work.busy.size() || work.busy[thread].exchange(true))
      work.wrong = true;
   ++work.done[part];
   if (thread < work.busy.size())
      work.busy[thread] = false;
}

int main()
{
   start_pool();
   std::atomic<long> jobs{0}, wrong{0};
   const auto call = [&](std::uint64_t seed) {
      check::Random random(seed);
      for (int i = 0; i < 1000; ++i) {
         const std::size_t threads = pool->acquire(2 + random.next() % 4);
         if (threads == 1)
            continue; // another caller has the pool
         for (std::uint64_t job = random.next() % 8; job > 0; --job, ++jobs) {
            const std::size_t parts = 1 + random.next() % 30;
            Work work{std::vector<long>(parts), std::vector<std::atomic<bool>>(threads)};
            pool->run(threads, parts, task, &work);
            wrong += work.wrong || work.done != std::vector<long>(parts, 1);
         }
         pool->release();
         if (random.next() % 64 == 0) // long enough for workers to fall asleep
            std::this_thread::sleep_for(std::chrono::microseconds(300));
      }
   };
   std::thread first(call, 1), second(call, 2);
   call(3);
   first.join();
   second.join();
   check::require(jobs > 100, "the pool was used");
   check::require(!wrong, "parts left out, done twice, or by a wrong thread");

   check::require(rows_per_part(4096, 3, 12) == 348 && rows_per_part(3, 2, 1) == 0, "rows of a batch");
   const int code = check::done();
   std::fflush(stdout);
   std::_Exit(code); // the workers never end
}
