// Common parts of the recurrent kernels: the loop over time, the two products of a step, masks and states.
//
// A cell (lstm.hxx, gru.hxx, simple_rnn.hxx) packs its weights into panels for tile.hxx: a panel is a block of adjacent
// units with `vectors` vectors per row of weights (LSTM: the four gates of one vector of units), so that a register
// tile of a few batch rows holds everything that the gates of these units need.
//
// The sum of every gate runs in one order, which depends on the layer's sizes only: bias, then the inputs ascending (in
// blocks of tuning::kc), then the recurrent product in chunks of recurrent_chunk(units), each by fma, added in order.
// Many rows go through a step together (recurrent_mr per tile, all rows of a block per panel); the remaining rows of a
// batch are processed one by one, with the inputs of many time steps projected at once. Both give the same bits.
#ifndef SOFIE_JIT_RNN_HXX
#define SOFIE_JIT_RNN_HXX

#include "core/memory.hxx"
#include "core/tile.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

template <class T>
struct Recurrence { // one call of any cell
   std::size_t batch, steps, inputs, units;
   const T *x;          // [batch][steps][inputs]
   const bool *mask;    // [batch][steps], false: the step is skipped; null: no step is skipped
   const T *initial[2]; // [batch][units] of each state; null: zeros
   T *y;                // [batch][steps][units]; null: not needed
   T *last[2];          // [batch][units] of each state after the last step; null: not needed
   // recurrent_stride(units) * (tuning::recurrent_rows * tuning::recurrent_buffers + tuning::recurrent_steps * gates)
   T *scratch;
   bool backwards;   // from the last step to the first
   bool flipped;     // y[0] belongs to the last step
   bool zero_masked; // y of skipped steps is zero, otherwise that of the previous step
};

// Rows of a register tile, with `vectors` accumulators each.
template <int vectors>
constexpr int recurrent_mr = vectors > 2 ? tuning::mr / 2 : tuning::mr;

// Panels that are multiplied with a single row at once, each with two sums in registers.
template <int vectors>
constexpr int recurrent_panels = vectors <= (SOFIE_JIT_VECTOR_BYTES == 64 ? 4 : 3) ? 2 : 1;

// Units padded to whole panels of any width.
constexpr std::size_t recurrent_stride(std::size_t units)
{
   return (units + tuning::recurrent_unit_multiple - 1) / tuning::recurrent_unit_multiple *
          tuning::recurrent_unit_multiple;
}

// Terms per chain of the recurrent product: at least two chains, none longer than tuning::kc.
constexpr std::size_t recurrent_chunk(std::size_t units)
{
   const std::size_t pairs = (units + 2 * tuning::kc - 1) / (2 * tuning::kc);
   return (units + 2 * pairs - 1) / (2 * pairs);
}

// Packs values[gates][units][K], in ONNX's order, into [panel][K][gate][unit_vectors * lanes].
template <class T>
SOFIE_JIT_COLD Buffer<T> pack_recurrent(const T *values, std::size_t gates, std::size_t units, std::size_t K,
                                        std::size_t unit_vectors)
{
   const std::size_t width = unit_vectors * lanes<T>, panels = (units + width - 1) / width;
   Buffer<T> packed(panels * K * gates * width);
   for (std::size_t g = 0; g < gates; ++g)
      for (std::size_t u = 0; u < units; ++u)
         for (std::size_t k = 0; k < K; ++k)
            packed[((u / width * K + k) * gates + g) * width + u % width] = values[(g * units + u) * K + k];
   return packed;
}

