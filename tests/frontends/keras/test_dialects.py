"""Configs of Keras 1 and 2 -> Keras 3: names, defaults, and what changed its meaning."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from sofie_jit.errors import ModelFileError
from sofie_jit.frontends.keras.config_values import decode
from sofie_jit.frontends.keras.dialects import modernize
from sofie_jit.frontends.keras.layers.registry import entries
from sofie_jit.frontends.keras.old_weights import convert_weights, split_gates
from sofie_jit.frontends.keras.origin import keras_major


def modern(class_name, config=None, version="2.2.4", **spec):
    """One layer, translated as part of a Sequential model."""
    layer = {"class_name": class_name, "config": {"name": "layer", **(config or {})}, **spec}
    return modernize({"class_name": "Sequential", "config": [layer]}, version)["config"]["layers"][0]


def options(class_name, config=None, version="2.2.4", **spec):
    return modern(class_name, config, version, **spec)["config"]


# -- which Keras ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "want"),
    [("1.2.2", 1), ("2.2.4-tf", 2), ("2.0.8", 2), ("3.15.1", 3), ("3", 3), ("1", 1)],
)
def test_major_version_by_version(version, want):
    assert keras_major({"class_name": "Sequential", "config": []}, version) == want


@pytest.mark.parametrize(
    ("config", "want"),
    [
        ({"border_mode": "same"}, 1),
        ({"nb_filter": 3}, 1),
        ({"units": 3, "batch_input_shape": [None, 3]}, 2),
        ({"units": 3, "batch_shape": [None, 3]}, 3),
        ({"units": 3, "dtype": {"class_name": "DTypePolicy", "registered_name": None, "config": {}}}, 3),
    ],
)
def test_major_version_by_keys(config, want):
    model = {"class_name": "Sequential", "config": [{"class_name": "Dense", "config": config}]}
    assert keras_major(model) == want
    assert keras_major(model, "0.1.7") == want  # keras-core


# -- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "config", "new", "want"),
    [
        ("Convolution2D",
         {"nb_filter": 8, "nb_row": 3, "nb_col": 5, "border_mode": "same", "subsample": [2, 1], "dim_ordering": "th",
          "init": "he", "bias": False, "W_regularizer": None},
         "Conv2D",
         {"filters": 8, "kernel_size": (3, 5), "padding": "same", "strides": [2, 1], "data_format": "channels_first",
          "kernel_initializer": "he", "use_bias": False, "kernel_regularizer": None}),
        ("Convolution1D",
         {"nb_filter": 4, "filter_length": 3, "subsample_length": 2, "input_dim": 7, "input_length": 9}, "Conv1D",
         {"filters": 4, "kernel_size": 3, "strides": 2}),
        ("Convolution3D", {"kernel_dim1": 1, "kernel_dim2": 2, "kernel_dim3": 3, "dim_ordering": "tf"},
         "Conv3D", {"kernel_size": (1, 2, 3), "data_format": "channels_last"}),
        ("AtrousConvolution2D", {"atrous_rate": [2, 2]}, "Conv2D", {"dilation_rate": [2, 2]}),
        ("Deconvolution2D", {"nb_filter": 2}, "Conv2DTranspose", {"filters": 2}),
        ("SeparableConvolution2D", {"nb_filter": 2}, "SeparableConv2D", {"filters": 2}),
        ("Dense", {"output_dim": 3, "input_dim": 5}, "Dense", {"units": 3}),
        ("Embedding", {"input_dim": 9, "output_dim": 3, "input_length": 4, "W_constraint": None}, "Embedding",
         {"input_dim": 9, "output_dim": 3}),
        ("LSTM", {"output_dim": 3, "inner_activation": "sigmoid", "inner_init": "o", "dropout_W": 0.1, "dropout_U": 0.2,
                  "consume_less": "gpu", "forget_bias_init": "one"},
         "LSTM", {"units": 3, "recurrent_activation": "sigmoid", "recurrent_initializer": "o", "dropout": 0.1,
                  "recurrent_dropout": 0.2, "implementation": 2}),
        ("MaxPooling1D", {"pool_length": 3, "stride": 2, "border_mode": "valid"}, "MaxPooling1D",
         {"pool_size": 3, "strides": 2, "padding": "valid"}),
        ("UpSampling1D", {"length": 3}, "UpSampling1D", {"size": 3}),
        ("Dropout", {"p": 0.4}, "Dropout", {"rate": 0.4}),
        ("GaussianNoise", {"sigma": 0.4}, "GaussianNoise", {"stddev": 0.4}),
        ("LeakyReLU", {"alpha": 0.1}, "LeakyReLU", {"negative_slope": 0.1}),
        ("ELU", {"alpha": 0.1}, "ELU", {"alpha": 0.1}),
        ("BatchNormalizationV1", {"axis": [3], "fused": True}, "BatchNormalization", {"axis": 3}),
        ("BatchNormalization", {"mode": 0, "axis": 1}, "BatchNormalization", {"axis": 1}),
        ("LayerNormalization", {"axis": [1, 2]}, "LayerNormalization", {"axis": [1, 2]}),
        ("ZeroPadding2D", {"padding": [1, 2, 3, 4], "dim_ordering": "tf"}, "ZeroPadding2D",
         {"padding": ((1, 2), (3, 4))}),
        ("ZeroPadding2D", {"padding": {"top_pad": 1, "right_pad": 2}, "dim_ordering": "tf"}, "ZeroPadding2D",
         {"padding": ((1, 0), (0, 2))}),
        ("ZeroPadding1D", {"padding": {"left_pad": 1}}, "ZeroPadding1D", {"padding": (1, 0)}),
        ("InputLayer", {"batch_input_shape": [None, 3], "input_dtype": "int32"}, "InputLayer",
         {"batch_shape": [None, 3], "dtype": "int32"}),
        ("CuDNNGRU", {"units": 3}, "CuDNNGRU", {"units": 3}),
        ("Merge", {"mode": "concat", "concat_axis": 1}, "Concatenate", {"axis": 1}),
        ("Merge", {"mode": "sum"}, "Add", {}),
        ("Merge", {"mode": "dot", "dot_axes": [1, 1]}, "Dot", {"axes": [1, 1], "normalize": False}),
        ("Merge", {"mode": "cos", "dot_axes": 1}, "Merge", {"mode": "cos", "axes": 1}),
        ("Merge", {"mode": "code", "mode_type": "lambda"}, "Merge", {"mode_type": "lambda"}),
    ],
)  # fmt: skip
def test_old_words(old, config, new, want):
    spec = modern(old, config, "1.2.2")
    assert (spec["class_name"], spec["saved_class"]) == (new, old)
    assert {key: spec["config"][key] for key in want} == want
    if old != "Merge":
        assert not [key for key in config if key not in want and key in spec["config"]]


def test_modes_of_batch_normalization():
    assert "mode" not in options("BatchNormalization", {"mode": 0})
    assert options("BatchNormalization", {"mode": 2})["mode"] == 2


def test_groups_are_left_out_where_they_mean_nothing():
    assert "groups" not in options("DepthwiseConv2D", {"groups": 1})
    assert options("Conv2D", {"groups": 1})["groups"] == 1
    assert options("Conv2DTranspose", {"groups": 2})["groups"] == 2  # left to be refused


def test_sequential_configs_become_dicts():
    assert modernize({"class_name": "Sequential", "config": []})["config"] == {"layers": []}
    assert modernize({"class_name": "Model", "config": {"layers": []}})["class_name"] == "Functional"


# -- defaults ------------------------------------------------------------------------------------------------------


def test_absent_options_get_their_defaults():
    assert options("Dense", {"units": 1}, "1.0.0")["use_bias"] is True
    assert options("Conv2D", {}, "2.0.0")["dilation_rate"] == (1, 1)
    assert options("MaxPooling2D", {"data_format": None})["data_format"] == "channels_last"
    assert options("GRU", {})["reset_after"] is False
    assert options("GRU", {"reset_after": True})["reset_after"] is True
    assert options("LSTM", {}, "1.2.0")["recurrent_activation"] == "hard_sigmoid_keras2"
    assert options("LSTM", {}, "3.0.0")["recurrent_activation"] == "sigmoid"
    assert options("Activation", {"activation": None})["activation"] == "linear"


OLDER = {("GRU", "reset_after"): False, ("GRUCell", "reset_after"): False}
"""Defaults of options that Keras 3 always writes, and Keras before 2.1 did not have."""
COUNTERPARTS = {"CuDNNLSTM": "LSTM", "CuDNNGRU": "GRU"}
OF_KERAS_CONTRIB = {"InstanceNormalization": {"axis": None, "epsilon": 1e-3, "center": True, "scale": True}}


def test_defaults_are_those_of_keras():
    """Those of the handlers against the constructors of Keras; ``linear`` and ``channels_last`` are its None."""
    keras, tf_keras = pytest.importorskip("keras"), pytest.importorskip("tf_keras")
    checked = []
    for name, entry in entries().items():
        table = entry.defaults
        if not table or not entry.builtin:  # those of other packages
            continue
        checked.append(name)
        if name in OF_KERAS_CONTRIB:
            assert table == OF_KERAS_CONTRIB[name]
            continue
        class_name = COUNTERPARTS.get(name, name)
        cls = getattr(keras.layers, class_name, None) or getattr(tf_keras.layers, class_name)
        parameters = inspect.signature(cls.__init__).parameters
        for option, value in table.items():
            default = parameters[option].default
            if default is None:
                default = {"activation": "linear", "data_format": "channels_last"}.get(option)
            if default is not inspect.Parameter.empty:  # an option that Keras 2 did not ask for
                assert value == OLDER.get((name, option), default), (name, option)
    assert len(checked) > 60
    assert {*OF_KERAS_CONTRIB, *COUNTERPARTS, "ThresholdedReLU", "LocallyConnected2D"} <= set(checked)


# -- changed meanings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "want"), [("1.2.2", "_keras2"), ("2.11.0", "_keras2"), ("3.0.0", "")])
def test_hard_sigmoid(version, want):
    assert options("Dense", {"activation": "hard_sigmoid"}, version)["activation"] == f"hard_sigmoid{want}"
    cell = {"class_name": "LSTMCell", "config": {"name": "c", "units": 2, "recurrent_activation": "hard_sigmoid"}}
    cells = {"class_name": "StackedRNNCells", "config": {"name": "s", "cells": [cell]}}
    inner = {"class_name": "RNN", "config": {"name": "r", "cell": cells}}
    spec = options("Bidirectional", {"layer": inner}, version)
    got = spec["layer"]["config"]["cell"]["config"]["cells"][0]["config"]["recurrent_activation"]
    assert got == f"hard_sigmoid{want}"


@pytest.mark.parametrize(
    ("value", "want"),
    [
        ("relu", "relu"),
        ({"class_name": "function", "config": "relu", "module": "builtins", "registered_name": "function"}, "relu"),
        ({"class_name": "function", "config": "relu", "module": "my.code", "registered_name": "relu"}, "my.code>relu"),
        ({"class_name": "function", "config": "f", "module": None, "registered_name": "f"}, "__main__>f"),
        ({"class_name": "function", "config": "f", "module": "m", "registered_name": "pkg>f"}, "pkg>f"),
        ("<lambda>", "<lambda>"),
        ({"value": ["4wEAAAA=", None, None]}, "<lambda>"),
        ({"class_name": "__lambda__", "config": {"value": "4wEAAAA="}}, "<lambda>"),
        (
            {"class_name": "function", "config": "softmax_v2", "module": "builtins", "registered_name": "function"},
            "softmax",
        ),
    ],
)
def test_activations_are_names(value, want):
    assert options("Dense", {"activation": value}, "3.1.0")["activation"] == want


def test_a_layer_as_activation_stays_a_layer():
    value = {"module": "keras.layers", "class_name": "LeakyReLU", "config": {"alpha": 0.2}, "registered_name": None}
    got = options("Dense", {"activation": value}, "3.1.0")["activation"]
    assert (got["class_name"], got["config"]["negative_slope"]) == ("LeakyReLU", 0.2)


@pytest.mark.parametrize(
    ("value", "want"),
    [
        ("float64", "float64"),
        (None, None),
        ({"class_name": "Policy", "config": {"name": "mixed_float16"}}, "mixed_float16"),
        ({"module": "keras", "class_name": "DTypePolicy", "config": {"name": "bfloat16"}}, "bfloat16"),
        ({"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}}, "QuantizedDTypePolicy"),
    ],
)
def test_dtype_policies_are_names(value, want):
    assert options("Dense", {"dtype": value}, "3.1.0")["dtype"] == want


# -- whose class ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        ({"class_name": "Dense"}, ("", "Dense")),
        ({"class_name": "Dense", "module": "keras.layers", "registered_name": None}, ("", "Dense")),
        ({"class_name": "Dense", "module": "tf_keras.src.layers", "registered_name": "Dense"}, ("", "Dense")),
        ({"class_name": "Dense", "module": "my.layers", "registered_name": "Dense"}, ("my.layers", "Dense")),
        ({"class_name": "Dense", "module": None, "registered_name": "Dense"}, ("__main__", "Dense")),
        ({"class_name": "Dense", "module": "keras.layers", "registered_name": "pkg>Mine"}, ("pkg", "Mine")),
        ({"class_name": "Addons>GroupNormalization"}, ("Addons", "GroupNormalization")),
        ({"class_name": "Add", "module": "keras.src.ops.numpy", "registered_name": "Add"}, ("", "ops.Add")),
        ({"class_name": "Convolution2D", "module": "kerastuner"}, ("kerastuner", "Convolution2D")),
    ],
)
def test_packages(spec, want):
    got = modern(config={"units": 1}, version="3.5.0", **spec)
    assert (got["package"], got["class_name"]) == want


def test_options_of_custom_classes_are_left_alone():
    assert options("pkg>Dense", {"p": 3, "init": 1}) == {"name": "layer", "p": 3, "init": 1}


# -- values --------------------------------------------------------------------------------------------------------


def test_wrapped_values():
    assert decode({"class_name": "__tuple__", "items": [1, {"class_name": "__tuple__", "items": [2]}]}) == (1, (2,))
    assert decode({"class_name": "TensorShape", "items": [None, 2]}) == [None, 2]
    assert decode({"type": "ndarray", "value": 0.3}) == 0.3
    assert decode([{"class_name": "__ellipsis__", "config": {}}]) == [Ellipsis]
    array = decode({"class_name": "__numpy__", "config": {"value": [1, 2], "dtype": "int64"}})
    assert array.dtype == np.int64
    reference = {"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}}
    assert decode(reference) == reference
    for dtype in ("object", "no such type", "U4", "float32, float32"):
        with pytest.raises(ModelFileError, match="constant"):
            decode({"class_name": "__tensor__", "config": {"value": ["a"], "dtype": dtype}})


def test_nothing_is_executed():
    """A Lambda's code stays the data it is."""
    code = {"class_name": "__lambda__", "config": {"value": ["4wEAAAA=", None, None]}}
    config = {"function": code, "output_shape": None, "function_type": "lambda"}
    assert options("Lambda", config, "3.1.0")["function"] == code


