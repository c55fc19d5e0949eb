"""Lowered operators become operators of ONNX again: restore_operators."""

from __future__ import annotations

import numpy as np
import pytest

from pass_models import ROW, THREE_BY_THREE, W, chain_model, conv_of, lower_operators, model_of, types
from sofie_jit import RModel
from sofie_jit.codegen.lowered.dense import Dense
from sofie_jit.codegen.lowered.matmul import PermutedMatMul
from sofie_jit.codegen.lowered.pool import ZeroPaddedMaxPool
from sofie_jit.ir.operators.activations import Relu, Tanh
from sofie_jit.ir.operators.conv_transpose import ConvTranspose
from sofie_jit.ir.operators.elementwise import Add
from sofie_jit.ir.operators.gemm import Gemm
from sofie_jit.ir.operators.matmul import MatMul
from sofie_jit.passes.pipeline import lower
from sofie_jit.passes.restore_operators import restore_operators
from sofie_jit.verification.evaluate import evaluate

NARROW = np.arange(8.0).reshape(4, 2) - 3
WEIGHTS = {"W": W, "N": NARROW, "T": NARROW.T, "b": ROW, "c": ROW[:2], "K": THREE_BY_THREE}


def restored(rmodel: RModel) -> RModel:
    """The restored network of a lowered one, which computes the same numbers."""
    found = restore_operators(rmodel)
    found.generate()
    shape = [3 if dim is None or not isinstance(dim, int) else dim for dim in rmodel.inputs["x"].shape]
    x = np.random.default_rng(0).normal(size=shape) - 1  # zeros around images are larger than most numbers
    for a, b in zip(evaluate(found, x, "float64"), evaluate(rmodel, x, "float64"), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * np.abs(b).max())
    return found


@pytest.mark.parametrize(
    ("dense", "shape", "expected", "weights"),
    [
        (Dense(inputs=["x", "N"]), (5, 4), ["Gemm"], {"N"}),
        (Dense(inputs=["x", "T", "c"], alpha=0.5, beta=2.0, transB=True), (5, 4), ["Gemm"], {"T", "c"}),
        (Dense(inputs=["x", "W", "b", "x"], activation=Relu()), (5, 4), ["Gemm", "Add", "Relu"], {"W", "b"}),
        (Dense(inputs=["x", "W", "", "x"]), (5, 4), ["Gemm", "Add"], {"W"}),
        (Dense(inputs=["x", "N"]), (2, 5, 4), ["MatMul"], {"N"}),
        (Dense(inputs=["x", "N", "c"], activation=Tanh()), (2, 5, 4), ["MatMul", "Add", "Tanh"], {"N", "c"}),
        (Dense(inputs=["x", "N"], alpha=0.5), (2, 5, 4), ["MatMul"], {"N:scaled"}),
        (Dense(inputs=["x", "T"], transB=True), (2, 5, 4), ["MatMul"], {"T:scaled"}),
        (
            Dense(inputs=["x", "T", "c"], alpha=0.5, beta=2.0, transB=True),
            (2, 5, 4),
            ["MatMul", "Add"],
            {"T:scaled", "c:scaled"},
        ),
        (Dense(inputs=["x", "W", "b", "x"]), (2, 5, 4), ["MatMul", "Add", "Add"], {"W", "b"}),
    ],
)
def test_dense(dense: Dense, shape: tuple[int, ...], expected: list[str], weights: set[str]) -> None:
    dense.outputs, dense.origin = ["y"], "a layer"
    rmodel = model_of((None, *shape[1:]), dense, **WEIGHTS)
    found = restored(rmodel)
    assert types(found) == expected
    assert {name for op in found.operators for name in op.inputs if name in found.initialized} == weights
    assert {op.origin for op in found.operators} == {"a layer"}
    assert types(rmodel) == ["Dense"]
    assert rmodel.initialized.keys() == WEIGHTS.keys()


def test_convolutions() -> None:
    same = conv_of("x", "h", auto_pad="SAME_UPPER")
    residual = [same, Add(inputs=["h", "x"], outputs=["s"]), Relu(inputs=["s"], outputs=["y"])]
    assert types(restored(lower(model_of((None, 6, 5, 4), *residual, **WEIGHTS)))) == ["Conv", "Add", "Relu"]
    back = ConvTranspose(layout="NHWC", kernel_layout="HWOI", strides=[2, 1], inputs=["x", "K", "b"], outputs=["h"])
    operators = [back, Tanh(inputs=["h"], outputs=["y"])]
    assert types(restored(lower(model_of((None, 6, 5, 4), *operators, **WEIGHTS)))) == ["ConvTranspose", "Tanh"]


@pytest.mark.parametrize("pads", [[1, 2, 1, 0], [0, 0, 0, 3], None])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_maxima_of_padded_images(pads: list[int] | None, layout: str) -> None:
    pool = ZeroPaddedMaxPool(pads=pads, kernel_shape=[3, 2], strides=[2, 1], layout=layout, inputs=["x"], outputs=["y"])
    assert types(restored(model_of((None, 6, 5, 7), pool))) == ["Pad", "MaxPool"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["Conv", "Relu", "Conv", "Conv", "Add"]),
        ({"last": ""}, ["Conv", "Relu", "Conv", "Conv", "Relu"]),
        ({"outputs": "y b"}, ["Conv", "Relu", "Conv", "Conv", "Add"]),
        ({"outputs": "y c", "last": ""}, ["Conv", "Relu", "Conv", "Conv", "Relu"]),
    ],
)
def test_chains_of_convolutions(options: dict[str, str], expected: list[str]) -> None:
    lowered = lower(chain_model(**options))
    assert "DepthwiseChain" in types(lowered)
    assert types(restored(lowered)) == expected


@pytest.mark.parametrize(
    ("permutations", "expected"),
    [
        ({}, ["MatMul"]),
        ({"perm_a": [1, 0, 2]}, ["Transpose", "MatMul"]),
        ({"perm_b": [0, 2, 1]}, ["Transpose", "MatMul"]),
        ({"perm_a": [1, 0, 2], "perm_b": [1, 2, 0], "perm_y": [1, 0, 2]}, ["Transpose"] * 2 + ["MatMul", "Transpose"]),
    ],
)
def test_products_between_transposes(permutations: dict[str, list[int]], expected: list[str]) -> None:
    product = PermutedMatMul(inputs=["x", "S"], outputs=["y"], **permutations)
    assert types(restored(model_of((4, 4, 4), product, S=np.arange(64.0).reshape(4, 4, 4)))) == expected


def test_products_of_integers() -> None:
    rmodel = RModel("integers")
    for name in "xz":
        rmodel.add_input_tensor_info(name, "int32", (4, 4))
    rmodel.add_operator(MatMul(inputs=["x", "z"], outputs=["y"]))
    rmodel.add_output_tensor_names("y")
    lowered = lower_operators(rmodel)
    assert (types(lowered), types(restore_operators(lowered))) == (["IntegerMatMul"], ["MatMul"])


def test_a_network_of_other_operators_is_returned_as_it_is() -> None:
    rmodel = model_of((None, 4), Gemm(inputs=["x", "W"], outputs=["y"]), W=W)
    assert restore_operators(rmodel) is rmodel
