"""The same row, the same bits: whatever the batch, tile, threads, memory, file and compiler.

The networks are the golden files and those of ``fuzz/spare_layers.py``, one of each layer.
``pytest tests/codegen/test_bits.py`` tries some, ``pytest -m slow tests/codegen/test_bits.py`` all of them, compiled by
every compiler on this machine.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sofie_jit
from compilers import BASELINE, COMPILERS, TARGETS
from sofie_jit.jit import threads as parallel
from sofie_jit.models.compiled_model import CALLS_BEFORE_FAST_CALL
from sofie_jit.models.model import Model
from sofie_jit.verification.random_inputs import random_inputs

HERE = Path(__file__).parents[1]
GOLDEN = HERE / "golden"
sys.path.insert(0, str(HERE / "fuzz"))
from spare_layers import LAYERS, spare_file  # noqa: E402

BATCHES = range(1, 258)
MANY_ROWS = 5003
"""Several tiles, even of narrow networks."""
THREADS = (1, 2, 3, 7)

REFUSED = {16: "RandomCrop", 37: "STFTSpectrogram", 40: "Lambda", 41: "evil_package>Evil"}
"""Keras leaves open what RandomCrop does at inference; the spectrogram has no weights; the others are code."""
TRANSLATED = [number for number in range(len(LAYERS)) if number not in REFUSED]
NUMBERS = {LAYERS[number][1]: number for number in TRANSLATED}
"""The last layer of each class; the last Conv2D is Winograd's."""
FILES = ("mlp", "convolutional", "recurrent", "functional")
FEW = ("Dense", "Conv2D", "SeparableConv2D", "LayerNormalization", "GRU", "MultiHeadAttention")


def spare(number: int, directory: Path) -> Model:
    path = directory / "spare.h5"
    path.write_bytes(spare_file(number))
    return sofie_jit.load(path)


def listed(result: object) -> list[np.ndarray]:
    return list(result.values()) if isinstance(result, dict) else result if isinstance(result, list) else [result]


def moved(array: np.ndarray, offset: int) -> np.ndarray:
    """The same numbers in memory that begins ``offset`` bytes beyond a multiple of 64."""
    memory = np.empty(array.nbytes + 192, np.uint8)
    start = -memory.ctypes.data % 64 + offset
    result = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    result[...] = array
    return result


def differences(model: Model) -> list[str]:
    """Calls whose rows have other bits than those of one call with all of them, on one thread."""
    rows = random_inputs(model, BATCHES[-1])
    whole = listed(model.infer(rows, threads=1))
    wrong: list[str] = []

    def expect(what: str, result: object, part: slice) -> None:
        for got, want in zip(listed(result), whole, strict=True):
            if got.tobytes() != want[part].tobytes():
                wrong.append(what)

    for _ in range(CALLS_BEFORE_FAST_CALL):
        model.infer([x[:1] for x in rows])
    for n in BATCHES:
        expect(f"{n} rows", model.infer([x[:n] for x in rows]), slice(n))
        # the last rows, from and to memory that begins anywhere, on several threads
        offset = 1 if n % 16 == 0 else n % 16 * 8
        last, threads = [moved(x[-n:], offset) for x in rows], THREADS[n % len(THREADS)]
        out = [moved(np.zeros_like(y[-n:]), n % 8 * 8) for y in whole]
        model.infer(last, out=out, threads=threads)
        expect(f"the last {n} rows, offset {offset}, out=, {threads} threads", out, slice(-n, None))
    repeats = -(-MANY_ROWS // BATCHES[-1])
    many = [np.concatenate([x] * repeats)[:MANY_ROWS] for x in rows]
    whole = [np.concatenate([y] * repeats)[:MANY_ROWS] for y in whole]
    for threads in THREADS:
        expect(f"{MANY_ROWS} rows, {threads} threads", model.infer(many, threads=threads), slice(None))
    copy = pickle.loads(pickle.dumps(model))
    expect("pickled", copy.infer(many), slice(None))
    return wrong


@pytest.fixture(autouse=True)
def _threads_for_little_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "FLOPS_PER_THREAD", 1e3)


@pytest.mark.parametrize("name", FILES)
def test_files(name: str) -> None:
    model = sofie_jit.load(GOLDEN / "keras3" / f"{name}.keras")
    assert differences(model) == []
    rows = random_inputs(model, 5)
    want, other = listed(model.infer(rows)), sofie_jit.load(GOLDEN / "keras3" / f"{name}.h5")
    assert [y.tobytes() for y in listed(other.infer(rows))] == [y.tobytes() for y in want]


@pytest.mark.parametrize("name", FEW)
def test_layers(name: str, tmp_path: Path) -> None:
    assert differences(spare(NUMBERS[name], tmp_path)) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", TRANSLATED, ids=lambda number: f"{number}-{LAYERS[number][1]}")
def test_every_layer(number: int, tmp_path: Path) -> None:
    assert differences(spare(number, tmp_path)) == []


def test_the_exception(tmp_path: Path) -> None:
    """MelSpectrogram clips its decibels relative to the loudest of the whole batch, as in Keras."""
    model = spare(NUMBERS["MelSpectrogram"], tmp_path)
    rows = random_inputs(model, 7)[0]
    assert model.infer(rows)[:1].tobytes() == model.infer(rows[:1]).tobytes()
    rows[1:] *= 1e6
    assert model.infer(rows)[:1].tobytes() != model.infer(rows[:1]).tobytes()


# -- compiled libraries ------------------------------------------------------------------------------------------------


