#include "movement/reference.hxx"
#include "movement/scatter.hxx"

#include "check.hxx"

using namespace sofie_jit;

template <class T, class I, class Operation>
void elements(const Operation &operation)
{
   check::Random random(17);
   const std::size_t size[3] = {3, 5, 7}, used[3] = {2, 9, 6}; // of data and of indices, along axis 1
   const auto data = random.vector<T>(3 * 5 * 7, -9, 9), updates = random.vector<T>(2 * 9 * 6, -9, 9);
   std::vector<I> indices;
   for (std::size_t i = 0; i < updates.size(); ++i)
      indices.push_back(I(i * 3 % 10) - I(5));
   std::vector<T> want = data;
   for (std::size_t i = 0, p = 0; i < used[0]; ++i)
      for (std::size_t j = 0; j < used[1]; ++j)
         for (std::size_t k = 0; k < used[2]; ++k, ++p) {
            T &element = want[(i * size[1] + std::size_t(indices[p] < 0 ? indices[p] + 5 : indices[p])) * size[2] + k];
            element = operation.template apply<T>(broadcast(element), broadcast(updates[p]))[0];
         }
   const ScatterAxes<3> axes{{2, 9, 6}, {35, 7, 1}, 1, 5};
   std::vector<T> y(data.size());
   check::require(scatter_elements(axes, data.size(), data.data(), indices.data(), updates.data(), y.data(), operation),
                  "scatter_elements failed");
   check::require(y == want, "scatter_elements");
   check::digest(y);
   y = data; // in place
   scatter_elements(axes, y.size(), y.data(), indices.data(), updates.data(), y.data(), operation);
   check::require(y == want, "scatter_elements in place");
   for (I wrong : {I(5), I(-6)}) {
      indices.back() = wrong;
      check::require(
         !scatter_elements(axes, data.size(), data.data(), indices.data(), updates.data(), y.data(), operation),
         "scatter_elements: an index out of range went through");
   }
}

template <class T, class I, class Operation>
void slices(std::size_t inner, const Operation &operation)
{
   check::Random random(inner);
   const std::size_t rows = 4, columns = 3, count = 10;
   const auto data = random.vector<T>(rows * columns * inner, -9, 9), updates = random.vector<T>(count * inner, -9, 9);
   std::vector<I> indices;
   for (std::size_t p = 0; p < count; ++p) {
      indices.push_back(I(p * 3 % 8) - I(4));
      indices.push_back(I(p * 5 % 6) - I(3));
   }
   const auto at = [&](std::size_t p) {
      const I i = indices[2 * p], j = indices[2 * p + 1];
      return (std::size_t(i < 0 ? i + 4 : i) * columns + std::size_t(j < 0 ? j + 3 : j)) * inner;
   };
   std::vector<T> want = data, gathered;
   for (std::size_t p = 0; p < count; ++p)
      for (std::size_t k = 0; k < inner; ++k) {
         T &element = want[at(p) + k];
         element = operation.template apply<T>(broadcast(element), broadcast(updates[p * inner + k]))[0];
         gathered.push_back(data[at(p) + k]);
      }
   const IndexedAxes<2> axes{2, {rows, columns}, inner};
   std::vector<T> y(data.size()), z(gathered.size());
   check::require(
      scatter_nd(axes, data.size(), count, data.data(), indices.data(), updates.data(), y.data(), operation),
      "scatter_nd failed");
   check::require(y == want, "scatter_nd");
   check::require(gather_nd(axes, 1, count, data.data(), indices.data(), z.data()), "gather_nd failed");
   check::require(z == gathered, "gather_nd");
   check::digest(y);
   for (I wrong : {I(3), I(-4)}) {
      indices.back() = wrong;
      check::require(
         !scatter_nd(axes, data.size(), count, data.data(), indices.data(), updates.data(), y.data(), operation),
         "scatter_nd: an index out of range went through");
      check::require(!gather_nd(axes, 1, count, data.data(), indices.data(), z.data()),
                     "gather_nd: an index out of range went through");
   }
}

template <class Operation>
void test(const Operation &operation)
{
   elements<float, std::int64_t>(operation);
   elements<double, std::int32_t>(operation);
   elements<std::int64_t, std::int64_t>(operation);
   for (std::size_t inner : {1, 7, 33}) {
      slices<float, std::int64_t>(inner, operation);
      slices<double, std::int32_t>(inner, operation);
   }
}

int main()
{
   test(Replace{});
   test(Add{});
   test(Mul{});
   test(Max{});
   test(Min{});
   return check::done();
}
