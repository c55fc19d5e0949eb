"""Rows of the batch through a network: ``ir/rows.py`` and the rules of operators."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sofie_jit.codegen.memory import can_tile
from sofie_jit.ir import operators, ops
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.dims import BATCH, Dim, SymbolicDim
from sofie_jit.ir.operators.concat import Concat
from sofie_jit.ir.operators.elementwise import Add, Cast, Mul
from sofie_jit.ir.operators.expand import Expand
from sofie_jit.ir.operators.gather import Gather
from sofie_jit.ir.operators.math import ArgMax, Neg, TopK
from sofie_jit.ir.operators.matmul import MatMul
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.reduce import ReduceSum
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.operators.scatter import GatherND, ScatterND
from sofie_jit.ir.operators.sizes import Iota, Sizes
from sofie_jit.ir.operators.slice import Slice
from sofie_jit.ir.operators.softmax import Softmax
from sofie_jit.ir.operators.transpose import Transpose
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.rows import Interval, Rows, RowsMixedError, reshaped_rows
from sofie_jit.ir.types import TensorType

N = SymbolicDim("n")


class Network:
    """Operators by short names, on symbols."""

    def __init__(self, builder: Builder):
        self.builder = builder

    def transpose(self, x: Symbol, *perm: int) -> Symbol:
        return self.builder.add(Transpose(perm=perm), x)

    def reshape(self, x: Symbol, *shape: object) -> Symbol:
        return self.builder.add(Reshape(shape=shape), x)

    def sum(self, x: Symbol, *axes: int) -> Symbol:
        return self.builder.add(ReduceSum(axes=axes, keepdims=False), x)

    def row_numbers(self, *axes: int) -> Symbol:
        """0 to batch - 1, with axes of size 1 after them."""
        return self.reshape(self.builder.add(Iota(size=BATCH)), -1, *axes)

    def neighbors(self, x: Symbol) -> Symbol:
        """Indices of two nodes of each row of (batch, n, 4) for each node, among those of the row."""
        scores = self.builder.add(MatMul(), x, self.transpose(x, 0, 2, 1))
        return self.builder.add(Cast(to="int64"), self.builder.add(TopK(K=2), scores)[1])


def attention(net: Network, x: Symbol) -> Symbol:
    """torch's attention with the sequence first: axes of nodes, batch times heads, features."""
    add = net.builder.add
    parts = net.reshape(net.transpose(x, 1, 0, 2), N, 2 * BATCH, 2)
    queries = net.transpose(parts, 1, 0, 2)
    weights = add(Softmax(), add(MatMul(), queries, net.transpose(parts, 1, 2, 0)))
    values = net.transpose(add(MatMul(), weights, queries), 1, 0, 2)
    return net.transpose(net.reshape(net.reshape(values, -1, 4), N, BATCH, 4), 1, 0, 2)


def edges(net: Network, x: Symbol) -> Symbol:
    """ParticleNet's neighbors: nodes of all rows in one axis, and indices into it."""
    add = net.builder.add
    first = add(Mul(), net.row_numbers(1, 1), add(Sizes(values=(N,))))
    indices = net.reshape(add(Add(), net.neighbors(x), first), -1)
    near = add(Gather(axis=1), net.reshape(net.transpose(x, 2, 0, 1), 4, -1), indices)
    return net.transpose(net.reshape(near, 4, BATCH, N, 2), 1, 2, 3, 0)


def scattered(net: Network, x: Symbol) -> Symbol:
    """Index tuples that start with the number of the row, as torch exports an assignment to indices."""
    add = net.builder.add
    zeros = add(Expand(shape=(BATCH, N, 4)), net.builder.constant(np.zeros(1, np.float32)))
    places = add(Cast(to="int64"), add(ArgMax(axis=1, keepdims=False), x))
    tuples = [net.reshape(part, BATCH, 4, 1) for part in (add(Expand(shape=(BATCH, 4)), net.row_numbers(1)), places)]
    best = add(GatherND(), x, add(Concat(axis=-1), *tuples))
    return add(ScatterND(), zeros, add(Concat(axis=-1), *tuples), best)


def kept(net: Network, x: Symbol) -> Symbol:
    """An axis before that of the rows, and the rows' axis found by the axes before it."""
    swapped = net.transpose(x, 2, 0, 1)
    return net.reshape(net.transpose(net.reshape(swapped, 2, 2, BATCH, N), 2, 0, 1, 3), BATCH, 4, N)


INDEPENDENT = [attention, edges, scattered, kept]


def over_rows(net: Network, x: Symbol) -> Symbol:
    """A sum over the rows."""
    return net.builder.add(Add(), x, net.sum(x, 0))


