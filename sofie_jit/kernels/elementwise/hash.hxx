// Hash buckets of integers as TensorFlow's string operations compute them, from the decimal digits: FarmHash's
// Fingerprint64, and SipHash-2-4 with a key; and crosses of integers by combined fingerprints.
#ifndef SOFIE_JIT_HASH_HXX
#define SOFIE_JIT_HASH_HXX

#include "core/simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// The decimal digits of an integer: the first `size` of up to 20 characters.
struct Digits {
   unsigned char text[24];
   std::size_t size = 0;

   explicit Digits(std::int64_t value)
   {
      std::uint64_t rest = value < 0 ? std::uint64_t(0) - std::uint64_t(value) : std::uint64_t(value);
      unsigned char backwards[24];
      std::size_t count = 0;
      do {
         backwards[count++] = static_cast<unsigned char>('0' + rest % 10);
         rest /= 10;
      } while (rest);
      if (value < 0)
         text[size++] = '-';
      while (count)
         text[size++] = backwards[--count];
   }

   // `bytes` characters from `at` on as a little-endian integer.
   std::uint64_t fetch(std::size_t at, std::size_t bytes) const
   {
      std::uint64_t value = 0;
      for (std::size_t i = bytes; i-- > 0;)
         value = value << 8 | text[at + i];
      return value;
   }
};

inline std::uint64_t rotate_left(std::uint64_t x, int bits)
{
   return x << bits | x >> (64 - bits);
}

inline std::uint64_t shift_mix(std::uint64_t x)
{
   return x ^ x >> 47;
}

// FarmHash's Fingerprint64 for texts of up to 32 characters.
inline std::uint64_t fingerprint(const Digits &s)
{
   constexpr std::uint64_t k0 = 0xc3a5c85c97cb3127, k1 = 0xb492b66fbe98f273, k2 = 0x9ae16a3b2f90404f;
   const std::uint64_t n = s.size, factor = k2 + n * 2;
   const auto rotate_right = [](std::uint64_t x, int bits) { return rotate_left(x, 64 - bits); };
   const auto mixed = [factor](std::uint64_t u, std::uint64_t v) {
      const std::uint64_t a = shift_mix((u ^ v) * factor);
      return shift_mix((v ^ a) * factor) * factor;
   };
   if (n > 16) {
      const std::uint64_t a = s.fetch(0, 8) * k1, b = s.fetch(8, 8), c = s.fetch(n - 8, 8) * factor;
      const std::uint64_t d = s.fetch(n - 16, 8) * k2;
      return mixed(rotate_right(a + b, 43) + rotate_right(c, 30) + d, a + rotate_right(b + k2, 18) + c);
   }
   if (n >= 8) {
      const std::uint64_t a = s.fetch(0, 8) + k2, b = s.fetch(n - 8, 8);
      return mixed(rotate_right(b, 37) * factor + a, (rotate_right(a, 25) + b) * factor);
   }
   if (n >= 4)
      return mixed(n + (s.fetch(0, 4) << 3), s.fetch(n - 4, 4));
   const std::uint64_t y = s.text[0] + (std::uint64_t(s.text[n >> 1]) << 8),
                       z = n + (std::uint64_t(s.text[n - 1]) << 2);
   return shift_mix(y * k2 ^ z * k0) * k2;
}

// SipHash-2-4 with a key of two integers.
inline std::uint64_t sip_hash(const Digits &s, std::uint64_t key0, std::uint64_t key1)
{
   std::uint64_t v0 = key0 ^ 0x736f6d6570736575, v1 = key1 ^ 0x646f72616e646f6d;
   std::uint64_t v2 = key0 ^ 0x6c7967656e657261, v3 = key1 ^ 0x7465646279746573;
   const auto rounds = [&](int count) {
      for (int i = 0; i < count; ++i) {
         v0 += v1, v1 = rotate_left(v1, 13) ^ v0, v0 = rotate_left(v0, 32);
         v2 += v3, v3 = rotate_left(v3, 16) ^ v2;
         v0 += v3, v3 = rotate_left(v3, 21) ^ v0;
         v2 += v1, v1 = rotate_left(v1, 17) ^ v2, v2 = rotate_left(v2, 32);
      }
   };
   const auto absorb = [&](std::uint64_t word) {
      v3 ^= word;
      rounds(2);
      v0 ^= word;
   };
   const std::size_t whole = s.size / 8 * 8;
   for (std::size_t at = 0; at < whole; at += 8)
      absorb(s.fetch(at, 8));
   absorb(s.fetch(whole, s.size - whole) | std::uint64_t(s.size) << 56);
   v2 ^= 0xff;
   rounds(4);
   return v0 ^ v1 ^ v2 ^ v3;
}

// y[i] = hash of the digits of x[i], modulo `buckets`: SipHash if `keyed`, otherwise FarmHash.
template <class T>
void hash_bucket(std::size_t n, std::size_t buckets, bool keyed, std::size_t key0, std::size_t key1, const T *x,
                 std::int64_t *y)
{
   for (std::size_t i = 0; i < n; ++i) {
      const Digits digits{std::int64_t(x[i])};
      y[i] = std::int64_t((keyed ? sip_hash(digits, key0, key1) : fingerprint(digits)) % buckets);
   }
}

// Combines two fingerprints.
inline std::uint64_t fingerprint_cat(std::uint64_t a, std::uint64_t b)
{
   constexpr std::uint64_t factor = 0xc6a4a7935bd1e995;
   const std::uint64_t both = (a ^ factor ^ shift_mix(b * factor) * factor) * factor;
   return shift_mix(shift_mix(both) * factor);
}

// y[i] = combined fingerprint of `key`, a[i] and b[i], modulo `buckets`.
inline void cross_hashed(std::size_t n, std::size_t buckets, std::size_t key, const std::int64_t *a,
                         const std::int64_t *b, std::int64_t *y)
{
   for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t first = fingerprint_cat(key, std::uint64_t(a[i]));
      y[i] = std::int64_t(fingerprint_cat(first, std::uint64_t(b[i])) % buckets);
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
