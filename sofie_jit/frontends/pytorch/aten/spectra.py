"""Fourier transforms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from sofie_jit.frontends.pytorch.aten.complex_numbers import as_complex, by_parts
from sofie_jit.frontends.pytorch.aten.creation import filled
from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.frontends.pytorch.aten.slices import sliced
from sofie_jit.frontends.pytorch.values import Complex
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, normalize_axis
from sofie_jit.ir.operators.conv_transpose import ConvTranspose
from sofie_jit.ir.ops.signal import with_length
from sofie_jit.ir.size_arrays import SizeArrays
from sofie_jit.ir.types import check_table


def _normalized(x: Symbol, norm: str | None, size: Dim, inverse: bool) -> Symbol:
    """``x``, which was not normalized (or by ``1 / size`` if ``inverse``), with the factor of ``norm``."""
    if norm not in ("ortho", "forward"):
        return x
    a = SizeArrays(x.builder, size)
    number = a.number(size, "float64")
    factor = a.sqrt(number) if norm == "ortho" else number
    return ops.multiply(x, a.cast(factor if inverse else 1 / factor, x.dtype))


def _last(x: Symbol, axis: int) -> Symbol:
    return ops.moveaxis(x, axis, -1)


@aten("fft_rfft")
def rfft(call: AtenCall, x: Symbol, n: int | None, dim: int, norm: str | None) -> Complex:
    """The Fourier transform of a real tensor along an axis."""
    axis = normalize_axis("rfft", dim, x.rank)
    x = call.floating(x)
    size = n or x.shape[axis]
    parts = ops.rfft(_last(x, axis), size)
    real, imag = (ops.moveaxis(_normalized(part, norm, size, inverse=False), -1, axis) for part in parts)
    return Complex(real, ops.add(imag, 0.0))  # without negative zeros, which would give other angles


@aten("fft_irfft")
def irfft(call: AtenCall, x: Any, n: int | None, dim: int, norm: str | None) -> Symbol:
    """The real tensor with a given Fourier transform along an axis."""
    given = as_complex(call, x)
    axis = normalize_axis("irfft", dim, given.rank)
    size = n or 2 * (given.real.shape[axis] - 1)
    y = ops.irfft((_last(given.real, axis), _last(given.imag, axis)), size)
    return ops.moveaxis(_normalized(y, norm, size, inverse=True), -1, axis)


def _transform(call: AtenCall, x: Any, n: int | None, dim: int, norm: str | None, inverse: bool) -> Complex:
    given = as_complex(call, x)
    axis = normalize_axis("fft", dim, given.rank)
    size = n or given.real.shape[axis]
    moved = with_length(_last(given.real, axis), size), with_length(_last(given.imag, axis), size)
    if inverse:  # the transform of the conjugate, conjugated
        real, imag = ops.fft((moved[0], ops.negative(moved[1])))
        number = SizeArrays(real.builder, size).number(size, real.dtype)
        parts = ops.divide(real, number), ops.divide(ops.negative(imag), number)
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
    given = as_complex(call, x)
    *others, (last, count) = _along(call, given, s, dim, given.rank)
    for axis, size in others:
        given = ifft(call, given, size, axis, norm)
    return irfft(call, given, count, last, norm)


def _shifted(name: str, share: Callable[[Dim], Dim]) -> None:
    @aten(name)
    def compute(call: AtenCall, x: Symbol, dim: list[int] | None) -> Symbol:
        axes = [normalize_axis(name, axis, x.rank) for axis in (range(x.rank) if dim is None else dim)]
        return ops.roll(x, [share(x.shape[axis]) for axis in axes], axes)


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


@aten("istft")
def istft(
    call: AtenCall, x: Any, n_fft: int, hop_length: int | None, win_length: int | None, window: Symbol | None,
    center: bool, normalized: bool, onesided: bool | None, length: int | None,
) -> Symbol:  # fmt: skip
    """The signal with given Fourier transforms of frames: their inverses times the window, added up, and divided by the
    sum of the squared windows.
    """
    given = as_complex(call, x)
    real, imag = (part if part.rank == 3 else ops.expand_dims(part, 0) for part in (given.real, given.imag))
    size, hop = win_length or n_fft, hop_length or n_fft // 4
    weights = np.ones(size) if window is None else call.known(window, "window").astype("float64")
    left = (n_fft - size) // 2
    weights = np.pad(weights, (left, n_fft - size - left))
    bins = n_fft if onesided is False else n_fft // 2 + 1
    check_table("istft", 2 * bins, n_fft)
    parts = ops.cast(ops.concatenate([real, imag], 1), "float64")
    basis = _inverse_basis(n_fft, bins) * (weights * (math.sqrt(n_fft) if normalized else 1.0))
    y = call.add(ConvTranspose(strides=[hop]), parts, call.constant(basis[:, np.newaxis], "basis"))
    ones = filled(call, (1, 1, real.shape[-1]), 1.0, "float64")
    envelope = call.add(
        ConvTranspose(strides=[hop]), ones, call.constant((weights**2)[np.newaxis, np.newaxis], "window")
    )
    start = n_fft // 2 if center else 0
    end = y.shape[-1] - start if length is None else start + length
    kept = [sliced(call, part, 2, start, end) for part in (y, envelope)]
    signal = ops.cast(ops.reshape(ops.divide(*kept), (real.shape[0], kept[0].shape[-1])), real.dtype)
    missing = 0 if length is None else length - signal.shape[-1]
    if isinstance(missing, int) and missing > 0:
        signal = ops.pad(signal, [(0, 0), (0, missing)])
    return signal if given.rank == 3 else ops.squeeze(signal, 0)


def _inverse_basis(size: int, bins: int) -> np.ndarray:
    """The signal of each real and each imaginary part of a Fourier transform; pairs of conjugate parts count twice."""
    angle = 2 * np.pi * (np.outer(np.arange(bins), np.arange(size)) % size) / size
    factor = np.full((bins, 1), 1 / size)
    if bins < size:
        factor[1 : (size + 1) // 2] *= 2
    sines = np.sin(angle)
    sines[[0, *([size // 2] if size % 2 == 0 else [])]] = 0.0
    return np.concatenate([factor * np.cos(angle), -factor * sines])
