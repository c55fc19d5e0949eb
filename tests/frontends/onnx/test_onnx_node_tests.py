"""ONNX's own tests: each passes, or is refused for the reason that the table in ``refused_nodes.txt`` gives."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from node_cases import cases, problem, refused, version

PARTS = 20

of_this_version = pytest.mark.skipif(
    onnx.__version__ != version(),
    reason=f"the table lists tests of onnx {version()}; onnx {onnx.__version__} is installed",
)


@of_this_version
@pytest.mark.parametrize("part", range(PARTS))
def test_evaluated_in_numpy(part):
    table = refused()
    for name, case in sorted(cases().items())[part::PARTS]:
        assert problem(case) == table.get(name, ""), name


@of_this_version
@pytest.mark.parametrize("part", range(1))
def test_some_compiled(part):
    names = [name for name in sorted(cases()) if name not in refused()]
    for name in names[part::60]:
        assert problem(cases()[name], compiled=True) == "", name


@of_this_version
@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_all_compiled(part):
    names = [name for name in sorted(cases()) if name not in refused()]
    for name in names[part::PARTS]:
        assert problem(cases()[name], compiled=True) == "", name


def test_exporters_of_pytorch_are_supported():
    assert not [name for name in refused() if name.startswith("pytorch")]


def test_the_table_is_of_the_version_that_is_pinned():
    """A newer version has other tests; it comes with a new table."""
    assert f'"onnx=={version()}"' in (Path(__file__).parents[3] / "pyproject.toml").read_text()
