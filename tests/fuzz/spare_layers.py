"""Small models of one layer each: a table of layers, and their files, written without Keras.

A fuzzer wants seeds that are read and translated in a few milliseconds, and the sanitizers one of each kernel.
"""

from __future__ import annotations

import copy
import io
import json
from functools import cache
from typing import Any

import h5py
import numpy as np

IMAGE, SEQUENCE, VECTOR, INTEGERS = [None, 8, 8, 3], [None, 6, 4], [None, 12], [None, 5]
CUBE = [None, 4, 4, 4, 2]

WEIGHTLESS: list[tuple[list[int | None], str, dict[str, Any]]] = [
    (VECTOR, "Reshape", {"target_shape": [3, 4]}),
    (VECTOR, "RepeatVector", {"n": 3}),
    (VECTOR, "Flatten", {}),
    (SEQUENCE, "Permute", {"dims": [2, 1]}),
    (SEQUENCE, "ZeroPadding1D", {"padding": [1, 2]}),
    (IMAGE, "ZeroPadding2D", {"padding": [[1, 2], [3, 4]]}),
    (CUBE, "ZeroPadding3D", {"padding": [[1, 2], [3, 4], [1, 1]]}),
    (SEQUENCE, "Cropping1D", {"cropping": [1, 2]}),
    (IMAGE, "Cropping2D", {"cropping": [[1, 2], [3, 4]]}),
    (SEQUENCE, "UpSampling1D", {"size": 2}),
    (IMAGE, "UpSampling2D", {"size": [2, 3], "interpolation": "nearest"}),
    (IMAGE, "UpSampling2D", {"size": [2, 3], "interpolation": "bilinear"}),
    (CUBE, "UpSampling3D", {"size": [2, 2, 2]}),
    (IMAGE, "Resizing", {"height": 5, "width": 9, "interpolation": "bilinear", "crop_to_aspect_ratio": False,
                         "data_format": "channels_last"}),
    (IMAGE, "Resizing", {"height": 16, "width": 3, "interpolation": "lanczos5", "antialias": True,
                         "data_format": "channels_last"}),
    (IMAGE, "CenterCrop", {"height": 5, "width": 5, "data_format": "channels_last"}),
    (IMAGE, "RandomCrop", {"height": 5, "width": 5}),
    (SEQUENCE, "MaxPooling1D", {"pool_size": [2], "strides": [2], "padding": "same"}),
    (IMAGE, "MaxPooling2D", {"pool_size": [2, 2], "strides": [2, 2], "padding": "valid"}),
    (IMAGE, "AveragePooling2D", {"pool_size": [3, 3], "strides": [1, 2], "padding": "same"}),
    (CUBE, "AveragePooling3D", {"pool_size": [2, 2, 2], "strides": [2, 2, 2], "padding": "valid"}),
    (IMAGE, "GlobalAveragePooling2D", {"keepdims": True}),
    (IMAGE, "GlobalMaxPooling2D", {"data_format": "channels_first"}),
    (IMAGE, "AdaptiveAveragePooling2D", {"output_size": [3, 3], "data_format": "channels_last"}),
    (IMAGE, "AdaptiveMaxPooling2D", {"output_size": [3, 2], "data_format": "channels_last"}),
    (VECTOR, "Activation", {"activation": "relu"}),
    (VECTOR, "ReLU", {"max_value": 6.0, "negative_slope": 0.1, "threshold": 0.2}),
    (VECTOR, "LeakyReLU", {"negative_slope": 0.3}),
    (VECTOR, "ELU", {"alpha": 1.0}),
    (SEQUENCE, "Softmax", {"axis": -1}),
    (SEQUENCE, "Masking", {"mask_value": 0.0}),
    (VECTOR, "Rescaling", {"scale": 0.5, "offset": [0.1]}),
    (SEQUENCE, "UnitNormalization", {"axis": -1}),
    (VECTOR, "Discretization", {"bin_boundaries": [0.0, 1.0, 2.0], "num_bins": None, "output_mode": "int"}),
    (INTEGERS, "CategoryEncoding", {"num_tokens": 7, "output_mode": "multi_hot"}),
    (INTEGERS, "Hashing", {"num_bins": 11, "output_mode": "one_hot", "salt": [1, 2]}),
    (INTEGERS, "IntegerLookup", {"vocabulary": [1, 2, 3], "max_tokens": 5, "output_mode": "multi_hot"}),
    ([None, 500], "STFTSpectrogram", {"frame_length": 64, "frame_step": 32, "fft_length": 64, "mode": "log"}),
    ([None, 500], "MelSpectrogram", {"sequence_stride": 64, "sequence_length": 100,
                                     "sampling_rate": 8000, "num_mel_bins": 10, "min_freq": 20, "max_freq": 4000,
                                     "window": "hann", "power_to_db": True, "top_db": 80.0, "mag_exp": 2.0,
                                     "min_power": 1e-10, "ref_power": 1.0, "fft_length": 128}),
    ([None, 6, 4, 2], "TimeDistributed", {"layer": {"class_name": "Flatten", "config": {"name": "inner"}}}),
    (VECTOR, "Lambda", {"function": {"class_name": "__lambda__", "config": {"code": "4wAAAA==", "defaults": None}}}),
    (VECTOR, "evil_package>Evil", {"n": 3}),
]  # fmt: skip
"""Shape of the input, class, options. Recipes of the corpus use the indices: new layers go into another table."""

