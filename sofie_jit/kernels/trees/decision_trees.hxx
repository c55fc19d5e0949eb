// Decision trees: every row of x goes from the root of each tree to one of its leaves, whose weights are collected.
//
// Node i has a threshold and two integers, 8 feature + code and the index of its first child; the second child follows
// the first one. A row goes to the first child if x[feature] <= threshold (code 0), < threshold (1) or == threshold
// (2), and with code + 4 also if x[feature] is NaN. A leaf has -1 - count and the place of the first of its `count`
// weights.
#ifndef SOFIE_JIT_DECISION_TREES_HXX
#define SOFIE_JIT_DECISION_TREES_HXX

#include "core/simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

template <class T>
struct Trees {
   const T *thresholds;
   const std::int32_t *nodes, *roots;
   const std::int32_t *targets; // of the weights
   const T *weights;
   std::size_t count;
};

template <class T>
std::int32_t next_node(const T *x, T threshold, std::int32_t code, std::int32_t first)
{
   const T value = x[code >> 3];
   const std::int32_t test = code & 3;
   bool is_first = test == 0 ? value <= threshold : test == 1 ? value < threshold : value == threshold;
   is_first |= (code & 4) != 0 && value != value;
   return is_first ? first : first + 1;
}

// The leaves that one row reaches in `size` trees. The trees take turns, because each step waits for memory.
template <class T>
void reach_leaves(const Trees<T> &trees, const T *x, std::size_t begin, std::size_t size, std::int32_t *leaves)
{
   for (std::size_t i = 0; i < size; ++i)
      leaves[i] = trees.roots[begin + i];
   for (bool is_moving = true; is_moving;) {
      is_moving = false;
      for (std::size_t i = 0; i < size; ++i) {
         const std::int32_t *node = trees.nodes + 2 * static_cast<std::size_t>(leaves[i]);
         if (node[0] >= 0) {
            leaves[i] = next_node(x, trees.thresholds[leaves[i]], node[0], node[1]);
            is_moving = true;
         }
      }
   }
}

enum TreeAggregate : int { tree_sum, tree_average, tree_minimum, tree_maximum };

// Adds the weight of a leaf to the total of its target. Sums are in double, in the order of the trees.
inline void add_tree_weight(int aggregate, double weight, double &total, bool &found)
{
   if (aggregate == tree_sum || aggregate == tree_average)
      total += weight;
   else if (!found || (aggregate == tree_minimum ? weight < total : weight > total))
      total = weight;
   found = true;
}

// y[row][target] = base[target] + the sum, average, minimum or maximum of the weights, or 0 where no leaf has one.
// `totals` and `found` are memory for one element per target.
template <class T>
void decision_trees(std::size_t rows, std::size_t features, std::size_t targets, std::size_t count, int aggregate,
                   const T *x, const T *base, const T *thresholds, const std::int32_t *nodes,
                   const std::int32_t *roots, const std::int32_t *weight_targets, const T *weights, double *totals,
                   bool *found, T *y)
{
   constexpr std::size_t together = 8;
   std::int32_t leaves[together];
   const Trees<T> trees{thresholds, nodes, roots, weight_targets, weights, count};
   for (std::size_t row = 0; row < rows; ++row, x += features, y += targets) {
      for (std::size_t target = 0; target < targets; ++target) {
         totals[target] = 0;
         found[target] = false;
      }
      for (std::size_t begin = 0; begin < trees.count; begin += together) {
         const std::size_t size = begin + together < trees.count ? together : trees.count - begin;
         reach_leaves(trees, x, begin, size, leaves);
         for (std::size_t i = 0; i < size; ++i) {
            const std::int32_t *leaf = trees.nodes + 2 * static_cast<std::size_t>(leaves[i]);
            for (std::int32_t at = leaf[1]; at < leaf[1] - 1 - leaf[0]; ++at) {
               const std::size_t target = static_cast<std::size_t>(trees.targets[at]);
               add_tree_weight(aggregate, static_cast<double>(trees.weights[at]), totals[target], found[target]);
            }
         }
      }
      for (std::size_t target = 0; target < targets; ++target) {
         const double parts = aggregate == tree_average ? static_cast<double>(trees.count) : 1.0;
         y[target] = static_cast<T>(totals[target] / parts + static_cast<double>(base[target]));
      }
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
