"""Pipeline, and models that keras.utils.FeatureSpace makes of numeric and integer features."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from sofie_jit import frontends
from sofie_jit.verification.evaluate import evaluate
from tolerance import randomize


@pytest.mark.parametrize("suffix", ["", ".keras", ".h5"])
def test_feature_space(suffix, tmp_path):
    kinds = keras.utils.FeatureSpace
    adapted = {} if suffix == ".h5" else {"code": kinds.integer_categorical(num_oov_indices=1)}  # .h5 has no vocabulary
    space = kinds(
        features={
            "age": kinds.float_discretized(num_bins=3),
            "size": kinds.float_normalized(),
            "share": kinds.float_rescaled(scale=0.5),
            "raw": kinds.float(),
            **adapted,
        },
        output_mode="concat",
    )
    random = np.random.default_rng(0)
    data = {name: random.normal(size=(20, 1)).astype("float32") for name in ("age", "size", "share", "raw")}
    data |= {name: random.integers(0, 5, (20, 1)) for name in adapted}
    space.adapt(tf.data.Dataset.from_tensor_slices(data))
    inputs, encoded = space.get_inputs(), space.get_encoded_features()
    model = keras.Model(inputs, keras.layers.Dense(2)(encoded))
    source = model
    if suffix:
        source = tmp_path / f"m{suffix}"
        model.save(source)
    rmodel = frontends.open(source)()
    given = {name: data[name] for name in rmodel.inputs}
    np.testing.assert_allclose(evaluate(rmodel, given)[0], np.asarray(model(data)), atol=2e-6)


@pytest.mark.parametrize("suffix", ["", ".keras", ".h5"])
def test_pipeline(suffix, tmp_path):
    layers = [keras.layers.Rescaling(0.5), keras.layers.CenterCrop(3, 2), keras.layers.RandomFlip()]
    x = keras.Input((5, 4, 3))
    model = keras.Model(x, keras.layers.Pipeline(layers)(x))
    source = model
    if suffix:
        source = tmp_path / f"m{suffix}"
        model.save(source)
    images = np.random.default_rng(0).normal(size=(2, 5, 4, 3)).astype("float32")
    rmodel = frontends.open(source)()
    np.testing.assert_allclose(
        evaluate(rmodel, dict.fromkeys(rmodel.inputs, images))[0], np.asarray(model(images, training=False)), atol=1e-6
    )


@pytest.mark.parametrize("suffix", ["", ".keras", ".h5"])
def test_weights_of_a_pipeline(suffix, tmp_path):
    x = keras.Input((3,))
    layers = [keras.layers.Dense(4), keras.layers.BatchNormalization(), keras.layers.Dense(2), keras.layers.Softmax()]
    model = randomize(keras.Model(x, keras.layers.Pipeline(layers)(x)))
    source = model
    if suffix:
        source = tmp_path / f"m{suffix}"
        model.save(source)
    rows = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    np.testing.assert_allclose(evaluate(frontends.open(source)(), rows)[0], model(rows, training=False), atol=1e-6)


@pytest.mark.parametrize("library", [keras, tf_keras])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_upsampling_of_integers(interpolation, library):
    x = library.Input((2, 3, 1), dtype="int32")
    model = library.Model(x, library.layers.UpSampling2D(2, interpolation=interpolation)(x))
    images = np.arange(-6, 6).reshape(2, 2, 3, 1).astype("int32")
    rmodel = frontends.open(model)()
    got, want = evaluate(rmodel, dict.fromkeys(rmodel.inputs, images))[0], np.asarray(model(images))
    np.testing.assert_array_equal(got, want)
    assert (got.dtype.kind == "f") == (want.dtype.kind == "f")
