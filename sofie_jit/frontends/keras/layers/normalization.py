"""BatchNormalization, LayerNormalization, GroupNormalization and their kin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sofie_jit.frontends.keras.axes import axes_of, over_axes
from sofie_jit.frontends.keras.layers.registry import LayerCall, WeightNames, layer
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.elementwise import Mul
from sofie_jit.ir.operators.normalization import (
    BatchNormalization,
    GroupNormalization,
    InstanceNormalization,
    LayerNormalization,
    LpNormalization,
    RMSNormalization,
)
from sofie_jit.ir.operators.operator import Shape, product
from sofie_jit.ir.operators.reshape import Reshape


def scale_and_center(config: Mapping[str, Any]) -> WeightNames:
    """gamma and beta, those of them that there are."""
    return (("gamma",) if config["scale"] else ()) + (("beta",) if config["center"] else ())


def _weight(call: LayerCall, name: str, shape: Shape) -> Symbol:
    return call.constant(call.weight(name, [dim if isinstance(dim, int) else None for dim in shape]), name)


def _gamma_and_beta(call: LayerCall, shape: Shape) -> tuple[Symbol | None, Symbol | None]:
    """The weights gamma and beta, None for one that the config switches off."""
    gamma = _weight(call, "gamma", shape) if call.config["scale"] else None
    return gamma, _weight(call, "beta", shape) if call.config["center"] else None


def _single_axis(call: LayerCall, x: Symbol) -> int:
    axes = axes_of(call, x, call.config["axis"])
    if len(axes) != 1:
        call.refuse(f"axis={axes}: normalizing several axes at once is not translated; retrain with one")
    return axes[0]


def batch_norm_weights(config: Mapping[str, Any]) -> WeightNames:
    """gamma, beta, the moving statistics, and what only renormalization in training looks at."""
    renorm = ("moving_stddev", "renorm_mean", "renorm_stddev") if config.get("renorm") else ()
    return (*scale_and_center(config), "moving_mean", "moving_variance", *renorm)


@layer("BatchNormalization", weights=batch_norm_weights)
def batch_normalization(call: LayerCall, x: Symbol, mask: Symbol | None = None) -> Symbol:
    """Normalization per channel by statistics of the training data; a mask plays no role at inference."""
    call.config.ignore("momentum", "synchronized", "renorm", "renorm_clipping", "renorm_momentum")
    axes = axes_of(call, x, call.config["axis"])
    if len(axes) > 1:
        return _batch_normalization_over(call, x, axes)
    axis = axes[0]
    channels = x.shape[axis : axis + 1]
    gamma, beta = _gamma_and_beta(call, channels)
    mean, variance = _weight(call, "moving_mean", channels), _weight(call, "moving_variance", channels)
    operator = BatchNormalization(axis=axis, epsilon=float(call.config["epsilon"]))
    return call.add(operator, x, gamma, beta, mean, variance)


def _batch_normalization_over(call: LayerCall, x: Symbol, axes: list[int]) -> Symbol:
    """The same with statistics for every index along several axes, as Keras 2 can have it: a scale and an offset."""
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
    """gamma and beta; with the old option rms_scaling always gamma and no beta."""
    return ("gamma",) if config.get("rms_scaling") else scale_and_center(config)


@layer("LayerNormalization", weights=layer_norm_weights)
def layer_normalization(call: LayerCall, x: Symbol) -> Symbol:
    """Normalization of every row by its own mean and variance, over one or several axes."""
    option = call.config["axis"]
    axes = axes_of(call, x, option)
    row = tuple(x.shape[axis] for axis in axes)
    # Keras makes the weights in the order of the option, sorted since Keras 3, and reads them in that of the axes
    listed = [option] if isinstance(option, int) else sorted(option) if call.layer.era >= 3 else option
    stored = tuple(x.shape[axis] for axis in listed)
    uncentered = bool(call.config.get("rms_scaling"))
    call.config.ignore("scale", "center")
    weights = (_weight(call, "gamma", stored), None) if uncentered else _gamma_and_beta(call, stored)
    gamma, beta = (None if weight is None else ops.reshape(weight, row) for weight in weights)
    operator = LayerNormalization(axis=-len(axes), epsilon=float(call.config["epsilon"]), centered=not uncentered)
    return over_axes(call, x, axes, lambda moved: call.add(operator, moved, gamma, beta))


@layer("RMSNormalization", weights=("scale",))
def rms_normalization(call: LayerCall, x: Symbol) -> Symbol:
    """Division of every row by its root mean square, over one or several axes."""
    axes = axes_of(call, x, call.config["axis"])
    scale = _weight(call, "scale", tuple(x.shape[axis] for axis in axes))
    operator = RMSNormalization(axis=-len(axes), epsilon=float(call.config["epsilon"]))
    if axes[0] == x.rank - len(axes):
        return call.add(operator, x, scale)
    # Keras aligns the scale with the last axes, whatever axes it belongs to
    return call.add(Mul(), over_axes(call, x, axes, lambda moved: call.add(operator, moved)), scale)


@layer("UnitNormalization")
def unit_normalization(call: LayerCall, x: Symbol) -> Symbol:
    """Every row divided by its length, over one or several axes."""
    axes = axes_of(call, x, call.config["axis"])

    def normalized(moved: Symbol) -> Symbol:
        rest, row = moved.shape[: -len(axes)], moved.shape[-len(axes) :]
        rows = ops.reshape(moved, (*rest, product(*row)))
        return ops.reshape(call.add(LpNormalization(limit=1e12), rows), moved.shape)

    return over_axes(call, x, axes, normalized)


@layer("Addons>GroupNormalization", "Addons>InstanceNormalization", weights=scale_and_center, builtin=False)
@layer("GroupNormalization", weights=scale_and_center)
def group_normalization(call: LayerCall, x: Symbol) -> Symbol:
    """Normalization over space and groups of channels; ``groups=-1`` means every channel by itself."""
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


@layer("InstanceNormalization", weights=scale_and_center)
def instance_normalization(call: LayerCall, x: Symbol) -> Symbol:
    """Of two extensions of Keras: tfa writes ``groups`` and means a GroupNormalization, keras_contrib does not.

    keras_contrib adds epsilon to the standard deviation, and with ``axis=None`` normalizes over all axes behind the
    batch, with one gamma and one beta.
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
