"""Configs -> flat graphs: all dialects of wiring, nesting, sharing, and the matching of weights."""

from __future__ import annotations

import copy
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from sofie_jit.errors import ModelFileError, SofieError, WeightsError
from sofie_jit.frontends.keras import dialects, files, weights
from sofie_jit.frontends.keras.build import build
from sofie_jit.frontends.keras.graph import TensorRef, flatten
from sofie_jit.frontends.keras.saved_model import AttributePaths, Group, LayerGroups, SavedModel, Weight

GOLDEN = Path(__file__).parents[2] / "golden"
NAMES = {"Dense": ("kernel", "bias"), "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
         "LSTM": ("cell/kernel", "cell/recurrent_kernel", "cell/bias")}  # fmt: skip


def names(layer):
    return None if layer.class_name == "Mystery" else NAMES.get(layer.class_name, ())


def layer(name, class_name="Dense", **config):
    return {"class_name": class_name, "config": {"name": name, **config}}


def given(name, *shape, **config):
    return node(layer(name, "InputLayer", batch_input_shape=[None, *shape], **config))


def node(spec, *calls):
    return {**spec, "name": spec["config"]["name"], "inbound_nodes": list(calls)}


def refs(*names_, **kwargs):
    """A call in the words of Keras 2: ``name`` or ``name:node`` or ``name:node:tensor``."""
    split = [[*name.split(":"), "0", "0"][:3] for name in names_]
    return [[name, int(n), int(t), kwargs] for name, n, t in split]


def tensor(text):
    name, n, t = [*text.split(":"), "0", "0"][:3]
    return {"class_name": "__keras_tensor__", "config": {"shape": [None], "keras_history": [name, int(n), int(t)]}}


def args(*values, **kwargs):
    """A call in the words of Keras 3."""
    return {"args": list(values), "kwargs": kwargs}


def functional(layers, inputs, outputs, name="model", class_name="Functional"):
    config = {"name": name, "layers": layers, "input_layers": inputs, "output_layers": outputs}
    return {"class_name": class_name, "config": config}


def sequential(*layers, name="seq", **config):
    return {"class_name": "Sequential", "config": {"name": name, "layers": list(layers), **config}}


def built(spec, version="2.2.4"):
    return build(dialects.modernize(spec, version))


def text(model):
    """The calls as ``layer(argument, ...)`` lines, the outputs last."""

    def show(value):
        if isinstance(value, TensorRef):
            source = model.inputs[value.index].name if value.node < 0 else f"%{value.node}"
            return source + (f".{value.index}" if value.node >= 0 and value.index else "")
        if isinstance(value, dict):
            return "{" + ", ".join(f"{k}: {show(v)}" for k, v in value.items()) + "}"
        if isinstance(value, (list, tuple)):
            return "[" + ", ".join(map(show, value)) + "]"
        return str(value)

    lines = []
    for call in model.nodes:
        given = [*map(show, call.args), *(f"{k}={show(v)}" for k, v in call.kwargs.items())]
        lines.append(f"{call.layer.name}({', '.join(given)})")
    return [*lines, show(model.outputs)]


# -- Sequential ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec",
    [
        {"class_name": "Sequential", "config": [layer("a", batch_input_shape=[None, 3]), layer("b")]},
        sequential(layer("a", batch_input_shape=[None, 3]), layer("b", batch_input_shape=[None, 3])),
        sequential(layer("a_input", "InputLayer", batch_shape=[None, 3]), layer("a"), layer("b")),
        sequential(layer("a"), layer("b"), build_input_shape=[None, 3]),
        sequential({**layer("a"), "build_config": {"input_shape": [None, 3]}}, layer("b")),
        sequential(layer("a"), layer("b"), build_input_shape={"class_name": "TensorShape", "items": [None, 3]}),
    ],
)
def test_sequential_in_all_dialects(spec):
    model = built(spec)
    assert [(i.name, i.shape) for i in model.inputs] == [("a_input", (None, 3))]
    assert text(model) == ["a(a_input)", "b(%0)", "%1"]
    assert model.output_names == ["b"]


def test_sequential_in_sequential():
    inner = sequential(layer("a", batch_input_shape=[None, 3]), layer("b"), name="inner")
    model = built(sequential(inner, layer("b"), name="outer"))
    assert model.inputs[0].shape == (None, 3)
    assert text(model) == ["inner/a(a_input)", "inner/b(%0)", "b(%1)", "%2"]


