"""TimeDistributed and SpectralNormalization."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from sofie_jit.frontends.keras import graph
from sofie_jit.frontends.keras.build import nested
from sofie_jit.frontends.keras.dialects import MODELS, is_stateful
from sofie_jit.frontends.keras.layers.registry import LayerCall, WeightNames, find, layer, run_calls, sublayer_weights
from sofie_jit.frontends.keras.masks import UNUSED, attach
from sofie_jit.frontends.keras.weights import attribute_paths
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.operator import product


@layer("TimeDistributed", weights=lambda c: sublayer_weights("layer", c["layer"]))
def time_distributed(call: LayerCall, x: Symbol, mask: Symbol | None = None) -> Symbol:
    """A layer, or a model, applied to every step: the steps count as rows of the batch.

    In Keras 2 the mask of the output is what the layer makes of its rows' masks.
    """
    if x.rank < 3:
        call.refuse(f"its input has shape {x.shape}; it needs (batch, steps, ...)")
    if mask is not None and mask.shape[:2] != x.shape[:2]:
        call.refuse(f"its mask has shape {mask.shape}, its input {x.shape}; the first two axes must be equal")
    spec, rows = call.config["layer"], product(*x.shape[:2])
    if is_stateful(spec):
        call.refuse("it wraps a layer with stateful=True, whose states would go from step to step; save it without")
    folded = ops.reshape(x, (rows, *x.shape[2:]))
    folded_mask = None if mask is None else ops.reshape(mask, (rows, *mask.shape[2:]))
    if call.layer.era < 3:
        folded.mask = folded_mask
    y = _apply(call, spec, folded, folded_mask)
    if y.shape[:1] != (rows,):
        call.refuse(f"the layer it wraps makes {y.type} of {folded.type}, which is no row for every step")
    output = ops.reshape(y, (*x.shape[:2], *y.shape[1:]))
    if call.layer.era < 3 and y.mask is not None:
        attach(output, ops.reshape(y.mask, (*x.shape[:2], *y.mask.shape[1:])))
    elif call.layer.era < 3 and mask is not None:
        attach(output, ops.any(mask, range(2, mask.rank)) if mask.rank > 2 else mask)
    return output


def _apply(call: LayerCall, spec: Mapping[str, Any], rows: Symbol, mask: Symbol | None) -> Symbol:
    """The wrapped layer or model of ``rows``; the mask goes to those that know one."""
    if spec["class_name"] in MODELS and not spec["package"]:
        rows.mask = mask
        outputs = _apply_model(call, spec, rows)
    else:
        inner = call.sublayer("layer", spec)
        entry = find(inner.layer)
        used = entry is not None and "mask" in inspect.signature(entry.handler).parameters
        used = used and inner.layer.class_name not in UNUSED
        outputs = graph.flatten(inner(rows, mask=mask) if used else inner(rows))
    if len(outputs) != 1:
        call.refuse(f"the {spec['class_name']} it wraps has {len(outputs)} outputs; Keras distributes layers of one")
    output: Symbol = outputs[0]
    return output


def _apply_model(call: LayerCall, spec: Mapping[str, Any], rows: Symbol) -> list[Symbol]:
    model = nested(dict(spec), f"{call.name}/{spec['config'].get('name', 'layer')}")
    if len(model.inputs) != 1:
        call.refuse(f"the model it wraps has {len(model.inputs)} inputs; Keras distributes models of one")
    for leaf, path in attribute_paths(model, "layer/"):
        prefix = f"{path}/"
        leaf.weights = {
            name[len(prefix) :]: array for name, array in call.layer.weights.items() if name.startswith(prefix)
        }
    trace = graph.Trace()
    outputs = model.wiring([graph.Value(-1, 0)], trace)
    results = run_calls(trace.calls, {-1: [rows]}, call.builder)
    return [results[value.call][value.index] for value in graph.flatten(outputs)]


def spectral_normalization_weights(config: Mapping[str, Any]) -> WeightNames:
    """Those of the wrapped layer, the first of which is normalized, and the vector that training estimates it by."""
    kernel, *others = sublayer_weights("layer", config["layer"])
    trained = config.get("trainable", True) and config["layer"]["config"].get("trainable", True)
    return (kernel, *others, "vector_u") if trained else (kernel, "vector_u", *others)


@layer("Addons>SpectralNormalization", weights=spectral_normalization_weights, builtin=False)
@layer("SpectralNormalization", weights=spectral_normalization_weights)
def spectral_normalization(call: LayerCall, x: Symbol) -> Symbol:
    """The wrapped layer as it is: training leaves its kernel divided by its largest singular value.

    Since Keras 3 the result has the type of the input, so that embeddings of integers are cut to integers.
    """
    call.config.ignore("power_iterations")
    y: Symbol = call.sublayer("layer", call.config["layer"])(x)
    return ops.cast(y, x.dtype) if call.layer.era >= 3 else y