def other_rows(net: Network, x: Symbol) -> Symbol:
    """Neighbors, whose indices start at the wrong node."""
    add = net.builder.add
    indices = add(Add(), net.neighbors(x), net.row_numbers(1, 1))
    return add(Gather(), net.reshape(x, -1, 4), indices)


def reversed_rows(net: Network, x: Symbol) -> Symbol:
    """Rows by number, from the last to the first."""
    numbers = net.builder.add(Neg(), net.builder.add(Iota(size=BATCH, start=1)))
    return net.builder.add(Gather(), x, numbers)


def first_row(net: Network, x: Symbol) -> Symbol:
    """All rows with the first."""
    return net.builder.add(Add(), x, net.builder.add(Slice(starts=[0], ends=[1]), x))


def split_rows(net: Network, x: Symbol) -> Symbol:
    """Two axes exchanged, of which each has a part of the rows."""
    swapped = net.reshape(net.transpose(net.reshape(x, 2, BATCH, N, 2), 1, 0, 2, 3), BATCH, N, 4)
    return net.builder.add(Add(), x, swapped)


def products_of_rows(net: Network, x: Symbol) -> Symbol:
    """Attention among the rows."""
    flat = net.transpose(x, 1, 0, 2)
    weights = net.builder.add(Softmax(), net.builder.add(MatMul(), flat, net.transpose(x, 1, 2, 0)))
    return net.transpose(net.builder.add(MatMul(), weights, flat), 1, 0, 2)


DEPENDENT = [over_rows, other_rows, reversed_rows, first_row, split_rows, products_of_rows]


def network(build: Callable[[Network, Symbol], Symbol]) -> RModel:
    rmodel = RModel("network")
    builder = Builder(rmodel)
    x = builder.input("x", "float32", (BATCH, N, 4))
    rmodel.outputs = [ops.relu(build(Network(builder), x)).name]
    return rmodel


@pytest.mark.parametrize("build", INDEPENDENT, ids=lambda build: build.__name__)
def test_rows_are_independent(build: Callable[[Network, Symbol], Symbol]) -> None:
    rmodel = network(build)
    assert can_tile(rmodel)
    model = rmodel.compile()
    for count in (2, 300):  # nodes; large rows, so that 29 of them make several tiles
        x = np.random.default_rng(count).normal(size=(29, count, 4)).astype(np.float32)
        rows = np.concatenate([model.infer(row[np.newaxis]) for row in x])
        np.testing.assert_array_equal(model.infer(x), rows)
        np.testing.assert_array_equal(model.infer(x, threads=2), rows)
        assert model.infer(x[:0]).shape == (0, *rows.shape[1:])


@pytest.mark.parametrize("build", DEPENDENT, ids=lambda build: build.__name__)
def test_rows_depend_on_each_other(build: Callable[[Network, Symbol], Symbol]) -> None:
    assert not can_tile(network(build))


def test_reshaped_rows() -> None:
    assert reshaped_rows(Rows(0), (BATCH, N, 6), (BATCH * N, 6)) == Rows(0, N)
    assert reshaped_rows(Rows(0, N), (BATCH * N, 6), (BATCH, N, 2, 3)) == Rows(0)
    assert reshaped_rows(Rows(1), (N, BATCH, 8), (N, 2 * BATCH, 4)) == Rows(1, 2)
    assert reshaped_rows(Rows(1, 2), (N, 2 * BATCH, 4), (BATCH * N, 8)) == Rows(0)
    assert reshaped_rows(Rows(0), (BATCH, N), (BATCH, 1, SymbolicDim("m"))) == Rows(0)  # m is n, as the code checks


def test_intervals() -> None:
    numbers, nodes = Interval(0, 0, 1), Interval(0, N - 1)
    first = numbers * Interval(N, N)
    assert first == Interval(0, 0, N)
    assert (first + nodes).points_into_rows(N)
    assert not (first + nodes + Interval(1, 1)).points_into_rows(N)
    assert not (numbers + nodes).points_into_rows(N)
    assert numbers * nodes is None


def f(*shape: Dim) -> TensorType:
    return TensorType("float32", shape)


def i(*shape: Dim) -> TensorType:
    return TensorType("int64", shape)


