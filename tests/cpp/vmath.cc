// The elementary functions on float against libm's float64. Without arguments: every 9973rd float, all floats near
// powers of two and the special values. With --all: all 2^32 floats, in half an hour, which is how the bounds
// below were found.
#include "vmath.hxx"

#include <algorithm>

#include "check.hxx"

using namespace sofie_jit;

// |got - want| in units of the last place of a float as large as want; Inf if they differ in kind.
double ulps(float got, double want)
{
   if (std::isnan(got) || std::isnan(want))
      return std::isnan(got) == std::isnan(want) ? 0 : INFINITY;
   if (want == 0)
      return got == 0 && std::signbit(got) == std::signbit(want) ? 0 : INFINITY;
   if (std::isinf(got) && std::isinf(float(want)))
      return got == float(want) ? 0 : INFINITY;
   if (std::isinf(got) || std::isinf(want)) // next to overflow, the largest float is one ulp from Inf
      return std::fabs(want) >= 0x1.fffffcp127 && std::isfinite(want) ? 1 : INFINITY;
   return std::fabs(double(got) - want) / std::ldexp(1.0, std::max(std::ilogb(want), -126) - 23);
}

double sigmoid(double x)
{
   return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}

double softplus(double x)
{
   return (x > 0 ? x : 0) + std::log1p(std::exp(-std::fabs(x)));
}

struct Function {
   const char *name;
   vec<float> (*ours)(vec<float>);
   double (*want)(double);
   double bound; // ulp: the largest error of all floats, rounded up
};

const Function functions[] = {
   {"exp", [](vec<float> x) { return vexp<float>(x); }, [](double x) { return std::exp(x); }, 0.9},
   {"expm1", [](vec<float> x) { return vexpm1<float>(x); }, [](double x) { return std::expm1(x); }, 1.45},
   {"log", [](vec<float> x) { return vlog<float>(x); }, [](double x) { return std::log(x); }, 0.81},
   {"log1p", [](vec<float> x) { return vlog1p<float>(x); }, [](double x) { return std::log1p(x); }, 1.39},
   {"tanh", [](vec<float> x) { return vtanh<float>(x); }, [](double x) { return std::tanh(x); }, 1.45},
   {"erf", [](vec<float> x) { return verf<float>(x); }, [](double x) { return std::erf(x); }, 1.11},
   {"sigmoid", [](vec<float> x) { return vsigmoid<float>(x); }, sigmoid, 2.41},
   {"softplus", [](vec<float> x) { return vsoftplus<float>(x); }, softplus, 1.79},
};

struct Worst {
   double error = 0;
   float at = 0;
};

void measure(const Function &function, const float *x, std::size_t n, Worst &worst, std::vector<float> *results)
{
   for (std::size_t i = 0; i < n; i += lanes<float>) {
      const std::size_t count = std::min(n - i, std::size_t(lanes<float>));
      float y[lanes<float>];
      store(y, function.ours(load_n(x + i, count)));
      for (std::size_t j = 0; j < count; ++j) {
         const double error = ulps(y[j], function.want(double(x[i + j])));
         if (error > worst.error)
            worst = {error, x[i + j]};
         if (results)
            results->push_back(y[j]);
      }
   }
}

float float_of(std::uint32_t bits)
{
   float x;
   std::memcpy(&x, &bits, sizeof x);
   return x;
}

std::vector<float> sample()
{
   std::vector<float> x = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, -NAN};
   for (std::uint64_t bits = 0; bits < (1ull << 32); bits += 9973)
      x.push_back(float_of(std::uint32_t(bits)));
   for (std::uint32_t exponent = 0; exponent < 512; ++exponent) // with the sign, and up to NaN
      for (std::uint32_t near = 0; near < 5; ++near)
         x.push_back(float_of((exponent << 23) + near - 2));
   for (float limit : {88.7228391f, 87.3365448f, 103.972077f, 16.6355324f, 9.02f, 4.0f, 0.93f, 0.6f, 0.346573591f, 0.70710678f})
      for (int step = -40; step <= 40; ++step)
         for (float sign : {-1.0f, 1.0f})
            x.push_back(sign * (limit + float(step) * limit * 0x1p-23f));
   return x;
}

// float64 goes through libm: the formulas that are ours are checked.
void test_double()
{
   check::Random random(1);
   std::vector<double> x = random.vector<double>(2048, -40, 40), y(x.size()), want;
   for (std::size_t i = 0; i < x.size(); i += lanes<double>)
      store(&y[i], vsigmoid<double>(load(&x[i])));
   for (double v : x)
      want.push_back(sigmoid(v));
   for (std::size_t i = 0; i < x.size(); ++i)
      check::require(std::fabs(y[i] - want[i]) <= 1e-15 * want[i], "sigmoid of double at " + std::to_string(x[i]));
   for (std::size_t i = 0; i < x.size(); i += lanes<double>)
      store(&y[i], vsoftplus<double>(load(&x[i])));
   for (std::size_t i = 0; i < x.size(); ++i)
      check::require(std::fabs(y[i] - softplus(x[i])) <= 1e-15 * softplus(x[i]), "softplus of double");
}

int main(int argc, char **argv)
{
   const bool all = argc > 1 && std::string(argv[1]) == "--all";
   const std::vector<float> x = sample();
   for (const Function &function : functions) {
      Worst worst;
      std::vector<float> results;
      measure(function, x.data(), x.size(), worst, &results);
      check::digest(results);
      std::vector<float> block(1 << 16);
      for (std::uint64_t bits = 0; all && bits < (1ull << 32); bits += block.size()) {
         for (std::size_t i = 0; i < block.size(); ++i)
            block[i] = float_of(std::uint32_t(bits + i));
         measure(function, block.data(), block.size(), worst, nullptr);
      }
      std::printf("%-9s %.3f ulp at %a\n", function.name, worst.error, double(worst.at));
#if defined(__FMA__) || defined(__aarch64__) // without the instruction products are rounded too, and nothing is promised
      check::require(worst.error <= function.bound, function.name);
#endif
   }
   test_double();
   return check::done();
}
