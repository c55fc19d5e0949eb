"""Reads ONNX files: :func:`read_file` returns the model, whose structure has been checked.

:func:`read` reads in this process unless it is told that the file is untrusted. The reader is Python and numpy, which
no damage in a file can crash; the file's size bounds its time and memory, and it executes nothing. A forked copy, as
the HDF5 library needs one, would have to send the weights: 100 MB take 56 ms here (48 ms to read the bytes alone) and
240 ms in a copy.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.errors import ModelFileError
from sofie_jit.frontends import sandbox
from sofie_jit.frontends.base import errors_of_file
from sofie_jit.frontends.mapping import map_file
from sofie_jit.frontends.onnx import proto
from sofie_jit.frontends.onnx.model import Attribute, Function, Graph, Node, OnnxModel, Tensor, ValueInfo
from sofie_jit.frontends.onnx.protobuf import joined
from sofie_jit.frontends.onnx.tensors import Tensors, element_type

READER = "sofie_jit.frontends.onnx.reader:read_file"

OLDEST_IR, NEWEST_IR = 3, 14
"""Versions of the file format. Before 3, files did not tell the versions of their operators."""
MAX_NODES = 100_000
"""Maximum number of nodes of a model, those of functions included."""
NEWEST_OPSET = 28
"""The newest version of ONNX's operators that is known; a later one may change what an operator computes."""


def read(
    source: str | os.PathLike[str], *, untrusted: bool | None = None, meanwhile: Callable[[], object] | None = None
) -> OnnxModel:
    """Reads a file, in this process or, if it is ``untrusted``, in a process with limits; see :func:`sandbox.read`.

    Raises FileNotFoundError, and ModelFileError for a file that is damaged or contradicts itself.
    """
    model: OnnxModel = sandbox.read(READER, source, untrusted=bool(untrusted), meanwhile=meanwhile)
    return model


def read_file(path: Path) -> OnnxModel:
    """Reads a file in this process."""
    with errors_of_file(f"'{path}'"), _without_cycle_collection():
        return _Reader(path).model(proto.ModelProto.parse(map_file(path)))