# -- weights -------------------------------------------------------------------------------------------------------


def test_gates_kept_apart_are_joined_in_todays_order():
    # Keras 1: W, U, b of the gates i, c, f, o; today i, f, c, o
    arrays = [np.full((2, 3) if kind < 2 else (3,), 10 * gate + kind, "f4") for gate in range(4) for kind in range(3)]
    kernel, recurrent, bias = convert_weights("LSTM", {}, arrays, keras_major=1)
    assert kernel[0, ::3].tolist() == [0, 20, 10, 30]
    assert recurrent[0, ::3].tolist() == [1, 21, 11, 31]
    assert bias[::3].tolist() == [2, 22, 12, 32]
    assert split_gates("LSTM", {}, 1) == 12
    assert split_gates("GRU", {}, 1) == 9
    assert split_gates("LSTM", {}, 2) == 0
    wrapper = {"layer": {"class_name": "LSTM", "config": {}}}
    assert split_gates("Bidirectional", wrapper, 1) == 24
    joined = convert_weights("Bidirectional", wrapper, arrays + [a + 1 for a in arrays], keras_major=1)
    assert [w[..., ::3].reshape(-1)[:4].tolist() for w in joined[3:]] == [
        [1, 21, 11, 31], [2, 22, 12, 32], [3, 23, 13, 33]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("class_name", "data_format", "stored", "today"),
    [
        ("Conv2D", "channels_last", "rcio", "rcio"),
        ("Conv2DTranspose", "channels_last", "rcio", "rcoi"),
        ("Conv1D", "channels_last", "r1io", "rio"),
        ("Conv1D", "channels_last", "oir1", "rio"),  # up to Keras 1.1
        ("Dense", "channels_first", "io", "io"),
    ],
)
def test_kernels_of_keras_1(class_name, data_format, stored, today):
    """r, c: rows and columns; i: channels of the input; o: filters."""
    sizes = {"r": 5, "c": 4, "i": 3, "o": 8, "1": 1}
    given = np.arange(np.prod([sizes[axis] for axis in stored])).reshape([sizes[axis] for axis in stored])
    bias = np.arange(8.0)
    config = {"data_format": data_format, "kernel_size": (5,), "filters": 8}
    kernel, kept = convert_weights(class_name, config, [given, bias], keras_major=1)
    axes = stored.replace("1", "")
    np.testing.assert_array_equal(kernel, np.einsum(f"{axes}->{today}", given.reshape([sizes[axis] for axis in axes])))
    assert kept is bias


