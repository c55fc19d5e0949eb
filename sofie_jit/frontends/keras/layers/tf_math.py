"""Functions of ``tf.math`` and ``tf.linalg``, with TensorFlow's arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dim
from sofie_jit.ir.operators.activations import LogSigmoid
from sofie_jit.ir.types import check_table, is_floating


def _binary(function: Callable[..., Symbol]) -> Callable[..., Symbol]:
    return lambda x, y: function(x, y)


def _reduction(function: Callable[..., Symbol]) -> Callable[..., Symbol]:
    def reduce(input_tensor: Symbol, axis: Any = None, keepdims: bool = False) -> Symbol:
        return function(input_tensor, axis, keepdims)

    return reduce


def mean(input_tensor: Symbol, axis: Any = None, keepdims: bool = False) -> Symbol:
    """``tf.reduce_mean``. Raises UnsupportedLayerError for integers, which it rounds."""
    if not is_floating(input_tensor.dtype):
        raise UnsupportedLayerError("TensorFlow's mean of integers is not supported; cast to float before it")
    return ops.mean(input_tensor, axis, keepdims)


def true_divide(x: Any, y: Any) -> Symbol:
    """``tf.math.truediv``, which divides integers in float64."""
    if not is_floating(ops.result_type(x, y)):
        x = ops.cast(x, "float64") if isinstance(x, Symbol) else np.float64(x)
    return ops.divide(x, y)


def matmul(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, adjoint_a: bool = False,
    adjoint_b: bool = False, a_is_sparse: bool = False, b_is_sparse: bool = False,
) -> Symbol:  # fmt: skip
    """``tf.linalg.matmul``, optionally with transposed matrices."""
    x, y = ops.promote(a, b)
    x = ops.swapaxes(x, -1, -2) if transpose_a or adjoint_a else x
    return ops.matmul(x, ops.swapaxes(y, -1, -2) if transpose_b or adjoint_b else y)


def _cumulative(function: Callable[..., Symbol], neutral: float) -> Callable[..., Symbol]:
    def along(x: Symbol, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Symbol:
        if reverse:
            return ops.flip(along(ops.flip(x, axis), axis, exclusive), axis)
        if exclusive:  # shifted by one
            before = [(int(a == axis % x.rank), 0) for a in range(x.rank)]
            x = ops.pad(ops.slice_along(x, axis, 0, -1), before, constant_values=neutral)
        return function(x, axis)

    return along


def _l2_normalize(x: Symbol, axis: Any = None, epsilon: float = 1e-12) -> Symbol:
    return ops.multiply(x, ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis, keepdims=True), epsilon)))


def arg(function: Callable[..., Symbol]) -> Callable[..., Symbol]:
    """``tf.math.argmax`` or ``argmin`` from ``function``, with TensorFlow's default axis and type."""

    def arg(input: Symbol, axis: int | None = None, output_type: Any = "int64") -> Symbol:
        return ops.cast(function(input, 0 if axis is None else axis), output_type)

    return arg


