"""Convolution, pooling, normalization of channels, and resizing: ONNX has channels first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.export.onnx.graph import GraphWriter, to_last
from sofie_jit.export.onnx.nodes.registry import rule
from sofie_jit.ir.dims import Dim, SymbolicDim, static_dims
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.conv_transpose import ConvTranspose
from sofie_jit.ir.operators.geometry import Axis, same_padding
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.pool import GlobalPool, Pool
from sofie_jit.ir.operators.resample import Resample
from sofie_jit.ir.operators.resize import Resize, Upsample


def images(g: GraphWriter, op: Any, x: str) -> str:
    """The images ``x`` with channels first."""
    return g.first(x) if op.layout == "NHWC" else x


def result(g: GraphWriter, op: Any, y: str) -> str:
    """The images ``y``, which have channels first, in the layout of ``op``."""
    return g.last(y, op.outputs[0]) if op.layout == "NHWC" else y


def attributes(op: ROperator, *omitted: str) -> dict[str, Any]:
    """The attributes of ``op`` that ONNX has too."""
    return {k: v for k, v in op.attributes().items() if k not in ("layout", "kernel_layout", *omitted)}


@rule("Conv")
def conv(g: GraphWriter, op: Conv, x: str, w: str, b: str = "") -> str:
    rank = g.types[w].rank
    kernel = g.transpose(w, [rank - 1, rank - 2, *range(rank - 2)]) if op.kernel_layout == "HWIO" else w
    if g.dtype(x) == "float64" and rank == 3 and op.group == 1 and not open_sizes(g.shape(x)[1:]):
        return result(g, op, conv_of_rows(g, op, x, images(g, op, x), kernel, b))
    given = attributes(op)
    if op.auto_pad.startswith("SAME") and op.dilations:  # runtimes accept one or the other
        given |= same_pads(op, g.shape(images(g, op, x))[2:], g.shape(kernel)[2:])
    return result(g, op, g("Conv", images(g, op, x), kernel, b, **given))


def conv_of_rows(g: GraphWriter, op: Conv, x: str, first: str, kernel: str, b: str) -> str:
    """A convolution along one axis as a product: ONNX Runtime has none in float64, in which spectrograms are."""
    (axis,) = op.axes(g.types[x], g.types[op.inputs[1]])
    before, after = static_dims("Conv", (axis.before, axis.after))
    positions = np.stack([axis.positions(tap) for tap in range(axis.kernel)], 1) + before
    padded = g("Pad", first, g.integers([0, 0, before, 0, 0, after]))
    windows = g("Gather", padded, g.constant(positions), axis=2)  # (N, C, outputs, kernel)
    batch, channels, _ = g.shape(first)
    rows = g.reshape(g.transpose(windows, [0, 2, 1, 3]), (batch, axis.out, channels * axis.kernel))
    outputs = g.shape(kernel)[0]
    weights = g.transpose(g.reshape(kernel, (outputs, channels * axis.kernel)), [1, 0])
    product = g("MatMul", rows, weights)
    return g.transpose(g("Add", product, b) if b else product, [0, 2, 1])


def open_sizes(shape: Sequence[Dim]) -> bool:
    """Whether a size is known only at run time."""
    return any(isinstance(dim, SymbolicDim) for dim in shape)


def same_pads(op: Conv | Pool, sizes: Sequence[Dim], kernel: Sequence[Dim]) -> dict[str, Any]:
    """The pads that ``auto_pad`` stands for, if they do not depend on an open size; else no attributes."""
    pairs = []
    strides, dilations = op.strides or [1] * len(sizes), op.dilations or [1] * len(sizes)
    for size, k, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        known = 1 if stride == 1 else size  # the pads of stride 1 do not depend on the size
        if not isinstance(known, int) or not isinstance(k, int):
            return {}
        pairs.append(
            same_padding(known, Axis(known, k, stride, dilation).extent, stride, upper=op.auto_pad == "SAME_UPPER")
        )
    return {"auto_pad": None, "pads": [*(before for before, _ in pairs), *(after for _, after in pairs)]}


@rule("ConvTranspose")
def conv_transpose(g: GraphWriter, op: ConvTranspose, x: str, w: str, b: str = "") -> str:
    """With known sizes all pads are explicit, because runtimes disagree about those that follow from sizes."""
    rank = g.types[w].rank
    kernel = g.transpose(w, [rank - 1, rank - 2, *range(rank - 2)]) if op.kernel_layout == "HWOI" else w
    given = attributes(op)
    if (op.output_shape is not None or op.auto_pad != "NOTSET") and not open_sizes(g.shape(x)[1:]):
        axes, _, _ = op.window(g.types[x], g.types[w])
        pads = [*(axis.before for axis in axes), *(axis.after for axis in axes)]
        more = [axis.size + axis.before + axis.after - axis.under(axis.out) for axis in axes]
        given |= {"pads": pads, "output_padding": more, "output_shape": None, "auto_pad": None}
    return result(g, op, g("ConvTranspose", images(g, op, x), kernel, b, **given))


@rule("AveragePool", "MaxPool")
def pool(g: GraphWriter, op: Pool, x: str) -> str:
    if op.op_type == "AveragePool" and op.dilations and max(op.dilations) > 1:
        g.opset = max(g.opset, 19)
    omitted = ("dilations",) if op.op_type == "AveragePool" and g.opset < 19 else ()
    return result(g, op, g(op.op_type, images(g, op, x), **attributes(op, *omitted)))


@rule("GlobalAveragePool", "GlobalMaxPool")
def global_pool(g: GraphWriter, op: GlobalPool, x: str) -> str:
    return result(g, op, g(op.op_type, images(g, op, x)))


@rule("Resize")
def resize(g: GraphWriter, op: Resize, x: str) -> str:
    scales = g.constant([1, 1, *op.scales], "float32")
    return result(g, op, g("Resize", images(g, op, x), "", scales, mode=op.mode))


@rule("Upsample")
def upsample(g: GraphWriter, op: Upsample, x: str) -> str:
    """Each axis becomes two, of which the second is repeated; runtimes resize few element types."""
    shape = g.shape(x)
    split = [size for dim in shape for size in (dim, 1)]
    repeated = [size for dim, scale in zip(shape, op.scales, strict=True) for size in (dim, int(scale))]
    return g.reshape(g("Expand", g.reshape(x, split), g.sizes(repeated)), g.shape(op.outputs[0]))


@rule("Resample")
def resample(g: GraphWriter, op: Resample, x: str, weights: str, spans: str) -> str:
    """A product with the matrix of all weights."""
    kind = g.types[x]
    axis = op.axis % kind.rank
    if weights in g.constants and spans in g.constants:
        matrix = g.constant(weight_matrix(g.constants[weights], g.constants[spans], kind.shape[axis]))
    else:
        matrix = computed_matrix(g, weights, spans, kind.shape[axis])
    last = [*(i for i in range(kind.rank) if i != axis), axis]
    product = g("MatMul", g.transpose(x, last), matrix)
    return g.transpose(product, np.argsort(last).tolist())


def weight_matrix(weights: np.ndarray, spans: np.ndarray, size: Any) -> np.ndarray:
    """The weights of a Resample as a matrix (size, outputs).

    >>> weight_matrix(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([[0, 2], [2, 1]]), 3)
    array([[0.5, 0. ],
           [0.5, 0. ],
           [0. , 1. ]])
    """
    matrix = np.zeros((size, len(weights)), weights.dtype)
    for o, (first, count) in enumerate(spans.tolist()):
        first = min(max(first, 0), size)
        count = min(max(count, 0), size - first, weights.shape[1])
        matrix[first : first + count, o] = weights[o, :count]
    return matrix


def computed_matrix(g: GraphWriter, weights: str, spans: str, size: Dim) -> str:
    """The same as :func:`weight_matrix`, computed by nodes, for weights that depend on the sizes of images."""
    zero, taps = g.constant(0, "int64"), g.size(g.shape(weights)[1])
    places = g("Range", zero, g("Squeeze", g.size(size)), g.constant(1, "int64"))
    first, count = g.several(2, "Split", g.cast(spans, "int64", g.dtype(spans)), axis=1, num_outputs=2)
    tap = g("Sub", places, g("Min", g("Max", first, zero), g.size(size)))
    inside = g("And", g("GreaterOrEqual", tap, zero), g("Less", tap, g("Min", count, taps)))
    last_tap = g("Sub", taps, g.constant(1, "int64"))
    chosen = g("GatherElements", weights, g("Min", g("Max", tap, zero), last_tap), axis=1)
    return g("Transpose", g("Where", inside, chosen, g.number(0, g.dtype(weights))), perm=[1, 0])


def move_channels(g: GraphWriter, x: str, axis: int) -> tuple[str, Sequence[int]]:
    """``x`` with ``axis`` in place 1, and the order of axes that moves it back."""
    rank = g.types[x].rank
    if axis == rank - 1 and rank > 2:
        return g.first(x), to_last(rank)
    order = [i for i in range(rank) if i != axis]
    order.insert(1, axis)
    return g.transpose(x, order), np.argsort(order).tolist()
