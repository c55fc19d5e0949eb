// A depthwise convolution with a 1 x 1 convolution before it (expand), one after it (project), or both: the building
// block of MobileNets and EfficientNets. It is computed in strips of output rows, so that the intermediate images stay
// in the cache. Every element has the bits that three separate convolutions would give.
#ifndef SOFIE_JIT_DEPTHWISE_CHAIN_HXX
#define SOFIE_JIT_DEPTHWISE_CHAIN_HXX

#include "conv/depthwise.hxx"
#include "gemm/gemm.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// expand: channels of the input, or 0 if there is no convolution before. project: channels of the output, or 0 if there
// is no convolution after. C: channels of the depthwise convolution. strip: rows of its output per strip.
struct DepthwiseChain {
   Window window; // of one plane
   std::size_t expand, C, project, strip;

   constexpr std::size_t inputs() const { return expand ? expand : C; }
   constexpr std::size_t outputs() const { return project ? project : C; }
   constexpr std::size_t expanded() const
   {
      const std::size_t under = window.rows_under(strip), rows = under < window.H ? under : window.H;
      return expand ? align_up(rows * window.W * C) : 0;
   }
   constexpr std::size_t filtered() const { return project ? strip * window.OW * C : 0; }
   constexpr std::size_t work() const // per image: products and sums
   {
      return 2 * C * (expand * window.inputs() + window.taps() * window.pixels() + project * window.pixels());
   }
};

// Weights packed by pack_gemm or pack_depthwise_panels, bias from pack_bias, and the epilogue.
template <class T>
struct ChainLayer {
   const T *weights, *bias;
   Epilogue<T> epilogue;
};

// Computes images y from images x and adds `residual` (unless it is null; it requires s.project). scratch: s.expanded()
// + s.filtered() elements. `gemm` and `filter`, which is depthwise_square, are passed as pointers so that they are
// compiled separately.
template <class T>
SOFIE_JIT_NOINLINE void depthwise_chain(std::size_t batch, const DepthwiseChain &s, const T *x,
                                        const ChainLayer<T> &expand, const ChainLayer<T> &depthwise,
                                        const ChainLayer<T> &project, const T *residual, T *y, T *scratch,
                                        GemmFunction<T> gemm, DepthwiseFunction<T> filter)
{
   const Window &w = s.window;
   const std::size_t in = s.inputs(), out = s.outputs(), row = w.W * s.C;
   T *const filtered = scratch + s.expanded();
   SOFIE_JIT_ROLLED
   for (std::size_t b = 0; b < batch; ++b, x += w.inputs() * in) {
      std::size_t first = 0, last = 0; // rows of the expanded image that are in `scratch`
      SOFIE_JIT_ROLLED
      for (std::size_t oh = 0; oh < w.OH; oh += s.strip) {
         Window part = w;
         part.OH = w.OH - oh < s.strip ? w.OH - oh : s.strip;
         const Inside rows = inside(oh, w.SH, w.H, w.PH, w.rows_under(part.OH)); // counted from the first tap's row
         const std::size_t start = oh * w.SH - w.PH, from = start + rows.first;
         part.PH = rows.first;
         part.H = rows.first < rows.last ? rows.last - rows.first : 0;
         const T *image = x + from * w.W * in;
         if (s.expand) {
            const std::size_t kept = last > from ? last - from : 0, left = part.H - kept;
            if (kept)
               std::memmove(static_cast<void *>(scratch), scratch + (from - first) * row, kept * row * sizeof(T));
            gemm(left * w.W, in, s.C, image + kept * w.W * in, expand.weights, expand.bias, nullptr,
                 scratch + kept * row, expand.epilogue);
            first = from;
            last = from + part.H;
            image = scratch;
         }
         const std::size_t pixels = part.OH * w.OW;
         filter(1, part, s.C, image, depthwise.weights, depthwise.bias, s.project ? filtered : y, depthwise.epilogue);
         if (s.project)
            gemm(pixels, s.C, out, filtered, project.weights, project.bias, residual, y, project.epilogue);
         y += pixels * out;
         residual = residual ? residual + pixels * out : residual;
      }
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
