"""ONNX files at hand, and the same content as the onnx package reads it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from sofie_jit.frontends.onnx import proto
from sofie_jit.frontends.onnx.model import Attribute, Graph, Node, OnnxModel, Tensor, ValueInfo
from sofie_jit.frontends.onnx.protobuf import KINDS, Message, joined
from sofie_jit.frontends.onnx.reader import ATTRIBUTES, OTHER_TYPES
from sofie_jit.frontends.onnx.tensors import ELEMENT_TYPES
from sofie_jit.frontends.onnx.values import PACKED

WHEEL = Path(onnx.__file__).parent / "backend" / "test" / "data"
"""Test models of the onnx package; those of single nodes are in versions before 1.23 only (see node_cases.py)."""
PRODUCTION = Path(os.environ.get("SOFIE_JIT_NETWORKS", "not given"))
"""A folder of networks: ``<name>/model.onnx``, and inputs and outputs in ``<name>/set_*.npz``, named ``in:<input>``,
``out:<index>``, ``noise:<index>`` (how far ONNX Runtime's results move by rounding) and ``ref64:<index>`` (in float64).
"""


# -- messages ----------------------------------------------------------------------------------------------------------


def assert_same_message(found: Message, expected) -> None:
    """A parsed message equals that of the onnx package, in all fields that are declared."""
    for name, declared in type(found).__dataclass_fields__.items():
        options, value = declared.metadata, getattr(found, name)
        kind = KINDS.get(options["kind"])
        other = getattr(expected, name)
        if options.get("array"):
            dtype = np.dtype(kind.dtype)
            np.testing.assert_array_equal(joined(value, options["kind"]), np.array(other, dtype), strict=True)
        elif options.get("repeated"):
            assert len(value) == len(other), name
            for a, b in zip(value, other, strict=True):
                assert_same_message(a, b) if kind is None else assert_same_value(a, b, name)
        elif kind is None or options["oneof"]:
            assert (value is not None) == expected.HasField(name), name
            if value is not None:
                assert_same_message(value, other) if kind is None else assert_same_value(value, other, name)
        else:
            enum = expected.DESCRIPTOR.fields_by_name[name].enum_type
            if enum is None or value in enum.values_by_number:  # the onnx package drops other values
                assert_same_value(value, other, name)


def assert_same_value(found, expected, name: str) -> None:
    if isinstance(found, memoryview):
        found = bytes(found)
    if isinstance(found, str) and isinstance(expected, bytes):  # not UTF-8
        expected = expected.decode("utf-8", "replace")
    np.testing.assert_equal(found, expected, name)  # NaN equals NaN


# -- models ------------------------------------------------------------------------------------------------------------


def assert_same_model(model: OnnxModel, expected: onnx.ModelProto) -> None:
    """The reader's result has the content of the message, whose external data have been loaded."""
    assert model.ir_version == expected.ir_version
    assert model.opsets == {domain(o.domain): o.version for o in expected.opset_import}
    assert model.producer == f"{expected.producer_name} {expected.producer_version}".strip()
    assert model.metadata == {entry.key: entry.value for entry in expected.metadata_props}
    assert_same_graph(model.graph, expected.graph)
    assert len(model.functions) == len(expected.functions)
    for function, other in zip(model.functions, expected.functions, strict=True):
        assert function.key == (domain(other.domain), other.name, other.overload)
        assert (function.inputs, function.outputs) == (list(other.input), list(other.output))
        assert function.defaults.keys() == {a.name for a in other.attribute_proto}
        for given in other.attribute_proto:
            assert_same_attribute(function.defaults[given.name], given)
        assert_same_nodes(function.nodes, other.node)


def domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


def assert_same_graph(graph: Graph, expected: onnx.GraphProto) -> None:
    constants = {tensor.name: tensor for tensor in expected.initializer}
    sparse = {tensor.values.name: tensor for tensor in expected.sparse_initializer}
    assert graph.initializers.keys() == constants.keys() | sparse.keys()
    for name, tensor in constants.items():
        assert_same_tensor(graph.initializers[name], tensor)
    for name, tensor in sparse.items():
        assert_same_sparse(graph.initializers[name], tensor)
    inputs = [value for value in expected.input if value.name not in graph.initializers]
    for found, others in ((graph.inputs, inputs), (graph.outputs, expected.output)):
        assert [value.name for value in found] == [value.name for value in others]
        for value, other in zip(found, others, strict=True):
            assert_same_type(value, other.type)
    assert_same_nodes(graph.nodes, expected.node)


def assert_same_type(value: ValueInfo, expected: onnx.TypeProto) -> None:
    which = expected.WhichOneof("value")
    if which in [f"{name}_type" for name in (*OTHER_TYPES, "sparse_tensor")]:
        assert value == ValueInfo(value.name, which.removesuffix("_type"), None)
        return
    tensor = expected.tensor_type
    assert value.dtype == (ELEMENT_TYPES[tensor.elem_type].name if tensor.elem_type else "")
    if not tensor.elem_type or not tensor.HasField("shape"):
        assert value.shape is None
        return
    shape = [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in tensor.shape.dim]
    assert value.shape == [None if dim in ("?", "None", "-1", -1) else dim for dim in shape]


def assert_same_nodes(nodes: Sequence[Node], expected: Sequence[onnx.NodeProto]) -> None:
    assert len(nodes) == len(expected)
    for node, other in zip(nodes, expected, strict=True):
        assert (node.op_type, node.domain, node.overload) == (other.op_type, domain(other.domain), other.overload)
        assert (node.inputs, node.outputs) == (list(other.input), list(other.output))
        assert node.name.startswith(other.name)
        assert node.attributes.keys() == {attribute.name for attribute in other.attribute}
        for attribute in other.attribute:
            assert_same_attribute(node.attributes[attribute.name], attribute)


def assert_same_attribute(found: Attribute, expected: onnx.AttributeProto) -> None:
    assert found.type == onnx.AttributeProto.AttributeType.Name(expected.type)
    assert found.reference == expected.ref_attr_name
    value, other = found.value, getattr(expected, ATTRIBUTES[expected.type][1])
    if found.reference:
        assert value is None
    elif isinstance(value, Graph):
        assert_same_graph(value, other)
    elif isinstance(value, Tensor):
        (assert_same_sparse if found.type == "SPARSE_TENSOR" else assert_same_tensor)(value, other)
    elif isinstance(value, np.ndarray):
        np.testing.assert_array_equal(value, np.array(other, value.dtype), strict=True)
    elif found.type in ("STRING", "STRINGS"):
        values, others = (value, other) if found.type == "STRINGS" else ([value], [other])
        assert [text.encode() if isinstance(text, str) else text for text in values] == list(others)
    else:
        np.testing.assert_equal(value, other if found.type in ("FLOAT", "INT") else None)


def assert_same_tensor(tensor: Tensor, expected: onnx.TensorProto) -> None:
    assert (tensor.name, tensor.shape) == (expected.name, tuple(expected.dims))
    name = onnx.TensorProto.DataType.Name(expected.data_type).lower()
    assert tensor.dtype == {"float": "float32", "double": "float64"}.get(name, name)
    if tensor.stored is not None:
        array = numpy_helper.to_array(expected)
        if tensor.dtype == "bfloat16":
            array = array.view(np.uint16)
        if tensor.dtype in PACKED:
            array = array.astype(tensor.stored.dtype)
        np.testing.assert_array_equal(tensor.stored, array, strict=True)
        assert tensor.stored.flags.aligned
        assert tensor.stored.dtype.isnative
    else:
        assert tensor.dtype.startswith(
            ("string", "complex", "float8", "float6", "float4", "uint4", "int4", "uint2", "int2")
        )


def assert_same_sparse(tensor: Tensor, expected: onnx.SparseTensorProto) -> None:
    values, indices = numpy_helper.to_array(expected.values), numpy_helper.to_array(expected.indices)
    dense = np.zeros(tuple(expected.dims), values.dtype)
    dense[tuple(indices.T) if indices.ndim == 2 else np.unravel_index(indices, dense.shape)] = values
    np.testing.assert_array_equal(tensor.stored, dense, strict=True)


def parsed(data: bytes) -> proto.ModelProto:
    return proto.ModelProto.parse(data)


# -- the way back ------------------------------------------------------------------------------------------------------


def as_message(model: OnnxModel) -> onnx.ModelProto:
    """A model without functions as the onnx package has it."""
    return onnx.helper.make_model(
        _graph(model.graph),
        opset_imports=[onnx.helper.make_opsetid(*opset) for opset in model.opsets.items()],
        ir_version=model.ir_version,
    )


def _graph(graph: Graph) -> onnx.GraphProto:
    numbers = {element.name: number for number, element in ELEMENT_TYPES.items()}
    inputs, outputs = (
        [onnx.helper.make_tensor_value_info(v.name, numbers.get(v.dtype, 0), v.shape) for v in values]
        for values in (graph.inputs, graph.outputs)
    )
    constants = [numpy_helper.from_array(tensor.array, name) for name, tensor in graph.initializers.items()]
    nodes = [
        onnx.helper.make_node(node.op_type, node.inputs, node.outputs, node.name, domain=node.domain)
        for node in graph.nodes
    ]
    for node, message in zip(graph.nodes, nodes, strict=True):
        for name, attribute in node.attributes.items():
            value = attribute.value
            if isinstance(value, Graph):
                value = _graph(value)
            elif isinstance(value, Tensor):
                value = numpy_helper.from_array(value.array, value.name)
            elif isinstance(value, np.ndarray):
                value = value.tolist()
            message.attribute.append(onnx.helper.make_attribute(name, value))
    return onnx.helper.make_graph(nodes, graph.name or "graph", inputs, outputs, constants)
