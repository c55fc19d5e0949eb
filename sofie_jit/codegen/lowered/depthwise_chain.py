"""DepthwiseChain: a depthwise convolution with the 1 x 1 convolution before it, the one after it, or both."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sofie_jit.codegen import tuning
from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import CPP_TYPES, NULL, Argument, Call, Struct, literal
from sofie_jit.codegen.lowered.activations import epilogue
from sofie_jit.codegen.lowered.conv import FusedConv, is_depthwise_square
from sofie_jit.codegen.lowered.dense import gemm_function
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.codegen.lowered.window import window_members
from sofie_jit.ir.dims import static_dim
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.geometry import Axis
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class DepthwiseChain(ROperator):
    """``project(depthwise(expand(X)))``: up to three convolutions in strips of rows that stay in the cache.

    Inputs: images X (N, H, W, C); kernel and bias of ``expand``, of ``depthwise`` and of ``project``, "" where there
    is none; the residual R of ``project``. The convolutions' own inputs and outputs are ignored. Output as that of the
    last.
    """

    expand: FusedConv | None = None
    depthwise: FusedConv
    project: FusedConv | None = None

    def images(self, inputs: Sequence[TensorType | None]) -> list[TensorType]:
        """Types of images: the input, the input and the output of the depthwise convolution, the output."""
        given = [*inputs, *[None] * (8 - len(inputs))]
        types = [given[0]]
        for conv, operands in ((self.expand, given[1:3]), (self.depthwise, given[3:5]), (self.project, given[5:8])):
            types.append(conv.infer(types[-1], *operands) if conv else types[-1])  # type: ignore[arg-type]
        return types  # type: ignore[return-value]

    def infer(self, *inputs: TensorType | None) -> TensorType:
        return self.images(inputs)[-1]

    def evaluate(self, x: np.ndarray, *weights: np.ndarray | None) -> np.ndarray:
        given = [*weights, *[None] * (7 - len(weights))]
        for conv, operands in ((self.expand, given[:2]), (self.depthwise, given[2:4]), (self.project, given[4:])):
            if conv:
                x = conv.evaluate(x, *operands)  # type: ignore[arg-type]
        return x

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        types = self.images(inputs)
        convs = ((self.expand, 1), (self.depthwise, 3), (self.project, 5))
        return sum(
            conv.flops([x, inputs[index]], [y])
            for (conv, index), x, y in zip(convs, types, types[1:], strict=False)
            if conv
        )


@emits(
    DepthwiseChain,
    kernels=("conv/depthwise_chain.hxx", "elementwise/activations.hxx"),
    parallel_kernels=("conv/parallel_depthwise_chain.hxx",),
)
def depthwise_chain(op: DepthwiseChain, code: Emitter) -> Call:
    """``depthwise_chain`` of each image."""
    code.require_constants(*range(1, 7))
    types = op.images(code.inputs)
    dtype = types[0].dtype
    axes = op.depthwise.axes(types[1], code.type_of(3))
    inputs, channels, _, outputs = (static_dim("DepthwiseChain", image.shape, -1) for image in types)
    strip = strip_rows(axes, channels, np.dtype(dtype).itemsize, op.expand, op.project)
    shape = code.struct(
        "DepthwiseChain", window_members(axes), inputs if op.expand else 0, channels,
        outputs if op.project else 0, strip,
    )  # fmt: skip
    taps = axes[0].kernel * axes[1].kernel
    layers = [
        _layer(code, op.expand, 1, "pack_gemm", inputs, channels),
        _layer(code, op.depthwise, 3, "pack_depthwise_panels", taps, channels),
        _layer(code, op.project, 5, "pack_gemm", channels, outputs),
    ]
    scratch = code.scratch(dtype, (scratch_size(axes, channels, strip, op.expand, op.project),), per_thread=True)
    size, read, write = "std::size_t", f"const {CPP_TYPES[dtype]} *", f"{CPP_TYPES[dtype]} *"
    last = (write, f"const k::Epilogue<{CPP_TYPES[dtype]}> &")
    products = [*([(inputs, channels)] if op.expand else []), *([(channels, outputs)] if op.project else [])]
    gemm = gemm_function(code, op.flops(code.inputs, code.outputs), *products)
    filtering = f"depthwise_square<{axes[0].kernel}, {axes[0].stride}>"
    depthwise = code.function(filtering, (size, "const k::Window &", size, *[read] * 3, *last))
    return code.parallel_call(
        "depthwise_chain", code.count(types[0].shape[:1]), shape, code.input(0), *layers, code.input(7),
        code.output(0), scratch, gemm, depthwise,
    )  # fmt: skip


def _layer(code: Emitter, conv: FusedConv | None, index: int, pack: str, rows: int, outputs: int) -> Struct:
    """The struct ``ChainLayer`` of a convolution whose kernel is input ``index``."""
    dtype = code.outputs[0].dtype
    weights: Argument = NULL
    bias: Argument = NULL
    if conv:
        one = literal(1, dtype)
        alpha = [one] if pack == "pack_gemm" else []
        weights = code.packed(pack, code.raw(index), rows, outputs, conv.kernel_layout == "OIHW", *alpha)
        bias = code.packed("pack_bias", code.raw(index + 1), outputs, one)
    activation = conv.activation if conv else None
    return code.struct(f"ChainLayer<{CPP_TYPES[dtype]}>", weights, bias, epilogue(code, activation, dtype))


def can_be_filtered(conv: Conv, x: TensorType, w: TensorType) -> bool:
    """Whether ``conv`` of images ``x`` with a kernel ``w`` is a depthwise convolution that a chain can have."""
    return (
        conv.layout == "NHWC"
        and 1 < conv.group == x.shape[-1] == conv.infer(x, w).shape[-1]
        and conv.group * np.dtype(x.dtype).itemsize >= 64
        and is_depthwise_square(conv.axes(x, w))
    )


def is_pointwise(conv: Conv, x: TensorType, w: TensorType) -> bool:
    """Whether each pixel of the output of ``conv`` depends on one of the images ``x`` alone."""
    return conv.layout == "NHWC" and conv.group == 1 and all(axis == Axis(axis.size, 1) for axis in conv.axes(x, w))


def strip_rows(axes: Sequence[Axis], channels: int, itemsize: int, expand: object, project: object) -> int:
    """Output rows of a strip: pairs of rows whose images stay in the cache; strips are about equal."""
    h, w = axes

    def size(rows: int) -> int:
        between = (h.under(rows) * w.size if expand else 0) + (rows * w.out if project else 0)
        return between * channels * itemsize

    rows = max(2, *(rows for rows in range(2, max(h.out, 2) + 1) if size(rows) <= tuning.CHAIN_STRIP_BYTES), 2)
    rows = math.ceil(h.out / math.ceil(h.out / rows))
    return rows + rows % 2


def scratch_size(axes: Sequence[Axis], channels: int, strip: int, expand: object, project: object) -> int:
    """Elements of scratch memory: the expanded rows of a strip, and its rows before the projection."""
    h, w = axes
    expanded = math.ceil(min(h.under(strip), h.size) * w.size * channels / 64) * 64 if expand else 0
    return expanded + (strip * w.out * channels if project else 0)
