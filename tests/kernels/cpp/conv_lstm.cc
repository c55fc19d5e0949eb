#include "recurrent/conv_lstm.hxx"
#include "recurrent/reference.hxx"

#include <memory>

#include "check.hxx"
#include "scratch.hxx"
#include "geometry.hxx"

using namespace sofie_jit;
using check::one;
using check::window;

struct Options {
   bool backwards, flipped, zero_masked, initial;
   int masked; // 0: nothing, 1: steps, 2: pixels
};

template <class T>
void test(const Window &w, std::size_t filters, const Options &o, double tolerance)
{
   const std::size_t batch = 3, steps = 4, pixels = w.pixels(), size = pixels * filters;
   const ConvShape s{w, filters, 4 * filters, 1, 1};
   check::Random random(filters * 1009 + pixels + steps);
   const auto x = random.vector<T>(batch * steps * 4 * size, -2, 2), h0 = random.vector<T>(batch * size),
              c0 = random.vector<T>(batch * size), kernel = random.vector<T>(s.K() * 4 * filters, -0.4, 0.4);
   const std::size_t masks = o.masked == 2 ? pixels : 1;
   const std::unique_ptr<bool[]> mask(new bool[batch * steps * masks]);
   for (std::size_t i = 0; i < batch * steps * masks; ++i)
      mask[i] = random.next() % 3 > 0;

   std::vector<double> y, last[2];
   const auto append = [](std::vector<double> &all, const std::vector<double> &more) {
      all.insert(all.end(), more.begin(), more.end());
   };
   for (std::size_t b = 0; b < batch; ++b) {
      reference::State state{reference::Vector(size), reference::Vector(size)};
      for (std::size_t i = 0; o.initial && i < size; ++i) {
         state.h[i] = double(h0[b * size + i]);
         state.c[i] = double(c0[b * size + i]);
      }
      const auto step = [&](std::size_t time, const reference::State &old) {
         return reference::conv_lstm_step(w, filters, x.data() + (b * steps + time) * 4 * size, kernel.data(), old);
      };
      const auto kept = [&](std::size_t time, std::size_t i) {
         return !o.masked || mask[(b * steps + time) * masks + (masks > 1 ? i / filters : 0)];
      };
      append(y, reference::sequence(steps, size, {o.backwards, o.flipped, o.zero_masked}, state, step, kept));
      append(last[0], state.h);
      append(last[1], state.c);
   }

   const auto panels = pack_conv<T>(kernel.data(), s);
   const Buffer<T> zeros(4 * filters);
   check::Scratch<T> scratch(check::conv_scratch<T>(s)), state(6 * size);
   std::vector<T> got(y.size()), got_h(batch * size), got_c(batch * size), single(size);
   const auto run = [&](std::size_t b, std::size_t rows, T *out, T *h, T *c) {
      const ConvRecurrence<T> r{
         rows, steps, s, x.data() + b * steps * 4 * size, o.masked ? mask.get() + b * steps * masks : nullptr, masks,
         {o.initial ? h0.data() + b * size : nullptr, o.initial ? c0.data() + b * size : nullptr}, out, {h, c},
         scratch.data(), state.data(), o.backwards, o.flipped, o.zero_masked};
      conv_lstm<1, 3>(r, panels.data(), zeros.data(), Sigmoid{}, Tanh{});
   };
   const std::string what = "conv_lstm" + check::describe(w) + ", filters " + std::to_string(filters);
   run(0, batch, got.data(), got_h.data(), got_c.data());
   check::close(what, got, y, tolerance);
   check::close(what + ": h", got_h, last[0], tolerance);
   check::close(what + ": c", got_c, last[1], tolerance);
   run(1, 1, nullptr, single.data(), nullptr);
   check::same_bits(what + ": one row", single,
                    std::vector<T>(got_h.begin() + long(size), got_h.begin() + 2 * long(size)));
}

int main()
{
   const Window line = window(one, one, {5, 3, 1, 1, 1, 1}), pixel = window(one, one, one),
                image = window(one, {4, 3, 1, 1, 1, 1}, {3, 2, 1, 1, 0, 1}),
                space = window({2, 2, 1, 1, 0, 1}, {3, 1, 1, 1, 0, 0}, {2, 3, 1, 1, 1, 1});
   for (int masked = 0; masked < 3; ++masked) {
      test<float>(line, 3, {false, false, false, false, masked}, 2e-6);
      test<float>(image, 17, {true, true, false, true, masked}, 2e-6);
      test<float>(space, 5, {false, true, true, true, masked}, 2e-6);
      test<double>(image, 2, {true, false, true, false, masked}, 1e-14);
   }
   test<float>(pixel, 70, {false, false, false, true, 0}, 2e-6);
   return check::done();
}
