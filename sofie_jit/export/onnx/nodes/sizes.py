"""Operators whose results depend on sizes, or whose sizes depend on the data."""

from __future__ import annotations

from sofie_jit.export.onnx.graph import GraphWriter
from sofie_jit.export.onnx.nodes.registry import rule
from sofie_jit.ir.operators import data_dependent as d
from sofie_jit.ir.operators.sizes import Iota, Sizes


@rule("Sizes")
def sizes(g: GraphWriter, op: Sizes) -> str:
    return g.sizes(op.values)


@rule("Iota")
def iota(g: GraphWriter, op: Iota) -> str:
    numbers = (op.start, op.start + op.size * op.step, op.step)
    return g("Range", *(g.reshape(g.size(number), ()) for number in numbers))


@rule("NonZero")
def non_zero(g: GraphWriter, op: d.NonZero, x: str) -> str:
    return g("NonZero", x)


@rule("Compress")
def compress(g: GraphWriter, op: d.Compress, x: str, condition: str) -> str:
    return g("Compress", x, condition, axis=op.axis)


@rule("Range")
def range_(g: GraphWriter, op: d.Range, *limits: str) -> str:
    return g("Range", *(limit if g.types[limit].rank == 0 else g.reshape(limit, ()) for limit in limits))


@rule("Unique")
def unique(g: GraphWriter, op: d.Unique, x: str) -> tuple[str, ...]:
    """ONNX Runtime has it for int64, not for int32."""
    given = g.dtype(x)
    wide = "int64" if given == "int32" else given
    y, *indices = g.several(4, "Unique", g.cast(x, wide, given), axis=op.axis, sorted=op.sorted)
    return g.cast(y, given, wide), *indices


@rule("NonMaxSuppression")
def non_max_suppression(g: GraphWriter, op: d.NonMaxSuppression, boxes: str, scores: str, *limits: str) -> str:
    return g("NonMaxSuppression", boxes, scores, *limits, center_point_box=op.center_point_box)
