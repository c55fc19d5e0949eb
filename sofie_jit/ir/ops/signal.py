"""Fourier transforms, as products with their bases: in float64, which costs twice and is exact to float32."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.operator import check_table, product
from sofie_jit.ir.operators.operator import static_dim as static
from sofie_jit.ir.ops.core import apply, cast, floating
from sofie_jit.ir.ops.products import matmul
from sofie_jit.ir.ops.shapes import concatenate, pad, reshape, slice_along, split, swapaxes

Complex = tuple[Symbol, Symbol]
"""Real and imaginary part."""


def _basis(rows: int, columns: int, size: int, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and negative sines of ``2 pi (first + row) column / size``, in float64."""
    check_table("a Fourier transform", rows, columns - 1)
    turns = np.outer(np.arange(first, first + rows), np.arange(columns)) % size  # exact, unlike a large angle
    angles = 2 * math.pi / size * turns
    return np.cos(angles), -np.sin(angles)


def _resized(x: Symbol, size: int) -> Symbol:
    """``x`` cut, or filled up with 0, to ``size`` along the last axis."""
    n = static("a Fourier transform", x.shape, -1)
    if n > size:
        return slice_along(x, -1, 0, size)
    return pad(x, [(0, 0)] * (x.rank - 1) + [(0, size - n)]) if n < size else x


def rfft(x: Symbol, fft_length: int | None = None) -> Complex:
    """The Fourier transform of real numbers along the last axis: the first half of the frequencies."""
    dtype, size = floating(x), fft_length or static("rfft", x.shape, -1)
    bins = size // 2 + 1
    y = matmul(cast(_resized(x, size), "float64"), np.concatenate(_basis(size, bins, size), axis=1))
    real, imaginary = split(cast(y, dtype), [bins], -1)
    return real, imaginary


def irfft(x: Complex, fft_length: int | None = None) -> Symbol:
    """Real numbers from the first half of their frequencies."""
    real, imaginary = x
    dtype, size = floating(real), fft_length or 2 * (static("irfft", real.shape, -1) - 1)
    bins = size // 2 + 1
    cosines, sines = _basis(bins, size, size)
    twice = np.where((np.arange(bins) == 0) | (2 * np.arange(bins) == size), 1, 2)[:, np.newaxis] / size
    parts = [cast(_resized(part, bins), "float64") for part in (real, imaginary)]
    return cast(matmul(concatenate(parts, -1), np.concatenate([cosines * twice, sines * twice])), dtype)


def fft(x: Complex) -> Complex:
    """The Fourier transform of complex numbers along the last axis."""
    return _transform(x, -1, inverse=False)


def fft2(x: Complex) -> Complex:
    """The Fourier transform along the last two axes."""
    return _transform(_transform(x, -1, inverse=False), -2, inverse=False)


def ifft2(x: Complex) -> Complex:
    """The inverse of :func:`fft2`."""
    return _transform(_transform(x, -1, inverse=True), -2, inverse=True)


def _transform(x: Complex, axis: int, inverse: bool) -> Complex:
    real, imaginary = (swapaxes(part, axis, -1) if axis != -1 else part for part in x)
    dtype, size = floating(real), static("fft", real.shape, -1)
    cosines, sines = _basis(size, size, size)
    if inverse:
        cosines, sines = cosines / size, -sines / size
    basis = np.block([[cosines, sines], [-sines, cosines]])
    y = matmul(cast(concatenate([real, imaginary], -1), "float64"), basis)
    first, second = (swapaxes(part, axis, -1) if axis != -1 else part for part in split(cast(y, dtype), 2, -1))
    return first, second


def stft(
    x: Symbol, sequence_length: int, sequence_stride: int, fft_length: int, window: Any = "hann", center: bool = True
) -> Complex:
    """The Fourier transforms of the overlapping parts of ``x`` along the last axis: (..., parts, frequencies).

    ``window`` is "hann", "hamming", an array of ``sequence_length`` numbers, or None. With ``center`` the signal is
    mirrored at both ends, so that part n is centred at place n * ``sequence_stride``.
    """
    dtype = floating(x)
    if fft_length < sequence_length:
        raise ShapeError(f"stft: fft_length={fft_length} must be at least sequence_length={sequence_length}")
    check_table("stft", fft_length)
    if center:
        x = pad(x, [(0, 0)] * (x.rank - 1) + [(fft_length // 2, fft_length // 2)], mode="reflect")
    weights = np.ones(fft_length) if window is None else _window(window, sequence_length)
    skipped = (fft_length - len(weights)) // 2  # the window lies in the middle of a part
    parts = 1 + (static("stft", x.shape, -1) - fft_length) // sequence_stride
    if parts < 1:
        raise ShapeError(f"stft: a signal of shape {x.shape} is shorter than fft_length={fft_length}")
    used = slice_along(x, -1, skipped, skipped + (parts - 1) * sequence_stride + len(weights))
    bins = fft_length // 2 + 1
    basis = np.concatenate(_basis(len(weights), bins, fft_length, skipped), axis=1) * weights[:, np.newaxis]
    rows = reshape(cast(used, "float64"), (product(*x.shape[:-1]), used.shape[-1], 1))
    kernel = x.builder.constant(basis[:, np.newaxis])
    frames = apply(Conv(strides=[sequence_stride], layout="NHWC", kernel_layout="HWIO"), rows, kernel)
    real, imaginary = split(cast(reshape(frames, (*x.shape[:-1], parts, 2 * bins)), dtype), [bins], -1)
    return real, imaginary


def _window(window: Any, size: int) -> np.ndarray:
    if not isinstance(window, str):
        values = np.asarray(window, np.float64)
        if values.shape != (size,):
            raise ShapeError(f"stft: a window of shape {values.shape} must have sequence_length={size} numbers")
        return values
    if window not in ("hann", "hamming"):
        raise DtypeError(f"stft: window must be 'hann', 'hamming' or numbers, got {window!r}")
    constant = 0.5 if window == "hann" else 0.54
    return np.asarray(constant - (1 - constant) * np.cos(2 * math.pi / size * np.arange(size)))
