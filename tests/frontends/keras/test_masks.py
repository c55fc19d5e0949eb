"""Masks against Keras: where they come from, what they change, which layers pass, combine and lose them."""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

import sofie_jit
from sofie_jit import frontends
from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.keras import masks
from sofie_jit.frontends.keras.graph import Layer
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import Entry, entries, find
from sofie_jit.ir.builder import Builder
from sofie_jit.ir.operators.activations import Relu
from sofie_jit.ir.rmodel import RModel
from sofie_jit.verification.evaluate import evaluate
from tolerance import check_file, distance, leaves, randomize

layers = keras.layers

pytestmark = pytest.mark.filterwarnings("ignore:.*does not support masking.*")

STEPS, FEATURES = 6, 4


def sequences(batch: int = 5, *, seed: int = 0) -> np.ndarray:
    """Sequences that are empty, cut off, late, with a gap, and whole."""
    x = np.random.default_rng(seed).normal(size=(batch, STEPS, FEATURES)).astype(np.float32)
    for row, steps in zip(range(batch), [slice(None), slice(3, None), slice(0, 2), slice(2, 4)], strict=False):
        x[row, steps] = 0
    x[-1, 1, 0] = 0
    return x


def words(batch: int = 5) -> np.ndarray:
    x = np.random.default_rng(0).integers(1, 9, size=(batch, STEPS))
    return x * (sequences(batch)[:, :, 1] != 0)


def masked(*shape: int | None) -> tuple[Any, Any]:
    inputs = keras.Input(shape or (STEPS, FEATURES))
    return inputs, layers.Masking()(inputs)


# -- sources ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("steps", [STEPS, None])
def test_masking(steps: int | None, suffix: str, tmp_path: Path) -> None:
    model = keras.Sequential(
        [keras.Input((steps, FEATURES)), layers.Masking(), layers.Dense(5, activation="tanh"), layers.LSTM(3)]
    )
    loaded = check_file(randomize(model), sequences(), tmp_path, suffix)
    np.testing.assert_array_equal(loaded.infer(sequences()[:1]), loaded.infer(sequences())[:1])
    assert loaded.infer(sequences()[:0]).shape == (0, 3)


@pytest.mark.parametrize("value", [0.0, -1.5, 1e-3])
def test_mask_value(value: float, tmp_path: Path) -> None:
    x = sequences()
    x[x == 0] = value
    inputs = keras.Input((STEPS, FEATURES))
    y = layers.Masking(mask_value=value)(inputs)
    check_file(randomize(keras.Model(inputs, [y, layers.GRU(3)(y)])), x, tmp_path, ".keras")


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_embedding(suffix: str, tmp_path: Path) -> None:
    """Implicit in a Sequential model, a node of its own in a Functional one."""
    chain = [layers.Embedding(9, 3, mask_zero=True), layers.SpatialDropout1D(0.5), layers.SimpleRNN(3)]
    check_file(randomize(keras.Sequential([keras.Input((STEPS,)), *chain])), words(), tmp_path, suffix)
    inputs = keras.Input((STEPS,), dtype="int32")
    embedded = layers.Embedding(9, 3, mask_zero=True)(inputs)
    outputs = [layers.SimpleRNN(3)(embedded), layers.GlobalAveragePooling1D()(embedded)]
    check_file(randomize(keras.Model(inputs, outputs)), words()[1:], tmp_path, suffix)


def test_reversible_embedding(tmp_path: Path) -> None:
    inputs = keras.Input((STEPS,), dtype="int32")
    embedding = layers.ReversibleEmbedding(9, 3, mask_zero=True)
    embedded = embedding(inputs)
    model = keras.Model(inputs, [layers.GRU(3)(embedded), layers.GRU(2)(embedding(embedded, reverse=True))])
    check_file(randomize(model), words(), tmp_path, ".keras")


