#include "conv/conv_transpose.hxx"
#include "conv/reference.hxx"

#include "check.hxx"
#include "scratch.hxx"
#include "epilogue.hxx"
#include "geometry.hxx"

using namespace sofie_jit;
using check::one;
using check::window;

template <class T>
void test(const Window &w, std::size_t C, std::size_t O, double tolerance)
{
   const std::size_t batch = 3, at_once = 2;
   check::Random random(w.inputs() * 1000003 + w.taps() * 1009 + C * 31 + O);
   const auto x = random.vector<T>(batch * w.pixels() * C), k = random.vector<T>(w.taps() * O * C),
              b = random.vector<T>(O);

   const auto &epilogue = C % 2 ? check::everything<T> : check::relu<T>;
   const auto want = reference::conv_transpose(batch, w, C, O, x.data(), k.data(), b.data(), check::finish(epilogue));

   const std::string what =
      "conv_transpose" + check::describe(w) + ", " + std::to_string(C) + " to " + std::to_string(O);
   const auto panels = pack_conv_transpose<T>(k.data(), w.taps(), C, O, false);
   const auto bias = pack_bias<T>(b.data(), O), zeros = pack_bias<T>(static_cast<const T *>(nullptr), w.taps() * O);
   std::vector<T> y(want.size() + 1, T(77)), turned(k.size());
   Buffer<T> products(at_once * w.pixels() * w.taps() * O);
   std::vector<std::int64_t> list(check::conv_transpose_list(w) + 1, 77);
   if (O < lanes<T>)
      conv_transpose<true>(batch, at_once, w, C, O, x.data(), panels.data(), zeros.data(), bias.data(), y.data(),
                           products.data(), list.data(), epilogue);
   else
      conv_transpose<false>(batch, at_once, w, C, O, x.data(), panels.data(), zeros.data(), bias.data(), y.data(),
                            products.data(), list.data(), epilogue);
   check::require(y.back() == T(77) && list.back() == 77, what + ": wrote past the end");
   y.pop_back();
   check::close(what, y, want, tolerance);

   for (std::size_t tap = 0; tap < w.taps(); ++tap)
      for (std::size_t o = 0; o < O; ++o)
         for (std::size_t c = 0; c < C; ++c)
            turned[(c * O + o) * w.taps() + tap] = k[(tap * O + o) * C + c];
   const auto other = pack_conv_transpose<T>(turned.data(), w.taps(), C, O, true);
   check::require(!std::memcmp(other.data(), panels.data(), panels.size() * sizeof(T)),
                  what + ": packed otherwise differs");
}

int main()
{
   const Window windows[] = {
      window(one, one, {1, 1, 1, 1, 0, 0}),
      window(one, one, {9, 3, 2, 1, 0, 0}),
      window(one, one, {10, 3, 2, 1, 1, 1}), // an output without inputs at the end
      window(one, one, {9, 2, 4, 1, 0, 0}),  // outputs between the windows
      window(one, one, {13, 4, 1, 3, 2, 1}),
      window(one, {5, 3, 1, 1, 1, 1}, {12, 3, 3, 1, 0, 0}),
      window(one, {8, 4, 2, 1, 1, 1}, {8, 2, 2, 1, 0, 0}),
      window({5, 3, 2, 1, 1, 1}, {6, 2, 2, 1, 0, 0}, {7, 3, 2, 1, 0, 0}),
   };
   for (const Window &w : windows)
      for (std::size_t O : {1, 5, 16, 37}) {
         test<float>(w, 7, O, 1e-6);
         test<double>(w, 7, O, 3e-15);
      }
   test<float>(windows[1], 600, 3, 1e-6);
   return check::done();
}
