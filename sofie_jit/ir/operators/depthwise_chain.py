"""DepthwiseChain: a depthwise Conv with the Conv of 1 x 1 taps before it, the one behind it, or both."""

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

STRIP_BYTES = 384 * 1024
"""Of what is between the convolutions of a strip: it stays in a second-level cache."""


@dataclass(kw_only=True)
class DepthwiseChain(ROperator):
    """``behind(depthwise(before(X)))``: up to three convolutions in strips of rows that stay in the cache.

    Inputs: images X (N, H, W, C); kernel and bias of ``before``, of ``depthwise`` and of ``behind``, "" where there is
    none; the input R of ``behind``. The Convs' own inputs and outputs are not looked at. Output as that of the last.
    """

    before: Conv | None = None
    depthwise: Conv
    behind: Conv | None = None

    kernels = ("conv/depthwise_chain.hxx", "elementwise/activations.hxx")
    parallel_kernels = ("conv/parallel_depthwise_chain.hxx",)

    def _types(self, inputs: Sequence[TensorType | None]) -> list[TensorType]:
        """Images: the input, what the depthwise convolution reads and writes, the output."""
        given = [*inputs, *[None] * (8 - len(inputs))]
        types = [given[0]]
        for conv, operands in ((self.before, given[1:3]), (self.depthwise, given[3:5]), (self.behind, given[5:8])):
            types.append(conv.infer(types[-1], *operands) if conv else types[-1])  # type: ignore[arg-type]
        return types  # type: ignore[return-value]

    def infer(self, *inputs: TensorType | None) -> TensorType:
        return self._types(inputs)[-1]

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        types = self._types(inputs)
        convs = ((self.before, 1), (self.depthwise, 3), (self.behind, 5))
        return sum(
            conv.flops([x, inputs[place]], [y])
            for (conv, place), x, y in zip(convs, types, types[1:], strict=False)
            if conv
        )

    def emit(self, code: Emitter) -> str:
        self.check_constant(code, *range(1, 7))
        types = self._types(code.inputs)
        weight = code.inputs[3]
        assert weight is not None
        dtype = types[0].dtype
        axes = self.depthwise.axes(types[1], weight)
        inputs, channels, _, outputs = (int(image.shape[-1]) for image in types)
        strip = strip_rows(axes, channels, np.dtype(dtype).itemsize, self.before, self.behind)
        shape = code.struct(
            "DepthwiseChain", window_members(axes), inputs if self.before else 0, channels,
            outputs if self.behind else 0, strip,
        )  # fmt: skip
        taps = axes[0].kernel * axes[1].kernel
        layers = [
            self._layer(code, self.before, 1, "pack_gemm", inputs, channels),
            self._layer(code, self.depthwise, 3, "pack_depthwise_panels", taps, channels),
            self._layer(code, self.behind, 5, "pack_gemm", channels, outputs),
        ]
        scratch = code.scratch(dtype, (scratch_size(axes, channels, strip, self.before, self.behind),), per_thread=True)
        size, read, write = "std::size_t", f"const {CPP_TYPES[dtype]} *", f"{CPP_TYPES[dtype]} *"
        last = (write, f"const k::Epilogue<{CPP_TYPES[dtype]}> &")
        products = [*([(inputs, channels)] if self.before else []), *([(channels, outputs)] if self.behind else [])]
        gemm = gemm_function(code, self.flops(code.inputs, code.outputs), *products)
        filtering = f"depthwise_square<{axes[0].kernel}, {axes[0].stride}>"
        depthwise = code.function(filtering, (size, "const k::Window &", size, *[read] * 3, *last))
        return code.parallel_call(
            "depthwise_chain", code.count(types[0].shape[:1]), shape, code.input(0), *layers, code.input(7),
            code.output(0), scratch, gemm, depthwise,
        )  # fmt: skip

    def _layer(self, code: Emitter, conv: Conv | None, place: int, pack: str, rows: int, outputs: int) -> str:
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
