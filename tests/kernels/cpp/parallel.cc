// Parts of a result that are computed in any order, by any thread, have the bits of the whole.

#include "conv/parallel_conv.hxx"
#include "conv/parallel_depthwise.hxx"
#include "gemm/parallel_gemm.hxx"
#include "gemm/parallel_gemv.hxx"
#include "pool/parallel_pool.hxx"
#include "conv/parallel_winograd.hxx"
#include "gemm/sparse_gemm.hxx"

#include "check.hxx"
#include "scratch.hxx"
#include "epilogue.hxx"
#include "geometry.hxx"

using namespace sofie_jit;
using check::one;
using check::window;

std::size_t jobs = 0, parts_of_jobs = 0;

// Runs the last part first, with changing thread numbers.
void backwards(void *, std::size_t threads, std::size_t parts, void (*task)(const void *, std::size_t, std::size_t),
               const void *context)
{
   ++jobs;
   parts_of_jobs += parts;
   for (std::size_t part = parts; part-- > 0;)
      task(context, part, part * 7 % threads);
}

constexpr Team team(std::size_t threads, std::size_t min_work)
{
   return {backwards, nullptr, threads, min_work};
}

// Calls the kernel itself, or its parallel_* function with a team.
template <class Share, class Kernel, class... Arguments>
void parallel_or_not(const Team *some, Share share, Kernel kernel, const Arguments &...arguments)
{
   some ? share(*some, arguments..., kernel) : kernel(arguments...);
}

// run(team, y) without a team and with several teams.
template <class T, class F>
void compare(const std::string &what, std::size_t size, const F &run)
{
   std::vector<T> want(size, T(77)), got(size + 1);
   run(nullptr, want.data());
   check::digest(want);
   for (std::size_t threads : {2, 3, 5})
      for (std::size_t min_work : {1, 1000, 30000}) { // all calls, most calls, and batches of images are divided
         got.assign(size + 1, T(78));
         const Team some = team(threads, min_work);
         run(&some, got.data());
         check::require(got.back() == T(78), what + ": wrote past the end");
         got.pop_back();
         check::same_bits(what + ", " + std::to_string(threads) + " threads, " + std::to_string(min_work), got, want);
      }
}

template <class T>
void test_gemm(std::size_t rows, std::size_t K, std::size_t N)
{
   check::Random random(rows * 1000003 + K * 1009 + N);
   const auto x = random.vector<T>(rows * K), w = random.vector<T>(K * N), b = random.vector<T>(N);
   const auto residual = random.vector<T>(rows * N);
   const auto panels = pack_gemm<T>(w.data(), K, N);
   const auto bias = pack_bias<T>(b.data(), N);
   for (const auto *epilogue : {&check::relu<T>, &check::everything<T>})
      compare<T>("gemm " + std::to_string(rows) + " " + std::to_string(K) + " " + std::to_string(N), rows * N,
                 [&](const Team *some, T *y) {
                    parallel_or_not(some, parallel_gemm<T>, GemmKernel<T>(gemm<T>), rows, K, N, x.data(), panels.data(),
                                    bias.data(), epilogue->function ? residual.data() : nullptr, y, *epilogue,
                                    some ? gemm_microkernels<T, true> : gemm_microkernels<T>);
                 });
}

template <std::size_t N>
void test_sparse(std::size_t rows)
{
   constexpr std::size_t K = 300;
   check::Random random(rows * 1000003 + N);
   auto x = random.vector<float>(rows * K);
   for (auto &number : x)
      number = number > 0.1f ? number : 0;
   const auto w = random.vector<float>(K * N), b = random.vector<float>(N), residual = random.vector<float>(rows * N);
   const auto panels = pack_gemm<float>(w.data(), K, N), bias = pack_bias<float>(b.data(), N);
   for (const auto *epilogue : {&check::relu<float>, &check::everything<float>})
      compare<float>(
         "sparse_gemm " + std::to_string(rows) + " " + std::to_string(N), rows * N, [&](const Team *some, float *y) {
            parallel_or_not(some, parallel_gemm<float>, GemmKernel<float>(gemm<float>), rows, K, N, x.data(),
                            panels.data(), bias.data(), epilogue->function ? residual.data() : nullptr, y, *epilogue,
                            some ? sparse_gemm_microkernels<float, true, N> : gemm_microkernels<float>);
         });
}

