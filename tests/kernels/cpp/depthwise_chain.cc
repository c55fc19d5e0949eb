// A chain gives the bits of its convolutions one after the other, on one thread and on several.
#include "conv/parallel_depthwise_chain.hxx"

#include "check.hxx"
#include "scratch.hxx"
#include "epilogue.hxx"
#include "geometry.hxx"

using namespace sofie_jit;
using check::one;
using check::window;

// Runs the parts one after the other, in descending order and with changing thread numbers.
void turn(void *, std::size_t threads, std::size_t parts, void (*task)(const void *, std::size_t, std::size_t),
          const void *context)
{
   for (std::size_t part = parts; part-- > 0;)
      task(context, part, part % threads);
}

template <int K, int S, class T>
void test(std::size_t batch, const Window &w, std::size_t before, std::size_t C, std::size_t behind)
{
   const std::size_t in = before ? before : C, out = behind ? behind : C;
   check::Random random(w.inputs() * 1009 + C * 101 + in + out);
   const auto x = random.vector<T>(batch * w.inputs() * in), b = random.vector<T>(C + out);
   const auto first = random.vector<T>(in * C), k = random.vector<T>(w.taps() * C), last = random.vector<T>(C * out);
   const auto residual = random.vector<T>(batch * w.pixels() * out);
   const auto panels = pack_gemm<T>(first.data(), in, C), taps = pack_depthwise_panels<T>(k.data(), w.taps(), C),
              others = pack_gemm<T>(last.data(), C, out);
   const auto bias = pack_bias<T>(b.data(), C), other_bias = pack_bias<T>(b.data() + C, out);
   const Epilogue<T> clipped{T(0), T(0.75), nullptr};
   const ChainLayer<T> expand{panels.data(), bias.data(), clipped}, filter{taps.data(), bias.data(), check::relu<T>},
      project{others.data(), other_bias.data(), check::everything<T>};
   const T *const added = behind && C % 2 ? residual.data() : nullptr;

   std::vector<T> expanded(batch * w.inputs() * C), filtered(batch * w.pixels() * C), want(residual.size());
   if (before)
      gemm<T>(batch * w.inputs(), in, C, x.data(), panels.data(), bias.data(), nullptr, expanded.data(), clipped);
   depthwise_square<K, S, T>(batch, w, C, before ? expanded.data() : x.data(), taps.data(), bias.data(),
                             behind ? filtered.data() : want.data(), check::relu<T>);
   if (behind)
      gemm<T>(batch * w.pixels(), C, out, filtered.data(), others.data(), other_bias.data(), added, want.data(),
              check::everything<T>);
   check::digest(want);

   for (std::size_t strip : {1, 2, 3, 4, 8, 100}) {
      const DepthwiseChain s{w, before, C, behind, strip < w.OH ? strip : w.OH};
      for (std::size_t threads : {1, 2, 3}) {
         const Team team{turn, nullptr, threads, 1};
         std::vector<T> y(want.size() + 1, T(77)), scratch(threads * align_up(check::chain_scratch(s)) + 1, T(77));
         const auto kernel = [](auto... arguments) {
            depthwise_chain<T>(arguments..., gemm<T>, depthwise_square<K, S, T>);
         };
         const DepthwiseChainKernel<T> chain = kernel;
         if (threads > 1)
            parallel_depthwise_chain<T>(team, batch, s, x.data(), expand, filter, project, added, y.data(),
                                        scratch.data(), chain);
         else
            chain(batch, s, x.data(), expand, filter, project, added, y.data(), scratch.data());
         std::string what = "chain" + check::describe(w) + "; channels, strip, threads";
         for (const std::size_t number : {before, C, behind, strip, threads})
            what += " " + std::to_string(number);
         check::require(y.back() == T(77) && scratch.back() == T(77), what + ": wrote past the end");
         y.pop_back();
         check::require(!std::memcmp(y.data(), want.data(), want.size() * sizeof(T)), what + ": differs");
      }
   }
}

template <int K, int S, class T>
void test_ends(std::size_t batch, const Window &w, std::size_t C)
{
   test<K, S, T>(batch, w, 5, C, 7);
   test<K, S, T>(batch, w, 5, C, 0);
   test<K, S, T>(batch, w, 0, C, 7);
   test<K, S, T>(batch, w, 0, C, 0);
}

int main()
{
   test_ends<3, 1, float>(2, window(one, {9, 3, 1, 1, 1, 1}, {8, 3, 1, 1, 1, 1}), 33);
   test_ends<3, 1, float>(1, window(one, {1, 3, 1, 1, 1, 1}, {4, 3, 1, 1, 1, 1}), 16);
   // windows without any pixel of the image
   test_ends<3, 1, float>(1, window(one, {2, 3, 1, 1, 6, 7}, {3, 3, 1, 1, 4, 4}), 16);
   test_ends<3, 2, float>(2, window(one, {13, 3, 2, 1, 0, 1}, {8, 3, 2, 1, 0, 1}), 16);
   test_ends<5, 1, float>(1, window(one, {7, 5, 1, 1, 2, 2}, {6, 5, 1, 1, 2, 2}), 17);
   test_ends<5, 2, double>(1, window(one, {16, 5, 2, 1, 1, 2}, {9, 5, 2, 1, 2, 2}), 17);
   return check::done();
}
