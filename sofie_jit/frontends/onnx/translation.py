"""Translates an ONNX model to an RModel."""

from __future__ import annotations

import dataclasses
import difflib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from typing import Any

import numpy as np

from sofie_jit.errors import InputError, ModelFileError, UnsupportedLayerError
from sofie_jit.frontends import base
from sofie_jit.frontends.base import Problems, errors_of_file, errors_of_node
from sofie_jit.frontends.constants import computed
from sofie_jit.frontends.content import some
from sofie_jit.frontends.onnx import narrow
from sofie_jit.frontends.onnx.input_types import input_types, own_sizes
from sofie_jit.frontends.onnx.model import Graph, Node, OnnxModel, ValueInfo
from sofie_jit.frontends.onnx.nodes import registry
from sofie_jit.frontends.onnx.nodes.call import OnnxCall, UnrollingError
from sofie_jit.frontends.onnx.values import (
    Narrow,
    TensorSequence,
    Value,
    constant,
    dims_of,
    dtype_of,
    is_number,
    may_be_sizes,
)
from sofie_jit.frontends.replacement import as_tuple, call_replacement
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.dims import SymbolicDim, bind_shape
from sofie_jit.ir.operators.sizes import Sizes
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import DTYPES, TensorType
from sofie_jit.records import dataclass

MAX_UNROLLED = 10_000
"""Nodes that the iterations of loops may become, all together."""
MAX_ATTEMPTED = 3 * MAX_UNROLLED
"""Nodes of subgraphs that may be translated: loops are tried one iteration after the other, and then as loops."""


@dataclass
class Translation(base.Translation):
    """An ONNX model that can be translated for any sizes of its open dimensions."""

    model: OnnxModel
    replace: Mapping[str, Callable[..., Any]] | None = None
    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Inputs with a fixed value."""

    format = "ONNX"

    @property
    def source(self) -> str:
        """The name of the file in messages."""
        return self.model.source

    @property
    def inputs(self) -> dict[str, TensorType]:
        """Name -> type of the inputs that have no value yet; open dimensions have names, see :func:`input_types`."""
        with errors_of_file(self.source):
            types = input_types(self.model.graph, self._own_sizes)
        return {name: kind for name, kind in types.items() if name not in self.values}

    @functools.cached_property
    def _own_sizes(self) -> Mapping[str, str]:
        """See :func:`own_sizes`."""

        def translated(own: Mapping[str, str]) -> RModel:
            types = input_types(self.model.graph, own)
            rmodel = translate(self.model.graph, types, self.replace, None, self.values)
            rmodel.generate()
            return rmodel

        return own_sizes([value for value in self.model.graph.inputs if value.name not in self.values], translated)

    def with_values(self, values: Mapping[str, np.ndarray]) -> Translation:
        """See :meth:`base.Translation.with_values`. Raises InputError for a value that its input cannot have."""
        types = self.inputs
        if unknown := [name for name in values if name not in types]:
            raise InputError(f"{self.source}: there is no input '{unknown[0]}'; the inputs are {', '.join(types)}")
        arguments = {name: np.asarray(value) for name, value in values.items()}
        for name, array in arguments.items():
            kind, dtype = types[name], np.dtype(types[name].dtype)
            fits = array.ndim == kind.rank and all(
                isinstance(dim, SymbolicDim) or dim == size for dim, size in zip(kind.shape, array.shape, strict=True)
            )
            if not fits or not np.can_cast(array.dtype, dtype, "same_kind"):
                raise InputError(
                    f"{self.source}: the value of the input '{name}' is {array.dtype} {array.shape}; expected {kind}"
                )
            arguments[name] = array.astype(dtype)
        return dataclasses.replace(self, values={**self.values, **arguments})

    def __call__(self, sizes: Mapping[str, int] | None = None) -> RModel:
        """The RModel with ``sizes`` for open dimensions by name; raises the errors of :func:`translate`."""
        with errors_of_file(self.source):
            types = input_types(self.model.graph, self._own_sizes)
            rmodel = translate(self.model.graph, types, self.replace, sizes, self.values)
            rmodel.generate()
            return rmodel

    def nodes(self) -> list[base.Node]:
        """The operators in execution order, those of subgraphs after the operator that has them."""
        return [base.Node(node.name, node.type) for node in self.model.graph.walk()]

    @property
    def metadata(self) -> dict[str, str]:
        """The format, the program that saved the model, the versions of operators, and the file's own metadata."""
        opsets = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in self.model.opsets.items())
        saved = {"saved by": self.model.producer} if self.model.producer else {}
        known = {"format": self.format, **saved, "ir version": str(self.model.ir_version), "opsets": opsets}
        return self.model.metadata | known

    def original(self, source: Any, **options: Any) -> base.OriginalModel:
        """The file in ONNX Runtime."""
        from sofie_jit.frontends.onnx.original import original

        return original(source, self.model.graph)


