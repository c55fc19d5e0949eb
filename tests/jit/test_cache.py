"""The cache of compiled models: right answers with every state of its folder, and the same bits."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sofie_jit import RModel
from sofie_jit.cli import main
from sofie_jit.codegen.print_jit import JitText, jit_text
from sofie_jit.jit import cache, cache_compile, cache_folder, deferred_functions
from sofie_jit.jit.compiled_session import CompiledSession
from sofie_jit.jit.compiler import Compiler, compiler
from sofie_jit.operators import Gemm, Relu
from sofie_jit.passes.pipeline import lower

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "c++"))) or cache.vector_bytes() is None,
    reason="needs a C++ compiler, and a processor with fused multiply-add",
)

X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def network(name: str = "cached", outputs: int = 4) -> RModel:
    model = RModel(name)
    model.add_input_tensor_info("x", "float32", (None, 3))
    model.add_initialized_tensor("w", np.random.default_rng(1).normal(size=(3, outputs)).astype(np.float32))
    model.add_operator(Gemm(inputs=["x", "w"], outputs=["xw"]))
    model.add_operator(Relu(inputs=["xw"], outputs=["y"]))
    model.add_output_tensor_names("y")
    return model


EXPECTED = np.maximum(X @ network().initialized["w"], 0)


def text(model: RModel | None = None) -> JitText:
    return jit_text(lower(model or network()), vector_bytes=cache.vector_bytes())


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache whose entries are compiled at once, in this process."""
    path = tmp_path / "cache"
    monkeypatch.setenv(cache_folder.VARIABLE, str(path))
    monkeypatch.setattr(cache, "_start_compiling", lambda root: cache_compile.compile_all(str(root)))
    monkeypatch.setattr(os, "nice", lambda step: step)
    return path


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The entry of the network."""
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("entry") / "cache"
        patch.setenv(cache_folder.VARIABLE, str(path))
        patch.setattr(os, "nice", lambda step: step)
        patch.setattr(cache, "_start_compiling", lambda root: cache_compile.compile_all(str(root)))
        for _ in range(2):
            cache.saw(text())
        (found,) = path.glob("*.so")
        return found


@pytest.fixture
def filled(folder: Path, entry: Path) -> Path:
    """A cache that contains the network."""
    folder.mkdir(mode=0o700)
    shutil.copy2(entry, folder)
    return folder


def names(folder: Path) -> set[str]:
    return {path.suffix for path in folder.iterdir()}


def test_the_second_time_it_is_compiled(folder: Path) -> None:
    code = text(network(outputs=7))
    assert cache.find(code) is None
    cache.saw(code)
    assert names(folder) == {".seen"}
    cache.saw(code)
    assert names(folder) == {".seen", ".so", ""}
    assert cache.find(code) is not None


def test_same_bits_and_no_weights(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache_folder.VARIABLE, "off")
    from_cling = network().compile().infer(X)
    monkeypatch.setenv(cache_folder.VARIABLE, str(filled))
    monkeypatch.setattr("sofie_jit.jit.compiled_session._compiled", lambda *a, **k: pytest.fail("Cling compiled"))
    np.testing.assert_array_equal(network().compile().infer(X), from_cling)
    other = network()
    other.initialized["w"] = other.initialized["w"] * 2
    np.testing.assert_array_equal(other.compile().infer(X), 2 * from_cling)
    assert network().initialized["w"].tobytes() not in next(filled.glob("*.so")).read_bytes()


def test_profiles_are_compiled(filled: Path) -> None:
    assert CompiledSession(lower(network()), profile=True).take_op_timings().size > 1


@pytest.mark.parametrize("damage", ["truncated", "empty", "one byte", "another entry", "not ours", "of others"])
def test_damaged_entries(filled: Path, damage: str) -> None:
    path = next(filled.glob("*.so"))
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "one byte":
        content[len(content) // 3] ^= 1
        path.write_bytes(content)
    elif damage == "another entry":
        path.rename(path.with_name(f"{cache.key(text(network(outputs=9)))}.so"))
    elif damage == "not ours":
        shutil.copy(os.path.realpath(sys.executable), path)
    else:
        path.chmod(0o666)
    wanted = network(outputs=9 if damage == "another entry" else 4)
    assert cache.find(text(wanted)) is None
    assert not list(filled.glob("*.so")), "it is removed"
    np.testing.assert_allclose(network().compile().infer(X), EXPECTED, rtol=1e-6)


@pytest.mark.parametrize("kind", ["off", "others", "a file", "read-only", "missing"])
def test_folders_that_are_not_used(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "off":
        monkeypatch.setenv(cache_folder.VARIABLE, "off")
    elif kind == "others":
        folder.mkdir()
        folder.chmod(0o777)
    elif kind == "a file":
        folder.write_text("")
    elif kind == "read-only":
        monkeypatch.setenv(cache_folder.VARIABLE, "/proc/sofie_jit")
    else:
        monkeypatch.setenv(cache_folder.VARIABLE, "")
        monkeypatch.setenv("XDG_CACHE_HOME", "/proc/sofie_jit")
    for _ in range(3):
        np.testing.assert_allclose(network().compile().infer(X), EXPECTED, rtol=1e-6)
    if kind == "others":
        assert list(folder.iterdir()) == []


def test_a_refused_text_is_not_tried_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "false")
    monkeypatch.setattr("sofie_jit.jit.toolchain.native_flags", lambda: ())
    code = text(network(outputs=6))
    for _ in range(3):
        cache.saw(code)
    assert names(folder) == {".seen", ".failed", ""}


def test_the_size_is_limited(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = next(filled.glob("*.so"))
    for age in (1, 2, 3):
        copy = filled / f"{age}.so"
        shutil.copy(first, copy)
        os.utime(copy, (time.time() - 100 * age,) * 2)
    (filled / "limit").write_text(str(int(2.5 * first.stat().st_size)))
    cache_compile.evict(filled)
    assert {path.name for path in filled.glob("*.so")} == {first.name, "1.so"}, "the oldest are removed"
    assert main(["cache", "--limit", "1K"]) == 0
    assert not list(filled.glob("*.so"))
    assert "networks  0, 0 B of 1 kB" in capsys.readouterr().out


def test_command(filled: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["cache"]) == 0
    assert "networks  1" in capsys.readouterr().out
    (filled / "0.failed").write_text("an error")
    assert main(["cache"]) == 0
    assert f"1 could not be compiled, see {filled}/*.failed" in capsys.readouterr().out
    assert main(["cache", "--clear"]) == 0
    assert "networks  0" in capsys.readouterr().out
    monkeypatch.setenv(cache_folder.VARIABLE, "off")
    assert main(["cache"]) == 0
    assert "switched off" in capsys.readouterr().out
    assert main(["cache", "--clear"]) == 1


# -- whole processes ---------------------------------------------------------------------------------------------------

PROGRAM = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import numpy as np
from test_cache import EXPECTED, X, network
assert np.allclose(network(outputs=4).compile().infer(X), EXPECTED, rtol=1e-6)
print("right")
"""


