"""C++ calls of RoiAlign."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call, literal
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.roi_align import RoiAlign


@emits(RoiAlign, kernels=("resize/roi_align.hxx",))
def roi_align(op: RoiAlign, code: Emitter) -> Call:
    """``roi_align`` of each region; fails for an image or a region that does not exist."""
    x, rois = code.type_of(0), code.type_of(1)
    shape = code.struct(
        "RoiAlignShape", *(code.dim(n) for n in x.shape), op.output_height, op.output_width, op.sampling_ratio,
        op.coordinate_transformation_mode == "half_pixel", op.mode == "max", literal(op.spatial_scale, "float64"),
    )  # fmt: skip
    return code.checked_call(
        "roi_align", code.count(rois.shape[:1]), shape, code.input(0), code.input(1), code.input(2), code.output(0),
        failure="an image does not exist, or the size of a region is not a number below a million pixels",
    )  # fmt: skip