DENSE = {"activation": "linear", "use_bias": True}
CONV = {**DENSE, "filters": 3, "padding": "same", "data_format": "channels_last"}
CELL = {"activation": "tanh", "use_bias": True, "units": 3, "return_sequences": True}
LSTM = {**CELL, "recurrent_activation": "sigmoid"}
GRU = {**LSTM, "reset_after": True}
LSTM_WEIGHTS, GRU_WEIGHTS = [[4, 12], [3, 12], [12]], [[4, 9], [3, 9], [2, 9]]

WEIGHTED: list[tuple[list[Any], str, dict[str, Any], list[list[int]]]] = [
    (VECTOR, "Dense", {**DENSE, "units": 5, "activation": "gelu"}, [[12, 5], [5]]),
    (SEQUENCE, "Dense", {**DENSE, "units": 3, "activation": "softmax"}, [[4, 3], [3]]),
    (SEQUENCE, "EinsumDense", {"equation": "abc,cd->abd", "output_shape": [None, 3], "bias_axes": "d"}, [[4, 3], [3]]),
    (INTEGERS, "Embedding", {"input_dim": 7, "output_dim": 3, "mask_zero": False}, [[7, 3]]),
    (SEQUENCE, "Conv1D", {**CONV, "kernel_size": [3], "strides": [2], "dilation_rate": [1]}, [[3, 4, 3], [3]]),
    (SEQUENCE, "Conv1D", {**CONV, "kernel_size": [2], "padding": "causal", "dilation_rate": [2]}, [[2, 4, 3], [3]]),
    (IMAGE, "Conv2D", {**CONV, "kernel_size": [3, 3], "activation": "relu"}, [[3, 3, 3, 3], [3]]),
    (IMAGE, "Conv2D", {**CONV, "kernel_size": [3, 2], "groups": 3, "padding": "valid"}, [[3, 2, 1, 3], [3]]),
    (CUBE, "Conv3D", {**CONV, "kernel_size": [2, 2, 2], "strides": [1, 2, 1]}, [[2, 2, 2, 2, 3], [3]]),
    (SEQUENCE, "Conv1DTranspose", {**CONV, "kernel_size": [3], "strides": [2]}, [[3, 3, 4], [3]]),
    (IMAGE, "Conv2DTranspose", {**CONV, "kernel_size": [3, 3], "strides": [2, 2]}, [[3, 3, 3, 3], [3]]),
    (CUBE, "Conv3DTranspose", {**CONV, "kernel_size": [2, 2, 2], "strides": [2, 2, 2]}, [[2, 2, 2, 3, 2], [3]]),
    (SEQUENCE, "DepthwiseConv1D", {**DENSE, "kernel_size": [3], "depth_multiplier": 2}, [[3, 4, 2], [8]]),
    (IMAGE, "DepthwiseConv2D", {**DENSE, "kernel_size": [3, 3], "padding": "same"}, [[3, 3, 3, 1], [3]]),
    (SEQUENCE, "SeparableConv1D", {**CONV, "kernel_size": [3]}, [[3, 4, 1], [1, 4, 3], [3]]),
    (IMAGE, "SeparableConv2D", {**CONV, "kernel_size": [3, 3]}, [[3, 3, 3, 1], [1, 1, 3, 3], [3]]),
    (IMAGE, "BatchNormalization", {"axis": -1, "epsilon": 0.001}, [[3]] * 4),
    (SEQUENCE, "LayerNormalization", {"axis": -1, "epsilon": 0.001}, [[4], [4]]),
    (SEQUENCE, "GroupNormalization", {"groups": 2, "axis": -1, "epsilon": 0.001}, [[4], [4]]),
    (SEQUENCE, "RMSNormalization", {"axis": -1, "epsilon": 1e-6}, [[4]]),
    (IMAGE, "PReLU", {"shared_axes": [1, 2]}, [[1, 1, 3]]),
    (SEQUENCE, "SimpleRNN", {**CELL, "go_backwards": True}, [[4, 3], [3, 3], [3]]),
    (SEQUENCE, "LSTM", LSTM, LSTM_WEIGHTS),
    (SEQUENCE, "GRU", GRU, GRU_WEIGHTS),
    (SEQUENCE, "GRU", {**GRU, "reset_after": False}, [[4, 9], [3, 9], [9]]),
    (SEQUENCE, "Bidirectional", {"merge_mode": "concat", "layer": {"class_name": "LSTM", "config": {
        **LSTM, "name": "inner"}}}, LSTM_WEIGHTS * 2),
    (SEQUENCE, "TimeDistributed", {"layer": {"class_name": "Dense", "config": {
        **DENSE, "name": "inner", "units": 3}}}, [[4, 3], [3]]),
    ([None, 3, 4, 4, 2], "ConvLSTM2D", {**CONV, "kernel_size": [2, 2], "activation": "tanh",
                                        "recurrent_activation": "sigmoid"}, [[2, 2, 2, 12], [2, 2, 3, 12], [12]]),
    ([None, 300, 2], "STFTSpectrogram", {"mode": "psd", "frame_length": 32, "frame_step": 16, "fft_length": 32,
     "padding": "valid", "expand_dims": False, "data_format": "channels_last"}, [[32, 1, 17], [32, 1, 17]]),
    ([SEQUENCE, SEQUENCE], "Add", {}, []),
    ([SEQUENCE, SEQUENCE], "Maximum", {}, []),
    ([SEQUENCE, [None, 6, 2]], "Concatenate", {"axis": -1}, []),
    ([SEQUENCE, SEQUENCE], "Dot", {"axes": [2, 2], "normalize": True}, []),
    ([SEQUENCE, SEQUENCE], "Attention", {"score_mode": "dot", "use_scale": False}, []),
    ([SEQUENCE, SEQUENCE], "AdditiveAttention", {"use_scale": True}, [[4]]),
    ([SEQUENCE, SEQUENCE], "MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "use_bias": True, "dropout": 0.0},
     [*[[4, 2, 3], [2, 3]] * 3, [2, 3, 4], [4]]),
    ([SEQUENCE, SEQUENCE], "GroupQueryAttention", {"head_dim": 3, "num_query_heads": 2, "num_key_value_heads": 1,
                                                         "use_bias": True, "dropout": 0.0},
     [[4, 2, 3], [2, 3], *[[4, 1, 3], [1, 3]] * 2, [2, 3, 4], [4]]),
    ([None, 9, 7, 32], "Conv2D", {**CONV, "kernel_size": [3, 3], "filters": 16}, [[3, 3, 32, 16], [16]]),
]  # fmt: skip
"""Shape of the input or a list of shapes, class, options, and shapes of the weights in Keras 3's order."""

