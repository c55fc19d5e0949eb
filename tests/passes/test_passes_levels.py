"""Every pass keeps the outputs of a network: each level is evaluated in numpy, without compiled code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import operator_cases
import sofie_jit
from operator_cases import CASES, feed
from pass_models import chain_model, model_of
from sofie_jit import RModel
from sofie_jit.ir.operators.matmul import MatMul
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.operators.pool import MaxPool
from sofie_jit.ir.operators.transpose import Transpose
from sofie_jit.passes.pipeline import PASSES
from sofie_jit.verification.difference import distance
from sofie_jit.verification.evaluate import evaluate
from sofie_jit.verification.random_inputs import draw_inputs

GOLDEN = Path(__file__).parents[1] / "golden"


def check_levels(rmodel: RModel, inputs: object) -> set[str]:
    """Applies one pass after the other; in float64 only the rounding of folded weights is left.

    Returns the types of the operators of the lowered model.
    """
    model, expected = rmodel, evaluate(rmodel, inputs, "float64")
    for _, run in PASSES:
        model = run(model)
        found = evaluate(model, inputs, "float64")
        wrong = {
            name: error
            for name, a, b in zip(rmodel.outputs, found, expected, strict=True)
            if (error := distance(a.astype("float64"), b.astype("float64"))) > 1e-6
        }
        assert wrong == {}, run.__name__
    return {op.op_type for op in model.operators}


def test_every_operator() -> None:
    check_levels(operator_cases.model_of(CASES, "float32"), feed(CASES, "float32"))


@pytest.mark.parametrize("name", ["mlp", "functional", "convolutional", "recurrent"])
def test_networks(name: str) -> None:
    rmodel = sofie_jit.load(GOLDEN / "keras3" / f"{name}.keras").rmodel
    check_levels(rmodel, draw_inputs(rmodel, 3))


def test_lowered_operators() -> None:
    """Those that the models above may not have."""
    image = np.random.default_rng(0).normal(size=(1, 96, 96, 4))
    assert "DepthwiseChain" in check_levels(chain_model(), image)
    pad = Pad(pads=[0, 1, 2, 0, 0, 0, 1, 0], inputs=["x"], outputs=["a"])
    pool = MaxPool(kernel_shape=[3, 2], strides=[2, 2], layout="NHWC", inputs=["a"], outputs=["y"])
    assert check_levels(model_of((None, 96, 96, 4), pad, pool), -np.abs(image)) == {"ZeroPaddedMaxPool"}
    transposed = Transpose(perm=[0, 2, 1], inputs=["x"], outputs=["a"])
    matmul = MatMul(inputs=["x", "a"], outputs=["y"])
    stack = np.random.default_rng(1).normal(size=(3, 4, 5))
    assert check_levels(model_of((None, 4, 5), transposed, matmul), stack) == {"PermutedMatMul"}
