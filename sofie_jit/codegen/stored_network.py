"""A network as JSON, without the values of its weights. Reading it executes nothing.

Compiled libraries carry the network that they compute in this form.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from sofie_jit.codegen.stored_types import decode_dim, decode_type, encode_type
from sofie_jit.errors import ModelFileError
from sofie_jit.ir.dims import SymbolicDim
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType

PACKAGES = ("sofie_jit.ir.operators.", "sofie_jit.codegen.lowered.", "sofie_jit.extend")
"""Where the classes are that a network may contain."""


def encode_network(rmodel: RModel) -> dict[str, Any]:
    """The network as values of JSON.

    Functions, such as the definition of a :class:`~sofie_jit.KernelOperator`, are left out.
    """
    return {
        "name": rmodel.name,
        "inputs": {name: encode_type(kind) for name, kind in rmodel.inputs.items()},
        "operators": [_encode(op) for op in rmodel.operators],
        "outputs": rmodel.outputs,
        "updates": rmodel.updates,
        "output_labels": rmodel.output_labels,
        "output_structure": _encode(rmodel.output_structure),
    }


def decode_network(data: Any, weights: Mapping[str, np.ndarray]) -> RModel:
    """The inverse of :func:`encode_network`; ``weights`` are the initialized tensors by name.

    Raises ModelFileError if ``data`` has another form.
    """
    try:
        rmodel = RModel(data["name"])
        rmodel.inputs = {name: decode_type(kind) for name, kind in data["inputs"].items()}
        rmodel.initialized = dict(weights)
        rmodel.operators = [_decode(op, weights) for op in data["operators"]]
        rmodel.outputs, rmodel.output_labels = list(data["outputs"]), list(data["output_labels"])
        rmodel.updates, rmodel.output_structure = dict(data["updates"]), _decode(data["output_structure"], {})
        if not all(isinstance(op, ROperator) for op in rmodel.operators):
            raise TypeError("a member of its operators is not an operator")
        return rmodel
    except (LookupError, TypeError, ValueError, AttributeError, SyntaxError, RecursionError) as error:
        raise ModelFileError(f"the description of the network is damaged: {error}") from error


# -- values --------------------------------------------------------------------------------------------------------


def _encode(value: Any) -> Any:
    """A value of an attribute: JSON's own values and lists as they are, all others as a dict of one key."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (np.generic, np.dtype)):
        return value.item() if isinstance(value, np.generic) else value.name
    if isinstance(value, SymbolicDim):
        return {"dim": str(value)}
    if isinstance(value, TensorType):
        return {"type": encode_type(value)}
    if isinstance(value, RModel):
        return {"network": [list(value.initialized), encode_network(value)]}
    if isinstance(value, list):
        return [_encode(item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_encode(item) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[_encode(key), _encode(item)] for key, item in value.items()]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        values = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
        kept = {name: _encode(item) for name, item in values.items() if not callable(item)}
        return {"class": [kind.__module__, kind.__qualname__, kept]}
    raise TypeError(f"a network with a value of type {type(value).__name__} cannot be stored")


def _decode(data: Any, weights: Mapping[str, np.ndarray]) -> Any:
    """The inverse of :func:`_encode`; bodies have those of the ``weights`` that they name."""
    if isinstance(data, list):
        return [_decode(item, weights) for item in data]
    if not isinstance(data, dict):
        return data
    ((form, value),) = data.items()
    if form == "dim":
        return decode_dim(value)
    if form == "type":
        return decode_type(value)
    if form == "tuple":
        return tuple(_decode(item, weights) for item in value)
    if form == "dict":
        return {_decode(key, weights): _decode(item, weights) for key, item in value}
    if form == "network":
        names, network = value
        return decode_network(network, {name: weights[name] for name in names})
    if form != "class":
        raise ValueError(f"an unknown form '{form}'")
    module, name, fields = value
    if not f"{module}.".startswith(PACKAGES):
        raise ValueError(f"{module}.{name} is not a part of networks")
    kind = getattr(importlib.import_module(module), name)
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise ValueError(f"{module}.{name} is not a part of networks")
    return kind(**{key: _decode(item, weights) for key, item in fields.items()})
