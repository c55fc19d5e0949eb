"""Weights as Keras 1, or any Keras with Theano, stored them -> weights of Keras 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import WeightsError
from sofie_jit.frontends.keras.dialects import MODELS

GATES_OF_KERAS_1 = {"LSTM": "icfo", "GRU": "zrh", "ConvLSTM2D": "icfo"}
"""The order in which Keras 1 stored the weights of each gate, as separate arrays."""
GATES = {"LSTM": "ifco", "GRU": "zrh", "ConvLSTM2D": "ifco"}
"""The order of the gates within today's arrays."""
WRAPPED_LAYERS = {"Bidirectional": 2, "TimeDistributed": 1}
"""Wrappers -> the number of layers whose weights they hold."""
FLIPPED_BY_THEANO = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "ConvLSTM2D")
"""Layers whose kernels Theano flips: it computes convolutions, the other backends correlations."""
CHANNELS_FIRST_AXES = {
    "Conv2D": (2, 3, 1, 0),
    "Conv2DTranspose": (2, 3, 0, 1),
    "Conv3D": (2, 3, 4, 1, 0),
    "ConvLSTM2D": (2, 3, 1, 0),
}
"""The permutation that makes today's kernels of Keras 1's channels_first ones, (filters, channels, rows, columns)."""


def split_gates(class_name: str, config: Mapping[str, Any], keras_major: int) -> int:
    """The number of arrays in which Keras 1 stored kernel, recurrent_kernel and bias; 0 if it did not split them."""
    if class_name in WRAPPED_LAYERS:
        inner = config["layer"]
        return WRAPPED_LAYERS[class_name] * split_gates(inner["class_name"], inner["config"], keras_major)
    return 3 * len(GATES[class_name]) if keras_major == 1 and class_name in GATES else 0


def convert_weights(
    class_name: str, config: Mapping[str, Any], arrays: Sequence[np.ndarray], keras_major: int, backend: str = ""
) -> list[np.ndarray]:
    """A layer's weights as Keras 3 would store them.

    Raises WeightsError for nested models of Keras 1 or Theano, whose weights are not supported.
    """
    if class_name in MODELS and arrays and (keras_major == 1 or backend == "theano"):
        raise WeightsError(f"a {class_name} model inside a layer, saved by Keras 1 or with Theano, is not supported")
    if class_name in WRAPPED_LAYERS:
        inner, count = config["layer"], len(arrays) // WRAPPED_LAYERS[class_name]
        return [
            array
            for start in range(0, len(arrays), max(count, 1))
            for array in convert_weights(
                inner["class_name"], inner["config"], arrays[start : start + count], keras_major, backend
            )
        ]
    converted = list(arrays)
    kernels = range(min(len(converted), 2 if class_name == "ConvLSTM2D" else 1))
    if keras_major == 1:
        if converted and len(converted) == split_gates(class_name, config, keras_major):
            order = [GATES_OF_KERAS_1[class_name].index(gate) for gate in GATES[class_name]]
            # kernel, recurrent kernel and bias of each gate
            converted = [np.concatenate([converted[3 * gate + part] for gate in order], axis=-1) for part in range(3)]
        for i in kernels:
            converted[i] = _kernel_of_keras_1(class_name, config, converted[i])
    if backend == "theano" and class_name in FLIPPED_BY_THEANO:
        for i in kernels:
            converted[i] = np.flip(converted[i], tuple(range(converted[i].ndim - 2)))
    return converted


def _kernel_of_keras_1(class_name: str, config: Mapping[str, Any], kernel: np.ndarray) -> np.ndarray:
    if class_name == "Conv1D" and kernel.ndim == 4:  # a two-dimensional kernel of one column
        size = config.get("kernel_size")
        length = size[0] if isinstance(size, (list, tuple)) else size
        if kernel.shape[:2] != (length, 1) or kernel.shape[3] != config.get("filters"):
            kernel = np.transpose(kernel, (2, 3, 1, 0))  # up to Keras 1.1: (filters, channels, length, 1)
        if kernel.shape[1] != 1:
            raise WeightsError(f"a Conv1D kernel of Keras 1 has shape {kernel.shape}; expected one column")
        return np.squeeze(kernel, 1)
    axes = CHANNELS_FIRST_AXES.get(class_name)
    if axes is None or kernel.ndim != len(axes):
        return kernel
    if config.get("data_format") == "channels_first":
        return np.transpose(kernel, axes)
    return np.swapaxes(kernel, 2, 3) if class_name == "Conv2DTranspose" else kernel