@contextlib.contextmanager
def _without_cycle_collection() -> Iterator[None]:
    """Switches off the collector of cycles, which takes half of the time: a file becomes many objects and no cycles."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


# -- attributes --------------------------------------------------------------------------------------------------------

ATTRIBUTES = {
    1: ("FLOAT", "f"),
    2: ("INT", "i"),
    3: ("STRING", "s"),
    4: ("TENSOR", "t"),
    5: ("GRAPH", "g"),
    6: ("FLOATS", "floats"),
    7: ("INTS", "ints"),
    8: ("STRINGS", "strings"),
    9: ("TENSORS", "tensors"),
    10: ("GRAPHS", "graphs"),
    11: ("SPARSE_TENSOR", "sparse_tensor"),
    12: ("SPARSE_TENSORS", "sparse_tensors"),
    13: ("TYPE_PROTO", "tp"),
    14: ("TYPE_PROTOS", "type_protos"),
}
"""``AttributeProto.AttributeType`` -> its name, and the field with the value."""
FIELDS = [name for _, name in ATTRIBUTES.values()]
REQUIRED = {"TENSOR", "GRAPH", "SPARSE_TENSOR"}
"""Types whose value is a message, which cannot be left out like a number that is 0."""


def _text(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


# -- types -------------------------------------------------------------------------------------------------------------

OTHER_TYPES = ("sequence", "map", "optional", "opaque")


def value_info(value: proto.ValueInfoProto) -> ValueInfo:
    """The type of an input or output."""
    kind = value.type or proto.TypeProto()
    for other in OTHER_TYPES:
        if getattr(kind, f"{other}_type") is not None:
            return ValueInfo(value.name, other, None)
    if kind.sparse_tensor_type is not None:
        return ValueInfo(value.name, "sparse_tensor", None)
    if kind.tensor_type is None or not kind.tensor_type.elem_type:
        return ValueInfo(value.name, "", None)
    dtype = element_type(kind.tensor_type.elem_type, f"'{value.name}'").name
    shape = kind.tensor_type.shape
    return ValueInfo(value.name, dtype, None if shape is None else [_dim(dim) for dim in shape.dim])


def _declared(tensor: Tensor, value: ValueInfo) -> Tensor:
    """An initializer in the shape in which the inputs of the graph list it, if it has as many elements."""
    shape = tuple(size for size in value.shape or () if isinstance(size, int))
    known = value.shape is not None and len(shape) == len(value.shape)
    if not known or shape == tensor.shape or math.prod(shape) != math.prod(tensor.shape):
        return tensor
    stored = None if tensor.stored is None else tensor.stored.reshape(shape)
    return dataclasses.replace(tensor, shape=shape, stored=stored)


def _dim(dim: proto.Dimension) -> int | str | None:
    """A size, a name, or None; some exporters write -1, "?" or "None" for every unknown size."""
    if dim.dim_value is not None:
        return dim.dim_value if dim.dim_value >= 0 else None
    return None if dim.dim_param in ("", "?", "None", "-1") else dim.dim_param


# -- graphs ------------------------------------------------------------------------------------------------------------


class _Reader:
    """Reads the model in the file ``path``."""

    def __init__(self, path: Path):
        self.path = path
        self.tensors = Tensors(path)
        self.opsets: dict[str, int] = {}
        """Those of the model or of the function that is being read."""
        self.functions: set[tuple[str, str, str]] = set()
        self.node_names: Counter[str] = Counter()
        self.nodes_left = MAX_NODES
        self.in_function = False

    def model(self, model: proto.ModelProto) -> OnnxModel:
        if not OLDEST_IR <= model.ir_version <= NEWEST_IR:
            raise ModelFileError(
                f"the file's ir_version is {model.ir_version}; versions {OLDEST_IR} to {NEWEST_IR} are supported"
                + (": convert it with onnx.version_converter" if model.ir_version else "; is it an ONNX model?")
            )
        if model.graph is None:
            raise ModelFileError("the file has no graph; it is incomplete: fetch or save it again")
        opsets = _opsets(model.opset_import, "the model")
        if not opsets:
            raise ModelFileError("the file does not say which versions of operators it uses (opset_import)")
        for function in model.functions:
            if _key(function) in self.functions:
                raise ModelFileError(f"the function '{function.name}' is defined twice")
            self.functions.add(_key(function))
        self.opsets = opsets
        graph = self.graph(model.graph, [], "")
        functions = [self.function(function) for function in model.functions]
        return OnnxModel(
            source=str(self.path),
            ir_version=model.ir_version,
            opsets=opsets,
            producer=f"{model.producer_name} {model.producer_version}".strip(),
            graph=graph,
            functions=functions,
            metadata={entry.key: entry.value for entry in model.metadata_props},
        )

    def function(self, function: proto.FunctionProto) -> Function:
        what = f"function '{function.name}'"
        self.opsets = _opsets(function.opset_import, what)
        self.node_names, self.in_function = Counter(), True
        if name := _twice(function.input):
            raise ModelFileError(f"{what} has two inputs of the name '{name}'")
        defined = _defined([function.input], function.node, what)
        nodes = self.nodes(function.node, [defined], what)
        for name in function.output:
            if name not in defined:
                raise ModelFileError(f"{what}: no node computes its output '{name}'")
        defaults = {given.name: self.attribute(given, [], what) for given in function.attribute_proto}
        return Function(
            function.name, _domain(function.domain), function.overload, list(function.input), list(function.output),
            defaults, nodes,
        )  # fmt: skip

    def graph(self, graph: proto.GraphProto, outer: Sequence[set[str]], where: str) -> Graph:
        """A graph; ``outer`` are the names of the graphs around it, ``where`` begins messages about it."""
        initializers = [self.initializer(tensor, where) for tensor in graph.initializer]
        for sparse in graph.sparse_initializer:
            name = sparse.values.name if sparse.values else ""
            initializers.append(self.tensors.sparse(sparse, f"{where}sparse initializer '{name}'"))
        constants = {tensor.name: tensor for tensor in initializers}
        if len(constants) < len(initializers):
            raise ModelFileError(f"{where}the initializer '{_twice([t.name for t in initializers])}' is defined twice")
        inputs = [value_info(value) for value in graph.input]
        constants |= {
            value.name: _declared(constants[value.name], value) for value in inputs if value.name in constants
        }
        if name := _twice([value.name for value in inputs]):
            raise ModelFileError(f"{where}the input '{name}' is defined twice")
        given = dict.fromkeys([*(value.name for value in inputs), *constants])
        if "" in given:
            raise ModelFileError(f"{where}an input or an initializer has no name")
        defined = _defined([given], graph.node, where)
        nodes = self.nodes(graph.node, [*outer, defined], where)
        outputs = [value_info(value) for value in graph.output]
        for value in outputs:
            if not any(value.name in names for names in (defined, *outer)):
                raise ModelFileError(f"{where}no node computes the output '{value.name}'")
        inputs = [value for value in inputs if value.name not in constants]
        return Graph(graph.name, inputs, outputs, constants, nodes)

    def initializer(self, tensor: proto.TensorProto, where: str) -> Tensor:
        return self.tensors.dense(tensor, f"{where}initializer '{tensor.name}'")

    def nodes(self, nodes: Sequence[proto.NodeProto], scopes: Sequence[set[str]], where: str) -> list[Node]:
        """The nodes in an order in which each comes after those that compute its inputs.

        ``scopes``: the names that the nodes may use; the last set contains those of the graph itself.
        """
        self.nodes_left -= len(nodes)
        if self.nodes_left < 0:
            raise ModelFileError(f"the model has more than {MAX_NODES:,} nodes")
        read = [self.node(node, scopes, where) for node in nodes]
        for node in read:
            for name in node.uses:
                if not any(name in names for names in scopes):
                    raise ModelFileError(f"{where}{node.label} uses '{name}', which the model does not define")
        return _sorted(read, where)

    def node(self, node: proto.NodeProto, scopes: Sequence[set[str]], where: str) -> Node:
        name = self.unique(node.name or next(filter(None, node.output), "") or node.op_type)
        domain = _domain(node.domain)
        label = f"{where}{name} ({f'{domain}.' * bool(domain)}{node.op_type})"
        if not node.op_type:
            raise ModelFileError(f"{where}node '{name}' has no op_type")
        if (domain, node.op_type, node.overload) in self.functions:
            version = 0
        elif domain in self.opsets:
            version = self.opsets[domain]
        else:
            raise ModelFileError(
                f"{label}: the file does not say which version of the operators of '{domain or 'ai.onnx'}' it uses"
            )
        attributes = {given.name: self.attribute(given, scopes, label) for given in node.attribute}
        if len(attributes) < len(node.attribute):
            raise ModelFileError(f"{label} has the attribute '{_twice([a.name for a in node.attribute])}' twice")
        return Node(name, node.op_type, domain, node.overload, version, list(node.input), list(node.output), attributes)

    def unique(self, name: str) -> str:
        """``name``, with a number appended if another node has it."""
        unique = name
        while unique in self.node_names:
            unique = f"{name}_{self.node_names[name]}"
            self.node_names[name] += 1
        self.node_names[unique] = 1
        return unique

    def attribute(self, given: proto.AttributeProto, scopes: Sequence[set[str]], label: str) -> Attribute:
        what = f"{label}: attribute '{given.name}'"
        if given.type not in ATTRIBUTES:
            raise ModelFileError(f"{what} has the type {given.type}; ONNX defines 1 to {max(ATTRIBUTES)}")
        kind, name = ATTRIBUTES[given.type]
        for other in vars(given).keys() & FIELDS:
            value = getattr(given, other)
            if other != name and (value is not None and value != 0 and value != () and value != b""):
                raise ModelFileError(f"{what} is of type {kind}, but has a value in the field {other}")
        if given.ref_attr_name:
            if not self.in_function:
                raise ModelFileError(f"{what} refers to the attribute '{given.ref_attr_name}' of a function")
            return Attribute(kind, None, given.ref_attr_name)
        value = getattr(given, name)
        if value is None and kind in REQUIRED:
            raise ModelFileError(f"{what} is of type {kind} and has no value")
        return Attribute(kind, self.value(kind, value, scopes, what))

    def value(self, kind: str, value: Any, scopes: Sequence[set[str]], what: str) -> Any:
        """The value of an attribute; None for a type that no supported operator has."""
        if kind in ("FLOAT", "INT"):
            return value
        if kind in ("FLOATS", "INTS"):
            dtype = {"FLOATS": np.float32, "INTS": np.int64}[kind]
            return joined(value, {"FLOATS": "float", "INTS": "int64"}[kind]).astype(dtype)
        if kind == "STRING":
            return _text(value)
        if kind == "STRINGS":
            return [_text(text) for text in value]
        if kind == "TENSOR":
            return self.tensors.dense(value, what)
        if kind == "SPARSE_TENSOR":
            return self.tensors.sparse(value, what)
        if kind == "GRAPH":
            return self.graph(value, scopes, f"{what}: ")
        return None


# -- names -------------------------------------------------------------------------------------------------------------


def _domain(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain


def _key(function: proto.FunctionProto) -> tuple[str, str, str]:
    return _domain(function.domain), function.name, function.overload


def _opsets(imports: Iterable[proto.OperatorSetIdProto], what: str) -> dict[str, int]:
    """Domain -> version."""
    opsets: dict[str, int] = {}
    for given in imports:
        domain = _domain(given.domain)
        if opsets.setdefault(domain, given.version) != given.version:
            raise ModelFileError(
                f"{what} uses versions {opsets[domain]} and {given.version} of the operators of '{domain or 'ai.onnx'}'"
            )
    if not 1 <= opsets.get("", 1) <= NEWEST_OPSET:
        raise ModelFileError(
            f"{what} uses opset {opsets['']} of ONNX; the newest that is known is {NEWEST_OPSET}: convert it with "
            "onnx.version_converter, or export it for an older opset"
        )
    return opsets


def _twice(names: Iterable[str]) -> str:
    """A name that occurs twice; '' if there is none."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""


