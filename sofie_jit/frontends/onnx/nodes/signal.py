"""Fourier transforms and windows."""

from __future__ import annotations

import math

import numpy as np

from sofie_jit.frontends.onnx.nodes.registry import OnnxCall, node
from sofie_jit.frontends.onnx.tensors import element_type
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import normalize_axis, static_dim
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
    found = static_dim("DFT", rows.shape, -2)
    size = (2 * (found - 1) if inverse and onesided else found) if length is None else int(length.item())
    if size < 1:
        call.refuse(f"dft_length is {size}; expected a positive number")
    if inverse and onesided:
        found = size // 2 + 1
        result = _product(_cut(rows, found), _inverse_real(found, size, parts))
    else:
        bins = size // 2 + 1 if onesided else size
        result = _product(_cut(rows, size), _basis(size, bins, parts, inverse))
    return ops.moveaxis(result, -2, axis)


def _cut(x: Symbol, size: int) -> Symbol:
    """``x`` cut or padded with zeros to ``size`` along the last axis but one."""
    found = static_dim("DFT", x.shape, -2)
    if found > size:
        return ops.slice_along(x, -2, 0, size)
    return ops.pad(x, [(0, 0)] * (x.rank - 2) + [(0, size - found), (0, 0)]) if found < size else x


def _angles(rows: int, columns: int, size: int) -> np.ndarray:
    check_table("a Fourier transform", 4 * rows, columns)
    steps = np.outer(np.arange(rows), np.arange(columns)) % size  # exact, unlike a large angle
    return 2 * math.pi / size * steps


def _basis(size: int, bins: int, parts: int, inverse: bool) -> np.ndarray:
    """(size, parts, bins, 2): what each real or imaginary part adds to each part of a frequency."""
    angles = _angles(size, bins, size)
    cosines, sines = np.cos(angles), np.sin(angles) if inverse else -np.sin(angles)
    basis = np.stack([np.stack([cosines, sines], -1), np.stack([-sines, cosines], -1)][:parts], 1)
    return basis / size if inverse else basis


def _inverse_real(bins: int, size: int, parts: int) -> np.ndarray:
    """(bins, parts, size, 1): what the first frequencies of a real signal add to it."""
    angles = _angles(bins, size, size)
    twice = np.where((np.arange(bins) == 0) | (2 * np.arange(bins) == size), 1, 2)[:, np.newaxis] / size
    return np.stack([np.cos(angles) * twice, -np.sin(angles) * twice][:parts], 1)[..., np.newaxis]


def _product(x: Symbol, basis: np.ndarray) -> Symbol:
    """``x`` (..., n, parts) times a basis (n, parts, m, parts), computed in float64."""
    n, parts, m, results = basis.shape
    rows = ops.reshape(ops.cast(x, "float64"), (*x.shape[:-2], n * parts))
    product = ops.matmul(rows, basis.reshape(n * parts, m * results))
    return ops.reshape(ops.cast(product, x.dtype), (*x.shape[:-2], m, results))


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
    total = static_dim("STFT", x.shape, 1)
    count = (total - size) // step + 1 if step > 0 else 0
    if size < 1 or count < 1 or (onesided and parts != 1):
        call.refuse(f"frames of {size} numbers every {step} do not fit a signal of shape {signal.shape}")
    check_table("STFT", count, size)
    frames = ops.take(x, np.arange(count)[:, np.newaxis] * step + np.arange(size), 1)
    if window is not None:
        missing = size - static_dim("STFT", window.shape, 0)
        window = ops.pad(window, [(missing // 2, missing - missing // 2)]) if missing > 0 else window
        frames = ops.multiply(frames, ops.reshape(window, (size, 1)))
    return _product(frames, _basis(size, size // 2 + 1 if onesided else size, parts, inverse=False))


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
