"""Mathematics on Symbols in numpy's words: what parsers, and users' own layers, are composed of.

>>> from sofie_jit import ops
>>> def swish(x: Symbol) -> Symbol:
...     return x * ops.sigmoid(x)

Every function adds operators to the model that its Symbols belong to. It takes Symbols, numbers and arrays (at least
one Symbol), broadcasts them, and brings them to one element type as Keras does: bool, int32, int64, float32, float64,
the later wins; a Python number takes the type of what it meets, but a float makes integers float32. Names and arguments
are those of ``keras.ops``. What does not fit raises ShapeError or DtypeError.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sofie_jit.builder import Builder, Symbol
from sofie_jit.errors import DtypeError, GraphError, ShapeError
from sofie_jit.operators import activations, elementwise, reduce
from sofie_jit.operators import math as functions
from sofie_jit.operators.concat import Concat
from sofie_jit.operators.expand import Expand
from sofie_jit.operators.gather import Gather
from sofie_jit.operators.gemm import Gemm
from sofie_jit.operators.matmul import MatMul
from sofie_jit.operators.operator import CPP_TYPES, Dim, ROperator, format_shape, normalize_axis
from sofie_jit.operators.operator import static_dim as static
from sofie_jit.operators.pad import Pad
from sofie_jit.operators.reshape import Reshape
from sofie_jit.operators.slice import Slice
from sofie_jit.operators.softmax import GLU, AlongAxis, LogSoftmax, Softmax, Sparsemax
from sofie_jit.operators.transpose import Transpose

Value = Any
"""A Symbol, a number, an array, or a list of numbers."""
Axes = int | Sequence[int] | None

EPSILON = 1e-7
"""``keras.config.epsilon()``, unless changed."""
_ORDER = ("bool", "int32", "int64", "float32", "float64")
_OTHER_TYPES = {"int": "int32", "float": "float32", "float16": "float32", "bfloat16": "float32"}
"""Names that Keras knows -> the element type they are computed in."""


# -- constants and element types -------------------------------------------------------------------------------------


def builder_of(*values: Value) -> Builder:
    """The builder that the first Symbol among ``values`` belongs to. Raises GraphError if there is none."""
    for value in values:
        if isinstance(value, Symbol):
            return value.builder
    raise GraphError("an operation needs at least one tensor of the model; of constants alone use numpy")


def _dtype(name: Any) -> str:
    """A dtype as one of ours. Raises DtypeError."""
    text = str(getattr(name, "name", name))
    text = _OTHER_TYPES.get(text, text)
    if text not in CPP_TYPES:
        raise DtypeError(f"the element type {text} is not supported; supported are {', '.join(CPP_TYPES)}")
    return text


def result_type(*values: Value) -> str:
    """The element type that operations on ``values`` have in Keras."""
    strong = [_dtype(value.dtype) for value in values if isinstance(value, (Symbol, np.ndarray, np.generic))]
    weak = [np.asarray(value).dtype.kind for value in values if not isinstance(value, (Symbol, np.ndarray, np.generic))]
    least = "float32" if "f" in weak else "int32" if "i" in weak or "u" in weak else "bool"
    return builtins.max([least, *strong], key=_ORDER.index)


def convert(value: Value, dtype: str, builder: Builder) -> Symbol:
    """``value`` as a tensor of ``builder``'s model, of element type ``dtype``."""
    if isinstance(value, Symbol):
        return cast(value, dtype)
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise DtypeError(f"a constant of type {array.dtype} ({array!r:.60}) is no number")
    return builder.constant(np.ascontiguousarray(array.astype(dtype)).reshape(array.shape))


def promote(*values: Value, dtype: str | None = None) -> list[Symbol]:
    """All ``values`` as tensors of one element type, ``dtype`` or that of :func:`result_type`."""
    builder, kind = builder_of(*values), dtype or result_type(*values)
    return [convert(value, kind, builder) for value in values]


def weight_of(x: Symbol) -> np.ndarray | None:
    """The values of a constant; None for what the model computes."""
    return x.builder.rmodel.initialized.get(x.name)


def _apply(operator: ROperator, *inputs: Symbol | None) -> Symbol:
    symbol: Symbol = builder_of(*inputs).add(operator, *inputs)
    return symbol


def _floating(*values: Value) -> str:
    """The type in which a function of real numbers takes ``values``."""
    return builtins.max(result_type(*values), "float32", key=_ORDER.index)


def cast(x: Symbol, dtype: Any) -> Symbol:
    """``x`` as ``dtype``; float16 and bfloat16 are computed as float32."""
    to = _dtype(dtype)
    return x if x.dtype == to else _apply(elementwise.Cast(to=to), x)


def convert_to_tensor(x: Symbol, dtype: Any = None) -> Symbol:
    """``x``, as ``dtype`` if that is given."""
    return x if dtype is None else cast(x, dtype)


def identity(x: Symbol) -> Symbol:
    """``x``."""
    return x


# -- arithmetic ------------------------------------------------------------------------------------------------------


def add(x1: Value, x2: Value) -> Symbol:
    """``x1 + x2``; of truth values, or."""
    a, b = promote(x1, x2)
    return _apply(elementwise.Or() if a.dtype == "bool" else elementwise.Add(), a, b)


