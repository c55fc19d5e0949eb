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
from single_layers import network_of, normal, output_of

from sofie_jit import frontends, register_layer, unregister_layer
from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.keras.layers import registry
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


@pytest.mark.parametrize("projected", [False, True])
def test_polynomial_crossing_of_addons(projected):
    x0, x = normal(3, 4), normal(4, 3).T.copy()
    kernels = {"kernel_u": normal(4, 2), "kernel_v": normal(2, 4)} if projected else {"kernel": normal(4, 4)}
    whole = kernels["kernel_u"] @ kernels["kernel_v"] if projected else kernels["kernel"]
    for options, bias in (({}, normal(4, 1)[:, 0]), ({"use_bias": False, "diag_scale": 0.25}, None)):
        config = {"projection_dim": 2 if projected else None, **options}
        weights = {**kernels, **({} if bias is None else {"bias": bias})}
        inputs = dict.fromkeys(("x0", "x"), ((None, 4), "float32"))
        network = network_of("Addons>PolynomialCrossing", config, weights, inputs, ["x0", "x"])
        (got,) = evaluate(network, {"x0": x0, "x": x})
        want = x0 * (x @ whole + options.get("diag_scale", 0) * x) + x + (0 if bias is None else bias)
        np.testing.assert_allclose(got, want, atol=1e-5)


@pytest.mark.parametrize("axis", [-1, 1, 2])
def test_sparsemax_of_addons(axis):
    x = normal(2, 5, 4)
    got = output_of("Addons>Sparsemax", {"axis": axis}, {}, x)
    np.testing.assert_allclose(got.sum(axis), 1, atol=1e-6)
    assert (got >= 0).all()
    assert (got == 0).any()
    # the projection moves all positive elements by the same number, and others by less
    moved = np.where(got > 0, x - got, np.nan)
    np.testing.assert_allclose(np.nanmax(moved, axis), np.nanmin(moved, axis), atol=1e-6)
    assert (np.where(got > 0, -np.inf, x) <= np.nanmin(moved, axis, keepdims=True) + 1e-6).all()


def test_scaled_residuals_of_applications():
    """Layers of InceptionResNetV2 and ConvNeXt."""
    x, y = normal(3, 4), normal(4, 3).T.copy()
    inputs = dict.fromkeys(("x", "y"), ((None, 4), "float32"))
    network = network_of("CustomScaleLayer", {"scale": 0.25}, {}, inputs, ["x", "y"])
    np.testing.assert_allclose(evaluate(network, {"x": x, "y": y})[0], x + 0.25 * y, atol=1e-6)
    np.testing.assert_array_equal(output_of("StochasticDepth", {"drop_path_rate": 0.2}, {}, x), x)
    gamma = normal(4, 1)[:, 0]
    got = output_of("LayerScale", {"projection_dim": 4, "init_values": 1e-6}, {"gamma": gamma}, x)
    np.testing.assert_allclose(got, x * gamma, atol=1e-6)


def test_weight_normalization_of_columns_of_zeros():
    """A column without a norm stays zero; the others get the norms g."""
    x, kernel, g = normal(3, 4), normal(4, 3), np.array([2.0, 3.0, 4.0], np.float32)
    kernel[:, 1] = 0
    kernel[:, 2] *= 1e-3
    config = {
        "layer": {"class_name": "Dense", "config": {"name": "d", "units": 3, "use_bias": False}},
        "data_init": False,
    }
    for initialized in (True, False):
        weights = {"g": g, "kernel": kernel, "initialized": np.array(initialized)}
        if not initialized:
            with pytest.raises(UnsupportedLayerError, match="it was saved before it was called"):
                output_of("Addons>WeightNormalization", config, weights, x)
            continue
        got = output_of("Addons>WeightNormalization", config, weights, x)
        norms = np.maximum(np.sqrt((kernel**2).sum(0)), 1e-6)
        np.testing.assert_allclose(got, x @ (kernel / norms * g), atol=1e-5)


@pytest.mark.parametrize(
    ("class_name", "config", "message"),
    [
        ("Addons>Maxout", {"num_units": 3}, "8 elements along axis 3, not a multiple of num_units=3"),
        ("Addons>SpatialPyramidPooling2D", {"bins": [5]}, "bins|does not divide"),
        ("Addons>AdaptiveAveragePooling2D", {"output_size": [3, 2]}, "which output_size=.* does not divide"),
    ],
)
def test_sizes_that_do_not_fit(class_name, config, message):
    with pytest.raises(UnsupportedLayerError, match=message):
        output_of(class_name, config, {}, normal(2, 4, 6, 8))


ATTENTION = {"kernel": (4, 2, 2), "bias": (2, 2)}
ENCODER = {
    **{f"self_attention_layer/{name}/{part}": shape for name in ("query", "key", "value")
       for part, shape in ATTENTION.items()},
    "self_attention_layer/attention_output/kernel": (2, 2, 4),
    "self_attention_layer/attention_output/bias": (4,),
    **{f"{name}_layer_norm/{part}": (4,) for name in ("self_attention", "feedforward") for part in ("gamma", "beta")},
    "feedforward_intermediate_dense/kernel": (4, 5),
    "feedforward_intermediate_dense/bias": (5,),
    "feedforward_output_dense/kernel": (5, 4),
    "feedforward_output_dense/bias": (4,),
}  # fmt: skip
BLOCK = {"dropout": 0, "activation": "relu", "layer_norm_epsilon": 1e-5, "normalize_first": False}
LEFT_OUT = {
    "Addons>Maxout": ({"num_units": 2}, {"axis": -1}, {}),
    "Addons>PoincareNormalize": ({}, {"axis": 1, "epsilon": 1e-5}, {}),
    "Addons>Sparsemax": ({}, {"axis": -1}, {}),
    "Addons>NoisyDense": (
        {"units": 3},
        {"activation": "linear", "use_bias": True},
        {"sigma_kernel": (4, 3), "mu_kernel": (4, 3), "sigma_bias": (3,), "mu_bias": (3,), "eps_kernel": (4, 3),
         "eps_bias": (3,)},
    ),
    "keras_nlp>TransformerEncoder": ({"intermediate_dim": 5, "num_heads": 2}, BLOCK, ENCODER),
    "keras_hub>TransformerDecoder": ({"intermediate_dim": 5, "num_heads": 2}, BLOCK, ENCODER),
}  # fmt: skip
"""Class of a package -> required options, the values of those that files may leave out, and the shapes of weights."""


@pytest.mark.parametrize("class_name", LEFT_OUT)
def test_options_that_are_left_out(class_name):
    required, optional, shapes = LEFT_OUT[class_name]
    weights = {name: normal(*shape, 1)[..., 0] + 0.5 for name, shape in shapes.items()}
    if "Decoder" in class_name:  # its weights are in another order
        weights = {name: weights[name] for name in sorted(weights, key=lambda name: "feedforward_layer_norm" in name)}
    x = normal(2, 3, 4)
    bare, full = (output_of(class_name, config, weights, x) for config in (required, {**required, **optional}))
    np.testing.assert_array_equal(bare, full)
    assert np.ptp(full) > 0.1


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
