// The recurrent kernels against their formulas, row by row against whole batches, and in both directions of time with
// skipped steps.
#include "recurrent/gru.hxx"
#include "recurrent/lstm.hxx"
#include "recurrent/reference.hxx"
#include "recurrent/simple_rnn.hxx"

#include <memory>

#include "check.hxx"
#include "scratch.hxx"

using namespace sofie_jit;

// Activations of exactly rounded operations, so that the digest reflects the kernels only.
struct Half {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return fma<T>(Softsign{}.template apply<T>(x), broadcast(T(0.5)), broadcast(T(0.5)));
   }
};
double half(double x)
{
   return 0.5 + 0.5 * reference::softsign(x);
}

enum Kind { LSTM, GRU, GRU_RESET_BEFORE, SIMPLE };

struct Case {
   Kind kind;
   std::size_t batch, steps, inputs, units;
   bool initial, masked, backwards, flipped, zero_masked;
};

template <class T>
struct Weights {
   std::vector<T> w, r, b;
};

template <class T>
using Results = std::vector<std::vector<T>>; // y, last h, last c

template <class T>
Results<T> run(const Case &c, const Weights<T> &p, const T *x, const bool *mask, const T *h0, const T *c0)
{
   Results<T> out = {std::vector<T>(c.batch * c.steps * c.units + 1, T(77)), std::vector<T>(c.batch * c.units),
                     std::vector<T>(c.kind == LSTM ? c.batch * c.units : 0)};
   check::Scratch<T> scratch(check::recurrent_scratch(c.units), std::numeric_limits<T>::quiet_NaN());
   const std::size_t K = c.inputs, U = c.units;
   const Recurrence<T> r = {c.batch, c.steps, K, U, x, mask, {h0, c0}, out[0].data(),
                            {out[1].data(), c.kind == LSTM ? out[2].data() : nullptr},
                            scratch.data(), c.backwards, c.flipped, c.zero_masked};
   const T *b = p.b.empty() ? nullptr : p.b.data();
   if (c.kind == LSTM) {
      lstm(r, pack_lstm(p.w.data(), U, K).data(), pack_lstm(p.r.data(), U, U).data(), pack_lstm_bias(b, U).data(),
           Half{}, Softsign{}, Softsign{});
   } else if constexpr (sizeof(T) == 4) { // one cell for double, to save compile time
      if (c.kind == GRU)
         gru(r, pack_gru(p.w.data(), U, K).data(), pack_gru(p.r.data(), U, U).data(), pack_gru_bias(b, U, true).data(),
             pack_gru_candidate_bias(b, U).data(), Half{}, Softsign{});
      else if (c.kind == GRU_RESET_BEFORE)
         gru_reset_before(r, pack_gru(p.w.data(), U, K).data(), pack_gru(p.r.data(), U, U, 0, 2).data(),
                          pack_gru(p.r.data(), U, U, 2, 1).data(), pack_gru_bias(b, U, false).data(), Half{},
                          Softsign{});
      else
         simple_rnn(r, pack_simple_rnn(p.w.data(), U, K).data(), pack_simple_rnn(p.r.data(), U, U).data(),
                    pack_simple_rnn_bias(b, U).data(), Softsign{});
   }
   check::require(out[0].back() == T(77), "recurrent: wrote past the end");
   out[0].pop_back();
   return out;
}

template <class T>
Results<double> expected(const Case &c, const Weights<T> &p, const T *x, const bool *mask, const T *h0, const T *c0)
{
   const std::size_t U = c.units, gates = c.kind == LSTM ? 4 : c.kind == SIMPLE ? 1 : 3;
   const reference::RecurrentWeights<T> weights{c.inputs,   U,          gates,
                                                p.w.data(), p.r.data(), p.b.empty() ? nullptr : p.b.data()};
   Results<double> out(3);
   const auto append = [](std::vector<double> &all, const std::vector<double> &more) {
      all.insert(all.end(), more.begin(), more.end());
   };
   for (std::size_t n = 0; n < c.batch; ++n) {
      reference::State state{reference::Vector(U), reference::Vector(c.kind == LSTM ? U : 0)};
      for (std::size_t u = 0; u < U && h0; ++u)
         state.h[u] = double(h0[n * U + u]);
      for (std::size_t u = 0; u < U && c0; ++u)
         state.c[u] = double(c0[n * U + u]);
      const auto step = [&](std::size_t time, const reference::State &old) {
         const T *const inputs = x + (n * c.steps + time) * c.inputs;
         return c.kind == LSTM  ? reference::lstm_step(weights, inputs, old, half, reference::softsign)
                : c.kind == GRU ? reference::gru_step(weights, inputs, old, half, reference::softsign)
                : c.kind == GRU_RESET_BEFORE
                   ? reference::gru_reset_before_step(weights, inputs, old, half, reference::softsign)
                   : reference::simple_rnn_step(weights, inputs, old, reference::softsign);
      };
      const auto kept = [&](std::size_t time, std::size_t) { return !mask || mask[n * c.steps + time]; };
      append(out[0], reference::sequence(c.steps, U, {c.backwards, c.flipped, c.zero_masked}, state, step, kept));
      append(out[1], state.h);
      append(out[2], state.c);
   }
   return out;
}

