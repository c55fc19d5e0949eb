"""Blocks of image networks of later years, and networks of coordinates, 2017 to 2024."""

from __future__ import annotations

from typing import Any

import numpy as np

from published import VOCABULARY, functions, published


def conv_bn(k: Any, x: Any, filters: int, size: int = 3, strides: int = 1) -> Any:
    L = k.layers
    x = L.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
    return L.Activation("relu")(L.BatchNormalization(scale=False)(x))


@published
def attention_module(k: Any) -> Any:
    """CBAM: one network for the channels' means and maxima, then a map of the two, 2019."""
    L, f = k.layers, functions(k)
    inputs = k.Input((12, 12, 3))
    x = conv_bn(k, inputs, 8)
    first, second = L.Dense(2, activation="relu"), L.Dense(8)
    ends = [second(first(L.Reshape((1, 1, 8))(pool()(x)))) for pool in (L.GlobalAveragePooling2D, L.GlobalMaxPooling2D)]
    x = L.multiply([x, L.Activation("sigmoid")(L.add(ends))])
    both = L.Concatenate(axis=3)([f.expand_dims(f.mean(x, axis=3), -1), f.expand_dims(f.max(x, axis=3), -1)])
    x = L.multiply([x, L.Conv2D(1, 7, padding="same", activation="sigmoid", use_bias=False)(both)])
    return k.Model(inputs, L.Dense(3, activation="softmax")(L.GlobalAveragePooling2D()(x)))


@published
def res2net(k: Any) -> Any:
    """Groups of channels through convolutions one after the other, 2020."""
    L, f = k.layers, functions(k)
    inputs = k.Input((8, 8, 3))
    x = conv_bn(k, inputs, 8)
    parts = f.split(conv_bn(k, x, 8, 1), 4, axis=-1)
    outputs, last = [parts[0]], None
    for part in parts[1:]:
        last = conv_bn(k, part if last is None else L.add([part, last]), 2)
        outputs.append(last)
    y = L.BatchNormalization()(L.Conv2D(8, 1)(L.concatenate(outputs)))
    return k.Model(inputs, L.Flatten()(L.ReLU()(L.add([x, y]))))


@published
def ghost_net(k: Any) -> Any:
    """Half of the channels by a cheap depthwise convolution of the other half, 2020."""
    L = k.layers

    def ghost(x: Any, filters: int) -> Any:
        x = conv_bn(k, x, filters // 2, 1)
        cheap = L.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        return L.Concatenate()([x, L.ReLU()(L.BatchNormalization()(cheap))])

    inputs = k.Input((12, 12, 3))
    x = conv_bn(k, inputs, 4, strides=2)
    y = L.BatchNormalization()(L.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False)(ghost(x, 8)))
    gate = L.Conv2D(8, 1, activation="hard_sigmoid")(L.Conv2D(2, 1, activation="relu")(L.Reshape((1, 1, 8))(
        L.GlobalAveragePooling2D()(y))))  # fmt: skip
    return k.Model(inputs, L.Dense(4)(L.GlobalAveragePooling2D()(ghost(L.Multiply()([y, gate]), 6))))


@published
def inception_resnet(k: Any) -> Any:
    """Branches that are scaled and added, 2018."""
    L = k.layers
    inputs = k.Input((12, 12, 3))
    x = L.MaxPooling2D(3, strides=2)(conv_bn(k, inputs, 8))
    branches = [
        conv_bn(k, x, 2, 1),
        conv_bn(k, conv_bn(k, x, 2, 1), 3, (1, 7)),
        conv_bn(k, conv_bn(k, conv_bn(k, x, 2, 1), 3, 3), 3, 3),
    ]
    y = L.Conv2D(8, 1, padding="same")(L.Concatenate(axis=3)(branches))
    x = L.Activation("relu")(L.add([x, L.Rescaling(0.17)(y)]))
    ends = [
        L.MaxPooling2D(3, strides=2)(x),
        L.Conv2D(4, 3, strides=2)(x),
        L.AveragePooling2D(3, strides=1, padding="same")(x)[:, :2, :2],
    ]
    return k.Model(inputs, L.Concatenate(axis=-1)(ends))


@published
def nas_net(k: Any) -> Any:
    """A cell of separable convolutions and pools with cut and padded shortcuts, 2019."""
    L = k.layers

    def separable(x: Any, size: int, strides: int = 1) -> Any:
        x = L.SeparableConv2D(4, size, strides=strides, padding="same", use_bias=False)(L.Activation("relu")(x))
        return L.BatchNormalization(momentum=0.9997, epsilon=1e-3)(x)

    inputs = k.Input((12, 12, 3))
    p = L.Activation("relu")(inputs)
    left = L.Conv2D(2, 1, use_bias=False)(L.AveragePooling2D(1, strides=2)(p))
    shifted = L.Cropping2D(((1, 0), (1, 0)))(L.ZeroPadding2D(((0, 1), (0, 1)))(p))
    p = L.BatchNormalization()(L.concatenate([left, L.Conv2D(2, 1)(L.AveragePooling2D(1, strides=2)(shifted))]))
    h = separable(inputs, 3, 2)
    x1 = L.add([separable(h, 5), separable(p, 3)])
    x2 = L.add([L.AveragePooling2D(3, strides=1, padding="same")(h), p])
    x3 = L.add([L.MaxPooling2D(3, strides=1, padding="same")(p), separable(x1, 3)])
    x = L.concatenate([p, x1, x2, x3])
    return k.Model(inputs, L.Dense(3, activation="softmax")(L.GlobalAveragePooling2D()(L.Activation("relu")(x))))


