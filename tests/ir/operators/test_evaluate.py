"""ROperator.evaluate and compiled code give the same numbers, also of no rows, NaN, infinities and denormals."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import pytest

import accuracy
from operator_cases import BATCH, CASES, Case, feed, model_of
from sofie_jit import Model, RModel
from sofie_jit.errors import OutOfRangeError, ShapeError
from sofie_jit.ir.operators import RoiAlign, ScatterElements, all_operators
from sofie_jit.ir.types import TensorType
from sofie_jit.verification.difference import distance
from sofie_jit.verification.evaluate import evaluate


@functools.cache
def rmodel(dtype: str) -> RModel:
    """All cases in one model."""
    return model_of(CASES, dtype)


@functools.cache
def compiled(dtype: str, optimize: bool) -> Model:
    """All cases, compiled once."""
    return rmodel(dtype).compile(optimize=optimize)


def outputs(model: RModel, results: list[np.ndarray]) -> Iterator[tuple[Case, np.ndarray]]:
    """Each output of :func:`rmodel` with its case."""
    for name, result in zip(model.outputs, results, strict=True):
        yield CASES[int(name[1:].partition("_")[0])], result


def test_every_operator_has_a_case() -> None:
    assert {case.operator.op_type for case in CASES} == all_operators().keys() - accuracy.GROUPS


@pytest.mark.parametrize("rows", [0, 1, BATCH])
@pytest.mark.parametrize(
    ("dtype", "optimize", "tolerance"), [("float64", True, 1e-13), ("float32", True, 1e-6), ("float32", False, 1e-6)]
)
def test_compiled_code_gives_what_evaluate_gives(dtype: str, optimize: bool, tolerance: float, rows: int) -> None:
    given = feed(CASES, dtype, rows)
    results = compiled(dtype, optimize).infer(given)
    exact = evaluate(rmodel(dtype), given, "float64")
    wrong = {}
    for (case, found), expected in zip(outputs(rmodel(dtype), results), exact, strict=True):
        assert found.shape == expected.shape, case.name
        if found.dtype.kind != "f":
            assert found.dtype == expected.dtype, case.name
            np.testing.assert_array_equal(found, expected, err_msg=case.name)
        elif (error := distance(found, expected)) > tolerance:
            wrong[case.name] = error
    assert wrong == {}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_evaluate_keeps_the_precision(dtype: str) -> None:
    """In float32 it is about as accurate as compiled code."""
    given = feed(CASES, dtype)
    results, exact = evaluate(rmodel(dtype), given), evaluate(rmodel(dtype), given, "float64")
    for (case, found), expected, name in zip(
        outputs(rmodel(dtype), results), exact, rmodel(dtype).outputs, strict=True
    ):
        assert found.dtype.name == rmodel(dtype).tensor_type(name).dtype, case.name
        assert distance(found, expected) < 2e-6, case.name


SPECIAL = {"NaN": [np.nan], "infinity": [np.inf, -np.inf], "denormal": [1e-310, -1e-310], "zero": [0.0, -0.0]}
"""Kinds of numbers -> the numbers that every seventh element of an input has in turn."""


REGIONS = {f"x{number}_1" for number, case in enumerate(CASES) if case.operator.op_type == "RoiAlign"}
"""Inputs that must be finite: the regions of RoiAlign."""


@pytest.mark.parametrize("kind", SPECIAL)
def test_special_numbers(kind: str) -> None:
    """NaN and infinities come out in the same places; the last row of the batch has none."""

    def special(array: np.ndarray) -> np.ndarray:
        changed = array.copy()
        flat = changed[:-1].reshape(-1) if array.dtype.kind == "f" and array.ndim else changed.reshape(-1)[:0]
        flat[::7] = np.resize(SPECIAL[kind], flat[::7].shape)
        return changed

    given = {name: array if name in REGIONS else special(array) for name, array in feed(CASES, "float64").items()}
    results, exact = compiled("float64", True).infer(given), evaluate(rmodel("float64"), given)
    wrong = {
        case.name: (found, expected)
        for (case, found), expected in zip(outputs(rmodel("float64"), results), exact, strict=True)
        if (distance(found, expected) > 1e-12 if found.dtype.kind == "f" else (found != expected).any())
    }
    assert wrong == {}


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_regions_that_are_not_finite_are_refused(number: float) -> None:
    for region in REGIONS:
        given = feed(CASES, "float64")
        given[region] = given[region].copy()
        given[region][2, 3] = number
        with pytest.raises(OutOfRangeError, match="the size of a region is not a number below a million pixels"):
            compiled("float64", True).infer(given)
        with pytest.raises(OutOfRangeError, match=f"a region has the size {number}"):
            evaluate(rmodel("float64"), given)
    assert len(REGIONS) == 2


@pytest.mark.parametrize("size", [1e6, -1e6])
def test_regions_at_the_limit_are_refused(size: float) -> None:
    """The limit itself is too large, what is below it is not."""
    operator = RoiAlign(sampling_ratio=1, coordinate_transformation_mode="half_pixel")
    x, image = np.ones((1, 1, 2, 2)), np.array([0])
    for axis in (2, 3):
        region = np.zeros((1, 4))
        region[0, axis] = size
        with pytest.raises(OutOfRangeError, match="a region has the size"):
            operator.evaluate(x, region, image)
        region[0, axis] = size * (1 - 1e-9)
        assert operator.evaluate(x, region, image).shape == (1, 1, 1, 1)


@pytest.mark.parametrize(
    "shapes",
    [
        [("batch", 4, 6), ("batch", 2, 6), ("batch", 2, 5)],
        [("batch", 4, 6), ("batch", 2), ("batch", 2)],
        [("batch", 4, 6), ("batch", 2, 7), ("batch", 2, 7)],
    ],
    ids=["updates", "rank", "larger"],
)
def test_scattered_elements_must_fit(shapes: list[tuple[str | int, ...]]) -> None:
    kinds = [TensorType(kind, shape) for kind, shape in zip(("float32", "int32", "float32"), shapes, strict=True)]
    with pytest.raises(ShapeError, match="do not fit each other"):
        ScatterElements(axis=1).infer(*kinds)
    data = TensorType("float32", ("batch", 4, 6))
    longer = TensorType("int32", ("batch", 9, 6))  # along the axis, indices may be more than elements
    assert ScatterElements(axis=1).infer(data, longer, TensorType("float32", longer.shape)) == data
