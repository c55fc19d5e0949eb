"""A batch shared among threads: the same bits, the right number of threads, and forked children."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sofie_jit import OptionError, OutOfRangeError, RModel, parallel
from sofie_jit.model import Model
from sofie_jit.operators import Gather
from sofie_jit.parallel import thread_count, useful_threads
from test_model import mlp


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setattr(parallel, "FLOPS_PER_THREAD", 1e5)
    return mlp().compile(threads=3)


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_the_bits_do_not_depend_on_threads(model: Model, threads: int) -> None:
    x = np.random.default_rng(0).normal(size=(10_001, 12)).astype(np.float32)
    assert useful_threads(threads, len(x), model._call.flops) == threads
    np.testing.assert_array_equal(
        model.infer(x, threads=threads),
        np.concatenate([model.infer(x[:5000], threads=1), model.infer(x[5000:], threads=1)]),
    )


def test_useful_threads() -> None:
    assert useful_threads(4, 10, 1e9) == 4
    assert useful_threads(8, 3, 1e9) == 3
    assert useful_threads(8, 1000, 1.0) == 1  # too little work
    assert useful_threads(8, 0, 1e9) == 1


def test_callers_that_share_the_pool_do_not_disturb_each_other(model: Model) -> None:
    x = np.random.default_rng(2).normal(size=(3000, 12)).astype(np.float32)
    want = model.infer(x, threads=1)
    with ThreadPoolExecutor(6) as callers:
        for result in callers.map(lambda threads: model.infer(x, threads=threads), [2, 3, 1, 4] * 50):
            np.testing.assert_array_equal(result, want)


def test_an_index_out_of_range_is_reported_from_any_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "FLOPS_PER_THREAD", 1e4)
    lookup = RModel("lookup")
    lookup.add_input_tensor_info("i", "int32", (None, 4))
    lookup.add_initialized_tensor("table", np.ones((8, 16), np.float32))
    lookup.add_operator(Gather(inputs=["table", "i"], outputs=["y"]))
    lookup.add_output_tensor_names("y")
    indices = np.zeros((1000, 4), np.int32)
    model = lookup.compile(threads=2)
    assert model.infer(indices).sum() == indices.size * 16
    indices[999, 3] = 8
    with pytest.raises(OutOfRangeError):
        model.infer(indices)


def test_thread_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5,2")
    assert thread_count(None) == 5
    monkeypatch.setenv("SOFIE_JIT_NUM_THREADS", "4")
    assert thread_count(None) == 4
    assert thread_count(2) == 2
    monkeypatch.setenv("SOFIE_JIT_NUM_THREADS", "many")
    with pytest.raises(OptionError, match="SOFIE_JIT_NUM_THREADS must be a positive number of threads, got 'many'"):
        thread_count(None)
    with pytest.raises(OptionError, match="threads must be"):
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
