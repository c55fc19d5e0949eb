// Memory of a Session: aligned buffers for packed weights, and a pool of arenas for intermediate tensors.
#ifndef SOFIE_JIT_MEMORY_HXX
#define SOFIE_JIT_MEMORY_HXX

#include <cstddef>
#include <new>
#include <utility>

#include "core/simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

SOFIE_JIT_INLINE constexpr std::size_t align_up(std::size_t bytes)
{
   return (bytes + tuning::alignment - 1) / tuning::alignment * tuning::alignment;
}

// Rows of the batch that pass through the whole network at once, given the arena's bytes per row: as many as keep the
// arena within a quarter of a common second-level cache, but whole register tiles (tile.hxx) unless that needs more
// than `limit`.
constexpr std::size_t batch_tile(std::size_t row_bytes, std::size_t limit = tuning::tile_bytes)
{
   constexpr std::size_t cached = 256 << 10, full = tuning::mc_step;
   const std::size_t row = row_bytes ? row_bytes : 1;
   const std::size_t rows = cached / row > full ? cached / row / full * full : full;
   const std::size_t max_rows = limit / row > 1 ? limit / row : 1;
   return rows < max_rows ? rows : max_rows;
}

// Zeroed array, aligned to 64 bytes; copies are deep. Reading a full register at the last element stays within the
// allocation.
template <class T>
class Buffer {
public:
   Buffer() = default;
   explicit Buffer(std::size_t size) : fSize(size)
   {
      const std::size_t bytes = align_up(size * sizeof(T)) + tuning::alignment;
      fData = static_cast<T *>(::operator new(bytes, std::align_val_t(tuning::alignment)));
      std::memset(static_cast<void *>(fData), 0, bytes);
   }
   Buffer(const Buffer &other) : Buffer(other.fSize)
   {
      if (fSize)
         std::memcpy(static_cast<void *>(fData), other.fData, fSize * sizeof(T));
   }
   Buffer(Buffer &&other) noexcept { swap(other); }
   Buffer &operator=(Buffer other) noexcept
   {
      swap(other);
      return *this;
   }
   ~Buffer()
   {
      if (fData)
         ::operator delete(fData, std::align_val_t(tuning::alignment));
   }
   void swap(Buffer &other) noexcept
   {
      std::swap(fData, other.fData);
      std::swap(fSize, other.fSize);
   }
   T *data() { return fData; }
   const T *data() const { return fData; }
   std::size_t size() const { return fSize; }
   T &operator[](std::size_t i) { return fData[i]; }
   const T &operator[](std::size_t i) const { return fData[i]; }

private:
   T *fData = nullptr;
   std::size_t fSize = 0;
};

// A weight that is used unpacked.
template <class T>
SOFIE_JIT_COLD Buffer<T> copy_weights(const T *values, std::size_t size)
{
   Buffer<T> buffer(size);
   if (size)
      std::memcpy(static_cast<void *>(buffer.data()), values, size * sizeof(T));
   return buffer;
}

template <class T>
void copy(std::size_t size, const T *x, T *y)
{
   if (size)
      std::memcpy(static_cast<void *>(y), x, size * sizeof(T));
}

// y has the bits of x as elements of another type of the same size.
template <class From, class To>
void copy_bits(std::size_t size, const From *x, To *y)
{
   static_assert(sizeof(From) == sizeof(To), "elements of one size");
   if (size)
      std::memcpy(static_cast<void *>(y), x, size * sizeof(To));
}

// Scratch memory for concurrent calls: a call leases an arena and returns it; a few are kept for later calls. (The
// compiler's atomic builtins compile in a fraction of the time of std::atomic.)
class ArenaPool {
public:
   ArenaPool() = default;
   ArenaPool(const ArenaPool &) {} // arenas are scratch memory: a copied Session starts with none
   ArenaPool &operator=(const ArenaPool &) { return *this; }
   ~ArenaPool()
   {
      SOFIE_JIT_ROLLED
      for (Arena *arena : fSlots)
         release(arena);
   }

private:
   friend class Lease;
   static constexpr int max_kept = 8;

   struct Arena { // header of a block, which is followed by the block's memory
      std::size_t bytes;
   };
   static void release(Arena *arena) noexcept
   {
      if (arena)
         ::operator delete(static_cast<void *>(arena), std::align_val_t(tuning::alignment));
   }
   SOFIE_JIT_NOINLINE Arena *take(std::size_t bytes)
   {
      SOFIE_JIT_ROLLED
      for (Arena *&slot : fSlots) {
         if (!__atomic_load_n(&slot, __ATOMIC_RELAXED))
            continue;
         Arena *arena = __atomic_exchange_n(&slot, nullptr, __ATOMIC_ACQUIRE);
         if (!arena)
            continue;
         if (arena->bytes >= bytes)
            return arena;
         release(arena);
      }
      void *memory =
         ::operator new(tuning::alignment + align_up(bytes) + tuning::alignment, std::align_val_t(tuning::alignment));
      return new (memory) Arena{bytes};
   }
   SOFIE_JIT_NOINLINE void give(Arena *arena) noexcept
   {
      SOFIE_JIT_ROLLED
      for (Arena *&slot : fSlots) {
         Arena *empty = nullptr;
         if (__atomic_compare_exchange_n(&slot, &empty, arena, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            return;
      }
      release(arena);
   }

   Arena *fSlots[max_kept] = {};
};

// The arena of one call. Small arenas are on the stack: two locked instructions would be a tenth of a small network's
// time.
class Lease {
public:
   Lease(ArenaPool &pool, std::size_t bytes) : fPool(pool), fArena(bytes > small ? pool.take(bytes) : nullptr) {}
   Lease(const Lease &) = delete;
   Lease &operator=(const Lease &) = delete;
   ~Lease()
   {
      if (fArena)
         fPool.give(fArena);
   }
   char *data() { return fArena ? reinterpret_cast<char *>(fArena) + tuning::alignment : fSmall; }

private:
   static constexpr std::size_t small = 4096;
   ArenaPool &fPool;
   ArenaPool::Arena *fArena;
   alignas(tuning::alignment) char fSmall[small + tuning::alignment];
};

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
