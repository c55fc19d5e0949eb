#include "gemm/matmul_integer.hxx"

#include <vector>

#include "check.hxx"

using namespace sofie_jit;

template <class A, class B>
void test(std::size_t M, std::size_t K, std::size_t N)
{
   check::Random random(M * 1000003 + K * 1009 + N);
   const auto bytes = [&](auto example, std::size_t size) {
      std::vector<decltype(example)> values(size);
      for (auto &value : values)
         value = static_cast<decltype(example)>(random.next());
      return values;
   };
   const auto a = bytes(A(), M * K), a_zero = bytes(A(), M);
   const auto b = bytes(B(), K * N), b_zero = bytes(B(), N);
   std::vector<std::int32_t> want(M * N), y(M * N + 1, 77);
   for (std::size_t m = 0; m < M; ++m)
      for (std::size_t k = 0; k < K; ++k)
         for (std::size_t n = 0; n < N; ++n)
            want[m * N + n] += (a[m * K + k] - a_zero[m]) * (b[k * N + n] - b_zero[n]);
   const auto panels = pack_matmul_integer<std::int16_t>(b.data(), b_zero.data(), 1, K, N);
   std::vector<std::int16_t> scratch(M * even(K) + 1, 77);
   matmul_integer(M, K, N, a.data(), ZeroPoint<A>{a_zero.data(), 1}, panels.data(), scratch.data(), y.data());
   const std::string what = std::to_string(M) + " " + std::to_string(K) + " " + std::to_string(N);
   check::require(y.back() == 77 && scratch.back() == 77, what + ": wrote past the end");
   y.pop_back();
   check::require(y == want, what + ": wrong");
   check::digest(y);
}

int main()
{
   for (std::size_t M : {0, 1, 3, 5, 12, 29})
      for (std::size_t K : {1, 2, 9, 64, 131})
         for (std::size_t N : {1, 7, 8, 16, 33, 70}) {
            test<std::uint8_t, std::int8_t>(M, K, N);
            test<std::int8_t, std::uint8_t>(M, K, N);
         }
   return check::done();
}
