"""Comparison of models with their originals in Keras."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sofie_jit
from sofie_jit import RModel
from sofie_jit.demo import MODEL_FILE, load_digits
from sofie_jit.errors import MissingDependencyError, ModelFileError
from sofie_jit.ir.operators import Cast, Gather, Reshape
from sofie_jit.models.compiled_model import CompiledModel
from sofie_jit.verification.comparison import Comparison
from sofie_jit.verification.comparison_plot import AGREES, DIFFERS
from sofie_jit.verification.difference import Difference
from sofie_jit.verification.random_inputs import index_limits, random_inputs
from tolerance import randomize


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """Inputs by name, indices and images; two outputs; a nested model and a layer with states."""
    import keras

    layers = keras.layers
    ids = keras.Input((10,), name="ids", dtype="int32")
    image = keras.Input((6, 6, 3), name="image")
    x, state = layers.LSTM(5, return_sequences=True, return_state=True, name="lstm")(layers.Embedding(7, 8)(ids))[:2]
    inner = keras.Sequential([keras.Input((6, 6, 3)), layers.Conv2D(4, 3), layers.GlobalMaxPooling2D()], name="inner")
    y = layers.Concatenate()([layers.GlobalAveragePooling1D()(x), state, inner(image)])
    shared = layers.Dense(14, activation="tanh", name="shared")
    outputs = {"p": layers.Dense(3, activation="softmax", name="p")(shared(shared(y))), "q": y + 1}
    model = randomize(keras.Model({"ids": ids, "image": image}, outputs))
    path = tmp_path_factory.mktemp("compare") / "model.keras"
    model.save(path)
    return model, path


def test_same_answers(network: tuple[Any, Path]) -> None:
    found = sofie_jit.compare(network[1], rows=5, batches=[])
    assert found
    assert [output.shape for output in found.outputs] == [(5, 3), (5, 14)]
    assert found.summary.startswith("model.keras agrees with Keras: maximum difference ")
    assert [x.shape for x in found.inputs] == [(5, 10), (5, 6, 6, 3)]
    assert not found.layers
    assert not found.times
    assert "ids" not in str(found)


def test_names_of_outputs_in_dicts_of_any_order(tmp_path: Path) -> None:
    import keras

    x = keras.Input((4,))
    outputs = {"b": keras.layers.Dense(1, name="b")(x), "a": keras.layers.Dense(3, name="a")(x)}
    keras.Model(x, outputs).save(tmp_path / "m.keras")
    found = sofie_jit.compare(tmp_path / "m.keras", rows=5, batches=[])
    assert {output.name: output.shape for output in found.outputs} == {"a": (5, 3), "b": (5, 1)}


def test_layers_and_times(network: tuple[Any, Path]) -> None:
    x = {"ids": np.zeros((3, 10), int), "image": np.ones((3, 6, 6, 3))}
    found = sofie_jit.compare(network[0], x, layers=True, batches=[2])
    assert found
    names = [re.sub(r"_\d+$", "", layer.name) for layer in found.layers]
    assert {"embedding", "lstm", "inner", "shared", "add", "p"} <= set(names)
    assert names.index("inner/conv2d") < names.index("inner/global_max_pooling2d") < names.index("inner")
    assert all(layer.ok for layer in found.layers)
    assert [time.engine for time in found.times] == ["sofie_jit", "model(x)", "predict", "tf.function"]
    assert {time.batch for time in found.times} == {2}
    assert found.speedups[2] > 0
    assert json.loads(json.dumps(found.as_dict()))["outputs"][0]["ok"] is True
    assert "time of one call" in found._repr_html_()
    assert str(found).endswith(
        "speed-up: the time of Keras in its fastest way (model(x), predict, tf.function), divided by that of sofie_jit"
    )
    axes = found.plot().axes
    assert [bool(ax.get_title()) for ax in axes] == [True] * 3


@pytest.mark.parametrize(("distance", "verdict"), [(3e-6, "agrees with"), (1e-3, "differs from")])
def test_the_figure_shows_the_verdict_and_not_only_the_tolerance(distance: float, verdict: str) -> None:
    to_hex = pytest.importorskip("matplotlib.colors").to_hex
    difference = 4e-6
    output = Difference("y", (3, 2), difference, difference, 1.0, distance, 2e-6)
    assert output.ok == (verdict == "agrees with")
    expected = np.ones((3, 2), np.float32)
    found = Comparison("m.h5", "Keras", "Keras 3", [output], [], [], [], [expected + np.float32(4e-6)], [expected])
    (ax,) = found.plot().axes
    assert ax.get_title().startswith(f"m.h5 {verdict} Keras 3: maximum difference 4.0e-06\n3 rows")
    color = {"agrees with": AGREES, "differs from": DIFFERS}[verdict]
    assert {to_hex(bar.get_facecolor()) for bar in ax.patches if bar.get_height() == 3} == {to_hex(color)}
    assert "at most twice as far" in " ".join(text.get_text() for text in ax.texts)


def test_where_models_part() -> None:
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((5,)), *(layers.Dense(4, activation="relu", name=name) for name in ("first", "second", "third"))]
    )
    found = sofie_jit.compare(randomize(model), layers=True, batches=[], replace={"second": lambda t: t + 0.01})
    assert not found
    assert found.parting is not None
    assert found.parting.name == "second"
    assert "the first layer that differs is second" in str(found)
    assert "from float64" in found.outputs[0].verdict
    found.plot()


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_where_nested_models_part(library: str) -> None:
    """The first of several calls is the one that was made first, although it is computed last here."""
    keras = pytest.importorskip(library)
    layers = keras.layers
    x = keras.Input((3,))
    deep = keras.Sequential([keras.Input((3,)), layers.Dense(3, activation="tanh", name="dense")], name="deep")
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    inner = keras.Model([a, b], [deep(layers.Dense(3, name="late")(a)), deep(b)], name="inner")
    model = keras.Model(x, layers.Add(name="add")([*inner([layers.Dense(3, name="first")(x), x]), *inner([x, x])]))
    expected = ["first", "inner/late", "inner/deep/dense", "inner/deep", "inner", "inner", "add"]
    for replace, parting in ((None, None), ({"inner/deep/dense": lambda t: t + 0.01}, "inner/deep/dense")):
        found = sofie_jit.compare(model, layers=True, batches=[], rows=9, replace=replace)
        assert [layer.name for layer in found.layers] == expected
        assert (found.parting.name if found.parting else None) == parting
        assert all(layer.from_exact is not None for layer in found.layers) == bool(parting)


def test_nan_where_keras_has_none_is_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    nan = np.full((100, 10), np.nan, np.float32)
    monkeypatch.setattr(CompiledModel, "infer", lambda self, *inputs, **options: nan)
    monkeypatch.setattr(CompiledModel, "_use_fast_call", lambda self: None)  # which would replace infer
    found = sofie_jit.compare(MODEL_FILE, load_digits().images, batches=[])
    assert not found
    assert found.outputs[0].relative == float("inf")
    found.plot()


@pytest.mark.parametrize("options", [{"rows": 0}, {"batches": [0]}, {"batches": [1, -1]}])
def test_numbers_of_rows_are_positive(options: dict[str, Any]) -> None:
    with pytest.raises(sofie_jit.OptionError, match=r"rows= and batches= are positive numbers of rows, got (0|-1)"):
        sofie_jit.compare(MODEL_FILE, **options)


def test_files_of_keras_2_are_compared_with_tf_keras(tmp_path: Path) -> None:
    tf_keras = pytest.importorskip("tf_keras")
    path = tmp_path / "old.h5"
    dense = tf_keras.layers.Dense(3, activation="hard_sigmoid")
    tf_keras.Sequential([tf_keras.Input((4,)), dense, tf_keras.Sequential([tf_keras.layers.Dense(2)])]).save(path)
    found = sofie_jit.compare(path, batches=[], layers=True)
    assert found
    assert found.version.startswith("tf_Keras 2.")
    assert len(found.layers) == 3


def test_bytes_and_files_with_other_names(tmp_path: Path) -> None:
    """Keras knows the format of a file by its name, this package by its content."""
    import keras

    model = randomize(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]))
    for name in ("m.keras", "m.h5"):
        model.save(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        (tmp_path / "model").write_bytes(content)
        for source in (content, tmp_path / "model"):
            assert sofie_jit.compare(source, batches=[])
    model.save_weights(tmp_path / "m.weights.h5")
    (tmp_path / "m.weights.h5").rename(tmp_path / "weights")
    assert sofie_jit.compare(tmp_path / "weights", config=json.loads(model.to_json()), batches=[])


def test_weights_beside_their_architecture(tmp_path: Path) -> None:
    import keras

    model = randomize(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]))
    model.save_weights(tmp_path / "m.weights.h5")
    (tmp_path / "m.json").write_text(model.to_json())
    assert sofie_jit.compare(tmp_path / "m.weights.h5", config=tmp_path / "m.json", batches=[])
    assert sofie_jit.compare(tmp_path / "m.weights.h5", config=json.loads(model.to_json()), batches=[])


def test_stateful_models_begin_anew_and_keep_their_batch() -> None:
    import keras

    model = randomize(keras.Sequential([keras.Input(batch_shape=(2, 5, 3)), keras.layers.GRU(4, stateful=True)]))
    for _ in range(2):
        found = sofie_jit.compare(model, layers=True, batches=[])
        assert found
        assert found.outputs[0].shape == (2, 4)
        assert all(layer.ok for layer in found.layers)


def test_what_cannot_be_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError):
        sofie_jit.compare(tmp_path / "missing.h5")
    (tmp_path / "text.h5").write_text("no model")
    with pytest.raises(ModelFileError, match=r"text\.h5"):
        sofie_jit.compare(tmp_path / "text.h5")
    with pytest.raises(ModelFileError, match=r"a keras\.Model"):
        sofie_jit.compare(3)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install tensorflow"):
        sofie_jit.compare(MODEL_FILE)


def test_random_inputs_fit(network: tuple[Any, Path]) -> None:
    model = sofie_jit.load(network[1])
    ids, image = random_inputs(model, 100)
    assert ids.dtype == np.int32
    assert set(np.unique(ids)) == set(range(7))
    assert image.shape == (100, 6, 6, 3)
    np.testing.assert_array_equal(image, random_inputs(model, 100)[1])


def test_indices_are_found_through_what_moves_them() -> None:
    rmodel = RModel("indices")
    rmodel.add_input_tensor_info("x", "float32", (None, 4))
    rmodel.add_initialized_tensor("long", np.zeros((9, 2), np.float32))
    rmodel.add_initialized_tensor("short", np.zeros((5, 2), np.float32))
    rmodel.add_operator(Gather(inputs=["long", "x"], outputs=["a"]))
    rmodel.add_operator(Cast(to="int32", inputs=["x"], outputs=["i"]))
    rmodel.add_operator(Reshape(shape=(0, 2, 2), inputs=["i"], outputs=["r"]))
    rmodel.add_operator(Gather(inputs=["short", "r"], outputs=["b"]))
    rmodel.add_output_tensor_names("a", "b")
    assert index_limits(rmodel) == {"x": 5}
