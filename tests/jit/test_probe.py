"""Cling does not start where it would end the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import sofie_jit
from sofie_jit.cli import main
from sofie_jit.jit import cache_folder, cling, probe

HIDE = ["unshare", "-m", "sh", "-c"]
MOUNTS = "mount -t tmpfs none /usr/include && mount -t tmpfs none /usr/lib/gcc && "


@pytest.fixture
def unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A process in which nothing is known about Cling, and a system with headers in unusual places."""
    monkeypatch.setenv(cache_folder.VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(probe, "USUAL", ("/no/such/header",))
    monkeypatch.setattr(probe, "_failures", [])
    monkeypatch.delitem(sys.modules, "cppyy", raising=False)


@pytest.mark.usefixtures("unknown")
def test_a_success_is_remembered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tried = []
    monkeypatch.setattr(probe, "_try", lambda program: tried.append(program) or "")
    probe.check()
    probe.check()
    assert len(tried) == len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.usefixtures("unknown")
def test_a_failure_is_an_error_of_this_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(probe, "_PROGRAM", "import sys; sys.exit('input_line_1: fatal error: no headers')")
    for _ in range(2):
        with pytest.raises(sofie_jit.MissingDependencyError, match=r"no headers.*g\+\+.*save_library"):
            cling.start()
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.usefixtures("unknown")
@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import os; print('about to fall', flush=True); os.abort()", "about to fall"),
        ("import os; os.abort()", "exit code -6"),
        ("print('started')", ""),
    ],
)
def test_crashes(program: str, reason: str) -> None:
    assert reason in probe._try(program)
    assert bool(reason) == bool(probe._try(program))


@pytest.mark.usefixtures("unknown")
def test_the_real_program() -> None:
    assert probe._try(probe._PROGRAM.format(path=sys.path)) == ""


def test_usual_headers_need_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    if not probe._has_usual_headers():
        pytest.skip("the headers are in unusual places here")
    monkeypatch.setattr(probe, "_try", lambda program: pytest.fail("a process was started"))
    monkeypatch.delitem(sys.modules, "cppyy", raising=False)
    probe.check()


@pytest.mark.skipif(
    subprocess.run([*HIDE, MOUNTS + "true"], capture_output=True).returncode != 0,
    reason="this user cannot hide the system's headers",
)
def test_without_headers() -> None:
    program = f"{MOUNTS} exec {sys.executable} -m sofie_jit doctor"
    run = subprocess.run([*HIDE, program], capture_output=True, text=True)
    assert run.returncode == 1
    assert "file not found. Install a C++ compiler" in run.stdout
    assert run.stderr == ""


def test_doctor_reports_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        raise sofie_jit.MissingDependencyError("no headers")

    monkeypatch.setattr("sofie_jit.jit.runtime_functions.start", fails)
    assert main(["doctor"]) in (0, 1)
    assert "PROBLEM: no headers" in capsys.readouterr().out