template <class T>
void test_gemv(std::size_t rows, std::size_t K)
{
   check::Random random(rows * 1000003 + K * 1009);
   const auto x = random.vector<T>(rows * K), w = random.vector<T>(K), b = random.vector<T>(1);
   const auto residual = random.vector<T>(rows);
   const auto weights = pack_gemv<T>(w.data(), K);
   for (const auto *epilogue : {&check::relu<T>, &check::everything<T>})
      compare<T>("gemv " + std::to_string(rows) + " " + std::to_string(K), rows, [&](const Team *some, T *y) {
         parallel_or_not(some, parallel_gemv<T>, gemv<T>, rows, K, x.data(), weights.data(), b.data(),
                         epilogue->function ? residual.data() : nullptr, y, *epilogue);
      });
}

template <int MR, class T>
void test_conv(std::size_t batch, const Window &w, std::size_t C, std::size_t O, std::size_t groups, std::size_t strip)
{
   const ConvShape s{w, C, O, groups, strip};
   check::Random random(w.inputs() * 1000003 + w.taps() * 1009 + C * 101 + O);
   const auto x = random.vector<T>(batch * w.inputs() * C), k = random.vector<T>(s.K() * O), b = random.vector<T>(O);
   const auto residual = random.vector<T>(batch * w.pixels() * O);
   const auto panels = pack_conv<T>(k.data(), s);
   const auto bias = pack_bias<T>(b.data(), O);
   check::Scratch<T> scratch(5 * align_up(check::conv_scratch<T>(s)));
   for (const auto *epilogue : {&check::relu<T>, &check::everything<T>})
      compare<T>("conv" + check::describe(w) + ", channels " + std::to_string(C) + " " + std::to_string(O),
                 residual.size(), [&](const Team *some, T *y) {
                    parallel_or_not(some, parallel_conv<T>, conv<MR, 3, T>, batch, s, x.data(), panels.data(),
                                    bias.data(), epilogue->function ? residual.data() : nullptr, y, scratch.data(),
                                    *epilogue);
                 });
}

template <class T>
void test_winograd(std::size_t batch, const Window &w, std::size_t C, std::size_t O)
{
   const WinogradShape s{w, C, O};
   check::Random random(w.inputs() * 1009 + C * 101 + O);
   const auto x = random.vector<T>(batch * w.inputs() * C), k = random.vector<T>(9 * C * O), b = random.vector<T>(O);
   const auto residual = random.vector<T>(batch * w.pixels() * O);
   const auto panels = pack_winograd<T>(k.data(), C, O);
   const auto bias = pack_bias<T>(b.data(), O);
   check::Scratch<T> scratch(5 * align_up(check::winograd_scratch(s)));
   for (const auto *epilogue : {&check::relu<T>, &check::everything<T>})
      compare<T>("winograd" + check::describe(w), residual.size(), [&](const Team *some, T *y) {
         const auto kernel = [](auto... arguments) { winograd<T>(arguments..., gemm<T>); };
         parallel_or_not(some, parallel_winograd<T>, WinogradKernel<T>(kernel), 0, batch * s.tiles(), 0, O, s, x.data(),
                         panels.data(), bias.data(), epilogue->function ? residual.data() : nullptr, y, scratch.data(),
                         *epilogue);
      });
}

