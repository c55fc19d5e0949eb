"""The reader against the onnx package, and each contradiction in a graph that it refuses."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import onnx
import pytest
from node_cases import all_cases
from onnx import TensorProto, helper, numpy_helper
from onnx_files import PRODUCTION, WHEEL, assert_same_message, assert_same_model, parsed

from sofie_jit import check, frontends
from sofie_jit.errors import ModelFileError, UnsupportedLayerError
from sofie_jit.frontends.content import examine
from sofie_jit.frontends.onnx import reader

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def value(name, shape=("N", 2), dtype=FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def model(nodes, inputs=("x",), outputs=("y",), initializers=(), opset=20, **options) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes), "g", [value(name) for name in inputs], [value(name) for name in outputs], list(initializers)
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10, **options)


def saved(path, message) -> str:
    path = path / "model.onnx"
    path.write_bytes(message if isinstance(message, bytes) else message.SerializeToString())
    return path


RELU = helper.make_node("Relu", ["x"], ["y"])


# -- every file at hand ------------------------------------------------------------------------------------------------


PARTS = 10


def compare(path) -> None:
    data, expected = path.read_bytes(), onnx.load(path)
    assert_same_message(parsed(data), onnx.ModelProto.FromString(data))
    assert_same_model(reader.read(path), expected)
    assert frontends._is_onnx(examine(path))
    translation = frontends.open(path)
    assert translation.format == "ONNX"
    assert not any(node.version == 0 for node in translation.model.graph.walk())


@pytest.mark.skipif(not PRODUCTION.exists(), reason="needs networks in the folder SOFIE_JIT_NETWORKS")
def test_production_networks():
    for path in PRODUCTION.glob("**/*.onnx"):
        compare(path)


@pytest.mark.parametrize("part", range(PARTS))
def test_models_of_nodes(part, tmp_path):
    for case in all_cases()[part::PARTS]:
        compare(case.path(tmp_path))


@pytest.mark.skipif(not WHEEL.exists(), reason="this version of onnx comes without test models")
@pytest.mark.parametrize("start", ["light", "simple", "pytorch"])
def test_models_of_the_onnx_package(start):
    found = list(WHEEL.glob(f"{start}*/**/*.onnx"))
    for path in found:
        compare(path)
    assert found


def test_untrusted_files_give_the_same_model(tmp_path):
    weights = [
        numpy_helper.from_array(np.arange(6).reshape(2, 3).astype(dtype), f"w_{dtype}")
        for dtype in ("float16", "float32", "float64", "int8", "uint16", "int64", "bool")
    ]
    branch = helper.make_graph([helper.make_node("Neg", ["y"], ["n"])], "branch", [], [value("n")])
    nodes = [
        RELU,
        helper.make_node("Concat", ["y", "y"], ["z"], axis=-1, other=[1.5, 2.5], text="text", texts=["a", b"\xff"]),
        helper.make_node("If", ["c"], ["i"], then_branch=branch, else_branch=branch),
    ]
    path = saved(tmp_path, model(nodes, inputs=["x", "c"], outputs=["z", "i"], initializers=weights))
    expected = onnx.load(path)
    assert_same_model(reader.read(path, untrusted=False), expected)
    assert_same_model(reader.read(path, untrusted=True), expected)


def test_reading_takes_little_longer_than_reading_the_bytes(tmp_path):
    rng = np.random.default_rng(0)
    weights = [numpy_helper.from_array(rng.random((1000, 1000), np.float32), f"w{i}") for i in range(25)]
    path = saved(tmp_path, model([RELU], initializers=weights))
    frontends.open(path)  # imports

    def seconds(function) -> float:
        times = []
        for _ in range(5):
            start = time.process_time()
            function()
            times.append(time.process_time() - start)
        return min(times)

    assert seconds(lambda: frontends.open(path)) < seconds(path.read_bytes) + 0.15


def test_importing_needs_no_other_package():
    code = (
        "import sys; from sofie_jit.frontends import onnx; "
        "assert not {'h5py', 'cppyy', 'google.protobuf'} & sys.modules.keys(), sys.modules.keys(); "
        "assert sys.modules['sofie_jit.frontends.onnx'] is onnx and 'onnx' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# -- the translation ---------------------------------------------------------------------------------------------------


def test_inputs_nodes_and_metadata(tmp_path):
    branch = helper.make_graph([helper.make_node("Neg", ["x"], ["n"])], "branch", [], [value("n")])
    nodes = [RELU, helper.make_node("If", ["c"], ["i"], "choose", then_branch=branch, else_branch=branch)]
    message = model(nodes, ["x", "c"], ["y", "i"], producer_name="pytorch", producer_version="2.9")
    message.graph.input[1].CopyFrom(value("c", (), TensorProto.BOOL))
    helper.set_model_props(message, {"classes": "a,b", "format": "other"})
    translation = frontends.open(saved(tmp_path, message))
    assert {name: str(kind) for name, kind in translation.inputs.items()} == {"x": "float32 (batch, 2)", "c": "bool ()"}
    assert [str(node) for node in translation.nodes()] == ["y (Relu)", "choose (If)", "n (Neg)", "n_1 (Neg)"]
    assert translation.metadata == {
        "format": "ONNX", "saved by": "pytorch 2.9", "ir version": "10", "opsets": "ai.onnx 20", "classes": "a,b",
    }  # fmt: skip


def test_initializers_among_the_inputs_are_constants(tmp_path):
    weight = numpy_helper.from_array(np.float32([1, 2]), "w")
    add = helper.make_node("Add", ["x", "w"], ["y"])
    translation = frontends.open(saved(tmp_path, model([add], inputs=["x", "w"], initializers=[weight])))
    assert list(translation.inputs) == ["x"]


def test_unknown_shapes(tmp_path):
    message = model([helper.make_node("Sum", ["a", "b", "c"], ["y"])], inputs=["a", "b", "c"])
    for given, shape in zip(message.graph.input, [(None, 2), (-1, "n"), None], strict=True):
        given.CopyFrom(value(given.name, shape))
    found = reader.read(saved(tmp_path, message)).graph.inputs
    assert [given.shape for given in found] == [[None, 2], [None, "n"], None]
    with pytest.raises(
        UnsupportedLayerError, match=r"model.onnx: input 'c' \(float32\): the file does not tell its shape"
    ):
        frontends.open(saved(tmp_path, message)).inputs  # noqa: B018


def test_nodes_out_of_order_are_sorted(tmp_path):
    nodes = [
        helper.make_node("Add", ["a", "b"], ["y"]),
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Neg", ["a"], ["b"]),
    ]
    found = reader.read(saved(tmp_path, model(nodes)))
    assert [node.op_type for node in found.graph.nodes] == ["Relu", "Neg", "Add"]


def test_a_subgraph_needs_what_it_captures(tmp_path):
    """The node with the subgraph comes after those whose results the subgraph uses."""
    branch = helper.make_graph([helper.make_node("Neg", ["a"], ["n"])], "branch", [], [value("n")])
    nodes = [
        helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
        helper.make_node("Relu", ["x"], ["a"]),
    ]
    found = reader.read(saved(tmp_path, model(nodes, inputs=["x", "c"])))
    assert [node.op_type for node in found.graph.nodes] == ["Relu", "If"]
    assert found.graph.nodes[1].uses == {"a", "c"}


def test_a_subgraph_may_hide_an_outer_name(tmp_path):
    branch = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "branch", [], [value("y")])
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    assert reader.read(saved(tmp_path, model([node], inputs=["x", "c"]))).graph.nodes[0].uses == {"x", "c"}


def test_node_names_become_unique(tmp_path):
    nodes = [helper.make_node("Relu", ["x"], [name], "relu") for name in ("y", "z", "a")]
    nodes += [helper.make_node("Relu", ["x"], ["b"], "relu_1"), helper.make_node("Relu", ["x"], ["c"])]
    found = reader.read(saved(tmp_path, model(nodes)))
    assert [node.name for node in found.graph.nodes] == ["relu", "relu_1", "relu_2", "relu_1_1", "c"]


def test_an_unsupported_model_lists_all_nodes(tmp_path):
    nodes = [helper.make_node("Unheard", ["x"], ["a"]), helper.make_node("Of", ["a"], ["y"], domain="")]
    report = check(saved(tmp_path, model(nodes)))
    assert [node.problem.partition(":")[0] for node in report.nodes] == ["a (Unheard)", "y (Of)"]


# -- contradictions ----------------------------------------------------------------------------------------------------


def changed(message: onnx.ModelProto, **values) -> onnx.ModelProto:
    for name, new in values.items():
        setattr(message, name, new)
    return message


def without(message: onnx.ModelProto, *names: str) -> onnx.ModelProto:
    for name in names:
        message.ClearField(name)
    return message


def with_attribute(**values) -> onnx.ModelProto:
    message = model([RELU])
    message.graph.node[0].attribute.append(onnx.AttributeProto(**values))
    return message


def branch_with(node: onnx.NodeProto) -> onnx.ModelProto:
    branch = helper.make_graph([node], "branch", [], [value("n")])
    nodes = [RELU, helper.make_node("If", ["c"], ["i"], then_branch=branch, else_branch=branch)]
    return model(nodes, ["x", "c"], ["y", "i"])


W = numpy_helper.from_array(np.float32([1, 2]), "w")

CONTRADICTIONS = {
    "ir_version is 2; versions 3 to 14": lambda: changed(model([RELU]), ir_version=2),
    "ir_version is 15; versions 3 to 14": lambda: changed(model([RELU]), ir_version=15),
    "the file has no graph": lambda: without(model([RELU]), "graph"),
    "does not say which versions of operators": lambda: without(model([RELU]), "opset_import"),
    "opset 29 of ONNX; the newest that is known is 28": lambda: model([RELU], opset=29),
    "opset 0 of ONNX": lambda: model([RELU], opset=0),
    "uses versions 20 and 7 of the operators of 'ai.onnx'": lambda: (
        changed(m := model([RELU])), m.opset_import.append(helper.make_opsetid("ai.onnx", 7)), m)[-1],
    r"y \(my.Relu\): the file does not say which version of the operators of 'my'": lambda: model(
        [helper.make_node("Relu", ["x"], ["y"], domain="my")]
    ),
    "node 'y' has no op_type": lambda: model([helper.make_node("", ["x"], ["y"])]),
    r"y \(Relu\) uses 'z', which the model does not define": lambda: model([helper.make_node("Relu", ["z"], ["y"])]),
    "'y' is defined twice, the second time by Neg 'second'": lambda: model(
        [RELU, helper.make_node("Neg", ["x"], ["y"], "second")]
    ),
    "'x' is defined twice": lambda: model([helper.make_node("Neg", ["x"], ["x"])], outputs=["x"]),
    "'w' is defined twice": lambda: model([helper.make_node("Neg", ["x"], ["w"])], initializers=[W]),
    "the initializer 'w' is defined twice": lambda: model([RELU], initializers=[W, W]),
    "the input 'x' is defined twice": lambda: model([RELU], inputs=["x", "x"]),
    "an input or an initializer has no name": lambda: model([RELU], inputs=["x", ""]),
    "no node computes the output 'z'": lambda: model([RELU], outputs=["y", "z"]),
    r"the graph has a cycle: a \(Neg\) needs its own result": lambda: model(
        [RELU, helper.make_node("Neg", ["b"], ["a"]), helper.make_node("Neg", ["a"], ["b"])]
    ),
    r"the graph has a cycle: i \(If\)": lambda: branch_with(helper.make_node("Neg", ["i"], ["n"])),
    r"i \(If\): attribute 'else_branch': n \(Neg\) uses 'z'": lambda: branch_with(
        helper.make_node("Neg", ["z"], ["n"])
    ),
    r"i \(If\): attribute 'else_branch': no node computes the output 'n'": lambda: branch_with(
        helper.make_node("Neg", ["x"], ["m"])
    ),
    r"y \(Relu\): attribute 'a' has the type 0; ONNX defines 1 to 14": lambda: with_attribute(name="a", i=1),
    r"attribute 'a' is of type INT, but has a value in the field f": lambda: with_attribute(name="a", type=2, f=1),
    r"attribute 'a' is of type FLOATS, but has a value in the field t": lambda: with_attribute(name="a", type=6, t=W),
    r"attribute 'a' is of type TENSOR and has no value": lambda: with_attribute(name="a", type=4),
    r"attribute 'a' refers to the attribute 'b' of a function": lambda: with_attribute(
        name="a", type=2, ref_attr_name="b"
    ),
    r"y \(Relu\) has the attribute 'a' twice": lambda: (
        m := with_attribute(name="a", type=2, i=1),
        m.graph.node[0].attribute.append(onnx.AttributeProto(name="a", type=1, f=1)), m)[-1] and m,
}  # fmt: skip


@pytest.mark.parametrize("message", CONTRADICTIONS)
def test_contradictions_are_named(tmp_path, message):
    with pytest.raises(ModelFileError, match=message) as error:
        frontends.open(saved(tmp_path, CONTRADICTIONS[message]()))
    assert str(error.value).startswith(f"'{tmp_path}/model.onnx': ")


@pytest.mark.parametrize("size", [0, 1, 0.4, 0.9])
def test_incomplete_files(tmp_path, size):
    data = model([RELU]).SerializeToString()
    with pytest.raises(ModelFileError, match=r"model.onnx"):
        frontends.open(saved(tmp_path, data[: int(size * (len(data) if size < 1 else 1))]))


def test_other_files(tmp_path):
    for data, answer in (
        (W.SerializeToString(), "is not a model: it begins with"),
        (b"\x1c\0\0\0ORTM" + bytes(100), r"is a model in ONNX Runtime's own format \(.ort\)"),
        (b"\x1f\x8b" + bytes(100), "is compressed by gzip: unpack it first"),
    ):
        with pytest.raises(ModelFileError, match=rf"model.onnx' {answer}"):
            frontends.open(saved(tmp_path, data))
