"""Benchmarks: the clock, equal outputs of all engines, and tables. Measured times are never compared."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sofie_jit import InputError, MissingDependencyError, ModelFileError, RModel, ShapeError
from sofie_jit.bench import (
    ENGINES,
    Engine,
    Inputs,
    difference,
    engines_for,
    environment,
    find_engines,
    onnx_runtime,
    prepare,
    report,
)
from sofie_jit.bench.measure import Cell, Start, _cells, _example, measure
from sofie_jit.cli import main
from sofie_jit.cli.bench import _rows_of
from sofie_jit.frontends.keras.original import KerasModel, library_of
from sofie_jit.operators import MatMul
from sofie_jit.report.timing import round_robin, sample_of, seconds_per_call

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def model() -> Any:
    import keras

    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="tanh")])


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of converted models."""
    return tmp_path_factory.mktemp("converted")


X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)

# -- the clock -------------------------------------------------------------------------------------------------------


def test_seconds_per_call() -> None:
    calls = []

    def call() -> None:
        calls.append(1)
        time.sleep(0.002)

    assert 0.002 <= seconds_per_call(call, budget=0.02, samples=3) < 0.1
    assert len(calls) < 60
    assert 0 < seconds_per_call(lambda: None, budget=0.02, samples=3) < 1e-4


def test_engines_take_turns() -> None:
    log: list[str] = []

    def engine(name: str, seconds: float) -> Any:
        def sample(number: int) -> float:
            log.append(name)
            return number * seconds

        return sample

    found = round_robin({"a": engine("a", 1e-5), "b": engine("b", 0.5)}, rounds=4, block=1e-3, shortest=2e-4)
    assert found["b"] == [0.5] * 8  # two measurements a block
    assert all(seconds == pytest.approx(1e-5) for seconds in found["a"])
    assert len(found["a"]) == 4 * 5  # blocks of a millisecond
    turns = [name for name, before in zip(log, ["", *log], strict=False) if name != before]
    assert "".join(turns) == "ab" + "abbaabba".replace("bb", "b").replace("aa", "a")


def test_slow_engines_have_fewer_turns() -> None:
    samples = {name: lambda number, seconds=seconds: number * seconds for name, seconds in (("a", 0.01), ("b", 0.2))}
    found = round_robin(samples, rounds=10, block=1e-3, slow=10.0)
    assert {name: len(seconds) for name, seconds in found.items()} == {"a": 20, "b": 4}
    assert len(round_robin(samples, rounds=10, block=1e-3, slow=30.0)["b"]) == 20
    assert round_robin({}, slow=10.0) == {}


def test_a_call_may_have_its_own_clock() -> None:
    def call(x: object) -> None: ...

    assert 0 < sample_of(call, 1)(1000) < 1
    own = SimpleNamespace(seconds=lambda number, x: 3.0 * number)
    assert sample_of(own, 1)(2) == 6.0


# -- engines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", engines_for("Keras"))
def test_engines_agree_with_keras(engine: str, model: Any, converted: Path) -> None:
    if missing := ENGINES[engine].missing:
        pytest.skip(f"{engine}: {missing}")
    call = prepare(engine, model, (X,), directory=converted)
    answer = call(X)
    assert isinstance(answer, np.ndarray)
    assert difference(answer, np.asarray(model(X))) < 1e-6
    other = call(-X)
    assert difference(answer, np.asarray(model(X))) < 1e-6  # the first output is not a view of the engine's memory
    assert difference(other, np.asarray(model(-X))) < 1e-6


def test_an_adapted_normalization_is_part_of_the_exported_graph(tmp_path: Path) -> None:
    keras, _ = pytest.importorskip("keras"), pytest.importorskip("onnxruntime")
    x = np.random.default_rng(0).normal(3.0, 5.0, size=(20, 4)).astype(np.float32)
    normalization = keras.layers.Normalization()
    normalization.adapt(x)
    model = keras.Sequential([keras.Input((4,)), normalization])
    call = onnx_runtime.load(onnx_runtime.convert(model, (x,), tmp_path), (x,), 1)
    np.testing.assert_allclose(call(x), np.asarray(model(x)), rtol=0, atol=1e-6)


