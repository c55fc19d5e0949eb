// Recurrent layers by their formulas, in double precision (see core/reference.hxx): a function per cell for one step of
// one row, and the loop over time that they share.
#ifndef SOFIE_JIT_RECURRENT_REFERENCE_HXX
#define SOFIE_JIT_RECURRENT_REFERENCE_HXX

#include <algorithm>
#include <vector>

#include "core/reference.hxx"

namespace sofie_jit {
namespace reference {

using Vector = std::vector<double>;

struct State {
   Vector h, c; // c: of an LSTM only
};

// Weights in ONNX's order: w[gates][units][inputs], r[gates][units][units], b[2][gates][units] or null.
template <class T>
struct RecurrentWeights {
   std::size_t inputs, units, gates;
   const T *w, *r, *b;

   // W x + Wb of a gate and a unit
   double input(std::size_t gate, std::size_t unit, const T *x) const
   {
      const std::size_t row = gate * units + unit;
      double sum = b ? double(b[row]) : 0;
      for (std::size_t k = 0; k < inputs; ++k)
         sum += double(x[k]) * double(w[row * inputs + k]);
      return sum;
   }

   // R h + Rb
   double recurrent(std::size_t gate, std::size_t unit, const Vector &h) const
   {
      const std::size_t row = gate * units + unit;
      double sum = b ? double(b[gates * units + row]) : 0;
      for (std::size_t k = 0; k < units; ++k)
         sum += h[k] * double(r[row * units + k]);
      return sum;
   }

   double both(std::size_t gate, std::size_t unit, const T *x, const Vector &h) const
   {
      return input(gate, unit, x) + recurrent(gate, unit, h);
   }
};

using Function = double (*)(double);

// h' = f(W x + R h)
template <class T>
State simple_rnn_step(const RecurrentWeights<T> &p, const T *x, const State &old, Function f)
{
   State now = old;
   for (std::size_t u = 0; u < p.units; ++u)
      now.h[u] = f(p.both(0, u, x, old.h));
   return now;
}

// Gates i, o, f, g: c' = f c + i g, h' = o cell(c')
template <class T>
State lstm_step(const RecurrentWeights<T> &p, const T *x, const State &old, Function gate, Function cell)
{
   State now = old;
   for (std::size_t u = 0; u < p.units; ++u) {
      const double i = gate(p.both(0, u, x, old.h)), o = gate(p.both(1, u, x, old.h));
      const double f = gate(p.both(2, u, x, old.h)), g = cell(p.both(3, u, x, old.h));
      now.c[u] = f * old.c[u] + i * g;
      now.h[u] = o * cell(now.c[u]);
   }
   return now;
}

// Gates z, r: h' = z h + (1 - z) hidden(W x + r (R h + Rb))
template <class T>
State gru_step(const RecurrentWeights<T> &p, const T *x, const State &old, Function gate, Function hidden)
{
   State now = old;
   for (std::size_t u = 0; u < p.units; ++u) {
      const double z = gate(p.both(0, u, x, old.h)), r = gate(p.both(1, u, x, old.h));
      now.h[u] = z * old.h[u] + (1 - z) * hidden(p.input(2, u, x) + r * p.recurrent(2, u, old.h));
   }
   return now;
}

// The same with the reset before the product: h' = z h + (1 - z) hidden(W x + R (r h) + Rb)
template <class T>
State gru_reset_before_step(const RecurrentWeights<T> &p, const T *x, const State &old, Function gate, Function hidden)
{
   State now = old;
   Vector reset(p.units);
   for (std::size_t u = 0; u < p.units; ++u)
      reset[u] = gate(p.both(1, u, x, old.h)) * old.h[u];
   for (std::size_t u = 0; u < p.units; ++u) {
      const double z = gate(p.both(0, u, x, old.h));
      now.h[u] = z * old.h[u] + (1 - z) * hidden(p.input(2, u, x) + p.recurrent(2, u, reset));
   }
   return now;
}

// How a layer walks through time: from the last step to the first (`backwards`); y in the reverse order of x
// (`flipped`); y of a skipped step zero (`zero_masked`), or else that of the step before.
struct Order {
   bool backwards, flipped, zero_masked;
};

// One row: `state` becomes that after the last step, y[steps][size] the h of each. step(time, state) gives the next
// state; kept(time, i) says whether element i of the states changes at this step.
template <class Step, class Kept>
Vector sequence(std::size_t steps, std::size_t size, const Order &order, State &state, const Step &step,
                const Kept &kept)
{
   Vector y(steps * size), shown(size);
   for (std::size_t s = 0; s < steps; ++s) {
      const std::size_t time = order.backwards ? steps - 1 - s : s, out = order.flipped ? steps - 1 - time : time;
      const State next = step(time, state);
      for (std::size_t i = 0; i < size; ++i) {
         if (kept(time, i)) {
            shown[i] = state.h[i] = next.h[i];
            if (!next.c.empty())
               state.c[i] = next.c[i];
         } else if (order.zero_masked)
            shown[i] = 0;
      }
      std::copy(shown.begin(), shown.end(), y.begin() + long(out * size));
   }
   return y;
}

// Keras's gates i, f, g, o of an LSTM over images, x[pixels][4][filters] being their input part, and the kernel
// [taps][filters][4][filters] that h is convolved with: c' = f c + i g, h' = o tanh(c')
template <class T>
State conv_lstm_step(const Window &w, std::size_t filters, const T *x, const T *kernel, const State &old)
{
   State now = old;
   for (std::size_t pixel = 0; pixel < w.pixels(); ++pixel)
      for (std::size_t filter = 0; filter < filters; ++filter) {
         double gate[4];
         for (std::size_t g = 0; g < 4; ++g) {
            gate[g] = double(x[(pixel * 4 + g) * filters + filter]);
            each_tap(w, pixel, [&](std::size_t tap, std::size_t at) {
               for (std::size_t k = 0; k < filters; ++k)
                  gate[g] += old.h[at * filters + k] * double(kernel[((tap * filters + k) * 4 + g) * filters + filter]);
            });
         }
         const std::size_t i = pixel * filters + filter;
         now.c[i] = sigmoid(gate[1]) * old.c[i] + sigmoid(gate[0]) * std::tanh(gate[2]);
         now.h[i] = sigmoid(gate[3]) * std::tanh(now.c[i]);
      }
   return now;
}

} // namespace reference
} // namespace sofie_jit
#endif
