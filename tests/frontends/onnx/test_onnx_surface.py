"""ONNX files in compare, operators of users, and the list of supported operators."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sofie_jit
from sofie_jit import frontends, ops
from sofie_jit.errors import ModelFileError, OptionError, UnsupportedLayerError
from sofie_jit.frontends.onnx.support import markdown, supported_operators

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

ROOT = Path(__file__).parents[3]


def saved(path: Path, nodes: list[Any], weights: dict[str, np.ndarray] | None = None, opsets: Any = ()) -> Path:
    """A model with an input x (batch, 4) and an output y."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values, name) for name, values in (weights or {}).items()],
    )
    domains = [helper.make_opsetid("", 18), *(helper.make_opsetid(domain, 1) for domain in opsets)]
    onnx.save(helper.make_model(graph, opset_imports=domains, ir_version=8), path)
    return path


def mlp(path: Path) -> Path:
    rng = np.random.default_rng(0)
    weights = {"w": rng.normal(size=(4, 8)).astype("f4"), "b": rng.normal(size=8).astype("f4")}
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"], "first"),
        helper.make_node("Tanh", ["h"], ["t"], "second"),
        helper.make_node("Softmax", ["t"], ["y"], "third"),
    ]
    return saved(path, nodes, weights)


def test_compare_with_onnx_runtime(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    found = sofie_jit.compare(mlp(tmp_path / "m.onnx"), layers=True, batches=[3])
    assert found
    assert found.library == "ONNX Runtime"
    assert [layer.name for layer in found.layers] == ["h", "t", "y"]
    assert [layer.shape for layer in found.layers] == [(16, 8)] * 3
    assert {time.engine for time in found.times} == {"sofie_jit", "ONNX Runtime"}


def test_a_difference_is_found(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    wrong = {"second": lambda x: ops.tanh(x) * 1.001}
    found = sofie_jit.compare(mlp(tmp_path / "m.onnx"), layers=True, batches=[], replace=wrong)
    assert not found
    assert found.parting is not None
    assert found.parting.name == "t"


def test_the_float64_reference_judges_rounding(tmp_path: Path) -> None:
    """A sum that cancels: float32 is far from float64 in both, which is no error."""
    pytest.importorskip("onnxruntime")
    nodes = [
        helper.make_node("Add", ["x", "large"], ["a"]),
        helper.make_node("Mul", ["a", "third"], ["b"]),
        helper.make_node("Mul", ["b", "three"], ["c"]),
        helper.make_node("Sub", ["c", "large"], ["y"]),
    ]
    weights = {"large": np.float32([1e5]), "third": np.float32([1 / 3]), "three": np.float32([3])}
    path = saved(tmp_path / "m.onnx", nodes, weights)
    original = sofie_jit.frontends.open(path).original(path)
    x = np.random.default_rng(0).normal(size=(2, 4)).astype("f4")
    exact = original.evaluate_in_float64(x)
    assert exact is not None
    assert exact[0].dtype == np.float64
    third, three = (np.float64(weights[name]) for name in ("third", "three"))
    np.testing.assert_allclose(exact[0], (x.astype("f8") + 1e5) * third * three - 1e5, rtol=1e-9)
    assert np.abs(original.evaluate(x)[0] - exact[0]).max() > 1e-3


def scan_of_rows(path: Path) -> Path:
    """A sum along the axis 1, which onnx's reference evaluator cannot compute."""
    step = helper.make_graph(
        [helper.make_node("Add", ["s", "r"], ["t"]), helper.make_node("Identity", ["t"], ["o"])],
        "step",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch"]) for name in "sr"],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch"]) for name in "to"],
    )
    nodes = [
        helper.make_node("ReduceSum", ["x", "axis"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "zero"], ["start"]),
        helper.make_node(
            "Scan", ["start", "x"], ["last", "y"], body=step, num_scan_inputs=1, scan_input_axes=[1],
            scan_output_axes=[1],
        ),
    ]  # fmt: skip
    return saved(path, nodes, {"axis": np.array([1]), "zero": np.float32([0])})


