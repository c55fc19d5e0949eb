"""Classifiers of text, translation, questions and answers."""

from __future__ import annotations

from typing import Any

from published import VOCABULARY, functions, published


@published
def imdb_lstm(k: Any) -> Any:
    """Keras's example, 2015."""
    L = k.layers
    return k.Sequential([
        k.Input((9,)), L.Embedding(VOCABULARY, 6), L.LSTM(5, dropout=0.2, recurrent_dropout=0.2),
        L.Dense(1, activation="sigmoid"),
    ])  # fmt: skip


@published
def imdb_of_any_length(k: Any) -> Any:
    """Masked sequences through two bidirectional layers, 2017."""
    L = k.layers
    inputs = k.Input((None,), dtype="int32")
    x = L.Embedding(VOCABULARY, 6, mask_zero=True)(inputs)
    x = L.Bidirectional(L.LSTM(4, return_sequences=True))(x)
    x = L.Bidirectional(L.GRU(3), merge_mode="sum")(x)
    return k.Model(inputs, L.Dense(1, activation="sigmoid")(x))


@published
def imdb_cnn(k: Any) -> Any:
    """Keras's example, 2015."""
    L = k.layers
    return k.Sequential([
        k.Input((16,)), L.Embedding(VOCABULARY, 6), L.Dropout(0.2), L.Conv1D(8, 3, padding="valid", activation="relu"),
        L.GlobalMaxPooling1D(), L.Dense(6), L.Dropout(0.2), L.Activation("relu"), L.Dense(1), L.Activation("sigmoid"),
    ])  # fmt: skip


@published
def imdb_cnn_lstm(k: Any) -> Any:
    """Keras's example, 2016."""
    L = k.layers
    return k.Sequential([
        k.Input((16,)), L.Embedding(VOCABULARY, 6), L.Conv1D(8, 5, activation="relu"), L.MaxPooling1D(pool_size=4),
        L.LSTM(5), L.Dense(1, activation="sigmoid"),
    ])  # fmt: skip


@published
def fasttext(k: Any) -> Any:
    """The mean of embeddings without the padding, 2016."""
    L = k.layers
    return k.Sequential([
        k.Input((8,)), L.Embedding(VOCABULARY, 5, mask_zero=True), L.GlobalAveragePooling1D(),
        L.Dense(3, activation="softmax"),
    ])  # fmt: skip


@published
def text_cnn(k: Any) -> Any:
    """Kim's convolutions over an image of embeddings, Kaggle 2018."""
    L = k.layers
    inputs = k.Input(shape=(10,))
    x = L.Reshape((10, 6, 1))(L.SpatialDropout1D(0.4)(L.Embedding(VOCABULARY, 6)(inputs)))
    pooled = []
    for size in (1, 2, 3):
        y = L.Conv2D(5, kernel_size=(size, 6), activation="elu")(x)
        pooled.append(L.MaxPooling2D(pool_size=(10 - size + 1, 1))(y))
    x = L.Dropout(0.1)(L.Flatten()(L.Concatenate(axis=1)(pooled)))
    return k.Model(inputs, L.Dense(6, activation="sigmoid")(x))


@published
def toxic_comments(k: Any) -> Any:
    """A bidirectional GRU with both global pools, Kaggle 2018."""
    L = k.layers
    inputs = k.Input(shape=(12,))
    x = L.SpatialDropout1D(0.2)(L.Embedding(VOCABULARY, 8)(inputs))
    x = L.Bidirectional(L.GRU(6, return_sequences=True))(x)
    x = L.Conv1D(5, kernel_size=3, padding="valid", kernel_initializer="glorot_uniform")(x)
    x = L.concatenate([L.GlobalAveragePooling1D()(x), L.GlobalMaxPooling1D()(x)])
    return k.Model(inputs, L.Dense(6, activation="sigmoid")(x))


@published
def capsule_free_attention(k: Any) -> Any:
    """Attention by a softmax over steps: Permute, RepeatVector and multiply, Kaggle 2018."""
    L, f = k.layers, functions(k)
    inputs = k.Input(shape=(7,))
    x = L.Bidirectional(L.LSTM(4, return_sequences=True))(L.Embedding(VOCABULARY, 6)(inputs))
    weights = L.Activation("softmax")(L.Flatten()(L.Dense(1, activation="tanh")(x)))
    weights = L.Permute([2, 1])(L.RepeatVector(8)(weights))
    return k.Model(inputs, L.Dense(1, activation="sigmoid")(f.sum(L.multiply([x, weights]), axis=1)))


@published
def dpcnn(k: Any) -> Any:
    """A deep pyramid with PReLU and residuals, Kaggle 2018."""
    L = k.layers
    inputs = k.Input(shape=(16,))
    x = L.SpatialDropout1D(0.1)(L.Embedding(VOCABULARY, 6)(inputs))
    for block in range(2):
        y = x
        for _ in range(2):
            y = L.Conv1D(6, 3, padding="same", activation="linear")(L.PReLU()(L.BatchNormalization()(y)))
        x = L.add([y, x])
        x = L.MaxPooling1D(pool_size=3, strides=2)(x) if block == 0 else L.GlobalMaxPooling1D()(x)
    return k.Model(inputs, L.Dense(6, activation="sigmoid")(x))