LAYERS = [*((*row, []) for row in WEIGHTLESS), *WEIGHTED]


def spare_model(number: int) -> dict[str, Any]:
    """The architecture of a model of the layer ``number``."""
    shape, class_name, options, _ = LAYERS[number]
    shapes = shape if isinstance(shape[0], list) else [shape]
    names = "xyz"[: len(shapes)]
    inputs = [
        {"class_name": "InputLayer", "config": {
            "name": name, "batch_shape": list(one), "dtype": "int32" if one is INTEGERS else "float32"}}
        for name, one in zip(names, shapes, strict=True)
    ]  # fmt: skip
    layer = {"class_name": class_name, "config": {"name": "layer", "trainable": True, **copy.deepcopy(options)}}
    if len(shapes) == 1:
        return {"class_name": "Sequential", "config": {"name": "model", "layers": [*inputs, layer]}}
    tensors = [
        {"class_name": "__keras_tensor__", "config": {"shape": list(one), "dtype": "float32",
                                                      "keras_history": [name, 0, 0]}}
        for name, one in zip(names, shapes, strict=True)
    ]  # fmt: skip
    apart = class_name in ("MultiHeadAttention", "GroupQueryAttention")
    nodes = [{"args": tensors if apart else [tensors], "kwargs": {}}]
    graph = [*({**one, "name": name, "inbound_nodes": []} for name, one in zip(names, inputs, strict=True)),
             {**layer, "name": "layer", "inbound_nodes": nodes}]  # fmt: skip
    ends = {"input_layers": [[name, 0, 0] for name in names], "output_layers": [["layer", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "model", "layers": graph, **ends}}


@cache
def spare_weights(number: int) -> bytes:
    """The .h5 file of the model ``number`` without its architecture; its weights are positive."""
    random, data = np.random.default_rng(number), io.BytesIO()
    with h5py.File(data, "w") as file:
        file.attrs["keras_version"] = b"3.9.0"
        weights = file.create_group("model_weights")
        shapes = LAYERS[number][3]
        names = [f"weight{i}".encode() for i in range(len(shapes))]
        weights.attrs["layer_names"] = [b"layer"] if names else np.zeros(0, "S1")
        if names:
            group = weights.create_group("layer")
            group.attrs["weight_names"] = names
            for name, shape in zip(names, shapes, strict=True):
                group[name] = random.uniform(0.1, 0.9, shape).astype("f4")
    return data.getvalue()


def spare_file(number: int) -> bytes:
    """The whole .h5 file of the model ``number``."""
    data = io.BytesIO(spare_weights(number))
    with h5py.File(data, "r+") as file:
        file.attrs["model_config"] = json.dumps(spare_model(number))
    return data.getvalue()
