"""Element types, copies and filling."""

from __future__ import annotations

from typing import Any

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, Operand, aten
from sofie_jit.frontends.pytorch.carried import number_symbol
from sofie_jit.frontends.pytorch.promotion import result_type
from sofie_jit.frontends.pytorch.values import PART_TYPES, Complex, known_array
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.expand import Expand


@aten("to", "_to_copy", "type_as")
def to(call: AtenCall, x: Operand, dtype: Any = None, other: Symbol | None = None) -> Any:
    """``x`` as another element type."""
    wanted = other.dtype if other is not None else dtype
    if wanted in PART_TYPES:
        part = call.cast(x, PART_TYPES[wanted])
        return Complex(part, ops.zeros_like(part))
    if not isinstance(x, Symbol):
        return call.cast(x, wanted or result_type(x))
    return x if wanted is None or wanted == x.dtype else call.cast(x, wanted)


@aten("item", "_local_scalar_dense")
def item(call: AtenCall, x: Symbol) -> Any:
    """The number in a tensor of one element."""
    known = known_array(x)
    return number_symbol(x) if known is None else known.item()


@aten("copy")
def copy(call: AtenCall, x: Symbol, src: Symbol) -> Symbol:
    """``src`` in the shape and type of ``x``."""
    value = call.cast(src, x.dtype)
    return value if value.shape == x.shape else call.add(Expand(shape=x.shape), value)


@aten("fill")
def fill(call: AtenCall, x: Symbol, value: Operand) -> Symbol:
    """A value in the shape and type of ``x``."""
    return ops.full_like(x, call.cast(value, x.dtype))


@aten("zero")
def zero(call: AtenCall, x: Symbol) -> Symbol:
    """0 in the shape and type of ``x``."""
    return ops.zeros_like(x)
