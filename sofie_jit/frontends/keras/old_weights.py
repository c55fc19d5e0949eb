"""Weights as Keras 1, or any Keras with Theano, stored them -> weights of Keras 3."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import ModelFileError, WeightsError, without_folder
from sofie_jit.frontends.keras import origin
from sofie_jit.frontends.keras.build import nested
from sofie_jit.frontends.keras.dialects import MODELS
from sofie_jit.frontends.keras.graph import Layer, LayerModel
from sofie_jit.frontends.keras.saved_model import SavedModel

GATES_OF_KERAS_1 = {"LSTM": "icfo", "GRU": "zrh", "ConvLSTM2D": "icfo"}
"""The order in which Keras 1 stored the weights of each gate, as separate arrays."""
GATES = {"LSTM": "ifco", "GRU": "zrh", "ConvLSTM2D": "ifco"}
"""The order of the gates within today's arrays."""
WRAPPED_LAYERS = {"Bidirectional": 2, "TimeDistributed": 1}
"""Wrappers -> the number of layers whose weights they hold."""
FLIPPED_BY_THEANO = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "Conv3DTranspose", "ConvLSTM2D")
"""Layers whose kernels Theano flips: it computes convolutions, the other backends correlations."""
TWO_KERNELS = ("ConvLSTM2D", "SeparableConv2D")
CHANNELS_FIRST_AXES = {
    "Conv2D": (2, 3, 1, 0),
    "Conv2DTranspose": (2, 3, 0, 1),
    "Conv3D": (2, 3, 4, 1, 0),
    "ConvLSTM2D": (2, 3, 1, 0),
    "SeparableConv2D": (2, 3, 1, 0),
}
"""The permutation that makes today's kernels of Keras 1's channels_first ones, (filters, channels, rows, columns)."""


def check_backend(root: LayerModel, saved: SavedModel) -> None:
    """Checks that it is known whether a file of Keras 1 was trained with Theano, if that matters for a layer.

    Raises ModelFileError if its images are channels-first, as Theano had them; else warns.
    """
    if saved.backend or origin.keras_major(saved.config, saved.keras_version) > 1:
        return
    depends = depending_on_backend(root)
    if not depends:
        return
    reason = (
        f"{depends[0]}: Keras 1 did not save whether a model was trained with Theano or TensorFlow, which flip "
        "the kernels of convolutions or not, and pad in different ways"
    )
    if any(leaf.config.get("data_format") == "channels_first" for leaf in depends):
        raise ModelFileError(
            f"{reason}; pass load(..., backend='theano') or backend='tensorflow', on the command line --backend"
        )
    warnings.warn(
        f"{without_folder(saved.source)}: {reason}; it is read as TensorFlow's, pass load(..., backend='theano') if it "
        "is not",
        stacklevel=2,
    )


def depending_on_backend(root: LayerModel) -> list[Layer]:
    """The layers that Theano and TensorFlow compute in different ways."""
    return [leaf for leaf, _ in root.leaves() if not leaf.package and _depends_on_backend(leaf)]


def _depends_on_backend(layer: Layer) -> bool:
    spec = layer.config.get("layer")
    if isinstance(spec, Mapping):
        if spec["class_name"] in MODELS:
            return any(_depends_on_backend(leaf) for leaf, _ in nested(dict(spec), layer.name).leaves())
        layer = layer.sublayer("layer", spec)
    padding = str(layer.config.get("padding"))  # "same", "same_theano", ...
    return layer.class_name in FLIPPED_BY_THEANO or padding.startswith("same")


def split_gates(class_name: str, config: Mapping[str, Any], keras_major: int) -> int:
    """The number of arrays in which Keras 1 stored kernel, recurrent_kernel and bias; 0 if it did not split them."""
    if class_name in WRAPPED_LAYERS:
        inner = config["layer"]
        return WRAPPED_LAYERS[class_name] * split_gates(inner["class_name"], inner["config"], keras_major)
    return 3 * len(GATES[class_name]) if keras_major == 1 and class_name in GATES else 0


def convert_weights(
    class_name: str, config: Mapping[str, Any], arrays: Sequence[np.ndarray], keras_major: int, backend: str = ""
) -> list[np.ndarray]:
    """A layer's weights as Keras 3 would store them."""
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
    if keras_major == 1:
        converted = _weights_of_keras_1(class_name, config, converted)
    if backend == "theano" and class_name in FLIPPED_BY_THEANO:
        for i in _kernels(class_name, converted):
            converted[i] = np.flip(converted[i], tuple(range(converted[i].ndim - 2)))
    return between_cudnn(class_name, converted)


def _kernels(class_name: str, arrays: Sequence[np.ndarray]) -> range:
    return range(min(len(arrays), 2 if class_name in TWO_KERNELS else 1))


def _weights_of_keras_1(class_name: str, config: Mapping[str, Any], arrays: list[np.ndarray]) -> list[np.ndarray]:
    if (
        class_name == "Highway" and len(arrays) == 4 and arrays[1].ndim == 1
    ):  # up to Keras 1.1: each bias with its kernel
        return [arrays[i] for i in (0, 2, 1, 3)]
    if not arrays or len(arrays) != split_gates(class_name, config, 1):
        kernels = _kernels(class_name, arrays)
        return [_kernel_of_keras_1(class_name, config, w) if i in kernels else w for i, w in enumerate(arrays)]
    order = [GATES_OF_KERAS_1[class_name].index(gate) for gate in GATES[class_name]]
    # kernel, recurrent kernel and bias of each gate
    parts = [[_kernel_of_keras_1(class_name, config, arrays[3 * gate + part]) for gate in order] for part in range(3)]
    return [np.concatenate(gates, axis=-1) for gates in parts]


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


# -- cuDNN ---------------------------------------------------------------------------------------------------------

CUDNN = {"CuDNNLSTM": "LSTM", "CuDNNGRU": "GRU"}
"""Layers of cuDNN -> the layers that have the same weights in another layout."""


def between_cudnn(class_name: str, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The weights of a recurrent layer in its own layout, if they are in that of its counterpart with or without cuDNN.

    As in Keras 2, the size of the bias tells the layout, and two biases of an LSTM are added.
    """
    gates = len(GATES.get(CUDNN.get(class_name, class_name), "")) if "Conv" not in class_name else 0
    if not gates or len(arrays) != 3 or arrays[0].ndim != 2 or arrays[1].ndim != 2:
        return arrays
    kernel, recurrent, bias = arrays
    columns = kernel.shape[1]
    if class_name in CUDNN:
        if class_name == "CuDNNLSTM" and bias.shape == (columns,):
            bias = np.concatenate([bias, np.zeros_like(bias)])
        elif class_name == "CuDNNGRU" and bias.shape == (2, columns):
            bias = bias.reshape(-1)
        else:
            return arrays
        return [_to_cudnn(kernel, gates), _to_cudnn(recurrent, gates), bias]
    if bias.shape != (2 * columns,):
        return arrays
    both = bias.reshape(2, columns)
    return [from_cudnn(kernel, gates), from_cudnn(recurrent, gates), both if class_name == "GRU" else both.sum(axis=0)]


def from_cudnn(kernel: np.ndarray, gates: int) -> np.ndarray:
    """A kernel (inputs, gates * units) of cuDNN, which stores the transposed matrix of each gate, as Keras has it."""
    return np.hstack([gate.reshape(gate.shape[::-1]).T for gate in np.hsplit(kernel, gates)])


def _to_cudnn(kernel: np.ndarray, gates: int) -> np.ndarray:
    return np.hstack([gate.T.reshape(gate.shape) for gate in np.hsplit(kernel, gates)])
