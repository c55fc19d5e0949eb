"""``predict``: tables, array-likes, and batches."""

from __future__ import annotations

import copy
import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sofie_jit
from sofie_jit import RModel
from sofie_jit.demo import MODEL_FILE
from sofie_jit.errors import DtypeError, InputError, OptionError, ShapeError
from sofie_jit.operators import Add, Gemm
from tolerance import randomize

NAMES = ["pt", "eta", "phi"]


def affine() -> Any:
    import keras

    return randomize(keras.Sequential([keras.Input((3,), name="x"), keras.layers.Dense(2)]))


@pytest.fixture
def model() -> sofie_jit.Model:
    return sofie_jit.load(affine())


@pytest.fixture
def two() -> sofie_jit.Model:
    """Two inputs, a dict of outputs."""
    import keras

    a, b = keras.Input((2,), name="a"), keras.Input((1,), name="b")
    return sofie_jit.load(keras.Model([a, b], {"sum": a + b, "a": a * 2.0}))


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)


class WithDlpack:
    """An array that supports only DLPack."""

    def __init__(self, array: np.ndarray):
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


class WithArray:
    """An array that converts itself."""

    def __init__(self, array: np.ndarray):
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.array


def test_array_likes(model: sofie_jit.Model, x: np.ndarray) -> None:
    pandas, awkward = pytest.importorskip("pandas"), pytest.importorskip("awkward")
    expected = model.infer(x)
    for given in (
        x, x.tolist(), WithDlpack(x), WithArray(x), pandas.DataFrame(x), awkward.Array(x), np.asfortranarray(x), [x],
    ):  # fmt: skip
        for call in (model.infer, model.predict):
            np.testing.assert_array_equal(call(given), expected, err_msg=type(given).__name__)


def test_data_frames_of_several_types(model: sofie_jit.Model) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": [True, False], "c": pandas.array([0.5, 1.5], dtype="Float64")})
    np.testing.assert_array_equal(model.predict(frame), model.infer([[1, 1, 0.5], [2, 0, 1.5]]))
    times = frame.assign(b=pandas.to_datetime(["2024-01-01", "2024-01-02"]))
    words = frame.assign(a=["x", "y"])
    missing = frame.assign(a=pandas.array([1, None], dtype="Int64"))
    for options in ({"columns": ["a", "b", "c"]}, {}):
        assert np.isnan(model.predict(missing, **options)).any(axis=1).tolist() == [False, True]
    model.columns = None
    for given, said in (
        (times, "column 'b' has elements of type datetime64"),
        (words, "column 'a' has elements of type (text, such as 'x'|str)"),
    ):
        for options in ({}, {"columns": ["a", "b", "c"]}):
            with pytest.raises(DtypeError, match=said):
                model.predict(given, **options)
    assert model.columns is None  # a call that failed teaches nothing


