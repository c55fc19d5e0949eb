"""Fourier transforms and windows."""

from __future__ import annotations

import math

import numpy as np

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import node
from sofie_jit.frontends.onnx.tensors import element_type
from sofie_jit.frontends.onnx.values import dims_of
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, normalize_axis, product, static_dim
from sofie_jit.ir.ops.signal import fourier_basis, inverse_real_basis, with_length
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.size_arrays import Array, SizeArrays
from sofie_jit.ir.types import check_table

# -- transforms --------------------------------------------------------------------------------------------------------


@node("DFT", since=17)
def dft_by_attribute(call: OnnxCall, x: Symbol, length: np.ndarray | None = None) -> Symbol:
    """The form whose axis is an attribute."""
    return _dft(call, x, length, call.integer("axis", 1))


@node("DFT", since=20)
def dft(call: OnnxCall, x: Symbol, length: np.ndarray | None = None, axis: np.ndarray | None = None) -> Symbol:
    """The Fourier transform along an axis of numbers that are real or pairs in the last axis."""
    return _dft(call, x, length, -2 if axis is None else int(axis.item()))


def _dft(call: OnnxCall, x: Symbol, length: np.ndarray | None, given: int) -> Symbol:
    inverse, onesided = call.flag("inverse"), call.flag("onesided")
    axis, parts = normalize_axis("DFT", given, x.rank), static_dim("DFT", x.shape, -1)
    if axis == x.rank - 1 or parts not in (1, 2):
        call.refuse(f"its input has shape {x.shape} and its axis is {given}; expected 1 or 2 numbers in the last axis")
    rows = ops.moveaxis(x, axis, -2)
    found = rows.shape[-2]
    size = (2 * (found - 1) if inverse and onesided else found) if length is None else dims_of(length)[0]
    if Requirement(1, "<=", size).holds is False:
        call.refuse(f"dft_length is {size}; expected a positive number")
    a = SizeArrays(x.builder, size)
    if inverse and onesided:
        basis = _inverse_real(a, size // 2 + 1, size, parts)
        result = _product(with_length(rows, size // 2 + 1, -2), basis, size, 1)
    else:
        bins = size // 2 + 1 if onesided else size
        result = _product(with_length(rows, size, -2), _basis(a, size, bins, parts, inverse), bins, 2)
    return ops.moveaxis(result, -2, axis)


def _basis(a: SizeArrays, size: Dim, bins: Dim, parts: int, inverse: bool) -> Array:
    """(size * parts, bins * 2): what each real or imaginary part adds to each part of a frequency."""
    cosines, sines = fourier_basis(a, size, bins, size)
    if inverse:
        number = a.number(size, "float64")
        cosines, sines = cosines / number, -sines / number
    of_real, of_imaginary = a.stack([cosines, sines], -1), a.stack([-sines, cosines], -1)
    return a.reshape(a.stack([of_real, of_imaginary][:parts], 1), (product(size, parts), product(bins, 2)))


def _inverse_real(a: SizeArrays, bins: Dim, size: Dim, parts: int) -> Array:
    """(bins * parts, size): what the first frequencies of a real signal add to it."""
    return a.reshape(a.stack(list(inverse_real_basis(a, bins, size))[:parts], 1), (product(bins, parts), size))


def _product(x: Symbol, basis: Array, bins: Dim, results: int) -> Symbol:
    """``x`` (..., n, parts) times a basis (n * parts, bins * results), computed in float64: (..., bins, results)."""
    rows = ops.reshape(ops.cast(x, "float64"), (*x.shape[:-2], product(*x.shape[-2:])))
    return ops.reshape(ops.cast(ops.matmul(rows, basis), x.dtype), (*x.shape[:-2], bins, results))


@node("STFT", since=17)
def stft(
    call: OnnxCall, signal: Symbol, frame_step: np.ndarray, window: Symbol | None = None,
    frame_length: np.ndarray | None = None,
) -> Symbol:  # fmt: skip
    """Fourier transforms of frames of a signal (batch, time, parts): (batch, frames, frequencies, 2)."""
    step, onesided = int(frame_step.item()), call.flag("onesided", True)
    x = ops.expand_dims(signal, 2) if signal.rank == 2 else signal
    parts = static_dim("STFT", x.shape, -1)
    if frame_length is not None:
        size = int(frame_length.item())
    else:
        size = static_dim("STFT", x.shape if window is None else window.shape, 1 if window is None else 0)
    count = (x.shape[1] - size) // step + 1 if step > 0 else 0
    if size < 1 or Requirement(1, "<=", count).holds is False or (onesided and parts != 1):
        call.refuse(f"frames of {size} numbers every {step} do not fit a signal of shape {signal.shape}")
    frames = ops.windows(x, 1, size, step)
    if window is not None:
        missing = size - static_dim("STFT", window.shape, 0)
        window = ops.pad(window, [(missing // 2, missing - missing // 2)]) if missing > 0 else window
        frames = ops.multiply(frames, ops.reshape(window, (size, 1)))
    bins = size // 2 + 1 if onesided else size
    return _product(frames, _basis(SizeArrays(x.builder), size, bins, parts, inverse=False), bins, 2)


# -- windows -----------------------------------------------------------------------------------------------------------

WINDOWS = {"HannWindow": (0.5, 0.5), "HammingWindow": (25 / 46, 21 / 46), "BlackmanWindow": (0.42, 0.5, 0.08)}
"""Coefficients of a sum of cosines with alternating signs."""


@node(*WINDOWS, since=17)
def window(call: OnnxCall, size: np.ndarray) -> np.ndarray:
    """Weights of a frame of ``size`` numbers."""
    count = int(size.item())
    check_table(call.node.op_type, count)
    period = count if call.flag("periodic", True) else count - 1
    angles = 2 * math.pi / max(period, 1) * np.arange(max(count, 0))
    terms = [(-1) ** k * a * np.cos(k * angles) for k, a in enumerate(WINDOWS[call.node.op_type])]
    return np.asarray(np.sum(terms, 0), element_type(call.integer("output_datatype", 1), "its output").dtype)


@node("MelWeightMatrix", since=17)
def mel_weight_matrix(
    call: OnnxCall, num_mel_bins: np.ndarray, dft_length: np.ndarray, sample_rate: np.ndarray,
    lower_edge_hertz: np.ndarray, upper_edge_hertz: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Weights of frequencies in bands of equal width on the mel scale: (frequencies, bands)."""
    bands, size, rate = (int(value.item()) for value in (num_mel_bins, dft_length, sample_rate))
    rows = size // 2 + 1
    check_table("MelWeightMatrix", rows, bands)
    low, high = (2595 * math.log10(1 + value.item() / 700) for value in (lower_edge_hertz, upper_edge_hertz))
    mels = low + (high - low) / (bands + 2) * np.arange(bands + 2)
    edges = ((size + 1) * (700 * (10 ** (mels / 2595) - 1)) // rate).astype(np.int64)
    weights = np.zeros((rows, bands))
    for band, (left, center, right) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        if left == center:
            weights[center, band] = 1
        else:
            weights[left : center + 1, band] = np.arange(center - left + 1) / (center - left)
        if right > center:
            weights[center:right, band] = np.arange(right - center, 0, -1) / (right - center)
    return weights.astype(element_type(call.integer("output_datatype", 1), "its output").dtype)
