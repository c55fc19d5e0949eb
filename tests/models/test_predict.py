"""``predict``: tables, array-likes, and batches."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sofie_jit
from sofie_jit.errors import DtypeError, InputError, OptionError, ShapeError
from tolerance import randomize

NAMES = ["pt", "eta", "phi"]


@pytest.fixture(scope="module")
def model() -> sofie_jit.Model:
    import keras

    return sofie_jit.load(randomize(keras.Sequential([keras.Input((3,), name="x"), keras.layers.Dense(2)])))


@pytest.fixture(scope="module")
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
    with pytest.raises(ShapeError, match="could not convert"):
        model.predict(frame.assign(a=["x", "y"]))


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


def test_columns_of_several_inputs(two: sofie_jit.Model) -> None:
    table = {"p": np.arange(4.0), "q": np.arange(4.0) + 1, "r": np.ones(4)}
    answers = two.predict(table, columns={"a": ["q", "p"], "b": ["r"]}, batch_size=3)
    np.testing.assert_array_equal(answers["sum"], np.stack([table["q"] + 1, table["p"] + 1], 1))
    with pytest.raises(InputError, match=r"inputs are named \['a', 'b'\]; columns= names columns of \['a'\]"):
        two.predict(table, columns=["q", "p"])


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
    with pytest.raises(DtypeError, match="real numbers"):
        model.predict(np.full((2, 3), "a"))


def test_loading_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from sofie_jit.demo import MODEL_FILE

    with caplog.at_level(logging.INFO, "sofie_jit"):
        sofie_jit.load(MODEL_FILE)
    assert "digits: 12 operators, loaded in " in caplog.text
