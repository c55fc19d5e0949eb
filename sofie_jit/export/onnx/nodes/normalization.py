"""Normalization."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sofie_jit.export.onnx.graph import GraphWriter
from sofie_jit.export.onnx.nodes.images import images, move_channels, result
from sofie_jit.export.onnx.nodes.registry import rule
from sofie_jit.ir.dims import product, static_dims
from sofie_jit.ir.operators import normalization as n


@rule("BatchNormalization")
def batch_normalization(
    g: GraphWriter, op: n.BatchNormalization, x: str, scale: str, b: str, mean: str, var: str
) -> str:
    kind = g.types[x]
    axis = op.axis % kind.rank
    (channels,) = static_dims("BatchNormalization", (kind.shape[axis],))
    scale = scale or g.constant(np.ones(channels, kind.dtype))
    b = b or g.constant(np.zeros(channels, kind.dtype))
    if axis == 1:
        return g("BatchNormalization", x, scale, b, mean, var, epsilon=op.epsilon)
    moved, back = move_channels(g, x, axis)
    y = g("BatchNormalization", moved, scale, b, mean, var, epsilon=op.epsilon)
    return g.last(y, op.outputs[0]) if axis == kind.rank - 1 else g.transpose(y, back)


@rule("LayerNormalization")
def layer_normalization(g: GraphWriter, op: n.LayerNormalization, x: str, scale: str = "", b: str = "") -> str:
    kind = g.types[x]
    axis = op.axis % kind.rank
    if op.centered and not op.stddev_epsilon:
        scale = scale or g.constant(np.ones(static_dims("LayerNormalization", kind.shape[axis:]), kind.dtype))
        return g("LayerNormalization", x, scale, b, axis=axis, epsilon=op.epsilon)
    shifted, deviation = statistics(g, x, range(axis, kind.rank), op.epsilon, op.stddev_epsilon, kind.dtype)
    return scaled(g, g("Div", shifted if op.centered else x, deviation), scale, b)


@rule("RMSNormalization")
def rms_normalization(g: GraphWriter, op: n.RMSNormalization, x: str, scale: str = "") -> str:
    kind = g.types[x]
    axes = g.integers(range(op.axis % kind.rank, kind.rank))
    square = g("ReduceMean", g("Mul", x, x), axes)
    root = g("Sqrt", g("Add", square, g.number(op.epsilon, kind.dtype)))
    return scaled(g, g("Div", x, root), scale, "")


@rule("LpNormalization")
def lp_normalization(g: GraphWriter, op: n.LpNormalization, x: str) -> str:
    if op.limit is None:
        return g("LpNormalization", x, axis=op.axis, p=op.p)
    dtype, axes = g.dtype(x), g.integers([op.axis])
    norm = g("ReduceL1" if op.p == 1 else "ReduceL2", x, axes)
    return g("Mul", x, g("Min", g("Reciprocal", norm), g.number(op.limit, dtype)))


@rule("InstanceNormalization", "GroupNormalization")
def group_normalization(g: GraphWriter, op: n.InstanceNormalization, x: str, scale: str = "", b: str = "") -> str:
    """Each group of channels in a row of its own: (N, groups, elements)."""
    kind = g.types[x]
    first = images(g, op, x)
    shape = g.shape(first)
    (channels,) = static_dims(op.op_type, shape[1:2])
    groups = op.groups(channels)
    elements = product(channels // groups, *shape[2:])
    rows = g.reshape(first, (0, groups, elements if isinstance(elements, int) else -1))  # -1 needs a row in the batch
    shifted, deviation = statistics(g, rows, [2], op.epsilon, op.stddev_epsilon, kind.dtype)
    y = g.reshape(g("Div", shifted, deviation), shape)
    parameter = [channels, *[1] * (len(shape) - 2)]
    return result(g, op, scaled(g, y, *(given and g.reshape(given, parameter) for given in (scale, b))))


def statistics(
    g: GraphWriter, x: str, axes: Sequence[int], epsilon: float, stddev_epsilon: float, dtype: str
) -> tuple[str, str]:
    """``x`` minus its mean along ``axes``, and ``sqrt(variance + epsilon) + stddev_epsilon``."""
    along = g.integers(axes)
    shifted = g("Sub", x, g("ReduceMean", x, along))
    variance = g("ReduceMean", g("Mul", shifted, shifted), along)
    deviation = g("Sqrt", g("Add", variance, g.number(epsilon, dtype)))
    return shifted, g("Add", deviation, g.number(stddev_epsilon, dtype)) if stddev_epsilon else deviation


def scaled(g: GraphWriter, x: str, scale: str, b: str) -> str:
    """``x * scale + b``, each if it is given."""
    if scale:
        x = g("Mul", x, scale)
    return g("Add", x, b) if b else x
