#include "movement/gather.hxx"
#include "movement/reference.hxx"

#include "check.hxx"

using namespace sofie_jit;

template <class T, class I>
void test(std::size_t outer, std::size_t size, std::size_t inner)
{
   check::Random random(outer * 10007 + size * 101 + inner);
   const auto data = random.vector<T>(outer * size * inner, -9, 9);
   std::vector<I> indices;
   for (std::size_t i = 0; i < 2 * size; ++i)
      indices.push_back(I(double(i) - double(size)));
   const auto want = reference::gather(outer, size, inner, data, indices);
   std::vector<T> y(want.size() + 1, T(77));
   check::require(gather(outer, size, inner, indices.size(), data.data(), indices.data(), y.data()), "gather failed");
   check::require(y.back() == T(77), "gather: wrote past the end");
   y.pop_back();
   check::require(y == want, "gather");
   check::digest(y);
   for (double wrong : {double(size), -double(size) - 1, 1e9, -1e9}) {
      indices.back() = I(wrong);
      check::require(!gather(outer, size, inner, indices.size(), data.data(), indices.data(), y.data()),
                     "gather: an index out of range went through");
   }
}

int main()
{
   for (std::size_t outer : {1, 3})
      for (std::size_t size : {1, 10})
         for (std::size_t inner : {1, 33}) {
            test<float, std::int32_t>(outer, size, inner);
            test<double, std::int64_t>(outer, size, inner);
            test<float, float>(outer, size, inner);
         }
   const float table[3] = {1, 2, 3};
   float y = 0;
   for (float wrong : {NAN, INFINITY, -INFINITY, 1e30f, 3.0f, -4.0f})
      check::require(!gather(1, 3, 1, 1, table, &wrong, &y), "gather: a float index out of range went through");
   for (float cut : {2.9f, -0.5f, -3.9f}) {
      check::require(gather(1, 3, 1, 1, table, &cut, &y), "gather failed on a float index");
      check::require(y == (cut > 0 ? 3 : 1), "a float index is cut to an integer");
   }
   check::require(gather(1, 0, 1, 0, table, table, &y), "gather of nothing failed");
   return check::done();
}
