#include "gemm/gemm.hxx"
#include "gemm/reference.hxx"

#include <algorithm>

#include "check.hxx"
#include "epilogue.hxx"

using namespace sofie_jit;

template <class T>
void test(std::size_t rows, std::size_t K, std::size_t N, bool transposed, double tolerance)
{
   check::Random random(rows * 1000003 + K * 1009 + N);
   const auto x = random.vector<T>(rows * K), w = random.vector<T>(K * N), b = random.vector<T>(N);
   const auto panels = pack_gemm<T>(w.data(), K, N, transposed);
   const auto bias = pack_bias<T>(b.data(), N);
   const bool more = (K + N) % 2; // half of the sizes with everything an epilogue can have
   const auto &epilogue = more ? check::everything<T> : check::relu<T>;
   const auto added = random.vector<T>(more ? rows * N + 1 : 0);
   const T *const residual = more ? added.data() : nullptr;

   const auto weight = [&](std::size_t k, std::size_t n) { return transposed ? w[n * K + k] : w[k * N + n]; };
   const auto want = reference::gemm(rows, K, N, x.data(), weight, b.data(), residual, check::finish(epilogue));

   const std::string what = "gemm " + std::to_string(rows) + " " + std::to_string(K) + " " + std::to_string(N);
   std::vector<T> y(rows * N + 1, T(77)), one(rows * N);
   gemm(rows, K, N, x.data(), panels.data(), bias.data(), residual, y.data(), epilogue);
   check::require(y.back() == T(77), what + ": wrote past the end");
   y.pop_back();
   check::close(what, y, want, more ? 20 * tolerance : tolerance); // bounded results are small, their errors are not
   for (std::size_t r = 0; r < rows; ++r)
      gemm(1, K, N, x.data() + r * K, panels.data(), bias.data(), residual_at(residual, r * N), one.data() + r * N,
           epilogue);
   check::same_bits(what + ": row by row", y, one);
   one.push_back(T(77));
   gemm(rows, K, N, x.data(), panels.data(), bias.data(), residual, one.data(), epilogue, gemm_microkernels<T, true>);
   check::require(one.back() == T(77), what + ": wrote past the end with pairs of panels");
   one.pop_back();
   check::same_bits(what + ": pairs of panels", y, one);
   if (rows % 4)
      return;
   // as in Winograd: no function for single rows, whose sums have another order
   std::fill(one.begin(), one.end(), T(0));
   gemm(rows, K, N, x.data(), panels.data(), bias.data(), residual, one.data(), epilogue,
        gemm_microkernels<T, true, false>);
   check::close(what + ": without single rows", one, want, more ? 20 * tolerance : tolerance);
}

int main()
{
   for (std::size_t rows : {0, 1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 16, 29})
      for (std::size_t K : {1, 2, 16, 31, 255, 256, 257, 700})
         for (std::size_t N : {1, 3, 5, 15, 16, 17, 31, 32, 33, 64, 75, 145}) {
            test<float>(rows, K, N, false, 3e-6);
            test<double>(rows, K, N, true, 1e-14);
         }
   test<float>(3, 1030, 40, false, 3e-6); // several blocks of the sum, and one output more than a group of panels
   test<float>(2, 300, 129, false, 3e-6);
   test<float>(600, 200, 70, false, 3e-6); // several blocks of rows
   test<float>(49, 512, 256, false, 3e-6); // weights that are prefetched

   // NaN stays, infinities are bounded
   const float x[] = {std::nanf(""), INFINITY, -INFINITY, 1}, w = 1, b = 0;
   float y[4];
   const auto panels = pack_gemm(&w, 1, 1), bias = pack_bias(&b, 1);
   gemm<float>(4, 1, 1, x, panels.data(), bias.data(), nullptr, y, {-2, 3, nullptr});
   check::require(y[0] != y[0] && y[1] == 3 && y[2] == -2 && y[3] == 1, "gemm: bounds");
   return check::done();
}
