"""Translates a graph of Keras layers to an RModel."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from sofie_jit.errors import ModelFileError, SofieError, UnsupportedLayerError
from sofie_jit.frontends import base
from sofie_jit.frontends.base import Node, Problems, errors_of_file, errors_of_node
from sofie_jit.frontends.content import some
from sofie_jit.frontends.keras import dialects, refusals, weights
from sofie_jit.frontends.keras.build import build, nested
from sofie_jit.frontends.keras.graph import Input, Layer, LayerGraph, LayerNode, TensorRef, flatten, map_leaves
from sofie_jit.frontends.keras.layers import registry
from sofie_jit.frontends.keras.layers.call import LayerCall, ReplacementError
from sofie_jit.frontends.keras.masks import Masks
from sofie_jit.frontends.keras.old_weights import check_backend, depending_on_backend
from sofie_jit.frontends.keras.promotion import KERAS
from sofie_jit.frontends.keras.saved_model import SavedModel
from sofie_jit.frontends.wording import refusal
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.dims import BATCH, Shape, as_shape, bind_shape
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass

if TYPE_CHECKING:
    from sofie_jit.frontends.keras.original import KerasModel


@dataclass
class Translation(base.Translation):
    """A Keras model that can be translated for any sizes of its open dimensions."""

    graph: LayerGraph
    replace: Mapping[str, Callable[..., Any]] | None = None
    keras_version: str = ""
    """The version that saved the model; '' if the file does not say."""

    format = "Keras"
    node_word = "layer"

    @property
    def source(self) -> str:
        """The name of the file or live model in messages."""
        return self.graph.source

    @property
    def inputs(self) -> dict[str, TensorType]:
        """Name -> type of the inputs; open dimensions have names."""
        builder = Builder(RModel())
        with errors_of_file(self.source):
            for given in self.graph.inputs:
                builder.input(given.name, given.dtype, _dims(given, self.graph))
        return builder.rmodel.inputs

    @property
    def input_keys(self) -> Mapping[str, str]:
        """The keys of a model that takes a dict of inputs."""
        return self.graph.input_keys

    def __call__(self, sizes: Mapping[str, int] | None = None) -> RModel:
        """The RModel with ``sizes`` for open dimensions by name; raises the errors of :func:`translate`."""
        with errors_of_file(self.source):
            rmodel = translate(self.graph, self.replace, sizes)
            rmodel.generate()
            return rmodel

    def nodes(self) -> list[Node]:
        """The layers in Keras's order, those of nested models included."""
        return [
            Node(layer.name, f"{layer.package}>{layer.class_name}" if layer.package else layer.class_name)
            for layer, _ in self.graph.root.leaves()
        ]

    @property
    def metadata(self) -> dict[str, str]:
        """The format, and the version of Keras that saved the model if the file contains it."""
        return {"format": self.format} | ({"saved by": f"Keras {self.keras_version}"} if self.keras_version else {})

    def original(self, source: Any, **options: Any) -> KerasModel:
        """The model in Keras 3, or in tf_keras for files of Keras 2, because Keras 3 reads some options otherwise.

        Raises ModelFileError if Theano or CNTK computed a layer in its own way.
        """
        from sofie_jit.frontends.keras import original

        foreign = [leaf for leaf in depending_on_backend(self.graph.root) if leaf.backend in ("theano", "cntk")]
        if foreign:
            raise ModelFileError(
                f"{foreign[0]}: the model was trained with the backend {foreign[0].backend!r}, which pads or flips "
                "kernels in another way than TensorFlow, so Keras cannot run it; load(verify=True) checks it without "
                "Keras"
            )
        counts = {name: len(flatten(result)) for name, result in self.graph.results.items()}
        return original.load(source, options.get("config"), self.keras_version, counts)


def connected(saved: SavedModel, outputs: str | Sequence[str] | None = None) -> LayerGraph:
    """The layer calls of a saved model with their weights, before translation.

    ``outputs``: names of layers whose outputs replace the model's. Raises ModelFileError and WeightsError.
    """
    with errors_of_file(saved.source):
        try:
            model = dataclasses.replace(
                build(dialects.modernize(saved.config, saved.keras_version, saved.backend)), source=saved.source
            )
            if outputs is not None:
                model = model.cut([outputs] if isinstance(outputs, str) else list(outputs))
            check_backend(model.root, saved)
            weights.bind(model.root, saved, _weight_names)
            model = dataclasses.replace(model, inputs=_with_features(model))
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            if isinstance(error, SofieError):
                raise
            raise ModelFileError(
                f"the model's layers cannot be connected ({type(error).__name__}: {error!s:.300}); either its config "
                "is not valid Keras, or this is a bug of sofie_jit"
            ) from error
    return model


