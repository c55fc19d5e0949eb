"""Preprocessing layers against Keras."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sofie_jit
from sofie_jit import frontends
from sofie_jit.frontends.keras.saved_model import LayerGroups, SavedModel
from sofie_jit.frontends.keras.translation import connected, translate
from sofie_jit.passes.pipeline import lower
from sofie_jit.verification.evaluate import evaluate
from tolerance import check, check_file


def _layers() -> Any:
    from keras import layers

    return layers


FLOATS: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "rescaling": ("Rescaling", {"scale": 1 / 127.5, "offset": -1.0}, (4, 3)),
    "rescaling per channel": ("Rescaling", {"scale": [1.0, 2.0, 3.0], "offset": [0.0, 1.0, 2.0]}, (4, 3)),
    "normalization": ("Normalization", {"mean": [1.0, 2.0, 3.0], "variance": [0.5, 0.0, 3.0]}, (4, 3)),
    "of one number": ("Normalization", {"axis": None, "mean": 1.5, "variance": 2.5}, (4, 3)),
    "of an inner axis": ("Normalization", {"axis": 1, "mean": [1.0, 2, 3, 4], "variance": [1.0, 2, 3, 4]}, (4, 3)),
    "of two axes": ("Normalization", {"axis": (1, -1), "mean": np.arange(12.0).reshape(4, 3).tolist(),
                                      "variance": np.arange(1, 13.0).reshape(4, 3).tolist()}, (4, 3)),
    "inverted": ("Normalization", {"mean": [1.0, 2.0, 3.0], "variance": [0.5, 0.0, 3.0], "invert": True}, (4, 3)),
    "bins": ("Discretization", {"bin_boundaries": [-0.5, 0.0, 0.7]}, (4,)),
    "bins one_hot": ("Discretization", {"bin_boundaries": [-0.5, 0.0], "output_mode": "one_hot"}, (4,)),
    "bins multi_hot": ("Discretization", {"bin_boundaries": [-0.5, 0.0], "output_mode": "multi_hot"}, (4,)),
    "bins count": ("Discretization", {"bin_boundaries": [-0.5, 0.0], "output_mode": "count"}, (4,)),
}  # fmt: skip
LOOKUP = {"vocabulary": [7, 2, 4, -3]}
INTEGERS: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "one_hot": ("CategoryEncoding", {"num_tokens": 5, "output_mode": "one_hot"}, (4,)),
    "one_hot of one": ("CategoryEncoding", {"num_tokens": 5, "output_mode": "one_hot"}, (1,)),
    "multi_hot": ("CategoryEncoding", {"num_tokens": 5, "output_mode": "multi_hot"}, (4,)),
    "multi_hot of lists": ("CategoryEncoding", {"num_tokens": 5, "output_mode": "multi_hot"}, (4, 3)),
    "count": ("CategoryEncoding", {"num_tokens": 5, "output_mode": "count"}, (4,)),
    "lookup": ("IntegerLookup", LOOKUP, (4,)),
    "lookup with mask": ("IntegerLookup", {**LOOKUP, "mask_token": 0}, (4,)),
    "lookup with more unknown": ("IntegerLookup", {**LOOKUP, "num_oov_indices": 3}, (4,)),
    "lookup one_hot": ("IntegerLookup", {**LOOKUP, "output_mode": "one_hot", "mask_token": 0}, (1,)),
    "lookup multi_hot": ("IntegerLookup", {**LOOKUP, "output_mode": "multi_hot", "max_tokens": 8,
                                           "pad_to_max_tokens": True}, (4,)),
    "lookup count": ("IntegerLookup", {**LOOKUP, "output_mode": "count"}, (4,)),
    "special tokens given": ("IntegerLookup", {"vocabulary": [0, -1, 7, 2], "mask_token": 0}, (4,)),
    "lookup farmhash": ("IntegerLookup", {**LOOKUP, "num_oov_indices": 3, "oov_method": "farmhash"}, (4,)),
    "lookup with salt": ("IntegerLookup", {**LOOKUP, "num_oov_indices": 3, "oov_method": "farmhash", "salt": [1, -2],
                                           "mask_token": 1}, (4,)),
    "lookup tf_idf": ("IntegerLookup", {**LOOKUP, "output_mode": "tf_idf", "idf_weights": [0.3, 0.5, 0.1, 2.0],
                                        "max_tokens": 7, "pad_to_max_tokens": True}, (4,)),
    "tf_idf of all": ("IntegerLookup", {"vocabulary": [-1, 7, 2], "output_mode": "tf_idf",
                                        "idf_weights": [0.3, 0.5, 0.1], "mask_token": 0}, (4,)),
    "inverse lookup": ("IntegerLookup", {**LOOKUP, "invert": True}, (4,)),
    "inverse lookup with mask": ("IntegerLookup", {**LOOKUP, "invert": True, "mask_token": 9, "oov_token": 55,
                                                   "num_oov_indices": 2}, (4,)),
    "hashing": ("Hashing", {"num_bins": 5}, (4,)),
    "hashing with salt": ("Hashing", {"num_bins": 7, "salt": 2**62 + 1, "dtype": "int32"}, (4, 3)),
    "hashing with mask": ("Hashing", {"num_bins": 4, "salt": [5, -7], "mask_value": 3}, (4,)),
    "hashing to two bins": ("Hashing", {"num_bins": 2, "mask_value": 3}, (4,)),
    "hashing to one bin": ("Hashing", {"num_bins": 1, "mask_value": 3}, (4,)),
    "hashing one_hot": ("Hashing", {"num_bins": 3, "output_mode": "one_hot"}, (1,)),
    "hashing multi_hot": ("Hashing", {"num_bins": 3, "output_mode": "multi_hot"}, (4,)),
    "hashing count": ("Hashing", {"num_bins": 3, "output_mode": "count", "mask_value": 2}, (4,)),
}  # fmt: skip


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_floats(suffix: str, tmp_path: Path) -> None:
    import keras

    inputs = {shape: keras.Input(shape, name=f"x{len(shape)}") for _, _, shape in FLOATS.values()}
    layers = {name: getattr(_layers(), kind)(**options) for name, (kind, options, _) in FLOATS.items()}
    model = keras.Model(list(inputs.values()), {n: layer(inputs[FLOATS[n][2]]) for n, layer in layers.items()})
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(5, *shape)).astype(np.float32) for shape in inputs]
    x[1][0] = [-0.5, 0.0, np.inf, np.nan]
    model.save(tmp_path / f"m{suffix}")
    got = sofie_jit.load(tmp_path / f"m{suffix}").infer(*x)
    for name, (_, _, shape) in FLOATS.items():  # the in-memory model: Keras misreads lists of axes in .h5
        check(got[name], layers[name], x[list(inputs).index(shape)])


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_integers(suffix: str, tmp_path: Path) -> None:
    import keras

    inputs = {shape: keras.Input(shape, dtype="int32") for _, _, shape in INTEGERS.values()}
    layers = {name: getattr(_layers(), kind)(**options) for name, (kind, options, _) in INTEGERS.items()}
    model = keras.Model(list(inputs.values()), {n: layer(inputs[INTEGERS[n][2]]) for n, layer in layers.items()})
    model.save(tmp_path / f"m{suffix}")
    rng = np.random.default_rng(0)
    x = [rng.integers(0, 5, size=(6, *shape)).astype(np.int32) for shape in inputs]
    got = sofie_jit.load(tmp_path / f"m{suffix}").infer(*x)
    for name, (_, _, shape) in INTEGERS.items():
        want = np.asarray(layers[name](x[list(inputs).index(shape)]))
        assert (got[name].shape, got[name].dtype) == (want.shape, want.dtype), name
        np.testing.assert_allclose(got[name], want, rtol=1e-6, atol=0, err_msg=name)


def test_weights_found_by_adapting(tmp_path: Path) -> None:
    import keras

    rng = np.random.default_rng(0)
    x = (rng.normal(size=(50, 4, 3)) * [1, 5, 0.1] + 3).astype(np.float32)
    layers = [keras.layers.Normalization(axis=axis) for axis in (-1, 1, (1, 2), None)]
    inputs = keras.Input((4, 3))
    for layer in layers:
        layer.adapt(x)
    check_file(keras.Model(inputs, [layer(inputs) for layer in layers]), x, tmp_path, ".keras")


def test_integers_without_a_place_raise(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((2,), dtype="int64")
    lookup = keras.layers.IntegerLookup(vocabulary=[3, 1], num_oov_indices=0)
    keras.Model(inputs, lookup(inputs)).save(tmp_path / "m.keras")
    model = sofie_jit.load(tmp_path / "m.keras")
    np.testing.assert_array_equal(model.infer(np.array([[1, 3]])), [[1, 0]])
    with pytest.raises(sofie_jit.OutOfRangeError):
        model.infer(np.array([[1, 2]]))


def test_hashes_of_many_integers(tmp_path: Path) -> None:
    """Of every number of digits that an int64 has."""
    import keras

    inputs = [keras.Input((1,), dtype="int64"), keras.Input((1,), dtype="int64"), keras.Input((1,), dtype="int32")]
    bins = 2**53 + 5
    outputs = [
        keras.layers.Hashing(bins)(inputs[0]),
        keras.layers.Hashing(bins, salt=[2**63 - 1, -3])(inputs[0]),
        keras.layers.Hashing(97)(inputs[2]),
        keras.layers.HashedCrossing(bins)(inputs[:2]),
        keras.layers.HashedCrossing(5, output_mode="one_hot")([inputs[2], inputs[2]]),
    ]
    model = keras.Model(inputs, outputs)
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-(2**63), 2**63 - 1, 20_000) >> rng.integers(0, 63, 20_000) for _ in range(2))
    a[:4] = [0, -1, 2**63 - 1, -(2**63)]
    x = [a[:, None], b[:, None], (a % 2**31).astype(np.int32)[:, None]]
    model.save(tmp_path / "m.keras")
    for got, want in zip(sofie_jit.load(tmp_path / "m.keras").infer(*x), model(x), strict=True):
        assert got.dtype.name == want.dtype.name
        np.testing.assert_array_equal(got, want)


def test_vocabularies_found_by_adapting(tmp_path: Path) -> None:
    import keras

    x = np.array([[3, 1, 3, 12], [9, 3, 1, 1]])
    layers = [
        keras.layers.IntegerLookup(),
        keras.layers.IntegerLookup(output_mode="tf_idf"),
        keras.layers.IntegerLookup(mask_token=9, max_tokens=4, num_oov_indices=1),
    ]
    for layer in layers:
        layer.adapt(x)
    inputs = keras.Input((4,), dtype="int64")
    nested = keras.Sequential([keras.Input((4,), dtype="int64"), layers[0]])
    model = keras.Model(inputs, [*(layer(inputs) for layer in layers[1:]), nested(inputs)])
    y = np.array([[1, 2, 3, 9], [12, 12, 0, 3]])
    check(sofie_jit.load(model).infer(y), model, y)
    check_file(model, y, tmp_path, ".keras")
    model.save(tmp_path / "m.h5")
    with pytest.raises(sofie_jit.UnsupportedLayerError, match=r"save the model as \.keras"):
        sofie_jit.load(tmp_path / "m.h5")


def test_whole_image_model(tmp_path: Path) -> None:
    """EfficientNet begins with Rescaling and Normalization."""
    import keras

    inputs = keras.Input((32, 32, 3))
    whole = keras.applications.EfficientNetB0(weights=None, input_tensor=inputs, include_top=False)
    model = keras.Model(inputs, whole.get_layer("stem_conv_pad").output)
    x = np.random.default_rng(0).integers(0, 256, size=(2, 32, 32, 3)).astype(np.float32)
    check_file(model, x, tmp_path)


def test_categories_of_the_whole_batch(tmp_path: Path) -> None:
    """Without an axis for the categories of a row, those of all rows are combined."""
    import keras

    inputs = keras.Input((), dtype="int32")
    options = {"output_mode": "multi_hot"}, {"output_mode": "count"}
    outputs = [keras.layers.CategoryEncoding(num_tokens=5, **of)(inputs) for of in options]
    outputs += [keras.layers.Hashing(4, **of)(inputs) for of in options]
    x = np.array([3, 1, 3, 0], np.int32)
    check_file(keras.Model(inputs, outputs), x, tmp_path, ".keras")


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_one_index_per_row(library: str) -> None:
    module = importlib.import_module(library)
    inputs = module.Input((1,), dtype="int64")
    layers, modes = module.layers, ("one_hot", "multi_hot", "count")
    outputs = [layers.CategoryEncoding(num_tokens=5, output_mode=mode)(inputs) for mode in modes]
    outputs += [layers.Hashing(4, output_mode=mode)(inputs) for mode in modes]
    model, x = module.Model(inputs, outputs), np.array([[3], [1], [3], [0]])
    for got, want in zip(evaluate(frontends.open(model)(), x), model(x), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_element_types_of_encodings(library: str) -> None:
    """Those of integers are integers in Keras 3 only, and sums of weights follow the policy in both."""
    module = importlib.import_module(library)
    inputs = module.Input((4,), dtype="int64")
    given = {"vocabulary": [7, 2, 4], "mask_token": 0}
    outputs = [
        *(module.layers.IntegerLookup(output_mode=mode, **given)(inputs) for mode in ("int", "multi_hot", "count")),
        module.layers.IntegerLookup(vocabulary=[7, 2, 4], num_oov_indices=2, oov_token=-5)(inputs),
        module.layers.IntegerLookup(vocabulary=[7, 2, 4], invert=True, num_oov_indices=2)(inputs),
        module.layers.IntegerLookup(vocabulary=[7, 2, 4], mask_token=1, output_mode="count")(inputs),
        module.layers.CategoryEncoding(8, output_mode="count")(inputs),
        module.layers.Hashing(5, output_mode="count")(inputs),
        module.layers.Hashing(5, mask_value=7)(inputs),
    ]
    model, x = module.Model(inputs, outputs), np.array([[7, 2, 0, 3], [4, 4, 1, 7], [0, 0, 0, 0]])
    for index, (got, want) in enumerate(zip(evaluate(frontends.open(model)(), x), model(x), strict=True)):
        assert (got.shape, got.dtype) == (want.shape, want.numpy().dtype), index
        np.testing.assert_allclose(got, want, rtol=1e-6, err_msg=str(index))


REFUSED: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "sparse": ("CategoryEncoding", {"num_tokens": 4, "sparse": True}, "int32", "save the model with sparse=False"),
    "mode": ("CategoryEncoding", {"num_tokens": 4, "output_mode": "words"}, "int32", "output_mode='words' is not supp"),
    "no bins": ("Discretization", {"num_bins": 4}, "float32", r"it has no bin_boundaries, .* before adapt\(\)"),
    "no tokens": ("IntegerLookup", {"vocabulary": [-1]}, "int64", r"its vocabulary is empty, .* before adapt\(\)"),
    "no vocabulary": ("IntegerLookup", {}, "int64", "the file lacks its vocabulary"),
    "a file": ("IntegerLookup", {"vocabulary": "a.txt"}, "int64", "its vocabulary is in the file 'a.txt'"),
    "no weights": ("IntegerLookup", {"vocabulary": [7], "output_mode": "tf_idf"}, "int64", "lacks its idf_weights"),
    "hash of bool": ("Hashing", {"num_bins": 4}, "bool", "it hashes booleans as words"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_preprocessing(name: str) -> None:
    class_name, config, dtype, message = REFUSED[name]
    given = {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 4], "dtype": dtype}}
    layer = {"class_name": class_name, "config": {"name": "layer", **config}}
    model = {"class_name": "Sequential", "config": {"name": "m", "layers": [given, layer]}}
    with pytest.raises(sofie_jit.UnsupportedLayerError, match=message):
        translate(connected(SavedModel("test", model, LayerGroups([]), "3.3.0", "3.3.0")))


def test_scaling_that_becomes_part_of_the_network_keeps_its_digits(tmp_path: Path) -> None:
    """A mean far from zero is taken from the numbers before they meet the weights."""
    import keras

    layers = _layers()
    inputs, images = keras.Input((3,)), keras.Input((6, 6, 3))
    x = layers.Normalization(mean=[91.2, 0.1, -1e4], variance=[6.25, 1.0, 0.01])(inputs)
    y = layers.Rescaling(1 / 127.5, offset=-1.0)(images)
    y = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(y))
    model = keras.Model([inputs, images], [layers.Dense(5, activation="relu")(x), y])
    rng = np.random.default_rng(0)
    events = rng.normal([91.2, 0.0, -1e4], [2.5, 1.0, 0.1], (20, 3)).astype(np.float32)
    pixels = rng.integers(0, 256, (20, 6, 6, 3)).astype(np.float32)
    loaded = check_file(model, [events, pixels], tmp_path)
    assert sorted(op.op_type for op in lower(loaded.rmodel).operators) == ["Add", "Dense", "DirectConv", "Sub"]