template <class T>
void test_window(std::size_t batch, const Window &w, std::size_t C)
{
   check::Random random(w.inputs() * 1009 + w.taps() * 101 + C);
   const auto x = random.vector<T>(batch * w.inputs() * C), k = random.vector<T>(w.taps() * C), b = random.vector<T>(C);
   const auto bias = pack_bias<T>(b.data(), C);
   check::Scratch<std::int64_t> scratch(5 * align_up(2 * w.taps()));
   const std::string what = check::describe(w) + ", channels " + std::to_string(C);
   for (const auto *epilogue : {&check::relu<T>, &check::everything<T>})
      compare<T>("depthwise" + what, batch * w.pixels() * C, [&](const Team *some, T *y) {
         parallel_or_not(some, parallel_depthwise<T>,
                         C < std::size_t(lanes<T>) ? depthwise<true, T> : depthwise<false, T>, batch, w, C, x.data(),
                         k.data(), bias.data(), y, scratch.data(), *epilogue);
      });
   compare<T>("pool" + what, batch * w.pixels() * C, [&](const Team *some, T *y) {
      const PoolKernel<T> few = [](auto... arguments) { pool<true>(arguments..., AveragePool{}); };
      const PoolKernel<T> many = [](auto... arguments) { pool<false>(arguments..., AveragePool{}); };
      parallel_or_not(some, parallel_pool<T>, C < std::size_t(lanes<T>) ? few : many, batch, w, C, x.data(), y,
                      scratch.data());
   });
}

int main()
{
   for (std::size_t rows : {1, 2, 13, 49, 100})
      for (std::size_t N : {1, 31, 33, 100, 257}) {
         test_gemm<float>(rows, 70, N);
         test_gemm<float>(rows, 300, N);
      }
   test_gemm<double>(29, 130, 37);
   for (std::size_t rows : {1, 3, 13, 100}) {
      test_sparse<100>(rows);
      test_sparse<256>(rows);
      test_sparse<300>(rows);
      test_sparse<1041>(rows);
   }
   for (std::size_t rows : {0, 1, 15, 100}) {
      test_gemv<float>(rows, 70);
      test_gemv<double>(rows, 33);
   }

   const Window windows[] = {
      window(one, one, {37, 3, 1, 1, 2, 0}),
      window(one, one, {40, 4, 3, 2, 3, 3}),
      window(one, {5, 3, 1, 1, 1, 1}, {7, 3, 1, 1, 1, 1}),
      window(one, {23, 3, 2, 1, 0, 1}, {9, 2, 3, 1, 0, 1}),
      window(one, {14, 2, 1, 2, 5, 4}, {5, 3, 1, 2, 2, 2}), // the first and last windows contain no pixel of the image
      window(one, {9, 3, 1, 1, 0, 0}, {3, 3, 1, 1, 0, 0}),
      window({7, 2, 1, 1, 0, 1}, {4, 3, 1, 1, 1, 1}, {5, 3, 2, 1, 1, 1}),
      window({3, 3, 1, 1, 0, 0}, {9, 3, 1, 1, 1, 1}, {5, 3, 2, 1, 1, 1}), // one plane of outputs from three of inputs
      window(one, one, {9, 3, 1, 1, 0, 0}),                               // fewer pixels than a register tile may have
   };
   for (const Window &w : windows)
      for (std::size_t batch : {1, 3, 64}) {
         for (std::size_t strip : {w.OH, (w.OH + 2) / 3}) {
            test_conv<1, float>(batch, w, 4, 70, 1, strip);
            test_conv<1, float>(batch, w, 6, 9, 3, strip);
            if (strip * w.OW >= 5)
               test_conv<5, float>(batch, w, 3, 33, 1, strip);
         }
         test_window<float>(batch, w, 3);
         test_window<float>(batch, w, 37);
      }
   test_conv<1, double>(2, windows[2], 5, 40, 1, 5);
   test_winograd<float>(1, window(one, {9, 3, 1, 1, 1, 1}, {11, 3, 1, 1, 1, 1}), 16, 32);
   test_winograd<float>(3, window(one, {27, 3, 1, 1, 1, 1}, {20, 3, 1, 1, 1, 1}), 16, 16);
   test_winograd<float>(1, window(one, {7, 3, 1, 1, 1, 1}, {7, 3, 1, 1, 1, 1}), 256, 256); // groups of outputs
   check::require(parts_of_jobs > 3 * jobs && jobs > 1000, "most calls come in several parts");
   return check::done();
}
