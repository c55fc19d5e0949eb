"""Loop and If: networks that are repeated or chosen while the model runs, as its data say.

A body is an :class:`~sofie_jit.ir.rmodel.RModel`. It reads no tensors of the network around it: those that it needs are
inputs of the operator and of the body, the last ones of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from sofie_jit.errors import DtypeError, OutOfRangeError, ShapeError
from sofie_jit.ir.dims import Dim, SymbolicDim, bind_shape, names_of, product, static_dims
from sofie_jit.ir.evaluation import evaluate_operators, retyped
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.rows import Rows, RowsMixedError, common_rows
from sofie_jit.ir.track_rows import track_rows
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass


class ControlFlow(ROperator):
    """Base of operators that run networks: their last inputs are read by these networks, as the last of theirs."""

    is_foldable: ClassVar[bool] = False

    @property
    def bodies(self) -> dict[str, RModel]:
        """The networks that it runs, by attribute."""
        return {name: value for name, value in self.attributes().items() if isinstance(value, RModel)}

    @property
    def size_names(self) -> tuple[str, ...]:
        kinds = [kind for body in self.bodies.values() for kind in body.inputs.values()]
        inner = [name for body in self.bodies.values() for op in body.operators for name in op.size_names]
        return tuple(dict.fromkeys([*super().size_names, *names_of(d for t in kinds for d in t.shape), *inner]))

    def bind(self, sizes: Mapping[str, int]) -> None:
        for name, body in self.bodies.items():
            setattr(self, name, body.bind(sizes))

    def retype(self, dtypes: Mapping[str, str]) -> None:
        for name, body in self.bodies.items():
            setattr(self, name, retyped(body, dtypes))

    def requirements(self, *inputs: TensorType | None) -> list[Requirement]:
        """Those of the operators in the bodies, except of sizes that are set there."""
        return [need for body in self.bodies.values() for need in _requirements(body)]

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        return sum(sum(body.operator_flops()) for body in self.bodies.values())

    def check_inputs(self, body: RModel, given: Sequence[TensorType | None]) -> None:
        """Raises ShapeError or DtypeError if ``given`` are not the types of the body's inputs."""
        if len(given) != len(body.inputs):
            raise ShapeError(f"{self.op_type} gives its body {len(given)} tensors, which takes {len(body.inputs)}")
        for (name, kind), found in zip(body.inputs.items(), given, strict=True):
            if found != kind:
                error = ShapeError if found is not None and found.dtype == kind.dtype else DtypeError
                raise error(f"{self.op_type} gives its body {found} for '{name}', which is {kind}")

    def check_flag(self, kind: TensorType, name: str) -> None:
        """Raises DtypeError if ``kind`` is not that of a single truth value."""
        if kind.dtype != "bool" or product(*kind.shape) != 1:
            raise DtypeError(f"{self.op_type}: {name} must be a single bool, got {kind}")


