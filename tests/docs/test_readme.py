"""The code of the README runs, its list of commands is complete, and it is short."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sofie_jit.cli import COMMANDS, main

README = Path(__file__).parents[2] / "README.md"
TEXT = README.read_text()


def blocks(language: str) -> list[str]:
    """Return the code blocks of the README in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory in which the Python blocks of the README have run, one after the other."""
    directory = tmp_path_factory.mktemp("readme")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        names: dict[str, object] = {"__name__": "readme"}
        for number, block in enumerate(blocks("python")):
            exec(compile(block, f"README.md, Python block {number}", "exec"), names)
            np.savez(directory / f"block{number}.npz", **{k: v for k, v in names.items() if k in ("x", "y")})
    return directory


def test_python(workdir: Path) -> None:
    import keras

    recorded = np.load(workdir / "block1.npz")
    expected = keras.models.load_model(workdir / "m.h5", compile=False)(recorded["x"])
    np.testing.assert_allclose(recorded["y"], expected, rtol=0, atol=1e-6)
    assert (workdir / "by_hand.hxx").exists()


@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
def test_cpp(workdir: Path) -> None:
    import keras

    (block,) = blocks("cpp")
    (workdir / "main.cc").write_text(block)
    (command,) = re.findall(r"`(g\+\+ [^`]*)`", TEXT)
    subprocess.run([*shlex.split(command), "main.cc", "-o", "main"], cwd=workdir, check=True)
    run = subprocess.run(["./main"], cwd=workdir, check=True, capture_output=True, text=True)
    expected = keras.models.load_model(workdir / "m.h5", compile=False)(np.full((2, 16), 0.5, np.float32))
    np.testing.assert_allclose(np.array(run.stdout.split(), float), np.ravel(expected), rtol=0, atol=1e-6)


def test_command_line(workdir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(workdir)
    np.save("x.npy", np.zeros((3, 16)))
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("sofie-jit")]
    for line in lines:
        assert main(shlex.split(line, comments=True)[1:]) == 0, line
    assert {shlex.split(line)[1] for line in lines} | {"demo"} == set(COMMANDS)
    assert np.load("y.npy").shape == (3, 5)
    capsys.readouterr()


def test_the_readme_is_short() -> None:
    assert len(TEXT) <= 12_000
    first_screen = TEXT[:2000]
    assert "It is for people who" in first_screen
    assert "sofie_jit.load(" in first_screen


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert len(targets) > 20
    for target in targets:
        assert target.startswith("https://") or (README.parent / target).exists(), target
