"""Forecasts, sensors and sound, 2018 to 2025."""

from __future__ import annotations

from typing import Any

from published import functions, published


@published
def n_beats(k: Any) -> Any:
    """Blocks that explain a part of the past and predict a part of the future, 2020."""
    L = k.layers
    residual = inputs = k.Input((12,))
    forecast = None
    for _ in range(3):
        x = residual
        for _ in range(2):
            x = L.Dense(8, activation="relu")(x)
        theta = L.Dense(16)(x)
        past, future = L.Dense(12, use_bias=False)(theta[:, :8]), L.Dense(4, use_bias=False)(theta[:, 8:])
        residual = L.subtract([residual, past])
        forecast = future if forecast is None else L.add([forecast, future])
    return k.Model(inputs, forecast)


@published
def deep_ar(k: Any) -> Any:
    """Mean and deviation of each step, 2019."""
    L = k.layers
    inputs = k.Input((9, 3))
    x = L.LSTM(6, return_sequences=True, dropout=0.1)(inputs)
    x = L.LSTM(5, return_sequences=True)(x)
    return k.Model(inputs, L.Concatenate()([L.Dense(1)(x), L.Dense(1, activation="softplus")(x)]))


@published
def lst_net(k: Any) -> Any:
    """A convolution, a GRU, a GRU that skips, and an autoregressive part, 2019."""
    L, f = k.layers, functions(k)
    inputs = k.Input((12, 5))
    c = L.Dropout(0.2)(L.Conv1D(6, 3, padding="causal", activation="relu")(inputs))
    r = L.GRU(5, activation="relu")(c)
    skipped = L.Reshape((3, 4, 6))(c)
    skipped = L.TimeDistributed(L.GRU(3, activation="relu"))(f.transpose(skipped, (0, 2, 1, 3)))
    x = L.Dense(5)(L.concatenate([r, L.Flatten()(skipped)]))
    linear = L.Dense(1)(L.Permute((2, 1))(inputs[:, -4:]))
    return k.Model(inputs, x + f.squeeze(linear, -1))


@published
def temporal_fusion(k: Any) -> Any:
    """Gated residuals choose the variables, an LSTM, and attention, with three quantiles, 2021."""
    L, f = k.layers, functions(k)

    def gated(x: Any, units: int) -> Any:
        y = L.Dense(units)(L.Dense(units, activation="elu")(x))
        y = L.Dense(units)(y) * L.Dense(units, activation="sigmoid")(y)
        return L.LayerNormalization()(y + (x if x.shape[-1] == units else L.Dense(units)(x)))

    inputs = k.Input((8, 3))
    variables = f.stack([gated(inputs[..., i : i + 1], 4) for i in range(3)], axis=2)
    weights = f.softmax(gated(L.Reshape((8, 12))(variables), 3), axis=-1)
    x = f.sum(variables * f.expand_dims(weights, -1), axis=2)
    x = L.LayerNormalization()(x + gated(L.LSTM(4, return_sequences=True)(x), 4))
    x = L.LayerNormalization()(x + L.MultiHeadAttention(2, 2, dropout=0.1)(x, x, use_causal_mask=True))
    return k.Model(inputs, L.Dense(3)(gated(x, 4))[:, -2:])


@published
def patch_tst(k: Any) -> Any:
    """Each channel cut into patches, a transformer, and normalization that is undone, 2023."""
    L, f = k.layers, functions(k)
    inputs = k.Input((16, 3))
    series = f.transpose(inputs, (0, 2, 1))
    mean = f.mean(series, axis=-1, keepdims=True) if hasattr(k, "ops") else f.expand_dims(f.mean(series, axis=-1), -1)
    deviation = f.sqrt(f.expand_dims(f.mean(f.square(series - mean), axis=-1), -1) + 1e-5)
    x = L.Dense(8)(L.Reshape((3, 4, 4))((series - mean) / deviation))
    y = L.MultiHeadAttention(2, 4, attention_axes=(2,))(x, x)
    x = L.BatchNormalization()(x + y)
    x = L.BatchNormalization()(x + L.Dense(8)(L.Dense(12, activation="gelu")(x)))
    y = L.Dense(5)(L.Reshape((3, 32))(x)) * deviation + mean
    return k.Model(inputs, f.transpose(y, (0, 2, 1)))


