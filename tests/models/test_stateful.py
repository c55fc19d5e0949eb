"""Layers with stateful=True: sequences of calls compared with Keras, and networks with states built by hand."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import sofie_jit
from sofie_jit.errors import GraphError, ShapeError, UnsupportedLayerError
from sofie_jit.ir.operators import Add
from sofie_jit.ir.rmodel import RModel
from tolerance import distance, leaves, randomize

layers = keras.layers

BATCH, SHAPE = 3, (4, 2)

MODELS: dict[str, Callable[[Any], Any]] = {
    "lstm": lambda x: layers.LSTM(5, stateful=True, return_state=True)(layers.Masking()(x)),
    "gru": lambda x: layers.GRU(5, stateful=True, return_sequences=True, go_backwards=True)(layers.Masking()(x)),
    "simple": lambda x: layers.SimpleRNN(5, stateful=True)(layers.Masking()(x)),
    "stacked": lambda x: layers.RNN([layers.LSTMCell(3), layers.GRUCell(4)], stateful=True)(x),
    "bidirectional": lambda x: layers.Bidirectional(layers.LSTM(3, stateful=True))(layers.Masking()(x)),
    "two": lambda x: layers.LSTM(3, stateful=True)(layers.GRU(4, stateful=True, return_sequences=True)(x)),
    "conv": lambda x: layers.ConvLSTM1D(3, 2, stateful=True)(layers.Reshape((4, 2, 1))(x)),
}


def twice(x: Any) -> Any:
    """The second call of the layer continues where the first one stopped."""
    layer = layers.GRU(2, stateful=True, return_sequences=True)
    return layer(layer(x))


def with_initial_state(x: Any) -> Any:
    """Keras 3 starts every call from the states that are given."""
    return layers.GRU(2, stateful=True)(x, initial_state=layers.Dense(2)(x[:, 0]))


def reset(model: Any) -> None:
    """Keras's own reset_state fails for stacked cells."""
    for layer in model.layers:
        for half in (getattr(layer, "forward_layer", layer), getattr(layer, "backward_layer", layer)):
            for state in keras.tree.flatten(getattr(half, "states", None) or []):
                state.assign(np.zeros(state.shape))


def batches(count: int) -> list[np.ndarray]:
    """Inputs with masked steps: some at the beginning, some at the end, and one whole row."""
    x = np.random.default_rng(0).normal(size=(count, BATCH, *SHAPE)).astype(np.float32)
    x[:, 0, 2:], x[:, 1, :1], x[1, 2] = 0, 0, 0
    return list(x)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("build", [*MODELS.values(), twice, with_initial_state], ids=[*MODELS, "twice", "initial"])
def test_call_after_call(build: Callable[[Any], Any], suffix: str, tmp_path: Path) -> None:
    inputs = keras.Input(batch_shape=(BATCH, *SHAPE))
    model = randomize(keras.Model(inputs, build(inputs)))
    model.save(tmp_path / f"m{suffix}")
    loaded = sofie_jit.load(tmp_path / f"m{suffix}")
    reset(model)
    for number, x in enumerate(batches(5)):
        if number == 3:
            reset(model)
            loaded.reset_states()
        for got, want in zip(leaves(loaded.infer(x)), leaves(model(x)), strict=True):
            assert got.shape == want.shape
            assert distance(got, want) < 2e-6


def test_files_of_keras_2(tmp_path: Path) -> None:
    import tf_keras

    cells = [tf_keras.layers.LSTMCell(3), tf_keras.layers.GRUCell(4)]
    model = tf_keras.Sequential([
        tf_keras.layers.Bidirectional(
            tf_keras.layers.GRU(3, stateful=True, return_sequences=True), batch_input_shape=(BATCH, *SHAPE)
        ),
        tf_keras.layers.RNN(cells, stateful=True, return_sequences=True),
        tf_keras.layers.LSTM(2, stateful=True),
    ])  # fmt: skip
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) * 0.3 for w in model.get_weights()])
    for suffix in (".h5", ".keras"):
        model.save(tmp_path / f"m{suffix}")
        loaded = sofie_jit.load(tmp_path / f"m{suffix}")
        model.reset_states()
        for x in batches(3):
            np.testing.assert_allclose(loaded.infer(x), model(x), rtol=0, atol=1e-6)


def test_time_distributed_states_are_refused(tmp_path: Path) -> None:
    inputs = keras.Input(batch_shape=(2, 3, *SHAPE))
    wrapped = layers.TimeDistributed(layers.GRU(2, stateful=True))
    keras.Model(inputs, wrapped(inputs)).save(tmp_path / "m.h5")
    with pytest.raises(UnsupportedLayerError, match="wraps a layer with stateful=True"):
        sofie_jit.load(tmp_path / "m.h5")


