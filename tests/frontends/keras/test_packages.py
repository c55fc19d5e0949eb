"""Layers of add-on packages: TensorFlow Addons, keras_hub, model-optimization, and smaller ones.

The golden files were written by these packages.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tf_keras

from sofie_jit import frontends, register_layer, unregister_layer
from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.keras.layers import registry
from sofie_jit.frontends.keras.saved_model import Group, LayerGroups, SavedModel, Weight
from sofie_jit.frontends.keras.translation import connected, translate
from sofie_jit.verification.evaluate import evaluate
from tolerance import check_file

GOLDEN = Path(__file__).parents[2] / "golden"
sys.path.insert(0, str(GOLDEN))
from models import load_expected  # noqa: E402

FILES = sorted(path for path in (GOLDEN / "packages").iterdir() if path.suffix in (".h5", ".keras"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_numbers(path):
    inputs, outputs = load_expected(path.with_suffix(".npz"))
    rmodel = frontends.open(path)()
    for got, want in zip(evaluate(rmodel, inputs), outputs, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=2e-6 * max(1, abs(want).max()))


def output_of(class_name, config, weights, x, version="2.2.4"):
    """The output of one layer of a file without packages, as Keras before 2.11 wrote them."""
    layers = [
        {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, *x.shape[1:]]}},
        {"class_name": class_name, "config": {"name": "layer", **config}},
    ]
    model = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    groups = LayerGroups([Group("layer", [Weight(name, array) for name, array in weights.items()])] if weights else [])
    rmodel = translate(connected(SavedModel("test", model, groups, version, version)))
    rmodel.generate()
    return evaluate(rmodel, {"x": x})[0]


def normal(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("axis", [1, -1, 2])
def test_group_normalization_of_keras_contrib(axis):
    x, config = normal(2, 4, 6, 8), {"groups": 2, "axis": axis, "epsilon": 1e-5, "center": True, "scale": True}
    channels = x.shape[axis]
    gamma, beta = normal(channels), normal(channels, 1)[:, 0]
    got = output_of("GroupNormalization", config, {"gamma": gamma, "beta": beta}, x)
    shape = list(x.shape)
    shape[axis] //= 2
    parts = x.reshape(shape[0], 2, *shape[1:]).astype(np.float64)  # as the layer reshapes images of any layout
    around = tuple(range(2, parts.ndim))
    parts = (parts - parts.mean(around, keepdims=True)) / np.sqrt(parts.var(around, keepdims=True) + 1e-5)
    aligned = [1, 2, *(channels // 2 if a == axis % 4 else 1 for a in range(1, 4))]
    want = (parts * gamma.reshape(aligned) + beta.reshape(aligned)).reshape(x.shape)
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_group_normalization_of_later_keras_is_its_own(tmp_path):
    layer = tf_keras.layers.GroupNormalization(groups=2)
    model = tf_keras.Sequential([tf_keras.Input((3, 5, 4)), layer])
    model.save(tmp_path / "m.h5")
    x = normal(2, 3, 5, 4)
    rmodel = frontends.open(tmp_path / "m.h5")()
    np.testing.assert_allclose(evaluate(rmodel, dict.fromkeys(rmodel.inputs, x))[0], model(x), atol=1e-5)


@pytest.mark.parametrize("trainable", [False, True])
def test_swish_of_keras_contrib(trainable):
    x, weights = normal(3, 4), {"scaling_factor": np.array(0.7, np.float32)} if trainable else {}
    got = output_of("Swish", {"beta": 0.7, "trainable": trainable}, weights, x)
    np.testing.assert_allclose(got, x / (1 + np.exp(-np.float32(0.7) * x)), atol=1e-6)


@pytest.mark.parametrize(
    ("class_name", "message"),
    [
        ("QDense", "QKeras rounds its numbers"),
        ("QuantizeWrapperV2", r"save the model before quantize_model\(\)"),
        ("CRF", r"load\(\.\.\., outputs=\[name\]\)"),
    ],
)
def test_refused_classes_are_named(class_name, message):
    with pytest.raises(UnsupportedLayerError, match=rf"layer \({class_name}\): .*{message}"):
        output_of(class_name, {"units": 3}, {"kernel": normal(4, 3)}, normal(2, 4))


def test_quantizers_are_refused():
    config = {"units": 3, "activation": "quantized_relu(6,0)"}
    with pytest.raises(UnsupportedLayerError, match=r"'quantized_relu.6,0.' is a quantizer: QKeras rounds"):
        output_of("Dense", config, {"kernel": normal(4, 3), "bias": normal(3)}, normal(2, 4))


def test_a_user_may_register_a_class_with_the_name_of_a_packages():
    x, before = normal(2, 3, 4), registry.entries()["TCN"]
    register_layer("TCN")(lambda call, x: x * 2)
    register_layer("TCN")(lambda call, x: x * 3)
    np.testing.assert_array_equal(output_of("TCN", {}, {}, x), 3 * x)
    unregister_layer("TCN")
    assert registry.entries()["TCN"] is before


class Addons(keras.layers.Layer):
    """A class with the name of one of TensorFlow Addons, in another package."""

    def call(self, x):
        return x


def test_classes_of_users_are_not_taken_for_those_of_packages(tmp_path):
    maxout = keras.saving.register_keras_serializable(package="mine", name="Maxout")(Addons)
    model = keras.Sequential([keras.Input((4,)), maxout()])
    model.save(tmp_path / "m.keras")
    with pytest.raises(UnsupportedLayerError, match="the custom class of 'mine' is not supported"):
        frontends.open(tmp_path / "m.keras")()


def test_too_many_steps_are_refused():
    path = GOLDEN / "packages" / "addons_esn.h5"
    with h5py.File(path) as file:
        config = json.loads(file.attrs["model_config"])
    config["config"]["layers"][0]["config"]["batch_input_shape"] = [None, 600, 3]
    with pytest.raises(UnsupportedLayerError, match="its input has 600 steps; at most 512 steps"):
        frontends.open(path, config=config)()


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_activation_of_keras_hub(suffix, tmp_path):
    """The activation of BERT and GPT-2."""

    @keras.saving.register_keras_serializable(package="keras_hub")
    def gelu_approximate(x):
        return keras.activations.gelu(x, approximate=True)

    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(4, activation=gelu_approximate)(inputs))
    check_file(model, np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32), tmp_path, suffix)