template <class T>
void test(const Case &c, bool bias, double tolerance = 3e-6)
{
   const std::size_t K = c.inputs, U = c.units, G = c.kind == LSTM ? 4 : c.kind == SIMPLE ? 1 : 3;
   check::Random random(c.batch * 1000003 + c.steps * 10007 + K * 1009 + U * 31 + std::size_t(c.kind));
   const double scale = 1 / std::sqrt(double(U + K));
   const Weights<T> p = {random.vector<T>(G * U * K, -scale, scale), random.vector<T>(G * U * U, -scale, scale),
                         random.vector<T>(bias ? 2 * G * U : 0)};
   const auto x = random.vector<T>(c.batch * c.steps * K), h0 = random.vector<T>(c.batch * U),
              c0 = random.vector<T>(c.batch * U);
   const auto mask = std::make_unique<bool[]>(c.batch * c.steps + 1);
   for (std::size_t i = 0; i < c.batch * c.steps; ++i)
      mask[i] = random.uniform() > -0.3;
   const bool *m = c.masked ? mask.get() : nullptr;
   const T *h = c.initial ? h0.data() : nullptr, *carry = c.initial && c.kind == LSTM ? c0.data() : nullptr;

   const std::string what = "kind " + std::to_string(c.kind) + " batch " + std::to_string(c.batch) + " steps " +
                            std::to_string(c.steps) + " inputs " + std::to_string(K) + " units " + std::to_string(U);
   const Results<T> got = run<T>(c, p, x.data(), m, h, carry);
   const Results<double> want = expected<T>(c, p, x.data(), m, h, carry);
   for (std::size_t i = 0; i < 3; ++i)
      check::close(what + " output " + std::to_string(i), got[i], want[i], tolerance);
   Case row = c;
   row.batch = 1;
   for (std::size_t n = 0; n < c.batch; ++n) {
      const Results<T> one = run<T>(row, p, x.data() + n * c.steps * K, m ? m + n * c.steps : nullptr,
                                    h ? h + n * U : nullptr, carry ? carry + n * U : nullptr);
      for (std::size_t i = 0; i < 3; ++i) {
         const std::size_t size = one[i].size();
         const auto begin = got[i].begin() + long(n * size);
         check::same_bits(what + " row " + std::to_string(n), one[i], std::vector<T>(begin, begin + long(size)));
      }
   }
}

void test_all(Kind kind)
{
   for (std::size_t batch : {0, 1, 7, 13})
      for (std::size_t units : {1, 3, 16, 33}) {
         const bool odd = units % 2;
         test<float>({kind, batch, 5, 3, units, odd, false, false, false, false}, true);
         test<float>({kind, batch, 6, 1, units, odd, true, batch == 7, odd, false}, !odd);
         test<float>({kind, batch, 3, 2, units, !odd, true, true, !odd, true}, odd);
      }
   test<float>({kind, 2, 0, 4, 5, true, false, false, false, false}, true);
   test<float>({kind, 14, 1, 300, 20, false, false, false, false, false}, true);
   test<float>({kind, 50, 2, 7, 8, false, true, true, true, false}, true);
   test<float>({kind, 2, 100, 2, 5, false, false, true, false, false}, true);
   test<float>({kind, 7, 2, 4, 270, true, false, false, false, false}, true);
   test<float>({kind, 13, 2, 1, 520, true, false, false, false, false}, true);
}

int main()
{
   test_all(LSTM);
   test_all(GRU);
   test_all(GRU_RESET_BEFORE);
   test_all(SIMPLE);
   test<double>({LSTM, 8, 4, 5, 19, true, true, true, false, false}, true, 1e-14);
   return check::done();
}
