"""Recurrent layers, their cells and Bidirectional against Keras, with every option, and the operators behind them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

import sofie_jit
from sofie_jit.errors import ShapeError, UnsupportedLayerError
from sofie_jit.ir.operators import GRU, LSTM, RNN
from sofie_jit.ir.rmodel import RModel
from tolerance import check, check_file, randomize

layers = keras.layers

CLASSES: dict[str, tuple[Any, dict[str, Any]]] = {
    "lstm": (layers.LSTM, {}),
    "gru": (layers.GRU, {}),
    "gru_reset_before": (layers.GRU, {"reset_after": False}),
    "rnn": (layers.SimpleRNN, {}),
}

OPTIONS: list[dict[str, Any]] = [
    {},
    {"return_sequences": True},
    {"go_backwards": True},
    {"go_backwards": True, "return_sequences": True},
    {"return_state": True},
    {"return_state": True, "return_sequences": True, "go_backwards": True},
    {"use_bias": False},
    {"unroll": True, "dropout": 0.3, "recurrent_dropout": 0.2},
    {"activation": "relu"},
    {"activation": None},
]


def sequences(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def check_batches(model: Any, shape: tuple[int, ...], directory: Path, suffix: str = ".h5") -> sofie_jit.Model:
    """Saves, loads and compares at batch 7, 1 and 0; a row's bits must not depend on its batch."""
    x = sequences(7, *shape)
    loaded = check_file(randomize(model), x, directory, suffix)
    check(loaded.infer(x[:1]), model, x[:1])
    many, one, none = (_list(loaded.infer(part)) for part in (x, x[3:4], x[:0]))
    for a, b, c in zip(many, one, none, strict=True):
        assert np.array_equal(a[3:4], b, equal_nan=True)
        assert c.shape == (0, *a.shape[1:])
    return loaded


def _list(results: Any) -> list[np.ndarray]:
    return list(results) if isinstance(results, (list, tuple)) else [results]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: ",".join(o) or "plain")
@pytest.mark.parametrize("name", CLASSES)
def test_options(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    make, fixed = CLASSES[name]
    inputs = keras.Input((5, 3))
    model = keras.Model(inputs, make(6, **fixed, **options)(inputs))
    check_batches(model, (5, 3), tmp_path)


@pytest.mark.parametrize(("time", "features", "units"), [(1, 1, 1), (1, 4, 17), (9, 40, 33), (60, 2, 16)])
@pytest.mark.parametrize("name", CLASSES)
def test_sizes(name: str, time: int, features: int, units: int, tmp_path: Path) -> None:
    make, fixed = CLASSES[name]
    inputs = keras.Input((time, features))
    model = keras.Model(inputs, make(units, return_sequences=True, **fixed)(inputs))
    check_batches(model, (time, features), tmp_path, ".keras")


ACTIVATIONS = [
    "celu", "elu", "exponential", "gelu", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu", "linear",
    "log_sigmoid", "relu6", "selu", "sigmoid", "silu", "softplus", "softsign", "tanh_shrink",
]  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation: str, tmp_path: Path) -> None:
    inputs = keras.Input((4, 3))
    y = layers.LSTM(5, activation=activation, recurrent_activation="hard_sigmoid", return_sequences=True)(inputs)
    y = layers.GRU(4, recurrent_activation=activation)(y)
    check_batches(keras.Model(inputs, y), (4, 3), tmp_path)


def test_activation_that_needs_all_units_is_refused(tmp_path: Path) -> None:
    keras.Sequential([keras.Input((4, 3)), layers.LSTM(5, activation="softmax")]).save(tmp_path / "m.h5")
    with pytest.raises(UnsupportedLayerError, match="softmax"):
        sofie_jit.load(tmp_path / "m.h5")


@pytest.mark.parametrize("name", CLASSES)
def test_open_time_dimension(name: str, tmp_path: Path) -> None:
    make, fixed = CLASSES[name]
    inputs = keras.Input((None, 3))
    y = make(6, return_sequences=True, **fixed)(inputs)
    model = randomize(keras.Model(inputs, [y, make(4, go_backwards=True, **fixed)(y)]))
    loaded = check_file(model, sequences(2, 5, 3), tmp_path)
    for time in (1, 7, 100):
        check(loaded.infer(sequences(3, time, 3)), model, sequences(3, time, 3))


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("name", CLASSES)
def test_initial_state_from_inputs(name: str, suffix: str, tmp_path: Path) -> None:
    make, fixed = CLASSES[name]
    x = keras.Input((5, 3), name="x")
    states = [keras.Input((6,), name=f"state{i}") for i in range(2 if name == "lstm" else 1)]
    y = make(6, return_state=True, **fixed)(x, initial_state=states)
    model = randomize(keras.Model([x, *states], y))
    check_file(model, [sequences(7, 5, 3), *(sequences(7, 6, seed=i) for i in range(len(states)))], tmp_path, suffix)


