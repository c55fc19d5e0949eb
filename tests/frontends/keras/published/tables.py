"""Tables, recommendations, prices, and agents."""

from __future__ import annotations

from typing import Any

from published import VOCABULARY, functions, published


@published
def boston_housing(k: Any) -> Any:
    """A regression by two hidden layers, tutorials since 2016."""
    L = k.layers
    return k.Sequential([
        k.Input((13,)), L.Dense(13, kernel_initializer="normal", activation="relu"),
        L.Dense(6, kernel_initializer="normal", activation="relu"), L.Dense(1, kernel_initializer="normal"),
    ])  # fmt: skip


@published
def fuel_efficiency(k: Any) -> Any:
    """TensorFlow's tutorial with a Normalization, 2020."""
    L = k.layers
    statistics = {"mean": [5.4, 194.0, 104.0, 2977.0], "variance": [2.9, 10900.0, 1450.0, 718000.0]}
    return k.Sequential([
        k.Input((4,)), L.Normalization(axis=-1, **statistics), L.Dense(8, activation="relu"),
        L.Dense(8, activation="relu"), L.Dense(1),
    ])  # fmt: skip


@published
def fraud(k: Any) -> Any:
    """Unbalanced classes with an initial bias of the output, 2020."""
    L = k.layers
    return k.Sequential([
        k.Input((29,)), L.Dense(16, activation="relu"), L.BatchNormalization(), L.Dropout(0.5),
        L.Dense(1, activation="sigmoid", bias_initializer=k.initializers.Constant(-6.36)),
    ])  # fmt: skip


@published
def rossmann(k: Any) -> Any:
    """Embeddings of categories, joined with numbers, Kaggle 2016."""
    L = k.layers
    categories = [k.Input((1,), name=name) for name in ("store", "day", "promotion")]
    numbers = k.Input((5,), name="numbers")
    parts = [
        L.Reshape(target_shape=(3,))(L.Embedding(VOCABULARY, 3, name=f"embed_{i}")(x)) for i, x in enumerate(categories)
    ]
    x = L.Concatenate()([*parts, L.Dense(4)(numbers)])
    x = L.Dense(8, kernel_initializer="uniform", activation="relu")(x)
    return k.Model(inputs=[*categories, numbers], outputs=L.Activation("sigmoid")(L.Dense(1)(x)))


@published
def mercari(k: Any) -> Any:
    """Names, descriptions and conditions of goods, Kaggle 2018."""
    L = k.layers
    name, text = k.Input((5,), name="name"), k.Input((9,), name="item_description")
    brand, shipping = k.Input((1,), name="brand_name"), k.Input((1,), name="num_vars")
    words = L.Embedding(VOCABULARY, 4)
    parts = [L.GRU(3)(words(text)), L.GRU(3)(words(name)), L.Flatten()(L.Embedding(VOCABULARY, 2)(brand)), shipping]
    x = L.Dropout(0.1)(L.Dense(8)(L.concatenate(parts)))
    return k.Model([name, text, brand, shipping], L.Dense(1, activation="linear")(L.Dropout(0.1)(L.Dense(4)(x))))


@published
def wide_and_deep(k: Any) -> Any:
    """Crossed and embedded categories, Keras's example 2021."""
    L = k.layers
    category, numbers = k.Input((), dtype="int32", name="category"), k.Input((4,), name="numbers")
    wide = L.CategoryEncoding(num_tokens=VOCABULARY, output_mode="one_hot")(category)
    deep = L.concatenate([L.Embedding(VOCABULARY, 3)(category), numbers])
    for units in (8, 6):
        deep = L.Dropout(0.1)(L.ReLU()(L.BatchNormalization()(L.Dense(units)(deep))))
    return k.Model([category, numbers], L.Dense(3, "softmax")(L.concatenate([L.BatchNormalization()(wide), deep])))


@published
def deep_and_cross(k: Any) -> Any:
    """Crosses of all features with themselves, 2021."""
    L = k.layers
    x0 = inputs = k.Input((7,))
    cross = x0
    for _ in range(3):
        cross = x0 * L.Dense(7)(cross) + cross
    deep = L.Dense(8, activation="relu")(x0)
    return k.Model(inputs, L.Dense(1, activation="sigmoid")(L.concatenate([L.BatchNormalization()(cross), deep])))


@published
def deep_fm(k: Any) -> Any:
    """Factorization machine: half the square of the sum minus the sum of squares, 2019."""
    L, f = k.layers, functions(k)
    inputs = k.Input((5,), dtype="int32")
    embedded = L.Embedding(VOCABULARY, 4)(inputs)
    square_of_sum, sum_of_squares = f.square(f.sum(embedded, axis=1)), f.sum(f.square(embedded), axis=1)
    second = f.sum(0.5 * (square_of_sum - sum_of_squares), axis=1, keepdims=True)
    first = f.sum(L.Embedding(VOCABULARY, 1)(inputs), axis=1)
    deep = L.Dense(1, use_bias=False)(L.Dense(8, activation="relu")(L.Flatten()(embedded)))
    return k.Model(inputs, L.Activation("sigmoid")(L.add([first, second, deep])))


@published
def movie_ratings(k: Any) -> Any:
    """Products of embeddings with biases, Keras's example 2020."""
    L = k.layers
    user, movie = k.Input((1,), name="user"), k.Input((1,), name="movie")
    a, b = L.Embedding(VOCABULARY, 5)(user), L.Embedding(VOCABULARY, 5)(movie)
    product = L.Flatten()(L.Dot(axes=2)([a, b]))
    biases = [L.Flatten()(L.Embedding(VOCABULARY, 1)(x)) for x in (user, movie)]
    return k.Model([user, movie], L.Activation("sigmoid")(L.Add()([product, *biases])))


