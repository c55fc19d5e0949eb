"""Keras's names of activations -> operators, for all layers with an ``activation`` option."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sofie_jit.frontends.keras import refusals
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import find
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.operators import activations as operators
from sofie_jit.ir.operators.activations import Activation
from sofie_jit.ir.operators.softmax import GLU, AlongAxis, LogSoftmax, Softmax, Sparsemax
from sofie_jit.ir.rmodel import RModel

ELEMENTWISE: dict[str, Callable[[], Activation | None]] = {
    "linear": lambda: None,
    "celu": operators.Celu,
    "elu": operators.Elu,
    "exponential": operators.Exp,
    "gelu": operators.Gelu,
    "hard_shrink": operators.Shrink,
    "hard_sigmoid": lambda: operators.HardSigmoid(alpha=1 / 6, beta=0.5),
    "hard_sigmoid_keras2": lambda: operators.HardSigmoid(alpha=0.2, beta=0.5),
    "hard_silu": operators.HardSwish,
    "hard_swish": operators.HardSwish,
    "hard_tanh": lambda: operators.Clip(min=-1.0, max=1.0),
    "leaky_relu": lambda: operators.LeakyRelu(alpha=0.2),
    "log_sigmoid": operators.LogSigmoid,
    "mish": operators.Mish,
    "relu": operators.Relu,
    "relu6": lambda: operators.Clip(min=0.0, max=6.0),
    "selu": operators.Selu,
    "sigmoid": operators.Sigmoid,
    "silu": operators.Swish,
    "swish": operators.Swish,
    "soft_shrink": lambda: operators.Shrink(lambd=0.5, bias=0.5),
    "softplus": operators.Softplus,
    "softsign": operators.Softsign,
    "sparse_plus": operators.SparsePlus,
    "sparse_sigmoid": operators.SparseSigmoid,
    "squareplus": operators.Squareplus,
    "tanh": operators.Tanh,
    "tanh_shrink": operators.TanhShrink,
    "threshold": lambda: operators.Threshold(threshold=0.0, value=0.0),
}
"""Element-wise functions of ``keras.activations``, with Keras's default arguments."""

ALONG_LAST_AXIS: dict[str, Callable[[], AlongAxis]] = {
    "glu": GLU,
    "log_softmax": LogSoftmax,
    "softmax": Softmax,
    "sparsemax": Sparsemax,
}
"""Functions of ``keras.activations`` along the last axis."""


def elementwise_activation(call: LayerCall, value: Any) -> Activation | None:
    """The operator of an ``activation`` option, which must be element-wise; None for the identity.

    Its value is a name, or a layer without weights such as LeakyReLU. Refuses, through ``call``, other functions and
    layers, custom ones, and unknown names.
    """
    if isinstance(value, Mapping):
        return _operator_of_layer(call, value)
    name = "linear" if value is None else value
    if not isinstance(name, str) or name not in ELEMENTWISE:
        call.refuse(f"the activation {value!r} is not supported here; supported are {', '.join(sorted(ELEMENTWISE))}")
    return ELEMENTWISE[name]()


def _operator_of_layer(call: LayerCall, spec: Mapping[str, Any]) -> Activation | None:
    """The only operator of a layer, which is translated by itself; None if it has none."""
    network = Builder(RModel("activation"))
    layer = call.layer.sublayer("activation", spec)
    entry = find(layer)
    if entry is not None and not entry.weights(layer.config):
        LayerCall(layer, network)(network.input("x", call.dtype, (None, 1)))
        found = network.rmodel.operators
        if not found:
            return None
        if len(found) == 1 and isinstance(found[0], Activation):
            return found[0]
    call.refuse(
        f"the layer {layer.class_name} is not supported as an activation here; supported are layers without weights "
        f"that act on each element, and the functions {', '.join(sorted(ELEMENTWISE))}"
    )


def activation(call: LayerCall, x: Symbol, value: Any) -> Symbol:
    """``x`` after the activation that an option of the layer names, or that it has as a layer.

    Refuses, through ``call``, names that are neither Keras's nor registered with ``register_layer``.
    """
    if isinstance(value, str) and value not in ELEMENTWISE and value not in ALONG_LAST_AXIS:
        value = _custom(call, value)
    if isinstance(value, Mapping):
        through_layer: Symbol = call.sublayer("activation", value)(x)
        return through_layer
    operator = ALONG_LAST_AXIS[value]() if value in ALONG_LAST_AXIS else ELEMENTWISE[value or "linear"]()
    result: Symbol = call.add(operator, x) if operator else x
    return result


def _custom(call: LayerCall, name: str) -> Mapping[str, Any]:
    """The spec of the layer without options that stands for a custom function, ``"package>name"`` or its bare name."""
    package, _, function = name.rpartition(">")
    spec = {"class_name": function, "package": package, "config": {"name": function}, "saved_class": function}
    entry = find(call.layer.sublayer("activation", spec))
    if function.partition("(")[0] in refusals.QUANTIZERS:
        call.refuse(f"its activation {name!r} is a quantizer: {refusals.ADDED_CLASSES['QActivation']}")
    if entry is None or entry.builtin:
        known = ", ".join(sorted([*ELEMENTWISE, *ALONG_LAST_AXIS]))
        call.refuse(
            f"the activation {name!r} is not one of Keras's ({known}); register a function for it with "
            f"sofie_jit.register_layer({function!r})(lambda call, x: ...)"
        )
    return spec
