// The simple recurrent layer over whole sequences (ONNX's RNN): h' = activation(x W + h R + b).
#ifndef SOFIE_JIT_SIMPLE_RNN_HXX
#define SOFIE_JIT_SIMPLE_RNN_HXX

#include "recurrent/gates.hxx"
#include "recurrent/rnn.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

template <class T, class Activation>
struct SimpleRnnCell {
   // two vectors of units, because there is only one gate
   static constexpr int states = 1, vectors = 2, unit_vectors = 2;
   const T *weights, *bias, *recurrent; // [panel][k][2 * lanes]
   gate_function<Activation> activation;

   template <class Input>
   void step(const Input &input, const Block<T> &s) const
   {
      each_panel<Input::rows, 2, 2, 2>(
         s, s.old[0], recurrent, [&](std::size_t p, std::size_t row, T *sums) { input(p, row, sums, 2); },
         [&](const T *sums, std::size_t at) {
            store(s.now[0] + at, activation.template apply<T>(load(sums)));
            store(s.now[0] + at + lanes<T>, activation.template apply<T>(load(sums + lanes<T>)));
         },
         [](const T *, std::size_t) {});
   }
};

template <class T>
SOFIE_JIT_COLD Buffer<T> pack_simple_rnn(const T *values, std::size_t units, std::size_t K)
{
   return pack_recurrent(values, 1, units, K, 2);
}

template <class T>
SOFIE_JIT_COLD Buffer<T> pack_simple_rnn_bias(const T *values, std::size_t units)
{
   return pack_recurrent_bias(values, 1, units, 2, 1);
}

template <class T, class Activation>
void simple_rnn(const Recurrence<T> &r, const T *weights, const T *recurrent, const T *bias,
                const Activation &activation)
{
   run_recurrence(r, SimpleRnnCell<T, Activation>{weights, bias, recurrent, activation});
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
