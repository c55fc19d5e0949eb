#include "conv/depthwise.hxx"
#include "conv/reference.hxx"

#include "check.hxx"
#include "epilogue.hxx"
#include "gemm/gemm.hxx"
#include "geometry.hxx"

using namespace sofie_jit;
using check::one;
using check::window;

// The function for square windows, if there is one for `w`.
template <class T>
auto square_of(const Window &w) -> decltype(&depthwise_square<3, 1, T>)
{
   if (w.D > 1 || w.OD > 1 || w.KH != w.KW || w.SH != w.SW || w.DH > 1 || w.DW > 1)
      return nullptr;
   return w.KH == 3 && w.SH == 1   ? depthwise_square<3, 1, T>
          : w.KH == 3 && w.SH == 2 ? depthwise_square<3, 2, T>
          : w.KH == 5 && w.SH == 1 ? depthwise_square<5, 1, T>
          : w.KH == 5 && w.SH == 2 ? depthwise_square<5, 2, T>
                                   : nullptr;
}

template <class T>
void test(const Window &w, std::size_t C, double tolerance)
{
   const std::size_t batch = 2;
   check::Random random(w.inputs() * 1000003 + w.taps() * 1009 + C);
   const auto x = random.vector<T>(batch * w.inputs() * C), k = random.vector<T>(w.taps() * C), b = random.vector<T>(C);

   const auto &epilogue = C % 2 ? check::everything<T> : check::relu<T>;
   const auto want = reference::depthwise(batch, w, C, x.data(), k.data(), b.data(), check::finish(epilogue));

   const std::string what = "depthwise" + check::describe(w) + ", channels " + std::to_string(C);
   const auto weights = pack_depthwise<T>(k.data(), w.taps(), C);
   const auto bias = pack_bias<T>(b.data(), C);
   std::vector<T> y(want.size() + 1, T(77)), turned(k.size());
   std::vector<std::int64_t> scratch(2 * w.taps());
   if (C < lanes<T>)
      depthwise<true>(batch, w, C, x.data(), weights.data(), bias.data(), y.data(), scratch.data(), epilogue);
   else
      depthwise<false>(batch, w, C, x.data(), weights.data(), bias.data(), y.data(), scratch.data(), epilogue);
   check::require(y.back() == T(77), what + ": wrote past the end");
   y.pop_back();
   check::close(what, y, want, tolerance);

   if (C >= lanes<T>) {
      const auto panels = pack_depthwise_panels<T>(k.data(), w.taps(), C);
      std::vector<T> again(want.size() + 1, T(77));
      if (const auto square = square_of<T>(w)) {
         square(batch, w, C, x.data(), panels.data(), bias.data(), again.data(), epilogue);
         check::require(again.back() == T(77), what + ", square: wrote past the end");
         again.pop_back();
         check::require(!std::memcmp(again.data(), y.data(), y.size() * sizeof(T)), what + ", square: differs");
      }
   }

   for (std::size_t tap = 0; tap < w.taps(); ++tap)
      for (std::size_t c = 0; c < C; ++c)
         turned[c * w.taps() + tap] = k[tap * C + c];
   const auto other = pack_depthwise<T>(turned.data(), w.taps(), C, true);
   check::require(!std::memcmp(other.data(), weights.data(), k.size() * sizeof(T)),
                  what + ": packed otherwise differs");
}

int main()
{
   const Window windows[] = {
      window(one, one, {1, 1, 1, 1, 0, 0}),
      window(one, one, {9, 3, 1, 1, 0, 0}),
      window(one, one, {17, 3, 2, 1, 2, 0}),
      window(one, one, {13, 4, 1, 3, 9, 0}),
      window(one, one, {3, 5, 1, 1, 2, 2}),
      window(one, {5, 3, 1, 1, 1, 1}, {12, 3, 1, 1, 1, 1}),
      window(one, {8, 3, 2, 1, 0, 1}, {9, 2, 3, 1, 0, 1}),
      window(one, {6, 2, 1, 2, 1, 1}, {8, 3, 1, 2, 2, 2}),
      window(one, {4, 3, 5, 1, 3, 3}, {3, 2, 4, 1, 2, 4}),
      window({3, 2, 1, 1, 0, 1}, {4, 3, 1, 1, 1, 1}, {9, 3, 2, 1, 1, 1}),
      window(one, {7, 3, 1, 1, 0, 0}, {8, 3, 1, 1, 1, 1}),
      window(one, {3, 3, 1, 1, 0, 0}, {4, 3, 1, 1, 1, 0}),
      window(one, {1, 3, 1, 1, 1, 1}, {1, 3, 1, 1, 1, 1}),
      window(one, {9, 3, 2, 1, 0, 1}, {8, 3, 2, 1, 0, 1}),
      window(one, {2, 3, 2, 1, 1, 1}, {1, 3, 2, 1, 1, 1}),
      window(one, {6, 5, 1, 1, 2, 2}, {5, 5, 1, 1, 2, 2}),
      window(one, {2, 5, 1, 1, 6, 9}, {3, 5, 1, 1, 7, 7}),
      window(one, {8, 5, 2, 1, 1, 2}, {11, 5, 2, 1, 2, 2}),
   };
   int squares = 0;
   for (const Window &w : windows) {
      squares += square_of<float>(w) != nullptr;
      for (std::size_t C : {1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 40, 75}) {
         test<float>(w, C, 3e-6);
         test<double>(w, C, 1e-14);
      }
   }
   check::require(squares == 9, "windows of as many rows as columns");
   for (std::size_t C : {192, 200, 400}) // more channels than a block has
      test<float>(window(one, {4, 3, 1, 1, 1, 1}, {4, 3, 1, 1, 1, 1}), C, 3e-6);
   const float x[] = {1, 2, 3, 4};
   std::vector<float> y(12);
   repeat_channels(2, 2, 3, x, y.data());
   check::require(y == std::vector<float>{1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4}, "repeat_channels");
   return check::done();
}
