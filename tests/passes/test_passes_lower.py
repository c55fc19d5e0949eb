"""Products and convolutions become operators with kernels: lower_products, lower_convolutions, choose_convolution."""

from __future__ import annotations

import numpy as np
import pytest

from pass_models import ONE_BY_ONE, THREE_BY_THREE, W, conv_of, lower_operators, model_of, same_numbers, types
from sofie_jit.ir.operators.conv_transpose import ConvTranspose
from sofie_jit.ir.operators.elementwise import Add
from sofie_jit.ir.operators.gemm import Gemm
from sofie_jit.ir.operators.matmul import MatMul
from sofie_jit.passes.choose_convolution import choose_convolution
from sofie_jit.passes.lower_products import lower_products
from sofie_jit.passes.pipeline import lower

BIAS = np.arange(4.0)
SQUARE = {"W": W, "square": W + 1}


@pytest.mark.parametrize(
    ("gemm", "expected"),
    [
        (Gemm(inputs=["x", "W"]), ["Dense"]),
        (Gemm(inputs=["x", "W", "b"], alpha=0.5, beta=2.0, transB=True), ["Dense"]),
        (Gemm(inputs=["x", "W", "one"]), ["Dense"]),
        (Gemm(inputs=["x", "W", "row"]), ["Dense"]),
        (Gemm(inputs=["x", "W", "square"], beta=2.0), ["Dense", "Mul", "Add"]),
        (Gemm(inputs=["x", "W", "x"]), ["Dense", "Add"]),
        (Gemm(inputs=["x", "W", "b"], transA=True), ["Transpose", "Dense", "Add"]),
        (Gemm(inputs=["x", "x"]), ["MatMul"]),
        (Gemm(inputs=["W", "x", "b"], alpha=0.5, transB=True), ["Transpose", "MatMul", "Mul", "Add"]),
    ],
    ids=lambda value: None if isinstance(value, list) else f"{value.inputs}{value.transA}{value.transB}",
)
def test_products_of_rows_with_weights_become_dense(gemm: Gemm, expected: list[str]) -> None:
    gemm.outputs, gemm.origin = ["y"], "a layer"
    weights = {"W": W, "b": BIAS, "one": np.ones(1), "row": BIAS[None], "square": W + 1}
    rmodel = model_of((4, 4), gemm, **weights)
    lowered = lower_products(rmodel)
    assert types(lowered) == expected
    assert {op.origin for op in lowered.operators} == {"a layer"}
    assert types(rmodel) == ["Gemm"]
    values = {"x": np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32), **weights}
    a, b, c = (*(values[name] for name in gemm.inputs), 0)[:3]
    want = gemm.alpha * (a.T if gemm.transA else a) @ (b.T if gemm.transB else b) + gemm.beta * c
    np.testing.assert_allclose(rmodel.compile(optimize=False).infer(values["x"]), want, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("gemm", "expected"),
    [
        (Gemm(inputs=["x", "W", "square"], beta=2.0), ["Dense"]),
        (Gemm(inputs=["W", "x"], transA=True), ["PermutedMatMul"]),
    ],
)
def test_products_leave_no_arithmetic_of_weights(gemm: Gemm, expected: list[str]) -> None:
    gemm.outputs = ["y"]
    rmodel = model_of((4, 4), gemm, **SQUARE)
    assert types(lower(rmodel)) == expected
    same_numbers(rmodel)


@pytest.mark.parametrize(
    ("inputs", "added", "outputs", "expected"),
    [
        (["x", "W"], ["h", "b"], "y", ["Dense"]),
        (["x", "W"], ["b", "h"], "y", ["Dense"]),
        (["x", "W"], ["h", "b"], "y h", ["Dense", "Add"]),
        (["x", "W"], ["h", "row"], "y", ["Dense", "Add"]),
        (["x", "W"], ["h", "x"], "y", ["Dense", "Add"]),
        (["W", "x"], ["h", "b"], "y", ["MatMul", "Add"]),
        (["x", "x"], ["h", "b"], "y", ["MatMul", "Add"]),
        (["x", "stack"], ["h", "b"], "y", ["MatMul", "Add"]),
    ],
)
def test_products_take_the_bias_after_them(
    inputs: list[str], added: list[str], outputs: str, expected: list[str]
) -> None:
    operators = [MatMul(inputs=inputs, outputs=["h"]), Add(inputs=added, outputs=["y"])]
    weights = {"W": W, "b": BIAS, "row": BIAS[None], "stack": np.stack([W, W])}
    rmodel = model_of((None, 2, 4, 4), *operators, outputs=outputs, **weights)
    assert types(lower_products(rmodel)) == expected
    same_numbers(rmodel)


@pytest.mark.parametrize(
    ("kernel", "attributes", "expected"),
    [
        (ONE_BY_ONE, {}, "DenseConv"),
        (ONE_BY_ONE, {"pads": [1, 1, 1, 1]}, "DirectConv"),
        (THREE_BY_THREE[:2, :2], {"strides": [2, 2]}, "DirectConv"),  # pieces of rows, but not whole rows
        (THREE_BY_THREE[:, :, :2], {"group": 2}, "DirectConv"),
        (THREE_BY_THREE[:, :, :1], {"group": 4}, "DepthwiseConv"),
        (np.ones((6, 6, 4, 4)), {}, "DenseConv"),
    ],
)
def test_kernels_of_convolutions(kernel: np.ndarray, attributes: dict[str, object], expected: str) -> None:
    rmodel = lower_operators(model_of((None, 6, 6, 4), conv_of("x", "y", **attributes), K=kernel))
    assert types(rmodel) == ["FusedConv"]
    chosen = choose_convolution(rmodel)
    assert types(chosen) == [expected]
    assert chosen.tensor_type("y") == rmodel.tensor_type("y")
    assert types(choose_convolution(chosen)) == [expected]


def test_transposed_convolutions_can_take_an_activation() -> None:
    conv = ConvTranspose(layout="NHWC", kernel_layout="HWOI", strides=[2, 1], inputs=["x", "K"], outputs=["y"])
    lowered = lower_operators(model_of((None, 6, 5, 4), conv, K=THREE_BY_THREE))
    assert types(lowered) == ["FusedConvTranspose"]
    attributes = lowered.operators[0].attributes()
    assert attributes.pop("activation") is None
    assert attributes == conv.attributes()