def test_every_adapter_is_named_and_says_what_it_is() -> None:
    for engine in ENGINES.values():
        assert engine.adapter.__doc__
        assert callable(engine.adapter.convert)
        assert callable(engine.adapter.load)


def test_absent_engines_are_named(monkeypatch: pytest.MonkeyPatch, model: Any) -> None:
    monkeypatch.setitem(ENGINES, "absent", Engine("sofie", ("no-such-package", "numpy")))
    monkeypatch.setitem(ENGINES, "no compiler", Engine("header", (), "no-such-program"))
    assert ENGINES["absent"].missing == "not installed: pip install no-such-package"
    with pytest.raises(MissingDependencyError, match="absent: not installed"):
        prepare("absent", model, (X,))
    with pytest.raises(MissingDependencyError, match="no-such-program is not installed"):
        prepare("no compiler", model, (X,))


def test_find_engines() -> None:
    assert find_engines("sofie_jit,onnxruntime, ONNX Runtime,model(x)") == ["sofie_jit"] + ["ONNX Runtime"] * 2 + [
        "model(x)"
    ]
    assert [find_engines(name)[0] for name in ENGINES] == list(ENGINES)
    with pytest.raises(InputError, match="no engine 'torch'"):
        find_engines("torch")


def test_difference() -> None:
    a = np.array([1.0, -4.0], np.float32)
    assert difference(a, a) == 0
    assert difference(a + 1, a) == 0.25
    with pytest.raises(ShapeError, match=r"its outputs have the shapes \[\(1,"):
        difference(a[:1], a)
    assert math.isnan(difference(a * np.nan, a))


# -- measuring -------------------------------------------------------------------------------------------------------


def test_wrong_and_failing_engines_are_not_timed(monkeypatch: pytest.MonkeyPatch, model: Any, tmp_path: Path) -> None:
    def load(path: Path, inputs: Inputs, threads: int) -> Any:
        return lambda x: np.full((len(x), 3), np.nan, np.float32)

    def fails(path: Path, inputs: Inputs, threads: int) -> Any:
        raise RuntimeError("no such\noperator")

    for name, function in (("wrong", load), ("failing", fails)):
        adapter = SimpleNamespace(convert=lambda model, inputs, directory: directory, load=function)
        monkeypatch.setitem(sys.modules, f"sofie_jit.bench.{name}", adapter)
        monkeypatch.setitem(ENGINES, name, Engine(name))
    monkeypatch.setitem(ENGINES, "absent", Engine("sofie", ("no-such-package",)))
    engines = ["wrong", "failing", "absent", "model(x)"]
    expected = KerasModel(library_of(model), model).evaluate(X)
    cells = _cells({False: expected, True: expected}, model, (X,), engines, 1, 1, 0.0, tmp_path)
    assert [cell.engine for cell in cells] == ["wrong", "failing", "absent", "model(x)"]
    for cell, said in zip(
        cells, ["differs by nan", "no such operator", "pip install no-such-package", ""], strict=True
    ):
        assert said in cell.problem
        assert (cell.minimum > 0) == (cell.median > 0) == (not said)
    text = report.table(cells)
    assert "absent: not installed: pip install no-such-package" in text


def test_measure(model: Any, tmp_path: Path) -> None:
    file = tmp_path / "m.keras"
    model.save(file)
    cells, starts = measure(
        file, batches=(1, 3), engines=["sofie_jit", "model(x)"], inputs=[X[:2]], starts=1, rounds=1, block=0
    )
    assert [(cell.engine, cell.batch, cell.threads) for cell in cells] == [
        ("sofie_jit", 1, 1), ("model(x)", 1, 1), ("sofie_jit", 3, 1), ("model(x)", 3, 1),
    ]  # fmt: skip
    assert all(0 < cell.minimum <= cell.median and not cell.problem for cell in cells)
    assert [start.engine for start in starts] == ["sofie_jit", "model(x)"]
    assert all(start.seconds > 0 and start.memory > 1e6 for start in starts)