def of_tensors(operation: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """A function of a list of tensors, or of one, that combines them by ``operation``."""

    def fold(inputs: Any) -> Any:
        first, *others = [inputs] if isinstance(inputs, Symbol) else inputs
        for x in others:
            first = operation(first, x)
        return first

    return fold


def _norm(tensor: Symbol, ord: Any = "euclidean", axis: Any = None, keepdims: bool = False) -> Symbol:
    return ops.norm(tensor, None if ord == "euclidean" else ord, axis, keepdims)


def _clip_by_norm(t: Symbol, clip_norm: float, axes: Any = None) -> Symbol:
    size = ops.norm(t, None, axes, keepdims=True)
    return ops.divide(ops.multiply(t, clip_norm), ops.maximum(size, clip_norm))


def _count_nonzero(input: Symbol, axis: Any = None, keepdims: bool = False, dtype: Any = "int64") -> Symbol:
    return ops.sum(ops.cast(ops.not_equal(input, 0), dtype), axis, keepdims)


def _band_part(input: Symbol, num_lower: int, num_upper: int) -> Symbol:
    low = input if num_lower < 0 else ops.triangle(input, -num_lower, lower=False)
    return low if num_upper < 0 else ops.triangle(low, num_upper, lower=True)


def _diag(diagonal: Symbol) -> Symbol:
    size = static_dim("diag", diagonal.shape, -1)
    check_table("diag", size, size)
    return ops.multiply(ops.expand_dims(diagonal, -1), np.eye(size, dtype=diagonal.dtype))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "__operators__.add": _binary(ops.add),
    **{
        f"math.{name}": _binary(function)
        for name, function in {
            "add": ops.add,
            "subtract": ops.subtract,
            "multiply": ops.multiply,
            "truediv": true_divide,
            "divide": true_divide,
            "divide_no_nan": ops.divide_no_nan,
            "floordiv": ops.floor_divide,
            "floormod": ops.mod,
            "mod": ops.mod,
            "pow": ops.power,
            "maximum": ops.maximum,
            "minimum": ops.minimum,
            "squared_difference": ops.squared_difference,
            "equal": ops.equal,
            "not_equal": ops.not_equal,
            "less": ops.less,
            "less_equal": ops.less_equal,
            "greater": ops.greater,
            "greater_equal": ops.greater_equal,
            "logical_and": ops.logical_and,
            "logical_or": ops.logical_or,
            "logical_xor": ops.logical_xor,
        }.items()
    },
    "math.atan2": lambda y, x: ops.arctan2(y, x),
    "math.add_n": of_tensors(ops.add),
    "clip_by_value": lambda t, clip_value_min, clip_value_max: ops.clip(t, clip_value_min, clip_value_max),
    **{
        f"math.{name}": (lambda x, function=function: function(x))
        for name, function in {
            "negative": ops.negative,
            "abs": ops.absolute,
            "sign": ops.sign,
            "square": ops.square,
            "sqrt": ops.sqrt,
            "rsqrt": ops.rsqrt,
            "reciprocal": ops.reciprocal,
            "exp": ops.exp,
            "expm1": ops.expm1,
            "log": ops.log,
            "log1p": ops.log1p,
            "erf": ops.erf,
            "erfc": ops.erfc,
            "floor": ops.floor,
            "ceil": ops.ceil,
            "rint": ops.round,
            "round": ops.round,
            "sin": ops.sin,
            "cos": ops.cos,
            "tan": ops.tan,
            "asin": ops.arcsin,
            "acos": ops.arccos,
            "atan": ops.arctan,
            "sinh": ops.sinh,
            "cosh": ops.cosh,
            "tanh": ops.tanh,
            "asinh": ops.arcsinh,
            "acosh": ops.arccosh,
            "atanh": ops.arctanh,
            "sigmoid": ops.sigmoid,
            "is_nan": ops.isnan,
            "is_inf": ops.isinf,
            "is_finite": ops.isfinite,
            "logical_not": ops.logical_not,
        }.items()
    },
    "math.softplus": lambda features: ops.softplus(features),
    **{
        f"math.reduce_{name}": _reduction(function)
        for name, function in {
            "sum": ops.sum,
            "prod": ops.prod,
            "max": ops.max,
            "min": ops.min,
            "any": ops.any,
            "all": ops.all,
            "std": ops.std,
            "variance": ops.var,
            "logsumexp": ops.logsumexp,
            "euclidean_norm": lambda x, axis, keepdims: ops.norm(x, None, axis, keepdims),
        }.items()
    },
    "math.reduce_mean": mean,
    "math.argmax": arg(ops.argmax),
    "math.argmin": arg(ops.argmin),
    "math.cumsum": _cumulative(ops.cumsum, 0),
    "math.cumprod": _cumulative(ops.cumprod, 1),
    "math.top_k": lambda input, k=1, sorted=True: ops.top_k(input, k, sorted),
    "math.l2_normalize": _l2_normalize,
    "math.log_sigmoid": lambda x: ops.activation(LogSigmoid(), x),
    "math.multiply_no_nan": lambda x, y: ops.where(ops.equal(y, 0), 0, ops.multiply(x, y)),
    "math.erfinv": lambda x: ops.erfinv(x),
    "math.reciprocal_no_nan": lambda x: ops.divide_no_nan(1, x),
    "math.xlogy": lambda x, y: ops.where(ops.equal(x, 0), 0, ops.multiply(x, ops.log(y))),
    "math.xdivy": lambda x, y: ops.where(ops.equal(x, 0), 0, ops.divide(x, y)),
    "math.count_nonzero": _count_nonzero,
    "math.polyval": lambda coeffs, x: functools.reduce(lambda sum, c: ops.add(ops.multiply(sum, x), c), coeffs),
    "clip_by_norm": _clip_by_norm,
    "norm": _norm,
    "linalg.band_part": _band_part,
    "linalg.diag": _diag,
    "linalg.diag_part": lambda input: ops.diagonal(input, 0, -2, -1),
    "linalg.trace": lambda x: ops.trace(x, 0, -2, -1),
    "linalg.cross": lambda a, b: ops.cross(a, b),
    "linalg.matmul": matmul,
    "linalg.matrix_transpose": lambda a, conjugate=False: ops.swapaxes(a, -1, -2),
    "tensordot": lambda a, b, axes: ops.tensordot(a, b, axes),
    "math.real": lambda input: input,  # there are no complex tensors
    "math.conj": lambda x: x,
}
"""Name in TensorFlow -> a function with TensorFlow's arguments."""
