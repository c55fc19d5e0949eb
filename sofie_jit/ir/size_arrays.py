"""Arithmetic with sizes: arrays of numpy if all sizes are known, else tensors that the network computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import FIX_SIZES, Dim, maximum, minimum
from sofie_jit.ir.operators import elementwise
from sofie_jit.ir.operators.sizes import Iota, Sizes
from sofie_jit.ir.symbol import ARITHMETIC, GraphBuilder, Symbol
from sofie_jit.ir.types import check_table

Array = Any
"""An array, or a Symbol: the values of a :class:`SizeArrays`."""


class SizeArrays:
    """The functions of numpy for values that depend on ``sizes``.

    If all sizes are known, the values are arrays, and functions are numpy's. Otherwise, they are Symbols of the network
    of ``builder``, and functions are those of :mod:`sofie_jit.ops` with numpy's names. One formula serves both, and
    gives the same numbers: every operation rounds once. Operands must have one element type (:meth:`cast`).

    >>> from sofie_jit.ir.builder import Builder
    >>> from sofie_jit.ir.dims import SymbolicDim
    >>> from sofie_jit.ir.rmodel import RModel
    >>> def halves(a, size):
    ...     return a.floor(a.cast(a.arange(size), "float32") / a.number(2, "float32"))
    >>> builder, n = Builder(RModel("example")), SymbolicDim("n")
    >>> halves(SizeArrays(builder, 4), 4), halves(SizeArrays(builder, n), n)
    (array([0., 0., 1., 1.], dtype=float32), <Symbol 'floor' float32 (n,)>)
    """

    def __init__(self, builder: GraphBuilder, *sizes: Dim):
        self.known = all(isinstance(size, int) for size in sizes)
        self._builder = builder

    def __getattr__(self, name: str) -> Callable[..., Array]:
        """A function of numpy, or the one of :mod:`sofie_jit.ops` with its name."""
        function: Callable[..., Array] = getattr(np, name) if self.known else ARITHMETIC[name]
        return function

    def number(self, size: Dim, dtype: str) -> Array:
        """A size as a number of type ``dtype``."""
        if self.known:
            return np.dtype(dtype).type(size)
        values: Symbol = self._builder.add(Sizes(values=(size,)))
        return self.cast(ARITHMETIC["reshape"](values, ()), dtype)

    def arange(self, size: Dim, start: Dim = 0) -> Array:
        """The ``size`` integers from ``start`` on, as int64."""
        if isinstance(size, int) and isinstance(start, int):
            values = np.arange(start, start + size, dtype=np.int64)
            return values if self.known else self._builder.constant(values)
        return self._builder.add(Iota(size=size, start=start))

    def cast(self, x: Array, dtype: str) -> Array:
        """``x`` converted to ``dtype``; floating-point numbers are cut to integers."""
        return x.astype(dtype) if self.known else ARITHMETIC["cast"](x, dtype)

    def quotient(self, a: Array, b: Array) -> Array:
        """``a / b`` of integers that are not negative, rounded down."""
        return a // b if self.known else self._builder.add(elementwise.Div(), *self._promoted(a, b))

    def _promoted(self, *values: Array) -> list[Symbol]:
        promoted: list[Symbol] = ARITHMETIC["promote"](*values, dtype="int64")
        return promoted


def border_indices(builder: GraphBuilder, size: Dim, before: Dim, after: Dim, mode: str) -> Array:
    """The index of the element that each place of an axis with a border repeats, as ``numpy.pad`` has them.

    ``mode``: "reflect", "symmetric", "edge" or "wrap". Borders of negative size remove elements.

    >>> from sofie_jit.ir.builder import Builder
    >>> from sofie_jit.ir.rmodel import RModel
    >>> border_indices(Builder(RModel("example")), 3, 2, 1, "reflect")
    array([2, 1, 0, 1, 2, 1])
    """
    kept, first = size + minimum(before, 0) + minimum(after, 0), maximum(-before, 0)
    a = SizeArrays(builder, kept, before, after)
    check_table("a border", *(dim for dim in (kept + maximum(before, 0) + maximum(after, 0),) if isinstance(dim, int)))
    places = a.arange(size + before + after, -maximum(before, 0))
    last = a.number(maximum(kept, 1) - 1, "int64")
    if mode == "edge":
        inside = a.minimum(a.maximum(places, 0 * last), last)
    else:
        period = maximum({"reflect": 2 * kept - 2, "symmetric": 2 * kept, "wrap": kept}[mode], 1)
        turned = a.mod(places, a.number(period, "int64"))
        mirrored = a.number(period - (mode == "symmetric"), "int64") - turned
        inside = turned if mode == "wrap" else a.where(turned <= last, turned, mirrored)
    return inside if first == 0 else inside + a.number(first, "int64")


PROVEN = 1 << 16
"""Sizes below it are tested when an open size is multiplied by a fraction."""


def scaled_size(
    operator: str, size: Dim, factor: float, dtype: str = "float64", computed: Callable[[Any], Any] | None = None
) -> Dim:
    """``size * factor``, rounded down.

    ``dtype``: the type in which the model's framework multiplies.
    ``computed``: the product as the framework computes it from an array of sizes, if that is in other steps.

    An open size is multiplied by a fraction of integers that gives the framework's result for all sizes below 65536.
    Raises ShapeError if there is none.

    >>> from sofie_jit.ir.dims import SymbolicDim
    >>> scaled_size("Resize", 10, 0.7, "float32"), scaled_size("Resize", SymbolicDim("n"), 0.7, "float32")
    (7, (7*n)//10)
    """
    number = np.dtype(dtype).type
    product = computed or (lambda n: n * number(factor))
    if isinstance(size, int):
        return int(np.floor(product(number(size))))
    sizes = np.arange(PROVEN)
    wanted = np.floor(product(sizes.astype(dtype)))
    for limit in (1, 16, 1024, PROVEN):
        from fractions import Fraction  # with decimal, it takes 3 ms to import

        ratio = Fraction(float(factor)).limit_denominator(limit)
        if ratio.numerator < PROVEN**2 and (sizes * ratio.numerator // ratio.denominator == wanted).all():
            return size * ratio.numerator // ratio.denominator
    raise ShapeError(f"{operator}: the open size '{size}' times {factor} has no form in integers; {FIX_SIZES}")
