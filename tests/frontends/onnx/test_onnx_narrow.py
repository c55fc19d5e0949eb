"""Tensors of float16 and bfloat16: the results of every node are rounded."""

from __future__ import annotations

import subprocess

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import sofie_jit
from compilers import build
from sofie_jit import frontends
from sofie_jit.ir.operators.rounding import rounded
from sofie_jit.verification.evaluate import evaluate

RNG = np.random.default_rng(0)
NUMPY = {"float16": np.dtype(np.float16), "bfloat16": np.dtype(ml_dtypes.bfloat16)}


def saved(tmp_path, nodes, inputs, outputs, **weights):
    """A file; ``inputs`` and ``outputs`` are name -> type and shape."""
    given, results = (
        [
            helper.make_tensor_value_info(name, getattr(TensorProto, kind.upper()), shape)
            for name, (kind, shape) in ends.items()
        ]
        for ends in (inputs, outputs)
    )
    constants = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "narrow", given, results, constants)
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return path


def info(name, kind, shape):
    return helper.make_tensor_value_info(name, getattr(TensorProto, kind.upper()), shape)


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def test_rounding_is_that_of_numpy():
    x = np.concatenate(
        [RNG.normal(size=2000) * 10.0 ** RNG.uniform(-45, 39, 2000), [0.0, -0.0, np.inf, -np.inf, np.nan]]
    )
    x = np.concatenate([x, [65519, 65520, -65520, 2.0**-24, 2.0**-25, 2.0**-25 * 1.001, 3.39e38, 3.3961776e38]])
    x = x.astype(np.float32)
    for name, dtype in NUMPY.items():
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(rounded(x, name), x.astype(dtype).astype(np.float32), strict=True)


@pytest.mark.parametrize("dtype", NUMPY)
def test_network(dtype, tmp_path):
    """Each node is computed in float32 and rounded; compiled code gives the bits of that."""
    kind = NUMPY[dtype]
    w = (RNG.normal(size=(40, 30)) / 6).astype(kind)
    b, c, limit = RNG.normal(size=30).astype(kind), RNG.normal(size=(30, 200)).astype(kind), np.array(1.5, kind)
    nodes = [
        node("Gemm", "x w b", "g"),
        node("Tanh", "g", "t"),
        node("Transpose", "c", "ct", perm=[1, 0]),
        node("Add", "t b", "a"),
        node("Mul", "a a", "m"),
        node("Min", "m limit", "clipped"),
        node("Cast", "clipped", "wide", to=TensorProto.FLOAT),
        node("CastLike", "wide t", "back"),
        node("Exp", "back", "y"),
        node("ReduceSum", "ct axes", "sums", keepdims=0),
        node("Greater", "t limit", "flags"),
    ]
    ends = {"y": (dtype, ["N", 30]), "wide": ("float", ["N", 30]), "sums": (dtype, [200]), "flags": ("bool", ["N", 30])}
    path = saved(
        tmp_path, nodes, {"x": (dtype, ["N", 40])}, ends, w=w, b=b, c=c, limit=limit, axes=np.int64([1])
    )  # fmt: skip
    x = RNG.normal(size=(5, 40)).astype(kind)
    model = sofie_jit.load(path)
    stored = kind if dtype == "float16" else np.dtype(np.float32)
    found = model.infer(x.astype(stored))
    assert [array.dtype for array in found] == [stored, np.float32, stored, np.bool_]
    plain = evaluate(frontends.open(path)(), x.astype(stored))

    def near(array):  # sums in another order may be rounded to the neighbor
        return array.astype(np.float32)

    f = {"g": (x.astype(np.float32) @ w.astype(np.float32) + b.astype(np.float32)).astype(kind)}
    f["t"] = np.tanh(near(f["g"])).astype(kind)
    f["a"] = (near(f["t"]) + near(b)).astype(kind)
    f["m"] = (near(f["a"]) * near(f["a"])).astype(kind)
    f["wide"] = np.minimum(near(f["m"]), near(limit))
    f["y"] = np.exp(f["wide"]).astype(kind)
    f["sums"] = near(c).sum(0).astype(kind)
    step = 2.0 ** (-7 if dtype == "bfloat16" else -10)
    for results in (found, plain):
        for name, result in zip(("y", "wide", "sums"), results[:3], strict=True):
            np.testing.assert_allclose(near(result), near(f[name]), atol=2 * step, rtol=2 * step, err_msg=name)
            np.testing.assert_array_equal(result, near(result).astype(kind).astype(result.dtype))
            assert (near(result) == near(f[name])).mean() > 0.95, name
    np.testing.assert_array_equal(found[3], near(f["t"]) > near(limit))


def test_exact_nodes_are_not_rounded_again(tmp_path):
    nodes = [node("Relu", "x", "r"), node("Concat", "r x", "y", axis=1)]
    path = saved(tmp_path, nodes, {"x": ("float16", ["N", 3])}, {"y": ("float16", ["N", 6])})
    assert [op.op_type for op in frontends.open(path)().operators] == ["Cast", "Relu", "Concat", "Cast"]


@pytest.mark.parametrize("dtype", NUMPY)
def test_every_type_is_cast(dtype, tmp_path):
    nodes = [
        node("Cast", "x", "h", to=getattr(TensorProto, dtype.upper())),
        node("Cast", "h", "y", to=TensorProto.DOUBLE),
        node("Cast", "n", "k", to=getattr(TensorProto, dtype.upper())),
        node("Cast", "k", "m", to=TensorProto.INT32),
    ]
    inputs = {"x": ("double", ["N"]), "n": ("int64", ["N"])}
    path = saved(tmp_path, nodes, inputs, {"y": ("double", ["N"]), "m": ("int32", ["N"])})
    x = np.array([1 + 2.0**-11 + 2.0**-30, 1 + 2.0**-8 + 2.0**-20, 1e6, -0.0, np.nan])
    n = np.array([2049, 2051, -257, 2**24 + 1, 5])
    y, m = evaluate(frontends.open(path)(), [x, n])
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(y, x.astype(NUMPY[dtype]).astype(np.float64))
    np.testing.assert_array_equal(m[[0, 1, 2, 4]], n.astype(NUMPY[dtype]).astype(np.float32)[[0, 1, 2, 4]].astype(int))