def test_a_mask_as_an_input(tmp_path: Path) -> None:
    inputs, mask = keras.Input((STEPS, FEATURES)), keras.Input((STEPS,), dtype="bool")
    hidden = layers.LSTM(3, return_sequences=True)(inputs, mask=mask)
    model = randomize(keras.Model([inputs, mask], [hidden, layers.GRU(2)(hidden, mask=mask)]))
    x = sequences()
    check_file(model, [x, x[:, :, 1] != 0], tmp_path, ".keras")


# -- users -----------------------------------------------------------------------------------------------------------

USERS: dict[str, Callable[[Any], Any]] = {
    "recurrent": lambda x: layers.SimpleRNN(2)(layers.GRU(3, return_sequences=True)(x)),
    "states": lambda x: layers.LSTM(3, return_sequences=True, return_state=True)(x),
    "backwards": lambda x: layers.GRU(3, go_backwards=True)(x),
    "bidirectional": lambda x: layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x),
    "bidirectional, apart": lambda x: [
        layers.SimpleRNN(2)(y) for y in layers.Bidirectional(layers.GRU(2, return_sequences=True), merge_mode=None)(x)
    ],
    "softmax": lambda x: layers.Softmax(axis=1)(layers.Reshape((STEPS,))(layers.Dense(1)(x))),
    "average": lambda x: layers.GlobalAveragePooling1D()(x),
    "average, keepdims": lambda x: layers.GlobalAveragePooling1D(keepdims=True)(x),
    "largest does not use it": lambda x: layers.GlobalMaxPooling1D()(x),
    "initial states hide it": lambda x: layers.LSTM(3)(x, initial_state=[layers.Flatten()(x)[:, :3]] * 2),
}


@pytest.mark.parametrize("name", USERS)
def test_use(name: str, tmp_path: Path) -> None:
    inputs, x = masked()
    model = randomize(keras.Model(inputs, USERS[name](x)))
    # the average of no steps is NaN in Keras, too
    check_file(model, sequences(), tmp_path, ".keras")


@pytest.mark.parametrize("axis", [-1, 1, (1, 2)])
def test_softmax_with_a_mask(axis: Any, tmp_path: Path) -> None:
    inputs, mask = keras.Input((3, 4)), keras.Input((3, 4), dtype="bool")
    model = keras.Model([inputs, mask], layers.Softmax(axis=axis)(inputs, mask=mask))
    rng = np.random.default_rng(0)
    flags = rng.random((5, 3, 4)) < 0.5
    flags[0], flags[1], flags[2, 0], flags[3, :, 1] = False, True, False, False
    check_file(model, [rng.normal(size=(5, 3, 4)).astype(np.float32), flags], tmp_path, ".keras")


# -- passing on ------------------------------------------------------------------------------------------------------

PASSED: dict[str, Callable[[Any, Any], Any]] = {
    "chain": lambda x, y: layers.Activation("tanh")(layers.Dropout(0.5)(layers.LayerNormalization()(x))),
    "batch norm": lambda x, y: layers.BatchNormalization()(x),
    "lost in convolution": lambda x, y: layers.Conv1D(3, 1)(x),
    "lost in reshape": lambda x, y: layers.Reshape((FEATURES, STEPS))(x),
    "lost in an operation": lambda x, y: keras.ops.tanh(x),
    "lost in a copy": lambda x, y: keras.ops.copy(x),
    "lost in an operation that changes nothing": lambda x, y: keras.ops.transpose(x, (0, 1, 2)),
    "not lost where nothing is copied": lambda x, y: keras.ops.cast(x, "float32"),
    "add": lambda x, y: layers.Add()([x, y]),
    "subtract, half masked": lambda x, y: layers.Subtract()([x, keras.ops.tanh(y)]),
    "average": lambda x, y: layers.Average()([x, y, x]),
    "multiply": lambda x, y: layers.Multiply()([x, y]),
    "multiply, half masked": lambda x, y: layers.Multiply()([x, keras.ops.tanh(y)]),
    "maximum": lambda x, y: layers.Maximum()([x, y, layers.Dense(FEATURES)(y)]),
    "minimum, half masked": lambda x, y: layers.Minimum()([keras.ops.tanh(y), x]),
    "concatenate": lambda x, y: layers.Concatenate()([x, y]),
    "concatenate, half masked": lambda x, y: layers.Concatenate()([x, keras.ops.tanh(y)]),
    "concatenate steps": lambda x, y: layers.Concatenate(axis=1)([x, y]),
    "concatenate steps, half masked": lambda x, y: layers.Concatenate(axis=1)([keras.ops.tanh(x), y]),
    "dot": lambda x, y: layers.Dot(axes=2)([x, y]),
}


