"""Calls that threads share: equal bits, the right number of threads, and forked processes."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from networks import mlp
from pass_models import chain_model
from sofie_jit import OptionError, OutOfRangeError, RModel
from sofie_jit.codegen.lowered.conv import FusedConv
from sofie_jit.codegen.tuning import MC_STEP
from sofie_jit.ir.operators import Conv, Gather, Gemm, MaxPool, Relu, Reshape, Swish
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.jit import runtime_functions
from sofie_jit.jit import threads as thread_rules
from sofie_jit.jit.cling import cppyy
from sofie_jit.jit.compiler import compiler
from sofie_jit.jit.threads import thread_count, useful_threads
from sofie_jit.models.model import Model


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setattr(thread_rules, "FLOPS_PER_THREAD", 1e5)
    return mlp().compile(threads=3)


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_the_bits_do_not_depend_on_threads(model: Model, threads: int) -> None:
    x = np.random.default_rng(0).normal(size=(10_001, 12)).astype(np.float32)
    assert useful_threads(threads, model._execution.signature.flops({"batch": len(x)})) == threads
    np.testing.assert_array_equal(
        model.infer(x, threads=threads),
        np.concatenate([model.infer(x[:5000], threads=1), model.infer(x[5000:], threads=1)]),
    )


def test_useful_threads() -> None:
    assert useful_threads(4, 4 * thread_rules.FLOPS_PER_THREAD) == 4
    assert useful_threads(4, 2.9 * thread_rules.FLOPS_PER_THREAD) == 2
    assert useful_threads(8, 1.0) == 1  # too little work
    assert useful_threads(8, 0) == 1


@pytest.mark.parametrize(
    ("batch", "threads", "min_rows", "rows"),
    [
        (1, 2, 1, 0),
        (2, 2, 1, 1),
        (3, 2, 1, 0),  # two and one would leave a thread idle for a third of the time
        (5, 4, 1, 0),
        (19, 2, 1, 10),
        (20, 2, 12, 0),
        (32, 2, 12, 16),
        (1024, 2, 1, 132),  # whole register tiles, and several for each thread
        (4096, 3, 12, 348),
    ],
)
def test_rows_per_part(batch: int, threads: int, min_rows: int, rows: int) -> None:
    for name in ("session", "thread_pool"):  # the functions in use may come from a library
        compiler().define(runtime_functions.text(name), name)
    assert cppyy().gbl.sofie_jit_runtime.rows_per_part(batch, threads, min_rows) == rows


def test_rows_that_stay_together(model: Model, shared: Model) -> None:
    assert model._execution.session.code.rows_together == MC_STEP  # dense layers
    assert shared._execution.session.code.rows_together == 1  # mostly convolutions


def network(seed: int = 0) -> RModel:
    """Odd sizes, and every operator that threads can share: with work for one part and for many."""
    rng = np.random.default_rng(seed)
    model = RModel("shared")
    model.add_input_tensor_info("x", "float32", (None, 29, 31, 3))

    def add(operator: type[ROperator], name: str, *inputs: str | tuple[int, ...], **attributes: Any) -> str:
        names = [item if isinstance(item, str) else f"{name}{i}" for i, item in enumerate(inputs)]
        for item, given in zip(inputs, names, strict=True):
            if not isinstance(item, str):
                model.add_initialized_tensor(given, rng.normal(size=item).astype(np.float32) / 4)
        model.add_operator(operator(inputs=names, outputs=[name], **attributes))
        return name

    same = {"layout": "NHWC", "auto_pad": "SAME_UPPER"}
    conv = {**same, "kernel_layout": "HWIO"}
    x = add(FusedConv, "rows", "x", (3, 3, 3, 40), (40,), activation=Relu(), **conv)
    x = add(FusedConv, "strided", x, (5, 3, 40, 20), (20,), strides=(2, 1), activation=Swish(), **conv)
    x = add(MaxPool, "pooled", x, kernel_shape=(3, 3), **same)
    x = add(FusedConv, "depthwise", x, (3, 3, 1, 20), (20,), group=20, activation=Swish(), **conv)
    y = add(FusedConv, "outputs", x, (3, 3, 20, 200), (200,), activation=Swish(), **conv)
    y = add(FusedConv, "pointwise", y, (1, 1, 200, 20), (20,), x, activation=Relu(), **conv)
    y = add(Reshape, "flat", y, shape=(-1, 15 * 31 * 20))
    add(Gemm, "y", y, (15 * 31 * 20, 100), (100,))
    model.add_output_tensor_names("y")
    return model


@pytest.fixture(scope="module")
def shared() -> Model:
    return network().compile(threads=1)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("threads", [2, 3, 5])
def test_threads_share_one_image(shared: Model, batch: int, threads: int) -> None:
    x = np.random.default_rng(batch).normal(size=(batch, 29, 31, 3)).astype(np.float32)
    want = [shared.infer(row[None], threads=1) for row in x]
    for _ in range(20):
        np.testing.assert_array_equal(shared.infer(x, threads=threads), np.concatenate(want))


def one_kernel(operator: type[ROperator], *weights: tuple[int, ...], channels: int = 32, **attributes: Any) -> RModel:
    """An operator on images of 48 x 40 pixels."""
    rng = np.random.default_rng(4)
    model = RModel("one")
    model.add_input_tensor_info("x", "float32", (None, 48, 40, channels))
    for i, shape in enumerate(weights):
        model.add_initialized_tensor(f"w{i}", rng.normal(size=shape).astype(np.float32))
    names = ["x", *(f"w{i}" for i in range(len(weights)))]
    layout = {"layout": "NHWC"} | ({"kernel_layout": "HWIO"} if operator is Conv else {})
    model.add_operator(operator(inputs=names, outputs=["y"], **layout, **attributes))
    model.add_output_tensor_names("y")
    return model


SHARED = {
    "conv": one_kernel(Conv, (3, 3, 32, 20), strides=(2, 2)),
    "conv, groups": one_kernel(Conv, (3, 3, 8, 20), group=4),
    "winograd": one_kernel(Conv, (3, 3, 32, 32)),
    "gemm": one_kernel(Conv, (1, 1, 32, 20), (20,)),
    "gemv": one_kernel(Conv, (1, 1, 32, 1)),
    "depthwise_square": one_kernel(Conv, (3, 3, 1, 32), group=32),
    "depthwise": one_kernel(Conv, (2, 3, 1, 32), group=32),
    "depthwise_square, repeated": one_kernel(Conv, (3, 3, 1, 64), group=32),
    "depthwise, repeated": one_kernel(Conv, (2, 3, 1, 64), group=32),
    "pool": one_kernel(MaxPool, kernel_shape=(2, 2), strides=(2, 2)),
    "pool, few channels": one_kernel(MaxPool, kernel_shape=(7, 7), channels=3, auto_pad="SAME_UPPER"),
    "depthwise_chain": chain_model(),
}


@pytest.mark.parametrize("kernel", SHARED)
def test_every_kernel_that_threads_can_share(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_rules, "FLOPS_PER_THREAD", 1e4)
    model = SHARED[kernel].compile(threads=1)
    x = np.random.default_rng(5).normal(size=(1, *model.input_shapes[0][1:])).astype(np.float32)  # type: ignore[arg-type]
    want = model.infer(x)
    np.testing.assert_array_equal(model.infer(x, threads=3), want)
    session = model._execution.session
    definitions = "".join(function.definition for function in session.code.deferred.values())
    assert f"parallel_{kernel.partition(',')[0]}(" in definitions
    assert (session.code.namespace, "team") in compiler()._completed


def test_callers_that_share_the_pool_do_not_disturb_each_other(model: Model) -> None:
    x = np.random.default_rng(2).normal(size=(3000, 12)).astype(np.float32)
    want = model.infer(x, threads=1)
    with ThreadPoolExecutor(6) as callers:
        for result in callers.map(lambda threads: model.infer(x, threads=threads), [2, 3, 1, 4] * 50):
            np.testing.assert_array_equal(result, want)


def test_callers_share_an_image_with_different_numbers_of_threads(shared: Model) -> None:
    x = np.random.default_rng(3).normal(size=(4, 1, 29, 31, 3)).astype(np.float32)
    want = [shared.infer(image, threads=1) for image in x]
    with ThreadPoolExecutor(4) as callers:
        jobs = [(i % 4, (2, 5, 3, 1)[i // 4 % 4]) for i in range(80)]
        results = callers.map(lambda job: shared.infer(x[job[0]], threads=job[1]), jobs)
        for (image, _), result in zip(jobs, results, strict=True):
            np.testing.assert_array_equal(result, want[image])


def test_an_index_out_of_range_is_reported_from_any_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_rules, "FLOPS_PER_THREAD", 1e4)
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
    for wrong in ("2", 2.9):
        with pytest.raises(OptionError, match=f"threads must be a positive number of threads, got {wrong!r}"):
            thread_count(wrong)
    assert thread_count(np.int64(2)) == 2


def _in_child(model: Model, x: np.ndarray, queue: multiprocessing.Queue[bytes]) -> None:
    queue.put(model.infer(x, threads=3).tobytes())


@pytest.mark.parametrize("rows", [1, 10_000])
def test_a_forked_child_works(rows: int, request: pytest.FixtureRequest) -> None:
    model: Model = request.getfixturevalue("shared" if rows == 1 else "model")
    shape = tuple(size or rows for size in model.input_shapes[0])
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    want = model.infer(x, threads=3)  # starts the pool; the child has none of its threads
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(model, x, queue))
    child.start()
    assert queue.get(timeout=60) == want.tobytes()
    child.join(timeout=60)
    assert child.exitcode == 0