def test_onnx_runtime_computes_in_float64_where_the_reference_evaluator_cannot(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = scan_of_rows(tmp_path / "m.onnx")
    x = np.random.default_rng(0).normal(size=(2, 4)).astype("f4")
    (exact,) = frontends.open(path).original(path).evaluate_in_float64(x)
    assert exact.dtype == np.float64
    np.testing.assert_allclose(exact, np.cumsum(x.astype("f8"), axis=1), rtol=1e-14)


def test_compare_says_why_there_is_no_float64_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    wrong = {"third": lambda x: ops.softmax(x) * 1.001}
    path = mlp(tmp_path / "m.onnx")

    def said() -> str:
        found = sofie_jit.compare(path, batches=[], replace=wrong)
        assert not found
        return found.summary

    assert "no float64" not in said()  # there is one, and it agrees that the output differs
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert said().endswith("rounding: the package onnx is not installed: pip install onnx")
    monkeypatch.undo()
    for name in ("_by_reference", "_by_runtime"):
        monkeypatch.setattr(f"sofie_jit.frontends.onnx.original.{name}", lambda *_: {}["Scan"])
    assert "onnx's reference evaluator cannot compute it (KeyError: 'Scan'); ONNX Runtime cannot" in said()


@pytest.fixture
def scaled_tanh() -> Iterator[None]:
    @sofie_jit.register_operator("com.example", "ScaledTanh")
    def handler(call, x):  # type: ignore[no-untyped-def]
        return call.number("alpha", 1.0) * ops.tanh(x)

    yield
    sofie_jit.unregister_operator("com.example", "ScaledTanh")


def custom(path: Path, **attributes: Any) -> Path:
    node = helper.make_node("ScaledTanh", ["x"], ["y"], "custom", domain="com.example", **attributes)
    return saved(path, [node], opsets=["com.example"])


def test_registered_operator(tmp_path: Path, scaled_tanh: None) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("f4")
    model = sofie_jit.load(custom(tmp_path / "m.onnx", alpha=2.0))
    np.testing.assert_allclose(model.infer(x), 2 * np.tanh(x), rtol=1e-6)
    with pytest.raises(UnsupportedLayerError, match="the attribute 'beta' is not supported"):
        sofie_jit.load(custom(tmp_path / "n.onnx", beta=1.0))
    assert "com.example.ScaledTanh" in supported_operators()


def test_exceptions_of_a_registered_function_are_its_own(tmp_path: Path) -> None:
    path = custom(tmp_path / "m.onnx")
    sofie_jit.register_operator("com.example", "ScaledTanh", lambda call, x: x + int("one"))
    try:
        message = (
            r"custom \(com.example.ScaledTanh\): cannot be translated .* "
            r"or this is a bug of the function that is registered for com.example.ScaledTanh\."
        )
        with pytest.raises(ModelFileError, match=message):
            sofie_jit.load(path)
    finally:
        sofie_jit.unregister_operator("com.example", "ScaledTanh")


def test_unknown_operators_are_refused_with_the_ways_on(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedLayerError, match=r"register_operator.*replace=.*outputs="):
        sofie_jit.load(custom(tmp_path / "m.onnx"))


def test_registration() -> None:
    for name, since in (("Gemm", supported_operators()["Gemm"].versions[0]), ("Relu", 1), ("Relu", 6), ("Relu", 9)):
        with pytest.raises(OptionError, match=rf"ai.onnx.{name} is supported from version .*: load\(replace="):
            sofie_jit.register_operator("", name, lambda call, *x: x[0], since=since)
    with pytest.raises(KeyError):
        sofie_jit.unregister_operator("com.example", "Missing")


def test_the_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "operators.md").read_text()
    assert page == markdown(), "run python -m sofie_jit.frontends.onnx.support"