def test_theano_convolves():
    kernel = np.arange(6.0).reshape(3, 1, 2, 1)
    (turned,) = convert_weights("Conv2D", {}, [kernel], keras_major=2, backend="theano")
    assert turned[:, 0, 0, 0].tolist() == [4, 2, 0]
    (kept,) = convert_weights("Dense", {}, [kernel], keras_major=2, backend="theano")
    assert kept is kernel


KERNELS_OF_TH = {
    "Conv2D": [("rcio", "oirc")],
    "Conv2DTranspose": [("rcoi", "oirc")],
    "Conv3D": [("drcio", "oidrc")],
    "SeparableConv2D": [("rcim", "mirc"), ("rcio", "oirc")],
}
"""Class -> the axes of each kernel today and in a channels_first file of Keras 1.

d, r, c: depth, rows, columns; i: channels of the input; o: filters; m: filters per channel.
"""
KERNELS = {"Conv1D": ["rio"], "Conv2D": ["rcio"], "Conv3D": ["drcio"], "Conv2DTranspose": ["rcoi"],
           "Conv3DTranspose": ["drcoi"], "ConvLSTM2D": ["rcio", "rcjo"]}  # fmt: skip
SIZES = {"d": 5, "r": 4, "c": 3, "i": 2, "o": 6, "m": 7, "j": 8}


