"""The Python and C++ code of the documentation runs, its worked example passes, and the site builds cleanly."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sofie_jit
from sofie_jit.codegen.print_header import Weights

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NOT_RUN = ("architecture.md", "contributing.md", "custom_layers.md", "pytorch.md")
"""Pages whose code is only part of a program, or needs torch."""
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if "```python" in page.read_text() and page.name not in NOT_RUN]
PREDICTED = {"index", "run", "many_machines"}
"""Pages that leave arrays ``x`` and ``y``: inputs of the model and its outputs."""
PRINTS = {"index": "<sofie_jit.Model 'sequential", "run": "(1000, 5)", "by_hand": "float32"}
"""Page -> a part of what its code prints."""
EPILOGUE = """
if __name__ == "__main__":
    import numpy as np
    np.savez("page.npz", **{name: value for name, value in list(globals().items()) if name in ("x", "y")})
"""


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
    (tmp_path / "page.py").write_text("\n\n".join([*blocks(page, "python"), EPILOGUE]))
    environment = {**os.environ, "PYTHONPATH": os.fspath(ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "page.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert PRINTS.get(page.stem, "") in run.stdout
    recorded = np.load(tmp_path / "page.npz")
    if page.stem in PREDICTED:
        np.testing.assert_allclose(recorded["y"], predicted(model_file, recorded["x"]), rtol=0, atol=1e-6)


def predicted(model_file: Path, x: np.ndarray) -> np.ndarray:
    """Keras's outputs of the model."""
    import keras

    return np.asarray(keras.models.load_model(model_file, compile=False)(x))


def test_every_page_with_code_is_run() -> None:
    assert {page.stem for page in PAGES} == {
        "by_hand",
        "compare",
        "cpp",
        "index",
        "library",
        "many_machines",
        "onnx",
        "run",
    }


@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
@pytest.mark.parametrize(("name", "weights"), [("index.md", "embedded"), ("how-to/cpp.md", "text")])
def test_program(name: str, weights: Weights, model_file: Path, tmp_path: Path) -> None:
    """Each page has one program, which runs on the header that the page writes."""
    (code,) = (code for code in blocks(DOCS / name, "cpp") if "int main" in code)
    (tmp_path / "main.cc").write_text(code)
    sofie_jit.load(model_file).save_header(tmp_path / "m.hxx", weights=weights)
    flags = ["-std=c++17", "-O1", "-march=native", "-pthread", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
    subprocess.run(["g++", *flags, "main.cc", "-o", "main"], cwd=tmp_path, check=True)
    printed = subprocess.run(["./main"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    if name == "how-to/cpp.md":
        assert printed == "equal\n"
    else:
        (want,) = predicted(model_file, np.full((1, 16), 0.5, np.float32))
        np.testing.assert_allclose(np.array(printed.split(), float), want, rtol=1e-5)


def test_programs_are_on_two_pages() -> None:
    pages = [page for page in DOCS.rglob("*.md") if any("int main" in code for code in blocks(page, "cpp"))]
    assert {page.stem for page in pages} == {"index", "cpp"}


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
