#include "conv/conv.hxx"
#include "conv/reference.hxx"

#include "check.hxx"
#include "scratch.hxx"
#include "epilogue.hxx"
#include "geometry.hxx"

using namespace sofie_jit;
using check::one;
using check::window;

template <class T>
void run(std::size_t batch, const ConvShape &s, const T *x, const T *panels, const T *bias, const T *residual, T *y,
         const Epilogue<T> &epilogue = check::relu<T>)
{
   check::Scratch<T> scratch(check::conv_scratch<T>(s));
   if (s.strip * s.window.OW >= 5) // the tile's size changes no bit, so two sizes are enough
      conv<5, 3>(batch, s, x, panels, bias, residual, y, scratch.data(), epilogue);
   else
      conv<1, 3>(batch, s, x, panels, bias, residual, y, scratch.data(), epilogue);
}

template <class T>
void test(const Window &w, std::size_t C, std::size_t O, std::size_t groups, std::size_t strip, double tolerance)
{
   const ConvShape s{w, C, O, groups, strip};
   const std::size_t batch = 2, channels = s.group_inputs(), pixels = w.pixels();
   check::Random random(w.inputs() * 1000003 + w.taps() * 1009 + C * 101 + O);
   const auto x = random.vector<T>(batch * w.inputs() * C), k = random.vector<T>(s.K() * O), b = random.vector<T>(O);

   const bool more = (C + O) % 2; // some with everything an epilogue can have
   const auto &epilogue = more ? check::everything<T> : check::relu<T>;
   const auto added = random.vector<T>(more ? batch * pixels * O : 0);
   const T *const residual = more ? added.data() : nullptr;

   const auto want =
      reference::conv(batch, w, C, O, groups, x.data(), k.data(), b.data(), residual, check::finish(epilogue));

   const std::string what = "conv" + check::describe(w) + ", channels " + std::to_string(C) + " " + std::to_string(O) +
                            " " + std::to_string(groups);
   const auto panels = pack_conv<T>(k.data(), s);
   const auto bias = pack_bias<T>(b.data(), O);
   std::vector<T> y(want.size() + 1, T(77)), one_by_one(want.size()), oihw(k.size());
   run(batch, s, x.data(), panels.data(), bias.data(), residual, y.data(), epilogue);
   check::require(y.back() == T(77), what + ": wrote past the end");
   y.pop_back();
   check::close(what, y, want, tolerance);

   for (std::size_t n = 0; n < batch; ++n)
      run(1, s, x.data() + n * w.inputs() * C, panels.data(), bias.data(), residual_at(residual, n * pixels * O),
          one_by_one.data() + n * pixels * O, epilogue);
   check::same_bits(what + ": image by image", y, one_by_one);

   for (std::size_t tap = 0; tap < w.taps(); ++tap)
      for (std::size_t c = 0; c < channels; ++c)
         for (std::size_t o = 0; o < O; ++o)
            oihw[(o * channels + c) * w.taps() + tap] = k[(tap * channels + c) * O + o];
   const auto other = pack_conv<T>(oihw.data(), s, true);
   check::require(other.size() == panels.size() && !std::memcmp(other.data(), panels.data(), other.size() * sizeof(T)),
                  what + ": packed from OIHW differs");
}

// The largest possible tile, and no code for panels that do not occur, give the same bits.
template <class T, int Panels>
void test_block(std::size_t C, std::size_t O)
{
   const ConvShape s{window(one, {9, 3, 1, 1, 1, 1}, {7, 3, 1, 1, 1, 1}), C, O, 1, 9};
   check::Random random(O);
   const auto x = random.vector<T>(2 * s.window.inputs() * C), k = random.vector<T>(s.K() * O), b = random.vector<T>(O);
   const auto panels = pack_conv<T>(k.data(), s);
   const auto bias = pack_bias<T>(b.data(), O);
   std::vector<T> y(2 * s.window.pixels() * O), z(y.size());
   check::Scratch<T> scratch(check::conv_scratch<T>(s));
   conv<tuning::mr, Panels>(2, s, x.data(), panels.data(), bias.data(), static_cast<const T *>(nullptr), y.data(),
                            scratch.data(), check::relu<T>);
   run(2, s, x.data(), panels.data(), bias.data(), static_cast<const T *>(nullptr), z.data());
   check::same_bits("conv with " + std::to_string(O) + " outputs, blocked", y, z);
}

int main()
{
   const struct {
      std::size_t C, O, groups;
   } channels[] = {{1, 1, 1}, {3, 5, 1}, {2, 33, 1}, {30, 16, 1}, {4, 6, 2}, {6, 60, 3}, {8, 8, 8}};
   const Window windows[] = {
      window(one, one, {1, 1, 1, 1, 0, 0}),
      window(one, one, {9, 3, 1, 1, 0, 0}),
      window(one, one, {9, 3, 2, 1, 2, 0}),
      window(one, one, {11, 4, 1, 3, 9, 0}),
      window(one, one, {3, 5, 1, 1, 2, 2}),
      window(one, {5, 3, 1, 1, 1, 1}, {7, 3, 1, 1, 1, 1}),
      window(one, {8, 3, 2, 1, 0, 1}, {9, 2, 3, 1, 0, 1}),
      window(one, {6, 2, 1, 2, 1, 1}, {5, 3, 1, 2, 2, 2}),
      window(one, {5, 1, 2, 1, 0, 0}, {5, 1, 2, 1, 0, 0}),
      window(one, {4, 3, 5, 1, 3, 3}, {3, 2, 4, 1, 2, 4}),
      window({3, 2, 1, 1, 0, 1}, {4, 3, 1, 1, 1, 1}, {5, 3, 2, 1, 1, 1}),
      window({5, 2, 2, 2, 1, 0}, {3, 2, 1, 1, 0, 0}, {4, 1, 1, 1, 0, 0}),
   };
   for (const Window &w : windows)
      for (const auto &c : channels) {
         test<float>(w, c.C, c.O, c.groups, w.OH, 3e-6);
         if (c.C != 30)
            test<double>(w, c.C, c.O, c.groups, (w.OH + 1) / 2, 1e-14);
      }
   test<float>(window(one, {9, 3, 1, 1, 1, 1}, {5, 3, 1, 1, 1, 1}), 97, 3, 1, 4, 3e-6); // sums of four blocks
   for (std::size_t strip : {2, 5, 10}) {
      test<float>(window(one, {10, 3, 1, 1, 1, 1}, {7, 3, 1, 1, 1, 1}), 4, 2, 1, strip, 3e-6);
      test<float>(window({3, 3, 1, 1, 1, 1}, {20, 3, 2, 1, 1, 1}, {8, 3, 1, 1, 1, 1}), 5, 2, 1, strip, 3e-6);
   }
   test_block<float, 1>(30, by_register_width(16, 8, 4));
   test_block<float, 2>(30, by_register_width(64, 15, 7));
   return check::done();
}
