"""Writes keras1/: imitations of what Keras 1.2 wrote, which runs nowhere any more.

The numbers come from tf-keras models of the same meaning; config, names and layout of the weights were written after
the source of Keras 1.2: its class and option names, Theano's order of axes for ``th`` kernels, one array per gate,
weights named ``dense_1_W``, no version in the weights' group.
"""

from __future__ import annotations

import json
from typing import Any

import h5py
import numpy as np
import tf_keras as keras

from models import HERE, random_inputs, randomize, save_expected

layers = keras.layers
OUT = HERE / "keras1"


def write(name: str, config: dict[str, Any], weights: dict[str, dict[str, np.ndarray]]) -> None:
    with h5py.File(OUT / f"{name}.h5", "w") as file:
        file.attrs["keras_version"] = b"1.2.2"
        file.attrs["model_config"] = json.dumps(config).encode()
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = [layer.encode() for layer in weights]
        for layer, arrays in weights.items():
            group = root.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}_{weight}".encode() for weight in arrays]
            for weight, array in arrays.items():
                group[f"{layer}_{weight}"] = array


def common() -> dict[str, Any]:
    return {"trainable": True, "W_regularizer": None, "b_regularizer": None, "activity_regularizer": None,
            "W_constraint": None, "b_constraint": None, "bias": True, "init": "glorot_uniform"}  # fmt: skip


def dense(name: str, units: int, activation: str) -> dict[str, Any]:
    config = {"name": name, "output_dim": units, "activation": activation, "input_dim": None, **common()}
    return {"class_name": "Dense", "config": config}


# A convolutional network with Theano's image ordering
image = keras.Input((7, 6, 2), name="convolution2d_input_1")
x = layers.Conv2D(3, (3, 2), activation="relu", padding="same")(image)
x = layers.MaxPooling2D(2)(x)
x = layers.BatchNormalization(epsilon=1e-5)(x)
x = layers.Permute((3, 1, 2))(x)  # so that Flatten sees channels first
model = keras.Model(image, layers.Dense(4, activation="softmax")(layers.Flatten()(x)))
randomize(model, 1)
inputs = random_inputs(model, 1)
value = inputs["convolution2d_input_1"]
save_expected(
    OUT / "convolutional",
    {"convolution2d_1_input": value.transpose(0, 3, 1, 2).copy()},
    model.predict(value, verbose=0),
)
kernel, bias, gamma, beta, mean, variance, w, b = model.get_weights()
write(
    "convolutional",
    {
        "class_name": "Sequential",
        "keras_version": "1.2.2",
        "config": [
            {
                "class_name": "Convolution2D",
                "config": {
                    "name": "convolution2d_1", "batch_input_shape": [None, 2, 7, 6], "input_dtype": "float32",
                    "nb_filter": 3, "nb_row": 3, "nb_col": 2, "border_mode": "same", "subsample": [1, 1],
                    "dim_ordering": "th", "activation": "relu", **common(),
                },
            },
            {
                "class_name": "MaxPooling2D",
                "config": {
                    "name": "maxpooling2d_1", "trainable": True, "pool_size": [2, 2], "strides": [2, 2],
                    "border_mode": "valid", "dim_ordering": "th",
                },
            },
            {
                "class_name": "BatchNormalization",
                "config": {
                    "name": "batchnormalization_1", "trainable": True, "mode": 0, "axis": 1, "epsilon": 1e-5,
                    "momentum": 0.99, "gamma_regularizer": None, "beta_regularizer": None,
                },
            },
            {"class_name": "Flatten", "config": {"name": "flatten_1", "trainable": True}},
            {"class_name": "Dropout", "config": {"name": "dropout_1", "trainable": True, "p": 0.5}},
            dense("dense_1", 4, "softmax"),
        ],
    },
    {
        "convolution2d_1": {"W": kernel.transpose(3, 2, 0, 1), "b": bias},
        "maxpooling2d_1": {},
        "batchnormalization_1": {"gamma": gamma, "beta": beta, "running_mean": mean, "running_std": variance},
        "flatten_1": {},
        "dropout_1": {},
        "dense_1": {"W": w, "b": b},
    },
)  # fmt: skip

