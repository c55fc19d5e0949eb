// Sizes of scratch memory as planned by Python (test_scratch.py compares them with Python's), and a check that kernels
// do not need more.
#ifndef SOFIE_JIT_TESTS_SCRATCH_HXX
#define SOFIE_JIT_TESTS_SCRATCH_HXX

#include "conv/conv.hxx"
#include "conv/depthwise_chain.hxx"
#include "conv/winograd.hxx"
#include "recurrent/rnn.hxx"

#include "check.hxx"

namespace check {

using namespace sofie_jit;

// Scratch memory of exactly `size` elements; the destructor checks that nothing was written behind them.
template <class T>
class Scratch {
public:
   explicit Scratch(std::size_t size, T fill = T(0)) : fMemory(size + 1)
   {
      for (std::size_t i = 0; i < size; ++i)
         fMemory[i] = fill;
      fMemory[size] = T(77);
   }
   Scratch(const Scratch &) = delete;
   Scratch &operator=(const Scratch &) = delete;
   ~Scratch() { require(fMemory[fMemory.size() - 1] == T(77), "wrote past the end of the scratch memory"); }
   T *data() { return fMemory.data(); }

private:
   Buffer<T> fMemory;
};

// Elements of T: the copy of a padded strip, and the list of runs (an offset and a length of 64 bits each).
template <class T>
std::size_t conv_scratch(const ConvShape &s)
{
   const Window &w = s.window;
   const std::size_t copy = w.padded() ? w.KD * w.rows_under(s.strip) * w.columns_under(w.OW) * s.C : 0;
   const std::size_t runs = w.taps() + s.K() / tuning::kc + 1;
   return (copy + 63) / 64 * 64 + runs * 16 / sizeof(T);
}

// Transformed images and products of a block of tiles for each of the 16 positions, and zeros.
inline std::size_t winograd_scratch(const WinogradShape &s)
{
   std::size_t all = s.C + s.output_group() + 16;
   for (const std::size_t channels : {s.C, s.output_group()})
      all += 16 * (tuning::winograd_tiles * 3 / 2 * channels + tuning::winograd_padding);
   return all;
}

// The results of the first convolution and of the depthwise one for a strip.
inline std::size_t chain_scratch(const DepthwiseChain &s)
{
   const Window &w = s.window;
   const std::size_t rows = w.rows_under(s.strip) < w.H ? w.rows_under(s.strip) : w.H;
   return (s.expand ? (rows * w.W * s.C + 63) / 64 * 64 : 0) + (s.project ? s.strip * w.OW * s.C : 0);
}

// Integers of 64 bits: the start of each output column's list, these lists, and the list of a row.
inline std::size_t conv_transpose_list(const Window &w)
{
   return w.W + 1 + w.OW * w.KW + w.KD * w.KH;
}

// State buffers of a block of rows, and the projected inputs of a block of steps.
inline std::size_t recurrent_scratch(std::size_t units)
{
   const std::size_t padded =
      (units + tuning::recurrent_unit_multiple - 1) / tuning::recurrent_unit_multiple * tuning::recurrent_unit_multiple;
   return padded *
          (tuning::recurrent_rows * tuning::recurrent_buffers + tuning::recurrent_steps * tuning::recurrent_max_gates);
}

} // namespace check
#endif
