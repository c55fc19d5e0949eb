// Decision trees against their definition.
#include "trees/decision_trees.hxx"
#include "trees/reference.hxx"

#include "check.hxx"

#include <limits>

using namespace sofie_jit;

template <class T>
void compare(std::size_t rows, std::size_t trees, int aggregate)
{
   const std::size_t features = 5, targets = 3, depth = 4, size = (1u << depth) - 1;
   std::vector<T> thresholds, weights, x = check::Random(1).vector<T>(rows * features),
                  base = check::Random(2).vector<T>(targets);
   std::vector<std::int32_t> nodes, roots, places;
   const std::vector<T> numbers = check::Random(3).vector<T>(2 * trees * size);
   for (std::size_t tree = 0; tree < trees; ++tree) {
      roots.push_back(static_cast<std::int32_t>(tree * size));
      for (std::size_t node = 0; node < size; ++node) {
         const std::size_t id = tree * size + node;
         const bool is_leaf = 2 * node + 2 >= size;
         const int feature = static_cast<int>(id % features), code = static_cast<int>(id % 3 + 4 * (id % 2));
         thresholds.push_back(numbers[id]);
         nodes.push_back(is_leaf ? -1 - static_cast<int>(id % 3) : 8 * feature + code);
         nodes.push_back(static_cast<std::int32_t>(is_leaf ? places.size() : tree * size + 2 * node + 1));
         for (std::size_t i = 0; is_leaf && i < id % 3; ++i) {
            places.push_back(static_cast<std::int32_t>((id + i) % targets));
            weights.push_back(numbers[trees * size + id]);
         }
      }
   }
   for (std::size_t row = 0; row < rows; row += 3)
      x[row * features + row % features] = std::numeric_limits<T>::quiet_NaN();
   std::vector<T> y(rows * targets);
   std::vector<double> totals(targets);
   bool found[targets];
   decision_trees(rows, features, targets, trees, aggregate, x.data(), base.data(), thresholds.data(), nodes.data(),
                 roots.data(), places.data(), weights.data(), totals.data(), found, y.data());
   for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t target = 0; target < targets; ++target) {
         std::vector<double> given;
         for (std::size_t tree = 0; tree < trees; ++tree) {
            const std::size_t at =
               reference::leaf(x.data() + row * features, thresholds.data(), nodes.data(), tree * size);
            for (int i = 0; i < -1 - nodes[2 * at]; ++i)
               if (places[static_cast<std::size_t>(nodes[2 * at + 1] + i)] == static_cast<int>(target))
                  given.push_back(static_cast<double>(weights[static_cast<std::size_t>(nodes[2 * at + 1] + i)]));
         }
         const double total = reference::aggregate_weights(aggregate, trees, given);
         const T expected = static_cast<T>(total + static_cast<double>(base[target]));
         check::require(y[row * targets + target] == expected, "row " + std::to_string(row));
      }
   check::digest(y);
}

int main()
{
   for (const std::size_t rows : {0u, 1u, 7u})
      for (const std::size_t trees : {1u, 7u, 8u, 9u, 20u})
         for (int aggregate = 0; aggregate < 4; ++aggregate) {
            compare<float>(rows, trees, aggregate);
            compare<double>(rows, trees, aggregate);
         }
   return check::done();
}
