"""Padding, cropping and upsampling: Keras's layers, and the operators by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import sofie_jit
from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.operators import Pad, Resize, Slice, Upsample
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from tolerance import check_file

layers = keras.layers

# class -> shape of one channels-last input, options of the layers that are tried on it
CASES: dict[str, tuple[tuple[int, ...], list[dict[str, Any]]]] = {
    "ZeroPadding1D": ((7, 3), [{}, {"padding": 2}, {"padding": (0, 3)}]),
    "ZeroPadding2D": ((5, 6, 3), [{}, {"padding": 2}, {"padding": (0, 3)}, {"padding": ((1, 0), (2, 3))}]),
    "ZeroPadding3D": ((3, 4, 5, 2), [{}, {"padding": (0, 1, 2)}, {"padding": ((1, 0), (2, 3), (0, 1))}]),
    "Cropping1D": ((7, 3), [{}, {"cropping": 2}, {"cropping": (0, 3)}]),
    "Cropping2D": ((7, 8, 3), [{}, {"cropping": 2}, {"cropping": (0, 3)}, {"cropping": ((1, 0), (2, 3))}]),
    "Cropping3D": ((5, 6, 7, 2), [{}, {"cropping": (0, 1, 2)}, {"cropping": ((1, 0), (2, 3), (0, 1))}]),
    "UpSampling1D": ((7, 3), [{}, {"size": 3}]),
    "UpSampling2D": ((4, 5, 18), [
        {}, {"size": 1}, {"size": (3, 1)}, {"interpolation": "bilinear"},
        {"size": (3, 5), "interpolation": "bilinear"}, {"size": (1, 4), "interpolation": "bilinear"},
    ]),
    "UpSampling3D": ((3, 4, 5, 2), [{}, {"size": (1, 3, 2)}]),
}  # fmt: skip
LAST_ONLY = {"Cropping1D", "UpSampling1D"}


@pytest.mark.parametrize(
    ("class_name", "data_format"),
    [(c, f) for c in CASES for f in ("channels_last", "channels_first") if f == "channels_last" or c not in LAST_ONLY],
)
def test_layer(class_name: str, data_format: str, tmp_path: Path) -> None:
    shape, options = CASES[class_name]
    if data_format == "channels_first":
        shape = (shape[-1], *shape[:-1])
        options = [{"data_format": data_format, **o} for o in options]
    inputs = keras.Input(shape)
    model = keras.Model(inputs, [getattr(layers, class_name)(**o)(inputs) for o in options])
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    loaded = check_file(model, x, tmp_path)
    together = loaded.infer(x)
    for row in range(3):
        for whole, alone in zip(together, loaded.infer(x[row : row + 1]), strict=True):
            np.testing.assert_array_equal(whole[row : row + 1], alone)
    assert [y.shape for y in loaded.infer(x[:0])] == [(0, *y.shape[1:]) for y in together]


def test_numbers_are_moved_exactly() -> None:
    inputs = keras.Input((4, 5, 2))
    y = layers.UpSampling2D((2, 3))(layers.Cropping2D(((1, 0), (0, 2)))(layers.ZeroPadding2D(1)(inputs)))
    model = keras.Model(inputs, y)
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 2)).astype(np.float32)
    x[0, 0, 0], x[0, 1, 1] = np.nan, -0.0
    got, want = sofie_jit.load(model).infer(x), np.asarray(model(x))
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


# -- the operators -----------------------------------------------------------------------------------------------------


def run(operator: ROperator, x: np.ndarray, batch: int | None = None) -> np.ndarray:
    model = RModel("one")
    model.add_input_tensor_info("x", x.dtype, (batch, *x.shape[1:]))
    operator.inputs, operator.outputs = ["x"], ["y"]
    model.add_operator(operator)
    model.add_output_tensor_names("y")
    return model.compile().infer(x)


X = np.arange(3 * 4 * 5 * 6).reshape(3, 4, 5, 6)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "bool"])
def test_every_element_type(dtype: str) -> None:
    x = (X % 7).astype(dtype)
    np.testing.assert_array_equal(
        run(Pad(pads=[0, 1, 0, 0, 0, 0, 2, 0]), x), np.pad(x, ((0, 0), (1, 0), (0, 2), (0, 0)))
    )
    np.testing.assert_array_equal(run(Slice(starts=[1], ends=[3], axes=[2]), x), x[:, :, 1:3])
    np.testing.assert_array_equal(run(Upsample(scales=[1, 1, 2, 1]), x), x.repeat(2, axis=2))


def test_pad() -> None:
    want = np.pad(X, ((0, 0), (1, 2), (0, 0), (3, 0)), constant_values=9)
    np.testing.assert_array_equal(run(Pad(pads=[0, 1, 0, 3, 0, 2, 0, 0], constant_value=9), X), want)
    np.testing.assert_array_equal(
        run(Pad(pads=[0, -1, 0, 0, 0, 2, -3, 0]), X), np.pad(X[:, 1:, :2], ((0, 0), (0, 2), (0, 0), (0, 0)))
    )
    np.testing.assert_array_equal(
        run(Pad(pads=[1, 0, 0, 0, 2, 0, 0, 0]), X, batch=3), np.pad(X, ((1, 2), (0, 0), (0, 0), (0, 0)))
    )
    np.testing.assert_array_equal(run(Pad(pads=[0] * 8), X), X)
    assert run(Pad(pads=[0, -2, 0, 0, 0, -2, 0, 0]), X).shape == (3, 0, 5, 6)


@pytest.mark.parametrize(
    ("axes", "starts", "ends", "steps"),
    [
        ([1], [1], [3], None),
        ([3, 1], [-2, 0], [100, -1], None),
        ([2], [0], [5], [2]),
        ([-1, 2], [4, -1], [-100, 0], [-2, -1]),
        ([1], [3], [1], None),
        ([1, 2, 3], [-100, 0, 2], [100, 5, 3], [3, 4, 1]),
    ],
)
def test_slice(axes: list[int], starts: list[int], ends: list[int], steps: list[int] | None) -> None:
    index = [slice(None)] * 4
    for axis, start, end, step in zip(axes, starts, ends, steps or [1] * len(axes), strict=True):
        index[axis] = slice(start, end, step)
    np.testing.assert_array_equal(run(Slice(axes=axes, starts=starts, ends=ends, steps=steps), X), X[tuple(index)])


def test_slice_of_the_batch() -> None:
    np.testing.assert_array_equal(run(Slice(starts=[2, 1], ends=[0, 3], steps=[-1, 1]), X, batch=3), X[2:0:-1, 1:3])


def test_an_open_batch_is_padded_and_cut() -> None:
    border = Pad(pads=[1, 0, 0, 0, 2, 0, 0, 0], constant_value=7.0)
    padded = run(border, X)
    np.testing.assert_array_equal(padded, np.pad(X, [(1, 2), (0, 0), (0, 0), (0, 0)], constant_values=7.0))
    np.testing.assert_array_equal(run(Slice(starts=[-2], ends=[99]), X), X[-2:])


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        (Pad(pads=[1, 1]), r"\(batch, 4, 5, 6\) needs 8 pads, got 2"),
        (Pad(pads=[0, -3, 0, 0, 0, -2, 0, 0]), "axis 1 of .* cannot be cut by 3 and 2"),
        (Slice(starts=[0], ends=[1], axes=[4]), "axis 4 does not exist"),
        (Slice(starts=[0], ends=[1], axes=[1], steps=[0]), "no step 0"),
        (Slice(starts=[0, 0], ends=[1, 1], axes=[1, 1]), "no axis twice"),
        (Slice(starts=[0, 0], ends=[1], axes=[1, 2]), "must go together"),
        (Upsample(scales=[1, 2]), "needs 4 whole scales"),
        (Upsample(scales=[1, 2, 0, 1]), "needs 4 whole scales of at least 1"),
        (Resize(scales=[2, 2], mode="cubic"), "'nearest' or 'linear', got 'cubic'"),
        (Resize(scales=[2], mode="linear"), "needs 2 whole scales"),
    ],
)
def test_errors(operator: ROperator, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        run(operator, X.astype(np.float32))


def test_resize_needs_images_of_numbers() -> None:
    with pytest.raises(ShapeError, match="two dimensions"):
        run(Resize(scales=[2], mode="linear"), np.zeros((1, 2, 3), np.float32))
    with pytest.raises(DtypeError, match="Resize is not defined for int64"):
        run(Resize(scales=[2, 2], mode="linear"), X)
