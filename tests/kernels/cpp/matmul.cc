#include "gemm/matmul.hxx"
#include "gemm/reference.hxx"

#include <algorithm>

#include "check.hxx"

using namespace sofie_jit;

template <class T>
void test(std::size_t M, std::size_t K, std::size_t N, double tolerance)
{
   // a: [3][1][M][K], b: [2][K][N] -> y: [3][2][M][N]
   const MatmulStack stack{2, {3, 2}, {M * K, 0, K, 1}, {0, K * N, N, 1}, {2 * M * N, M * N, N, 1}};
   // the same as [M][3][1][K], [2][N][K] and [3][M][2][N]
   const MatmulStack turned{2, {3, 2}, {K, 0, 3 * K, 1}, {0, K * N, 1, K}, {2 * M * N, N, 2 * N, 1}};
   check::Random random(M * 1000003 + K * 1009 + N);
   const auto a = random.vector<T>(3 * M * K), b = random.vector<T>(2 * K * N);
   std::vector<double> want(6 * M * N);
   for (std::size_t s = 0; s < 6; ++s)
      reference::matmul(M, K, N, &a[0] + s / 2 * M * K, &b[0] + s % 2 * K * N, &want[0] + s * M * N);
   std::vector<T> y(6 * M * N + 1, T(77)), panel(K * nr<T>);
   matmul(stack, M, K, N, a.data(), b.data(), panel.data(), y.data(), gemm_microkernels<T>);
   check::require(y.back() == T(77), "matmul wrote past the end");
   y.pop_back();
   check::close("matmul " + std::to_string(M) + " " + std::to_string(K) + " " + std::to_string(N), y, want, tolerance);

   std::vector<T> turned_a(a.size()), turned_b(b.size()), turned_y(y.size() + 1, T(77)), want_y(y.size());
   for (std::size_t s = 0; s < 3; ++s)
      for (std::size_t m = 0; m < M; ++m)
         std::copy_n(&a[0] + (s * M + m) * K, K, &turned_a[0] + (m * 3 + s) * K);
   for (std::size_t s = 0; s < 2; ++s)
      for (std::size_t k = 0; k < K; ++k)
         for (std::size_t n = 0; n < N; ++n)
            turned_b[(s * N + n) * K + k] = b[(s * K + k) * N + n];
   for (std::size_t s = 0; s < 6; ++s)
      for (std::size_t m = 0; m < M; ++m)
         std::copy_n(&y[0] + (s * M + m) * N, N, &want_y[0] + ((s / 2 * M + m) * 2 + s % 2) * N);
   matmul(turned, M, K, N, turned_a.data(), turned_b.data(), panel.data(), turned_y.data(), gemm_microkernels<T>);
   check::require(turned_y.back() == T(77), "matmul of turned axes wrote past the end");
   turned_y.pop_back();
   check::require(turned_y == want_y, "matmul of turned axes gives other bits");
}

int main()
{
   for (std::size_t M : {0, 1, 5, 13})
      for (std::size_t K : {0, 1, 31, 300})
         for (std::size_t N : {1, 16, 33, 70}) {
            test<float>(M, K, N, 3e-6);
            test<double>(M, K, N, 1e-14);
         }
   return check::done();
}
