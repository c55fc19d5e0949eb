"""Time ``infer`` and every other engine that is installed, from numpy array to numpy array.

The output of each engine is compared with Keras's before the engine is timed; an engine with a wrong output is not
timed. pytest-benchmark measures one engine after the other. In ``sofie-jit bench`` and run.py the engines take turns,
which is less sensitive to noise.
"""

from __future__ import annotations

import functools
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import BENCHMARKS
from sofie_jit.bench import ENGINES, TOLERANCE, difference, engines_for, prepare
from sofie_jit.bench.measure import Cell
from sofie_jit.report.timing import round_robin, sample_of


@functools.cache
def keras_model(name: str) -> Any:
    return BENCHMARKS[name].model()


@functools.cache
def example(name: str, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an input of ``batch`` rows and Keras's output for it."""
    model = keras_model(name)
    x = np.random.default_rng(1).normal(size=(batch, *model.input_shape[1:])).astype(np.float32)
    return x, np.asarray(model(x, training=False))


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory for the converted models of all engines."""
    return tmp_path_factory.mktemp("converted")


@pytest.mark.parametrize("engine", engines_for("Keras"))
@pytest.mark.parametrize(
    ("name", "batch"), [(name, batch) for name, benchmark in BENCHMARKS.items() for batch in benchmark.batches]
)
def test_inference(
    benchmark: Any,
    name: str,
    batch: int,
    engine: str,
    converted: Path,
    cells: dict[str, list[Cell]],
    request: pytest.FixtureRequest,
) -> None:
    if missing := ENGINES[engine].missing:
        pytest.skip(f"{engine}: {missing}")
    x, expected = example(name, batch)
    threads = request.config.getoption("--threads")
    directory = converted / name
    directory.mkdir(exist_ok=True)
    call = prepare(engine, keras_model(name), (x,), threads=threads, directory=directory)
    distance = difference(call(x), expected)
    assert distance <= TOLERANCE
    benchmark.group = f"{name}, batch {batch}"
    benchmark.name = engine
    if hasattr(call, "seconds"):  # timed inside C++, which pytest-benchmark's clock cannot measure
        benchmark.pedantic(call, (x,), rounds=1)
        taken = round_robin({engine: sample_of(call, x)})[engine]
        seconds = min(taken), statistics.median(taken)
    else:
        benchmark(call, x)
        seconds = benchmark.stats.stats.min, benchmark.stats.stats.median
    cells.setdefault(name, []).append(Cell(engine, batch, threads, *seconds, difference=distance))
