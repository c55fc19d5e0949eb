"""Translation to operators: versions, attributes, constants, shapes, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_files import PRODUCTION

import sofie_jit
from sofie_jit import check, frontends, ops
from sofie_jit.errors import GraphError, ModelFileError, OptionError, SofieError, UnsupportedLayerError
from sofie_jit.frontends.fixed_sizes import with_input_shapes
from sofie_jit.frontends.onnx.nodes import registry
from sofie_jit.verification.evaluate import evaluate

RNG = np.random.default_rng(0)


def node(op, inputs, outputs, name="", domain="", **attributes):
    names = [[text if text != "_" else "" for text in listed.split()] for listed in (inputs, outputs)]
    return helper.make_node(op, *names, name, domain=domain, **attributes)


def saved(tmp_path, nodes, inputs, outputs="y", opset=20, **initializers) -> str:
    """A file of ``nodes``; ``inputs`` is name -> shape or array."""
    infos = []
    for name, given in inputs.items():
        shape, dtype = (given.shape, given.dtype) if isinstance(given, np.ndarray) else (given, np.dtype(np.float32))
        infos.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape))
    weights = [numpy_helper.from_array(np.asarray(array), name) for name, array in initializers.items()]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs.split()]
    graph = helper.make_graph(nodes, "network", infos, results, weights)
    opsets = [
        helper.make_opsetid("", opset),
        helper.make_opsetid("my", 1),
        helper.make_opsetid("com.microsoft.nchwc", 1),
    ]
    path = tmp_path / "model.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return path


def computed(path, **inputs) -> list[np.ndarray]:
    """The outputs in numpy."""
    translation = frontends.open(path)
    rmodel = translation()
    return evaluate(rmodel, [np.asarray(inputs[name]) for name in rmodel.inputs])


def operators(path, **options) -> list[str]:
    return [op.op_type for op in frontends.open(path, **options)().operators]


X = np.float32([[-2, -0.5, 1], [3, 0.25, -7]])


# -- versions ----------------------------------------------------------------------------------------------------------


def test_limits_of_clip_became_inputs(tmp_path):
    expected = X.clip(-1, 2)
    old = saved(tmp_path, [node("Clip", "x", "y", min=-1.0, max=2.0)], {"x": X}, opset=10)
    np.testing.assert_array_equal(computed(old, x=X)[0], expected)
    new = saved(tmp_path, [node("Clip", "x low high", "y")], {"x": X}, opset=11, low=np.float32(-1), high=np.float32(2))
    np.testing.assert_array_equal(computed(new, x=X)[0], expected)
    upper = saved(tmp_path, [node("Clip", "x _ high", "y")], {"x": X}, opset=13, high=np.float32(2))
    np.testing.assert_array_equal(computed(upper, x=X)[0], X.clip(None, 2))
    low = np.array(-1, np.float32)
    run_time = saved(tmp_path, [node("Clip", "x low", "y")], {"x": X, "low": low})
    np.testing.assert_array_equal(computed(run_time, x=X, low=low)[0], X.clip(-1))


def test_softmax_was_of_rows_before_opset_13(tmp_path):
    x = RNG.normal(size=(2, 3, 4)).astype(np.float32)

    def softmax(array, axis):
        exponential = np.exp(array - array.max(axis, keepdims=True))
        return exponential / exponential.sum(axis, keepdims=True)

    for opset, attributes, expected in (
        (13, {}, softmax(x, -1)),
        (13, {"axis": 1}, softmax(x, 1)),
        (11, {}, softmax(x.reshape(2, 12), 1).reshape(x.shape)),
        (11, {"axis": 2}, softmax(x, 2)),
    ):
        path = saved(tmp_path, [node("Softmax", "x", "y", **attributes)], {"x": x}, opset=opset)
        np.testing.assert_allclose(computed(path, x=x)[0], expected, rtol=1e-5)


def test_broadcasting_was_an_attribute_before_opset_7(tmp_path):
    x, b = RNG.normal(size=(2, 3, 4, 5)).astype(np.float32), RNG.normal(size=(3, 4)).astype(np.float32)
    path = saved(tmp_path, [node("Add", "x b", "y", broadcast=1, axis=1)], {"x": x}, opset=6, b=b)
    np.testing.assert_array_equal(computed(path, x=x)[0], x + b[None, :, :, None])
    path = saved(tmp_path, [node("Mul", "x b", "y", broadcast=1)], {"x": x}, opset=6, b=b[0, :1])
    np.testing.assert_array_equal(computed(path, x=x)[0], x * b[0, 0])


@pytest.mark.parametrize(
    ("op", "attributes", "constants"),
    [
        ("Squeeze", {"axes": [1]}, {"axes": np.int64([1])}),
        ("Unsqueeze", {"axes": [0, 4]}, {"axes": np.int64([0, 4])}),
        ("ReduceSum", {"axes": [2], "keepdims": 0}, {"axes": np.int64([2])}),
    ],
)
def test_axes_became_inputs(tmp_path, op, attributes, constants):
    x = RNG.normal(size=(2, 1, 3)).astype(np.float32)
    old = saved(tmp_path, [node(op, "x", "y", **attributes)], {"x": x}, opset=11)
    (expected,) = computed(old, x=x)
    attributes.pop("axes")
    new = saved(tmp_path, [node(op, "x axes", "y", **attributes)], {"x": x}, opset=13, **constants)
    np.testing.assert_array_equal(computed(new, x=x)[0], expected)
    assert expected.shape != x.shape

    late = saved(tmp_path, [node(op, "x", "y", **attributes, axes=constants["axes"].tolist())], {"x": x}, opset=21)
    np.testing.assert_array_equal(computed(late, x=x)[0], expected)  # SOFIE's test models have such nodes


def test_no_axes_of_a_reduction_are_all_axes(tmp_path):
    empty = node("ReduceMin", "x", "y", keepdims=0)
    empty.attribute.append(helper.make_attribute("axes", [], attr_type=onnx.AttributeProto.INTS))
    for reduction in (node("ReduceMin", "x", "y", keepdims=0), empty):
        np.testing.assert_array_equal(computed(saved(tmp_path, [reduction], {"x": X}, opset=16), x=X)[0], X.min())


def test_inputs_of_the_graph_give_the_shapes_of_initializers(tmp_path):
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    path = saved(tmp_path, [node("Sub", "x w", "y")], {"x": [3, 2], "w": [3, 2]}, w=weights)
    x = np.ones((3, 2), np.float32)
    np.testing.assert_array_equal(computed(path, x=x)[0], x - weights.reshape(3, 2))
    for declared in ([], ["N", 3], [1, 3]):
        path = saved(tmp_path, [node("Sub", "x w", "y")], {"x": [2, 3], "w": declared}, w=weights)
        np.testing.assert_array_equal(computed(path, x=weights)[0], 0 * weights)


def test_a_mask_of_numbers_is_added(tmp_path):
    q, k, v = RNG.normal(size=(3, 1, 2, 3, 4)).astype(np.float32)
    mask = np.int32([[0, 1, 5], [0, -2, 3], [4, 0, 0]])
    given = {"q": q, "k": k, "v": v}
    nodes, as_float = [node("Attention", "q k v mask", "y")], {"mask": mask.astype(np.float32)}
    (expected,) = computed(saved(tmp_path, nodes, given | as_float, opset=23), **given, **as_float)
    (found,) = computed(saved(tmp_path, nodes, given | {"mask": mask}, opset=23), **given, mask=mask)
    np.testing.assert_array_equal(found, expected)


def test_top_k_along_every_axis(tmp_path):
    x = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)
    for axis in range(3):
        nodes = [node("TopK", "x k", "values places", axis=axis)]
        model = sofie_jit.load(saved(tmp_path, nodes, {"x": ["N", 5, 3]}, "values places", k=np.int64([2])))
        order = np.argsort(-x, axis, kind="stable").take([0, 1], axis)
        values, places = model.infer(x)
        np.testing.assert_array_equal(places, order, strict=True)
        np.testing.assert_array_equal(values, np.take_along_axis(x, order, axis), strict=True)
    old = sofie_jit.load(
        saved(tmp_path, [node("TopK", "x", "values places", axis=1, k=2)], {"x": ["N", 5, 3]}, "values places", opset=9)
    )
    np.testing.assert_array_equal(old.infer(x)[1], np.argsort(-x, 1, kind="stable")[:, :2])


def test_swish_with_a_factor(tmp_path):
    nodes = [node("Swish", "x", "a", alpha=0.5), node("Swish", "x", "b"), node("SwiGLU", "x x", "c", alpha=0.5)]
    model = sofie_jit.load(saved(tmp_path, nodes, {"x": ["N", 3]}, "a b c", opset=28))
    half, one = (X / (1 + np.exp(-factor * X)) for factor in (0.5, 1))
    for got, want in zip(model.infer(X), [half, one, half * X], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)


def test_sizes_as_int32(tmp_path):
    """Paddle computes shapes as int32."""
    nodes = [
        node("Shape", "x", "shape"),
        node("Cast", "shape", "small", to=TensorProto.INT32),
        node("Slice", "small one two", "time"),
        node("Cast", "time", "wide", to=TensorProto.INT64),
        node("Concat", "zero wide three four", "target", axis=0),
        node("Reshape", "x target", "y"),
    ]
    constants = {"one": 1, "two": 2, "zero": 0, "three": 3, "four": 4}
    arrays = {name: np.int64([value]) for name, value in constants.items()}
    path = saved(tmp_path, nodes, {"x": ["N", "T", 12]}, "y small", **arrays)
    message = onnx.load(path)
    message.graph.output[1].type.tensor_type.elem_type = TensorProto.INT32
    onnx.save(message, path)
    y, sizes = sofie_jit.load(path).infer(np.zeros((2, 7, 12), np.float32))
    assert y.shape == (2, 7, 3, 4)
    np.testing.assert_array_equal(sizes, np.int32([2, 7, 12]), strict=True)


def test_an_old_form_is_refused_with_its_opset(tmp_path):
    path = saved(tmp_path, [node("RMSNormalization", "x x", "y")], {"x": X}, opset=22)
    with pytest.raises(
        UnsupportedLayerError, match=r"y \(RMSNormalization\): of opset 22; this operator is supported from opset 23"
    ):
        frontends.open(path)()


def test_versions_of_handlers_are_those_of_onnx():
    """Each handler begins with a version in which ONNX changed the operator, or is for all versions."""
    for (domain, op_type), versions in registry.handlers().items():
        changes = {schema.since_version for schema in onnx.defs.get_all_schemas_with_history()
                   if (schema.domain, schema.name) == (domain, op_type)}  # fmt: skip
        assert versions.keys() <= changes | {1}, op_type


@pytest.mark.parametrize("count", [3, 10])
def test_rotated_parts_of_heads_are_even_and_fit(tmp_path, count):
    graph = [node("RotaryEmbedding", "x c s", "y", rotary_embedding_dim=count)]
    weights = {"c": np.ones((1, 5, count // 2), np.float32), "s": np.ones((1, 5, count // 2), np.float32)}
    with pytest.raises(UnsupportedLayerError, match=f"rotary_embedding_dim={count} does not fit heads of size 8"):
        frontends.open(saved(tmp_path, graph, {"x": np.ones((1, 2, 5, 8), np.float32)}, opset=23, **weights))()


def test_one_statistic_of_layer_normalization(tmp_path):
    normalized = helper.make_node("LayerNormalization", ["x", "s"], ["z", "", "y"], epsilon=0.25)
    x = np.arange(12, dtype=np.float32).reshape(3, 4) ** 2
    path = saved(tmp_path, [normalized], {"x": x.shape}, s=np.ones(4, np.float32))
    (found,) = computed(path, x=x)
    np.testing.assert_allclose(found, 1 / np.sqrt(x.var(1, keepdims=True) + 0.25), rtol=1e-6)


@pytest.mark.parametrize("end", [2, 5, 7, np.iinfo(np.int64).max])
@pytest.mark.parametrize("size", [5, "n"])
def test_slices_to_an_end(tmp_path, size, end):
    """Of the second axis, known or open; only a slice to its end leaves the tensor as it is."""
    bounds = {"start": np.array([0]), "end": np.array([end]), "axis": np.array([1])}
    path = saved(tmp_path, [node("Slice", "x start end axis", "y")], {"x": [2, size]}, **bounds)
    x = np.arange(10, dtype=np.float32).reshape(2, 5)
    (found,) = computed(path, x=x)
    assert np.array_equal(found, x[:, :end])
    kinds = {type(op).__name__ for op in frontends.open(path)().operators}
    assert ("Slice" in kinds) == (end == 2 or (size == "n" and end < 1 << 30))


def test_frames_longer_than_the_signal_are_refused(tmp_path):
    """The inputs of STFT: a signal, the step and the length of frames."""
    graph = [node("STFT", "x step w length", "y")]
    weights = {"step": np.array(2), "w": np.ones(5, np.float32), "length": np.array(5)}
    signal = np.ones((2, 4), np.float32)
    with pytest.raises(UnsupportedLayerError, match="frames of 5 numbers every 2 do not fit a signal of shape"):
        frontends.open(saved(tmp_path, graph, {"x": signal}, **weights))()


# -- attributes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (
            node("RandomNormalLike", "x", "y"),
            r"it draws random numbers; export the model for inference, pass a function",
        ),
        (node("StringNormalizer", "x", "y"), r"strings are not supported; convert them to numbers before"),
        (node("Conv", "x x", "y", domain="com.microsoft.nchwc"), r"a single kind of processor; .* ORT_ENABLE_EXTENDED"),
    ],
)
def test_what_is_refused_on_purpose_has_a_reason(tmp_path, refused, message):
    with pytest.raises(UnsupportedLayerError, match=message):
        frontends.open(saved(tmp_path, [refused], {"x": X}))()


def test_all_problems_are_listed_at_once(tmp_path):
    nodes = [
        node("Relu", "x", "a", "first", alpha=1.0),
        node("Unheard", "a", "b", "second"),
        node("Neg", "b", "c", "third"),
        node("Concat", "x x", "d", "fourth"),
        node("LeakyRelu", "x", "e", "fifth", alpha="text"),
        node("Special", "x", "f", "sixth", domain="my"),
        node("LayerNormalization", "x w", "g", "seventh", stash_type=11),
    ]
    path = saved(tmp_path, nodes, {"x": X}, "a c d e f g", w=np.float32([1, 2, 3]))
    with pytest.raises(UnsupportedLayerError) as error:
        frontends.open(path)()
    remedies = (
        "register a function for it with sofie_jit.register_operator, pass one to load(..., replace={node: function}), "
        "or cut the model before it with outputs="
    )
    assert error.value.problems == [
        "first (Relu): the attribute 'alpha' is not supported",
        f"second (Unheard): the operator is not supported; {remedies}",
        "fourth (Concat): the attribute 'axis' is missing",
        "fifth (LeakyRelu): the attribute 'alpha' is of type STRING; expected FLOAT",
        "sixth (my.Special): the operator is not supported; register a function for it with "
        "sofie_jit.register_operator, pass one to load(..., replace={node: function}), or cut the model before it with "
        "outputs=",
        "seventh (LayerNormalization): stash_type=11 is not supported: the statistics are computed in the type of the "
        "input",
    ]
    report = check(path)
    assert [bool(report_node.problem) for report_node in report.nodes] == [True, True, False, True, True, True, True]


def test_an_output_that_nobody_uses_need_not_be_supported(tmp_path):
    normal = node("BatchNormalization", "x s s s s", "p i")
    x, s = RNG.normal(size=(2, 3, 4)).astype(np.float32), np.ones(3, np.float32)
    assert computed(saved(tmp_path, [normal], {"x": x}, "p", opset=9, s=s), x=x)[0].shape == (2, 3, 4)
    message = r"p \(BatchNormalization\): its output 'i', number 2, is not supported"
    with pytest.raises(UnsupportedLayerError, match=message):
        frontends.open(saved(tmp_path, [normal], {"x": x}, "p i", opset=9, s=s))()


def test_wrong_numbers_of_inputs(tmp_path):
    for nodes, message in (
        ([node("BatchNormalization", "x", "y")], r"y \(BatchNormalization\): its input 'scale' is missing"),
        ([node("Clip", "x x x x", "y")], r"y \(Clip\): its input 'x', number 4, is not supported"),
        ([node("Reshape", "x x", "y")], r"y \(Reshape\): its input 'shape' is computed by the model; only constants"),
    ):
        with pytest.raises(UnsupportedLayerError, match=message):
            frontends.open(saved(tmp_path, nodes, {"x": X}))()


def test_gelu_as_tf2onnx_writes_it(tmp_path):
    nodes = [node("Mul", "x c", "z"), node("Erfc", "z", "e"), node("Mul", "x e", "xe"), node("Mul", "xe half", "y")]
    path = saved(tmp_path, nodes, {"x": ["N", 3]}, opset=15, c=np.float32(-(0.5**0.5)), half=np.float32(0.5))
    x = RNG.normal(size=(50, 3)).astype(np.float32)
    expected = x * (1 + np.vectorize(math.erf)(x / 2**0.5)) / 2
    np.testing.assert_allclose(computed(path, x=x)[0], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "axes"),
    [
        (node("Unsqueeze", "x axes", "y"), [0, 0]),
        (node("Unsqueeze", "x axes", "y"), [0, -5]),
        (node("Unsqueeze", "x axes", "y"), [7]),
        (node("Squeeze", "x axes", "y"), [9]),
        (node("ReduceSum", "x axes", "y"), [9]),
        (node("Concat", "x x", "y", axis=3), []),
        (node("Gather", "x axes", "y", axis=3), [0]),
        (node("Softmax", "x", "y", axis=3), []),
        (node("Transpose", "x", "y", perm=[0, 0, 1]), []),
        (node("Transpose", "x", "y", perm=[0, 1, 5]), []),
        (node("Transpose", "x", "y", perm=[0, 1]), []),
        (node("Split", "x", "y", axis=3), []),
        (node("Flatten", "x", "y", axis=4), []),
        (node("CumSum", "x nine", "y"), []),
    ],
    ids=lambda value: value.op_type if hasattr(value, "op_type") else "",
)
def test_wrong_axes_are_refused(tmp_path, wrong, axes):
    path = saved(tmp_path, [wrong], {"x": (2, 3, 4)}, axes=np.int64(axes), nine=np.int64(9))
    with pytest.raises(SofieError, match=rf"y \({wrong.op_type}\)"):
        frontends.open(path)()


def test_types_that_are_not_supported_are_named(tmp_path):
    path = saved(tmp_path, [node("Relu", "x", "y")], {"x": X.astype(np.complex64)})
    with pytest.raises(UnsupportedLayerError, match=r"input 'x' \(complex64\): inputs must be tensors of type float32"):
        frontends.open(path)()
    path = saved(tmp_path, [node("Add", "x w", "y")], {"x": X}, w=np.complex64([1, 2, 3]))
    with pytest.raises(UnsupportedLayerError, match=r"y \(Add\): its input 'w' is of type complex64; supported are"):
        frontends.open(path)()


# -- constants and shapes ----------------------------------------------------------------------------------------------


def test_shapes_are_computed_while_the_model_is_translated(tmp_path):
    """The chain with which exporters flatten all axes but the first leaves nothing but the Reshape."""
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s zero", "n", axis=0),
        node("Unsqueeze", "n axes", "u"),
        node("Concat", "u rest", "t", axis=0),
        node("Reshape", "x t", "y"),
    ]
    constants = {"zero": np.int64(0), "axes": np.int64([0]), "rest": np.int64([-1])}
    path = saved(tmp_path, nodes, {"x": ("N", 3, 4)}, **constants)
    rmodel = frontends.open(path)()
    assert [op.op_type for op in rmodel.operators] == ["Reshape"]
    assert str(rmodel.tensor_type(rmodel.outputs[0])) == "float32 (batch, 12)"


@pytest.mark.parametrize(
    ("start", "end", "step", "places"),
    [
        (3, 0, -1, [3, 2, 1]),
        (-1, 1, -2, [3]),
        (3, -4, -1, [3, 2, 1]),
        (3, -5, -1, [3, 2, 1, 0]),  # ends before the first element
        (2, -9, -2, [2, 0]),
        (0, 9, 3, [0, 3]),
    ],
)
def test_slices_of_known_sizes(start, end, step, places, tmp_path):
    sizes = np.int64([1, 2, 3, 4])
    limits = {"start": np.int64([start]), "end": np.int64([end]), "axis": np.int64([0]), "step": np.int64([step])}
    nodes = [node("Slice", "sizes start end axis step", "part"), node("ConstantOfShape", "part", "y")]
    path = saved(tmp_path, nodes, {"x": np.ones(1, np.float32)}, sizes=sizes, **limits)
    assert computed(path, x=np.ones(1, np.float32))[0].shape == tuple(sizes[places])


def test_arithmetic_of_known_sizes(tmp_path):
    nodes = [
        node("Shape", "x", "s"),
        node("Slice", "s one big", "tail"),
        node("Div", "tail two", "half"),
        node("Mul", "half two", "even"),
        node("Cast", "even", "f", to=TensorProto.FLOAT),
        node("Floor", "f", "g"),
        node("Cast", "g", "e", to=TensorProto.INT64),
        node("Concat", "one e", "ends", axis=0),
        node("Slice", "x zeros ends", "y"),
    ]
    constants = {"one": np.int64([1]), "two": np.int64([2]), "big": np.int64([1000]), "zeros": np.int64([0, 0, 0])}
    x = RNG.normal(size=(2, 5, 7)).astype(np.float32)
    path = saved(tmp_path, nodes, {"x": x}, **constants)
    np.testing.assert_array_equal(computed(path, x=x)[0], x[:1, :4, :6])
    assert operators(path) == ["Slice"]


def test_arithmetic_of_open_sizes(tmp_path):
    """Names cancel, and comparisons are decided where all values of the sizes agree."""
    nodes = [
        node("Shape", "x", "s"),
        node("Equal", "s minus", "unknown"),  # no size is -1
        node("Where", "unknown ones s", "w"),
        node("Mul", "w four", "m"),
        node("Div", "m two", "d"),
        node("Sub", "d w", "n"),
        node("ReduceProd", "n", "count", keepdims=1),
        node("Concat", "count one", "t", axis=0),
        node("Reshape", "x t", "y"),
    ]
    constants = {"minus": [-1], "ones": [1], "four": [4], "two": [2], "one": [1]}
    path = saved(tmp_path, nodes, {"x": ("N", "n", 3)}, **{name: np.int64(v) for name, v in constants.items()})
    rmodel = frontends.open(path)()
    assert [op.op_type for op in rmodel.operators] == ["Reshape"]
    assert str(rmodel.tensor_type(rmodel.outputs[0])) == "float32 (3*batch*n, 1)"


def test_sizes_as_tensors(tmp_path):
    """Sizes that are compared, that are data, and that are outputs."""
    nodes = [
        node("Shape", "x", "s"),
        node("Greater", "s two", "c"),
        node("Gather", "c zero", "c0", axis=0),
        node("Where", "c0 x nine", "y"),
        node("Cast", "s", "f", to=1),
        node("Mul", "f half", "z"),
        node("Size", "x", "n"),
    ]
    path = saved(
        tmp_path, nodes, {"x": ("N", 2)}, "y z n",
        two=np.int64([2]), zero=np.int64(0), nine=np.float32(9), half=np.float32(0.5),
    )  # fmt: skip
    for rows in (0, 1, 2, 3):
        x = RNG.normal(size=(rows, 2)).astype(np.float32)
        y, z, n = computed(path, x=x)
        np.testing.assert_array_equal(y, x if rows > 2 else np.full_like(x, 9))
        np.testing.assert_array_equal(z, [rows / 2, 1])
        assert n == 2 * rows


def test_ranges_and_parts_of_open_sizes(tmp_path):
    """Positions that are added to a part of the tensor, whose end is computed from its size."""
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s one", "n", axis=0),
        node("Range", "zero n one_", "r"),
        node("Div", "n two", "half"),
        node("Unsqueeze", "half axis0", "end"),
        node("Slice", "x begin end axis1", "part"),
        node("Slice", "r begin end axis0", "positions"),
        node("Cast", "positions", "p", to=1),
        node("Add", "part p", "y"),
        node("Concat", "x y", "z", axis=1),
        node("Split", "x", "a b", axis=1, num_outputs=2),
        node("Unsqueeze", "x axis2", "column"),
        node("Unsqueeze", "x axis1", "row"),
        node("Mul", "column row", "outer"),
        node("Trilu", "outer", "t", upper=0),
    ]
    path = saved(
        tmp_path, nodes, {"x": ("N", "n")}, "z a b t",
        one=np.int64(1), zero=np.int64(0), one_=np.int64(1), two=np.int64(2), axis0=np.int64([0]),
        axis1=np.int64([1]), axis2=np.int64([2]), begin=np.int64([0]),
    )  # fmt: skip
    for n in (1, 4, 5):
        x = RNG.normal(size=(2, n)).astype(np.float32)
        z, a, b, t = computed(path, x=x)
        np.testing.assert_array_equal(z, np.concatenate([x, x[:, : n // 2] + np.arange(n // 2, dtype="f4")], 1))
        np.testing.assert_array_equal(np.concatenate([a, b], 1), x)
        assert a.shape[1] == (n + 1) // 2
        np.testing.assert_array_equal(t, np.tril(x[:, :, None] * x[:, None]))


def test_weights_that_are_computed_from_constants(tmp_path):
    w = RNG.normal(size=(3, 3, 2, 4)).astype(np.float32)
    nodes = [
        node("Transpose", "w", "t", perm=[3, 2, 0, 1]),
        node("Mul", "t scale", "k"),
        node("Conv", "x k", "y"),
    ]
    x = RNG.normal(size=(1, 2, 5, 5)).astype(np.float32)
    path = saved(tmp_path, nodes, {"x": x}, w=w, scale=np.float32(2))
    direct = saved(tmp_path, [node("Conv", "x k", "y")], {"x": x}, k=2 * w.transpose(3, 2, 0, 1))
    expected = computed(direct, x=x)[0]
    path = saved(tmp_path, nodes, {"x": x}, w=w, scale=np.float32(2))
    np.testing.assert_allclose(computed(path, x=x)[0], expected, rtol=1e-6)


def test_a_known_condition_chooses_a_branch(tmp_path):
    def branch(op):
        return helper.make_graph([node(op, "x", "r")], op, [], [helper.make_tensor_value_info("r", 1, None)])

    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s one", "n", axis=0),
        node("Equal", "n three", "c"),
        node("If", "c", "y", then_branch=branch("Neg"), else_branch=branch("Abs")),
    ]
    for size, expected in ((3, "Neg"), (4, "Abs")):
        path = saved(tmp_path, nodes, {"x": ("N", size)}, one=np.int64(1), three=np.int64(3))
        assert operators(path) == [expected]


def test_names_of_open_dimensions(tmp_path):
    shapes = {"a": ("N", "n tracks", 3), "b": ("N", "batch", None), "c": (None, "n+tracks", "n tracks"), "d": ("M", 1)}
    path = saved(tmp_path, [node("Relu", name, f"{name}_y") for name in shapes], shapes, "a_y b_y c_y d_y")
    assert {name: str(kind) for name, kind in frontends.open(path).inputs.items()} == {
        "a": "float32 (batch, n_tracks, 3)",
        "b": "float32 (batch, batch_2, b_2)",
        "c": "float32 (c_0, n_tracks_2, n_tracks)",
        "d": "float32 (M, 1)",
    }


def test_unused_nodes_are_not_translated(tmp_path):
    path = saved(tmp_path, [node("Unheard", "x", "z"), node("Relu", "x", "y")], {"x": X})
    assert operators(path) == ["Relu"]


# -- options -----------------------------------------------------------------------------------------------------------


def test_outputs_by_name_of_tensor(tmp_path):
    nodes = [node("Neg", "x", "a"), node("Exp", "a", "b"), node("Unheard", "b", "y")]
    path = saved(tmp_path, nodes, {"x": X})
    rmodel = frontends.open(path, outputs=["b", "a"])()
    assert rmodel.output_labels == ["b", "a"]
    for got, expected in zip(evaluate(rmodel, X), [np.exp(-X), -X], strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6)
    assert operators(path, outputs="a") == ["Neg"]
    with pytest.raises(ModelFileError, match=r"model.onnx.*outputs= names 'z', which is not a tensor"):
        frontends.open(path, outputs=["z"])


@pytest.mark.parametrize("unknown", ["None", "?", "-1", "", None])
def test_what_stands_for_an_unknown_size_is_no_name(unknown, tmp_path):
    path = saved(tmp_path, [node("Concat", "x w", "y", axis=1)], {"x": ["N", unknown, 3], "w": ["N", unknown, 3]})
    x, w = np.ones((2, 4, 3), np.float32), np.ones((2, 5, 3), np.float32)
    assert computed(path, x=x, w=w)[0].shape == (2, 9, 3)


def test_functions_in_place_of_nodes(tmp_path):
    nodes = [node("Special", "x", "a", "special", domain="my", k=1), node("Neg", "a", "y")]
    path = saved(tmp_path, nodes, {"x": X})
    rmodel = frontends.open(path, replace={"special": lambda x: ops.square(x)})()
    np.testing.assert_array_equal(evaluate(rmodel, X)[0], -X * X)
    with pytest.raises(ModelFileError, match=r"'other', which is not a node .*; its nodes are: special, y$"):
        frontends.open(path, replace={"other": lambda x: x})()
    with pytest.raises(GraphError, match=r"special \(.*Special.*<lambda>\(a, b\), cannot be called with .* \(float32"):
        frontends.open(path, replace={"special": lambda a, b: a})()
    with pytest.raises(GraphError, match=r"must have a function for it, got 'square'"):
        frontends.open(path, replace={"special": "square"})()


def test_options_of_keras_are_refused(tmp_path):
    path = saved(tmp_path, [node("Relu", "x", "y")], {"x": X})
    with pytest.raises(OptionError, match="ONNX models have no option config=; their options are: outputs=, replace="):
        sofie_jit.load(path, config={})


def test_load_infer_and_header(tmp_path):
    """The whole way, with names that mean something in C++."""
    w, b = RNG.normal(size=(3, 4)).astype(np.float32), RNG.normal(size=4).astype(np.float32)
    nodes = [node("Gemm", "x:0 w/0 int", "h"), node("Relu", "h", "float"), node("Softmax", "float", "y;//")]
    path = saved(tmp_path, nodes, {"x:0": ("N", 3)}, "y;//", **{"w/0": w, "int": b})
    model = sofie_jit.load(path, verify=True)
    assert (model.input_names, model.output_names) == (["x:0"], ["y;//"])
    hidden = np.exp(np.maximum(X @ w + b, 0))
    for rows in (0, 1, 2):
        expected = hidden[:rows] / hidden[:rows].sum(1, keepdims=True)
        np.testing.assert_allclose(model.infer(X[:rows]), expected, rtol=1e-5)
    model.save_header(tmp_path / "model.hxx")
    assert "network" in (tmp_path / "model.hxx").read_text()


# -- networks ----------------------------------------------------------------------------------------------------------

NETWORKS = sorted(path.parent.name for path in PRODUCTION.glob("*/model.onnx"))


@pytest.mark.skipif(not PRODUCTION.exists(), reason="needs networks in the folder SOFIE_JIT_NETWORKS")
@pytest.mark.parametrize("name", NETWORKS)
def test_production_networks(name):
    """In float64, as near to a reference as the rounding of ONNX Runtime explains."""
    translation = frontends.open(PRODUCTION / name / "model.onnx")
    for file in sorted((PRODUCTION / name).glob("set_*.npz")):
        data = np.load(file)
        given = [data[f"in:{tensor}"] for tensor in translation.inputs]
        rmodel = with_input_shapes(translation, [array.shape for array in given])()
        for index, result in enumerate(evaluate(rmodel, given, "float64")):
            runtime = data[f"out:{index}"]
            exact = data.get(f"ref64:{index}", runtime)
            allowed = max(
                1e-6 * np.abs(exact).max(), 4 * data[f"noise:{index}"].max(), 2 * np.abs(runtime - exact).max()
            )
            assert np.abs(result - exact).max() <= allowed, (file.name, index)


def test_outputs_that_are_sequences_are_lists(tmp_path):
    node_ = node("SplitToSequence", "x sizes", "parts", axis=1)
    parts = helper.make_tensor_sequence_value_info("parts", TensorProto.FLOAT, None)
    total = helper.make_tensor_value_info("total", TensorProto.FLOAT, None)
    sizes = numpy_helper.from_array(np.array([1, 2]), "sizes")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])
    for outputs in ([total, parts], [parts]):
        nodes = [node_, node("Identity", "x", "total")]
        graph = helper.make_graph(nodes, "network", [x], outputs, [sizes])
        path = tmp_path / f"model{len(outputs)}.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
        model = sofie_jit.load(path)
        results = model.infer(X)
        first, second = results if len(outputs) == 1 else results[1]
        np.testing.assert_array_equal(np.concatenate([first, second], 1), X)
        assert model.output_names[-2:] == ["parts_0", "parts_1"]
        assert sofie_jit.compare(path, X)
    empty = helper.make_graph(
        [node("SequenceEmpty", "", "parts")], "network", [x], [helper.make_empty_tensor_value_info("parts")]
    )
    with pytest.raises(UnsupportedLayerError, match="'parts' is a sequence without tensors"):
        frontends.open(helper.make_model(empty, ir_version=8).SerializeToString())()