def test_frames_with_other_columns(model: sofie_jit.Model) -> None:
    """The message says how columns are chosen, such as without an index that was read as a column."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(np.ones((4, 5)))
    with pytest.raises(ShapeError, match=r"expected \(None, 3\) \(the columns of a table are named with"):
        model.predict(frame)
    with pytest.raises(ShapeError, match=r"expected \(None, 3\)$"):
        model.predict(frame.to_numpy())


def test_missing_and_lazy_values(model: sofie_jit.Model, x: np.ndarray) -> None:
    masked = np.ma.masked_array(x, np.zeros_like(x, bool))
    np.testing.assert_array_equal(model.infer(masked), model.infer(x))
    masked[1, 2] = np.ma.masked
    table = {name: masked[:, i] for i, name in enumerate(NAMES)}
    for call in (model.infer, model.predict):
        for given in (masked, [masked], list(masked), {"x": masked}):
            with pytest.raises(InputError, match=r"input 'x' has masked elements: fill them, x\.filled\(value\)"):
                call(given)
        np.testing.assert_array_equal(call(masked.filled(0)), model.infer(masked.data * ~masked.mask))
    with pytest.raises(InputError, match="column 'phi' has masked elements"):
        model.predict(table, columns=NAMES)

    class LazyFrame:
        def collect(self) -> None: ...

    for options in ({}, {"columns": NAMES}):
        with pytest.raises(InputError, match=r"LazyFrame is a query: give its rows, x\.collect\(\)"):
            model.predict(LazyFrame(), **options)

    class WithGradient:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad")

        def detach(self) -> np.ndarray:
            return x

    with pytest.raises(InputError, match=r"requires grad; pass x\.detach\(\)"):
        model.infer(WithGradient())
    np.testing.assert_array_equal(model.infer(WithGradient().detach()), model.infer(x))


def test_named_columns(model: sofie_jit.Model, x: np.ndarray) -> None:
    pandas, awkward = pytest.importorskip("pandas"), pytest.importorskip("awkward")
    expected = model.infer(x)
    columns = {name: x[:, i] for i, name in enumerate(NAMES)}
    shuffled = {name: columns[name] for name in ("phi", "pt", "eta")} | {"other": np.arange(7)}
    records = np.rec.fromarrays(list(shuffled.values()), names=list(shuffled))
    for table in (shuffled, pandas.DataFrame(shuffled), awkward.Array(shuffled), records):
        np.testing.assert_array_equal(model.predict(table, columns=NAMES), expected, err_msg=type(table).__name__)
    for table in (shuffled, awkward.Array(shuffled), records):
        with pytest.raises(InputError, match=r"columns=\[\.\.\.\]"):
            model.predict(table)
    with pytest.raises(InputError, match=r"no column mass; there are: phi, pt, eta, other"):
        model.predict(shuffled, columns=["pt", "eta", "mass"])
    with pytest.raises(ShapeError, match="'eta' has 6"):
        model.predict({**columns, "eta": x[:6, 1]}, columns=NAMES)
    with pytest.raises(ShapeError, match=r"column 'eta' has shape \(7, 1\)"):
        model.predict({**columns, "eta": x[:, 1:2]}, columns=NAMES)
    with pytest.raises(ShapeError, match="does not have one number per row"):
        model.predict(awkward.Array({"pt": [[1.0], []], "eta": [1.0, 2.0], "phi": [1.0, 2.0]}), columns=NAMES)
    np.testing.assert_array_equal(model.predict({"x": x}), expected)


def test_columns_are_distinct_names(model: sofie_jit.Model) -> None:
    names = [f"f{i}" for i in range(model.input_shapes[0][1] or 0)]
    with pytest.raises(InputError, match="columns= names f0 more than once"):
        model.columns = [*names[:-1], "f0"]
    with pytest.raises(InputError, match="columns= is a list of names, got 5"):
        model.columns = 5  # type: ignore[assignment]
    image = sofie_jit.load(MODEL_FILE)  # (8, 8, 1)
    with pytest.raises(ShapeError, match=r"has the shape \(8, 8\); columns= names a"):
        image.columns = ["a"]


def test_columns_of_several_inputs(two: sofie_jit.Model) -> None:
    table = {"p": np.arange(4.0), "q": np.arange(4.0) + 1, "r": np.ones(4)}
    answers = two.predict(table, columns={"a": ["q", "p"], "b": ["r"]}, batch_size=3)
    np.testing.assert_array_equal(answers["sum"], np.stack([table["q"] + 1, table["p"] + 1], 1))
    with pytest.raises(InputError, match=r"\['a', 'b'\]; columns= must be a dict by input name, such as {'a': \['q'"):
        two.predict(table, columns=["q", "p"])
    with pytest.raises(InputError, match=r"inputs are named \['a', 'b'\]; columns= names columns of \['a', 'c'\]"):
        two.predict(table, columns={"a": ["q", "p"], "c": ["r"]})
    two.columns = None
    with pytest.raises(InputError, match="the columns of a table are named with columns="):
        two.predict(table)


def test_names_are_remembered(x: np.ndarray) -> None:
    pandas = pytest.importorskip("pandas")
    model = sofie_jit.load(affine(), columns=NAMES)
    expected = model.infer(x)
    frame = pandas.DataFrame(x, columns=NAMES)
    reordered = frame[["phi", "pt", "eta"]]
    for call in (model.predict, model.infer, pickle.loads(pickle.dumps(model)).predict, copy.copy(model).infer):
        np.testing.assert_array_equal(call(reordered), expected)
        np.testing.assert_array_equal(call(reordered.to_records(index=False)), expected)
        with pytest.raises(InputError, match="there is no column eta; there are: phi, pt"):
            call(reordered[["phi", "pt"]])
        with pytest.raises(InputError, match="does not know the column mass; its columns are: pt, eta, phi"):
            call(frame.assign(mass=1.0))
        with pytest.raises(InputError, match="does not know the column transverse"):
            call(frame.rename(columns={"pt": "transverse"}))
    np.testing.assert_array_equal(model.predict(x), expected)
    np.testing.assert_array_equal(model.predict(reordered, batch_size=2), expected)
    np.testing.assert_array_equal(model.predict({name: x[:, i] for i, name in enumerate(NAMES)}), expected)
    others = frame.rename(columns={"pt": "a"}).assign(more=0)
    np.testing.assert_array_equal(model.predict(others, columns=["a", "eta", "phi"]), expected)
    assert model.columns == ["a", "eta", "phi"]
    np.testing.assert_array_equal(model.predict(others[["phi", "eta", "a"]]), expected)
    model.columns = None
    np.testing.assert_array_equal(model.predict(reordered), model.infer(x[:, [2, 0, 1]]))  # in order, as documented
    with pytest.raises(ShapeError, match="a row of input 'x' has 3 columns; columns= names pt, eta"):
        model.columns = ["pt", "eta"]
    with pytest.raises(InputError, match="columns= is a list of names, got 'pt'"):
        model.predict(frame, columns="pt")
    assert model.columns is None


def test_names_of_several_inputs_are_remembered(two: sofie_jit.Model) -> None:
    pandas = pytest.importorskip("pandas")
    model = pickle.loads(pickle.dumps(two))
    model.columns = {"a": ["p", "q"], "b": ["r"]}
    table = pandas.DataFrame({"r": np.ones(4), "q": np.arange(4.0), "p": np.arange(4.0) + 1})
    expected = two.infer(table[["p", "q"]].to_numpy(), table[["r"]].to_numpy())["sum"]
    for given in (table, {"a": table[["q", "p"]], "b": table[["r"]]}, [table[["q", "p"]], table[["r"]].to_numpy()]):
        np.testing.assert_array_equal(model.predict(given)["sum"], expected)
    np.testing.assert_array_equal(model.infer(table[["q", "p"]], table[["r"]])["sum"], expected)
    with pytest.raises(InputError, match="does not know the column r"):
        model.predict([table, table[["r"]]])


def test_columns_of_some_inputs(two: sofie_jit.Model) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"q": np.arange(4.0), "p": np.arange(4.0) + 7, "extra": np.zeros(4)})
    b = np.full((4, 1), 3.0)
    expected = two.infer(table[["p", "q"]].to_numpy(), b)["sum"]
    columns = {"a": ["p", "q"]}
    records = table.to_records(index=False)
    arrays = {name: table[name].to_numpy() for name in table}
    for part in (table, records, arrays):
        for given in ({"a": part, "b": b}, [part, b], (part, b)):
            model = pickle.loads(pickle.dumps(two))
            np.testing.assert_array_equal(model.predict(given, columns=columns, batch_size=3)["sum"], expected)
            assert model.columns == columns
            with pytest.raises(InputError, match="does not know the column extra"):
                model.infer(given)
            exact = table[["q", "p"]]
            for again in (model, pickle.loads(pickle.dumps(model)), copy.copy(model), model.specialize((4, 2), (4, 1))):
                assert again.columns == columns
                for found in (again.infer(exact, b), again.predict((exact, b)), again.infer(a=exact, b=b)):
                    np.testing.assert_array_equal(found["sum"], expected)
            np.testing.assert_array_equal(model.infer(table[["p", "q"]].to_numpy(), b)["sum"], expected)
    with pytest.raises(InputError, match="the columns of b are not named: name those of all inputs"):
        two.predict(table, columns=columns)
    with pytest.raises(InputError, match=r"input 'b' got named columns \(r\): .* columns={'b': \[...\]}"):
        two.predict({"a": table, "b": {"r": b[:, 0]}}, columns=columns)
    with pytest.raises(InputError, match="columns= selects columns by name; got ndarray"):
        two.predict([b, b], columns=columns)


def test_columns_with_names_of_inputs(two: sofie_jit.Model) -> None:
    """A dict with the names of the inputs may also be one table with columns of these names."""
    table = {"a": np.arange(3.0), "b": np.arange(3.0) * 2}
    found = two.predict(table, columns={"a": ["b", "a"], "b": ["a"]})["sum"]
    np.testing.assert_array_equal(found, np.stack([table["b"], table["a"]], 1) + table["a"][:, None])
    matrices = {"a": np.ones((3, 2)), "b": np.ones((3, 1))}
    np.testing.assert_array_equal(two.predict(matrices)["sum"], np.full((3, 2), 2))
    two.columns = None


def test_keys_of_dicts_come_before_names_of_inputs() -> None:
    """Keras matches a dict by the keys of the dict that the model was made from, also if names are permuted."""
    import keras

    a, b = keras.Input((1,), name="b"), keras.Input((1,), name="a")
    with pytest.warns(UserWarning, match="keys in the dict must match"):
        model = sofie_jit.load(keras.Model({"a": a, "b": b}, a - 10.0 * b))
    x = {"a": np.ones((1, 1), np.float32), "b": np.full((1, 1), 2, np.float32)}
    for _ in range(6):  # the C fast path takes over
        assert model.infer(x) == -19
        assert model.infer(a=x["a"], b=x["b"]) == -19
        assert model.predict(x) == model.predict(x, batch_size=1) == model.predict(**x) == -19
    tables = {"a": {"p": np.ones(1)}, "b": {"q": np.full(1, 2)}}
    assert model.predict(tables, columns={"a": ["p"], "b": ["q"]}) == -19
    again = pickle.loads(pickle.dumps(model))
    assert again.columns == {"a": ["p"], "b": ["q"]}
    assert again.predict(tables) == -19


def test_tables_of_pyarrow(x: np.ndarray) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    model = sofie_jit.load(affine())
    table = pyarrow.table({"other": x[:, 0], **{name: x[:, i] for i, name in reversed(list(enumerate(NAMES)))}})
    np.testing.assert_array_equal(model.predict(table, columns=NAMES), model.infer(x))
    with pytest.raises(InputError, match="no column mass; there are: other, phi, eta, pt"):
        model.predict(table, columns=["pt", "eta", "mass"])


def test_results_as_frames(model: sofie_jit.Model, two: sofie_jit.Model, x: np.ndarray) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(x, index=list("abcdefg"))
    found = model.predict(frame, output="pandas", batch_size=3)
    (name,) = model.output_names
    assert list(found) == [f"{name}_0", f"{name}_1"]
    assert list(found.index) == list("abcdefg")
    np.testing.assert_array_equal(found.to_numpy(), model.infer(x))
    found = two.predict([x[:, :2], x[:, 2:]], output="pandas")
    assert list(found) == [f"{name}_{i}" for name in two.output_names for i in range(2)]
    with pytest.raises(OptionError, match="output must be 'numpy' or 'pandas', got 'polars'"):
        model.predict(x, output="polars")


def test_frames_among_several_inputs_keep_their_index(two: sofie_jit.Model) -> None:
    pandas = pytest.importorskip("pandas")
    index = pandas.Index(range(1000, 1004), name="event")
    frame = pandas.DataFrame({"p": np.arange(4.0), "q": np.ones(4)}, index=index)
    b = frame[["q"]]
    array, series = b.to_numpy(), {"p": frame["p"], "q": frame["q"]}
    for given in ([frame, array], {"b": array, "a": frame}, (array[:, [0, 0]], b), [frame, b], [frame, frame["q"]]):
        for batch_size in (None, 3):
            found = two.predict(given, output="pandas", batch_size=batch_size)
            pandas.testing.assert_index_equal(found.index, index)
    model = copy.copy(two)
    pandas.testing.assert_index_equal(model.predict(a=frame, b=array, output="pandas").index, index)
    found = model.predict({"a": series, "b": array}, columns={"a": ["p", "q"]}, output="pandas")
    pandas.testing.assert_index_equal(found.index, index)
    pandas.testing.assert_index_equal(model.predict([frame, array], output="pandas").index, index)
    other = b.set_axis(range(4))
    with pytest.raises(InputError, match="needs one index, but those of 'a' and 'b' differ"):
        model.predict([frame, other], output="pandas")
    with pytest.raises(InputError, match="those of 'a', column 'p' and 'a', column 'q' differ"):
        model.predict({"a": {**series, "q": other["q"]}, "b": array}, output="pandas")
    model.predict([frame, other])  # rows are matched by position


def test_rows_of_frames_are_counted_by_position(model: sofie_jit.Model, x: np.ndarray) -> None:
    """``frame[0:3]`` selects labels if the index consists of floating-point numbers."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(x, index=np.arange(len(x)) * 10.0)
    np.testing.assert_array_equal(model.predict(frame, batch_size=2), model.infer(x))


