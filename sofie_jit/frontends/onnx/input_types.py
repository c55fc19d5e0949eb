"""Types of the inputs of an ONNX model, and names of their open sizes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from sofie_jit.errors import SofieError, UnsupportedLayerError
from sofie_jit.frontends.base import Problems
from sofie_jit.frontends.onnx.model import Graph, ValueInfo
from sofie_jit.ir.dims import BATCH, Dim, SymbolicDim, names_of
from sofie_jit.ir.operators.rounding import NARROW
from sofie_jit.ir.requirements import undecided
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import DTYPES, TensorType


def input_types(graph: Graph, own_sizes: Mapping[str, str] | None = None) -> dict[str, TensorType]:
    """Name -> type of the inputs.

    The first open dimension in front is the batch, and so are all others of its name, or without a name in front.
    Other open dimensions have their names in the file, or that of the input and the axis.

    ``own_sizes``: inputs whose dimension in front, without a name, is not the batch; see :func:`own_sizes`.

    Raises UnsupportedLayerError for an input that is not a tensor of a supported type and known rank.
    """
    problems = Problems()
    names: dict[str, Dim] = {}
    for value in graph.inputs:
        first = value.shape[0] if value.shape else 0
        if isinstance(first, str):
            names[first] = BATCH
            break
        if first is None:
            break
    types = {}
    for value in graph.inputs:
        with problems.collected():
            front = (own_sizes or {}).get(value.name)
            types[value.name] = TensorType(_dtype(value), tuple(_dims(value, names, front)))
    problems.raise_all()
    return types


def own_sizes(inputs: Iterable[ValueInfo], translate: Callable[[Mapping[str, str]], RModel]) -> dict[str, str]:
    """Those of ``inputs`` whose open dimension in front is unnamed and not the batch: name -> name of the dimension.

    In ONNX, sizes without a name are unrelated. They are taken for the batch if operators need them to be equal, as
    the addition of two inputs does. ``translate`` returns the network with other names of them.
    """
    in_front = [value for value in inputs if value.shape and not isinstance(value.shape[0], int)]
    own = {value.name: f"{value.name}_0" for value in in_front[1:] if value.shape and value.shape[0] is None}
    if not own:
        return {}
    try:
        rmodel = translate(own)
        leader = _equal_sizes(rmodel)
    except SofieError:  # as the batch, they may work, or the message is clearer
        return {}
    leaders = {name: leader(str(rmodel.inputs[name].shape[0])) for name in own}
    first = {group: name for name, group in reversed(leaders.items())}
    return {name: own[first[group]] for name, group in leaders.items() if group != leader(str(BATCH))}


def _equal_sizes(rmodel: RModel) -> Callable[[str], str]:
    """Name of a size -> the name that stands for all sizes that occur in one requirement with it."""
    leaders: dict[str, str] = {}

    def leader(name: str) -> str:
        while name in leaders:
            name = leaders[name]
        return name

    limits = list(rmodel.size_limits)
    for op in rmodel.operators:
        limits += undecided(op.requirements(*(rmodel.tensor_type(name) if name else None for name in op.inputs)))
    for limit in limits:
        first, *others = {leader(name): None for name in names_of((limit.left, limit.right))}
        leaders.update(dict.fromkeys(others, first))
    return leader


def _dtype(value: ValueInfo) -> str:
    label = f"input '{value.name}' ({value.dtype or 'unknown type'})"
    if value.dtype not in DTYPES and value.dtype not in NARROW:
        listed = ", ".join(dict.fromkeys((*DTYPES, *NARROW)))
        raise UnsupportedLayerError(f"{label}: inputs must be tensors of type {listed}")
    if value.shape is None:
        raise UnsupportedLayerError(f"{label}: the file does not tell its shape")
    return value.dtype if value.dtype in DTYPES else "float32"


def _dims(value: ValueInfo, names: dict[str, Dim], front: str | None) -> list[Dim]:
    """The dimensions of an input; ``names`` has those of the file's names and is added to.

    ``front``: the name of the dimension in front, if it has none and is not the batch.
    """
    dims: list[Dim] = []
    for axis, dim in enumerate(value.shape or ()):
        if isinstance(dim, int):
            dims.append(dim)
        elif dim is None and axis == 0 and front is None:
            dims.append(BATCH)
        else:
            key = dim or (front if front and axis == 0 else f"{value.name}_{axis}")
            if key not in names:
                names[key] = SymbolicDim(_identifier(key, {str(BATCH), *map(str, names.values())}))
            dims.append(names[key])
    return dims


def _identifier(text: str, taken: set[str]) -> str:
    """``text`` as an identifier that is not ``taken``."""
    hint = re.sub(r"\W+", "_", text, flags=re.ASCII)[:50]
    hint = hint if hint.isidentifier() else f"dim_{hint}"
    name, number = hint, 1
    while name in taken:
        number += 1
        name = f"{hint}_{number}"
    return name
