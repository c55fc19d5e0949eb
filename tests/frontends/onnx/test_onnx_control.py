"""Control flow, sequences, and recurrent networks step by step."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import sofie_jit
from sofie_jit import frontends
from sofie_jit.errors import InputError, ShapeError, UnsupportedLayerError
from sofie_jit.verification.evaluate import evaluate

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
RNG = np.random.default_rng(0)


def info(name, shape, dtype=FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def saved(tmp_path, graph, opset=17):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def conditional(other="Exp"):
    """``Relu(x)`` if the sum of x is positive, else another function of x."""
    yes = helper.make_graph([helper.make_node("Relu", ["x"], ["a"])], "yes", [], [info("a", None)])
    no = helper.make_graph([helper.make_node(other, ["x"], ["b"])], "no", [], [info("b", None)])
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "zero"], ["positive"]),
        helper.make_node("If", ["positive"], ["y"], then_branch=yes, else_branch=no),
    ]
    zero = numpy_helper.from_array(np.float32(0), "zero")
    return helper.make_graph(nodes, "g", [info("x", [3, 2])], [info("y", None)], [zero])


def test_a_condition_that_depends_on_data(tmp_path):
    model = sofie_jit.load(saved(tmp_path, conditional()))
    x = RNG.normal(size=(3, 2)).astype(np.float32)
    for given in (abs(x), -abs(x)):
        expected = np.maximum(given, 0) if given.sum() > 0 else np.exp(given)
        np.testing.assert_allclose(model.infer(given), expected, rtol=1e-6)


def test_branches_of_different_types_are_refused(tmp_path):
    with pytest.raises(UnsupportedLayerError, match=r"y \(If\): its branches return"):
        sofie_jit.load(saved(tmp_path, conditional("Transpose")))


def test_a_loop_of_known_length(tmp_path):
    body = helper.make_graph(
        [
            helper.make_node("Add", ["total", "x"], ["sum"]),
            helper.make_node("Cast", ["i"], ["number"], to=FLOAT),
            helper.make_node("Mul", ["sum", "number"], ["row"]),
            helper.make_node("Identity", ["goes_on"], ["still"]),
        ],
        "body",
        [info("i", [], INT64), info("goes_on", [], BOOL), info("total", [2])],
        [info("still", [], BOOL), info("sum", [2]), info("row", [2])],
    )
    nodes = [helper.make_node("Loop", ["count", "", "start"], ["last", "rows"], body=body)]
    start = numpy_helper.from_array(np.zeros(2, np.float32), "start")
    graph = helper.make_graph(
        nodes, "g", [info("x", [2]), info("count", [], INT64)], [info("last", None), info("rows", None)], [start]
    )
    model, x = sofie_jit.load(saved(tmp_path, graph)), np.float32([1, -2])
    for count in (3, 1, 0, 2001):  # the last one would become more than 10,000 operators
        last, rows = model.infer(x, count)
        np.testing.assert_allclose(last, count * x)
        np.testing.assert_allclose(rows, np.reshape([i * (i + 1) * x for i in range(count)], (count, 2)))


def loop_over_time(found=False):
    """Sums of x (n, time, 2) over time by a Loop; with ``found``, as many steps as x has elements other than 0."""
    body = helper.make_graph(
        [
            helper.make_node("Gather", ["x", "i"], ["step"], axis=1),
            helper.make_node("Add", ["total", "step"], ["sum"]),
            helper.make_node("Add", ["i", "one"], ["next"]),
            helper.make_node("Less", ["next", "time"], ["still"]),
        ],
        "body",
        [info("i", [], INT64), info("goes_on", [], BOOL), info("total", None)],
        [info("still", [], BOOL), info("sum", None), info("step", None)],
    )
    nodes = [
        *([helper.make_node("NonZero", ["x"], ["places"])] if found else []),
        helper.make_node("Shape", ["places" if found else "x"], ["time_of_x"], start=1, end=2),
        helper.make_node("Squeeze", ["time_of_x"], ["time"]),
        helper.make_node("Less", ["zero", "time"], ["starts"]),
        helper.make_node("ReduceSum", ["x", "axis"], ["sums"], keepdims=0),
        helper.make_node("Mul", ["sums", "nothing"], ["start"]),
        helper.make_node("Loop", ["", "starts", "start"], ["last", "rows"], body=body),
    ]
    constants = {"zero": np.int64(0), "one": np.int64(1), "axis": np.int64([1]), "nothing": np.float32(0)}
    weights = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    return helper.make_graph(
        nodes, "g", [info("x", ["n", "time", 2])], [info("last", None), info("rows", None)], weights
    )


def test_a_loop_over_an_open_size_is_compiled_per_size(tmp_path):
    path = saved(tmp_path, loop_over_time())
    model = sofie_jit.load(path)
    assert repr(model).endswith("x (None, None, 2); compiled per size of time>")
    for rows, time in ((3, 4), (1, 4), (2, 1), (0, 3)):
        x = RNG.normal(size=(rows, time, 2)).astype(np.float32)
        last, steps = model.infer(x)
        np.testing.assert_allclose(last, x.sum(1), rtol=0, atol=1e-6)
        np.testing.assert_array_equal(steps, x.swapaxes(0, 1))
    assert sofie_jit.load(path, input_shapes=[(None, 4, 2)]).output_shapes == [(None, 2), (4, None, 2)]
    assert sofie_jit.check(path).ok
    with pytest.raises(InputError, match="known only for given sizes of 'time': load the model with input_shapes="):
        model.output_shapes  # noqa: B018
    with pytest.raises(UnsupportedLayerError, match=r"\(Loop\): its input 'cond' depends on the open size 'time'; fix"):
        frontends.open(path)()


def test_values_of_iterations_without_a_bound_are_refused(tmp_path):
    with pytest.raises(
        UnsupportedLayerError, match=r"last \(Loop\): it returns values of all iterations, whose number"
    ):
        sofie_jit.load(saved(tmp_path, loop_over_time(found=True)))


def test_a_scan_of_open_size_is_compiled_per_size(tmp_path):
    body = helper.make_graph(
        [helper.make_node("Add", ["total", "step"], ["sum"]), helper.make_node("Identity", ["sum"], ["row"])],
        "body", [info("total", [2]), info("step", [2])], [info("sum", [2]), info("row", [2])],
    )  # fmt: skip
    scan = helper.make_node("Scan", ["start", "x"], ["last", "sums"], body=body, num_scan_inputs=1)
    start = numpy_helper.from_array(np.zeros(2, np.float32), "start")
    graph = helper.make_graph([scan], "g", [info("x", ["time", 2])], [info("last", None), info("sums", None)], [start])
    model = sofie_jit.load(saved(tmp_path, graph))
    for time in (5, 1, 5):
        x = RNG.normal(size=(time, 2)).astype(np.float32)
        last, sums = model.infer(x)
        np.testing.assert_allclose(last, x.sum(0), rtol=0, atol=1e-6)
        np.testing.assert_allclose(sums, x.cumsum(0), rtol=0, atol=1e-6)


FORMS = {
    "LSTM": {},
    "LSTM: peepholes": {"P": True},
    "LSTM: coupled": {"input_forget": 1},
    "LSTM: clipped": {"clip": 0.3},
    "GRU": {},
    "GRU: reset": {"linear_before_reset": 1},
    "RNN": {"activations": ["Affine"], "activation_alpha": [0.5], "activation_beta": [0.1]},
    "RNN: scaled": {"activations": ["ScaledTanh"], "activation_alpha": [1.5], "activation_beta": [0.7]},
}


@pytest.mark.parametrize("name", FORMS)
def test_recurrent_networks_step_by_step(name, tmp_path):
    """Weights that are inputs, against ONNX Runtime."""
    kind, options = name.partition(":")[0], dict(FORMS[name])
    gates, time, batch, features, units = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind], 4, 2, 3, 5
    shapes = {
        "x": (time, batch, features), "w": (1, gates * units, features), "r": (1, gates * units, units),
        "b": (1, 2 * gates * units),
    }  # fmt: skip
    names = ["x", "w", "r", "b"]
    if options.pop("P", False):
        shapes["p"] = (1, 3 * units)
        names += ["", "", "", "p"]
    arrays = {key: RNG.normal(size=shape).astype(np.float32) / 2 for key, shape in shapes.items()}
    node = helper.make_node(kind, names, ["y", "h"], hidden_size=units, **options)
    graph = helper.make_graph(
        [node], "g", [info(key, shape) for key, shape in shapes.items()], [info("y", None), info("h", None)]
    )
    path = saved(tmp_path, graph, 14)
    expected = onnx_runtime(path, arrays)
    for found, other in zip(sofie_jit.load(path).infer(arrays), expected, strict=True):
        np.testing.assert_allclose(found, other, atol=1e-6)


ACTIVATIONS = {
    "RNN": ("Affine", [0.5], [0.1]),
    "RNN: leaky": ("LeakyRelu", [0.2], []),
    "GRU": ("HardSigmoid Tanh", [0.3], [0.4]),
    "LSTM: hard": ("HardSigmoid ThresholdedRelu HardSigmoid", [0.3, 0.6, 0.1], [0.4, 0.7]),
    "GRU: bidirectional": ("Sigmoid Elu HardSigmoid ScaledTanh", [0.7, 0.3, 1.5], [0.4, 0.7]),
    "LSTM": ("HardSigmoid ScaledTanh Affine", [0.3, 1.5, 0.5], [0.4, 0.7, 0.1]),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_of_recurrent_networks(name, tmp_path):
    """Weights of the file, against ONNX Runtime; each activation takes its alpha and beta from the lists in order."""
    kind, (functions, alphas, betas) = name.partition(":")[0], ACTIVATIONS[name]
    gates, units, directions = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind], 5, 2 if "bidirectional" in name else 1
    shapes = {"w": (directions, gates * units, 3), "r": (directions, gates * units, units)}
    weights = [numpy_helper.from_array(RNG.normal(size=s).astype(np.float32) / 2, n) for n, s in shapes.items()]
    options = {"activation_alpha": alphas, "activation_beta": betas, "activations": functions.split()}
    node = helper.make_node(
        kind, ["x", "w", "r"], ["y"], hidden_size=units, direction="bidirectional" if directions == 2 else "forward",
        **{key: value for key, value in options.items() if value},
    )  # fmt: skip
    path = saved(tmp_path, helper.make_graph([node], "g", [info("x", (4, 2, 3))], [info("y", None)], weights), 14)
    x = RNG.normal(size=(4, 2, 3)).astype(np.float32)
    (expected,) = onnx_runtime(path, {"x": x})
    (found,) = evaluate(frontends.open(path)(), [x])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_weights_of_an_open_size_are_refused(tmp_path):
    inputs = [info("x", [3, 1, 2]), info("w", [1, "gates", 2]), info("r", [1, 9, 3])]
    graph = helper.make_graph([helper.make_node("GRU", ["x", "w", "r"], ["y"])], "g", inputs, [info("y", None)])
    with pytest.raises(ShapeError, match=r"y \(GRU\).*'gates' is open"):
        frontends.open(saved(tmp_path, graph))()


def onnx_runtime(path, arrays):
    onnxruntime = pytest.importorskip("onnxruntime")
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, arrays)
