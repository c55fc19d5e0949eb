"""A batch shared among threads: the same bits, the right number of threads, and forked children."""

from __future__ import annotations

import multiprocessing

import numpy as np
import pytest

from sofie_jit import parallel
from sofie_jit.model import Model
from sofie_jit.parallel import shares, thread_count
from test_model import mlp


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setattr(parallel, "FLOPS_PER_THREAD", 1e5)
    return mlp().compile(threads=3)


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_the_bits_do_not_depend_on_threads(model: Model, threads: int) -> None:
    x = np.random.default_rng(0).normal(size=(10_001, 12)).astype(np.float32)
    assert len(shares(len(x), threads, model._flops)) == threads
    np.testing.assert_array_equal(
        model.infer(x, threads=threads),
        np.concatenate([model.infer(x[:5000], threads=1), model.infer(x[5000:], threads=1)]),
    )


def test_shares() -> None:
    assert shares(10, 4, 1e9) == [slice(0, 2), slice(2, 5), slice(5, 7), slice(7, 10)]
    assert shares(3, 8, 1e9) == [slice(0, 1), slice(1, 2), slice(2, 3)]
    assert shares(1000, 8, 1.0) == [slice(0, 1000)]  # too little work
    assert shares(0, 8, 1e9) == [slice(0, 0)]


def test_thread_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5,2")
    assert thread_count(None) == 5
    monkeypatch.setenv("SOFIE_JIT_NUM_THREADS", "4")
    assert thread_count(None) == 4
    assert thread_count(2) == 2
    monkeypatch.setenv("SOFIE_JIT_NUM_THREADS", "many")
    with pytest.raises(ValueError, match="SOFIE_JIT_NUM_THREADS must be a positive number of threads, got 'many'"):
        thread_count(None)
    with pytest.raises(ValueError, match="threads must be"):
        thread_count(0)


def _in_child(model: Model, x: np.ndarray, queue: multiprocessing.Queue[bytes]) -> None:
    queue.put(model.infer(x).tobytes())


def test_a_forked_child_works(model: Model) -> None:
    x = np.random.default_rng(1).normal(size=(10_000, 12)).astype(np.float32)
    want = model.infer(x)  # starts the pool, whose threads the child will not have
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(model, x, queue))
    child.start()
    assert queue.get(timeout=60) == want.tobytes()
    child.join(timeout=60)
    assert child.exitcode == 0
