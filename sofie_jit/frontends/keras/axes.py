"""Options that name axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sofie_jit.frontends.keras.layers.registry import LayerCall
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.transpose import Transpose


def axes_of(call: LayerCall, x: Symbol, axis: Any) -> list[int]:
    """An ``axis`` option, a number or several, as ascending axes of ``x`` counted from the front."""
    axes = list(axis) if isinstance(axis, Sequence) else [axis]
    if not axes or not all(isinstance(a, int) and -x.rank <= a < x.rank for a in axes):
        call.refuse(f"axis={axis!r} names no axes of its input {x.type}")
    return sorted({a % x.rank for a in axes})


def over_axes(call: LayerCall, x: Symbol, axes: Sequence[int], function: Callable[[Symbol], Symbol]) -> Symbol:
    """``function`` of ``x`` with ``axes`` moved behind the others, and its result with the axes back in place."""
    order = [axis for axis in range(x.rank) if axis not in axes] + list(axes)
    if order == sorted(order):
        return function(x)
    result = function(call.add(Transpose(perm=order), x))
    back: Symbol = call.add(Transpose(perm=[order.index(axis) for axis in range(x.rank)]), result)
    return back
