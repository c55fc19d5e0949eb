"""Random Functional graphs of random layers against Keras, from both kinds of files.

A graph grows from one to three inputs by random layers, merges, arithmetic, and nested or shared models, each upon
tensors that are there already; some of them are the outputs. CI runs few graphs, always the same.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sofie_jit
from tolerance import check, randomize

keras = pytest.importorskip("keras")
pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from keras import layers, ops  # noqa: E402

Draw = Callable[[st.SearchStrategy[Any]], Any]
Tensor = Any

ACTIVATIONS = st.sampled_from([
    None, "relu", "tanh", "sigmoid", "elu", "selu", "softplus", "softsign", "silu", "gelu", "hard_sigmoid", "relu6",
    "leaky_relu", "mish", "log_sigmoid", "hard_silu", "squareplus",
])  # fmt: skip
GATES = st.sampled_from(["tanh", "sigmoid", "relu", "hard_sigmoid", "softsign"])
PADDINGS = st.sampled_from(["valid", "same"])
SIZES = st.integers(1, 9)
FEW = st.integers(1, 3)
BOOLEANS = st.booleans()

# -- layers that change one tensor, by its number of dimensions --------------------------------------------------------
# Each takes draw and a tensor (of dense axes) and gives the layer, or None where that fits no layer.


def dense(draw: Draw, x: Tensor) -> Any:
    return layers.Dense(draw(SIZES), activation=draw(ACTIVATIONS), use_bias=draw(BOOLEANS))


def batch_normalization(draw: Draw, x: Tensor) -> Any:
    return layers.BatchNormalization(axis=draw(st.integers(1, x.ndim - 1)), scale=draw(BOOLEANS), center=draw(BOOLEANS))


def layer_normalization(draw: Draw, x: Tensor) -> Any:
    return layers.LayerNormalization(epsilon=draw(st.sampled_from([1e-3, 0.1])), center=draw(BOOLEANS))


def activation(draw: Draw, x: Tensor) -> Any:
    advanced = [
        lambda: layers.ReLU(max_value=2.0, negative_slope=0.1, threshold=0.3), lambda: layers.LeakyReLU(0.3),
        lambda: layers.ELU(0.7), lambda: layers.Softmax(draw(st.integers(1, x.ndim - 1))),
        lambda: layers.PReLU(shared_axes=list(range(1, x.ndim - 1)) or None),
        lambda: layers.Activation(draw(ACTIVATIONS) or "linear"),
    ]  # fmt: skip
    return draw(st.sampled_from(advanced))()


def training_only(draw: Draw, x: Tensor) -> Any:
    return draw(st.sampled_from([layers.Dropout, layers.GaussianNoise]))(0.4)


def rescaling(draw: Draw, x: Tensor) -> Any:
    return layers.Rescaling(draw(st.sampled_from([0.5, -1.5])), draw(st.sampled_from([0.0, 0.25])))


def reshape(draw: Draw, x: Tensor) -> Any:
    size = math.prod(x.shape[1:])
    first = draw(st.sampled_from([n for n in range(1, size + 1) if size % n == 0]))
    return layers.Reshape(draw(st.sampled_from([(first, -1), (first, size // first), (size,)])))


def permute(draw: Draw, x: Tensor) -> Any:
    return layers.Permute(draw(st.permutations(range(1, x.ndim))))


def flatten(draw: Draw, x: Tensor) -> Any:
    return layers.Flatten()


def repeat(draw: Draw, x: Tensor) -> Any:
    return layers.RepeatVector(draw(FEW))


def unit_normalization(draw: Draw, x: Tensor) -> Any:
    return layers.UnitNormalization(axis=draw(st.integers(1, x.ndim - 1)))


def spatial(name: str, count: int) -> str:
    return f"{name}{count}D"


def window(draw: Draw, x: Tensor, paddings: st.SearchStrategy[str] = PADDINGS) -> dict[str, Any] | None:
    """Size, strides or dilation, and padding of a convolution that fits ``x``."""
    size, stride, dilation = draw(FEW), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    padding = draw(paddings)
    if padding == "valid" and (size - 1) * dilation >= min(x.shape[1:-1]):
        return None
    strides = {"dilation_rate": dilation} if dilation > 1 else {"strides": stride}
    return {"kernel_size": size, "padding": padding, **strides}


def convolution(draw: Draw, x: Tensor) -> Any:
    count = x.ndim - 2
    options = window(draw, x, st.sampled_from(["valid", "same", *(["causal"] if count == 1 else [])]))
    if options is None:
        return None
    kind = draw(st.sampled_from(["Conv", "DepthwiseConv", "SeparableConv"]))
    own = {"filters": draw(SIZES)} if kind != "DepthwiseConv" else {"depth_multiplier": draw(st.integers(1, 2))}
    if kind != "Conv" and options["padding"] == "causal":
        options["padding"] = "same"
    return getattr(layers, spatial(kind, count))(**own, **options, activation=draw(ACTIVATIONS))


def convolution_transpose(draw: Draw, x: Tensor) -> Any:
    options = {"strides": draw(st.integers(1, 2)), "padding": draw(PADDINGS), "use_bias": draw(BOOLEANS)}
    return getattr(layers, f"Conv{x.ndim - 2}DTranspose")(draw(SIZES), draw(FEW), **options)


def pooling(draw: Draw, x: Tensor) -> Any:
    size, padding = draw(st.integers(1, 3)), draw(PADDINGS)
    if padding == "valid" and size > min(x.shape[1:-1]):
        return None
    kind = draw(st.sampled_from(["MaxPooling", "AveragePooling"]))
    return getattr(layers, spatial(kind, x.ndim - 2))(
        size, strides=draw(st.sampled_from([None, 1, 2])), padding=padding
    )


def global_pooling(draw: Draw, x: Tensor) -> Any:
    kind = draw(st.sampled_from(["GlobalMaxPooling", "GlobalAveragePooling"]))
    return getattr(layers, spatial(kind, x.ndim - 2))(keepdims=draw(BOOLEANS))


def border(draw: Draw, x: Tensor) -> Any:
    count = x.ndim - 2
    if draw(BOOLEANS) and min(x.shape[1:-1]) > 1:
        return getattr(layers, spatial("Cropping", count))((1, 0) if count == 1 else ((1, 0), (0, 1)))
    return getattr(layers, spatial("ZeroPadding", count))(draw(FEW))


def upsampling(draw: Draw, x: Tensor) -> Any:
    return getattr(layers, spatial("UpSampling", x.ndim - 2))(2)


def recurrent(draw: Draw, x: Tensor) -> Any:
    kind = draw(st.sampled_from([layers.LSTM, layers.GRU, layers.SimpleRNN]))
    options = {"return_sequences": draw(BOOLEANS), "activation": draw(GATES), "use_bias": draw(BOOLEANS)}
    options |= {"reset_after": draw(BOOLEANS)} if kind is layers.GRU else {}
    layer = kind(draw(SIZES), go_backwards=draw(BOOLEANS), **options)
    if draw(BOOLEANS):
        return layer
    return layers.Bidirectional(
        kind(draw(SIZES), **options), merge_mode=draw(st.sampled_from(["concat", "sum", "ave", "mul"]))
    )


def time_distributed(draw: Draw, x: Tensor) -> Any:
    return layers.TimeDistributed(dense(draw, x))


def attention(draw: Draw, x: Tensor) -> Any:
    heads = draw(st.integers(1, 2))
    chosen = draw(st.sampled_from(["heads", "dot", "concat", "additive"]))
    if chosen == "heads":
        layer = layers.MultiHeadAttention(heads, draw(FEW), use_bias=draw(BOOLEANS))
        causal = draw(BOOLEANS)
        return lambda x: layer(x, x, use_causal_mask=causal)
    scaled = draw(BOOLEANS)
    layer = layers.AdditiveAttention(scaled) if chosen == "additive" else layers.Attention(scaled, score_mode=chosen)
    return lambda x: layer([x, x])


def group_normalization(draw: Draw, x: Tensor) -> Any:
    channels = x.shape[-1]
    groups = draw(st.sampled_from([n for n in range(1, channels + 1) if channels % n == 0]))
    return layers.GroupNormalization(groups)


ANY = [dense, batch_normalization, layer_normalization, activation, training_only, rescaling, unit_normalization]
IMAGES = [convolution, convolution_transpose, pooling, global_pooling, border, upsampling, permute, flatten, reshape]
BY_RANK = {
    2: [*ANY, reshape, repeat],
    3: [*ANY, *IMAGES, recurrent, recurrent, time_distributed, attention],
    4: [*ANY, *IMAGES, group_normalization],
}


def one_layer(draw: Draw, x: Tensor) -> Tensor:
    layer = draw(st.sampled_from(BY_RANK[x.ndim]))(draw, x)
    y = x if layer is None else layer(x)
    return y if y.ndim in BY_RANK and 0 < math.prod(y.shape[1:]) <= 2000 else x


# -- steps of several tensors ------------------------------------------------------------------------------------------


def same_shape(draw: Draw, tensors: list[Tensor]) -> tuple[Tensor, Tensor]:
    x = draw(st.sampled_from(tensors))
    return x, draw(st.sampled_from([y for y in tensors if y.shape == x.shape]))


def merge(draw: Draw, tensors: list[Tensor]) -> Tensor:
    x, y = same_shape(draw, tensors)
    kinds = ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"]
    chosen = draw(st.sampled_from([*kinds, "Concatenate", "Dot"]))
    if chosen == "Concatenate":
        return layers.Concatenate(axis=draw(st.integers(1, x.ndim - 1)))([x, y])
    if chosen == "Dot":
        axis = draw(st.integers(1, x.ndim - 1))
        return layers.Dot(axis, normalize=draw(BOOLEANS))([x, y]) if x.ndim < 4 else x
    return getattr(layers, chosen)()([x, y])


def arithmetic(draw: Draw, tensors: list[Tensor]) -> Tensor:
    x, y = same_shape(draw, tensors)
    return draw(st.sampled_from([
        lambda: x + y, lambda: x * 0.5 - 1.0, lambda: 1.0 - y, lambda: ops.tanh(x) * y, lambda: ops.maximum(x, 0.25),
        lambda: ops.relu(x), lambda: ops.mean(x, axis=-1, keepdims=True), lambda: x / (1.0 + ops.abs(y)),
        lambda: ops.concatenate([x, y], axis=-1), lambda: ops.where(x > 0, x, y), lambda: x[:, :1],
    ]))()  # fmt: skip


def nested(draw: Draw, tensors: list[Tensor]) -> Tensor:
    """A model within the model, called once or, shared, twice."""
    x, y = same_shape(draw, tensors)
    if draw(BOOLEANS):
        inner = keras.Sequential([layers.Input(x.shape[1:])])
        end = x
        for _ in range(draw(FEW)):
            inner.add(draw(st.sampled_from(ANY))(draw, end))
            end = inner.outputs[0]
    else:
        start = keras.Input(x.shape[1:])
        inner = keras.Model(start, one_layer(draw, one_layer(draw, start)))
    first = inner(x)
    return first + inner(y) if draw(BOOLEANS) else first


def shared_layer(draw: Draw, tensors: list[Tensor]) -> Tensor:
    x, y = same_shape(draw, tensors)
    layer = dense(draw, x)
    return layers.Concatenate()([layer(x), layer(y)])


# -- whole models ------------------------------------------------------------------------------------------------------


def as_float(draw: Draw, x: Tensor) -> Tensor:
    """An input as the float tensor that layers take."""
    if x.dtype == "int32":
        return layers.Embedding(10, draw(FEW))(x) if x.ndim == 2 and draw(BOOLEANS) else layers.Rescaling(0.1)(x)
    return layers.Rescaling(1.0)(x) if x.dtype != "float32" else x


@st.composite
def models(draw: Draw) -> Any:
    inputs, tensors = [], []
    for _ in range(draw(FEW)):
        shape = [draw(st.integers(2, 7)) for _ in range(draw(st.sampled_from([1, 2, 2, 3])))]
        inputs.append(keras.Input(shape, dtype=draw(st.sampled_from(["float32"] * 3 + ["int32", "float64", "uint8"]))))
        tensors.append(as_float(draw, inputs[-1]))
    for _ in range(draw(st.integers(3, 9))):
        step = draw(st.sampled_from([None] * 4 + [merge, arithmetic, nested, shared_layer]))
        # the newest tensors are the likeliest, so that graphs grow deep
        new = step(draw, tensors[-4:]) if step else one_layer(draw, draw(st.sampled_from(tensors[-3:])))
        if new.ndim in BY_RANK and math.prod(new.shape[1:]) <= 2000:
            tensors.append(new)
    outputs = [tensors[-1], *draw(st.lists(st.sampled_from(tensors), max_size=2))]
    structure = draw(st.sampled_from(["one", "list", "dict"]))
    packed = {"one": outputs[0], "list": outputs, "dict": {f"out{i}": y for i, y in enumerate(outputs)}}[structure]
    model = keras.Model(inputs, packed)
    return randomize(model, draw(st.integers(0, 99)))


def run(model: Any, batch: int) -> None:
    """Saves ``model`` in both ways, loads the files, and compares."""
    rng = np.random.default_rng(0)
    inputs = [
        (rng.integers(0, 10, (batch, *x.shape[1:])) if "int" in x.dtype else rng.normal(size=(batch, *x.shape[1:])))
        .astype(x.dtype) for x in model.inputs
    ]  # fmt: skip
    results = []
    with tempfile.TemporaryDirectory() as directory:
        for suffix in (".keras", ".h5"):
            path = Path(directory) / f"model{suffix}"
            model.save(path)
            results.append(sofie_jit.load(path).infer(*inputs))
    for result in results:
        check(result, model, inputs if len(inputs) > 1 else inputs[0])


UNHURRIED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=15, derandomize=True, deadline=None, database=None, suppress_health_check=UNHURRIED,
          phases=[Phase.generate])  # fmt: skip
@given(model=models(), batch=st.sampled_from([1, 3]))
def test_some(model: Any, batch: int) -> None:
    run(model, batch)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=300, deadline=None, database=None, suppress_health_check=UNHURRIED, report_multiple_bugs=True)
@given(model=models(), batch=st.sampled_from([1, 3, 8]))
def test_many(model: Any, batch: int) -> None:
    run(model, batch)
