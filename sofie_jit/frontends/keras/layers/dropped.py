"""Layers that later versions of Keras dropped.

Highway, MaxoutDense, ParametricSoftplus and SReLU are of Keras 1, RandomFourierFeatures is of tf.keras.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sofie_jit.frontends.keras.activation import activation
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import WeightNames, layer
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol

RENAMED = {"output_dim": "units", "bias": "use_bias"}


def _product(call: LayerCall, x: Symbol, kernel: np.ndarray, bias: str) -> Symbol:
    """``x W + b``, or ``x W`` if the layer has no bias."""
    units = kernel.shape[1]
    operands = [call.constant(kernel, "kernel")]
    if call.config.get("use_bias", True):
        operands.append(call.constant(call.weight(bias).reshape(units), bias))
    return ops.linear(x, *operands)


def highway_weights(config: Mapping[str, Any]) -> WeightNames:
    """The weights of the transformation and of the gate."""
    return ("kernel", "kernel_carry", *(("bias", "bias_carry") if config.get("use_bias", True) else ()))


@layer("Highway", weights=highway_weights, renamed=RENAMED)
def highway(call: LayerCall, x: Symbol) -> Symbol:
    """``t activation(x W + b) + (1 - t) x`` with the gate ``t = sigmoid(x W_carry + b_carry)``."""
    call.config.ignore("transform_bias", "units")
    size = x.shape[-1:]
    kernel, carry = (call.weight(name, (*size, *size)) for name in ("kernel", "kernel_carry"))  # type: ignore[arg-type]
    gate = ops.sigmoid(_product(call, x, carry, "bias_carry"))
    changed = activation(call, _product(call, x, kernel, "bias"), call.config.get("activation", "linear"))
    return ops.add(ops.multiply(gate, changed), ops.multiply(ops.subtract(1.0, gate), x))


@layer(
    "MaxoutDense",
    weights=lambda c: ("kernel", "bias") if c.get("use_bias", True) else ("kernel",),
    renamed=RENAMED,
)
def maxout_dense(call: LayerCall, x: Symbol) -> Symbol:
    """The element-wise maximum of ``nb_feature`` products ``x W + b``."""
    units, pieces = int(call.config["units"]), int(call.config["nb_feature"])
    kernel = call.weight("kernel", (pieces, x.shape[-1], units))  # type: ignore[arg-type]
    joined = np.moveaxis(kernel, 0, 1).reshape(-1, pieces * units)
    y = _product(call, x, np.ascontiguousarray(joined), "bias")
    return ops.max(ops.reshape(y, (*x.shape[:-1], pieces, units)), axis=-2)


@layer("ParametricSoftplus", weights=("alphas", "betas"))
def parametric_softplus(call: LayerCall, x: Symbol) -> Symbol:
    """``alpha log(1 + e^(beta x))`` with learned ``alpha`` and ``beta``."""
    call.config.ignore("alpha_init", "beta_init", "shared_axes")
    alpha, beta = (call.constant(call.weight(name), name) for name in ("alphas", "betas"))
    return ops.multiply(alpha, ops.softplus(ops.multiply(beta, x)))


@layer("SReLU", weights=("t_left", "a_left", "t_right", "a_right"))
def s_relu(call: LayerCall, x: Symbol) -> Symbol:
    """Piecewise linear: slopes ``a_left``, 1 and ``a_right``, with bends at ``t_left`` and ``t_left + |t_right|``."""
    call.config.ignore("t_left_init", "a_left_init", "t_right_init", "a_right_init", "shared_axes")
    left, a_left, width, a_right = (
        call.constant(call.weight(name), name) for name in ("t_left", "a_left", "t_right", "a_right")
    )
    width = ops.absolute(width)
    from_left = ops.subtract(x, left)
    inner = ops.where(ops.less(from_left, 0), ops.multiply(a_left, from_left), ops.minimum(from_left, width))
    beyond = ops.maximum(ops.subtract(x, ops.add(left, width)), 0)
    return ops.add(ops.add(left, inner), ops.multiply(a_right, beyond))


@layer("RandomFourierFeatures", weights=("kernel_scale", "kernel", "bias"))
def random_fourier_features(call: LayerCall, x: Symbol) -> Symbol:
    """``cos(x W / scale + b)`` with random W and b and a learned scale."""
    call.config.ignore("scale", "output_dim")
    kernel = call.weight("kernel", (x.shape[-1], None))  # type: ignore[arg-type]
    kernel = (np.float32(1) / call.weight("kernel_scale", (1,))) * kernel
    return ops.cos(_product(call, x, kernel, "bias"))
