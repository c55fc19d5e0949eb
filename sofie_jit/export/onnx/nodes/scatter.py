"""Elements and slices at indices of several axes, and pooling of regions. ONNX wants indices in int64."""

from __future__ import annotations

from sofie_jit.export.onnx.graph import GraphWriter
from sofie_jit.export.onnx.nodes.registry import rule
from sofie_jit.ir.operators import scatter as s
from sofie_jit.ir.operators.roi_align import RoiAlign


@rule("ScatterElements")
def scatter_elements(g: GraphWriter, op: s.ScatterElements, data: str, indices: str, updates: str) -> str:
    return g("ScatterElements", data, _wide(g, indices), updates, axis=op.axis, reduction=op.reduction)


@rule("ScatterND")
def scatter_nd(g: GraphWriter, op: s.ScatterND, data: str, indices: str, updates: str) -> str:
    return g("ScatterND", data, _wide(g, indices), updates, reduction=op.reduction)


@rule("GatherND")
def gather_nd(g: GraphWriter, op: s.GatherND, data: str, indices: str) -> str:
    return g("GatherND", data, _wide(g, indices), batch_dims=op.batch_dims)


@rule("RoiAlign")
def roi_align(g: GraphWriter, op: RoiAlign, x: str, rois: str, batch_indices: str) -> str:
    return g("RoiAlign", x, rois, _wide(g, batch_indices), **op.attributes())


def _wide(g: GraphWriter, indices: str) -> str:
    return g.cast(indices, "int64", g.dtype(indices))