// values[2][gates][units] (null: zeros) are ONNX's Wb and Rb. Packs Wb + Rb as [panel][gate][unit_vectors * lanes], but
// Wb alone from gate `summed` on.
template <class T>
SOFIE_JIT_COLD Buffer<T> pack_recurrent_bias(const T *values, std::size_t gates, std::size_t units,
                                             std::size_t unit_vectors, std::size_t summed)
{
   const std::size_t width = unit_vectors * lanes<T>, panels = (units + width - 1) / width;
   Buffer<T> packed(panels * gates * width);
   for (std::size_t g = 0; values && g < gates; ++g)
      for (std::size_t u = 0; u < units; ++u) {
         const T input = values[g * units + u], recurrent = values[(gates + g) * units + u];
         packed[(u / width * gates + g) * width + u % width] = g < summed ? input + recurrent : input;
      }
   return packed;
}

// sum.v[i] += a * panel[i * panel_stride]: a single term, without the prefetching of Tile::accumulate for long sums of
// many rows.
template <class T, int P, int N>
SOFIE_JIT_INLINE void add_term(Tile<T, P, N> &sum, T a, const T *panel, std::size_t panel_stride)
{
   SOFIE_JIT_UNROLL
   for (int i = 0; i < P; ++i)
      SOFIE_JIT_UNROLL
      for (int j = 0; j < N; ++j)
         sum.v[i][j] = fma<T>(broadcast(a), load(panel + std::size_t(i) * panel_stride + j * lanes<T>), sum.v[i][j]);
}

// sum += a[i * stride + k] * panel[k] in chunks: the first continues sum, the others start from zero.
template <class T, int MR, int N>
SOFIE_JIT_INLINE void add_product(Tile<T, MR, N> &sum, const T *a, std::size_t stride, std::size_t K, const T *panel,
                                  std::size_t chunk)
{
   Tile<T, MR, N> part = sum;
   for (std::size_t k = 0;; part.clear()) {
      part.accumulate(a + k, stride, panel + k * N * lanes<T>, K - k < chunk ? K - k : chunk);
      if (k > 0)
         part.add(sum);
      sum = part;
      k += chunk;
      if (k >= K)
         return;
   }
}

// sum.v[i] += a[k] * panel[i * panel_stride + k * N * lanes] for a single row and P panels, two chunks in parallel to
// hide the latency of fma.
template <class T, int P, int N>
SOFIE_JIT_INLINE void add_row_product(Tile<T, P, N> &sum, const T *a, std::size_t K, const T *panel,
                                      std::size_t panel_stride, std::size_t chunk)
{
   constexpr std::size_t row = N * lanes<T>;
   for (std::size_t k = 0; k < K; k += 2 * chunk) {
      const std::size_t first = K - k < chunk ? K - k : chunk;
      const std::size_t second = K - k - first < chunk ? K - k - first : chunk;
      Tile<T, P, N> x, y;
      y.clear();
      x = k ? y : sum;
      for (std::size_t i = 0; i < second; ++i) {
         add_term(x, a[k + i], panel + (k + i) * row, panel_stride);
         add_term(y, a[k + chunk + i], panel + (k + chunk + i) * row, panel_stride);
      }
      for (std::size_t i = second; i < first; ++i)
         add_term(x, a[k + i], panel + (k + i) * row, panel_stride);
      if (k > 0)
         x.add(sum);
      sum = x;
      if (second > 0)
         sum.add(y);
   }
}

// bias + x[i * stride + k] * panel[k] for MR rows; vector j of row i is written to out[i * row_vectors + j].
template <int MR, int N, class T>
void input_product(const T *x, std::size_t stride, std::size_t K, const T *panel, const T *bias, T *out,
                   std::size_t row_vectors)
{
   Tile<T, MR, N> sum;
   SOFIE_JIT_UNROLL
   for (int i = 0; i < MR; ++i)
      SOFIE_JIT_UNROLL
      for (int j = 0; j < N; ++j)
         sum.v[i][j] = load(bias + std::size_t(j) * lanes<T>);
   add_product(sum, x, stride, K, panel, tuning::kc);
   SOFIE_JIT_UNROLL
   for (int i = 0; i < MR; ++i)
      SOFIE_JIT_UNROLL
      for (int j = 0; j < N; ++j)
         store(out + (std::size_t(i) * row_vectors + std::size_t(j)) * lanes<T>, sum.v[i][j]);
}

