"""Copied and pickled models give the same bits, also in other processes."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

import sofie_jit
from sofie_jit.demo import MODEL_FILE
from sofie_jit.jit.compiler import compiler
from sofie_jit.models.compiled_model import CALLS_BEFORE_FAST_CALL

keras = pytest.importorskip("keras")


def any_size() -> sofie_jit.Model:
    """A model with open sizes."""
    x = keras.Input((None, None, 2))
    return sofie_jit.load(keras.Model(x, keras.layers.Conv2D(3, 3)(x)), threads=1)


def shipped() -> sofie_jit.Model:
    return sofie_jit.load(MODEL_FILE, threads=1, optimize=False)


def data(model: sofie_jit.Model) -> np.ndarray:
    shape = [size or 7 for size in model.input_shapes[0]]
    return np.random.default_rng(0).uniform(size=shape).astype(np.float32)


@pytest.mark.parametrize("make", [any_size, shipped])
@pytest.mark.parametrize("travel", [copy.deepcopy, copy.copy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_are_equal(make, travel) -> None:
    model = make()
    x = data(model)
    want = model.infer(x)
    compiled = len(compiler()._networks)
    other = travel(model)
    np.testing.assert_array_equal(other.infer(x), want)
    assert len(compiler()._networks) == compiled, "one process compiles an architecture once"
    assert other is not model
    assert other._options == model._options == {"threads": 1, "optimize": make is any_size}
    assert repr(other) == repr(model)


def test_a_pickle_is_hardly_larger_than_the_weights() -> None:
    model = shipped()
    weights = sum(values.nbytes for values in model.rmodel.initialized.values())
    assert len(pickle.dumps(model)) < weights + 20_000


def test_other_processes_give_the_same_bits() -> None:
    model = shipped()
    x = data(model)
    for _ in range(CALLS_BEFORE_FAST_CALL):
        model.infer(x)  # then infer is the C fast path
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for part in pool.map(model.infer, [x, x[:3]]):
            np.testing.assert_array_equal(part, model.infer(x)[: len(part)])
