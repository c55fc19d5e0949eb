"""Functions of a model: with their nodes in place of calls, the reference evaluator of onnx gives the same numbers."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.inliner
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx_files import as_message

from sofie_jit import frontends
from sofie_jit.errors import ModelFileError
from sofie_jit.frontends.onnx import inline, reader

OPSETS = [helper.make_opsetid("", 20), helper.make_opsetid("my", 1)]


def node(op, inputs, outputs, name="", domain="", **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), name, domain=domain, **attributes)


def call(op, inputs, outputs, name="", **attributes):
    return node(op, inputs, outputs, name, "my", **attributes)


def function(name, inputs, outputs, nodes, attributes=(), defaults=(), opsets=OPSETS):
    return helper.make_function(
        "my", name, inputs.split(), outputs.split(), nodes, opsets, list(attributes), list(defaults)
    )


def referring(node, name, reference, kind=onnx.AttributeProto.FLOAT):
    """The node with an attribute that takes its value from the call."""
    node.attribute.append(onnx.AttributeProto(name=name, type=kind, ref_attr_name=reference))
    return node


def graph(name, outputs, nodes, initializers=()):
    return helper.make_graph(
        nodes, name, [], [helper.make_tensor_value_info(o, TensorProto.FLOAT, [None, None]) for o in outputs.split()],
        initializers,
    )  # fmt: skip


def model(nodes, functions, outputs="y") -> onnx.ModelProto:
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3]),
        helper.make_tensor_value_info("c", TensorProto.BOOL, []),
    ]
    main = graph("g", outputs, nodes)
    main.input.extend(inputs)
    return helper.make_model(main, opset_imports=OPSETS, functions=functions, ir_version=10)


def inlined(tmp_path, message, expected=None):
    """The model without functions. It computes what the onnx package computes, or ``expected`` of the input."""
    path = tmp_path / "model.onnx"
    path.write_bytes(message.SerializeToString())
    found = inline.inlined(reader.read(path))
    keys = {(f.domain, f.name) for f in message.functions}
    assert not found.functions
    assert not any((node.domain, node.op_type) in keys for node in found.graph.walk())
    names = [node.name for node in found.graph.walk()]
    assert len(set(names)) == len(names)
    flat = as_message(found)
    onnx.checker.check_model(flat)
    x = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    for c in (True, False):
        given = {"x": x, "c": np.array(c)}
        (result,) = ReferenceEvaluator(flat).run(None, given)
        if expected is None:
            reference = ReferenceEvaluator(onnx.inliner.inline_local_functions(message))
            np.testing.assert_array_equal(result, *reference.run(None, given))
        else:
            np.testing.assert_allclose(result, expected(x), rtol=1e-6)
    return found


SQUARE = function("Square", "a", "b", [node("Mul", "a a", "b")])
NORM = function("Norm", "a", "n", [call("Square", "a", "s"), node("ReduceSum", "s", "t"), node("Sqrt", "t", "n")])


def test_calls_are_replaced(tmp_path):
    found = inlined(tmp_path, model([call("Square", "x", "s", "first"), call("Square", "s", "y")], [SQUARE]))
    assert [str(n.label) for n in found.graph.nodes] == ["first/b (Mul)", "y/b (Mul)"]
    assert [n.inputs for n in found.graph.nodes] == [["x", "x"], ["s", "s"]]
    assert {n.version for n in found.graph.nodes} == {20}


def test_functions_that_call_functions(tmp_path):
    found = inlined(tmp_path, model([call("Norm", "x", "n", "norm"), node("Div", "x n", "y")], [NORM, SQUARE]))
    assert [n.label for n in found.graph.nodes] == [
        "norm/s/b (Mul)", "norm/t (ReduceSum)", "norm/n (Sqrt)", "y (Div)",
    ]  # fmt: skip
    assert found.graph.nodes[0].outputs == ["norm/s"]


def test_operators_have_the_version_of_the_function(tmp_path):
    """Softmax of opset 11 flattens its input; that of 13 does not."""
    old = [helper.make_opsetid("", 11)]
    softmax = function("Old", "a", "b", [node("Softmax", "a", "b", axis=0)], opsets=old)
    path = tmp_path / "model.onnx"
    path.write_bytes(model([call("Old", "x", "y")], [softmax]).SerializeToString())
    assert [n.version for n in inline.inlined(reader.read(path)).graph.nodes] == [11]


def test_attributes(tmp_path):
    leaky = referring(node("LeakyRelu", "a", "b"), "alpha", "slope")
    scaled = function("Leaky", "a", "b", [leaky], ["slope"])
    default = function("Default", "a", "b", [leaky], [], [helper.make_attribute("slope", 0.25)])
    outer = function("Outer", "a", "b", [referring(call("Leaky", "a", "b"), "slope", "given")], ["given"])
    nodes = [
        call("Leaky", "x", "s", slope=0.5),
        call("Leaky", "s", "t"),  # the operator's own default, 0.01
        call("Default", "t", "u"),
        call("Default", "u", "v", slope=0.125),
        call("Outer", "v", "y", given=0.75),
    ]
    slope = 0.5 * 0.01 * 0.25 * 0.125 * 0.75
    found = inlined(tmp_path, model(nodes, [scaled, default, outer]), lambda x: np.where(x < 0, slope * x, x))
    values = [n.attributes["alpha"].value if "alpha" in n.attributes else None for n in found.graph.nodes]
    assert values == [0.5, None, 0.25, 0.125, 0.75]


def test_an_attribute_of_another_type(tmp_path):
    leaky = function("Leaky", "a", "b", [referring(node("LeakyRelu", "a", "b"), "alpha", "slope")], ["slope"])
    with pytest.raises(ModelFileError, match="y: attribute 'slope' is of type INT; expected FLOAT"):
        inlined(tmp_path, model([call("Leaky", "x", "y", slope=1)], [leaky]))


def test_omitted_inputs_and_outputs(tmp_path):
    clip = function("Both", "a low high", "b c", [node("Clip", "a low high", "b"), node("Neg", "b", "c")])
    low = node("Constant", "", "zero", value_float=0.0)
    first = helper.make_node("Both", ["x", "", "zero"], ["p", ""], domain="my")
    second = helper.make_node("Both", ["x", "zero"], ["", "q"], domain="my")
    found = inlined(tmp_path, model([low, first, second, node("Add", "p q", "y")], [clip]))
    assert [n.inputs for n in found.graph.nodes if n.op_type == "Clip"] == [["x", "", "zero"], ["x", "zero", ""]]


def test_outputs_that_are_inputs_or_returned_twice(tmp_path):
    twice = function("Twice", "a", "a b b", [node("Neg", "a", "b")])
    nodes = [call("Twice", "x", "p q r", "twice"), node("Sub", "p q", "s"), node("Mul", "s r", "y")]
    found = inlined(tmp_path, model(nodes, [twice]), lambda x: -2 * x * x)
    assert [n.label for n in found.graph.nodes][:3] == [
        "twice/b (Neg)", "twice/Identity (Identity)", "twice/Identity_1 (Identity)",
    ]  # fmt: skip


def test_names_do_not_collide(tmp_path):
    """A tensor of the function is called like one of the caller, and a new name is taken already."""
    body = function("F", "a", "y", [node("Neg", "a", "x"), node("Abs", "x", "t"), node("Add", "x t", "y")])
    nodes = [node("Exp", "x", "f/t"), call("F", "f/t", "t", "f"), node("Add", "x t", "y")]
    found = inlined(tmp_path, model(nodes, [body]))
    assert [n.outputs[0] for n in found.graph.nodes] == ["f/t", "f/x", "f/t_1", "t", "y"]


def test_graphs_in_functions(tmp_path):
    """They refer to names of the function and of the call, and have names of their own."""
    leaky = referring(node("LeakyRelu", "n", "m"), "alpha", "slope")
    weight = numpy_helper.from_array(np.float32([1, 2, 3]), "w")
    then = graph("then", "r", [node("Neg", "k", "n"), leaky, node("Add", "m w", "r")], [weight])
    same = graph("same", "i", [node("Identity", "k", "i")])
    inner = graph("inner", "z", [call("Square", "k", "q"), node("Mul", "q a", "z")])
    other = graph("else", "r", [node("If", "p", "r", then_branch=inner, else_branch=same)])
    body = [node("Exp", "a", "k"), node("If", "p", "b", then_branch=then, else_branch=other)]
    choose = function("Choose", "a p", "b", body, ["slope"])
    nodes = [
        node("Abs", "x", "n"),
        call("Choose", "n c", "r", "first", slope=0.5),
        call("Choose", "r c", "y", "second"),
    ]
    found = inlined(tmp_path, model(nodes, [choose, SQUARE]))
    (first,) = (n for n in found.graph.nodes if n.name == "first/b")
    assert first.uses == {"c", "first/k", "n"}
    then = first.attributes["then_branch"].value
    assert then.initializers.keys() == {"first/w"}
    assert then.nodes[1].attributes["alpha"].value == 0.5


def test_calls_in_graphs(tmp_path):
    branch = graph("then", "s", [call("Norm", "x", "s")])
    other = graph("else", "n", [node("Neg", "x", "n")])
    nodes = [node("If", "c", "y", then_branch=branch, else_branch=other)]
    found = inlined(tmp_path, model(nodes, [NORM, SQUARE]))
    assert [n.op_type for n in found.graph.walk()] == ["If", "Neg", "Mul", "ReduceSum", "Sqrt"]


def test_a_graph_as_attribute_of_a_call(tmp_path):
    """It keeps the names of the call, also where the function defines the same names."""
    body = node("If", "p", "b")
    for name in ("then_branch", "else_branch"):
        referring(body, name, name, onnx.AttributeProto.GRAPH)
    choose = function("Choose", "p", "b", [node("Not", "p", "x"), body], ["then_branch", "else_branch"])
    branches = {
        "then_branch": graph("then", "t", [node("Neg", "x", "t")]),
        "else_branch": graph("else", "e", [call("Square", "x", "e")]),
    }
    path = tmp_path / "model.onnx"
    path.write_bytes(model([call("Choose", "c", "y", "f", **branches)], [choose, SQUARE]).SerializeToString())
    found = inline.inlined(reader.read(path))
    flat = as_message(found)
    for c, expected in ((True, -2), (False, 4)):
        given = {"x": np.full((1, 3), 2, np.float32), "c": np.array(c)}
        assert ReferenceEvaluator(flat).run(None, given)[0].tolist() == [[expected] * 3]


def test_a_function_may_take_the_place_of_an_operator(tmp_path):
    """With the domain of ONNX."""
    body = [node("Neg", "a", "b")]
    relu = helper.make_function("", "Relu", ["a"], ["b"], body, OPSETS[:1])
    path = tmp_path / "model.onnx"
    path.write_bytes(model([node("Relu", "x", "y")], [relu]).SerializeToString())
    assert [n.op_type for n in inline.inlined(reader.read(path)).graph.nodes] == ["Neg"]


# -- refused -----------------------------------------------------------------------------------------------------------


def chain(length: int, calls: int = 1) -> list[onnx.FunctionProto]:
    """Functions each of which calls the next one, ``calls`` times."""
    functions = []
    for i in range(length):
        names = ["a", *(f"t{k}" for k in range(1, calls)), "b"]
        body = [call(f"F{i + 1}", names[k], names[k + 1]) for k in range(calls)]
        functions.append(function(f"F{i}", "a", "b", body))
    return [*functions, function(f"F{length}", "a", "b", [node("Neg", "a", "b")])]


REFUSED = {
    r"y/b \(my.F\): the function calls itself": [function("F", "a", "b", [call("F", "a", "b")])],
    r"y/b/b \(my.F\): the function calls itself": [
        function("F", "a", "b", [call("G", "a", "b")]), function("G", "a", "b", [call("F", "a", "b")]),
    ],
    "the function 'F' is defined twice": [function("F", "a", "b", [node("Neg", "a", "b")])] * 2,
    r"y \(my.F\) has 1 input, but the function has 0": [function("F", "", "b", [node("Constant", "", "b")])],
    r"y \(my.F\) has 1 output, but the function has 0": [function("F", "a", "", [])],
    "function 'F': no node computes its output 'b'": [function("F", "a", "b", [])],
    r"function 'F'.*c \(Neg\) uses 'x', which the model does not define": [
        function("F", "a", "a", [node("Neg", "x", "c")])
    ],
    "function 'F' has two inputs of the name 'a'": [function("F", "a a", "b", [node("Neg", "a", "b")])],
    "function 'F'.*'b' is defined twice": [function("F", "a b", "b", [node("Neg", "a", "b")])],
    r"function 'F'.*b \(Neg\): the file does not say which version of the operators of 'ai.onnx'": [
        function("F", "a", "b", [node("Neg", "a", "b")], opsets=OPSETS[1:])
    ],
    "function 'F' uses opset 99": [function("F", "a", "b", [], opsets=[helper.make_opsetid("", 99)])],
    "calls of functions are nested more than 30 levels": [
        function("F", "a", "b", [call("F0", "a", "b")]), *chain(40)],
    "functions would expand to more than 100,000 nodes": [
        function("F", "a", "b", [call("F0", "a", "b")]), *chain(25, 2)],
}  # fmt: skip


@pytest.mark.parametrize("message", REFUSED)
def test_refused(tmp_path, message):
    path = tmp_path / "model.onnx"
    path.write_bytes(model([call("F", "x", "y")], REFUSED[message]).SerializeToString())
    with pytest.raises(ModelFileError, match=f"model.onnx'?: {message}|model.onnx'?: .*{message}"):
        frontends.open(path)


def test_long_names_do_not_multiply(tmp_path):
    """Names that are made of long names have a bounded length."""
    body = function("F", "a", "b", [node("Neg", "a", "t" * 10_000), node("Abs", "t" * 10_000, "b")])
    found = inlined(tmp_path, model([call("F", "x", "y", "c" * 10_000)], [body]))
    assert max(len(name) for name in found.graph.names) <= inline.LONGEST
