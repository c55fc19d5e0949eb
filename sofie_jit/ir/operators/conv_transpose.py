"""ConvTranspose: a convolution run backwards, in one, two or three dimensions; what makes images larger."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.activations import Activation, epilogue
from sofie_jit.ir.operators.geometry import (
    Axis,
    by_register_width,
    image_axes,
    image_shape,
    outputs_of,
    volume,
    window_members,
)
from sofie_jit.ir.operators.operator import (
    Emitter,
    ROperator,
    TensorType,
    check_bias,
    float_dtype,
    format_shape,
    literal,
    static_dims,
)

PRODUCTS_AT_ONCE = 256 * 1024
"""Numbers that the products of the images computed together may have: they stay in a second-level cache."""


@dataclass(kw_only=True)
class ConvTranspose(ROperator):
    """Every input pixel adds its multiple of the kernel to a window of the output; then bias and activation.

    Inputs: images X, (N, C, spatial axes) or, with ``layout="NHWC"``, (N, spatial axes, C); the kernel W, a weight,
    (C, M, spatial axes) or, with ``kernel_layout="HWOI"``, (spatial axes, M, C); optionally the bias B (M,), a weight.
    One to three spatial axes. Output M feature maps in the layout of X, whose spatial sizes are
    ``stride * (size - 1) + (kernel - 1) * dilation + 1 - pads + output_padding``. float32 or float64.
    """

    strides: Sequence[int] | None = None
    pads: Sequence[int] | None = None
    dilations: Sequence[int] | None = None
    output_padding: Sequence[int] | None = None
    layout: str = "NCHW"
    kernel_layout: str = "IOHW"
    activation: Activation | None = None

    kernels = ("conv/conv_transpose.hxx", "elementwise/activations.hxx")

    def _axes(self, x: TensorType, w: TensorType) -> tuple[tuple[Axis, ...], int, int]:
        """The window of the convolution that is transposed, from output to input; channels of input and output."""
        sizes, channels = image_axes("ConvTranspose", x.shape, self.layout)
        kernel = static_dims("ConvTranspose", w.shape, "kernel")
        rank = len(sizes)
        if self.kernel_layout not in ("IOHW", "HWOI"):
            raise ShapeError(f"ConvTranspose: kernel_layout must be IOHW or HWOI, got {self.kernel_layout!r}")
        first = self.kernel_layout == "IOHW"
        (inputs, outputs), taps = (kernel[:2], kernel[2:]) if first else (kernel[:-3:-1], kernel[:-2])
        if len(kernel) != rank + 2 or inputs != channels or min(kernel) < 1:
            raise ShapeError(
                f"ConvTranspose: images {format_shape(x.shape)} ({self.layout}) need a kernel of {rank + 2} dimensions "
                f"for {channels} input channels, got {format_shape(w.shape)} ({self.kernel_layout})"
            )
        strides, dilations = self.strides or [1] * rank, self.dilations or [1] * rank
        pads, more = self.pads or [0] * (2 * rank), self.output_padding or [0] * rank
        for name, values, count, least in (
            ("strides", strides, rank, 1), ("dilations", dilations, rank, 1),
            ("pads", pads, 2 * rank, 0), ("output_padding", more, rank, 0),
        ):  # fmt: skip
            if len(values) != count or min(values) < least:
                raise ShapeError(f"ConvTranspose: {name} needs {count} numbers >= {least}, got {list(values)}")
        if any(n >= stride for n, stride in zip(more, strides, strict=True)):
            raise ShapeError(
                f"ConvTranspose: output_padding must be smaller than the strides {list(strides)}, got {list(more)}"
            )
        axes = []
        for i, size in enumerate(sizes):
            before, after = pads[i], pads[rank + i]
            reach = Axis(1, taps[i], strides[i], dilations[i]).under(size)
            out = reach - before - after + more[i]
            if size < 1 or out < 1:
                raise ShapeError(
                    f"ConvTranspose: axis {i} of the image, of size {size}, would become {max(out, 0)} numbers; "
                    f"the pads {before} and {after} are too large"
                )
            axes.append(Axis(out, taps[i], strides[i], dilations[i], before, after))
        return tuple(axes), channels, outputs

    def infer(self, x: TensorType, w: TensorType, b: TensorType | None = None) -> TensorType:
        dtype = float_dtype("ConvTranspose", x, w, b)
        axes, _, outputs = self._axes(x, w)
        check_bias("ConvTranspose", b, outputs)
        return TensorType(dtype, image_shape(x.shape[:1], [axis.size for axis in axes], outputs, self.layout))

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        x, w = inputs[0], inputs[1]
        assert x is not None
        assert w is not None
        axes, _, _ = self._axes(x, w)
        return 2 * math.prod(static_dims("ConvTranspose", w.shape)) * math.prod(outputs_of(axes))

    def emit(self, code: Emitter) -> str:
        x, w, y = code.inputs[0], code.inputs[1], code.outputs[0]
        assert x is not None
        assert w is not None
        self.check_constant(code, 1, 2)
        axes, channels, outputs = self._axes(x, w)
        taps = math.prod(axis.kernel for axis in axes)
        products = math.prod(outputs_of(axes)) * taps * outputs
        at_once = max(PRODUCTS_AT_ONCE // products, 1)
        one, absent = literal(1, y.dtype), len(self.inputs)
        return code.call(
            f"conv_transpose<{by_register_width(lambda lanes: outputs < lanes, y.dtype)}>",
            code.count(y.shape[:1]), at_once, code.struct("Window", *window_members(axes)), channels, outputs,
            code.input(0),
            code.packed("pack_conv_transpose", code.raw(1), taps, channels, outputs, self.kernel_layout == "IOHW"),
            code.packed("pack_bias", code.raw(absent), taps * outputs, one),
            code.packed("pack_bias", code.raw(2), outputs, one),
            code.output(0), code.scratch(y.dtype, (at_once * products,)),
            code.scratch("int64", (list_size(axes),)), epilogue(code, self.activation, y.dtype),
        )  # fmt: skip


def list_size(axes: Sequence[Axis]) -> int:
    """``conv_transpose_list`` of ``conv_transpose.hxx``."""
    d, h, w = volume(axes)
    return w.size + 1 + w.out * w.kernel + d.kernel * h.kernel