def test_functional_as_first_layer_of_a_sequential():
    inner = functional([given("x", 4), node(layer("d"), refs("x"))], [["x", 0, 0]], [["d", 0, 0]], "inner")
    model = built(sequential(inner, layer("e")))
    assert [(i.name, i.shape) for i in model.inputs] == [("x", (None, 4))]
    assert text(model) == ["inner/d(x)", "e(%0)", "%1"]


def test_a_sequential_without_a_known_shape():
    assert built(sequential(layer("a"))).inputs[0].shape is None


def test_a_merge_of_models_at_the_start_of_a_sequential():
    """Keras 1's way to several inputs; the weights are saved as if all layers were the model's own."""
    left = {"class_name": "Sequential", "config": [layer("a", batch_input_shape=[None, 3]), layer("b")]}
    right = {"class_name": "Sequential", "config": [layer("c", batch_input_shape=[None, 4])]}
    merge = layer("m", "Merge", mode="concat", concat_axis=-1, layers=[left, right])
    model = built({"class_name": "Sequential", "config": [merge, layer("d")]}, "2.0.6")
    assert [(i.name, i.shape) for i in model.inputs] == [("a_input", (None, 3)), ("c_input", (None, 4))]
    assert text(model) == ["a(a_input)", "b(%0)", "c(c_input)", "m([%1, %2])", "d(%3)", "%4"]
    assert model.nodes[3].layer.class_name == "Concatenate"
    deeper = {"class_name": "Sequential", "config": [merge, layer("e")]}
    other = {"class_name": "Sequential", "config": [layer("f", batch_input_shape=[None, 5])]}
    model = built({"class_name": "Sequential", "config": [layer("n", "Merge", layers=[deeper, other])]}, "1.2.2")
    assert [i.name for i in model.inputs] == ["a_input", "c_input", "f_input"]
    assert text(model)[-2:] == ["n([%4, %5])", "%6"]


# -- Functional ----------------------------------------------------------------------------------------------------


def test_keras_2_wiring():
    model = built(functional(
        [given("x", 3), given("y", 3), node(layer("a"), refs("x"), refs("y")),
         node(layer("sum", "Add"), refs("a:0", "a:1"))],
        [["x", 0, 0], ["y", 0, 0]], [["sum", 0, 0], ["a", 1, 0]],
    ))  # fmt: skip
    assert text(model) == ["a(x)", "a(y)", "sum([%0, %1])", "[%2, %1]"]
    assert model.nodes[0].layer is model.nodes[1].layer
    assert model.output_names == ["sum", "a"]


def test_keras_3_wiring():
    model = built(functional(
        [given("x", 3), node(layer("a", trainable=True), args(tensor("x"))),
         node(layer("cat", "Concatenate", trainable=True), args([tensor("x"), tensor("a")])),
         node(layer("add", "Add"), args(tensor("cat"), 3.0))],
        ["x", 0, 0], ["add", 0, 0],
    ), "3.9.0")  # fmt: skip
    assert text(model) == ["a(x)", "cat([x, %0])", "add(%1, 3.0)", "%2"]
    assert model.nodes[2].layer.class_name == "ops.Add"
    assert model.nodes[1].layer.class_name == "Concatenate"


def test_layers_listed_before_what_they_need():
    layers = [node(layer("b"), refs("a")), node(layer("a"), refs("x")), given("x", 3)]
    assert text(built(functional(layers, [["x", 0, 0]], [["b", 0, 0]]))) == ["a(x)", "b(%0)", "%1"]


def test_calls_that_no_output_needs_are_kept_apart():
    model = built(functional(
        [given("x", 3), node(layer("a"), refs("x")), node(layer("b"), refs("x"))], [["x", 0, 0]], [["a", 0, 0]],
    ))  # fmt: skip
    assert [model.nodes[i].layer.name for i in model.needed()] == ["a"]


def test_outputs_that_are_inputs_or_intermediates():
    model = built(functional(
        [given("x", 3), node(layer("a"), refs("x")), node(layer("b"), refs("a"))],
        [["x", 0, 0]], [["x", 0, 0], ["a", 0, 0], ["b", 0, 0], ["b", 0, 0]],
    ))  # fmt: skip
    assert text(model)[-1] == "[x, %0, %1, %1]"
    assert model.output_names == ["x", "a", "b", "b_1"]


