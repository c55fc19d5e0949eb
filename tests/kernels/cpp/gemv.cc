#include "gemm/gemv.hxx"
#include "gemm/reference.hxx"

#include "check.hxx"
#include "epilogue.hxx"

using namespace sofie_jit;

template <class T>
void test(std::size_t rows, std::size_t K, double tolerance)
{
   check::Random random(rows * 1000003 + K * 1009);
   const auto x = random.vector<T>(rows * K), w = random.vector<T>(K), b = random.vector<T>(1);
   const auto weights = pack_gemv<T>(w.data(), K, T(0.5));
   const bool more = K % 2; // half of the sizes with everything an epilogue can have
   const auto &epilogue = more ? check::everything<T> : check::relu<T>;
   const auto added = random.vector<T>(more ? rows + 1 : 0);
   const T *const residual = more ? added.data() : nullptr;

   const auto weight = [&](std::size_t k, std::size_t) { return T(0.5) * w[k]; };
   const auto want = reference::gemm(rows, K, 1, x.data(), weight, b.data(), residual, check::finish(epilogue));

   const std::string what = "gemv " + std::to_string(rows) + " " + std::to_string(K);
   std::vector<T> y(rows + 1, T(77)), one(rows);
   gemv(rows, K, x.data(), weights.data(), b.data(), residual, y.data(), epilogue);
   check::require(y.back() == T(77), what + ": wrote past the end");
   y.pop_back();
   check::close(what, y, want, more ? 20 * tolerance : tolerance); // bounded results are small, their errors are not
   for (std::size_t r = 0; r < rows; ++r)
      gemv(1, K, x.data() + r * K, weights.data(), b.data(), residual_at(residual, r), one.data() + r, epilogue);
   check::same_bits(what + ": row by row", y, one);
}

int main()
{
   for (std::size_t rows : {0, 1, 2, 3, 4, 5, 7, 8, 13})
      for (std::size_t K : {0, 1, 2, 7, 15, 16, 17, 31, 33, 300, 1023, 1024, 1025, 2500}) {
         test<float>(rows, K, 3e-6);
         test<double>(rows, K, 1e-14);
      }

   // NaN stays, infinities are bounded
   const float x[] = {std::nanf(""), INFINITY, -INFINITY, 1}, w = 1, b = 0;
   float y[4];
   const auto weights = pack_gemv(&w, 1);
   gemv<float>(4, 1, x, weights.data(), &b, nullptr, y, {-2, 3, nullptr});
   check::require(y[0] != y[0] && y[1] == 3 && y[2] == -2 && y[3] == 1, "gemv: bounds");
   return check::done();
}
