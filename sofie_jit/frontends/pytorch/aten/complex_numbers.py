"""Complex tensors, which are pairs of their real and imaginary part: their operators, and rules for those of others.

Operators that are linear in their tensors, such as ``reshape``, are computed of each part (:func:`by_parts`), products
by multiplying out (:func:`multilinear`). Other operators have a handler of their own (:func:`of_complex`), or are
refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.pytorch.aten.creation import filled
from sofie_jit.frontends.pytorch.aten.registry import AtenCall, Handler, aten, complex_rule, of_complex
from sofie_jit.frontends.pytorch.values import NUMBERS, PART_TYPES, Complex, dtype_of, shape_of
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.expand import Expand

DATA = ("self", "tensors", "src", "source", "value", "values", "fill_value")
"""Arguments whose imaginary part counts; others, such as indices and masks, are the same for both parts."""

MAX_FACTORS = 4
"""Maximum complex factors of a product, which has two to the power of them terms."""


def as_complex(call: AtenCall, x: Any, other: Any = None) -> Complex:
    """A tensor or number as a complex tensor; a number gets the type of ``other``, if that is complex."""
    if isinstance(x, Complex):
        return x
    number = isinstance(other, Complex) and isinstance(x, NUMBERS)
    real = call.cast(x, other.real.dtype) if number else call.floating(call.symbol(x))
    return Complex(real, ops.zeros_like(real))


def _part(value: Any, name: str) -> Any:
    """The real or imaginary part of an argument."""
    if isinstance(value, list):
        return [_part(item, name) for item in value]
    if isinstance(value, Complex):
        return value.real if name == "real" else value.imag
    if name == "real" or value is None:
        return value
    if isinstance(value, Symbol):
        return ops.zeros_like(value)
    return np.zeros_like(value) if isinstance(value, np.ndarray) else 0


def _joined(real: Any, imag: Any) -> Any:
    if isinstance(real, (list, tuple)):
        return [Complex(a, b) for a, b in zip(real, imag, strict=True)]
    return Complex(real, imag)


def by_parts(*names: str, data: Sequence[str] = DATA) -> None:
    """Registers operators that treat the real and the imaginary part of the arguments ``data`` in the same way."""

    def compute(call: AtenCall, handler: Handler, given: Mapping[str, Any]) -> Any:
        for key, value in given.items():
            if key not in data and _is_complex(value):
                call.refuse(f"complex {key} is not supported")

        def of(part: str) -> Any:
            return call.run(
                handler, {key: _part(value, part) if key in data else value for key, value in given.items()}
            )

        return _joined(of("real"), of("imag"))

    complex_rule(compute, *names)


def multilinear(*names: str, added: str = "bias") -> None:
    """Registers products of tensors, to which the argument ``added`` is added."""

    def compute(call: AtenCall, handler: Handler, given: Mapping[str, Any]) -> Any:
        factors = [key for key, value in given.items() if key != added and _is_complex(value)]
        count = sum(isinstance(item, Complex) for key in factors for item in _listed(given[key]))
        if not 1 <= count <= MAX_FACTORS:
            call.refuse(f"a product of {count} complex tensors is not supported")
        sums: dict[str, Symbol] = {}
        for choice in itertools.product((0, 1), repeat=count):
            power = sum(choice)
            part = "imag" if power % 2 else "real"
            chosen = iter(choice)
            arguments = {key: _chosen(value, chosen) if key in factors else value for key, value in given.items()}
            if added in given:
                arguments[added] = None if part in sums else _part(given[added], part)
            term = call.run(handler, arguments)
            if part not in sums:
                sums[part] = term
            else:
                sums[part] = (ops.subtract if power % 4 >= 2 else ops.add)(sums[part], term)
        return Complex(sums["real"], sums["imag"])

    complex_rule(compute, *names)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_complex(value: Any) -> bool:
    return any(isinstance(item, Complex) for item in _listed(value))


def _chosen(value: Any, choice: Any) -> Any:
    """An argument with the part of each complex tensor that ``choice`` tells: 1 for the imaginary one."""
    if isinstance(value, list):
        return [_chosen(item, choice) for item in value]
    if not isinstance(value, Complex):
        return value
    return value.imag if next(choice) else value.real


by_parts(
    "view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "transpose", "permute", "t", "mT", "movedim",
    "moveaxis", "swapaxes", "swapdims", "slice", "narrow", "select", "expand", "expand_as", "broadcast_to", "repeat",
    "tile", "repeat_interleave", "contiguous", "clone", "alias", "cat", "concat", "stack", "hstack", "vstack", "neg",
    "flip", "roll", "sum", "mean", "cumsum", "gather", "index_select", "index", "take", "split", "split_with_sizes",
    "chunk", "unbind", "detach", "diagonal", "diag", "diag_embed", "tril", "triu", "unfold", "pad", "constant_pad_nd",
    "masked_fill", "fill", "slice_scatter", "select_scatter", "scatter_add", "index_add", "index_copy",
    "index_put", "view_as", "reshape_as", "lift_fresh", "lift_fresh_copy", "_unsafe_view", "_reshape_alias",
    "resolve_conj", "resolve_neg", "fft_fftshift", "fft_ifftshift", "positive",
)  # fmt: skip
by_parts("where", data=("self", "other"))
by_parts("dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout", data=("input",))
multilinear(
    "matmul", "mm", "bmm", "mv", "dot", "outer", "ger", "inner", "einsum", "tensordot", "kron", "linear", "bilinear"
)
multilinear("conv1d", "conv2d", "conv3d", "convolution", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")


# -- parts -------------------------------------------------------------------------------------------------------------


@aten("real")
def real(call: AtenCall, x: Any) -> Symbol:
    """The real part."""
    return x.real if isinstance(x, Complex) else call.symbol(x)


@aten("imag")
def imag(call: AtenCall, x: Any) -> Symbol:
    """The imaginary part."""
    return as_complex(call, x).imag


@aten("view_as_real", "view_as_real_copy")
def view_as_real(call: AtenCall, x: Any) -> Symbol:
    """Real and imaginary part along a new last axis."""
    given = as_complex(call, x)
    return ops.stack([given.real, given.imag], -1)


@aten("view_as_complex", "view_as_complex_copy")
def view_as_complex(call: AtenCall, x: Symbol) -> Complex:
    """A complex tensor from real and imaginary parts along the last axis."""
    first, second = ops.unstack(x, axis=-1)
    return Complex(first, second)


@aten("complex")
def complex_(call: AtenCall, real: Symbol, imag: Symbol) -> Complex:
    """A complex tensor from its real and imaginary part."""
    return Complex(real, imag)


@aten("polar")
def polar(call: AtenCall, abs: Symbol, angle: Symbol) -> Complex:
    """A complex tensor from its magnitude and angle."""
    return Complex(ops.multiply(abs, ops.cos(angle)), ops.multiply(abs, ops.sin(angle)))


@aten("conj", "_conj", "conj_physical")
def conjugate(call: AtenCall, x: Any) -> Any:
    """The complex conjugate."""
    return Complex(x.real, ops.negative(x.imag)) if isinstance(x, Complex) else x


@aten("angle")
def angle(call: AtenCall, x: Any) -> Symbol:
    """The angle in the complex plane."""
    given = as_complex(call, x)
    return ops.arctan2(given.imag, given.real)


# -- types and filling -------------------------------------------------------------------------------------------------


@of_complex("to", "_to_copy", "type_as")
def to(call: AtenCall, x: Any, dtype: Any = None, other: Any = None) -> Any:
    """``x`` as another element type; the imaginary part is lost if that is real."""
    wanted = dtype if other is None else dtype_of(other)
    given = as_complex(call, x)
    if wanted is None:
        return given
    if wanted not in PART_TYPES:
        return call.cast(given.real, wanted)
    return Complex(call.cast(given.real, PART_TYPES[wanted]), call.cast(given.imag, PART_TYPES[wanted]))


@of_complex("copy")
def copy(call: AtenCall, x: Any, src: Any) -> Any:
    """``src`` in the shape and type of ``x``."""
    value = to(call, src, dtype_of(x))
    shape = shape_of(x)
    return Complex(
        *(part if part.shape == shape else call.add(Expand(shape=shape), part) for part in (value.real, value.imag))
    )


@of_complex("adjoint", "mH")
def adjoint(call: AtenCall, x: Complex) -> Complex:
    """The conjugate with the last two axes swapped."""
    real, imag = (ops.swapaxes(part, part.rank - 2, part.rank - 1) for part in (x.real, x.imag))
    return Complex(real, ops.negative(imag))


@of_complex("zeros_like", "empty_like", "new_zeros", "new_empty", "zero")
def zeros_of(call: AtenCall, x: Any, size: Any = None, dtype: Any = None) -> Any:
    """0 in a shape, or in that of a tensor."""
    return filled(call, x.real.shape if size is None else size, 0, dtype or dtype_of(x))


@of_complex("ones_like", "new_ones")
def ones_of(call: AtenCall, x: Any, size: Any = None, dtype: Any = None) -> Any:
    """1 in a shape, or in that of a tensor."""
    return filled(call, x.real.shape if size is None else size, 1, dtype or dtype_of(x))


@of_complex("full")
def full(call: AtenCall, size: Any, fill_value: Complex, dtype: Any) -> Complex:
    """A complex number in a shape."""
    parts = (call.cast(part, PART_TYPES[dtype or "complex64"]) for part in (fill_value.real, fill_value.imag))
    return Complex(*(call.add(Expand(shape=tuple(size)), part) for part in parts))


# -- arithmetic --------------------------------------------------------------------------------------------------------


@of_complex("add")
def add(call: AtenCall, x: Any, other: Any, alpha: Any) -> Complex:
    """``x + alpha * other``."""
    a, b = as_complex(call, x, other), as_complex(call, other, x)
    b = b if alpha == 1 else Complex(ops.multiply(b.real, float(alpha)), ops.multiply(b.imag, float(alpha)))
    return Complex(ops.add(a.real, b.real), ops.add(a.imag, b.imag))


@of_complex("sub")
def sub(call: AtenCall, x: Any, other: Any, alpha: Any) -> Complex:
    """``x - alpha * other``."""
    return add(call, x, other, -alpha)


@of_complex("rsub")
def rsub(call: AtenCall, x: Any, other: Any, alpha: Any) -> Complex:
    """``other - alpha * x``."""
    return sub(call, other, x, alpha)


@of_complex("mul")
def mul(call: AtenCall, x: Any, other: Any) -> Complex:
    """``x * other``."""
    if not isinstance(x, Complex) or not isinstance(other, Complex):
        given, factor = (x, other) if isinstance(x, Complex) else (other, x)
        return Complex(ops.multiply(given.real, factor), ops.multiply(given.imag, factor))
    real = ops.subtract(ops.multiply(x.real, other.real), ops.multiply(x.imag, other.imag))
    return Complex(real, ops.add(ops.multiply(x.real, other.imag), ops.multiply(x.imag, other.real)))


@of_complex("div")
def div(call: AtenCall, x: Any, other: Any) -> Complex:
    """``x / other``, by R. L. Smith's algorithm, which squares no number and so does not overflow."""
    if not isinstance(other, Complex):
        return Complex(ops.divide(x.real, other), ops.divide(x.imag, other))
    given = as_complex(call, x, other)
    swapped = ops.less(ops.absolute(other.real), ops.absolute(other.imag))
    large, small = ops.where(swapped, other.imag, other.real), ops.where(swapped, other.real, other.imag)
    ratio = ops.where(ops.equal(large, 0), 0, ops.divide(small, large))
    size = ops.add(large, ops.multiply(small, ratio))
    a, b = ops.where(swapped, given.imag, given.real), ops.where(swapped, given.real, given.imag)
    real = ops.divide(ops.add(a, ops.multiply(b, ratio)), size)
    imag = ops.divide(ops.subtract(b, ops.multiply(a, ratio)), size)
    return Complex(real, ops.where(swapped, ops.negative(imag), imag))


@of_complex("reciprocal")
def reciprocal(call: AtenCall, x: Complex) -> Complex:
    """``1 / x``."""
    return div(call, 1.0, x)


@of_complex("square")
def square(call: AtenCall, x: Complex) -> Complex:
    """``x * x``."""
    return mul(call, x, x)


@of_complex("abs")
def absolute(call: AtenCall, x: Complex) -> Symbol:
    """The magnitude."""
    return ops.hypot(x.real, x.imag)
