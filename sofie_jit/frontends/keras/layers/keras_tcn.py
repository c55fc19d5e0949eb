"""The layer TCN of keras-tcn: https://github.com/philipperemy/keras-tcn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sofie_jit.frontends.keras.activation import activation
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import OPTIONAL, WeightNames, layer
from sofie_jit.frontends.keras.layers.sublayers import part, part_weights
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.frontends.keras.nested_weights import NON_TRAINABLE
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.size_arrays import SizeArrays

DEFAULTS = {
    "nb_filters": 64, "kernel_size": 3, "nb_stacks": 1, "dilations": (1, 2, 4, 8, 16, 32), "padding": "causal",
    "use_skip_connections": True, "return_sequences": False, "activation": "relu", "use_batch_norm": False,
    "use_layer_norm": False, "go_backwards": False,
}  # fmt: skip


def _blocks(config: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """For each block its name, its dilation and the number of its filters."""
    dilations, filters = list(config["dilations"]), config["nb_filters"]
    each = list(filters) if isinstance(filters, (list, tuple)) else [filters] * len(dilations)
    pairs = list(zip(dilations, each, strict=True)) * int(config["nb_stacks"])
    return [(f"residual_block_{number}", int(d), int(n)) for number, (d, n) in enumerate(pairs)]


def _norm(config: Mapping[str, Any]) -> str:
    if config["use_batch_norm"]:
        return "BatchNormalization"
    return "LayerNormalization" if config["use_layer_norm"] else ""


def _weights(config: Mapping[str, Any]) -> WeightNames:
    """The names; those that match the input to the first block are missing if it has as many features."""
    names: list[str] = []
    features = None
    for name, _, filters in _blocks(config):
        parts = [("norm", _norm(config)), ("conv1D", "Conv1D")]
        for part_name, class_name in parts if _norm(config) else parts[1:]:
            for number in range(2):
                names += part_weights(f"{name}/{part_name}_{number}", class_name)
        if filters != features:
            optional = OPTIONAL if features is None else ""
            names += [f"{weight}{optional}" for weight in part_weights(f"{name}/matching_conv1D", "Conv1D")]
        features = filters
    return tuple(sorted(names, key=lambda name: name.rpartition("/")[2] in NON_TRAINABLE))


@layer("TCN", weights=_weights, mask=stops, defaults=DEFAULTS, builtin=False)
def tcn(call: LayerCall, x: Symbol) -> Symbol:
    """A temporal convolutional network: blocks of two dilated convolutions with residuals, whose outputs are added."""
    config = call.config
    config.ignore("dropout_rate", "return_state", "kernel_initializer", "nb_stacks")
    if config.get("use_weight_norm"):
        call.refuse("use_weight_norm=True is not supported; save the model without it")
    steps, function = x.shape[1], config["activation"]
    x = ops.flip(x, 1) if config["go_backwards"] else x
    skipped = []
    for name, dilation, filters in _blocks(config):
        y = x
        for number in range(2):
            y = part(
                call, f"{name}/conv1D_{number}", "Conv1D", filters=filters, kernel_size=int(config["kernel_size"]),
                padding=config["padding"], dilation_rate=dilation,
            )(y)  # fmt: skip
            if _norm(config):
                y = part(call, f"{name}/norm_{number}", _norm(config))(y)
            y = activation(call, y, function)
        y = activation(call, y, function)
        if x.shape[-1] != filters:
            x = part(call, f"{name}/matching_conv1D", "Conv1D", filters=filters, kernel_size=1, padding="same")(x)
        x = activation(call, ops.add(x, y), function)
        skipped.append(y)
    if config["use_skip_connections"]:
        x = skipped[0]
        for y in skipped[1:]:
            x = ops.add(x, y)
    if config["return_sequences"]:
        return x
    if config["padding"] != "same":
        return ops.getitem(x, (slice(None), -1))
    middle: Symbol = ops.take(x, SizeArrays(x.builder, steps).number(steps // 2, "int64"), 1)
    return middle
