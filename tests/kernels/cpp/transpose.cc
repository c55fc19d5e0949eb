#include "movement/reference.hxx"
#include "movement/transpose.hxx"

#include "check.hxx"

using namespace sofie_jit;

// Every permutation of three axes, and repeated axes, against a loop over all indices.
template <class T>
void test(std::size_t a, std::size_t b, std::size_t c)
{
   check::Random random(a * 10007 + b * 101 + c);
   const auto x = random.vector<T>(a * b * c, -100, 100);
   const std::size_t sizes[3] = {a, b, c}, strides[3] = {b * c, c, 1};
   for (int first : {0, 1, 2})
      for (int second : {0, 1, 2}) {
         if (first == second)
            continue;
         const int perm[3] = {first, second, 3 - first - second};
         for (int repeated : {-1, 0, 1, 2}) {
            StridedAxes<3> axes;
            for (int i = 0; i < 3; ++i) {
               axes.size[i] = repeated == i ? 3 : sizes[perm[i]];
               axes.stride[i] = repeated == i ? 0 : strides[perm[i]];
            }
            const auto want = x.empty() ? x : reference::transpose(axes.size, axes.stride, x);
            std::vector<T> y(want.size() + 1, T(77));
            if (!x.empty())
               transpose(axes, x.data(), y.data());
            check::require(y.back() == T(77), "transpose: wrote past the end");
            y.pop_back();
            const std::string what = std::to_string(a) + " " + std::to_string(b) + " " + std::to_string(c);
            check::require(y == want, "transpose " + what);
            check::digest(y);
         }
      }
}

int main()
{
   for (std::size_t a : {0, 1, 5})
      for (std::size_t b : {1, 17, 33})
         for (std::size_t c : {0, 1, 3, 40}) {
            test<float>(a, b, c);
            test<double>(a, b, c);
            test<std::int64_t>(a, b, c);
         }
   const bool x[6] = {true, false, true, true, false, false};
   bool y[6];
   transpose(StridedAxes<2>{{3, 2}, {1, 3}}, x, y); // (2, 3) -> (3, 2)
   for (int i = 0; i < 3; ++i)
      check::require(y[2 * i] == x[i] && y[2 * i + 1] == x[3 + i], "transpose of bool");
   float single = 0;
   transpose(StridedAxes<1>{{1}, {1}}, check::Random(1).vector<float>(1, 5, 5).data(), &single);
   check::require(single == 5, "transpose of a scalar");
   return check::done();
}