@pytest.mark.parametrize("name", PASSED)
def test_passing_on(name: str, tmp_path: Path) -> None:
    (a, x), (b, y) = masked(), masked()
    merged = PASSED[name](x, y)
    model = randomize(keras.Model([a, b], [merged, layers.GRU(3)(merged)]))
    check_file(model, [sequences(), sequences(seed=1)[::-1].copy()], tmp_path, ".keras")


@pytest.mark.parametrize("axis", [1, 2])
def test_open_steps(axis: int, tmp_path: Path) -> None:
    inputs, x = masked(None, FEATURES)
    y = layers.Concatenate(axis=2)([x, layers.Dense(2)(x)])
    model = randomize(keras.Model(inputs, [layers.LSTM(3)(y), layers.GlobalAveragePooling1D()(y)]))
    loaded = check_file(model, sequences(), tmp_path, ".keras")
    np.testing.assert_allclose(loaded.infer(sequences()[:, :4])[0], model(sequences()[:, :4])[0], atol=1e-6)


def test_nested_models(tmp_path: Path) -> None:
    """A mask goes into a model, and one made inside comes out."""
    inner = keras.Sequential([keras.Input((STEPS, FEATURES)), layers.Dense(3), layers.GRU(3, return_sequences=True)])
    source = keras.Sequential([keras.Input((STEPS,)), layers.Embedding(9, FEATURES, mask_zero=True)])
    inputs = keras.Input((STEPS,))
    model = keras.Model(inputs, layers.LSTM(2)(inner(source(inputs))))
    check_file(randomize(model), words(), tmp_path, ".keras")


def test_a_mask_given_to_a_nested_model(tmp_path: Path) -> None:
    """Files of Keras 3 have it as an argument of the call."""
    inputs, x = masked()
    inner = keras.Sequential([keras.Input((STEPS, FEATURES)), layers.Dropout(0.5)])
    check_file(keras.Model(inputs, layers.LSTM(2)(inner(x))), sequences(), tmp_path, ".keras")


def test_multi_head_attention_takes_the_mask_off_its_inputs(tmp_path: Path) -> None:
    inputs, x = masked()
    y = layers.LayerNormalization()(layers.Add()([x, layers.MultiHeadAttention(2, 3)(x, x)]))
    model = keras.Model(inputs, [layers.MultiHeadAttention(2, 3)(y, y), layers.GlobalAveragePooling1D()(y)])
    check_file(randomize(model), sequences(), tmp_path, ".keras")


def test_the_first_attention_gets_the_mask(tmp_path: Path) -> None:
    """Which one Keras runs first depends on how many layers follow it."""
    inputs, x = masked()
    hidden = layers.Dense(FEATURES)(layers.Dense(FEATURES)(inputs))
    early = layers.MultiHeadAttention(2, 3)(x, inputs)
    late = layers.MultiHeadAttention(2, 3)(x, hidden)
    for _ in range(4):
        late = layers.Dense(FEATURES)(late)
    check_file(randomize(keras.Model(inputs, [early, late])), sequences(), tmp_path, ".keras")


# -- Keras 2 ---------------------------------------------------------------------------------------------------------


def tf_cast(x: Any) -> Any:
    import tensorflow as tf

    return tf.cast(x, tf.float32)


