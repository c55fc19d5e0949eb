"""Operators of images and signals of open sizes, against ONNX Runtime and against models with fixed sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import sofie_jit
from sofie_jit import frontends
from sofie_jit.verification.evaluate import evaluate

RNG = np.random.default_rng(0)


def node(op: str, inputs: str, outputs: str, **attributes) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


SAMPLING = [
    ("linear", "zeros", 0),
    ("linear", "reflection", 1),
    ("nearest", "border", 0),
    ("cubic", "reflection", 0),
    ("cubic", "zeros", 1),
]

IMAGES = [
    *(
        node("GridSample", "x grid", f"sampled{i}", mode=mode, padding_mode=padding, align_corners=corners)
        for i, (mode, padding, corners) in enumerate(SAMPLING)
    ),
    node("MaxPool", "x", "largest index", kernel_shape=[2, 3], strides=[2, 2], pads=[0, 1, 1, 1]),
    node("MaxPool", "x", "l2 column_index", kernel_shape=[2, 1], pads=[1, 0, 0, 0], storage_order=1),
    node("MaxPool", "x", "same places", kernel_shape=[1, 1]),
    node("MaxUnpool", "same places", "unpooled", kernel_shape=[1, 1], strides=[1, 1]),
    node("Shape", "x", "sizes", start=2),
    node("Conv", "x kernel", "filtered", pads=[1, 1, 1, 1]),
    node("Reshape", "filtered columns_shape", "columns"),
    node("Col2Im", "columns sizes block", "added", pads=[1, 1, 1, 1]),
]

SIGNALS = [
    node("DFT", "signal", "spectrum", axis=1),
    node("DFT", "signal", "half", axis=1, onesided=1),
    node("DFT", "spectrum", "back", axis=1, inverse=1),
    node("STFT", "padded step window", "frames"),
    node("STFT", "padded step window", "all_frames", onesided=0),
]


def save(path: Path, nodes, inputs, constants, opset=20) -> Path:
    outputs = [name for node in nodes for name in node.output]
    read = {name for node in nodes for name in node.input}
    results = [helper.make_empty_tensor_value_info(name) for name in outputs if name not in read or "index" in name]
    weights = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()]
    graph = helper.make_graph(nodes, "open", values, results, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.save(model, path)
    return path


def check(path: Path, feeds: list[list[np.ndarray]], exact: bool) -> None:
    """The results of one compiled model, at several sizes."""
    opened, runtime = sofie_jit.load(path), onnxruntime.InferenceSession(path)
    for number, feed in enumerate(feeds):
        names = [value.name for value in runtime.get_inputs()]
        found = opened.infer(dict(zip(names, feed, strict=True)))
        expected = runtime.run(None, dict(zip(names, feed, strict=True)))
        for name, a, b in zip(opened.output_names, found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-5, err_msg=f"{name} {number}")
        if number == 0:
            fixed = sofie_jit.load(path, input_shapes=[array.shape for array in feed])
            for name, a, b in zip(opened.output_names, found, fixed.infer(*feed), strict=True):
                (np.testing.assert_array_equal if exact else np.testing.assert_allclose)(a, b, err_msg=name)


def random(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def test_images(tmp_path: Path) -> None:
    kernel = random(18, 2, 3, 3)
    constants = {
        "kernel": kernel,
        "columns_shape": np.array([0, 18, -1]),
        "block": np.array([3, 3]),
    }
    inputs = {"x": ["n", 2, "h", "w"], "grid": ["n", "gh", "gw", 2]}
    path = save(tmp_path / "images.onnx", IMAGES, inputs, constants)
    sizes = [(2, 5, 6, 3, 4), (1, 1, 1, 1, 1), (3, 8, 2, 1, 9), (1, 2, 7, 0, 2)]
    check(path, [[random(n, 2, h, w), random(n, gh, gw, 2)] for n, h, w, gh, gw in sizes], exact=True)


def test_signals(tmp_path: Path) -> None:
    nodes = [
        node("Pad", "signal borders", "padded"),
        *SIGNALS,
    ]
    constants = {
        "borders": np.array([0, 3, 0, 0, 0, 0]),
        "step": np.array(2),
        "window": np.array([0.25, 1, 0.5, 0.25], np.float32),
    }
    path = save(tmp_path / "signals.onnx", nodes, {"signal": ["n", "time", 1]}, constants, opset=17)
    check(path, [[random(n, time, 1)] for n, time in ((2, 7), (1, 1), (3, 12), (1, 2))], exact=False)


def test_convolutions_with_computed_weights_and_offsets(tmp_path: Path) -> None:
    """Operators that ONNX Runtime does not have in this form: compared with the network of that size, in float64."""
    nodes = [
        node("DeformConv", "x kernel offset", "deformed", pads=[1, 1, 1, 1]),
        node("Relu", "weight", "positive"),
        node("Conv", "x positive", "filtered", strides=[2, 1], pads=[1, 0, 1, 2]),
        node("ConvTranspose", "x weight", "spread", strides=[2, 3]),
    ]
    inputs = {"x": ["n", 2, "h", "w"], "offset": ["n", 18, "h", "w"], "weight": [2, 2, 2, 3]}
    path = save(tmp_path / "deformed.onnx", nodes, inputs, {"kernel": random(3, 2, 3, 3)})
    opened = sofie_jit.load(path)
    for number, (n, h, w) in enumerate(((2, 5, 6), (1, 1, 1), (1, 2, 7))):
        feed = [random(n, 2, h, w), random(n, 18, h, w), random(2, 2, 2, 3)]
        found = opened.infer(*feed)
        fixed = frontends.open(path, input_shapes=[array.shape for array in feed])()
        for a, b in zip(found, evaluate(fixed, [array.astype(np.float64) for array in feed]), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
        if number == 0:
            for a, b in zip(found, fixed.compile().infer(*feed), strict=True):
                np.testing.assert_array_equal(a, b)


def test_windows_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = save(
        tmp_path / "m.onnx",
        [node("Col2Im", "x image block", "y")],
        {"x": ["n", 8, "windows"]},
        {"image": np.array([3, 3]), "block": np.array([2, 2])},
    )
    model = sofie_jit.load(path)
    assert model.infer(random(1, 8, 4)).shape == (1, 2, 3, 3)
    with pytest.raises(sofie_jit.InputError, match="4"):
        model.infer(random(1, 8, 5))


JOINED = {
    "independent": ([node("Relu", "x", "a"), node("Neg", "y", "b")], {"x": 5, "y": 2}),
    "indices": ([node("Gather", "x i", "a")], {"x": 5, "i": 3}),
    "one after the other": ([node("Concat", "x y", "a", axis=0)], {"x": 1, "y": 4}),
    "pairs": ([node("Transpose", "y", "t"), node("MatMul", "x t", "a")], {"x": 2, "y": 3}),
    "two of three": ([node("Add", "z y", "a"), node("Relu", "x", "b")], {"x": 4, "y": 2, "z": 2}),
    "all": ([node("Concat", "x y", "s", axis=1), node("Reshape", "s rows", "a")], {"x": 2, "y": 2}),
}
"""Nodes, and numbers of rows of the inputs that differ as far as the nodes permit."""


@pytest.mark.parametrize("case", JOINED)
def test_unnamed_sizes_in_front_are_equal_only_if_operators_need_it(case: str, tmp_path: Path) -> None:
    nodes, rows = JOINED[case]
    kinds = {name: (TensorProto.INT64, [None]) if name == "i" else (TensorProto.FLOAT, [None, 3]) for name in rows}
    inputs = [helper.make_tensor_value_info(name, *kind) for name, kind in kinds.items()]
    outputs = [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for n in nodes for o in n.output if o in "ab"]
    shape = numpy_helper.from_array(np.array([-1, 6]), "rows")
    graph = helper.make_graph(nodes, "g", inputs, outputs, [shape])
    message = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    feed = {name: np.array([2, 0, 4]) if name == "i" else random(rows[name], 3) for name in rows}
    model = sofie_jit.load(message.SerializeToString())
    found = model.infer(feed)
    expected = onnxruntime.InferenceSession(message.SerializeToString()).run(None, feed)
    for a, b in zip(found if isinstance(found, list) else [found], expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6, strict=True)
    sizes = {str(kind.shape[0]) for kind in model.rmodel.inputs.values()}
    assert sizes == {"all": {"batch"}}.get(case, {"batch", "i_0" if "i" in rows else "y_0"})


def test_parts_of_an_open_axis(tmp_path: Path) -> None:
    """Known sizes of the parts need an axis of their sum."""
    parts = [node("SplitToSequence", "x sizes", "parts", axis=0), node("SequenceAt", "parts two", "y")]
    constants = {"sizes": np.array([1, 2, 3]), "two": np.array(2)}
    model = sofie_jit.load(save(tmp_path / "m.onnx", parts, {"x": ["n", 2]}, constants))
    x = random(6, 2)
    np.testing.assert_array_equal(model.infer(x), x[3:])
    with pytest.raises(sofie_jit.InputError, match="must be equal to"):
        model.infer(random(5, 2))


def test_global_pools_of_an_open_number_of_channels(tmp_path: Path) -> None:
    """tf2onnx writes means of rows as GlobalAveragePool."""
    nodes = [node("GlobalAveragePool", "x", "mean"), node("GlobalMaxPool", "x", "most"), node("Sub", "x mean", "y")]
    nodes += [node("GlobalAveragePool", "image", "means")]
    path = save(tmp_path / "m.onnx", nodes, {"x": ["n", "time", 8], "image": ["n", "channels", 3, "width"]}, {})
    model, runtime = sofie_jit.load(path), onnxruntime.InferenceSession(path)
    for n, time, channels, width in ((2, 5, 3, 4), (1, 1, 1, 1), (3, 2, 40, 7)):
        feed = {"x": random(n, time, 8), "image": random(n, channels, 3, width)}
        for a, b in zip(model.infer(feed), runtime.run(None, feed), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-6, strict=True)


PARTS = [
    node("Slice", "x zero one one", "first"),
    node("Sub", "x first", "from_first"),
    node("Slice", "x minus_one far one", "last"),
    node("Where", "positive last x", "chosen"),
    node("MatMul", "first columns", "products"),
    node("Expand", "first all", "repeated"),
    node("Concat", "first x", "longer", axis=1),
    node("SpaceToDepth", "images", "blocks", blocksize=2),
    node("OneHot", "index depth values", "hot", axis=0),
]


def test_parts(tmp_path: Path) -> None:
    """Parts that have one element, or none if the axis is empty."""
    nodes = [
        node("Shape", "x", "all"),
        node("Gather", "all second", "size"),
        node("Add", "size second", "depth"),
        node("Transpose", "x", "columns", perm=[0, 2, 1]),
        node("Greater", "x limit", "positive"),
        *PARTS,
    ]
    constants = {
        "zero": np.array([0]), "one": np.array([1]), "minus_one": np.array([-1]), "far": np.array([1 << 40]),
        "second": np.array(1), "limit": np.float32(0), "index": np.array([1, -1, 5]), "values": np.float32([0, 1]),
    }  # fmt: skip
    inputs = {"x": ["batch", "n", 3], "images": ["batch", 2, "h", "w"]}
    path = save(tmp_path / "parts.onnx", nodes, inputs, constants)
    sizes = [(2, 5, 4, 6), (1, 1, 2, 2), (3, 0, 2, 0), (0, 3, 4, 2)]
    check(path, [[random(batch, n, 3), random(batch, 2, h, w)] for batch, n, h, w in sizes], exact=True)
    model = sofie_jit.load(path)
    with pytest.raises(sofie_jit.InputError, match=r"h//2"):
        model.infer(random(1, 2, 3), random(1, 2, 3, 2))


def test_one_element_where_there_is_none(tmp_path: Path) -> None:
    """What needs the one element of a part says so if the axis is empty."""
    nodes = [
        node("Slice", "x zero one one", "first"),
        node("Squeeze", "first one", "row"),
        node("Add", "first four", "rows"),
        node("SplitToSequence", "y sizes", "parts", axis=1),
        node("SequenceAt", "parts one_", "part"),
    ]
    constants = {
        "zero": np.array([0]),
        "one": np.array([1]),
        "four": random(4, 3),
        "sizes": np.array([1, 2]),
        "one_": np.array(1),
    }
    path = save(tmp_path / "one.onnx", nodes, {"x": ["batch", "n", 3], "y": ["batch", "m", 3]}, constants)
    model = sofie_jit.load(path)
    x, y = random(2, 5, 3), random(2, 3, 3)
    row, rows, part = model.infer(x, y)
    np.testing.assert_array_equal(row, x[:, 0])
    np.testing.assert_array_equal(rows, x[:, :1] + constants["four"])
    np.testing.assert_array_equal(part, y[:, 1:])
    for values, words in (((x[:, :0], y), r"min\(n, 1\)"), ((x, y[:, :2]), "m = 2")):
        with pytest.raises(sofie_jit.InputError, match=words):
            model.infer(*values)


def test_steps(tmp_path: Path) -> None:
    """Lengths of sequences, and causal attention, where the number of steps is open."""
    nodes = [
        node("Cast", "length", "lengths", to=TensorProto.INT32),
        node("RNN", "sequence w r  lengths", "", hidden_size=2),
        node("Attention", "x weights bias", "attended", domain="com.microsoft", num_heads=2, unidirectional=1),
    ]
    nodes[1] = helper.make_node("RNN", ["sequence", "w", "r", "", "lengths"], ["steps", "end"], hidden_size=2)
    constants = {"w": random(1, 2, 4), "r": random(1, 2, 2), "weights": random(4, 12), "bias": random(12)}
    inputs = {"sequence": ["time", "batch", 4], "length": ["batch"], "x": ["batch", "n", 4]}
    path = save(tmp_path / "steps.onnx", nodes, inputs, constants)
    model = onnx.load(path)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, path)
    feeds = [
        [random(time, 3, 4), np.float32([time, 1, time // 2]), random(3, n, 4)] for time, n in ((5, 4), (1, 1), (8, 6))
    ]
    check(path, feeds, exact=False)


X = {"x": ["batch", "n", 4]}
LOOP = helper.make_graph(
    [helper.make_node("Identity", ["t"], ["u"]), helper.make_node("Add", ["a", "a"], ["b"])],
    "body",
    [
        helper.make_tensor_value_info(n, t, None)
        for n, t in (("k", TensorProto.INT64), ("t", TensorProto.BOOL), ("a", 1))
    ],
    [helper.make_tensor_value_info(n, t, None) for n, t in (("u", TensorProto.BOOL), ("b", 1))],
)
SCAN = helper.make_graph(
    [helper.make_node("Add", ["a", "b"], ["c"]), helper.make_node("Identity", ["c"], ["d"])],
    "body",
    [helper.make_tensor_value_info(name, 1, None) for name in "ab"],
    [helper.make_tensor_value_info(name, 1, None) for name in "cd"],
)
SIZE = [node("Shape", "x", "sizes", start=1, end=2), helper.make_node("Squeeze", ["sizes"], ["size"])]
COUNTED = {
    "mode": "TF", "min_gram_length": 1, "max_gram_length": 1, "max_skip_count": 0, "ngram_counts": [0],
    "ngram_indexes": [0, 1], "pool_int64s": [1, 2],
}  # fmt: skip
REFUSED = {
    "parts of one size": ([node("SplitToSequence", "x two", "parts", axis=1), node("SequenceAt", "parts one", "y")], X),
    "single parts": ([node("SplitToSequence", "x", "parts", axis=1), node("SequenceAt", "parts two", "y")], X),
    "steps of a slice": ([*SIZE, node("Slice", "x vector vector vector sizes", "y")], X),
    "iterations": ([*SIZE, helper.make_node("Loop", ["size", "", "x"], ["y"], body=LOOP)], X),
    "scanned axis": ([node("Scan", "matrix x", "z y", num_scan_inputs=1, scan_input_axes=[1], body=SCAN)], X),
    "clipped GRU": ([node("GRU", "x w r", "y z", hidden_size=3, clip=1.0)], {"x": ["n", "batch", 4]}),
    "linear attention": (
        [node("LinearAttention", "x x x", "y", q_num_heads=2, kv_num_heads=2, update_rule="linear")],
        X,
    ),
    "rows of text": (
        [node("Cast", "x", "words", to=7), node("TfIdfVectorizer", "words", "y", **COUNTED)],
        {"x": ["batch", "n"]},
    ),
    "normalized axes": ([node("LayerNormalization", "x row", "y", axis=1)], X),
    "channels": ([node("Conv", "x kernel", "y")], {"x": ["batch", "n", 4]}),
    "kernel": ([node("Conv", "x w", "y")], {"x": ["batch", 4, 9], "w": [2, 4, "n"]}),
    "blocks of channels": ([node("DepthToSpace", "x", "y", blocksize=2)], {"x": ["batch", "n", 2, 2]}),
    "determinant": ([node("Det", "x", "y")], {"x": ["batch", "n", "n"]}),
    "rows of indices": ([node("Cast", "w", "at", to=7), node("GatherND", "x at", "y")], X | {"w": [5, "d"]}),
    "aspect ratio": (
        [helper.make_node("Resize", ["x", "", "", "pair"], ["y"], axes=[2, 3], keep_aspect_ratio_policy="not_larger")],
        {"x": ["batch", 3, "n", "m"]},
    ),
}  # fmt: skip
"""Models that need a size that is open: nodes, and shapes of the inputs."""


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str, tmp_path: Path) -> None:
    """One error names the node and says what to do; with known sizes the model loads."""
    nodes, inputs = REFUSED[case]
    constants = {
        "one": np.array(1), "two": np.array(2), "pair": np.array([7, 8]), "vector": np.array([1]),
        "matrix": random(2, 4), "row": random(4), "w": random(1, 9, 4), "r": random(1, 9, 3), "kernel": random(2, 4, 1),
    }  # fmt: skip
    path = save(tmp_path / "m.onnx", nodes, inputs, {k: v for k, v in constants.items() if k not in inputs}, opset=27)
    with pytest.raises(
        sofie_jit.SofieError, match=r"m\.onnx: .*; fix the sizes that are open: .*input_shapes="
    ) as caught:
        frontends.open(path)()
    assert nodes[-1].op_type in str(caught.value) or nodes[0].op_type in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    shapes = [[{"batch": 2, "n": 4, "m": 3, "d": 2}.get(size, size) for size in shape] for shape in inputs.values()]
    frontends.open(path, input_shapes=shapes)().generate()
