// Every activation functor against its formula in float64, on ordinary numbers and on the special ones.
#include "elementwise/activations.hxx"

#include <algorithm>

#include "check.hxx"

using namespace sofie_jit;

template <class T>
const std::vector<T> &inputs()
{
   static const std::vector<T> x = [] {
      std::vector<T> values = check::Random(1).vector<T>(4096, -12, 12);
      for (double v : {0.0, -0.0, 1e-30, -1e-30, 0.5, -0.5, 1.0, -1.0, 3.0, -3.0, 6.0, 7.0, 19.9, 20.1, -20.0, 50.0,
                       -50.0, 90.0, -90.0, 120.0, -120.0, 1e10, -1e10, 1e15, -1e15, HUGE_VAL, -HUGE_VAL, std::nan("")})
         values.push_back(T(v));
      values.resize((values.size() + 15) / 16 * 16);
      return values;
   }();
   return x;
}

template <class T>
void verify(const char *what, const std::vector<T> &y, double (*want)(double))
{
   for (std::size_t i = 0; i < y.size(); ++i) {
      const double x = double(inputs<T>()[i]), w = want(x), got = double(y[i]);
      const double scale = std::max({std::fabs(w), std::isinf(x) ? 0.0 : std::fabs(x), 1e-3});
      const bool good = std::isnan(w) || std::isinf(w)
                           ? (std::isnan(w) && std::isnan(got)) || w == got
                           : std::fabs(got - w) <= (sizeof(T) == 4 ? 2.5e-7 : 1e-15) * scale;
      if (!good)
         check::fail(std::string(what) + " at " + std::to_string(x) + ": got " + std::to_string(got) + ", want " +
                     std::to_string(w));
   }
   if (sizeof(T) == 4) // libm's float64 may differ between machines
      check::digest(y);
}

template <class T, class Functor>
void test(const char *what, const Functor &functor, double (*want)(double))
{
   std::vector<T> y(inputs<T>().size());
   for (std::size_t i = 0; i < y.size(); i += lanes<T>)
      store(&y[i], functor.template apply<T>(load(&inputs<T>()[i])));
   verify(what, y, want);
}

double clip64(double x, double low, double high)
{
   return x < low ? low : x > high ? high : x;
}
double sigmoid64(double x)
{
   return 1 / (1 + std::exp(-x));
}
double softplus64(double x)
{
   return (x > 0 ? x : x < 0 || x == 0 ? 0 : x) + std::log1p(std::exp(-std::fabs(x)));
}

template <class T>
void test_all()
{
   test<T>("Identity", Identity{}, [](double x) { return x; });
   test<T>("Relu", Relu{}, [](double x) { return x < 0 ? 0 : x; });
   test<T>("LeakyRelu", LeakyRelu<T>{T(0.25)}, [](double x) { return x < 0 ? x / 4 : x; });
   test<T>("Clip", Clip<T>{T(-1), T(6)}, [](double x) { return clip64(x, -1, 6); });
   const T none = std::numeric_limits<T>::infinity();
   test<T>("GeneralRelu", GeneralRelu<T>{T(0.25), T(0.5), T(0), T(2)},
           [](double x) { return clip64(x > 0.5 ? x : 0, 0, 2) - 0.25 * (0.5 - x < 0 ? 0 : 0.5 - x); });
   test<T>("GeneralRelu without slope", GeneralRelu<T>{T(0), T(-0.5), -none, none},
           [](double x) { return x > -0.5 ? x : 0; });
   test<T>("HardSigmoid", HardSigmoid<T>{T(0.25), T(0.5)}, [](double x) { return clip64(x / 4 + 0.5, 0, 1); });
   test<T>("HardSwish", HardSwish{}, [](double x) { return x * clip64(x / 6 + 0.5, 0, 1); });
   test<T>("Shrink", Shrink<T>{T(0.5), T(0.25)},
           [](double x) { return x < -0.5 ? x + 0.25 : x > 0.5 ? x - 0.25 : 0; });
   test<T>("Threshold", Threshold<T>{T(0.5), T(-3)}, [](double x) { return x > 0.5 ? x : -3; });
   test<T>("SparseSigmoid", SparseSigmoid{}, [](double x) { return (clip64(x, -1, 1) + 1) / 2; });
   test<T>("SparsePlus", SparsePlus{}, [](double x) { return x <= -1 ? 0 : x < 1 ? (x + 1) * (x + 1) / 4 : x; });
   test<T>("Softsign", Softsign{}, [](double x) { return x / (std::fabs(x) + 1); });
   test<T>("Squareplus", Squareplus<T>{T(4)}, [](double x) { return (x + std::sqrt(x * x + 4)) / 2; });
   test<T>("Exp", Exp{}, [](double x) { return double(T(std::exp(x))); });
   test<T>("Tanh", Tanh{}, [](double x) { return std::tanh(x); });
   test<T>("TanhShrink", TanhShrink{}, [](double x) { return x - std::tanh(x); });
   test<T>("Sigmoid", Sigmoid{}, sigmoid64);
   test<T>("LogSigmoid", LogSigmoid{}, [](double x) { return -softplus64(-x); });
   test<T>("Swish", Swish{}, [](double x) { return x * sigmoid64(x); });
   test<T>("Softplus", Softplus{}, softplus64);
   test<T>("Mish", Mish{}, [](double x) { return x * std::tanh(softplus64(x)); });
   test<T>("Elu", Elu<T>{T(0.5)}, [](double x) { return x < 0 ? 0.5 * std::expm1(x) : x; });
   test<T>("Selu", Selu{},
           [](double x) { return x < 0 ? 1.7580993408473766 * std::expm1(x) : 1.0507009873554805 * x; });
   test<T>("Celu", Celu<T>{T(0.5)}, [](double x) { return x < 0 ? 0.5 * std::expm1(2 * x) : x; });
   test<T>("Gelu", Gelu{}, [](double x) { return x * (0.5 + 0.5 * std::erf(x * std::sqrt(0.5))); });
   test<T>("GeluTanh", GeluTanh{}, [](double x) {
      return std::fabs(x) > 1e12
                ? (x < 0 ? 0 * x : x) // x^3 overflows in float only
                : x * (0.5 + 0.5 * std::tanh(std::sqrt(2 / 3.14159265358979324) * (x + 0.044715 * x * x * x)));
   });
}

int main()
{
   test_all<float>();
   test_all<double>();
   return check::done();
}