def test_encoder_and_decoder(tmp_path: Path) -> None:
    x, later = keras.Input((None, 3), name="x"), keras.Input((4, 2), name="later")
    _, h, c = layers.LSTM(6, return_state=True)(x)
    y = layers.LSTM(6, return_sequences=True)(later, initial_state=[h, c])
    model = randomize(keras.Model([x, later], layers.Dense(2)(y)))
    check_file(model, [sequences(7, 9, 3), sequences(7, 4, 2)], tmp_path)


def test_one_layer_called_twice(tmp_path: Path) -> None:
    x, z = keras.Input((5, 3), name="x"), keras.Input((2, 3), name="z")
    shared = layers.GRU(6)
    model = randomize(keras.Model([x, z], [shared(x), shared(z)]))
    check_file(model, [sequences(7, 5, 3), sequences(7, 2, 3)], tmp_path)


@pytest.mark.parametrize("merge_mode", ["concat", "sum", "mul", "ave", None])
@pytest.mark.parametrize("options", [{}, {"return_sequences": True}, {"return_sequences": True, "return_state": True}])
@pytest.mark.parametrize("name", CLASSES)
def test_bidirectional(name: str, options: dict[str, Any], merge_mode: str | None, tmp_path: Path) -> None:
    make, fixed = CLASSES[name]
    inputs = keras.Input((5, 3))
    y = layers.Bidirectional(make(4, **fixed, **options), merge_mode=merge_mode)(inputs)
    check_batches(keras.Model(inputs, y), (5, 3), tmp_path, ".keras" if options else ".h5")


def test_bidirectional_of_two_different_layers(tmp_path: Path) -> None:
    inputs = keras.Input((None, 3))
    forward = layers.GRU(4, return_sequences=True, go_backwards=True)
    backward = layers.LSTM(4, return_sequences=True, activation="relu")
    y = layers.Bidirectional(forward, backward_layer=backward)(inputs)
    model = randomize(keras.Model(inputs, y))
    for suffix in (".h5", ".keras"):
        check_file(model, sequences(7, 5, 3), tmp_path, suffix)


def test_bidirectional_initial_state(tmp_path: Path) -> None:
    x = keras.Input((5, 3), name="x")
    states = [keras.Input((4,), name=f"state{i}") for i in range(4)]
    y = layers.Bidirectional(layers.LSTM(4))(x, initial_state=states)
    model = randomize(keras.Model([x, *states], y))
    check_file(model, [sequences(7, 5, 3), *(sequences(7, 4, seed=i) for i in range(4))], tmp_path)


def test_float64(tmp_path: Path) -> None:
    inputs = keras.Input((5, 3), dtype="float64")
    y = layers.LSTM(6, return_sequences=True, dtype="float64")(inputs)
    y = layers.Bidirectional(layers.GRU(3, dtype="float64"), dtype="float64")(y)
    model = randomize(keras.Model(inputs, y))
    x = np.random.default_rng(0).normal(size=(7, 5, 3))
    got = check_file(model, x, tmp_path, ".keras").infer(x)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, np.asarray(model(x)), rtol=0, atol=1e-14)


@pytest.mark.parametrize(("cudnn", "plain"), [("CuDNNLSTM", "LSTM"), ("CuDNNGRU", "GRU")])
def test_cudnn_layers_of_keras_2(cudnn: str, plain: str, tmp_path: Path) -> None:
    """A file of tf-keras's, its layer renamed and the weights converted by tf-keras: the layer itself needs a GPU."""
    import tf_keras
    from tf_keras.src.layers.rnn import cudnn_gru, cudnn_lstm
    from tf_keras.src.saving.legacy.hdf5_format import preprocess_weights_for_loading

    layer = getattr(tf_keras.layers, plain)(4, return_sequences=True, go_backwards=True, name="cell")
    model = tf_keras.Sequential([tf_keras.Input((5, 3)), layer])
    layer.set_weights([sequences(*weight.shape, seed=i) / 3 for i, weight in enumerate(layer.weights)])
    target = {"CuDNNLSTM": cudnn_lstm.CuDNNLSTM, "CuDNNGRU": cudnn_gru.CuDNNGRU}[cudnn](
        4, return_sequences=True, go_backwards=True, name="cell"
    )
    path = tmp_path / "m.h5"
    model.save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][-1] |= {"class_name": cudnn, "config": target.get_config()}
        file.attrs["model_config"] = json.dumps(config)
        group = file["model_weights/cell"]
        for name, weight in zip(
            group.attrs["weight_names"], preprocess_weights_for_loading(target, layer.get_weights()), strict=True
        ):
            del group[name]
            group[name] = weight
    x = sequences(7, 5, 3)
    np.testing.assert_allclose(sofie_jit.load(path).infer(x), model(x), rtol=0, atol=1e-6)


