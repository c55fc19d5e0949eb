"""Operators that ONNX has are ONNX's: attributes, defaults and operands, except for what two tables list."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import inspect
import pkgutil
from typing import Any

import numpy as np
import pytest

from sofie_jit.ir import operators
from sofie_jit.ir.operators import all_operators, extensions, unsupported
from sofie_jit.ir.operators.data_dependent import DataDependent
from sofie_jit.ir.operators.operator import ROperator

onnx = pytest.importorskip("onnx")

SCHEMAS = {schema.name: schema for schema in onnx.defs.get_all_schemas() if not schema.domain}
"""The operators of the newest opset."""
SHARED = sorted(SCHEMAS.keys() & all_operators().keys())

REQUIRED = object()


def fields_of(name: str) -> dict[str, Any]:
    """Attribute -> default, or REQUIRED."""
    base = {field.name for field in dataclasses.fields(ROperator)}
    return {
        field.name: REQUIRED if field.default is dataclasses.MISSING else field.default
        for field in dataclasses.fields(all_operators()[name])
        if field.name not in base
    }


def onnx_defaults(name: str) -> dict[str, Any]:
    """ONNX's attribute, or optional or required input -> default, or REQUIRED."""
    schema = SCHEMAS[name]
    found: dict[str, Any] = {
        operand.name: None if operand.option == onnx.defs.OpSchema.FormalParameterOption.Optional else REQUIRED
        for operand in schema.inputs
    }
    for attribute in schema.attributes.values():
        value = onnx.helper.get_attribute_value(attribute.default_value) if attribute.default_value.type else None
        found[attribute.name] = (
            REQUIRED if attribute.required else value.decode() if isinstance(value, bytes) else value
        )
    return found


def sets_a_size(name: str) -> bool:
    """Whether the size of the output depends on the data, so that it needs a name."""
    return issubclass(all_operators()[name], DataDependent)


def same(ours: Any, theirs: Any) -> bool:
    """Whether two defaults are equal, ONNX's floats having been rounded to float32."""
    if isinstance(ours, float) and isinstance(theirs, float):
        return np.float32(ours) == np.float32(theirs)
    return ours is theirs or bool(ours == theirs)


@pytest.mark.parametrize("name", SHARED)
def test_attributes_are_those_of_onnx(name: str) -> None:
    ours, theirs = fields_of(name), onnx_defaults(name)
    beyond = extensions.EXTENSIONS.get(name, {})
    assert ours.keys() - theirs.keys() == beyond.keys()
    assert [attribute for attribute in beyond if ours[attribute] is REQUIRED] == ["count"] * sets_a_size(name)


@pytest.mark.parametrize("name", SHARED)
def test_defaults_are_those_of_onnx(name: str) -> None:
    ours, theirs = fields_of(name), onnx_defaults(name)
    optional = {"constant_value": 0.0}  # ONNX's documentation says so
    different = {
        attribute
        for attribute in ours.keys() & theirs.keys()
        if not same(ours[attribute], optional.get(attribute, theirs[attribute]))
    }
    assert different == extensions.DEFAULTS.get(name, {}).keys()


@pytest.mark.parametrize("name", SHARED)
def test_everything_else_of_onnx_is_listed(name: str) -> None:
    """Attributes, inputs and outputs are there or refused, and nothing is refused that is there."""
    schema, ours = SCHEMAS[name], fields_of(name)
    listed = unsupported.UNSUPPORTED.get(name, {}).keys()
    assert schema.attributes.keys() - ours.keys() == listed & schema.attributes.keys()

    arrays = [operand.name for operand in schema.inputs if operand.name not in ours]
    parameters = inspect.signature(all_operators()[name].evaluate).parameters.values()
    variadic = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    count = len(parameters) - 1  # without self
    refused = [operand for operand in arrays if operand in listed]
    assert variadic or len(arrays) - len(refused) == count, (arrays, [parameter.name for parameter in parameters])

    names = {*schema.attributes, *(operand.name for operand in [*schema.inputs, *schema.outputs])}
    assert listed <= names
    assert not listed & ours.keys()


def test_outputs_are_there_or_listed() -> None:
    several = {"TopK": 2, "RNN": 2, "GRU": 2, "LSTM": 3, "Unique": 4}
    for name in SHARED:
        listed = unsupported.UNSUPPORTED.get(name, {})
        kept = [output.name for output in SCHEMAS[name].outputs if output.name not in listed]
        assert len(kept) == several.get(name, 1), name


def test_tables_name_operators() -> None:
    for table in (unsupported.UNSUPPORTED, extensions.EXTENSIONS, extensions.DEFAULTS):
        assert table.keys() <= set(SHARED)


def test_problems_are_told_from_harmless_values() -> None:
    assert unsupported.problems("Relu", {"alpha": 1}) == []
    assert unsupported.problems("BatchNormalization", {"momentum": 0.5, "training_mode": 0, "epsilon": 1.0}) == []
    (problem,) = unsupported.problems("BatchNormalization", {"training_mode": 1})
    assert problem.startswith("training_mode=1 is not supported: ")
    assert len(unsupported.problems("LSTM", {"P": "weights", "clip": 1.0, "sequence_lens": None})) == 2


def test_examples() -> None:
    modules = [
        importlib.import_module(f"{operators.__name__}.{m.name}") for m in pkgutil.iter_modules(operators.__path__)
    ]
    results = [doctest.testmod(module) for module in modules]
    assert sum(result.failed for result in results) == 0
    assert sum(result.attempted for result in results) > 60
