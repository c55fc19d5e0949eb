"""Upsample and Resize: images enlarged by integer factors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import Shape, format_shape
from sofie_jit.ir.operators.geometry import image_axes, image_shape
from sofie_jit.ir.operators.layout import spatial_axes
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.pick import Pick, PickOperator
from sofie_jit.ir.types import TensorType, float_dtype
from sofie_jit.records import dataclass


def _whole_scales(operator: str, scales: Sequence[float], count: int) -> list[int]:
    if len(scales) != count or any(scale < 1 or scale != int(scale) for scale in scales):
        raise ShapeError(f"{operator} needs {count} whole scales of at least 1, got {list(scales)}")
    return [int(scale) for scale in scales]


def _repeated(x: np.ndarray, axes_and_scales: Sequence[tuple[int, int]]) -> np.ndarray:
    return reduce(lambda values, part: values.repeat(int(part[1]), part[0]), axes_and_scales, x)


@dataclass(kw_only=True)
class Upsample(PickOperator):
    """Every element repeated ``scales[axis]`` times along each axis: ONNX's mode "nearest". Any type.

    >>> Upsample(scales=[1, 2]).evaluate(np.array([[1, 2]]))
    array([[1, 1, 2, 2]])
    """

    scales: Sequence[int]

    def picks(self, shape: Shape) -> list[Pick]:
        scales = _whole_scales("Upsample", self.scales, len(shape))
        return [Pick(dim * scale, repeat=scale) for dim, scale in zip(shape, scales, strict=True)]

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return _repeated(x, list(enumerate(self.scales)))


@dataclass(kw_only=True)
class Resize(ROperator):
    """Images enlarged with half-pixel coordinates; ``mode`` is "nearest" or "linear", which is bilinear interpolation.

    Images (N, C, H, W), or (N, H, W, C) with ``layout="NHWC"``, float32 or float64; ``scales`` are those of H and W.

    >>> Resize(scales=[1, 2], mode="linear").evaluate(np.array([[[[0.0, 4.0]]]]))
    array([[[[0., 1., 3., 4.]]]])
    """

    scales: Sequence[int]
    mode: str = "nearest"
    layout: str = "NCHW"

    def sizes(self, x: TensorType) -> tuple[Shape, Shape, int]:
        """Sizes of the input and the output image, and the channels."""
        if self.mode not in ("nearest", "linear"):
            raise ShapeError(f"Resize: mode must be 'nearest' or 'linear', got {self.mode!r}")
        sizes, channels = image_axes("Resize", x.shape, self.layout)
        if len(sizes) != 2:
            raise ShapeError(f"Resize takes images of two dimensions, got {format_shape(x.shape)}")
        scales = _whole_scales("Resize", self.scales, 2)
        return sizes, tuple(size * scale for size, scale in zip(sizes, scales, strict=True)), channels

    def infer(self, x: TensorType) -> TensorType:
        _, out, channels = self.sizes(x)
        return TensorType(float_dtype("Resize", x), image_shape(x.shape[:1], out, channels, self.layout))

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        parts = list(zip(spatial_axes(x.ndim, self.layout), self.scales, strict=True))
        if self.mode == "nearest":  # half-pixel coordinates never lie in the middle between two pixels
            return _repeated(x, parts)
        return reduce(lambda values, part: _interpolated(values, *part), reversed(parts), x)

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        return 9 * super().flops(inputs, outputs)


def _interpolated(x: np.ndarray, axis: int, scale: int) -> np.ndarray:
    """``x`` interpolated along ``axis``; beyond the outermost pixels the image continues with their values."""
    size = x.shape[axis]
    at = np.maximum((np.arange(size * scale) + 0.5) / scale - 0.5, 0)
    low = at.astype(np.int64)
    shape = [-1 if i == axis else 1 for i in range(x.ndim)]
    share = (at - low).astype(x.dtype).reshape(shape)
    first, second = x.take(low, axis), x.take(np.minimum(low + 1, size - 1), axis)
    return first + (second - first) * share