@dataclass(kw_only=True)
class Loop(ControlFlow):
    """``body``, repeated as long as its condition is true, at most the number of times that the first input says.

    Inputs: the maximum number of iterations, one int64 (optional); the condition before the first iteration, one bool
    (optional); ``carried`` tensors, which iterations change but not their types; further tensors that the body reads.

    Inputs of the body: the number of the iteration, an int64 without axes, from 0 on; the carried tensors; the further
    ones. Its outputs: whether another iteration follows, one bool; the next carried tensors; any number of tensors to
    collect.

    Outputs: the carried tensors at the end, and the collected ones of all iterations along a new first axis. The size
    of this axis is the run-time dimension ``count``, which the operator sets and which is at most ``most``. Without a
    ``count`` it is ``most``, and there must be as many iterations.

    >>> from sofie_jit.operators import Add, Less, ReduceMax
    >>> body = RModel("doubled")
    >>> body.add_input_tensor_info("i", "int64", ())
    >>> body.add_input_tensor_info("x", "int64", (2,))
    >>> body.add_input_tensor_info("limit", "int64", (1,))
    >>> body.add_operator(Add(inputs=["x", "x"], outputs=["twice"]))
    >>> body.add_operator(ReduceMax(inputs=["twice"], outputs=["largest"]))
    >>> body.add_operator(Less(inputs=["largest", "limit"], outputs=["goes_on"]))
    >>> body.add_output_tensor_names("goes_on", "twice")
    >>> Loop(body=body, carried=1).evaluate(None, None, np.array([1, 3]), np.array([20]))
    (array([ 8, 24]),)
    """

    body: RModel
    carried: int = 0
    most: Dim | None = None
    count: str = ""

    @property
    def own_inputs(self) -> int:
        return 2 + self.carried

    @property
    def own_body_inputs(self) -> int:
        return 1 + self.carried

    @property
    def results(self) -> list[str]:
        """The outputs of the body after the condition."""
        return self.body.outputs[1:]

    @property
    def collects(self) -> bool:
        """Whether it has outputs of all iterations."""
        return len(self.results) > self.carried

    @property
    def length(self) -> Dim:
        """The size of the first axis of collected outputs."""
        assert self.most is not None
        return SymbolicDim(self.count) if self.count else self.most

    def bind(self, sizes: Mapping[str, int]) -> None:
        super().bind(sizes)
        if self.most is not None:
            (self.most,) = bind_shape((self.most,), sizes)

    def infer(
        self, trips: TensorType | None, condition: TensorType | None, *values: TensorType | None
    ) -> tuple[TensorType, ...]:
        if trips is not None and (trips.dtype != "int64" or product(*trips.shape) != 1):
            raise DtypeError(f"Loop: the number of iterations must be a single int64, got {trips}")
        if condition is not None:
            self.check_flag(condition, "the condition")
        self.check_inputs(self.body, [TensorType("int64", ()), *values])
        goes_on, *results = map(self.body.tensor_type, self.body.outputs)
        self.check_flag(goes_on, "the body's first output")
        states, rows = results[: self.carried], results[self.carried :]
        names = list(self.body.inputs)[1:]
        for name, before, after in zip(names, values, states, strict=False):
            if after != before:
                raise ShapeError(f"Loop: the carried tensor '{name}' is {before} before an iteration, {after} after it")
        if len(states) < self.carried:
            raise ShapeError(f"Loop carries {self.carried} tensors, but its body returns {len(states)}")
        if rows and self.most is None:
            raise ShapeError("Loop needs a maximum number of iterations, 'most', to collect tensors of all of them")
        inner = _set_inside(self.body)
        if varying := [kind for kind in rows if inner.intersection(names_of(kind.shape))]:
            raise ShapeError(f"Loop cannot collect tensors of varying shape {varying[0]}")
        return (*states, *(TensorType(kind.dtype, (self.length, *kind.shape)) for kind in rows))

    def sets_sizes(self, *inputs: TensorType | None) -> dict[str, Dim]:
        return {self.count: self.most} if self.count and self.most is not None else {}

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Sequence[Rows]:
        if any(known.axis is not None for known in rows[:2]):
            raise RowsMixedError
        start = self.own_inputs
        states, further = [known.plain() for known in rows[2:start]], rows[start:]
        known = track_rows(self.body, dict(zip(self.body.inputs, [Rows(), *states, *further], strict=True)))
        goes_on, *results = (known[name].plain() for name in self.body.outputs)
        if goes_on.axis is not None or results[: self.carried] != states:  # shapes do not change, so their axes do not
            raise RowsMixedError
        return [*states, *(row.behind(1) for row in results[self.carried :])]

    def evaluate(
        self, trips: np.ndarray | None, condition: np.ndarray | None, *values: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        names, further = list(self.body.inputs), values[self.carried :]
        states, rows = list(values[: self.carried]), [list[np.ndarray]() for _ in self.results[self.carried :]]
        goes_on, number = condition is None or bool(condition.item()), 0
        while goes_on and (trips is None or number < trips.item()):
            given = dict(zip(names, [np.array(number), *states, *further], strict=True))
            again, *results = evaluate_operators(self.body, given)
            states = results[: self.carried]
            for collected, row in zip(rows, results[self.carried :], strict=True):
                collected.append(row)
            goes_on, number = bool(again.item()), number + 1
            if self.collects and number > _known(self.most):
                raise OutOfRangeError(f"Loop: more than {self.most} iterations")
        if self.collects and not self.count and number != _known(self.most):
            raise OutOfRangeError(f"Loop: {number} iterations instead of {self.most}")
        kinds = [self.body.tensor_type(name) for name in self.results[self.carried :]]
        joined = [
            np.array(part, kind.dtype).reshape(number, *static_dims("Loop", kind.shape))
            for part, kind in zip(rows, kinds, strict=True)
        ]
        return (*states, *joined)


@dataclass(kw_only=True)
class If(ControlFlow):
    """The outputs of ``then_branch`` if the first input, a single bool, is true, else those of ``else_branch``.

    Further inputs are the inputs of both networks, which have outputs of the same types.

    >>> from sofie_jit.operators import Exp, Neg
    >>> branches = RModel("exp"), RModel("neg")
    >>> for network, operator in zip(branches, (Exp, Neg)):
    ...     network.add_input_tensor_info("x", "float64", (2,))
    ...     network.add_operator(operator(inputs=["x"], outputs=["y"]))
    ...     network.add_output_tensor_names("y")
    >>> If(then_branch=branches[0], else_branch=branches[1]).evaluate(np.array(False), np.array([1.0, 2.0]))
    (array([-1., -2.]),)
    """

    then_branch: RModel
    else_branch: RModel

    @property
    def own_inputs(self) -> int:
        return 1

    def infer(self, condition: TensorType, *inputs: TensorType | None) -> tuple[TensorType, ...]:
        self.check_flag(condition, "the condition")
        found = []
        for body in self.bodies.values():
            self.check_inputs(body, inputs)
            found.append(tuple(map(body.tensor_type, body.outputs)))
            inner = _set_inside(body)
            if varying := [kind for kind in found[-1] if inner.intersection(names_of(kind.shape))]:
                raise ShapeError(f"If cannot return a tensor of varying shape {varying[0]}")
        first, second = found
        if first != second:
            raise ShapeError(f"If: its branches return {', '.join(map(str, first))} and {', '.join(map(str, second))}")
        return first

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Sequence[Rows]:
        if rows[0].axis is not None:
            raise RowsMixedError
        results = []
        for body in self.bodies.values():
            known = track_rows(body, dict(zip(body.inputs, rows[1:], strict=True)))
            results.append([known[name].plain() for name in body.outputs])
        return [common_rows(pair) for pair in zip(*results, strict=True)]

    def evaluate(self, condition: np.ndarray, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        body = self.then_branch if condition.item() else self.else_branch
        return tuple(evaluate_operators(body, dict(zip(body.inputs, inputs, strict=True))))


def _known(most: Dim | None) -> int:
    (size,) = static_dims("Loop", () if most is None else (most,), "number of iterations")
    return size


def _set_inside(body: RModel) -> set[str]:
    """The run-time dimensions that operators of a body set."""
    return {name for op in body.operators for name in op.sets_sizes(*_input_types(body, op))}


def _requirements(body: RModel) -> list[Requirement]:
    inner = _set_inside(body)
    listed = [need for op in body.operators for need in op.requirements(*_input_types(body, op))]
    return [need for need in listed if inner.isdisjoint(names_of((need.left, need.right)))]


def _input_types(body: RModel, op: ROperator) -> list[TensorType | None]:
    return [body.tensor_type(name) if name else None for name in op.inputs]
