"""Arithmetic, comparison, logic and functions of single elements."""

from __future__ import annotations

import numpy as np

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import direct, handlers, node
from sofie_jit.frontends.onnx.tensors import element_type
from sofie_jit.frontends.onnx.values import Narrow, Value
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import normalize_axis
from sofie_jit.ir.operators import activations, elementwise, math
from sofie_jit.ir.operators.bit_cast import BitCast
from sofie_jit.ir.operators.rounding import NARROW, RoundTo
from sofie_jit.ir.types import DTYPES, is_floating, is_integer

# -- of two or more tensors --------------------------------------------------------------------------------------------

direct(
    elementwise.Add, elementwise.Sub, elementwise.Mul, elementwise.Div, elementwise.PRelu, elementwise.Equal,
    elementwise.Less, elementwise.Greater, elementwise.And, elementwise.Or, elementwise.Xor, since=7,
)  # fmt: skip
direct(elementwise.LessOrEqual, elementwise.GreaterOrEqual, since=12)
direct(elementwise.Max, elementwise.Min, elementwise.Sum, elementwise.Mean, since=6)
direct(elementwise.Where, since=9)
direct(math.BitwiseAnd, math.BitwiseOr, math.BitwiseXor, since=18)


@node("Add", "Sub", "Mul", "Div", "Pow", "PRelu", "And", "Or", "Xor", "Equal", "Less", "Greater", since=1)
def aligned(call: OnnxCall, a: Symbol, b: Symbol) -> Symbol:
    """The form before opset 7: with ``broadcast``, the axes of ``b`` are those of ``a`` from ``axis`` on."""
    call.ignore("consumed_inputs")
    of_channels = call.node.op_type == "PRelu"
    axis = call.integer("axis", 1 if of_channels else a.rank - b.rank)
    if call.flag("broadcast", of_channels) and 0 < b.rank < a.rank:
        axis = normalize_axis(call.node.op_type, axis, a.rank)
        b = ops.reshape(b, (*b.shape, *[1] * (a.rank - axis - b.rank)))
    result: Symbol = handlers()["", call.node.op_type][7](call, a, b)
    return result


@node("Pow", since=7)
def power(call: OnnxCall, x: Symbol, exponent: Symbol) -> Symbol:
    """``x`` to the power of ``exponent``, of the type of ``x``."""
    value = ops.weight_of(exponent)
    if value is not None and value.size == 1 and exponent.rank <= x.rank and value.item() in (0.5, 2, 3):
        return ops.power(x, value.item())
    if is_integer(x.dtype) and is_floating(exponent.dtype):
        return ops.cast(call.add(elementwise.Pow(), *(ops.cast(v, "float64") for v in (x, exponent))), x.dtype)
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


# -- of one tensor -----------------------------------------------------------------------------------------------------

direct(
    math.Abs, math.Neg, math.Reciprocal, math.Sqrt, activations.Exp, math.Log, math.Floor, math.Ceil, since=6
)  # fmt: skip
direct(math.Sin, math.Cos, math.Tan, math.Asin, math.Acos, math.Atan, since=7)
direct(math.Sinh, math.Cosh, math.Asinh, math.Acosh, math.Atanh, math.Sign, math.Erf, since=9)
direct(math.Erfc)  # not ONNX's: tf2onnx, also Keras's export to ONNX, leaves TensorFlow's operator in Gelu as it is
direct(math.Round, since=11)
direct(math.BitwiseNot, since=18)
direct(elementwise.Not)


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
    return call.add(call.operator(activations.Clip, "min", "max"), x)


@node("Clip", since=11)
def clip(call: OnnxCall, x: Symbol, low: Value | None = None, high: Value | None = None) -> Symbol:
    """``x`` limited to [low, high]; ``high`` where ``low`` is larger."""
    if is_floating(x.dtype) and not isinstance(low, Symbol) and not isinstance(high, Symbol):
        least = -np.inf if low is None else np.asarray(low).item()
        most = np.inf if high is None else np.asarray(high).item()
        return call.add(activations.Clip(min=min(least, most), max=most), x)
    for limit, operator in ((low, elementwise.Max), (high, elementwise.Min)):
        if limit is not None:
            x = call.add(operator(), x, call.symbol(limit, f"{call.name}/limit"))
    return x


@node("Cast", since=6)
def cast(call: OnnxCall, x: Symbol) -> Value:
    """``x`` as another element type."""
    call.ignore("saturate", "round_mode")  # of float8 types
    return _cast(call, x, element_type(call.integer("to"), "its output").name)


@node("CastLike", since=15)
def cast_like(call: OnnxCall, x: Symbol, like: Symbol) -> Value:
    """``x`` as the element type of another tensor."""
    call.ignore("saturate", "round_mode")  # of float8 types
    return _cast(call, x, call.dtypes[1] or like.dtype)


def _cast(call: OnnxCall, x: Symbol, dtype: str) -> Value:
    call.narrow = None
    if dtype in NARROW:
        exact = x if is_floating(x.dtype) else ops.cast(x, "float64")
        return Narrow(ops.cast(call.add(RoundTo(to=dtype), exact), "float32"), dtype)
    if dtype not in DTYPES:
        call.refuse(f"it casts to {dtype}; supported are {', '.join(dict.fromkeys((*DTYPES, *NARROW)))}")
    return x if x.dtype == dtype else call.add(elementwise.Cast(to=dtype), x)


@node("BitCast", since=26)
def bit_cast(call: OnnxCall, x: Symbol) -> Symbol:
    """The bits of elements read as another type."""
    return call.add(BitCast(to=element_type(call.integer("to"), "its output").name), x)


@node("Identity")
def identity(call: OnnxCall, x: Value) -> Value:
    """``x``."""
    return x


@node("Dropout")
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
        known = call.constant_value(ratio, "ratio") if isinstance(ratio, Symbol) else ratio
        if known is None or np.asarray(known).item() != 0:
            call.refuse("training_mode is true, which draws random numbers; export the model for inference")
    return (x, ops.ones_like(x, "bool")) if call.wants(1) else x
