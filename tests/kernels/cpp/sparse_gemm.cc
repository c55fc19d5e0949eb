#include "gemm/reference.hxx"
#include "gemm/sparse_gemm.hxx"

#include "check.hxx"
#include "epilogue.hxx"

using namespace sofie_jit;

// Elements of which about `zeros` percent are zero, of either sign.
template <class T>
std::vector<T> with_zeros(check::Random &random, std::size_t size, std::size_t zeros)
{
   auto x = random.vector<T>(size);
   for (std::size_t i = 0; i < size; ++i)
      if (random.next() % 100 < zeros)
         x[i] = i % 3 ? T(0) : -T(0);
   return x;
}

template <std::size_t N, class T>
void test(std::size_t rows, std::size_t K, std::size_t zeros, double tolerance)
{
   check::Random random(rows * 1000003 + K * 1009 + N + zeros);
   const auto x = with_zeros<T>(random, rows * K, zeros);
   const auto w = random.vector<T>(K * N), b = random.vector<T>(N), added = random.vector<T>(rows * N + 1);
   const auto panels = pack_gemm<T>(w.data(), K, N);
   const auto bias = pack_bias<T>(b.data(), N);
   const bool more = (K + rows) % 2;
   const auto &epilogue = more ? check::everything<T> : check::relu<T>;
   const T *const residual = more ? added.data() : nullptr;
   const auto weight = [&](std::size_t k, std::size_t n) { return w[k * N + n]; };
   const auto want = reference::gemm(rows, K, N, x.data(), weight, b.data(), residual, check::finish(epilogue));

   const std::string what = "sparse_gemm " + std::to_string(rows) + " " + std::to_string(K) + " " + std::to_string(N) +
                            " with " + std::to_string(zeros) + " % of zeros";
   std::vector<T> dense(rows * N), y(rows * N + 1, T(77));
   gemm(rows, K, N, x.data(), panels.data(), bias.data(), residual, dense.data(), epilogue);
   const auto &parts = sparse_gemm_microkernels<T, true, N>;
   gemm(rows, K, N, x.data(), panels.data(), bias.data(), residual, y.data(), epilogue, parts);
   check::require(y.back() == T(77), what + ": wrote past the end");
   y.pop_back();
   check::close(what, y, want, more ? 20 * tolerance : tolerance);
   check::same_bits(what, y, dense);

   const GemmProblem<T> g{K, N, K, N, panels.data(), bias.data(), check::relu<T>, split_k(K, N, parts), false, parts};
   const bool does = gemm_sparse<N>(g, rows, x.data(), residual, y.data());
   check::require(does == (rows < 4 || zeros >= 75), what + ": goes the other way");
}

template <std::size_t N>
void test_sizes()
{
   for (std::size_t K : {32, 63, 64, 65, 130, 300, 1023})
      for (std::size_t zeros : {0, 75, 100})
         for (std::size_t rows : {1, 2, 3, 4, 5, 13, 70})
            test<N, float>(rows, K, zeros, 3e-6);
   test<N, double>(3, 100, 10, 1e-14);
   test<N, double>(17, 100, 80, 1e-14);
}

int main()
{
   // One block and several; remainders of zero to five panels, with and without a narrow one, for registers of any
   // width.
   test_sizes<65>();
   test_sizes<96>();
   test_sizes<112>();
   test_sizes<128>();
   test_sizes<136>();
   test_sizes<160>();
   test_sizes<173>();
   test_sizes<300>();
   test<65, float>(2, 65535, 75, 2e-5); // more words than a block has
   test<100, float>(33, 9001, 75, 1e-5); // rows whose bits do not fit the buffer together

   // NaN, infinities and tiny values are not skipped, and a zero sum has one sign
   constexpr std::size_t K = 64, N = 80, rows = 5;
   std::vector<float> x(rows * K), w(K * N, -1e-30f), b(N, -0.f), y(rows * N), dense(rows * N);
   x[0] = std::nanf("");
   x[K + 63] = INFINITY;
   x[2 * K + 1] = 1e-40f;  // denormal
   x[3 * K + 2] = 1e-30f;  // its product is -0
   const auto panels = pack_gemm(w.data(), K, N), bias = pack_bias(b.data(), N);
   const Epilogue<float> &open = no_epilogue<float>;
   gemm<float>(rows, K, N, x.data(), panels.data(), bias.data(), nullptr, dense.data(), open);
   gemm<float>(rows, K, N, x.data(), panels.data(), bias.data(), nullptr, y.data(), open,
               sparse_gemm_microkernels<float, false, N>);
   check::same_bits("sparse_gemm: numbers that are none", y, dense);
   check::require(y[0] != y[0] && y[N] == -INFINITY && y[2 * N] == 0 && y[3 * N] == 0, "sparse_gemm: special numbers");
   check::require(!std::signbit(y[3 * N]) && !std::signbit(y[4 * N]), "sparse_gemm: a negative zero");
   return check::done();
}