def test_inputs_have_equal_numbers_of_rows(two: sofie_jit.Model, x: np.ndarray) -> None:
    a, b = x[:, :2], x[:, 2:]
    for given in ([a, b[:1]], {"a": a, "b": b[:1]}, [a.tolist(), b[:1].tolist()], [a, b[:1, 0]]):
        for batch_size in (None, 1):
            with pytest.raises(ShapeError, match=r"numbers of rows: 'a' has 7, 'b' has 1; numpy\.repeat"):
                two.predict(given, batch_size=batch_size)
    with pytest.raises(ShapeError, match=r"numbers of rows: 'a' has 7, 'b' has 6$"):
        two.predict(a=a, b=b[:6])
    with pytest.raises(ShapeError, match="the batch axis is missing"):  # the more precise error comes first
        two.predict([a[0], b])
    np.testing.assert_array_equal(two.infer(a, b[:1])["sum"], a + b[0])


def test_batches_leave_inputs_without_rows_whole() -> None:
    network = RModel("tabulated")
    network.add_input_tensor_info("table", "float32", (5, 2))
    network.add_input_tensor_info("x", "float32", (None, 5))
    network.add_operator(Gemm(inputs=["x", "table"], outputs=["y"]))
    network.add_output_tensor_names("y")
    model = network.compile()
    table, x = np.arange(10.0).reshape(5, 2), np.arange(35.0).reshape(7, 5)
    np.testing.assert_array_equal(model.predict([table, x], batch_size=3), model.infer(table, x))


