"""Merging layers against Keras: any number of inputs, any ranks, broadcasting, and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sofie_jit
from sofie_jit.errors import SofieError
from tolerance import check, check_file

keras = pytest.importorskip("keras")

LAYERS = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")

SHAPES: list[list[tuple[int, ...]]] = [
    [(5,), (5,)],
    [(4, 3), (4, 3)],
    [(5,), (5,), (5,)],
    [(4, 5, 3), (4, 5, 3), (4, 5, 3), (4, 5, 3)],
    [(4, 3), (1, 3)],
    [(4, 3), (4, 1)],
    [(1, 3), (4, 1)],
    [(4, 1, 3), (1, 5, 3), (4, 5, 1)],
    [(3,), (4, 3)],
    [(4, 3), (3,)],
    [(2, 4, 3), (3,), (4, 3)],
    [(1,), (17,)],
    [(17,), (1,)],
]


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def merged(layer: Any, shapes: list[tuple[int, ...]], **options: Any) -> Any:
    inputs = [keras.layers.Input(shape, **options) for shape in shapes]
    return keras.Model(inputs, layer(inputs))


@pytest.mark.parametrize(
    ("name", "shapes"),
    [(name, shapes) for name in LAYERS for shapes in SHAPES if name != "Subtract" or len(shapes) == 2],
    ids=str,
)
def test_elementwise(name: str, shapes: list[tuple[int, ...]]) -> None:
    model = merged(getattr(keras.layers, name)(), shapes)
    x = [numbers(6, *shape, seed=seed) for seed, shape in enumerate(shapes)]
    check(sofie_jit.load(model).infer(x), model, x)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_from_a_file(name: str, suffix: str, tmp_path: Path) -> None:
    model = merged(getattr(keras.layers, name)(), [(4, 3), (3,)])
    check_file(model, [numbers(6, 4, 3), numbers(6, 3)], tmp_path, suffix)


@pytest.mark.parametrize("name", ["Maximum", "Minimum", "Add"])
def test_special_values(name: str) -> None:
    model = merged(getattr(keras.layers, name)(), [(5,), (5,)])
    values = np.array([0, 1, np.nan, np.inf, -np.inf], np.float32)
    x = [np.repeat(values[:, None], 5, 1), np.repeat(values[None], 5, 0)]
    np.testing.assert_array_equal(sofie_jit.load(model).infer(x), np.asarray(model(x)))


@pytest.mark.parametrize("axis", [1, 2, 3, -1, -2])
def test_concatenate(axis: int, tmp_path: Path) -> None:
    shapes = [[4, 5, 3], [4, 5, 3], [4, 5, 3]]
    for shape, size in zip(shapes, (2, 7, 1), strict=True):
        shape[axis - 1 if axis > 0 else axis] = size
    model = merged(keras.layers.Concatenate(axis=axis), [tuple(shape) for shape in shapes])
    check_file(model, [numbers(6, *shape) for shape in shapes], tmp_path)


DOTS: list[tuple[tuple[int, ...], tuple[int, ...], Any]] = [
    ((5,), (5,), 1),
    ((5,), (5,), -1),
    ((4, 5), (5,), (2, 1)),
    ((5,), (5, 3), 1),
    ((4, 5), (5, 3), (2, 1)),
    ((4, 5), (3, 5), 2),
    ((5, 4), (5, 3), 1),
    ((5, 4), (3, 5), (1, -1)),
    ((2, 4, 5), (5, 3), (3, 1)),
    ((4, 5), (2, 5, 3), (2, 2)),
    ((2, 5, 4), (5, 3, 2), (2, 1)),
]


@pytest.mark.parametrize(("left", "right", "axes"), DOTS, ids=str)
@pytest.mark.parametrize("normalize", [False, True])
def test_dot(left: tuple[int, ...], right: tuple[int, ...], axes: Any, normalize: bool, tmp_path: Path) -> None:
    model = merged(keras.layers.Dot(axes=axes, normalize=normalize), [left, right])
    check_file(model, [numbers(6, *left), numbers(6, *right, seed=1)], tmp_path)


def test_float64() -> None:
    model = merged(keras.layers.Average(dtype="float64"), [(5,), (5,)], dtype="float64")
    x = [numbers(6, 5).astype(np.float64), numbers(6, 5, seed=1).astype(np.float64)]
    got = sofie_jit.load(model).infer(x)
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, np.asarray(model(x)))


def test_integers(tmp_path: Path) -> None:
    """Some layers keep their type, others take them to floating point."""
    layers = keras.layers
    x = keras.Input((4, 2), dtype="int64")
    outputs = [layers.Dot(1)([x, x]), layers.Average()([x, x]), layers.Masking()(x), layers.LeakyReLU()(x)]
    loaded = check_file(keras.Model(x, outputs), np.arange(-8, 16).reshape(3, 4, 2), tmp_path, ".keras")
    assert [np.dtype(kind).kind for kind in loaded.output_dtypes] == ["i", "f", "i", "f"]


def test_the_same_tensor_twice(tmp_path: Path) -> None:
    x = keras.layers.Input((4,))
    model = keras.Model(x, keras.layers.Multiply()([x, x, keras.layers.Add()([x, x])]))
    check_file(model, numbers(6, 4), tmp_path)


def test_more_axes_than_tensorflow_broadcasts() -> None:
    model = merged(keras.layers.Add(), [(2, 1, 3, 1, 2), (1, 4, 1, 5, 1)])
    x = [numbers(6, 2, 1, 3, 1, 2), numbers(6, 1, 4, 1, 5, 1)]
    np.testing.assert_array_equal(sofie_jit.load(model).infer(x), x[0] + x[1])


def test_shapes_that_do_not_broadcast_are_named() -> None:
    from sofie_jit.ir.operators.elementwise import Add
    from sofie_jit.ir.types import TensorType

    with pytest.raises(SofieError, match=r"\(batch, 4, 3\), \(batch, 5, 3\).*4 and 5 in axis -2"):
        Add().infer(TensorType("float32", ("batch", 4, 3)), TensorType("float32", ("batch", 5, 3)))


def test_a_single_tensor(tmp_path: Path) -> None:
    """Keras 2 unpacks a list of one tensor, so that its layers are called with the tensor alone."""
    import tf_keras

    inputs = tf_keras.Input((3, 2))
    model = tf_keras.Model(inputs, tf_keras.layers.Concatenate()([inputs]))
    model.save(tmp_path / "m.h5")
    x = np.ones((2, 3, 2), np.float32)
    np.testing.assert_array_equal(sofie_jit.load(tmp_path / "m.h5").infer(x), x)


@pytest.mark.parametrize("layer", ["Maximum", "Minimum", "Add", "Average", "Concatenate"])
def test_elements_that_some_of_three_inputs_mask(layer: str, tmp_path: Path) -> None:
    """Each time step is masked in another set of the inputs."""
    given = [keras.Input((8, 2)) for _ in range(3)]
    merged = getattr(keras.layers, layer)()([keras.layers.Masking(7.0)(x) for x in given])
    model = keras.Model(given, keras.layers.LSTM(2, return_sequences=True)(merged))
    x = np.random.default_rng(0).normal(size=(3, 4, 8, 2)).astype(np.float32)
    for number in range(3):
        x[number, :, [step for step in range(8) if step >> number & 1]] = 7
    check_file(model, list(x), tmp_path, ".keras")
