"""Operators that read nothing but weights are computed here, once, and their results are weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from math import prod
from typing import Any

import numpy as np

from sofie_jit.ir.operators.operator import ROperator, TensorType, static_dims
from sofie_jit.ir.rmodel import RModel

MAX_GROWTH = 1 << 20
"""Elements that a result may have if it is larger than what it is computed from: more is repeated when it is needed."""


def fold_constants(rmodel: RModel) -> RModel:
    """Computes in numpy what gives the very bits that the kernels give: data movement, and arithmetic that IEEE rounds.

    Operators that read nothing else, but are not of that kind, stay.
    """
    new = rmodel.copy()
    new.generate()
    kept = []
    for op in rmodel.copy().operators:
        values = _evaluate(op, new) if all(name in new.initialized for name in op.inputs) else None
        if values is None:
            kept.append(op)
        else:
            new.initialized[op.outputs[0]] = values
    new.operators = kept
    return new


def _evaluate(op: ROperator, model: RModel) -> np.ndarray | None:
    """The result of ``op``, or None if it is to be computed by its kernel."""
    ours = type(op).__module__.startswith("sofie_jit.ir.operators.")
    evaluate = _EXACT.get(op.op_type) if ours else None
    kind = model.tensor_type(op.outputs[0])
    if evaluate is None or any(isinstance(dim, str) for dim in kind.shape):
        return None
    inputs = [model.initialized[name] for name in op.inputs]
    sizes = static_dims(op.op_type, kind.shape)
    if prod(sizes) > max(MAX_GROWTH, sum(values.size for values in inputs)):
        return None
    with np.errstate(all="ignore"):
        result = evaluate(op, kind, *inputs)
    return None if result is None else np.require(result, kind.dtype, "C").reshape(sizes)


def _pick(op: Any, kind: TensorType, x: np.ndarray) -> np.ndarray:
    """What is picked along all axes, and the fill where one of them picks nothing."""
    picks = op.picks(x.shape)
    sizes = static_dims(op.op_type, kind.shape)
    places = [pick.start + np.arange(size) // pick.repeat * pick.step for pick, size in zip(picks, sizes, strict=True)]
    within = [(at >= 0) & (at < size) for at, size in zip(places, x.shape, strict=True)]
    result = np.full(sizes, getattr(op, "value", 0), x.dtype)
    inside = [at[there] for at, there in zip(places, within, strict=True)]
    result[np.ix_(*within)] = x[np.ix_(*inside)]
    return result


def _gather(op: Any, kind: TensorType, data: np.ndarray, indices: np.ndarray) -> np.ndarray | None:
    size = data.shape[op.axis]
    inside = bool(np.all((indices > -size - 1) & (indices < size)))  # another is an error when the model runs
    return data.take(indices.astype(np.int64), op.axis, mode="wrap") if inside else None


def _cast(op: Any, kind: TensorType, x: np.ndarray) -> np.ndarray:
    if x.dtype.kind != "f" or not kind.dtype.startswith("int"):
        return x.astype(kind.dtype)
    low = float(np.iinfo(kind.dtype).min)
    fits = (x >= low) & (x < -low)
    return np.where(fits, np.where(fits, x, 0).astype(kind.dtype), np.iinfo(kind.dtype).min)


def _of_values(function: Any) -> Callable[..., np.ndarray]:
    return lambda op, kind, *values: function(*values)


def _from_first_to_last(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    return lambda op, kind, *values: reduce(function, values)


_EXACT: dict[str, Callable[..., np.ndarray | None]] = {
    "Identity": _of_values(np.asarray),
    "Reshape": _of_values(np.asarray),
    "Expand": lambda op, kind, x: np.broadcast_to(x, kind.shape),
    "Transpose": lambda op, kind, x: x.transpose(op.perm),
    "Concat": lambda op, kind, *parts: np.concatenate(parts, op.axis),
    "Slice": _pick,
    "Pad": _pick,
    "Upsample": _pick,
    "Gather": _gather,
    "CumSum": lambda op, kind, x: np.cumsum(x, op.axis, kind.dtype),
    "Cast": _cast,
    "Max": _from_first_to_last(np.maximum),
    "Min": _from_first_to_last(np.minimum),
    "Sum": _from_first_to_last(np.add),
    **{
        name: _of_values(function)
        for name, function in {
            "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Where": np.where,
            "Equal": np.equal, "NotEqual": np.not_equal, "Less": np.less, "LessOrEqual": np.less_equal,
            "Greater": np.greater, "GreaterOrEqual": np.greater_equal,
            "And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor, "Not": np.logical_not,
            "Neg": np.negative, "Abs": np.abs, "Square": np.square, "Sqrt": np.sqrt,
            "Floor": np.floor, "Ceil": np.ceil, "Round": np.rint, "Trunc": np.trunc,
        }.items()
    },
}  # fmt: skip
"""By name, for a model that has none of them need not import them."""
