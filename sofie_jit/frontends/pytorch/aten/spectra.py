"""Fourier transforms of real input, and complex tensors, which are pairs of their real and imaginary part."""

from __future__ import annotations

import math
from typing import Any

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten, by_parts, of_complex
from sofie_jit.frontends.pytorch.values import Complex
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import normalize_axis, static_dim


def _complex(call: AtenCall, x: Any) -> Complex:
    if isinstance(x, Complex):
        return x
    real = call.floating(call.symbol(x))
    return Complex(real, ops.zeros_like(real))


def _normalized(x: Symbol, norm: str | None, size: int, inverse: bool) -> Symbol:
    """``x``, which was not normalized (or by ``1 / size`` if ``inverse``), with the factor of ``norm``."""
    if norm == "ortho":
        return ops.multiply(x, math.sqrt(size) if inverse else 1 / math.sqrt(size))
    if norm == "forward":
        return ops.multiply(x, float(size) if inverse else 1 / size)
    return x


def _last(x: Symbol, axis: int) -> Symbol:
    return ops.moveaxis(x, axis, -1)


@aten("fft_rfft")
def rfft(call: AtenCall, x: Symbol, n: int | None, dim: int, norm: str | None) -> Complex:
    """The Fourier transform of a real tensor along an axis."""
    axis = normalize_axis("rfft", dim, x.rank)
    x = call.floating(x)
    size = n or static_dim("rfft", x.shape, axis)
    parts = ops.rfft(_last(x, axis), size)
    real, imag = (ops.moveaxis(_normalized(part, norm, size, inverse=False), -1, axis) for part in parts)
    return Complex(real, ops.add(imag, 0.0))  # without negative zeros, which would give other angles


@aten("fft_irfft")
def irfft(call: AtenCall, x: Any, n: int | None, dim: int, norm: str | None) -> Symbol:
    """The real tensor with a given Fourier transform along an axis."""
    given = _complex(call, x)
    axis = normalize_axis("irfft", dim, given.rank)
    size = n or 2 * (static_dim("irfft", given.real.shape, axis) - 1)
    y = ops.irfft((_last(given.real, axis), _last(given.imag, axis)), size)
    return ops.moveaxis(_normalized(y, norm, size, inverse=True), -1, axis)


def _transform(call: AtenCall, x: Any, n: int | None, dim: int, norm: str | None, inverse: bool) -> Complex:
    given = _complex(call, x)
    axis = normalize_axis("fft", dim, given.rank)
    size = static_dim("fft", given.real.shape, axis)
    if n not in (None, size):
        call.refuse(f"n={n} for an axis of size {size} is not supported")
    moved = _last(given.real, axis), _last(given.imag, axis)
    if inverse:  # the transform of the conjugate, conjugated
        real, imag = ops.fft((moved[0], ops.negative(moved[1])))
        parts = ops.divide(real, float(size)), ops.divide(ops.negative(imag), float(size))
    else:
        parts = ops.fft(moved)
    first, second = (ops.moveaxis(_normalized(part, norm, size, inverse), -1, axis) for part in parts)
    return Complex(first, second)


@aten("fft_fft")
def fft(call: AtenCall, x: Any, n: int | None, dim: int, norm: str | None) -> Complex:
    """The Fourier transform along an axis."""
    return _transform(call, x, n, dim, norm, inverse=False)


@aten("fft_ifft")
def ifft(call: AtenCall, x: Any, n: int | None, dim: int, norm: str | None) -> Complex:
    """The inverse Fourier transform along an axis."""
    return _transform(call, x, n, dim, norm, inverse=True)


@aten("real")
def real(call: AtenCall, x: Any) -> Symbol:
    """The real part."""
    return x.real if isinstance(x, Complex) else call.symbol(x)


@aten("imag")
def imag(call: AtenCall, x: Any) -> Symbol:
    """The imaginary part."""
    return _complex(call, x).imag


@aten("view_as_real", "view_as_real_copy")
def view_as_real(call: AtenCall, x: Any) -> Symbol:
    """Real and imaginary part along a new last axis."""
    given = _complex(call, x)
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


@aten("conj", "_conj", "conj_physical")
def conjugate(call: AtenCall, x: Any) -> Any:
    """The complex conjugate."""
    return Complex(x.real, ops.negative(x.imag)) if isinstance(x, Complex) else x


@aten("angle")
def angle(call: AtenCall, x: Any) -> Symbol:
    """The angle in the complex plane."""
    given = _complex(call, x)
    return ops.arctan2(given.imag, given.real)


# -- arithmetic of complex tensors -------------------------------------------------------------------------------------

by_parts(
    "view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "transpose", "permute", "t", "mT", "movedim",
    "slice", "narrow", "select", "expand", "contiguous", "clone", "cat", "stack", "neg", "flip", "roll", "sum", "mean",
    "gather", "index_select", "split", "chunk", "detach",
)  # fmt: skip


@of_complex("add")
def add(call: AtenCall, x: Any, other: Any, alpha: Any) -> Complex:
    """``x + alpha * other``."""
    a, b = _complex(call, x), _complex(call, other)
    b = b if alpha == 1 else Complex(ops.multiply(b.real, float(alpha)), ops.multiply(b.imag, float(alpha)))
    return Complex(ops.add(a.real, b.real), ops.add(a.imag, b.imag))


@of_complex("sub")
def sub(call: AtenCall, x: Any, other: Any, alpha: Any) -> Complex:
    """``x - alpha * other``."""
    return add(call, x, other, -alpha)


@of_complex("mul")
def mul(call: AtenCall, x: Any, other: Any) -> Complex:
    """``x * other``."""
    if not isinstance(x, Complex) or not isinstance(other, Complex):
        given, factor = (x, other) if isinstance(x, Complex) else (other, x)
        return Complex(ops.multiply(given.real, factor), ops.multiply(given.imag, factor))
    real = ops.subtract(ops.multiply(x.real, other.real), ops.multiply(x.imag, other.imag))
    return Complex(real, ops.add(ops.multiply(x.real, other.imag), ops.multiply(x.imag, other.real)))


@of_complex("div")
def div(call: AtenCall, x: Any, other: Any, rounding_mode: Any = None) -> Complex:
    """``x / other`` for a real divisor."""
    if isinstance(other, Complex):
        call.refuse("division by complex numbers is not supported")
    return Complex(ops.divide(x.real, other), ops.divide(x.imag, other))


@of_complex("abs")
def absolute(call: AtenCall, x: Complex) -> Symbol:
    """The magnitude."""
    return ops.hypot(x.real, x.imag)
