"""Inputs of integer types: results have Keras's values, which wrap around, and its types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sofie_jit
from sofie_jit import frontends
from sofie_jit.verification.evaluate import evaluate
from tolerance import check_file, leaves


def _computations(x: Any, dtype: str) -> dict[str, Any]:
    from keras import layers, ops

    found = {
        "twice": x * 2, "sum of two": ops.add(x, x), "square": ops.square(x), "cube": x * x * x, "less": x - 100,
        "sum": ops.sum(x, -1), "product": ops.prod(x, -1), "trace": ops.trace(x, axis1=1, axis2=2),
        "without nan": ops.nansum(x, 1, keepdims=True), "cumsum": ops.cumsum(x, 1), "count": ops.count_nonzero(x, -1),
        "mean": ops.mean(x, -1), "max": ops.max(x, 1), "argmax": ops.argmax(x, -1), "sort": ops.sort(x, -1),
        "floor": x // 7, "floor of tensors": ops.floor_divide(x, x % 7 + 1), "third": x / 3,
        "where": ops.where(x > 50, x, 0), "clip": ops.clip(x, 10, 99), "padding": layers.ZeroPadding1D(1)(x),
        "max pool": layers.GlobalMaxPooling1D()(x), "mean pool": layers.GlobalAveragePooling1D()(x),
        "add": layers.Add()([x, x]), "multiply": layers.Multiply()([x, x]), "average": layers.Average()([x, x]),
        "concatenate": layers.Concatenate()([x, x]), "flatten": layers.Flatten()(x),
        "rescaling": layers.Rescaling(1 / 255)(x), "bins": layers.Discretization([10.0, 50.0])(x),
        "embedding": layers.Embedding(250, 2)(x), "dense": layers.Dense(2)(x),
    }  # fmt: skip
    if dtype[0] == "i":
        found["negative"], found["floor of negatives"] = -x, (x - 100) // 7
    if dtype in ("int8", "int32", "int64"):
        found["matmul"], found["einsum"] = ops.matmul(x, x), ops.einsum("bij,bkj->bik", x, x)
    return found


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"])
def test_integers(dtype: str, tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((4, 4), dtype=dtype)
    computed = _computations(inputs, dtype)
    model = keras.Model(inputs, list(computed.values()))
    x = np.random.default_rng(0).integers(0, 120 if dtype == "int8" else 250, (3, 4, 4)).astype(dtype)
    model.save(tmp_path / "m.keras")
    if dtype in ("uint8", "int16"):  # compiled; the others are evaluated in numpy, which is quicker
        results = leaves(sofie_jit.load(tmp_path / "m.keras").infer(x))
    else:
        results = evaluate(frontends.open(tmp_path / "m.keras")(), x)
    for name, got, want in zip(computed, results, leaves(model(x)), strict=True):
        assert got.dtype.name == want.dtype.name, name
        np.testing.assert_allclose(got, np.asarray(want), rtol=2e-6, err_msg=name)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "bool"])
def test_products_of_small_integers_are_refused(dtype: str) -> None:
    """Keras computes them in floating point, and converts numbers that are too large in a way of the processor."""
    import keras

    inputs = keras.Input((4, 4), dtype=dtype)
    for outputs in (keras.ops.matmul(inputs, inputs), keras.layers.Dot(-1)([inputs, inputs])):
        with pytest.raises(sofie_jit.SofieError, match=f"products of .*{dtype}.*cast them"):
            sofie_jit.load(keras.Model(inputs, outputs))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64"])
def test_layers_that_convert_integers(dtype: str, tmp_path: Path) -> None:
    """BatchNormalization computes in floating point; a ReLU with a maximum leaves integers as they are."""
    import keras
    from keras import layers

    inputs = keras.Input((6, 4), dtype=dtype)
    outputs = [layers.BatchNormalization()(inputs)]
    if dtype != "bool":
        outputs.append(layers.ReLU(6.0)(inputs))
    model = keras.Model(inputs, outputs)
    x = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 9, (3, 6, 4)).astype(dtype)
    loaded = check_file(model, x, tmp_path, ".keras")
    for got, want in zip(leaves(loaded.infer(x)), leaves(model(x)), strict=True):
        assert got.dtype.name == want.dtype.name


@pytest.mark.parametrize("name", ["LayerNormalization", "RMSNormalization", "GroupNormalization"])
def test_layers_that_round_their_result_to_integers_are_refused(name: str) -> None:
    import keras

    inputs = keras.Input((6, 4), dtype="int32")
    layer = keras.layers.GroupNormalization(2) if name == "GroupNormalization" else getattr(keras.layers, name)()
    with pytest.raises(sofie_jit.UnsupportedLayerError, match=r"int32; Keras 3 rounds to integers.* pass float32"):
        frontends.open(keras.Model(inputs, layer(inputs)))()


@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool"])
def test_normalizations_of_integers_in_keras_2(dtype: str, tmp_path: Path) -> None:
    import tf_keras

    inputs = tf_keras.Input((3, 4), dtype=dtype)
    layers = tf_keras.layers
    model = tf_keras.Model(inputs, [layers.LayerNormalization()(inputs), layers.UnitNormalization()(inputs)])
    model.save(tmp_path / "m.h5")
    x = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 9, (5, 3, 4)).astype(dtype)
    for got, want in zip(evaluate(frontends.open(tmp_path / "m.h5")(), x), model(x), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-6)


@pytest.mark.parametrize("dtype", ["int32", "uint8"])
def test_means_that_keras_2_rounds_are_refused(dtype: str, tmp_path: Path) -> None:
    import tf_keras

    inputs = tf_keras.Input((6, 4), dtype=dtype)
    tf_keras.Model(inputs, tf_keras.layers.GlobalAveragePooling1D()(inputs)).save(tmp_path / "m.h5")
    with pytest.raises(sofie_jit.UnsupportedLayerError, match="rounds the mean of integers"):
        sofie_jit.load(tmp_path / "m.h5")
