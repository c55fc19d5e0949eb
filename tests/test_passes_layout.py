"""Channels first to channels last and back, as rarely as possible: lower_layout, cancel_transposes."""

from __future__ import annotations

import numpy as np

from pass_models import model_of, same_numbers, types
from sofie_jit.operators.activations import Relu
from sofie_jit.operators.conv import Conv
from sofie_jit.operators.elementwise import Add
from sofie_jit.operators.transpose import Transpose
from sofie_jit.passes import lower
from sofie_jit.passes.cancel_transposes import cancel_transposes
from sofie_jit.passes.lower_layout import lower_layout


def test_channels_first_becomes_one_transpose_on_each_side() -> None:
    kernel = np.random.default_rng(2).normal(size=(3, 3, 5, 5))
    rmodel = model_of(
        (None, 5, 8, 9),
        Conv(kernel_layout="HWIO", inputs=["x", "K"], outputs=["a"]),
        Relu(inputs=["a"], outputs=["b"]),
        Conv(kernel_layout="HWIO", inputs=["b", "K"], outputs=["y"]),
        K=kernel,
    )
    assert types(lower_layout(rmodel)) == ["Transpose", "Conv", "Transpose", "Relu", "Transpose", "Conv", "Transpose"]
    assert types(cancel_transposes(lower_layout(rmodel))) == ["Transpose", "Conv", "Relu", "Conv", "Transpose"]
    assert types(lower(rmodel)) == ["Transpose", "Conv", "Conv", "Transpose"]
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
