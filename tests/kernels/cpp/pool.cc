#include "pool/pool.hxx"
#include "pool/reference.hxx"

#include "check.hxx"
#include "geometry.hxx"

using namespace sofie_jit;
using check::one;
using check::window;

template <class T, class Op>
std::vector<T> run(std::size_t batch, const Window &w, std::size_t C, const std::vector<T> &x, const Op &op)
{
   std::vector<T> y(batch * w.pixels() * C + 1, T(77));
   std::vector<std::int64_t> scratch(2 * w.taps());
   if (C < lanes<T>)
      pool<true>(batch, w, C, x.data(), y.data(), scratch.data(), op);
   else
      pool<false>(batch, w, C, x.data(), y.data(), scratch.data(), op);
   check::require(y.back() == T(77), "pool: wrote past the end");
   y.pop_back();
   return y;
}

template <class T, class Op>
std::vector<T> run_global(std::size_t batch, std::size_t pixels, std::size_t C, const std::vector<T> &x, const Op &op)
{
   std::vector<T> y(batch * C + 1, T(77));
   if (C < lanes<T>)
      global_pool<true>(batch, pixels, C, x.data(), y.data(), op);
   else
      global_pool<false>(batch, pixels, C, x.data(), y.data(), op);
   check::require(y.back() == T(77), "global_pool: wrote past the end");
   y.pop_back();
   return y;
}

template <class T>
void test(const Window &w, std::size_t C, double tolerance)
{
   const std::size_t batch = 2;
   check::Random random(w.inputs() * 1000003 + w.taps() * 1009 + C);
   auto x = random.vector<T>(batch * w.inputs() * C);
   const auto largest = reference::pool(batch, w, C, x.data(), reference::maximum);
   const auto average = reference::pool(batch, w, C, x.data(), reference::mean);
   const auto average_all = reference::pool(batch, w, C, x.data(), [&](const std::vector<double> &elements) {
      return reference::sum(elements) / double(w.taps());
   });
   const std::string what = "pool" + check::describe(w) + ", channels " + std::to_string(C);
   if constexpr (sizeof(T) == 4) // maxima do not depend on the precision; compiling them once saves time
      check::close(what + " max", run(batch, w, C, x, MaxPool{}), largest, 0);
   check::close(what + " average", run(batch, w, C, x, AveragePool{}), average, tolerance);
   check::close(what + " average with padding", run(batch, w, C, x, AveragePool{true}), average_all, tolerance);
}

template <class T>
void test_global(std::size_t pixels, std::size_t C, double tolerance)
{
   const std::size_t batch = 2;
   check::Random random(pixels * 1009 + C);
   const auto x = random.vector<T>(batch * pixels * C);
   const auto largest = reference::global_pool(batch, pixels, C, x.data(), reference::maximum);
   const auto average = reference::global_pool(batch, pixels, C, x.data(), reference::mean);
   const std::string what = "global pool of " + std::to_string(pixels) + " pixels, channels " + std::to_string(C);
   if constexpr (sizeof(T) == 4)
      check::close(what + " max", run_global(batch, pixels, C, x, GlobalMaxPool{}), largest, 0);
   check::close(what + " average", run_global(batch, pixels, C, x, GlobalAveragePool{}), average, tolerance);
}

// NaN and infinities as in TensorFlow's layers.
void test_not_finite(std::size_t C)
{
   const double nan = NAN, inf = INFINITY, low = double(std::numeric_limits<float>::lowest());
   const double windows[][3] = {{1, nan, 2},     {nan, 1, 2},        {1, 2, nan},
                                {nan, nan, nan}, {-inf, -inf, -inf}, {1, inf, -inf}};
   const double max[] = {2, 2, 2, low, low, inf}, global[] = {nan, nan, nan, nan, -inf, inf};
   for (int i = 0; i < 6; ++i) {
      std::vector<float> x;
      for (double value : windows[i])
         x.insert(x.end(), C, float(value));
      const std::string what = "pool of special values " + std::to_string(i);
      const Window w = window(one, one, {3, 3, 1, 1, 0, 0});
      check::close(what, run(1, w, C, x, MaxPool{}), std::vector<double>(C, max[i]), 0);
      check::close(what + ", global", run_global(1, 3, C, x, GlobalMaxPool{}), std::vector<double>(C, global[i]), 0);
   }
}

int main()
{
   const Window windows[] = {
      window(one, one, {1, 1, 1, 1, 0, 0}),
      window(one, one, {20, 2, 2, 1, 0, 0}),
      window(one, one, {9, 3, 2, 1, 1, 1}),
      window(one, {5, 3, 1, 1, 1, 1}, {12, 3, 1, 1, 1, 1}),
      window(one, {8, 3, 2, 1, 0, 1}, {9, 2, 3, 1, 0, 1}),
      window(one, {6, 2, 1, 2, 1, 1}, {8, 3, 1, 2, 2, 2}),
      window({3, 2, 1, 1, 0, 1}, {4, 3, 1, 1, 1, 1}, {9, 3, 2, 1, 1, 1}),
   };
   for (std::size_t C : {1, 3, 4, 7, 8, 15, 16, 17, 33, 40}) {
      for (const Window &w : windows) {
         test<float>(w, C, 1e-6);
         test<double>(w, C, 1e-15);
      }
      for (std::size_t pixels : {1, 2, 255, 256, 257, 1000}) {
         test_global<float>(pixels, C, 2e-6);
         test_global<double>(pixels, C, 4e-15);
      }
      test_not_finite(C);
   }
   test_global<float>(300, 130, 2e-6);
   return check::done();
}
