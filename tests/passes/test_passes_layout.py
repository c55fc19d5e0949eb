"""Axes change their order as rarely as possible: lower_layout, cancel_transposes, absorb_transposes."""

from __future__ import annotations

import numpy as np
import pytest

from pass_models import lower_operators, model_of, same_numbers, types
from sofie_jit.codegen.lowered.matmul import PermutedMatMul
from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.activations import Relu
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.elementwise import Add
from sofie_jit.ir.operators.matmul import MatMul
from sofie_jit.ir.operators.transpose import Transpose
from sofie_jit.passes.absorb_transposes import absorb_transposes
from sofie_jit.passes.cancel_transposes import cancel_transposes
from sofie_jit.passes.lower_layout import lower_layout
from sofie_jit.passes.pipeline import lower


def test_channels_first_becomes_one_transpose_on_each_side() -> None:
    kernel = np.random.default_rng(2).normal(size=(3, 3, 5, 5))
    rmodel = model_of(
        (None, 5, 8, 9),
        Conv(kernel_layout="HWIO", inputs=["x", "K"], outputs=["a"]),
        Relu(inputs=["a"], outputs=["b"]),
        Conv(kernel_layout="HWIO", inputs=["b", "K"], outputs=["y"]),
        K=kernel,
    )
    around = ["Transpose", "FusedConv", "Transpose"]
    channels_last = lower_layout(lower_operators(rmodel))
    assert types(channels_last) == [*around, "Relu", *around]
    assert types(cancel_transposes(channels_last)) == ["Transpose", "FusedConv", "Relu", "FusedConv", "Transpose"]
    assert types(lower(rmodel)) == ["Transpose", "DirectConv", "DirectConv", "Transpose"]
    same_numbers(rmodel)


def test_transposes_that_undo_each_other_vanish() -> None:
    rmodel = model_of(
        (None, 2, 3, 4),
        Transpose(perm=[0, 2, 3, 1], inputs=["x"], outputs=["a"]),
        Transpose(perm=[0, 3, 1, 2], inputs=["a"], outputs=["b"]),
        Relu(inputs=["b"], outputs=["y"]),
    )
    assert types(cancel_transposes(rmodel)) == ["Relu"]
    same_numbers(rmodel)


def test_transposes_add_up() -> None:
    rmodel = model_of(
        (None, 2, 3, 4),
        Transpose(perm=[0, 2, 1, 3], inputs=["x"], outputs=["a"]),
        Transpose(perm=[0, 1, 3, 2], inputs=["a"], outputs=["y"]),
    )
    assert types(cancel_transposes(rmodel)) == ["Transpose"]
    same_numbers(rmodel)


def test_a_transpose_used_twice_stays() -> None:
    rmodel = model_of(
        (None, 3, 4),
        Transpose(perm=[0, 2, 1], inputs=["x"], outputs=["a"]),
        Relu(inputs=["a"], outputs=["b"]),
        Add(inputs=["a", "b"], outputs=["y"]),
    )
    assert types(cancel_transposes(rmodel)) == ["Transpose", "Relu", "Add"]
    same_numbers(rmodel)


@pytest.mark.parametrize("size", [1, 3, 40])
def test_a_product_of_matrices_absorbs_transposes(size: int) -> None:
    """As in attention: the scores of heads, with the keys transposed, and the values that they weigh."""
    rmodel = model_of(
        (None, 5, 2, size),
        Transpose(perm=[0, 2, 1, 3], inputs=["x"], outputs=["q"]),
        Transpose(perm=[0, 2, 3, 1], inputs=["x"], outputs=["k"]),
        Transpose(perm=[0, 2, 1, 3], inputs=["x"], outputs=["v"]),
        MatMul(inputs=["q", "k"], outputs=["scores"]),
        MatMul(inputs=["scores", "v"], outputs=["mixed"]),
        Transpose(perm=[0, 2, 1, 3], inputs=["mixed"], outputs=["y"]),
    )
    absorbed = absorb_transposes(rmodel)
    assert types(absorbed) == ["PermutedMatMul"] * 2
    first, second = absorbed.operators
    assert (first.perm_a, first.perm_b, first.perm_y) == ([0, 2, 1, 3], [0, 2, 3, 1], None)
    assert (second.perm_a, second.perm_b, second.perm_y) == (None, [0, 2, 1, 3], [0, 2, 1, 3])
    assert absorbed.tensor_type("y") == rmodel.tensor_type("y")
    same_numbers(rmodel, ["absorb_transposes"])


@pytest.mark.parametrize("perm", [[2, 0, 1], [1, 0, 2], [2, 1, 0]])
def test_the_same_with_broadcast_matrices_and_other_orders(perm: list[int]) -> None:
    rmodel = model_of(
        (4, 3, 5),
        Transpose(perm=[1, 0, 2], inputs=["x"], outputs=["a"]),
        Transpose(perm=[0, 2, 1], inputs=["W"], outputs=["b"]),
        MatMul(inputs=["a", "b"], outputs=["c"]),
        Transpose(perm=perm, inputs=["c"], outputs=["y"]),
        W=np.random.default_rng(5).normal(size=(1, 7, 5)),
    )
    assert types(absorb_transposes(rmodel)) == ["PermutedMatMul", *([] if perm[-1] == 2 else ["Transpose"])]
    same_numbers(rmodel, ["absorb_transposes"])


@pytest.mark.parametrize(
    ("why", "shape", "perm", "read_twice"),
    [
        ("it moves the last axis of A", (None, 4, 4), [0, 2, 1], False),
        ("somebody else reads it", (None, 4, 4, 4), [0, 2, 1, 3], True),
    ],
)
def test_a_transpose_before_a_product_stays(
    why: str, shape: tuple[int, ...], perm: list[int], read_twice: bool
) -> None:
    rmodel = model_of(
        shape,
        Transpose(perm=perm, inputs=["x"], outputs=["a"]),
        MatMul(inputs=["a", "W"], outputs=["y"]),
        outputs="y a" if read_twice else "y",
        W=np.ones((4, 4)),
    )
    assert types(absorb_transposes(rmodel)) == ["Transpose", "PermutedMatMul"], why
    same_numbers(rmodel, ["absorb_transposes"])


def test_a_transpose_that_moves_the_axis_of_the_batch_is_merged() -> None:
    operators = [
        Transpose(perm=[1, 0, 2], inputs=["x"], outputs=["a"]),
        MatMul(inputs=["a", "W"], outputs=["b"]),
        Transpose(perm=[1, 0, 2], inputs=["b"], outputs=["y"]),
    ]
    rmodel = model_of((None, 2, 4), *operators, W=np.ones((4, 4)))
    assert types(absorb_transposes(rmodel)) == ["PermutedMatMul"]
    same_numbers(rmodel, ["absorb_transposes"])


@pytest.mark.parametrize("attributes", [{"perm_a": [0, 2, 1]}, {"perm_y": [0, 2, 1]}, {"perm_b": [0, 0, 1]}])
def test_an_order_of_axes_that_a_product_cannot_have(attributes: dict[str, list[int]]) -> None:
    with pytest.raises(ShapeError, match=next(iter(attributes))):
        model_of((None, 4, 4), PermutedMatMul(inputs=["x", "x"], outputs=["y"], **attributes))
