"""Operators that change the shape of their argument, which they return as a view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sofie_jit.errors import ShapeError
from sofie_jit.frontends.pytorch.aten.aliases import writes
from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import FIX_SIZES, Dim, SymbolicDim, is_positive, is_single, normalize_axis, product
from sofie_jit.ir.operators.expand import Expand
from sofie_jit.ir.operators.reshape import Reshape


def reshaped(call: AtenCall, x: Symbol, shape: Sequence[Dim]) -> Symbol:
    """``x`` in another shape; -1 stands for the size that remains."""
    if tuple(shape) == x.shape:
        return x
    if 0 in shape or 0 in x.shape:
        call.refuse(f"a tensor without elements, of shape {x.shape}, is not supported")
    known = product(*[size for size in shape if size != -1])
    if -1 in shape and isinstance(known, SymbolicDim):
        total = product(*x.shape)
        rest = total // known
        if rest * known != total:
            call.refuse(f"{x.shape} in the shape {tuple(shape)}: the size for -1 is not known", FIX_SIZES)
        shape = [rest if size == -1 else size for size in shape]
    return ops.reshape(x, shape) if ops.weight_of(x) is not None else call.add(Reshape(shape=tuple(shape)), x)


@aten("view.default", "_unsafe_view", "view_copy.default")
def view(call: AtenCall, x: Symbol, size: list[Any]) -> Symbol:
    """The elements in another shape."""
    return reshaped(call, x, size)


@aten("reshape")
def reshape(call: AtenCall, x: Symbol, shape: list[Any]) -> Symbol:
    """The elements in another shape."""
    return reshaped(call, x, shape)


@aten("_reshape_alias")
def reshape_alias(call: AtenCall, x: Symbol, size: list[Any], stride: list[Any]) -> Symbol:
    """The elements in another shape; the strides follow from it."""
    return reshaped(call, x, size)


@aten("view_as", "reshape_as")
def reshape_as(call: AtenCall, x: Symbol, other: Symbol) -> Symbol:
    """The elements in the shape of another tensor."""
    return reshaped(call, x, other.shape)


@aten("flatten.using_ints")
def flatten(call: AtenCall, x: Symbol, start_dim: int, end_dim: int) -> Symbol:
    """Several axes as one."""
    if x.rank == 0:
        return reshaped(call, x, [1])
    first, last = (normalize_axis("flatten", axis, x.rank) for axis in (start_dim, end_dim))
    return reshaped(call, x, [*x.shape[:first], product(*x.shape[first : last + 1]), *x.shape[last + 1 :]])


@aten("ravel")
def ravel(call: AtenCall, x: Symbol) -> Symbol:
    """All axes as one."""
    return reshaped(call, x, [product(*x.shape)])


@aten("unflatten.int")
def unflatten(call: AtenCall, x: Symbol, dim: int, sizes: list[Any]) -> Symbol:
    """An axis as several."""
    axis = normalize_axis("unflatten", dim, x.rank)
    known = product(*[size for size in sizes if size != -1])
    split = [x.shape[axis] // known if size == -1 else size for size in sizes]
    return reshaped(call, x, [*x.shape[:axis], *split, *x.shape[axis + 1 :]])


@aten("squeeze", "squeeze_copy")
def squeeze(call: AtenCall, x: Symbol, dim: Any = None) -> Symbol:
    """The tensor without axes of size 1: the given ones, or all."""
    given = range(x.rank) if dim is None else dim if isinstance(dim, list) else [dim]
    if x.rank == 0:
        return x
    axes = [normalize_axis("squeeze", axis, x.rank) for axis in given]
    for axis in axes:
        size = x.shape[axis]
        if (
            isinstance(size, SymbolicDim)
            and not is_positive(size - 1)
            and dim is not None
            and size.bounds()[1] is not None
            and not is_single(size)
        ):
            call.refuse(f"whether axis {axis} of size {size} is removed is known only when the model runs", FIX_SIZES)
    return reshaped(call, x, [size for axis, size in enumerate(x.shape) if axis not in axes or not is_single(size)])


@aten("unsqueeze", "unsqueeze_copy")
def unsqueeze(call: AtenCall, x: Symbol, dim: int) -> Symbol:
    """The tensor with a new axis of size 1."""
    axis = normalize_axis("unsqueeze", dim, x.rank + 1)
    return reshaped(call, x, [*x.shape[:axis], 1, *x.shape[axis:]])


@writes(
    "view", "_unsafe_view", "reshape", "_reshape_alias", "view_as", "reshape_as", "flatten", "ravel", "unflatten",
    "squeeze", "unsqueeze",
)  # fmt: skip
def unshaped(call: AtenCall, x: Symbol, new: Symbol, index: int | None, given: Mapping[str, Any]) -> Symbol:
    """The elements in the shape of the argument."""
    return reshaped(call, new, x.shape)


@aten("contiguous", "detach", "alias", "clone", "lift_fresh_copy", "lift_fresh", "lift", "detach_copy", "alias_copy",
      "resolve_conj", "resolve_neg", "pin_memory", "cpu", "cuda")  # fmt: skip
def same(call: AtenCall, x: Symbol) -> Symbol:
    """The tensor itself."""
    return x


@writes("detach", "alias", "contiguous", "lift_fresh", "to", "resolve_conj", "resolve_neg", "cpu", "cuda")
def changed(call: AtenCall, x: Symbol, new: Symbol, index: int | None, given: Mapping[str, Any]) -> Symbol:
    """The new value."""
    return new


@aten("expand", "expand_copy")
def expand(call: AtenCall, x: Symbol, size: list[Any]) -> Symbol:
    """The tensor repeated along axes of size 1; -1 stands for the size it has."""
    missing = len(size) - x.rank
    target = tuple(x.shape[axis - missing] if n == -1 and axis >= missing else n for axis, n in enumerate(size))
    return broadcast(call, x, target)


def broadcast(call: AtenCall, x: Symbol, shape: tuple[Dim, ...]) -> Symbol:
    """``x`` repeated to ``shape``."""
    operator = Expand(shape=shape)
    inferred = operator.infer(x.type)
    if inferred.shape != tuple(shape):
        raise ShapeError(f"a tensor of shape {x.shape} cannot be expanded to {shape}")
    return x if inferred == x.type else call.add(operator, x)


@aten("expand_as")
def expand_as(call: AtenCall, x: Symbol, other: Symbol) -> Symbol:
    """The tensor repeated to the shape of another one."""
    return broadcast(call, x, other.shape)


@aten("broadcast_to")
def broadcast_to(call: AtenCall, x: Symbol, size: list[Any]) -> Symbol:
    """The tensor repeated to a shape."""
    return expand(call, x, size)
