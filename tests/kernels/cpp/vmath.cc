// The elementary functions for float against libm's long double. Without arguments: every 9973rd float, all floats
// close to powers of two, and special values. With --all: all 2^32 floats, on all cores, in about a minute.
#include "core/reference.hxx"
#include "core/vmath.hxx"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <thread>

#include "check.hxx"

using namespace sofie_jit;

using Real = long double;

// Applies a function of vec<float> to an array whose size is a multiple of a vector's.
template <vec<float> (*function)(vec<float>)>
void map(const float *x, float *y, std::size_t n)
{
   for (std::size_t i = 0; i < n; i += lanes<float>)
      store(y + i, function(load(x + i)));
}

struct Function { // monotone
   const char *name;
   void (*ours)(const float *, float *, std::size_t);
   Real (*want)(Real);
   double bound; // ulp: the largest error over all floats, rounded up
};

const Function functions[] = {
   {"exp", map<vexp<float>>, std::exp, 0.9},
   {"expm1", map<vexpm1<float>>, std::expm1, 1.45},
   {"log", map<vlog<float>>, std::log, 0.81},
   {"log1p", map<vlog1p<float>>, std::log1p, 1.39},
   {"tanh", map<vtanh<float>>, std::tanh, 1.45},
   {"erf", map<verf<float>>, std::erf, 1.11},
   {"sigmoid", map<vsigmoid<float>>, reference::sigmoid<Real>, 2.41},
   {"softplus", map<vsoftplus<float>>, reference::softplus<Real>, 1.79},
};

constexpr double largest = 0x1.fffffcp127; // beyond, a float may round to Inf

// |got - want| in units of the last place of a float as large as want; Inf if one is finite or NaN and the other is
// not.
double ulps(float got, double want)
{
   if (std::isnan(got) || std::isnan(want))
      return std::isnan(got) == std::isnan(want) ? 0 : INFINITY;
   if (want == 0)
      return got == 0 && std::signbit(got) == std::signbit(want) ? 0 : INFINITY;
   if (std::isinf(got) && std::isinf(float(want)))
      return got == float(want) ? 0 : INFINITY;
   if (std::isinf(got) || std::isinf(want)) // close to overflow, the largest float is one ulp from Inf
      return std::fabs(want) >= largest && std::isfinite(want) ? 1 : INFINITY;
   return std::fabs(double(got) - want) / std::ldexp(1.0, std::max(std::ilogb(want), -126) - 23);
}

struct Worst {
   double error = 0;
   float at = 0;

   void see(double e, float x)
   {
      // of two equal errors always the same one, whichever thread comes first
      if (!(e <= error) || (e == error && x > at))
         *this = {e, x};
   }
};

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
   for (float limit :
        {88.7228391f, 87.3365448f, 103.972077f, 16.6355324f, 9.02f, 4.0f, 0.93f, 0.6f, 0.346573591f, 0.70710678f})
      for (int step = -40; step <= 40; ++step)
         for (float sign : {-1.0f, 1.0f})
            x.push_back(sign * (limit + float(step) * limit * 0x1p-23f));
   return x;
}

// ---- all floats

constexpr std::size_t piece = 4096; // floats of one sign and exponent, evenly spaced

// A function on a piece: the polynomial of degree 5 through six of its values, in Newton's form. The floats of a piece
// differ so little that it equals the function to a thousandth of an ulp; where it does not, at zeros, poles and
// overflow, `good` is false.
struct Interpolant {
   static constexpr int size = 6;
   std::array<double, size> nodes, coefficients;
   bool good = true;

   Interpolant(const Function &function, float first, float last)
   {
      std::array<Real, size> f;
      for (int k = 0; k < size; ++k) {
         nodes[k] = (1 - std::cos((k + 0.5) * 3.14159265358979323846 / size)) / 2; // Chebyshev nodes on [0, 1]
         f[k] = function.want(first + Real(nodes[k]) * (Real(last) - Real(first)));
      }
      for (int order = 1; order < size; ++order)
         for (int k = size - 1; k >= order; --k)
            f[k] = (f[k] - f[k - 1]) / (Real(nodes[k]) - Real(nodes[k - order]));
      for (int k = 0; k < size; ++k)
         coefficients[k] = double(f[k]);
      for (double u : {0.0, 0.4, 1.0}) {
         const double got = at(u), want = double(function.want(first + Real(u) * (Real(last) - Real(first))));
         const double ulp = std::fmax(std::fabs(want), 0x1p-126) * 0x1p-24;
         good = good && want != 0 && std::fabs(want) < largest && std::fabs(got - want) < 0.001 * ulp;
      }
   }

   double at(double u) const
   {
      double y = coefficients[size - 1];
      for (int k = size - 2; k >= 0; --k)
         y = y * (u - nodes[k]) + coefficients[k];
      return y;
   }
};

