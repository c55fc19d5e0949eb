"""Symbols, the promotion policies, and the examples in the docstrings of ``sofie_jit.ops``."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sofie_jit import ops
from sofie_jit.errors import DtypeError, GraphError
from sofie_jit.frontends.keras.promotion import KERAS
from sofie_jit.ir import builder, promotion, symbol
from sofie_jit.ir import ops as modules
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.promotion import STRICT, Promotion
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType


def symbols(policy: Promotion, *dtypes: str) -> list[Symbol]:
    network = Builder(RModel("m"), policy)
    return [network.input(f"x{i}", dtype, (None, 3)) for i, dtype in enumerate(dtypes)]


# -- Symbols ---------------------------------------------------------------------------------------------------------

ARITHMETIC: list[tuple[Callable[[Any], Any], str]] = [
    (lambda x: 1 - x, "Sub"),
    (lambda x: np.float32(2) * x, "Mul"),
    (lambda x: np.ones(3, np.float32) / x, "Div"),
    (lambda x: x @ np.ones((3, 2), np.float32), "MatMul"),
    (lambda x: x[:, ::-1], "Slice"),
    (lambda x: -abs(x), "Neg"),
    (lambda x: (x > 0) & ~(x >= 1), "And"),
]


@pytest.mark.parametrize(("expression", "operator"), ARITHMETIC)
def test_arithmetic_adds_operators(expression: Callable[[Any], Any], operator: str) -> None:
    (x,) = symbols(KERAS, "float32")
    assert isinstance(expression(x), Symbol)
    assert x.builder.rmodel.operators[-1].op_type == operator


def test_symbols_have_no_values() -> None:
    (x,) = symbols(KERAS, "float32")
    with pytest.raises(GraphError, match=r"Python cannot test it; select with ops\.where"):
        bool(x > 0)
    with pytest.raises(GraphError, match=r"cannot be iterated over; ops\.unstack"):
        list(x)
    assert {x: 1}[x] == 1
    assert (x == 3) is False


def test_an_operation_needs_a_tensor() -> None:
    with pytest.raises(GraphError, match="use numpy for constants alone"):
        ops.add(1, 2)


# -- promotion -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "want"),
    [
        ("int32", "float32", "float32"),
        ("bool", "int64", "int64"),
        ("float64", "int64", "float64"),
        ("int32", 1.5, "float32"),
        ("bool", 2, "int32"),
        ("float64", 2, "float64"),
        ("int32", np.float64(2), "float64"),
    ],
)
def test_promotion_of_keras(first: str, second: Any, want: str) -> None:
    x, *others = symbols(KERAS, first, *([second] if isinstance(second, str) else []))
    assert ops.add(x, others[0] if others else second).dtype == want


def test_real_functions_and_sums_of_keras() -> None:
    x, flag = symbols(KERAS, "int64", "bool")
    assert ops.sqrt(x).dtype == ops.divide(x, x).dtype == ops.mean(x).dtype == "float32"
    assert ops.sum(flag).dtype == "int32"


def test_strict_promotion_converts_nothing() -> None:
    x, n, flag, double = symbols(STRICT, "float32", "int32", "bool", "float64")
    assert ops.add(x, 1).dtype == "float32"
    assert ops.maximum(double, 0.5).dtype == "float64"
    assert ops.multiply(n, 3).dtype == "int32"
    assert ops.sum(flag).dtype == "int64"
    assert ops.where(flag, 1, 2).dtype == "int64"
    for wrong in (
        lambda: x + n,
        lambda: x + double,
        lambda: n + 0.5,
        lambda: flag * 2,
        lambda: ops.sqrt(n),
        lambda: n / n,
        lambda: x * np.ones(3),
    ):
        with pytest.raises(DtypeError, match="cast"):
            wrong()


def test_strict_promotion_is_the_default() -> None:
    assert Builder(RModel("m")).promotion is STRICT


# -- examples --------------------------------------------------------------------------------------------------------

NAMES = [f"{modules.__name__}.{module.name}" for module in pkgutil.iter_modules(modules.__path__)]


@pytest.mark.parametrize("name", [modules.__name__, *NAMES, promotion.__name__, symbol.__name__, builder.__name__])
def test_docstrings(name: str) -> None:
    runner = doctest.DocTestRunner()
    for example in doctest.DocTestFinder().find(importlib.import_module(name)):
        network = Builder(RModel("m"), KERAS)
        x, n = network.input("x", "float32", (None, 2, 3)), network.input("n", "int32", (None, 4))
        example.globs.update(ops=ops, np=np, x=x, n=n)
        runner.run(example)
    assert runner.summarize().failed == 0


def test_every_function_is_documented() -> None:
    assert [name for name in ops.__all__ if not getattr(ops, name).__doc__] == []
    assert len(ops.__all__) > 200
    assert {"numpy", "Symbol", "math"} & set(ops.__all__) == set()


def test_no_function_is_hidden_by_a_name_that_another_module_imports() -> None:
    for found in pkgutil.iter_modules(modules.__path__):
        module = importlib.import_module(f"{modules.__name__}.{found.name}")
        for name, value in vars(module).items():
            if callable(value) and value.__module__ == module.__name__ and not name.startswith("_"):
                assert getattr(ops, name, None) is value, name


def test_functions_have_the_names_that_help_shows() -> None:
    functions = {name: getattr(ops, name) for name in ops.__all__ if callable(getattr(ops, name))}
    assert {name: function.__name__ for name, function in functions.items() if function.__name__ != name} == {}


def test_aliases_cost_nothing() -> None:
    kind = TensorType("float32", ("batch", 6))
    assert Reshape(shape=[0, 2, 3]).flops([kind], [TensorType("float32", ("batch", 2, 3))]) == 0
