"""OnnxCall: one node, as its handler sees it."""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.base import NodeCall, ValuesNeededError
from sofie_jit.frontends.constants import computed
from sofie_jit.frontends.onnx.model import Graph, Node, Tensor
from sofie_jit.frontends.onnx.size_values import size_values
from sofie_jit.frontends.onnx.values import (
    Narrow,
    TensorSequence,
    Value,
    dims_of,
    dtype_of,
    inputs_of,
    is_parameter,
    sizes_of_value,
)
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.dims import SymbolicDim
from sofie_jit.ir.operators import unsupported
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.sizes import Sizes
from sofie_jit.ir.ops import cast, reshape
from sofie_jit.ir.types import DTYPES

Handler = Callable[..., Any]

Operator = TypeVar("Operator", bound=ROperator)

REQUIRED = object()
"""The default of attributes that must be given."""
READ: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "int": ("INT", int),
    "bool": ("INT", bool),
    "float": ("FLOAT", float),
    "str": ("STRING", lambda value: value),
    "Sequence[int]": ("INTS", lambda value: value.tolist()),
}
"""Annotation of an operator's field -> type of the attribute, and how its value is converted."""


@cache
def parameters(handler: Handler) -> tuple[list[tuple[str, Any, bool]], tuple[str, Any, bool] | None]:
    """Name, kind and whether it may be omitted of each input; and of those that follow if there may be any number."""
    hints = get_type_hints(handler)
    listed: list[tuple[str, Any, bool]] = []
    more = None
    for parameter in list(inspect.signature(handler).parameters.values())[1:]:
        hint = hints.get(parameter.name, Symbol)  # functions of users need no annotations
        kinds = set(get_args(hint)) if get_origin(hint) in (Union, types.UnionType) else {hint}
        is_optional = types.NoneType in kinds or parameter.default is not parameter.empty
        kinds -= {types.NoneType}
        kind = kinds.pop() if len(kinds) == 1 else Value
        if parameter.kind is parameter.VAR_POSITIONAL:
            more = (parameter.name, kind, kind is not hint)
        else:
            listed.append((parameter.name, kind, is_optional))
    return listed, more


class UnrollingError(UnsupportedLayerError):
    """Iterations of a loop cannot be translated one by one: their number is not known, or too large."""

    def __init__(self, problems: str | Sequence[str], source: str = "", cause: UnsupportedLayerError | None = None):
        super().__init__(problems, source)
        self.cause = cause
        """The error that says what is not known."""


class Subgraphs(Protocol):
    """Translates the subgraphs of a node."""

    def branch(self, graph: Graph, values: Mapping[str, Value], *, repeated: bool = True) -> list[Value]:
        """See :meth:`OnnxCall.translate`."""

    def check_iterations(self, graph: Graph, count: int) -> None:
        """See :meth:`OnnxCall.check_iterations`."""

    def undone_on(self, error: type[Exception]) -> AbstractContextManager[None]:
        """See :meth:`OnnxCall.undone_on`."""


