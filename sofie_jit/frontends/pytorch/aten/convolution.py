"""Convolutions and transposed convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends import general_convolution
from sofie_jit.frontends.constants import computed
from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dim
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.conv_transpose import ConvTranspose
from sofie_jit.ir.operators.matmul import MatMul


def per_axis(call: AtenCall, name: str, values: Sequence[Any], count: int) -> list[int]:
    """An option with one number for all axes, or one per axis."""
    found = list(values) * count if len(values) == 1 else list(values)
    if len(found) != count or any(not isinstance(value, int) for value in found):
        call.refuse(f"{name}={list(values)} is not supported for {count} axes")
    return found


def batched(x: Symbol, spatial: int) -> Symbol:
    """``x`` with an axis for the batch."""
    return x if x.rank == spatial + 2 else ops.expand_dims(x, 0)


def unbatched(y: Symbol, x: Symbol) -> Symbol:
    """``y`` without the axis for the batch if ``x`` had none."""
    return y if y.rank == x.rank else ops.squeeze(y, 0)


def _constant(call: AtenCall, weight: Symbol) -> Symbol | None:
    """A weight as a constant; modules with a parametrization compute it from others. None if it depends on inputs."""
    if ops.weight_of(weight) is not None:
        return weight
    known = computed(call.builder.rmodel, weight.name)
    return None if known is None else call.constant(np.ascontiguousarray(known), "weight")


@aten("conv1d", "conv2d", "conv3d")
def conv(
    call: AtenCall, input: Symbol, weight: Symbol, bias: Symbol | None, stride: list[Any], padding: Any,
    dilation: list[Any], groups: int,
) -> Symbol:  # fmt: skip
    """A convolution with groups."""
    return _conv(call, input, weight, bias, stride, padding, dilation, groups)


def _conv(
    call: AtenCall, input: Symbol, weight: Symbol, bias: Symbol | None, stride: Sequence[Any], padding: Any,
    dilation: Sequence[Any], groups: int,
) -> Symbol:  # fmt: skip
    count = weight.rank - 2
    x = batched(input, count)
    strides, dilations = per_axis(call, "stride", stride, count), per_axis(call, "dilation", dilation, count)
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            call.refuse(f"padding={padding!r} is not supported")
        extents = [(static_dim("conv", weight.shape, 2 + axis) - 1) * dilations[axis] for axis in range(count)]
        totals = extents if padding == "same" else [0] * count
        pads = [total // 2 for total in totals] + [total - total // 2 for total in totals]
    else:
        pads = per_axis(call, "padding", padding, count) * 2
    operator = Conv(strides=strides, pads=pads, dilations=dilations, group=groups)
    if any(strides) and ops.weight_of(weight) is None and _is_pointwise(weight, strides, pads, groups):
        return unbatched(_pointwise(x, weight, bias), input)
    kernel = _constant(call, weight)
    if kernel is None:
        return _with_bias(unbatched(general_convolution.conv(operator, x, weight), input), bias, count)
    return unbatched(call.add(operator, x, kernel, *([] if bias is None else [bias])), input)


def _with_bias(y: Symbol, bias: Symbol | None, count: int) -> Symbol:
    return y if bias is None else ops.add(y, ops.reshape(bias, (-1, *[1] * count)))


def _is_pointwise(weight: Symbol, strides: Sequence[int], pads: Sequence[int], groups: int) -> bool:
    return all(size == 1 for size in (*weight.shape[2:], *strides, groups)) and not any(pads)


def _pointwise(x: Symbol, weight: Symbol, bias: Symbol | None) -> Symbol:
    """A convolution of size 1, whose weight may be computed by the model, as a product of matrices."""
    rows = ops.moveaxis(x, 1, -1)
    matrix = ops.transpose(ops.reshape(weight, weight.shape[:2]))
    y: Symbol = x.builder.add(MatMul(), rows, matrix)
    return ops.moveaxis(y if bias is None else ops.add(y, bias), -1, 1)


@aten("_convolution_mode")
def convolution_mode(
    call: AtenCall, input: Symbol, weight: Symbol, bias: Symbol | None, stride: list[Any], padding: str,
    dilation: list[Any], groups: int,
) -> Symbol:  # fmt: skip
    """A convolution with padding "same" or "valid"."""
    return _conv(call, input, weight, bias, stride, padding, dilation, groups)


@aten("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def conv_transpose(
    call: AtenCall, input: Symbol, weight: Symbol, bias: Symbol | None, stride: list[Any], padding: list[Any],
    output_padding: list[Any], groups: int, dilation: list[Any],
) -> Symbol:  # fmt: skip
    """A transposed convolution with groups."""
    return _conv_transpose(call, input, weight, bias, stride, padding, dilation, output_padding, groups)


def _conv_transpose(
    call: AtenCall, input: Symbol, weight: Symbol, bias: Symbol | None, stride: Sequence[Any], padding: Sequence[Any],
    dilation: Sequence[Any], output_padding: Sequence[Any], groups: int,
) -> Symbol:  # fmt: skip
    count = weight.rank - 2
    kernel = _constant(call, weight)
    options: dict[str, Any] = {
        "strides": per_axis(call, "stride", stride, count),
        "pads": per_axis(call, "padding", padding, count) * 2,
        "dilations": per_axis(call, "dilation", dilation, count),
        "output_padding": per_axis(call, "output_padding", output_padding, count),
    }
    images = batched(input, count)
    if kernel is None:
        y = general_convolution.conv_transpose(ConvTranspose(**options, group=groups), images, weight)
        return _with_bias(unbatched(y, input), bias, count)
    if groups == 1:
        y = call.add(ConvTranspose(**options), images, kernel, *([] if bias is None else [bias]))
        return unbatched(y, input)
    # there is no kernel for groups
    kernels = np.split(call.known(kernel, "weight"), groups)
    parts = ops.split(images, groups, 1)
    results = [
        call.add(ConvTranspose(**options), part, call.constant(np.ascontiguousarray(array), f"weight{index}"))
        for index, (part, array) in enumerate(zip(parts, kernels, strict=True))
    ]
    return unbatched(_with_bias(ops.concatenate(results, 1), bias, count), input)


@aten("convolution", "_convolution")
def convolution(
    call: AtenCall, input: Symbol, weight: Symbol, bias: Symbol | None, stride: list[Any], padding: list[Any],
    dilation: list[Any], transposed: bool, output_padding: list[Any], groups: int, benchmark: Any = None,
    deterministic: Any = None, cudnn_enabled: Any = None, allow_tf32: Any = None,
) -> Symbol:  # fmt: skip
    """A convolution or transposed convolution of any number of axes."""
    if transposed:
        return _conv_transpose(call, input, weight, bias, stride, padding, dilation, output_padding, groups)
    return _conv(call, input, weight, bias, stride, padding, dilation, groups)


@aten("conv_tbc")
def conv_tbc(call: AtenCall, x: Symbol, weight: Symbol, bias: Symbol, pad: int) -> Symbol:
    """A convolution of (time, batch, channels)."""
    images, kernel = ops.transpose(x, [1, 2, 0]), ops.transpose(weight, [2, 1, 0])
    return ops.transpose(_conv(call, images, kernel, bias, [1], [pad], [1], 1), [2, 0, 1])


@aten("col2im")
def col2im(
    call: AtenCall, x: Symbol, output_size: list[Any], kernel_size: list[int], dilation: list[int], padding: list[int],
    stride: list[int],
) -> Symbol:  # fmt: skip
    """Windows as columns of a matrix added up to images."""
    kernel, strides, pads, dilations = (
        per_axis(call, "", values, 2) for values in (kernel_size, stride, padding, dilation)
    )
    columns = x if x.rank == 3 else ops.expand_dims(x, 0)
    borders = [(border, border) for border in pads]
    y = general_convolution.col2im("col2im", columns, output_size, kernel, strides, dilations, borders)
    return y if x.rank == 3 else ops.squeeze(y, 0)
