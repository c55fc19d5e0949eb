"""Options that name axes, and functions over some axes of a tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.transpose import Transpose


def axes_of_option(call: LayerCall, x: Symbol, axis: Any) -> list[int]:
    """The value of an ``axis`` option, an integer or several, as sorted non-negative axes of ``x``.

    Refuses, through ``call``, axes that ``x`` does not have.
    """
    axes = list(axis) if isinstance(axis, Sequence) else [axis]
    if not axes or not all(isinstance(a, int) and -x.rank <= a < x.rank for a in axes):
        call.refuse(f"axis={axis!r} does not name axes of its input {x.type}")
    return sorted({a % x.rank for a in axes})


def over_axes(call: LayerCall, x: Symbol, axes: Sequence[int], function: Callable[[Symbol], Symbol]) -> Symbol:
    """``function`` applied to ``x`` with ``axes`` moved to the end, and its result with the axes moved back."""
    order = [axis for axis in range(x.rank) if axis not in axes] + list(axes)
    if order == sorted(order):
        return function(x)
    result = function(call.add(Transpose(perm=order), x))
    back: Symbol = call.add(Transpose(perm=[order.index(axis) for axis in range(x.rank)]), result)
    return back
