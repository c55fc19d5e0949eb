"""The examples in docstrings of models, networks and reports do what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = [
    "ir.facade", "ir.rmodel", "jit.threads", "models.arguments", "models.dask", "models.model",
    "models.stateful_model", "report.colors", "report.display", "report.profile", "report.tables",
]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sofie_jit.models.profiling.BUDGET", 0.02)
    if name == "models.dask":
        pytest.importorskip("dask.array")
    failed, tried = doctest.testmod(importlib.import_module(f"sofie_jit.{name}"))
    assert failed == 0
    assert tried > 0
