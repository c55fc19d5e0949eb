#include "reduction/reduce.hxx"
#include "reduction/reference.hxx"

#include "check.hxx"

using namespace sofie_jit;

template <class Op, class T>
void test(const char *name, double start, double (*step)(double, double), double tolerance)
{
   const std::size_t cases[][3] = {{1, 1, 1},   {3, 0, 1},   {3, 0, 5},    {2, 1, 7},   {3, 7, 1},     {2, 15, 1},
                                   {2, 16, 1},  {2, 17, 1},  {2, 31, 1},   {1, 33, 1},  {2, 100, 1},   {1, 9000, 1},
                                   {2, 5, 3},   {2, 3, 16},  {2, 9, 17},   {1, 4, 100}, {1, 256, 5},   {1, 257, 5},
                                   {1, 700, 9}, {2, 20, 64}, {0, 5, 3}};
   for (const auto &c : cases) {
      const std::size_t outer = c[0], size = c[1], inner = c[2];
      check::Random random(outer * 10007 + size * 101 + inner);
      auto x = random.vector<T>(outer * size * inner, 0.98, 1.02);
      if (x.size() > 40 && size < 50)
         x[37] = T(NAN);
      const auto want = reference::reduce(outer, size, inner, x.data(), start, step);
      std::vector<T> y(outer * inner + 1, T(77));
      reduce<Op>(outer, size, inner, x.data(), y.data());
      check::require(y.back() == T(77), std::string(name) + ": wrote past the end");
      y.pop_back();
      check::close(name + (" " + std::to_string(size)) + " " + std::to_string(inner), y, want, tolerance);
   }
}

int main()
{
   test<ReduceSum, float>("sum", 0, [](double a, double x) { return a + x; }, 1e-6);
   test<ReduceSum, double>("sum of double", 0, [](double a, double x) { return a + x; }, 1e-14);
   test<ReduceSumSquare, float>("sum of squares", 0, [](double a, double x) { return a + x * x; }, 1e-6);
   test<ReduceProd, float>("product", 1, [](double a, double x) { return a * x; }, 1e-5);
   test<ReduceMax, float>("max", -HUGE_VAL, [](double a, double x) { return a > x || std::isnan(a) ? a : x; }, 0);
   test<ReduceMin, double>("min", HUGE_VAL, [](double a, double x) { return a < x || std::isnan(a) ? a : x; }, 0);
   return check::done();
}
