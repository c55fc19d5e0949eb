"""Joining, repeating and moving of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.frontends.pytorch.aten.shapes import reshaped
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, SymbolicDim, maximum, normalize_axis, product
from sofie_jit.ir.operators.concat import Concat
from sofie_jit.ir.operators.expand import Expand
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.requirements import broadcast_shapes
from sofie_jit.ir.size_arrays import border_indices
from sofie_jit.ir.types import check_table, is_floating


@aten("cat", "concat", "concatenate")
def cat(call: AtenCall, tensors: list[Symbol], dim: int) -> Symbol:
    """Tensors one after the other along an axis."""
    kept = [tensor for tensor in tensors if tensor.shape != (0,)] or tensors
    parts = call.promoted(*kept)
    return parts[0] if len(parts) == 1 else call.add(Concat(axis=normalize_axis("cat", dim, parts[0].rank)), *parts)


@aten("stack")
def stack(call: AtenCall, tensors: list[Symbol], dim: int) -> Symbol:
    """Tensors along a new axis."""
    axis = normalize_axis("stack", dim, tensors[0].rank + 1)
    return cat(call, [reshaped(call, x, [*x.shape[:axis], 1, *x.shape[axis:]]) for x in tensors], axis)


@aten("hstack")
def hstack(call: AtenCall, tensors: list[Symbol]) -> Symbol:
    """Tensors along the second axis; vectors and numbers along the first."""
    return cat(call, [at_least(call, x, 1) for x in tensors], 0 if tensors[0].rank < 2 else 1)


@aten("vstack", "row_stack")
def vstack(call: AtenCall, tensors: list[Symbol]) -> Symbol:
    """Tensors along the first axis; vectors as rows."""
    return cat(call, [x if x.rank > 1 else ops.reshape(x, (1, -1)) for x in tensors], 0)


@aten("dstack")
def dstack(call: AtenCall, tensors: list[Symbol]) -> Symbol:
    """Tensors along the third axis."""
    return cat(call, [at_least(call, x, 3) for x in tensors], 2)


@aten("column_stack")
def column_stack(call: AtenCall, tensors: list[Symbol]) -> Symbol:
    """Tensors along the second axis; vectors as columns."""
    return cat(call, [x if x.rank > 1 else reshaped(call, x, [product(*x.shape), 1]) for x in tensors], 1)


def at_least(call: AtenCall, x: Symbol, rank: int) -> Symbol:
    """``x`` with at least ``rank`` axes, as ``atleast_1d``, ``atleast_2d`` and ``atleast_3d`` add them."""
    if x.rank >= rank:
        return x
    after = 1 if rank == 3 and x.rank else 0
    return reshaped(call, x, [*[1] * (rank - x.rank - after), *x.shape, *[1] * after])


@aten("atleast_1d", "atleast_2d", "atleast_3d")
def atleast(call: AtenCall, x: Symbol) -> Symbol:
    """The tensor with more axes of size 1."""
    return at_least(call, x, int(call.schema.name[-2]))


@aten("atleast_1d.Sequence", "atleast_2d.Sequence", "atleast_3d.Sequence")
def atleast_of_list(call: AtenCall, tensors: list[Symbol]) -> list[Symbol]:
    """Tensors with more axes of size 1."""
    return [atleast(call, x) for x in tensors]


@aten("cartesian_prod")
def cartesian_prod(call: AtenCall, tensors: list[Symbol]) -> Symbol:
    """All combinations of elements of vectors, as rows."""
    if len(tensors) == 1:
        return tensors[0]
    columns = [reshaped(call, grid, [product(*grid.shape)]) for grid in meshgrid(call, tensors)]
    return stack(call, columns, 1)


@aten("broadcast_tensors")
def broadcast_tensors(call: AtenCall, tensors: list[Symbol]) -> list[Symbol]:
    """Tensors repeated to one shape."""
    shape = broadcast_shapes("broadcast_tensors", *(x.shape for x in tensors))
    return [x if x.shape == shape else call.add(Expand(shape=shape), x) for x in tensors]


@aten("meshgrid")
def meshgrid(call: AtenCall, tensors: list[Symbol], indexing: str = "ij") -> list[Symbol]:
    """Coordinates of a grid."""
    sizes = tuple(product(*x.shape) for x in tensors)
    count = len(tensors)
    grids = [
        call.add(Expand(shape=sizes), ops.reshape(x, [sizes[i] if axis == i else 1 for axis in range(count)]))
        for i, x in enumerate(tensors)
    ]
    return [ops.swapaxes(grid, 0, 1) for grid in grids] if indexing == "xy" and count > 1 else grids


# -- repetition --------------------------------------------------------------------------------------------------------


@aten("repeat", "tile")
def repeat(call: AtenCall, x: Symbol, repeats: Any = None, dims: Any = None) -> Symbol:
    """The tensor repeated as a whole."""
    counts = list(dims if repeats is None else repeats)
    counts = [1] * (x.rank - len(counts)) + counts
    x = reshaped(call, x, [1] * (len(counts) - x.rank) + list(x.shape))
    shape: list[Dim] = []
    spread: list[Dim] = []
    for size, count in zip(x.shape, counts, strict=True):
        shape += [size] if count == 1 else [1, size]
        spread += [size] if count == 1 else [count, size]
    if shape == spread:
        return x
    repeated = call.add(Expand(shape=tuple(spread)), reshaped(call, x, shape))
    return reshaped(call, repeated, [product(size, count) for size, count in zip(x.shape, counts, strict=True)])


@aten("repeat_interleave.self_int", "repeat_interleave.self_Tensor")
def repeat_interleave(call: AtenCall, x: Symbol, repeats: Any, dim: int | None) -> Symbol:
    """Each element repeated along an axis."""
    if dim is None:
        x, dim = reshaped(call, x, [product(*x.shape)]), 0
    axis = normalize_axis("repeat_interleave", dim, x.rank)
    if isinstance(repeats, np.ndarray) and repeats.size == 1:
        repeats = repeats.item()  # the same number for all; it may be an open size
    if isinstance(repeats, (int, SymbolicDim)):
        before, size, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
        spread = call.add(Expand(shape=(*before, size, repeats, *after)), reshaped(call, x, [*before, size, 1, *after]))
        return reshaped(call, spread, [*before, product(size, repeats), *after])
    counts = call.known(repeats, "repeats").ravel().tolist()
    check_table("repeat_interleave", sum(counts))
    return ops.repeat(x, counts, axis)


@aten("flip")
def flip(call: AtenCall, x: Symbol, dims: list[int]) -> Symbol:
    """Axes in reverse order."""
    return ops.flip(x, dims) if dims else x


@aten("fliplr")
def fliplr(call: AtenCall, x: Symbol) -> Symbol:
    """The second axis in reverse order."""
    return ops.flip(x, 1)


@aten("flipud")
def flipud(call: AtenCall, x: Symbol) -> Symbol:
    """The first axis in reverse order."""
    return ops.flip(x, 0)


@aten("roll")
def roll(call: AtenCall, x: Symbol, shifts: list[Any], dims: list[int]) -> Symbol:
    """Elements shifted along axes; those beyond the end come in at the front."""
    if not dims:
        return reshaped(call, ops.roll(reshaped(call, x, [product(*x.shape)]), shifts[0], 0), x.shape)
    return ops.roll(x, shifts, [normalize_axis("roll", axis, x.rank) for axis in dims])


@aten("rot90")
def rot90(call: AtenCall, x: Symbol, k: int, dims: list[int]) -> Symbol:
    """Rotations by right angles."""
    return ops.rot90(x, k, dims)


# -- borders -----------------------------------------------------------------------------------------------------------

MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
"""Modes of padding by their names in numpy."""


def padded(call: AtenCall, x: Symbol, pad: Sequence[Any], mode: str, value: Any) -> Symbol:
    """``x`` with a border; ``pad`` has the sizes before and after of each axis, from the last axis on."""
    if any(not isinstance(width, (int, SymbolicDim)) for width in pad) or len(pad) % 2 or len(pad) > 2 * x.rank:
        call.refuse(f"pad={list(pad)} is not supported for a tensor of shape {x.shape}")
    if mode == "constant":
        borders = [(0, 0)] * (x.rank - len(pad) // 2) + [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
        fill = 0 if value is None else value
        return call.add(Pad(pads=[b for b, _ in borders] + [a for _, a in borders], constant_value=fill), x)
    if mode not in MODES:
        call.refuse(f"mode={mode!r} is not supported")
    for index in range(0, len(pad), 2):
        before, after = pad[index : index + 2]
        axis = x.rank - 1 - index // 2
        if before != 0 or after != 0:
            x = ops.take(x, border_indices(x.builder, x.shape[axis], before, after, MODES[mode]), axis)
    return x


@aten("pad", "constant_pad_nd")
def pad(call: AtenCall, x: Symbol, pad: list[Any], mode: str = "constant", value: Any = None) -> Symbol:
    """The tensor with a border."""
    return padded(call, x, pad, mode, value)


@aten("reflection_pad1d", "reflection_pad2d", "reflection_pad3d")
def reflection_pad(call: AtenCall, x: Symbol, padding: list[Any]) -> Symbol:
    """The tensor mirrored at its borders."""
    return padded(call, x, padding, "reflect", None)


@aten("replication_pad1d", "replication_pad2d", "replication_pad3d")
def replication_pad(call: AtenCall, x: Symbol, padding: list[Any]) -> Symbol:
    """The tensor with its outermost elements repeated."""
    return padded(call, x, padding, "replicate", None)


@aten("pad_sequence")
def pad_sequence(
    call: AtenCall, sequences: list[Symbol], batch_first: bool, padding_value: float, padding_side: str
) -> Symbol:
    """Sequences along the first axis, made as long as the longest one, along a new axis for the batch."""
    longest = maximum(*(x.shape[0] for x in sequences))
    rows = []
    for x in sequences:
        missing = longest - x.shape[0]
        border = (0, missing) if padding_side == "right" else (missing, 0)
        widths = [0, 0] * (x.rank - 1) + list(border)
        rows.append(x if missing == 0 else padded(call, x, widths, "constant", _fill(padding_value, x.dtype)))
    return ops.stack(rows, 0 if batch_first else 1)


def _fill(value: float, dtype: str) -> bool | int | float:
    return value if is_floating(dtype) else int(value)


# -- blocks ------------------------------------------------------------------------------------------------------------


@aten("pixel_shuffle")
def pixel_shuffle(call: AtenCall, x: Symbol, upscale_factor: int) -> Symbol:
    """Channels spread over blocks of pixels."""
    *batch, _, height, width = x.shape
    n, depth = upscale_factor, x.shape[-3] // upscale_factor**2
    apart = reshaped(call, x, [*batch, depth, n, n, height, width])
    b = len(batch)
    moved = ops.transpose(apart, [*range(b), b, b + 3, b + 1, b + 4, b + 2])
    return reshaped(call, moved, [*batch, depth, product(height, n), product(width, n)])


@aten("pixel_unshuffle")
def pixel_unshuffle(call: AtenCall, x: Symbol, downscale_factor: int) -> Symbol:
    """Blocks of pixels as channels."""
    *batch, channels, height, width = x.shape
    n, b = downscale_factor, x.rank - 3
    apart = reshaped(call, x, [*batch, channels, height // n, n, width // n, n])
    moved = ops.transpose(apart, [*range(b), b, b + 2, b + 4, b + 1, b + 3])
    return reshaped(call, moved, [*batch, product(channels, n, n), height // n, width // n])


@aten("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(call: AtenCall, x: Symbol, groups: int) -> Symbol:
    """Channels of groups interleaved."""
    batch, _, *rest = x.shape
    apart = reshaped(call, x, [batch, groups, x.shape[1] // groups, *rest])
    return reshaped(call, ops.swapaxes(apart, 1, 2), x.shape)
