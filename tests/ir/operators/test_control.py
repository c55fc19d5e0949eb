"""Loop and If: what their bodies must fit, how often a loop runs, and where the rows of the batch are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from sofie_jit.errors import DtypeError, OutOfRangeError, ShapeError
from sofie_jit.ir.dims import BATCH, Dim
from sofie_jit.ir.operators import all_operators
from sofie_jit.ir.operators.control import If, Loop
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.rows import Rows, RowsMixedError
from sofie_jit.ir.types import TensorType

NUMBER = TensorType("int64", ())
FLAG = TensorType("bool", ())


def f(*shape: Dim) -> TensorType:
    return TensorType("float32", shape)


def network(
    inputs: dict[str, TensorType], operators: Sequence[tuple[str, str, str]], outputs: str, **attributes: Any
) -> RModel:
    """``operators`` are (operator, inputs, output); ``yes`` and ``no`` are constants."""
    rmodel = RModel("body")
    rmodel.inputs = dict(inputs)
    rmodel.add_initialized_tensor("yes", np.array(True))
    rmodel.add_initialized_tensor("no", np.array(False))
    for name, given, output in operators:
        rmodel.add_operator(all_operators()[name](inputs=given.split(), outputs=[output], **attributes.get(name, {})))
    rmodel.add_output_tensor_names(*outputs.split())
    return rmodel


DOUBLED = network({"i": NUMBER, "x": f(2)}, [("Add", "x x", "y")], "yes y y")
"""Carries and collects a tensor, and goes on."""
ONCE = network({"i": NUMBER, "x": f(2)}, [("Add", "x x", "y")], "no y y")

REFUSED: list[tuple[Loop | If, list[TensorType | None], type[Exception], str]] = [
    (Loop(body=DOUBLED, carried=1, most=3), [f(), None, f(2)], DtypeError, "must be a single int64, got float32 ()"),
    (Loop(body=DOUBLED, carried=1, most=3), [TensorType("int64", (2,)), None, f(2)], DtypeError, "a single int64, got"),
    (Loop(body=DOUBLED, carried=1, most=3), [None, NUMBER, f(2)], DtypeError, "the condition must be a single bool"),
    (Loop(body=DOUBLED, carried=1, most=3), [None, TensorType("bool", (2,)), f(2)], DtypeError, "be a single bool"),
    (Loop(body=DOUBLED, carried=1, most=3), [None, None], ShapeError, "gives its body 1 tensors, which takes 2"),
    (Loop(body=DOUBLED, carried=1, most=3), [None, None, f(3)], ShapeError, "gives its body float32 (3,) for 'x'"),
    (Loop(body=DOUBLED, carried=1, most=3), [None, None, None], DtypeError, "gives its body None for 'x'"),
    (
        Loop(body=DOUBLED, carried=1, most=3), [None, None, TensorType("float64", (2,))], DtypeError,
        "gives its body float64 (2,) for 'x', which is float32 (2,)",
    ),
    (
        Loop(body=network({"i": NUMBER, "x": f(2)}, [], "i x"), carried=1), [None, None, f(2)], DtypeError,
        "the body's first output must be a single bool, got int64 ()",
    ),
    (
        Loop(body=network({"i": NUMBER, "x": f(2), "w": f(1)}, [], "yes w"), carried=1), [None, None, f(2), f(1)],
        ShapeError, "the carried tensor 'x' is float32 (2,) before an iteration, float32 (1,) after it",
    ),
    (
        Loop(body=network({"i": NUMBER, "x": f(2), "y": f(2)}, [], "yes x"), carried=2), [None, None, f(2), f(2)],
        ShapeError, "Loop carries 2 tensors, but its body returns 1",
    ),
    (Loop(body=DOUBLED, carried=1), [None, None, f(2)], ShapeError, "needs a maximum number of iterations, 'most'"),
    (
        Loop(
            body=network({"i": NUMBER, "x": f(2)}, [("NonZero", "x", "y")], "yes x y", NonZero={"count": "n"}),
            carried=1, most=3,
        ),
        [None, None, f(2)], ShapeError, "cannot collect tensors of varying shape int64 (1, n)",
    ),
    (If(then_branch=DOUBLED, else_branch=DOUBLED), [f(), NUMBER, f(2)], DtypeError, "the condition must be a single"),
    (If(then_branch=DOUBLED, else_branch=DOUBLED), [FLAG, NUMBER], ShapeError, "gives its body 1 tensors, which"),
    (
        If(then_branch=network({"x": f(2)}, [], "x"), else_branch=network({"x": f(2)}, [], "yes")), [FLAG, f(2)],
        ShapeError, "its branches return float32 (2,) and bool ()",
    ),
    (
        If(
            then_branch=network({"x": f(2)}, [], "x"),
            else_branch=network({"x": f(2)}, [("NonZero", "x", "y")], "y", NonZero={"count": "n"}),
        ),
        [FLAG, f(2)], ShapeError, "If cannot return a tensor of varying shape int64 (1, n)",
    ),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_refused(number: int) -> None:
    operator, inputs, error, message = REFUSED[number]
    with pytest.raises(error, match=re.escape(message)):
        operator.infer(*inputs)


def test_types() -> None:
    assert Loop(body=DOUBLED, carried=1, most=3).infer(NUMBER, FLAG, f(2)) == (f(2), f(3, 2))
    assert Loop(body=DOUBLED, carried=1, most=3).infer(TensorType("int64", (1, 1)), None, f(2)) == (f(2), f(3, 2))
    counted = Loop(body=DOUBLED, carried=1, most=3, count="n")
    _, collected = counted.infer(None, TensorType("bool", (1,)), f(2))
    assert str(collected) == "float32 (n, 2)"
    assert counted.sets_sizes() == {"n": 3}
    assert Loop(body=DOUBLED, carried=1, most=3).sets_sizes() == {}
    assert Loop(body=DOUBLED, carried=1).sets_sizes() == {}
    assert If(then_branch=DOUBLED, else_branch=ONCE).infer(FLAG, NUMBER, f(2)) == (FLAG, f(2), f(2))
    assert If(then_branch=DOUBLED, else_branch=ONCE).flops([], []) == 2 * 2


def test_numbers_of_iterations() -> None:
    x, three = np.float32([1, 3]), np.array(3)
    y, rows = Loop(body=DOUBLED, carried=1, most=3).evaluate(three, None, x)
    np.testing.assert_array_equal(y, 8 * x)
    np.testing.assert_array_equal(rows, [2 * x, 4 * x, 8 * x])
    for condition, body, most, count in ((True, ONCE, 3, 1), (False, DOUBLED, 3, 0), (True, DOUBLED, 3, 3)):
        y, rows = Loop(body=body, carried=1, most=most, count="n").evaluate(three, np.array([condition]), x)
        assert rows.shape == (count, 2)
        assert rows.dtype == np.float32
        np.testing.assert_array_equal(y, x * 2**count)
    with pytest.raises(OutOfRangeError, match="Loop: more than 2 iterations"):
        Loop(body=DOUBLED, carried=1, most=2, count="n").evaluate(three, None, x)
    with pytest.raises(OutOfRangeError, match="Loop: more than 2 iterations"):
        Loop(body=DOUBLED, carried=1, most=2, count="n").evaluate(None, None, x)
    with pytest.raises(OutOfRangeError, match="Loop: 1 iterations instead of 3"):
        Loop(body=ONCE, carried=1, most=3).evaluate(three, None, x)


def test_rows_of_loops() -> None:
    """Rows stay in the carried tensors, and come behind the iterations in the collected ones."""
    types = [None, None, f(BATCH, 2), f(2), f(BATCH, 2)]
    inputs = {"i": NUMBER, "x": f(BATCH, 2), "w": f(2), "z": f(BATCH, 2)}
    loop = Loop(body=network(inputs, [("Add", "x z", "s"), ("Add", "s w", "y")], "yes y w y"), carried=2, most=3)
    given = [Rows(), Rows(), Rows(0), Rows(), Rows(0)]
    assert loop.infer(*types) == (f(BATCH, 2), f(2), f(3, BATCH, 2))
    assert list(loop.rows(types, given)) == [Rows(0), Rows(), Rows(1)]
    for index in (0, 1):  # the number of iterations or the condition depends on a row
        with pytest.raises(RowsMixedError):
            loop.rows(types, [*given[:index], Rows(0), *given[index + 1 :]])
    sums = network(inputs, [("ReduceSum", "x", "y")], "yes x y", ReduceSum={"axes": [0], "keepdims": False})
    with pytest.raises(RowsMixedError):
        Loop(body=sums, carried=2).rows(types, given)
    apart = TensorType("float32", (BATCH * 2, 2))
    inner = {"i": NUMBER, "x": apart, "z": apart}  # rows of x are adjacent, those of z are not
    turned = Loop(body=network(inner, [], "yes z"), carried=1)
    with pytest.raises(RowsMixedError):
        turned.rows([None, None, apart, apart], [Rows(), Rows(), Rows(0, 2), Rows(0, 1)])
    stopping = network(inputs, [("Less", "x z", "less"), ("Cast", "less", "b")], "b x w", Cast={"to": "bool"})
    with pytest.raises(RowsMixedError):
        Loop(body=stopping, carried=2).rows(types, given)


def test_rows_of_branches() -> None:
    inputs = {"x": f(BATCH, 2), "w": f(2)}
    branches = [network(inputs, [(name, "x w", "y")], "y w") for name in ("Add", "Mul")]
    branch = If(then_branch=branches[0], else_branch=branches[1])
    assert list(branch.rows([FLAG, f(BATCH, 2), f(2)], [Rows(), Rows(0), Rows()])) == [Rows(0), Rows()]
    with pytest.raises(RowsMixedError):
        branch.rows([FLAG, f(BATCH, 2), f(2)], [Rows(0), Rows(0), Rows()])
