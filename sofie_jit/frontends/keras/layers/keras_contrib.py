"""Layers of keras_contrib: https://github.com/keras-team/keras-contrib. InstanceNormalization: ``normalization.py``."""

from __future__ import annotations

from sofie_jit.frontends.keras.axes import axes_of_option
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.normalization import scale_and_center
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.masks import passes
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import product, static_dim


@layer(
    "Swish",
    weights=lambda c: ("scaling_factor",) if c.get("trainable") else (),
    mask=passes,
    defaults={"beta": 1.0, "trainable": False},
    builtin=False,
)
def swish(call: LayerCall, x: Symbol) -> Symbol:
    """``x * sigmoid(beta x)`` with a fixed or learned beta."""
    beta = float(call.weight("scaling_factor", ())) if call.config["trainable"] else float(call.config["beta"])
    call.config.ignore("beta")
    return ops.multiply(x, ops.sigmoid(ops.multiply(x, beta)))


@layer(
    "keras_contrib>GroupNormalization",
    weights=scale_and_center,
    mask=passes,
    defaults={"groups": 32, "axis": -1, "epsilon": 1e-5, "center": True, "scale": True},
    builtin=False,
)
def group_normalization(call: LayerCall, x: Symbol) -> Symbol:
    """Normalization of ``groups`` equal parts of each row as it lies in memory.

    These are groups of channels only if ``axis`` is 1; the layer reshapes other images in the same way.
    """
    config, axis, groups = call.config, axes_of_option(call, x, call.config["axis"])[0], int(call.config["groups"])
    channels = static_dim("GroupNormalization", x.shape, axis)
    if channels % groups:
        call.refuse(f"its input has {channels} channels, not a multiple of groups={groups}")
    sizes = [channels // groups if a == axis else size for a, size in enumerate(x.shape)][1:]
    parts = ops.reshape(x, (x.shape[0], groups, product(*sizes)))
    mean, variance = ops.moments(parts, [2], keepdims=True)
    parts = ops.multiply(ops.subtract(parts, mean), ops.rsqrt(ops.add(variance, float(config["epsilon"]))))
    y = ops.reshape(parts, (x.shape[0], groups, *sizes))
    aligned = [groups, *(channels // groups if a == axis else 1 for a in range(1, x.rank))]
    if config["scale"]:
        y = ops.multiply(y, call.constant(call.weight("gamma", (channels,)).reshape(aligned), "gamma"))
    if config["center"]:
        y = ops.add(y, call.constant(call.weight("beta", (channels,)).reshape(aligned), "beta"))
    return ops.reshape(y, x.shape)
