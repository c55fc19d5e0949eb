"""ROperator.evaluate and compiled code give the same numbers."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import accuracy
from operator_cases import BATCH, CASES, Case, evaluated, feed, model_of
from sofie_jit import Model
from sofie_jit.ir.operators import all_operators
from sofie_jit.verification.comparison import distance


@functools.cache
def compiled(dtype: str, optimize: bool) -> Model:
    """All cases, compiled once."""
    return model_of(CASES, dtype).compile(optimize=optimize)


def with_inputs_of(case: Case, dtype: str) -> Case:
    """``case`` with its inputs rounded to ``dtype``."""
    return Case(case.name, case.operator, tuple(case.inputs(dtype)), case.weights, case.fixed)


def test_every_operator_has_a_case() -> None:
    assert {case.operator.op_type for case in CASES} == all_operators().keys() - accuracy.GROUPS


@pytest.mark.parametrize("rows", [0, 1, BATCH])
@pytest.mark.parametrize(
    ("dtype", "optimize", "tolerance"), [("float64", True, 1e-13), ("float32", True, 1e-6), ("float32", False, 1e-6)]
)
def test_compiled_code_gives_what_evaluate_gives(dtype: str, optimize: bool, tolerance: float, rows: int) -> None:
    results = iter(compiled(dtype, optimize).infer(feed(CASES, dtype, rows)))
    wrong = {}
    for case in CASES:
        for expected in evaluated(with_inputs_of(case, dtype), "float64", rows):
            found = next(results)
            assert found.shape == expected.shape, case.name
            if found.dtype.kind != "f":
                assert found.dtype == expected.dtype, case.name
                np.testing.assert_array_equal(found, expected, err_msg=case.name)
            elif (error := distance(found, expected)) > tolerance:
                wrong[case.name] = error
    assert wrong == {}
