"""Quantization of QONNX against its formulas in numpy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from onnx import helper, numpy_helper

import sofie_jit
from sofie_jit import frontends
from sofie_jit.errors import UnsupportedLayerError

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32) * 3
X[0] = [0.25, -0.25, 0.75]  # halves of the scale
ROUND = {
    "ROUND": np.round,
    "ceil": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.sign(x) * np.ceil(abs(x)),
    "DOWN": np.trunc,
    "HALF_UP": lambda x: np.sign(x) * np.floor(abs(x) + 0.5),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(abs(x) - 0.5),
}


def model(nodes: list, **constants: np.ndarray) -> bytes:
    outputs = [helper.make_tensor_value_info(node.output[0], 1, None) for node in nodes]
    weights = [numpy_helper.from_array(np.asarray(array, np.float32), name) for name, array in constants.items()]
    infos = [helper.make_tensor_value_info("x", 1, ["n", 3])]
    graph = helper.make_graph(nodes, "g", infos, outputs, weights)
    opsets = [helper.make_opsetid("", 17)]
    opsets += [helper.make_opsetid(domain, 1) for domain in ("qonnx.custom_op.general", "onnx.brevitas")]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def quant(output: str, bits: str, domain: str = "qonnx.custom_op.general", **attributes):
    return helper.make_node("Quant", ["x", "scale", "zero", bits], [output], domain=domain, **attributes)


def test_quantization() -> None:
    scale, zero = np.float32([0.5, 0.25, 1]), np.float32([1, 0, -2])
    cases = list(itertools.product((0, 1), (0, 1), (1, 3, 8), ROUND))
    nodes, expected = [], []
    for number, (signed, narrow, bits, mode) in enumerate(cases):
        domain = ("qonnx.custom_op.general", "onnx.brevitas")[number % 2]
        nodes.append(quant(f"y{number}", f"b{bits}", domain, signed=signed, narrow=narrow, rounding_mode=mode))
        scaled = X / scale + zero
        low, high = (narrow - 2 ** (bits - 1), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1 - narrow)
        integers = ROUND[mode](np.clip(scaled, low, high))
        if signed and bits == 1:
            integers = np.where(scaled >= 0, 1, -1)
        expected.append((integers - zero) * scale)
    nodes.append(helper.make_node("BipolarQuant", ["x", "scale"], ["bipolar"], domain="qonnx.custom_op.general"))
    expected.append(np.where(X >= 0, scale, -scale))
    compiled = sofie_jit.load(model(nodes, scale=scale, zero=zero, b1=1, b3=3, b8=8))
    for case, found, other in zip([*cases, "bipolar"], compiled.infer(X), expected, strict=True):
        np.testing.assert_array_equal(found, other.astype(np.float32), str(case))


@pytest.mark.parametrize(
    ("bits", "mode", "message"),
    [
        (0, "ROUND", r"the bit width 0.0; expected one number from 1 to 32"),
        (8, "STOCHASTIC", "rounding_mode='STOCHASTIC'; expected one of ROUND"),
    ],
)
def test_refusals(bits: float, mode: str, message: str) -> None:
    with pytest.raises(UnsupportedLayerError, match=message):
        frontends.open(model([quant("y", "b", rounding_mode=mode)], scale=1, zero=0, b=bits))()
