"""Arithmetic, comparison, logic and functions of single elements."""

from __future__ import annotations

import numpy as np

from sofie_jit.frontends.onnx.nodes.registry import OnnxCall, handlers, node
from sofie_jit.frontends.onnx.tensors import element_type
from sofie_jit.frontends.onnx.values import Value
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import normalize_axis
from sofie_jit.ir.operators import activations, elementwise, math
from sofie_jit.ir.operators.operator import DTYPES, ROperator

# -- of two tensors ----------------------------------------------------------------------------------------------------

BINARY: dict[str, tuple[int, type[ROperator]]] = {
    "Add": (7, elementwise.Add),
    "Sub": (7, elementwise.Sub),
    "Mul": (7, elementwise.Mul),
    "PRelu": (7, elementwise.PRelu),
    "Equal": (7, elementwise.Equal),
    "Less": (7, elementwise.Less),
    "Greater": (7, elementwise.Greater),
    "LessOrEqual": (12, elementwise.LessOrEqual),
    "GreaterOrEqual": (12, elementwise.GreaterOrEqual),
    "And": (7, elementwise.And),
    "Or": (7, elementwise.Or),
    "Xor": (7, elementwise.Xor),
    "BitwiseAnd": (18, math.BitwiseAnd),
    "BitwiseOr": (18, math.BitwiseOr),
    "BitwiseXor": (18, math.BitwiseXor),
}
"""Operators without attributes: the version in which they took their present form, and the operator of the RModel."""


def _binary(name: str, since: int, operator: type[ROperator]) -> None:
    @node(name, since=since)
    def handler(call: OnnxCall, a: Symbol, b: Symbol) -> Symbol:
        return call.add(operator(), a, b)


for _name, (_since, _operator) in BINARY.items():
    _binary(_name, _since, _operator)


@node("Add", "Sub", "Mul", "Div", "Pow", "PRelu", "And", "Or", "Xor", "Equal", "Less", "Greater", since=1)
def aligned(call: OnnxCall, a: Symbol, b: Symbol) -> Symbol:
    """The form before opset 7: with ``broadcast``, the axes of ``b`` are those of ``a`` from ``axis`` on."""
    call.ignore("consumed_inputs")
    channels = call.node.op_type == "PRelu"
    axis = call.integer("axis", 1 if channels else a.rank - b.rank)
    if call.flag("broadcast", channels) and 0 < b.rank < a.rank:
        axis = normalize_axis(call.node.op_type, axis, a.rank)
        b = ops.reshape(b, (*b.shape, *[1] * (a.rank - axis - b.rank)))
    handler = handlers()["", call.node.op_type][7]
    result: Symbol = handler(call, a, b)
    return result


@node("Div", since=7)
def divide(call: OnnxCall, a: Symbol, b: Symbol) -> Symbol:
    """The quotient; that of integers is rounded towards 0."""
    if a.dtype.startswith("float"):
        return call.add(elementwise.Div(), a, b)
    if a.dtype != "int32":
        call.refuse(f"division of {a.dtype} is not supported: insert a Cast to float")
    exact = call.add(elementwise.Div(), ops.cast(a, "float64"), ops.cast(b, "float64"))  # of 32 bits
    return ops.cast(exact, "int32")


@node("Pow", since=7)
def power(call: OnnxCall, x: Symbol, exponent: Symbol) -> Symbol:
    """``x`` to the power of ``exponent``, of the type of ``x``."""
    value = ops.weight_of(exponent)
    if value is not None and value.size == 1 and exponent.rank <= x.rank and value.item() in (0.5, 2, 3):
        return ops.power(x, value.item())
    if not x.dtype.startswith("float"):
        call.refuse(f"powers of {x.dtype} other than squares and cubes are not supported: insert a Cast to float")
    return call.add(elementwise.Pow(), x, ops.cast(exponent, x.dtype))


@node("Mod", since=10)
def mod(call: OnnxCall, a: Symbol, b: Symbol) -> Symbol:
    """The remainder, of the sign of ``b``, or of ``a`` with ``fmod``."""
    return ops.fmod(a, b) if call.flag("fmod") else call.add(math.Mod(), a, b)


@node("BitShift", since=11)
def bit_shift(call: OnnxCall, a: Symbol, b: Symbol) -> Symbol:
    """The bits of ``a``, moved."""
    operators = {"LEFT": math.BitShiftLeft, "RIGHT": math.BitShiftRight}
    direction = call.text("direction")
    if direction not in operators:
        call.refuse(f"direction is {direction!r}; expected LEFT or RIGHT")
    return call.add(operators[direction](), a, b)


# -- of any number of tensors ------------------------------------------------------------------------------------------

VARIADIC: dict[str, type[ROperator]] = {
    "Max": elementwise.Max,
    "Min": elementwise.Min,
    "Sum": elementwise.Sum,
    "Mean": elementwise.Mean,
}


def _variadic(name: str, operator: type[ROperator]) -> None:
    @node(name, since=6)
    def handler(call: OnnxCall, *inputs: Symbol) -> Symbol:
        return inputs[0] if len(inputs) == 1 else call.add(operator(), *inputs)


