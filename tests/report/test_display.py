"""Tables and drawings of networks in notebooks."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import sofie_jit
from sofie_jit import RModel
from sofie_jit.demo import MODEL_FILE
from sofie_jit.ir.operators import (
    Abs,
    Ceil,
    Cos,
    Exp,
    Floor,
    Gemm,
    Neg,
    Relu,
    Sigmoid,
    Sin,
    Softplus,
    Sqrt,
    Tanh,
)
from sofie_jit.models.memory_use import _factor, memory_use
from sofie_jit.passes.pipeline import lower
from sofie_jit.report import tables
from sofie_jit.report.colors import COMMON, hue, hues


@pytest.fixture
def network() -> RModel:
    rmodel = RModel("two <layers>")
    rmodel.add_input_tensor_info("x", "float32", (None, 16))
    rmodel.add_initialized_tensor("w", np.ones((16, 8), np.float32))
    rmodel.add_operator(Gemm(inputs=["x", "w"], outputs=["h"], origin='dense "1"'))
    rmodel.add_operator(Relu(inputs=["h"], outputs=["y"]))
    rmodel.add_output_tensor_names("y")
    return rmodel


def test_table_of_an_rmodel(network: RModel) -> None:
    text = network._repr_html_()
    for part in (
        "two &lt;layers&gt;",
        "128 parameters",
        "weights 512 B",
        "2 operators",
        "<details open>",
        "(batch, 8)",
    ):
        assert part in text
    assert "<layers>" not in text


def test_table_of_an_incomplete_rmodel_shows_the_error() -> None:
    assert "not complete: the model has no outputs" in RModel("half")._repr_html_()


def test_memory_grows_with_open_dimensions(network: RModel) -> None:
    rmodel = RModel("between")
    rmodel.add_input_tensor_info("x", "float32", (None, "time", 64))
    for source, target in (("x", "a"), ("a", "b"), ("b", "y")):
        rmodel.add_operator(Relu(inputs=[source], outputs=[target]))
    rmodel.add_output_tensor_names("y")
    assert memory_use(lower(rmodel)) == [
        "weights 0 B",
        "memory per call 256 B × batch × time, large batches in tiles",
    ]
    assert memory_use(lower(network))[1] == "memory per call 0 B"
    assert _factor("width - 2") == "(width - 2)"


def test_model_shows_its_network_without_being_compiled_again() -> None:
    model = sofie_jit.load(MODEL_FILE)
    assert "sofie_jit.Model" in model._repr_html_()
    assert "Conv + Relu" in model.draw(optimized=True).dot
    assert "Conv + Relu" not in model.draw().dot


def test_open_sizes_and_stateful_models(tmp_path: Path) -> None:
    import keras

    layers = keras.layers
    keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 3, padding="same")]).save(tmp_path / "open.keras")
    text = sofie_jit.load(tmp_path / "open.keras")._repr_html_()
    assert "(batch, height, width, 4)" in text
    keras.Sequential([keras.Input(batch_shape=(2, 5, 3)), layers.GRU(4, stateful=True)]).save(tmp_path / "s.keras")
    text = sofie_jit.load(tmp_path / "s.keras")._repr_html_()
    assert "StatefulModel" in text
    assert ">state<" in text


def test_drawing_in_graphviz_language(network: RModel, tmp_path: Path) -> None:
    dot = network.draw().save(tmp_path / "g.dot").read_text()
    assert r'op0 [label="Gemm\ndense \"1\"\n128 parameters"' in dot
    assert re.findall(r"(\w+) -> (\w+)", dot) == [("in0", "op0"), ("op0", "op1"), ("op1", "out0")]
    with pytest.raises(sofie_jit.OptionError, match=r"as \.svg, \.png, \.pdf, \.dot or \.gv, not as .*g\.gif"):
        network.draw().save(tmp_path / "g.gif")


def test_every_operator_type_has_its_own_color() -> None:
    rmodel = RModel("many types")
    rmodel.add_input_tensor_info("x0", "float32", (None, 4))
    types = [Relu, Exp, Tanh, Sigmoid, Neg, Abs, Sqrt, Floor, Ceil, Sin, Cos, Softplus, Relu, Exp]
    for i, operator in enumerate(types):
        rmodel.add_operator(operator(inputs=[f"x{i}"], outputs=[f"x{i + 1}"]))
    rmodel.add_output_tensor_names(f"x{len(types)}")
    colors = re.findall(r'op\d+ \[.*fillcolor="(.*?)"', rmodel.draw().dot)
    assert len(colors) == len(types)
    assert len(set(colors)) == len(set(types)) == 12
    assert colors[-2:] == colors[:2]


def test_an_operator_has_one_color_in_all_drawings() -> None:
    alone = RModel("one type")
    alone.add_input_tensor_info("x", "float32", (None, 4))
    alone.add_operator(Relu(inputs=["x"], outputs=["y"]))
    alone.add_output_tensor_names("y")
    (color,) = re.findall(r'op\d+ \[.*fillcolor="(.*?)"', alone.draw().dot)
    assert color.startswith(f"{hue('Relu'):.4f} ")
    assert hues(["Tanh", "Relu"])["Relu"] == hues(["Relu"])["Relu"]
    assert len({hue(name) for name in COMMON}) == len(COMMON)


@pytest.mark.skipif(not shutil.which("dot"), reason="needs graphviz")
def test_drawing_with_graphviz(network: RModel, tmp_path: Path) -> None:
    assert network.draw()._repr_mimebundle_()["image/svg+xml"].rstrip().endswith("</svg>")
    assert network.draw().save(tmp_path / "g.png").read_bytes().startswith(b"\x89PNG")


def test_without_graphviz_a_drawing_is_a_table(
    network: RModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    bundle = network.draw()._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    assert bundle["text/plain"] == str(network.draw())
    assert "reads" in str(network.draw())
    with pytest.raises(sofie_jit.MissingDependencyError, match="apt-get install graphviz"):
        network.draw().save(tmp_path / "g.svg")


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (54321, "54.3 kB"), (99.6e6, "100 MB"), (4e9, "4 GB")],
)
def test_sizes(count: float, text: str) -> None:
    assert tables.size(count) == text


def test_networks_built_by_hand_name_their_tensors(network: RModel) -> None:
    assert ">from<" in network._repr_html_()
    for op in network.operators:
        op.origin = ""
    assert ">computes<" in network._repr_html_()
