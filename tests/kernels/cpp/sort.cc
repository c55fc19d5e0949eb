// Sorted rows against std::stable_sort, including equal elements and NaN.
#include "reduction/reference.hxx"
#include "reduction/sort.hxx"

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
            std::vector<std::int32_t> indices(outer * k), scratch(2 * size);
            top_k(outer, size, k, descending, x.data(), values.data(), indices.data(), scratch.data());
            for (std::size_t o = 0; o < outer; ++o) {
               const T *row = x.data() + o * size;
               const auto order = reference::sorted_indices(size, descending, row);
               for (std::size_t i = 0; i < k; ++i) {
                  check::require(indices[o * k + i] == std::int32_t(order[i]), "top_k: indices");
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
   std::vector<std::int32_t> indices(5), scratch(10);
   float *const nobody = nullptr;
   top_k(std::size_t(1), std::size_t(5), std::size_t(5), true, x, nobody, indices.data(), scratch.data());
   check::require(indices == std::vector<std::int32_t>{1, 3, 0, 4, 2}, "descending: equal ones in order, NaN last");
   top_k(std::size_t(1), std::size_t(5), std::size_t(5), false, x, nobody, indices.data(), scratch.data());
   check::require(indices == std::vector<std::int32_t>{4, 0, 1, 3, 2}, "ascending: equal ones in order, NaN last");
   return check::done();
}
