"""ONNX's own tests: each passes, or is refused for the reason that the table in ``refused_nodes.txt`` gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from node_cases import cases, problem, refused, version
from onnx_files import WHEEL

import sofie_jit

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


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((WHEEL / "light").glob("*.onnx")), ids=lambda path: path.stem)
def test_light_networks(path):
    """Known networks with constant weights."""
    graph = onnx.load(path).graph
    weights = {tensor.name for tensor in graph.initializer}
    (given,) = (value for value in graph.input if value.name not in weights)
    shape = [dim.dim_value for dim in given.type.tensor_type.shape.dim]
    x = (np.arange(np.prod(shape)).reshape(shape) / np.prod(shape)).astype(np.float32)
    expected = onnx.numpy_helper.to_array(onnx.load_tensor(path.with_name(f"{path.stem}_output_0.pb")))
    np.testing.assert_allclose(sofie_jit.load(path).infer(x), expected, rtol=1e-3, atol=1e-7)


def test_nearly_all_are_supported():
    """The reasons of the others are in the table, each in the words of the error."""
    assert set(refused()) < set(cases())
    assert len(refused()) < 0.02 * len(cases())
    reasons = (
        "training is not supported",
        "training_mode is true",
        "it draws random numbers",
        "it reads or writes images",
    )
    assert not [name for name, why in refused().items() if not any(reason in why for reason in reasons)]


def test_exporters_of_pytorch_are_supported():
    assert not [name for name in refused() if name.startswith("pytorch")]


def test_the_table_is_of_the_version_that_is_pinned():
    """A newer version has other tests; it comes with a new table."""
    assert f'"onnx=={version()}"' in (Path(__file__).parents[3] / "pyproject.toml").read_text()
