"""Models whose operators depend on the values of inputs: compiled per value."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from onnx import TensorProto, helper

import sofie_jit
from sofie_jit.errors import InputError
from sofie_jit.models import kept_models

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@pytest.fixture
def path(tmp_path):
    """Sums over ``axes``, in the shape ``shape``."""
    nodes = [
        helper.make_node("ReduceSum", ["x", "axes"], ["sums"], keepdims=0),
        helper.make_node("Reshape", ["sums", "shape"], ["y"]),
    ]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 4]),
        helper.make_tensor_value_info("axes", TensorProto.INT64, ["count"]),
        helper.make_tensor_value_info("shape", TensorProto.INT64, [2]),
    ]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    file = tmp_path / "m.onnx"
    file.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString())
    return file


def test_each_value_is_compiled_once(path):
    model = sofie_jit.load(path)
    assert sofie_jit.check(path).ok
    assert model.input_names == ["x", "axes", "shape"]
    for axes, shape in (([1], [4, -1]), ([2], [2, 3]), ([1], [4, -1]), ([0, 1], [1, 4])):
        expected = X.sum(tuple(axes)).reshape(shape)
        np.testing.assert_array_equal(model.infer(X, axes, shape), expected)
        np.testing.assert_array_equal(model.infer({"shape": shape, "x": X, "axes": axes}), expected)
    assert len(model._kept) == 3
    out = np.empty((2, 3), np.float32)
    assert model.infer(X, [2], [2, 3], out=out) is out
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.infer(X, [2], [2, 3]), X.sum(2))
    assert "ReduceSum" in str(model.profile(X, [2], [2, 3]))


def test_values_that_are_given_when_it_is_loaded(path, tmp_path):
    model = sofie_jit.load(path, values={"axes": [1], "shape": [4, -1]}, verify=True)
    assert (model.input_names, model.input_shapes) == (["x"], [(None, 3, 4)])
    np.testing.assert_array_equal(model.infer(X), X.sum(1).reshape(4, -1))
    assert "x.sum" not in model.save_header(tmp_path / "m.hxx").read_text()
    for values, message in (
        ({"axis": [1]}, "there is no input 'axis'; the inputs are x, axes, shape"),
        ({"axes": 1}, r"the value of the input 'axes' is int64 \(\); expected int64 \(count,\)"),
        ({"axes": [0.5]}, "is float64"),
    ):
        with pytest.raises(InputError, match=message):
            sofie_jit.load(path, values=values)


def test_what_is_not_known_without_values(path):
    model = sofie_jit.load(path)
    assert "compiled per value of axes" in repr(model)
    for unknown in (lambda: model.output_shapes, lambda: model.rmodel, model.summary, lambda: model.header):
        with pytest.raises(InputError, match="load the model with values="):
            unknown()


def test_few_values_stay_compiled(path, monkeypatch):
    monkeypatch.setattr(kept_models, "KEPT", 2)
    model = sofie_jit.load(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for shape in ([2, 6], [3, 4], [4, 3], [6, 2]):
            assert model.infer(X, [0], shape).shape == tuple(shape)
    assert [str(w.message) for w in caught if "values of shape" in str(w.message)]
    assert len(model._kept) <= 2  # of axes; each is a model that is compiled per value of shape


def test_sizes_that_depend_on_no_input_are_no_values(tmp_path):
    """A shape that is computed in floating point."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Cast", ["shape"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["numbers"], ["sizes"], to=TensorProto.INT64),
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=1),
        helper.make_node("Expand", ["sum", "sizes"], ["y"]),
    ]
    shapes = {"x": ["n", 3], "y": None}
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    file = tmp_path / "m.onnx"
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y]), opset_imports=[helper.make_opsetid("", 18)])
    file.write_bytes(model.SerializeToString())
    loaded = sofie_jit.load(file)
    for rows in (2, 5):
        given = np.ones((rows, 3), np.float32)
        np.testing.assert_array_equal(loaded.infer(given), np.full((rows, 3), 3 * rows))
