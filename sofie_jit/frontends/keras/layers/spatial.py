"""Options that layers on sequences, images and volumes have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from sofie_jit.frontends.keras.graph import flatten
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.origin import (
    COUNTED_BY_THEANO,
    CROPPED_BY_THEANO,
    SAME_OF_CNTK,
    SAME_OF_THEANO,
    SAME_OF_THEANO_3D,
)
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.geometry import causal_padding

LAYOUT_OF = {"channels_last": "NHWC", "channels_first": "NCHW"}
"""Keras's ``data_format`` -> the layout in ONNX's notation."""


def spatial_rank(class_name: str) -> int:
    """The number of spatial axes in the name of a class.

    >>> spatial_rank("Conv2DTranspose")
    2
    """
    digit = re.search(r"([123])D", class_name)
    assert digit is not None
    return int(digit[1])


def per_axis_default(class_name: str, value: int) -> int | tuple[int, ...]:
    """The default of an option with one value per spatial axis, as Keras writes it.

    >>> per_axis_default("MaxPooling1D", 2), per_axis_default("MaxPooling2D", 2)
    (2, (2, 2))
    """
    rank = spatial_rank(class_name)
    return value if rank == 1 else (value,) * rank


def dimensions(call: LayerCall, x: Symbol) -> int:
    """The number of spatial axes of the layer. Refuses inputs that have another number."""
    count = spatial_rank(call.layer.class_name)
    if x.rank != count + 2:
        call.refuse(f"its input has shape {x.shape}; expected {count + 2} dimensions, the batch included")
    return count


def layout(call: LayerCall) -> str:
    """The layout of images, "NHWC" or "NCHW", by the layer's ``data_format``."""
    found: str = one_of(call, "data_format", LAYOUT_OF)
    return found


def one_of(call: LayerCall, option: str, words: dict[str, Any]) -> Any:
    """The entry of ``words`` for the value of ``option``. Refuses other values."""
    value = call.config[option]
    if not isinstance(value, str) or value.lower() not in words:
        call.refuse(f"{option}={value!r} is not supported; expected {', '.join(map(repr, words))}")
    return words[value.lower()]


def channels(call: LayerCall, x: Symbol, data_layout: str) -> int:
    """The number of channels of ``x``. Refuses inputs with an open number."""
    count = x.shape[-1 if data_layout == "NHWC" else 1]
    if not isinstance(count, int):
        call.refuse(f"its input has shape {x.shape}; the number of channels must be known")
    return count


def per_axis(call: LayerCall, option: str, count: int) -> list[int]:
    """The value of an option that has one integer for all axes, or one for each. Refuses other values."""
    return integers(call, option, call.config[option], count)


def integers(call: LayerCall, option: str, value: Any, count: int) -> list[int]:
    """``value`` as a list of ``count`` integers; it is one for all, or a sequence of them."""
    listed = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value] * count
    if len(listed) == 1:
        listed *= count
    if len(listed) != count or not all(isinstance(n, int) for n in listed):
        call.refuse(f"{option}={call.config[option]!r} must be an integer or {count} of them")
    return listed


def borders(call: LayerCall, option: str, count: int) -> list[tuple[int, int]]:
    """(before, after) per axis, from an option that is a number, one number per axis, or one pair per axis.

    For one axis, a pair of numbers is its (before, after).
    """
    value = call.config[option]
    if isinstance(value, int):
        return [(value, value)] * count
    if count == 1 and len(value) == 2:
        value = [value]
    if len(value) != count:
        call.refuse(f"{option}={call.config[option]!r} must be a number, or one or two for each of {count} axes")
    pairs = [integers(call, option, pair, 2) for pair in value]
    return [(before, after) for before, after in pairs]


def half_of_theano(extent: int) -> tuple[int, int]:
    """The padding of Theano's convolutions with ``padding="same"``; ``extent`` is that of the dilated kernel."""
    return extent // 2, (extent - 1) // 2


def window_options(
    call: LayerCall,
    kernel: Sequence[int],
    dilations: Sequence[int],
    same_of_theano: Callable[[int], tuple[int, int]] = half_of_theano,
) -> dict[str, Any]:
    """The ONNX attributes of the layer's ``padding``; ``same_of_theano`` gives the padding of one axis by Theano."""
    words = {"valid": "VALID", "same": "SAME_UPPER", "causal": "causal", "full": "full", SAME_OF_CNTK: SAME_OF_CNTK,
             SAME_OF_THEANO: SAME_OF_THEANO, COUNTED_BY_THEANO: SAME_OF_THEANO,
             CROPPED_BY_THEANO: SAME_OF_THEANO, SAME_OF_THEANO_3D: SAME_OF_THEANO_3D}  # fmt: skip
    padding = one_of(call, "padding", words)
    extents = [(k - 1) * dilation + 1 for k, dilation in zip(kernel, dilations, strict=True)]
    if padding == "full":  # of Keras 1
        return {"pads": [extent - 1 for extent in extents] * 2}
    if padding == SAME_OF_THEANO_3D:
        return {"pads": [(extent - 1) // 2 for extent in extents] + [extent // 2 for extent in extents]}
    if padding == SAME_OF_THEANO:
        pairs = [same_of_theano(extent) for extent in extents]
        return {"pads": [before for before, _ in pairs] + [after for _, after in pairs]}
    if padding == SAME_OF_CNTK:
        if any(n != 1 for n in flatten(call.config["strides"])):
            call.refuse("padding='same' with strides is not known for the backend CNTK; save the model with TensorFlow")
        return {"auto_pad": "SAME_UPPER"}
    if padding != "causal":
        return {"auto_pad": padding}
    if len(kernel) != 1:
        call.refuse("padding='causal' is defined for one dimension only; use 'same' or 'valid'")
    return {"pads": causal_padding(kernel[0], dilations[0])}


def spatial_axes(count: int, data_layout: str) -> range:
    """The spatial axes of a batch of images."""
    return range(1, count + 1) if data_layout == "NHWC" else range(2, count + 2)
