"""The Python and C++ code of the documentation runs, its worked example passes, and the site builds cleanly."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NOT_RUN = ("architecture.md", "contributing.md", "custom_layers.md", "pytorch.md")
"""Pages whose code is only part of a program, or needs torch."""
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if "```python" in page.read_text() and page.name not in NOT_RUN]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save the model ``m.h5`` that the pages use, with 16 inputs and 5 outputs."""
    import keras

    layers = [keras.Input((16,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(5, "softmax")]
    path = tmp_path_factory.mktemp("docs") / "m.h5"
    keras.Sequential(layers).save(path)
    return path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page(page: Path, model_file: Path, tmp_path: Path) -> None:
    shutil.copy(model_file, tmp_path)
    (tmp_path / "page.py").write_text("\n\n".join(blocks(page, "python")))
    environment = {**os.environ, "PYTHONPATH": os.fspath(ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "page.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    for code in blocks(page, "cpp"):
        if "int main" in code:
            (tmp_path / "main.cc").write_text(code)
            flags = ["-std=c++17", "-O1", "-march=native", "-pthread", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
            subprocess.run(["g++", *flags, "main.cc", "-o", "main"], cwd=tmp_path, check=True)
            assert subprocess.run(["./main"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout


def test_worked_example(tmp_path: Path) -> None:
    text = (DOCS / "contributing.md").read_text()
    files = re.findall(r"^`((?:sofie_jit|tests)/[\w/.]+)`:\n\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(files) == 5
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "sofie_jit", tmp_path / "sofie_jit", ignore=ignored)
    for name in ("tests/tolerance.py", "tests/conftest.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name, code in files:
        assert not (tmp_path / name).exists(), f"{name} already exists: the example needs another name"
        (tmp_path / name).write_text(code)
    environment = {**os.environ, "PYTHONPATH": os.fspath(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", files[-1][0]]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
    assert "3 passed" in run.stdout


@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="mkdocs is not installed")
def test_site_builds_without_warnings(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", os.fspath(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "WARNING" not in run.stderr
    reference = (tmp_path / "api" / "index.html").read_text()
    for name in ("sofie_jit.load", "Model.infer", "RModel.save_header", "sofie_jit.dask.infer"):
        assert name.split(".")[-1] in reference
