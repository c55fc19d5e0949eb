"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.depthwise_chain`."""

from __future__ import annotations
import math
from collections.abc import Sequence
from dataclasses import dataclass
import numpy as np
from sofie_jit.ir.operators.activations import epilogue
from sofie_jit.ir.operators.conv import Conv, is_depthwise_square
from sofie_jit.ir.operators.gemm import gemm_function
from sofie_jit.ir.operators.geometry import Axis, window_members
from sofie_jit.ir.operators.operator import CPP_TYPES, Emitter, ROperator, TensorType, literal
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.depthwise_chain import DepthwiseChain, can_be_filtered, is_pointwise


STRIP_BYTES = 384 * 1024
"""Of what is between the convolutions of a strip: it stays in a second-level cache."""


def strip_rows(axes: Sequence[Axis], channels: int, itemsize: int, before: object, behind: object) -> int:
    """Output rows of a strip: pairs, which stay in the cache, and strips that are about equal."""
    h, w = axes

    def size(rows: int) -> int:
        between = (h.under(rows) * w.size if before else 0) + (rows * w.out if behind else 0)
        return between * channels * itemsize

    rows = max(2, *(rows for rows in range(2, max(h.out, 2) + 1) if size(rows) <= STRIP_BYTES), 2)
    rows = math.ceil(h.out / math.ceil(h.out / rows))
    return rows + rows % 2


def scratch_size(axes: Sequence[Axis], channels: int, strip: int, before: object, behind: object) -> int:
    """``DepthwiseChain::scratch`` of ``depthwise_chain.hxx``."""
    h, w = axes
    expanded = math.ceil(min(h.under(strip), h.size) * w.size * channels / 64) * 64 if before else 0
    return expanded + (strip * w.out * channels if behind else 0)


@emits(
    DepthwiseChain,
    kernels=("conv/depthwise_chain.hxx", "elementwise/activations.hxx"),
    parallel_kernels=("conv/parallel_depthwise_chain.hxx",),
)
def depthwise_chain(op: DepthwiseChain, code: Emitter) -> str:
    op.check_constant(code, *range(1, 7))
    types = op._types(code.inputs)
    weight = code.inputs[3]
    assert weight is not None
    dtype = types[0].dtype
    axes = op.depthwise.axes(types[1], weight)
    inputs, channels, _, outputs = (int(image.shape[-1]) for image in types)
    strip = strip_rows(axes, channels, np.dtype(dtype).itemsize, op.before, op.behind)
    shape = code.struct(
        "DepthwiseChain", window_members(axes), inputs if op.before else 0, channels,
        outputs if op.behind else 0, strip,
    )  # fmt: skip
    taps = axes[0].kernel * axes[1].kernel
    layers = [
        _layer_depthwise_chain(op, code, op.before, 1, "pack_gemm", inputs, channels),
        _layer_depthwise_chain(op, code, op.depthwise, 3, "pack_depthwise_panels", taps, channels),
        _layer_depthwise_chain(op, code, op.behind, 5, "pack_gemm", channels, outputs),
    ]
    scratch = code.scratch(dtype, (scratch_size(axes, channels, strip, op.before, op.behind),), per_thread=True)
    size, read, write = "std::size_t", f"const {CPP_TYPES[dtype]} *", f"{CPP_TYPES[dtype]} *"
    last = (write, f"const k::Epilogue<{CPP_TYPES[dtype]}> &")
    products = [*([(inputs, channels)] if op.before else []), *([(channels, outputs)] if op.behind else [])]
    gemm = gemm_function(code, op.flops(code.inputs, code.outputs), *products)
    filtering = f"depthwise_square<{axes[0].kernel}, {axes[0].stride}>"
    depthwise = code.function(filtering, (size, "const k::Window &", size, *[read] * 3, *last))
    return code.parallel_call(
        "depthwise_chain", code.count(types[0].shape[:1]), shape, code.input(0), *layers, code.input(7),
        code.output(0), scratch, gemm, depthwise,
    )  # fmt: skip


def _layer_depthwise_chain(
    op: DepthwiseChain, code: Emitter, conv: Conv | None, place: int, pack: str, rows: int, outputs: int
) -> str:
    """The struct ``ChainLayer`` of a convolution, whose kernel is input ``place``."""
    dtype = code.outputs[0].dtype
    weights = bias = "nullptr"
    if conv:
        one = literal(1, dtype)
        alpha = [one] if pack == "pack_gemm" else []
        weights = code.packed(pack, code.raw(place), rows, outputs, conv.kernel_layout == "OIHW", *alpha)
        bias = code.packed("pack_bias", code.raw(place + 1), outputs, one)
    activation = conv.activation if conv else None
    return code.struct(f"ChainLayer<{CPP_TYPES[dtype]}>", weights, bias, epilogue(code, activation, dtype))