def test_inputs_as_keyword_arguments(model: sofie_jit.Model, two: sofie_jit.Model, x: np.ndarray) -> None:
    a, b = x[:, :2], x[:, 2:]
    np.testing.assert_array_equal(two.predict(a=a, b=b, batch_size=3)["sum"], two.infer(a, b)["sum"])
    np.testing.assert_array_equal(model.predict(x=x), model.infer(x))
    network = RModel("sum")
    for name in ("x", "y"):
        network.add_input_tensor_info(name, "float32", (None, 3))
    network.add_operator(Add(inputs=["x", "y"], outputs=["z"]))
    network.add_output_tensor_names("z")
    np.testing.assert_array_equal(network.compile().predict(x=x, y=x), x + x)
    with pytest.raises(
        InputError, match=r"there is no option batchsize=; the options are batch_size=, verbose=, .*out"
    ):
        model.predict(x, batchsize=3)
    with pytest.raises(InputError, match=r"inputs are named \['a', 'b'\]; got \['a', 'c'\]"):
        two.predict(a=a, c=b)
    with pytest.raises(InputError, match="predict needs the inputs"):
        model.predict()


def test_wrong_columns_of_several_inputs_name_the_input(two: sofie_jit.Model) -> None:
    pandas = pytest.importorskip("pandas")
    model = copy.copy(two)
    model.columns = {"a": ["p", "q"], "b": ["r"]}
    table = pandas.DataFrame({name: np.ones(3) for name in "pqr"})
    hint = r"\(predict\(..., columns={'a': \[...\], 'b': \[...\]}\) selects"
    with pytest.raises(InputError, match=r"^input 'b': there is no column r; there are: p, q"):
        model.predict(table[["p", "q"]])
    with pytest.raises(InputError, match=r"^input 'a': there is no column q; there are: p$"):
        model.predict([table[["p"]], table[["r"]]])
    with pytest.raises(InputError, match=r"^input 'b': the model does not know the column p; its .* r " + hint):
        model.predict({"a": table[["p", "q"]], "b": table[["r", "p"]]})
    with pytest.raises(InputError, match=r"^the model does not know the column s; its columns are: p, q, r " + hint):
        model.predict(table.assign(s=0))
    with pytest.raises(ShapeError, match=r"^input 'b': column 'r' has shape \(3, 1\)"):
        model.predict({"p": np.ones(3), "q": np.ones(3), "r": np.ones((3, 1))})


