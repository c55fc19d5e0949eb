// Pairwise coupling: pairs of consistent probabilities give those probabilities back.
#include "reduction/pairwise_coupling.hxx"

#include "check.hxx"

#include <limits>

using namespace sofie_jit;

// The pairs p_i / (p_i + p_j) of given probabilities.
template <class T>
std::vector<T> pairs_of(const std::vector<double> &p)
{
   std::vector<T> r;
   for (std::size_t i = 0; i < p.size(); ++i)
      for (std::size_t j = i + 1; j < p.size(); ++j)
         r.push_back(static_cast<T>(p[i] / (p[i] + p[j])));
   return r;
}

template <class T>
void compare(std::size_t rows, std::size_t classes)
{
   std::vector<T> r;
   std::vector<double> expected;
   for (std::size_t row = 0; row < rows; ++row) {
      std::vector<double> p = check::Random(static_cast<unsigned>(row + 7)).vector<double>(classes);
      double total = 0;
      for (double &value : p)
         total += value = 0.1 + std::abs(value);
      for (double &value : p)
         expected.push_back(value /= total);
      const std::vector<T> pairs = pairs_of<T>(p);
      r.insert(r.end(), pairs.begin(), pairs.end());
   }
   std::vector<double> memory(classes * (classes + 2));
   std::vector<T> y(rows * classes);
   pairwise_coupling(rows, classes, std::size_t(100), r.data(), memory.data(), y.data());
   for (std::size_t i = 0; i < y.size(); ++i) // the iteration stops early
      check::require(std::abs(double(y[i]) - expected[i]) < 0.03, "element " + std::to_string(i));
   check::digest(y);
}

int main()
{
   for (const std::size_t rows : {0u, 1u, 6u})
      for (const std::size_t classes : {2u, 3u, 7u}) {
         compare<float>(rows, classes);
         compare<double>(rows, classes);
      }
   const std::vector<float> nan(3, std::numeric_limits<float>::quiet_NaN());
   std::vector<double> memory(15);
   std::vector<float> y(3);
   pairwise_coupling(std::size_t(1), std::size_t(3), std::size_t(100), nan.data(), memory.data(), y.data());
   check::require(y[0] == 1.0f / 3 && y[2] == 1.0f / 3, "NaN");
   return check::done();
}
