"""Conditions that depend on data, and the values of branches that they choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.base import NodeCall
from sofie_jit.frontends.control_flow import chosen
from sofie_jit.frontends.pytorch.carried import Form, rebuilt, symbol_of, taken_apart
from sofie_jit.frontends.pytorch.values import Tensor, shape_of
from sofie_jit.ir import ops
from sofie_jit.ir.bodies import Body
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import format_shape, product


def flag(call: NodeCall, condition: Any) -> Symbol:
    """A condition as a bool without axes: numbers other than 0 are true, NaN as well. Refuses several elements."""
    if not isinstance(condition, Tensor):
        return call.constant(np.array(bool(condition)), "condition")
    shape = shape_of(condition.value)
    if product(*shape) != 1:
        call.refuse(f"its condition has the shape {format_shape(shape)}; expected one element")
    return ops.reshape(ops.cast(symbol_of(call, condition.value), "bool"), ())


def merged(
    call: NodeCall, condition: Any, branches: Sequence[Body], forms: Sequence[Form], values: Sequence[Sequence[Any]]
) -> list[Any]:
    """The values of the first branch if the condition is true, else those of the second.

    ``forms``: those that the values of both branches have in common.
    """
    outputs = [taken_apart(call, forms, own) for own in values]
    if not outputs[0]:
        return rebuilt(forms, [])
    for branch, listed in zip(branches, outputs, strict=True):
        branch.finish(listed)
    return rebuilt(forms, chosen(call, flag(call, condition), branches))