@pytest.mark.parametrize(
    ("outputs", "want"),
    [
        (["a", 0, 0], "%0"),
        ([["a", 0, 0]], "%0"),
        ([["a", 0, 0], ["b", 0, 0]], "[%0, %1]"),
        ({"second": ["b", 0, 0], "first": ["a", 0, 0]}, "{second: %1, first: %0}"),
        ({"one": ["a", 0, 0]}, "{one: %0}"),
        ([["a", 0, 0], {"b": ["b", 0, 0]}], "[%0, {b: %1}]"),
    ],
)
def test_structures_of_outputs(outputs, want):
    layers = [given("x", 3), node(layer("a"), refs("x")), node(layer("b"), refs("a"))]
    assert text(built(functional(layers, ["x", 0, 0], outputs)))[-1] == want


def test_inputs_keep_their_order_and_types():
    layers = [given("b", 3, dtype="int32"), given("a", 4, dtype="float16"), given("c", None, 2, dtype="uint8"),
              node(layer("cat", "Concatenate"), refs("a", "b", "c"))]  # fmt: skip
    model = built(functional(layers, [["b", 0, 0], ["a", 0, 0], ["c", 0, 0]], [["cat", 0, 0]]))
    assert [(i.name, i.dtype, i.shape) for i in model.inputs] == [
        ("b", "int32", (None, 3)),
        ("a", "float32", (None, 4)),
        ("c", "uint8", (None, None, 2)),
    ]


def test_inputs_by_name_are_taken_in_the_order_of_the_names():
    layers = [given("b", 3), given("a", 3), node(layer("cat", "Concatenate"), refs("b", "a"))]
    model = built(functional(layers, {"b": ["b", 0, 0], "a": ["a", 0, 0]}, [["cat", 0, 0]]))
    assert [i.name for i in model.inputs] == ["a", "b"]


def test_states_come_as_initial_state_in_every_dialect():
    def model(call, version):
        layers = [given("x", 5, 3), given("h", 2), given("c", 2), node(layer("rnn", "LSTM", dtype="float32"), call)]
        return text(built(functional(layers, [["x", 0, 0], ["h", 0, 0], ["c", 0, 0]], [["rnn", 0, 0]]), version))

    want = ["rnn(x, initial_state=[h, c])", "%0"]
    assert model(refs("x", "h", "c"), "2.2.4") == want
    assert model([["x", 0, 0, {"initial_state": [["h", 0, 0], ["c", 0, 0]]}]], "2.4.0") == want
    assert model(args(tensor("x"), initial_state=[tensor("h"), tensor("c")]), "3.0.0") == want


def test_several_outputs_of_a_layer():
    layers = [given("x", 5, 3), node(layer("rnn", "LSTM"), refs("x")), node(layer("d"), refs("rnn:0:2"))]
    assert text(built(functional(layers, [["x", 0, 0]], [["d", 0, 0]]))) == ["rnn(x)", "d(%0.2)", "%1"]


def test_arguments_that_are_no_tensors():
    op = {"class_name": "TFOpLambda", "config": {"name": "tf.math.add", "function": "math.add", "dtype": "float32"}}
    scale = layer("scale", "TFOpLambda")
    layers = [given("x", 3), given("y", 3), node(op, ["x", 0, 0, {"y": ["y", 0, 0], "name": None}]),
              node(scale, ["_CONSTANT_VALUE", -1, 2.5, {"y": ["tf.math.add", 0, 0]}])]  # fmt: skip
    model = built(functional(layers, [["x", 0, 0], ["y", 0, 0]], [["scale", 0, 0]]), "2.9.0")
    assert text(model) == ["tf.math.add(x, y=y, name=None)", "scale(2.5, y=%0)", "%1"]


def test_constants_and_slices_of_keras_3():
    array = {"class_name": "__numpy__", "config": {"value": [[1.0, 2.0]], "dtype": "float32"}}
    index = {"class_name": "__tuple__", "items": [
        {"class_name": "__ellipsis__", "config": {}},
        {"class_name": "__slice__", "config": {"start": None, "stop": 2, "step": None}}]}  # fmt: skip
    layers = [given("x", 3), node(layer("item", "GetItem"), args(tensor("x"), index)),
              node(layer("mul", "Multiply"), args(tensor("item"), array))]  # fmt: skip
    first, second = built(functional(layers, ["x", 0, 0], ["mul", 0, 0]), "3.9.0").nodes
    assert first.args[1] == (Ellipsis, slice(None, 2, None))
    np.testing.assert_array_equal(second.args[1], np.array([[1.0, 2.0]], "f4"))


