"""Activations and residuals that become part of the operator before: fuse_activation, fuse_add."""

from __future__ import annotations

import numpy as np
import pytest

from pass_models import ONE_BY_ONE, THREE_BY_THREE, W, conv_of, lower_operators, model_of, same_numbers, types
from sofie_jit.codegen.lowered.conv import FusedConv
from sofie_jit.ir.operators.activations import Relu, Tanh
from sofie_jit.ir.operators.elementwise import Add
from sofie_jit.ir.operators.gemm import Gemm
from sofie_jit.passes.eliminate_dead_code import eliminate_dead_code
from sofie_jit.passes.fuse_activation import fuse_activation
from sofie_jit.passes.fuse_add import fuse_add
from sofie_jit.passes.pipeline import lower


def test_activation_is_fused() -> None:
    rmodel = model_of((None, 4), Gemm(inputs=["x", "W"], outputs=["h"]), Relu(inputs=["h"], outputs=["y"]), W=W)
    lowered = lower_operators(rmodel)
    fused = fuse_activation(lowered)
    assert types(fused) == ["Dense"]
    assert isinstance(fused.operators[0].attributes()["activation"], Relu)
    assert types(lowered) == ["Dense", "Relu"]
    same_numbers(rmodel)


@pytest.mark.parametrize("outputs", ["y h", "y z"])
def test_activation_of_a_tensor_needed_elsewhere_stays(outputs: str) -> None:
    operators = [Gemm(inputs=["x", "W"], outputs=["h"]), Relu(inputs=["h"], outputs=["y"])]
    rmodel = model_of((None, 4), *operators, Tanh(inputs=["h"], outputs=["z"]), outputs=outputs, W=W)
    assert types(fuse_activation(lower_operators(eliminate_dead_code(rmodel))))[:2] == ["Dense", "Relu"]
    same_numbers(rmodel)


def test_a_second_activation_stays() -> None:
    rmodel = model_of(
        (None, 4),
        Gemm(inputs=["x", "W"], outputs=["a"]),
        Relu(inputs=["a"], outputs=["b"]),
        Tanh(inputs=["b"], outputs=["y"]),
        W=W,
    )
    assert types(fuse_activation(lower_operators(rmodel))) == ["Dense", "Tanh"]
    same_numbers(rmodel)


@pytest.mark.parametrize("kernel", [ONE_BY_ONE, THREE_BY_THREE], ids=["as gemm", "direct"])
@pytest.mark.parametrize("swapped", [False, True])
def test_residual_is_added_by_the_convolution(kernel: np.ndarray, swapped: bool) -> None:
    same = {"auto_pad": "SAME_UPPER"}
    rmodel = model_of(
        (None, 6, 5, 4),
        conv_of("x", "a", **same),
        Relu(inputs=["a"], outputs=["b"]),
        conv_of("b", "c", **same),
        Add(inputs=["x", "c"] if swapped else ["c", "x"], outputs=["d"]),
        Tanh(inputs=["d"], outputs=["y"]),
        K=kernel,
    )
    fused = fuse_add(lower_operators(rmodel))
    assert types(fused) == ["FusedConv", "Relu", "FusedConv", "Tanh"]
    assert fused.operators[2].inputs == ["b", "K", "", "x"]
    assert types(lower(rmodel)) == ["DenseConv" if kernel is ONE_BY_ONE else "DirectConv"] * 2
    same_numbers(rmodel)


def test_the_later_of_two_producers_adds() -> None:
    rmodel = model_of(
        (None, 4),
        Gemm(inputs=["x", "W"], outputs=["a"]),
        Gemm(inputs=["x", "V", "b"], outputs=["c"]),
        Add(inputs=["a", "c"], outputs=["d"]),
        Add(inputs=["d", "x"], outputs=["y"]),  # an operator takes one residual
        W=W, V=W + 1, b=np.ones(4),
    )  # fmt: skip
    fused = fuse_add(lower_operators(rmodel))
    assert types(fused) == ["Dense", "Dense", "Add"]
    assert fused.operators[1].inputs == ["x", "V", "b", "a"]
    same_numbers(rmodel)


@pytest.mark.parametrize(
    "operators",
    [
        [conv_of("x", "c"), Add(inputs=["c", "c"], outputs=["y"])],
        [conv_of("x", "c"), Add(inputs=["c", "row"], outputs=["y"])],
        [
            FusedConv(layout="NHWC", kernel_layout="HWIO", activation=Relu(), inputs=["x", "K"], outputs=["c"]),
            Add(inputs=["c", "x"], outputs=["y"]),
        ],
        [conv_of("x", "c", "D", group=4), Add(inputs=["c", "x"], outputs=["y"])],
        [conv_of("x", "c"), Add(inputs=["c", "x"], outputs=["z"]), Add(inputs=["z", "c"], outputs=["y"])],
    ],
    ids=["itself", "broadcast", "activation between", "depthwise", "needed elsewhere"],
)
def test_other_additions_stay(operators: list[object]) -> None:
    weights = {"K": ONE_BY_ONE, "D": ONE_BY_ONE[:, :, :1], "row": np.ones(4)}
    rmodel = eliminate_dead_code(model_of((None, 6, 5, 4), *operators, **weights))
    assert types(fuse_add(lower_operators(rmodel)))[:2] == ["FusedConv", "Add"]
    same_numbers(rmodel)
