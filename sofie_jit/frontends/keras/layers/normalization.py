"""BatchNormalization, LayerNormalization, GroupNormalization and similar layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sofie_jit.frontends.keras.axes import axes_of_option, over_axes
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import WeightNames, layer
from sofie_jit.frontends.keras.masks import passes, stops
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Shape, product
from sofie_jit.ir.operators.elementwise import Mul
from sofie_jit.ir.operators.normalization import (
    BatchNormalization,
    GroupNormalization,
    InstanceNormalization,
    LayerNormalization,
    LpNormalization,
    RMSNormalization,
)
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.types import is_floating

NORMALIZATION = {"axis": -1, "epsilon": 1e-3, "center": True, "scale": True}
"""Defaults that most layers of this family have in common."""


def scale_and_center(config: Mapping[str, Any]) -> WeightNames:
    """gamma and beta, unless the config switches them off."""
    return (("gamma",) if config["scale"] else ()) + (("beta",) if config["center"] else ())


def _weight(call: LayerCall, name: str, shape: Shape) -> Symbol:
    return call.constant(call.weight(name, [dim if isinstance(dim, int) else None for dim in shape]), name)


def _gamma_and_beta(call: LayerCall, shape: Shape) -> tuple[Symbol | None, Symbol | None]:
    """The weights gamma and beta; None for one that the config switches off."""
    gamma = _weight(call, "gamma", shape) if call.config["scale"] else None
    return gamma, _weight(call, "beta", shape) if call.config["center"] else None


def _floating(call: LayerCall, x: Symbol) -> Symbol:
    """``x``, converted to floating point as in Keras 2. Refuses integers in Keras 3, which rounds to integers."""
    if is_floating(x.dtype):
        return x
    if call.layer.keras_major >= 3:
        call.refuse(f"its input is {x.dtype}; Keras 3 rounds to integers, which is not supported; pass float32")
    return ops.cast(x, call.dtype)


def _single_axis(call: LayerCall, x: Symbol) -> int:
    axes = axes_of_option(call, x, call.config["axis"])
    if len(axes) != 1:
        call.refuse(f"axis={axes}: normalization over several axes at once is not supported; retrain with one axis")
    return axes[0]


def batch_norm_weights(config: Mapping[str, Any]) -> WeightNames:
    """gamma, beta, the moving statistics, and those of renormalization, which only training uses."""
    renorm = ("moving_stddev", "renorm_mean", "renorm_stddev") if config.get("renorm") else ()
    return (*scale_and_center(config), "moving_mean", "moving_variance", *renorm)


def _modernize(options: dict[str, Any]) -> dict[str, Any]:
    """Options of BatchNormalization as Keras 3 has them."""
    axis = options["axis"]
    if isinstance(axis, (list, tuple)) and len(axis) == 1:
        options["axis"] = axis[0]
    if options.get("mode") == 0:  # of Keras 1
        del options["mode"]
    return options


@layer(
    "BatchNormalization",
    weights=batch_norm_weights,
    mask=passes,
    promotes=True,
    defaults=NORMALIZATION,
    modernize=_modernize,
    refuses="in Keras 2, training=True with a mask, with renorm=True or in a frozen layer",
)
def batch_normalization(call: LayerCall, x: Symbol, mask: Symbol | None = None, training: bool = False) -> Symbol:
    """Normalization of each channel by statistics of the training data; a mask has no influence on inference.

    In Keras 2, a layer that is called with ``training=True`` uses the mean and variance of the batch that it gets, and
    so does one of Keras 1 with ``mode=2``. With ``mode=1``, those of each position over the last axis are used.
    """
    call.config.ignore("momentum", "synchronized", "renorm_clipping", "renorm_momentum")
    axes = axes_of_option(call, x, call.config["axis"])
    mode = call.config.get("mode", 0)
    if mode == 1:
        return _normalized_by_position(call, x)
    if mode == 2:
        return _normalized_by_the_batch(call, x, axes)
    if training:
        problem = "frozen" if not call.layer.trainable else "masked" if mask is not None else ""
        if problem:
            call.refuse(f"{problem} and called with training=True; save the model without it")
        return _normalized_by_the_batch(call, x, axes)
    call.config.ignore("renorm")
    if len(axes) > 1:
        return _batch_normalization_over(call, x, axes)
    axis = axes[0]
    channels = x.shape[axis : axis + 1]
    gamma, beta = _gamma_and_beta(call, channels)
    mean, variance = _weight(call, "moving_mean", channels), _weight(call, "moving_variance", channels)
    operator = BatchNormalization(axis=axis, epsilon=float(call.config["epsilon"]))
    return call.add(operator, x, gamma, beta, mean, variance)


def _normalized_by_position(call: LayerCall, x: Symbol) -> Symbol:
    """``(x - mean) / (sqrt(variance + epsilon) + epsilon) * gamma + beta``, moments over the last axis."""
    epsilon = float(call.config["epsilon"])
    mean, variance = ops.moments(x, [-1], keepdims=True)
    y = ops.divide(ops.subtract(x, mean), ops.add(ops.sqrt(ops.add(variance, epsilon)), epsilon))
    gamma, beta = _gamma_and_beta(call, x.shape[-1:])
    y = y if gamma is None else ops.multiply(y, gamma)
    return y if beta is None else ops.add(y, beta)


def _normalized_by_the_batch(call: LayerCall, x: Symbol, axes: list[int]) -> Symbol:
    """Normalization by the mean and variance of ``x`` over all axes but ``axes``."""
    mean, variance = ops.moments(x, [axis for axis in range(x.rank) if axis not in axes], keepdims=True)
    y = ops.multiply(ops.subtract(x, mean), ops.rsqrt(ops.add(variance, float(call.config["epsilon"]))))
    shape = tuple(size if axis in axes else 1 for axis, size in enumerate(x.shape))
    gamma, beta = _gamma_and_beta(call, x.shape[axes[0] : axes[0] + 1] if len(axes) == 1 else shape)
    y = y if gamma is None else ops.multiply(y, ops.reshape(gamma, shape))
    return y if beta is None else ops.add(y, ops.reshape(beta, shape))


def _batch_normalization_over(call: LayerCall, x: Symbol, axes: list[int]) -> Symbol:
    """Normalization with statistics for each index along several axes, as in Keras 2: a scale and an offset."""
    sizes = [size if axis in axes else 1 for axis, size in enumerate(x.shape)]
    shape = [size if isinstance(size, int) else None for size in sizes]

    def weight(name: str) -> np.ndarray:
        return call.weight(name, shape).astype(np.float64)

    scale = 1 / np.sqrt(weight("moving_variance") + float(call.config["epsilon"]))
    if call.config["scale"]:
        scale = scale * weight("gamma")
    offset = -weight("moving_mean") * scale
    if call.config["center"]:
        offset = offset + weight("beta")
    scaled = ops.multiply(x, call.constant(scale.astype(call.dtype), "scale"))
    return ops.add(scaled, call.constant(offset.astype(call.dtype), "offset"))


def layer_norm_weights(config: Mapping[str, Any]) -> WeightNames:
    """gamma and beta; with the old option ``rms_scaling`` always gamma, and no beta."""
    return ("gamma",) if config.get("rms_scaling") else scale_and_center(config)


@layer("LayerNormalization", weights=layer_norm_weights, mask=passes, defaults=NORMALIZATION)
def layer_normalization(call: LayerCall, x: Symbol) -> Symbol:
    """Normalization of each row by its own mean and variance, over one or several axes."""
    x = _floating(call, x)
    option = call.config["axis"]
    axes = axes_of_option(call, x, option)
    row = tuple(x.shape[axis] for axis in axes)
    # Keras creates the weights in the order of the option, since Keras 3 sorted, and reads them in that of the axes
    listed = [option] if isinstance(option, int) else sorted(option) if call.layer.keras_major >= 3 else option
    stored = tuple(x.shape[axis] for axis in listed)
    uncentered = bool(call.config.get("rms_scaling"))
    call.config.ignore("scale", "center")
    weights = (_weight(call, "gamma", stored), None) if uncentered else _gamma_and_beta(call, stored)
    gamma, beta = (None if weight is None else ops.reshape(weight, row) for weight in weights)
    operator = LayerNormalization(axis=-len(axes), epsilon=float(call.config["epsilon"]), centered=not uncentered)
    return over_axes(call, x, axes, lambda moved: call.add(operator, moved, gamma, beta))


@layer("RMSNormalization", weights=("scale",), mask=stops, defaults={"axis": -1, "epsilon": 1e-6})
def rms_normalization(call: LayerCall, x: Symbol) -> Symbol:
    """Division of each row by its root mean square, over one or several axes."""
    x = _floating(call, x)
    axes = axes_of_option(call, x, call.config["axis"])
    scale = _weight(call, "scale", tuple(x.shape[axis] for axis in axes))
    operator = RMSNormalization(axis=-len(axes), epsilon=float(call.config["epsilon"]))
    if axes[0] == x.rank - len(axes):
        return call.add(operator, x, scale)
    # Keras aligns the scale with the last axes, whatever its axes are
    return call.add(Mul(), over_axes(call, x, axes, lambda moved: call.add(operator, moved)), scale)


@layer("UnitNormalization", mask=passes, defaults={"axis": -1})
def unit_normalization(call: LayerCall, x: Symbol) -> Symbol:
    """Division of each row by its Euclidean norm, over one or several axes."""
    x = _floating(call, x)
    axes = axes_of_option(call, x, call.config["axis"])

    def normalized(moved: Symbol) -> Symbol:
        rest, row = moved.shape[: -len(axes)], moved.shape[-len(axes) :]
        rows = ops.reshape(moved, (*rest, product(*row)))
        return ops.reshape(call.add(LpNormalization(limit=1e12), rows), moved.shape)

    return over_axes(call, x, axes, normalized)


@layer(
    "Addons>GroupNormalization", "Addons>InstanceNormalization", weights=scale_and_center, mask=passes, builtin=False
)  # fmt: skip
@layer("GroupNormalization", weights=scale_and_center, mask=passes, defaults={**NORMALIZATION, "groups": 32})
def group_normalization(call: LayerCall, x: Symbol) -> Symbol:
    """Normalization over the spatial axes and groups of channels; ``groups=-1`` is each channel by itself."""
    x = _floating(call, x)
    axis, groups = _single_axis(call, x), int(call.config["groups"])
    channels = x.shape[axis : axis + 1]
    gamma, beta = _gamma_and_beta(call, channels)
    epsilon = float(call.config["epsilon"])
    operator = (
        InstanceNormalization(epsilon=epsilon, layout="NHWC")
        if groups in (-1, channels[0])
        else GroupNormalization(num_groups=groups, epsilon=epsilon, layout="NHWC")
    )
    return over_axes(call, x, [axis], lambda moved: call.add(operator, moved, gamma, beta))


@layer("InstanceNormalization", weights=scale_and_center, mask=passes, defaults={**NORMALIZATION, "axis": None})
def instance_normalization(call: LayerCall, x: Symbol) -> Symbol:
    """Normalization of each channel, as in two extensions of Keras: tfa, which writes ``groups``, and keras_contrib.

    The layer of tfa is a GroupNormalization. That of keras_contrib adds epsilon to the standard deviation, and with
    ``axis=None`` normalizes over all axes but the batch, with one gamma and one beta.
    """
    if "groups" in call.config:
        result: Symbol = group_normalization(call, x)
        return result
    epsilon, whole = float(call.config["epsilon"]), call.config["axis"] is None
    axis = x.rank - 1 if whole else _single_axis(call, x)
    channels: Shape = (1,) if whole else x.shape[axis : axis + 1]
    gamma, beta = _gamma_and_beta(call, channels)
    operator = InstanceNormalization(epsilon=0.0, stddev_epsilon=epsilon, layout="NHWC")
    if not whole:
        return over_axes(call, x, [axis], lambda moved: call.add(operator, moved, gamma, beta))
    column = call.add(Reshape(shape=(0, -1, 1)), x)
    back: Symbol = call.add(Reshape(shape=x.shape), call.add(operator, column, gamma, beta))
    return back
