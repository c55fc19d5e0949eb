"""Attributes that operators here have beyond ONNX, and defaults that differ from ONNX's."""

from __future__ import annotations

_LAYOUT = {"layout": "NHWC instead of NCHW: the order of the axes of images"}
_KERNEL_LAYOUT = {**_LAYOUT, "kernel_layout": "the order of the axes of the kernel"}
_COUNT = {"count": "the name of the run-time dimension that the operator sets; ONNX leaves the size open"}
_STDDEV = {"stddev_epsilon": "a number added to the standard deviation, of old extensions of Keras"}
_RECURRENT = {
    "flip_output": "the output in reverse order",
    "zero_output_for_mask": "zeros where the mask, an input beyond ONNX, is false",
}

EXTENSIONS: dict[str, dict[str, str]] = {
    "AveragePool": _LAYOUT,
    "BatchNormalization": {"axis": "the axis of the channels; in ONNX it is 1"},
    "Compress": _COUNT,
    "Conv": _KERNEL_LAYOUT,
    "ConvTranspose": _KERNEL_LAYOUT,
    "GRU": _RECURRENT,
    "GlobalAveragePool": _LAYOUT,
    "GlobalMaxPool": _LAYOUT,
    "GroupNormalization": {**_LAYOUT, **_STDDEV},
    "InstanceNormalization": {**_LAYOUT, **_STDDEV},
    "LSTM": _RECURRENT,
    "LayerNormalization": {**_STDDEV, "centered": "whether the mean is subtracted"},
    "LpNormalization": {"limit": "a maximum of the factor, of Keras"},
    "Loop": {
        "carried": "the number of tensors that iterations change; the body reads further inputs as they are",
        "most": "the maximum number of iterations, for the memory of collected outputs",
        "count": "the name of the run-time dimension that the operator sets: the number of iterations",
    },
    "MaxPool": _LAYOUT,
    "NonMaxSuppression": _COUNT,
    "NonZero": _COUNT,
    "RNN": _RECURRENT,
    "Range": _COUNT,
    "Resize": _LAYOUT,
    "Unique": _COUNT,
}
"""Operator -> attribute -> meaning. Their defaults are ONNX's behavior; names of dimensions are required."""

_HIDDEN = {"hidden_size": "required, because the shapes of the weights are checked with it"}
_RECURRENT_DEFAULTS = {
    **_HIDDEN,
    "layout": "1, batch first, is the only one that there are kernels for",
    "activations": "operators instead of names, with their parameters as attributes",
}

DEFAULTS: dict[str, dict[str, str]] = {
    "Clip": {
        "min": "minus infinity is the smallest number of every floating-point type",
        "max": "infinity is the largest number of every floating-point type",
    },
    "GRU": _RECURRENT_DEFAULTS,
    "LSTM": _RECURRENT_DEFAULTS,
    "QuantizeLinear": {"output_dtype": "None, or the name of a type instead of its number"},
    "RNN": _RECURRENT_DEFAULTS,
    "Resize": {"scales": "required, because sizes are not supported"},
    "Transpose": {"perm": "required; the default of ONNX depends on the rank of the input"},
}
"""Operator -> attribute -> why its default is not ONNX's."""