@published
def mobile_vit(k: Any) -> Any:
    """Attention among the same places of all patches, Keras's example 2021."""
    L = k.layers
    inputs = k.Input((16, 16, 3))
    x = L.Conv2D(6, 3, strides=2, padding="same", activation="swish")(L.Rescaling(1.0 / 255)(inputs))
    local = L.Conv2D(8, 1, padding="same", activation="swish")(L.Conv2D(8, 3, padding="same", activation="swish")(x))
    y = L.Reshape((4, 16, 8))(local)
    for _ in range(2):
        z = L.LayerNormalization(epsilon=1e-6)(y)
        y = L.Add()([L.MultiHeadAttention(num_heads=2, key_dim=8, dropout=0.1)(z, z), y])
        z = L.Dense(8, activation="swish")(L.Dense(16, activation="swish")(L.LayerNormalization(epsilon=1e-6)(y)))
        y = L.Add()([L.Dropout(0.1)(z), y])
    y = L.Conv2D(6, 1, padding="same", activation="swish")(L.Reshape((8, 8, 8))(y))
    x = L.Conv2D(8, 3, padding="same", activation="swish")(L.Concatenate(axis=-1)([x, y]))
    return k.Model(inputs, L.Dense(5, activation="softmax")(L.GlobalAvgPool2D()(x)))


@published
def capsules(k: Any) -> Any:
    """Capsules whose agreement is found in three rounds, 2018."""
    L, f = k.layers, functions(k)

    def squash(t: Any) -> Any:
        square = f.expand_dims(f.sum(f.square(t), axis=-1), -1)
        return square / (1.0 + square) * t / f.sqrt(square + 1e-7)

    inputs = k.Input((12, 12, 1))
    x = L.Conv2D(8, 5, activation="relu", name="conv1")(inputs)
    primary = squash(L.Reshape((18, 4))(L.Conv2D(8, 3, strides=2)(x)))
    primary = primary[:, :9]
    votes = L.Reshape((9, 3, 5))(L.Dense(15, use_bias=False)(primary))
    agreement = f.sum(votes, axis=-1) * 0.0
    for _ in range(3):
        weights = f.expand_dims(f.softmax(agreement, axis=-1), -1)
        digits = squash(f.sum(weights * votes, axis=1))
        agreement = agreement + f.sum(votes * f.expand_dims(digits, 1), axis=-1)
    return k.Model(inputs, f.sqrt(f.sum(f.square(digits), axis=-1)))


@published
def vq_vae(k: Any) -> Any:
    """The nearest vector of a codebook for each position, Keras's example 2021."""
    L, f = k.layers, functions(k)
    inputs = k.Input((8, 8, 1))
    x = L.Conv2D(6, 3, activation="relu", strides=2, padding="same")(inputs)
    x = L.Conv2D(4, 1, padding="same")(x)
    codes = np.random.default_rng(1).normal(size=(7, 4)).astype(np.float32)
    flat = L.Reshape((16, 4))(x)
    distance = f.expand_dims(f.sum(f.square(flat), axis=-1), -1) + (codes**2).sum(-1)
    distance = distance - f.matmul(flat, codes.T.copy()) * 2.0
    index = f.argmin(distance, axis=-1)
    chosen = L.Reshape((4, 4, 4))(f.matmul(f.one_hot(index, 7), codes))
    x = L.Conv2DTranspose(6, 3, activation="relu", strides=2, padding="same")(chosen)
    return k.Model(inputs, [L.Conv2DTranspose(1, 3, padding="same")(x), index])


@published
def conditional_generator(k: Any) -> Any:
    """Normalization whose scale and offset come from the class, with self-attention, 2020."""
    L, f = k.layers, functions(k)
    noise, label = k.Input((6,)), k.Input((1,), dtype="int32")
    x = L.Reshape((3, 3, 8))(L.Dense(72)(noise))
    for filters in (8, 6):
        size = int(x.shape[-1])
        gamma, beta = (L.Reshape((1, 1, size))(L.Embedding(VOCABULARY, size)(label)) for _ in range(2))
        x = L.BatchNormalization(center=False, scale=False)(x) * (gamma + 1.0) + beta
        x = L.Conv2D(filters, 3, padding="same")(L.UpSampling2D()(L.ReLU()(x)))
    query, key = (L.Reshape((144, 3))(L.Conv2D(3, 1)(x)) for _ in range(2))
    weights = f.softmax(f.matmul(query, f.transpose(key, (0, 2, 1))), axis=-1)
    attended = f.matmul(weights, L.Reshape((144, 6))(L.Conv2D(6, 1)(x)))
    x = x + L.Reshape((12, 12, 6))(attended) * 0.1
    return k.Model([noise, label], L.Conv2D(3, 3, padding="same", activation="tanh")(x))