def _with_features(model: LayerGraph) -> list[Input]:
    """The inputs, with the sizes of those open axes for which a Normalization that gets them has statistics.

    In TensorFlow's Keras 2, an adapted Normalization at the beginning of a Sequential leaves its input's shape open.
    """
    shapes = [given.shape for given in model.inputs]
    for node in model.nodes:
        mean = node.layer.weights.get("mean")
        if node.layer.package or node.layer.class_name != "Normalization" or mean is None or not node.args:
            continue
        source, option = node.args[0], node.layer.config["axis"]
        shape = shapes[source.index] if isinstance(source, TensorRef) and source.node < 0 else None
        axes = sorted(a % len(shape) for a in flatten([option])) if shape and option is not None else []
        if shape and len(axes) == mean.ndim:
            known = dict(zip(axes, mean.shape, strict=True))
            shapes[source.index] = tuple(known.get(a, n) if n is None else n for a, n in enumerate(shape))
    return [dataclasses.replace(given, shape=shape) for given, shape in zip(model.inputs, shapes, strict=True)]


def translate(
    model: LayerGraph,
    replace: Mapping[str, Callable[..., Any]] | None = None,
    sizes: Mapping[str, int] | None = None,
) -> RModel:
    """Translates a graph: each call by the handler of its layer, or by the function that ``replace`` has for it.

    Open dimensions get names, see :func:`_dims`; ``sizes`` gives fixed sizes to some of them. Inputs have Keras's
    names; ``output_labels`` are Keras's ``output_names``, or the keys of a dict of outputs, and ``output_structure`` is
    Keras's nesting of the outputs.

    Raises UnsupportedLayerError listing all problems, and ModelFileError if ``replace`` names an unknown layer.
    """
    replace = replace or {}
    names = list(dict.fromkeys(name for layer, _ in model.root.leaves() for name in _names(layer)))
    if unknown := [name for name in replace if name not in names]:
        raise ModelFileError(
            f"replace= names '{unknown[0]}', which is not a layer of this model; its layers are: {some(names)}"
        )
    rmodel = RModel(model.name)
    builder, masks = Builder(rmodel, KERAS), Masks()
    inputs = [
        builder.input(given.name, given.dtype, bind_shape(_dims(given, model), sizes or {})) for given in model.inputs
    ]
    results: dict[int, list[Any]] = {-1: list(inputs)}
    problems = Problems()
    unchecked: list[LayerNode] = []
    for number in model.needed():
        call = model.nodes[number]
        with problems.collected():
            result = _run(call, results, builder, masks, replace)
            if result is not None:
                results[number] = result
            else:
                unchecked.append(call)
    problems.raise_all()
    if unchecked:
        mixed = "the file stores its weights in one list with those of a layer of an unknown class, so they cannot be"
        raise UnsupportedLayerError(refusal(unchecked[0].layer, f"{mixed} told apart", "save the model as .keras"))

    symbols = [_symbol(value, results, "an output") for value in flatten(model.outputs)]
    rmodel.add_output_tensor_names(symbol.name for symbol in symbols)
    rmodel.input_keys = dict(model.input_keys)
    rmodel.output_structure = structure = _numbered(model.outputs, count())
    is_flat = isinstance(structure, Mapping) and all(isinstance(number, int) for number in structure.values())
    rmodel.output_labels = sorted(structure, key=structure.__getitem__) if is_flat else list(model.output_names)
    return rmodel


def _names(layer: Layer) -> Iterator[str]:
    """The names of a layer and of those that it wraps."""
    yield layer.name
    for path, value in layer.config.items():
        if isinstance(value, Mapping) and "saved_class" in value:
            if value["class_name"] in dialects.MODELS and not value["package"]:
                for leaf, _ in nested(dict(value), f"{layer.name}/{value['config'].get('name', path)}").leaves():
                    yield from _names(leaf)
            else:
                yield from _names(layer.sublayer(path, value))


