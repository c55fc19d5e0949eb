"""Writes an RModel as an ONNX file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.export.onnx.graph import Body, GraphWriter, Node
from sofie_jit.export.onnx.operators import check_rules, write_operator
from sofie_jit.frontends.onnx import proto
from sofie_jit.frontends.onnx.protobuf import repeated
from sofie_jit.frontends.onnx.serialize import serialize
from sofie_jit.frontends.onnx.tensors import ELEMENT_TYPES, EXTERNAL
from sofie_jit.ir.dims import SymbolicDim
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType
from sofie_jit.passes.explicit_states import explicit_states
from sofie_jit.passes.restore_operators import restore_operators
from sofie_jit.records import dataclass
from sofie_jit.report.output_file import with_suffix

IR_VERSION = 9
"""The version of the file format: that of opset 19 and 20; runtimes accept older ones."""
MOST_BYTES = (1 << 31) - (1 << 20)
"""Protocol Buffers do not allow larger files; more weights go to a file of their own."""
SMALLEST_EXTERNAL = 1024
"""Bytes of a tensor from which on it goes to that file."""
ALIGNMENT = 4096

DATA_TYPES = {element.name: number for number, element in ELEMENT_TYPES.items()}
"""Names of element types, numpy's where numpy has them -> ``TensorProto.DataType``."""
FLOAT, INT, STRING, TENSOR, GRAPH, FLOATS, INTS, STRINGS = 1, 2, 3, 4, 5, 6, 7, 8
"""``AttributeProto.AttributeType``."""


@dataclass(frozen=True)
class GraphProto(proto.GraphProto):
    """With the types of intermediate tensors, which the reader skips."""

    value_info: Sequence[proto.ValueInfoProto] = repeated(13, "ValueInfoProto")


def write_onnx(rmodel: RModel, path: Path) -> Path:
    """Writes ``rmodel`` as an ONNX file; see :meth:`RModel.save_onnx`. Returns ``path``."""
    with_suffix(path, (".onnx",), "an ONNX file")
    model, weights = onnx_model(rmodel)
    large = sum(values.nbytes for values in weights.values()) > MOST_BYTES
    data = path.with_name(path.name + ".data")
    if large:
        _write(data, _external_pieces(weights))
    tensors, place = [], 0
    for name, values in weights.items():
        external = large and values.nbytes >= SMALLEST_EXTERNAL
        tensors.append(_external(name, values, data.name, place) if external else _tensor(values, name))
        place += _padded(values.nbytes) if external else 0
    graph = GraphProto(**{**vars(model.graph), "initializer": tensors})
    _write(path, serialize(proto.ModelProto(**{**vars(model), "graph": graph})))
    return path


def onnx_model(rmodel: RModel) -> tuple[proto.ModelProto, dict[str, np.ndarray]]:
    """The file without initializers, and the initializers. Raises UnsupportedLayerError for operators without rules."""
    network = restore_operators(explicit_states(rmodel))
    network.generate()
    labels = network.output_labels or network.outputs
    writer = GraphWriter({name: network.tensor_type(name) for name in _tensors(network)})
    writer.constants.update(network.initialized)
    for name in network.inputs:
        writer.add_sizes(name)
    check_rules(network)
    for op in network.operators:
        write_operator(writer, op)
    outputs = _outputs(writer, network, labels)
    nodes = _needed([_renamed(node, writer.final) for node in writer.nodes], [name for name, _ in outputs])
    used = {name for node in nodes for name in _reads(node)}
    weights = {name: values for name, values in writer.constants.items() if name in used}
    computed = {name for node in nodes for name in node.outputs} - {name for name, _ in outputs}
    graph = GraphProto(
        name=network.name,
        node=[_node(node) for node in nodes],
        input=[_value(name, kind) for name, kind in network.inputs.items()],
        output=[_value(name, kind) for name, kind in outputs],
        value_info=[_value(name, kind) for name, kind in network.intermediate.items() if name in computed],
    )
    return proto.ModelProto(
        ir_version=IR_VERSION,
        producer_name="sofie_jit",
        producer_version=sys.modules["sofie_jit"].__version__,
        graph=graph,
        opset_import=[proto.OperatorSetIdProto(version=writer.opset)],
    ), weights


def _tensors(rmodel: RModel) -> list[str]:
    return [*rmodel.inputs, *rmodel.initialized, *rmodel.intermediate]


# -- operators ---------------------------------------------------------------------------------------------------------


def _renamed(node: Node, names: Mapping[str, str]) -> Node:
    """``node`` with other names of tensors, also in its body."""
    attributes = {
        key: _renamed_body(value, names) if isinstance(value, Body) else value for key, value in node.attributes.items()
    }
    inputs, outputs = ([names.get(name, name) for name in listed] for listed in (node.inputs, node.outputs))
    return Node(node.op_type, inputs, outputs, attributes)


def _renamed_body(body: Body, names: Mapping[str, str]) -> Body:
    outputs = [(names.get(name, name), kind) for name, kind in body.outputs]
    return Body(body.inputs, outputs, [_renamed(node, names) for node in body.nodes])