# -- nested models -------------------------------------------------------------------------------------------------

INNER = functional([given("i", 3), node(layer("d"), refs("i"))], [["i", 0, 0]], [["d", 0, 0]], "inner")
INNER_SEQUENTIAL = sequential(layer("i", "InputLayer", batch_input_shape=[None, 3]), layer("d"), name="inner")


def twice(inner, dialect, first, outputs, version):
    """A model that calls ``inner`` twice and adds the results; calls of ``inner`` counted from ``first``."""
    call = refs if dialect == 2 else lambda *names_: args(*([tensor(n) for n in names_[:1]] if len(names_) == 1 else
                                                            [[tensor(n) for n in names_]]))  # fmt: skip
    add = layer("add", "Add", trainable=True)
    layers = [given("x", 3), node(inner, call("x"), call("x")), node(add, call(f"inner:{first}", f"inner:{first + 1}"))]
    return text(built(functional(layers, [["x", 0, 0]], outputs), version))


@pytest.mark.parametrize("inner", [INNER, INNER_SEQUENTIAL])
def test_nested_models_are_counted_from_one_by_keras_2(inner):
    got = twice(inner, 2, 1, [["add", 0, 0], ["inner", 2, 0]], "2.4.0")
    assert got == ["inner/d(x)", "inner/d(x)", "add([%0, %1])", "[%2, %1]"]


def test_nested_sequentials_without_input_are_counted_from_zero_by_keras_2():
    inner = sequential(layer("d"), name="inner")
    got = twice(inner, 2, 0, [["add", 0, 0], ["inner", 1, 0]], "2.4.0")
    assert got[-1] == "[%2, %1]"


def test_nested_models_of_keras_3_are_counted_from_one_in_outputs_only():
    assert twice(INNER, 3, 0, [["add", 0, 0], ["inner", 2, 0]], "3.1.0")[-1] == "[%2, %1]"
    assert twice(INNER, 3, 0, [["add", 0, 0], ["inner", 1, 0]], "3.1.0")[-1] == "[%2, %0]"
    assert twice(INNER_SEQUENTIAL, 3, 0, [["add", 0, 0], ["inner", 1, 0]], "3.1.0")[-1] == "[%2, %1]"


def test_nested_models_with_several_inputs_and_outputs():
    inner = functional(
        [given("p", 3), given("q", 3), node(layer("a"), refs("p")), node(layer("b"), refs("q"))],
        [["p", 0, 0], ["q", 0, 0]], [["b", 0, 0], ["a", 0, 0]], "inner", "Model",
    )  # fmt: skip
    layers = [given("x", 3), given("y", 3), node(inner, refs("x", "y")), node(layer("c"), refs("inner:1:1"))]
    model = built(functional(layers, [["x", 0, 0], ["y", 0, 0]], [["c", 0, 0], ["inner", 1, 0]]))
    assert text(model) == ["inner/a(x)", "inner/b(y)", "c(%0)", "[%2, %1]"]


def test_nested_models_called_by_name():
    inner = functional(
        [given("p", 3), given("q", 3), node(layer("sub", "Subtract"), refs("p", "q"))],
        {"p": ["p", 0, 0], "q": ["q", 0, 0]}, [["sub", 0, 0]], "inner",
    )  # fmt: skip
    call = args({"q": tensor("x"), "p": tensor("y")})
    layers = [given("x", 3), given("y", 3), node(inner, call)]
    model = built(functional(layers, [["x", 0, 0], ["y", 0, 0]], ["inner", 1, 0]), "3.0.0")
    assert text(model) == ["inner/sub([y, x])", "%0"]


def test_models_in_models_to_any_depth():
    spec = layer("d")
    for depth in range(20):
        spec = sequential(spec, name=f"m{depth}")
    (call,) = built(spec).nodes
    assert call.layer.name == "/".join([f"m{depth}" for depth in range(18, -1, -1)] + ["d"])


