"""Arguments of models by themselves: which arrays are inputs, what is converted, and the advice of each error."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from sofie_jit.errors import DtypeError, InputError, ShapeError, SofieError
from sofie_jit.ir.dims import BATCH, SymbolicDim
from sofie_jit.ir.types import TensorType
from sofie_jit.models.arguments import Arguments, fitting_order, result_arrays, same_sizes, unpack

N = SymbolicDim("n")


def arguments(**shapes: tuple[Any, ...]) -> Arguments:
    return Arguments({name: TensorType("float32", shape) for name, shape in shapes.items()})


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        ((5, 3), (None, 3), True),
        ((5, 3), (5, 3), True),
        ((5, 3), (None, None), True),
        ((5, 3), (None, 4), False),
        ((5, 3), (4, 3), False),
        ((5,), (None, 1), True),
        ((5,), (None, 2), False),
        ((5,), (None, None), False),
        ((), (1,), True),
        ((5, 1), (None,), True),
        ((5, 2), (None,), False),
        ((5, 1, 1), (None,), False),
        ((5,), (None, 1, 1), False),
        ((5, 3, 1), (None, 3), True),
        ((5, 3, 1), (None, 4), False),
        ((5, 3, 2), (None, 3), False),
        ((5, 1), (None, 1), True),
        ((3,), (None, 3), False),
        ((), (), True),
    ],
)
def test_sizes_of_inputs(found: tuple[int, ...], expected: tuple[int | None, ...], same: bool) -> None:
    """A last axis of length 1 may be missing or be one too many, for the test and for the conversion."""
    assert same_sizes(found, expected) is same
    types = {
        "x": TensorType("float32", tuple(SymbolicDim(f"n{a}") if n is None else n for a, n in enumerate(expected)))
    }
    x = np.arange(np.prod(found), dtype=np.float32).reshape(found)
    if not same:
        with pytest.raises(ShapeError, match=re.escape(f"input 'x' has shape {found}, expected {expected}")):
            Arguments(types).standardize([x])
        return
    (array,) = Arguments(types).standardize([x])
    assert array.shape == tuple(f if e is None else e for e, f in zip(expected, (*found, 1), strict=False))
    np.testing.assert_array_equal(array.ravel(), x.ravel())


def test_orders_that_fit() -> None:
    shapes = [(None, size) for size in (1, 2, 3, 4, 5, 6)]
    found = [(9, size) for size in (6, 2, 1, 4, 5, 3)]
    assert fitting_order(found, shapes, same_sizes) == [2, 1, 5, 3, 4, 0]
    assert fitting_order(found[:2], shapes[:2], same_sizes) is None
    assert fitting_order([*found, (9, 7)], [*shapes, (None, 7)], same_sizes) is None  # too many to try all orders


@pytest.mark.parametrize(
    ("shapes", "arrays", "message"),
    [
        ({"x": (BATCH, 3)}, [(3,)], "the batch axis is missing; pass x[None] for a single row"),
        ({"x": (BATCH, N, 3)}, [(7, 3)], "the batch axis is missing; pass x[None]"),
        ({"x": (4, 3)}, [(5, 3)], "fixed at 4 in the model; pass 4 rows, or save"),
        ({"x": (1, 3)}, [(5, 3)], "fixed at 1 in the model; pass 1 row, or save"),
        ({"x": (BATCH, 2, 3)}, [(5, 3, 2)], "the axes are in another order; see numpy.transpose"),
        ({"x": (BATCH, 2, 3)}, [(5, 6)], "the number of elements fits; pass x.reshape((-1, 2, 3))"),
        ({"x": (BATCH, 6)}, [(5, 2, 3)], "the number of elements fits; pass x.reshape((-1, 6))"),
        ({"x": (BATCH, 2, 3)}, [(5, 7)], "input 'x' has shape (5, 7), expected (None, 2, 3)"),
        ({"x": (BATCH, N, 3)}, [(5, 6)], "input 'x' has shape (5, 6), expected (None, None, 3)"),
        ({"x": (BATCH, 3), "y": (BATCH, 2)}, [(5, 2), (5, 3)], "; the arrays fit in another order: the inputs are"),
        ({"x": (BATCH, 3), "y": (BATCH, 2)}, [(5, 3)], "the model has 2 inputs (x, y); got 1 array"),
        ({"x": (BATCH, 3)}, [(5, 3), (5, 3)], "the model has 1 input (x); got 2 arrays"),
    ],
)  # fmt: skip
def test_wrong_shapes(shapes: dict[str, tuple[Any, ...]], arrays: list[tuple[int, ...]], message: str) -> None:
    given = [np.zeros(shape, np.float32) for shape in arrays]
    with pytest.raises(SofieError) as caught:
        arguments(**shapes).standardize(given)
    assert message in str(caught.value)
    if "another order: the inputs" in message:  # a dict says which is which
        with pytest.raises(ShapeError) as named:
            arguments(**shapes).standardize([dict(zip(shapes, given, strict=True))])
        assert message not in str(named.value)


def test_messages_end_where_no_advice_applies() -> None:
    with pytest.raises(ShapeError, match=r"expected \(None, 2, 3\)$"):
        arguments(x=(BATCH, 2, 3)).standardize([np.zeros((5, 7))])


@pytest.mark.parametrize(
    ("shape", "parts", "message"),
    [
        ((BATCH, N, 3), [(2, 3), (5, 3)], "evaluate them one by one, [model.infer(x[None]) for x in arrays]"),
        ((BATCH, 4, 3), [(2, 3), (5, 3)], "the model has the fixed size (4, 3); pad them"),
        ((BATCH, N, 3), [(2, 3), (5, 2)], "the model has the fixed size (None, 3); pad them"),
        ((BATCH, N, 3), [(1, 2, 3), (1, 5, 3)], "each of them is a batch; evaluate them one by one, or join them"),
        ((BATCH, 3), [(3,), (2,)], "a row of it has the shape (3,)"),
        ((BATCH, N), [(3,), (2,)], "evaluate them one by one"),
        ((BATCH, N, 3), [(3,), (2,)], "a row of it has the shape (None, 3)"),
    ],
)
def test_arrays_of_different_shapes(shape: tuple[Any, ...], parts: list[tuple[int, ...]], message: str) -> None:
    """In place of one array."""
    with pytest.raises(ShapeError, match="input 'x' got arrays of different shapes, such as ") as caught:
        arguments(x=shape).standardize([[np.zeros(part) for part in parts]])
    assert message in str(caught.value)
    assert f"such as {parts[0]} and {parts[1]}" in str(caught.value)


@pytest.mark.parametrize("value", [["a", "b"], np.array([1 + 2j]), np.array([b"x"]), np.array(["2020-01-01"], "M8[D]")])
def test_values_that_are_not_real_numbers(value: Any) -> None:
    with pytest.raises(DtypeError, match=r"input 'x' has element type .*real numbers \(convertible to float32\)"):
        arguments(x=(BATCH,)).standardize([value])


def test_lists_are_one_array_or_one_array_per_input() -> None:
    one, two = arguments(x=(BATCH, 2)), arguments(x=(BATCH, 2), y=(BATCH, 2))
    rows = [[1, 2], [3, 4]]
    for given in ([rows], [[np.array(rows)]], [np.array(rows)], [{"x": rows}], [tuple(rows)]):
        (array,) = one.standardize(given)
        np.testing.assert_array_equal(array, rows)
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
    for given in ([[rows, rows]], [rows, rows], [{"y": rows, "x": rows}]):
        assert [array.shape for array in two.standardize(given)] == [(2, 2), (2, 2)]
    with pytest.raises(InputError, match=r"inputs are named \['x', 'y'\]; got \['x'\]$"):
        two.standardize([{"x": np.array(rows)}])
    with pytest.raises(InputError, match=r"got \['a', 'b'\] \(the columns of a table are named with columns="):
        two.standardize([{"a": np.zeros(2), "b": np.zeros(2)}])


def test_other_names_of_inputs() -> None:
    types = {"x": TensorType("float32", (BATCH,)), "y": TensorType("float32", (BATCH,))}
    for keys, labels in (({}, ["x", "y"]), ({"a": "x", "b": "y"}, ["x", "y"]), ({"y": "x", "x": "y"}, ["y", "x"])):
        assert Arguments(types, keys).labels == labels
    given = Arguments(types, {"a": "x", "b": "y"})
    assert [y.tolist() for y in given.standardize([{"b": [2], "a": [1]}])] == [[1], [2]]
    assert [y.tolist() for y in given.standardize([{"x": [3], "y": [4]}])] == [[3], [4]]
    with pytest.raises(InputError, match=r"named \['x', 'y'\], or \['a', 'b'\]; got \['x'\]"):
        given.standardize([{"a": [[1]]}])


def test_rows_and_sizes_agree() -> None:
    both = arguments(x=(BATCH, N), y=(BATCH, 2, N), z=(3,))
    assert both.batched() == ["x", "y"]
    assert arguments(x=(N, 3), y=(BATCH, 2)).batched() == ["y"]
    assert arguments(x=(N, 3), y=(N, 2), z=(7,)).batched() == ["x", "y"]
    assert arguments(x=()).batched() == []
    assert both.bind([np.zeros((4, 5)), np.zeros((4, 2, 5)), np.zeros(3)]) == {str(BATCH): 4, "n": 5}
    for x, y, message in (
        ((4, 5), (3, 2, 5), "batch sizes differ: input 'x' has 4, input 'y' has 3 in axis 0"),
        ((4, 5), (4, 2, 6), "sizes of 'n' differ: input 'x' has 5, input 'y' has 6 in axis 2"),
    ):
        with pytest.raises(ShapeError, match=message):
            both.bind([np.zeros(x), np.zeros(y), np.zeros(3)])
    with pytest.raises(ShapeError, match=r"different numbers of rows: 'x' has 4, 'y' has 3$"):
        both.refuse_unequal_rows([np.zeros((4, 5)), np.zeros((3, 2, 5)), np.zeros(3)])
    with pytest.raises(ShapeError, match=r"numpy.repeat\(x, n, axis=0\) repeats a single row$"):
        both.refuse_unequal_rows([np.zeros((4, 5)), np.zeros((1, 2, 5)), np.zeros(3)])
    both.refuse_unequal_rows([np.zeros((4, 5)), np.zeros((4, 2, 5)), np.zeros(3)])
    both.refuse_unequal_rows([np.zeros((4, 5)), np.zeros((3, 3, 5)), np.zeros(3)])  # another size is wrong


def test_arrays_for_results() -> None:
    outputs = [("y", TensorType("float32", (BATCH, 2 * N))), ("z", TensorType("int64", (3,)))]
    dims = {str(BATCH): 4, "n": 5}
    fresh = result_arrays(outputs, None, dims)
    assert [(y.shape, y.dtype.name) for y in fresh] == [((4, 10), "float32"), ((3,), "int64")]
    assert all(a is b for a, b in zip(result_arrays(outputs, tuple(fresh), dims), fresh, strict=True))
    frozen, wide = np.empty((4, 10), np.float32), np.empty((4, 20), np.float32)[:, ::2]
    frozen.flags.writeable = False
    for out, message in (
        (fresh[0], "the model has 2 outputs; out holds 1 array$"),
        ([fresh[0]] * 3, "the model has 2 outputs; out holds 3 arrays"),
        ([fresh[0], fresh[1].astype("int32")], "out for 'z' must be a int64 numpy array, got int32"),
        ([fresh[0].tolist(), fresh[1]], "out for 'y' must be a float32 numpy array, got <class 'list'>"),
        ([fresh[0][:3], fresh[1]], r"out for 'y' must have shape \(4, 10\), got \(3, 10\)"),
        ([frozen, fresh[1]], "out for 'y' must be C-contiguous, aligned and writable"),
        ([wide, fresh[1]], "out for 'y' must be C-contiguous, aligned and writable"),
    ):
        with pytest.raises(SofieError, match=message):
            result_arrays(outputs, out, dims)
    (single,) = result_arrays(outputs[:1], fresh[0], dims)
    assert single is fresh[0]


def test_results_in_their_order() -> None:
    assert unpack(None, "y") == ["y"]
    assert unpack(None, ["y", "z"]) == ["y", "z"]
    assert unpack((1, {"a": [2, 0]}), ("y", {"a": ["z", "x"]})) == ["x", "y", "z"]