def test_calls_leave_nothing_behind(tmp_path: Path) -> None:
    inputs = keras.Input((5, 3))
    model = randomize(keras.Model(inputs, layers.LSTM(6)(layers.GRU(6, return_sequences=True)(inputs))))
    x = sequences(9, 5, 3)
    loaded = check_file(model, x, tmp_path)
    first = loaded.infer(x)
    loaded.infer(np.full((20, 5, 3), np.nan))
    assert np.array_equal(loaded.infer(x), first)


def test_nan_stays_in_its_row(tmp_path: Path) -> None:
    inputs = keras.Input((5, 3))
    model = randomize(keras.Model(inputs, layers.GRU(6)(inputs)))
    x = sequences(9, 5, 3)
    x[4, 2, 1] = np.nan
    loaded = check_file(model, x, tmp_path)
    assert np.isnan(loaded.infer(x)).any(axis=1).tolist() == [False] * 4 + [True] + [False] * 4


# -- RNN and cells -------------------------------------------------------------------------------------------------


def stack() -> list[Any]:
    """Cells with states of different number and size, and with options."""
    return [
        layers.LSTMCell(4, activation="relu", recurrent_activation="hard_sigmoid"),
        layers.GRUCell(5, reset_after=False, dropout=0.2),
        layers.LSTMCell(3, use_bias=False, unit_forget_bias=False),
        layers.SimpleRNNCell(6, name="third"),
    ]


RNNS: list[tuple[Callable[[], Any], dict[str, Any]]] = [
    (lambda: layers.LSTMCell(4), {"return_sequences": True, "return_state": True}),
    (lambda: layers.GRUCell(4, use_bias=False), {"go_backwards": True, "return_state": True}),
    (lambda: layers.SimpleRNNCell(4, activation="relu"), {"go_backwards": True, "return_sequences": True}),
    (stack, {}),
    (stack, {"return_sequences": True, "return_state": True, "zero_output_for_mask": True}),
    (stack, {"go_backwards": True, "return_sequences": True}),
    (stack, {"go_backwards": True, "return_state": True, "unroll": True}),
    (lambda: layers.StackedRNNCells([layers.GRUCell(2), layers.StackedRNNCells(stack())]), {"return_sequences": True}),
]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("cell", "options"), RNNS)
def test_rnn(cell: Callable[[], Any], options: dict[str, Any], masked: bool, tmp_path: Path) -> None:
    inputs = keras.Input((5, 3))
    y = layers.RNN(cell(), **options)(layers.Masking()(inputs) if masked else inputs)
    model = randomize(keras.Model(inputs, y))
    x = sequences(7, 5, 3)
    x[0], x[1, :2], x[2, 3:], x[3, 2] = 0, 0, 0, 0
    for suffix in (".h5", ".keras"):
        check_file(model, x, tmp_path, suffix)


def test_rnn_in_bidirectional(tmp_path: Path) -> None:
    inputs = keras.Input((None, 3))
    y = layers.Bidirectional(layers.RNN(stack(), return_sequences=True))(inputs)
    model = randomize(keras.Model(inputs, layers.Bidirectional(layers.RNN(layers.GRUCell(3)), merge_mode="mul")(y)))
    for suffix in (".h5", ".keras"):
        check_file(model, sequences(7, 5, 3), tmp_path, suffix)


