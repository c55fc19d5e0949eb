"""Branches and loops of PyTorch modules that depend on data, against torch, at the edges. Needs torch."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch, which has an environment of its own in .ci/run")

import control_modules  # noqa: E402
from modules import CASES, Function  # noqa: E402
from scripted_modules import SCRIPTED  # noqa: E402
from torch._higher_order_ops.while_loop import while_loop  # noqa: E402

import sofie_jit  # noqa: E402
from compilers import build  # noqa: E402
from sofie_jit import frontends  # noqa: E402
from sofie_jit.errors import UnsupportedLayerError  # noqa: E402
from sofie_jit.frontends.base import leaves  # noqa: E402
from sofie_jit.verification.difference import TOLERANCE, distance  # noqa: E402
from sofie_jit.verification.evaluate import evaluate  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
SIGNS = (lambda x: x, abs, lambda x: -abs(x), lambda x: 20 * abs(x), lambda x: 0 * x, lambda x: x * float("nan"))
PER_SIZE = ("OfSize", "ListOfRows")
"""Modules that are compiled for each number of rows."""


def arrays(value: Any) -> list[np.ndarray]:
    """The tensors and numbers in nested results, in order."""
    if isinstance(value, (list, tuple)):
        return [array for part in value for array in arrays(part)]
    return [value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)]


def check(found: Any, expected: Any) -> None:
    """Asserts equal results, whose floating-point numbers may be rounded differently."""
    listed, wanted = leaves(found), arrays(expected)
    assert [(y.shape, y.dtype) for y in listed] == [(y.shape, y.dtype) for y in wanted]
    for index, (ours, theirs) in enumerate(zip(listed, wanted, strict=True)):
        if np.issubdtype(theirs.dtype, np.floating):
            assert distance(ours, theirs) <= 10 * TOLERANCE, index
        else:
            assert np.array_equal(ours, theirs), index


@pytest.mark.parametrize("name", SCRIPTED)
def test_scripted(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = torch.jit.script(SCRIPTED[name]().eval())
    torch.jit.save(module, tmp_path / "m.pt")
    model = sofie_jit.load(tmp_path / "m.pt", input_shapes=[(None, 3)])
    network = None if name in PER_SIZE else frontends.open(tmp_path / "m.pt", input_shapes=[(None, 3)])()
    assert (type(model).__name__ == "SizeModel") == (name in PER_SIZE)
    for batch in (0, 1, 2, 5):
        for sign in SIGNS[: 5 if name in INTEGERS else 6]:
            x = sign(torch.randn(batch, 3))
            if name == "Checked" and x.isnan().any():
                continue
            expected = module(x.clone())
            check(model.infer(x.numpy()), expected)
            if network is not None:
                check(evaluate(network, [x.numpy()]), expected)


INTEGERS = ("ComputedCount", "Nested", "Numbers", "NumbersAndTensors")
"""Modules that make integers of numbers, of NaN as well, which is not defined."""


@pytest.mark.parametrize("name", ["cond_nested", "while_counted", "while_with_branch", "cond_of_integers"])
def test_exported(name: str) -> None:
    """Batches of all signs, without rows, and of NaN."""
    torch.manual_seed(0)
    module = CASES[name].module().eval()
    (example,) = CASES[name].inputs(4)
    shapes = ({0: torch.export.Dim("batch")},)
    options = {"dynamic_shapes": (shapes,) if isinstance(module, Function) else shapes}
    model = sofie_jit.load(module, example_inputs=(example,), **options)
    for batch in (0, 1, 5):
        for sign in SIGNS[:5] if name == "cond_nested" else SIGNS:
            x = sign(torch.randn(batch, *example.shape[1:]))
            check(model.infer(x.numpy()), module(x))


class OfSize(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> Any:
        return torch.cond(x.shape[0] > 4, lambda y: y * 2, lambda y: y - 1, (x,))


def test_a_condition_on_an_open_size() -> None:
    module, x = OfSize(), torch.randn(5, 3)
    program = torch.export.export(module, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    model = sofie_jit.load(program)
    for rows in (2, 4, 5, 7):
        x = torch.randn(rows, 3)
        check(model.infer(x.numpy()), module(x))
    fixed = sofie_jit.load(program, input_shapes=[(5, 3)])
    check(fixed.infer(torch.ones(5, 3).numpy()), module(torch.ones(5, 3)))


class MixedCarried(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> Any:
        return while_loop(lambda i, y: i < x.shape[0], lambda i, y: (i + 1, y * 2), (0, x))


def test_programs_that_torch_cannot_save() -> None:
    with pytest.raises(UnsupportedLayerError, match=r"MixedCarried: torch\.export cannot save it"):
        frontends.open(MixedCarried(), example_inputs=(torch.randn(4, 3),))


class Both(torch.nn.Module):
    """A branch and a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.nested = control_modules.cond_nested()

    def forward(self, x: torch.Tensor) -> Any:
        y, _, _ = self.nested(x)
        return while_loop(lambda i, y: (i < 4) & (y.sum() < 5), lambda i, y: (i + 1, y + 1), (torch.tensor(0), y))


def test_header(tmp_path: Path) -> None:
    torch.manual_seed(1)
    module, x = Both().eval(), torch.randn(3, 6)
    model = sofie_jit.load(module, example_inputs=(x,))
    model.save_header(tmp_path / "net.hxx", weights="embedded")
    rows = [x, x.abs(), 3 * x.abs()]
    listed = ", ".join(f"{value!r}f" for part in rows for value in part.numpy().ravel().tolist())
    source = f"""
#include "net.hxx"
#include <cstdio>
int main()
{{
   const float x[] = {{{listed}}};
   const TMVA_SOFIE_net::Session session;
   for (int call = 0; call < 3; ++call) {{
      const auto [count, y] = session.infer(3, x + 18 * call);
      std::printf("%d", static_cast<int>(count[0]));
      for (const float value : y)
         std::printf(" %.9g", static_cast<double>(value));
      std::printf("\\n");
   }}
}}
"""
    program = build(tmp_path, source, "g++")
    lines = subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()
    for line, part in zip(lines, rows, strict=True):
        count, y = module(part)
        numbers = [float(text) for text in line.split()]
        assert numbers[0] == count.item()
        check(np.array(numbers[1:], np.float32).reshape(3, 6), y)
