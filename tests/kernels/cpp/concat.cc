#include "movement/concat.hxx"
#include "movement/reference.hxx"

#include "check.hxx"

using namespace sofie_jit;

template <class T>
void test(std::size_t outer, std::size_t a, std::size_t b, std::size_t c)
{
   check::Random random(outer * 10007 + a * 101 + b * 11 + c);
   const std::vector<std::vector<T>> x = {random.vector<T>(outer * a, -9, 9), random.vector<T>(outer * b, -9, 9),
                                          random.vector<T>(outer * c, -9, 9)};
   const auto want = reference::concat(outer, x, {a, b, c});
   std::vector<T> y(want.size() + 1, T(77));
   concat(outer, ConcatParts<3, T>{{{x[0].data(), a}, {x[1].data(), b}, {x[2].data(), c}}}, y.data());
   check::require(y.back() == T(77), "concat: wrote past the end");
   y.pop_back();
   check::require(y == want, "concat " + std::to_string(outer));
   check::digest(y);
}

int main()
{
   for (std::size_t outer : {0, 1, 7})
      for (std::size_t a : {0, 1, 40})
         for (std::size_t b : {1, 16}) {
            test<float>(outer, a, b, 3);
            test<std::int32_t>(outer, a, b, 3);
         }
   return check::done();
}
