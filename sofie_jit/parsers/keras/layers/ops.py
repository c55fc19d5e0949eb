"""Bare operations as nodes of a graph: ``keras.ops.*``, ``keras.activations.*`` and Python's operators on tensors.

A table from the class that Keras writes to the function of :mod:`sofie_jit.ops` that computes it, and to what of the
class's constructor arguments, which make up the node's config, the function takes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from sofie_jit import ops
from sofie_jit.builder import Symbol
from sofie_jit.parsers.keras import activation
from sofie_jit.parsers.keras.layers import activations as layers
from sofie_jit.parsers.keras.layers.registry import Handler, LayerCall, layer

REDUCTION = ("axis", "keepdims")

OF_ONE_NUMBER = (
    "absolute", "negative", "sign", "square", "reciprocal", "sqrt", "rsqrt", "cbrt", "exp", "exp2", "expm1", "log",
    "log1p", "log2", "log10", "erf", "erfc", "floor", "ceil", "trunc", "sin", "cos", "tan", "arcsin", "arccos",
    "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "deg2rad", "rad2deg", "isnan", "isinf",
    "isfinite",
)  # fmt: skip
"""Functions whose class is named like them."""

OPERATIONS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    # arithmetic
    "Add": (ops.add, ()),
    "Subtract": (ops.subtract, ()),
    "Multiply": (ops.multiply, ()),
    "Divide": (ops.divide, ()),
    "TrueDivide": (ops.divide, ()),
    "DivideNoNan": (ops.divide_no_nan, ()),
    "FloorDivide": (ops.floor_divide, ()),
    "Mod": (ops.mod, ()),
    "Power": (ops.power, ()),
    "Maximum": (ops.maximum, ()),
    "Minimum": (ops.minimum, ()),
    "Clip": (ops.clip, ("x_min", "x_max")),
    "Arctan2": (ops.arctan2, ()),
    "Logaddexp": (ops.logaddexp, ()),
    "Hypot": (ops.hypot, ()),
    # functions of one number
    **{name.capitalize(): (getattr(ops, name), ()) for name in OF_ONE_NUMBER},
    "Abs": (ops.absolute, ()),
    "Fabs": (ops.absolute, ()),
    "Round": (ops.round, ("decimals",)),
    "NanToNum": (ops.nan_to_num, ("nan", "posinf", "neginf")),
    "Copy": (ops.identity, ()),
    "StopGradient": (ops.identity, ()),
    "Cast": (ops.cast, ("dtype",)),
    "ConvertToTensor": (ops.convert_to_tensor, ("dtype",)),
    # comparison and logic
    "Equal": (ops.equal, ()),
    "NotEqual": (ops.not_equal, ()),
    "Less": (ops.less, ()),
    "LessEqual": (ops.less_equal, ()),
    "Greater": (ops.greater, ()),
    "GreaterEqual": (ops.greater_equal, ()),
    "LogicalAnd": (ops.logical_and, ()),
    "LogicalOr": (ops.logical_or, ()),
    "LogicalXor": (ops.logical_xor, ()),
    "LogicalNot": (ops.logical_not, ()),
    "Where": (ops.where, ()),
    # reductions
    "Sum": (ops.sum, REDUCTION),
    "Mean": (ops.mean, REDUCTION),
    "Prod": (ops.prod, (*REDUCTION, "dtype")),
    "Max": (ops.max, REDUCTION),
    "Min": (ops.min, REDUCTION),
    "Amax": (ops.max, REDUCTION),
    "Amin": (ops.min, REDUCTION),
    "Any": (ops.any, REDUCTION),
    "All": (ops.all, REDUCTION),
    "Var": (ops.var, REDUCTION),
    "Std": (ops.std, REDUCTION),
    "Ptp": (ops.ptp, REDUCTION),
    "Logsumexp": (ops.logsumexp, REDUCTION),
    "Norm": (ops.norm, ("ord", *REDUCTION)),
    "Normalize": (ops.normalize, ("axis", "order", "epsilon")),
    "Moments": (ops.moments, ("axes", "keepdims")),
    "Average": (ops.average, ("axis",)),
    "CountNonzero": (ops.count_nonzero, ("axis",)),
    "Argmax": (ops.argmax, REDUCTION),
    "Argmin": (ops.argmin, REDUCTION),
    "Cumsum": (ops.cumsum, ("axis", "dtype")),
    "TopK": (ops.top_k, ("k", "sorted")),
    # shapes
    "Reshape": (ops.reshape, ("newshape",)),
    "Ravel": (ops.ravel, ()),
    "ExpandDims": (ops.expand_dims, ("axis",)),
    "Squeeze": (ops.squeeze, ("axis",)),
    "Transpose": (ops.transpose, ("axes",)),
    "Swapaxes": (ops.swapaxes, ("axis1", "axis2")),
    "Moveaxis": (ops.moveaxis, ("source", "destination")),
    "BroadcastTo": (ops.broadcast_to, ("shape",)),
    "Tile": (ops.tile, ("repeats",)),
    "Repeat": (ops.repeat, ("repeats", "axis")),
    "Flip": (ops.flip, ("axis",)),
    "Roll": (ops.roll, ("shift", "axis")),
    "Concatenate": (ops.concatenate, ("axis",)),
    "Append": (lambda x1, x2, axis: ops.concatenate([x1, x2], axis), ("axis",)),
    "Hstack": (lambda xs: ops.concatenate(xs, 0 if xs[0].rank == 1 else 1), ()),
    "Vstack": (lambda xs: ops.concatenate(xs, 0), ()),
    "Stack": (ops.stack, ("axis",)),
    "Split": (ops.split, ("indices_or_sections", "axis")),
    "Unstack": (ops.unstack, ("num", "axis")),
    "GetItem": (ops.getitem, ()),
    "Pad": (ops.pad, ("pad_width", "mode")),
    "Take": (ops.take, ("axis",)),
    "TakeAlongAxis": (ops.take_along_axis, ("axis",)),
    "Digitize": (ops.digitize, ()),
    "SearchSorted": (ops.searchsorted, ("side",)),
    "OneHot": (ops.one_hot, ("num_classes", "axis", "dtype", "sparse")),
    "MultiHot": (ops.multi_hot, ("num_classes", "axis", "dtype", "sparse")),
    "ZerosLike": (ops.zeros_like, ("dtype",)),
    "OnesLike": (ops.ones_like, ("dtype",)),
    "FullLike": (ops.full_like, ("dtype",)),
    "Tril": (lambda x, k: ops.triangle(x, k, lower=True), ("k",)),
    "Triu": (lambda x, k: ops.triangle(x, k, lower=False), ("k",)),
    "Diff": (ops.diff, ("n", "axis")),
    # products
    "Matmul": (ops.matmul, ()),
    "Dot": (ops.dot, ()),
    "Tensordot": (ops.tensordot, ("axes",)),
    "Outer": (ops.outer, ()),
    # activations
    "LeakyRelu": (ops.leaky_relu, ("negative_slope",)),
    "Elu": (ops.elu, ("alpha",)),
    "Celu": (ops.celu, ("alpha",)),
    "Gelu": (ops.gelu, ("approximate",)),
    "HardShrink": (ops.hard_shrink, ("threshold",)),
    "SoftShrink": (ops.soft_shrink, ("threshold",)),
    "Squareplus": (ops.squareplus, ("b",)),
    "Threshold": (ops.threshold, ("threshold", "default_value")),
    "Softmax": (ops.softmax, ("axis",)),
    "LogSoftmax": (ops.log_softmax, ("axis",)),
    "Sparsemax": (ops.sparsemax, ("axis",)),
    "Glu": (ops.glu, ("axis",)),
}
"""Class -> its function, and the constructor arguments that the function takes too."""

ACTIVATIONS = {
    "Relu": "relu", "Relu6": "relu6", "Sigmoid": "sigmoid", "SparseSigmoid": "sparse_sigmoid", "Softplus": "softplus",
    "Softsign": "softsign", "SparsePlus": "sparse_plus", "Silu": "silu", "LogSigmoid": "log_sigmoid",
    "HardSigmoid": "hard_sigmoid", "HardSilu": "hard_silu", "Selu": "selu", "TanhShrink": "tanh_shrink",
    "HardTanh": "hard_tanh",
}  # fmt: skip
"""Class of an activation without arguments -> its name in ``keras.activations``."""


def _of_table(function: Callable[..., Any], options: Sequence[str]) -> Handler:
    """The handler that passes a call's arguments, and ``options`` of the config, to ``function``."""

    def handler(call: LayerCall, *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs, **{option: call.config[option] for option in options})

    parameters = [p for p in inspect.signature(function).parameters.values() if p.name not in options]
    given = inspect.Parameter("call", inspect.Parameter.POSITIONAL_ONLY)
    # the registry refuses calls that this signature does not fit
    handler.__signature__ = inspect.Signature([given, *parameters])  # type: ignore[attr-defined]
    return handler


def _activation(name: str) -> Callable[[Symbol], Symbol]:
    def apply(x: Symbol) -> Symbol:
        operator = activation.ELEMENTWISE[name]()
        return ops.activation(operator, x) if operator else x

    return apply


for _class, (_function, _options) in OPERATIONS.items():
    layer(f"ops.{_class}")(_of_table(_function, _options))
for _class, _name in ACTIVATIONS.items():
    layer(f"ops.{_class}")(_of_table(_activation(_name), ()))
layer("ops.ReLU")(layers.relu)


@layer("ops.Einsum")
def einsum(call: LayerCall, *operands: Any) -> Symbol:
    """Einstein's sum of any number of tensors."""
    return ops.einsum(call.config["subscripts"], *operands)


@layer("ops.RMSNorm")
def rms_norm(call: LayerCall, x: Symbol, scale: Any = None) -> Symbol:
    """``x`` divided by its root mean square."""
    axis, epsilon = call.config["axis"], call.config["epsilon"]
    square = ops.mean(ops.square(x), axis, keepdims=True)
    y = ops.divide(x, ops.sqrt(ops.add(square, ops.EPSILON if epsilon is None else epsilon)))
    return y if scale is None else ops.multiply(y, scale)
