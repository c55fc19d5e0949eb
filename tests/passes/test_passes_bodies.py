"""Bodies of loops and branches are lowered and restored like networks: lower_bodies, restore_operators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from pass_models import ROW, W, types
from sofie_jit import RModel
from sofie_jit.ir.operators.activations import Relu, Tanh
from sofie_jit.ir.operators.control import If
from sofie_jit.ir.operators.elementwise import Add
from sofie_jit.ir.operators.math import Neg
from sofie_jit.ir.operators.matmul import MatMul
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.passes.pipeline import lower
from sofie_jit.passes.restore_operators import restore_operators
from sofie_jit.verification.evaluate import evaluate

SQUARE, LINE = (3, 4), (4, 4)


def body(operators: Sequence[ROperator], **given: tuple[int, ...]) -> RModel:
    """A network with the output "y"."""
    rmodel = RModel("body")
    for name, shape in given.items():
        rmodel.add_input_tensor_info(name, "bool" if name == "flag" else "float32", shape)
    for op in operators:
        rmodel.add_operator(op)
    rmodel.add_output_tensor_names("y")
    return rmodel


def chosen() -> RModel:
    """Branches within a branch; the weights belong to the whole network, and no branch reads "unused"."""
    inner = {"x": SQUARE, "w": LINE}
    nested = If(
        then_branch=body([MatMul(inputs=["x", "w"], outputs=["a"]), Relu(inputs=["a"], outputs=["y"])], **inner),
        else_branch=body([Tanh(inputs=["x"], outputs=["y"])], **inner),
        inputs=["flag", "x", "w"],
        outputs=["y"],
    )
    outer = {"flag": (), "x": SQUARE, "unused": SQUARE, "w": LINE, "row": (4,)}
    first = body([nested], **outer)
    second = body([Add(inputs=["x", "row"], outputs=["a"]), Neg(inputs=["a"], outputs=["y"])], **outer)
    rmodel = RModel("chosen")
    for name in ("first", "second"):
        rmodel.add_input_tensor_info(name, "bool", ())
    rmodel.add_input_tensor_info("x", "float32", SQUARE)
    for name, values in (("W", W), ("row", ROW), ("more", np.ones(SQUARE))):
        rmodel.add_initialized_tensor(name, values.astype(np.float32))
    rmodel.add_operator(
        If(then_branch=first, else_branch=second, inputs=["first", "second", "x", "more", "W", "row"], outputs=["y"])
    )
    rmodel.add_output_tensor_names("y")
    return rmodel


def networks(rmodel: RModel) -> Iterator[RModel]:
    yield rmodel
    for op in rmodel.operators:
        for inner in op.bodies.values():
            yield from networks(inner)


def expected(first: bool, second: bool, x: np.ndarray) -> np.ndarray:
    weights, row = W.astype(np.float32), ROW.astype(np.float32)
    if not first:
        return -(x + row)
    return np.maximum(x @ weights, 0) if second else np.tanh(x)


@pytest.mark.parametrize("optimize", [True, False])
def test_branches_within_branches(optimize: bool) -> None:
    rmodel = chosen()
    lowered = lower(rmodel, optimize)
    (outer,) = lowered.operators
    assert outer.inputs == ["first", "second", "x"]  # weights belong to the bodies that read them
    whole = restore_operators(lowered)
    inner = [types(network) for network in networks(lowered)]
    assert sorted(inner) == sorted(
        [["If"], ["If"], ["Dense"] if optimize else ["Dense", "Relu"], ["Tanh"], ["Add", "Neg"]]
    )
    names = [name for network in networks(lowered) for op in network.operators for name in op.outputs]
    names += [name for network in networks(lowered) for name in network.inputs]
    assert len(names) == len(set(names))
    weights = {name for network in networks(lowered) for name in network.initialized}
    assert weights <= lowered.initialized.keys()
    assert sorted(lowered.initialized[name].shape for name in weights) == [(4,), (4, 4)]
    assert "Dense" not in {name for network in networks(whole) for name in types(network)}
    x = np.random.default_rng(0).normal(size=SQUARE).astype(np.float32)
    for first in (False, True):
        for second in (False, True):
            want = expected(first, second, x)
            for network in (rmodel, lowered, whole):
                (found,) = evaluate(network, [np.array(first), np.array(second), x])
                np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)