def start(folder: Path, before: str = "", **variables: str) -> subprocess.Popen[str]:
    environment = {**os.environ, cache_folder.VARIABLE: str(folder), **variables}
    command = [sys.executable, "-c", before + PROGRAM]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> None:
    out, err = process.communicate(timeout=300)
    assert (out, err) == ("right\n", ""), err


def wait_for(folder: Path, pattern: str) -> Path:
    for _ in range(2400):
        if found := list(folder.glob(pattern)):
            return found[0]
        time.sleep(0.1)
    raise AssertionError(f"there is no {pattern} in {list(folder.iterdir())}")


@pytest.mark.parametrize("count", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_many_processes(tmp_path: Path, count: int) -> None:
    for process in [start(tmp_path / "cache") for _ in range(count)]:
        finish(process)
    finish(start(tmp_path / "cache"))  # the second time, at the latest
    wait_for(tmp_path / "cache", "*.so")
    finish(start(tmp_path / "cache", "import sofie_jit.jit.compiled_session as s; s._compiled = None\n"))
    assert not list((tmp_path / "cache").glob("*.part"))


def test_a_killed_compiler(tmp_path: Path) -> None:
    """A compiler that dies leaves nothing that is loaded, and the next one goes on where it stopped."""
    folder, slow = tmp_path / "cache", tmp_path / "slow"
    slow.write_text(f"#!/bin/sh\necho $PPID > {tmp_path}/worker\nexec sleep 100\n")
    slow.chmod(0o755)
    for _ in range(2):
        finish(start(folder, CXX=str(slow)))
    worker = int(wait_for(tmp_path, "worker").read_text() or 0)
    os.kill(worker, signal.SIGKILL)
    assert list(folder.glob("*.cc"))
    assert not list(folder.glob("*.so"))
    finish(start(folder, CXX=str(slow)))
    subprocess.run(
        [
            sys.executable,
            "-c",
            cache._PROGRAM.format(
                path=sys.path, module="sofie_jit.jit.cache_compile", function="compile_all", folder=str(folder)
            ),
        ],
        check=True,
    )
    assert list(folder.glob("*.so"))


def test_a_full_disk(tmp_path: Path) -> None:
    """Files can be made but nothing can be written to them."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    for _ in range(3):
        finish(start(tmp_path / "cache", limit))
    assert not list((tmp_path / "cache").glob("*.so"))


@pytest.fixture
def undeclared() -> Iterator[None]:
    """The functions that :func:`network` defers, as if no other network of this process had needed them."""
    declared = compiler()._declared
    known = {function.name for function in text(network(outputs=37)).deferred.values()} & declared
    declared -= known
    yield
    declared |= known


@pytest.mark.usefixtures("undeclared")
def test_deferred_functions_from_another_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the system's compiler has compiled a network, a bigger batch compiles no kernels."""
    monkeypatch.setattr(deferred_functions, "_ordered", set())
    monkeypatch.setattr(deferred_functions, "DELAY", 1e6)
    timers = []
    monkeypatch.setattr(threading.Timer, "start", lambda timer: timers.append(timer))
    model = network(outputs=37).compile()
    first = model.infer(X[:1])
    (timer,) = timers
    assert (timer.daemon, list(folder.glob("*.so"))) == (True, [])
    timer.function(*timer.args)
    assert len(list(folder.glob("*.so"))) == 1
    compiled = []
    define = Compiler.define

    def noted(self: Compiler, text: str, what: str, *functions: str) -> list[int]:
        compiled.append(what)
        return define(self, text, what, *functions)

    monkeypatch.setattr(Compiler, "define", noted)
    results = model.infer(X), model.infer(np.repeat(X, 400_000, 0), threads=2)
    assert compiled == []
    assert (results[0][:1] == first).all()
    assert (results[1][::400_000] == results[0]).all()


def test_few_networks_are_compiled_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferred_functions, "_ordered", set())
    started = []
    monkeypatch.setattr(threading.Timer, "start", lambda timer: started.append(timer))
    networks = [text(network(outputs=outputs)) for outputs in range(41, 43 + deferred_functions.MOST)]
    for code in networks:
        deferred_functions.expect(code)
    assert len(started) == deferred_functions.MOST
    assert not any(map(deferred_functions.adopt, networks))