def test_a_layer_name_with_a_slash_and_spaces():
    layers = [given("in put", 3), node(layer("a/b c"), refs("in put"))]
    model = built(functional(layers, [["in put", 0, 0]], [["a/b c", 0, 0]]))
    assert text(model) == ["a/b c(in put)", "%0"]


def test_cutting_at_named_layers():
    layers = [given("x", 3), node(INNER, refs("x")), node(layer("e"), refs("inner:1"))]
    model = built(functional(layers, [["x", 0, 0]], [["e", 0, 0]]))
    assert model.cut(["inner"]).outputs == TensorRef(0, 0)
    assert model.cut(["inner/d", "e", "x"]).outputs == [TensorRef(0, 0), TensorRef(1, 0), TensorRef(-1, 0)]
    assert model.cut(["inner"]).needed() == [0]
    with pytest.raises(ModelFileError, match=r"'nope', which is not a layer.*inner/d"):
        model.cut(["nope"])


# -- contradictions ------------------------------------------------------------------------------------------------


X = given("x", 3)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (functional([X, node(layer("a"), refs("b")), node(layer("b"), refs("a"))], [["x", 0, 0]], [["b", 0, 0]]),
         "cycle: none of the layers a, b"),
        (functional([X, node(layer("a"), refs("a"))], [["x", 0, 0]], [["a", 0, 0]]), "cycle"),
        (functional([X, node(layer("a"), refs("z"))], [["x", 0, 0]], [["a", 0, 0]]), "a layer 'z', which it does not"),
        (functional([X, node(layer("a"), refs("x")), node(layer("b"), refs("a:3"))], [["x", 0, 0]], [["b", 0, 0]]),
         "call 3 of layer 'a', which is called 1 times"),
        (functional([X, X], [["x", 0, 0]], [["x", 0, 0]]), "two layers called 'x'"),
        (functional([X, node(layer("a"), refs("x"))], [["a", 0, 0]], [["a", 0, 0]]), "'a' is not one of its InputL"),
        (functional([X], [["x", 0, 0]], [["q", 0, 0]]), "layer 'q'"),
        (functional([X], [["x", 0, 0]], []), "output_layers"),
        (functional([X], [], [["x", 0, 0]]), "inputs"),
        (functional([X], [["x", 0, 0], ["x", 0, 0]], [["x", 0, 0]]), "different"),
        (functional([X, given("y", 3)], [["x", 0, 0]], [["y", 0, 0]]), "'y', which is neither called"),
        (functional([X, node(layer("a"), [3])], [["x", 0, 0]], [["a", 0, 0]]), "expected .layer, node, tensor"),
        (functional([X, node(INNER, refs("x", "x"))], [["x", 0, 0]], [["inner", 1, 0]]), "1 input .* 2 tensors"),
        (functional([X, node(INNER, refs("x"))], [["x", 0, 0]], [["inner", 1, 4]]), "output 4 of a model that has 1"),
        ({"class_name": "Functional", "config": {"name": "m", "layers": []}}, "no 'input_layers'"),
        ({"class_name": "Functional", "config": {"name": "m"}}, "layers should be a list"),
        ({"class_name": "Sequential", "config": {"name": "m", "layers": []}}, "has no layers"),
        ({"class_name": "Sequential", "config": {"name": "m", "layers": [3]}}, "dict with a class_name"),
        ({"class_name": "Sequential", "config": {"name": "m", "layers": [{"class_name": "Dense"}]}}, "should be a di"),
        (sequential({"class_name": "Dense", "config": {}}), "no name"),
        (sequential(layer("a", batch_input_shape=[None, "three"])), "list of sizes and nulls"),
        (sequential(layer("i", "InputLayer", batch_input_shape=[None, 3], sparse=True), layer("a")), "is sparse"),
        (sequential(layer("i", "InputLayer", batch_input_shape=[None], dtype="string"), layer("a")), "strings"),
        ({"class_name": "MyModel", "module": "mine", "config": {"layers": []}}, "mine>MyModel.*Sequential and Functi"),
        ({"class_name": "pkg>Functional", "config": {"layers": []}}, "of class pkg>Functional"),
    ],
)  # fmt: skip
def test_contradictions_are_named(spec, words):
    with pytest.raises(ModelFileError, match=words):
        built(spec)


