"""The examples in docstrings do what they say.

``sofie_jit.ir.ops`` and ``sofie_jit.ir.operators`` have tests of their own, which provide the tensors of the examples.
"""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import sofie_jit

ELSEWHERE = ("sofie_jit.ir.ops", "sofie_jit.ir.operators", "sofie_jit.ir.builder", "sofie_jit.ir.promotion")


def has_examples(module: str) -> bool:
    path = Path(sofie_jit.__path__[0]).parent / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ">>> " in file.read_text()


MODULES = [
    module.name
    for module in pkgutil.walk_packages(sofie_jit.__path__, "sofie_jit.")
    if not module.name.startswith(ELSEWHERE) and has_examples(module.name)
]


def test_modules_are_found() -> None:
    assert {"sofie_jit.loading", "sofie_jit.ir.rmodel", "sofie_jit.models.model"} < set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sofie_jit.models.profiling.BUDGET", 0.02)
    if name == "sofie_jit.models.dask":
        pytest.importorskip("dask.array")
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert failed == 0
    assert tried > 0