def test_several_inputs_and_outputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import keras

    jets, mask = keras.Input((None, 3), name="jets"), keras.Input((None,), dtype="int32", name="mask")
    pooled = keras.layers.GlobalAveragePooling1D()(jets, mask=keras.ops.cast(mask, "bool"))
    score, mass = keras.layers.Dense(2, activation="softmax")(pooled), keras.layers.Dense(1)(pooled)
    keras.Model({"jets": jets, "mask": mask}, [score, mass]).save(tmp_path / "m.keras")
    np.save(tmp_path / "jets.npy", np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32))
    np.save(tmp_path / "mask.npy", np.array([[1, 1, 1, 0, 0], [1, 0, 0, 0, 1]], np.int32))
    given = [f"mask={tmp_path}/mask.npy", f"jets={tmp_path}/jets.npy"]
    command = ["bench", str(tmp_path / "m.keras"), "--input", *given, "--batch", "1,3", "--rounds", "1", "--json"]
    assert main(command) == 0
    cells = json.loads(capsys.readouterr().out)["cells"]
    usable = engines_for("Keras")
    assert [cell["engine"] for cell in cells] == usable * 2
    for cell in cells:
        refused = cell["engine"] == "LiteRT" and "order of several outputs" in cell["problem"]
        assert refused or "not installed" in cell["problem"] or (not cell["problem"] and cell["minimum"] > 0), cell


def test_dicts_of_outputs(tmp_path: Path) -> None:
    """Some engines return the outputs in the order of the network, others in that of the dict."""
    network = RModel("two")
    network.add_input_tensor_info("x", "float32", (None, 4))
    for name, count in (("a", 3), ("b", 2)):
        network.add_initialized_tensor(f"w_{name}", np.ones((4, count), np.float32))
        network.add_operator(MatMul(inputs=["x", f"w_{name}"], outputs=[name]))
    network.add_output_tensor_names("a", "b")
    network.output_structure = {"second": 1, "first": 0}
    usable = [name for name in engines_for("library") if not ENGINES[name].missing]
    cells, _ = measure(network.save_library(tmp_path / "two.so"), batches=(3,), engines=usable, rounds=1, block=0)
    assert [cell.engine for cell in cells] == usable
    assert not any(cell.problem for cell in cells)


def test_onnx_files(tmp_path: Path) -> None:
    """They are run as they are, by the engines that do not need a model of Keras."""
    pytest.importorskip("onnxruntime")
    network = RModel("product")
    network.add_input_tensor_info("x", "float32", (None, 4))
    network.add_initialized_tensor("w", np.ones((4, 3), np.float32))
    network.add_operator(MatMul(inputs=["x", "w"], outputs=["y"]))
    network.add_output_tensor_names("y")
    network.save_onnx(tmp_path / "m.onnx")
    cells, starts = measure(tmp_path / "m.onnx", batches=(1, 3), starts=1, rounds=1, block=0)
    usable = engines_for("ONNX")
    assert [cell.engine for cell in cells] == usable * 2
    for cell in cells:
        missing = ENGINES[cell.engine].missing
        assert cell.problem == missing if missing else (cell.minimum > 0 and not cell.problem)
    assert {start.engine for start in starts} >= {"sofie_jit", "ONNX Runtime"}
    assert not any(start.problem for start in starts)
    with pytest.raises(InputError, match="Keras only"):
        prepare("predict", tmp_path / "m.onnx", (X,))


def test_what_cannot_be_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import keras

    two = keras.Model([a := keras.Input((2,)), b := keras.Input((2,))], keras.layers.Add()([a, b]))
    with pytest.raises(InputError, match="the model has 2 inputs; got 1 array"):
        _example(KerasModel(keras, two), 1, (X,))
    steps = keras.Input((None, 3))
    with pytest.raises(InputError, match=r"\(None, None, 3\)"):
        _example(KerasModel(keras, keras.Model(steps, keras.layers.GlobalMaxPooling1D()(steps))), 1, ())
    with pytest.raises(InputError, match="no rows"):
        _example(KerasModel(keras, two), 1, (X[:0], X))
    assert main(["bench", str(tmp_path / "missing.h5")]) == 1
    assert "missing.h5" in capsys.readouterr().err
    assert main(["bench", str(tmp_path / "missing.h5"), "--threads", "99999"]) == 1
    assert "99999" in capsys.readouterr().err
    (tmp_path / "wrong.h5").write_text("not a model")
    with pytest.raises(ModelFileError, match=r"wrong\.h5"):
        measure(tmp_path / "wrong.h5")


