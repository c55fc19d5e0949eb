"""Branches and loops that depend on data, of all frontends: the operators If and Loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sofie_jit.frontends.base import NodeCall
from sofie_jit.frontends.wording import CUT
from sofie_jit.ir import ops
from sofie_jit.ir.bodies import Body, body
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, SymbolicDim, product, split_count
from sofie_jit.ir.operators.control import If, Loop
from sofie_jit.ir.types import MAX_ELEMENTS, TensorType


class Iteration(NamedTuple):
    """What the body of a loop computes."""

    goes_on: Symbol | None
    """Whether another iteration follows, one bool; None if one always does."""
    states: Sequence[Symbol]
    """The carried tensors, of the types that they had before."""
    rows: Sequence[Symbol] = ()
    """Tensors that are collected."""


def repeated(
    call: NodeCall,
    iteration: Callable[[Symbol, Sequence[Symbol]], Iteration],
    carried: Sequence[Symbol],
    *,
    trips: Symbol | None = None,
    condition: Symbol | None = None,
    most: Dim | None = None,
) -> tuple[list[Symbol], list[Symbol]]:
    """The carried tensors after the last iteration, and the collected ones of all iterations along a new first axis.

    ``iteration`` adds the operators of an iteration, given its number and the carried tensors.
    ``trips`` and ``condition``: the number of iterations, an int64, and whether there is a first one; None: no limit.
    ``most``: the largest number of iterations, if it is known.

    Refuses carried tensors whose type changes, and collected ones if the number of iterations has no bound.
    """
    types = [TensorType("int64", ()), *(symbol.type for symbol in carried)]
    with body(call.builder, types, carried) as built:
        number, *states = built.inputs
        goes_on, after, rows = iteration(number, states)
        always = goes_on is None and condition is None
        flag = call.builder.constant(True, "always") if goes_on is None else ops.reshape(goes_on, ())
    for index, (before, value) in enumerate(zip(carried, after, strict=True)):
        if before.type != value.type:
            call.refuse(
                f"its carried value {index + 1} is {before.type} before an iteration and {value.type} after it; types "
                "that change need a number of iterations and conditions that are known",
                CUT,
            )
    built.finish([flag, *after, *rows])
    if always and trips is None:
        call.refuse("it never ends: it has neither a number of iterations nor a condition", CUT)
    if not carried and not rows:
        return [], []
    if rows:
        _check_bound(call, most, rows)
    operator = Loop(
        body=built.network,
        carried=len(carried),
        most=most if rows else None,
        count="" if always or not rows else call.builder.new_size("iterations"),
    )
    results = call.add_all(operator, trips, condition, *carried, *built.outer)
    return list(results[: len(carried)]), list(results[len(carried) :])


def _check_bound(call: NodeCall, most: Dim | None, collected: Sequence[Symbol]) -> None:
    """Refuses values of all iterations whose number has no bound, or one for which there is no memory."""
    if most is None:
        reason = "it returns values of all iterations, whose number is computed by the model and has no bound"
    else:
        sizes = [product(most, *x.shape) for x in collected]
        numbers = [size.known_factor if isinstance(size, SymbolicDim) else size for size in sizes]
        if max(numbers) <= MAX_ELEMENTS:
            return
        reason = f"it returns values of all iterations, of which there may be {most}: there is no memory for them"
    call.refuse(reason, "make its input 'M' a constant of a few thousand", "return the carried values only", CUT)


CHEAP = 16
"""Operations for each element of the results from which on a single branch is computed."""


def chosen(call: NodeCall, condition: Symbol, branches: Sequence[Body]) -> list[Symbol]:
    """The outputs of the first body if the condition, one bool, is true, else those of the second.

    If they are cheap, both are computed and one of them is selected, so that the operators around can be fused.

    Refuses bodies whose outputs differ in type.
    """
    flag = ops.reshape(condition, ())
    pairs = list(zip(*(branch.outputs for branch in branches), strict=True))
    for yes, no in pairs:
        if yes.type != no.type:
            call.refuse(
                f"its branches return {yes.type} and {no.type}; a condition that is computed by the model needs equal "
                "types"
            )
    if not pairs:
        return []
    if all(map(_is_cheap, branches)):
        for branch in branches:
            for op in branch.operators:
                call.builder.rmodel.add_operator(op)
        return [ops.where(flag, *pair) for pair in pairs]
    outer = {symbol.name: symbol for branch in branches for symbol in branch.outer}
    for branch in branches:
        branch.network.inputs = {name: symbol.type for name, symbol in outer.items()}
    networks = [branch.network for branch in branches]
    return list(call.add_all(If(then_branch=networks[0], else_branch=networks[1]), flag, *outer.values()))


def _is_cheap(branch: Body) -> bool:
    """Whether a branch takes little time whatever its inputs are."""
    network = branch.network
    elements = sum(split_count(symbol.shape)[0] for symbol in branch.outputs)
    given = [[network.tensor_type(name) if name else None for name in op.inputs] for op in network.operators]
    fixed = all(
        op.is_foldable and not op.sets_sizes(*types) for op, types in zip(network.operators, given, strict=True)
    )
    return fixed and sum(network.operator_flops()) <= CHEAP * elements
