"""Resize: images made larger by whole factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.geometry import by_register_width, image_axes, image_shape
from sofie_jit.ir.operators.operator import Emitter, ROperator, Shape, TensorType, float_dtype, format_shape, literal
from sofie_jit.ir.operators.pick import Pick, PickOperator


def _check_scales(operator: str, scales: Sequence[int], count: int) -> None:
    if len(scales) != count or any(scale < 1 or scale != int(scale) for scale in scales):
        raise ShapeError(f"{operator} needs {count} whole scales of at least 1, got {list(scales)}")


@dataclass(kw_only=True)
class Upsample(PickOperator):
    """Every element repeated ``scales[axis]`` times along each axis: ONNX's Upsample with mode "nearest". Any type."""

    scales: Sequence[int]

    def picks(self, shape: Shape) -> list[Pick]:
        _check_scales("Upsample", self.scales, len(shape))
        return [
            Pick(dim * scale if isinstance(dim, int) else _open(dim, scale, shape), repeat=scale)
            for dim, scale in zip(shape, self.scales, strict=True)
        ]

    def emit(self, code: Emitter) -> str:
        return self.emit_pick(code, literal(0, code.outputs[0].dtype))


def _open(dim: str, scale: int, shape: Shape) -> str:
    if scale != 1:
        raise ShapeError(f"Upsample cannot repeat the open dimension '{dim}' of {format_shape(shape)} {scale} times")
    return dim


@dataclass(kw_only=True)
class Resize(ROperator):
    """Bilinear interpolation between pixel centres: ONNX's Resize with mode "linear", half-pixel coordinates.

    Images (N, C, H, W), or (N, H, W, C) with ``layout="NHWC"``; ``scales`` are those of H and W. float32 or float64.
    """

    scales: Sequence[int]
    mode: str = "linear"
    layout: str = "NCHW"

    kernels = ("resize/resize.hxx",)

    def _sizes(self, x: TensorType) -> tuple[tuple[int, ...], tuple[int, ...], int]:
        """Sizes of the input and the output image, and the channels."""
        if self.mode != "linear":
            raise ShapeError(f"Resize knows the mode 'linear', got {self.mode!r}; Upsample is the mode 'nearest'")
        sizes, channels = image_axes("Resize", x.shape, self.layout)
        if len(sizes) != 2:
            raise ShapeError(f"Resize takes images of two dimensions, got {format_shape(x.shape)}")
        _check_scales("Resize", self.scales, 2)
        return sizes, tuple(size * scale for size, scale in zip(sizes, self.scales, strict=True)), channels

    def infer(self, x: TensorType) -> TensorType:
        _, out, channels = self._sizes(x)
        return TensorType(float_dtype("Resize", x), image_shape(x.shape[:1], out, channels, self.layout))

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        return 9 * super().flops(inputs, outputs)

    def emit(self, code: Emitter) -> str:
        x = code.inputs[0]
        assert x is not None
        sizes, out, channels = self._sizes(x)
        few = by_register_width(lambda lanes: channels < lanes, x.dtype)
        return code.call(
            f"resize_bilinear<{few}>", code.count(x.shape[:1]), *sizes,
            channels, *out, code.input(0), code.output(0),
        )  # fmt: skip