# Two branches merged: an LSTM with one array per gate, and a one-dimensional convolution
sequence, other = keras.Input((5, 3), name="input_1"), keras.Input((4,), name="input_2")
h = layers.LSTM(4, recurrent_activation="hard_sigmoid", name="lstm")(sequence)
c = layers.GlobalMaxPooling1D()(layers.Conv1D(3, 2, activation="tanh", name="conv")(sequence))
d = layers.Dense(5, activation="hard_sigmoid", name="dense")(other)
model = keras.Model([sequence, other], layers.Dense(2, name="out")(layers.Concatenate()([h, c, d])))
randomize(model, 2)
inputs = random_inputs(model, 2)
save_expected(OUT / "merged", inputs, model.predict(list(inputs.values()), verbose=0))


def gates(arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    split = [np.split(array, 4, axis=-1) for array in arrays]  # i, f, c, o
    return {f"{kind}_{gate}": split[k]["ifco".index(gate)] for gate in "icfo" for k, kind in enumerate("WUb")}


def node(*names: str) -> list[Any]:
    return [[[name, 0, 0] for name in names]]


def layer(spec: dict[str, Any], *inbound: str) -> dict[str, Any]:
    return {**spec, "name": spec["config"]["name"], "inbound_nodes": node(*inbound) if inbound else []}


def given(name: str, *shape: int) -> dict[str, Any]:
    config = {"name": name, "batch_input_shape": [None, *shape], "input_dtype": "float32", "sparse": False}
    return layer({"class_name": "InputLayer", "config": config})


lstm = {
    "name": "lstm_1", "output_dim": 4, "init": "glorot_uniform", "inner_init": "orthogonal", "forget_bias_init": "one",
    "activation": "tanh", "inner_activation": "hard_sigmoid", "W_regularizer": None, "U_regularizer": None,
    "b_regularizer": None, "dropout_W": 0.0, "dropout_U": 0.0, "return_sequences": False, "go_backwards": False,
    "stateful": False, "unroll": False, "consume_less": "cpu", "input_dim": 3, "input_length": None, "trainable": True,
}  # fmt: skip
convolution = {
    "name": "convolution1d_1", "nb_filter": 3, "filter_length": 2, "border_mode": "valid", "subsample_length": 1,
    "activation": "tanh", "input_dim": 3, "input_length": None, **common(),
}  # fmt: skip
merge = {
    "name": "merge_1", "mode": "concat", "mode_type": "raw", "concat_axis": -1, "dot_axes": -1, "output_shape": None,
    "output_shape_type": "raw", "output_mask": None, "output_mask_type": "raw", "arguments": {},
}  # fmt: skip
by_name = {layer.name: layer.get_weights() for layer in model.layers}
write(
    "merged",
    {
        "class_name": "Model",
        "config": {
            "name": "model_1",
            "layers": [
                given("input_1", 5, 3),
                given("input_2", 4),
                layer({"class_name": "Convolution1D", "config": convolution}, "input_1"),
                layer({"class_name": "LSTM", "config": lstm}, "input_1"),
                layer({"class_name": "GlobalMaxPooling1D", "config": {"name": "globalmaxpooling1d_1"}},
                      "convolution1d_1"),
                layer(dense("dense_1", 5, "hard_sigmoid"), "input_2"),
                layer({"class_name": "Merge", "config": merge}, "lstm_1", "globalmaxpooling1d_1", "dense_1"),
                layer(dense("dense_2", 2, "linear"), "merge_1"),
            ],
            "input_layers": [["input_1", 0, 0], ["input_2", 0, 0]],
            "output_layers": [["dense_2", 0, 0]],
        },
    },
    {
        "input_1": {},
        "input_2": {},
        "convolution1d_1": {"W": by_name["conv"][0][:, None], "b": by_name["conv"][1]},
        "lstm_1": gates(by_name["lstm"]),
        "globalmaxpooling1d_1": {},
        "dense_1": dict(zip("Wb", by_name["dense"], strict=True)),
        "merge_1": {},
        "dense_2": dict(zip("Wb", by_name["out"], strict=True)),
    },
)  # fmt: skip