for _name, _operator in VARIADIC.items():
    _variadic(_name, _operator)


@node("Where", since=9)
def where(call: OnnxCall, condition: Symbol, x: Symbol, y: Symbol) -> Symbol:
    """``x`` where ``condition`` is true, else ``y``."""
    return call.add(elementwise.Where(), condition, x, y)


# -- of one tensor -----------------------------------------------------------------------------------------------------

UNARY: dict[str, tuple[int, type[ROperator]]] = {
    "Abs": (6, math.Abs),
    "Neg": (6, math.Neg),
    "Sign": (9, math.Sign),
    "Reciprocal": (6, math.Reciprocal),
    "Sqrt": (6, math.Sqrt),
    "Exp": (6, activations.Exp),
    "Log": (6, math.Log),
    "Erf": (9, math.Erf),
    "Floor": (6, math.Floor),
    "Ceil": (6, math.Ceil),
    "Round": (11, math.Round),
    "Sin": (7, math.Sin),
    "Cos": (7, math.Cos),
    "Tan": (7, math.Tan),
    "Asin": (7, math.Asin),
    "Acos": (7, math.Acos),
    "Atan": (7, math.Atan),
    "Sinh": (9, math.Sinh),
    "Cosh": (9, math.Cosh),
    "Asinh": (9, math.Asinh),
    "Acosh": (9, math.Acosh),
    "Atanh": (9, math.Atanh),
    "Not": (1, elementwise.Not),
    "BitwiseNot": (18, math.BitwiseNot),
}


def _unary(name: str, since: int, operator: type[ROperator]) -> None:
    @node(name, since=since)
    def handler(call: OnnxCall, x: Symbol) -> Symbol:
        return call.add(operator(), x)


for _name, (_since, _operator) in UNARY.items():
    _unary(_name, _since, _operator)


@node("IsNaN", since=9)
def is_nan(call: OnnxCall, x: Symbol) -> Symbol:
    """Whether an element is NaN."""
    return ops.isnan(x)


@node("IsInf", since=10)
def is_inf(call: OnnxCall, x: Symbol) -> Symbol:
    """Whether an element is infinite, of one sign or of both."""
    negative, positive = call.flag("detect_negative", True), call.flag("detect_positive", True)
    if negative and positive:
        return ops.isinf(x)
    if negative or positive:
        return ops.equal(x, np.inf if positive else -np.inf)
    return ops.zeros_like(x, "bool")


@node("Clip", since=6)
def clip_by_attributes(call: OnnxCall, x: Symbol) -> Symbol:
    """``x`` limited to [min, max]."""
    limits = np.finfo(np.float32)
    return call.add(activations.Clip(low=call.number("min", limits.min), high=call.number("max", limits.max)), x)


@node("Clip", since=11)
def clip(call: OnnxCall, x: Symbol, low: Value | None = None, high: Value | None = None) -> Symbol:
    """``x`` limited to [low, high]; ``high`` where ``low`` is larger."""
    if x.dtype.startswith("float") and not isinstance(low, Symbol) and not isinstance(high, Symbol):
        least = -np.inf if low is None else np.asarray(low).item()
        most = np.inf if high is None else np.asarray(high).item()
        return call.add(activations.Clip(low=min(least, most), high=most), x)
    for limit, operator in ((low, elementwise.Max), (high, elementwise.Min)):
        if limit is not None:
            x = call.add(operator(), x, call.symbol(limit, f"{call.name}/limit"))
    return x


@node("Cast", since=6)
def cast(call: OnnxCall, x: Symbol) -> Symbol:
    """``x`` as another element type."""
    call.ignore("saturate", "round_mode")  # for types of 8 bits
    return _cast(call, x, element_type(call.integer("to"), "its output").name)


@node("CastLike", since=15)
def cast_like(call: OnnxCall, x: Symbol, like: Symbol) -> Symbol:
    """``x`` as the element type of another tensor."""
    call.ignore("saturate", "round_mode")
    return _cast(call, x, like.dtype)


def _cast(call: OnnxCall, x: Symbol, dtype: str) -> Symbol:
    if dtype not in DTYPES:
        call.refuse(f"it casts to {dtype}; supported are {', '.join(DTYPES)}")
    return x if x.dtype == dtype else call.add(elementwise.Cast(to=dtype), x)


@node("Identity", since=1)
def identity(call: OnnxCall, x: Value) -> Value:
    """``x``."""
    return x


@node("Dropout", since=1)
def dropout_by_attributes(call: OnnxCall, x: Symbol) -> Symbol:
    """``x``, at inference."""
    call.ignore("ratio", "is_test", "consumed_inputs")
    return x


@node("Dropout", since=12)
def dropout(
    call: OnnxCall, x: Symbol, ratio: Value | None = None, training: np.ndarray | None = None
) -> tuple[Symbol, Symbol] | Symbol:
    """``x``, at inference."""
    call.ignore("seed")
    if training is not None and training.item():
        call.refuse("training_mode is true; export the model for inference")
    return (x, ops.ones_like(x, "bool")) if call.wants(1) else x
