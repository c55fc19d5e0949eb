"""infer beside Keras's three ways of calling a model, numpy array in, numpy array out, one thread each.

Before an engine is timed its answer is compared with Keras's; a wrong engine is not timed.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from models import BENCHMARKS

from sofie_jit.bench import ENGINES, prepare

TOLERANCE = 1e-4
"""Of the output's scale: enough to tell a wrong answer from rounding in networks of any depth."""


@functools.cache
def keras_model(name: str) -> Any:
    return BENCHMARKS[name].model()


@functools.cache
def example(name: str, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """An input of ``batch`` rows and Keras's answer to it."""
    model = keras_model(name)
    x = np.random.default_rng(1).normal(size=(batch, *model.input_shape[1:])).astype(np.float32)
    return x, np.asarray(model(x, training=False))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("name", "batch"), [(name, batch) for name, benchmark in BENCHMARKS.items() for batch in benchmark.batches]
)
def test_inference(benchmark: Any, name: str, batch: int, engine: str) -> None:
    x, expected = example(name, batch)
    call = prepare(engine, keras_model(name), x)
    assert np.abs(call(x) - expected).max() <= TOLERANCE * np.abs(expected).max()
    benchmark.group = f"{name}, batch {batch}"
    benchmark.name = engine
    benchmark(call, x)
