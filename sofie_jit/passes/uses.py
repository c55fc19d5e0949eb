"""Queries and changes of a graph that several passes share."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.weights import as_weight

Operator = TypeVar("Operator", bound=ROperator)


def uses(rmodel: RModel) -> Counter[str]:
    """How often each tensor is read, being an output of the model counting as once."""
    return Counter([*rmodel.outputs, *(name for op in rmodel.operators for name in op.inputs)])


def makers(rmodel: RModel) -> dict[str, ROperator]:
    """Tensor -> the operator that computes it."""
    return {name: op for op in rmodel.operators for name in op.outputs}


def known_number(rmodel: RModel, name: str) -> float | None:
    """The value of a weight of one element; None for other tensors."""
    values = rmodel.initialized.get(name)
    return float(values.flat[0]) if values is not None and values.size == 1 else None


def add_weight(rmodel: RModel, hint: str, values: Any, dtype: str) -> str:
    """Adds ``values`` as a weight of ``dtype``; its name, which is like ``hint``. Changes ``rmodel``."""
    name = rmodel.unique_name(hint)
    rmodel.initialized[name] = as_weight(values, dtype)
    return name


def replace_tensor(rmodel: RModel, old: str, new: str) -> None:
    """Replaces the tensor ``old`` by ``new`` in the inputs of all operators; changes ``rmodel``."""
    rmodel.outputs = [new if name == old else name for name in rmodel.outputs]
    for op in rmodel.operators:
        op.inputs = [new if name == old else name for name in op.inputs]


def with_bodies(op: ROperator, bodies: Mapping[str, RModel], **changes: Any) -> ROperator:
    """The same operator with other bodies, by attribute, and ``changes`` of further fields."""
    given: dict[str, Any] = {**bodies, **changes}
    return dataclasses.replace(op, **given)


def converted(op: ROperator, cls: type[Operator], **changes: Any) -> Operator:
    """An operator of class ``cls`` with the attributes and tensors of ``op``, and ``changes``."""
    known = {field.name for field in fields(cls)}
    given = {field.name: getattr(op, field.name) for field in fields(op) if field.name in known}
    return cls(**(given | changes))