@published
def neural_matrix_factorization(k: Any) -> Any:
    """Generalized products and an MLP, added, 2018."""
    L = k.layers
    user, item = k.Input((1,), dtype="int32", name="user_input"), k.Input((1,), dtype="int32", name="item_input")
    flat = [L.Flatten()(L.Embedding(VOCABULARY, size)(x)) for size in (4, 6) for x in (user, item)]
    mlp = L.Dense(4, activation="relu")(L.concatenate(flat[2:]))
    x = L.concatenate([L.multiply(flat[:2]), mlp])
    return k.Model([user, item], L.Dense(1, activation="sigmoid", kernel_initializer="lecun_uniform")(x))


@published
def swish_table(k: Any) -> Any:
    """Batch normalization, swish and weight decay in residual blocks, Kaggle 2021."""
    L = k.layers
    x = inputs = k.Input((11,))
    x = L.BatchNormalization()(x)
    for _ in range(2):
        y = L.Activation("swish")(L.BatchNormalization()(L.Dense(11, kernel_regularizer="l2")(x)))
        x = L.add([x, L.Dropout(0.3)(y)])
    return k.Model(inputs, [L.Dense(1, activation="sigmoid", name="a")(x), L.Dense(4, name="b")(x)])


@published
def stopped_denoising_autoencoder(k: Any) -> Any:
    """Noise, an encoder and a decoder, and an MLP on both, Kaggle 2021."""
    L = k.layers
    inputs = k.Input((10,))
    x0 = L.BatchNormalization()(inputs)
    encoded = L.Activation("swish")(L.BatchNormalization()(L.Dense(6)(L.GaussianNoise(0.1)(x0))))
    decoded = L.Dense(10, name="decoder")(L.Dropout(0.2)(encoded))
    y = L.Dense(1, activation="sigmoid", name="ae_action")(L.Dense(6, activation="swish")(decoded))
    x = L.Concatenate()([x0, encoded])
    return k.Model(inputs, [decoded, y, L.Dense(1, activation="sigmoid", name="action")(L.Dense(6, "swish")(x))])


@published
def gated_residuals(k: Any) -> Any:
    """Variable selection by gated linear units, Keras's example 2021."""
    L, f = k.layers, functions(k)

    def gated(x: Any, units: int) -> Any:
        y = L.Dense(units)(L.Dense(units, activation="elu")(x))
        y = L.multiply([L.Dense(units)(y), L.Dense(units, activation="sigmoid")(y)])
        return L.LayerNormalization()((L.Dense(units)(x) if x.shape[-1] != units else x) + y)

    inputs = [k.Input((1,), name=f"x{i}") for i in range(3)]
    encoded = [L.Dense(4)(x) for x in inputs]
    weights = L.Dense(3, activation="softmax")(gated(L.concatenate(encoded), 4))
    parts = f.stack([gated(x, 4) for x in encoded], axis=1)
    x = f.squeeze(f.matmul(f.expand_dims(weights, 1), parts), 1)
    return k.Model(inputs, L.Dense(1, activation="sigmoid")(x))


@published
def dqn(k: Any) -> Any:
    """Atari by convolutions, 2016."""
    L = k.layers
    model = k.Sequential([k.Input((36, 36, 4))])
    model.add(L.Conv2D(6, 8, strides=4, activation="relu"))
    model.add(L.Conv2D(8, 4, strides=2, activation="relu"))
    model.add(L.Flatten())
    model.add(L.Dense(12, activation="relu"))
    model.add(L.Dense(4, activation="linear"))
    return model


@published
def dueling_dqn(k: Any) -> Any:
    """Value and advantage minus its mean, 2018."""
    L, f = k.layers, functions(k)
    inputs = k.Input((6,))
    x = L.Dense(8, activation="relu", kernel_initializer="he_uniform")(inputs)
    value, advantage = L.Dense(1)(x), L.Dense(3)(x)
    return k.Model(inputs, value + (advantage - f.mean(advantage, axis=1, keepdims=True)))


@published
def actor_critic(k: Any) -> Any:
    """Two heads, Keras's example 2020."""
    L = k.layers
    inputs = k.Input((4,))
    common = L.Dense(16, activation="relu")(inputs)
    return k.Model(inputs=inputs, outputs=[L.Dense(2, activation="softmax")(common), L.Dense(1)(common)])


@published
def ddpg(k: Any) -> Any:
    """Actor scaled to its bounds, and the critic of its action, Keras's example 2020."""
    L = k.layers
    state, action = k.Input((3,)), k.Input((1,))
    act = L.Dense(1, activation="tanh")(L.Dense(8, activation="relu")(state)) * 2.0
    x = L.Concatenate()([L.Dense(6, activation="relu")(state), L.Dense(6, activation="relu")(action)])
    return k.Model([state, action], [act, L.Dense(1)(L.Dense(8, activation="relu")(x))])


@published
def clinical_grud(k: Any) -> Any:
    """Masked measurements with missing values, 2019."""
    L = k.layers
    inputs, static = k.Input((6, 4)), k.Input((3,))
    x = L.GRU(5, return_sequences=True)(L.Masking(mask_value=0.0)(inputs))
    x = L.GRU(5)(x)
    return k.Model([inputs, static], L.Dense(1, activation="sigmoid")(L.concatenate([x, static])))
