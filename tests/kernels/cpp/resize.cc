#include "resize/resize.hxx"

#include "check.hxx"

using namespace sofie_jit;

template <class T>
void test(std::size_t H, std::size_t W, std::size_t C, std::size_t OH, std::size_t OW, double tolerance)
{
   check::Random random(H * 1009 + OW * 101 + C);
   const std::size_t batch = 2;
   const auto x = random.vector<T>(batch * H * W * C);
   std::vector<double> want;
   const auto at = [&](std::size_t n, double h, double w, std::size_t c) {
      h = std::fmin(std::fmax(h, 0), double(H - 1));
      w = std::fmin(std::fmax(w, 0), double(W - 1));
      return double(x[((n * H + std::size_t(h)) * W + std::size_t(w)) * C + c]);
   };
   for (std::size_t n = 0; n < batch; ++n)
      for (std::size_t oh = 0; oh < OH; ++oh)
         for (std::size_t ow = 0; ow < OW; ++ow)
            for (std::size_t c = 0; c < C; ++c) {
               const double h = (double(oh) + 0.5) * double(H) / double(OH) - 0.5, i = std::floor(h), p = h - i;
               const double w = (double(ow) + 0.5) * double(W) / double(OW) - 0.5, j = std::floor(w), q = w - j;
               want.push_back((1 - p) * ((1 - q) * at(n, i, j, c) + q * at(n, i, j + 1, c)) +
                              p * ((1 - q) * at(n, i + 1, j, c) + q * at(n, i + 1, j + 1, c)));
            }
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