// gates[i * row_vectors + j] += h[i * stride + k] * panel[k] for M rows; if `single`, for one row and M panels.
template <bool single, int M, int N, class T>
SOFIE_JIT_INLINE void recurrent_product(T *gates, std::size_t row_vectors, const T *h, std::size_t stride,
                                        std::size_t units, const T *panel)
{
   Tile<T, M, N> sum;
   SOFIE_JIT_UNROLL
   for (int i = 0; i < M; ++i)
      SOFIE_JIT_UNROLL
      for (int j = 0; j < N; ++j)
         sum.v[i][j] = load(gates + (std::size_t(i) * row_vectors + std::size_t(j)) * lanes<T>);
   if constexpr (single)
      add_row_product(sum, h, units, panel, units * N * lanes<T>, recurrent_chunk(units));
   else
      add_product(sum, h, stride, units, panel, recurrent_chunk(units));
   SOFIE_JIT_UNROLL
   for (int i = 0; i < M; ++i)
      SOFIE_JIT_UNROLL
      for (int j = 0; j < N; ++j)
         store(gates + (std::size_t(i) * row_vectors + std::size_t(j)) * lanes<T>, sum.v[i][j]);
}

// The input part of the gates for rows of a batch, computed on demand; vector j of row i is written to
// out[i * row_vectors + j].
template <class T, int N>
struct BatchInput {
   static constexpr int rows = recurrent_mr<N>;
   const T *x;
   std::size_t stride, inputs;
   const T *panels, *bias;

   void operator()(std::size_t panel, std::size_t row, T *out, std::size_t row_vectors) const
   {
      input_product<rows, N>(x + row * stride, stride, inputs, panels + panel * inputs * N * lanes<T>,
                             bias + panel * N * lanes<T>, out, row_vectors);
   }
};

// The same for a single row, projected in advance.
template <class T, int N>
struct ProjectedInput {
   static constexpr int rows = 1;
   const T *projected; // [panel][N][lanes]

   void operator()(std::size_t panel, std::size_t, T *out, std::size_t) const
   {
      for (int j = 0; j < N; ++j)
         store(out + std::size_t(j) * lanes<T>, load(projected + (panel * N + std::size_t(j)) * lanes<T>));
   }
};

// projected[step][panel][N][lanes] for `steps` steps of one row; the last tile may repeat steps of the previous one.
template <class T, int N>
void project_steps(const T *x, std::size_t steps, std::size_t inputs, std::size_t panels, const T *weights,
                   const T *bias, T *projected)
{
   constexpr std::size_t rows = recurrent_mr<N>;
   const std::size_t size = panels * N * lanes<T>;
   for (std::size_t t = 0; t < steps; t += steps < rows ? 1 : rows) {
      const std::size_t at = steps < rows || t + rows <= steps ? t : steps - rows;
      for (std::size_t p = 0; p < panels; ++p) {
         T *out = projected + at * size + p * N * lanes<T>;
         const T *panel = weights + p * inputs * N * lanes<T>, *b = bias + p * N * lanes<T>;
         if (steps < rows)
            input_product<1, N>(x + at * inputs, inputs, inputs, panel, b, out, panels * N);
         else
            input_product<int(rows), N>(x + at * inputs, inputs, inputs, panel, b, out, panels * N);
      }
   }
}

// The states of a block of rows before and after a step, [row][stride] each, and memory for the cell's own use.
template <class T>
struct Block {
   std::size_t units, stride, panels, tiles;
   // the order of panels alternates, so that a row finds the last panels of the previous step in the cache
   bool descending;
   T *old[2], *now[2], *own[2];
};

