"""Activations as Keras names them -> operators; what every layer with an ``activation`` option calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sofie_jit.frontends.keras.layers.registry import LayerCall, find
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators import activations as ops
from sofie_jit.ir.operators.activations import Activation
from sofie_jit.ir.operators.softmax import GLU, AlongAxis, LogSoftmax, Softmax, Sparsemax

ELEMENTWISE: dict[str, Callable[[], Activation | None]] = {
    "linear": lambda: None,
    "celu": ops.Celu,
    "elu": ops.Elu,
    "exponential": ops.Exp,
    "gelu": ops.Gelu,
    "hard_shrink": ops.Shrink,
    "hard_sigmoid": lambda: ops.HardSigmoid(alpha=1 / 6, beta=0.5),
    "hard_sigmoid_keras2": lambda: ops.HardSigmoid(alpha=0.2, beta=0.5),
    "hard_silu": ops.HardSwish,
    "hard_swish": ops.HardSwish,
    "hard_tanh": lambda: ops.Clip(min=-1.0, max=1.0),
    "leaky_relu": lambda: ops.LeakyRelu(alpha=0.2),
    "log_sigmoid": ops.LogSigmoid,
    "mish": ops.Mish,
    "relu": ops.Relu,
    "relu6": lambda: ops.Clip(min=0.0, max=6.0),
    "selu": ops.Selu,
    "sigmoid": ops.Sigmoid,
    "silu": ops.Swish,
    "swish": ops.Swish,
    "soft_shrink": lambda: ops.Shrink(lambd=0.5, bias=0.5),
    "softplus": ops.Softplus,
    "softsign": ops.Softsign,
    "sparse_plus": ops.SparsePlus,
    "sparse_sigmoid": ops.SparseSigmoid,
    "squareplus": ops.Squareplus,
    "tanh": ops.Tanh,
    "tanh_shrink": ops.TanhShrink,
    "threshold": lambda: ops.Threshold(threshold=0.0, value=0.0),
}
"""``keras.activations`` that act element by element, with Keras's default arguments."""

ALONG_LAST_AXIS: dict[str, Callable[[], AlongAxis]] = {
    "glu": GLU,
    "log_softmax": LogSoftmax,
    "softmax": Softmax,
    "sparsemax": Sparsemax,
}
"""``keras.activations`` of whole rows."""


def functor(call: LayerCall, value: Any) -> Activation | None:
    """The element-by-element function that an activation option names; None for the identity.

    Refuses, through ``call``, names that are unknown, a user's own, or functions of whole rows.
    """
    name = "linear" if value is None else value
    if not isinstance(name, str) or name not in ELEMENTWISE:
        call.refuse(f"the activation {value!r} cannot be used here; supported are {', '.join(sorted(ELEMENTWISE))}")
    return ELEMENTWISE[name]()


def activation(call: LayerCall, x: Symbol, value: Any) -> Symbol:
    """``x`` after the activation that an option of the layer names, or that is given as a layer.

    Refuses, through ``call``, names that are neither Keras's nor registered with ``register_layer``.
    """
    if isinstance(value, str) and value not in ELEMENTWISE and value not in ALONG_LAST_AXIS:
        value = _users_own(call, value)
    if isinstance(value, Mapping):
        through_layer: Symbol = call.sublayer("activation", value)(x)
        return through_layer
    operator = ALONG_LAST_AXIS[value]() if value in ALONG_LAST_AXIS else ELEMENTWISE[value or "linear"]()
    result: Symbol = call.add(operator, x) if operator else x
    return result


def _users_own(call: LayerCall, name: str) -> Mapping[str, Any]:
    """The layer without options that stands for a function of the user's own, ``"package>name"`` or its bare name."""
    package, _, function = name.rpartition(">")
    spec = {"class_name": function, "package": package, "config": {"name": function}, "saved_class": function}
    entry = find(call.layer.sublayer("activation", spec))
    if entry is None or entry.builtin:
        known = ", ".join(sorted([*ELEMENTWISE, *ALONG_LAST_AXIS]))
        call.refuse(
            f"the activation {name!r} is none of Keras's own ({known}); teach it with "
            f"sofie_jit.register_layer({function!r})(lambda call, x: ...)"
        )
    return spec