MIXED: list[tuple[ROperator, list[TensorType], list[int]]] = [
    # operator, inputs, the axes along which an element depends on others
    (operators.Relu(), [f(2, 3, 4)], []),
    (operators.Neg(), [f(2, 3, 4)], []),
    (operators.Not(), [TensorType("bool", (2, 3, 4))], []),
    (operators.Concat(axis=-2), [f(2, 3, 4), f(2, 5, 4)], [1]),
    (operators.NonZero(count="n"), [f(2, 3, 4)], [0, 1, 2]),
    (operators.ArgMax(axis=-1), [f(2, 3, 4)], [2]),
    (operators.CumSum(axis=-3), [f(2, 3, 4)], [0]),
    (operators.GatherElements(axis=-1), [f(2, 3, 4), i(2, 3, 4)], [2]),
    (operators.TopK(K=1, axis=-2), [f(2, 3, 4)], [1]),
    (operators.BatchNormalization(axis=-1), [f(2, 3, 4)], [2]),
    (operators.LayerNormalization(axis=-2), [f(2, 3, 4)], [1, 2]),
    (operators.LpNormalization(axis=-3), [f(2, 3, 4)], [0]),
    (operators.InstanceNormalization(), [f(2, 3, 4)], [1, 2]),
    (operators.Pad(pads=[0, 1, 0, 0, 0, 0]), [f(2, 3, 4)], [1]),
    (operators.Slice(starts=[0, 1], ends=[2, 3], axes=[0, 2]), [f(2, 3, 4)], [2]),
    (operators.Upsample(scales=[1, 1, 2]), [f(2, 3, 4)], [2]),
    (operators.ReduceSum(axes=[-1, 0]), [f(2, 3, 4)], [0, 2]),
    (operators.RoiAlign(), [f(2, 3, 4, 4), f(5, 4), i(5)], [1, 2, 3]),
    (operators.RoiAlign(), [f(BATCH, 3, 4, 4), f(5, 4), i(5)], [0, 1, 2, 3]),
    (operators.ScatterElements(axis=-1), [f(2, 3, 4), i(2, 1, 4), f(2, 1, 4)], [1, 2]),
    (operators.Softmax(axis=-2), [f(2, 3, 4)], [1]),
    (operators.Conv(), [f(2, 3, 4), f(5, 3, 1)], [1, 2]),
]


@pytest.mark.parametrize("case", MIXED, ids=lambda case: f"{case[0].op_type} {case[1][0].shape[0]}")
def test_axes_along_which_elements_depend_on_each_other(case: tuple[ROperator, list[TensorType], list[int]]) -> None:
    operator, types, expected = case
    assert [axis for axis in range(types[0].rank) if operator.mixes_places(axis, *types)] == expected