def ending_in(graph: Graph, outputs: Sequence[str]) -> Graph:
    """The same graph with the tensors ``outputs`` as its outputs. Raises ModelFileError for a name that it lacks."""
    for name in outputs:
        if name not in graph.names:
            computed = dict.fromkeys(output for node in reversed(graph.nodes) for output in node.outputs if output)
            close = difflib.get_close_matches(name, graph.names, 1)
            meant = f" (did you mean '{close[0]}'?)" if close else ""
            raise ModelFileError(
                f"outputs= names '{name}', which is not a tensor of this model{meant}; the results of its nodes, from "
                f"the last to the first, are: {some(computed)}"
            )
    return dataclasses.replace(graph, outputs=[ValueInfo(name, "", None) for name in outputs])


# -- nodes -------------------------------------------------------------------------------------------------------------


def translate(
    graph: Graph,
    types: Mapping[str, TensorType],
    replace: Mapping[str, Callable[..., Any]] | None = None,
    sizes: Mapping[str, int] | None = None,
    values: Mapping[str, np.ndarray] | None = None,
) -> RModel:
    """Translates a graph node by node.

    ``types``: types of the inputs by name.
    ``replace``: functions of Symbols that take the place of nodes, by the nodes' names.
    ``sizes``: fixed sizes for open dimensions, by name.
    ``values``: fixed values for inputs, by name.

    Raises UnsupportedLayerError listing all problems, ValuesNeededError if values of inputs would solve them, and
    ModelFileError if ``replace`` names an unknown node.
    """
    names = dict.fromkeys(node.name for node in graph.walk() if node.name) if replace else {}
    if unknown := [name for name in replace or {} if name not in names]:
        raise ModelFileError(
            f"replace= names '{unknown[0]}', which is not a node of this model; "
            + (f"its nodes are: {some(names)}" if names else "its nodes have no names")
        )
    rmodel = RModel(graph.name or "model")
    builder = Builder(rmodel)
    stored = {value.name: value.dtype for value in graph.inputs}
    inputs: dict[str, Value] = {
        name: builder.input(name, kind.dtype, bind_shape(kind.shape, sizes or {}))
        for name, kind in types.items()
        if name not in (values or {})
    }
    inputs.update(values or {})
    inputs = {name: narrow.input_of(builder, value, stored[name]) for name, value in inputs.items()}
    translator = _Translator(builder, replace or {})
    outputs = translator.graph(graph, inputs)
    translator.problems.raise_all()
    _add_outputs(rmodel, translator, outputs, graph.outputs)
    return rmodel


def _add_outputs(
    rmodel: RModel, translator: _Translator, values: Sequence[Value | None], infos: Sequence[ValueInfo]
) -> None:
    """Makes ``values`` the outputs of ``rmodel``; a sequence becomes a list of outputs, ``name_0`` and so on."""
    flat: list[tuple[Value | None, ValueInfo]] = []
    structure: list[Any] = []
    for value, info in zip(values, infos, strict=True):
        first = len(flat)
        if isinstance(value, TensorSequence):
            flat += [
                (item, dataclasses.replace(info, name=f"{info.name}_{index}")) for index, item in enumerate(value.items)
            ]
            structure.append(list(range(first, len(flat))))
        else:
            flat.append((value, info))
            structure.append(first)
    symbols = [translator.output(value, info) for value, info in flat]
    if not symbols and infos:
        raise UnsupportedLayerError(f"the output '{infos[0].name}' is a sequence without tensors")
    rmodel.add_output_tensor_names(symbol.name for symbol in symbols)
    rmodel.output_labels = [info.name for _, info in flat]
    if any(isinstance(places, list) for places in structure):
        rmodel.output_structure = structure if len(structure) > 1 else structure[0]


def _needed(graph: Graph) -> list[Node]:
    """The nodes that the outputs depend on."""
    names, needed = {value.name for value in graph.outputs}, []
    for node in reversed(graph.nodes):
        if not names.isdisjoint(node.outputs):
            names |= node.uses
            needed.append(node)
    return needed[::-1]


