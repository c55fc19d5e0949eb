// Common parts of convolution, depthwise convolution and pooling on several threads: output rows of images as windows.
#ifndef SOFIE_JIT_PARALLEL_WINDOW_HXX
#define SOFIE_JIT_PARALLEL_WINDOW_HXX

#include "core/team.hxx"
#include "core/window.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

SOFIE_JIT_UNOPTIMIZED

// Some adjacent rows of an output image, and the part of the input that they depend on.
struct WindowPart {
   Window window;
   std::size_t input, output; // pixels of the images before those of the part
};

// The axis along which images are divided: the first one of size other than 1 (0, 1 or 2), so that each row is
// contiguous.
constexpr int window_axis(const Window &w)
{
   return w.OD > 1 || w.D > 1 ? 0 : w.OH > 1 || w.H > 1 ? 1 : 2;
}

constexpr std::size_t window_rows(const Window &w)
{
   const int axis = window_axis(w);
   return axis == 0 ? w.OD : axis == 1 ? w.OH : w.OW;
}

// Trims an axis for leaving out the first `rows` outputs: returns the number of input pixels to skip, and reduces the
// size and the padding.
constexpr std::size_t trim_axis(std::size_t rows, std::size_t stride, std::size_t &size, std::size_t &pad)
{
   const std::size_t start = rows * stride, inside = start > pad ? start - pad : 0,
                     trimmed = inside < size ? inside : size;
   pad = start < pad ? pad - start : 0;
   size -= trimmed;
   return trimmed;
}

constexpr WindowPart window_part(const Window &w, Range rows)
{
   WindowPart part{w, 0, 0};
   Window &p = part.window;
   const int axis = window_axis(w);
   std::size_t pixels = 1; // of a row of the input
   if (axis == 0) {
      p.OD = rows.size();
      pixels = w.H * w.W;
      part.input = trim_axis(rows.first, w.SD, p.D, p.PD);
   } else if (axis == 1) {
      p.OH = rows.size();
      pixels = w.W;
      part.input = trim_axis(rows.first, w.SH, p.H, p.PH);
   } else {
      p.OW = rows.size();
      part.input = trim_axis(rows.first, w.SW, p.W, p.PW);
   }
   part.input *= pixels;
   part.output = rows.first * (w.pixels() / window_rows(w));
   return part;
}

// Number of pieces of at least `step` rows that an image is divided into.
constexpr std::size_t window_steps(const Window &w, std::size_t step)
{
   const std::size_t steps = window_rows(w) / step;
   return steps ? steps : 1;
}

// Calls f(window, input pixel, output pixel, thread) for parts of the images of a batch, up to `parts_per_thread` parts
// for each thread, in pieces of at least `step` rows except for the last of an image.
template <class F>
void parallel_rows(const Team &team, std::size_t batch, const Window &w, std::size_t work, std::size_t step, const F &f,
                   std::size_t parts_per_thread = 4)
{
   const std::size_t rows = window_rows(w), steps = window_steps(w, step);
   const std::size_t parts = useful_parts(team, work, batch * steps, parts_per_thread);
   parallel_for(team, parts, [&](std::size_t part, std::size_t thread) {
      const Range all = part_of(batch * steps, 1, part, parts);
      for (std::size_t i = all.first; i < all.last;) {
         const std::size_t image = i / steps, first = i % steps;
         const std::size_t last = all.last - i < steps - first ? first + (all.last - i) : steps;
         const WindowPart p = window_part(w, {first * step, last == steps ? rows : last * step});
         f(p.window, image * w.inputs() + p.input, image * w.pixels() + p.output, thread);
         i += last - first;
      }
   });
}

SOFIE_JIT_OPTIMIZED

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
