"""Element-by-element operators, reductions and row functions in hand-built RModels, against numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sofie_jit import RModel
from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.operators import activations, elementwise, reduce, softmax
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.types import TensorType


def run(operator: ROperator, *inputs: np.ndarray) -> np.ndarray:
    """The operator on inputs whose first axis is the batch."""
    model = RModel(operator.op_type)
    for index, x in enumerate(inputs):
        model.add_input_tensor_info(f"x{index}", x.dtype.name, (None, *x.shape[1:]))
    operator.inputs, operator.outputs = [f"x{index}" for index in range(len(inputs))], ["y"]
    model.add_operator(operator)
    model.add_output_tensor_names("y")
    result: np.ndarray = model.compile().infer(*inputs)
    return result


def numbers(dtype: str, *shape: int, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=shape) * 3
    return (values > 0) if dtype == "bool" else values.astype(dtype)


def quotient(a: np.ndarray, b: np.ndarray) -> Any:
    """Of integers rounded towards 0, and 0 for a divisor of 0."""
    if a.dtype.kind == "f":
        return a / b
    return np.where(b == 0, 0, np.trunc(a / np.where(b == 0, 1, b))).astype(a.dtype)


BINARY: dict[str, Callable[..., Any]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": quotient, "Max": np.maximum, "Min": np.minimum,
    "Sum": np.add, "Mean": lambda a, b: (a + b) / a.dtype.type(2),
    "Equal": np.equal, "NotEqual": np.not_equal, "Less": np.less, "LessOrEqual": np.less_equal,
    "Greater": np.greater, "GreaterOrEqual": np.greater_equal,
    "And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor,
}  # fmt: skip
FLOATING = ("Mean", "PRelu")


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_binary(name: str, dtype: str) -> None:
    a, b = numbers(dtype, 5, 7, 3), numbers(dtype, 5, 1, 3, seed=1)
    operator = getattr(elementwise, name)
    if name in FLOATING and dtype.startswith("int"):
        with pytest.raises(DtypeError, match="cast it to float32"):
            run(operator(), a, b)
        return
    want = BINARY[name](a, b)
    got = run(operator(), a, b)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


def test_pow_and_prelu() -> None:
    a, b = numbers("float32", 5, 7), numbers("float32", 5, 1, seed=1)
    np.testing.assert_allclose(run(elementwise.Pow(), np.abs(a), b), np.abs(a) ** b, rtol=1e-6)
    np.testing.assert_array_equal(run(elementwise.PRelu(), a, b), np.where(a < 0, a * b, a))


def test_variadic() -> None:
    x = [numbers("float32", 5, *shape, seed=seed) for seed, shape in enumerate([(1, 3), (7, 1), (7, 3), (1, 1)])]
    np.testing.assert_array_equal(run(elementwise.Max(), *x), np.maximum.reduce(np.broadcast_arrays(*x)))
    np.testing.assert_array_equal(run(elementwise.Sum(), *x), x[0] + x[1] + x[2] + x[3])
    np.testing.assert_array_equal(run(elementwise.Min(), x[0]), x[0])


@pytest.mark.parametrize("to", ["float32", "float64", "int32", "int64", "bool"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "bool"])
def test_cast(dtype: str, to: str) -> None:
    x = numbers(dtype, 5, 7)
    got = run(elementwise.Cast(to=to), x)
    assert got.dtype == to
    np.testing.assert_array_equal(got, x.astype(to))


def test_where_and_not() -> None:
    condition = numbers("bool", 5, 1, 3)
    a, b = numbers("float32", 5, 7, 1), numbers("float32", 5, 1, 1, seed=1)
    np.testing.assert_array_equal(run(elementwise.Where(), condition, a, b), np.where(condition, a, b))
    np.testing.assert_array_equal(run(elementwise.Not(), condition), ~condition)


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceSum": np.sum, "ReduceMean": np.mean, "ReduceMax": np.max, "ReduceMin": np.min, "ReduceProd": np.prod,
    "ReduceSumSquare": lambda x, **options: np.sum(x * x, **options),
}  # fmt: skip


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axes", [(-1,), (1,), (2, 3), (1, 3), (1, 2), (1, 2, 3), (2,)], ids=str)
@pytest.mark.parametrize("keepdims", [True, False])
def test_reduce(name: str, axes: tuple[int, ...], keepdims: bool) -> None:
    x = numbers("float64", 5, 4, 6, 3)
    got = run(getattr(reduce, name)(axes=axes, keepdims=keepdims), x)
    np.testing.assert_allclose(got, REDUCTIONS[name](x, axis=axes, keepdims=keepdims), rtol=1e-12)


def test_reduce_over_the_batch() -> None:
    x = numbers("float32", 3, 5)
    model = RModel("batch")
    model.add_input_tensor_info("x", "float32", (None, 5))
    model.add_operator(reduce.ReduceMax(axes=[0], inputs=["x"], outputs=["y"]))
    model.add_output_tensor_names("y")
    np.testing.assert_array_equal(model.compile().infer(x), x.max(0, keepdims=True))


def test_reduce_integers() -> None:
    x = numbers("int64", 5, 40)
    np.testing.assert_array_equal(run(reduce.ReduceSum(axes=[1]), x), x.sum(1, keepdims=True))
    np.testing.assert_array_equal(run(reduce.ReduceMax(axes=[1]), x), x.max(1, keepdims=True))


def test_relu_of_integers() -> None:
    x = numbers("int32", 5, 40)
    np.testing.assert_array_equal(run(activations.Relu(), x), np.maximum(x, 0))


def test_what_does_not_fit_is_named() -> None:
    x = TensorType("float32", ("batch", 5))
    with pytest.raises(ShapeError, match="size must be even"):
        softmax.GLU(axis=-1).infer(x)
    with pytest.raises(ShapeError, match="axis 2 does not exist"):
        softmax.Softmax(axis=2).infer(x)
    with pytest.raises(DtypeError, match="Tanh is not defined for int32"):
        activations.Tanh().infer(TensorType("int32", ("batch", 5)))


def test_mean_over_an_open_axis() -> None:
    rmodel = RModel("mean")
    rmodel.add_input_tensor_info("x", "float32", (None, "time", 5))
    rmodel.add_operator(reduce.ReduceMean(axes=[1], inputs=["x"], outputs=["y"]))
    rmodel.add_output_tensor_names(["y"])
    model = rmodel.compile()
    for time in (1, 2, 9):
        x = numbers("float32", 3, time, 5)
        np.testing.assert_allclose(model.infer(x), x.mean(1, keepdims=True), rtol=1e-6)
