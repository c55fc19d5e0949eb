"""An ONNX model as the reader returns it: checked, with numpy arrays for its tensors.

The classes consist of what the sandbox can send between processes (:mod:`sofie_jit.frontends.sandbox.wire`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field  # not those of records: files have a million nodes

import numpy as np

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.ir.weights import as_weight


@dataclass(frozen=True)
class Tensor:
    """A constant tensor of the file."""

    name: str
    dtype: str
    """Element type by numpy's name; those that numpy lacks have ONNX's name in lower case, such as ``bfloat16``."""
    shape: tuple[int, ...]
    stored: np.ndarray | None
    """The elements; those of bfloat16 as uint16, those of int4 and int2 as int8, of uint4 and uint2 as uint8.
    None for an element type that is not supported. Use :attr:`array`."""

    @property
    def array(self) -> np.ndarray:
        """The elements as an array of type ``dtype``; bfloat16 is converted to float32, which is exact.

        Raises UnsupportedLayerError, which names the tensor, for an element type that is not supported.
        """
        if self.stored is None:
            raise UnsupportedLayerError(
                f"the tensor '{self.name}' has elements of type {self.dtype}, which is not supported"
            )
        if self.dtype == "bfloat16":
            return np.asarray(np.left_shift(self.stored, 16, dtype=np.uint32)).view(np.float32)
        return as_weight(self.stored)


@dataclass(frozen=True)
class ValueInfo:
    """The type of an input or output, as far as the file tells it."""

    name: str
    dtype: str
    """Element type as in :class:`Tensor`; ``sequence``, ``optional``, ``map``, ``sparse_tensor`` or ``opaque`` for a
    value that is no tensor; '' if the file does not say."""
    shape: list[int | str | None] | None
    """A size, a name, or None for each axis; None for an unknown number of axes."""


@dataclass(frozen=True)
class Attribute:
    """An attribute of a node."""

    type: str
    """ONNX's name of the type, such as ``"INTS"``."""
    value: int | float | str | bytes | np.ndarray | list[str | bytes] | Tensor | Graph | None
    """INTS and FLOATS are arrays of int64 and float32, strings are bytes if they are not UTF-8, sparse tensors are made
    dense. None for a type that is not supported, and for a reference."""
    reference: str = ""
    """In the body of a function, the attribute of the call whose value this attribute takes."""


@dataclass(frozen=True)
class Node:
    """A call of an operator or of a function."""

    name: str
    """Unique in the model: the name in the file, or that of the first output."""
    op_type: str
    domain: str
    """'' for ONNX's own operators."""
    overload: str
    version: int
    """Version of the operator set that the call refers to; 0 for a function."""
    inputs: list[str]
    """Names of tensors; '' for an optional input that is omitted."""
    outputs: list[str]
    attributes: dict[str, Attribute]

    @property
    def type(self) -> str:
        """The operator's name, with its domain if that is not ONNX's."""
        return f"{self.domain}.{self.op_type}" if self.domain else self.op_type

    @property
    def label(self) -> str:
        """How messages call the node."""
        return f"{self.name} ({self.type})"

    @property
    def subgraphs(self) -> list[Graph]:
        """The graphs among the attributes."""
        return [a.value for a in self.attributes.values() if isinstance(a.value, Graph)]

    @functools.cached_property
    def uses(self) -> frozenset[str]:
        """Names of tensors that the node reads, its subgraphs included."""
        names = {name for graph in self.subgraphs for name in graph.outer_names}
        return frozenset(names.union(self.inputs) - {""})


@dataclass(frozen=True)
class Graph:
    """Nodes in execution order. Names of an enclosing graph can be used in a subgraph."""

    name: str
    inputs: list[ValueInfo]
    """Those that have no initializer."""
    outputs: list[ValueInfo]
    initializers: dict[str, Tensor]
    nodes: list[Node]

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """Names of the tensors that the graph defines, subgraphs not included."""
        computed = (name for node in self.nodes for name in node.outputs if name)
        return frozenset([*(value.name for value in self.inputs), *self.initializers, *computed])

    @functools.cached_property
    def outer_names(self) -> frozenset[str]:
        """Names that the graph uses and does not define."""
        used = {name for node in self.nodes for name in node.uses}
        return frozenset(used.union(value.name for value in self.outputs) - self.names)

    def walk(self) -> Iterator[Node]:
        """All nodes, those of subgraphs after the node that contains them."""
        for node in self.nodes:
            yield node
            for graph in node.subgraphs:
                yield from graph.walk()


@dataclass(frozen=True)
class Function:
    """A function of the model, which nodes call like an operator."""

    name: str
    domain: str
    overload: str
    inputs: list[str]
    outputs: list[str]
    defaults: dict[str, Attribute]
    """Values of attributes that a call does not give."""
    nodes: list[Node]

    @property
    def key(self) -> tuple[str, str, str]:
        """What a call refers to it by."""
        return self.domain, self.name, self.overload


@dataclass(frozen=True)
class OnnxModel:
    """The content of a file."""

    source: str
    """The path as it was given."""
    ir_version: int
    opsets: dict[str, int]
    """Version of each set of operators, by domain."""
    producer: str
    """Name and version of the program that wrote the file."""
    graph: Graph
    functions: list[Function] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
