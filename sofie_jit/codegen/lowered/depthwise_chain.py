"""DepthwiseChain: a depthwise convolution with the 1 x 1 convolution before it, the one after it, or both."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from sofie_jit.codegen import tuning
from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import (
    CPP_TYPES,
    NULL,
    Argument,
    Call,
    Statement,
    Struct,
    as_size,
    choice,
    literal,
    statements,
)
from sofie_jit.codegen.lowered.activations import epilogue
from sofie_jit.codegen.lowered.conv import (
    FusedConv,
    dense_conv,
    depthwise_conv,
    image_flops,
    is_depthwise_square,
)
from sofie_jit.codegen.lowered.dense import PARALLEL_KERNELS, dense_kernels, gemm_function
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.codegen.lowered.window import window_members
from sofie_jit.ir.dims import Dim, ceil_div, maximum, minimum, product, static_dim
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.geometry import Axis
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.requirements import Requirement
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

    def requirements(self, *inputs: TensorType | None) -> list[Requirement]:
        x, given = self.images(inputs)[1], [*inputs, None, None]
        assert given[3] is not None
        return self.depthwise.requirements(x, given[3])

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
    return _chain(op, code)


class DepthwiseChainOrParts(DepthwiseChain):
    """A :class:`DepthwiseChain` if the images between its convolutions turn out to be large, else one by one."""


@emits(
    DepthwiseChainOrParts,
    kernels=lambda op: ("conv/depthwise_chain.hxx", "conv/depthwise.hxx", *dense_kernels(op)),
    parallel_kernels=("conv/parallel_depthwise_chain.hxx", "conv/parallel_depthwise.hxx", *PARALLEL_KERNELS),
)
def depthwise_chain_or_parts(op: DepthwiseChainOrParts, code: Emitter) -> tuple[Statement, ...]:
    """The one or the other, as the pass ``chain_depthwise`` chooses for known sizes."""
    types = op.images(code.inputs)
    between = [*([types[1]] if op.expand else []), *([types[2]] if op.project else [])]
    largest = maximum(*(code.named(product(*image.shape[1:])) * np.dtype(image.dtype).itemsize for image in between))
    return choice([Requirement(tuning.CACHED_BYTES + 1, "<=", largest)], _chain(op, code), _parts(op, code))


def _parts(op: DepthwiseChain, code: Emitter) -> Iterator[Statement]:
    """The calls of the convolutions, one after the other."""
    types = op.images(code.inputs)
    operands = [*op.inputs, *[""] * (8 - len(op.inputs))]
    kinds = [*code.inputs, *[None] * (8 - len(code.inputs))]
    layers = [
        (conv, emit, range(first, end), y)
        for conv, emit, first, end, y in (
            (op.expand, dense_conv, 1, 3, types[1]),
            (op.depthwise, depthwise_conv, 3, 5, types[2]),
            (op.project, dense_conv, 5, 8, types[3]),
        )
        if conv
    ]
    x, source = types[0], None
    for conv, emit, places, y in layers:
        target = None if conv is layers[-1][0] else code.scratch(y.dtype, y.shape)
        last = list(op.outputs) if target is None else [""]
        part = dataclasses.replace(conv, inputs=[op.inputs[0], *(operands[i] for i in places)], outputs=last)
        yield from statements(emit(part, code.part(part, [x, *(kinds[i] for i in places)], [y], source, target)))
        x, source = y, target and code.read_only(target)


def _chain(op: DepthwiseChain, code: Emitter) -> Call:
    """``depthwise_chain`` of each image."""
    code.require_constants(*range(1, 7))
    types = op.images(code.inputs)
    dtype = types[0].dtype
    axes = op.depthwise.axes(types[1], code.type_of(3))
    inputs, channels, _, outputs = (static_dim("DepthwiseChain", image.shape, -1) for image in types)
    strip = strip_rows(axes, channels, np.dtype(dtype).itemsize, op.expand, op.project, code.named)
    shape = code.struct(
        "DepthwiseChain", window_members(axes), inputs if op.expand else 0, channels,
        outputs if op.project else 0, as_size(strip),
    )  # fmt: skip
    taps = axes[0].kernel * axes[1].kernel
    layers = [
        _layer(code, op.expand, 1, "pack_gemm", inputs, channels),
        _layer(code, op.depthwise, 3, "pack_depthwise_panels", taps, channels),
        _layer(code, op.project, 5, "pack_gemm", channels, outputs),
    ]
    scratch_count = code.named(scratch_size(axes, channels, strip, op.expand, op.project))
    scratch = code.scratch(dtype, (scratch_count,), per_thread=True)
    size, read, write = "std::size_t", f"const {CPP_TYPES[dtype]} *", f"{CPP_TYPES[dtype]} *"
    last = (write, f"const k::Epilogue<{CPP_TYPES[dtype]}> &")
    products = [*([(inputs, channels)] if op.expand else []), *([(channels, outputs)] if op.project else [])]
    gemm = gemm_function(code, image_flops(code), *products)
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


def strip_rows(
    axes: Sequence[Axis], channels: int, itemsize: int, expand: object, project: object, named: Callable[[Dim], Dim]
) -> Dim:
    """Output rows of a strip: pairs of rows whose images stay in the cache; strips are about equal.

    ``named``: :meth:`Emitter.named`.
    """
    h, w = axes
    height, width, columns = named(h.out), named(w.size), named(w.out)

    # the expanded rows under n rows are h.stride * n + h.extent - h.stride
    per_row = (h.stride * width if expand else 0) + (columns if project else 0)
    more = (h.extent - h.stride) * width if expand else 0
    most = (tuning.CHAIN_STRIP_BYTES // (channels * itemsize) - more) // per_row
    rows = named(maximum(minimum(named(most), maximum(height, 2)), 2))
    rows = named(ceil_div(height, named(ceil_div(height, rows))))
    return named(rows + rows % 2)


def scratch_size(axes: Sequence[Axis], channels: int, strip: Dim, expand: object, project: object) -> Dim:
    """Elements of scratch memory: the expanded rows of a strip, and its rows before the projection."""
    h, w = axes
    expanded = ceil_div(minimum(h.under(strip), h.size) * w.size * channels, 64) * 64 if expand else 0
    return expanded + (strip * w.out * channels if project else 0)
