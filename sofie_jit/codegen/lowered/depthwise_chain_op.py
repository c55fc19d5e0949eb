"""DepthwiseChain: a depthwise Conv with the Conv of 1 x 1 taps before it, the one behind it, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sofie_jit.ir.operators.conv import Conv, is_depthwise_square
from sofie_jit.ir.operators.geometry import Axis
from sofie_jit.ir.operators.operator import ROperator, TensorType


@dataclass(kw_only=True)
class DepthwiseChain(ROperator):
    """``behind(depthwise(before(X)))``: up to three convolutions in strips of rows that stay in the cache.

    Inputs: images X (N, H, W, C); kernel and bias of ``before``, of ``depthwise`` and of ``behind``, "" where there is
    none; the input R of ``behind``. The Convs' own inputs and outputs are not looked at. Output as that of the last.
    """

    before: Conv | None = None
    depthwise: Conv
    behind: Conv | None = None

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
