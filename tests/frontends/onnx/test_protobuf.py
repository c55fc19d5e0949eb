"""The wire format of Protocol Buffers: its rules, and its limits for hostile input."""

from __future__ import annotations

import struct

import numpy as np
import onnx
import pytest
from onnx_files import assert_same_message

from sofie_jit.errors import ModelFileError
from sofie_jit.frontends.onnx import proto, protobuf
from sofie_jit.frontends.onnx.protobuf import decode_varints, joined


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    data = b""
    while value >= 0x80:
        data += bytes([value & 0x7F | 0x80])
        value >>= 7
    return data + bytes([value])


def integer(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def block(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def same(kind: type, data: bytes) -> protobuf.Message:
    """The message as we and the onnx package read it, which must agree."""
    found = kind.parse(data)
    expected = {
        proto.Dimension: onnx.TensorShapeProto.Dimension,
        proto.TensorTypeProto: onnx.TypeProto.Tensor,
    }.get(kind) or getattr(onnx, kind.__name__)
    assert_same_message(found, expected.FromString(data))
    return found


# -- rules -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**31 - 1, 2**31, 2**63 - 1, -1, -(2**31), -(2**63)])
def test_integers(value):
    tensor = same(proto.TensorProto, integer(2, value) + integer(1, value) + integer(11, value) + integer(5, value))
    assert tensor.data_type == np.int64(value).astype(np.int32)
    assert tensor.dims == [value]
    assert joined(tensor.uint64_data, "uint64").tolist() == [value % 2**64]
    assert joined(tensor.int32_data, "int32").tolist() == [np.int64(value).astype(np.int32)]


def test_integers_with_superfluous_bytes():
    assert same(proto.TensorProto, b"\x10\x85\x80\x80\x80\x80\x80\x80\x80\x80\x00").data_type == 5


def test_floats():
    attribute = same(proto.AttributeProto, b"\x15" + struct.pack("<f", 0.1) + b"\x3d" + struct.pack("<f", np.inf))
    assert attribute.f == np.float32(0.1)
    assert joined(attribute.floats, "float").tolist() == [np.inf]


def test_absent_fields_have_defaults():
    assert same(proto.NodeProto, b"") == proto.NodeProto()
    assert same(proto.AttributeProto, b"").s == b""
    assert same(proto.TensorProto, b"").raw_data == b""
    assert same(proto.Dimension, b"") == proto.Dimension(None, None)


def test_the_last_value_counts():
    assert same(proto.NodeProto, block(3, b"first") + block(3, b"second")).name == "second"
    assert same(proto.AttributeProto, integer(3, 5) + integer(3, 6)).i == 6


def test_the_last_of_a_oneof_counts():
    assert same(proto.Dimension, integer(1, 5) + block(2, b"N")) == proto.Dimension(None, "N")
    assert same(proto.Dimension, block(2, b"N") + integer(1, 5)) == proto.Dimension(5, None)
    kind = same(proto.TypeProto, block(1, integer(1, 1)) + block(4, b"") + block(1, b""))
    assert kind == proto.TypeProto(tensor_type=proto.TensorTypeProto())


def test_singular_messages_are_merged():
    first, second = block(2, block(1, integer(1, 3))) + integer(1, 7), block(2, block(1, block(2, b"N")))
    kind = same(proto.TypeProto, block(1, first) + block(1, second)).tensor_type
    assert kind.elem_type == 7
    assert [(dim.dim_value, dim.dim_param) for dim in kind.shape.dim] == [(3, None), (None, "N")]
    graph = block(7, block(1, block(4, b"Relu"))) + block(7, block(2, b"g") + block(1, block(4, b"Neg")))
    assert [node.op_type for node in same(proto.ModelProto, graph).graph.node] == ["Relu", "Neg"]


def test_repeated_numbers_may_be_packed_or_not():
    packed = block(1, varint(2) + varint(300)) + integer(1, 4) + block(1, b"")
    assert same(proto.TensorProto, packed).dims == [2, 300, 4]
    floats = block(7, struct.pack("<2f", 1, 2)) + b"\x3d" + struct.pack("<f", 3) + block(7, b"")
    assert joined(same(proto.AttributeProto, floats).floats, "float").tolist() == [1, 2, 3]
    ints = integer(8, -1) + block(8, varint(-2) + varint(3)) + integer(8, 1 << 40)
    assert joined(same(proto.AttributeProto, ints).ints, "int64").tolist() == [-1, -2, 3, 1 << 40]


def test_unknown_fields_are_skipped():
    unknown = integer(100, 1 << 63) + block(200, b"\xff") + b"\xa1\x06" + bytes(8) + b"\xa5\x06" + bytes(4)
    assert same(proto.NodeProto, unknown + block(3, b"name") + unknown).name == "name"


def test_views_are_not_copied():
    data = block(9, b"12345678")
    assert proto.TensorProto.parse(data).raw_data.obj is data


def test_many_packed_integers():
    rng = np.random.default_rng(0)
    values = rng.integers(-(2**63), 2**63, 30_000, dtype=np.int64) >> rng.integers(0, 63, 30_000)
    data = b"".join(varint(int(value)) for value in values)
    np.testing.assert_array_equal(decode_varints(np.frombuffer(data, np.uint8)).astype(np.int64), values)
    assert joined(same(proto.TensorProto, block(7, data)).int64_data, "int64").tolist() == values.tolist()


# -- refused -----------------------------------------------------------------------------------------------------------

REFUSED = {
    "name needs 5 bytes; 2 are left": b"\x1a\x05ab",
    "attribute needs 300 bytes; 0 are left": b"\x2a\xac\x02",
    "name needs 9,223,372,036,854,775,807 bytes": b"\x1a" + varint(2**63 - 1),
    "at byte 1: an integer is cut off": b"\x1a",
    "at byte 0: an integer is cut off": b"\x9a",
    "at byte 2: an integer is cut off": b"\xa0\x06\xff\xff",
    "an integer has more than 64 bits": b"\xa0\x06" + b"\xff" * 10 + b"\x01",
    "at byte 2: an integer has more than 64 bits": b"\xa0\x06" + b"\xff" * 9 + b"\x02",
    "the number of a field takes more than 32 bits": b"\x82\x80\x80\x80\x80\x00\x00",
    "field 100 needs 8 bytes; 7 are left": b"\xa1\x06" + bytes(7),
    "field 100 needs 4 bytes; 0 are left": b"\xa5\x06",
    "field 100 is a group": b"\xa3\x06\xa4\x06",
    "field 100 is the end of a group": b"\xa4\x06",
    "field 100 is of no known type": b"\xa6\x06",
    "a field has the number 0": b"\x00\x00",
    "name is stored as an integer": integer(3, 5),
    "input is stored as 4 bytes": b"\x0d" + bytes(4),
    r"op_type is not text in UTF-8: b'\\xff\\xfe'": block(4, b"\xff\xfe"),
}


@pytest.mark.parametrize("problem", REFUSED)
def test_malformed_messages(problem):
    with pytest.raises(ModelFileError, match=rf"^damaged NodeProto at byte \d+: .*{problem}|{problem}"):
        proto.NodeProto.parse(REFUSED[problem])


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (block(4, bytes(7)), "float_data: 7 bytes are no whole number of elements of 4"),
        (block(7, b"\x01\x80"), "int64_data: an integer is cut off"),
        (block(7, b"\xff" * 10 + b"\x01"), "int64_data: an integer has more than 64 bits"),
        (block(7, b"\xff" * 9 + b"\x02"), "int64_data: an integer has more than 64 bits"),
        (block(7, b"\xff" * 100_000 + b"\x01"), "int64_data: an integer has more than 64 bits"),
    ],
)
def test_malformed_packed_numbers(data, problem):
    with pytest.raises(ModelFileError, match=problem):
        proto.TensorProto.parse(data)


