"""A network as text: the table of its operators, and lists of its tensors."""

from __future__ import annotations

from collections.abc import Mapping

from sofie_jit.ir.dims import format_shape
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType
from sofie_jit.report import tables

HEADER = ("operator", "from", "output", "parameters")
"""Titles of the columns of :func:`operator_rows`."""


def operator_rows(rmodel: RModel) -> list[tuple[str, str, str, str]]:
    """For each operator its ONNX name, the layer it comes from, the shapes of its outputs, and its parameters."""
    rmodel.generate()
    rows = []
    for op in rmodel.operators:
        shapes = " ".join(format_shape(rmodel.tensor_type(name).shape) for name in op.outputs if name)
        rows.append((op.op_type, op.origin, shapes, f"{parameters(rmodel, op.inputs):,}"))
    return rows


def parameters(rmodel: RModel, names: list[str] | None = None) -> int:
    """The number of elements of the weights with these ``names``, by default of all weights."""
    weights = rmodel.initialized
    return sum(weights[name].size for name in (weights if names is None else names) if name in weights)


def named_types(rmodel: RModel) -> list[tuple[str, str, TensorType]]:
    """Role (input, state or output), name and type of each tensor that a user of the network sees."""
    rmodel.generate()
    labels = rmodel.output_labels or rmodel.outputs
    outputs = zip(labels, map(rmodel.tensor_type, rmodel.outputs), strict=True)
    return [
        *(("input", name, kind) for name, kind in rmodel.inputs.items()),
        *(("state", name, kind) for name, kind in rmodel.states.items()),
        *(("output", name, kind) for name, kind in outputs),
    ]


def summary(rmodel: RModel) -> str:
    """Inputs, states and outputs, the table of operators, and the number of parameters."""
    tensors = [f"{role:6}  {name}: {kind}" for role, name, kind in named_types(rmodel)]
    table = tables.text([HEADER, *operator_rows(rmodel)], left=4)
    return "\n".join([*tensors, "", table, "", f"parameters: {parameters(rmodel):,}"])


def tensor_list(title: str, types: Mapping[str, TensorType]) -> str:
    """Tensors with element type and shape, in SOFIE's form."""
    lines = [f"  {name}\ttype: {kind.dtype}\tshape: {format_shape(kind.shape)}" for name, kind in types.items()]
    return "\n".join([f"{title}:", *lines])
