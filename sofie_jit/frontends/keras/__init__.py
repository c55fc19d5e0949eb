"""Saved Keras models of all eras -> RModel, without TensorFlow or Keras."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from sofie_jit.errors import GraphError, ModelFileError, SofieError, UnsupportedLayerError
from sofie_jit.frontends.keras import dialects, files, forked, isolated, weights
from sofie_jit.frontends.keras.build import build
from sofie_jit.frontends.keras.graph import Input, Layer, LayerGraph, LayerNode, TensorRef, flatten, map_leaves
from sofie_jit.frontends.keras.layers import registry
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.masks import Masks
from sofie_jit.frontends.keras.promotion import KERAS
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.operators.operator import BATCH, Shape, TensorType, bind_shape
from sofie_jit.ir.rmodel import RModel

__all__ = ["Translation", "parse", "read_graph", "translate"]


@dataclass
class Translation:
    """A saved Keras model that becomes an RModel for any sizes of its open dimensions."""

    graph: LayerGraph
    replace: Mapping[str, Callable[..., Any]] | None = None

    @property
    def source(self) -> str:
        """The file's name."""
        return self.graph.source

    @property
    def inputs(self) -> dict[str, TensorType]:
        """The inputs with names for the open dimensions."""
        builder = Builder(RModel())
        with _errors_of(self.graph.source):
            for given in self.graph.inputs:
                builder.input(given.name, given.dtype, _dims(given, self.graph))
        return builder.rmodel.inputs

    def __call__(self, sizes: Mapping[str, int] | None = None) -> RModel:
        """The RModel, with ``sizes`` for open dimensions by name; see :func:`translate` for what is raised."""
        with _errors_of(self.graph.source):
            rmodel = translate(self.graph, self.replace, sizes)
            rmodel.generate()
            return rmodel


def parse(
    source: Any,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    outputs: str | Sequence[str] | None = None,
    replace: Mapping[str, Callable[..., Any]] | None = None,
    sizes: Mapping[str, int] | None = None,
) -> RModel:
    """The RModel of a saved Keras model.

    ``source`` and ``config`` are those of :func:`files.read`; ``outputs`` names layers to end the model in instead
    of its own outputs; ``replace`` holds functions of Symbols that stand in for layers, by the layers' names;
    ``sizes`` fixes open dimensions by name. Inputs bear Keras's names; ``output_labels`` are Keras's
    ``output_names``, and ``output_structure`` says how Keras nests the outputs.

    Raises FileNotFoundError, ModelFileError, WeightsError, and UnsupportedLayerError, which lists every layer that
    stands in the way.
    """
    return Translation(read_graph(source, config, outputs), replace)(sizes)


@contextmanager
def _errors_of(source: str) -> Iterator[None]:
    """Every error within names the file."""
    try:
        yield
    except SofieError as error:
        raise error.of_file(source) from error
    except (MemoryError, RecursionError) as error:
        raise ModelFileError(f"{source}: the model is too big to be translated ({type(error).__name__})") from error


