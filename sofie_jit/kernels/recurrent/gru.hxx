// GRU over whole sequences, with ONNX's gates in ONNX's order (update z, reset r, hidden):
//
//    z, r = gate(..)   h' = z h + (1 - z) hidden(candidate)
//
// The recurrent part of the candidate is r (h R + b) in GruCell (linear_before_reset, Keras's reset_after), and (r h) R
// + b in GruResetBeforeCell.
#ifndef SOFIE_JIT_GRU_HXX
#define SOFIE_JIT_GRU_HXX

#include "recurrent/gates.hxx"
#include "recurrent/rnn.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

template <class T, class Gate, class Hidden>
struct GruCell {
   static constexpr int states = 1, vectors = 3, unit_vectors = 1;
   const T *weights, *bias, *recurrent; // [panel][k][gate][lanes]
   const T *candidate_bias;             // [panel][lanes], inside the reset
   gate_function<Gate> gate;
   gate_function<Hidden> hidden;

   template <class Input>
   void step(const Input &input, const Block<T> &s) const
   {
      constexpr int MR = Input::rows;
      each_panel<MR, 3, 4, 1>(
         s, s.old[0], recurrent,
         [&](std::size_t p, std::size_t row, T *gates) {
            input(p, row, gates, 4);
            for (int n = 0; n < MR; ++n) {
               T *candidate = gates + (n * 4 + 2) * lanes<T>;
               store(candidate + lanes<T>, load(candidate));
               store(candidate, load(candidate_bias + p * lanes<T>));
            }
         },
         [&](T *gates, std::size_t) {
            const vec<T> r = gate.template apply<T>(load(gates + lanes<T>));
            store(gates + lanes<T>, fma<T>(r, load(gates + 2 * lanes<T>), load(gates + 3 * lanes<T>)));
            store(gates, gate.template apply<T>(load(gates)));
         },
         [&](const T *gates, std::size_t at) {
            const vec<T> z = load(gates), h = hidden.template apply<T>(load(gates + lanes<T>));
            store(s.now[0] + at, fma<T>(z, load(s.old[0] + at), rounded((1 - z) * h)));
         });
   }
};

// The reset comes first, so the candidate needs all of r h: two passes over the panels.
template <class T, class Gate, class Hidden>
struct GruResetBeforeCell {
   static constexpr int states = 1, vectors = 3, unit_vectors = 1;
   const T *weights, *bias;      // [panel][k][3][lanes]
   const T *recurrent;           // [panel][k][z, r][lanes]
   const T *candidate_recurrent; // [panel][k][lanes]
   gate_function<Gate> gate;
   gate_function<Hidden> hidden;

   template <class Input>
   void step(const Input &input, const Block<T> &s) const
   {
      constexpr int MR = Input::rows;
      T *const reset = s.own[0], *const update = s.own[1], *const candidate = s.now[0];
      each_panel<MR, 2, 3, 1>(
         s, s.old[0], recurrent, [&](std::size_t p, std::size_t row, T *gates) { input(p, row, gates, 3); },
         [&](const T *gates, std::size_t at) {
            store(update + at, gate.template apply<T>(load(gates)));
            store(reset + at, gate.template apply<T>(load(gates + lanes<T>)) * load(s.old[0] + at));
            store(candidate + at, load(gates + 2 * lanes<T>));
         },
         [](const T *, std::size_t) {});
      each_panel<MR, 1, 1, 1>(
         s, reset, candidate_recurrent,
         [&](std::size_t p, std::size_t row, T *sums) {
            for (std::size_t n = 0; n < MR; ++n)
               store(sums + n * lanes<T>, load(candidate + (row + n) * s.stride + p * lanes<T>));
         },
         [&](const T *sums, std::size_t at) {
            const vec<T> z = load(update + at);
            const vec<T> h = hidden.template apply<T>(load(sums));
            store(s.now[0] + at, fma<T>(z, load(s.old[0] + at), rounded((1 - z) * h)));
         },
         [](const T *, std::size_t) {});
   }
};

// Packs values[3][units][K] into [panel][k][gates][lanes] of the gates first, first + 1, ...
template <class T>
SOFIE_JIT_COLD Buffer<T> pack_gru(const T *values, std::size_t units, std::size_t K, std::size_t first = 0,
                                  std::size_t gates = 3)
{
   return pack_recurrent(values + first * units * K, gates, units, K, 1);
}

// values[6][units] (null: zeros) are Wb of all gates, then Rb. Packs the part that is added outside the reset:
// everything but the candidate's Rb if linear_before_reset.
template <class T>
SOFIE_JIT_COLD Buffer<T> pack_gru_bias(const T *values, std::size_t units, bool linear_before_reset)
{
   return pack_recurrent_bias(values, 3, units, 1, linear_before_reset ? 2 : 3);
}

// The candidate's Rb, padded to whole panels.
template <class T>
SOFIE_JIT_COLD Buffer<T> pack_gru_candidate_bias(const T *values, std::size_t units)
{
   Buffer<T> packed(recurrent_stride(units));
   for (std::size_t u = 0; values && u < units; ++u)
      packed[u] = values[5 * units + u];
   return packed;
}

template <class T, class Gate, class Hidden>
void gru(const Recurrence<T> &r, const T *weights, const T *recurrent, const T *bias, const T *candidate_bias,
         const Gate &gate, const Hidden &hidden)
{
   run_recurrence(r, GruCell<T, Gate, Hidden>{weights, bias, recurrent, candidate_bias, gate, hidden});
}

template <class T, class Gate, class Hidden>
void gru_reset_before(const Recurrence<T> &r, const T *weights, const T *recurrent, const T *candidate_recurrent,
                      const T *bias, const Gate &gate, const Hidden &hidden)
{
   run_recurrence(r, GruResetBeforeCell<T, Gate, Hidden>{weights, bias, recurrent, candidate_recurrent, gate, hidden});
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
