"""Dense and EinsumDense."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sofie_jit.frontends.keras.activation import activation
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import WeightNames, layer
from sofie_jit.frontends.keras.masks import passes, stops
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol


@layer(
    "Dense",
    weights=lambda c: ("kernel", "bias") if c["use_bias"] else ("kernel",),
    mask=passes,
    promotes=True,
    defaults={"activation": "linear", "use_bias": True},
    renamed={"output_dim": "units", "bias": "use_bias"},
)
def dense(call: LayerCall, x: Symbol) -> Symbol:
    """``activation(x W + b)`` over the last axis."""
    units = call.config["units"]
    if x.rank < 2 or not isinstance(x.shape[-1], int):
        call.refuse(f"its input has shape {x.shape}; the size of the last axis must be known")
    weights = [call.constant(call.weight("kernel", (x.shape[-1], units)), "kernel")]
    if call.config["use_bias"]:
        weights.append(call.constant(call.weight("bias", (units,)), "bias"))
    return activation(call, ops.linear(x, *weights), call.config["activation"])


def _einsum_weights(config: Mapping[str, Any]) -> WeightNames:
    return ("kernel", "bias") if config["bias_axes"] else ("kernel",)


@layer(
    "EinsumDense",
    weights=_einsum_weights,
    mask=stops,
    promotes=True,
    defaults={"activation": "linear", "bias_axes": None},
)
def einsum_dense(call: LayerCall, x: Symbol) -> Symbol:
    """``activation(einsum(equation, x, W) + b)``; b has the axes of the result that ``bias_axes`` names."""
    equation, bias_axes = call.config["equation"], call.config["bias_axes"]
    match = re.fullmatch(r"(\.{3}|)([a-zA-Z]+)(\.{3}|),([a-zA-Z]+)->\1([a-zA-Z]+)\3", equation.replace(" ", ""))
    if match is None:
        call.refuse(f"equation={equation!r} is not of the form 'ab,bc->ac', '...b,bc->...c' or 'ab...,bc->ac...'")
    names, kernel_names, result = match[2], match[4], match[5]
    call.config.ignore("output_shape")  # follows from the weights
    kernel = call.constant(call.weight("kernel", [None] * len(kernel_names)), "kernel")
    y = ops.einsum(equation, x, kernel)
    if bias_axes:
        start = min(result.find(name) for name in bias_axes)
        if start < 0:
            call.refuse(f"bias_axes={bias_axes!r} are not all among the axes '{result}' of the result")
        sizes = dict(zip(result, y.shape[x.rank - len(names) :] if match[1] else y.shape, strict=False))
        shape = [sizes[name] if name in bias_axes else 1 for name in result[start:]]
        shape += [1] * (x.rank - len(names) if match[3] else 0)
        bias = call.weight("bias", [size if isinstance(size, int) else None for size in shape])
        y = ops.add(y, call.constant(bias, "bias"))
    return activation(call, y, call.config["activation"])
