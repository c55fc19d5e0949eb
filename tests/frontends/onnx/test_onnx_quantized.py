"""Files that ONNX Runtime's quantization tools write give the results of ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from single_node import MICROSOFT, Constant, Random, check, computed, model

import sofie_jit
from sofie_jit import UnsupportedLayerError, frontends
from sofie_jit.verification.evaluate import evaluate

onnxruntime = pytest.importorskip("onnxruntime")
tools = pytest.importorskip("onnxruntime.quantization")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 3, 16, 16)).astype(np.float32)


def network(path: Path) -> Path:
    """A network with the layers that the tools quantize."""

    def weights(*shape: int) -> np.ndarray:
        return (RNG.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    def node(op: str, inputs: str, output: str, **attributes: object) -> onnx.NodeProto:
        return helper.make_node(op, inputs.split(), [output], **attributes)

    nodes = [
        node("Conv", "x w1 b16", "c1", pads=[1, 1, 1, 1]),
        node("Relu", "c1", "r1"),
        node("Conv", "r1 wd b16", "cd", pads=[1, 1, 1, 1], group=16),
        node("LeakyRelu", "cd", "rd", alpha=0.1),
        node("MaxPool", "rd", "p1", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "p1 w2 b24", "c2", pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Sigmoid", "c2", "s2"),
        node("Conv", "p1 w3 b24", "c3", strides=[2, 2]),
        node("Add", "s2 c3", "a"),
        node("Mul", "a s2", "m"),
        node("AveragePool", "m", "ap", kernel_shape=[2, 2]),
        node("Concat", "ap ap", "cc", axis=1),
        node("GlobalAveragePool", "cc", "g"),
        node("Flatten", "g", "f"),
        node("Gemm", "f wg b20", "e", transB=1),
        node("MatMul", "e wm", "mm"),
        node("Softmax", "mm", "y"),
    ]
    arrays = {
        "w1": weights(16, 3, 3, 3), "wd": weights(16, 1, 3, 3), "w2": weights(24, 16, 3, 3), "b16": weights(16),
        "w3": weights(24, 16, 1, 1), "wg": weights(20, 48), "wm": weights(20, 7), "b20": weights(20),
        "b24": weights(24),
    }  # fmt: skip
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", ["N", 3, 16, 16]), ("y", ["N", 7]))
    ]
    constants = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


class Samples(tools.CalibrationDataReader):
    def __init__(self) -> None:
        self.batches = iter([{"x": X}])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.batches, None)


def results(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Those of ONNX Runtime without optimizations, and those of this package."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    (expected,) = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run(None, {"x": X})
    return expected, sofie_jit.load(path).infer(X)


@pytest.mark.parametrize("options", [{}, {"per_channel": True, "weight_type": tools.QuantType.QInt8}], ids=str)
def test_dynamic(options: dict[str, object], tmp_path: Path) -> None:
    tools.quantize_dynamic(network(tmp_path / "float.onnx"), tmp_path / "m.onnx", **options)
    expected, found = results(tmp_path / "m.onnx")
    np.testing.assert_allclose(found, expected, atol=1e-6)


STATIC = {
    "u8 s8": (tools.QuantType.QUInt8, tools.QuantType.QInt8),
    "s8 s8, by channel": (tools.QuantType.QInt8, tools.QuantType.QInt8),
    "u8 u8": (tools.QuantType.QUInt8, tools.QuantType.QUInt8),
}


@pytest.mark.parametrize("kind", STATIC)
def test_operators_of_integers(kind: str, tmp_path: Path) -> None:
    """All results are integers times a scale, and equal."""
    activations, weights = STATIC[kind]
    tools.quantize_static(
        network(tmp_path / "float.onnx"), tmp_path / "m.onnx", Samples(), quant_format=tools.QuantFormat.QOperator,
        activation_type=activations, weight_type=weights, per_channel="channel" in kind,
    )  # fmt: skip
    expected, found = results(tmp_path / "m.onnx")
    assert abs(found - expected).max() <= 1 / 128  # one step, should a logarithm be rounded another way
    assert (found == expected).mean() > 0.95


RANDOM = Random(0)
numbers, integers = RANDOM.numbers, RANDOM.integers
A, B = integers("uint8", 3, 4), integers("uint8", 3, 4)
IMAGE, WEIGHT = integers("uint8", 2, 3, 6, 5), integers("int8", 4, 5)
S, Z, T, ZT = (Constant(*given) for given in ((0.053, "float32"), (7, "uint8"), (0.107, "float32"), (3, "uint8")))
SIGNED = Constant(5, "int8")
BIAS = numbers(5)
CONTRIB: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "QLinearAdd": ([A, S, Z, B, T, ZT, Constant(0.2, "float32"), Z], {}),
    "QLinearMul": ([A, S, Z, B, T, ZT, Constant(0.4, "float32"), Z], {}),
    "QLinearSigmoid": ([A, S, Z, Constant(1 / 256, "float32"), Constant(0, "uint8")], {}),
    "QLinearLeakyRelu": ([A, S, Constant(99, "uint8"), S, Constant(90, "uint8")], {}),
    "QLinearLeakyRelu: alpha": ([A, S, Constant(99, "uint8"), S, Constant(90, "uint8")], {"alpha": 0.5}),
    "QLinearSoftmax": ([A, S, Z, Constant(1 / 256, "float32"), Constant(0, "uint8")], {"opset": 13}),
    "QLinearSoftmax: axis": (
        [A, S, Z, Constant(1 / 256, "float32"), Constant(0, "uint8")], {"opset": 13, "axis": 0}),
    "QLinearAveragePool": ([IMAGE, S, Z, T, ZT], {"kernel_shape": [2, 2], "pads": [1, 0, 0, 1]}),
    "QLinearAveragePool: padding counts": (
        [IMAGE, S, Z, T, ZT], {"kernel_shape": [2, 3], "pads": [1, 1, 0, 0], "count_include_pad": 1}),
    "QLinearGlobalAveragePool": ([IMAGE, S, Z, T, ZT], {}),
    "QLinearConcat": ([Constant(0.1, "float32"), Z, A, S, Z, B, T, ZT], {"axis": 1}),
    "QLinearWhere": ([RNG.normal(size=(3, 4)) > 0, A, S, Z, B, T, ZT, Constant(0.12, "float32"), Z], {}),
    "QGemm": ([A, S, Z, Constant(WEIGHT), T, SIGNED, Constant(integers("int32", 5)), Constant(0.8, "float32"), ZT], {}),
    "QGemm: floats": ([A, S, Z, Constant(WEIGHT), T, SIGNED], {}),
    "QGemm: options": (
        [A.T.copy(), S, Z, Constant(WEIGHT.T.copy()), T, SIGNED], {"transA": 1, "transB": 1, "alpha": 0.5}),
    "MatMulIntegerToFloat": ([A, Constant(WEIGHT), S, T, Z, SIGNED, BIAS], {}),
    "MatMulIntegerToFloat: columns": (
        [A, Constant(WEIGHT), S, Constant(np.abs(BIAS) + 0.1), None, Constant(integers("int8", 5))], {}),
    "DynamicQuantizeMatMul": ([numbers(3, 4), Constant(WEIGHT), T, SIGNED, BIAS], {}),
    "DynamicQuantizeMatMul: alone": ([numbers(3, 4), Constant(WEIGHT), T], {}),
    "QuantizeLinear": ([numbers(3, 4), S, Constant(9, "int8")], {}),
    "DequantizeLinear": ([A, S, Z], {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTRIB)
def test_operators_of_com_microsoft(name: str) -> None:
    given, attributes = CONTRIB[name]
    check(name, model(name.partition(":")[0], given, attributes, 1, MICROSOFT), given, tolerance=1e-5)


def test_means_of_integers() -> None:
    """ONNX Runtime declares the operator and does not compute it."""
    for attributes, axes, keepdims in (({"axes": [1]}, 1, True), ({"axes": [-1], "keepdims": 0}, -1, False)):
        content = model("QLinearReduceMean", [A, S, Z, T, ZT], attributes, 1, MICROSOFT)
        means = ((A.astype(float) - 7) * 0.053).mean(axes, keepdims=keepdims)
        (found,) = computed(content, [A])
        assert np.abs(found - (means / 0.107 + 3)).max() < 0.51
        assert found.dtype == np.uint8
        assert found.shape == means.shape


@pytest.mark.parametrize(
    ("op", "given", "attributes", "message"),
    [
        ("QLinearSoftmax", [A, S, Z, S, ZT], {"opset": 12}, "opset is below 13"),
        (
            "QGemm",
            [A, S, Z, Constant(WEIGHT), T, SIGNED, None, S],
            {},
            "y_scale and y_zero_point must be given together",
        ),
        ("QGemm", [A, S, Z, Constant(WEIGHT), T, SIGNED, None, None, Z], {}, "y_scale and y_zero_point must be given"),
        ("QLinearGlobalAveragePool", [IMAGE, S, Z, S, ZT], {"channels_last": 1}, "channels_last is not supported"),
    ],
)
def test_refused(op: str, given: list[Any], attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(UnsupportedLayerError, match=message):
        frontends.open(model(op, given, attributes, 1, MICROSOFT))()


@pytest.mark.parametrize("shapes", [((3, 5), (5,)), ((5,), (5, 4)), ((2, 3, 5), (5,)), ((5,), (5,))])
def test_integer_products_of_vectors(shapes: tuple[tuple[int, ...], ...], tmp_path: Path) -> None:
    info = helper.make_tensor_value_info
    made = helper.make_node("MatMulInteger", ["x", "b"], ["y"])
    b = RNG.integers(-128, 128, shapes[1]).astype(np.int8)
    graph = helper.make_graph(
        [made], "g", [info("x", TensorProto.UINT8, shapes[0])], [info("y", TensorProto.INT32, None)],
        [numpy_helper.from_array(b, "b")],
    )  # fmt: skip
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    x = RNG.integers(0, 256, shapes[0]).astype(np.uint8)
    (found,) = evaluate(frontends.open(path)(), [x])
    assert np.array_equal(found, x.astype(np.int32) @ b.astype(np.int32))


@pytest.mark.parametrize("kind", [*STATIC, "s16 s8"])
def test_quantize_and_dequantize(kind: str, tmp_path: Path) -> None:
    """Between the integers are floating-point sums in another order than ONNX Runtime's, which move a few results."""
    activations, weights = STATIC.get(kind, (tools.QuantType.QInt16, tools.QuantType.QInt8))
    tools.quantize_static(
        network(tmp_path / "float.onnx"), tmp_path / "m.onnx", Samples(), quant_format=tools.QuantFormat.QDQ,
        activation_type=activations, weight_type=weights, per_channel="channel" in kind,
    )  # fmt: skip
    expected, found = results(tmp_path / "m.onnx")
    assert abs(found - expected).max() <= (1e-3 if "16" in kind else 3 / 255)
    assert abs(found - expected).mean() <= 1e-3


