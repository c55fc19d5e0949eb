"""Attributes, inputs and outputs of ONNX that the operators of the same name here do not have.

Frontends refuse nodes by this table; :func:`problems` words the refusals.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Unsupported(NamedTuple):
    """An attribute, input or output that is not supported."""

    reason: str
    harmless: tuple[Any, ...] | None = ()
    """Values with which it changes no result, as if it were omitted; None if that holds for all values."""


_NORMALIZATION = {"stash_type": Unsupported("the statistics are computed in the type of the input", (1,))}
_RECURRENT = {
    "activation_alpha": Unsupported("the elements of 'activations' are operators that have their parameters"),
    "activation_beta": Unsupported("the elements of 'activations' are operators that have their parameters"),
    "clip": Unsupported("no kernel clips the inputs of the activations"),
    "sequence_lens": Unsupported("a mask, an input beyond ONNX, ends sequences early"),
}

UNSUPPORTED: dict[str, dict[str, Unsupported]] = {
    "BatchNormalization": {
        "training_mode": Unsupported("a compiled model does not learn", (0,)),
        "momentum": Unsupported("it is used only in training", None),
        "running_mean": Unsupported("it is computed only in training"),
        "running_var": Unsupported("it is computed only in training"),
    },
    "Cast": {
        "saturate": Unsupported("it is used only for float8 types, which are not supported", None),
        "round_mode": Unsupported("it is used only for float8 types, which are not supported", None),
    },
    "DequantizeLinear": {
        "output_dtype": Unsupported("the result has the type of the scale", (0,)),
    },
    "GroupNormalization": _NORMALIZATION,
    "LayerNormalization": {
        **_NORMALIZATION,
        "Mean": Unsupported("only the normalized tensor is computed"),
        "InvStdDev": Unsupported("only the normalized tensor is computed"),
    },
    "QuantizeLinear": {
        "precision": Unsupported("the quotient is computed in the type of the scale", (0,)),
        "saturate": Unsupported("it is used only for float8 types, which are not supported", None),
    },
    "RMSNormalization": _NORMALIZATION,
    "Range": {"stash_type": Unsupported("numbers of 16 bits are computed in float32", (1,))},
    "MaxPool": {
        "storage_order": Unsupported("it is used only for the output Indices, which is not supported", None),
        "Indices": Unsupported("only the maxima are computed"),
    },
    "Resize": {
        "antialias": Unsupported("images are only enlarged; Resample can compute any weighted sums", (0,)),
        "axes": Unsupported("the scales are those of the spatial axes, which follow from 'layout'"),
        "coordinate_transformation_mode": Unsupported(
            "Resample can compute any weighted sums", ("half_pixel", "half_pixel_symmetric")
        ),
        "cubic_coeff_a": Unsupported("it is used only for mode='cubic', which Resample computes", None),
        "exclude_outside": Unsupported("it is used only for mode='cubic', which Resample computes", None),
        "extrapolation_value": Unsupported("it is used only with tf_crop_and_resize, which Resample computes", None),
        "keep_aspect_ratio_policy": Unsupported("it is used only with sizes, which are not supported", None),
        "nearest_mode": Unsupported(
            "with half-pixel coordinates, only rounding repeats each pixel equally often",
            ("round_prefer_floor", "round_prefer_ceil"),
        ),
        "roi": Unsupported("it is used only with tf_crop_and_resize, which Resample computes", None),
        "sizes": Unsupported("the scales must be given, as integers"),
    },
    "RNN": _RECURRENT,
    "GRU": _RECURRENT,
    "LSTM": {
        **_RECURRENT,
        "input_forget": Unsupported("no kernel couples the gates", (0,)),
        "P": Unsupported("no kernel has peepholes"),
    },
    "Upsample": {
        "mode": Unsupported("Resize has mode='linear'", ("nearest",)),
    },
}
"""Operator -> name of the attribute, input or output -> why it is missing."""


def problems(op_type: str, given: Mapping[str, Any]) -> list[str]:
    """One message per unsupported attribute, input or output in ``given``, name -> value.

    None stands for an input or output that is omitted; any other value will do for one that is used.

    >>> problems("LSTM", {"hidden_size": 4, "input_forget": 1, "P": None})
    ['input_forget=1 is not supported: no kernel couples the gates']
    """
    found = []
    for name, value in given.items():
        entry = UNSUPPORTED.get(op_type, {}).get(name)
        if entry and value is not None and entry.harmless is not None and value not in entry.harmless:
            found.append(f"{name}={value!r} is not supported: {entry.reason}")
    return found