def read_graph(
    source: Any,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    outputs: str | Sequence[str] | None = None,
    untrusted: bool | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> LayerGraph:
    """The layer calls of a saved Keras model with their weights, before translation; see :func:`parse`.

    ``untrusted``: see :func:`sofie_jit.load`; ``meanwhile``: see :func:`forked.read`.
    """
    if untrusted is None:
        saved = forked.read(source, config, meanwhile)
    else:
        saved = (isolated if untrusted else files).read(source, config)
    with _errors_of(saved.source):
        try:
            model = dataclasses.replace(
                build(dialects.modernize(saved.config, saved.keras_version)), source=saved.source
            )
            if outputs is not None:
                model = model.cut([outputs] if isinstance(outputs, str) else list(outputs))
            weights.bind(model.root, saved, _weight_names)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            if isinstance(error, SofieError):
                raise
            raise ModelFileError(
                f"the model cannot be put together ({type(error).__name__}: {error!s:.300}); either its config is not "
                "what Keras writes, or this is a bug of sofie_jit"
            ) from error
    return model


def translate(
    model: LayerGraph,
    replace: Mapping[str, Callable[..., Any]] | None = None,
    sizes: Mapping[str, int] | None = None,
) -> RModel:
    """The RModel of a graph: the handler of each call, in order, or the function of ``replace`` for that layer.

    Open dimensions are named as :func:`_dims` says; ``sizes`` has numbers for those that shall not stay open.

    Raises UnsupportedLayerError listing all problems, and ModelFileError if ``replace`` names what is no layer.
    """
    replace = replace or {}
    names = {layer.name for layer, _ in model.root.leaves()}
    if unknown := [name for name in replace if name not in names]:
        raise ModelFileError(
            f"replace= names '{unknown[0]}', which is no layer of this model; there are: {', '.join(sorted(names))}"
        )
    rmodel = RModel(model.name)
    builder, masks = Builder(rmodel, KERAS), Masks()
    inputs = [
        builder.input(given.name, given.dtype, bind_shape(_dims(given, model), sizes or {})) for given in model.inputs
    ]
    results: dict[int, list[Any]] = {-1: list(inputs)}
    problems: list[str] = []
    unchecked: list[LayerNode] = []
    for number in model.needed():
        call = model.nodes[number]
        try:
            result = _run(call, results, builder, masks, replace.get(call.layer.name))
        except UnsupportedLayerError as error:
            problems.extend(problem for problem in error.problems if problem not in problems)
            continue
        if result is not None:
            results[number] = result
        else:
            unchecked.append(call)
    if problems:
        raise UnsupportedLayerError(problems)
    if unchecked:
        raise UnsupportedLayerError(
            f"{unchecked[0].layer}: the file keeps its weights in one list with those of a layer of an unknown class, "
            "so they cannot be told apart; save the model as .keras"
        )

    symbols = [_symbol(value, results, "an output") for value in flatten(model.outputs)]
    rmodel.add_output_tensor_names(symbol.name for symbol in symbols)
    rmodel.output_labels = list(model.output_names)
    rmodel.output_structure = _numbered(model.outputs, count())
    return rmodel


def _run(
    call: LayerNode,
    results: Mapping[int, list[Any]],
    builder: Builder,
    masks: Masks,
    replacement: Callable[..., Any] | None,
) -> list[Any] | None:
    """The tensors that a call gives; None if it cannot be checked because another layer was refused."""
    names = () if replacement else registry.weight_names(call.layer)
    if any(tensor.node not in results for tensor in call.tensors()):
        return None
    if names and not call.layer.weights:  # not told apart from an unknown layer's
        return None

    def symbol(leaf: Any) -> Any:
        return _symbol(leaf, results, str(call.layer)) if isinstance(leaf, TensorRef) else leaf

    if replacement:
        return _replaced(call, replacement, map_leaves(symbol, call.args), map_leaves(symbol, call.kwargs), builder)
    try:
        layer_call = LayerCall(call.layer, builder, masks)
        with np.errstate(divide="raise", over="raise", invalid="raise"):
            return flatten(layer_call(*map_leaves(symbol, call.args), **map_leaves(symbol, call.kwargs)))
    except SofieError as error:
        if str(call.layer) in str(error):
            raise
        raise type(error)(f"{call.layer}: {error}") from error
    except KeyError as error:
        raise ModelFileError(f"{call.layer}: its config lacks the option {error}") from error
    except FloatingPointError as error:
        raise ModelFileError(
            f"{call.layer}: its numbers lead to none ({error}): {dict(call.layer.config)!r:.300}"
        ) from error
    except (TypeError, ValueError, AttributeError, IndexError, ArithmeticError, MemoryError, RecursionError) as error:
        raise ModelFileError(
            f"{call.layer}: cannot be translated ({type(error).__name__}: {error}); either its config is not what "
            f"Keras writes, or this is a bug of sofie_jit. The config: {dict(call.layer.config)!r:.300}"
        ) from error


def _replaced(
    call: LayerNode, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], builder: Builder
) -> list[Any]:
    """The Symbols that a user's function gives in place of a layer; errors within it are the user's to see."""
    given = {key: value for key, value in kwargs.items() if key not in ("training", "mask") and value is not None}
    builder.origin = f"{call.layer}, replaced"
    result = flatten(function(*args, **given))
    builder.origin = ""
    if not all(isinstance(symbol, Symbol) for symbol in result):
        raise GraphError(
            f"{call.layer}: the function of replace= should return tensors made of those it is given, by arithmetic "
            f"and the functions of sofie_jit.ops; it returned {result!r:.100}"
        )
    return result


def _weight_names(layer: Layer) -> tuple[str, ...] | None:
    """For the matching of weights, which goes on around layers that are going to be refused."""
    try:
        return registry.weight_names(layer)
    except UnsupportedLayerError:
        return None


def _symbol(value: TensorRef, results: Mapping[int, list[Any]], what: str) -> Symbol:
    tensors = results[value.node]
    if not 0 <= value.index < len(tensors):
        raise ModelFileError(f"{what} is tensor {value.index} of a layer that gives {len(tensors)}")
    symbol: Symbol = tensors[value.index]
    if what == "an output" and not isinstance(symbol, Symbol):
        raise UnsupportedLayerError("the model gives the shape of a tensor as an output, which is not translated")
    return symbol


def _numbered(structure: Any, numbers: Iterator[int]) -> Any:
    """Nested outputs with each tensor replaced by its position in ``flatten`` order."""
    if isinstance(structure, Mapping):
        numbered = {key: _numbered(structure[key], numbers) for key in sorted(structure, key=str)}
        return {key: numbered[key] for key in structure}
    if isinstance(structure, (list, tuple)):
        return type(structure)(_numbered(part, numbers) for part in structure)
    return next(numbers)


def _dims(given: Input, model: LayerGraph) -> Shape:
    """The input's shape with names for open dimensions: ``time`` where there is but one, else the input's name too.

    The batch is open even where the config has a number for it, which Keras 3 takes from the first data it sees.
    """
    if given.shape is None:
        raise ModelFileError(
            f"the file does not say what shape the input '{given.name}' has; save the model after building it, "
            "model.build((None, ...)), or begin it with an InputLayer"
        )
    stateful = dialects.is_stateful([leaf.config for leaf, _ in model.root.leaves()])
    fixed = given.shape[0] if given.shape and stateful else None
    several = sum(None in (i.shape or ())[1:] for i in model.inputs) > 1 or list(given.shape[1:]).count(None) > 1
    prefix = "".join(c if c.isalnum() else "_" for c in given.name)
    names = [
        n if n is not None else f"dim{axis}_of_{prefix}" if several else "time" for axis, n in enumerate(given.shape)
    ]
    return (BATCH if fixed is None else fixed, *names[1:]) if names else ()
