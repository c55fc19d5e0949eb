"""The examples in docstrings of frontends, commands and tools do what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = [
    "bench", "bench.environment", "bench.report", "demo", "errors", "extend", "frontends", "frontends.base",
    "frontends.content", "frontends.keras.dialects", "frontends.keras.files", "frontends.keras.graph",
    "frontends.keras.layers.adaptive_pooling", "frontends.keras.layers.spatial", "frontends.keras.saved_model",
    "frontends.keras.support", "frontends.keras.weights", "frontends.limits", "frontends.sandbox.reader", "loading",
    "report.timing", "verification.comparison",
]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(f"sofie_jit.{name}"))
    assert failed == 0
    assert tried > 0