KERAS_2: dict[str, Callable[[Any, Any, Any], Any]] = {
    "merging": lambda k, x, y: [
        k.GRU(2)(k.Multiply()([x, y])),
        k.LSTM(2)(k.Maximum()([x, k.Conv1D(4, 1)(y)])),
        k.LSTM(2)(k.Concatenate()([x, y])),
        k.LSTM(2)(k.Concatenate()([x, k.Conv1D(4, 1)(y)])),
        k.SimpleRNN(2)(k.Rescaling(2.0)(x)),
    ],
    "attention": lambda k, x, y: [
        k.MultiHeadAttention(2, 3)(x, y),
        k.GRU(2)(k.Add()([x, k.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)])),
        k.Attention(use_scale=True)([x, y], use_causal_mask=True),
        k.Softmax(axis=1)(k.Reshape((STEPS,))(k.Dense(1)(x))),
    ],
    "functions": lambda k, x, y: [
        k.GRU(2)(x + y),
        k.LSTM(2)(x[:, :]),
        k.SimpleRNN(2)(k.Identity()(x)),
        k.GRU(2)(tf_cast(x)),
    ],
    "recurrent": lambda k, x, y: [
        k.LSTM(4)(x, initial_state=[k.GlobalMaxPooling1D()(y)] * 2),
        k.GRU(2)(k.TimeDistributed(k.Dense(3))(x)),
        k.GlobalAveragePooling1D()(x),
    ],
}


@pytest.mark.parametrize("name", KERAS_2)
def test_files_of_keras_2(name: str, tmp_path: Path) -> None:
    keras_2 = pytest.importorskip("tf_keras")
    a, b = keras_2.Input((STEPS, FEATURES)), keras_2.Input((STEPS, FEATURES))
    x, y = (keras_2.layers.Masking()(tensor) for tensor in (a, b))
    model = randomize_keras_2(keras_2.Model([a, b], KERAS_2[name](keras_2.layers, x, y)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(tmp_path / "model.h5")
    inputs = [sequences(), sequences(seed=1)[::-1].copy()]
    wanted = [np.asarray(y) for y in model(inputs)]
    for got, want in zip(leaves(sofie_jit.load(tmp_path / "model.h5").infer(inputs)), wanted, strict=True):
        assert distance(got, want) <= 1e-6


def randomize_keras_2(model: Any) -> Any:
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) * 0.5 for w in model.get_weights()])
    return model


