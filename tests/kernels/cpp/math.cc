// Scalar functions against libm in double precision, and functions along an axis against loops.
#include "elementwise/math.hxx"
#include "elementwise/reference.hxx"

#include <algorithm>

#include "check.hxx"

using namespace sofie_jit;

// Tests `map` of a function object at an odd size, on values from [low, high] and, if `special`, on NaN and infinities.
template <class Function, class Want>
void unary(const char *what, double low, double high, bool special, const Want &want)
{
   std::vector<float> x = check::Random(1).vector<float>(1001, low, high);
   if (special)
      for (const double v : {0.0, -0.0, HUGE_VAL, -HUGE_VAL, std::nan("")})
         x.push_back(float(v));
   std::vector<float> y(x.size());
   std::vector<double> exact;
   for (const float v : x)
      exact.push_back(want(double(v)));
   map(x.size(), x.data(), y.data(), Function{});
   check::close(what, y, exact, 3e-7);
}

template <class T>
void along_an_axis()
{
   for (const std::size_t inner : {std::size_t(1), std::size_t(3)})
      for (const std::size_t size : {std::size_t(1), std::size_t(2), std::size_t(9)}) {
         const std::size_t outer = 4, n = outer * size * inner;
         std::vector<T> x = check::Random(2).vector<T>(n, -9, 9), sums(n), products(n), picked(outer * 2 * inner);
         std::vector<std::int32_t> best(outer * inner), indices(outer * 2 * inner);
         arg_max(outer, size, inner, false, x.data(), best.data());
         cum_sum(outer, size, inner, x.data(), sums.data());
         cum_prod(outer, size, inner, x.data(), products.data());
         for (std::size_t i = 0; i < indices.size(); ++i)
            indices[i] = i % 2 ? -1 : std::int32_t(i % size);
         check::require(gather_elements(outer, size, 2, inner, x.data(), indices.data(), picked.data()), "inside");
         for (std::size_t o = 0; o < outer; ++o)
            for (std::size_t i = 0; i < inner; ++i) {
               const T *column = x.data() + o * size * inner + i;
               for (std::size_t k = 0; k < size; ++k) {
                  const std::size_t at = (o * size + k) * inner + i;
                  check::require(products[at] == reference::cum_prod(k, inner, column), "cum_prod");
                  check::require(sums[at] == reference::cum_sum(k, inner, column), "cum_sum");
               }
               check::require(best[o * inner + i] == std::int32_t(reference::arg_max(size, inner, column)), "arg_max");
               for (std::size_t p = 0; p < 2; ++p) {
                  const std::size_t at = (o * 2 + p) * inner + i;
                  const std::size_t row = indices[at] < 0 ? size - 1 : std::size_t(indices[at]);
                  check::require(picked[at] == column[row * inner], "gather_elements");
               }
            }
         indices[0] = std::int32_t(size);
         check::require(!gather_elements(outer, size, 2, inner, x.data(), indices.data(), picked.data()), "outside");
         check::digest(sums);
         check::digest(products);
      }
}

void order()
{
   const float nan = std::nanf(""), x[] = {2, 5, nan, 5, -1};
   std::int32_t first = -1;
   arg_max(std::size_t(1), std::size_t(5), std::size_t(1), false, x, &first);
   check::require(first == 2, "arg_max: NaN counts as the largest");
   arg_max(std::size_t(1), std::size_t(5), std::size_t(1), true, x + 3, &first);

   const float ascending[] = {-1, 2, 2, 7}, wanted[] = {-2, -1, 2, 3, 7, 8, nan};
   std::vector<std::int32_t> left(7), right(7);
   search_sorted(std::size_t(7), std::size_t(4), false, wanted, ascending, left.data());
   search_sorted(std::size_t(7), std::size_t(4), true, wanted, ascending, right.data());
   check::require(left == std::vector<std::int32_t>{0, 0, 1, 3, 3, 4, 0}, "search_sorted, left");
   check::require(right == std::vector<std::int32_t>{0, 1, 3, 3, 4, 4, 4}, "search_sorted, right");
   search_sorted(std::size_t(7), std::size_t(0), true, wanted, ascending, right.data());
   check::require(right == std::vector<std::int32_t>(7, 0), "search_sorted in nothing");
}

void remainders()
{
   const double cases[][3] = {{7, 3, 1}, {-7, 3, 2}, {7, -3, -2}, {-7, -3, -1}, {6, 3, 0}, {-6, 3, 0}};
   for (const auto &c : cases) {
      check::require(modulo(float(c[0]), float(c[1])) == float(c[2]), "modulo of floats");
      check::require(modulo(std::int32_t(c[0]), std::int32_t(c[1])) == std::int32_t(c[2]), "modulo of integers");
   }
   check::require(std::isnan(modulo(1.0f, 0.0f)) && modulo(std::int32_t(1), std::int32_t(0)) == 0, "modulo by 0");
   check::require(modulo(std::numeric_limits<std::int32_t>::min(), std::int32_t(-1)) == 0, "modulo by -1");
}

int main()
{
   unary<Neg>("neg", -9, 9, true, [](double v) { return -v; });
   unary<Abs>("abs", -9, 9, true, [](double v) { return std::fabs(v); });
   unary<Sign>("sign", -9, 9, true, [](double v) { return v > 0 ? 1 : v < 0 ? -1 : v; });
   unary<Square>("square", -9, 9, true, [](double v) { return v * v; });
   unary<Reciprocal>("reciprocal", 0.1, 9, false, [](double v) { return 1 / v; });
   unary<Sqrt>("sqrt", 0, 9, true, [](double v) { return std::sqrt(v); });
   unary<Rsqrt>("rsqrt", 0.01, 9, false, [](double v) { return 1 / std::sqrt(v); });
   unary<Log>("log", 0.01, 9, true, [](double v) { return std::log(v); });
   unary<Log1p>("log1p", -0.9, 9, true, [](double v) { return std::log1p(v); });
   unary<Expm1>("expm1", -9, 9, true, [](double v) { return std::expm1(v); });
   unary<Erf>("erf", -4, 4, true, [](double v) { return std::erf(v); });
   unary<Floor>("floor", -9, 9, true, [](double v) { return std::floor(v); });
   unary<Ceil>("ceil", -9, 9, true, [](double v) { return std::ceil(v); });
   unary<Round>("round", -9, 9, true, [](double v) { return std::nearbyint(v); });
   unary<Trunc>("trunc", -9, 9, true, [](double v) { return std::trunc(v); });
   unary<Sin>("sin", -9, 9, true, [](double v) { return std::sin(v); });
   for (const double y : {-0.99, -0.501, -1e-300, 0.0, 1e-9, 0.3, 0.499, 0.9, 1 - 1e-12}) {
      const double x = erf_inverse(y);
      check::require(std::fabs(std::erf(x) - y) <= 1e-15 * std::fabs(y), "erf_inverse");
   }
   unary<BesselI0>("bessel_i0", -9, 9, false, [](double v) { return std::cyl_bessel_i(0, std::fabs(v)); });
   unary<Acosh>("acosh", 1, 9, true, [](double v) { return std::acosh(v); });
   along_an_axis<float>();
   along_an_axis<std::int32_t>();
   order();
   remainders();
   return check::done();
}
