"""Fourier transforms of real input, and complex tensors, which are pairs of their real and imaginary part."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten, by_parts, of_complex
from sofie_jit.frontends.pytorch.values import Complex
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import normalize_axis, static_dim
from sofie_jit.ir.types import check_table


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


def _along(call: AtenCall, x: Any, s: list[int] | None, dim: list[int] | None, rank: int) -> list[tuple[int, Any]]:
    """The axis and the number of elements, None for all, of each transform; ``rank`` axes by default."""
    count = len(dim) if dim else len(s) if s else rank
    axes = dim or list(range(-count, 0))
    return [(axis, s[number] if s else None) for number, axis in enumerate(axes)]


def _several(names: tuple[str, ...], transform: Callable[..., Any]) -> None:
    """Registers transforms along several axes."""

    @aten(*names)
    def compute(call: AtenCall, x: Any, s: list[int] | None, dim: list[int] | None, norm: str | None) -> Any:
        for axis, size in _along(call, x, s, dim, x.rank if isinstance(x, (Complex, Symbol)) else 0):
            x = transform(call, x, size, axis, norm)
        return x


_several(("fft_fft2", "fft_fftn"), fft)
_several(("fft_ifft2", "fft_ifftn"), ifft)


@aten("fft_rfft2", "fft_rfftn")
def rfftn(call: AtenCall, x: Symbol, s: list[int] | None, dim: list[int] | None, norm: str | None) -> Complex:
    """The Fourier transform of a real tensor along several axes."""
    *others, (axis, size) = _along(call, x, s, dim, x.rank)
    y = rfft(call, x, size, axis, norm)
    for axis, size in others:
        y = fft(call, y, size, axis, norm)
    return y


@aten("fft_irfft2", "fft_irfftn")
def irfftn(call: AtenCall, x: Any, s: list[int] | None, dim: list[int] | None, norm: str | None) -> Symbol:
    """The real tensor with a given Fourier transform along several axes."""
    given = _complex(call, x)
    *others, (last, count) = _along(call, given, s, dim, given.rank)
    for axis, size in others:
        given = ifft(call, given, size, axis, norm)
    return irfft(call, given, count, last, norm)


def _shifted(name: str, share: Callable[[int], int]) -> None:
    @aten(name)
    def compute(call: AtenCall, x: Symbol, dim: list[int] | None) -> Symbol:
        axes = [normalize_axis(name, axis, x.rank) for axis in (range(x.rank) if dim is None else dim)]
        return ops.roll(x, [share(static_dim(name, x.shape, axis)) for axis in axes], axes)


_shifted("fft_fftshift", lambda size: size // 2)
_shifted("fft_ifftshift", lambda size: -(size // 2))
by_parts("fft_fftshift", "fft_ifftshift")


@aten("fft_fftfreq")
def fftfreq(call: AtenCall, n: int, d: float, dtype: Any) -> Symbol:
    """The frequencies of a Fourier transform."""
    check_table("fftfreq", n)
    return call.symbol(np.fft.fftfreq(n, d).astype(dtype or "float32"), "frequencies")


@aten("fft_rfftfreq")
def rfftfreq(call: AtenCall, n: int, d: float, dtype: Any) -> Symbol:
    """The frequencies of a Fourier transform of real numbers."""
    check_table("rfftfreq", n)
    return call.symbol(np.fft.rfftfreq(n, d).astype(dtype or "float32"), "frequencies")


@aten("stft", "stft.center")
def stft(
    call: AtenCall, x: Symbol, n_fft: int, hop_length: int | None, win_length: int | None, window: Symbol | None,
    normalized: bool, onesided: bool | None, return_complex: bool | None, center: bool = False,
    pad_mode: str = "reflect", align_to_window: Any = None,
) -> Any:  # fmt: skip
    """The Fourier transforms of overlapping frames: (..., frequencies, frames)."""
    if onesided is False or (center and pad_mode not in ("reflect", "constant")):
        call.refuse(f"onesided={onesided}, pad_mode={pad_mode!r} is not supported")
    length = win_length or n_fft
    weights = np.ones(length) if window is None else call.known(window, "window").astype("float64")
    if center:
        border = [(0, 0)] * (x.rank - 1) + [(n_fft // 2, n_fft // 2)]
        x = ops.pad(x, border, mode="reflect" if pad_mode == "reflect" else "constant")
    parts = ops.stft(x, length, hop_length or n_fft // 4, n_fft, weights, center=False)
    scale = 1 / math.sqrt(n_fft) if normalized else 1.0
    real, imag = (ops.multiply(ops.swapaxes(part, part.rank - 2, part.rank - 1), scale) for part in parts)
    return Complex(real, imag) if return_complex else ops.stack([real, imag], -1)


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
    """``x / other``."""
    if isinstance(other, Complex):
        scale = ops.add(ops.square(other.real), ops.square(other.imag))
        inverse = Complex(ops.divide(other.real, scale), ops.divide(ops.negative(other.imag), scale))
        return mul(call, x if isinstance(x, Complex) else call.symbol(x), inverse)
    return Complex(ops.divide(x.real, other), ops.divide(x.imag, other))


@of_complex("abs")
def absolute(call: AtenCall, x: Complex) -> Symbol:
    """The magnitude."""
    return ops.hypot(x.real, x.imag)


@of_complex("exp")
def exponential(call: AtenCall, x: Complex) -> Complex:
    """The exponential function."""
    return polar(call, ops.exp(x.real), x.imag)


@of_complex("matmul", "bmm", "mm")
def product_of_matrices(call: AtenCall, x: Any, other: Any = None, mat2: Any = None) -> Complex:
    """The product of matrices."""
    a, b = _complex(call, x), _complex(call, mat2 if other is None else other)
    real = ops.subtract(ops.matmul(a.real, b.real), ops.matmul(a.imag, b.imag))
    return Complex(real, ops.add(ops.matmul(a.real, b.imag), ops.matmul(a.imag, b.real)))