@pytest.mark.parametrize("dtype", [TensorProto.INT4, TensorProto.UINT4])
@pytest.mark.parametrize("raw", [True, False])
def test_weights_of_four_bits(dtype: int, raw: bool, tmp_path: Path) -> None:
    low = -8 if dtype == TensorProto.INT4 else 0
    numbers = RNG.integers(low, low + 16, (6, 5))
    scale, zero = RNG.uniform(0.1, 1, (2, 5)).astype(np.float32), RNG.integers(low, low + 16, (2, 5))
    nibbles = [values.ravel() & 15 for values in (numbers, zero)]
    packed = [np.append(n, 0)[: len(n) // 2 * 2 + len(n) % 2 * 2].reshape(-1, 2) @ [1, 16] for n in nibbles]
    fields = [{"raw_data": p.astype(np.uint8).tobytes()} if raw else {"int32_data": p.tolist()} for p in packed]
    weights = [
        TensorProto(name=name, data_type=dtype, dims=values.shape, **field)
        for name, values, field in zip("qz", (numbers, zero), fields, strict=True)
    ]
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"], axis=0, block_size=3),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", k]) for n, k in (("x", 6), ("y", 5))]
    graph = helper.make_graph(nodes, "four", ends[:1], ends[1:], [*weights, numpy_helper.from_array(scale, "s")])
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    x = RNG.normal(size=(3, 6)).astype(np.float32)
    (found,) = evaluate(frontends.open(path)(), x)
    matrix = (numbers - zero.repeat(3, 0)) * scale.repeat(3, 0)
    np.testing.assert_allclose(found, x @ matrix, rtol=1e-5, atol=1e-5)


