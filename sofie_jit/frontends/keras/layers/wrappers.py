"""TimeDistributed and SpectralNormalization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sofie_jit.errors import counted
from sofie_jit.frontends.keras import graph
from sofie_jit.frontends.keras.build import nested
from sofie_jit.frontends.keras.dialects import MODELS, is_stateful
from sofie_jit.frontends.keras.layers.call import LayerCall, run_nodes
from sofie_jit.frontends.keras.layers.registry import WeightNames, find, layer
from sofie_jit.frontends.keras.layers.sublayers import sublayer_weights
from sofie_jit.frontends.keras.masks import passes, stops
from sofie_jit.frontends.keras.weights import attribute_paths
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import product


@layer("TimeDistributed", weights=lambda c: sublayer_weights("layer", c["layer"]), mask=passes)
def time_distributed(call: LayerCall, x: Symbol, mask: Symbol | None = None) -> Symbol:
    """A layer, or a model, applied to each step: the steps are rows of its batch.

    In Keras 2, the mask of the output is the mask of the wrapped layer's output.
    """
    if x.rank < 3:
        call.refuse(f"its input has shape {x.shape}; expected (batch, steps, ...)")
    if mask is not None and mask.shape[:2] != x.shape[:2]:
        call.refuse(f"its mask has shape {mask.shape}, its input {x.shape}; the first two axes must be equal")
    spec, rows = call.config["layer"], product(*x.shape[:2])
    if is_stateful(spec):
        call.refuse(
            "it wraps a layer with stateful=True, whose states would pass from step to step; save the model without it"
        )
    folded = ops.reshape(x, (rows, *x.shape[2:]))
    folded_mask = None if mask is None else ops.reshape(mask, (rows, *mask.shape[2:]))
    if call.layer.keras_major < 3:
        call.masks.attach(folded, folded_mask)
    y = _apply(call, spec, folded, folded_mask)
    if y.shape[:1] != (rows,):
        call.refuse(f"the layer it wraps makes {y.type} of {folded.type}; expected one row for each step")
    output = ops.reshape(y, (*x.shape[:2], *y.shape[1:]))
    if call.layer.keras_major < 3 and (folded_mask := call.masks.of(y)) is not None:
        call.masks.attach(output, ops.reshape(folded_mask, (*x.shape[:2], *folded_mask.shape[1:])))
    elif call.layer.keras_major < 3 and mask is not None:
        call.masks.attach(output, ops.any(mask, range(2, mask.rank)) if mask.rank > 2 else mask)
    return output


def _apply(call: LayerCall, spec: Mapping[str, Any], rows: Symbol, mask: Symbol | None) -> Symbol:
    """The wrapped layer or model applied to ``rows``, with the mask if it uses one."""
    if spec["class_name"] in MODELS and not spec["package"]:
        call.masks.attach(rows, mask)
        outputs = _apply_model(call, spec, rows)
    else:
        inner = call.sublayer("layer", spec)
        entry = find(inner.layer)
        used = entry is not None and entry.takes("mask")
        outputs = graph.flatten(inner(rows, mask=mask) if used else inner(rows))
    if len(outputs) != 1:
        call.refuse(f"the {spec['class_name']} it wraps has {counted(len(outputs), 'output')}; expected one")
    output: Symbol = outputs[0]
    return output


def _apply_model(call: LayerCall, spec: Mapping[str, Any], rows: Symbol) -> list[Symbol]:
    model = nested(dict(spec), f"{call.name}/{spec['config'].get('name', 'layer')}")
    if len(model.inputs) != 1:
        call.refuse(f"the model it wraps has {counted(len(model.inputs), 'input')}; expected one")
    for leaf, path in attribute_paths(model, "layer/"):
        prefix = f"{path}/"
        leaf.weights = {
            name[len(prefix) :]: array for name, array in call.layer.weights.items() if name.startswith(prefix)
        }
    trace = graph.Trace()
    outputs = model.wiring([graph.TensorRef(-1, 0)], trace)
    results = run_nodes(trace.nodes, {-1: [rows]}, call)
    return [results[tensor.node][tensor.index] for tensor in graph.flatten(outputs)]


def spectral_normalization_weights(config: Mapping[str, Any]) -> WeightNames:
    """The weights of the wrapped layer, the first of which is normalized, and a vector that only training uses."""
    kernel, *others = sublayer_weights("layer", config["layer"])
    trained = config.get("trainable", True) and config["layer"]["config"].get("trainable", True)
    return (kernel, *others, "vector_u") if trained else (kernel, "vector_u", *others)


@layer("Addons>SpectralNormalization", weights=spectral_normalization_weights, builtin=False)
@layer("SpectralNormalization", weights=spectral_normalization_weights, mask=stops)
def spectral_normalization(call: LayerCall, x: Symbol) -> Symbol:
    """The wrapped layer: after training, its kernel is already divided by its largest singular value.

    Since Keras 3 the result has the type of the input, so that embeddings of integers are truncated to integers.
    """
    call.config.ignore("power_iterations")
    y: Symbol = call.sublayer("layer", call.config["layer"])(x)
    return ops.cast(y, x.dtype) if call.layer.keras_major >= 3 else y
