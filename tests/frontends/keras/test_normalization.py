"""Normalization layers against Keras, over any axes, with and without scale and center."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sofie_jit
from tolerance import ABSOLUTE, check, check_file, distance, randomize

keras = pytest.importorskip("keras")


def numbers(*shape: int, seed: int = 0, offset: float = 0.5) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=shape) * 2 + offset).astype(np.float32)


def sequential(shape: tuple[int, ...], *layers: Any) -> Any:
    return keras.Sequential([keras.layers.Input(shape), *layers])


PARTS = [(True, True), (True, False), (False, True), (False, False)]


@pytest.mark.parametrize(("scale", "center"), PARTS)
@pytest.mark.parametrize(("shape", "axis"), [((7,), -1), ((4, 5, 3), -1), ((4, 5, 3), 1), ((4, 5, 3), 2), ((20,), 1)])
def test_batch_normalization(scale: bool, center: bool, shape: tuple[int, ...], axis: int, tmp_path: Path) -> None:
    layer = keras.layers.BatchNormalization(axis=axis, scale=scale, center=center, epsilon=2e-3)
    check_file(randomize(sequential(shape, layer)), numbers(6, *shape), tmp_path)


def test_batch_normalization_trained_with_renorm(tmp_path: Path) -> None:
    model = randomize(sequential((4, 3), keras.layers.BatchNormalization(renorm=True)))
    check_file(model, numbers(6, 4, 3), tmp_path)


def test_batch_normalization_between_layers(tmp_path: Path) -> None:
    model = sequential(
        (8,),
        keras.layers.Dense(6),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.BatchNormalization(),
        keras.layers.Dense(3, activation="softmax"),
    )
    check_file(randomize(model), numbers(6, 8), tmp_path)


@pytest.mark.parametrize(("scale", "center"), PARTS)
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((7,), -1), ((33,), 1), ((4, 3), -1), ((4, 3), 1), ((4, 5, 3), [2, 3]), ((4, 5, 3), [1, 2, 3]),
     ((4, 5, 3), [1, 3]), ((4, 5, 3), 2), ((4, 5, 3), [1]), ((4, 5, 3), [-1, 1]), ((4, 5, 3), (2, 1))],
)  # fmt: skip
def test_layer_normalization(scale: bool, center: bool, shape: tuple[int, ...], axis: Any) -> None:
    model = randomize(sequential(shape, keras.layers.LayerNormalization(axis=axis, scale=scale, center=center)))
    check(sofie_jit.load(model).infer(numbers(6, *shape)), model, numbers(6, *shape))


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("axis", [-1, [1, 2]])
def test_layer_normalization_from_a_file(suffix: str, axis: Any, tmp_path: Path) -> None:
    check_file(
        randomize(sequential((4, 5), keras.layers.LayerNormalization(axis=axis, epsilon=1e-6))),
        numbers(6, 4, 5), tmp_path, suffix,
    )  # fmt: skip


def test_layer_normalization_with_rms_scaling(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="rms_scaling"):
        layer = keras.layers.LayerNormalization(rms_scaling=True)
    check_file(randomize(sequential((4, 5), layer)), numbers(6, 4, 5), tmp_path)


def test_layer_normalization_far_from_zero() -> None:
    """A mean of 1000 with deviations of 1: Keras loses digits here, and we may not lose more."""
    model = randomize(sequential((64,), keras.layers.LayerNormalization()))
    x = numbers(6, 64, offset=1000)
    check(sofie_jit.load(model).infer(x), model, x)


@pytest.mark.parametrize(("shape", "axis"), [((7,), -1), ((4, 5, 3), -1), ((5, 5, 5), 1), ((3, 5, 3), [2, 3]),
                                              ((3, 5, 5), [-1, 2])])  # fmt: skip
@pytest.mark.parametrize("name", ["RMSNormalization", "UnitNormalization"])
def test_rows(name: str, shape: tuple[int, ...], axis: Any) -> None:
    model = randomize(sequential(shape, getattr(keras.layers, name)(axis=axis)))
    x = numbers(6, *shape)
    check(sofie_jit.load(model).infer(x), model, x)


@pytest.mark.parametrize("name", ["RMSNormalization", "UnitNormalization"])
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_rows_from_a_file(name: str, suffix: str, tmp_path: Path) -> None:
    check_file(randomize(sequential((4, 5), getattr(keras.layers, name)())), numbers(6, 4, 5), tmp_path, suffix)


def test_unit_normalization_over_axes_apart() -> None:
    model = sequential((4, 5, 3), keras.layers.UnitNormalization(axis=[1, 3]))
    x = numbers(6, 4, 5, 3)
    check(sofie_jit.load(model).infer(x), model, x)


def test_unit_normalization_of_zeros() -> None:
    model = sequential((5,), keras.layers.UnitNormalization())
    x = np.zeros((2, 5), np.float32)
    np.testing.assert_array_equal(sofie_jit.load(model).infer(x), np.asarray(model(x)))


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_several_axes_of_keras_2(suffix: str, tmp_path: Path) -> None:
    tf_keras = pytest.importorskip("tf_keras")
    inputs = tf_keras.Input((4, 5, 3))
    kinds = [tf_keras.layers.BatchNormalization, tf_keras.layers.LayerNormalization]
    outputs = [kind(axis=axis, **part)(inputs) for kind in kinds for axis in ([1, 3], [-1, 2], [3, 1])
               for part in ({}, {"scale": False, "center": False})]  # fmt: skip
    model = tf_keras.Model(inputs, outputs)
    for weight in model.weights:
        weight.assign(abs(numbers(*weight.shape)) + 0.1)
    x = numbers(6, 4, 5, 3)
    model.save(tmp_path / f"m{suffix}")
    for got, want in zip(sofie_jit.load(tmp_path / f"m{suffix}").infer(x), model(x), strict=True):
        assert distance(got, np.asarray(want)) <= ABSOLUTE


@pytest.mark.parametrize(("scale", "center"), PARTS)
@pytest.mark.parametrize(
    ("shape", "groups", "axis"),
    [((4, 5, 6), 3, -1), ((4, 5, 6), 1, -1), ((4, 5, 6), -1, -1), ((4, 5, 6), 6, -1), ((6, 5, 4), 2, 1),
     ((4, 6, 5), 3, -2), ((9, 40), 8, -1), ((6, 9), -1, 1)],
)  # fmt: skip
def test_group_normalization(
    scale: bool, center: bool, shape: tuple[int, ...], groups: int, axis: int, tmp_path: Path
) -> None:
    layer = keras.layers.GroupNormalization(groups=groups, axis=axis, scale=scale, center=center)
    check_file(randomize(sequential(shape, layer)), numbers(6, *shape), tmp_path)


def as_other_class(
    model: Any, options: dict[str, Any], directory: Path, class_name: str = "InstanceNormalization"
) -> Any:
    """The one GroupNormalization of ``model`` as an extension of Keras would have saved it (imitated)."""
    import h5py

    path = directory / "model.h5"
    model.save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        spec = next(s for s in config["config"]["layers"] if s["class_name"] == "GroupNormalization")
        del spec["config"]["groups"]
        spec["class_name"] = class_name
        spec["config"].update(dtype="float32", **options)
        file.attrs["model_config"] = json.dumps(config)
    return sofie_jit.load(path)


def test_instance_normalization_of_tensorflow_addons(tmp_path: Path) -> None:
    model = randomize(sequential((4, 5, 6), keras.layers.GroupNormalization(groups=-1)))
    x = numbers(3, 4, 5, 6)
    check(as_other_class(model, {"groups": 6}, tmp_path, "Addons>InstanceNormalization").infer(x), model, x)
    check(as_other_class(model, {"groups": 6}, tmp_path).infer(x), model, x)


@pytest.mark.parametrize("axis", [-1, 1])
def test_instance_normalization_of_keras_contrib(axis: int, tmp_path: Path) -> None:
    model = randomize(sequential((4, 5, 6), keras.layers.GroupNormalization(groups=-1, axis=axis)))
    x = numbers(3, 4, 5, 6).astype(np.float64)
    got = as_other_class(model, {"axis": axis, "epsilon": 1e-2}, tmp_path).infer(x.astype(np.float32))
    over = tuple(a for a in range(1, 4) if a != axis % 4)
    parameter = [1, 1, 1, 1]
    parameter[axis] = -1
    gamma, beta = (np.asarray(w).reshape(parameter) for w in model.get_weights())
    want = (x - x.mean(over, keepdims=True)) / (x.std(over, keepdims=True) + 1e-2) * gamma + beta
    np.testing.assert_allclose(got, want, atol=2e-6)


def test_instance_normalization_of_keras_contrib_over_everything(tmp_path: Path) -> None:
    model = randomize(sequential((1, 20, 1), keras.layers.GroupNormalization(groups=-1)))
    x = numbers(3, 1, 20, 1).astype(np.float64)
    got = as_other_class(model, {"axis": None}, tmp_path).infer(x.astype(np.float32))
    gamma, beta = model.get_weights()
    want = (x - x.mean((1, 2, 3), keepdims=True)) / (x.std((1, 2, 3), keepdims=True) + 1e-3) * gamma + beta
    np.testing.assert_allclose(got, want, atol=2e-6)


@pytest.mark.parametrize("name", ["BatchNormalization", "LayerNormalization", "GroupNormalization"])
def test_rows_do_not_depend_on_the_batch(name: str) -> None:
    options = {"groups": 2} if name == "GroupNormalization" else {}
    model = sofie_jit.load(randomize(sequential((5, 38), getattr(keras.layers, name)(**options))))
    x = numbers(40, 5, 38)
    assert np.array_equal(model.infer(x), np.concatenate([model.infer(x[i : i + 1]) for i in range(40)]))


@pytest.mark.parametrize("name", ["BatchNormalization", "LayerNormalization", "RMSNormalization"])
def test_float64(name: str) -> None:
    layer = getattr(keras.layers, name)(dtype="float64")
    model = randomize(keras.Sequential([keras.layers.Input((9,), dtype="float64"), layer]))
    x = numbers(5, 9).astype(np.float64)
    np.testing.assert_allclose(sofie_jit.load(model).infer(x), np.asarray(model(x)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_layers_called_with_training(library: str, tmp_path: Path) -> None:
    """Published generators have them. Keras 2 normalizes by the batch also at inference, Keras 3 does not."""
    keras = importlib.import_module(library)
    inputs = keras.Input((5, 4, 3))
    y = keras.layers.BatchNormalization()(inputs, training=True)
    outputs = [
        y,
        keras.layers.BatchNormalization(axis=1, scale=False, epsilon=0.1)(y, training=True),
        keras.layers.BatchNormalization(center=False)(keras.layers.Flatten()(y), training=True),
    ]
    model = keras.Model(inputs, outputs)
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 1.5, size=w.shape) for w in model.get_weights()])
    model.save(tmp_path / "m.h5")
    x = rng.normal(1, 2, size=(7, 5, 4, 3)).astype(np.float32)
    expected = model.predict(x, verbose=0)
    got = sofie_jit.load(tmp_path / "m.h5").infer(x)
    assert max(distance(a, b) for a, b in zip(got, expected, strict=True)) <= ABSOLUTE

    dropped = keras.Model(inputs, keras.layers.Dropout(0.5, name="drop")(inputs, training=True))
    dropped.save(tmp_path / "dropped.h5")
    if library == "keras":
        assert (sofie_jit.load(tmp_path / "dropped.h5").infer(x) == x).all()
        return
    frozen = keras.Model(inputs, keras.layers.BatchNormalization(trainable=False)(inputs, training=True))
    frozen.save(tmp_path / "frozen.h5")
    for name, words in (("dropped", r"only inference.*replace=\{'drop': function"), ("frozen", "frozen and called")):
        with pytest.raises(sofie_jit.UnsupportedLayerError, match=words):
            sofie_jit.load(tmp_path / f"{name}.h5")
