"""Model as users see it: inputs of every form, results, concurrency, error messages."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import sofie_jit
from networks import mlp, two_inputs
from sofie_jit import DtypeError, InputError, OptionError, RModel, ShapeError
from sofie_jit.ir.operators.activations import Relu
from sofie_jit.ir.operators.concat import Concat
from sofie_jit.ir.operators.elementwise import Add
from sofie_jit.jit.compiler import compiler
from sofie_jit.models.compiled_model import CALLS_BEFORE_FAST_CALL, CompiledModel
from sofie_jit.models.model import Model
from sofie_jit.models.stateful_model import StatefulModel


@pytest.fixture(scope="module")
def model() -> Model:
    return mlp().compile()


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(5).normal(size=(1000, 12)).astype(np.float32)


def test_every_implementation_is_a_model(model: Model) -> None:
    counter = RModel("counter")
    counter.add_state_tensor_info("total", "float32", (1,))
    counter.add_input_tensor_info("x", "float32", (1,))
    counter.add_operator(Add(inputs=["total", "x"], outputs=["sum"]))
    counter.update_state("total", "sum")
    counter.add_output_tensor_names("sum")
    for implementation in (model, counter.compile()):
        assert isinstance(implementation, sofie_jit.Model)
    for implementation in (CompiledModel, StatefulModel):
        assert issubclass(implementation, sofie_jit.Model)
        assert not implementation.__abstractmethods__
    with pytest.raises(TypeError, match="abstract"):
        sofie_jit.Model(mlp())  # type: ignore[abstract, arg-type, call-arg]


def test_methods_bound_before_the_fast_path_use_it_later(x: np.ndarray) -> None:
    model = mlp().compile()
    infer = CompiledModel.infer.__get__(model)
    want = [infer(x[:3]) for _ in range(CALLS_BEFORE_FAST_CALL + 2)]
    model._execution = None  # type: ignore[assignment]
    np.testing.assert_array_equal(infer(x[:3]), want[0])


def test_description(model: Model) -> None:
    assert model.input_names == ["x"]
    assert model.input_shapes == [(None, 12)]
    assert model.output_names == ["h1"]
    assert model.output_shapes == [(None, 7)]
    assert (model.input_dtypes, model.output_dtypes) == (["float32"], ["float32"])
    assert repr(model) == "<sofie_jit.Model 'mlp': x (None, 12) -> h1 (None, 7)>"
    assert "Gemm" in model.summary()
    assert "607" in model.summary()


@pytest.mark.parametrize("batch", [0, 1, 2, 3, 4, 5, 11, 12, 13, 25, 257, 1000])
def test_a_row_has_the_same_bits_in_any_batch(model: Model, x: np.ndarray, batch: int) -> None:
    np.testing.assert_array_equal(model.infer(x[:batch]), model.infer(x)[:batch])
    assert model(x[:batch]).shape == (batch, 7)


@pytest.mark.parametrize("dtype", ["float64", "float16", "int8", "int64", "uint16", "bool", ">f4"])
def test_any_real_type_is_converted(model: Model, x: np.ndarray, dtype: str) -> None:
    given = (4 * x[:20]).astype(dtype)
    np.testing.assert_array_equal(model.infer(given), model.infer(given.astype(np.float32)))


def test_any_memory_order_is_converted(model: Model, x: np.ndarray) -> None:
    want = model.infer(x[:40])
    np.testing.assert_array_equal(model.infer(np.asfortranarray(x[:40])), want)
    np.testing.assert_array_equal(model.infer(np.repeat(x[:40], 2, axis=0)[::2]), want)
    np.testing.assert_array_equal(model.infer(x[:40][::-1]), want[::-1])
    unaligned = np.frombuffer(b"\0" + x[:40].tobytes(), np.uint8)[1:].view(np.float32).reshape(40, 12)
    np.testing.assert_array_equal(model.infer(unaligned), want)
    np.testing.assert_array_equal(model.infer(x[:3].tolist()), want[:3])
    np.testing.assert_array_equal(model.infer([x[:40]]), want)
    np.testing.assert_array_equal(model.infer({"x": x[:40]}), want)
    frozen = x[:40].copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(model.infer(frozen), want)


def test_results_are_new_arrays(model: Model, x: np.ndarray) -> None:
    first = model.infer(x[:5])
    kept = first.copy()
    model.infer(x[5:10])
    np.testing.assert_array_equal(first, kept)
    assert first.flags.owndata
    assert first.flags.writeable


def test_out(model: Model, x: np.ndarray) -> None:
    out = np.empty((9, 7), np.float32)
    assert model.infer(x[:9], out=out) is out
    np.testing.assert_array_equal(out, model.infer(x[:9]))
    with pytest.raises(ShapeError, match=r"\(9, 7\)"):
        model.infer(x[:9], out=np.empty((9, 8), np.float32))
    with pytest.raises(DtypeError, match="float64"):
        model.infer(x[:9], out=np.empty((9, 7)))
    with pytest.raises(ShapeError, match="contiguous"):
        model.infer(x[:9], out=np.empty((7, 9), np.float32).T)
    unaligned = np.zeros(9 * 7 * 4 + 1, np.uint8)[1:].view(np.float32).reshape(9, 7)
    assert not unaligned.flags.aligned
    for options in ({}, {"threads": 2}):
        with pytest.raises(ShapeError, match="aligned"):
            model.infer(x[:9], out=unaligned, **options)
    assert not unaligned.any()
    with pytest.raises(DtypeError, match=">f4"):
        model.infer(x[:9], out=np.empty((9, 7), ">f4"))
    out.flags.writeable = False
    with pytest.raises(ShapeError, match="writable"):
        model.infer(x[:9], out=out)


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2"])
def test_numbers_of_threads_that_are_none(model: Model, x: np.ndarray, threads: Any) -> None:
    for call in (lambda: model.infer(x, threads=threads), lambda: mlp().compile(threads=threads)):
        with pytest.raises(OptionError, match=f"threads must be a positive number of threads, got {threads!r}"):
            call()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((12,), r"\(12,\), expected \(None, 12\).*x\[None\]"),
        ((12, 5), r"axes are in another order|expected"),
        ((3, 4, 3), r"x.reshape\(\(-1, 12\)\)"),
        ((3, 13), r"\(3, 13\), expected \(None, 12\)"),
        ((), r"\(\), expected"),
    ],
)
def test_wrong_shapes_are_explained(model: Model, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        model.infer(np.zeros(shape, np.float32))


def test_wrong_inputs_are_explained(model: Model) -> None:
    with pytest.raises(DtypeError, match="complex128"):
        model.infer(np.zeros((1, 12), complex))
    with pytest.raises(DtypeError, match="element type"):
        model.infer(np.array([["a"] * 12]))
    with pytest.raises(ShapeError, match=r"shapes, such as \(2,\) and \(1,\), .*: a row of it has the shape \(12,\)"):
        model.infer([[1.0, 2.0], [3.0]])
    with pytest.raises(ShapeError, match="rectangular"):
        model.infer([[[1.0, 2.0], [3.0]]])
    with pytest.raises(InputError, match=r"1 input \("):
        model.infer(np.zeros((1, 12)), np.zeros((1, 12)))
    with pytest.raises(InputError, match="named"):
        model.infer({"y": np.zeros((1, 12))})
    with pytest.raises(InputError):
        model.infer()


def test_several_inputs() -> None:
    both = two_inputs()
    a, b = np.arange(8, dtype=np.float32).reshape(2, 4), np.ones((2, 4), np.float32)
    for result in (both.infer(a, b), both.infer([a, b]), both.infer((a, b)), both.infer({"b": b, "a": a})):
        np.testing.assert_array_equal(result, a + b)
    with pytest.raises(ShapeError, match="batch sizes differ: input 'a' has 2, input 'b' has 3"):
        both.infer(a, np.ones((3, 4)))


def test_inputs_as_keyword_arguments() -> None:
    both = two_inputs()
    a, b = np.arange(8, dtype=np.float32).reshape(2, 4), np.ones((2, 4), np.float32)
    for _ in range(6):  # the C fast path takes over
        np.testing.assert_array_equal(both.infer(b=b, a=a, threads=1), a + b)
        np.testing.assert_array_equal(both(a=a, b=b), a + b)
    assert both.profile(a=a, b=b).records
    with pytest.raises(InputError, match=r"inputs are named \['a', 'b'\]; got \['a', 'particles'\]$"):
        both.infer(a=a, particles=b)
    with pytest.raises(InputError, match=r"there is no option thread=; .* out= and threads=, .* all positional or all"):
        both.infer(a, b, thread=1)
    with pytest.raises(InputError, match="either all positional or all keyword arguments"):
        both.infer(a, b=b)


def test_inputs_in_another_order() -> None:
    network = RModel("joined")
    network.add_input_tensor_info("jets", "float32", (None, 2))
    network.add_input_tensor_info("tracks", "float32", (None, "count", 3))
    network.add_operator(Relu(inputs=["jets"], outputs=["y"]))
    network.add_operator(Relu(inputs=["tracks"], outputs=["z"]))
    network.add_output_tensor_names("y", "z")
    model = network.compile()
    jets, tracks = np.ones((5, 2)), np.ones((5, 7, 3))
    for wrong in ((tracks, jets), ([tracks, jets],)):
        with pytest.raises(
            ShapeError, match="the arrays fit in another order: the inputs are jets, tracks, and a dict"
        ):
            model.infer(*wrong)
    for other in (tracks[..., :2], jets):
        with pytest.raises(ShapeError, match=r"expected \(None, 2\)$|expected \(None, None, 3\)$"):
            model.infer(jets if other.ndim == 3 else tracks[0], other)


@pytest.mark.parametrize(
    ("shape", "advice"),
    [
        ((None, "count", 4), r"pad them .*, or evaluate them one by one, \[model.infer\(x\[None\]\)"),
        ((None, 10, 4), r"fixed size \(10, 4\); pad them to the same size .*, and cut longer ones"),
        ((None, 4), "each of them is a batch; evaluate them one by one, or join them"),
    ],
)
def test_arrays_of_different_lengths(shape: tuple[Any, ...], advice: str) -> None:
    awkward = pytest.importorskip("awkward")
    network = RModel("relu")
    network.add_input_tensor_info("x", "float32", shape)
    network.add_operator(Relu(inputs=["x"], outputs=["y"]))
    network.add_output_tensor_names("y")
    model = network.compile()
    parts = [np.ones((3, 4)), np.ones((5, 4))]
    together = np.empty(2, object)
    together[:] = parts
    for given in (parts, together, [part.tolist() for part in parts], awkward.Array(parts)):
        with pytest.raises(ShapeError, match=r"such as \(3, 4\) and \(5, 4\), in place of one array: .*" + advice):
            model.infer(given)


def test_one_architecture_is_compiled_once() -> None:
    mlp(seed=1).compile()
    before = len(compiler()._networks)
    models = [mlp(seed, prefix=f"m{seed}_").compile() for seed in range(50)]
    assert len(compiler()._networks) == before
    x = np.random.default_rng(6).normal(size=(3, 12)).astype(np.float32)
    for seed in (0, 49):
        np.testing.assert_array_equal(models[seed].infer(x), mlp(seed).compile().infer(x))
    assert not np.array_equal(models[0].infer(x), models[1].infer(x))


def test_many_threads_give_the_serial_bits(model: Model, x: np.ndarray) -> None:
    want = model.infer(x)
    slices = [slice(start, start + 1 + start % 400) for start in range(0, 600, 7)] * 3
    with ThreadPoolExecutor(8) as pool:
        for part, result in zip(slices, pool.map(lambda s: model.infer(x[s]), slices), strict=True):
            np.testing.assert_array_equal(result, want[part])


def test_nan_stays_in_its_row(model: Model, x: np.ndarray) -> None:
    dirty = x[:30].copy()
    dirty[7, 3] = np.nan
    result = model.infer(dirty)
    assert np.isnan(result[7]).all()
    np.testing.assert_array_equal(np.delete(result, 7, axis=0), np.delete(model.infer(x[:30]), 7, axis=0))


def test_a_single_row_is_repeated_for_all_rows() -> None:
    model = two_inputs()
    a, b = np.arange(12, dtype=np.float32).reshape(3, 4), np.ones((1, 4), np.float32)
    np.testing.assert_array_equal(model.infer(a, b), a + 1)
    np.testing.assert_array_equal(model.infer(b, a), a + 1)
    assert model.infer(a[:0], b).shape == (0, 4)
    with pytest.raises(ShapeError, match="batch sizes differ"):
        model.infer(a, a[:2])


def test_a_single_row_is_not_repeated_if_an_output_depends_on_it_alone() -> None:
    rmodel = RModel("apart")
    for name in ("a", "b"):
        rmodel.add_input_tensor_info(name, "float32", (None, 4))
        rmodel.add_operator(Relu(inputs=[name], outputs=[f"{name}_out"]))
    rmodel.add_output_tensor_names("a_out", "b_out")
    with pytest.raises(ShapeError, match="batch sizes differ"):
        rmodel.compile().infer(np.ones((3, 4)), np.ones((1, 4)))


def test_dims_and_the_inputs_that_share_them() -> None:
    network = RModel("shared")
    network.add_input_tensor_info("x", "float32", (None, "time", 3))
    network.add_input_tensor_info("y", "float32", (None, "time", "width"))
    network.add_operator(Concat(inputs=["x", "y"], outputs=["z"], axis=2))
    network.add_output_tensor_names("z")
    model = network.compile()
    assert model.dims == {"batch": [("x", 0), ("y", 0)], "time": [("x", 1), ("y", 1)], "width": [("y", 2)]}
    assert model.output_shapes == [(None, None, None)]
    assert model.infer(np.zeros((2, 4, 3)), np.zeros((2, 4, 5))).shape == (2, 4, 8)
    with pytest.raises(ShapeError, match="sizes of 'time' differ: input 'x' has 4, input 'y' has 7 in axis 1"):
        model.infer(np.zeros((2, 4, 3)), np.zeros((2, 7, 5)))
    assert model.specialize((2, 4, 3), (2, 4, 5)).dims == {}
