// Helpers of all kernel tests: reproducible data, comparison with a reference, and a digest of the bits of the results,
// which the test runner compares between compilers and instruction sets.
#ifndef SOFIE_JIT_TESTS_CHECK_HXX
#define SOFIE_JIT_TESTS_CHECK_HXX

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace check {

inline int failures = 0;
inline std::uint64_t bits = 1469598103934665603ull; // FNV-1a over all results

struct Random { // splitmix64
   std::uint64_t state;
   explicit Random(std::uint64_t seed) : state(seed) {}
   std::uint64_t next()
   {
      std::uint64_t z = (state += 0x9e3779b97f4a7c15ull);
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
      return z ^ (z >> 31);
   }
   double uniform(double low = -1, double high = 1) { return low + (high - low) * double(next() >> 11) * 0x1p-53; }
   template <class T>
   std::vector<T> vector(std::size_t size, double low = -1, double high = 1)
   {
      std::vector<T> v(size);
      for (auto &x : v)
         x = T(uniform(low, high));
      return v;
   }
};

inline void fail(const std::string &what)
{
   ++failures;
   std::printf("FAILED %s\n", what.c_str());
}

inline void require(bool ok, const std::string &what)
{
   if (!ok)
      fail(what);
}

// Adds the bits of results to the digest; all NaNs count as equal.
template <class T>
void digest(const std::vector<T> &values)
{
   for (T x : values) {
      if (x != x)
         x = T(0.0 / 1.0) + T(12345);
      unsigned char b[sizeof(T)];
      std::memcpy(b, &x, sizeof(T));
      for (unsigned char c : b)
         bits = (bits ^ c) * 1099511628211ull;
   }
}

// Every element must be within `tolerance` times the largest magnitude of `want` (at least 1e-30); NaN and Inf must
// agree.
template <class T>
void close(const std::string &what, const std::vector<T> &got, const std::vector<double> &want, double tolerance)
{
   double scale = 1e-30, worst = 0;
   std::size_t at = 0;
   require(got.size() == want.size(), what + ": sizes differ");
   for (double w : want)
      if (std::isfinite(w) && std::fabs(w) > scale)
         scale = std::fabs(w);
   for (std::size_t i = 0; i < want.size() && i < got.size(); ++i) {
      const double g = double(got[i]), w = want[i];
      double error = (std::isnan(g) && std::isnan(w)) || g == w ? 0 : std::fabs(g - w) / scale;
      if (std::isnan(error))
         error = INFINITY;
      if (error > worst) {
         worst = error;
         at = i;
      }
   }
   if (worst > tolerance)
      fail(what + ": error " + std::to_string(worst / tolerance) + " times the tolerance at " + std::to_string(at) +
           ": got " + std::to_string(double(got[at])) + ", want " + std::to_string(want[at]));
   digest(got);
}

template <class T>
void same_bits(const std::string &what, const std::vector<T> &a, const std::vector<T> &b)
{
   require(a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0, what + ": bits differ");
}

// Must be called last in main(): prints the digest and returns the exit status.
inline int done()
{
   std::printf("digest %016llx\n", static_cast<unsigned long long>(bits));
   return failures != 0;
}

} // namespace check
#endif
