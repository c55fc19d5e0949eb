"""Block sizes, thresholds and table sizes: the one place for those that several kernels, or both languages, use.

``kernels/core/tuning.hxx`` is generated from this file; after changing a constant, run::

    python -m sofie_jit.codegen.tuning

Constants that a single kernel uses are defined in its header. Sizes are in elements unless they say otherwise. The
docstrings quote the measurements that led to a value; ``benchmarks/README.md`` describes them.
"""

from __future__ import annotations

from pathlib import Path

ALIGNMENT = 64
"""Bytes to whose multiples memory is aligned: a cache line, and the widest register."""

MAX_RANK = 8
"""Axes of shapes that kernels take at run time, such as those of broadcast operands."""

VIRTUAL_LANES = 16
"""Partial sums of a reduction along a row, whatever the width of a register; also the longest row that softmax keeps
in registers."""

TILE_BYTES = 2 << 20
"""Most bytes of the arena for a tile of rows that is smaller than a register tile: a large second-level cache. With 16
MB, ParticleNet takes 1.1 and MobileNetV2 1.15 times as long."""

LARGE_WEIGHTS_BYTES = 32 << 20
"""Bytes of weights that no cache holds, so that each tile reads them from memory."""

LARGE_WEIGHTS_TILE_BYTES = 16 << 20
"""TILE_BYTES for networks with such weights: with 2 MB, ResNet50 takes 1.12 times as long for 8 rows."""

# -- gemm: the register block is MR rows times NR = NV vectors of outputs ----------------------------------------------

MR = {64: 12, 32: 6, 16: 6}
"""Rows of a register tile, by bytes of a register: 2 MR accumulators, two vectors of weights and a broadcast input
must fit 32 or 16 registers."""

NV = 2
"""Vectors of outputs of a register tile, which is the width of a panel of packed weights; ``nr`` in ``core/tile.hxx``
is the same in elements. ``gemm.hxx`` also has tiles of one vector, for the last outputs, and of four, for pairs of
panels; they must change together with it."""

MAX_NR = NV * 16
"""The widest panel of packed weights: AVX-512 registers of float32."""

MC_STEP = 12
"""Rows are divided among caches and threads at multiples of this: whole register tiles, and a multiple of four, so
that the parts of a multiple of four rows have multiples of four rows as well."""

KC = 64
"""Terms of a sum that are added in one chain; the sums of such blocks are then added in order. A single chain over a
K of 4,608 to 25,088 is 4 to 9 times less accurate; blocks of 256 terms make MobileNetV2 a quarter less accurate and
are as fast within 4 %."""

FMA_CHAINS = 4
"""Chains of sums that are computed side by side for a single row, to hide the latency of a fused multiply-add."""

SPLIT_K_MIN_TERMS = 32
"""Fewest terms of a sum that is split into FMA_CHAINS blocks for single rows. With sums of 16 terms split as well,
the jet MLP takes 1.02 times as long at batch 1, and 1.04 times at batch 8."""

SPLIT_K_MAX_OUTPUTS = 64
"""Most outputs of a layer whose sums are split: the outputs of wider layers fill enough registers."""

CACHED_BYTES = 512 * 1024
"""Bytes that stay in a second-level cache while other data streams through it.

Also the size of an image from which on a depthwise convolution and its 1 x 1 neighbors are computed in strips: 112 x
112 x 96 is then 1.6 times as fast, 56 x 56 x 144 1.3 times, 28 x 28 x 192 1.1 times, but smaller images up to a tenth
slower."""

SPARSE_MIN_K = 32
"""Fewest terms for which marking the nonzero inputs of a row pays."""

SPARSE_MAX_K = 1 << 16
"""Most terms of a row: its bits fit the buffer of the sparse kernel."""

PANEL_PAIR_BYTES = 4 * 64
"""Fewest bytes of outputs for tiles over pairs of panels: two panels of AVX-512."""

PANEL_PAIRS_MIN_FLOPS = 1 << 17
"""Operations per row of the batch from which on ``gemm_pairs`` repays the 0.1 s of its compilation."""

# -- convolution and pooling -------------------------------------------------------------------------------------------

CONV_STRIP_INPUTS = 80 * 1024
"""Most inputs of a strip of output rows, so that they stay in a second-level cache."""

WINOGRAD_TILES = 48
"""Tiles of 2 x 2 outputs that pass through all 16 products before the next ones. Blocks of 24 to 192 tiles are within
5 % for 28 x 28 x 128, except that 192 tiles take a quarter longer, and for 56 x 56 x 64 a third longer."""

WINOGRAD_PADDING = 16
"""Padding between the matrices of two positions of a tile, without which all would map to the same cache sets."""

WINOGRAD_GROUP_OUTPUTS = 128
"""Outputs are computed in two groups, one for each of two threads, if their number is a multiple of this and there
are at least WINOGRAD_GROUP_WEIGHTS weights per tap. Two threads then are 1.85 to 1.9 times as fast as one (7 x 7 x
512, 14 x 14 x 256); with tiles shared instead, 1.28 to 1.6 times, because each reads all weights."""

