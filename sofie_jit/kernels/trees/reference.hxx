// Decision trees by their definition: each row walks from the root of a tree to a leaf, node by node.
#ifndef SOFIE_JIT_TREES_REFERENCE_HXX
#define SOFIE_JIT_TREES_REFERENCE_HXX

#include <algorithm>
#include <cstdint>
#include <vector>

namespace sofie_jit {
namespace reference {

// The index of the leaf that row x reaches from node `at`; thresholds and nodes as decision_trees takes them.
template <class T>
std::size_t leaf(const T *x, const T *thresholds, const std::int32_t *nodes, std::size_t at)
{
   for (int code; (code = nodes[2 * at]) >= 0;) {
      const T value = x[code / 8], threshold = thresholds[at];
      const bool test = code % 4 == 0   ? value <= threshold
                        : code % 4 == 1 ? value < threshold
                                        : value == threshold;
      const bool first = value != value ? code % 8 >= 4 : test;
      at = static_cast<std::size_t>(nodes[2 * at + 1]) + (first ? 0 : 1);
   }
   return at;
}

// The sum (aggregate 0), average over `trees` (1), minimum (2) or maximum (3) of weights; 0 if there are none.
inline double aggregate_weights(int aggregate, std::size_t trees, const std::vector<double> &weights)
{
   if (weights.empty())
      return 0;
   if (aggregate >= 2)
      return aggregate == 2 ? *std::min_element(weights.begin(), weights.end())
                            : *std::max_element(weights.begin(), weights.end());
   double total = 0;
   for (const double weight : weights)
      total += weight;
   return aggregate == 1 ? total / static_cast<double>(trees) : total;
}

} // namespace reference
} // namespace sofie_jit
#endif