def test_models_that_double_at_every_level_end():
    spec = sequential(layer("d"), name="m0")
    for depth in range(1, 40):
        spec = functional(
            [X, node(spec, refs("x"), refs(f"m{depth - 1}:0"))], [["x", 0, 0]], [[f"m{depth - 1}", 1, 0]], f"m{depth}"
        )
    with pytest.raises(ModelFileError, match="calls of layers"):
        built(spec)


def places(value, path=()):
    """All paths into a nested structure of dicts and lists."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from places(part, (*path, key))


@pytest.mark.parametrize("file", ["keras1/merged.h5", "keras2/functional.keras", "keras3/functional.h5"])
def test_garbled_configs_raise_nothing_else(file):
    saved = files.read(GOLDEN / file)
    random = Random(0)
    junk = [None, 3, -1, "x", [], {}, True, 1.5, [["x", 0, 0]], {"class_name": "Dense", "config": {}}, 10**30]
    built_ones = 0
    for _ in range(200):
        config = copy.deepcopy(saved.config)
        *path, last = random.choice([place for place in places(config) if place])
        target = config
        for key in path:
            target = target[key]
        target[last] = random.choice(junk)
        with suppress(SofieError):
            model = build(dialects.modernize(config, saved.keras_version))
            weights.bind(model.root, replace(saved, config=config), names)
            built_ones += 1
    assert 20 < built_ones < 180


# -- weights -------------------------------------------------------------------------------------------------------


def array(number, *shape):
    return np.full(shape or (1,), float(number), "f4")


def group(name, *stored):
    return Group(name, [Weight(weight, array(i)) for i, weight in enumerate(stored)])


def bound(spec, stored, version="2.4.0", backend=""):
    model = built(spec, version)
    saved = SavedModel("test", spec, stored, version, version, backend)
    weights.bind(model.root, saved, names)
    return {
        leaf.name: [int(w.flat[0]) for w in leaf.weights.values()] for leaf, _ in model.root.leaves() if leaf.weights
    }


def nested(*layers):
    return sequential(sequential(*layers, name="inner"), name="outer")


def test_weights_by_layer_name():
    spec = sequential(layer("a"), layer("b"))
    stored = LayerGroups([group("b", "k", "b"), Group("empty", []), group("a", "k", "b")])
    assert bound(spec, stored) == {"a": [0, 1], "b": [0, 1]}


def test_weights_by_order_where_names_changed():
    spec = sequential(layer("dense_3"), layer("drop", "Dropout"), layer("dense_4"))
    second = Group("dense_2", [Weight("k", array(7)), Weight("b", array(8))])
    stored = LayerGroups([group("dense_1", "k", "b"), Group("drop_1", []), second])
    assert bound(spec, stored) == {"dense_3": [0, 1], "dense_4": [7, 8]}


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ([group("a", "k", "b")], r"layers without weights in the file: b \(Dense\)"),
        ([group("a", "k", "b"), group("b", "k", "b"), group("c", "k")], "weights without a layer in the model: c"),
        ([group("a", "k", "b"), group("b", "k")], r"b \(Dense\): the file has 1 weight \(k \(1,\)\).*kernel, bias"),
        ([group("a", "k", "b"), group("a", "k", "b")], "two groups"),
    ],
)
def test_weights_that_do_not_fit(stored, words):
    with pytest.raises(WeightsError, match=words):
        bound(sequential(layer("a"), layer("b")), LayerGroups(stored))


BN = ("gamma", "beta", "moving_mean", "moving_variance")


def test_nested_weights_with_the_trainable_ones_first():
    spec = nested(layer("a"), layer("n", "BatchNormalization"), layer("b"))
    stored = group("inner", "a/kernel:0", "a/bias:0", "n/gamma:0", "n/beta:0", "b/kernel:0", "b/bias:0",
                   "n/moving_mean:0", "n/moving_variance:0")  # fmt: skip
    assert bound(spec, LayerGroups([stored])) == {"inner/a": [0, 1], "inner/n": [2, 3, 6, 7], "inner/b": [4, 5]}


def test_nested_weights_in_the_order_of_layers():
    spec = nested(layer("a"), layer("n", "BatchNormalization"), layer("b"))
    stored = group("inner", "kernel", "bias", *BN, "kernel", "bias")
    assert bound(spec, LayerGroups([stored])) == {"inner/a": [0, 1], "inner/n": [2, 3, 4, 5], "inner/b": [6, 7]}


def test_nested_weights_of_frozen_layers_come_last():
    spec = nested(layer("a", trainable=False), layer("b"))
    stored = group("inner", "x/b/kernel:0", "x/b/bias:0", "x/a/kernel:0", "x/a/bias:0")
    assert bound(spec, LayerGroups([stored])) == {"inner/b": [0, 1], "inner/a": [2, 3]}
    # frozen only after saving
    stored = group("inner", "a/kernel:0", "a/bias:0", "b/kernel:0", "b/bias:0")
    assert bound(spec, LayerGroups([stored])) == {"inner/a": [0, 1], "inner/b": [2, 3]}


def test_nested_weights_that_cannot_be_told_apart():
    spec = nested(layer("a", trainable=False), layer("b"))
    with pytest.raises(WeightsError, match=r"does not tell which.*save the model as \.keras"):
        bound(spec, LayerGroups([group("inner", "kernel:0", "bias:0", "kernel_1:0", "bias_1:0")]))
    with pytest.raises(WeightsError, match="3 weights in its group 'inner', its layers need 4"):
        bound(spec, LayerGroups([group("inner", "k", "b", "k")]))


def test_live_nested_weights():
    spec = nested(layer("a", trainable=False), layer("b"))
    inner = Group("inner", [], [group("a", "k", "b"), Group("b", [Weight("k", array(5)), Weight("b", array(6))])])
    assert bound(spec, LayerGroups([inner])) == {"inner/a": [0, 1], "inner/b": [5, 6]}


def test_weights_by_attribute_path():
    spec = sequential(layer("x"), sequential(layer("y"), layer("r", "LSTM"), name="inner"), layer("z"))
    stored = AttributePaths({
        "layers/dense": [Weight("0", array(1)), Weight("1", array(2))],
        "layers/dense_1": [Weight("0", array(3)), Weight("1", array(4))],
        "layers/sequential/layers/dense": [Weight("0", array(5)), Weight("1", array(6))],
        "layers/sequential/layers/lstm/cell": [Weight(str(i), array(7 + i)) for i in range(3)],
    })  # fmt: skip
    want = {"x": [1, 2], "z": [3, 4], "inner/y": [5, 6], "inner/r": [7, 8, 9]}
    assert bound(spec, stored, "3.9.0") == want
    for path, words in [("layers/dense_1", "the file has no weights under 'layers/dense_1'"),
                        ("layers/sequential/layers/lstm/cell", "the layer needs 3")]:  # fmt: skip
        with pytest.raises(WeightsError, match=words):
            bound(spec, AttributePaths({k: v for k, v in stored.paths.items() if k != path}), "3.9.0")
    with pytest.raises(WeightsError, match="no layer uses, under layers/conv2d"):
        bound(spec, AttributePaths({**stored.paths, "layers/conv2d": [Weight("0", array(1))]}), "3.9.0")


def test_class_names_become_paths():
    # Keras's own examples of its rule
    for name, path in [("Conv2DTranspose", "conv2d_transpose"), ("PReLU", "p_re_lu"), ("LSTM", "lstm"),
                       ("BatchNormalization", "batch_normalization"), ("GRU", "gru")]:  # fmt: skip
        assert weights.snake_case(name) == path


def test_a_layer_of_two_models_is_stored_once():
    shared = {**layer("d"), "shared_object_id": 7}
    stored = AttributePaths({"layers/sequential/layers/dense": [Weight("0", array(1)), Weight("1", array(2))]})
    for first in (shared, layer("d")):  # Keras loses the mark of the first, if that is in a nested model
        spec = sequential(sequential(first, name="one"), sequential(shared, name="two"))
        assert bound(spec, stored, "3.9.0") == {"one/d": [1, 2], "two/d": [1, 2]}
    for other in (layer("e"), layer("d", units=3)):
        with pytest.raises(WeightsError, match=r"two/d \(Dense\): the file has no weights under"):
            bound(sequential(sequential(other, name="one"), sequential(shared, name="two")), stored, "3.9.0")


def test_unknown_classes_leave_weights_alone():
    spec = sequential(layer("a"), layer("q", "Mystery"))
    stored = LayerGroups([group("a", "k", "b"), group("q", "w")])
    assert bound(spec, stored) == {"a": [0, 1]}


def test_leaves_of_structures():
    assert flatten([1, (2, {"b": 3, "a": [4]})]) == [1, 2, 4, 3]
