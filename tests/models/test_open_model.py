"""Models with open dimensions: the length of sequences is an argument, other sizes are compiled per shape."""

from __future__ import annotations

import subprocess
import warnings

import numpy as np
import pytest

import sofie_jit
from sofie_jit.models import open_model
from tests import tolerance

keras = pytest.importorskip("keras")
layers = keras.layers


def rows_for_columns():
    """A network that mixes rows of the batch, so that its shapes depend on the batch size."""
    x = keras.Input((6,))
    return keras.Model(x, layers.Dense(3)(keras.ops.reshape(x, (-1, 4))))


def resized():
    """A network whose weighted sums depend on the size of the image."""
    x = keras.Input((None, None, 2))
    return keras.Model(x, layers.Conv2D(3, 2)(layers.Resizing(4, 5)(x)))


def test_the_batch_may_be_reshaped():
    reference = rows_for_columns()
    model = sofie_jit.load(reference)
    assert not isinstance(model, open_model.OpenModel)
    for rows in (2, 4, 0):
        x = np.random.default_rng(0).standard_normal((rows, 6)).astype(np.float32)
        tolerance.check(model.infer(x), reference, x)


def test_any_size_agrees_with_keras(tmp_path):
    reference = resized()
    reference.save(tmp_path / "m.keras")
    model = sofie_jit.load(tmp_path / "m.keras")
    assert model.input_shapes == [tuple(reference.inputs[0].shape)]
    assert model.output_shapes[0] == (None, 3, 4, 3)
    for shape in ((2, 6, 7, 2), (1, 9, 3, 2)):
        x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        tolerance.check(model.infer(x), reference, x)
    assert len(model._models) == 2


def test_many_shapes_warn_and_the_oldest_are_dropped(monkeypatch):
    monkeypatch.setattr(open_model, "KEPT", 3)
    model = sofie_jit.load(resized())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.infer(np.zeros((1, 6, 6, 2)))
        model.infer(np.zeros((1, 7, 6, 2)))
        with pytest.raises(UserWarning, match="compiled for 3 shapes"):
            model.infer(np.zeros((1, 8, 6, 2)))
    for height in (9, 10):
        assert model.infer(np.zeros((1, height, 6, 2))).shape == (1, 3, 4, 3)
    assert len(model._models) == 3


def test_time_is_an_argument_of_the_header(tmp_path):
    x = keras.Input((None, 2))
    model = sofie_jit.load(keras.Model(x, layers.LSTM(3, return_sequences=True)(x)))
    assert not isinstance(model, open_model.OpenModel)
    model.save_header(tmp_path / "sequence.hxx")
    program = """
    #include "sequence.hxx"
    #include <cstdio>
    int main()
    {
       TMVA_SOFIE_sequence::Session session;
       float x[8], y[6];
       for (int i = 0; i < 8; ++i)
          x[i] = float(i) / 8;
       for (float v : session.infer(2, 2, x))
          std::printf("%.9g ", static_cast<double>(v));
       const auto one = session.infer(2, x);
       TMVA_SOFIE_sequence::doInfer(session, 2, x, y);
       for (std::size_t i = 0; i < one.size(); ++i)
          if (one[i] != y[i])
             return 1;
    }"""
    (tmp_path / "main.cc").write_text(program)
    build = ["g++", "-std=c++17", "-O1", "-march=native", "-Wall", "-Wextra", "-Werror", "main.cc", "-o", "main"]
    subprocess.run(build, cwd=tmp_path, check=True)
    printed = subprocess.run(["./main"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    x = (np.arange(8, dtype=np.float32) / 8).reshape(2, 2, 2)
    np.testing.assert_array_equal(np.array(printed.split(), np.float32), model.infer(x).ravel())

    fixed = model.save_header(tmp_path / "fixed.hxx", input_shapes=[(None, 7, 2)])
    assert "size_time" not in fixed.read_text()
    assert model.specialize((1, 7, 2)).input_shapes == [(1, 7, 2)]
