"""Import and installation of the package."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import sofie_jit
from sofie_jit.jit.cling import is_root_fork

HEAVY = ["cppyy", "h5py", "tensorflow", "keras", "matplotlib"]


def imported_by(code: str) -> list[str]:
    """The heavy modules that a new interpreter has loaded after it ran ``code``."""
    script = f"import json, sys\n{code}\nprint(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def test_import_is_light() -> None:
    assert imported_by("import sofie_jit") == []


def test_building_an_rmodel_by_hand_needs_no_compiler() -> None:
    code = """
import sofie_jit
from sofie_jit.ir.operators import Relu
model = sofie_jit.RModel("m")
model.add_input_tensor_info("x", "float32", (None, 3))
model.add_operator(Relu(inputs=["x"], outputs=["y"]))
model.add_output_tensor_names("y")
model.generate()"""
    assert imported_by(code) == []


def test_reading_a_file_needs_neither_compiler_nor_keras() -> None:
    code = """
from sofie_jit.demo import MODEL_FILE
from sofie_jit import frontends
frontends.open(MODEL_FILE)().generate()"""
    assert imported_by(code) == ["h5py"]


COMPILED = """
import numpy as np, sofie_jit
from sofie_jit.demo import MODEL_FILE, load_digits
digits = load_digits()
for _ in range(6):
    y = sofie_jit.load(MODEL_FILE).infer(digits.images)
assert np.abs(y - digits.keras).max() < 1e-6
"""

CPPYY = """
import cppyy
cppyy.cppdef("namespace mine { int one() { return 1; } }")
assert cppyy.gbl.mine.one() == 1
"""


@pytest.mark.skipif(is_root_fork(), reason="ROOT's cppyy has another way")
def test_load_and_infer_need_neither_keras_nor_the_python_side_of_cppyy() -> None:
    assert imported_by(COMPILED) == ["h5py"]


def test_version_is_the_installed_one() -> None:
    assert importlib.metadata.version("sofie_jit") == sofie_jit.__version__


@pytest.mark.parametrize("name", sofie_jit.__all__)
def test_everything_public_is_there_and_documented(name: str) -> None:
    assert getattr(sofie_jit, name).__doc__


def test_shipped_files_are_small() -> None:
    demo = Path(sofie_jit.__file__).parent / "demo"
    assert sum(path.stat().st_size for path in demo.iterdir() if path.is_file()) < 300_000


def test_errors_derive_from_the_base_and_from_what_a_user_would_catch() -> None:
    for name in sofie_jit.__all__:
        error = getattr(sofie_jit, name)
        if isinstance(error, type) and issubclass(error, sofie_jit.SofieError) and error is not sofie_jit.SofieError:
            builtins = {base for base in error.__mro__ if base.__module__ == "builtins"}
            assert len(builtins - {Exception, BaseException, object}) >= 1, name


def test_operators_are_found_by_name() -> None:
    from sofie_jit.ir import operators
    from sofie_jit.ir.operators.gemm import Gemm

    assert operators.Gemm is Gemm
    assert {"Gemm", "MatMul", "Relu", "Transpose", "Conv"} <= set(dir(operators))
    with pytest.raises(AttributeError, match="no operator 'Nonsense'"):
        operators.Nonsense  # noqa: B018


@pytest.mark.parametrize("code", [CPPYY + COMPILED, COMPILED + CPPYY], ids=["before", "after"])
def test_cppyy_may_be_in_use_too(code: str) -> None:
    assert imported_by(f"{code}\nassert cppyy.gbl.mine.one() == 1") == ["cppyy", "h5py"]


PATCHED = """
import os
import sys
can = os.access
os.access = lambda path, mode: can(path, mode) and not (mode & os.W_OK and "cppyy" in os.fspath(path))
import sofie_jit
from sofie_jit.demo import MODEL_FILE, load_digits
try:
    sofie_jit.load(MODEL_FILE).infer(load_digits().images)
except sofie_jit.MissingDependencyError as error:
    sys.exit(str(error))
print(os.environ["CLING_STANDARD_PCH"])
"""
"""Runs the demo network with all files of cppyy read-only, for root, too."""


@pytest.mark.skipif(is_root_fork(), reason="ROOT's cppyy has another way")
def test_the_installation_may_be_read_only(tmp_path: Path) -> None:
    """The precompiled header of cppyy is used if it exists; otherwise one is made in the user's cache, once."""

    def run(**environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", PATCHED]
        kept = {name: value for name, value in os.environ.items() if name != "CLING_STANDARD_PCH"}
        cache = {"XDG_CACHE_HOME": str(tmp_path)}
        return subprocess.run(command, env={**kept, **cache, **environment}, capture_output=True, text=True)

    there = run()
    assert there.returncode == 0, there.stderr
    assert not there.stderr
    assert not list(tmp_path.iterdir())

    gone = {"CLING_STANDARD_PCH": "/proc/cppyy/gone.pch"}
    for said in ("is not writable: making", ""):
        made = run(**gone)
        assert made.returncode == 0, made.stderr
        assert said in made.stderr
        assert bool(made.stderr) == bool(said)
        assert [str(path) for path in (tmp_path / "sofie_jit").iterdir()] == [made.stdout.splitlines()[-1]]

    nowhere = run(**gone, XDG_CACHE_HOME="/proc/nowhere")
    assert nowhere.returncode == 1
    assert "set CLING_STANDARD_PCH to a file that can be written" in nowhere.stderr
    assert "pip install" not in nowhere.stderr
