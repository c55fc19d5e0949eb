"""The measuring itself: the clock, and engines that answer alike."""

from __future__ import annotations

import time

import numpy as np
import pytest

from sofie_jit.bench import ENGINES, prepare
from sofie_jit.bench.timing import seconds_per_call


def test_seconds_per_call() -> None:
    calls = []

    def call() -> None:
        calls.append(1)
        time.sleep(0.002)

    assert 0.002 <= seconds_per_call(call, budget=0.02, samples=3) < 0.1
    assert len(calls) < 60
    assert 0 < seconds_per_call(lambda: None, budget=0.02, samples=3) < 1e-4


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_agree_with_keras(engine: str) -> None:
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="tanh")])
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    answer = prepare(engine, model, x)(x)
    assert isinstance(answer, np.ndarray)
    np.testing.assert_allclose(answer, model(x), rtol=0, atol=1e-6)
