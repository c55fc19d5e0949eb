"""Activation and the layers that are activations with options of their own; layers that act in training only."""

from __future__ import annotations

import math

from sofie_jit.frontends.keras.activation import activation
from sofie_jit.frontends.keras.axes import axes_of_option, over_axes
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.masks import lessened, passes, passes_since_keras_3
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.activations import Clip, Elu, GeneralRelu, LeakyRelu, Relu, Threshold
from sofie_jit.ir.operators.elementwise import PRelu
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.operators.softmax import Softmax
from sofie_jit.ir.types import is_floating


@layer("Activation", mask=passes, promotes=True)
def activation_layer(call: LayerCall, x: Symbol) -> Symbol:
    """The function named by ``activation``."""
    return activation(call, x, call.config["activation"])


@layer("ReLU", mask=passes, defaults={"max_value": None, "negative_slope": 0.0, "threshold": 0.0})
def relu(call: LayerCall, x: Symbol) -> Symbol:
    """``max(x, 0)``, optionally with a ``threshold``, a ``max_value``, and a slope below the threshold."""
    slope, threshold = float(call.config["negative_slope"] or 0), float(call.config["threshold"] or 0)
    largest = call.config["max_value"]
    if slope == 0 and threshold == 0:
        if largest is not None and not is_floating(x.dtype) and float(largest).is_integer():
            return ops.clip(x, 0, int(largest))
        return call.add(Relu() if largest is None else Clip(min=0.0, max=float(largest)), x)
    if threshold == 0 and largest is None:
        return call.add(LeakyRelu(alpha=slope), x)
    low, high = (-math.inf, math.inf) if largest is None else (0.0, float(largest))
    return call.add(GeneralRelu(negative_slope=slope, threshold=threshold, low=low, high=high), x)


@layer(
    "LeakyReLU", mask=passes, promotes=True, defaults={"negative_slope": 0.3}, renamed={"alpha": "negative_slope"}
)  # fmt: skip
def leaky_relu(call: LayerCall, x: Symbol) -> Symbol:
    """``x`` where it is positive, else ``negative_slope * x``."""
    return call.add(LeakyRelu(alpha=float(call.config["negative_slope"])), x)


@layer("ELU", mask=passes, defaults={"alpha": 1.0})
def elu(call: LayerCall, x: Symbol) -> Symbol:
    """``x`` where it is positive, else ``alpha * (e^x - 1)``."""
    return call.add(Elu(alpha=float(call.config["alpha"])), x)


@layer("ThresholdedReLU", mask=passes, defaults={"theta": 1.0})
def thresholded_relu(call: LayerCall, x: Symbol) -> Symbol:
    """``x`` where it is greater than ``theta``, else 0 (Keras 1 and 2)."""
    return call.add(Threshold(threshold=float(call.config["theta"]), value=0.0), x)


@layer("PReLU", weights=("alpha",), mask=passes, defaults={"shared_axes": None})
def prelu(call: LayerCall, x: Symbol) -> Symbol:
    """``x`` where it is positive, else ``alpha * x`` with learned slopes, which may be shared along ``shared_axes``."""
    shared = call.config["shared_axes"]
    axes = axes_of_option(call, x, shared) if shared else []
    shape = [1 if axis in axes else dim for axis, dim in enumerate(x.shape)][1:]
    if call.layer.keras_major == 1:  # which did not save shared_axes; the slopes have size 1 there
        found = call.weight("alpha").shape
        shape = (
            [1 if n == 1 else dim for n, dim in zip(found, shape, strict=True)] if len(found) == len(shape) else shape
        )
    alpha = call.weight("alpha", [dim if isinstance(dim, int) else None for dim in shape])
    return call.add(PRelu(), x, call.constant(alpha, "alpha"))


@layer("Softmax", mask=passes, defaults={"axis": -1})
def softmax(call: LayerCall, x: Symbol, mask: Symbol | None = None) -> Symbol:
    """``e^x`` divided by its sum along ``axis``, one axis or several; masked elements become 0 (in Keras 2, not if all
    elements of a row are masked).
    """
    call.config.ignore("robust_masking")  # without a mask
    if mask is not None:
        shape = (1,) * (x.rank - mask.rank) + mask.shape
        if any(m not in (1, n) for m, n in zip(shape, x.shape, strict=False)) or mask.rank > x.rank:
            call.refuse(f"its mask has shape {mask.shape}, which does not broadcast to its input's {x.shape}")
        if call.layer.keras_major < 3 and not call.config.get("robust_masking"):
            return _softmax(call, lessened(x, mask))
        counts = mask if mask.dtype == "bool" else ops.greater(mask, 0.5)
        if call.layer.keras_major < 3:
            return _softmax(call, ops.where(counts, x, -1e9))
        return ops.where(counts, _softmax(call, ops.where(counts, x, -1e9)), 0.0)
    return _softmax(call, x)


def _softmax(call: LayerCall, x: Symbol) -> Symbol:
    axes = axes_of_option(call, x, call.config["axis"])
    if len(axes) == 1:
        return call.add(Softmax(axis=axes[0]), x)

    def of_rows(moved: Symbol) -> Symbol:
        rows = call.add(Reshape(shape=(*moved.shape[: -len(axes)], -1)), moved)
        return call.add(Reshape(shape=moved.shape), call.add(Softmax(axis=-1), rows))

    return over_axes(call, x, axes, of_rows)


@layer("Identity", mask=passes_since_keras_3)
@layer(
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout", "GaussianDropout",
    "GaussianNoise", "ActivityRegularization", mask=passes, renamed={"p": "rate", "sigma": "stddev"},
)  # fmt: skip
def training_only(call: LayerCall, x: Symbol) -> Symbol:
    """``x``: these layers act in training only."""
    call.config.ignore("rate", "noise_shape", "stddev", "data_format", "l1", "l2")
    return x
