"""Every operator with all sizes open that can be gives the bits of the same operator with these sizes fixed."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from operator_cases import CASES, Case, evaluated
from sofie_jit import Model, RModel
from sofie_jit.codegen.print_jit import jit_text
from sofie_jit.errors import SofieError
from sofie_jit.ir.dims import Dim, SymbolicDim
from sofie_jit.passes.pipeline import lower
from sofie_jit.verification.difference import distance
from sofie_jit.verification.evaluate import evaluate

Sizes = Mapping[int, Dim]
"""The size of a case's arrays -> the size, or the name of one, that the axes which have it get."""


def given(case: Case, sizes: Sizes) -> dict[int, np.ndarray]:
    """The inputs of a case, by index, with other sizes: elements are left out, or repeated."""
    arrays = {}
    for index, array in enumerate(case.inputs("float32")):
        if array is not None and index not in case.weights:
            for axis, size in enumerate(array.shape):
                array = array.take(np.arange(sizes.get(size, size)) % size, axis)  # type: ignore[arg-type]
            arrays[index] = array
    return arrays


def add(model: RModel, number: int, case: Case, sizes: Sizes) -> None:
    """Adds a case to a model: inputs ``x<number>_<index>``, outputs ``y<number>_<index>``."""
    operator = dataclasses.replace(case.operator, inputs=[], outputs=[])
    operator.retype({"float32": "float32"})
    for index, array in enumerate(case.inputs("float32")):
        operator.inputs.append("" if array is None else f"x{number}_{index}")
        if array is None:
            continue
        if index in case.weights:
            model.add_initialized_tensor(operator.inputs[-1], array)
            continue
        shape = [sizes.get(size, size) for size in array.shape]
        model.add_input_tensor_info(operator.inputs[-1], array.dtype.name, shape)
        if index == 0 and shape:
            operator.bind({"batch": shape[0]})  # type: ignore[dict-item]
    operator.outputs = [f"y{number}_{index}" for index in range(len(evaluated(case, "float32")))]
    model.add_operator(operator)
    model.add_output_tensor_names(*operator.outputs)


@functools.cache
def open_sizes(number: int) -> dict[int, Dim]:
    """The sizes of a case that can be open, with names; axes of the same size share it."""
    case = CASES[number]
    arrays = (a for i, a in enumerate(case.arrays) if a is not None and i not in case.weights)
    found = sorted({size for array in arrays for size in array.shape} - {1})
    opened: dict[int, Dim] = {size: SymbolicDim(f"size{number}_{size}") for size in found}
    if not translates(case, opened):
        names, opened = opened, {}
        for size, name in names.items():
            opened = opened | {size: name} if translates(case, opened | {size: name}) else opened
    return opened


def translates(case: Case, sizes: Sizes) -> bool:
    """Whether code can be generated for a case with these sizes."""
    model = RModel("case")
    try:
        add(model, 0, case, sizes)
        jit_text(lower(model))
    except SofieError:
        return False
    return True


@functools.cache
def opened() -> RModel:
    """All cases with open sizes."""
    model = RModel("open")
    for number, case in enumerate(CASES):
        add(model, number, case, open_sizes(number))
    return model


VARIANTS: dict[str, Callable[[int], int]] = {
    "none": lambda size: 0,
    "one": lambda size: 1,
    "same": lambda size: size,
    "larger": lambda size: size + 3,
}
"""Sizes in place of those of a case."""


def sizes_of(number: int, variant: str) -> dict[int, int]:
    """The open sizes of a case in a variant; those of the case if the operator does not allow the variant's."""
    case, names = CASES[number], open_sizes(number)
    own = {size: size for size in names}
    other = {size: VARIANTS[variant](size) for size in names}
    named, fixed = RModel("open"), RModel("fixed")
    add(named, number, case, names)
    (operator,) = named.operators
    needs = operator.requirements(*(named.tensor_type(name) if name else None for name in operator.inputs))
    if any(need.bind({str(names[size]): n for size, n in other.items()}).holds is False for need in needs):
        return own
    try:
        add(fixed, number, case, other)
        with np.errstate(all="ignore"):
            evaluate(fixed, [*given(case, other).values()])
    except (SofieError, ValueError, IndexError, ZeroDivisionError):
        return own
    return other


FIXED = {"DequantizeLinear: blocks", "Loop", "Loop: all", "If", "If: not"}
"""Cases none of whose sizes can be open: there is a scale for each block of an axis, or a body for known sizes."""


def test_every_operator_can_have_open_sizes() -> None:
    sizes = {case.name: open_sizes(number) for number, case in enumerate(CASES)}
    arrays = {case.name for case in CASES if any(a is not None and a.size > 1 for a in case.arrays)}
    assert {name for name in arrays if not sizes[name]} == FIXED


@functools.cache
def compiled() -> Model:
    """All cases with open sizes, compiled once."""
    return opened().compile()


@pytest.mark.parametrize("variant", VARIANTS)
def test_open_and_fixed_sizes(variant: str) -> None:
    """The same bits; without elements, and for the sizes of the cases, the numbers of ``evaluate``."""
    sizes = {number: sizes_of(number, variant) for number in range(len(CASES))}
    changed = [number for number, found in sizes.items() if any(new != old for old, new in found.items())]
    assert variant == "same" or len(changed) > CHANGED[variant] * len(CASES)
    model, arrays = RModel("fixed"), {}
    for number, case in enumerate(CASES):
        add(model, number, case, sizes[number])
        arrays |= {f"x{number}_{index}": array for index, array in given(case, sizes[number]).items()}
    exact = variant in ("one", "larger")
    expected = model.compile().infer(arrays) if exact else evaluate(model, arrays, "float64")
    limits = {
        name: 0.0 if exact or a.dtype.kind != "f" else 2e-6 for name, a in zip(model.outputs, expected, strict=True)
    }
    wrong = {}
    for (name, limit), found, wanted in zip(limits.items(), compiled().infer(arrays), expected, strict=True):
        if found.shape != wanted.shape or (found.size and distance(found, wanted) > limit):
            wrong[CASES[int(name[1:].partition("_")[0])].name] = found, wanted
    assert wrong == {}


CHANGED = {"none": 0.5, "one": 0.7, "larger": 0.7}
"""The least share of cases whose sizes a variant changes."""