WINOGRAD_GROUP_WEIGHTS = 1 << 16
"""See WINOGRAD_GROUP_OUTPUTS."""

WINOGRAD_MIN_CHANNELS = 32
"""Fewest input channels for Winograd's filtering; with 16, 28 x 28 pixels take 1.1 times as long as directly."""

WINOGRAD_MIN_TILES = 12
"""Fewest tiles for Winograd's filtering: 6 x 6 x 512 takes 1.25 times as long as directly, because the 16 transformed
weights instead of nine serve few pixels."""

WINOGRAD_PANEL_PAIRS_MIN_FLOPS = 1 << 23
"""PANEL_PAIRS_MIN_FLOPS for the products of Winograd's filtering: in a small convolutional network ``gemm_pairs``
delays the first answer by 0.1 s and makes later ones 1 % faster."""

CHAIN_STRIP_BYTES = 384 * 1024
"""Most bytes of intermediate images of a strip of a depthwise chain, so that they stay in a second-level cache."""

CONV_TRANSPOSE_PRODUCTS = 256 * 1024
"""Most products of the images that a transposed convolution computes together, so that they stay in a second-level
cache."""

TYPICAL_SIZE = 16
"""An axis of an image whose size is known only at run time, where the work of a layer decides what is compiled."""

POOL_PIXELS = 4
"""Adjacent windows of a row that are pooled together."""

# -- recurrent layers --------------------------------------------------------------------------------------------------

RECURRENT_ROWS = 48
"""Rows of the batch that use a panel of weights while it is in the cache: whole register tiles."""

RECURRENT_STEPS = 48
"""Time steps whose inputs are projected together for a single row."""

RECURRENT_BUFFERS = 6
"""State buffers of a row: two states before and after the step, and two of the cell's own."""

RECURRENT_UNIT_MULTIPLE = 32
"""Units are padded to a multiple of this, the widest panel."""

RECURRENT_MAX_GATES = 4
"""Gates of a unit, at most: those of an LSTM."""

_HEADER = Path(__file__).parents[1] / "kernels" / "core" / "tuning.hxx"

_CPP_TYPES = {
    "TILE_BYTES": "std::size_t",
    "ALIGNMENT": "std::size_t",
    "MAX_RANK": "int",
    "VIRTUAL_LANES": "int",
    "MR": "int",
    "NV": "int",
    "MAX_NR": "std::size_t",
    "MC_STEP": "std::size_t",
    "KC": "std::size_t",
    "FMA_CHAINS": "int",
    "SPLIT_K_MIN_TERMS": "std::size_t",
    "SPLIT_K_MAX_OUTPUTS": "std::size_t",
    "CACHED_BYTES": "std::size_t",
    "SPARSE_MAX_K": "std::size_t",
    "WINOGRAD_TILES": "std::size_t",
    "WINOGRAD_PADDING": "std::size_t",
    "WINOGRAD_GROUP_OUTPUTS": "std::size_t",
    "WINOGRAD_GROUP_WEIGHTS": "std::size_t",
    "POOL_PIXELS": "int",
    "RECURRENT_ROWS": "std::size_t",
    "RECURRENT_STEPS": "std::size_t",
    "RECURRENT_BUFFERS": "std::size_t",
    "RECURRENT_UNIT_MULTIPLE": "std::size_t",
    "RECURRENT_MAX_GATES": "std::size_t",
}
"""The constants in the header, in order, and their C++ types."""


def header() -> str:
    """The text of ``kernels/core/tuning.hxx``."""
    constants = "".join(
        f"constexpr {cpp} {name.lower()} = {_cpp_value(globals()[name])};\n" for name, cpp in _CPP_TYPES.items()
    )
    return f"""\
// Generated from sofie_jit/codegen/tuning.py, which explains the constants; to change one, edit it there and run
// python -m sofie_jit.codegen.tuning.
#ifndef SOFIE_JIT_TUNING_HXX
#define SOFIE_JIT_TUNING_HXX

#include "core/isa.hxx"

namespace sofie_jit {{
inline namespace SOFIE_JIT_ISA {{
namespace tuning {{

{constants}
}} // namespace tuning
}} // namespace SOFIE_JIT_ISA
}} // namespace sofie_jit
#endif
"""


def _cpp_value(value: int | dict[int, int]) -> str:
    """``value`` in C++; a dict maps the bytes of a register to a number."""
    if isinstance(value, int):
        return str(value)
    *wider, (_, narrowest) = sorted(value.items(), reverse=True)
    return "".join(f"SOFIE_JIT_VECTOR_BYTES == {size} ? {n} : " for size, n in wider) + str(narrowest)


if __name__ == "__main__":
    _HEADER.write_text(header())