def _defined(given: Iterable[Iterable[str]], nodes: Sequence[proto.NodeProto], where: str) -> set[str]:
    """The names that a graph defines: those ``given`` and the outputs of nodes."""
    defined = {name for names in given for name in names}
    for node in nodes:
        for name in node.output:
            if name in defined:
                raise ModelFileError(
                    f"{where}'{name}' is defined twice, the second time by {node.op_type} '{node.name}'"
                )
            if name:
                defined.add(name)
    return defined


def _sorted(nodes: list[Node], where: str) -> list[Node]:
    """``nodes`` in an order in which they can be executed; the same order if possible.

    Raises ModelFileError if there is none.
    """
    producer = {name: index for index, node in enumerate(nodes) for name in node.outputs if name}
    needs = [{producer[name] for name in node.uses if name in producer} for node in nodes]
    if all(index > max(needed, default=-1) for index, needed in enumerate(needs)):
        return nodes
    users: list[list[int]] = [[] for _ in nodes]
    for index, needed in enumerate(needs):
        for other in needed:
            users[other].append(index)
    missing = [len(needed) for needed in needs]
    ready = [index for index in reversed(range(len(nodes))) if not missing[index]]
    order = []
    while ready:
        index = ready.pop()
        order.append(nodes[index])
        for user in reversed(users[index]):
            missing[user] -= 1
            if not missing[user]:
                ready.append(user)
    if len(order) < len(nodes):
        stuck = next(node for node, count in zip(nodes, missing, strict=True) if count)
        raise ModelFileError(f"{where}the graph has a cycle: {stuck.label} needs its own result")
    return order
