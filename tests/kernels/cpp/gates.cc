// tanh and sigmoid of the recurrent cells for values of all magnitudes and for special values.
#include "recurrent/gates.hxx"

#include "check.hxx"

using namespace sofie_jit;

int main()
{
   const GateTanh tanh_gate{Tanh{}};
   const GateSigmoid sigmoid_gate{Sigmoid{}};
   std::vector<float> numbers, results;
   for (std::uint32_t bits = 0x30000000; bits < 0x7f800000; bits += 997) { // from 4.7e-10
      float number;
      std::memcpy(&number, &bits, sizeof number);
      numbers.push_back(number);
   }
   numbers.resize(numbers.size() / 16 * 16);
   double ulps = 0, sigmoid_error = 0;
   for (std::size_t at = 0; at < numbers.size(); at += lanes<float>) {
      const vec<float> x = load(numbers.data() + at);
      const vec<float> t = tanh_gate.apply<float>(x), minus = tanh_gate.apply<float>(-x);
      const vec<float> s = sigmoid_gate.apply<float>(x), s_minus = sigmoid_gate.apply<float>(-x);
      for (int i = 0; i < lanes<float>; ++i) {
         const double exact = std::tanh(double(x[i]));
         int exponent;
         std::frexp(exact, &exponent);
         const double error = std::fmax(std::fabs(double(t[i]) - exact), std::fabs(double(minus[i]) + exact));
         ulps = std::fmax(ulps, error / std::ldexp(1.0, exponent - 24));
         sigmoid_error = std::fmax(sigmoid_error, std::fabs(double(s[i]) - 1 / (1 + std::exp(-double(x[i])))));
         sigmoid_error = std::fmax(sigmoid_error, std::fabs(double(s_minus[i]) - 1 / (1 + std::exp(double(x[i])))));
         results.insert(results.end(), {t[i], s[i], s_minus[i]});
      }
   }
   std::printf("tanh: %.2f ulp; sigmoid: %.2g\n", ulps, sigmoid_error);
   check::require(ulps < 2.6, "error of tanh");
   check::require(sigmoid_error < 1.1e-7, "error of sigmoid");
   check::digest(results);
   for (const float x : {NAN, -NAN})
      check::require(std::isnan(tanh_gate.apply<float>(broadcast(x))[0]) &&
                        std::isnan(sigmoid_gate.apply<float>(broadcast(x))[0]),
                     "NaN");
   for (const float x : {INFINITY, 1e30f}) {
      check::require(std::fabs(tanh_gate.apply<float>(broadcast(x))[0] - 1) < 3e-7f, "tanh(inf)");
      check::require(std::fabs(sigmoid_gate.apply<float>(broadcast(-x))[0]) < 2e-7f, "sigmoid(-inf)");
   }
   check::require(tanh_gate.apply<double>(broadcast(0.5))[0] == std::tanh(0.5), "double");
   return check::done();
}
