// conv.hxx on several threads: divides output rows or outputs, whichever keeps more threads busy; if both do, it
// divides the larger of image and weights, so that threads read less of it twice.
#ifndef SOFIE_JIT_PARALLEL_CONV_HXX
#define SOFIE_JIT_PARALLEL_CONV_HXX

#include "conv/conv.hxx"
#include "conv/parallel_window.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

template <class T>
using ConvKernel = void (*)(std::size_t batch, const ConvShape &s, const T *x, const T *panels, const T *bias,
                            const T *residual, T *y, T *scratch, const Epilogue<T> &epilogue);

// Elements of T between the scratch memories of two threads: the copy of a strip and the list of runs.
template <class T>
std::size_t conv_thread_scratch(const ConvShape &s)
{
   std::size_t runs = 0;
   each_run(s, [&](const ConvRun &) { ++runs; });
   return align_up(conv_copy_size(s) + div_up(runs * sizeof(ConvRun), sizeof(T)));
}

SOFIE_JIT_UNOPTIMIZED

// The window over the copy that conv_copy makes of the whole image.
constexpr Window copied_window(const Window &w)
{
   Window copy = w;
   copy.D = w.KD;
   copy.DD = 1;
   copy.H = w.rows_under(w.OH);
   copy.W = w.columns_under(w.OW);
   copy.PD = copy.PH = copy.PW = 0;
   return copy;
}

// One image, a few panels of weights per part. Threads share one padded copy of the image.
template <class T>
void parallel_conv_outputs(const Team &team, const ConvShape &s, std::size_t parts, const T *x, const T *panels,
                           const T *bias, const T *residual, T *y, T *scratch, const Epilogue<T> &epilogue,
                           ConvKernel<T> conv)
{
   ConvShape shape = s;
   if (s.window.padded()) {
      conv_copy(s, x, 0, 0, scratch);
      shape.window = copied_window(s.window);
      x = scratch;
   }
   const Epilogue<T> bounds{epilogue.low, epilogue.high, nullptr};
   const std::size_t own_scratch = conv_thread_scratch<T>(s);
   parallel_for(team, parts, [&](std::size_t part, std::size_t thread) {
      const Range outputs = part_of(s.O, nr<T>, part, parts);
      ConvShape mine = shape;
      mine.from = outputs.first;
      mine.to = outputs.last;
      T *const own = scratch + thread * own_scratch + conv_copy_size(s);
      conv(1, mine, x, panels, bias, residual, y, own, bounds);
   });
   if (epilogue.function)
      parallel_for(team, parts, [&](std::size_t part, std::size_t) {
         const Range elements = part_of(s.window.pixels() * s.O, tuning::alignment, part, parts);
         epilogue.function(elements.size(), y + elements.first, y + elements.first);
      });
}

// scratch: conv_thread_scratch<T>(s) elements for each thread.
template <class T>
void parallel_conv(const Team &team, std::size_t batch, const ConvShape &s, const T *x, const T *panels, const T *bias,
                   const T *residual, T *y, T *scratch, const Epilogue<T> &epilogue, ConvKernel<T> conv)
{
   const Window &w = s.window;
   const std::size_t work = 2 * w.pixels() * s.K() * s.O; // per image
   if (!is_parallel(team, batch * work))
      return conv(batch, s, x, panels, bias, residual, y, scratch, epilogue);
   const std::size_t step = div_up(tuning::mr, w.pixels() / window_rows(w)), rows = batch * window_steps(w, step);
   const std::size_t column_blocks = div_up(s.O, nr<T>);
   const std::size_t by_rows = balance(team, rows), by_outputs = balance(team, column_blocks);
   const bool one_copy = s.groups == 1 && w.OD == 1 && s.strip == w.OH;
   const bool larger = s.K() * s.O > batch * w.inputs() * s.C;
   if (one_copy && (by_rows == by_outputs ? larger : by_outputs > by_rows)) {
      const std::size_t parts = useful_parts(team, work, column_blocks);
      for (std::size_t b = 0; b < batch; ++b, x += w.inputs() * s.C, y += w.pixels() * s.O) {
         parallel_conv_outputs(team, s, parts, x, panels, bias, residual, y, scratch, epilogue, conv);
         residual = residual_at(residual, w.pixels() * s.O);
      }
      return;
   }
   const std::size_t own_scratch = conv_thread_scratch<T>(s);
   parallel_rows(team, batch, w, batch * work, step,
                 [&](const Window &part, std::size_t from, std::size_t to, std::size_t thread) {
                    ConvShape mine = s;
                    mine.window = part;
                    const std::size_t equal = div_up(part.OH, div_up(part.OH, s.strip));
                    const std::size_t tile = div_up(tuning::mr, part.OW), least = tile < s.strip ? tile : s.strip;
                    mine.strip = equal < least ? least : equal;
                    conv(1, mine, x + from * s.C, panels, bias, residual_at(residual, to * s.O), y + to * s.O,
                         scratch + thread * own_scratch, epilogue);
                 });
}

SOFIE_JIT_OPTIMIZED

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