def test_a_length_must_fit_into_the_enclosing_message():
    graph = block(1, b"\x1a\x05ab")  # the name of the node would end in the graph
    with pytest.raises(ModelFileError, match="damaged NodeProto at byte 4: name needs 5 bytes; 2 are left"):
        proto.GraphProto.parse(graph + block(2, b"abcdef"))


def nested(depth: int) -> bytes:
    """A graph within an attribute of a node of a graph, and so on: each takes three messages."""
    data = b""
    for _ in range(depth):
        data = block(1, block(5, block(6, data)))
    return data


def test_nesting_is_bounded():
    proto.GraphProto.parse(nested(33))
    with pytest.raises(ModelFileError, match="it is nested more than 100 messages deep"):
        proto.GraphProto.parse(nested(34))
    with pytest.raises(ModelFileError, match="it is nested more than 100 messages deep"):
        proto.GraphProto.parse(nested(3000))


def test_the_number_of_fields_is_bounded(monkeypatch):
    monkeypatch.setattr(protobuf, "MAX_FIELDS", 1000)
    for data in (
        block(1, b"") * 1001,  # nodes
        integer(100, 1) * 1001,  # unknown fields
        block(1, block(1, b"x") * 50) * 20,  # inputs of nodes
        block(5, block(1, bytes(2000))),  # dims of a tensor
    ):
        with pytest.raises(ModelFileError, match="the file has more than 1,000 fields"):
            proto.GraphProto.parse(data)
    assert len(proto.GraphProto.parse(block(1, b"") * 249).node) == 249  # a message counts as three more
    assert joined(proto.TensorProto.parse(block(7, bytes(5000))).int64_data, "int64").size == 5000
