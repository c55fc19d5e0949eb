#include "reduction/reference.hxx"
#include "reduction/softmax.hxx"

#include "check.hxx"

using namespace sofie_jit;

using reference::Column;

template <class T>
void test(const char *name, Column (*want)(const Column &),
          void (*run)(std::size_t, std::size_t, std::size_t, const T *, T *), double tolerance)
{
   for (std::size_t size : {1, 2, 5, 15, 16, 17, 40, 100})
      for (std::size_t inner : {1, 3, 16, 21}) {
         const std::size_t outer = inner == 1 ? 37 : 3;
         check::Random random(size * 100 + inner);
         auto x = random.vector<T>(outer * size * inner, -6, 6);
         x[0] = T(-HUGE_VAL); // a row of one element becomes NaN; in longer rows the result is 0
         const auto wanted = reference::along_axis(outer, size, inner, x.data(), want);
         std::vector<T> y(x.size() + 1, T(77));
         run(outer, size, inner, x.data(), y.data());
         check::require(y.back() == T(77), std::string(name) + ": wrote past the end");
         y.pop_back();
         std::vector<T> one_by_one(y.size());
         for (std::size_t o = 0; o < outer; ++o)
            run(1, size, inner, x.data() + o * size * inner, one_by_one.data() + o * size * inner);
         check::same_bits(std::string(name) + ": row by row", y, one_by_one);
         if (size > 1 || want != reference::sparsemax)
            check::close(std::string(name) + " " + std::to_string(size) + " " + std::to_string(inner), y, wanted,
                         tolerance);
      }
}

// Rows with special values: NaN everywhere if there is NaN or +Inf, or only -Inf.
void test_special()
{
   for (float bad : {NAN, HUGE_VALF})
      for (std::size_t inner : {1, 2}) {
         std::vector<float> x(20 * inner, 1.0f), y(x.size());
         x[3 * inner] = bad;
         softmax(1, 20, inner, x.data(), y.data());
         for (std::size_t k = 0; k < 20; ++k)
            check::require(std::isnan(y[k * inner]), "softmax of a row with NaN or Inf");
         if (inner == 2)
            check::require(y[1] == 0.05f, "softmax beside a column with NaN");
         log_softmax(1, 20, inner, x.data(), y.data());
         check::require(std::isnan(y[0]) && std::isnan(y[3 * inner]), "log_softmax of a row with NaN or Inf");
      }
   std::vector<float> x(20, -HUGE_VALF), y(20);
   softmax(1, 20, 1, x.data(), y.data());
   check::require(std::isnan(y[0]), "softmax of -Inf");
}

template <class T>
void run_sparsemax(std::size_t outer, std::size_t size, std::size_t inner, const T *x, T *y)
{
   std::vector<T> scratch(size);
   sparsemax(outer, size, inner, x, y, scratch.data());
}

void test_glu()
{
   check::Random random(5);
   const auto x = random.vector<float>(3 * 2 * 21, -4, 4);
   std::vector<float> y(3 * 21);
   glu(3, 21, x.data(), y.data());
   check::close("glu", y, reference::glu(3, 21, x.data()), 3e-7);
}

// A single row has the same bits as among others.
template <int Most, class T>
void test_short()
{
   for (std::size_t n = 0; n <= Most; ++n) {
      check::Random random(n);
      const std::size_t rows = 9;
      const auto x = random.vector<T>(rows * n, -5, 5);
      std::vector<T> together(rows * n), one(rows * n + 1, T(77));
      softmax_short<Most, T>(rows, n, x.data(), together.data(), softmax_last<T>);
      for (std::size_t row = 0; row < rows; ++row)
         softmax_short<Most, T>(1, n, x.data() + row * n, one.data() + row * n, nullptr);
      softmax_short<Most, T>(0, n, x.data(), one.data(), nullptr);
      check::require(one.back() == T(77), "softmax_short wrote past the end");
      one.pop_back();
      check::same_bits("softmax_short " + std::to_string(n), together, one);
   }
}

int main()
{
   test_short<tuning::virtual_lanes / 2, float>();
   test_short<tuning::virtual_lanes, float>();
   test_short<tuning::virtual_lanes / 2, double>();
   test_short<tuning::virtual_lanes, double>();
   test<float>("softmax", reference::softmax, softmax<float>, 5e-7);
   test<double>("softmax of double", reference::softmax, softmax<double>, 1e-15);
   test<float>("log_softmax", reference::log_softmax, log_softmax<float>, 5e-7);
   test<float>("sparsemax", reference::sparsemax, run_sparsemax<float>, 1e-6);
   test_special();
   test_glu();
   return check::done();
}
