#include "movement/concat.hxx"

#include "check.hxx"

using namespace sofie_jit;

template <class T>
void test(std::size_t outer, std::size_t a, std::size_t b, std::size_t c)
{
   check::Random random(outer * 10007 + a * 101 + b * 11 + c);
   const std::vector<T> x[3] = {random.vector<T>(outer * a, -9, 9), random.vector<T>(outer * b, -9, 9),
                                random.vector<T>(outer * c, -9, 9)};
   const std::size_t runs[3] = {a, b, c};
   std::vector<double> want;
   for (std::size_t o = 0; o < outer; ++o)
      for (int part = 0; part < 3; ++part)
         for (std::size_t i = 0; i < runs[part]; ++i)
            want.push_back(double(x[part][o * runs[part] + i]));
   std::vector<T> y(want.size() + 1, T(77));
   concat(outer, ConcatParts<3, T>{{{x[0].data(), a}, {x[1].data(), b}, {x[2].data(), c}}}, y.data());
   check::require(y.back() == T(77), "concat: wrote past the end");
   y.pop_back();
   check::close("concat " + std::to_string(outer), y, want, 0);
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