# -- results ---------------------------------------------------------------------------------------------------------

CELLS = [
    Cell("sofie_jit", 1, 1, 1e-6, 2e-6, 1e-7),
    Cell("LiteRT", 1, 1, 2e-6, 2.5e-6, 0.0),
    Cell("predict", 1, 1, 0.04, 0.045, 0.0),
    Cell("OpenVINO", 1, 1, problem="not installed: pip install openvino"),
]


def test_table() -> None:
    text = report.table(CELLS, [Start("LiteRT", 1, 1, 0.2, 5_000_000), Start("predict", 1, 1, problem="fails")])
    lines = [line.split() for line in text.splitlines()]
    assert ["sofie_jit", "1.00", "2.00", "0.50", "0.80", "1e-07"] in lines
    assert ["LiteRT", "2.00", "2.50", "1.00", "1.00", "0e+00"] in lines
    assert ["predict", "40000", "45000", "20000.00", "18000.00", "0e+00"] in lines
    assert "OpenVINO: not installed: pip install openvino" in text
    assert ["LiteRT", "200", "ms", "5", "MB"] in lines
    assert "from Python" not in text
    text = report.table([*CELLS, Cell("header", 1, 1, 1e-6, 1e-6)])
    assert text.endswith("\n\nheader: the C++ header by g++, called from Python (ctypes)")


def test_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: dict[str, Any] = {}

    def instead(file: str, **options: Any) -> tuple[list[Cell], list[Start]]:
        asked.update(options, file=file)
        return CELLS, []

    monkeypatch.setattr("sofie_jit.bench.measure.measure", instead)
    assert main(["bench", "m.h5", "--batch", "1,32", "--engines", "sofie_jit,litert", "--json", "--start"]) == 0
    assert (asked["file"], asked["batches"], asked["threads"]) == ("m.h5", [1, 32], 1)
    assert asked["engines"] == ["sofie_jit", "LiteRT"]
    assert asked["starts"] > 0
    answer = json.loads(capsys.readouterr().out)
    assert [Cell(**cell) for cell in answer["cells"]] == CELLS
    assert answer["machine"]["cores"] >= 1
    assert main(["bench", "m.h5"]) == 0
    assert (asked["batches"], asked["engines"]) == ([1], None)
    out = capsys.readouterr().out
    assert out.startswith("inputs: normally distributed random numbers, and zeros for integers")
    assert report.table(CELLS) in out
    assert _rows_of([np.ones((2, 3))]) == "inputs: the first of the 2 rows given, repeated if a batch has more"


def test_environment() -> None:
    assert environment.variables(1)["XLA_FLAGS"].endswith("--xla_cpu_multi_thread_eigen=false")
    assert environment.variables(2)["TF_NUM_INTRAOP_THREADS"] == "2"
    assert {"processor", "cores", "memory", "system"} <= set(environment.machine())
    assert environment.versions()["numpy"] == np.__version__
    json.dumps(environment.machine())


def results(batches: Sequence[int] = (1, 8)) -> dict[str, Any]:
    """A file as benchmarks/run.py writes it."""
    cells = [
        {"model": name, "repetition": repetition, "engine": engine, "batch": batch, "threads": 1, "problem": "",
         "minimum": base * batch * (1 + repetition / 10), "median": 2 * base * batch, "difference": 0.0}
        for name in ("net", "other") for repetition in range(3) for batch in batches
        for engine, base in (("sofie_jit", 1e-6 if name == "net" else 5e-6), ("LiteRT", 2e-6), ("predict", 0.04))
    ]  # fmt: skip
    problem = {"model": "net", "repetition": 0, "engine": "XLA", "batch": 1, "threads": 1, "problem": "cannot",
               "minimum": 0.0, "median": 0.0, "difference": 0.0}  # fmt: skip
    start = {"model": "net", "engine": "LiteRT", "batch": 1, "threads": 1, "seconds": 0.5, "memory": 4e7, "problem": ""}
    return {
        "date": "2000-01-01", "command": "run", "asked": {"1": 3}, "machine": environment.machine(),
        "versions": environment.versions(), "cells": [*cells, problem], "starts": [start],
        "runs": [{"model": name, "threads": 1, "repetition": repetition, "problem": "", "cores stolen": 0.0,
                  "cores used by others": 0.25} for repetition in range(3) for name in ("net", "other")],
    }  # fmt: skip


