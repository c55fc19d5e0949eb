"""Operators of the domain com.microsoft against ONNX Runtime."""

from __future__ import annotations

import math

import numpy as np
import pytest
from onnx import ValueInfoProto, helper, numpy_helper

from sofie_jit import frontends
from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.verification.evaluate import evaluate

onnxruntime = pytest.importorskip("onnxruntime")

RNG = np.random.default_rng(0)
BATCH, TIME, HEADS, SIZE = 2, 5, 4, 6
WIDTH = HEADS * SIZE


def numbers(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


X, GAMMA, BETA = numbers(BATCH, TIME, WIDTH), numbers(WIDTH), numbers(WIDTH)
LENGTHS = np.int32([3, 5])
MASK = np.int32([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
IMAGE = numbers(2, 3, 6, 5)
IDS = np.int32([[1, 4, 0], [2, 2, 3]])

CASES = {
    "Gelu": ([X], {}),
    "BiasGelu": ([X, BETA], {}),
    "FastGelu": ([X, BETA], {}),
    "FastGelu: alone": ([X], {}),
    "QuickGelu": ([X], {"alpha": 1.5}),
    "QuickGelu: factor": ([X], {}),
    "FusedMatMul": ([X, numbers(BATCH, 3, WIDTH)], {"transB": 1, "alpha": 0.5}),
    "FusedMatMul: A'": ([X, numbers(BATCH, TIME, 3)], {"transA": 1}),
    "FusedMatMul: stacks": ([numbers(3, BATCH, 2, 4), numbers(4, BATCH, 2, 5)], {"transBatchA": 1, "transBatchB": 1}),
    "FusedMatMul: all": (
        [numbers(4, BATCH, 3), numbers(5, BATCH, 4)],
        {"transBatchA": 1, "transA": 1, "transBatchB": 1, "transB": 1},
    ),
    "FusedGemm": ([numbers(3, 4), numbers(4, 5), numbers(5)], {"activation": "Relu"}),
    "FusedGemm: options": (
        [numbers(4, 3), numbers(5, 4), numbers(5)],
        {"activation": "LeakyRelu", "activation_alpha": 0.3, "transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0},
    ),
    **{f"FusedConv: {name}": ([IMAGE, numbers(4, 3, 3, 3)], {"activation": name, **options}) for name, options in (
        ("Sigmoid", {}), ("Tanh", {}), ("Clip", {"activation_params": [-0.5, 2.0]}),
        ("HardSigmoid", {"activation_params": [0.1, 0.25]}))},
    "FusedConv": ([IMAGE, numbers(4, 3, 3, 3), numbers(4)], {"activation": "Relu", "pads": [1, 1, 1, 1]}),
    "FusedConv: sum": (
        [IMAGE, numbers(4, 3, 3, 3), numbers(4), numbers(2, 4, 4, 3)],
        {"activation": "LeakyRelu", "activation_params": [0.1]},
    ),
    "SkipLayerNormalization": ([X, numbers(*X.shape), GAMMA, BETA, BETA], {"epsilon": 1e-5}),
    "SkipSimplifiedLayerNormalization": ([X, numbers(*X.shape), GAMMA], {"epsilon": 1e-5}),
    "SkipLayerNormalization: small numbers": ([1e-6 * X, 1e-6 * numbers(*X.shape), GAMMA], {}),
    "SkipSimplifiedLayerNormalization: small numbers": ([1e-6 * X, 1e-6 * numbers(*X.shape), GAMMA, 1e-6 * BETA], {}),
    "EmbedLayerNormalization: small numbers": (
        [IDS, None, 1e-6 * numbers(5, 8), 1e-6 * numbers(4, 8), None, numbers(8), numbers(8), None, IDS[:, ::-1] % 4],
        {},
    ),
    "EmbedLayerNormalization": (
        [IDS, IDS % 2, numbers(5, 8), numbers(4, 8), numbers(2, 8), numbers(8), numbers(8), np.minimum(IDS, 1)],
        {"epsilon": 1e-6},
    ),
    "EmbedLayerNormalization: no segments": (
        [IDS, None, numbers(5, 8), numbers(4, 8), None, numbers(8), numbers(8)],
        {"epsilon": 1e-6},
    ),
    "EmbedLayerNormalization: one segment": (
        [IDS, None, numbers(5, 8), numbers(4, 8), numbers(2, 8), numbers(8), numbers(8)],
        {"epsilon": 1e-6},
    ),
    "MultiHeadAttention": ([X, X[:, :3], X[:, 1:4]], {"num_heads": HEADS}),
    "MultiHeadAttention: bias": ([X, X, X, numbers(3 * WIDTH)], {"num_heads": HEADS}),
    "MultiHeadAttention: mask": ([X, X, X, None, MASK], {"num_heads": HEADS, "scale": 0.3}),
    "MultiHeadAttention: lengths": ([X, X, X, None, LENGTHS], {"num_heads": HEADS}),
    "MultiHeadAttention: added": ([X, X, X, None, None, numbers(1, HEADS, TIME, TIME)], {"num_heads": HEADS}),
    "MultiHeadAttention: causal": ([X, X, X], {"num_heads": HEADS, "unidirectional": 1}),
    "MultiHeadAttention: past": (
        [X, X, X, None, None, None, numbers(BATCH, HEADS, 2, SIZE), numbers(BATCH, HEADS, 2, SIZE)],
        {"num_heads": HEADS},
    ),
    "Attention": ([X, numbers(WIDTH, 3 * WIDTH), numbers(3 * WIDTH)], {"num_heads": HEADS}),
    "Attention: mask": ([X, numbers(WIDTH, 3 * WIDTH), numbers(3 * WIDTH), MASK], {"num_heads": HEADS}),
    "MultiHeadAttention: heads": ([X, *numbers(2, BATCH, HEADS, 3, SIZE)], {"num_heads": HEADS}),
    "MultiHeadAttention: bias of narrow values": (
        [X, X, numbers(BATCH, TIME, 2 * HEADS), numbers(2 * WIDTH + 2 * HEADS)], {"num_heads": HEADS}
    ),
    "MultiHeadAttention: mask of queries": (
        [X, X, X, None, np.int32(RNG.integers(0, 2, (BATCH, TIME, TIME)))], {"num_heads": HEADS}
    ),
    "MultiHeadAttention: mask value": ([X, X, X, None, MASK], {"num_heads": HEADS, "mask_filter_value": -1.5}),
    "MultiHeadAttention: causal past": (
        [X, X, X, None, None, None, numbers(BATCH, HEADS, 2, SIZE), numbers(BATCH, HEADS, 2, SIZE)],
        {"num_heads": HEADS, "unidirectional": 1},
    ),
    "Attention: past": (
        [X, numbers(WIDTH, 3 * WIDTH), numbers(3 * WIDTH), None, numbers(2, BATCH, HEADS, 3, SIZE)],
        {"num_heads": HEADS},
    ),
    "Attention: widths": (
        [X, numbers(WIDTH, 2 * WIDTH + 8), numbers(2 * WIDTH + 8)],
        {"num_heads": HEADS, "qkv_hidden_sizes": [WIDTH, WIDTH, 8], "scale": 0.7},
    ),
    "Attention: causal": (
        [X, numbers(WIDTH, 3 * WIDTH), numbers(3 * WIDTH)], {"num_heads": HEADS, "unidirectional": 1}
    ),
    "RotaryEmbedding": (
        [X, np.int64([[3, 1, 0, 2, 4]] * BATCH), numbers(9, SIZE // 2), numbers(9, SIZE // 2)], {"num_heads": HEADS},
    ),
    "RotaryEmbedding: heads": ([numbers(BATCH, HEADS, TIME, SIZE), np.int64([2]), *numbers(2, 9, SIZE // 2)], {}),
    "RotaryEmbedding: part": (
        [numbers(BATCH, HEADS, TIME, SIZE), np.int64([2]), *numbers(2, 9, 2)],
        {"num_heads": HEADS, "rotary_embedding_dim": 4},
    ),
    "RotaryEmbedding: first": (
        [X, np.int64([2]), numbers(9, SIZE // 2), numbers(9, SIZE // 2)], {"num_heads": HEADS, "interleaved": 1},
    ),
}  # fmt: skip
OUTPUTS = {
    "SkipLayerNormalization": [0, 3],
    "SkipSimplifiedLayerNormalization": [0, 3],
    "EmbedLayerNormalization": [0, 1, 2],
    "MultiHeadAttention: causal past": [0, 1, 2],
    "Attention: past": [0, 1],
    "MultiHeadAttention: past": [0, 1, 2],
}
"""Outputs that are compared, by default the first."""


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_onnx_runtime(name, tmp_path):
    op_type, (given, attributes) = name.partition(":")[0], CASES[name]
    wanted = OUTPUTS.get(name, OUTPUTS.get(op_type, [0]))
    names = [f"x{i}" if array is not None else "" for i, array in enumerate(given)]
    outputs = [f"y{i}" if i in wanted else "" for i in range(max(wanted) + 1)]
    node = helper.make_node(op_type, names, outputs, domain="com.microsoft", **attributes)
    feed = {name: array for name, array in zip(names, given, strict=True) if name}
    kinds = {n: numpy_helper.from_array(a).data_type for n, a in feed.items()}
    infos = [helper.make_tensor_value_info(n, kinds[n], a.shape) for n, a in feed.items()]
    results = [ValueInfoProto(name=f"y{i}") for i in wanted]  # of any type
    graph = helper.make_graph([node], "g", infos, results)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    path = tmp_path / "m.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    expected = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, feed)
    found = evaluate(frontends.open(path)(), list(feed.values()))
    for y, other in zip(found, expected, strict=True):
        assert (y.dtype, y.shape) == (other.dtype, other.shape)
        np.testing.assert_allclose(y, other, rtol=1e-5, atol=1e-5 * abs(other).max())


def test_simplified_layer_normalization_as_the_optimizer_writes_it(tmp_path):
    node = helper.make_node("SimplifiedLayerNormalization", ["x", "s"], ["y"], axis=-1, epsilon=1e-5, stash_type=1)
    infos = [helper.make_tensor_value_info(name, 1, array.shape) for name, array in (("x", X), ("s", GAMMA))]
    graph = helper.make_graph([node], "g", infos, [helper.make_tensor_value_info("y", 1, None)])
    path = tmp_path / "m.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    (expected,) = onnxruntime.InferenceSession(path).run(None, {"x": X, "s": GAMMA})
    np.testing.assert_allclose(evaluate(frontends.open(path)(), [X, GAMMA])[0], expected, rtol=1e-5, atol=1e-6)


def computed(op_type, given, outputs="y", **attributes) -> list[np.ndarray]:
    """The outputs of a node, evaluated in numpy."""
    feed = {f"x{i}": array for i, array in enumerate(given) if array is not None}
    names = [f"x{i}" if array is not None else "" for i, array in enumerate(given)]
    results = [name.strip("_") for name in outputs.split()]  # "_" is left out
    node = helper.make_node(op_type, names, results, domain="com.microsoft", **attributes)
    kinds = {n: helper.np_dtype_to_tensor_dtype(a.dtype) for n, a in feed.items()}
    infos = [helper.make_tensor_value_info(n, kinds[n], a.shape) for n, a in feed.items()]
    graph = helper.make_graph([node], "g", infos, [ValueInfoProto(name=name) for name in results if name])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    content = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    return evaluate(frontends.open(content)(), list(feed.values()))


def test_what_only_gpus_compute_in_onnx_runtime():
    gelu = np.vectorize(lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2))))
    (y,) = computed("BiasSplitGelu", [X, BETA])
    first, second = np.split((X + BETA).astype(float), 2, -1)
    np.testing.assert_allclose(y, first * gelu(second), rtol=1e-5, atol=1e-6)
    (y,) = computed("BiasAdd", [X, BETA, 2 * X])
    np.testing.assert_allclose(y, 3 * X + BETA, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("centered", [True, False])
def test_statistics_of_skip_layer_normalization(centered):
    """The mean and the inverse standard deviation of each row, which ONNX Runtime computes on GPUs only."""
    x, skip, bias = X.astype(float), numbers(*X.shape).astype(float), BETA.astype(float)
    name = "SkipLayerNormalization" if centered else "SkipSimplifiedLayerNormalization"
    given = [x, skip, np.ones(WIDTH), *[np.zeros(WIDTH)] * centered, bias]
    y, mean, inverse, total = computed(name, given, "y mean inverse total", epsilon=0.5)
    np.testing.assert_allclose(total, x + skip + bias)
    means = total.mean(-1, keepdims=True)
    np.testing.assert_allclose(mean, means)
    centers = total - means if centered else total
    np.testing.assert_allclose(inverse, 1 / np.sqrt((centers**2).mean(-1, keepdims=True) + 0.5), rtol=1e-7)
    np.testing.assert_allclose(y, centers * inverse, rtol=1e-7)
    for outputs, expected in (("y mean", mean), ("y _ inverse", inverse), ("y _ _ total", total)):
        *_, found = computed(name, given, outputs, epsilon=0.5)
        np.testing.assert_array_equal(found, expected)


REFUSED = {
    "an unknown activation": ("FusedGemm", [numbers(3, 4), numbers(4, 5)], {"activation": "Cos"}, "activation 'Cos'"),
    "packed queries": ("MultiHeadAttention", [numbers(1, 3, 2, 3, 4)], {"num_heads": 2}, "packed in one tensor"),
    "packed keys": ("MultiHeadAttention", [X, numbers(1, 3, 2, 2, 4)], {"num_heads": 4}, "packed in one tensor"),
    "no values": ("MultiHeadAttention", [X, X], {"num_heads": 4}, "packed in one tensor"),
    "a mask of one number": (
        "MultiHeadAttention", [X, X, X, None, np.int32([[[[1]]]])], {"num_heads": 4}, "a mask of 4 axes"),
    "heads that do not divide": ("MultiHeadAttention", [X, X, X], {"num_heads": 5}, "5 heads do not divide the width"),
    "no heads": ("MultiHeadAttention", [X, X, X], {"num_heads": 0}, "0 heads do not divide the width"),
    **{f"Attention: {name}": ("Attention", [X, numbers(WIDTH, 12)], {"num_heads": 2, name: value}, "qkv_hidden_sizes=")
       for name, value in (("qkv_hidden_sizes", [4, 4, 3]), ("do_rotary", 1), ("past_present_share_buffer", 1))},
    "Attention: two sizes": (
        "Attention", [X, numbers(WIDTH, 12)], {"num_heads": 2, "qkv_hidden_sizes": [6, 6]}, "qkv_hidden_sizes="),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    op_type, given, attributes, message = REFUSED[name]
    with pytest.raises(UnsupportedLayerError, match=message):
        computed(op_type, given, **attributes)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, "num_heads must be given for an input of three axes"),
        ({"num_heads": HEADS, "scale": 2.0}, "is_packed_batching and scale are not supported"),
        ({"num_heads": HEADS, "is_packed_batching": 1}, "is_packed_batching and scale are not supported"),
    ],
)
def test_rotary_embeddings_that_are_refused(attributes, message, tmp_path):
    given = CASES["RotaryEmbedding"][0]
    node = helper.make_node("RotaryEmbedding", list("xpcs"), ["y"], domain="com.microsoft", **attributes)
    kinds = [numpy_helper.from_array(array).data_type for array in given]
    infos = [helper.make_tensor_value_info(n, k, a.shape) for n, k, a in zip("xpcs", kinds, given, strict=True)]
    graph = helper.make_graph([node], "g", infos, [helper.make_tensor_value_info("y", 1, None)])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    (tmp_path / "m.onnx").write_bytes(helper.make_model(graph, opset_imports=opsets).SerializeToString())
    with pytest.raises(UnsupportedLayerError, match=message):
        frontends.open(tmp_path / "m.onnx")()
