// Every activation against its formula in double precision, for ordinary and special values.
#include "elementwise/activations.hxx"
#include "elementwise/reference.hxx"

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
   if (sizeof(T) == 4) // libm's results for double may differ between machines
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

template <class T>
void test_all()
{
   test<T>("Identity", Identity{}, [](double x) { return x; });
   test<T>("Relu", Relu{}, reference::relu);
   test<T>("LeakyRelu", LeakyRelu<T>{T(0.25)}, [](double x) { return reference::leaky_relu(x, 0.25); });
   test<T>("Clip", Clip<T>{T(-1), T(6)}, [](double x) { return reference::clip(x, -1, 6); });
   const T none = std::numeric_limits<T>::infinity();
   test<T>("GeneralRelu", GeneralRelu<T>{T(0.25), T(0.5), T(0), T(2)},
           [](double x) { return reference::general_relu(x, 0.25, 0.5, 0, 2); });
   test<T>("GeneralRelu without slope", GeneralRelu<T>{T(0), T(-0.5), -none, none},
           [](double x) { return reference::general_relu(x, 0, -0.5, -HUGE_VAL, HUGE_VAL); });
   test<T>("HardSigmoid", HardSigmoid<T>{T(0.25), T(0.5)},
           [](double x) { return reference::hard_sigmoid(x, 0.25, 0.5); });
   test<T>("HardSwish", HardSwish{}, reference::hard_swish);
   test<T>("Shrink", Shrink<T>{T(0.5), T(0.25)}, [](double x) { return reference::shrink(x, 0.5, 0.25); });
   test<T>("Threshold", Threshold<T>{T(0.5), T(-3)}, [](double x) { return reference::threshold(x, 0.5, -3); });
   test<T>("SparseSigmoid", SparseSigmoid{}, reference::sparse_sigmoid);
   test<T>("SparsePlus", SparsePlus{}, reference::sparse_plus);
   test<T>("Softsign", Softsign{}, reference::softsign);
   test<T>("Squareplus", Squareplus<T>{T(4)}, [](double x) { return reference::squareplus(x, 4); });
   test<T>("Exp", Exp{}, [](double x) { return double(T(std::exp(x))); });
   test<T>("Tanh", Tanh{}, [](double x) { return std::tanh(x); });
   test<T>("TanhShrink", TanhShrink{}, reference::tanh_shrink);
   test<T>("Sigmoid", Sigmoid{}, reference::sigmoid<double>);
   test<T>("LogSigmoid", LogSigmoid{}, reference::log_sigmoid);
   test<T>("Swish", Swish{}, reference::swish);
   test<T>("Softplus", Softplus{}, reference::softplus<double>);
   test<T>("Mish", Mish{}, reference::mish);
   test<T>("Elu", Elu<T>{T(0.5)}, [](double x) { return reference::elu(x, 0.5); });
   test<T>("Selu", Selu{}, reference::selu);
   test<T>("Celu", Celu<T>{T(0.5)}, [](double x) { return reference::celu(x, 0.5); });
   test<T>("Gelu", Gelu{}, reference::gelu);
   test<T>("GeluTanh", GeluTanh{}, reference::gelu_tanh);
}

int main()
{
   test_all<float>();
   test_all<double>();
   return check::done();
}
