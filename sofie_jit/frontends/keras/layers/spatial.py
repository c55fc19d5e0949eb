"""What layers on images (of one to three dimensions) have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sofie_jit.frontends.keras.layers.registry import LayerCall
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.geometry import causal_padding

LAYOUT_OF = {"channels_last": "NHWC", "channels_first": "NCHW"}


def dimensions(call: LayerCall, x: Symbol) -> int:
    """The number of spatial axes, which the class says (``Conv2D``). Refuses other inputs."""
    count = int(call.layer.class_name[-2])
    if x.rank != count + 2:
        call.refuse(f"its input has shape {x.shape}; translated are inputs of {count + 2} dimensions, batch included")
    return count


def layout(call: LayerCall) -> str:
    """ONNX's word for the layer's ``data_format``."""
    word: str = one_of(call, "data_format", LAYOUT_OF)
    return word


def one_of(call: LayerCall, option: str, words: dict[str, Any]) -> Any:
    """What ``words`` has for the value of ``option``. Refuses other values."""
    value = call.config[option]
    if not isinstance(value, str) or value.lower() not in words:
        call.refuse(f"{option}={value!r} is not translated; known are {', '.join(map(repr, words))}")
    return words[value.lower()]


def channels(call: LayerCall, x: Symbol, data_layout: str) -> int:
    """The number of channels of ``x``. Refuses inputs that leave it open."""
    count = x.shape[-1 if data_layout == "NHWC" else 1]
    if not isinstance(count, int):
        call.refuse(f"its input has shape {x.shape}; the number of channels must be known")
    return count


def per_axis(call: LayerCall, option: str, count: int) -> list[int]:
    """An option given as one number for all axes or as one for each. Refuses other values."""
    return numbers(call, option, call.config[option], count)


def numbers(call: LayerCall, option: str, value: Any, count: int) -> list[int]:
    """``value`` as ``count`` integers: it is one for all, or a sequence of them."""
    listed = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value] * count
    if len(listed) == 1:
        listed *= count
    if len(listed) != count or not all(isinstance(n, int) for n in listed):
        call.refuse(f"{option}={call.config[option]!r} must be an integer or {count} of them")
    return listed


def borders(call: LayerCall, option: str, count: int) -> list[tuple[int, int]]:
    """(before, after) per axis from an option that is a number, one number per axis, or one pair per axis.

    For one axis, a pair of numbers is that axis's (before, after).
    """
    value = call.config[option]
    if isinstance(value, int):
        return [(value, value)] * count
    if count == 1 and len(value) == 2:
        value = [value]
    if len(value) != count:
        call.refuse(f"{option}={call.config[option]!r} must be a number, or one or two for each of {count} axes")
    pairs = [numbers(call, option, pair, 2) for pair in value]
    return [(before, after) for before, after in pairs]


def window_options(call: LayerCall, kernel: Sequence[int], dilations: Sequence[int]) -> dict[str, Any]:
    """ONNX's attributes for the layer's ``padding``."""
    padding = one_of(call, "padding", {"valid": "VALID", "same": "SAME_UPPER", "causal": "causal"})
    if padding != "causal":
        return {"auto_pad": padding}
    if len(kernel) != 1:
        call.refuse("padding='causal' has a meaning in one dimension only; use 'same' or 'valid'")
    return {"pads": causal_padding(kernel[0], dilations[0])}


def spatial_axes(count: int, data_layout: str) -> range:
    """The spatial axes of a batch of images."""
    return range(1, count + 1) if data_layout == "NHWC" else range(2, count + 2)
