"""LSTM, GRU, SimpleRNN and Bidirectional against Keras, with every option, and the operators behind them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

import sofie_jit
from sofie_jit.errors import ShapeError, UnsupportedLayerError
from sofie_jit.operators import GRU, LSTM, RNN
from sofie_jit.rmodel import RModel
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