def _outputs(g: GraphWriter, rmodel: RModel, labels: Sequence[str]) -> list[tuple[str, TensorType]]:
    """Names and types of the outputs of the graph, which have their labels as names if these are free."""
    given = {*rmodel.inputs, *rmodel.initialized}
    computed = {name for op in rmodel.operators for name in op.outputs}
    outputs: list[tuple[str, TensorType]] = []
    for tensor, label in zip(rmodel.outputs, labels, strict=True):
        name = label
        if label != tensor or tensor in given or any(name == other for other, _ in outputs):
            if label in given or label in computed or any(label == other for other, _ in outputs):
                name = g.unique(f"{label}_output")
            g.final[g("Identity", tensor)] = name
        outputs.append((name, rmodel.tensor_type(tensor)))
    return outputs


def _reads(node: Node) -> set[str]:
    """All tensors that a node reads, also those that its body reads of the enclosing graph."""
    found = set(node.inputs)
    for value in node.attributes.values():
        if isinstance(value, Body):
            found.update(*map(_reads, value.nodes))
    return found


def _needed(nodes: Sequence[Node], outputs: Iterable[str]) -> list[Node]:
    """The nodes that the outputs depend on, in their order."""
    needed, kept = set(outputs), []
    for node in reversed(nodes):
        if needed.intersection(node.outputs):
            kept.append(node)
            needed |= _reads(node)
    return kept[::-1]


# -- messages ----------------------------------------------------------------------------------------------------------


def _node(node: Node) -> proto.NodeProto:
    return proto.NodeProto(
        input=node.inputs,
        output=node.outputs,
        name=node.outputs[0],
        op_type=node.op_type,
        attribute=[_attribute(name, value) for name, value in node.attributes.items() if value is not None],
    )


def _attribute(name: str, value: Any) -> proto.AttributeProto:
    if isinstance(value, Body):
        return proto.AttributeProto(name=name, type=GRAPH, g=_body(value))
    if isinstance(value, np.dtype):
        return proto.AttributeProto(name=name, type=INT, i=DATA_TYPES[value.name])
    if isinstance(value, (bool, int, np.integer)):
        return proto.AttributeProto(name=name, type=INT, i=int(value))
    if isinstance(value, float):
        return proto.AttributeProto(name=name, type=FLOAT, f=value)
    if isinstance(value, str):
        return proto.AttributeProto(name=name, type=STRING, s=value.encode())
    values = list(value)
    if all(isinstance(each, str) for each in values) and values:
        return proto.AttributeProto(name=name, type=STRINGS, strings=[each.encode() for each in values])
    if any(isinstance(each, float) for each in values):
        return proto.AttributeProto(name=name, type=FLOATS, floats=values)
    return proto.AttributeProto(name=name, type=INTS, ints=[int(each) for each in values])


def _body(body: Body) -> proto.GraphProto:
    return proto.GraphProto(
        name="body",
        node=[_node(node) for node in _needed(body.nodes, [name for name, _ in body.outputs])],
        input=[_value(name, kind) for name, kind in body.inputs],
        output=[_value(name, kind) for name, kind in body.outputs],
    )


def _value(name: str, kind: TensorType) -> proto.ValueInfoProto:
    dims = [
        proto.Dimension(dim_param=str(dim)) if isinstance(dim, SymbolicDim) else proto.Dimension(dim_value=dim)
        for dim in kind.shape
    ]
    tensor = proto.TensorTypeProto(elem_type=DATA_TYPES[kind.dtype], shape=proto.TensorShapeProto(dim=dims))
    return proto.ValueInfoProto(name=name, type=proto.TypeProto(tensor_type=tensor))


def _tensor(values: np.ndarray, name: str) -> proto.TensorProto:
    return proto.TensorProto(
        dims=values.shape, data_type=DATA_TYPES[values.dtype.name], name=name, raw_data=_bytes(values)
    )


def _external(name: str, values: np.ndarray, file: str, place: int) -> proto.TensorProto:
    where: Mapping[str, Any] = {"location": file, "offset": place, "length": values.nbytes}
    return proto.TensorProto(
        dims=values.shape,
        data_type=DATA_TYPES[values.dtype.name],
        name=name,
        external_data=[proto.StringStringEntryProto(key=key, value=str(value)) for key, value in where.items()],
        data_location=EXTERNAL,
    )


def _bytes(values: np.ndarray) -> memoryview:
    """The elements in memory order, little-endian."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return memoryview(little.reshape(-1).view(np.uint8).data) if little.size else memoryview(b"")


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _external_pieces(weights: Mapping[str, np.ndarray]) -> Iterable[bytes | memoryview]:
    for values in weights.values():
        if values.nbytes >= SMALLEST_EXTERNAL:
            yield _bytes(values)
            yield bytes(_padded(values.nbytes) - values.nbytes)


def _write(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Writes ``path`` under another name first, so that a failure leaves no part of a file there."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.writelines(pieces)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
