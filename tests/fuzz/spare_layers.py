"""Layers without weights that no golden file has, each in a model of its own: numbers of theirs decide sizes."""

from __future__ import annotations

import copy
from typing import Any

IMAGE, SEQUENCE, VECTOR, INTEGERS = [None, 8, 8, 3], [None, 6, 4], [None, 12], [None, 5]
CUBE = [None, 4, 4, 4, 2]

LAYERS: list[tuple[list[int | None], str, dict[str, Any]]] = [
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
    (IMAGE, "Resizing", {"height": 5, "width": 9, "interpolation": "bilinear", "crop_to_aspect_ratio": False}),
    (IMAGE, "Resizing", {"height": 16, "width": 3, "interpolation": "lanczos5", "antialias": True}),
    (IMAGE, "CenterCrop", {"height": 5, "width": 5}),
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
    ([None, 500], "MelSpectrogram", {"fft_length": 128, "sequence_stride": 64, "sequence_length": 100,
                                     "sampling_rate": 8000, "num_mel_bins": 10, "min_freq": 20, "max_freq": 4000}),
    (VECTOR, "TimeDistributed", {"layer": {"class_name": "Flatten", "config": {"name": "inner"}}}),
    (VECTOR, "Lambda", {"function": {"class_name": "__lambda__", "config": {"code": "4wAAAA==", "defaults": None}}}),
    (VECTOR, "evil_package>Evil", {"n": 3}),
]  # fmt: skip


def spare_model(number: int) -> dict[str, Any]:
    """The architecture of a model of the layer ``number``."""
    shape, class_name, options = LAYERS[number]
    given = {"name": "x", "batch_shape": shape, "dtype": "int32" if shape is INTEGERS else "float32"}
    layers = [
        {"class_name": "InputLayer", "config": given},
        {"class_name": class_name, "config": {"name": "layer", "trainable": True, **copy.deepcopy(options)}},
    ]
    return {"class_name": "Sequential", "config": {"name": "model", "layers": layers}}
