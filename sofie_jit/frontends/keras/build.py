"""A model's config -> :class:`LayerGraph`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sofie_jit.errors import ModelFileError
from sofie_jit.frontends.keras.dialects import MODELS, Spec, decode
from sofie_jit.frontends.keras.functional import flatten_refs, functional, spec_name
from sofie_jit.frontends.keras.graph import (
    Input,
    Layer,
    LayerGraph,
    Model,
    Trace,
    Value,
    Wiring,
    flatten,
    unique,
    unpack,
)

DTYPES = {"float16": "float32", "bfloat16": "float32", "uint8": "int32", "int8": "int32", "uint16": "int32",
          "int16": "int32", "uint32": "int64"}  # fmt: skip
"""Element types of inputs -> the one they are computed in, which holds all of their values."""


def build(spec: Spec) -> LayerGraph:
    """The graph of a model's spec (:func:`dialects.modernize`).

    Raises ModelFileError for a model that is not Sequential or Functional, and for a graph that contradicts itself:
    unknown layers, names used twice, cycles.
    """
    if spec["package"] or spec["class_name"] not in MODELS:
        package = f"{spec['package']}>" if spec["package"] else ""
        raise ModelFileError(
            f"the model is of class {package}{spec['class_name']}; only Sequential and Functional models can be read, "
            "because a subclassed model's computation is Python code. If it was made from inputs and outputs, save "
            "keras.Model(model.inputs, model.outputs) instead"
        )
    config = spec["config"]
    name = str(config.get("name") or spec.get("name") or spec["class_name"].lower())
    root = _model(spec, name, name, prefix="")
    inputs = _inputs(spec, root)
    trace = Trace(results={given.name: Value(-1, i) for i, given in enumerate(inputs)})
    outputs = unpack(root.wiring([Value(-1, i) for i in range(len(inputs))], trace))
    leaves = flatten(outputs)
    if any(not isinstance(leaf, Value) for leaf in leaves):
        raise ModelFileError(f"model '{name}': an output is not a tensor")
    names = unique(_output_names(spec))
    return LayerGraph(name, inputs, trace.calls, outputs, names, root, trace.results)


def _inputs(spec: Spec, root: Model) -> list[Input]:
    """The inputs of the whole model, in Keras's order."""
    if spec["class_name"] == "Sequential":
        return [_sequential_input(spec, root)]
    layers = {spec_name(layer): layer for layer in spec["config"]["layers"]}
    return [_input(name, layers[name]["config"]) for name in root.inputs]


def _input(name: str, options: Mapping[str, Any]) -> Input:
    if options.get("sparse") is True or options.get("ragged") is True:
        kind = "sparse" if options.get("sparse") else "ragged"
        raise ModelFileError(f"input '{name}' is {kind}; only dense inputs are supported, make it dense before saving")
    shape = options.get("batch_shape")
    if shape is None and isinstance(options.get("shape"), (list, tuple)):
        shape = [options.get("batch_size"), *options["shape"]]
    return Input(name, _input_dtype(name, options.get("dtype")), _shape(name, shape))


def _input_dtype(name: str, dtype: Any) -> str:
    if not isinstance(dtype, str):
        return "float32"
    kind = dtype.removeprefix("mixed_")
    if kind == "string":
        raise ModelFileError(f"input '{name}' takes strings; turn them to numbers before the model")
    return DTYPES.get(kind, kind)


def _shape(name: str, shape: Any) -> tuple[int | None, ...] | None:
    if shape is None:
        return None
    if not isinstance(shape, (list, tuple)) or not all(
        n is None or (isinstance(n, int) and not isinstance(n, bool) and n >= 0) for n in shape
    ):
        raise ModelFileError(f"input '{name}': its shape should be a list of sizes and nulls, found {shape!r}")
    return tuple(shape)


def _sequential_input(spec: Spec, root: Model) -> Input:
    """The input of a Sequential model: its InputLayer, or what its first layer or its own config say of the shape."""
    config = spec["config"]
    shape = config.get("build_input_shape")
    while spec["class_name"] == "Sequential" and not spec["package"] and spec["config"]["layers"]:
        spec = spec["config"]["layers"][0]
        shape = spec["config"].get("build_input_shape") or shape
    options, name = spec["config"], root.inputs[0]
    if spec["class_name"] == "Functional" and not spec["package"]:
        first = flatten_refs(options.get("input_layers"))
        if len(first) == 1:
            options = next((x["config"] for x in spec["config"]["layers"] if spec_name(x) == first[0][0]), options)
    build_config = spec.get("build_config")
    if isinstance(build_config, Mapping):
        shape = shape or build_config.get("input_shape")
    return _input(name, {**options, "batch_shape": options.get("batch_shape") or decode(shape)})


def _model(spec: Spec, name: str, own_name: str, prefix: str, shared_id: Any = None) -> Model:
    """The model of ``spec``; ``prefix`` is put before the names of its layers, which are shared as it is."""
    layers: dict[str, Layer | Model] = {}
    for inner in spec["config"]["layers"]:
        inner_name = spec_name(inner)
        if inner_name in layers:
            raise ModelFileError(f"model '{name}' has two layers called '{inner_name}'; names must be unique")
        inner_id = inner.get("shared_object_id", None if shared_id is None else (shared_id, inner_name))
        if inner["class_name"] in MODELS and not inner["package"]:
            layers[inner_name] = _model(inner, prefix + inner_name, inner_name, f"{prefix}{inner_name}/", inner_id)
        else:
            layers[inner_name] = Layer(
                prefix + inner_name,
                inner["class_name"],
                inner["config"],
                inner["package"],
                saved_class=inner["saved_class"],
                own_name=inner_name,
                shared_id=inner_id,
                era=inner.get("era", 3),
            )
    sequential = spec["class_name"] == "Sequential"
    inputs, wiring = _sequential(name, layers) if sequential else functional(spec, name, layers)
    trainable = spec["config"].get("trainable", True) is not False
    return Model(name, own_name, spec["class_name"], trainable, list(layers.values()), inputs, wiring)


def nested(spec: Spec, name: str) -> Model:
    """The model of ``spec`` that stands inside a layer; ``name`` is put before the names of its layers."""
    return _model(spec, name, str(spec["config"].get("name", name)), f"{name}/")


@dataclass(frozen=True)
class Chain:
    """The wiring of a Sequential: each layer is given what the one before it gave."""

    layers: Sequence[Layer | Model]

    def __call__(self, tensors: list[Any], trace: Trace) -> Any:
        (value,) = tensors
        for layer in self.layers:
            value = trace.append(layer, (value,), {})
        return value


def _sequential(name: str, layers: Mapping[str, Layer | Model]) -> tuple[list[str], Wiring]:
    if not layers:
        raise ModelFileError(f"Sequential model '{name}' has no layers")
    chain = [layer for layer in layers.values() if not (isinstance(layer, Layer) and layer.class_name == "InputLayer")]
    first_name, first = next(iter(layers.items()))
    if isinstance(first, Layer) and first.class_name == "InputLayer":
        given = first_name
    elif isinstance(first, Model) and len(first.inputs) == 1:
        given = first.inputs[0]
    else:
        given = f"{first_name}_input"  # what Keras calls it

    return [given], Chain(chain)


def _output_names(spec: Spec) -> list[str]:
    """Keras's ``model.output_names``: the layer each output comes from, a nested model counting as one."""
    if spec["class_name"] == "Functional":
        return [ref[0] for ref in flatten_refs(spec["config"]["output_layers"])]
    return [spec_name(spec["config"]["layers"][-1])]