@published
def ts_mixer(k: Any) -> Any:
    """Dense layers along time and along the features in turns, 2023."""
    L = k.layers
    x = inputs = k.Input((10, 4))
    for _ in range(2):
        y = L.BatchNormalization(axis=[-2, -1])(x) if not hasattr(k, "ops") else L.LayerNormalization(axis=[-2, -1])(x)
        y = L.Permute((2, 1))(L.Dropout(0.1)(L.Dense(10, activation="relu")(L.Permute((2, 1))(y))))
        x = L.Add()([x, y])
        y = L.Dense(4)(L.Dropout(0.1)(L.Dense(6, activation="relu")(L.LayerNormalization()(x))))
        x = L.Add()([x, y])
    return k.Model(inputs, L.Permute((2, 1))(L.Dense(3)(L.Permute((2, 1))(x))))


@published
def ventilator(k: Any) -> Any:
    """Stacked bidirectional LSTMs and GRUs that meet by products, Kaggle 2021."""
    L = k.layers
    inputs = k.Input((10, 5))
    a = L.Bidirectional(L.LSTM(6, return_sequences=True))(inputs)
    b = L.Bidirectional(L.LSTM(5, return_sequences=True))(a)
    c = L.Bidirectional(L.GRU(5, return_sequences=True))(a)
    x = L.BatchNormalization()(L.Multiply()([b, c]))
    x = L.Bidirectional(L.GRU(4, return_sequences=True), merge_mode="ave")(L.concatenate([x, b]))
    return k.Model(inputs, L.Dense(1)(L.Dense(6, activation="selu")(x)))


@published
def deep_speech(k: Any) -> Any:
    """Spectrograms of any length: convolutions and bidirectional GRUs for CTC, 2021."""
    L = k.layers
    inputs = k.Input((None, 10))
    x = L.Reshape((-1, 10, 1))(inputs)
    for strides in ((2, 2), (1, 2)):
        x = L.ReLU()(L.BatchNormalization()(L.Conv2D(4, (5, 3), strides=strides, padding="same", use_bias=False)(x)))
    x = L.Reshape((-1, int(x.shape[-2]) * int(x.shape[-1])))(x)
    for _ in range(2):
        gru = L.GRU(5, return_sequences=True, reset_after=True)
        x = L.Dropout(0.5)(L.Bidirectional(gru, merge_mode="concat")(x))
    return k.Model(inputs, L.Dense(7, activation="softmax")(L.ReLU()(L.Dense(10)(x))))


@published
def conformer(k: Any) -> Any:
    """Half feed-forward layers around attention and a gated depthwise convolution, 2022."""
    L, f = k.layers, functions(k)

    def feed_forward(x: Any) -> Any:
        return x + 0.5 * L.Dense(8)(L.Dense(16, activation="swish")(L.LayerNormalization()(x)))

    x = inputs = k.Input((12, 8))
    x = feed_forward(x)
    y = L.LayerNormalization()(x)
    x = x + L.MultiHeadAttention(2, 4)(y, y)
    y = L.Conv1D(16, 1)(L.LayerNormalization()(x))
    y = y[..., :8] * f.sigmoid(y[..., 8:])
    y = L.Activation("swish")(L.BatchNormalization()(L.DepthwiseConv1D(5, padding="same")(y)))
    x = feed_forward(x + L.Conv1D(8, 1)(y))
    return k.Model(inputs, L.LayerNormalization()(x))


@published
def sound_events(k: Any) -> Any:
    """A network of spectrograms whose frames vote by attention, 2020."""
    L, f = k.layers, functions(k)
    x = inputs = k.Input((16, 12, 1))
    for filters, pool in ((4, (2, 2)), (6, (1, 3))):
        x = L.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = L.AveragePooling2D(pool)(L.Activation("relu")(L.BatchNormalization()(x)))
    x = L.Dropout(0.2)(L.Bidirectional(L.GRU(5, return_sequences=True))(f.mean(x, axis=2)))
    frames = L.Conv1D(3, 1, activation="sigmoid")(x)
    votes = f.softmax(f.tanh(L.Conv1D(3, 1)(x)), axis=1)
    return k.Model(inputs, [f.sum(frames * votes, axis=1), frames])
