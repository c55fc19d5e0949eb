// ConvLSTM over whole sequences of channels-last images, with Keras's gates in Keras's order (input, forget, cell,
// output). The image of a state is convolved where an LSTM has a matrix product:
//
//    i, f, o = gate(x + h * R)   g = cell(x + h * R)   c' = f c + i g   h' = o cell(c')
//
// x, the input part of the gates including the bias, is computed before, for all steps at once.
#ifndef SOFIE_JIT_CONV_LSTM_HXX
#define SOFIE_JIT_CONV_LSTM_HXX

#include "conv/conv.hxx"
#include "recurrent/gates.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

template <class T>
struct ConvRecurrence { // one call
   std::size_t batch, steps;
   ConvShape shape;     // of h * R: from `filters` channels to 4 * filters, images of the same size
   const T *x;          // [batch][steps][pixels][gate][filters]
   const bool *mask;    // [batch][steps][masks], false: skipped; null: nothing is skipped
   std::size_t masks;   // 1: steps are skipped as a whole; pixels: each pixel separately
   const T *initial[2]; // [batch][pixels][filters] of h and c; null: zeros
   T *y;                // [batch][steps][pixels][filters]; null: not needed
   T *last[2];          // [batch][pixels][filters] of h and c after the last step; null: not needed
   T *scratch;          // scratch memory of conv
   T *state;            // [pixels][6][filters]: h, c and the recurrent part of the gates
   bool backwards;      // from the last step to the first
   bool flipped;        // y[0] belongs to the last step
   bool zero_masked;    // y of skipped steps is zero, otherwise that of the previous step
};

// Updates h and c of all pixels of an image except those whose mask is false (null: no mask).
template <class T, class Gate, class Cell>
void conv_lstm_gates(std::size_t pixels, std::size_t filters, const T *x, const T *recurrent, const bool *mask, T *h,
                     T *c, const Gate &gate, const Cell &cell)
{
   constexpr std::size_t block = 64; // elements of each gate that are gathered and then processed together
   alignas(tuning::alignment) T part[4][block] = {}, carry[block] = {};
   for (std::size_t begin = 0, size = pixels * filters; begin < size; begin += block) {
      const std::size_t count = size - begin < block ? size - begin : block;
      const auto each_run = [&](const auto &run) { // run(offset in the block, pixel, first filter, length)
         std::size_t pixel = begin / filters, first = begin % filters;
         for (std::size_t at = 0; at < count; ++pixel, first = 0) {
            const std::size_t n = count - at < filters - first ? count - at : filters - first;
            run(at, pixel, first, n);
            at += n;
         }
      };
      each_run([&](std::size_t at, std::size_t pixel, std::size_t first, std::size_t n) {
         for (std::size_t g = 0; g < 4; ++g) {
            const std::size_t from = (pixel * 4 + g) * filters + first;
            for (std::size_t i = 0; i < n; ++i)
               part[g][at + i] = x[from + i] + recurrent[from + i];
         }
      });
      std::memcpy(carry, c + begin, count * sizeof(T));
      for (std::size_t i = 0; i < block; i += lanes<T>) {
         const vec<T> in = gate.template apply<T>(load(part[0] + i)),
                      forget = gate.template apply<T>(load(part[1] + i));
         const vec<T> candidate = cell.template apply<T>(load(part[2] + i));
         const vec<T> now = fma<T>(forget, load(carry + i), rounded(in * candidate));
         store(carry + i, now);
         store(part[0] + i, gate.template apply<T>(load(part[3] + i)) * cell.template apply<T>(now));
      }
      const auto keep = [&](std::size_t at, std::size_t n) {
         std::memcpy(h + begin + at, part[0] + at, n * sizeof(T));
         std::memcpy(c + begin + at, carry + at, n * sizeof(T));
      };
      if (!mask)
         keep(0, count);
      else
         each_run([&](std::size_t at, std::size_t pixel, std::size_t, std::size_t n) {
            if (mask[pixel])
               keep(at, n);
         });
   }
}

// One image of y: h where it is not skipped, otherwise zeros or the previous step's y.
template <class T>
void conv_lstm_output(const ConvRecurrence<T> &r, const T *h, const bool *mask, bool first, T *y)
{
   const std::size_t filters = r.shape.C, pixels = r.shape.window.pixels(), size = pixels * filters;
   const T *before = r.backwards == r.flipped ? y - size : y + size;
   const std::size_t n = mask && r.masks > 1 ? filters : size;
   for (std::size_t at = 0; at < size; at += n) {
      if (!mask || mask[r.masks > 1 ? at / filters : 0])
         std::memcpy(y + at, h + at, n * sizeof(T));
      else if (r.zero_masked || first)
         std::memset(static_cast<void *>(y + at), 0, n * sizeof(T));
      else
         std::memcpy(y + at, before + at, n * sizeof(T));
   }
}

// MR, Panels, panels: as for conv, whose bias is zeros; panels from kernel[KD][KH][KW][filters][gate][filters].
template <int MR, int Panels, class T, class Gate, class Cell>
void conv_lstm(const ConvRecurrence<T> &r, const T *panels, const T *zeros, const Gate &gate_activation,
               const Cell &cell_activation)
{
   const gate_function<Gate> gate(gate_activation);
   const gate_function<Cell> cell(cell_activation);
   const std::size_t filters = r.shape.C, pixels = r.shape.window.pixels(), size = pixels * filters;
   T *state[2] = {r.state, r.state + size}, *recurrent = r.state + 2 * size;
   for (std::size_t b = 0; b < r.batch; ++b) {
      for (int s = 0; s < 2; ++s) {
         if (r.initial[s])
            std::memcpy(state[s], r.initial[s] + b * size, size * sizeof(T));
         else
            std::memset(static_cast<void *>(state[s]), 0, size * sizeof(T));
      }
      for (std::size_t step = 0; step < r.steps; ++step) {
         const std::size_t time = r.backwards ? r.steps - 1 - step : step;
         const bool *mask = r.mask ? r.mask + (b * r.steps + time) * r.masks : nullptr;
         if (!mask || r.masks > 1 || mask[0]) {
            conv<MR, Panels>(1, r.shape, state[0], panels, zeros, static_cast<const T *>(nullptr), recurrent, r.scratch,
                             no_epilogue<T>);
            conv_lstm_gates(pixels, filters, r.x + (b * r.steps + time) * 4 * size, recurrent,
                            r.masks > 1 ? mask : nullptr, state[0], state[1], gate, cell);
         }
         if (r.y)
            conv_lstm_output(r, state[0], mask, step == 0,
                             r.y + (b * r.steps + (r.flipped ? r.steps - 1 - time : time)) * size);
      }
      for (int s = 0; s < 2; ++s)
         if (r.last[s])
            std::memcpy(r.last[s] + b * size, state[s], size * sizeof(T));
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