def test_initial_states_of_stacked_cells(tmp_path: Path) -> None:
    x = keras.Input((5, 3), name="x")
    h, c, g = (keras.Input((units,), name=name) for name, units in (("h", 4), ("c", 4), ("g", 2)))
    cells = [layers.LSTMCell(4), layers.GRUCell(2)]
    y, (new_h, new_c), new_g = layers.RNN(cells, return_state=True)(x, initial_state=[[h, c], g])
    model = randomize(keras.Model([x, h, c, g], [y, new_g, new_c, new_h]))
    for suffix in (".h5", ".keras"):
        check_file(model, [sequences(7, 5, 3), *(sequences(7, units) for units in (4, 4, 2))], tmp_path, suffix)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_cells_by_themselves(suffix: str, tmp_path: Path) -> None:
    x, h, c = keras.Input((3,), name="x"), keras.Input((4,), name="h"), keras.Input((4,), name="c")
    y, (new_h, new_c) = layers.LSTMCell(4)(x, [h, c])
    z, state = layers.GRUCell(2)(y, layers.Dense(2)(new_c))
    cells = layers.StackedRNNCells([layers.LSTMCell(4), layers.SimpleRNNCell(2)])
    stacked, states = cells(x, [[new_h, new_c], [state]])
    model = randomize(keras.Model([x, h, c], [y, new_c, z, state, stacked, *keras.tree.flatten(states)]))
    check_file(model, [sequences(7, 3), sequences(7, 4), sequences(7, 4, seed=1)], tmp_path, suffix)


def test_rnn_of_keras_2(tmp_path: Path) -> None:
    import tf_keras

    inputs = tf_keras.Input((5, 3))
    cells = [tf_keras.layers.GRUCell(4, recurrent_activation="hard_sigmoid"), tf_keras.layers.LSTMCell(2)]
    y, *states = tf_keras.layers.RNN(cells, return_sequences=True, return_state=True)(tf_keras.layers.Masking()(inputs))
    z = tf_keras.layers.Bidirectional(tf_keras.layers.RNN(tf_keras.layers.SimpleRNNCell(3)))(y)
    step, _ = tf_keras.layers.LSTMCell(2)(z, states=[states[1][0], states[1][1]])
    model = tf_keras.Model(inputs, [y, step, states[0], *states[1]])
    model.set_weights([sequences(*weight.shape, seed=i) / 3 for i, weight in enumerate(model.get_weights())])
    x = sequences(7, 5, 3)
    x[0], x[1, :2], x[2, 3:] = 0, 0, 0
    for suffix in (".h5", ".keras"):
        model.save(tmp_path / f"m{suffix}")
        for got, want in zip(sofie_jit.load(tmp_path / f"m{suffix}").infer(x), model(x), strict=True):
            np.testing.assert_allclose(got, want, rtol=0, atol=2e-6)


def test_time_before_the_batch(tmp_path: Path) -> None:
    """Keras 2 had an option for sequences of the shape (time, batch, features)."""
    import tensorflow as tf
    import tf_keras

    def transposed(x: Any) -> Any:
        return tf.transpose(x, [1, 0, 2])

    inputs = tf_keras.Input((5, 3))
    options = {"time_major": True, "return_sequences": True}
    cells = [tf_keras.layers.GRUCell(4), tf_keras.layers.LSTMCell(2)]
    y = tf_keras.layers.RNN(cells, **options)(transposed(tf_keras.layers.Masking()(inputs)))
    y = tf_keras.layers.Bidirectional(tf_keras.layers.GRU(3, **options))(y)
    y, *states = tf_keras.layers.LSTM(3, **options, return_state=True, go_backwards=True)(y)
    model = tf_keras.Model(inputs, [transposed(y), *states, tf_keras.layers.SimpleRNN(2, time_major=True)(y)])
    model.set_weights([sequences(*weight.shape, seed=i) / 3 for i, weight in enumerate(model.get_weights())])
    x = sequences(7, 5, 3)
    x[0, 2:], x[1, :2] = 0, 0
    for suffix in (".h5", ".keras"):
        model.save(tmp_path / f"m{suffix}")
        for got, want in zip(sofie_jit.load(tmp_path / f"m{suffix}").infer(x), model(x), strict=True):
            np.testing.assert_allclose(got, want, rtol=0, atol=2e-6)


def test_a_cell_that_is_not_trained(tmp_path: Path) -> None:
    """Its weights stand behind those of the others in an .h5 file."""
    inputs = keras.Input((5, 4))
    cells = [layers.GRUCell(4, trainable=False), layers.GRUCell(4), layers.GRUCell(4)]
    model = randomize(keras.Model(inputs, layers.RNN(cells)(inputs)))
    for suffix in (".h5", ".keras"):
        check_file(model, sequences(7, 5, 4), tmp_path, suffix)


class OwnCell(keras.layers.Layer):
    """A cell of a user's."""

    state_size = output_size = 2

    def call(self, inputs: Any, states: Any) -> Any:
        return inputs + states[0], [inputs]


