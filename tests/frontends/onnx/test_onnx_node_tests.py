"""ONNX's own tests: each passes, or is refused for the reason that the table in ``refused_nodes.txt`` gives."""

from __future__ import annotations

import pytest
from node_cases import cases, problem, refused

PARTS = 20


@pytest.mark.parametrize("part", range(PARTS))
def test_evaluated_in_numpy(part):
    table = refused()
    for name, case in sorted(cases().items())[part::PARTS]:
        assert problem(case) == table.get(name, ""), name


@pytest.mark.parametrize("part", range(1))
def test_some_compiled(part):
    names = [name for name in sorted(cases()) if name not in refused()]
    for name in names[part::60]:
        assert problem(cases()[name], compiled=True) == "", name


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_all_compiled(part):
    names = [name for name in sorted(cases()) if name not in refused()]
    for name in names[part::PARTS]:
        assert problem(cases()[name], compiled=True) == "", name


def test_exporters_of_pytorch_are_supported():
    assert not [name for name in refused() if name.startswith("pytorch")]