def subtract(x1: Value, x2: Value) -> Symbol:
    """``x1 - x2``."""
    return _apply(elementwise.Sub(), *promote(x1, x2))


def multiply(x1: Value, x2: Value) -> Symbol:
    """``x1 * x2``; of truth values, and."""
    a, b = promote(x1, x2)
    return _apply(elementwise.And() if a.dtype == "bool" else elementwise.Mul(), a, b)


def divide(x1: Value, x2: Value) -> Symbol:
    """``x1 / x2``, of integers in float32."""
    return _apply(elementwise.Div(), *promote(x1, x2, dtype=_floating(x1, x2)))


def divide_no_nan(x1: Value, x2: Value) -> Symbol:
    """``x1 / x2``, and 0 where ``x2`` is."""
    a, b = promote(x1, x2, dtype=_floating(x1, x2))
    zero = equal(b, 0)
    return where(zero, 0, divide(a, where(zero, 1, b)))


def mod(x1: Value, x2: Value) -> Symbol:
    """The remainder of ``x1 / x2``, of the sign of ``x2``."""
    a, b = promote(x1, x2)
    return _apply(functions.Mod(), *(promote(a, b, dtype="int32") if a.dtype == "bool" else (a, b)))


def floor_divide(x1: Value, x2: Value) -> Symbol:
    """``x1 / x2`` rounded down."""
    a, b = promote(x1, x2)
    if a.dtype.startswith("float"):
        return floor(divide(a, b))
    if a.dtype == "int64":
        raise DtypeError("floor_divide is not translated for int64: cast to int32 or a float type first")
    return cast(floor(divide(cast(a, "float64"), cast(b, "float64"))), "int32")  # exact


def power(x1: Value, x2: Value) -> Symbol:
    """``x1`` to the power of ``x2``; squares and cubes are products."""
    if isinstance(x1, Symbol) and np.ndim(x2) == 0 and not isinstance(x2, Symbol):
        x = cast(x1, result_type(x1, x2))
        if float(x2) == 0.5 and x.dtype.startswith("float"):
            return sqrt(x)
        if float(x2) == 2:
            return square(x)
        if float(x2) == 3:
            return multiply(square(x), x)
    kind = result_type(x1, x2)
    if not kind.startswith("float"):
        raise DtypeError(f"power of {kind} is translated for the exponents 2 and 3 only: cast to float32 first")
    return _apply(elementwise.Pow(), *promote(x1, x2))


def maximum(x1: Value, x2: Value) -> Symbol:
    """The larger one; NaN if one is NaN."""
    return _apply(elementwise.Max(), *promote(x1, x2))


def minimum(x1: Value, x2: Value) -> Symbol:
    """The smaller one; NaN if one is NaN."""
    return _apply(elementwise.Min(), *promote(x1, x2))


def squared_difference(x1: Value, x2: Value) -> Symbol:
    """``(x1 - x2) ** 2``."""
    return square(subtract(x1, x2))


def arctan2(x1: Value, x2: Value) -> Symbol:
    """The angle of the point (``x2``, ``x1``)."""
    return _apply(functions.Atan2(), *promote(x1, x2, dtype=_floating(x1, x2)))


def logaddexp(x1: Value, x2: Value) -> Symbol:
    """``log(exp(x1) + exp(x2))``."""
    a, b = promote(x1, x2, dtype=_floating(x1, x2))
    difference = subtract(a, b)
    return where(isnan(difference), add(a, b), add(maximum(a, b), log1p(exp(negative(absolute(difference))))))


def hypot(x1: Value, x2: Value) -> Symbol:
    """``sqrt(x1**2 + x2**2)``."""
    a, b = promote(x1, x2, dtype=_floating(x1, x2))
    return sqrt(add(square(a), square(b)))


def clip(x: Symbol, x_min: Value, x_max: Value) -> Symbol:
    """``x`` cut to [``x_min``, ``x_max``]."""
    numbers = builtins.all(isinstance(limit, (int, float)) for limit in (x_min, x_max))
    if numbers and x.dtype.startswith("float"):
        return _apply(activations.Clip(low=float(x_min), high=float(x_max)), x)
    return minimum(maximum(x, x_min), x_max)


# -- comparison and logic --------------------------------------------------------------------------------------------


def _comparison(operator: type[elementwise.Comparison]) -> Callable[[Value, Value], Symbol]:
    def compare(x1: Value, x2: Value) -> Symbol:
        return _apply(operator(), *promote(x1, x2))

    compare.__doc__ = operator.__doc__
    return compare


equal = _comparison(elementwise.Equal)
not_equal = _comparison(elementwise.NotEqual)
less = _comparison(elementwise.Less)
less_equal = _comparison(elementwise.LessOrEqual)
greater = _comparison(elementwise.Greater)
greater_equal = _comparison(elementwise.GreaterOrEqual)
logical_and = _comparison(elementwise.And)
logical_or = _comparison(elementwise.Or)
logical_xor = _comparison(elementwise.Xor)


def logical_not(x: Symbol) -> Symbol:
    """``not x``."""
    return _apply(elementwise.Not(), cast(x, "bool"))


def isnan(x: Symbol) -> Symbol:
    """Whether a number is NaN."""
    return not_equal(x, x)


def isinf(x: Symbol) -> Symbol:
    """Whether a number is infinite."""
    return equal(absolute(x), math.inf)


