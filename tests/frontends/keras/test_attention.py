"""Attention layers against Keras: scores, heads, axes, masks of every kind, open numbers of steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import sofie_jit
from sofie_jit.errors import UnsupportedLayerError
from tolerance import check, check_file, randomize

layers = keras.layers

pytestmark = pytest.mark.filterwarnings("ignore:.*does not support masking.*")

QUERIES, KEYS, SIZE = 4, 6, 5


def numbers(batch: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(batch, *shape)).astype(np.float32)


def flags(batch: int, *shape: int, seed: int = 0) -> np.ndarray:
    """Masks, of which the first row masks everything."""
    mask = np.random.default_rng(seed).random((batch, *shape)) < 0.6
    mask[:1] = False
    return mask


def model_of(build: Callable[..., Any], *shapes: tuple[Any, ...], masks: tuple[tuple[int, ...], ...] = ()) -> Any:
    inputs = [keras.Input(shape) for shape in shapes] + [keras.Input(shape, dtype="bool") for shape in masks]
    return randomize(keras.Model(inputs, build(*inputs)))


def data(model: Any, batch: int = 3, **open_sizes: int) -> list[np.ndarray]:
    result = []
    for number, tensor in enumerate(model.inputs):
        shape = [size or open_sizes["steps"] for size in tensor.shape[1:]]
        make = flags if tensor.dtype == "bool" else numbers
        result.append(make(batch, *shape, seed=number))
    return result


# -- Attention and AdditiveAttention ---------------------------------------------------------------------------------


def additive_and_dot(q: Any, v: Any, k: Any, q_mask: Any, v_mask: Any) -> list[Any]:
    mask = [q_mask, v_mask]
    return [
        layers.Attention()([q, v]),
        layers.Attention(use_scale=True)([q, v, k], mask=mask),
        layers.Attention(score_mode="concat")([q, v, k], mask=[None, v_mask], use_causal_mask=True),
        *layers.Attention(score_mode="concat", use_scale=True)([q, v], return_attention_scores=True),
        layers.AdditiveAttention()([q, v, k], mask=mask),
        layers.AdditiveAttention(use_scale=False)([q, v], use_causal_mask=True),
    ]


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_attention(suffix: str, tmp_path: Path) -> None:
    model = model_of(additive_and_dot, (QUERIES, SIZE), (KEYS, SIZE), (KEYS, SIZE), masks=((QUERIES,), (KEYS,)))
    loaded = check_file(model, data(model), tmp_path, suffix)
    check(loaded.infer(data(model, 1)), model, data(model, 1))
    assert loaded.infer(data(model, 0))[0].shape == (0, QUERIES, SIZE)


def test_attention_of_open_steps() -> None:
    model = model_of(
        lambda x: [layers.Attention()([x, x], use_causal_mask=True), layers.AdditiveAttention()([x, x])], (None, SIZE)
    )
    loaded = sofie_jit.load(model)
    for steps in (1, 3, 9):
        check(loaded.infer(data(model, 2, steps=steps)), model, data(model, 2, steps=steps))


# -- MultiHeadAttention ----------------------------------------------------------------------------------------------


def heads(q: Any, v: Any, k: Any, allowed: Any) -> list[Any]:
    attention = layers.MultiHeadAttention
    return [
        attention(2, 3)(q, v),
        attention(2, 4, value_dim=3, use_bias=False)(q, v, k),
        attention(1, 3, output_shape=7)(q, v, k, attention_mask=allowed),
        *attention(3, 2, output_shape=(2, 3))(q, v, attention_mask=allowed, return_attention_scores=True),
        attention(2, 3, use_gate=True)(q, v, use_causal_mask=True),
        attention(2, 3, dropout=0.2, sliding_window=2)(q, v, attention_mask=allowed),
        attention(2, 3, sliding_window=2)(q, v, use_causal_mask=True),
    ]


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_multi_head_attention(suffix: str, tmp_path: Path) -> None:
    model = model_of(heads, (QUERIES, SIZE), (KEYS, 3), (KEYS, 2), masks=((QUERIES, KEYS),))
    loaded = check_file(model, data(model), tmp_path, suffix)
    check(loaded.infer(data(model, 1)), model, data(model, 1))
    assert loaded.infer(data(model, 0))[0].shape == (0, QUERIES, SIZE)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_implicit_masks(dropout: float, tmp_path: Path) -> None:
    """Rows whose every step is masked come out differently with and without dropout, as in Keras."""

    def build(q: Any, v: Any) -> list[Any]:
        def attend(q: Any, v: Any, k: Any = None, **options: Any) -> Any:
            return layers.MultiHeadAttention(2, 3, dropout=dropout)(q, v, k, **options)

        source = layers.Masking()
        return [
            attend(source(q), v),
            attend(q, source(v)),
            attend(q, source(v), source(v), use_causal_mask=True),
            layers.GRU(2)(attend(source(q), source(v))),
        ]

    model = model_of(build, (QUERIES, SIZE), (KEYS, SIZE))
    x = data(model)
    for tensor in x:
        tensor[0], tensor[1, :2], tensor[2, -1] = 0, 0, 0
    check_file(model, x, tmp_path, ".keras")


def test_axes(tmp_path: Path) -> None:
    model = model_of(
        lambda x, allowed: [
            *layers.MultiHeadAttention(2, 3, attention_axes=(1, 2))(x, x, return_attention_scores=True),
            layers.MultiHeadAttention(2, 3, attention_axes=(1, 2))(x, x, attention_mask=allowed),
            layers.MultiHeadAttention(2, 3, attention_axes=-2, output_shape=(2, 2))(x, x),
            layers.MultiHeadAttention(2, 3, attention_axes=1)(x, x),
        ],
        (2, 3, SIZE),
        masks=((2, 3, 2, 3),),
    )
    check_file(model, data(model), tmp_path, ".keras")


# -- GroupQueryAttention ---------------------------------------------------------------------------------------------


def groups(q: Any, v: Any, k: Any, allowed: Any) -> list[Any]:
    attention = layers.GroupQueryAttention
    return [
        attention(3, 4, 2)(q, v),
        attention(2, 4, 1, use_bias=False)(q, v, k, use_causal_mask=True),
        *attention(3, 4, 4)(q, v, attention_mask=allowed, return_attention_scores=True),
        attention(3, 6, 2, use_gate=True, sliding_window=2)(q, v, attention_mask=allowed),
        layers.GRU(2)(attention(2, 2, 1, dropout=0.1)(layers.Masking()(q), layers.Masking()(v))),
    ]


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_group_query_attention(suffix: str, tmp_path: Path) -> None:
    model = model_of(groups, (QUERIES, SIZE), (KEYS, SIZE), (KEYS, 2), masks=((QUERIES, KEYS),))
    x = data(model)
    x[0][1, 2:], x[1][1, :2], x[1][2] = 0, 0, 0
    check_file(model, x, tmp_path, suffix)


# -- both ------------------------------------------------------------------------------------------------------------


def block(x: Any) -> Any:
    """A Transformer's encoder and decoder layer."""
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 4)(x, x))
    x = layers.LayerNormalization()(
        x + layers.GroupQueryAttention(4, 4, 2, sliding_window=3)(x, x, use_causal_mask=True)
    )
    return layers.LayerNormalization()(x + layers.Dense(8)(layers.Dense(16, activation="gelu")(x)))


