"""The engines of PyTorch in ``sofie-jit bench``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sofie_jit.bench import difference, prepare  # noqa: E402
from sofie_jit.bench.measure import measure  # noqa: E402
from sofie_jit.demo import MODEL_FILE  # noqa: E402
from sofie_jit.errors import InputError  # noqa: E402

X = np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32)


@pytest.fixture
def module() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(16, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)).eval()


@pytest.fixture
def exported(module: torch.nn.Module, tmp_path: Path) -> Path:
    batch = torch.export.Dim("batch")
    program = torch.export.export(module, (torch.from_numpy(X),), dynamic_shapes=({0: batch},))
    torch.export.save(program, tmp_path / "m.pt2")
    return tmp_path / "m.pt2"


def test_engines_agree_with_the_module(module: torch.nn.Module, exported: Path, tmp_path: Path) -> None:
    wanted = module(torch.from_numpy(X)).detach().numpy()
    torch.jit.save(torch.jit.trace(module, torch.from_numpy(X)), tmp_path / "m.pt")
    for engine, path in (("PyTorch", exported), ("PyTorch", tmp_path / "m.pt"), ("torch.compile", exported)):
        assert difference(prepare(engine, path, (X,))(X), wanted) < 1e-6


def test_bench_of_a_file(exported: Path) -> None:
    cells, _ = measure(exported, batches=[2], engines=["sofie_jit", "PyTorch"], rounds=1, block=0.001)
    assert [cell.engine for cell in cells] == ["sofie_jit", "PyTorch"]
    assert all(cell.median > 0 and not cell.problem for cell in cells)


def test_other_formats_are_refused() -> None:
    with pytest.raises(InputError, match="it runs models of PyTorch only"):
        prepare("PyTorch", MODEL_FILE, (X,))
