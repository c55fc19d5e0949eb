"""Fourier transforms, as matrix products with their bases.

The products are computed in float64, which takes twice the time and makes the results exact in float32. Complex
tensors are pairs of their real and imaginary part.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.dims import Dim, product
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.ops.core import apply, cast, floating
from sofie_jit.ir.ops.matrix_product import matmul
from sofie_jit.ir.ops.shapes import concatenate, cut, pad, reshape, slice_along, split, swapaxes
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.size_arrays import Array, SizeArrays
from sofie_jit.ir.symbol import Symbol
from sofie_jit.ir.types import check_table

Complex = tuple[Symbol, Symbol]
"""Real and imaginary part of a complex tensor."""


def fourier_basis(a: SizeArrays, rows: Dim, columns: Dim, size: Dim, first: int = 0) -> tuple[Array, Array]:
    """Cosines and negative sines of ``2 pi (first + row) column / size``, (rows, columns), in float64."""
    if a.known:
        check_table("a Fourier transform", int(rows), int(columns) - 1)
    whole, twice = a.number(size, "int64"), a.number(2, "int64")
    products = a.expand_dims(a.arange(rows, first), 1) * a.arange(columns)
    steps = a.mod(products, whole)  # exact, unlike a large angle
    angles = 2 * math.pi / a.number(size, "float64") * a.cast(steps, "float64")
    is_real = a.equal(a.mod(twice * steps, whole), 0 * whole)
    return a.cos(angles), a.where(is_real, 0.0, -a.sin(angles))  # exactly real where it should be


def inverse_real_basis(a: SizeArrays, bins: Dim, size: Dim) -> tuple[Array, Array]:
    """What the real and imaginary parts of the first frequencies of a real signal add to it: (bins, size) each."""
    cosines, sines = fourier_basis(a, bins, size, size)
    places, whole = a.arange(bins), a.number(size, "int64")
    single = a.equal(places, 0 * places) | a.equal(places + places, whole)
    twice = a.expand_dims(a.where(single, 1.0, 2.0), 1) / a.number(size, "float64")
    return cosines * twice, sines * twice


def with_length(x: Symbol, size: Dim, axis: int = -1) -> Symbol:
    """``x`` cut, or padded with zeros, to ``size`` along an axis."""
    n = x.shape[axis]
    if n == size:
        return x
    if isinstance(n, int) and isinstance(size, int) and n > size:
        return slice_along(x, axis, 0, size)
    widths: list[tuple[Dim, Dim]] = [(0, 0)] * x.rank
    widths[axis] = 0, size - n
    return pad(x, widths)


def rfft(x: Symbol, fft_length: Dim | None = None) -> Complex:
    """The Fourier transform of a real tensor along the last axis: ``fft_length // 2 + 1`` frequencies.

    ``fft_length`` is by default the size of the axis; ``x`` is cut or padded with zeros to it.

    >>> real, imaginary = ops.rfft(x, 4)
    >>> real.shape
    (batch, 2, 3)
    """
    dtype, size = floating(x), fft_length or x.shape[-1]
    bins, a = size // 2 + 1, SizeArrays(x.builder, size)
    y = matmul(cast(with_length(x, size), "float64"), a.concatenate(fourier_basis(a, size, bins, size), 1))
    real, imaginary = split(cast(y, dtype), [bins], -1)
    return real, imaginary


def irfft(x: Complex, fft_length: Dim | None = None) -> Symbol:
    """The real tensor whose :func:`rfft` is ``x``; ``fft_length`` is by default ``2 * (frequencies - 1)``."""
    real, imaginary = x
    dtype, size = floating(real), fft_length or 2 * (real.shape[-1] - 1)
    bins, a = size // 2 + 1, SizeArrays(real.builder, size)
    parts = [cast(with_length(part, bins), "float64") for part in (real, imaginary)]
    return cast(matmul(concatenate(parts, -1), a.concatenate(inverse_real_basis(a, bins, size), 0)), dtype)


def fft(x: Complex) -> Complex:
    """The Fourier transform of a complex tensor along the last axis."""
    return _transform(x, -1, inverse=False)


def fft2(x: Complex) -> Complex:
    """The Fourier transform of a complex tensor along the last two axes."""
    return _transform(_transform(x, -1, inverse=False), -2, inverse=False)


def ifft2(x: Complex) -> Complex:
    """The inverse Fourier transform along the last two axes; see :func:`fft2`."""
    return _transform(_transform(x, -1, inverse=True), -2, inverse=True)


def _transform(x: Complex, axis: int, inverse: bool) -> Complex:
    real, imaginary = (swapaxes(part, axis, -1) if axis != -1 else part for part in x)
    dtype, size = floating(real), real.shape[-1]
    a = SizeArrays(real.builder, size)
    cosines, sines = fourier_basis(a, size, size, size)
    if inverse:
        number = a.number(size, "float64")
        cosines, sines = cosines / number, -sines / number
    basis = a.concatenate([a.concatenate([cosines, sines], 1), a.concatenate([-sines, cosines], 1)], 0)
    y = matmul(cast(concatenate([real, imaginary], -1), "float64"), basis)
    first, second = (swapaxes(part, axis, -1) if axis != -1 else part for part in split(cast(y, dtype), 2, -1))
    return first, second


def stft(
    x: Symbol, sequence_length: int, sequence_stride: int, fft_length: int, window: Any = "hann", center: bool = True
) -> Complex:
    """The Fourier transforms of overlapping frames of ``x`` along the last axis: (..., frames, frequencies).

    ``window`` is "hann", "hamming", an array of ``sequence_length`` numbers, or None. With ``center`` the signal is
    mirrored at both ends, so that frame n is centered at index n * ``sequence_stride``. Raises ShapeError if the signal
    is shorter than ``fft_length``, or that is less than ``sequence_length``.

    >>> real, imaginary = ops.stft(ops.reshape(x, (-1, 6)), 4, 2, 4, center=False)
    >>> real.shape
    (batch, 2, 3)
    """
    dtype = floating(x)
    if fft_length < sequence_length:
        raise ShapeError(f"stft: fft_length={fft_length} must be at least sequence_length={sequence_length}")
    check_table("stft", fft_length)
    if center:
        x = pad(x, [(0, 0)] * (x.rank - 1) + [(fft_length // 2, fft_length // 2)], mode="reflect")
    weights = np.ones(fft_length) if window is None else _window(window, sequence_length)
    skipped = (fft_length - len(weights)) // 2  # the window is in the middle of a frame
    count = 1 + (x.shape[-1] - fft_length) // sequence_stride
    if Requirement(1, "<=", count).holds is False:
        raise ShapeError(f"stft: a signal of shape {x.shape} is shorter than fft_length={fft_length}")
    end = skipped + (count - 1) * sequence_stride + len(weights)
    used = cut(x, [-1], [(skipped, x.shape[-1] - end)])
    bins = fft_length // 2 + 1
    parts = fourier_basis(SizeArrays(x.builder), len(weights), bins, fft_length, skipped)
    basis = np.concatenate(parts, axis=1) * weights[:, np.newaxis]
    rows = reshape(cast(used, "float64"), (product(*x.shape[:-1]), used.shape[-1], 1))
    kernel = x.builder.constant(basis[:, np.newaxis])
    frames = apply(Conv(strides=[sequence_stride], layout="NHWC", kernel_layout="HWIO"), rows, kernel)
    real, imaginary = split(cast(reshape(frames, (*x.shape[:-1], count, 2 * bins)), dtype), [bins], -1)
    return real, imaginary


def _window(window: Any, size: int) -> np.ndarray:
    if not isinstance(window, str):
        values = np.asarray(window, np.float64)
        if values.shape != (size,):
            raise ShapeError(f"stft: the window has shape {values.shape}, expected ({size},), the sequence_length")
        return values
    if window not in ("hann", "hamming"):
        raise DtypeError(f"stft: window must be 'hann', 'hamming' or an array, got {window!r}")
    constant = 0.5 if window == "hann" else 0.54
    return np.asarray(constant - (1 - constant) * np.cos(2 * math.pi / size * np.arange(size)))