// Passes over the panels of a time step. prepare(panel, row, gates) writes `row_vectors` vectors for each of MR rows
// from `row` on, and the product of h with the weights is added to the first N of them; begin(gates, at) and then
// end(gates, at) turn those of one row into states at offset `at`. Activation functions are long chains of operations,
// so each step is done for many gates before the next: for those of a tile, or, for a single row, of many panels.
// (One function for both: two of them take 25 ms longer to compile in an LSTM.)
template <int MR, int N, int row_vectors, int unit_vectors, class T, class Prepare, class Begin, class End>
SOFIE_JIT_INLINE void each_panel(const Block<T> &block, const T *h, const T *weights, const Prepare &prepare,
                                 const Begin &begin, const End &end)
{
   constexpr std::size_t width = unit_vectors * lanes<T>, size = row_vectors * lanes<T>;
   const std::size_t panel = block.units * N * lanes<T>;
   if constexpr (MR > 1) {
      for (std::size_t p = 0; p < block.panels; ++p)
         for (std::size_t row = 0; row < block.tiles * MR; row += MR) {
            alignas(tuning::alignment) T gates[MR * size];
            prepare(p, row, gates);
            recurrent_product<false, MR, N>(gates, row_vectors, h + row * block.stride, block.stride, block.units,
                                            weights + p * panel);
            for (std::size_t i = 0; i < MR; ++i)
               begin(gates + i * size, (row + i) * block.stride + p * width);
            for (std::size_t i = 0; i < MR; ++i)
               end(gates + i * size, (row + i) * block.stride + p * width);
         }
   } else {
      constexpr std::size_t group = 16, pair = recurrent_panels<N>;
      for (std::size_t done = 0; done < block.panels; done += group) {
         alignas(tuning::alignment) T gates[group * size];
         const std::size_t count = block.panels - done < group ? block.panels - done : group;
         const std::size_t first = block.descending ? block.panels - done - count : done;
         for (std::size_t i = 0; i < count; ++i)
            prepare(first + i, std::size_t(0), gates + i * size);
         const std::size_t whole = count - count % pair;
         for (std::size_t i = 0; i < whole; i += pair) {
            const std::size_t p = block.descending ? whole - pair - i : i;
            recurrent_product<true, pair, N>(gates + p * size, row_vectors, h, 0, block.units,
                                             weights + (first + p) * panel);
         }
         if (whole < count)
            recurrent_product<true, 1, N>(gates + whole * size, row_vectors, h, 0, block.units,
                                          weights + (first + whole) * panel);
         for (std::size_t i = 0; i < count; ++i)
            begin(gates + i * size, (first + i) * width);
         for (std::size_t i = 0; i < count; ++i)
            end(gates + i * size, (first + i) * width);
      }
   }
}

// Finishes a time step of some rows: skipped steps, and y.
template <class Cell, class T>
void finish_step(const Recurrence<T> &r, Block<T> &block, std::size_t row, std::size_t rows, std::size_t step)
{
   const std::size_t bytes = r.units * sizeof(T);
   const std::size_t time = r.backwards ? r.steps - 1 - step : step;
   const std::size_t out = r.flipped ? r.steps - 1 - time : time;
   for (std::size_t i = 0; i < rows; ++i) {
      const bool skipped = r.mask && !r.mask[(row + i) * r.steps + time];
      for (int s = 0; skipped && s < Cell::states; ++s)
         std::memcpy(block.now[s] + i * block.stride, block.old[s] + i * block.stride, bytes);
      if (!r.y)
         continue;
      T *y = r.y + ((row + i) * r.steps + out) * r.units;
      if (!skipped)
         std::memcpy(y, block.now[0] + i * block.stride, bytes);
      else if (r.zero_masked || step == 0)
         std::memset(static_cast<void *>(y), 0, bytes);
      else
         std::memcpy(y, r.backwards == r.flipped ? y - r.units : y + r.units, bytes);
   }
   for (int s = 0; s < Cell::states; ++s)
      std::swap(block.old[s], block.now[s]);
}