def library_differences(model: Model, directory: Path, **options: object) -> list[int]:
    """The numbers of rows for which a compiled library of the model gives other bits than the model."""
    library = sofie_jit.load(model.save_library(directory / "net.so", **options))
    rows = random_inputs(model, 30)
    calls = [(n, threads) for n in (1, 7, 30) for threads in (1, 2)]
    results = {
        (n, threads, each): [y.tobytes() for y in listed(each.infer([x[:n] for x in rows], threads=threads))]
        for n, threads in calls
        for each in (model, library)
    }
    return [n for n, threads in calls if results[n, threads, model] != results[n, threads, library]]


@pytest.mark.skipif(len(TARGETS) < 2, reason="this processor has no fused multiply-add")
@pytest.mark.parametrize("name", ["SeparableConv2D", "GRU"])
def test_library(name: str, tmp_path: Path) -> None:
    assert library_differences(spare(NUMBERS[name], tmp_path), tmp_path) == []


@pytest.mark.slow
@pytest.mark.skipif(len(TARGETS) < 2, reason="this processor has no fused multiply-add")
@pytest.mark.parametrize("dispatch", [False, True])
@pytest.mark.parametrize("number", TRANSLATED, ids=lambda number: f"{number}-{LAYERS[number][1]}")
def test_every_library(number: int, dispatch: bool, tmp_path: Path) -> None:
    assert library_differences(spare(number, tmp_path), tmp_path, dispatch=dispatch) == []


# -- other compilers ---------------------------------------------------------------------------------------------------

PROGRAM = """
#include <cstdint>
#include <cstdio>
#include <vector>
{includes}

template <class T>
std::vector<T> read(const char *name, std::size_t size)
{{
   std::vector<T> values(size);
   std::FILE *file = std::fopen(name, "rb");
   if (!file || std::fread(values.data(), sizeof(T), size, file) != size)
      std::printf("%s cannot be read\\n", name);
   std::fclose(file);
   return values;
}}

template <class T>
void write(const char *name, const std::vector<T> &values)
{{
   std::FILE *file = std::fopen(name, "wb");
   std::fwrite(values.data(), sizeof(T), values.size(), file);
   std::fclose(file);
}}

int main()
{{
{blocks}
}}
"""

ROWS, TOGETHER = 13, 13
CPP = {"float32": "float", "float64": "double", "int32": "std::int32_t", "int64": "std::int64_t"}


def block(model: Model, stem: str, directory: Path) -> str:
    """C++ that reads the inputs of a network and writes its outputs; both of ROWS rows, and those of the JIT beside."""
    rows = random_inputs(model, ROWS)
    results = listed(model.infer(rows))
    dims = [next(str(x.shape[kind.shape.index(dim)]) for x, kind in
                 zip(rows, model._execution.lowered.inputs.values(), strict=True) if dim in kind.shape)
            for dim in model._execution.session.code.dims]  # fmt: skip
    assert set(dims) == {str(ROWS)}
    lines, given = [], []
    for i, x in enumerate(rows):
        (directory / f"{stem}.x{i}").write_bytes(x.tobytes())
        lines.append(f'const auto x{i} = read<{CPP[x.dtype.name]}>("{stem}.x{i}", {x.size});')
        given.append(f"x{i}.data()")
    for i, y in enumerate(results):
        (directory / f"{stem}.want{i}").write_bytes(y.tobytes())
        lines.append(f"std::vector<{CPP[y.dtype.name]}> y{i}({y.size});")
        given.append(f"y{i}.data()")
    lines.append(f"{stem}::Session().run({', '.join([*dims, *given])});")
    lines += [f'write("{stem}.got{i}", y{i});' for i in range(len(results))]
    return "   {\n      " + "\n      ".join(lines) + "\n   }"


FUSED = [target for target in TARGETS if target != BASELINE]


@pytest.mark.slow
@pytest.mark.skipif(not FUSED, reason="this processor has no fused multiply-add")
@pytest.mark.parametrize("first", range(0, len(TRANSLATED), TOGETHER))
def test_every_compiler(first: int, tmp_path: Path) -> None:
    """Cling, g++ and clang++, with registers of 32 and of 64 bytes, with and without optimization across statements."""
    names, includes, blocks = [], [], []
    for number in TRANSLATED[first : first + TOGETHER]:
        stem = f"net{number}"
        model = spare(number, tmp_path)
        model.save_header(tmp_path / f"{stem}.hxx", namespace=stem, weights="embedded")
        includes.append(f'#include "{stem}.hxx" // {LAYERS[number][1]}')
        blocks.append(block(model, stem, tmp_path))
        names.append(stem)
    (tmp_path / "main.cc").write_text(PROGRAM.format(includes="\n".join(includes), blocks="\n".join(blocks)))
    wrong = []
    for compiler in COMPILERS:
        for flags in FUSED:
            command = [compiler, "-std=c++17", *flags, "main.cc", "-o", "main"]
            built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
            assert built.returncode == 0, built.stderr[:3000]
            ran = subprocess.run(["./main"], cwd=tmp_path, capture_output=True, text=True)
            assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout + ran.stderr
            wanted = sorted(tmp_path.glob("*.want*"))
            assert len(wanted) >= len(names)
            for want in wanted:
                got = want.with_name(want.name.replace("want", "got"))
                if got.read_bytes() != want.read_bytes():
                    wrong.append((compiler, flags, LAYERS[int(want.stem.removeprefix("net"))][1]))
                got.unlink()
    assert wrong == []


@pytest.mark.parametrize("name", ["DepthwiseConv1D", "Conv2DTranspose", "LSTM"])
def test_kernels_are_complete(name: str, tmp_path: Path) -> None:
    """A network names every kernel header that it needs, also if no other network has been compiled before."""
    (tmp_path / "spare.h5").write_bytes(spare_file(NUMBERS[name]))
    program = f"import sofie_jit; sofie_jit.load({str(tmp_path / 'spare.h5')!r})"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