@pytest.mark.parametrize("cell", [OwnCell, lambda: [layers.GRUCell(2), OwnCell()]], ids=["alone", "stacked"])
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_cells_of_other_classes_are_refused(cell: Callable[[], Any], suffix: str, tmp_path: Path) -> None:
    inputs = keras.Input((5, 2))
    keras.Model(inputs, layers.RNN(cell(), name="own")(inputs)).save(tmp_path / f"m{suffix}")
    with pytest.raises(UnsupportedLayerError, match=r"its cell is of class .*OwnCell, not of LSTMCell"):
        sofie_jit.load(tmp_path / f"m{suffix}")


# -- the operators -------------------------------------------------------------------------------------------------


def recurrent_model(operator: Any, gates: int, *, mask: bool = False, states: int = 0) -> tuple[RModel, dict[str, Any]]:
    """A model of one operator with random weights, and these."""
    units = operator.hidden_size
    weights = {
        "w": sequences(1, gates * units, 3, seed=1),
        "r": sequences(1, gates * units, units, seed=2) / 4,
        "b": sequences(1, 2 * gates * units, seed=3),
    }
    model = RModel("recurrent")
    model.add_input_tensor_info("x", "float32", (None, "time", 3))
    initial = [f"s{i}" for i in range(states)]
    for name in initial:
        model.add_input_tensor_info(name, "float32", (None, 1, units))
    if mask:
        model.add_input_tensor_info("mask", "bool", (None, "time"))
    for name, array in weights.items():
        model.add_initialized_tensor(name, array)
    operator.inputs = ["x", "w", "r", "b", "", *(initial or [""] * len(operator.states))]
    operator.inputs += [""] * len(operator.after_states) + (["mask"] if mask else [])
    operator.outputs = ["y", *(f"last{i}" for i in range(len(operator.states)))]
    model.add_operator(operator)
    model.add_output_tensor_names(operator.outputs)
    return model, weights


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("name", CLASSES)
def test_mask(name: str, backwards: bool, zero: bool) -> None:
    """Masked steps against Keras's own loop, with initial states."""
    make, fixed = CLASSES[name]
    units, count = 5, 2 if name == "lstm" else 1
    layer = make(units, return_sequences=True, return_state=True, go_backwards=backwards, **fixed)
    layer.zero_output_for_mask = zero
    options = {"direction": "reverse" if backwards else "forward", "flip_output": backwards}
    options |= {"zero_output_for_mask": zero, "hidden_size": units}
    operator: Any
    if name == "lstm":
        operator, order = LSTM(**options), [0, 3, 1, 2]
    elif name == "rnn":
        operator, order = RNN(**options), [0]
    else:
        operator, order = GRU(**options, linear_before_reset=name == "gru"), [0, 1, 2]
    model, weights = recurrent_model(operator, len(order), mask=True, states=count)
    x, states = sequences(7, 6, 3), [sequences(7, 1, units, seed=i) for i in range(count)]
    mask = np.random.default_rng(0).random((7, 6)) < 0.6
    mask[0], mask[1], mask[2, :3], mask[3, -1] = False, True, False, False
    layer.build(x.shape)

    def columns(array: np.ndarray) -> np.ndarray:
        parts = np.split(array, len(order))
        return np.concatenate([parts[order.index(gate)] for gate in range(len(order))]).T

    input_bias, recurrent_bias = (columns(half) for half in np.split(weights["b"][0], 2))
    bias = np.stack([input_bias, recurrent_bias]) if name == "gru" else input_bias + recurrent_bias
    layer.set_weights([columns(weights["w"][0]), columns(weights["r"][0]), bias])
    want = layer(x, initial_state=[state[:, 0] for state in states], mask=mask)
    got = model.compile().infer(x, *states, mask)
    for mine, theirs in zip(got, want, strict=True):
        np.testing.assert_allclose(np.squeeze(mine, -2), np.asarray(theirs), rtol=0, atol=2e-6)


MESSAGES = [
    (LSTM(hidden_size=4, direction="both"), 4, "direction must be"),
    (GRU(hidden_size=4, layout=0), 3, "layout 1"),
    (RNN(hidden_size=4), 2, r"needs W \(1, 4, 3\), got \(1, 8, 3\)"),
]


@pytest.mark.parametrize(("operator", "gates", "message"), MESSAGES)
def test_messages(operator: Any, gates: int, message: str) -> None:
    model, _ = recurrent_model(operator, gates)
    with pytest.raises(ShapeError, match=message):
        model.generate()