class _Translator:
    def __init__(self, builder: Builder, replace: Mapping[str, Callable[..., Any]]):
        self.builder = builder
        self.replace = replace
        self.problems = Problems()
        self.unrolled = 0
        """Nodes of subgraphs that were translated, once for each iteration."""
        self.attempted = 0
        """The same with those that were removed again."""

    def graph(
        self, graph: Graph, outer: Mapping[str, Value], passing: tuple[type[UnsupportedLayerError], ...] = ()
    ) -> list[Value | None]:
        """The outputs of a graph whose nodes may use the values ``outer``.

        Of nodes that need the result of a refused node, only the operator is looked up; an output that does is None.
        ``passing``: errors that are raised, not collected.
        """
        values = {**outer, **{name: constant(tensor) for name, tensor in graph.initializers.items()}}
        needed = _needed(graph)
        used = frozenset().union(*(node.uses for node in needed), (info.name for info in graph.outputs))
        for node in needed:
            with self.problems.collected(passing):
                if all(name in values for name in node.uses):
                    results = self.node(node, values, used)
                    values.update({name: value for name, value in zip(node.outputs, results, strict=False) if name})
                elif node.name not in self.replace:
                    registry.find(node)
        return [values.get(info.name) for info in graph.outputs]

    def node(self, node: Node, values: Mapping[str, Value], used: frozenset[str]) -> Sequence[Value]:
        """The outputs of a node in a graph that uses the tensors ``used``."""
        call = OnnxCall(node, self.builder, used, values, self)
        inputs = [values[name] if name else None for name in node.inputs]
        if node.name in self.replace:
            return self.replaced(call, inputs)
        options = {name: given.value for name, given in node.attributes.items()}
        with errors_of_node(node.label, options, "ONNX", registry.translator(node)):
            results = registry.known_result(call, inputs)
            if results is None:
                handler, mark = registry.find(node), self.builder.mark()
                self.builder.origin = node.label
                results = handler(call, *call.arguments(handler, narrow.prepare(call, inputs)))
                results = narrow.conclude(call, results)
                self.builder.origin = ""
                if all(is_number(value) for value in inputs if value is not None):
                    results = self.evaluated(results, mark)
            call.check_attributes()
            return call.outputs(results)

    def evaluated(self, results: Any, mark: tuple[int, int]) -> Any:
        """Small integers that the operators after ``mark`` compute from constants, because sizes may follow from them.

        Returns other ``results`` as they are.
        """
        listed = results if isinstance(results, tuple) else (results,)
        if not all(isinstance(value, Symbol) and may_be_sizes(value) for value in listed):
            return results
        values = [computed(self.builder.rmodel, value.name) for value in listed]
        if any(value is None for value in values):
            return results
        self.builder.undo(mark)
        return tuple(map(np.asarray, values))  # evaluate may return scalars of numpy

    def branch(self, graph: Graph, values: Mapping[str, Value], *, repeated: bool = True) -> list[Value]:
        """The outputs of a subgraph, which may use ``values``. Loops that are unrolled call it for each iteration."""
        self.attempted += len(graph.nodes) + 1
        if self.attempted > MAX_ATTEMPTED:
            raise UnsupportedLayerError(f"the subgraphs of the model would become more than {MAX_ATTEMPTED:,} nodes")
        if repeated:
            self.check_iterations(graph, 1)
            self.unrolled += len(graph.nodes) + 1
        origin = self.builder.origin
        results = self.graph(graph, values, passing=(UnrollingError,))
        self.builder.origin = origin
        found = [value for value in results if value is not None]
        if len(found) < len(results):
            raise UnsupportedLayerError([])
        return found

    def check_iterations(self, graph: Graph, count: int) -> None:
        """See :meth:`OnnxCall.check_iterations`."""
        if self.unrolled + count * (len(graph.nodes) + 1) > MAX_UNROLLED:
            raise UnrollingError(f"its iterations would become more than {MAX_UNROLLED:,} nodes")

    @contextmanager
    def undone_on(self, error: type[Exception]) -> Iterator[None]:
        """See :meth:`OnnxCall.undone_on`."""
        unrolled = self.unrolled
        try:
            with self.builder.undone_on(error), self.problems.undone_on(error):
                yield
        except error:
            self.unrolled = unrolled
            raise

    def replaced(self, call: OnnxCall, inputs: Sequence[Value | None]) -> Sequence[Value]:
        """What a user's function returns in place of a node; its exceptions reach the user as they are."""
        function = self.replace[call.node.name]
        self.builder.origin = f"{call.label}, replaced"
        wide = zip(map(narrow.widened, inputs), call.node.inputs, strict=True)
        given = [None if value is None else call.symbol(value, name) for value, name in wide]
        result = call_replacement(call.label, function, given, {}, as_tuple)
        self.builder.origin = ""
        return call.outputs(as_tuple(result))

    def output(self, value: Value | None, info: ValueInfo) -> Symbol:
        """An output of the model as a tensor."""
        name = info.name
        if isinstance(value, Symbol):
            return value
        if isinstance(value, Narrow):
            return narrow.output_of(self.builder, value, name)
        if isinstance(value, np.ndarray) and value.dtype == object:
            sizes = ops.reshape(self.builder.add(Sizes(values=tuple(dims_of(value))), hint=name), value.shape)
            return ops.cast(sizes, "int32") if dtype_of(value) == "int32" else sizes
        if isinstance(value, np.ndarray) and value.dtype.name in DTYPES:
            return self.builder.constant(value, name)
        raise UnsupportedLayerError(f"the output '{name}' is of an unsupported type")