def test_another_batch_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    inputs = keras.Input(batch_shape=(BATCH, *SHAPE))
    keras.Model(inputs, layers.GRU(2, stateful=True)(inputs)).save(tmp_path / "m.h5")
    loaded, (x, later) = sofie_jit.load(tmp_path / "m.h5"), batches(2)
    assert loaded.input_shapes == [(BATCH, *SHAPE)]
    loaded.infer(x)
    second = loaded.infer(later)
    loaded.reset_states()
    loaded.infer(x)
    with pytest.raises(ShapeError, match="expected"):
        loaded.infer(x[:1])
    out = np.empty((BATCH, 2), np.float32)
    assert loaded.infer({loaded.input_names[0]: later}, out=out) is out
    assert np.array_equal(out, second)


# -- by hand -------------------------------------------------------------------------------------------------------


def counter() -> RModel:
    """``total = total + x``, which returns the new total."""
    model = RModel("counter")
    model.add_input_tensor_info("x", "float32", (1,))
    model.add_state_tensor_info("total", "float32", (1,))
    model.add_operator(Add(inputs=["total", "x"], outputs=["sum"]))
    model.update_state("total", "sum")
    model.add_output_tensor_names("sum")
    return model


def test_calls_of_many_threads_wait_for_each_other() -> None:
    model = counter().compile()
    with ThreadPoolExecutor(4) as pool:
        totals = sorted(float(y[0]) for y in pool.map(lambda _: model.infer([1]), range(200)))
    assert totals == list(range(1, 201))
    model.reset_states()
    assert model.infer([1]) == 1


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_have_their_own_states(duplicate: Callable[[Any], Any]) -> None:
    model = counter().compile(threads=1)
    model.infer([1])
    twin = duplicate(model)
    assert (twin.infer([1]), model.infer([5]), twin.infer([1])) == (2, 6, 3)


def test_profiling_does_not_change_states() -> None:
    model = counter().compile()
    model.infer([1])
    assert model.profile([1]).records[0]["operator"] == "Add"
    assert model.infer([1]) == 2


def test_open_sizes_with_states(tmp_path: Path) -> None:
    inputs = keras.Input(batch_shape=(2, None, None, 3))
    y = layers.Reshape((1, 4))(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(layers.Resizing(5, 6)(inputs))))
    reference = keras.Model(inputs, layers.GRU(2, stateful=True)(y))
    reference.save(tmp_path / "m.h5")
    model = sofie_jit.load(tmp_path / "m.h5")
    for size in (4, 9):
        x = np.random.default_rng(size).normal(size=(2, size, 5, 3)).astype(np.float32)
        np.testing.assert_allclose(model.infer(x), reference(x), atol=1e-6)


def test_open_time(tmp_path: Path) -> None:
    inputs = keras.Input(batch_shape=(BATCH, None, 2))
    model = randomize(keras.Model(inputs, layers.LSTM(4, stateful=True)(inputs)))
    model.save(tmp_path / "m.keras")
    loaded = sofie_jit.load(tmp_path / "m.keras")
    reset(model)
    for x in batches(3):
        for part in (x[:, :1], x[:, 1:]):
            assert distance(loaded.infer(part), np.asarray(model(part))) < 2e-6
    assert loaded.specialize((BATCH, 4, 2)).input_shapes == [(BATCH, 4, 2)]


def test_a_saved_header_has_states_as_inputs_and_outputs() -> None:
    model = counter()
    text = model.compile().header
    assert "// state  total: zeros at first, then sum" in text
    assert "infer(float const *tensor_x, float const *tensor_total) const" in text
    assert "state   total: float32 (1,)" in model.summary()
    assert list(model.inputs) == ["x"]
    assert model.outputs == ["sum"]


def test_models_without_states_have_nothing_to_reset() -> None:
    model = counter()
    model.inputs["total"] = model.states.pop("total")
    model.updates.clear()
    pure = model.compile()
    pure.reset_states()
    assert pure.infer([1], [2]) == 3


def test_messages() -> None:
    model = counter()
    model.update_state("total", "nothing")
    with pytest.raises(GraphError, match=r"state 'total' \(float32 \(1,\)\) is updated by 'nothing' \(not a tensor"):
        model.generate()
    with pytest.raises(ShapeError, match="every dimension must be a size"):
        model.add_state_tensor_info("other", "float32", (None, 2))  # type: ignore[arg-type]
    with pytest.raises(GraphError, match="already a"):
        model.add_input_tensor_info("total", "float32", (1,))
