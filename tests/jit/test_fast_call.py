"""The C fast path of infer: the same answers and errors as the Python it replaces, and nothing leaked."""

from __future__ import annotations

import gc
import inspect
import subprocess
import sys
import weakref
from typing import Any

import numpy as np
import pytest

import sofie_jit
from sofie_jit import InputError, OutOfRangeError, RModel, ShapeError
from sofie_jit.ir.dims import Dim, SymbolicDim, bind_shape, ceil_div, maximum, minimum
from sofie_jit.ir.operators import Add, Concat, Gather, Mul, NonZero, Pad, Relu, Slice
from sofie_jit.ir.operators.slice import BEYOND
from sofie_jit.models.compiled_model import CALLS_BEFORE_FAST_CALL
from sofie_jit.models.model import Model


def sums() -> RModel:
    """a + b and a * b, for any number of rows and steps."""
    model = RModel("sums")
    for name in ("a", "b"):
        model.add_input_tensor_info(name, "float32", (None, "time", 3))
    model.add_operator(Add(inputs=["a", "b"], outputs=["sum"]))
    model.add_operator(Mul(inputs=["a", "b"], outputs=["product"]))
    model.add_output_tensor_names("sum", "product")
    return model


def lookup() -> RModel:
    model = RModel("lookup")
    model.add_input_tensor_info("i", "int32", (None, 2))
    model.add_initialized_tensor("table", np.arange(12, dtype=np.float32).reshape(4, 3))
    model.add_operator(Gather(inputs=["table", "i"], outputs=["y"]))
    model.add_output_tensor_names("y")
    return model


def with_fast_call(rmodel: RModel, *inputs: np.ndarray) -> Model:
    model = rmodel.compile()
    for _ in range(CALLS_BEFORE_FAST_CALL):
        model.infer(*inputs)
    assert inspect.isbuiltin(model.infer)
    return model


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


@pytest.fixture(scope="module")
def model() -> Model:
    return with_fast_call(sums(), ones(1, 1, 3), ones(1, 1, 3))


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x,
        lambda x: x.astype(np.float64),
        lambda x: x.astype(">f4"),
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, axis=2)[:, :, ::2],
        lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape),  # unaligned
        lambda x: x.tolist(),
        lambda x: np.ma.masked_array(x),
        lambda x: x[:0],
        lambda x: x[:, :0],
    ],
)
def test_same_results_as_python(model: Model, convert) -> None:
    rng = np.random.default_rng(0)
    a, b = (convert(rng.normal(size=(5, 4, 3)).astype(np.float32)) for _ in range(2))
    for got, want in zip(model.infer(a, b), model._execution(a, b), strict=True):
        np.testing.assert_array_equal(got, want)
        assert type(got) is np.ndarray
        assert got.dtype == np.float32
        assert got.flags.owndata
    assert isinstance(model.infer(a, b), list)


@pytest.mark.parametrize("flaw", ["read-only", "unaligned", "strided", "other byte order"])
def test_results_that_cannot_be_written_to(flaw: str) -> None:
    rmodel = RModel("relu")
    rmodel.add_input_tensor_info("x", "float32", (None, 3))
    rmodel.add_operator(Relu(inputs=["x"], outputs=["y"]))
    rmodel.add_output_tensor_names("y")
    model = with_fast_call(rmodel, ones(2, 3))
    out = {
        "read-only": np.zeros((2, 3), np.float32),
        "unaligned": np.zeros(25, np.uint8)[1:].view(np.float32).reshape(2, 3),
        "strided": np.zeros((2, 6), np.float32)[:, ::2],
        "other byte order": np.zeros((2, 3), ">f4"),
    }[flaw]
    out.flags.writeable = flaw != "read-only"
    with pytest.raises((ShapeError, sofie_jit.DtypeError), match="out for 'y' must be"):
        model.infer(ones(2, 3), out=out)
    assert not out.any()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((ones(2, 2, 3),), sofie_jit.InputError),
        ((ones(2, 2, 4), ones(2, 2, 4)), ShapeError),
        ((ones(2, 2, 3), ones(2, 3, 3)), ShapeError),
        ((ones(2, 2, 3), ones(3, 2, 3)), ShapeError),
        ((ones(2, 3), ones(2, 3)), ShapeError),
        ((ones(2, 2, 3) * 1j, ones(2, 2, 3)), sofie_jit.DtypeError),
        ((None, None), sofie_jit.DtypeError),
    ],
)
def test_invalid_arguments_raise(model: Model, arguments, error: type[Exception]) -> None:
    with pytest.raises(error):
        model.infer(*arguments)
    with pytest.raises(TypeError):
        model.infer(*arguments, unknown=1)


def test_keywords(model: Model) -> None:
    out = [np.empty((2, 2, 3), np.float32) for _ in range(2)]
    assert model.infer(ones(2, 2, 3), ones(2, 2, 3), out=out)[0] is out[0]
    assert out[0][0, 0, 0] == 2
    assert model.infer([ones(2, 2, 3), ones(2, 2, 3)], threads=1)[1][1, 1, 1] == 1
    assert model.infer({"a": ones(1, 1, 3), "b": ones(1, 1, 3)})[0][0, 0, 0] == 2