def isfinite(x: Symbol) -> Symbol:
    """Whether a number is neither NaN nor infinite."""
    return less(absolute(x), math.inf)


def where(condition: Symbol, x1: Value, x2: Value) -> Symbol:
    """``x1`` where ``condition`` is true, else ``x2``."""
    builder, kind = builder_of(condition, x1, x2), result_type(x1, x2)
    chosen = [convert(value, kind, builder) for value in (x1, x2)]
    return _apply(elementwise.Where(), convert(condition, "bool", builder), *chosen)


def nan_to_num(x: Symbol, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Symbol:
    """``x`` with NaN and infinities replaced; by default by 0 and the largest and smallest number."""
    limits = np.finfo(x.dtype)
    x = where(isnan(x), nan, x)
    x = where(equal(x, math.inf), float(limits.max) if posinf is None else posinf, x)
    return where(equal(x, -math.inf), float(limits.min) if neginf is None else neginf, x)


# -- functions of one number -----------------------------------------------------------------------------------------


def _unary(operator: type[functions.Unary] | type[activations.Activation]) -> Callable[[Symbol], Symbol]:
    def apply(x: Symbol) -> Symbol:
        exact = x.dtype.startswith("int") and operator.integers
        return _apply(operator(), x if exact else cast(x, _floating(x)))

    apply.__doc__ = operator.__doc__
    return apply


absolute = _unary(functions.Abs)
negative = _unary(functions.Neg)
sign = _unary(functions.Sign)
square = _unary(functions.Square)
reciprocal = _unary(functions.Reciprocal)
sqrt = _unary(functions.Sqrt)
rsqrt = _unary(functions.Rsqrt)
cbrt = _unary(functions.Cbrt)
exp = _unary(activations.Exp)
exp2 = _unary(functions.Exp2)
expm1 = _unary(functions.Expm1)
log = _unary(functions.Log)
log1p = _unary(functions.Log1p)
log2 = _unary(functions.Log2)
log10 = _unary(functions.Log10)
erf = _unary(functions.Erf)
erfc = _unary(functions.Erfc)
floor = _unary(functions.Floor)
ceil = _unary(functions.Ceil)
trunc = _unary(functions.Trunc)
sin = _unary(functions.Sin)
cos = _unary(functions.Cos)
tan = _unary(functions.Tan)
arcsin = _unary(functions.Asin)
arccos = _unary(functions.Acos)
arctan = _unary(functions.Atan)
sinh = _unary(functions.Sinh)
cosh = _unary(functions.Cosh)
tanh = _unary(activations.Tanh)
arcsinh = _unary(functions.Asinh)
arccosh = _unary(functions.Acosh)
arctanh = _unary(functions.Atanh)


def round(x: Symbol, decimals: int = 0) -> Symbol:
    """The nearest multiple of ``10 ** -decimals``, halves to the even one."""
    if x.dtype.startswith("int") and decimals >= 0:
        return x
    rounded = functions.Round()
    return _apply(rounded, x) if decimals == 0 else divide(_apply(rounded, multiply(x, 10.0**decimals)), 10.0**decimals)


def deg2rad(x: Symbol) -> Symbol:
    """Degrees as radians."""
    return multiply(cast(x, _floating(x)), math.pi / 180)


def rad2deg(x: Symbol) -> Symbol:
    """Radians as degrees."""
    return multiply(cast(x, _floating(x)), 180 / math.pi)


# -- activations -----------------------------------------------------------------------------------------------------


def activation(operator: activations.Activation | AlongAxis, x: Symbol) -> Symbol:
    """``operator`` of ``x``; of integers in float32, but for what is defined for them."""
    exact = x.dtype.startswith("int") and getattr(operator, "integers", False)
    return _apply(operator, x if exact else cast(x, _floating(x)))


def relu(x: Symbol) -> Symbol:
    """``max(x, 0)``."""
    return activation(activations.Relu(), x)


def sigmoid(x: Symbol) -> Symbol:
    """``1 / (1 + e^-x)``."""
    return activation(activations.Sigmoid(), x)


def softplus(x: Symbol) -> Symbol:
    """``log(1 + e^x)``."""
    return activation(activations.Softplus(), x)


def silu(x: Symbol) -> Symbol:
    """``x * sigmoid(x)``."""
    return activation(activations.Swish(), x)


def leaky_relu(x: Symbol, negative_slope: float = 0.2) -> Symbol:
    """``x``, and ``negative_slope * x`` below 0."""
    return activation(activations.LeakyRelu(alpha=negative_slope), x)


def elu(x: Symbol, alpha: float = 1.0) -> Symbol:
    """``x``, and ``alpha * (e^x - 1)`` below 0."""
    return activation(activations.Elu(alpha=alpha), x)


def celu(x: Symbol, alpha: float = 1.0) -> Symbol:
    """``x``, and ``alpha * (e^(x / alpha) - 1)`` below 0."""
    return activation(activations.Celu(alpha=alpha), x)


def gelu(x: Symbol, approximate: bool = True) -> Symbol:
    """``x * P(X <= x)`` for a normally distributed X, by default as ``keras.ops`` has it: through tanh."""
    return activation(activations.Gelu(approximate="tanh" if approximate else "none"), x)


def hard_shrink(x: Symbol, threshold: float = 0.5) -> Symbol:
    """0 on [-``threshold``, ``threshold``], else ``x``."""
    return activation(activations.Shrink(lambd=threshold, bias=0.0), x)


def soft_shrink(x: Symbol, threshold: float = 0.5) -> Symbol:
    """0 on [-``threshold``, ``threshold``], else ``x`` nearer to 0 by ``threshold``."""
    return activation(activations.Shrink(lambd=threshold, bias=threshold), x)


def squareplus(x: Symbol, b: float = 4) -> Symbol:
    """``(x + sqrt(x^2 + b)) / 2``."""
    return activation(activations.Squareplus(b=b), x)


def threshold(x: Symbol, threshold: float, default_value: float) -> Symbol:
    """``x`` above ``threshold``, else ``default_value``."""
    return activation(activations.Threshold(threshold=threshold, value=default_value), x)


def _along_axes(operator: Callable[..., AlongAxis], x: Symbol, axis: Axes) -> Symbol:
    x = cast(x, _floating(x))
    if isinstance(axis, int):
        return _apply(operator(axis=axis), x)
    axes = _axes(x, axis)
    order = [a for a in range(x.rank) if a not in axes] + axes
    moved = transpose(x, order)
    rows = reshape(moved, (*moved.shape[: -len(axes)], -1))
    return transpose(reshape(_apply(operator(axis=-1), rows), moved.shape), _inverse(order))


def softmax(x: Symbol, axis: Axes = -1) -> Symbol:
    """``e^x`` divided by its sum along ``axis``; None stands for all axes."""
    return _along_axes(Softmax, x, axis)


def log_softmax(x: Symbol, axis: Axes = -1) -> Symbol:
    """The logarithm of softmax."""
    return _along_axes(LogSoftmax, x, axis)


def sparsemax(x: Symbol, axis: int = -1) -> Symbol:
    """Sparsemax along ``axis``."""
    return _apply(Sparsemax(axis=axis), x)


def glu(x: Symbol, axis: int = -1) -> Symbol:
    """The first half of ``x`` along ``axis``, times the sigmoid of the second."""
    return _apply(GLU(axis=axis), x)


# -- reductions ------------------------------------------------------------------------------------------------------


def _axes(x: Symbol, axis: Axes) -> list[int]:
    """``axis`` as ascending axes of ``x`` counted from the front; None is all of them."""
    axes = range(x.rank) if axis is None else [axis] if isinstance(axis, int) else axis
    return sorted({normalize_axis("a reduction", a, x.rank) for a in axes})


def _reduce(operator: type[reduce.Reduce], x: Symbol, axis: Axes, keepdims: bool) -> Symbol:
    axes = _axes(x, axis)
    return _apply(operator(axes=axes, keepdims=keepdims), x) if axes else x


def _countable(x: Symbol) -> Symbol:
    return cast(x, "int32") if x.dtype == "bool" else x


def sum(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The sum along ``axis``; None stands for all axes."""
    return _reduce(reduce.ReduceSum, _countable(x), axis, keepdims)


def prod(x: Symbol, axis: Axes = None, keepdims: bool = False, dtype: Any = None) -> Symbol:
    """The product along ``axis``."""
    return _reduce(reduce.ReduceProd, _countable(convert_to_tensor(x, dtype)), axis, keepdims)


def mean(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The mean along ``axis``, of integers in float32."""
    return _reduce(reduce.ReduceMean, cast(x, _floating(x)), axis, keepdims)


def var(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The mean of the squared distances from the mean."""
    x = cast(x, _floating(x))
    return mean(squared_difference(x, mean(x, axis, keepdims=True)), axis, keepdims)


def std(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The square root of the variance."""
    return sqrt(var(x, axis, keepdims))


def moments(x: Symbol, axes: Axes, keepdims: bool = False) -> tuple[Symbol, Symbol]:
    """Mean and variance."""
    return mean(x, axes, keepdims), var(x, axes, keepdims)


def max(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The largest number along ``axis``; NaN if there is one."""
    largest = _reduce(reduce.ReduceMax, _countable(x), axis, keepdims)
    return cast(largest, x.dtype)


def min(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The smallest number along ``axis``; NaN if there is one."""
    smallest = _reduce(reduce.ReduceMin, _countable(x), axis, keepdims)
    return cast(smallest, x.dtype)


def any(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """Whether one along ``axis`` is true, that is, not 0."""
    return max(cast(x, "bool"), axis, keepdims)


def all(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """Whether all along ``axis`` are true, that is, not 0."""
    return min(cast(x, "bool"), axis, keepdims)


def count_nonzero(x: Symbol, axis: Axes = None) -> Symbol:
    """How many along ``axis`` are not 0, as int32."""
    return sum(cast(x, "bool"), axis)


def ptp(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The distance from the smallest to the largest number."""
    return subtract(max(x, axis, keepdims), min(x, axis, keepdims))


def average(x: Symbol, weights: Value = None, axis: Axes = None) -> Symbol:
    """The mean along ``axis``, weighted by ``weights`` if there are any."""
    if weights is None:
        return mean(x, axis)
    x, weight = promote(x, weights, dtype=_floating(x, weights))
    if weight.rank == 1 and x.rank > 1 and isinstance(axis, int):
        weight = reshape(weight, [-1 if a == axis % x.rank else 1 for a in range(x.rank)])
    weighted = multiply(x, weight)
    total = sum(_apply(Expand(shape=weighted.shape), weight) if weight.shape != weighted.shape else weight, axis)
    return divide(sum(weighted, axis), total)


def logsumexp(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """``log(sum(exp(x)))``, without overflow."""
    x = cast(x, _floating(x))
    largest = max(x, axis, keepdims=True)
    largest = where(isfinite(largest), largest, 0)
    result = add(log(sum(exp(subtract(x, largest)), axis, keepdims=True)), largest)
    return result if keepdims else squeeze(result, _axes(x, axis))


def norm(x: Symbol, ord: Any = None, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The norm of vectors along ``axis``: ``ord`` None, 1, 2, inf, -inf or another number; of matrices "fro" only."""
    x = cast(x, _floating(x))
    axes = _axes(x, axis)
    if ord is None or (ord == "fro" and len(axes) == 2) or (ord in (2, "euclidean") and len(axes) == 1):
        return sqrt(_reduce(reduce.ReduceSumSquare, x, axes, keepdims))
    if len(axes) != 1 or isinstance(ord, str):
        raise ShapeError(f"norm: ord={ord!r} over axes {axes} is not translated; of matrices only 'fro' is")
    size = absolute(x)
    if ord in (math.inf, -math.inf):
        return max(size, axes, keepdims) if ord > 0 else min(size, axes, keepdims)
    if ord == 0:
        return sum(cast(not_equal(x, 0), x.dtype), axes, keepdims)
    return sum(size, axes, keepdims) if ord == 1 else power(sum(power(size, ord), axes, keepdims), 1 / ord)


def normalize(x: Symbol, axis: Axes = -1, order: Any = 2, epsilon: float | None = None) -> Symbol:
    """``x`` divided by its norm along ``axis``, which counts as ``epsilon`` where it is smaller."""
    x = cast(x, _floating(x))
    return divide(x, maximum(norm(x, order, axis, keepdims=True), EPSILON if epsilon is None else epsilon))


def _arg(operator: type[functions.ArgMax], x: Symbol, axis: int | None, keepdims: bool) -> Symbol:
    if axis is None:
        if keepdims:
            raise ShapeError(f"{operator.__name__} over all axes with keepdims is not translated; name the axis")
        x, axis = reshape(x, (-1,)), 0
    return _apply(operator(axis=axis, keepdims=keepdims), _countable(x))


def argmax(x: Symbol, axis: int | None = None, keepdims: bool = False) -> Symbol:
    """Where along ``axis`` the largest number is, as int32."""
    return _arg(functions.ArgMax, x, axis, keepdims)


def argmin(x: Symbol, axis: int | None = None, keepdims: bool = False) -> Symbol:
    """Where along ``axis`` the smallest number is, as int32."""
    return _arg(functions.ArgMin, x, axis, keepdims)


def cumsum(x: Symbol, axis: int | None = None, dtype: Any = None) -> Symbol:
    """Sums along ``axis`` up to and with each place."""
    x = _countable(convert_to_tensor(x, dtype))
    return _apply(functions.CumSum(axis=axis), x) if axis is not None else cumsum(reshape(x, (-1,)), 0)


def top_k(x: Symbol, k: int, sorted: bool = True) -> tuple[Symbol, Symbol]:
    """The ``k`` largest numbers along the last axis and where they are."""
    if not sorted:
        raise ShapeError("top_k with sorted=False leaves the order to the hardware; it is translated with sorted=True")
    values, indices = x.builder.add(functions.TopK(k=k), x)
    return values, indices


# -- shapes ----------------------------------------------------------------------------------------------------------


def reshape(x: Symbol, newshape: Any) -> Symbol:
    """``x`` under another shape; -1 or None stands for what remains, a name for a run-time dimension."""
    shape: list[Dim] = [-1 if n is None else n for n in ([newshape] if isinstance(newshape, int) else newshape)]
    if 0 in shape:
        raise ShapeError(f"reshape: the shape {tuple(shape)} has no elements")
    if tuple(shape) == x.shape:
        return x
    values = weight_of(x)
    return _apply(Reshape(shape=tuple(shape)), x) if values is None else x.builder.constant(values.reshape(shape))


def ravel(x: Symbol) -> Symbol:
    """All elements in one axis."""
    return reshape(x, (-1,))


def expand_dims(x: Symbol, axis: int | Sequence[int]) -> Symbol:
    """``x`` with new axes of size 1 at the places ``axis`` of the result."""
    new = [axis] if isinstance(axis, int) else list(axis)
    rank = x.rank + len(new)
    places = {normalize_axis("expand_dims", a, rank) for a in new}
    dims = iter(x.shape)
    return reshape(x, [1 if a in places else next(dims) for a in range(rank)])


def squeeze(x: Symbol, axis: Axes = None) -> Symbol:
    """``x`` without axes of size 1: without ``axis``, or without all of them."""
    axes = [a for a, n in enumerate(x.shape) if n == 1] if axis is None else _axes(x, axis)
    if other := [a for a in axes if x.shape[a] != 1]:
        raise ShapeError(f"squeeze: axis {other[0]} of {format_shape(x.shape)} is not of size 1")
    return reshape(x, [n for a, n in enumerate(x.shape) if a not in axes])


def _inverse(order: Sequence[int]) -> list[int]:
    return [list(order).index(axis) for axis in range(len(order))]


def transpose(x: Symbol, axes: Sequence[int] | None = None) -> Symbol:
    """Axis i of the result is axis ``axes[i]`` of ``x``; by default all axes in reverse."""
    order = [a % x.rank for a in axes] if axes is not None else list(reversed(range(x.rank)))
    if order == list(range(x.rank)):
        return x
    values = weight_of(x)
    if values is None:
        return _apply(Transpose(perm=order), x)
    return x.builder.constant(np.ascontiguousarray(values.transpose(order)))  # once, not in every call


def swapaxes(x: Symbol, axis1: int, axis2: int) -> Symbol:
    """``x`` with two axes exchanged."""
    order = list(range(x.rank))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose(x, order)


def moveaxis(x: Symbol, source: int | Sequence[int], destination: int | Sequence[int]) -> Symbol:
    """``x`` with the axes ``source`` at the places ``destination``, the others in their order."""
    sources = [a % x.rank for a in ([source] if isinstance(source, int) else source)]
    places = [a % x.rank for a in ([destination] if isinstance(destination, int) else destination)]
    order = [a for a in range(x.rank) if a not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return transpose(x, order)


def broadcast_to(x: Symbol, shape: Sequence[Any]) -> Symbol:
    """``x`` repeated to ``shape``; -1 or None stands for the size that ``x`` has."""
    missing = len(shape) - x.rank
    sizes = [x.shape[a - missing] if n in (None, -1) and a >= missing else n for a, n in enumerate(shape)]
    return _apply(Expand(shape=tuple(sizes)), x)


def tile(x: Symbol, repeats: int | Sequence[int]) -> Symbol:
    """``x`` as often as ``repeats`` says along each axis."""
    counts = [repeats] if isinstance(repeats, int) else list(repeats)
    counts = [1] * (x.rank - len(counts)) + counts
    x = reshape(x, (1,) * (len(counts) - x.rank) + x.shape)
    for axis, count in enumerate(counts):
        if count != 1:
            x = _repeated(x, axis, count, together=False)
    return x


def repeat(x: Symbol, repeats: int | Sequence[int], axis: int | None = None) -> Symbol:
    """Every element along ``axis`` so often; by default those of the raveled tensor."""
    if axis is None:
        return repeat(ravel(x), repeats, 0)
    counts = [repeats] if isinstance(repeats, int) else list(repeats)
    if len(counts) == 1:
        return _repeated(x, normalize_axis("repeat", axis, x.rank), counts[0], together=True)
    return take(x, np.repeat(np.arange(static("repeat", x.shape, axis)), counts), axis)


def _repeated(x: Symbol, axis: int, count: int, together: bool) -> Symbol:
    size = static("repeat", x.shape, axis)
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    pair = (size, count) if together else (count, size)
    apart = reshape(x, (*before, *((size, 1) if together else (1, size)), *after))
    return reshape(_apply(Expand(shape=(*before, *pair, *after)), apart), (*before, size * count, *after))


def flip(x: Symbol, axis: Axes = None) -> Symbol:
    """``x`` backwards along ``axis``; None stands for all axes."""
    axes = _axes(x, axis)
    ends = [-static("flip", x.shape, a) - 1 for a in axes]
    return _apply(Slice(starts=[-1] * len(axes), ends=ends, axes=axes, steps=[-1] * len(axes)), x)


def roll(x: Symbol, shift: int | Sequence[int], axis: Axes = None) -> Symbol:
    """``x`` moved on by ``shift`` along ``axis``, what leaves at the end returning at the front."""
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), x.shape)
    axes = [axis] if isinstance(axis, int) else list(axis)
    shifts = [shift] * len(axes) if isinstance(shift, int) else list(shift)
    for a, by in zip(axes, shifts, strict=True):
        size = static("roll", x.shape, a)
        if by % size:
            cut = size - by % size
            x = concatenate([_slice(x, a, cut, size), _slice(x, a, 0, cut)], a)
    return x


def concatenate(xs: Sequence[Value], axis: int = 0) -> Symbol:
    """Tensors one after the other along ``axis``."""
    tensors = promote(*xs)
    return tensors[0] if len(tensors) == 1 else _apply(Concat(axis=axis), *tensors)


def stack(x: Sequence[Value], axis: int = 0) -> Symbol:
    """Tensors of one shape along a new axis."""
    tensors = promote(*x)
    return concatenate([expand_dims(tensor, axis) for tensor in tensors], axis)


def _slice(x: Symbol, axis: int, start: int, end: int, step: int = 1) -> Symbol:
    return _apply(Slice(starts=[start], ends=[end], axes=[axis], steps=[step]), x)


def split(x: Symbol, indices_or_sections: Any, axis: int = 0) -> tuple[Symbol, ...]:
    """Parts of ``x`` along ``axis``: so many equal ones, or those between the places given."""
    size = static("split", x.shape, normalize_axis("split", axis, x.rank))
    if isinstance(indices_or_sections, int):
        if size % indices_or_sections:
            raise ShapeError(f"split: axis {axis} of {format_shape(x.shape)} has no {indices_or_sections} equal parts")
        part = size // indices_or_sections
        places = list(range(part, size, part))
    else:
        places = [int(place) for place in indices_or_sections]
    return tuple(_slice(x, axis, a, b) for a, b in zip([0, *places], [*places, size], strict=True))


def unstack(x: Symbol, num: int | None = None, axis: int = 0) -> tuple[Symbol, ...]:
    """The slices of ``x`` along ``axis``."""
    size = static("unstack", x.shape, normalize_axis("unstack", axis, x.rank))
    return tuple(squeeze(_slice(x, axis, i, i + 1), axis) for i in range(size))


def getitem(x: Symbol, key: Any) -> Symbol:
    """``x[key]``: integers, slices, Ellipsis, None, and arrays of integers at most once."""
    keys = list(key) if isinstance(key, (tuple, list)) else [key]
    used = [k for k in keys if k is not None and k is not Ellipsis]
    dots = [i for i, k in enumerate(keys) if k is Ellipsis]
    if len(used) > x.rank or len(dots) > 1:
        raise ShapeError(f"an index of {len(used)} places does not fit a tensor {format_shape(x.shape)}")
    here = dots[0] if dots else len(keys)
    keys[here : here + 1] = [slice(None)] * (x.rank - len(used))
    shape: list[Dim] = []
    picked: tuple[int, Any] | None = None
    starts, ends, axes, steps = [], [], [], []
    axis = 0
    for k in keys:
        if k is None:
            shape.append(1)
            continue
        if isinstance(k, slice):
            if (k.start, k.stop, k.step) not in ((None, None, None), (None, None, 1), (0, None, None), (0, None, 1)):
                size = static("a slice", x.shape, axis)
                places = range(size)[k]
                starts.append(places.start)
                ends.append(places.stop if places.stop >= 0 else -size - 1)
                axes.append(axis)
                steps.append(places.step)
                shape.append(len(places))
            else:
                shape.append(x.shape[axis])
        elif isinstance(k, (int, np.integer)) and not isinstance(k, bool):
            size = static("an index", x.shape, axis)
            if not -size <= k < size:
                raise ShapeError(f"index {k} lies outside axis {axis} of {format_shape(x.shape)}")
            starts.append(int(k) % size)
            ends.append(int(k) % size + 1)
            axes.append(axis)
            steps.append(1)
        elif isinstance(k, (Symbol, np.ndarray)) and picked is None and str(k.dtype).startswith("int"):
            picked = (len(shape), k)
            shape.append(x.shape[axis])
        else:
            raise ShapeError(f"an index of {type(k).__name__} ({k!r:.60}) is not translated")
        axis += 1
    if axes:
        x = _apply(Slice(starts=starts, ends=ends, axes=axes, steps=steps), x)
    x = reshape(x, shape)
    return take(x, picked[1], picked[0]) if picked else x


def pad(x: Symbol, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Symbol:
    """``x`` with a border: a constant, or its own numbers mirrored ("reflect", "symmetric")."""
    width = np.asarray(pad_width)
    pairs = np.broadcast_to(width, (x.rank, 2)).tolist()
    if mode == "constant":
        value = 0 if constant_values is None else constant_values
        if isinstance(value, Symbol) or np.ndim(value):
            raise ShapeError(f"pad: constant_values must be one number, got {value!r:.60}")
        return _apply(Pad(pads=[p[0] for p in pairs] + [p[1] for p in pairs], value=value), x)
    if mode not in ("reflect", "symmetric"):
        raise ShapeError(f"pad: mode {mode!r} is not translated; 'constant', 'reflect' and 'symmetric' are")
    for axis, (before, after) in enumerate(pairs):
        if before or after:
            places = np.pad(np.arange(static("pad", x.shape, axis)), (before, after), mode)  # type: ignore[call-overload]
            x = take(x, places, axis)
    return x


def take(x: Value, indices: Value, axis: int | None = None) -> Symbol:
    """The elements of ``x`` at ``indices`` along ``axis``, negative ones from the end."""
    builder = builder_of(x, indices)
    data = x if isinstance(x, Symbol) else convert(x, result_type(x), builder)
    if axis is None:
        return take(ravel(data), indices, 0)
    places = indices if isinstance(indices, Symbol) else convert(np.asarray(indices), "int64", builder)
    return _apply(Gather(axis=axis), data, places)


def take_along_axis(x: Symbol, indices: Value, axis: int | None = None) -> Symbol:
    """The elements of ``x`` along ``axis`` at ``indices``, which have an index per place of the result."""
    if axis is None:
        return take_along_axis(ravel(x), ravel(indices), 0)
    places = indices if isinstance(indices, Symbol) else convert(np.asarray(indices), "int64", x.builder)
    along = normalize_axis("take_along_axis", axis, x.rank)
    shape = tuple(n if a != along else places.shape[a] for a, n in enumerate(x.shape))
    places = places if places.shape == shape else _apply(Expand(shape=shape), places)
    return _apply(functions.GatherElements(axis=axis), x, places)


def one_hot(x: Symbol, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Symbol:
    """1 at the place that ``x`` counts to along a new ``axis``, 0 elsewhere."""
    if sparse:
        raise DtypeError("one_hot: sparse tensors are not supported; give sparse=False")
    along = normalize_axis("one_hot", axis, x.rank + 1)
    classes = np.arange(num_classes).reshape([-1 if a == along else 1 for a in range(x.rank + 1)])
    whole = x if x.dtype.startswith("int") else cast(x, "int32")
    hot = equal(expand_dims(whole, along), classes.astype(whole.dtype))
    return cast(hot, dtype or "float32")


def multi_hot(inputs: Symbol, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Symbol:
    """1 at the places that the numbers along the last axis of ``inputs`` count to."""
    places = one_hot(inputs, num_classes, axis, dtype, sparse)
    return places if inputs.rank < 2 else max(places, axis=1)


def searchsorted(sorted_sequence: Value, values: Symbol, side: str = "left") -> Symbol:
    """How many of ``sorted_sequence`` come before each of ``values``; with side "right" those equal to it do."""
    if side not in ("left", "right"):
        raise ShapeError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    ascending, x = promote(sorted_sequence, values)
    return _apply(functions.SearchSorted(right=side == "right"), x, ascending)


def digitize(x: Symbol, bins: Sequence[float]) -> Symbol:
    """Which of the intervals between the ascending ``bins`` each number lies in; each begins with its lower bound."""
    bounds = np.asarray(bins, np.float32)  # as TensorFlow keeps them
    return searchsorted(bounds, cast(x, _floating(x)), side="right")


def full_like(x: Symbol, fill_value: Value, dtype: Any = None) -> Symbol:
    """``fill_value`` in the shape of ``x``."""
    value = convert(fill_value, _dtype(dtype or x.dtype), x.builder)
    return _apply(Expand(shape=x.shape), value)


def zeros_like(x: Symbol, dtype: Any = None) -> Symbol:
    """0 in the shape of ``x``."""
    return full_like(x, 0, dtype)


def ones_like(x: Symbol, dtype: Any = None) -> Symbol:
    """1 in the shape of ``x``."""
    return full_like(x, 1, dtype)


def triangle(x: Symbol, k: int, lower: bool) -> Symbol:
    """``x`` with 0 above its k-th diagonal (below it, if not ``lower``)."""
    rows, columns = (static("tril and triu", x.shape, axis) for axis in (-2, -1))
    kept = np.tri(rows, columns, k if lower else k - 1, dtype=bool)
    return where(x.builder.constant(kept if lower else ~kept), x, 0)


def diff(a: Symbol, n: int = 1, axis: int = -1) -> Symbol:
    """Differences of neighbours along ``axis``, ``n`` times."""
    for _ in range(n):
        size = static("diff", a.shape, axis)
        a = subtract(_slice(a, axis, 1, size), _slice(a, axis, 0, size - 1))
    return a


# -- products --------------------------------------------------------------------------------------------------------


def matmul(x1: Value, x2: Value) -> Symbol:
    """The product of matrices, in stacks, or of vectors, as numpy's."""
    a, b = promote(x1, x2)
    left, right = a.rank == 1, b.rank == 1
    a, b = (expand_dims(a, 0) if left else a), (expand_dims(b, 1) if right else b)
    product = _matmul(a, b)
    return squeeze(product, [axis for axis, gone in ((-2, left), (-1, right)) if gone]) if left or right else product


def _matmul(a: Symbol, b: Symbol) -> Symbol:
    if not a.dtype.startswith("float"):  # exact up to 2^53
        return cast(_matmul(cast(a, "float64"), cast(b, "float64")), "int32" if a.dtype == "bool" else a.dtype)
    weight = b.rank == 2 and weight_of(b) is not None
    return _apply(Gemm() if weight else MatMul(), a, b)


def dot(x1: Value, x2: Value) -> Symbol:
    """Sums of products of the last axis of ``x1`` and the last but one of ``x2``, as numpy's."""
    a, b = promote(x1, x2)
    if 0 in (a.rank, b.rank):
        return multiply(a, b)
    return tensordot(a, b, ([a.rank - 1], [0 if b.rank == 1 else b.rank - 2]))


def tensordot(x1: Value, x2: Value, axes: Any = 2) -> Symbol:
    """Sums of products over the last ``axes`` of ``x1`` and the first of ``x2``, or over a list of each."""
    a, b = promote(x1, x2)
    if isinstance(axes, int):
        first, second = list(range(a.rank - axes, a.rank)), list(range(axes))
    else:
        first, second = ([n] if isinstance(n, int) else list(n) for n in axes)
    left = [chr(ord("a") + i) for i in range(a.rank)]
    right = [chr(ord("a") + a.rank + i) for i in range(b.rank)]
    for i, j in zip(first, second, strict=True):
        right[j % b.rank] = left[i % a.rank]
    summed = {left[i % a.rank] for i in first}
    kept = [n for n in left + right if n not in summed]
    return einsum(f"{''.join(left)},{''.join(right)}->{''.join(kept)}", a, b)


def outer(x1: Value, x2: Value) -> Symbol:
    """All products of an element of each."""
    a, b = promote(x1, x2)
    return multiply(reshape(a, (-1, 1)), reshape(b, (1, -1)))


def einsum(subscripts: str, *operands: Value) -> Symbol:
    """Einstein's sum; see :func:`sofie_jit.einsum.einsum`."""
    from sofie_jit import einsum as lowering

    return lowering.einsum(subscripts, *promote(*operands))