def test_quantized_in_float16(tmp_path):
    nodes = [node("QuantizeLinear", "x scale zero", "q"), node("DequantizeLinear", "q scale zero", "y")]
    path = saved(
        tmp_path, nodes, {"x": ("float16", [4])}, {"q": ("int8", [4]), "y": ("float16", [4])},
        scale=np.float16(0.1), zero=np.int8(3),
    )  # fmt: skip
    q, y = sofie_jit.load(path).infer(np.float16([0.3, -1, 100, 0.04]))
    np.testing.assert_array_equal(q, np.int8([6, -7, 127, 3]), strict=True)
    np.testing.assert_array_equal(y, (np.float32([3, -10, 124, 0]) * np.float32(np.float16(0.1))).astype(np.float16))


def test_header(tmp_path):
    """In C++ a float16 is its bits; the header's own test converts them."""
    w = (RNG.normal(size=(3, 4)) / 2).astype(np.float16)
    path = saved(
        tmp_path, [node("MatMul", "x w", "m"), node("Sigmoid", "m", "y")], {"x": ("float16", ["N", 3])},
        {"y": ("float16", ["N", 4])}, w=w,
    )  # fmt: skip
    model = sofie_jit.load(path, verify=True)
    model.save_header(tmp_path / "half.hxx", self_test=True)
    x = np.float16([[0.5, -1, 2]])
    values = ", ".join(map(str, x.view(np.uint16).ravel()))
    source = f"""#include "half.hxx"
#include <cstdio>
int main()
{{
   const TMVA_SOFIE_half::Session session;
   std::string what;
   if (!TMVA_SOFIE_half::self_test(session, &what))
      std::printf("%s", what.c_str());
   const std::uint16_t x[] = {{{values}}};
   for (const std::uint16_t bits : session.infer(x))
      std::printf("%d ", bits);
}}
"""
    program = build(tmp_path, source, "g++")
    printed = subprocess.run([program], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert printed.split() == [str(bits) for bits in model.infer(x).view(np.uint16).ravel()]


def test_graphs_and_sequences_get_tensors_of_16_bits(tmp_path):
    """Nodes in the body of Scan and Loop and in the branches of If round as others do; sequences keep the type."""
    kind = np.float16
    x, w = RNG.normal(size=(6, 5)).astype(kind), RNG.normal(size=5).astype(kind)
    body = helper.make_graph(
        [node("Mul", "state row", "product"), node("Add", "product w", "next"), node("Exp", "next", "part")],
        "body",
        [info("state", "float16", [5]), info("row", "float16", [5])],
        [info("next", "float16", [5]), info("part", "float16", [5])],
    )
    again = helper.make_graph(
        [node("Mul", "carried w", "more"), node("Identity", "on", "still")],
        "again",
        [info("i", "int64", []), info("on", "bool", []), info("carried", "float16", [5])],
        [info("still", "bool", []), info("more", "float16", [5]), info("more", "float16", [5])],
    )
    yes = helper.make_graph([node("Add", "last w", "yes")], "yes", [], [info("yes", "float16", [5])])
    no = helper.make_graph([node("Identity", "w", "no")], "no", [], [info("no", "float16", [5])])
    nodes = [
        node("Scan", "w x", "last parts", body=body, num_scan_inputs=1),
        helper.make_node("Loop", ["trips", "", "last"], ["end", "rows"], body=again),
        node("ReduceMax", "x", "largest", keepdims=0),
        node("Greater", "largest zero", "positive"),
        node("If", "positive", "chosen", then_branch=yes, else_branch=no),
        node("SplitToSequence", "parts", "split", axis=0),
        node("SequenceInsert", "split rows", "longer"),
        node("ConcatFromSequence", "longer", "y", axis=0),
    ]
    ends = {"y": ("float16", [9, 5]), "end": ("float16", [5]), "chosen": ("float16", [5])}
    path = saved(
        tmp_path, nodes, {"x": ("float16", [6, 5])}, ends, w=w, zero=np.zeros((), kind), trips=np.array(3)
    )  # fmt: skip
    last, parts = w, []
    for row in x:
        last = (last * row).astype(kind) + w
        parts.append(np.exp(last.astype(np.float32)).astype(kind))
    rows = [last]
    for _ in range(3):
        rows.append((rows[-1] * w).astype(kind))
    model = sofie_jit.load(path)
    for got, want in zip(model.infer(x), [np.stack(parts + rows[1:]), rows[-1], last + w], strict=True):
        np.testing.assert_array_equal(got, want, strict=True)


def test_one_value_in_an_open_shape(tmp_path):
    half = helper.make_tensor("value", TensorProto.FLOAT16, [1], np.float16([0.1]).tobytes(), raw=True)
    nodes = [
        node("Shape", "x", "shape"),
        node("ConstantOfShape", "shape", "filled", value=half),
        node("Add", "x filled", "y"),
    ]
    path = saved(tmp_path, nodes, {"x": ("float16", ["N", 3])}, {"y": ("float16", None)})
    x = np.float16([[1, 2, 3]])
    (found,) = evaluate(frontends.open(path)(), [x])
    np.testing.assert_array_equal(found, x + np.float16(0.1), strict=True)
