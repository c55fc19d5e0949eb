"""Transformers and the models that replace their attention."""

from __future__ import annotations

from typing import Any

import numpy as np

from published import VOCABULARY, functions, published


def block(k: Any, x: Any, heads: int = 2, first: bool = False, **options: Any) -> Any:
    """Attention and a feed-forward network; ``first``: normalized before instead of after them."""
    L, size = k.layers, x.shape[-1]
    y = L.LayerNormalization(epsilon=1e-6)(x) if first else x
    y = L.MultiHeadAttention(num_heads=heads, key_dim=size // heads)(y, y, **options)
    x = L.Add()([x, L.Dropout(0.1)(y)])
    x = x if first else L.LayerNormalization(epsilon=1e-6)(x)
    y = L.LayerNormalization(epsilon=1e-6)(x) if first else x
    y = L.Dense(size)(L.Dense(2 * size, activation="gelu" if first else "relu")(y))
    x = L.Add()([x, L.Dropout(0.1)(y)])
    return x if first else L.LayerNormalization(epsilon=1e-6)(x)


@published
def text_transformer(k: Any) -> Any:
    """Positions added to words, Keras's example 2020."""
    L = k.layers
    words, places = k.Input((7,), dtype="int32"), k.Input((7,), dtype="int32")
    x = block(k, L.Embedding(VOCABULARY, 8)(words) + L.Embedding(VOCABULARY, 8)(places))
    x = L.Dense(6, activation="relu")(L.Dropout(0.1)(L.GlobalAveragePooling1D()(x)))
    return k.Model([words, places], L.Dense(2, activation="softmax")(x))


@published
def masked_transformer(k: Any) -> Any:
    """Padding left out of attention and mean, 2022."""
    L = k.layers
    words = k.Input((7,), dtype="int32")
    x = block(k, L.Embedding(VOCABULARY, 8, mask_zero=True)(words))
    return k.Model(words, L.Dense(2)(L.GlobalAveragePooling1D()(x)))


@published
def mini_gpt(k: Any) -> Any:
    """Causal attention, Keras's example 2020."""
    L = k.layers
    words = k.Input((6,), dtype="int32")
    x = L.Embedding(VOCABULARY, 8)(words)
    for _ in range(2):
        x = block(k, x, use_causal_mask=True)
    return k.Model(words, L.Dense(VOCABULARY)(x))


@published
def translation(k: Any) -> Any:
    """Encoder and decoder with cross attention, Keras's example 2021."""
    L = k.layers
    source, target = k.Input((6,), dtype="int32"), k.Input((5,), dtype="int32")
    memory = block(k, L.Embedding(VOCABULARY, 8)(source))
    x = L.Embedding(VOCABULARY, 8)(target)
    x = L.LayerNormalization()(x + L.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True))
    x = L.LayerNormalization()(x + L.MultiHeadAttention(2, 4)(query=x, value=memory, key=memory))
    x = L.LayerNormalization()(x + L.Dense(8)(L.Dense(12, activation="relu")(x)))
    return k.Model([source, target], L.Dense(VOCABULARY, activation="softmax")(x))


@published
def vision_transformer(k: Any) -> Any:
    """Patches by a strided convolution and a table of positions, 2021."""
    L = k.layers
    inputs = k.Input((12, 12, 3))
    x = L.Reshape((9, 8))(L.Conv2D(8, 4, strides=4)(inputs))
    x = x + np.random.default_rng(1).normal(size=(1, 9, 8)).astype(np.float32)
    x = L.LayerNormalization(epsilon=1e-6)(block(k, block(k, x, first=True), first=True))
    return k.Model(inputs, L.Dense(5)(L.Dropout(0.5)(L.Flatten()(x))))


@published
def time_series_transformer(k: Any) -> Any:
    """Convolutions of size 1 as the feed-forward network, Keras's example 2021."""
    L = k.layers
    inputs = k.Input((20, 1))
    x = inputs
    for _ in range(2):
        y = L.MultiHeadAttention(key_dim=6, num_heads=2, dropout=0.25)(x, x)
        x = L.LayerNormalization(epsilon=1e-6)(y) + x
        y = L.Conv1D(filters=1, kernel_size=1)(
            L.Dropout(0.25)(L.Conv1D(filters=4, kernel_size=1, activation="relu")(x))
        )
        x = L.LayerNormalization(epsilon=1e-6)(y) + x
    x = L.GlobalAveragePooling1D(data_format="channels_last")(x)
    return k.Model(inputs, L.Dense(3, activation="softmax")(L.Dense(8, activation="relu")(x)))


@published
def mlp_mixer(k: Any) -> Any:
    """Layers over patches, then over channels, Keras's example 2021."""
    L = k.layers
    inputs = k.Input((9, 8))
    y = L.Permute((2, 1))(L.LayerNormalization(epsilon=1e-6)(inputs))
    y = L.Permute((2, 1))(L.Dense(9)(L.Dense(9, activation="gelu")(y)))
    x = L.Add()([y, inputs])
    x = L.Add()([x, L.Dense(8)(L.Dense(8, activation="gelu")(L.LayerNormalization(epsilon=1e-6)(x)))])
    return k.Model(inputs, L.Dense(4)(L.GlobalAveragePooling1D()(x)))


