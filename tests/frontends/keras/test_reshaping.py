"""Layers that move numbers: Flatten, Reshape, Permute, RepeatVector, and the operators behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import sofie_jit
from sofie_jit.errors import InputError, ShapeError, UnsupportedLayerError
from sofie_jit.ir.operators import Concat, Expand, Reshape, Transpose
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from sofie_jit.models.model import Model
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


def test_an_open_dimension_that_is_a_quotient(tmp_path: Path) -> None:
    inputs = keras.Input((None, 3))
    keras_model = keras.Model(inputs, layers.Reshape((-1, 2))(inputs))
    path = tmp_path / "m.keras"
    keras_model.save(path)
    model = sofie_jit.load(path)
    for batch, time in ((2, 4), (1, 6), (3, 2), (3, 0), (0, 4)):
        x = np.random.default_rng(time).normal(size=(batch, time, 3)).astype(np.float32)
        got = model.infer(x)
        assert got.shape == (batch, 3 * time // 2, 2)
        np.testing.assert_array_equal(got, x.reshape(got.shape))
    with pytest.raises(InputError, match=r"Reshape.* computed for time = 5: .* must be equal to 3\*time = 15"):
        model.infer(np.ones((2, 5, 3)))


def chain(*operators: ROperator, shape: tuple[Any, ...], dtype: str = "float32") -> Model:
    """A chain of operators on one input, compiled."""
    model = RModel("chain")
    model.add_input_tensor_info("x", dtype, shape)
    name = "x"
    for index, operator in enumerate(operators):
        operator.inputs, name = operator.inputs or [name], f"y{index}"
        operator.outputs = [name]
        model.add_operator(operator)
    model.add_output_tensor_names(name)
    return model.compile()


def run(x: np.ndarray, *operators: ROperator, shape: tuple[Any, ...] | None = None) -> np.ndarray:
    """What a chain of operators makes of ``x``."""
    result: np.ndarray = chain(*operators, shape=shape or (None, *x.shape[1:]), dtype=x.dtype.name).infer(x)
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


def test_expand_with_open_dimensions() -> None:
    model = chain(Expand(shape=(2, "batch", 4, 5)), shape=(None, 4, 1))
    for batch in (0, 1, 3):
        x = np.random.default_rng(batch).normal(size=(batch, 4, 1)).astype(np.float32)
        np.testing.assert_array_equal(model.infer(x), np.broadcast_to(x, (2, batch, 4, 5)))
    fixed = chain(Expand(shape=(3, 4, 5)), shape=(None, 4, 1))
    x = np.random.default_rng(0).normal(size=(3, 4, 1)).astype(np.float32)
    np.testing.assert_array_equal(fixed.infer(x), np.broadcast_to(x, (3, 4, 5)))
    for batch in (1, 2):
        with pytest.raises(InputError, match=f"Expand cannot be computed for batch = {batch}: .* must be equal to 3"):
            fixed.infer(x[:batch])


def test_concat() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    for axis in (0, 1, 2, -1):
        for shape in ((None, 4, 5), x.shape):
            got = run(x, Concat(axis=axis, inputs=["x", "x", "x"]), shape=shape)
            np.testing.assert_array_equal(got, np.concatenate([x, x, x], axis))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat_with_open_dimensions(axis: int) -> None:
    model = chain(Concat(axis=axis, inputs=["x", "x"]), shape=(None, "time", 5))
    for batch, time in ((3, 4), (1, 7), (0, 2), (2, 0)):
        x = np.random.default_rng(time).normal(size=(batch, time, 5)).astype(np.float32)
        np.testing.assert_array_equal(model.infer(x), np.concatenate([x, x], axis))


@pytest.mark.parametrize(
    ("shape", "rows", "rest"),
    [((0, -1), 1, (12,)), ((0, 6, -1), 1, (6, 2)), ((0, 2, -1, 3), 1, (2, 2, 3)), ((-1, 4), 3, (4,))],
)
def test_reshape_of_no_rows(shape: tuple[int, ...], rows: int, rest: tuple[int, ...]) -> None:
    """The definition in numpy gives the shape that the compiled model gives."""
    model = chain(Reshape(shape=shape), shape=(None, 3, 4))
    for batch in (0, 1, 5):
        x = np.random.default_rng(batch).normal(size=(batch, 3, 4)).astype(np.float32)
        want = x.reshape(rows * batch, *rest)
        np.testing.assert_array_equal(model.infer(x), want, strict=True)
        np.testing.assert_array_equal(Reshape(shape=shape).evaluate(x), want, strict=True)


def test_the_size_that_makes_0_elements_is_not_known() -> None:
    with pytest.raises(ShapeError, match="0 elements do not divide 0"):
        Reshape(shape=(0, -1), allowzero=True).evaluate(np.zeros((0, 3)))


MESSAGES = [
    (Transpose(perm=(0, 1)), "perm .0, 1. is no order of the axes of .batch, 4, 5."),
    (Reshape(shape=(0, 7)), "numbers of elements differ, 20\\*batch and 7\\*batch"),
    (Reshape(shape=(0, -1, 3)), r"\(batch, 4, 5\) to \(0, -1, 3\): 3 elements do not divide 20"),
    (Reshape(shape=(0, 0, 0, 0)), "there is no axis 3 to copy"),
    (Reshape(shape=(-1, -1)), "at most one size may be -1"),
    (Expand(shape=(3, 5)), r"\(batch, 4, 5\), \(3, 5\) do not broadcast: 4 and 3 in axis -2 must be equal or 1"),
    (Concat(axis=3), "axis 3 does not exist"),
]


@pytest.mark.parametrize(("operator", "message"), MESSAGES, ids=lambda value: getattr(value, "op_type", None))
def test_messages(operator: ROperator, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        run(np.zeros((1, 4, 5), np.float32), operator)


@pytest.mark.parametrize("shape", [(), (4, 5)])
def test_only_rows_are_repeated(shape: tuple[int, ...]) -> None:
    from sofie_jit.frontends.keras.graph import Layer
    from sofie_jit.frontends.keras.layers.call import LayerCall
    from sofie_jit.ir.builder import Builder

    builder = Builder(RModel("model"))
    x = builder.input("x", "float32", (None, *shape))
    with pytest.raises(UnsupportedLayerError, match=r"expected \(batch, features\)"):
        LayerCall(Layer("repeat", "RepeatVector", {"n": 2, "dtype": "float32"}), builder)(x)
