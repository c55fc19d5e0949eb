#include "resize/reference.hxx"
#include "resize/resize.hxx"

#include "check.hxx"

using namespace sofie_jit;

template <class T>
void test(std::size_t H, std::size_t W, std::size_t C, std::size_t OH, std::size_t OW, double tolerance)
{
   check::Random random(H * 1009 + OW * 101 + C);
   const std::size_t batch = 2;
   const auto x = random.vector<T>(batch * H * W * C);
   const auto want = reference::resize_bilinear(batch, H, W, C, OH, OW, x.data());
   std::vector<T> y(want.size() + 1, T(77));
   if (C < lanes<T>)
      resize_bilinear<true>(batch, H, W, C, OH, OW, x.data(), y.data());
   else
      resize_bilinear<false>(batch, H, W, C, OH, OW, x.data(), y.data());
   check::require(y.back() == T(77), "resize: wrote past the end");
   y.pop_back();
   check::close("resize of " + std::to_string(C) + " channels", y, want, tolerance);
}

int main()
{
   for (std::size_t C : {1, 3, 8, 17, 33})
      for (std::size_t out : {1, 2, 5, 10, 15, 7}) {
         test<float>(5, 3, C, out, 2 * out, 1e-6);
         test<double>(5, 3, C, 2 * out, out, 1e-15);
         test<float>(1, 1, C, out, out, 1e-6);
      }
   return check::done();
}
