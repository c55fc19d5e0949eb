"""save_header(self_test=True): a header that proves itself, by another compiler or on another machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

import sofie_jit
from compilers import COMPILERS, build
from sofie_jit.verification.reference import reference

GOLDEN = Path(__file__).parents[1] / "golden"

MAIN = """
#include "net.hxx"
#include <cstdio>
int main()
{
   std::string what;
   const bool right = TMVA_SOFIE_net::self_test(TMVA_SOFIE_net::Session(), &what);
   std::printf("%s %s\\n", right ? "right" : "wrong:", what.c_str());
   return right == TMVA_SOFIE_net::self_test() ? 0 : 1;
}
"""


def answer(program: Path) -> str:
    run = subprocess.run([str(program)], cwd=program.parent, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.mark.parametrize(
    ("name", "compiler", "flags", "options"),
    [
        ("keras3/functional.keras", COMPILERS[0], ("-march=native",), {}),
        ("keras3/recurrent.keras", COMPILERS[-1], (), {"weights": "embedded"}),  # without fused multiply-add
        ("keras3/mlp.keras", COMPILERS[0], (), {"dispatch": True, "weights": "binary"}),
    ],
    ids=["functional", "recurrent", "dispatch"],
)
def test_headers_prove_themselves(name, compiler, flags, options, tmp_path: Path) -> None:
    model = sofie_jit.load(GOLDEN / name)
    model.save_header(tmp_path / "net.hxx", self_test=True, **options)
    assert answer(build(tmp_path, MAIN, compiler, *flags)) == "right"


def test_another_network_is_found_out(tmp_path: Path) -> None:
    model = sofie_jit.load(GOLDEN / "keras3" / "mlp.keras")
    model.save_header(tmp_path / "net.hxx", self_test=True)
    program = build(tmp_path, MAIN, COMPILERS[0])
    assert answer(program) == "right"
    weights = (tmp_path / "net.dat").read_text()
    for number, says in (("0.5", "instead of"), ("nan", "nan instead of")):
        changed = re.sub(r"\n(\S+)", f"\n{number}", weights, count=1)
        (tmp_path / "net.dat").write_text(changed)
        assert re.match(rf"wrong: .*element \d+: .*{says}", answer(program))


def test_the_reference_has_sizes_for_open_dimensions_and_integers_in_range() -> None:
    found = reference(sofie_jit.load(GOLDEN / "keras3" / "recurrent.keras").rmodel)
    assert set(found.dims) >= {"batch"}
    assert all(isinstance(values, np.ndarray) for values in [*found.inputs, *found.outputs])
    assert all(tolerance >= 1e-6 for tolerance in found.tolerances)


def test_headers_without_it_do_not_have_it(tmp_path: Path) -> None:
    sofie_jit.load(GOLDEN / "keras3" / "mlp.keras").save_header(tmp_path / "net.hxx")
    assert "self_test" not in (tmp_path / "net.hxx").read_text()
