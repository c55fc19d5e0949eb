// Generated from sofie_jit/codegen/tuning.py, which explains the constants; to change one, edit it there and run
// python -m sofie_jit.codegen.tuning.
#ifndef SOFIE_JIT_TUNING_HXX
#define SOFIE_JIT_TUNING_HXX

#include "core/isa.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {
namespace tuning {

constexpr std::size_t tile_bytes = 2097152;
constexpr std::size_t alignment = 64;
constexpr int max_rank = 8;
constexpr int virtual_lanes = 16;
constexpr int mr = SOFIE_JIT_VECTOR_BYTES == 64 ? 12 : SOFIE_JIT_VECTOR_BYTES == 32 ? 6 : 6;
constexpr int nv = 2;
constexpr std::size_t max_nr = 32;
constexpr std::size_t mc_step = 12;
constexpr std::size_t kc = 64;
constexpr int fma_chains = 4;
constexpr std::size_t split_k_min_terms = 32;
constexpr std::size_t split_k_max_outputs = 64;
constexpr std::size_t cached_bytes = 524288;
constexpr std::size_t sparse_max_k = 65536;
constexpr std::size_t winograd_tiles = 48;
constexpr std::size_t winograd_padding = 16;
constexpr std::size_t winograd_group_outputs = 128;
constexpr std::size_t winograd_group_weights = 65536;
constexpr int pool_pixels = 4;
constexpr std::size_t recurrent_rows = 48;
constexpr std::size_t recurrent_steps = 48;
constexpr std::size_t recurrent_buffers = 6;
constexpr std::size_t recurrent_unit_multiple = 32;
constexpr std::size_t recurrent_max_gates = 4;

} // namespace tuning
} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