def kernel_of(axes, start=0):
    shape = [SIZES[axis] for axis in axes]
    return start + np.arange(np.prod(shape), dtype="f4").reshape(shape)


def turned(kernel):
    """The kernel that Theano, which flips kernels, applies as the other backends apply ``kernel``."""
    return np.flip(kernel, tuple(range(kernel.ndim - 2)))


@pytest.mark.parametrize("backend", ["tensorflow", "theano"])
@pytest.mark.parametrize("class_name", KERNELS_OF_TH)
def test_channels_first_kernels_of_keras_1(class_name, backend):
    flips = backend == "theano" and class_name != "SeparableConv2D"  # which Theano did not have
    kernels = [kernel_of(now, 1000 * n) for n, (now, _) in enumerate(KERNELS_OF_TH[class_name])]
    stored = [
        np.einsum(f"{now}->{then}", turned(kernel) if flips else kernel)
        for kernel, (now, then) in zip(kernels, KERNELS_OF_TH[class_name], strict=True)
    ]
    found = convert_weights(class_name, {"data_format": "channels_first"}, [*stored, np.zeros(6)], 1, backend)
    for got, want in zip(found[:-1], kernels, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("class_name", KERNELS)
def test_kernels_of_keras_2_with_theano(class_name):
    weights = [*map(kernel_of, KERNELS[class_name]), np.arange(6.0)]
    found = convert_weights(class_name, {}, [*map(turned, weights[:-1]), weights[-1]], 2, "theano")
    for got, want in zip(found, weights, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("backend", ["tensorflow", "theano"])
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
def test_gates_of_a_conv_lstm_of_keras_1(data_format, backend):
    """Kernel, recurrent kernel and bias of each gate: 12 arrays, in the order i, c, f, o."""
    parts = {
        gate: [kernel_of("rcio", 1000 * n), kernel_of("rcjo", 1000 * n + 500), n + np.arange(6) / 10]
        for n, gate in enumerate("ifco")
    }

    def stored(array):
        if array.ndim == 1:
            return array
        array = turned(array) if backend == "theano" else array
        return np.transpose(array, (3, 2, 0, 1)) if data_format == "channels_first" else array

    arrays = [stored(part) for gate in "icfo" for part in parts[gate]]
    found = convert_weights("ConvLSTM2D", {"data_format": data_format}, arrays, 1, backend)
    assert len(found) == 3
    for number, got in enumerate(found):
        np.testing.assert_array_equal(got, np.concatenate([parts[gate][number] for gate in "ifco"], -1))
