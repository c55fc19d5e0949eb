"""What files of Keras 1 and of Theano leave unsaid: the ordering of images, the backend, the padding of ``same``."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

import sofie_jit
from sofie_jit import frontends
from sofie_jit.errors import ModelFileError, OptionError
from sofie_jit.frontends.keras.dialects import modernize
from sofie_jit.frontends.keras.origin import keras_major, origin_of
from sofie_jit.frontends.keras.saved_model import LayerGroups, SavedModel
from sofie_jit.frontends.keras.translation import connected, translate
from sofie_jit.verification.evaluate import evaluate

GOLDEN = Path(__file__).parents[2] / "golden"


def sequential(*layers, **keys):
    specs = [{"class_name": name, "config": {"name": f"l{i}", **config}} for i, (name, config) in enumerate(layers)]
    return {"class_name": "Sequential", "config": specs, **keys}


def output_of(model, version, backend, x):
    """The output of a model without weights, in float64."""
    graph = connected(SavedModel("test", model, LayerGroups([]), version, version, backend))
    rmodel = translate(graph)
    rmodel.generate()
    return evaluate(rmodel, dict.fromkeys(rmodel.inputs, x))[0]


# -- the ordering of images ----------------------------------------------------------------------------------------

UNORDERED = [("ZeroPadding2D", {}), ("ZeroPadding3D", {}), ("Cropping2D", {}), ("Cropping3D", {}),
             ("UpSampling2D", {}), ("UpSampling3D", {})]  # fmt: skip


@pytest.mark.parametrize("layer", UNORDERED, ids=lambda layer: layer[0])
@pytest.mark.parametrize(("ordering", "want"), [("th", "channels_first"), ("tf", "channels_last")])
def test_layers_without_an_ordering_follow_the_others(layer, ordering, want):
    inner = {"class_name": "Sequential", "config": [{"class_name": layer[0], "config": {"name": "inner"}}]}
    model = sequential(layer, ("MaxPooling2D", {"dim_ordering": ordering}), ("TimeDistributed", {"layer": inner}))
    layers = modernize(model, "1.2.2")["config"]["layers"]
    assert layers[0]["config"]["data_format"] == want
    assert layers[2]["config"]["layer"]["config"]["layers"][0]["config"]["data_format"] == want


def test_an_ordering_that_no_layer_has_is_that_of_the_backend():
    model = sequential(("UpSampling2D", {}))
    for backend, want in (("theano", "channels_first"), ("tensorflow", "channels_last")):
        assert modernize(model, "1.2.2", backend)["config"]["layers"][0]["config"]["data_format"] == want
    with pytest.raises(ModelFileError, match=r"'l0' of class UpSampling2D .* no layer with one; pass backend='theano'"):
        modernize(model, "1.2.2")


def test_two_orderings_are_refused():
    model = sequential(
        ("ZeroPadding2D", {}), ("MaxPooling2D", {"dim_ordering": "th"}), ("MaxPooling2D", {"dim_ordering": "tf"})
    )
    with pytest.raises(ModelFileError, match=r"'l0' .* layers of both orderings; pass config= .*'dim_ordering'"):
        modernize(model, "1.2.2")


def test_keras_2_writes_all_orderings():
    model = sequential(("ZeroPadding2D", {}), ("MaxPooling2D", {"data_format": "channels_first"}))
    assert modernize(model, "2.0.0")["config"]["layers"][0]["config"]["data_format"] == "channels_last"


# -- the backend ---------------------------------------------------------------------------------------------------


def test_channels_first_convolutions_of_keras_1_need_a_backend():
    with pytest.raises(ModelFileError, match=r"convolution2d_\d \(Conv2D\).*pass load\(\.\.\., backend='theano'\)"):
        sofie_jit.load(GOLDEN / "theano" / "convolutional.h5")
    report = sofie_jit.check(GOLDEN / "theano" / "convolutional.h5")
    assert not report.ok
    assert "backend='theano'" in report.problems[0]
    assert sofie_jit.check(GOLDEN / "theano" / "convolutional.h5", backend="theano").ok


@pytest.mark.parametrize("file", ["keras1/tensorflow_ordering.h5", "theano/conv1d.h5"])
def test_other_convolutions_of_keras_1_warn(file):
    with pytest.warns(UserWarning, match=r"read as TensorFlow's, pass load\(\.\.\., backend='theano'\)"):
        frontends.open(GOLDEN / file)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frontends.open(GOLDEN / file, backend="tensorflow")


@pytest.mark.parametrize("file", ["recurrent.h5", "nested_sequential.h5"])
def test_other_layers_of_keras_1_do_not_need_a_backend(file):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frontends.open(GOLDEN / "keras1" / file)


def test_a_wrapped_convolution_of_keras_1_warns():
    with pytest.warns(UserWarning, match="TimeDistributed"):
        frontends.open(GOLDEN / "theano" / "time_distributed_conv.h5")


def test_wrong_backends_are_refused():
    with pytest.raises(OptionError, match="backend='cntk' is not supported; expected one of 'tensorflow', 'theano'"):
        frontends.open(GOLDEN / "theano" / "convolutional.h5", backend="cntk")
    with pytest.raises(OptionError, match="the file says that its backend is 'theano'"):
        frontends.open(GOLDEN / "theano" / "keras2_even_same.h5", backend="tensorflow")


def test_the_major_version_is_guessed_without_a_version():
    assert origin_of(sequential(("MaxPooling2D", {"dim_ordering": "th"}))).major == 1
    assert keras_major({"class_name": "Model", "config": {"batch_shape": [1]}}) == 3


# -- padding -------------------------------------------------------------------------------------------------------


def padded_pool(x, size, stride, before, mean, counted):
    """Pooling along axis 1 with ``before`` elements of padding on both sides, cut to Keras's size."""
    out, rows = -(-x.shape[1] // stride), []
    for i in range(out):
        first = i * stride - before
        window = x[:, max(first, 0) : max(first + size, 0)]
        rows.append(window.max(1) if not mean else window.sum(1) / (size if counted else window.shape[1]))
    return np.stack(rows, 1)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(("size", "before"), [(1, 0), (2, 1), (3, 1), (4, 3), (5, 3)])
@pytest.mark.parametrize("version", ["2.0.3", "2.0.9", "2.1.4", "2.1.5"])
@pytest.mark.parametrize("steps", [5, 6])
def test_pooling_of_theano(version, size, before, stride, steps):
    x = np.random.default_rng(0).normal(size=(2, steps, 3)).astype(np.float32).astype(np.float64)
    options = {"batch_input_shape": [None, steps, 3], "pool_size": size, "strides": stride, "padding": "same"}
    for kind, mean in (("Max", False), ("Average", True)):
        got = output_of(sequential((f"{kind}Pooling1D", options)), version, "theano", x)
        want = padded_pool(x, size, stride, before, mean, counted=version in ("2.0.9", "2.1.4"))
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("kind", "version"), [("Pooling3D", "2.3.1"), ("Pooling2D", "1.1.2"), ("Pooling2D", "1.0.8")])
def test_windows_of_one_element_of_theano_are_refused(kind, version):
    shape = [None, 4, 5, 3] if "2D" in kind else [None, 2, 4, 5, 3]
    window = [1, 2] if "2D" in kind else [2, 1, 2]
    for mean in ("Max", "Average"):
        options = {"batch_input_shape": shape, "pool_size": window, "padding": "same", "data_format": "channels_last"}
        with pytest.raises(sofie_jit.UnsupportedLayerError, match=r"1.* with padding='same'.*Theano crops the image"):
            output_of(sequential((f"{mean}{kind}", options)), version, "theano", np.zeros((1, *shape[1:])))
        options["pool_size"] = [2] * len(window)
        assert output_of(sequential((f"{mean}{kind}", options)), version, "theano", np.zeros((1, *shape[1:]))).size


def test_cntk_with_strides_is_refused():
    options = {"batch_input_shape": [None, 5, 3], "pool_size": 2, "strides": 2, "padding": "same"}
    with pytest.raises(sofie_jit.UnsupportedLayerError, match="backend CNTK"):
        output_of(sequential(("MaxPooling1D", options)), "2.2.4", "cntk", np.zeros((1, 5, 3)))


def test_bilinear_upsampling_of_theano_is_refused():
    options = {"batch_input_shape": [None, 5, 3, 2], "interpolation": "bilinear", "data_format": "channels_last"}
    with pytest.raises(sofie_jit.UnsupportedLayerError, match="by Theano is not supported; pass a function"):
        output_of(sequential(("UpSampling2D", options)), "2.2.4", "theano", np.zeros((1, 5, 3, 2)))
