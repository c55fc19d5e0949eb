// Hashes compared with TensorFlow's values, and crosses of them.
#include "elementwise/hash.hxx"

#include "check.hxx"

using namespace sofie_jit;

int main()
{
   struct Case {
      std::int64_t value;
      std::uint64_t plain, keyed;
   };
   const Case cases[] = {{0, 0xd2ed96073b81823f, 0x5752a61335de702f},
                         {-7, 0x8230199e3cd9154e, 0xe76ad8b268a673f6},
                         {42, 0x8a893485641f708, 0x6ac3ee679b8c95b5},
                         {1234, 0xc3fa0b46e8adcae, 0x69c80852b79ed441},
                         {-98765, 0xa38490bad8aae5be, 0x9e07b86a15387c61},
                         {12345678, 0x2f99d2664a0fb6ea, 0x5a53a48eb928f0bc},
                         {1234567890123456, 0xef3d9afd22778424, 0xec924b090f04b693},
                         {12345678901234567, 0x847eb5a9d52131b6, 0xe3bb5819fafc334d},
                         {9223372036854775807, 0xb0ccfb1982e491af, 0xf884e545af981a32},
                         {INT64_MIN, 0x14b9bc6f6d2837e0, 0xd957c6d9898fa33c}};
   for (const Case &c : cases) {
      check::require(fingerprint(Digits(c.value)) == c.plain, "fingerprint of " + std::to_string(c.value));
      check::require(sip_hash(Digits(c.value), 1, 2) == c.keyed, "sip_hash of " + std::to_string(c.value));
   }

   const std::vector<std::int64_t> x{5, -17, 123456789012}, y{0, 4, -1};
   std::vector<std::int64_t> plain(3), keyed(3), crossed(3);
   hash_bucket(std::size_t(3), std::size_t(7), false, 0, 0, x.data(), plain.data());
   hash_bucket(std::size_t(3), std::size_t(7), true, 1, 2, x.data(), keyed.data());
   cross_hashed(std::size_t(3), std::size_t(1000), std::size_t(0xDECAFCAFFE), x.data(), y.data(), crossed.data());
   for (std::size_t i = 0; i < 3; ++i) {
      check::require(std::uint64_t(plain[i]) == fingerprint(Digits(x[i])) % 7, "hash_bucket");
      check::require(std::uint64_t(keyed[i]) == sip_hash(Digits(x[i]), 1, 2) % 7, "hash_bucket with a key");
   }
   check::require(crossed == std::vector<std::int64_t>{44, 176, 613}, "cross_hashed");
   check::digest(crossed);
   return check::done();
}