def test_one_zero_point_of_four_bits(tmp_path: Path) -> None:
    weights = [
        TensorProto(name="q", data_type=TensorProto.INT4, dims=[2, 2], raw_data=bytes([0x7F, 0x18])),
        TensorProto(name="z", data_type=TensorProto.INT4, dims=[], raw_data=bytes([0x0E])),
        numpy_helper.from_array(np.float32(0.5), "s"),
    ]
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"], domain="com.microsoft"),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in "xy"]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:], weights), opset_imports=opsets), path)
    (found,) = evaluate(frontends.open(path)(), np.eye(2, dtype=np.float32))
    np.testing.assert_array_equal(found, [[0.5, 4.5], [-3, 1.5]])


def test_numbers_of_four_bits_are_refused_elsewhere(tmp_path: Path) -> None:
    weight = TensorProto(name="z", data_type=TensorProto.INT4, dims=[], raw_data=b"\x01")
    scale = numpy_helper.from_array(np.float32(1), "s")
    x, y = (helper.make_tensor_value_info(*end, [2]) for end in (("x", TensorProto.FLOAT), ("y", TensorProto.INT4)))
    node = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])
    graph = helper.make_graph([node], "four", [x], [y], [weight, scale])
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    with pytest.raises(UnsupportedLayerError, match="an input is of type int4"):
        frontends.open(path)()