class RDataFrameLike:
    """The methods of ROOT's RDataFrame that are used."""

    def __init__(self, columns: dict[str, np.ndarray]):
        self.data = columns

    def GetColumnNames(self) -> list[str]:  # noqa: N802
        return list(self.data)

    def AsNumpy(self, columns: list[str]) -> dict[str, np.ndarray]:  # noqa: N802
        return {name: self.data[name] for name in columns}


def test_rdataframe(model: sofie_jit.Model, x: np.ndarray) -> None:
    model = copy.copy(model)
    data = RDataFrameLike({"other": x[:, 0], **{name: x[:, i] for i, name in enumerate(NAMES)}})
    with pytest.raises(InputError, match=r"named columns \(other, pt, eta, phi\)"):
        model.predict(data)
    np.testing.assert_array_equal(model.predict(data, columns=NAMES), model.infer(x))
    with pytest.raises(InputError, match="does not know the column other"):
        model.predict(data)
    del data.data["other"]
    np.testing.assert_array_equal(model.predict(data), model.infer(x))
    with pytest.raises(InputError, match="there is no column mass"):
        model.predict(data, columns=["pt", "eta", "mass"])


@pytest.mark.parametrize("rows", [0, 1, 6, 7])
def test_batches(model: sofie_jit.Model, two: sofie_jit.Model, x: np.ndarray, rows: int) -> None:
    x = x[:rows]
    for given in (x, x.tolist() if rows else x, [x]):
        np.testing.assert_array_equal(model.predict(given, batch_size=3), model.infer(x))
    pair = [x[:, :2], x[:, 2:]]
    for given in (pair, tuple(pair), dict(zip("ab", pair, strict=True))):
        answers, expected = two.predict(given, batch_size=2), two.infer(pair)
        assert {name: a.tolist() for name, a in answers.items()} == {n: a.tolist() for n, a in expected.items()}


def test_options(model: sofie_jit.Model, x: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    model.predict(x, 2, "auto")
    assert capsys.readouterr().err == ""
    model.predict(x, 2, 1)
    assert "7 of 7 rows" in capsys.readouterr().err
    with pytest.raises(OptionError, match="verbose must be 0, 1 or 'auto', got 3"):
        model.predict(x, verbose=3)
    with pytest.raises(OptionError, match="batch_size must be a positive number"):
        model.predict(x, batch_size=0)
    with pytest.raises(OptionError, match="got ndarray: several inputs are one argument, a list or a dict"):
        model.predict(x, np.ones((2, 3)))
    with pytest.raises(DtypeError, match="real numbers"):
        model.predict(np.full((2, 3), "a"))


def test_loading_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from sofie_jit.demo import MODEL_FILE

    with caplog.at_level(logging.INFO, "sofie_jit"):
        sofie_jit.load(MODEL_FILE)
    assert "digits: 12 operators, loaded in " in caplog.text
