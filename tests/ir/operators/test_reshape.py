"""Shapes that Reshape refuses."""

from __future__ import annotations

import pytest

from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.types import TensorType


@pytest.mark.parametrize(
    ("given", "shape", "allowzero", "message"),
    [
        ((2, 4), [0, 1, 1, 0], False, "there is no axis 3 to copy"),
        ((2, 4), [3, -1], False, "3 elements do not divide 8 into one known size"),
        ((0, 4), [0, -1], True, "0 elements do not divide 0 into one known size"),
        ((2, 4), [-1, -1], False, "at most one size may be -1"),
        ((2, 4), [-2, 4], False, "at most one size may be -1, none smaller"),
    ],
)
def test_refused(given: tuple[int, ...], shape: list[int], allowzero: bool, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Reshape(shape=shape, allowzero=allowzero).infer(TensorType("float32", given))
