"""Dask: lazy results, chunks of every kind, and a cluster that loses a worker process while it computes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import sofie_jit
from networks import gemm_relu_transpose, mlp, two_inputs
from sofie_jit.demo import MODEL_FILE

da = pytest.importorskip("dask.array")
import sofie_jit.dask  # noqa: E402


@pytest.fixture(scope="module")
def model() -> sofie_jit.Model:
    return sofie_jit.load(MODEL_FILE, threads=1)


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(count, 8, 8, 1)).astype(np.float32)


@pytest.mark.parametrize("chunks", [(7, 8, 8, 1), (100, 3, 8, 1), ((30, 0, 70), 8, (1, 7), 1)])
def test_chunks(model: sofie_jit.Model, chunks: tuple) -> None:
    x = images(100)
    y = sofie_jit.dask.infer(model, da.from_array(x, chunks=chunks))
    assert isinstance(y, da.Array)
    assert (y.shape, y.dtype) == ((100, 10), np.float32)
    np.testing.assert_array_equal(y.compute(scheduler="threads"), model.infer(x))
    np.testing.assert_array_equal(y[13:17, 2].compute(scheduler="sync"), model.infer(x)[13:17, 2])


def test_a_file_must_be_loaded_first() -> None:
    with pytest.raises(sofie_jit.InputError, match=r"model= is str, expected .*: pass sofie_jit.load\('m.h5'\)"):
        sofie_jit.dask.infer("m.h5", np.zeros((2, 3)))  # type: ignore[arg-type]


def test_data_frames_are_matched_by_name() -> None:
    frames, pandas = pytest.importorskip("dask.dataframe"), pytest.importorskip("pandas")
    model = mlp().compile()
    count = model.input_shapes[0][1]
    names = [f"f{i}" for i in range(count)]
    x = np.random.default_rng(0).normal(size=(20, count)).astype(np.float32)
    model.columns = names
    reordered = pandas.DataFrame(x, columns=names)[names[::-1]]
    for frame in (reordered, frames.from_pandas(reordered, npartitions=3)):
        np.testing.assert_array_equal(sofie_jit.dask.infer(model, frame).compute(scheduler="sync"), model.infer(x))
    with pytest.raises(sofie_jit.InputError, match="does not know the column more"):
        sofie_jit.dask.infer(model, reordered.assign(more=1))


def test_unknown_chunks(model: sofie_jit.Model) -> None:
    x = images(50)
    lazy = da.from_array(x, chunks=(20, 8, 8, 1))
    y = sofie_jit.dask.infer(model, lazy[lazy[:, 0, 0, 0] > 0.5])
    assert np.isnan(y.shape[0])
    np.testing.assert_array_equal(y.compute(scheduler="sync"), model.infer(x[x[:, 0, 0, 0] > 0.5]))


def test_only_requested_chunks_are_computed(model: sofie_jit.Model) -> None:
    computed = []

    def block(block_info: dict) -> np.ndarray:
        computed.append(block_info[None]["chunk-location"][0])
        return images(10)

    lazy = da.map_blocks(block, chunks=((10,) * 5, 8, 8, 1), dtype=np.float32, meta=np.empty((0, 0, 0, 0), np.float32))
    y = sofie_jit.dask.infer(model, lazy)
    assert computed == []
    y[25:35].compute(scheduler="sync")
    assert sorted(computed) == [2, 3]


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    import keras

    a, b = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    both = keras.layers.Concatenate(name="both")([a, b])
    keras_model = keras.Model([a, b], {"x": both, "y": [keras.layers.ReLU()(both)]})
    keras_model.save(tmp_path / "m.keras")
    model = sofie_jit.load(tmp_path / "m.keras")
    p, q = np.random.default_rng(0).normal(size=(20, 2)), np.random.default_rng(1).normal(size=(20, 3))
    want = model.infer(p, q)
    lazy_p, lazy_q = da.from_array(p, chunks=(7, 1)), da.from_array(q, chunks=(4, 3))
    for given in ([lazy_p, lazy_q], [[lazy_p, q]], [{"b": lazy_q, "a": lazy_p}]):
        found = sofie_jit.dask.infer(model, *given)
        np.testing.assert_array_equal(found["x"].compute(scheduler="sync"), want["x"])
        np.testing.assert_array_equal(found["y"][0].compute(scheduler="sync"), want["y"][0])


def test_invalid_inputs(model: sofie_jit.Model) -> None:
    x = da.zeros((10, 8, 8, 1), chunks=5)
    with pytest.raises(sofie_jit.ShapeError, match="expected shape"):
        sofie_jit.dask.infer(model, x[:, :7])
    with pytest.raises(sofie_jit.InputError, match=r"1 input \("):
        sofie_jit.dask.infer(model, x, x)
    with pytest.raises(sofie_jit.InputError, match="depend on each other"):
        sofie_jit.dask.infer(gemm_relu_transpose(np.random.default_rng(0)).compile(), da.zeros((3, 16)))
    sums = two_inputs()
    shapes = [shape[1:] for shape in sums.input_shapes]
    with pytest.raises(sofie_jit.ShapeError, match="rows"):
        sofie_jit.dask.infer(sums, da.zeros((3, *shapes[0])), da.zeros((4, *shapes[1])))
    zeros = da.zeros((3, *shapes[1]), chunks=3)
    one = zeros[da.from_array(np.arange(3), chunks=3) == 1]  # the size of its chunk is not known
    result = sofie_jit.dask.infer(sums, da.zeros((3, *shapes[0]), chunks=3), one)  # a single row is not repeated
    with pytest.raises(sofie_jit.ShapeError, match="different numbers of rows"):
        result.compute()
    with pytest.raises(sofie_jit.InputError, match="inputs are named"):
        sofie_jit.dask.infer(mlp().compile(), {"no such": x})


def slowly(block: np.ndarray) -> np.ndarray:
    time.sleep(0.1)
    return block


def test_a_worker_is_killed(model: sofie_jit.Model) -> None:
    distributed = pytest.importorskip("distributed")
    x = images(400)
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        lazy = da.from_array(x, chunks=(5, 8, 8, 1)).map_blocks(slowly, dtype=np.float32)
        y = client.persist(sofie_jit.dask.infer(model, lazy))
        parts = distributed.futures_of(y)
        deadline = time.monotonic() + 240
        while sum(part.done() for part in parts) < 10:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        victim = next(iter(client.run(os.getpid).values()))
        os.kill(victim, signal.SIGKILL)
        assert not all(part.done() for part in parts)
        np.testing.assert_array_equal(y.compute(), model.infer(x))
        assert victim not in client.run(os.getpid).values()