def test_lists_and_dicts_take_the_fast_path(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = ones(2, 2, 3), ones(2, 2, 3) * 3
    before = sys.getrefcount(a)

    def no_fallback(*arguments: object, **options: object) -> None:
        raise AssertionError("Python handles the call")

    monkeypatch.setattr(type(model._execution), "__call__", no_fallback)
    for given in ([a, b], {"a": a, "b": b}, {"b": b, "a": a}):
        assert [y[0, 0, 0] for y in model.infer(given, threads=1)] == [4, 3]
    for given in ([a], [a, b, b], {"a": a}, {"a": a, "c": b}, (a, b), [a, b.astype(np.float64)]):
        with pytest.raises(AssertionError, match="Python handles"):
            model.infer(given)
    del given
    assert sys.getrefcount(a) == before


@pytest.mark.parametrize(
    "structure", [None, [0, 1], [1, 0], {"sum": 0, "product": 1}, {"p": 1, "s": 0}, {7: 0, None: 1}, {"a": [0, 1]}]
)
def test_structures(structure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists and dicts have the order of the structure; nested ones are left to Python."""
    network = sums()
    network.output_structure = structure
    a, b = ones(2, 2, 3), ones(2, 2, 3) * 3
    model = network.compile()
    expected = model._execution(a, b)
    nested = structure == {"a": [0, 1]}
    assert inspect.isbuiltin(model.infer) is not nested
    if not nested:
        monkeypatch.setattr(type(model._execution), "__call__", None)
    found = model.infer(a, b)
    assert type(found) is type(expected)
    assert str(found) == str(expected)
    parts = list(found.values() if isinstance(found, dict) else found)
    del found
    assert {sys.getrefcount(part) for part in parts} == {3}  # of the list, the loop and the argument: nothing leaks


def test_structures_of_one_output() -> None:
    for structure in (0, [0], {"y": 0}):
        network = lookup()
        network.output_structure = structure
        indices = np.zeros((1, 2), np.int32)
        model = with_fast_call(network, indices)
        assert str(model.infer(indices)) == str(model._execution(indices))


def test_converted_arrays_take_the_fast_path(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python converts the arguments and computes no sizes; calls that fail again raise its errors."""
    a, b = ones(2, 2, 3), ones(2, 2, 3) * 3
    monkeypatch.setattr(type(model._execution), "run", None)
    for given in ((a.astype(np.float64), b), ([a, b.tolist()],), ((a, b),), ({"b": b.astype(np.int32), "a": a},)):
        assert [y[0, 0, 0] for y in model.infer(*given)] == [4, 3]
    assert [y[0, 0, 0] for y in model.infer(a=a, b=b[::-1])] == [4, 3]
    with pytest.raises(ShapeError, match="batch sizes differ"):
        model.infer(a.astype(np.float64), b[:1].repeat(3, axis=0))
    with pytest.raises(TypeError):  # an empty batch is computed by Python
        model.infer(a[:0].astype(np.float64), b[:0])
    monkeypatch.undo()
    assert model.infer(a[:0].astype(np.float64), b[:0])[0].shape == (0, 2, 3)
    out = [np.empty((2, 2, 3), np.float32) for _ in range(2)]
    assert model.infer(a.astype(np.float64), b, out=out, threads=1)[1] is out[1]


def test_an_index_out_of_range_raises() -> None:
    model = with_fast_call(lookup(), np.zeros((1, 2), np.int32))
    np.testing.assert_array_equal(model.infer(np.array([[3, 0]], np.int32)), [[[9, 10, 11], [0, 1, 2]]])
    with pytest.raises(OutOfRangeError):
        model.infer(np.array([[4, 0]], np.int32))


def sized(**parts: tuple[Dim, Dim]) -> RModel:
    """Outputs whose sizes are expressions over the sizes of an image."""
    model = RModel("sized")
    model.add_input_tensor_info("x", "float32", (None, "height", "width"))
    for name, (rows, columns) in parts.items():
        borders = [0, rows - SymbolicDim("height"), columns - SymbolicDim("width")]
        model.add_operator(Pad(pads=[0, 0, 0, *borders], inputs=["x"], outputs=[name]))
        model.add_output_tensor_names(name)
    return model


def test_sizes_of_outputs_that_are_expressions(monkeypatch: pytest.MonkeyPatch) -> None:
    h, w = SymbolicDim("height"), SymbolicDim("width")
    sizes = {
        "halves": (ceil_div(h, 2), w // 3),
        "products": (h * w, 3 * h + 2 * w - 1),
        "limits": (maximum(minimum(h, w), 2), 7 - minimum(h, 4)),
        "rounded": ((h - 5) // 3 + 4, (h + w) // (w % 4 + 1)),
        "reshaped": (2 * h, h),
    }
    model = with_fast_call(sized(**sizes), ones(1, 4, 6))
    slow = model._execution
    images = [ones(2, *shape) for shape in ((4, 6), (1, 3), (3, 7), (9, 5), (20, 31))]
    expected = [slow(x) for x in images]
    monkeypatch.setattr(type(slow), "__call__", lambda *arguments, **options: pytest.fail("it takes the slow path"))
    for x, results in zip(images, expected, strict=True):
        for (rows, columns), found, wanted in zip(sizes.values(), model.infer(x), results, strict=True):
            bound = {"height": x.shape[1], "width": x.shape[2]}
            assert found.shape == (2, *bind_shape((rows, columns), bound))
            assert np.array_equal(found, wanted)


def test_names_of_sizes_may_be_keywords() -> None:
    model = RModel("keywords")
    model.add_input_tensor_info("x", "float32", (None, "lambda", "None"))
    half = SymbolicDim("lambda") // 2 - SymbolicDim("lambda")
    model.add_operator(Pad(pads=[0, 0, 0, 0, half, SymbolicDim("None")], inputs=["x"], outputs=["y"]))
    model.add_output_tensor_names("y")
    assert with_fast_call(model, ones(1, 4, 6)).infer(ones(3, 5, 2)).shape == (3, 2, 4)


def test_computed_sizes_that_are_zero_negative_or_differ() -> None:
    h, w = SymbolicDim("height"), SymbolicDim("width")
    model = with_fast_call(sized(y=(h // 2, w)), ones(1, 4, 6))
    assert model.infer(ones(3, 1, 5)).shape == (3, 0, 5)
    out = np.empty((3, 2, 5), np.float32)
    assert model.infer(ones(3, 4, 5), out=out) is out
    with pytest.raises(ShapeError):
        model.infer(ones(3, 6, 5), out=out)
    shorter = with_fast_call(sized(y=(h - 2, w)), ones(1, 4, 6))
    with pytest.raises(InputError, match="2"):
        shorter.infer(ones(1, 1, 6))


def test_no_fast_call_if_an_operator_sets_a_size() -> None:
    model = RModel("found")
    model.add_input_tensor_info("x", "float32", (None,))
    model.add_operator(NonZero(count="found", inputs=["x"], outputs=["y"]))
    model.add_output_tensor_names("y")
    compiled = model.compile()
    for _ in range(2 * CALLS_BEFORE_FAST_CALL):
        assert compiled.infer(np.array([0, 2, 0, 3], np.float32)).tolist() == [[1, 3]]
    assert not inspect.isbuiltin(compiled.infer)


def test_a_size_that_must_be_that_of_an_input() -> None:
    rmodel = RModel("skip")
    rmodel.add_input_tensor_info("x", "float32", (None, "time", 3))
    rmodel.add_operator(Slice(starts=[0], ends=[BEYOND], steps=[2], axes=[1], inputs=["x"], outputs=["half"]))
    rmodel.add_operator(Concat(axis=1, inputs=["half", "half"], outputs=["whole"]))
    rmodel.add_operator(Add(inputs=["whole", "x"], outputs=["sum"]))
    rmodel.add_operator(Concat(axis=2, inputs=["whole", "sum"], outputs=["y"]))
    rmodel.add_output_tensor_names("y")
    model = with_fast_call(rmodel, ones(1, 2, 3))
    np.testing.assert_array_equal(model.infer(ones(2, 4, 3))[..., [0, 5]], np.tile(np.float32([1, 2]), (2, 4, 1)))
    with pytest.raises(InputError, match="time = 5"):
        model.infer(ones(2, 5, 3))


def test_nothing_leaks(model: Model) -> None:
    a = ones(2, 2, 3)
    before = sys.getrefcount(a)
    for _ in range(100):
        model.infer(a, a)
        with pytest.raises(ShapeError):
            model.infer(a, a[:, :1])
    assert sys.getrefcount(a) == before
    results = model.infer(a, a)
    gone = [weakref.ref(y) for y in results]
    del results
    assert [y() for y in gone] == [None, None]

    short_lived = sums().compile()
    alive, call = weakref.ref(short_lived), weakref.ref(short_lived._execution)
    run = short_lived.infer
    del short_lived
    assert alive() is None
    assert call() is not None, "infer keeps the objects that it needs alive"
    assert run(a, a)[0][0, 0, 0] == 2
    del run
    gc.collect()
    assert call() is None


def test_documentation(model: Model) -> None:
    assert "out" in inspect.signature(model.infer).parameters
    assert model.infer.__doc__ == inspect.cleandoc(Model.infer.__doc__ or "")


def test_documentation_after_a_profile() -> None:
    """The first fast call of a process gives all others their docstring; it may be that of a profile."""
    program = (
        "import numpy, sofie_jit; from sofie_jit.demo import MODEL_FILE; model = sofie_jit.load(MODEL_FILE); "
        "x = numpy.zeros((1, 8, 8, 1), 'float32'); model.profile(x); [model.infer(x) for _ in range(9)]; "
        "print(type(model.infer).__name__, model.infer.__doc__.split('.')[0])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "builtin_function_or_method Evaluates the network\n"
