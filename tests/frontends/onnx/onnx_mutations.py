"""Damaged and hostile ONNX files: models whose messages, or the bytes of them, were changed at random.

The models are those of ``_models``, which contain all that the format has, and those of ONNX's tests of operators.

``mutant(seed)`` is a file; the same seed gives the same file.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from node_cases import cases
from onnx import TensorProto, helper, numpy_helper

BYTES_ONLY = 0.25
"""The part of mutants of which only bytes are changed."""

INTEGERS = [0, 1, 2, 3, -1, -2, 7, 127, 128, 255, 2**16, 2**31 - 1, -(2**31), 2**31, 2**32, 2**62, 2**63 - 1, -(2**63)]
TEXTS = ["", "x", "y", "w", "n", "c", "f", "my", "ai.onnx", "If", "Loop", "Relu", "F", "../w", "/etc/passwd", "a\0b",
         "\n", "\U0001f600", "x" * 5000, '"); f(', "location", "offset", "999999999999999999"]  # fmt: skip


def mutant(seed: int) -> bytes:
    """The content of a damaged file."""
    rng = random.Random(seed)
    message = onnx.ModelProto()
    message.CopyFrom(rng.choice(MODELS) if rng.random() < 0.5 else rng.choice(list(cases().values())).message)
    only_bytes = rng.random() < BYTES_ONLY
    for _ in range(0 if only_bytes else rng.choice([1, 1, 1, 2, 3, 10])):
        change_message(message, rng)
    data = bytearray(message.SerializeToString())
    for _ in range(rng.choice([1, 1, 2, 5]) if only_bytes else rng.choice([0, 0, 0, 1])):
        change_bytes(data, rng)
    return bytes(data)


# -- messages ----------------------------------------------------------------------------------------------------------


def messages(message: Message) -> Iterator[Message]:
    """A message and all messages in it."""
    yield message
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in value if field.is_repeated else [value]:
                yield from messages(inner)


def change_message(model: onnx.ModelProto, rng: random.Random) -> None:
    """Changes one field of one message, somewhere in the model."""
    found = list(messages(model))
    message = rng.choice(found)
    field = rng.choice(message.DESCRIPTOR.fields)
    if rng.random() < 0.7 and message.ListFields():  # rather one that is set
        field = rng.choice(message.ListFields())[0]
    if rng.random() < 0.1:
        message.ClearField(field.name)
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        others = [other for other in found if other.DESCRIPTOR is field.message_type]
        value = type(rng.choice(others))() if others and rng.random() < 0.1 else rng.choice(others or [None])
        change_inner(message, field, value, rng)
    elif field.is_repeated:
        change_list(getattr(message, field.name), field, model, rng)
    else:
        setattr(message, field.name, scalar(field, model, rng))


def change_inner(message: Message, field: FieldDescriptor, value: Message | None, rng: random.Random) -> None:
    """Puts a copy of another message, which may contain this one, into a field."""
    current = getattr(message, field.name)
    value = type(value).FromString(value.SerializeToString()) if value is not None else None
    if value is not None and value.ByteSize() > 20_000:
        return
    if not field.is_repeated:
        current.SetInParent() if value is None else current.CopyFrom(value)
    elif value is None or (len(current) and rng.random() < 0.3):
        items = list(current)
        rng.shuffle(items)
        copies = [type(item).FromString(item.SerializeToString()) for item in items[: rng.randint(0, len(items))]]
        message.ClearField(field.name)
        getattr(message, field.name).extend(copies)
    elif len(current) < 50:
        current.append(value)


def change_list(values: list, field: FieldDescriptor, model: onnx.ModelProto, rng: random.Random) -> None:
    action = rng.randrange(4)
    if action == 0 and values:
        del values[rng.randrange(len(values))]
    elif action == 1 and values:
        values[rng.randrange(len(values))] = scalar(field, model, rng)
    elif action == 2 and values:
        values.append(rng.choice(values))
    else:
        values.append(scalar(field, model, rng))


def scalar(field: FieldDescriptor, model: onnx.ModelProto, rng: random.Random) -> object:
    """A value that is likely to cause trouble."""
    kind = field.cpp_type
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return rng.choice([0.0, -1.0, float("nan"), float("inf"), 1e38])
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return rng.choice(field.enum_type.values).number
    if kind != FieldDescriptor.CPPTYPE_STRING:
        bits, unsigned = (64, True) if kind == FieldDescriptor.CPPTYPE_UINT64 else (64, False)
        if kind == FieldDescriptor.CPPTYPE_INT32:
            bits = 32
        value = rng.choice([*INTEGERS, rng.randrange(30)]) % 2**bits
        return value if unsigned or value < 2 ** (bits - 1) else value - 2**bits
    names = [name for node in model.graph.node for name in (*node.input, *node.output, node.name)]
    text = rng.choice(TEXTS if rng.random() < 0.5 or not names else names)
    return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text


# -- bytes -------------------------------------------------------------------------------------------------------------


def change_bytes(data: bytearray, rng: random.Random) -> None:
    if not data:
        return
    place = rng.randrange(len(data))
    action = rng.randrange(6)
    if action == 0:
        data[place] ^= 1 << rng.randrange(8)
    elif action == 1:
        data[place] = rng.choice([0, 1, 0x7F, 0x80, 0xFF])
    elif action == 2:
        del data[place:]
    elif action == 3:
        data[place:place] = bytes(rng.choice([[0xFF] * 9, [0x80] * 12, [0], [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F]]))
    elif action == 4:
        del data[place : place + rng.choice([1, 2, 8])]
    else:
        size = rng.choice([1, 4, 50])
        data[place:place] = data[(other := rng.randrange(len(data))) : other + size]


# -- models ------------------------------------------------------------------------------------------------------------


def _models() -> list[onnx.ModelProto]:
    """Small models that contain all that the format has."""

    def value(name: str, dtype: int = TensorProto.FLOAT, shape: tuple = ("N", 3)) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, dtype, shape)

    def node(op: str, inputs: str, outputs: str, **attributes) -> onnx.NodeProto:
        return helper.make_node(op, inputs.split(), outputs.split(), **attributes)

    numbers = [
        numpy_helper.from_array(np.arange(6).reshape(2, 3).astype(dtype), f"w_{dtype}")
        for dtype in ("float32", "float64", "float16", "int8", "uint8", "int32", "int64", "uint64", "bool")
    ]
    typed = [
        helper.make_tensor(f"t_{number}", number, (3,), [1, 2, 0])
        for number in range(1, 29)
        if number not in (8, 14, 15)
    ]
    external = TensorProto(name="external", data_type=1, dims=[2], data_location=TensorProto.EXTERNAL)
    for key, text in (("location", "data"), ("offset", "8"), ("length", "8")):
        external.external_data.add(key=key, value=text)
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(np.float32([1, 2]), "sparse"), numpy_helper.from_array(np.int64([1, 4]), "i"), [2, 3]
    )
    branch = helper.make_graph([node("Neg", "x", "n")], "branch", [], [value("n")], numbers[:1])
    body = helper.make_graph(
        [node("Add", "s x", "t"), node("Identity", "k", "l")], "body",
        [value("i", TensorProto.INT64, ()), value("k", TensorProto.BOOL, ()), value("s")],
        [value("l", TensorProto.BOOL, ()), value("t")],
    )  # fmt: skip
    plain = helper.make_graph(
        [node("MatMul", "x w_float32", "a"), node("Relu", "a", "b", name="relu"), node("Concat", "b b", "c", axis=-1),
         node("Constant", "", "d", value=numbers[1]), node("Constant", "", "e", value_ints=[1, 2]),
         node("Constant", "", "f", value_floats=[1, 2]), node("Constant", "", "g", value_strings=["a", "b"]),
         node("Constant", "", "h", sparse_value=sparse), node("Conv", "c w_float32 ", "y", auto_pad="VALID")],
        "plain", [value("x"), value("w_float32")], [value("y")], [*numbers, *typed, external],
        sparse_initializer=[sparse],
    )  # fmt: skip
    control = helper.make_graph(
        [node("If", "c", "i", then_branch=branch, else_branch=branch), node("Loop", "m  x", "o", body=body)],
        "control", [value("x"), value("c", TensorProto.BOOL, ()), value("m", TensorProto.INT64, ())],
        [value("i"), value("o")],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("my", 1)]
    leaky = node("LeakyRelu", "a", "t")
    leaky.attribute.append(onnx.AttributeProto(name="alpha", type=1, ref_attr_name="slope"))
    inner = helper.make_function("my", "F", ["a"], ["b"], [leaky, node("Neg", "t", "b")], opsets[:1], ["slope"])
    outer = helper.make_function(
        "my", "G", ["a", "p"], ["b"],
        [node("F", "a", "t", domain="my", slope=0.5),
         node("If", "p", "b", then_branch=helper.make_graph([node("F", "t", "r", domain="my")], "t", [], [value("r")]),
              else_branch=helper.make_graph([node("Neg", "a", "r")], "e", [], [value("r")]))], opsets,
    )  # fmt: skip
    calls = helper.make_graph(
        [node("G", "x c", "a", domain="my", name="call"), node("F", "a", "y", domain="my")],
        "calls", [value("x"), value("c", TensorProto.BOOL, ())], [value("y")],
    )  # fmt: skip
    options = {"opset_imports": opsets, "ir_version": 10, "producer_name": "pytorch"}
    models = [helper.make_model(graph, **options) for graph in (plain, control)]
    models.append(helper.make_model(calls, functions=[inner, outer], **options))
    helper.set_model_props(models[0], {"key": "value"})
    return models


MODELS = _models()
