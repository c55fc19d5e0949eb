"""Layers that move numbers: Flatten, Reshape, Permute, RepeatVector, and the operators behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import sofie_jit
from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators import Concat, Expand, Reshape, Transpose
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from tolerance import check, check_file

layers = keras.layers

CASES: list[tuple[Any, tuple[int | None, ...]]] = [
    (lambda: layers.Flatten(), (3, 4, 5)),
    (lambda: layers.Flatten(), (7,)),
    (lambda: layers.Flatten(data_format="channels_first"), (3, 4, 5)),
    (lambda: layers.Flatten(data_format="channels_first"), (3, 4)),
    (lambda: layers.Flatten(data_format="channels_first"), (2, 3, 4, 5)),
    (lambda: layers.Reshape((6, 10)), (3, 4, 5)),
    (lambda: layers.Reshape((-1,)), (3, 4, 5)),
    (lambda: layers.Reshape((2, -1, 3)), (6, 5)),
    (lambda: layers.Reshape((1, 8, 1)), (8,)),
    (lambda: layers.Permute((2, 1)), (3, 40)),
    (lambda: layers.Permute((3, 1, 2)), (17, 4, 33)),
    (lambda: layers.Permute((1, 3, 2)), (2, 3, 4)),
    (lambda: layers.Permute((2, 1, 3)), (5, 6, 3)),
    (lambda: layers.Permute((1, 2)), (5, 6)),
    (lambda: layers.RepeatVector(3), (5,)),
    (lambda: layers.RepeatVector(1), (20,)),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_layer(case: int, tmp_path: Path) -> None:
    make, shape = CASES[case]
    inputs = keras.Input(shape)
    model = keras.Model(inputs, make()(inputs))
    rng = np.random.default_rng(case)
    loaded = check_file(model, rng.normal(size=(7, *shape)).astype(np.float32), tmp_path)
    for batch in (0, 1):
        x = rng.normal(size=(batch, *shape)).astype(np.float32)
        np.testing.assert_array_equal(loaded.infer(x), np.asarray(model(x)).reshape(loaded.infer(x).shape))


@pytest.mark.parametrize("dtype", ["float64", "int32", "bool"])
def test_other_element_types(dtype: str, tmp_path: Path) -> None:
    inputs = keras.Input((3, 20), dtype=dtype)
    y = layers.Permute((2, 1), dtype=dtype)(inputs)
    model = keras.Model(inputs, layers.Reshape((4, 15), dtype=dtype)(y))
    x = np.random.default_rng(0).integers(0, 2, (5, 3, 20)).astype(dtype)
    model.save(tmp_path / "m.keras")
    y = check_file(model, x, tmp_path, ".keras").infer(x)
    assert y.dtype == dtype


def test_open_time_dimension(tmp_path: Path) -> None:
    inputs = keras.Input((None, 6))
    model = keras.Model(inputs, layers.Permute((3, 1, 2))(layers.Reshape((-1, 2, 3))(inputs)))
    rng = np.random.default_rng(0)
    loaded = check_file(model, rng.normal(size=(2, 5, 6)), tmp_path)
    for time in (1, 8):
        check(loaded.infer(x := rng.normal(size=(3, time, 6)).astype(np.float32)), model, x)


def test_an_open_dimension_is_multiplied(tmp_path: Path) -> None:
    inputs = keras.Input((None, 6))
    model = keras.Model(inputs, layers.Reshape((-1, 3))(inputs))
    path = tmp_path / "m.keras"
    model.save(path)
    loaded = sofie_jit.load(path)
    for time in (1, 4):
        x = np.random.default_rng(time).normal(size=(2, time, 6)).astype(np.float32)
        assert loaded.infer(x).shape == (2, 2 * time, 3)
        check(loaded.infer(x), model, x)


def test_an_open_dimension_that_has_no_name_is_fixed_by_the_data(tmp_path: Path) -> None:
    inputs = keras.Input((None, 3))
    path = tmp_path / "m.keras"
    keras.Model(inputs, layers.Reshape((-1, 2))(inputs)).save(path)
    model = sofie_jit.load(path)
    assert model.infer(np.ones((2, 4, 3))).shape == (2, 6, 2)
    with pytest.raises(ShapeError, match="= 5"):
        model.infer(np.ones((2, 5, 3)))


def run(x: np.ndarray, *operators: ROperator, shape: tuple[Any, ...] | None = None) -> np.ndarray:
    """What a chain of operators makes of ``x``."""
    model = RModel("chain")
    model.add_input_tensor_info("x", x.dtype.name, shape or (None, *x.shape[1:]))
    name = "x"
    for index, operator in enumerate(operators):
        operator.inputs, name = operator.inputs or [name], f"y{index}"
        operator.outputs = [name]
        model.add_operator(operator)
    model.add_output_tensor_names(name)
    result: np.ndarray = model.compile().infer(x)
    return result


@pytest.mark.parametrize("perm", [(0, 1, 2, 3), (0, 3, 1, 2), (0, 2, 3, 1), (1, 0, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_transpose(perm: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 18, 5)).astype(np.float32)
    np.testing.assert_array_equal(run(x, Transpose(perm=perm)), x.transpose(perm))


def test_transpose_with_open_dimensions() -> None:
    x = np.random.default_rng(0).normal(size=(3, 11, 4)).astype(np.float32)
    got = run(x, Transpose(perm=(0, 2, 1)), shape=(None, "time", 4))
    np.testing.assert_array_equal(got, x.transpose(0, 2, 1))


def test_expand() -> None:
    x = np.random.default_rng(0).normal(size=(3, 1, 4, 1)).astype(np.float32)
    np.testing.assert_array_equal(run(x, Expand(shape=(5, 4, 6))), np.broadcast_to(x, (3, 5, 4, 6)))
    row = np.random.default_rng(0).normal(size=(1, 4)).astype(np.float32)
    np.testing.assert_array_equal(run(row, Expand(shape=(3, 2, 4)), shape=(1, 4)), np.broadcast_to(row, (3, 2, 4)))


def test_concat() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    for axis in (0, 1, 2, -1):
        operator = Concat(axis=axis, inputs=["x", "x", "x"])
        if axis:
            np.testing.assert_array_equal(run(x, operator), np.concatenate([x, x, x], axis))
        else:
            np.testing.assert_array_equal(run(x, operator, shape=x.shape), np.concatenate([x, x, x], axis))


MESSAGES = [
    (Transpose(perm=(0, 1)), "perm .0, 1. is no order of the axes of .batch, 4, 5."),
    (Reshape(shape=(0, 7)), "numbers of elements differ, 20\\*batch and 7\\*batch"),
    (Reshape(shape=(0, -1, 3)), "3\\*batch elements do not divide 20\\*batch"),
    (Reshape(shape=(-1, -1)), "at most one size may be -1"),
    (Expand(shape=(3, 5)), r"\(batch, 4, 5\) does not broadcast to \(3, 5\)"),
    (Concat(axis=3), "axis 3 does not exist"),
    (Concat(axis=0, inputs=["x", "x"]), "axis 0 must have known sizes"),
]


@pytest.mark.parametrize(("operator", "message"), MESSAGES, ids=lambda value: getattr(value, "op_type", None))
def test_messages(operator: ROperator, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        run(np.zeros((1, 4, 5), np.float32), operator)
