"""Damaged and hostile ONNX files: read, or refused by one SofieError, within 5 s and 500 MB."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import google.protobuf.message
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_files import assert_same_message
from onnx_mutations import mutant

from sofie_jit import frontends
from sofie_jit.errors import LONGEST, ModelFileError, SofieError
from sofie_jit.frontends.onnx import proto
from sofie_jit.frontends.onnx.protobuf import MAX_FIELDS

sys.path.insert(0, str(Path(__file__).parents[2] / "fuzz"))
from harness import limits


def opened(path: Path):
    """What a file gives: a translated model, or its error."""
    try:
        with limits(), warnings.catch_warnings():
            warnings.simplefilter("error")
            translation = frontends.onnx.open(path)
            assert translation.nodes() is not None
            assert translation.metadata["format"] == "ONNX"
            return translation()
    except SofieError as caught:
        error = caught
    assert path.name in str(error)
    assert len(str(error)) < LONGEST + 200
    assert not isinstance(error.__cause__, (MemoryError, RecursionError)), error
    return error


def mutants(path: Path, seeds: range) -> int:
    """Reads and translates mutants; returns how many can be translated. What can be parsed is as onnx parses it."""
    np.arange(8, dtype=np.float32).tofile(path.parent / "data")
    good = 0
    for seed in seeds:
        data = mutant(seed)
        path.write_bytes(data)
        try:
            good += not isinstance(opened(path), SofieError)
            same_message(data)
        except BaseException as error:
            raise AssertionError(f"mutant {seed}: {type(error).__name__}: {error}") from error
    return good


def same_message(data: bytes) -> None:
    """The message is the same as that of onnx, unless one of the readers refuses it.

    The onnx package refuses malformed documentation and device configurations, which are skipped here.
    """
    try:
        found = proto.ModelProto.parse(data)
        expected = onnx.ModelProto.FromString(data)
    except (ModelFileError, google.protobuf.message.DecodeError):
        return
    assert_same_message(found, expected)


def test_mutants(tmp_path):
    assert 50 < mutants(tmp_path / "mutant.onnx", range(3000)) < 2000


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_many_mutants(tmp_path, block):
    mutants(tmp_path / "mutant.onnx", range(30_000 * (block + 1), 30_000 * (block + 2)))


# -- bombs -------------------------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    data = b""
    while value >= 0x80:
        data += bytes([value & 0x7F | 0x80])
        value >>= 7
    return data + bytes([value])


def block(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def model(graph: bytes, *more: bytes) -> bytes:
    return b"\x08\x0a" + block(8, b"\x10\x14") + block(7, graph) + b"".join(more)


def node(inputs: str, outputs: str, *attributes: bytes, op: str = "Relu") -> bytes:
    parts = [block(1, name.encode()) for name in inputs.split()] + [block(2, name.encode()) for name in outputs.split()]
    return block(1, b"".join([*parts, block(4, op.encode()), *(block(5, a) for a in attributes)]))


def graph_attribute(graph: bytes) -> bytes:
    return block(1, b"then_branch") + block(6, graph) + b"\xa0\x01\x05"


def nested(depth: int) -> bytes:
    graph = node("x", "y")
    for _ in range(depth):
        graph = node("x", "y", graph_attribute(graph), op="If")
    return model(graph + block(11, block(1, b"x")))


CONSTANT = block(5, b"\x08\x00\x10\x01" + block(8, b"x"))  # the empty initializer x

BOMBS = {
    "empty nodes": lambda: model(block(1, b"") * 10_000_000),
    "nodes": lambda: model(CONSTANT + b"".join(node("x", f"t{i}") for i in range(50_000))),
    "a chain backwards": lambda: model(
        CONSTANT + b"".join(node(f"t{i + 1}", f"t{i}") for i in range(50_000)) + node("x", "t50000")
    ),
    "inputs of one node": lambda: model(CONSTANT + node("x " * (MAX_FIELDS - 10), "y")),
    "unknown fields": lambda: b"\x08\x0a" + b"\xa0\x06\x01" * 10_000_000,
    "unknown fields of a node": lambda: model(block(1, b"\xa0\x06\x01" * 10_000_000)),
    "metadata": lambda: model(b"", *[block(14, block(1, b"k%d" % i)) for i in range(1_000_000)]),
    "dims": lambda: model(block(5, block(1, b"\x01" * 50_000_000))),
    "unpacked dims": lambda: model(block(5, b"\x08\x01" * 20_000_000)),
    "integers": lambda: model(block(5, b"\x10\x07" + block(7, b"\x01" * 30_000_000))),
    "a large integer": lambda: model(block(5, block(7, b"\xff" * 50_000_000))),
    "unpacked floats": lambda: model(node("", "y", block(1, b"a") + b"\x3d\0\0\0\0" * 10_000_000)),
    "sparse": lambda: model(
        block(15, block(1, b"\x08\x00\x10\x01") + block(2, b"\x08\x00\x10\x07") + b"\x18" + varint(2**40))
    ),
    "nested graphs": lambda: nested(32),
    "deeply nested graphs": lambda: nested(2000),
    "nested functions": lambda: functions(2, 28),
    "functions of many calls": lambda: functions(1000, 4),
    "skips of n-grams": lambda: skips_of_grams(),
    "long names": lambda: model(CONSTANT + node("x", "y" * 50_000_000)),
    "long text in an error": lambda: model(CONSTANT + node("x" * 10_000_000, "y")),
}  # fmt: skip


def skips_of_grams() -> bytes:
    attributes = {
        "min_gram_length": 1, "max_gram_length": 2, "max_skip_count": 2**62, "mode": "TF", "ngram_counts": [0, 2],
        "ngram_indexes": [0, 1, 2], "pool_int64s": [2, 3, 4, 5],
    }  # fmt: skip
    counting = helper.make_node("TfIdfVectorizer", ["x"], ["y"], **attributes)
    x = helper.make_tensor_value_info("x", TensorProto.INT32, [2, 6])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    return helper.make_model(helper.make_graph([counting], "grams", [x], [y])).SerializeToString()


def functions(calls: int, depth: int) -> bytes:
    """Functions each of which calls the next one so many times."""
    domain = block(10, b"my") + block(9, block(1, b"my") + b"\x10\x01") + block(4, b"x") + block(5, b"t0")
    parts = []
    for i in range(depth):
        body = b"".join(
            block(7, block(1, b"x") + block(2, b"t%d" % k) + block(4, b"F%d" % (i + 1)) + block(7, b"my"))
            for k in range(calls)
        )
        parts.append(block(25, block(1, b"F%d" % i) + domain + body))
    last = block(7, block(1, b"x") + block(2, b"t0") + block(4, b"Relu"))
    parts.append(block(25, block(1, b"F%d" % depth) + domain + block(9, b"\x10\x14") + last))
    call = block(1, block(1, b"x") + block(2, b"y") + block(4, b"F0") + block(7, b"my"))
    return model(CONSTANT + call, *parts)


READABLE = ("nested graphs", "nodes", "a chain backwards", "long names", "skips of n-grams")


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name, tmp_path):
    path = tmp_path / "bomb.onnx"
    path.write_bytes(BOMBS[name]())
    result = opened(path)
    assert isinstance(result, SofieError) or name in READABLE, result


def test_untrusted_bombs(tmp_path):
    path = tmp_path / "bomb.onnx"
    path.write_bytes(BOMBS["empty nodes"]())
    with pytest.raises(ModelFileError, match=r"bomb.onnx"):
        frontends.open(path, untrusted=True)


def test_a_model_of_external_data_elsewhere(tmp_path):
    """What a location must not be is tested with tensors; here it is refused by name through the front door."""
    tensor = TensorProto(name="w", data_type=1, dims=[2], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../../etc/passwd")
    graph = helper.make_graph([], "g", [], [], [tensor])
    path = tmp_path / "model.onnx"
    path.write_bytes(helper.make_model(graph, ir_version=10).SerializeToString())
    for untrusted in (None, True):
        with pytest.raises(ModelFileError, match=r"model.onnx': initializer 'w': external data must be in the model's"):
            frontends.open(path, untrusted=untrusted)


# -- bombs of operators ------------------------------------------------------------------------------------------------

LARGE = 1 << 40
OPERATOR_BOMBS = {
    "ConstantOfShape": ([LARGE], {}),
    "ConstantOfShape of many axes": ([1 << 20, 1 << 20, 1 << 20], {}),
    "ConstantOfShape of a negative size": ([-5, 3], {}),
    "Expand": (["x", [LARGE, 3]], {}),
    "Range": ([0, LARGE, 1], {}),
    "Range without end": ([0, 1, 0], {}),
    "Tile": (["x", [1 << 30, 1 << 30]], {}),
    "Pad": (["x", [LARGE, 0, 0, LARGE]], {}),
    "Pad with mode": (["x", [1 << 30, 0, 0, 1 << 30]], {"mode": "reflect"}),
    "OneHot": (["i", [LARGE], [0.0, 1.0]], {}),
    "Reshape": (["x", [LARGE, -1]], {}),
    "Slice": (["x", [0], [LARGE], [1], [-LARGE]], {}),
    "Split": (["x"], {"axis": 0}),
    "Unsqueeze": (["x", list(range(60))], {}),
    "EyeLike": (["e"], {}),
    "TopK": (["x", [LARGE]], {}),
    "Gather": (["x", [LARGE]], {"axis": 1}),
    "MaxPool": (["im"], {"kernel_shape": [1 << 20, 1 << 20], "pads": [1 << 20] * 4}),
    "AveragePool": (["im"], {"kernel_shape": [3, 3], "dilations": [LARGE, LARGE]}),
    "Softmax": (["x"], {"axis": LARGE}),
    "Transpose": (["x"], {"perm": [LARGE, 0]}),
    "DepthToSpace": (["im"], {"blocksize": LARGE}),
    "LSTM": (["seq", np.zeros((1, 4, 2), np.float32), np.zeros((1, 4, 1), np.float32)], {"hidden_size": LARGE}),
    "Einsum": (["x", "x"], {"equation": "ij," * 1000 + "->"}),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATOR_BOMBS)
def test_bombs_of_operators(name, tmp_path):
    inputs, attributes = OPERATOR_BOMBS[name]
    if name.startswith("ConstantOfShape"):
        inputs = [inputs]
    names, constants = [], []
    for index, given in enumerate(inputs):
        names.append(given if isinstance(given, str) else f"c{index}")
        if not isinstance(given, str):
            array = given if isinstance(given, np.ndarray) else np.array(given)
            array = array if name != "OneHot" or index < 2 else array.astype(np.float32)
            constants.append(numpy_helper.from_array(array, f"c{index}"))
    shapes = {"x": ("N", 3), "im": ("N", 4, 8, 8), "seq": (5, "N", 2), "e": (LARGE, LARGE), "i": ("N",)}
    infos = [
        helper.make_tensor_value_info(n, TensorProto.INT64 if n == "i" else TensorProto.FLOAT, shape)
        for n, shape in shapes.items()
    ]
    outputs = ["y", *(f"y{i}" for i in range(5000))] if name == "Split" else ["y"]
    bomb = helper.make_node(name.split()[0], names, outputs, **attributes)
    graph = helper.make_graph(
        [bomb], "g", infos, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], constants
    )
    path = tmp_path / "bomb.onnx"
    opsets = [helper.make_opsetid("", 20)]
    path.write_bytes(helper.make_model(graph, ir_version=10, opset_imports=opsets).SerializeToString())
    result = opened(path)
    assert isinstance(result, SofieError), result