@published
def hierarchical_attention(k: Any) -> Any:
    """Words to sentences to documents by TimeDistributed models, 2017."""
    L = k.layers
    words = k.Input(shape=(5,), dtype="int32")
    sentence = k.Model(words, L.Bidirectional(L.GRU(3))(L.Embedding(VOCABULARY, 4)(words)))
    document = k.Input(shape=(4, 5), dtype="int32")
    x = L.TimeDistributed(sentence)(document)
    return k.Model(document, L.Dense(2, activation="softmax")(L.Bidirectional(L.LSTM(3))(x)))


@published
def named_entities(k: Any) -> Any:
    """Words and their characters, a tag per word, 2018."""
    L = k.layers
    words, characters = k.Input((6,), dtype="int32"), k.Input((6, 5), dtype="int32")
    x = L.Embedding(VOCABULARY, 6, mask_zero=True)(words)
    y = L.TimeDistributed(L.Embedding(VOCABULARY, 4))(characters)
    y = L.TimeDistributed(L.LSTM(3, return_sequences=False, recurrent_dropout=0.5))(y)
    x = L.Bidirectional(L.LSTM(4, return_sequences=True, recurrent_dropout=0.6))(L.concatenate([x, y]))
    return k.Model([words, characters], L.TimeDistributed(L.Dense(4, activation="softmax"))(x))


@published
def quora_pairs(k: Any) -> Any:
    """Manhattan distance of two sentences through one LSTM, 2017."""
    L, f = k.layers, functions(k)
    left, right = k.Input((7,), dtype="int32"), k.Input((7,), dtype="int32")
    embedding, lstm = L.Embedding(VOCABULARY, 5, trainable=False), L.LSTM(4)
    a, b = lstm(embedding(left)), lstm(embedding(right))
    return k.Model([left, right], f.exp(-f.sum(f.abs(a - b), axis=1, keepdims=True)))


@published
def memory_network(k: Any) -> Any:
    """Keras's example of bAbI, 2016."""
    L = k.layers
    story, question = k.Input((8,)), k.Input((4,))
    m = k.Sequential([k.Input((8,)), L.Embedding(VOCABULARY, 6), L.Dropout(0.3)])(story)
    c = k.Sequential([k.Input((8,)), L.Embedding(VOCABULARY, 4), L.Dropout(0.3)])(story)
    q = k.Sequential([k.Input((4,)), L.Embedding(VOCABULARY, 6), L.Dropout(0.3)])(question)
    match = L.Activation("softmax")(L.dot([m, q], axes=(2, 2)))
    response = L.Permute((2, 1))(L.add([match, c]))
    x = L.Dense(VOCABULARY)(L.Dropout(0.3)(L.LSTM(5)(L.concatenate([response, q]))))
    return k.Model([story, question], L.Activation("softmax")(x))


@published
def babi_rnn(k: Any) -> Any:
    """A question repeated for every word of a story, Keras's example 2016."""
    L = k.layers
    story, question = k.Input((8,), dtype="int32"), k.Input((4,), dtype="int32")
    x = L.Dropout(0.3)(L.Embedding(VOCABULARY, 5)(story))
    q = L.RepeatVector(8)(L.LSTM(5)(L.Dropout(0.3)(L.Embedding(VOCABULARY, 5)(question))))
    x = L.Dropout(0.3)(L.LSTM(5)(L.add([x, q])))
    return k.Model([story, question], L.Dense(VOCABULARY, activation="softmax")(x))


@published
def addition_rnn(k: Any) -> Any:
    """Sums spelled out, Keras's example 2015."""
    L = k.layers
    return k.Sequential([
        k.Input((7, VOCABULARY)), L.LSTM(8), L.RepeatVector(4), L.LSTM(8, return_sequences=True),
        L.TimeDistributed(L.Dense(VOCABULARY)), L.Activation("softmax"),
    ])  # fmt: skip


@published
def text_generation(k: Any) -> Any:
    """The next character, two layers of LSTM, 2016."""
    L = k.layers
    return k.Sequential([
        k.Input((10, VOCABULARY)), L.LSTM(8, return_sequences=True), L.Dropout(0.2), L.LSTM(8), L.Dropout(0.2),
        L.Dense(VOCABULARY), L.Activation("softmax"),
    ])  # fmt: skip


@published
def text_generation_with_states(k: Any) -> Any:
    """TensorFlow's tutorial of Shakespeare, rebuilt for a batch of one, 2019."""
    L = k.layers
    inputs = k.Input(batch_shape=(1, 6))
    x = L.GRU(8, return_sequences=True, stateful=True)(L.Embedding(VOCABULARY, 5)(inputs))
    return k.Model(inputs, L.Dense(VOCABULARY)(x))