INDEX = Interval(0, N - 1, N)
"""Indices of an axis in which each row has N places."""
RULES: list[tuple[ROperator, list[TensorType], list[Rows], object]] = [
    # operator, inputs, their rows, those of the outputs; None if the operator mixes them
    (operators.ArgMax(axis=0), [f(3, BATCH, 4)], [Rows(1)], Rows(1, 1, Interval(0, 2))),
    (operators.ArgMax(axis=0, keepdims=False), [f(3, BATCH, 4)], [Rows(1)], Rows(0, 1, Interval(0, 2))),
    (operators.ArgMax(axis=2, keepdims=False), [f(3, BATCH, 4)], [Rows(1)], Rows(1, 1, Interval(0, 3))),
    (operators.ArgMax(axis=-1, keepdims=False), [f(3, 4)], [Rows()], Rows(None, 1, Interval(0, 3))),
    (operators.ReduceSum(axes=[0, 2], keepdims=False), [f(3, BATCH, 4)], [Rows(1)], Rows(0)),
    (operators.ReduceSum(axes=[0, 2]), [f(3, BATCH, 4)], [Rows(1)], Rows(1)),
    (operators.ReduceSum(axes=[0, 2], keepdims=False), [f(3, 5, 4)], [Rows()], Rows()),
    (operators.ReduceSum(axes=[1]), [f(3, BATCH, 4)], [Rows(1)], None),
    (operators.TopK(K=2), [f(BATCH, 4)], [Rows(0)], (Rows(0), Rows(0, 1, Interval(0, 3)))),
    (operators.Transpose(perm=[2, 0, 1]), [f(BATCH, 4, 5)], [Rows(0, 2)], Rows(1, 2)),
    (operators.Transpose(perm=[1, 0]), [f(4, 5)], [Rows()], Rows()),
    (operators.Concat(axis=1), [i(5, 1), i(5, 2)], [Rows(0, N, INDEX), Rows(0, N)], Rows(0, N, None, INDEX)),
    (operators.Concat(axis=0), [i(5, 1), i(5, 1)], [Rows(1, 1, INDEX), Rows(1)], Rows(1)),
    (operators.Cast(to="int64"), [i(BATCH)], [Rows(0, 1, INDEX)], Rows(0, 1, INDEX)),
    (operators.Cast(to="int32"), [i(BATCH)], [Rows(0, 1, INDEX)], Rows(0, 1, INDEX)),
    (operators.Cast(to="int16"), [i(BATCH)], [Rows(0, 1, INDEX)], Rows(0)),
    (operators.Identity(), [i(BATCH)], [Rows(0, 1, INDEX)], Rows(0, 1, INDEX)),
    (operators.Add(), [i(BATCH), i()], [Rows(0, 1, INDEX), Rows()], Rows(0)),
    (operators.Add(), [i(2, BATCH), i(BATCH)], [Rows(1, 1, INDEX), Rows(0, 1, Interval(1, 2))],
     Rows(1, 1, Interval(1, N + 1, N))),
    (operators.Mul(), [i(BATCH), i()], [Rows(0, 1, INDEX), Rows(None, 1, Interval(2, 2))],
     Rows(0, 1, Interval(0, 2 * N - 2, 2 * N))),
    (operators.Slice(starts=[0], ends=[1], axes=[1]), [i(BATCH, 4)], [Rows(0, 1, INDEX)], Rows(0, 1, INDEX)),
    (operators.MatMul(), [f(BATCH, 2, 4), f(4, 5)], [Rows(0), Rows()], Rows(0)),
    (operators.MatMul(), [f(BATCH, 4), f(4, 5)], [Rows(0), Rows()], Rows(0)),
    (operators.MatMul(), [f(2, BATCH), f(BATCH, 5)], [Rows(1), Rows(0)], None),
    (operators.MatMul(), [f(2, 4), f(4, BATCH)], [Rows(), Rows(1)], Rows(1)),
    (operators.Gather(axis=0), [f(BATCH * N, 4), i(BATCH)], [Rows(0, N), Rows(0, 1, INDEX)], Rows(0)),
    (operators.Gather(axis=0), [f(BATCH * N, 4), i(BATCH)], [Rows(0, N), Rows(0, 1, Interval(0, N, N))], None),
    (operators.Gather(axis=0), [f(BATCH * N, 4), i(3)], [Rows(0, N), Rows(None, 1, Interval(0, 2))], None),
    (operators.Gather(axis=0), [f(BATCH * N, 4), i(BATCH)], [Rows(0, N), Rows(0)], None),
    (operators.GatherND(), [f(BATCH * N, 4), i(BATCH, 1)], [Rows(0, N), Rows(0, 1, None, INDEX)], Rows(0)),
    (operators.GatherND(), [f(BATCH * N, 4), i(BATCH, 1)], [Rows(0, N), Rows(0)], None),
    (operators.GatherND(), [f(3, 4), i(BATCH, 1)], [Rows(), Rows(0)], Rows(0)),
    (operators.GatherND(batch_dims=1), [f(BATCH, 4), i(BATCH, 1)], [Rows(0), Rows(0)], Rows(0)),
    (operators.ScatterND(), [f(3, 4), i(2, 1), f(2, 4)], [Rows(), Rows(), Rows()], Rows()),
    (operators.ScatterND(), [f(3, 4), i(BATCH, 1), f(BATCH, 4)], [Rows(), Rows(0), Rows(0)], None),
    (operators.ScatterND(), [f(BATCH * N, 4), i(BATCH, 1), f(BATCH, 4)],
     [Rows(0, N), Rows(0, 1, None, INDEX), Rows(0)], Rows(0, N)),
    (operators.Expand(shape=(BATCH, 4)), [f(4)], [Rows()], Rows(0)),
    (operators.Expand(shape=(2, BATCH, 4)), [f(BATCH, 1)], [Rows(0)], Rows(1)),
    (operators.Expand(shape=(3, 4)), [f(4)], [Rows()], Rows()),
    (operators.Sizes(values=(N,)), [], [], Rows(None, 1, Interval(N, N))),
    (operators.Sizes(values=(N, 2)), [], [], Rows()),
    (operators.Sizes(values=(BATCH,)), [], [], None),
    (operators.Iota(size=5), [], [], Rows(None, 1, Interval(0, 4))),
    (operators.Iota(size=BATCH * N), [], [], Rows(0, N, Interval(0, N - 1, N))),
    (operators.Iota(size=5, start=BATCH), [], [], None),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(RULES)))
def test_rules(number: int) -> None:
    operator, types, given, expected = RULES[number]
    if expected is None:
        with pytest.raises(RowsMixedError):
            operator.rows(types, given)
    else:
        assert operator.rows(types, given) == expected