class OnnxCall(NodeCall):
    """One node, as its handler sees it."""

    def __init__(
        self,
        node: Node,
        builder: Builder,
        used: frozenset[str],
        values: Mapping[str, Value],
        subgraphs: Subgraphs,
    ):
        super().__init__(node.name, node.label, builder)
        self.node = node
        self.used = used
        """Names of the tensors that the graph uses."""
        self._values = values
        self._subgraphs = subgraphs
        self.dtypes: list[str | None] = []
        """Element types of the inputs in ONNX, None for an omitted one; tensors of 16 bits are given in float32."""
        self.narrow: str | None = None
        """The type of 16 bits, float16 or bfloat16, that results of float32 are rounded to."""
        self._read: set[str] = set()

    def translate(
        self, graph: Graph, inputs: Mapping[str, Value] | None = None, *, repeated: bool = True
    ) -> list[Value]:
        """The outputs of a subgraph, which is executed with these values of its inputs.

        ``repeated``: whether this may be one of many iterations. Raises UnrollingError if they become too many nodes.
        """
        return self._subgraphs.branch(graph, {**self._values, **(inputs or {})}, repeated=repeated)

    def check_iterations(self, graph: Graph, count: int) -> None:
        """Raises UnrollingError if this number of iterations of a subgraph would become too many nodes."""
        self._subgraphs.check_iterations(graph, count)

    def outer_value(self, name: str) -> Value | None:
        """The tensor ``name`` of the graph that has the node; None if there is none."""
        return self._values.get(name)

    def undone_on(self, error: type[Exception]) -> AbstractContextManager[None]:
        """Removes all that handlers add to the model in the context if an ``error`` leaves it."""
        return self._subgraphs.undone_on(error)

    # -- attributes ----------------------------------------------------------------------------------------------

    def _attribute(self, name: str, kind: str, default: Any) -> Any:
        self._read.add(name)
        given = self.node.attributes.get(name)
        if given is None:
            if default is REQUIRED:
                self.refuse(f"the attribute '{name}' is missing")
            return default
        if given.type != kind:
            self.refuse(f"the attribute '{name}' is of type {given.type}; expected {kind}")
        return given.value

    def integer(self, name: str, default: Any = REQUIRED) -> int:
        """An attribute of type INT; without a default it must be given."""
        value: int = self._attribute(name, "INT", default)
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """An attribute of type INT that is 0 or 1."""
        return bool(self._attribute(name, "INT", default))

    def number(self, name: str, default: Any = REQUIRED) -> float:
        """An attribute of type FLOAT; without a default it must be given."""
        value: float = self._attribute(name, "FLOAT", default)
        return value

    def text(self, name: str, default: Any = REQUIRED) -> str:
        """An attribute of type STRING; without a default it must be given."""
        value = self._attribute(name, "STRING", default)
        if not isinstance(value, str):
            self.refuse(f"the attribute '{name}' is not text")
        return value

    def integers(self, name: str) -> list[int] | None:
        """An attribute of type INTS; None if it is not given."""
        value = self._attribute(name, "INTS", None)
        return None if value is None else value.tolist()

    def numbers(self, name: str) -> list[float] | None:
        """An attribute of type FLOATS; None if it is not given."""
        value = self._attribute(name, "FLOATS", None)
        return None if value is None else value.tolist()

    def texts(self, name: str) -> list[str | bytes] | None:
        """An attribute of type STRINGS; None if it is not given."""
        value: list[str | bytes] | None = self._attribute(name, "STRINGS", None)
        return value

    def tensor(self, name: str) -> Tensor | None:
        """An attribute of type TENSOR; None if it is not given."""
        value: Tensor | None = self._attribute(name, "TENSOR", None)
        return value

    def graph(self, name: str) -> Graph:
        """An attribute of type GRAPH."""
        value: Graph = self._attribute(name, "GRAPH", REQUIRED)
        return value

    def has(self, name: str) -> bool:
        """Whether the node has an attribute."""
        return name in self.node.attributes

    def ignore(self, *names: str) -> None:
        """Declares that attributes do not affect the results."""
        self._read.update(names)

    def operator(self, kind: type[Operator], *attributes: str, **given: Any) -> Operator:
        """An operator with ``attributes`` of the node, by their names; those that it omits have ONNX's defaults.

        ``given``: further attributes.
        """
        annotations = {field.name: str(field.type) for field in dataclasses.fields(kind)}
        for name in attributes:
            if self.has(name):
                kind_of_attribute, convert = READ[annotations[name].removesuffix(" | None")]
                given[name] = convert(self._attribute(name, kind_of_attribute, None))
        required = {f.name for f in dataclasses.fields(kind) if f.default is f.default_factory is dataclasses.MISSING}
        if missing := sorted(required - given.keys()):
            self.refuse(f"the attribute '{missing[0]}' is missing")
        return kind(**given)

    def check_attributes(self) -> None:
        """Refuses the node if it has attributes that were not looked at and that could affect the results."""
        unread = {name: given.value for name, given in self.node.attributes.items() if name not in self._read}
        reasons = unsupported.problems(self.node.op_type, unread)
        unknown = sorted(unread.keys() - unsupported.UNSUPPORTED.get(self.node.op_type, {}).keys())
        if reasons or unknown:
            self.refuse(reasons[0] if reasons else f"the attribute '{unknown[0]}' is not supported")

    # -- values --------------------------------------------------------------------------------------------------

    def arguments(self, handler: Handler, inputs: Sequence[Value | None]) -> list[Any]:
        """The arguments of a handler: the inputs as its parameters take them."""
        listed, more = parameters(handler)
        kinds = [*listed, *[more] * (len(inputs) - len(listed))] if more else listed
        if extra := [name for name in self.node.inputs[len(kinds) :] if name]:
            self.refuse(f"its input '{extra[0]}', number {len(kinds) + 1}, is not supported")
        given = [*zip(inputs, self.node.inputs, strict=True), *[(None, "")] * len(kinds)]
        return [self._argument(*kind, *pair) for kind, pair in zip(kinds, given, strict=False)]

    def _argument(self, name: str, kind: Any, is_optional: bool, value: Value | None, tensor: str) -> Any:
        if value is None:
            if not is_optional:
                self.refuse(f"its input '{name}' is missing")
        elif kind is Symbol:
            return self.symbol(value, tensor)
        elif kind is np.ndarray and isinstance(value, Symbol):
            return self.constant_value(value, name)
        elif isinstance(value, Tensor) or (kind is np.ndarray and isinstance(value, Narrow)):
            self.refuse(f"its input '{tensor}' is of type {value.dtype}, which is not supported")
        return value

    def constant_value(self, symbol: Symbol, name: str, only: str = "constants") -> np.ndarray:
        """The values of a tensor that is computed from constants; refuses one that depends on inputs of the model.

        ``only`` is the word in the message for what is supported.

        Raises ValuesNeededError if it depends on small inputs only, whose values the model could be compiled for, and
        SizesNeededError if it depends on sizes only.
        """
        value = computed(self.builder.rmodel, symbol.name)
        if value is None:
            value = size_values(self.builder.rmodel, symbol.name)
        if value is not None:
            return value
        inputs = inputs_of(self.builder.rmodel, symbol.name)
        if self.is_parameter(symbol):
            listed = ", ".join(repr(given) for given in sorted(inputs))
            problem = f"its input '{name}' must be known; give the value of the model's input {listed} with values="
            raise ValuesNeededError(f"{self.label}: {problem}", names=inputs)
        if not inputs:
            self.need_sizes(f"its input '{name}'", sizes_of_value(self.builder.rmodel, symbol.name))
        self.refuse(f"its input '{name}' is computed by the model; only {only} are supported")

    def known_number(self, value: Value, name: str, only: str) -> int:
        """An integer that must be known, from a tensor of one element; as :meth:`constant_value`."""
        known = self.constant_value(value, name, only) if isinstance(value, Symbol) else value
        if not isinstance(known, (np.ndarray, np.generic)) or known.size != 1:
            self.refuse(f"its input '{name}' is of type {known.dtype} and shape {known.shape}; expected one number")
        (dim,) = dims_of(np.asarray(known))
        if isinstance(dim, SymbolicDim):
            self.need_sizes(f"its input '{name}'", dim.names)
            self.refuse(f"its input '{name}' is {dim}, which depends on data; only {only} are supported")
        return dim

    def is_parameter(self, symbol: Symbol) -> bool:
        """Whether a tensor depends on inputs, and on numbers and vectors only, whose values can be compiled in."""
        types, inputs = self.builder.rmodel.inputs, inputs_of(self.builder.rmodel, symbol.name)
        return bool(inputs) and all(is_parameter(types[name]) for name in inputs)

    def known(self, symbol: Symbol) -> np.ndarray | None:
        """The values of a tensor that is computed from constants; None for another one."""
        return computed(self.builder.rmodel, symbol.name)

    def weight(self, value: Value, name: str) -> Symbol:
        """A value as a tensor of the RModel: a constant if it depends on no input of the model, or else computed."""
        known = self.known(value) if isinstance(value, Symbol) else None
        return self.symbol(value if known is None else known, name)

    def symbol(self, value: Value, name: str) -> Symbol:
        """A value as a tensor of the RModel; ``name`` is that of the tensor in the file."""
        if isinstance(value, Symbol):
            return value
        if isinstance(value, TensorSequence):
            self.refuse(f"its input '{name}' is a sequence of tensors; expected a tensor")
        if value.dtype == object:
            sizes = reshape(self.add(Sizes(values=tuple(dims_of(value)))), value.shape)
            return cast(sizes, "int32") if dtype_of(value) == "int32" else sizes
        if not isinstance(value, np.ndarray) or value.dtype.name not in DTYPES:
            self.refuse(f"its input '{name}' is of type {value.dtype}; supported are {', '.join(DTYPES)}")
        return self.builder.constant(value, name or f"{self.name}/constant")

    def wants(self, index: int) -> bool:
        """Whether the graph uses the output ``index``, counted from 0."""
        return self.node.outputs[index : index + 1] != [] and self.node.outputs[index] in self.used

    def outputs(self, results: Any) -> Sequence[Value]:
        """What a handler returned as a list; refuses outputs that the graph uses and the handler did not return."""
        listed: Sequence[Value] = results if isinstance(results, tuple) else (results,)
        if missing := [i for i in range(len(listed), len(self.node.outputs)) if self.wants(i)]:
            name = self.node.outputs[missing[0]]
            self.refuse(f"its output '{name}', number {missing[0] + 1}, is not supported")
        return listed
