// LSTM over whole sequences, with ONNX's gates in ONNX's order (input, output, forget, cell):
//
//    i, o, f = gate(..)   g = cell(..)   c' = f c + i g   h' = o hidden(c')
#ifndef SOFIE_JIT_LSTM_HXX
#define SOFIE_JIT_LSTM_HXX

#include "recurrent/gates.hxx"
#include "recurrent/rnn.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

template <class T, class Gate, class Cell, class Hidden>
struct LstmCell {
   static constexpr int states = 2, vectors = 4, unit_vectors = 1;
   const T *weights, *bias, *recurrent; // [panel][k][gate][lanes]
   gate_function<Gate> gate;
   gate_function<Cell> cell;
   gate_function<Hidden> hidden;

   template <class Input>
   void step(const Input &input, const Block<T> &s) const
   {
      each_panel<Input::rows, 4, 4, 1>(
         s, s.old[0], recurrent, [&](std::size_t p, std::size_t row, T *gates) { input(p, row, gates, 4); },
         [&](T *gates, std::size_t at) {
            const vec<T> i = gate.template apply<T>(load(gates));
            const vec<T> f = gate.template apply<T>(load(gates + 2 * lanes<T>));
            const vec<T> g = cell.template apply<T>(load(gates + 3 * lanes<T>));
            store(gates + lanes<T>, gate.template apply<T>(load(gates + lanes<T>)));
            store(s.now[1] + at, fma<T>(f, load(s.old[1] + at), rounded(i * g)));
         },
         [&](const T *gates, std::size_t at) {
            const vec<T> o = load(gates + lanes<T>);
            store(s.now[0] + at, o * hidden.template apply<T>(load(s.now[1] + at)));
         });
   }
};

template <class T>
SOFIE_JIT_COLD Buffer<T> pack_lstm(const T *values, std::size_t units, std::size_t K)
{
   return pack_recurrent(values, 4, units, K, 1);
}

template <class T>
SOFIE_JIT_COLD Buffer<T> pack_lstm_bias(const T *values, std::size_t units)
{
   return pack_recurrent_bias(values, 4, units, 1, 4);
}

template <class T, class Gate, class Cell, class Hidden>
void lstm(const Recurrence<T> &r, const T *weights, const T *recurrent, const T *bias, const Gate &gate,
          const Cell &cell, const Hidden &hidden)
{
   run_recurrence(r, LstmCell<T, Gate, Cell, Hidden>{weights, bias, recurrent, gate, cell, hidden});
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
