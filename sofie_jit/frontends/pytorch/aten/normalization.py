"""Normalizations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dim
from sofie_jit.ir.operators import normalization


@aten("batch_norm")
def batch_norm(
    call: AtenCall, input: Symbol, weight: Symbol | None, bias: Symbol | None, running_mean: Symbol | None,
    running_var: Symbol | None, training: bool, momentum: float, eps: float, cudnn_enabled: Any,
) -> Symbol:  # fmt: skip
    """Normalization of each channel by given statistics; by those of the batch if the module keeps none."""
    if running_mean is None or running_var is None:
        axes = [axis for axis in range(input.rank) if axis != 1]
        mean, var = ops.mean(input, axes), ops.var(input, axes)
        return _normalized(call, input, weight, bias, mean, var, eps)
    if training:
        call.refuse(
            "it normalizes by the statistics of the batch and updates its own: call model.eval() before the model is "
            "exported"
        )
    return _normalized(call, input, weight, bias, running_mean, running_var, eps)


def _normalized(
    call: AtenCall, x: Symbol, weight: Symbol | None, bias: Symbol | None, mean: Symbol, var: Symbol, eps: float
) -> Symbol:
    given = (weight, bias, mean, var)
    if all(value is None or ops.weight_of(value) is not None for value in given):
        return call.add(normalization.BatchNormalization(epsilon=eps), x, *given)
    shape = (1, -1, *[1] * (x.rank - 2))
    scale = ops.rsqrt(ops.add(var, eps))
    scale = scale if weight is None else ops.multiply(scale, weight)
    y = ops.multiply(ops.subtract(x, ops.reshape(mean, shape)), ops.reshape(scale, shape))
    return y if bias is None else ops.add(y, ops.reshape(bias, shape))


@aten("_native_batch_norm_legit_no_training")
def native_batch_norm(
    call: AtenCall, input: Symbol, weight: Symbol | None, bias: Symbol | None, running_mean: Symbol,
    running_var: Symbol, momentum: float, eps: float,
) -> tuple[Symbol, None, None]:  # fmt: skip
    """Normalization of each channel by given statistics; the other results are empty."""
    return _normalized(call, input, weight, bias, running_mean, running_var, eps), None, None


@aten("native_batch_norm")
def native_batch_norm_of_mode(
    call: AtenCall, input: Symbol, weight: Symbol | None, bias: Symbol | None, running_mean: Symbol | None,
    running_var: Symbol | None, training: bool, momentum: float, eps: float,
) -> tuple[Symbol, None, None]:  # fmt: skip
    """Normalization of each channel by given statistics; the other results are empty."""
    return batch_norm(call, input, weight, bias, running_mean, running_var, training, momentum, eps, None), None, None


@aten("_native_batch_norm_legit.no_stats")
def native_batch_norm_without_statistics(
    call: AtenCall, input: Symbol, weight: Symbol | None, bias: Symbol | None, training: bool, momentum: float,
    eps: float,
) -> tuple[Symbol, None, None]:  # fmt: skip
    """Normalization of each channel by the statistics of the batch; the other results are empty."""
    return batch_norm(call, input, weight, bias, None, None, training, momentum, eps, None), None, None


def _row(call: AtenCall, x: Symbol, shape: Sequence[Any]) -> int:
    """The first axis of a row of the given shape."""
    if tuple(shape) != x.shape[x.rank - len(shape) :] or not shape:
        call.refuse(f"normalized_shape={list(shape)} does not fit a tensor of shape {x.shape}")
    return x.rank - len(shape)


@aten("layer_norm")
def layer_norm(
    call: AtenCall, input: Symbol, normalized_shape: list[Any], weight: Symbol | None, bias: Symbol | None, eps: float,
    cudnn_enable: Any,
) -> Symbol:  # fmt: skip
    """Normalization of each row."""
    axis = _row(call, input, normalized_shape)
    if weight is None and bias is not None:
        return ops.add(call.add(normalization.LayerNormalization(axis=axis, epsilon=eps), input), bias)
    return call.add(normalization.LayerNormalization(axis=axis, epsilon=eps), input, weight, bias)


@aten("native_layer_norm")
def native_layer_norm(
    call: AtenCall, input: Symbol, normalized_shape: list[Any], weight: Symbol | None, bias: Symbol | None, eps: float
) -> tuple[Symbol, Symbol, Symbol]:
    """Normalization of each row; also the mean and the inverse standard deviation."""
    axes = list(range(_row(call, input, normalized_shape), input.rank))
    mean = ops.mean(input, axes, keepdims=True)
    rstd = ops.rsqrt(ops.add(ops.var(input, axes, keepdims=True), eps))
    return layer_norm(call, input, normalized_shape, weight, bias, eps, None), mean, rstd


@aten("rms_norm", "_fused_rms_norm")
def rms_norm(
    call: AtenCall, input: Symbol, normalized_shape: list[Any], weight: Symbol | None, eps: float | None
) -> Symbol:
    """Division of each row by its root mean square."""
    axis = _row(call, input, normalized_shape)
    epsilon = float(np.finfo(input.dtype).eps) if eps is None else eps
    return call.add(
        normalization.RMSNormalization(axis=axis, epsilon=epsilon), input, *([] if weight is None else [weight])
    )


@aten("group_norm")
def group_norm(
    call: AtenCall, input: Symbol, num_groups: int, weight: Symbol | None, bias: Symbol | None, eps: float,
    cudnn_enabled: Any,
) -> Symbol:  # fmt: skip
    """Normalization of each group of channels."""
    channels = static_dim("group_norm", input.shape, 1)
    if num_groups < 1 or channels % num_groups:
        call.refuse(f"{channels} channels cannot be divided into {num_groups} groups")
    x = input if input.rank > 2 else ops.expand_dims(input, -1)
    scale, shift = _of_channels(call, x, channels, weight, bias)
    y = call.add(normalization.GroupNormalization(num_groups=num_groups, epsilon=eps), x, scale, shift)
    return y if y.rank == input.rank else ops.squeeze(y, -1)


def _of_channels(
    call: AtenCall, x: Symbol, channels: int, weight: Symbol | None, bias: Symbol | None
) -> tuple[Symbol, Symbol]:
    scale = weight if weight is not None else call.constant(np.ones(channels, x.dtype), "scale")
    return scale, bias if bias is not None else call.constant(np.zeros(channels, x.dtype), "shift")


@aten("native_group_norm")
def native_group_norm(
    call: AtenCall, input: Symbol, weight: Symbol | None, bias: Symbol | None, N: Any, C: Any, HxW: Any,  # noqa: N803
    group: int, eps: float,
) -> tuple[Symbol, None, None]:  # fmt: skip
    """Normalization of each group of channels; its statistics are not supported."""
    return group_norm(call, input, group, weight, bias, eps, None), None, None


@aten("instance_norm")
def instance_norm(
    call: AtenCall, input: Symbol, weight: Symbol | None, bias: Symbol | None, running_mean: Symbol | None,
    running_var: Symbol | None, use_input_stats: bool, momentum: float, eps: float, cudnn_enabled: Any,
) -> Symbol:  # fmt: skip
    """Normalization of each channel of each image, by its own or by given statistics."""
    if not use_input_stats and running_mean is not None and running_var is not None:
        return _normalized(call, input, weight, bias, running_mean, running_var, eps)
    scale, shift = _of_channels(call, input, static_dim("instance_norm", input.shape, 1), weight, bias)
    return call.add(normalization.InstanceNormalization(epsilon=eps), input, scale, shift)


@aten("_weight_norm", "_weight_norm_interface")
def weight_norm(call: AtenCall, v: Symbol, g: Symbol, dim: int) -> Any:
    """``g v / |v|``, with a norm for each element along ``dim``."""
    axes = [axis for axis in range(v.rank) if axis != dim % v.rank or dim == -1]
    size = ops.norm(v, None, axes, True)
    weight = ops.multiply(v, ops.divide(g, size))
    return weight if call.schema.name == "_weight_norm" else (weight, size)
