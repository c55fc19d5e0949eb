#include "conv/reference.hxx"
#include "conv/winograd.hxx"

#include "check.hxx"
#include "scratch.hxx"
#include "epilogue.hxx"
#include "geometry.hxx"

using namespace sofie_jit;
using check::one;
using check::window;

template <class T>
void run(std::size_t first, std::size_t last, const WinogradShape &s, const T *x, const T *panels, const T *bias,
         const T *residual, T *y, const Epilogue<T> &epilogue)
{
   check::Scratch<T> scratch(check::winograd_scratch(s));
   winograd(first, last, 0, s.O, s, x, panels, bias, residual, y, scratch.data(), epilogue, gemm<T>);
}

// `odd`: some inputs are not finite.
template <class T>
void test(const Window &w, std::size_t C, std::size_t O, std::size_t batch, double tolerance, bool odd = false)
{
   const WinogradShape s{w, C, O};
   const std::size_t pixels = w.pixels(), inputs = w.inputs() * C;
   check::Random random(w.inputs() * 1000003 + C * 101 + O);
   auto x = random.vector<T>(batch * inputs, -0.5, 1.5);
   const auto k = random.vector<T>(9 * C * O), b = random.vector<T>(O);
   if (odd) {
      constexpr T infinity = std::numeric_limits<T>::infinity();
      x[3] = infinity;
      x[x.size() / 3] = -infinity;
      x[x.size() / 2] = std::numeric_limits<T>::quiet_NaN();
      x[x.size() - 1] = infinity;
   }
   const bool more = w.OH % 2; // some with everything an epilogue can have
   const Epilogue<T> everything{T(-9), T(8), check::negate<T>}, &epilogue = more ? everything : check::relu<T>;
   const auto added = random.vector<T>(more ? batch * pixels * O : 0);
   const T *const residual = more ? added.data() : nullptr;

   const auto want =
      reference::conv(batch, w, C, O, 1, x.data(), k.data(), b.data(), residual, check::finish(epilogue));

   const std::string what =
      "winograd" + check::describe(w) + ", channels " + std::to_string(C) + " " + std::to_string(O);
   const auto panels = pack_winograd<T>(k.data(), C, O);
   const auto bias = pack_bias<T>(b.data(), O);
   std::vector<T> y(want.size() + 1, T(77)), parts(want.size()), oihw(k.size());
   run(0, batch * s.tiles(), s, x.data(), panels.data(), bias.data(), residual, y.data(), epilogue);
   check::require(y.back() == T(77), what + ": wrote past the end");
   y.pop_back();
   check::close(what, y, want, tolerance);

   const std::size_t step = s.tiles() / 2 + 1; // any tiles, in any order
   for (std::size_t first = 0; first < batch * s.tiles(); first += step)
      run(first, first + step < batch * s.tiles() ? first + step : batch * s.tiles(), s, x.data(), panels.data(),
          bias.data(), residual, parts.data(), epilogue);
   check::same_bits(what + ": in parts", y, parts);

   for (std::size_t tap = 0; tap < 9; ++tap)
      for (std::size_t c = 0; c < C; ++c)
         for (std::size_t o = 0; o < O; ++o)
            oihw[(o * C + c) * 9 + tap] = k[(tap * C + c) * O + o];
   const auto other = pack_winograd<T>(oihw.data(), C, O, true);
   check::require(other.size() == panels.size() && !std::memcmp(other.data(), panels.data(), other.size() * sizeof(T)),
                  what + ": packed from OIHW differs");
}

int main()
{
   const Window windows[] = {
      window(one, {6, 3, 1, 1, 1, 1}, {8, 3, 1, 1, 1, 1}),  window(one, {5, 3, 1, 1, 0, 0}, {4, 3, 1, 1, 0, 0}),
      window(one, {7, 3, 1, 1, 1, 1}, {10, 3, 1, 1, 0, 2}), window(one, {3, 3, 1, 1, 0, 0}, {3, 3, 1, 1, 0, 0}),
      window(one, {1, 3, 1, 1, 4, 3}, {2, 3, 1, 1, 5, 4}),
   };
   for (const Window &w : windows) {
      test<float>(w, 32, 48, 2, 1e-6);
      test<double>(w, 16, 16, 2, 3e-15);
      test<float>(w, 16, 32, 3, 1e-6, true);
   }
   test<float>(window(one, {13, 3, 1, 1, 1, 1}, {15, 3, 1, 1, 1, 1}), 16, 16, 2, 1e-6); // blocks of 48 and of 64 tiles
   test<float>(window(one, {4, 3, 1, 1, 1, 1}, {3, 3, 1, 1, 1, 1}), 272, 80, 1, 1e-6);  // sums of several blocks
   test<float>(window(one, {4, 3, 1, 1, 1, 1}, {3, 3, 1, 1, 1, 1}), 512, 128, 1, 1e-6); // two groups of outputs
   test<float>(window(one, {4, 3, 1, 1, 1, 1}, {3, 3, 1, 1, 1, 1}), 256, 256, 2, 1e-6, true);
   test<float>(windows[0], 32, 48, 0, 1e-6);
   return check::done();
}
