"""The messages of an ONNX file, as ``onnx.proto`` declares them: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.

The classes and fields have the names of ``onnx.proto``. Fields that do not affect the computation are not declared, so
the parser skips them: documentation, types of intermediate tensors, annotations, and the plan for several devices.
"""

from __future__ import annotations

from collections.abc import Sequence

from sofie_jit.frontends.onnx.protobuf import Message, array, optional, repeated
from sofie_jit.records import dataclass


@dataclass(frozen=True)
class StringStringEntryProto(Message):
    """A key and its value."""

    key: str = optional(1, "text")
    value: str = optional(2, "text")


@dataclass(frozen=True)
class OperatorSetIdProto(Message):
    """A set of operators that a model uses."""

    domain: str = optional(1, "string")
    version: int = optional(2, "int64")


# -- types -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dimension(Message):
    """``TensorShapeProto.Dimension``."""

    dim_value: int | None = optional(1, "int64", oneof="value")
    dim_param: str | None = optional(2, "string", oneof="value")


@dataclass(frozen=True)
class TensorShapeProto(Message):
    """A shape, some of whose sizes may be unknown or have names."""

    dim: Sequence[Dimension] = repeated(1, "Dimension")


@dataclass(frozen=True)
class TensorTypeProto(Message):
    """``TypeProto.Tensor`` and ``TypeProto.SparseTensor``; the rank is unknown if ``shape`` is None."""

    elem_type: int = optional(1, "int32")
    shape: TensorShapeProto | None = optional(2, "TensorShapeProto")


@dataclass(frozen=True)
class OtherTypeProto(Message):
    """``TypeProto.Sequence``, ``Optional``, ``Map`` and ``Opaque``, which are not supported."""


@dataclass(frozen=True)
class TypeProto(Message):
    """The type of a value."""

    tensor_type: TensorTypeProto | None = optional(1, "TensorTypeProto", oneof="value")
    sequence_type: OtherTypeProto | None = optional(4, "OtherTypeProto", oneof="value")
    map_type: OtherTypeProto | None = optional(5, "OtherTypeProto", oneof="value")
    optional_type: OtherTypeProto | None = optional(9, "OtherTypeProto", oneof="value")
    sparse_tensor_type: TensorTypeProto | None = optional(8, "TensorTypeProto", oneof="value")
    opaque_type: OtherTypeProto | None = optional(7, "OtherTypeProto", oneof="value")


@dataclass(frozen=True)
class ValueInfoProto(Message):
    """The name and the type of an input or output."""

    name: str = optional(1, "string")
    type: TypeProto | None = optional(2, "TypeProto")


# -- tensors -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Segment(Message):
    """``TensorProto.Segment``: the part of a tensor that a message stores."""

    begin: int = optional(1, "int64")
    end: int = optional(2, "int64")


@dataclass(frozen=True)
class TensorProto(Message):
    """A tensor, whose elements are in one of the fields ``..._data``, or in another file."""

    dims: Sequence[int] = repeated(1, "int64")
    data_type: int = optional(2, "int32")
    segment: Segment | None = optional(3, "Segment")
    float_data: Sequence[object] = array(4, "float")
    int32_data: Sequence[object] = array(5, "int32")
    string_data: Sequence[memoryview] = repeated(6, "view")
    int64_data: Sequence[object] = array(7, "int64")
    name: str = optional(8, "string")
    raw_data: memoryview = optional(9, "view")
    double_data: Sequence[object] = array(10, "double")
    uint64_data: Sequence[object] = array(11, "uint64")
    external_data: Sequence[StringStringEntryProto] = repeated(13, "StringStringEntryProto")
    data_location: int = optional(14, "int32")


@dataclass(frozen=True)
class SparseTensorProto(Message):
    """A tensor of which only the elements that are not zero are stored."""

    values: TensorProto | None = optional(1, "TensorProto")
    indices: TensorProto | None = optional(2, "TensorProto")
    dims: Sequence[int] = repeated(3, "int64")


# -- graphs ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AttributeProto(Message):
    """An attribute of a node. ``type`` tells which field has its value."""

    name: str = optional(1, "string")
    f: float = optional(2, "float")
    i: int = optional(3, "int64")
    s: bytes = optional(4, "bytes")
    t: TensorProto | None = optional(5, "TensorProto")
    g: GraphProto | None = optional(6, "GraphProto")
    floats: Sequence[object] = array(7, "float")
    ints: Sequence[object] = array(8, "int64")
    strings: Sequence[bytes] = repeated(9, "bytes")
    tensors: Sequence[TensorProto] = repeated(10, "TensorProto")
    graphs: Sequence[GraphProto] = repeated(11, "GraphProto")
    tp: TypeProto | None = optional(14, "TypeProto")
    type_protos: Sequence[TypeProto] = repeated(15, "TypeProto")
    type: int = optional(20, "int32")
    ref_attr_name: str = optional(21, "string")
    sparse_tensor: SparseTensorProto | None = optional(22, "SparseTensorProto")
    sparse_tensors: Sequence[SparseTensorProto] = repeated(23, "SparseTensorProto")


@dataclass(frozen=True)
class NodeProto(Message):
    """A node: a call of an operator or of a function. An input or output named ``""`` is left out."""

    input: Sequence[str] = repeated(1, "string")
    output: Sequence[str] = repeated(2, "string")
    name: str = optional(3, "string")
    op_type: str = optional(4, "string")
    attribute: Sequence[AttributeProto] = repeated(5, "AttributeProto")
    domain: str = optional(7, "string")
    overload: str = optional(8, "string")


@dataclass(frozen=True)
class GraphProto(Message):
    """A graph, the main one or one of a node such as ``If``."""

    node: Sequence[NodeProto] = repeated(1, "NodeProto")
    name: str = optional(2, "string")
    initializer: Sequence[TensorProto] = repeated(5, "TensorProto")
    input: Sequence[ValueInfoProto] = repeated(11, "ValueInfoProto")
    output: Sequence[ValueInfoProto] = repeated(12, "ValueInfoProto")
    sparse_initializer: Sequence[SparseTensorProto] = repeated(15, "SparseTensorProto")


@dataclass(frozen=True)
class FunctionProto(Message):
    """A function of nodes that nodes of the model call like an operator."""

    name: str = optional(1, "string")
    input: Sequence[str] = repeated(4, "string")
    output: Sequence[str] = repeated(5, "string")
    attribute: Sequence[str] = repeated(6, "string")
    node: Sequence[NodeProto] = repeated(7, "NodeProto")
    opset_import: Sequence[OperatorSetIdProto] = repeated(9, "OperatorSetIdProto")
    domain: str = optional(10, "string")
    attribute_proto: Sequence[AttributeProto] = repeated(11, "AttributeProto")
    overload: str = optional(13, "string")


@dataclass(frozen=True)
class ModelProto(Message):
    """A file."""

    ir_version: int = optional(1, "int64")
    producer_name: str = optional(2, "text")
    producer_version: str = optional(3, "text")
    domain: str = optional(4, "text")
    model_version: int = optional(5, "int64")
    graph: GraphProto | None = optional(7, "GraphProto")
    opset_import: Sequence[OperatorSetIdProto] = repeated(8, "OperatorSetIdProto")
    metadata_props: Sequence[StringStringEntryProto] = repeated(14, "StringStringEntryProto")
    functions: Sequence[FunctionProto] = repeated(25, "FunctionProto")