def test_pages_and_figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import figures
    import summary

    rows = summary.summarize(results())
    assert [(row.model, row.batch, row.best_peer) for row in rows][:2] == [("net", 1, "LiteRT"), ("net", 8, "LiteRT")]
    assert rows[0].ratios["sofie_jit"] == pytest.approx((0.5, 0.5))
    page = summary.page(results())
    assert "| net, 1 | **2.00** | 4.00 | 80000 | 0.50 / 0.50 |" in page
    assert "| other, 1 | 10.0 | **4.00** | 80000 | 2.50 / 2.50 (slower) |" in page
    assert "| net | 500 / 40 |" in page
    assert "* net, batch 1, XLA: cannot" in page
    assert "repetitions: 3 on 1 thread." in page
    assert "other programs used 0.25 cores" in page
    assert "## SOFIE" not in page
    readme = tmp_path / "README.md"
    readme.write_text((BENCHMARKS.parent / "README.md").read_text())
    measured = results()  # once: it contains the load of the machine at that time
    summary.write_readme(readme, measured)
    once = readme.read_text()
    assert "| net, 8 |" in once
    summary.write_readme(readme, measured)
    assert readme.read_text() == once
    drawn = figures.draw(results(), tmp_path)
    assert [path.name for path in drawn] == ["times.svg", "ratios.svg"]
    assert all("<svg" in path.read_text() for path in drawn)
    assert [path.name for path in figures.draw(results(batches=(1,)), tmp_path)] == ["ratios.svg"]


def test_what_a_run_that_was_cut_off_says_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import summary

    cut = results()
    cut["runs"] = cut["runs"][:3]
    assert summary.repetitions(cut) == "repetitions: 1 to 2 of 3 on 1 thread"
    cut["runs"][1]["problem"] = "the process that measures ended with code -9"
    assert summary.repetitions(cut) == "repetitions: 2 of 3 on 1 thread"
    assert "* other, 1 thread: the process that measures ended" in summary.page(cut)


def test_beside_sofie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import summary

    row = summary.Row("jet MLP", 32, 1, {summary.INSIDE: 0.84e-6}, {summary.INSIDE: 1.05e-6, "LiteRT": 6.8e-6}, {})
    assert "| jet MLP, 32 | 3.9 | 2.1 | 1.05 | 0.84 | 0.50 / 0.40 | 0.25 |" in summary.sofie_table([row])


def test_scaling_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import scaling

    cell = {"model": "net", "batch": 8, "alone, median": 2e-3, "alone, min": 1.8e-3, "processes, median": 1.25e-3,
            "processes, min": 1e-3, "threads, median": 1.25e-3, "threads, min": 1.2e-3}  # fmt: skip
    assert "| net, 8 | 2.00 | 1.60 / 1.50 | 1.60 / 1.80 | 1.00 / 0.83 |" in scaling.threads_table([cell])
    rows = [{"model": "net", "batch": batch, "minimum": time} for batch, time in ((1, 4e-6), (2, 3e-6), (4, 3.3e-6))]
    table = scaling.batches_table([*rows, {"model": "other", "batch": 1, "minimum": 1e-3}])
    assert "| 1 | 4 | 1000 |" in table
    assert "| 4 | 3.3 (1.10) |  |" in table
    taken = {key: results()[key] for key in ("date", "command", "machine", "versions")}
    page = scaling.page({"threads": taken | {"cells": [cell]}})
    assert "| net, 8 |" in page
    assert "To repeat: `run`" in page
    assert "Time per row" not in page


def test_problems_are_told_once() -> None:
    refused = [Cell(engine, batch, 1, problem="refused") for batch in (1, 2) for engine in ("sofie_jit", "header")]
    text = report.table([*refused, Cell("XLA", 1, 1, problem="fails"), Cell("XLA", 2, 1, 1e-6, 1e-6)])
    assert text.endswith("\n\nsofie_jit; header: refused\nXLA (batch 1): fails")
