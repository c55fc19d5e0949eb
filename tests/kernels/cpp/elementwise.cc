#include "elementwise/elementwise.hxx"
#include "elementwise/reference.hxx"

#include <memory>

#include "check.hxx"

using namespace sofie_jit;

template <int N, class Visit>
void every(const Broadcast<N> &b, const Visit &visit)
{
   reference::each_element<N>(b.rank, b.shape, b.has, visit);
}

template <int N>
std::size_t size(const Broadcast<N> &b, int input) // of the result if input < 0
{
   std::size_t n = 1;
   for (std::size_t d = 0; d < b.rank; ++d)
      n *= input < 0 || b.has[input][d] ? b.shape[d] : 1;
   return n;
}

const Broadcast<2> shapes[] = {
   {1, {0}, {{true}, {true}}},
   {1, {1}, {{true}, {false}}},
   {1, {100}, {{true}, {true}}},
   {1, {37}, {{true}, {false}}},
   {1, {37}, {{false}, {true}}},
   {1, {5}, {{false}, {false}}},
   {2, {7, 19}, {{true, true}, {false, true}}},
   {2, {7, 19}, {{false, true}, {true, false}}},
   {3, {3, 0, 5}, {{true, true, true}, {true, false, true}}},
   {3, {3, 4, 5}, {{true, false, true}, {false, true, false}}},
   {4, {3, 4, 5, 2}, {{true, false, true, true}, {false, true, false, true}}},
   {8, {2, 3, 1, 2, 2, 3, 2, 3},
    {{true, false, true, false, true, false, true, false}, {false, true, true, true, false, true, false, true}}},
};

template <class T, class Operation>
void test(const char *name, const Operation &operation, double (*want)(double, double))
{
   check::Random random(7);
   for (const auto &shape : shapes) {
      auto a = random.vector<T>(size(shape, 0) + 1, -9, 9), b = random.vector<T>(size(shape, 1) + 1, 1, 9);
      if (std::is_floating_point_v<T> && a.size() > 4) {
         a[1] = T(NAN);
         a[2] = T(HUGE_VAL);
      }
      std::vector<T> y(size(shape, -1) + 1, T(77));
      std::vector<double> wanted(y.size() - 1);
      every(shape, [&](std::size_t to, const std::size_t *from) {
         wanted[to] = want(double(a[from[0]]), double(b[from[1]]));
      });
      binary(shape, a.data(), b.data(), y.data(), operation);
      check::require(y.back() == T(77), std::string(name) + ": wrote past the end");
      y.pop_back();
      check::close(name, y, wanted, sizeof(T) == 4 ? 1e-7 : 1e-15);
   }
}

// The same with one more input in front, which has every second dimension.
__attribute__((noinline)) Broadcast<3> with_condition(const Broadcast<2> &two)
{
   Broadcast<3> three{};
   three.rank = two.rank;
   for (std::size_t d = 0; d < two.rank; ++d) {
      three.shape[d] = two.shape[d];
      three.has[0][d] = d % 2 == 0;
      three.has[1][d] = two.has[0][d];
      three.has[2][d] = two.has[1][d];
   }
   return three;
}

void test_logic()
{
   check::Random random(8);
   for (const auto &shape : shapes) {
      const auto a = random.vector<std::int32_t>(size(shape, 0) + 1, -3, 3);
      const auto b = random.vector<std::int32_t>(size(shape, 1) + 1, -3, 3);
      std::unique_ptr<bool[]> y(new bool[size(shape, -1)]);
      compare(shape, a.data(), b.data(), y.get(), LessOrEqual{});
      every(shape, [&](std::size_t to, const std::size_t *from) {
         check::require(y[to] == (a[from[0]] <= b[from[1]]), "LessOrEqual");
      });
      const Broadcast<3> three = with_condition(shape);
      std::unique_ptr<bool[]> condition(new bool[size(three, 0)]);
      for (std::size_t i = 0; i < size(three, 0); ++i)
         condition[i] = i % 3 == 0;
      std::vector<std::int32_t> chosen(size(three, -1));
      where(three, condition.get(), a.data(), b.data(), chosen.data());
      every(three, [&](std::size_t to, const std::size_t *from) {
         check::require(chosen[to] == (condition[from[0]] ? a[from[1]] : b[from[2]]), "where");
      });
   }
}

void test_map_and_cast()
{
   for (std::size_t n : {0, 1, 7, 8, 15, 16, 17, 33, 100}) {
      check::Random random(n);
      const auto x = random.vector<float>(n, -9, 9);
      std::vector<float> y(n + 1, 77.0f);
      std::vector<double> want;
      for (float v : x)
         want.push_back(double(v) / 3);
      map(n, x.data(), y.data(), DivideBy<float>{3.0f});
      check::require(y.back() == 77.0f, "map wrote past the end");
      y.pop_back();
      check::close("map", y, want, 1e-7);
   }
   const float x[] = {0.0f, 1.9f, -1.9f, 3e9f, -3e9f, NAN, HUGE_VALF, -2147483648.0f};
   constexpr std::int32_t lowest = std::numeric_limits<std::int32_t>::min();
   const std::int32_t want[] = {0, 1, -1, lowest, lowest, lowest, lowest, lowest};
   std::int32_t integers[8];
   bool truth[8];
   double wide[8];
   cast(8, x, integers);
   cast(8, x, truth);
   cast(8, integers, wide);
   for (int i = 0; i < 8; ++i) {
      check::require(integers[i] == want[i], "cast to int32");
      check::require(truth[i] == (i != 0), "cast to bool");
      check::require(wide[i] == double(want[i]), "cast to double");
   }
}

double larger(double a, double b)
{
   return std::isnan(a) || a > b ? a : b;
}
double smaller(double a, double b)
{
   return std::isnan(a) || a < b ? a : b;
}

int main()
{
   test<float>("Add", Add{}, [](double a, double b) { return a + b; });
   test<std::int64_t>("Sub", Sub{}, [](double a, double b) { return a - b; });
   test<float>("Mul", Mul{}, [](double a, double b) { return a * b; });
   test<double>("Div", Div{}, [](double a, double b) { return a / b; });
   test<float>("Max", Max{}, larger);
   test<std::int32_t>("Max of integers", Max{}, larger);
   test<float>("Min", Min{}, smaller);
   test<double>("Pow", Pow{}, [](double a, double b) { return std::pow(a, b); });
   test<float>("PRelu", PRelu{}, [](double a, double b) { return a < 0 ? a * b : a; });
   test_logic();
   test_map_and_cast();
   return check::done();
}