// Sets the initial states of some rows.
template <int states, class T>
SOFIE_JIT_INLINE void start_states(const Recurrence<T> &r, const Block<T> &block, std::size_t row, std::size_t rows)
{
   for (int s = 0; s < states; ++s)
      for (std::size_t i = 0; i < rows; ++i) {
         T *h = block.old[s] + i * block.stride;
         if (r.initial[s])
            std::memcpy(h, r.initial[s] + (row + i) * r.units, r.units * sizeof(T));
         else
            std::memset(static_cast<void *>(h), 0, r.units * sizeof(T));
         for (std::size_t u = r.units; u < block.stride; ++u)
            h[u] = T(0);
      }
}

// All time steps of rows [row, row + rows): whole tiles, or a single row.
template <bool single, class T, class Cell>
void run_rows(const Recurrence<T> &r, const Cell &cell, std::size_t row, std::size_t rows)
{
   constexpr int N = Cell::vectors, MR = recurrent_mr<N>;
   constexpr std::size_t width = Cell::unit_vectors * lanes<T>;
   Block<T> block = {};
   block.units = r.units;
   block.stride = recurrent_stride(r.units);
   block.panels = (r.units + width - 1) / width;
   block.tiles = rows / MR;
   T *free = r.scratch;
   for (T **slot : {&block.old[0], &block.now[0], &block.old[1], &block.now[1], &block.own[0], &block.own[1]}) {
      *slot = free;
      free += (single ? 1 : tuning::recurrent_rows) * block.stride;
   }
   start_states<Cell::states>(r, block, row, rows);
   for (std::size_t begin = 0; begin < r.steps; begin += tuning::recurrent_steps) {
      const std::size_t steps = r.steps - begin < tuning::recurrent_steps ? r.steps - begin : tuning::recurrent_steps;
      const std::size_t earliest = r.backwards ? r.steps - begin - steps : begin;
      if constexpr (single)
         project_steps<T, N>(r.x + (row * r.steps + earliest) * r.inputs, steps, r.inputs, block.panels, cell.weights,
                             cell.bias, free);
      for (std::size_t t = 0; t < steps; ++t) {
         const std::size_t time = r.backwards ? earliest + steps - 1 - t : begin + t;
         if constexpr (single) {
            block.descending = (begin + t) % 2;
            cell.step(ProjectedInput<T, N>{free + (time - earliest) * block.panels * N * lanes<T>}, block);
         } else {
            const BatchInput<T, N> input = {r.x + (row * r.steps + time) * r.inputs, r.steps * r.inputs, r.inputs,
                                            cell.weights, cell.bias};
            cell.step(input, block);
         }
         finish_step<Cell>(r, block, row, rows, begin + t);
      }
   }

   for (int s = 0; s < Cell::states; ++s)
      for (std::size_t i = 0; r.last[s] && i < rows; ++i)
         std::memcpy(r.last[s] + (row + i) * r.units, block.old[s] + i * block.stride, r.units * sizeof(T));
}

template <class T, class Cell>
void run_recurrence(const Recurrence<T> &r, const Cell &cell)
{
   constexpr std::size_t MR = recurrent_mr<Cell::vectors>;
   std::size_t row = 0;
   while (r.batch - row >= MR) {
      const std::size_t whole = (r.batch - row) / MR * MR;
      const std::size_t rows = whole < tuning::recurrent_rows ? whole : tuning::recurrent_rows / MR * MR;
      run_rows<false>(r, cell, row, rows);
      row += rows;
   }
   // computing some rows twice is faster than most of a tile row by row
   if (r.batch >= MR && 2 * (r.batch - row) > MR) {
      run_rows<false>(r, cell, r.batch - MR, MR);
      return;
   }
   for (; row < r.batch; ++row)
      run_rows<true>(r, cell, row, 1);
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
