"""Resizing, CenterCrop, the smooth interpolations of UpSampling2D, and the operator they are made of."""

from __future__ import annotations

import importlib
import itertools
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import sofie_jit
from sofie_jit import frontends
from sofie_jit.errors import DtypeError, InputError, ShapeError, UnsupportedLayerError
from sofie_jit.frontends.keras.layers.resizing import INTERPOLATIONS, METHODS
from sofie_jit.ir.builder import Builder
from sofie_jit.ir.operators import Resample
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.size_arrays import SizeArrays
from sofie_jit.verification.evaluate import evaluate
from tolerance import check, check_file

layers = keras.layers
IMAGE = (23, 17, 3)
CROP, PAD = {"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True, "fill_value": 0.5}


def images(batch: int, shape: tuple[int, ...] = IMAGE, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(batch).normal(size=(batch, *shape)).astype(dtype)


def test_resizing(tmp_path: Path) -> None:
    """Every interpolation, smoothed or not; larger, smaller, both, not at all, to one pixel."""
    x = keras.Input(IMAGE)
    outputs = [
        layers.Resizing(*size, interpolation=interpolation, antialias=antialias)(x)
        for interpolation in INTERPOLATIONS
        if interpolation not in ("gaussian", "mitchellcubic")  # of Keras 2; see test_tf_ops.py
        for antialias in (False, True)
        for size in ((46, 34), (40, 9), (7, 61), (1, 1), IMAGE[:2])
    ]
    model = keras.Model(x, outputs)
    loaded = check_file(model, images(2), tmp_path, ".keras")
    for whole, alone in zip(loaded.infer(images(2)), loaded.infer(images(2)[1:]), strict=True):
        np.testing.assert_array_equal(whole[1:], alone)


def test_resizing_with_the_aspect_ratio_kept(tmp_path: Path) -> None:
    x = keras.Input(IMAGE)
    sizes = (40, 9), (7, 90), (12, 12), (46, 34), (90, 200)
    outputs = [layers.Resizing(*size, **options)(x) for options in (CROP, PAD) for size in sizes]
    check_file(keras.Model(x, outputs), images(2), tmp_path)


def test_many_channels_and_a_big_image() -> None:
    """In a big image the float32 places of TensorFlow are visibly off; ours are too."""
    x = keras.Input((300, 5, 37))
    model = keras.Model(x, [layers.Resizing(227, 11, interpolation=i)(x) for i in ("bilinear", "bicubic", "lanczos3")])
    check(sofie_jit.load(model).infer(images(2, (300, 5, 37))), model, images(2, (300, 5, 37)))


def test_channels_first() -> None:
    x = keras.Input((3, 23, 17))
    outputs = [
        layer(x)
        for layer in (
            layers.Resizing(12, 40, data_format="channels_first"),
            layers.Resizing(12, 40, interpolation="nearest", data_format="channels_first", **CROP),
            layers.CenterCrop(10, 10, data_format="channels_first"),
            layers.CenterCrop(30, 10, data_format="channels_first"),
        )
    ]
    model = keras.Model(x, outputs)
    check(sofie_jit.load(model).infer(images(2, (3, 23, 17))), model, images(2, (3, 23, 17)))


def test_center_crop(tmp_path: Path) -> None:
    x = keras.Input(IMAGE)
    model = keras.Model(x, [layers.CenterCrop(*size)(x) for size in ((10, 10), (22, 4), (23, 17), (30, 10), (50, 60))])
    check_file(model, images(3), tmp_path)


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_a_single_image(library: str) -> None:
    module = importlib.import_module(library)
    x = module.Input(batch_shape=IMAGE)
    kinds = module.layers
    outputs = [kinds.CenterCrop(10, 10)(x), kinds.CenterCrop(30, 10)(x), kinds.Resizing(7, 30)(x)]
    model = module.Model(x, [*outputs, kinds.RandomCrop(8, 9)(x)])
    image = images(1, IMAGE)[0]
    for got, want in zip(evaluate(frontends.open(model)(), image), model(image, training=False), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5)


def test_up_sampling(tmp_path: Path) -> None:
    x, first = keras.Input((5, 4, 6)), keras.Input((6, 5, 4))
    kinds = "bicubic", "lanczos3", "lanczos5"
    outputs = [layers.UpSampling2D((2, 3), interpolation=i)(x) for i in kinds]
    outputs += [layers.UpSampling2D(2, "channels_first", interpolation=i)(first) for i in kinds]
    check_file(keras.Model([x, first], outputs), [images(2, (5, 4, 6)), images(2, (6, 5, 4))], tmp_path)


def test_integers(tmp_path: Path) -> None:
    """The nearest pixel is copied in any type; a mean would have to be rounded."""
    x = keras.Input(IMAGE, dtype="int32")
    model = keras.Model(x, [layers.Resizing(7, 30, interpolation="nearest")(x), layers.CenterCrop(9, 9)(x)])
    values = np.arange(2 * 23 * 17 * 3, dtype=np.int32).reshape(2, *IMAGE)
    loaded = check_file(model, values, tmp_path, ".keras")
    assert [y.dtype for y in loaded.infer(values)] == [np.int32, np.float32]
    with pytest.raises(UnsupportedLayerError, match="images are int32, which bilinear interpolation would round"):
        sofie_jit.load(keras.Model(x, layers.Resizing(7, 30)(x)))


def test_keras_2_knows_no_data_format(tmp_path: Path) -> None:
    x = keras.Input(IMAGE)
    model = keras.Model(x, [layers.Resizing(7, 30)(x), layers.CenterCrop(9, 9)(x)])
    model.save(tmp_path / "m.h5")
    config = json.loads(model.to_json())
    for layer in config["config"]["layers"][1:]:
        known = ("name", "trainable", "height", "width", "interpolation", "crop_to_aspect_ratio")
        layer["config"] = {key: value for key, value in layer["config"].items() if key in known}
    values = images(2, IMAGE)
    check(sofie_jit.load(tmp_path / "m.h5", config=config).infer(values), model, values)


def open_layers() -> tuple[Any, list[Any]]:
    x = keras.Input((None, None, 2))
    resized = [
        layers.Resizing(7, 5, interpolation=method, antialias=antialias)(x)
        for method in ("bilinear", "bicubic", "area", "lanczos3")
        for antialias in (False, True)
        if not (method == "area" and antialias)
    ]
    others = [
        layers.Resizing(7, 5, interpolation="nearest")(x),
        layers.Resizing(7, 5, **CROP)(x),
        layers.Resizing(5, 7, **PAD)(x),
        layers.CenterCrop(6, 5)(x),
        layers.UpSampling2D((2, 3), interpolation="bicubic")(x),
        layers.Cropping2D(((1, 1), (0, 1)))(x),
    ]
    return x, resized + others


def test_open_sizes() -> None:
    """One compiled model serves all sizes, and gives the bits of the model with that size fixed."""
    x, outputs = open_layers()
    model = keras.Model(x, outputs)
    loaded = sofie_jit.load(model)
    for height, width in ((7, 5), (3, 4), (14, 15), (20, 33), (4, 9), (100, 7)):
        check(loaded.infer(images(2, (height, width, 2))), model, images(2, (height, width, 2)))
    fixed = frontends.open(model, input_shapes=[(None, 9, 12, 2)])
    values = images(2, (9, 12, 2))
    for one, other in zip(loaded.infer(values), evaluate(fixed(), [values]), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    with pytest.raises(InputError, match=r"cropping2d\w* \(Cropping2D\).*height = 1"):
        loaded.infer(images(2, (1, 9, 2)))


@pytest.mark.parametrize("method", METHODS)
def test_weights_sum_to_one_and_stay_inside(method: str) -> None:
    builder = Builder(RModel("weights"))
    for old, new in itertools.product((1, 2, 5, 224), (1, 3, 7, 300)):
        first, count, weights = METHODS[method](SizeArrays(builder, old, new), old, new)
        assert (first >= 0).all()
        assert (first + count <= old).all()
        assert (count <= weights.shape[1]).all()
        used = np.where(np.arange(weights.shape[1]) < count[:, None], weights, 0)
        np.testing.assert_allclose(used.sum(1), 1, atol=1e-4)


# -- the operator ------------------------------------------------------------------------------------------------------


def run(x: np.ndarray, weights: Any, spans: Any, axis: int) -> np.ndarray:
    model = RModel("one")
    model.add_input_tensor_info("x", x.dtype, (None, *x.shape[1:]))
    model.add_initialized_tensor("w", np.asarray(weights))
    model.add_initialized_tensor("s", np.asarray(spans))
    model.add_operator(Resample(axis=axis, inputs=["x", "w", "s"], outputs=["y"]))
    model.add_output_tensor_names("y")
    return model.compile().infer(x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_operator(dtype: str) -> None:
    x = images(2, (6, 3), dtype)
    weights = np.array([[0.5, 0.25], [2, 3]], dtype)
    want = np.stack([0.5 * x[:, 1] + 0.25 * x[:, 2], 2 * x[:, 5]], 1)
    np.testing.assert_allclose(run(x, weights, np.array([[1, 2], [5, 2]]), -2), want, rtol=1e-6)  # cut at the end


def test_operator_errors() -> None:
    x, w, spans = np.zeros((2, 6, 3), np.float32), np.zeros((4, 2), np.float32), np.zeros((4, 2), np.int64)
    with pytest.raises(ShapeError, match="any axis but the first"):
        run(x, w, spans, 0)
    with pytest.raises(ShapeError, match=r"got \(4, 2\) and \(3, 2\)"):
        run(x, w, spans[:3], 1)
    with pytest.raises(DtypeError, match="spans in int64, got float32 and int32"):
        run(x, w, spans.astype(np.int32), 1)
    with pytest.raises(DtypeError, match="one element type"):
        run(x, w.astype(np.float64), spans, 1)


def test_operator_with_computed_weights() -> None:
    """Spans that the network computes are cut to the axis and to the weights, as those that are known."""
    model = RModel("computed weights")
    model.add_input_tensor_info("x", "float32", (2, "size", "inner"))
    model.add_input_tensor_info("w", "float32", ("outputs", "taps"))
    model.add_input_tensor_info("s", "int64", ("outputs", 2))
    model.add_operator(Resample(axis=1, inputs=["x", "w", "s"], outputs=["y"]))
    model.add_output_tensor_names("y")
    compiled, random = model.compile(), np.random.default_rng(0)
    for inner in (1, 3, 40):
        x, w = images(2, (6, inner)), random.normal(size=(4, 3)).astype(np.float32)
        spans = np.array([[-5, 2], [4, 9], [100, 1], [0, -(2**62)]])
        np.testing.assert_array_equal(compiled.infer(x, w, spans), run(x, w, spans, 1))