@published
def radiance_field(k: Any) -> Any:
    """NeRF: sines and cosines of coordinates, and a density summed along a ray, 2021."""
    L, f = k.layers, functions(k)
    points = k.Input((8, 3))
    features = [points]
    for power in range(3):
        features += [f.sin(points * 2.0**power), f.cos(points * 2.0**power)]
    encoded = x = L.Concatenate()(features)
    for number in range(4):
        x = L.Dense(8, activation="relu")(x)
        if number == 1:
            x = L.concatenate([x, encoded])
    x = L.Dense(4)(x)
    color, density = f.sigmoid(x[:, :, :3]), L.Activation("relu")(x[:, :, 3])
    through = f.exp(-f.cumsum(density, axis=-1) * 0.1)
    weights = (f.exp(density * -0.1) * -1.0 + 1.0) * through
    return k.Model(points, [f.sum(f.expand_dims(weights, -1) * color, axis=1), f.sum(weights, axis=-1)])


@published
def mixture_density(k: Any) -> Any:
    """Weights, means and widths of normal distributions in one vector, 2017."""
    L = k.layers
    inputs = k.Input((4,))
    x = L.Dense(10, activation="tanh")(inputs)
    parts = [L.Dense(3, activation="softmax")(x), L.Dense(3)(x), L.Dense(3, activation="exponential")(x)]
    return k.Model(inputs, L.concatenate(parts, name="pvec"))


@published
def board_game(k: Any) -> Any:
    """A residual network with a policy and a value, 2018."""
    L = k.layers
    inputs = k.Input((6, 7, 2))
    x = L.LeakyReLU()(L.BatchNormalization(axis=3)(L.Conv2D(6, 4, padding="same", use_bias=False)(inputs)))
    for _ in range(2):
        y = L.LeakyReLU()(L.BatchNormalization(axis=3)(L.Conv2D(6, 4, padding="same", use_bias=False)(x)))
        y = L.BatchNormalization(axis=3)(L.Conv2D(6, 4, padding="same", use_bias=False)(y))
        x = L.LeakyReLU()(L.add([x, y]))
    policy = L.LeakyReLU()(L.BatchNormalization()(L.Conv2D(2, 1, use_bias=False)(x)))
    value = L.LeakyReLU()(L.BatchNormalization()(L.Conv2D(1, 1, use_bias=False)(x)))
    value = L.LeakyReLU()(L.Dense(8, use_bias=False)(L.Flatten()(value)))
    return k.Model(inputs, [
        L.Dense(1, activation="tanh", use_bias=False, name="value_head")(value),
        L.Dense(7, use_bias=False, name="policy_head")(L.Flatten()(policy)),
    ])  # fmt: skip


@published
def soft_actor(k: Any) -> Any:
    """Mean and clipped logarithm of the deviation, squashed, 2020."""
    L, f = k.layers, functions(k)
    state, noise = k.Input((5,)), k.Input((2,))
    x = L.LayerNormalization()(L.Dense(8, activation="elu")(L.Dense(8, activation="elu")(state)))
    mean, log_std = L.Dense(2)(x), f.minimum(f.maximum(L.Dense(2)(x), -5.0), 2.0)
    action = f.tanh(mean + noise * f.exp(log_std))
    density = f.square(noise) * -0.5 - log_std - f.log(f.square(action) * -1.0 + 1.0 + 1e-6)
    return k.Model([state, noise], [action, f.sum(density, axis=-1)])


@published
def distributional_dqn(k: Any) -> Any:
    """C51: a distribution over 11 values of each action, dueling, 2019."""
    L, f = k.layers, functions(k)
    inputs = k.Input((20, 20, 4))
    x = L.Conv2D(4, 8, strides=4, activation="relu")(inputs)
    x = L.Flatten()(L.Conv2D(6, 2, activation="relu")(x))
    value, advantage = L.Reshape((1, 11))(L.Dense(11)(x)), L.Reshape((3, 11))(L.Dense(33)(x))
    logits = value + advantage - f.expand_dims(f.mean(advantage, axis=1), 1)
    probabilities = f.softmax(logits, axis=-1)
    expected = f.sum(probabilities * np.linspace(-10, 10, 11, dtype=np.float32), axis=-1)
    return k.Model(inputs, [probabilities, expected, f.argmax(expected, axis=-1)])
