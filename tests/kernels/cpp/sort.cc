// Rows in order against std::stable_sort, and what becomes of equal numbers and of NaN.
#include "reduction/sort.hxx"

#include <algorithm>

#include "check.hxx"

using namespace sofie_jit;

template <class T>
void rows()
{
   for (const bool descending : {false, true})
      for (const std::size_t size : {std::size_t(1), std::size_t(2), std::size_t(7), std::size_t(64), std::size_t(101)})
         for (const std::size_t k : {std::size_t(0), std::size_t(1), size / 2, size}) {
            const std::size_t outer = 3;
            const std::vector<T> x = check::Random(size).vector<T>(outer * size, -20, 20);
            std::vector<T> values(outer * k);
            std::vector<std::int32_t> indices(outer * k), places(2 * size), order(size);
            top_k(outer, size, k, descending, x.data(), values.data(), indices.data(), places.data());
            for (std::size_t o = 0; o < outer; ++o) {
               const T *row = x.data() + o * size;
               for (std::size_t i = 0; i < size; ++i)
                  order[i] = std::int32_t(i);
               std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
                  return descending ? row[a] > row[b] : row[a] < row[b];
               });
               for (std::size_t i = 0; i < k; ++i) {
                  check::require(indices[o * k + i] == order[i], "top_k: places");
                  check::require(values[o * k + i] == row[order[i]], "top_k: values");
               }
            }
            check::digest(values);
         }
}

int main()
{
   rows<float>();
   rows<double>();
   rows<std::int32_t>();

   const float nan = std::nanf(""), x[] = {2, 5, nan, 5, -1};
   std::vector<std::int32_t> indices(5), places(10);
   float *const nobody = nullptr;
   top_k(std::size_t(1), std::size_t(5), std::size_t(5), true, x, nobody, indices.data(), places.data());
   check::require(indices == std::vector<std::int32_t>{1, 3, 0, 4, 2}, "descending: equal ones in order, NaN last");
   top_k(std::size_t(1), std::size_t(5), std::size_t(5), false, x, nobody, indices.data(), places.data());
   check::require(indices == std::vector<std::int32_t>{4, 0, 1, 3, 2}, "ascending: equal ones in order, NaN last");
   return check::done();
}