bool all_are(const float *y, float value)
{
   int others = 0;
   if (std::isnan(value))
      for (std::size_t i = 0; i < piece; ++i)
         others |= y[i] == y[i];
   else
      for (std::size_t i = 0; i < piece; ++i)
         others |= y[i] != value;
   return !others;
}

// The largest of ulps() where `want` is finite, nonzero and far from overflow; without branches, so that it is
// vectorized. Errors are compared by their bits, in which NaN is the largest.
double largest_error(const float *y, const Interpolant &want)
{
   long long most = 0;
   for (std::size_t i = 0; i < piece; ++i) {
      const double w = want.at(double(int(i)) * (1.0 / (piece - 1)));
      long long bits;
      std::memcpy(&bits, &w, sizeof w);
      bits = std::max(bits & (0x7ffll << 52), (1023ll - 126) << 52); // the power of two below |w|, at least 2^-126
      bits = (0x7fell << 52) - bits; // its reciprocal
      double inverse;
      std::memcpy(&inverse, &bits, sizeof inverse);
      const double error = std::fabs(double(y[i]) - w) * (inverse * 0x1p23);
      std::memcpy(&bits, &error, sizeof bits);
      most = std::max(most, bits);
   }
   double error;
   std::memcpy(&error, &most, sizeof error);
   return error;
}

void measure_piece(const Function &function, std::uint32_t bits, Worst &worst)
{
   float x[piece], y[piece];
   for (std::size_t i = 0; i < piece; ++i)
      x[i] = float_of(bits + std::uint32_t(i));
   function.ours(x, y, piece);
   const float first = float(function.want(x[0])), last = float(function.want(x[piece - 1]));
   if ((first == last || (std::isnan(first) && std::isnan(last))) && all_are(y, first))
      return; // correctly rounded: at most half an ulp
   const Interpolant want(function, x[0], x[piece - 1]);
   if (want.good && largest_error(y, want) <= worst.error - 0.001)
      return;
   for (std::size_t i = 0; i < piece; ++i)
      worst.see(ulps(y[i], double(function.want(x[i]))), x[i]);
}

// The largest error over all floats, starting from a known one.
Worst measure_all(const Function &function, const Worst &known)
{
   std::atomic<std::uint64_t> next{0};
   std::mutex mutex;
   Worst worst = known;
   const auto work = [&] {
      Worst mine = known;
      constexpr std::uint64_t share = 1 << 22;
      for (std::uint64_t from; (from = next.fetch_add(share)) < (1ull << 32);)
         for (std::uint64_t bits = from; bits < from + share; bits += piece)
            measure_piece(function, std::uint32_t(bits), mine);
      const std::lock_guard<std::mutex> lock(mutex);
      worst.see(mine.error, mine.at);
   };
   std::vector<std::thread> threads;
   for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i)
      threads.emplace_back(work);
   for (std::thread &thread : threads)
      thread.join();
   return worst;
}

// ---- float64

// For double the functions call libm; only the formulas around it are tested.
void test_double()
{
   check::Random random(1);
   std::vector<double> x = random.vector<double>(2048, -40, 40), y(x.size());
   for (std::size_t i = 0; i < x.size(); i += lanes<double>)
      store(&y[i], vsigmoid<double>(load(&x[i])));
   for (std::size_t i = 0; i < x.size(); ++i)
      check::require(std::fabs(y[i] - reference::sigmoid(Real(x[i]))) <= 1e-15 * reference::sigmoid(Real(x[i])),
                     "sigmoid of double");
   for (std::size_t i = 0; i < x.size(); i += lanes<double>)
      store(&y[i], vsoftplus<double>(load(&x[i])));
   for (std::size_t i = 0; i < x.size(); ++i)
      check::require(std::fabs(y[i] - reference::softplus(Real(x[i]))) <= 1e-15 * reference::softplus(Real(x[i])),
                     "softplus of double");
}

int main(int argc, char **argv)
{
   const bool all = argc > 1 && std::string(argv[1]) == "--all";
   std::vector<float> x = sample();
   const std::size_t count = x.size();
   x.resize((count + lanes<float> - 1) / lanes<float> * lanes<float>);
   for (const Function &function : functions) {
      std::vector<float> y(x.size());
      function.ours(x.data(), y.data(), x.size());
      y.resize(count);
      check::digest(y);
      Worst worst;
      for (std::size_t i = 0; i < count; ++i)
         worst.see(ulps(y[i], double(function.want(x[i]))), x[i]);
      if (all)
         worst = measure_all(function, worst);
      std::printf("%-9s %.3f ulp at %a\n", function.name, worst.error, double(worst.at));
#if defined(__FMA__) ||                                                                                                \
   defined(__aarch64__) // without the instruction products are rounded too, and the bounds do not hold
      check::require(worst.error <= function.bound, function.name);
#endif
   }
   test_double();
   return check::done();
}