@published
def g_mlp(k: Any) -> Any:
    """Gates over space, Keras's example 2021."""
    L, f = k.layers, functions(k)
    inputs = k.Input((9, 8))
    u, v = f.split(L.Dense(12, activation="gelu")(L.LayerNormalization(epsilon=1e-6)(inputs)), 2, axis=-1)
    v = L.LayerNormalization(epsilon=1e-6)(v)
    v = f.transpose(L.Dense(9, bias_initializer="ones")(f.transpose(v, (0, 2, 1))), (0, 2, 1))
    return k.Model(inputs, L.Dense(3)(L.GlobalAveragePooling1D()(inputs + L.Dense(8)(u * v))))


@published
def conv_mixer(k: Any) -> Any:
    """Depthwise convolutions with residuals, Keras's example 2021."""
    L = k.layers
    inputs = k.Input((12, 12, 3))
    x = L.BatchNormalization()(L.Activation("gelu")(L.Conv2D(8, 2, strides=2)(L.Rescaling(scale=1.0 / 255)(inputs))))
    for _ in range(2):
        y = L.BatchNormalization()(L.Activation("gelu")(L.DepthwiseConv2D(kernel_size=5, padding="same")(x)))
        x = L.BatchNormalization()(L.Activation("gelu")(L.Conv2D(8, kernel_size=1)(L.Add()([y, x]))))
    return k.Model(inputs, L.Dense(4, activation="softmax")(L.GlobalAvgPool2D()(x)))


@published
def compact_transformer(k: Any) -> Any:
    """Convolutions as the tokenizer, and a pool weighted by attention, Keras's example 2021."""
    L, f = k.layers, functions(k)
    inputs = k.Input((16, 16, 3))
    x = L.MaxPooling2D(3, 2, "same")(
        L.Conv2D(8, 3, 1, "valid", use_bias=False, activation="relu")(L.ZeroPadding2D(1)(inputs))
    )
    x = block(k, L.Reshape((64, 8))(x), first=True)
    x = L.LayerNormalization(epsilon=1e-5)(x)
    weights = f.softmax(L.Dense(1)(x), axis=1)
    x = f.squeeze(f.matmul(f.transpose(weights, (0, 2, 1)), x), axis=-2)
    return k.Model(inputs, L.Dense(4)(x))


@published
def swin(k: Any) -> Any:
    """Attention in windows that are shifted by rolling, Keras's example 2021."""
    L, f = k.layers, functions(k)
    inputs = k.Input((8, 8, 6))
    x = f.roll(inputs, (-2, -2), axis=(1, 2))
    x = f.transpose(f.reshape(x, (-1, 2, 4, 2, 4, 6)), (0, 1, 3, 2, 4, 5))
    x = f.reshape(x, (-1, 16, 6))
    y = L.LayerNormalization(epsilon=1e-5)(x)
    q, key, v = f.split(L.Dense(18)(y), 3, axis=-1)
    scores = f.softmax(f.matmul(q, f.transpose(key, (0, 2, 1))) * 6**-0.5, axis=-1)
    x = x + L.Dense(6)(f.matmul(scores, v))
    x = f.transpose(f.reshape(x, (-1, 2, 2, 4, 4, 6)), (0, 1, 3, 2, 4, 5))
    x = f.roll(f.reshape(x, (-1, 8, 8, 6)), (2, 2), axis=(1, 2))
    return k.Model(inputs, L.Dense(3)(L.GlobalAveragePooling2D()(x)))


@published
def perceiver(k: Any) -> Any:
    """Latents that attend to many inputs, 2021."""
    L = k.layers
    inputs, latents = k.Input((20, 5)), k.Input((4, 8))
    y = L.LayerNormalization(epsilon=1e-6)(inputs)
    x = L.Attention(use_scale=True, dropout=0.1)([L.Dense(8)(latents), L.Dense(8)(y), L.Dense(8)(y)])
    x = L.LayerNormalization(epsilon=1e-6)(L.Add()([x, latents]))
    return k.Model([inputs, latents], L.Dense(3)(L.GlobalAveragePooling1D()(block(k, x, first=True))))


@published
def tab_transformer(k: Any) -> Any:
    """Categories as tokens, joined with numbers, Keras's example 2022."""
    L = k.layers
    categories, numbers = k.Input((4,), dtype="int32"), k.Input((3,))
    x = L.Flatten()(block(k, L.Embedding(VOCABULARY, 6)(categories)))
    x = L.concatenate([x, L.LayerNormalization(epsilon=1e-6)(numbers)])
    return k.Model(
        [categories, numbers], L.Dense(1, activation="sigmoid")(L.Dense(8, "selu")(L.BatchNormalization()(x)))
    )


@published
def music_transformer(k: Any) -> Any:
    """Attention written with einsum layers and a bias of positions, 2022."""
    L, f = k.layers, functions(k)
    inputs = k.Input((6, 8))
    q, key, v = (L.EinsumDense("btd,dhk->bhtk", output_shape=(2, None, 4))(inputs) for _ in range(3))
    scores = f.matmul(q, f.transpose(key, (0, 1, 3, 2))) / 2.0
    scores = scores + np.triu(np.full((6, 6), -1e9, np.float32), 1)
    x = f.matmul(f.softmax(scores, axis=-1), v)
    return k.Model(inputs, L.EinsumDense("bhtk,hkd->btd", output_shape=(None, 8), bias_axes="d")(x) + inputs)
