"""Makes activations that a file spells out in simpler operators, as ONNX's exporters do, one operator."""

from __future__ import annotations

import math
from collections import Counter

from sofie_jit.ir.operators.activations import (
    Activation,
    Gelu,
    HardSigmoid,
    HardSwish,
    Mish,
    Sigmoid,
    Softplus,
    Swish,
    Tanh,
)
from sofie_jit.ir.operators.elementwise import Add, Div, Mul
from sofie_jit.ir.operators.math import Erf
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.eliminate_dead_code import eliminate_dead_code
from sofie_jit.passes.uses import known_number, makers, uses


def recognize_activations(rmodel: RModel) -> RModel:
    """Replaces products by Swish, HardSwish, Mish and Gelu where they are equal to these, in exact arithmetic.

    The products are ``x sigmoid(x)``, ``x hard_sigmoid(x)``, ``x tanh(softplus(x))``, and
    ``x (1 + erf(x / sqrt(2))) / 2`` with factors in any order. Factors that others read, too, stay.
    """
    if not any(isinstance(op, Mul) for op in rmodel.operators):
        return rmodel
    new = rmodel.copy()
    made_by, count = makers(new), uses(new)
    for index, op in enumerate(new.operators):
        found = _activation(new, made_by, count, op)
        if found is not None:
            activation, x = found
            activation.inputs, activation.outputs, activation.origin = [x], list(op.outputs), op.origin
            new.operators[index] = made_by[op.outputs[0]] = activation
    return eliminate_dead_code(new)


def _activation(
    model: RModel, made_by: dict[str, ROperator], count: Counter[str], op: ROperator
) -> tuple[Activation, str] | None:
    """The activation that a product is, and its input."""
    if not isinstance(op, Mul):
        return None
    factors = _factors(made_by, count, op.outputs[0])
    halves = [name for name in factors if known_number(model, name) == 0.5]
    rest = [name for name in factors if name not in halves]
    if len(rest) != 2:
        return None
    for x, other in (rest, rest[::-1]):
        gate = made_by.get(other)
        if gate is None or count[other] != 1:
            continue
        if halves:
            if _is_one_plus_erf(model, made_by, count, gate, x):
                return Gelu(), x
        elif gate.inputs[:1] == [x] and isinstance(gate, Sigmoid):
            return Swish(), x
        elif gate.inputs[:1] == [x] and isinstance(gate, HardSigmoid) and _is_hard_swish(gate):
            return HardSwish(), x
        elif isinstance(gate, Tanh) and count[gate.inputs[0]] == 1:
            inner = made_by.get(gate.inputs[0])
            if isinstance(inner, Softplus) and inner.inputs == [x]:
                return Mish(), x
    return None


def _factors(made_by: dict[str, ROperator], count: Counter[str], product: str) -> list[str]:
    """The factors of a product, those of a factor that is a product itself included, if nobody else reads it."""
    inputs = made_by[product].inputs
    inner = [name for name in inputs if isinstance(made_by.get(name), Mul) and count[name] == 1]
    return [*(made_by[inner[0]].inputs if inner else []), *(name for name in inputs if name not in inner[:1])]


def _is_hard_swish(gate: HardSigmoid) -> bool:
    return math.isclose(gate.alpha, 1 / 6, rel_tol=1e-6) and gate.beta == 0.5


def _is_one_plus_erf(
    model: RModel, made_by: dict[str, ROperator], count: Counter[str], gate: ROperator, x: str
) -> bool:
    """Whether ``gate`` is ``1 + erf(x / sqrt(2))``."""
    ones = [name for name in gate.inputs if known_number(model, name) == 1]
    if not isinstance(gate, Add) or len(ones) != 1:
        return False
    (term,) = (name for name in gate.inputs if name not in ones)
    erf = made_by.get(term)
    if not isinstance(erf, Erf) or count[term] != 1:
        return False
    scaled = made_by.get(erf.inputs[0])
    if isinstance(scaled, Div) and scaled.inputs[0] == x:
        divisor = known_number(model, scaled.inputs[1])
        return divisor is not None and math.isclose(divisor, math.sqrt(2), rel_tol=1e-6)
    if isinstance(scaled, Mul) and x in scaled.inputs:
        numbers = [number for number in (known_number(model, name) for name in scaled.inputs) if number is not None]
        return len(numbers) == 1 and math.isclose(numbers[0], math.sqrt(0.5), rel_tol=1e-6)
    return False
