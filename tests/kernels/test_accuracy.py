"""The error of every operator against float64, of the elementary functions for every float32, and docs/accuracy.md."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import accuracy
import operator_cases
import tolerance
from compilers import cpu_flags
from sofie_jit.verification.evaluate import evaluate

pytest.importorskip("keras")

AGAIN = "run python -m tests.accuracy"


def test_every_operator_has_a_row() -> None:
    assert accuracy.missing() == [], f"add rows to tests/accuracy.py and {AGAIN}"


def test_operators_without_layer() -> None:
    """Compiled for float32: exact if they copy or count, else within the tolerance of the evaluation in float64."""
    without = accuracy.WITHOUT_LAYER | accuracy.INEXACT_WITHOUT_LAYER
    cases = [case for case in operator_cases.CASES if case.operator.op_type in without]
    assert {case.operator.op_type for case in cases} == without
    model, given = operator_cases.model_of(cases, "float32"), operator_cases.feed(cases, "float32")
    results = dict(zip(model.outputs, model.compile().infer(given), strict=True))
    exact = dict(zip(model.outputs, evaluate(model, given, "float64"), strict=True))
    for name, result in results.items():
        case = cases[int(name[1:].partition("_")[0])]
        allowed = 0.0 if case.operator.op_type in accuracy.WITHOUT_LAYER else tolerance.ABSOLUTE
        assert result.shape == exact[name].shape, case.name
        assert tolerance.distance(result, exact[name]) <= allowed, case.name


def test_every_row_is_accepted() -> None:
    results = accuracy.measured()
    assert {name: row for name, row in results.items() if not row.accepted} == {}
    others = {name for name, row in results.items() if name not in row.operators}
    assert others == {"Winograd"}  # a way of Conv
    assert "WinogradConv" in results["Winograd"].operators


def test_the_document_lists_every_operator() -> None:
    listed = {line.split()[1] for line in accuracy.DOCUMENT.read_text().splitlines() if line.startswith("| ")}
    assert accuracy.rows().keys() <= listed, AGAIN


@pytest.mark.slow  # a minute on all cores; test_kernels.py measures every 9973rd float and all critical ones
@pytest.mark.skipif(not cpu_flags() & {"fma", "asimd"}, reason="errors are guaranteed with fused multiply-add only")
@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
def test_every_float32(tmp_path: Path) -> None:
    """The program checks the bounds; the errors must equal those of the document on every machine."""
    found = accuracy.ulp_rows(accuracy.ulps_of_all_floats(tmp_path))
    assert len(found) == 8
    assert not set(found) - set(accuracy.DOCUMENT.read_text().splitlines()), AGAIN