def _run(
    call: LayerNode,
    results: Mapping[int, list[Any]],
    builder: Builder,
    masks: Masks,
    replace: Mapping[str, Callable[..., Any]],
) -> list[Any] | None:
    """The tensors that a call returns; None if it cannot be translated because another layer was refused."""
    names = () if call.layer.name in replace else registry.weight_names(call.layer)
    if any(tensor.node not in results for tensor in call.tensors()):
        if call.layer.name not in replace and registry.find(call.layer) is None:
            raise UnsupportedLayerError(refusals.of_class(call.layer))  # one error lists all unknown classes
        return None
    if names and not call.layer.weights:  # they cannot be told apart from those of an unknown layer
        return None

    def symbol(leaf: Any) -> Any:
        return _symbol(leaf, results, str(call.layer)) if isinstance(leaf, TensorRef) else leaf

    try:
        with errors_of_node(str(call.layer), call.layer.config, "Keras", registry.translator(call.layer)):
            layer_call = LayerCall(call.layer, builder, masks, replace)
            return flatten(layer_call(*map_leaves(symbol, call.args), **map_leaves(symbol, call.kwargs)))
    except ReplacementError as error:
        raise error.error from None


def _weight_names(layer: Layer) -> tuple[str, ...] | None:
    """Names of a layer's weights; None for a layer that will be refused, around which weights can still be matched."""
    try:
        return registry.weight_names(layer)
    except UnsupportedLayerError:
        return None


def _symbol(value: TensorRef, results: Mapping[int, list[Any]], what: str) -> Symbol:
    tensors = results[value.node]
    if not 0 <= value.index < len(tensors):
        raise ModelFileError(f"{what} is tensor {value.index} of a layer that returns {len(tensors)}")
    symbol: Symbol = tensors[value.index]
    if what == "an output" and not isinstance(symbol, Symbol):
        raise UnsupportedLayerError("an output of the model is the shape of a tensor, which is not supported")
    return symbol


def _numbered(structure: Any, numbers: Iterator[int]) -> Any:
    """Nested outputs with each tensor replaced by its index in the order of ``flatten``."""
    if isinstance(structure, Mapping):
        numbered = {key: _numbered(structure[key], numbers) for key in sorted(structure, key=str)}
        return {key: numbered[key] for key in structure}
    if isinstance(structure, (list, tuple)):
        return type(structure)(_numbered(part, numbers) for part in structure)
    return next(numbers)


def _dims(given: Input, model: LayerGraph) -> Shape:
    """The input's shape with names for open dimensions: ``time``, ``height``, ``width`` and so on.

    If several inputs have open dimensions, the name of the input is part of the name: ``time_of_x``.

    The batch is open even if the config has a number for it, which Keras 3 takes from the first data that it sees.
    """
    if given.shape is None:
        raise ModelFileError(
            f"the file does not say what shape the input '{given.name}' has; save the model after building it, "
            "model.build((None, ...)), or begin it with an InputLayer"
        )
    stateful = dialects.is_stateful([leaf.config for leaf, _ in model.root.leaves()])
    fixed = given.shape[0] if given.shape and stateful else None
    several = sum(None in (i.shape or ())[1:] for i in model.inputs) > 1
    suffix = f"_of_{''.join(c if c.isalnum() else '_' for c in given.name)}" if several else ""
    names = [
        name + suffix if size is None else size
        for name, size in zip(_axis_names(given.shape), given.shape, strict=True)
    ]
    return as_shape((BATCH if fixed is None else fixed, *names[1:])) if names else ()


def _axis_names(shape: Sequence[int | None]) -> list[str]:
    """Names of the axes of an input, of which those of open dimensions are needed.

    Inputs of three to five axes are sequences, images and volumes; their channels are the last axis, or the first after
    the batch if the last one is open and that one is not.

    >>> _axis_names((None, None, None, 3)), _axis_names((None, 16, None))
    (['batch', 'height', 'width', 'channels'], ['batch', 'channels', 'time'])
    """
    spatial = {3: ["time"], 4: ["height", "width"], 5: ["depth", "height", "width"]}.get(len(shape))
    if spatial is None:
        return ["batch", "time", *(f"dim{axis}" for axis in range(2, len(shape)))][: len(shape)]
    first = shape[-1] is None and shape[1] is not None
    return ["batch", *(["channels", *spatial] if first else [*spatial, "channels"])]
