"""Time series, sound and signals."""

from __future__ import annotations

from typing import Any

from published import functions, published


@published
def mnist_irnn(k: Any) -> Any:
    """Pixel by pixel through a SimpleRNN of relu, Keras's example 2015."""
    L = k.layers
    return k.Sequential([k.Input((30, 1)), L.SimpleRNN(10, activation="relu"), L.Dense(10), L.Activation("softmax")])


@published
def mnist_hierarchical_rnn(k: Any) -> Any:
    """Rows, then columns, Keras's example 2016."""
    L = k.layers
    inputs = k.Input((7, 8, 1))
    rows = L.TimeDistributed(L.LSTM(6))(inputs)
    return k.Model(inputs, L.Dense(10, activation="softmax")(L.LSTM(5)(rows)))


@published
def stock_lstm(k: Any) -> Any:
    """Four layers of LSTM with dropout between, tutorials since 2017."""
    L = k.layers
    model = k.Sequential([k.Input((12, 1))])
    for last in (False, False, True):
        model.add(L.LSTM(units=6, return_sequences=not last))
        model.add(L.Dropout(0.2))
    model.add(L.Dense(units=1))
    return model


@published
def stateful_lstm(k: Any) -> Any:
    """States kept between batches, Keras's example 2016."""
    L = k.layers
    inputs = k.Input(batch_shape=(3, 4, 1))
    x = L.LSTM(5, return_sequences=True, stateful=True)(inputs)
    return k.Model(inputs, L.Dense(1)(L.LSTM(5, stateful=True)(x)))


@published
def multi_step_forecast(k: Any) -> Any:
    """TensorFlow's tutorial of the weather: all steps at once, 2020."""
    L = k.layers
    inputs = k.Input((8, 5))
    x = L.Dense(12, activation="relu")(inputs[:, -1:, :])
    return k.Model(inputs, L.Reshape([4, 3])(L.Dense(4 * 3)(x)))


@published
def residual_forecast(k: Any) -> Any:
    """TensorFlow's tutorial of the weather: the change to the last step, 2020."""
    L = k.layers
    inputs = k.Input((8, 5))
    return k.Model(inputs, inputs + L.Dense(5, kernel_initializer="zeros")(L.LSTM(6, return_sequences=True)(inputs)))


@published
def lstm_autoencoder(k: Any) -> Any:
    """Anomalies by reconstruction, 2019."""
    L = k.layers
    return k.Sequential([
        k.Input((6, 3)), L.LSTM(8, activation="relu", return_sequences=True), L.LSTM(4, activation="relu"),
        L.RepeatVector(6), L.LSTM(4, activation="relu", return_sequences=True),
        L.LSTM(8, activation="relu", return_sequences=True), L.TimeDistributed(L.Dense(3)),
    ])  # fmt: skip


@published
def conv_autoencoder(k: Any) -> Any:
    """Anomalies of a time series by Conv1DTranspose, Keras's example 2020."""
    L = k.layers
    return k.Sequential([
        k.Input((24, 1)), L.Conv1D(8, 7, padding="same", strides=2, activation="relu"), L.Dropout(rate=0.2),
        L.Conv1D(4, 7, padding="same", strides=2, activation="relu"),
        L.Conv1DTranspose(4, 7, padding="same", strides=2, activation="relu"), L.Dropout(rate=0.2),
        L.Conv1DTranspose(8, 7, padding="same", strides=2, activation="relu"), L.Conv1DTranspose(1, 7, padding="same"),
    ])  # fmt: skip


@published
def wavenet(k: Any) -> Any:
    """Gated dilated convolutions with skip connections, 2017."""
    L = k.layers
    inputs = k.Input((None, 1))
    x, skips = L.Conv1D(6, 2, padding="causal")(inputs), []
    for rate in (1, 2, 4):
        a, b = (L.Conv1D(6, 2, padding="causal", dilation_rate=rate, activation=of)(x) for of in ("tanh", "sigmoid"))
        gated = L.Conv1D(6, 1)(L.multiply([a, b]))
        skips.append(gated)
        x = L.add([x, gated])
    x = L.Conv1D(8, 1, activation="relu")(L.Activation("relu")(L.add(skips)))
    return k.Model(inputs, L.Conv1D(5, 1, activation="softmax")(x))


@published
def temporal_convolutions(k: Any) -> Any:
    """Residual blocks of a TCN written out, 2019."""
    L = k.layers
    inputs = k.Input((20, 2))
    x = inputs
    for rate in (1, 2):
        y = x
        for _ in range(2):
            y = L.Conv1D(5, 3, dilation_rate=rate, padding="causal", kernel_initializer="he_normal")(y)
            y = L.SpatialDropout1D(0.1)(L.Activation("relu")(L.LayerNormalization()(y)))
        x = L.Activation("relu")(L.add([L.Conv1D(5, 1, padding="same")(x), y]))
    return k.Model(inputs, L.Dense(1)(x[:, -1, :]))


@published
def inception_time(k: Any) -> Any:
    """Convolutions of several lengths, 2020."""
    L = k.layers
    inputs = k.Input((32, 2))
    x = L.Conv1D(4, 1, padding="same", use_bias=False)(inputs)
    parts = [L.Conv1D(3, size, padding="same", use_bias=False)(x) for size in (20, 10, 5)]
    parts.append(L.Conv1D(3, 1, padding="same", use_bias=False)(L.MaxPooling1D(3, strides=1, padding="same")(inputs)))
    x = L.Activation("relu")(L.BatchNormalization()(L.Concatenate(axis=2)(parts)))
    shortcut = L.BatchNormalization()(L.Conv1D(12, 1, padding="same", use_bias=False)(inputs))
    x = L.Activation("relu")(L.Add()([shortcut, x]))
    return k.Model(inputs, L.Dense(4, activation="softmax")(L.GlobalAveragePooling1D()(x)))


