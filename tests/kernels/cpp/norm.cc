#include "reduction/norm.hxx"
#include "reduction/reference.hxx"

#include "check.hxx"

using namespace sofie_jit;

template <class T>
void test_rows(std::size_t rows, std::size_t n, double offset, double tolerance)
{
   check::Random random(rows * 1000 + n);
   const auto x = random.vector<T>(rows * n, offset - 2, offset + 3);
   const auto scale = random.vector<T>(n), bias = random.vector<T>(n);
   const std::string what = " " + std::to_string(rows) + " " + std::to_string(n);
   const T *none = nullptr;
   enum { full, plain, uncentered, contrib, rms, unit, kinds };
   for (int kind = 0; kind < kinds; ++kind) {
      std::vector<double> want;
      for (std::size_t r = 0; r < rows; ++r) {
         const reference::Moments m({x.begin() + long(r * n), x.begin() + long((r + 1) * n)});
         for (std::size_t i = 0; i < n; ++i) {
            const double v = double(x[r * n + i]), s = double(scale[i]), b = double(bias[i]);
            const double d = v - m.mean, inverse = 1 / std::sqrt(m.variance + 1e-3);
            want.push_back(kind == full         ? d * inverse * s + b
                           : kind == plain      ? d * inverse
                           : kind == uncentered ? v * inverse * s
                           : kind == contrib    ? d / (std::sqrt(m.variance) + 1e-3) * s + b
                           : kind == rms        ? v / std::sqrt(m.square + 1e-3) * s
                                                : v / std::sqrt(m.square * double(n)));
         }
      }
      std::vector<T> y(rows * n + 1, T(77));
      if (kind == rms)
         rms_normalization(rows, n, T(1e-3), x.data(), scale.data(), y.data());
      else if (kind == unit)
         lp_normalization(rows, n, T(1e12), x.data(), y.data());
      else
         layer_normalization(rows, n, kind == contrib ? T(0) : T(1e-3), kind == contrib ? T(1e-3) : T(0),
                             kind != uncentered, x.data(), kind == plain ? none : scale.data(),
                             kind == full || kind == contrib ? bias.data() : none, y.data());
      check::require(y.back() == T(77), "norm: wrote past the end" + what);
      y.pop_back();
      check::close("norm " + std::to_string(kind) + what, y, want, tolerance);
   }
}

template <class T>
void test_groups(std::size_t space, std::size_t groups, std::size_t size, double tolerance)
{
   const std::size_t batch = 2, channels = groups * size;
   check::Random random(space * 1000 + channels);
   const auto x = random.vector<T>(batch * space * channels, -1, 2);
   const auto scale = random.vector<T>(channels), bias = random.vector<T>(channels);
   const auto want =
      reference::group_normalization(batch, space, groups, size, 1e-3, x.data(), scale.data(), bias.data());
   std::vector<T> y(x.size() + 1, T(77)), scratch(3 * channels);
   group_normalization(batch, space, groups, size, T(1e-3), T(0), x.data(), scale.data(), bias.data(), y.data(),
                       scratch.data());
   check::require(y.back() == T(77), "group_normalization: wrote past the end");
   y.pop_back();
   check::close("group_normalization", y, want, tolerance);
}

template <class T>
void test_batch_normalization(std::size_t outer, std::size_t channels, std::size_t inner, double tolerance)
{
   check::Random random(outer * 1000 + channels * 10 + inner);
   const auto x = random.vector<T>(outer * channels * inner);
   const auto gamma = random.vector<T>(channels), beta = random.vector<T>(channels), mean = random.vector<T>(channels);
   const auto variance = random.vector<T>(channels, 0.5, 2);
   const auto scale = pack_batch_norm_scale<T>(gamma.data(), variance.data(), channels, 1e-3);
   const auto shift = pack_batch_norm_shift<T>(gamma.data(), beta.data(), mean.data(), variance.data(), channels, 1e-3);
   const auto want = reference::batch_normalization(outer, channels, inner, 1e-3, x.data(), gamma.data(), beta.data(),
                                                    mean.data(), variance.data());
   std::vector<T> y(x.size() + 1, T(77));
   batch_normalization(outer, channels, inner, x.data(), scale.data(), shift.data(), y.data());
   check::require(y.back() == T(77), "batch_normalization: wrote past the end");
   y.pop_back();
   check::close("batch_normalization", y, want, tolerance);
}

int main()
{
   for (std::size_t n : {2, 3, 15, 16, 17, 31, 33, 100, 5000})
      for (std::size_t rows : {0, 1, 3}) {
         test_rows<float>(rows, n, 0, 1e-6);
         test_rows<double>(rows, n, 100, 1e-12);
      }
   for (std::size_t space : {1, 5, 49, 300})
      for (std::size_t groups : {1, 3, 16, 40})
         for (std::size_t size : {1, 2, 5}) {
            if (space * size < 2)
               continue;
            test_groups<float>(space, groups, size, 1e-6);
            test_groups<double>(space, groups, size, 1e-14);
         }
   for (std::size_t channels : {1, 3, 16, 33})
      for (std::size_t inner : {1, 5, 40}) {
         test_batch_normalization<float>(3, channels, inner, 5e-7);
         test_batch_normalization<double>(3, channels, inner, 1e-15);
      }
   return check::done();
}
