"""GraphWriter: collects the nodes of an ONNX graph while the operators of an RModel are visited."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field
from typing import Any

import numpy as np

from sofie_jit.ir.dims import Dim, SymbolicDim
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass


@dataclass
class Node:
    """A node. The value of an attribute is a number, a text, a sequence of them, an array or a :class:`Body`."""

    op_type: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Body:
    """The graph of a node such as Scan. It may read tensors of the enclosing graph."""

    inputs: list[tuple[str, TensorType]]
    outputs: list[tuple[str, TensorType]]
    nodes: list[Node] = field(default_factory=list)


class GraphWriter:
    """Nodes and constants of a graph.

    Rules (:mod:`sofie_jit.export.onnx.nodes`) call it with the name of an operator of ONNX, the names of the inputs and
    the attributes; the result is the name of the output:

    >>> g = GraphWriter({"x": TensorType("float32", ("batch", 3))})
    >>> g("Sub", g("Exp", "x"), g.number(1, "float32"))
    '_Sub'
    >>> [node.op_type for node in g.nodes]
    ['Exp', 'Sub']

    ``types``: the types of the tensors of the RModel. Rules add those of tensors that they pass to other rules.
    """

    def __init__(self, types: dict[str, TensorType]):
        self.types = types
        self.nodes: list[Node] = []
        self.constants: dict[str, np.ndarray] = {}
        self.channels_first: dict[str, str] = {}
        """Tensors with channels last -> the same tensor with channels first."""
        self.opset = 18
        self.final: dict[str, str] = {}
        """Results of nodes -> the tensors of the RModel whose names they get in the file."""
        self._sizes: dict[str, tuple[str, int]] = {}
        """Names of run-time dimensions -> an input and its axis of that size."""
        self._names = set(types)
        self._counts: dict[str, int] = {}
        self._shared: dict[tuple[Any, ...], str] = {}
        """Small constants, and nodes that compute sizes, which are used again."""

    def __call__(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node with one output. An input ``""`` is left out, and so are attributes that are None."""
        return self.several(1, op_type, *inputs, **attributes)[0]

    def several(self, outputs: int, op_type: str, *inputs: str, **attributes: Any) -> tuple[str, ...]:
        """Adds a node with this number of outputs."""
        names = [self.unique(f"_{op_type}") for _ in range(outputs)]
        given = list(inputs)
        while given and not given[-1]:
            given.pop()
        self.nodes.append(Node(op_type, given, names, {k: v for k, v in attributes.items() if v is not None}))
        return tuple(names)

    def unique(self, hint: str) -> str:
        """A name that no tensor has."""
        name = hint
        while name in self._names:
            self._counts[hint] = count = self._counts.get(hint, 0) + 1
            name = f"{hint}_{count}"
        self._names.add(name)
        return name

    def bind(self, output: str, result: str) -> None:
        """Makes ``result`` the tensor ``output`` of the RModel."""
        if result in self.types or result in self.final or result in self.constants:  # it has a name already
            result = self("Identity", result)
        self.final[result] = output

    # -- types and constants -------------------------------------------------------------------------------------

    def dtype(self, name: str) -> str:
        """The element type of a tensor of the RModel."""
        return self.types[name].dtype

    def shape(self, name: str) -> tuple[Dim, ...]:
        """The shape of a tensor of the RModel."""
        return self.types[name].shape

    def constant(self, values: Any, dtype: str | None = None) -> str:
        """The name of a constant; the same small values given twice are one constant."""
        array = np.asarray(values, dtype)
        key = (array.dtype.name, array.shape, array.tobytes()) if array.size <= 16 else None
        if key is not None and key in self._shared:
            return self._shared[key]
        name = self.unique("_constant")
        self.constants[name] = array
        self.types[name] = TensorType(array.dtype.name, array.shape)
        if key is not None:
            self._shared[key] = name
        return name

    def number(self, value: float, dtype: str) -> str:
        """The name of a constant without axes."""
        return self.constant(value, dtype)

    def integers(self, values: Iterable[int]) -> str:
        """The name of a constant vector of int64, which ONNX uses for axes, pads and shapes."""
        return self.constant(list(values), "int64")

    # -- sizes ---------------------------------------------------------------------------------------------------

    def add_sizes(self, name: str) -> None:
        """Makes the sizes of an input, or those that an operator sets, known to :meth:`size`."""
        for axis, dim in enumerate(self.shape(name)):
            if isinstance(dim, SymbolicDim) and dim.names == (str(dim),):
                self._sizes.setdefault(str(dim), (name, axis))

    def size(self, dim: Dim) -> str:
        """The name of a vector with one element, int64: the size ``dim``."""
        if not isinstance(dim, SymbolicDim):
            return self.integers([dim])
        return self._size(ast.parse(str(dim), mode="eval").body)  # a dimension is printed as Python's arithmetic

    def _size(self, expression: ast.expr) -> str:
        match expression:
            case ast.Constant(value=int(value)):
                return self.integers([value])
            case ast.Name(id=name):
                source, axis = self._sizes[name]
                return self._once("Shape", source, start=axis, end=axis + 1)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._once("Neg", self._size(operand))
            case ast.BinOp(left=left, op=ast.FloorDiv(), right=right):
                return self._floor_divided(self._size(left), self._size(right))
            case ast.BinOp(left=left, op=op, right=right):
                return self._once(_ARITHMETIC[type(op)], self._size(left), self._size(right))
            case ast.Call(func=ast.Name(id=function), args=arguments):
                return self._once(_ARITHMETIC[function], *map(self._size, arguments))
        raise AssertionError(f"unexpected size expression: {ast.unparse(expression)}")

    def _floor_divided(self, a: str, b: str) -> str:
        """ONNX's Div rounds integers towards zero, a dimension's ``//`` down; Mod has the sign of the divisor."""
        return self._once("Div", self._once("Sub", a, self._once("Mod", a, b)), b)

    def sizes(self, shape: Sequence[Dim]) -> str:
        """The name of a vector of int64 with the sizes of ``shape``, as Reshape and Expand take it."""
        if not any(isinstance(dim, SymbolicDim) for dim in shape):
            return self.integers(dim for dim in shape if isinstance(dim, int))
        return self._once("Concat", *map(self.size, shape), axis=0)

    def _once(self, op_type: str, *inputs: str, **attributes: int) -> str:
        """Like :meth:`__call__`; a node that exists already is not added again."""
        key = (op_type, inputs, *sorted(attributes.items()))
        if key not in self._shared:
            self._shared[key] = self(op_type, *inputs, **attributes)
        return self._shared[key]

    # -- movement ------------------------------------------------------------------------------------------------

    def transpose(self, x: str, perm: Sequence[int]) -> str:
        """``x`` with its axes in another order. A constant is transposed now."""
        if list(perm) == sorted(perm):
            return x
        if x in self.constants:
            return self.constant(np.ascontiguousarray(self.constants[x].transpose(perm)))
        return self("Transpose", x, perm=list(perm))

    def reshape(self, x: str, shape: Sequence[Dim]) -> str:
        """``x`` under another shape. A constant is reshaped now."""
        if x in self.constants:
            return self.constant(self.constants[x].reshape([dim for dim in shape if isinstance(dim, int)]))
        return self("Reshape", x, self.sizes(shape))

    def first(self, x: str) -> str:
        """Images with channels last as images with channels first."""
        if x not in self.channels_first:
            kind = self.types[x]
            perm = to_first(kind.rank)
            self.channels_first[x] = self.transpose(x, perm)
            self.types[self.channels_first[x]] = TensorType(kind.dtype, tuple(kind.shape[axis] for axis in perm))
        return self.channels_first[x]

    def last(self, y: str, output: str) -> str:
        """Images ``y`` with channels first as the tensor ``output``, which has channels last."""
        kind = self.types[output]
        self.channels_first[output] = y
        self.types[y] = TensorType(kind.dtype, tuple(kind.shape[axis] for axis in to_first(kind.rank)))
        return self.transpose(y, to_last(kind.rank))

    def cast(self, x: str, dtype: str, given: str) -> str:
        """``x``, of element type ``given``, as ``dtype``."""
        if dtype == given:
            return x
        return self("Cast", x, to=np.dtype(dtype))

    # -- bodies --------------------------------------------------------------------------------------------------

    @contextmanager
    def body(self, inputs: Sequence[TensorType]) -> Iterator[Body]:
        """A :class:`Body` with inputs of these types. The nodes that are added in the context belong to it."""
        names = [(self.unique("_input"), kind) for kind in inputs]
        self.types.update(names)
        body = Body(names, [])
        outer = self.nodes, dict(self._shared), dict(self.channels_first)
        self.nodes = body.nodes
        yield body
        made = {self.final.get(output, output): output for node in body.nodes for output in node.outputs}
        own, outputs = set(made.values()), []
        for tensor, kind in body.outputs:  # of the body's own nodes, and no name twice, as runtimes require
            name = made.get(tensor, tensor)
            outputs.append((name if name in own else self("Identity", name), kind))
            own.discard(name)
        body.outputs = outputs
        self.nodes, self._shared, self.channels_first = outer


_ARITHMETIC: dict[Any, str] = {ast.Add: "Add", ast.Sub: "Sub", ast.Mult: "Mul", "min": "Min", "max": "Max"}


def to_first(rank: int) -> list[int]:
    """The order of axes that moves the last axis to place 1.

    >>> to_first(4)
    [0, 3, 1, 2]
    """
    return [0, rank - 1, *range(1, rank - 1)]


def to_last(rank: int) -> list[int]:
    """The order of axes that moves axis 1 to the end.

    >>> to_last(4)
    [0, 2, 3, 1]
    """
    return [0, *range(2, rank), 1]