@published
def lstm_fcn(k: Any) -> Any:
    """Dimensions swapped for the LSTM, 2018."""
    L = k.layers
    inputs = k.Input((3, 20))
    x = L.Dropout(0.8)(L.LSTM(6)(L.Masking()(inputs)))
    y = L.Permute((2, 1))(inputs)
    for filters, size in ((6, 8), (8, 5)):
        y = L.Conv1D(filters, size, padding="same", kernel_initializer="he_uniform")(y)
        y = L.Activation("relu")(L.BatchNormalization()(y))
    return k.Model(inputs, L.Dense(3, activation="softmax")(L.concatenate([x, L.GlobalAveragePooling1D()(y)])))


@published
def deep_conv_lstm(k: Any) -> Any:
    """Activities by convolutions over time of each sensor, 2018."""
    L = k.layers
    inputs = k.Input((16, 4))
    x = L.Reshape((16, 4, 1))(inputs)
    for _ in range(2):
        x = L.Activation("relu")(L.BatchNormalization()(L.Conv2D(4, (5, 1), padding="valid")(x)))
    x = L.LSTM(6, return_sequences=True)(L.Reshape((8, 16))(x))
    return k.Model(inputs, L.Dense(4, activation="softmax")(L.LSTM(6)(x)))


@published
def eegnet(k: Any) -> Any:
    """Depthwise over electrodes, separable over time, 2018."""
    L = k.layers
    inputs = k.Input((6, 32, 1))
    x = L.BatchNormalization()(L.Conv2D(4, (1, 16), padding="same", use_bias=False)(inputs))
    norm = k.constraints.MaxNorm(1.0)
    x = L.DepthwiseConv2D((6, 1), use_bias=False, depth_multiplier=2, depthwise_constraint=norm)(x)
    x = L.AveragePooling2D((1, 4))(L.Activation("elu")(L.BatchNormalization()(x)))
    x = L.SeparableConv2D(8, (1, 8), use_bias=False, padding="same")(L.Dropout(0.5)(x))
    x = L.AveragePooling2D((1, 4))(L.Activation("elu")(L.BatchNormalization()(x)))
    return k.Model(inputs, L.Activation("softmax")(L.Dense(3)(L.Flatten()(x))))


@published
def ecg_resnet(k: Any) -> Any:
    """Pooled shortcuts and growing filters, 2019."""
    L = k.layers
    inputs = k.Input((64, 1))
    x = L.Activation("relu")(L.BatchNormalization()(L.Conv1D(4, 16, padding="same")(inputs)))
    for strides in (1, 2):
        shortcut = L.MaxPooling1D(pool_size=strides)(x)
        y = L.Conv1D(4, 16, strides=strides, padding="same")(L.Activation("relu")(L.BatchNormalization()(x)))
        x = L.Add()([shortcut, L.Conv1D(4, 16, padding="same")(L.Dropout(0.2)(y))])
    x = L.TimeDistributed(L.Dense(4))(L.Activation("relu")(L.BatchNormalization()(x)))
    return k.Model(inputs, L.Activation("softmax")(x))


@published
def speech_commands(k: Any) -> Any:
    """TensorFlow's tutorial: a resized, normalized spectrogram, 2020."""
    L = k.layers
    return k.Sequential([
        k.Input((24, 17, 1)), L.Resizing(12, 12), L.Normalization(mean=0.3, variance=2.0),
        L.Conv2D(6, 3, activation="relu"), L.Conv2D(8, 3, activation="relu"), L.MaxPooling2D(), L.Dropout(0.25),
        L.Flatten(), L.Dense(12, activation="relu"), L.Dense(4),
    ])  # fmt: skip


@published
def conv_lstm(k: Any) -> Any:
    """The next frames of a film, Keras's example 2016."""
    L = k.layers
    inputs = k.Input((4, 8, 8, 1))
    x = inputs
    for _ in range(2):
        x = L.BatchNormalization()(L.ConvLSTM2D(4, (3, 3), padding="same", return_sequences=True)(x))
    return k.Model(inputs, L.Conv3D(1, (3, 3, 3), activation="sigmoid", padding="same")(x))


@published
def traffic(k: Any) -> Any:
    """A graph of roads as a constant matrix, and an LSTM, 2021."""
    L, f = k.layers, functions(k)
    inputs, graph = k.Input((6, 4, 2)), k.Input((4, 4))
    x = f.matmul(f.expand_dims(graph, 1), inputs)
    x = L.Dense(3, activation="relu")(L.Concatenate()([inputs, x]))
    x = L.Reshape((6, 12))(x)
    return k.Model([inputs, graph], L.Dense(4)(L.LSTM(8, activation="relu")(x)))


@published
def attention_over_time(k: Any) -> Any:
    """The layers Attention and AdditiveAttention, 2021."""
    L = k.layers
    inputs = k.Input((8, 4))
    x = L.Bidirectional(L.LSTM(5, return_sequences=True))(inputs)
    a, b = L.Attention(use_scale=True)([x, x]), L.AdditiveAttention()([x, x])
    return k.Model(inputs, L.Dense(1)(L.GlobalAveragePooling1D()(L.Concatenate()([a, b]))))


@published
def stacked_cells(k: Any) -> Any:
    """RNN over a list of cells, 2019."""
    L = k.layers
    inputs = k.Input((7, 3))
    x = L.RNN([L.LSTMCell(5), L.LSTMCell(4)], return_sequences=True)(inputs)
    return k.Model(inputs, L.Dense(2)(L.RNN(L.GRUCell(4))(x)))
