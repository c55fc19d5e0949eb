#include "movement/pick.hxx"
#include "movement/reference.hxx"

#include "check.hxx"

using namespace sofie_jit;

// The input indices along an axis, -1 for the fill.
std::vector<long> indices(const PickAxis &axis)
{
   return reference::picked(axis.in, axis.out, long(axis.start), long(axis.step), axis.repeat);
}

template <class T>
void test(const PickAxis &a, const PickAxis &b, const PickAxis &c, std::size_t inner)
{
   const std::size_t batch = 2;
   std::vector<T> x(batch * a.in * b.in * c.in * inner), want, y;
   for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = T(i + 1);
   for (std::size_t n = 0; n < batch; ++n)
      for (long i : indices(a))
         for (long j : indices(b))
            for (long k : indices(c))
               for (std::size_t m = 0; m < inner; ++m) {
                  const std::size_t at =
                     (((n * a.in + std::size_t(i)) * b.in + std::size_t(j)) * c.in + std::size_t(k)) * inner + m;
                  want.push_back(i < 0 || j < 0 || k < 0 ? T(7) : x[at]);
               }
   y.assign(want.size() + 1, T(77));
   pick(batch, PickAxes<3>{{a, b, c}, inner}, x.data(), y.data(), T(7));
   check::require(y.back() == T(77), "pick: wrote past the end");
   y.pop_back();
   check::require(y == want, "pick of inner " + std::to_string(inner));
}

int main()
{
   const std::size_t minus = std::size_t(0);
   const PickAxis axes[] = {
      {4, 4, 0, 1, 1},         // identity
      {3, 7, minus - 2, 1, 1}, // padded
      {5, 2, 1, 1, 1},         // cropped
      {5, 3, 0, 2, 1},         // every second
      {4, 4, 3, minus - 1, 1}, // reversed
      {3, 9, 0, 1, 3},         // repeated
      {2, 0, 0, 1, 1},         // empty
      {4, 4, minus - 1, 1, 1}, // padded at the start, cropped at the end
   };
   for (const auto &a : axes)
      for (const auto &b : axes)
         for (const auto &c : axes)
            for (std::size_t inner : {1, 3}) {
               test<float>(a, b, c, inner);
               test<std::int64_t>(a, b, c, inner);
            }
   return check::done();
}
