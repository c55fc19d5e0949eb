"""A model's config -> :class:`LayerGraph`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sofie_jit.errors import ModelFileError
from sofie_jit.frontends.keras.config_values import decode
from sofie_jit.frontends.keras.dialects import MODELS, Spec
from sofie_jit.frontends.keras.functional import flatten_refs, functional, spec_name
from sofie_jit.frontends.keras.graph import (
    Input,
    Layer,
    LayerGraph,
    LayerModel,
    TensorRef,
    Trace,
    Wiring,
    flatten,
    unique,
    unpack,
)
from sofie_jit.records import dataclass

WIDER_TYPES = {"float16": "float32", "bfloat16": "float32"}
"""Element types of inputs -> the ones they are computed in, which hold all of their values."""


def build(spec: Spec) -> LayerGraph:
    """The graph of a model's spec (:func:`dialects.modernize`).

    Raises ModelFileError for a model that is neither Sequential nor Functional, and for a graph that contradicts
    itself: unknown layers, names used twice, cycles.
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
    trace = Trace(results={given.name: TensorRef(-1, i) for i, given in enumerate(inputs)})
    outputs = unpack(root.wiring([TensorRef(-1, i) for i in range(len(inputs))], trace))
    leaves = flatten(outputs)
    if any(not isinstance(leaf, TensorRef) for leaf in leaves):
        raise ModelFileError(f"model '{name}': an output is not a tensor")
    names = unique(_output_names(spec))
    keys = _input_keys(config.get("input_layers"))
    return LayerGraph(name, inputs, trace.nodes, outputs, names, root, trace.results, input_keys=keys)


def _input_keys(input_layers: Any) -> dict[str, str]:
    """The keys of the inputs of a Functional model that takes a dict -> names of its InputLayers."""
    if not isinstance(input_layers, Mapping):
        return {}
    found = {str(key): flatten_refs([value]) for key, value in input_layers.items()}
    return {key: refs[0].layer for key, refs in found.items() if len(refs) == 1}


def nested(spec: Spec, name: str) -> LayerModel:
    """The model of ``spec`` that is wrapped by a layer; the names of its layers begin with ``name``."""
    return _model(spec, name, str(spec["config"].get("name", name)), f"{name}/")


def _model(spec: Spec, name: str, own_name: str, prefix: str, shared_id: Any = None) -> LayerModel:
    """The model of ``spec``. ``prefix`` is put before the names of its layers; ``shared_id`` marks a shared model."""
    layers: dict[str, Layer | LayerModel] = {}
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
                keras_major=inner.get("keras_major", 3),
                keras_version=inner.get("keras_version", ""),
                backend=inner.get("backend", ""),
            )
    sequential = spec["class_name"] == "Sequential"
    inputs, wiring = _sequential(name, layers) if sequential else functional(spec, name, layers)
    trainable = spec["config"].get("trainable", True) is not False
    return LayerModel(
        name, own_name, spec["class_name"], trainable, list(layers.values()), inputs, wiring,
        spec.get("custom_class", ""),
    )  # fmt: skip


# -- inputs and outputs --------------------------------------------------------------------------------------------


def _inputs(spec: Spec, root: LayerModel) -> list[Input]:
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
    dtype = dtype.removeprefix("mixed_")
    if dtype == "string":
        raise ModelFileError(f"input '{name}' takes strings; convert them to numbers before the model")
    return str(WIDER_TYPES.get(dtype, dtype))


def _shape(name: str, shape: Any) -> tuple[int | None, ...] | None:
    if shape is None:
        return None
    if not isinstance(shape, (list, tuple)) or not all(
        n is None or (isinstance(n, int) and not isinstance(n, bool) and n >= 0) for n in shape
    ):
        raise ModelFileError(f"input '{name}': its shape should be a list of sizes and nulls, found {shape!r}")
    return tuple(shape)


def _sequential_input(spec: Spec, root: LayerModel) -> Input:
    """The input of a Sequential model: its InputLayer, or the shape that its first layer or its own config has."""
    config = spec["config"]
    shape = config.get("build_input_shape")
    while spec["class_name"] == "Sequential" and not spec["package"] and spec["config"]["layers"]:
        spec = spec["config"]["layers"][0]
        shape = spec["config"].get("build_input_shape") or shape
    options, name = spec["config"], root.inputs[0]
    if spec["class_name"] == "Functional" and not spec["package"]:
        first = flatten_refs(options.get("input_layers"))
        if len(first) == 1:
            options = next((x["config"] for x in spec["config"]["layers"] if spec_name(x) == first[0].layer), options)
    build_config = spec.get("build_config")
    if isinstance(build_config, Mapping):
        shape = shape or build_config.get("input_shape")
    return _input(name, {**options, "batch_shape": options.get("batch_shape") or decode(shape)})


def _output_names(spec: Spec) -> list[str]:
    """Keras's ``model.output_names``: the layer that each output comes from; a nested model counts as one."""
    if spec["class_name"] == "Functional":
        return [ref.layer for ref in flatten_refs(spec["config"]["output_layers"])]
    return [spec_name(spec["config"]["layers"][-1])]


# -- Sequential models ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SequentialWiring:
    """The wiring of a Sequential: each layer gets the output of the one before it."""

    layers: Sequence[Layer | LayerModel]

    def __call__(self, tensors: list[Any], trace: Trace) -> Any:
        (tensor,) = tensors
        for layer in self.layers:
            tensor = trace.append(layer, (tensor,), {})
        return tensor


def _sequential(name: str, layers: Mapping[str, Layer | LayerModel]) -> tuple[list[str], Wiring]:
    """The names of the inputs of a Sequential, of which there is one, and its wiring."""
    if not layers:
        raise ModelFileError(f"Sequential model '{name}' has no layers")
    chain = [layer for layer in layers.values() if not (isinstance(layer, Layer) and layer.class_name == "InputLayer")]
    first_name, first = next(iter(layers.items()))
    if isinstance(first, Layer) and first.class_name == "InputLayer":
        given = first_name
    elif isinstance(first, LayerModel) and len(first.inputs) == 1:
        given = first.inputs[0]
    else:
        given = f"{first_name}_input"  # Keras's name for it
    return [given], SequentialWiring(chain)
