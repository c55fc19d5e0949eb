#include "resize/reference.hxx"
#include "resize/resample.hxx"

#include "check.hxx"

using namespace sofie_jit;

template <class T>
void test(std::size_t size, std::size_t out, std::size_t inner, std::size_t taps, double tolerance)
{
   check::Random random(size * 1009 + out * 101 + inner);
   const std::size_t outer = 2;
   const auto x = random.vector<T>(outer * size * inner), weights = random.vector<T>(out * taps);
   std::vector<std::int64_t> spans;
   for (std::size_t o = 0; o < out; ++o) {
      spans.push_back(std::int64_t(o * size / out) - 2); // some start before the axis, some end after it
      spans.push_back(std::int64_t(o % (taps + 2)));
   }
   const Buffer<std::int64_t> packed = pack_spans<std::int64_t>(spans.data(), out, size, taps);
   for (std::size_t o = 0; o < out; ++o) {
      const std::int64_t first = packed[2 * o], count = packed[2 * o + 1];
      check::require(first >= 0 && count >= 0 && std::size_t(first + count) <= size && std::size_t(count) <= taps,
                     "resample: a span goes beyond the axis");
   }
   const auto want = reference::resample(outer, size, out, inner, taps, x.data(), weights.data(), packed.data());
   std::vector<T> y(want.size() + 1, T(77));
   if (inner < lanes<T>)
      resample<true>(outer, size, out, inner, taps, x.data(), weights.data(), packed.data(), y.data());
   else
      resample<false>(outer, size, out, inner, taps, x.data(), weights.data(), packed.data(), y.data());
   check::require(y.back() == T(77), "resample: wrote past the end");
   y.pop_back();
   check::close("resample of " + std::to_string(inner), y, want, tolerance);
}

int main()
{
   for (std::size_t inner : {1, 3, 8, 17, 50}) {
      test<float>(9, 5, inner, 3, 1e-6);
      test<float>(5, 23, inner, 6, 1e-6);
      test<double>(7, 20, inner, 1, 1e-15);
   }
   test<float>(700, 3000, 20, 690, 1e-6);
   return check::done();
}
