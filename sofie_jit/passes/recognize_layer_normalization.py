"""Finds LayerNormalization where a file spells it out, as ONNX files before opset 17 do, and makes it one operator."""

from __future__ import annotations

from sofie_jit.ir.operators.elementwise import Add, Div, Mul, Sub
from sofie_jit.ir.operators.math import Sqrt, Square
from sofie_jit.ir.operators.normalization import LayerNormalization
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.reduce import ReduceMean
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.eliminate_dead_code import eliminate_dead_code
from sofie_jit.passes.uses import known_number, makers, uses


def recognize_layer_normalization(rmodel: RModel) -> RModel:
    """Replaces ``(x - mean) / sqrt(mean((x - mean)^2) + epsilon)``, and ``* scale`` and ``+ bias`` after it."""
    if not any(isinstance(op, ReduceMean) for op in rmodel.operators):
        return rmodel
    new = rmodel.copy()
    new.generate()
    made_by, count = makers(new), uses(new)
    for index, op in enumerate(new.operators):
        found = _normalized(new, made_by, op) or _affine(new, made_by, op)
        if found is not None and (not isinstance(op, (Mul, Add)) or count[found.outputs[0]] == 1):
            found.outputs, found.origin = list(op.outputs), op.origin
            new.operators[index] = made_by[op.outputs[0]] = found
    return eliminate_dead_code(new)


def _normalized(model: RModel, made_by: dict[str, ROperator], op: ROperator) -> LayerNormalization | None:
    """The LayerNormalization that a quotient is."""
    if not isinstance(op, Div):
        return None
    difference, root = (made_by.get(name) for name in op.inputs)
    if not isinstance(difference, Sub) or not isinstance(root, Sqrt):
        return None
    x, total = difference.inputs[0], made_by.get(root.inputs[0])
    if not isinstance(total, Add):
        return None
    epsilons = [number for number in (known_number(model, name) for name in total.inputs) if number is not None]
    makers_of_means = [made_by.get(difference.inputs[1]), *map(made_by.get, total.inputs)]
    means = [made for made in makers_of_means if isinstance(made, ReduceMean)]
    if len(epsilons) != 1 or len(means) != 2:
        return None
    mean, variance = means
    if mean.outputs != difference.inputs[1:] or mean.inputs != [x]:
        return None
    square, rank = made_by.get(variance.inputs[0]), model.tensor_type(x).rank
    axes = mean.reduced(rank)
    row = model.tensor_type(x).shape[rank - len(axes) :]
    if (
        _is_square(square, difference.outputs[0])
        and axes == variance.reduced(rank) == list(range(rank - len(axes), rank))
        and mean.keepdims
        and variance.keepdims
        and axes
        and all(isinstance(size, int) for size in row)
    ):
        return LayerNormalization(axis=axes[0], epsilon=epsilons[0], inputs=[x])
    return None


def _is_square(op: ROperator | None, x: str) -> bool:
    return (isinstance(op, Square) and op.inputs == [x]) or (isinstance(op, Mul) and op.inputs == [x, x])


def _affine(model: RModel, made_by: dict[str, ROperator], op: ROperator) -> LayerNormalization | None:
    """The LayerNormalization before a product or sum with weights of the shape of a row, with them as its inputs.

    Its output is still the one before them.
    """
    if not isinstance(op, (Mul, Add)):
        return None
    weights = [name for name in op.inputs if name in model.initialized]
    others = [name for name in op.inputs if name not in model.initialized]
    before = made_by.get(others[0]) if len(weights) == len(others) == 1 else None
    if not isinstance(before, LayerNormalization) or before.inputs[1 if isinstance(op, Mul) else 2 :]:
        return None
    row = model.tensor_type(before.inputs[0]).shape[before.axis :]
    if model.tensor_type(weights[0]).shape != row:
        return None
    inputs = [*before.inputs, *([""] if isinstance(op, Add) and len(before.inputs) == 1 else []), *weights]
    return LayerNormalization(
        axis=before.axis,
        epsilon=before.epsilon,
        stddev_epsilon=before.stddev_epsilon,
        centered=before.centered,
        inputs=inputs,
        outputs=list(before.outputs),
    )