def test_open_steps(tmp_path: Path) -> None:
    """One compiled model for sequences of any length; rows do not depend on the batch."""
    model = model_of(lambda x: block(block(x)), (None, 8))
    loaded = check_file(model, data(model, steps=5), tmp_path, ".keras")
    for steps in (1, 2, 17):
        x = data(model, 7, steps=steps)
        got = loaded.infer(x)
        check(got, model, x)
        np.testing.assert_array_equal(loaded.infer(x[0][2:3]), got[2:3])


def test_tiles_of_the_batch() -> None:
    model = model_of(lambda x: layers.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True), (8, 8))
    loaded = sofie_jit.load(model)
    x = numbers(3000, 8, 8)
    np.testing.assert_array_equal(loaded.infer(x)[-1:], loaded.infer(x[-1:]))
    check(loaded.infer(x), model, x)


@pytest.mark.parametrize("grouped", [False, True])
def test_float64(grouped: bool) -> None:
    """With heads of size 4, for Keras rounds the root of other sizes to float32, which costs it half of its digits."""
    inputs = keras.Input((QUERIES, SIZE), dtype="float64")
    kind, sizes = (layers.GroupQueryAttention, (4, 4, 2)) if grouped else (layers.MultiHeadAttention, (2, 4))
    layer = kind(*sizes, dtype="float64")
    outputs = layer(inputs, inputs, use_causal_mask=True)
    model = randomize(keras.Model(inputs, outputs))
    x = numbers(3, QUERIES, SIZE).astype(np.float64)
    got = sofie_jit.load(model).infer(x)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, np.asarray(model(x)), rtol=0, atol=1e-14)


def test_axes_that_are_none_are_refused(tmp_path: Path) -> None:
    from sofie_jit.frontends.keras.graph import Layer
    from sofie_jit.frontends.keras.layers.call import LayerCall
    from sofie_jit.ir.builder import Builder
    from sofie_jit.ir.rmodel import RModel

    config = layers.MultiHeadAttention(2, 3, attention_axes=(3,)).get_config()
    builder = Builder(RModel("model"))
    x = builder.input("x", "float32", (None, QUERIES, SIZE))
    with pytest.raises(UnsupportedLayerError, match=r"attention_axes=\(3,\) does not name axes"):
        LayerCall(Layer("mha", "MultiHeadAttention", {**config, "dtype": "float32"}), builder)(x, x)