def check_keras_2(model: Any, inputs: list[np.ndarray], path: Path) -> None:
    """Asserts that a file of a model of Keras 2, evaluated in numpy, gives the model's outputs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        randomize_keras_2(model).save(path)
    wanted = leaves(model(inputs if len(inputs) > 1 else inputs[0]))
    for got, want in zip(evaluate(frontends.open(path)(), inputs), wanted, strict=True):
        assert distance(got, np.asarray(want)) <= 1e-6


def test_a_sentence_counts_if_any_of_its_words_does(tmp_path: Path) -> None:
    """TimeDistributed of Keras 2 passes on the mask of the layer that it wraps, or the steps that are not empty."""
    keras_2 = pytest.importorskip("tf_keras")
    k, distributed = keras_2.layers, keras_2.layers.TimeDistributed
    inputs = keras_2.Input((3, 4), dtype="int32")
    x = k.Embedding(9, 5, mask_zero=True)(inputs)
    outputs = [
        k.SimpleRNN(2)(distributed(k.SimpleRNN(4))(x)),
        distributed(k.SimpleRNN(2))(distributed(k.Dense(3))(x)),
    ]
    words = np.random.default_rng(0).integers(0, 9, (6, 3, 4))
    words[0], words[1, :2], words[2, :, 1:], words[3, 2], words[4, :, 0] = 0, 0, 0, 0, 0
    check_keras_2(keras_2.Model(inputs, outputs), [words], tmp_path / "m.h5")


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_masks_of_numbers(dtype: str, tmp_path: Path) -> None:
    """In Keras 3, numbers count as True, in Softmax those above 0.5; in Keras 2, they are factors where they can be."""
    keras_2 = pytest.importorskip("tf_keras")
    rng = np.random.default_rng(0)
    q, v = rng.normal(size=(3, 4, 5)).astype(np.float32), rng.normal(size=(3, 6, 5)).astype(np.float32)
    numbers = [
        rng.uniform(-1, 3, size).astype(dtype) * (rng.random(size) < 0.7) for size in ((3, 4, 6), (3, 4), (3, 6))
    ]
    numbers[1][:, 0] = 1

    def outputs(k: Any, q: Any, v: Any, both: Any, one: Any, other: Any) -> list[Any]:
        def attend(*args: Any, **options: Any) -> Any:
            return k.MultiHeadAttention(2, 3, dropout=0.1)(*args, **options)

        return [
            k.MultiHeadAttention(2, 3)(q, v, attention_mask=both),
            attend(q, v, attention_mask=both),
            attend(q, v, attention_mask=both, use_causal_mask=True),
            k.Softmax()(k.Dense(6)(q), mask=both),
            k.GlobalAveragePooling1D()(q, mask=one),
        ]

    for library in (keras_2, keras):
        given = [library.Input((4, 5)), library.Input((6, 5))]
        given += [library.Input(size.shape[1:], dtype=dtype) for size in numbers]
        results = outputs(library.layers, *given)
        if library is keras:
            results += [library.layers.Attention()(given[:2], mask=given[3:]), layers.LSTM(2)(given[0], mask=given[3])]
        model = library.Model(given, results)
        check_keras_2(model, [q, v, *numbers], tmp_path / "m.keras")


# -- the table -------------------------------------------------------------------------------------------------------

ARGUMENTS: dict[str, Any] = {
    "units": 2, "filters": 2, "kernel_size": 1, "input_dim": 3, "output_dim": 3, "rate": 0.1, "pool_size": 2,
    "num_heads": 1, "key_dim": 2, "head_dim": 2, "num_query_heads": 2, "num_key_value_heads": 1, "target_shape": (1,),
    "dims": (1,), "n": 2, "axes": 1, "equation": "ab,bc->ac", "output_shape": 3, "stddev": 0.1, "scale": 1.0,
    "num_tokens": 3, "num_bins": 3, "height": 3, "width": 3, "activation": "relu", "fft_length": 8, "output_size": 2,
    "sequence_length": 4, "sequence_stride": 2, "factor": 1, "height_factor": 0.1, "width_factor": 0.1,
    "max_number": 1, "layers": [], "cells": [],
}  # fmt: skip


def keras_layer(name: str) -> Any:
    layer = getattr(keras.layers, name)
    wrapped = {"Bidirectional": layers.LSTM, "TimeDistributed": layers.Dense, "SpectralNormalization": layers.Dense}
    if name == "RNN":
        return layer(layers.LSTMCell(2))
    if name in wrapped:
        return layer(wrapped[name](2))
    required = [p.name for p in inspect.signature(layer).parameters.values() if p.default is p.empty and p.kind < 2]
    extra = {"Discretization": ["num_bins"], "CategoryEncoding": ["num_tokens"]}.get(name, [])
    return layer(**{key: ARGUMENTS[key] for key in [*required, *extra]})


RULES = {name: entry.mask for name, entry in entries().items() if entry.mask and hasattr(keras.layers, name)}


@pytest.mark.parametrize("name", RULES)
def test_what_layers_do_is_what_keras_does(name: str) -> None:
    """By the masks that Keras computes for one input, or two."""
    layer = keras_layer(name)
    rule = RULES[name]
    if rule in (masks.passes, masks.passes_since_keras_3):
        assert layer.supports_masking
        assert name == "Masking" or layer.compute_mask(None, "the mask") == "the mask"
    elif rule is masks.stops:
        own = name in ("Embedding", "ReversibleEmbedding")  # attached by the handler
        assert own or not layer.supports_masking or layer.compute_mask("the inputs", "the mask") is None
    else:
        assert layer.supports_masking


def test_every_layer_with_a_handler_has_a_rule() -> None:
    without = [
        name
        for name, entry in entries().items()
        if entry.builtin and not entry.mask and (name.startswith("ops.") or hasattr(keras.layers, name))
    ]
    assert without == [], "say in the @layer line (mask=) what these do with a mask"


@pytest.mark.parametrize(
    ("package", "name", "rule"),
    [
        ("", "InstanceNormalization", masks.passes),
        ("Addons", "InstanceNormalization", masks.passes),
        ("", "LayerScale", masks.stops),
        ("Own", "LayerNormalization", None),
    ],
)
def test_layers_that_are_not_of_keras_layers(package: str, name: str, rule: Any) -> None:
    entry = find(Layer("layer", name, {}, package))
    assert (entry and masks.rule_of(entry)) is rule


# -- refusals --------------------------------------------------------------------------------------------------------


def test_cudnn_layers_take_no_mask(tmp_path: Path) -> None:
    """Keras 2 refuses them, too."""
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), layers.Masking(), layers.Identity(name="cudnn")])
    model.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][2].update(
            class_name="CuDNNGRU",
            config={"name": "cudnn", "units": 3, "return_sequences": False, "return_state": False, "stateful": False},
        )
        file.attrs["model_config"] = json.dumps(config)
        group = file["model_weights/cudnn"]
        shapes = {"kernel": (FEATURES, 9), "recurrent_kernel": (3, 9), "bias": (18,)}
        for name, shape in shapes.items():
            group[name] = np.zeros(shape, np.float32)
        group.attrs["weight_names"] = list(shapes)
        file.attrs["keras_version"] = "2.4.0"
    with pytest.raises(UnsupportedLayerError, match=r"cudnn \(CuDNNGRU\): its input has a mask"):
        sofie_jit.load(tmp_path / "model.h5")


def test_custom_layers_without_a_word_on_masks_are_refused() -> None:
    def handler(call: Any, x: Any) -> Any:
        return x

    def knowing(call: Any, x: Any, mask: Any = None) -> Any:
        return x

    layer = Layer("mine", "Mine", {}, "package")
    assert masks.rule_of(Entry(handler)) is None
    assert masks.rule_of(Entry(knowing)) is masks.stops
    builder = Builder(RModel("model"))
    x, mask = builder.input("x", "float32", (None, 3, 2)), builder.input("mask", "bool", (None, 3))
    y = builder.add(Relu(), x)
    call = LayerCall(layer, builder)
    with pytest.raises(UnsupportedLayerError, match=r"mine .*has a mask"):
        masks.hand_on(call, Entry(handler), x, mask, y)
    call.masks.attach(y, mask)
    assert masks.hand_on(call, Entry(handler), x, mask, y) is y


def test_masks_belong_to_symbols() -> None:
    """One tensor has another mask as the output of a layer that returns its input, and as that input."""
    builder = Builder(RModel("model"))
    x, mask = builder.input("x", "float32", (None, 3, 2)), builder.input("mask", "bool", (None, 3))
    call = LayerCall(Layer("it", "Reshape", {}), builder)
    call.masks.attach(x, mask)
    y = masks.hand_on(call, Entry(lambda call, x: x, mask=masks.stops), x, mask, x)
    assert (y.name, call.masks.of(y), call.masks.of(x)) == ("x", None, mask)
    assert masks.hand_on(call, Entry(lambda call, x: x, mask=masks.stays), x, mask, x) is x
    assert call.masks.of_all([y, [x, 3]]) == [None, [mask, None]]
    call.masks.attach(x, None)
    assert call.masks.of_all([y, [x, 3]]) is None


def test_merging_with_a_mask_of_few_axes_is_refused(tmp_path: Path) -> None:
    inputs = keras.Input((STEPS, 3))
    x = layers.TimeDistributed(keras.Sequential([layers.RepeatVector(2)]))(layers.Masking()(inputs))
    keras.Model(inputs, layers.Multiply()([x, x])).save(tmp_path / "model.keras")
    with pytest.raises(UnsupportedLayerError, match="expected a mask of all axes but the last"):
        sofie_jit.load(tmp_path / "model.keras")
