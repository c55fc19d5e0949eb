// The boxes with the highest scores that do not overlap much.
#ifndef SOFIE_JIT_NON_MAX_SUPPRESSION_HXX
#define SOFIE_JIT_NON_MAX_SUPPRESSION_HXX

#include <algorithm>

#include "core/simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

template <class T>
struct Box {
   T low[2], high[2];

   Box(const T *box, bool center)
   {
      for (int i = 0; i < 2; ++i) {
         const T half = box[2 + i] / 2;
         const T a = center ? box[i] - half : box[i], b = center ? box[i] + half : box[2 + i];
         low[i] = b < a ? b : a;
         high[i] = b < a ? a : b;
      }
   }
   T area() const { return rounded((high[0] - low[0]) * (high[1] - low[1])); }
};

// Whether the intersection of two boxes is more than `limit` of their union.
template <class T>
bool overlaps(const Box<T> &a, const Box<T> &b, T limit)
{
   T side[2];
   for (int i = 0; i < 2; ++i) {
      side[i] = (a.high[i] < b.high[i] ? a.high[i] : b.high[i]) - (a.low[i] < b.low[i] ? b.low[i] : a.low[i]);
      if (!(side[i] > 0))
         return T(0) > limit;
   }
   const T common = rounded(side[0] * side[1]), joined = a.area() + b.area() - common;
   return (joined > 0 ? common / joined : T(0)) > limit;
}

// boxes[batch][count][4], scores[batch][classes][count]; most, limit and least are single numbers, null if not given.
// Writes batch, class and box of each chosen one to y. order: `count` elements of scratch memory.
template <class T>
void non_max_suppression(std::size_t batch, std::size_t classes, std::size_t count, bool center, const T *boxes,
                         const T *scores, const std::int64_t *most, const T *limit, const T *least, std::int64_t *y,
                         std::int32_t *order, std::size_t *found)
{
   const std::size_t per_class = most && *most > 0 ? std::size_t(*most) : 0;
   const T overlap = limit ? *limit : T(0);
   *found = 0;
   for (std::size_t row = 0; row < batch * classes; ++row, scores += count) {
      const T *const images = boxes + row / classes * count * 4;
      std::size_t candidates = 0, chosen = 0;
      for (std::size_t i = 0; i < count; ++i)
         if (least ? scores[i] > *least : scores[i] == scores[i])
            order[candidates++] = std::int32_t(i);
      std::sort(order, order + candidates, [=](std::int32_t a, std::int32_t b) {
         return scores[a] > scores[b] || (!(scores[b] > scores[a]) && a < b);
      });
      for (std::size_t i = 0; i < candidates && chosen < per_class; ++i) {
         const Box<T> box(images + order[i] * 4, center);
         bool is_free = true;
         for (std::size_t j = 0; j < chosen && is_free; ++j)
            is_free = !overlaps(box, Box<T>(images + order[j] * 4, center), overlap);
         if (!is_free)
            continue;
         order[chosen++] = order[i];
         const std::int64_t place[] = {std::int64_t(row / classes), std::int64_t(row % classes), order[chosen - 1]};
         for (const std::int64_t index : place)
            *y++ = index;
         ++*found;
      }
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