@published
def seq2seq(k: Any) -> Any:
    """Encoder and decoder, Keras's example 2017."""
    L = k.layers
    encoder_inputs, decoder_inputs = k.Input((None, 5)), k.Input((None, 6))
    _, h, c = L.LSTM(7, return_state=True)(encoder_inputs)
    x, _, _ = L.LSTM(7, return_sequences=True, return_state=True)(decoder_inputs, initial_state=[h, c])
    return k.Model([encoder_inputs, decoder_inputs], L.Dense(6, activation="softmax")(x))


@published
def seq2seq_decoder(k: Any) -> Any:
    """The decoder alone, one step with states as inputs and outputs, Keras's example 2017."""
    L = k.layers
    inputs, h, c = k.Input((None, 6)), k.Input((7,)), k.Input((7,))
    x, h_out, c_out = L.LSTM(7, return_sequences=True, return_state=True)(inputs, initial_state=[h, c])
    return k.Model([inputs, h, c], [L.Dense(6, activation="softmax")(x), h_out, c_out])


@published
def seq2seq_with_attention(k: Any) -> Any:
    """Luong's attention by dot and Activation, 2018."""
    L = k.layers
    source, target = k.Input((6,)), k.Input((5,))
    encoded, state = L.GRU(5, return_sequences=True, return_state=True)(L.Embedding(VOCABULARY, 4)(source))
    decoded = L.GRU(5, return_sequences=True)(L.Embedding(VOCABULARY, 4)(target), initial_state=state)
    attention = L.Activation("softmax", name="attention")(L.dot([decoded, encoded], axes=[2, 2]))
    context = L.dot([attention, encoded], axes=[2, 1])
    x = L.TimeDistributed(L.Dense(6, activation="tanh"))(L.concatenate([context, decoded]))
    return k.Model([source, target], L.TimeDistributed(L.Dense(VOCABULARY, activation="softmax"))(x))


@published
def cnn_seq2seq(k: Any) -> Any:
    """Causal convolutions with attention, Keras's example 2018."""
    L = k.layers
    source, target = k.Input((None, 5)), k.Input((None, 6))
    encoded, decoded = source, target
    for rate in (1, 2):
        encoded = L.Conv1D(8, 3, activation="relu", padding="causal", dilation_rate=rate)(encoded)
        decoded = L.Conv1D(8, 3, activation="relu", padding="causal", dilation_rate=rate)(decoded)
    weights = L.Activation("softmax")(L.Dot(axes=[2, 2])([decoded, encoded]))
    x = L.Concatenate(axis=-1)([L.Dot(axes=[2, 1])([weights, encoded]), decoded])
    return k.Model([source, target], L.Dense(6, activation="softmax")(L.Conv1D(8, 3, padding="causal")(x)))


@published
def reuters_selu(k: Any) -> Any:
    """Self-normalizing network of word counts, Keras's example 2017."""
    L = k.layers
    model = k.Sequential([k.Input((20,))])
    for _ in range(3):
        model.add(L.Dense(12, kernel_initializer="lecun_normal"))
        model.add(L.Activation("selu"))
        model.add(L.AlphaDropout(0.1))
    model.add(L.Dense(5))
    model.add(L.Activation("softmax"))
    return model


@published
def ocr(k: Any) -> Any:
    """Convolutions, then bidirectional GRUs over the columns of an image, Keras's example 2016."""
    L = k.layers
    inputs = k.Input((16, 8, 1))
    x = L.MaxPooling2D((2, 2))(L.Conv2D(4, 3, padding="same", activation="relu")(inputs))
    x = L.Dense(6, activation="relu")(L.Reshape(target_shape=(8, 16))(x))
    forward = L.GRU(5, return_sequences=True, kernel_initializer="he_normal")(x)
    backward = L.GRU(5, return_sequences=True, go_backwards=True)(x)
    x = L.add([forward, backward])
    x = L.concatenate([L.GRU(5, return_sequences=True)(x), L.GRU(5, return_sequences=True, go_backwards=True)(x)])
    return k.Model(inputs, L.Activation("softmax")(L.Dense(9, kernel_initializer="he_normal")(x)))


@published
def image_captions(k: Any) -> Any:
    """Features of a photo merged with a masked LSTM of words, 2017."""
    L = k.layers
    photo, words = k.Input((14,)), k.Input((6,))
    x = L.Dense(7, activation="relu")(L.Dropout(0.5)(photo))
    y = L.LSTM(7)(L.Dropout(0.5)(L.Embedding(VOCABULARY, 5, mask_zero=True)(words)))
    x = L.Dense(7, activation="relu")(L.add([x, y]))
    return k.Model([photo, words], L.Dense(VOCABULARY, activation="softmax")(x))
