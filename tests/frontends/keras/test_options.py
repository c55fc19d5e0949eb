"""Layers with options off their defaults, by element type and batch, and NaN and infinity through functions of numbers.

One model computes all layers of the table, so that a policy costs one compilation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import sofie_jit
from tolerance import check, distance, in_float64, randomize

keras = pytest.importorskip("keras")

from keras import layers, ops  # noqa: E402

SHAPES = {"row": (6,), "series": (7, 6), "image": (6, 5, 4), "volume": (4, 5, 3, 2), "index": (5,)}


def table(policy: Any) -> dict[str, tuple[str, Callable[..., Any]]]:
    """Name -> the input it takes, and a layer on it, of a dtype policy.

    TensorFlow has no float64 for pooling in three dimensions, nor, on a CPU, for dilation. Parameters are numbers that
    float32 holds exactly, for Keras rounds some of them to it even in float64.
    """
    o = {"dtype": policy}
    made: dict[str, list[Any]] = {
        "row": [
            layers.Dense(5, activation="silu", use_bias=False, **o), layers.Activation("softsign", **o),
            layers.ReLU(max_value=1.5, negative_slope=0.2, threshold=0.1, **o), layers.LeakyReLU(0.125, **o),
            layers.ELU(0.4, **o), layers.PReLU(**o), layers.Softmax(**o), layers.RepeatVector(3, **o),
            layers.Rescaling(0.25, -0.5, **o), layers.BatchNormalization(scale=False, epsilon=0.1, **o),
            layers.Normalization(mean=0.25, variance=4.0, invert=True, **o),
            layers.SpectralNormalization(layers.Dense(3, **o), **o), layers.GaussianNoise(0.3, **o),
        ],
        "series": [
            layers.Conv1D(4, 3, strides=2, padding="causal", groups=2, activation="selu", **o),
            layers.DepthwiseConv1D(3, padding="same", depth_multiplier=2, use_bias=False, **o),
            layers.SeparableConv1D(4, 2, strides=2, depth_multiplier=2, activation="tanh", **o),
            layers.Conv1DTranspose(3, 3, strides=2, padding="same", output_padding=1, **o),
            layers.MaxPooling1D(3, strides=1, padding="same", **o), layers.AveragePooling1D(2, padding="same", **o),
            layers.GlobalAveragePooling1D(keepdims=True, **o), layers.GlobalMaxPooling1D(**o),
            layers.AdaptiveAveragePooling1D(3, **o), layers.AdaptiveMaxPooling1D(4, **o),
            layers.LSTM(3, recurrent_activation="hard_sigmoid", go_backwards=True, return_sequences=True, **o),
            layers.GRU(3, reset_after=False, use_bias=False, **o), layers.SimpleRNN(3, activation="relu", **o),
            layers.RNN(layers.GRUCell(3, **o), return_sequences=True, **o),
            layers.Bidirectional(layers.LSTM(3, **o), merge_mode="ave", **o),
            layers.TimeDistributed(layers.Dense(3, **o), **o), layers.Permute((2, 1), **o),
            layers.Cropping1D((1, 2), **o), layers.ZeroPadding1D((2, 1), **o), layers.UpSampling1D(3, **o),
            layers.LayerNormalization(axis=[1, 2], center=False, epsilon=0.1, **o),
            layers.RMSNormalization(axis=[1, 2], **o), layers.UnitNormalization(axis=1, **o),
            layers.BatchNormalization(axis=1, center=False, **o), layers.PReLU(shared_axes=[1], **o),
            layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de", activation="relu", **o),
        ],
        "image": [
            layers.Conv2D(6, (3, 2), strides=(2, 1), padding="same", groups=2, activation="elu", **o),
            layers.DepthwiseConv2D((2, 3), depth_multiplier=2, **o),
            layers.SeparableConv2D(3, 2, strides=2, padding="same", use_bias=False, **o),
            layers.Conv2DTranspose(3, (3, 2), strides=(2, 3), padding="same", **o),
            layers.MaxPooling2D((2, 3), strides=1, padding="same", **o),
            layers.AveragePooling2D((3, 2), strides=(1, 2), padding="same", **o),
            layers.GlobalMaxPooling2D(keepdims=True, **o), layers.AdaptiveAveragePooling2D((3, 2), **o),
            layers.GroupNormalization(2, epsilon=0.1, scale=False, **o), layers.GroupNormalization(-1, **o),
            layers.LayerNormalization(axis=1, scale=False, **o), layers.UnitNormalization(axis=[1, 3], **o),
            layers.Cropping2D(((1, 0), (2, 1)), **o), layers.ZeroPadding2D(((1, 0), (2, 1)), **o),
            layers.UpSampling2D((2, 3), **o), layers.Flatten(**o), layers.Reshape((10, -1), **o),
            layers.CenterCrop(3, 2, **o), layers.ConvLSTM1D(2, 3, padding="same", **o),
        ],
        "volume": [
            layers.Conv3D(3, 2, strides=(2, 1, 1), activation="silu", **o),
            layers.Conv3DTranspose(2, 2, strides=2, **o),
            layers.GlobalAveragePooling3D(**o), layers.UpSampling3D((1, 2, 2), **o), layers.Cropping3D(1, **o),
            layers.ZeroPadding3D((1, 0, 2), **o), layers.ConvLSTM2D(2, 2, return_sequences=True, **o),
        ],
        "index": [
            layers.Embedding(9, 3, **o), layers.CategoryEncoding(9, output_mode="count", **o),
            layers.Discretization([2.0, 4.5], output_mode="one_hot", **o),
        ],
    }  # fmt: skip
    named = {f"{layer.name}": (source, layer) for source, listed in made.items() for layer in listed}

    def attend(layer: Any, **options: Any) -> Callable[..., Any]:
        return lambda x: layer(x, x, **options)

    named["heads"] = "series", attend(layers.MultiHeadAttention(2, 4, value_dim=2, **o), use_causal_mask=True)
    for kind, extra in ((layers.Attention, {"score_mode": "concat"}), (layers.AdditiveAttention, {})):
        layer = kind(use_scale=True, **extra, **o)
        named[layer.name] = "series", lambda x, layer=layer: layer([x, x])
    merging = [layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum]
    for layer in [*(kind(**o) for kind in merging), layers.Concatenate(1, **o), layers.Dot((2, 2), True, **o)]:
        named[layer.name] = "series", lambda x, layer=layer: layer([x, x])
    return named


def make_model(policy: Any, real: str) -> tuple[Any, dict[str, np.ndarray]]:
    """A model of all layers, weights random, and seven rows of inputs of the element type ``real``."""
    rng = np.random.default_rng(0)
    x = {name: rng.normal(size=(7, *shape)).astype(real) for name, shape in SHAPES.items() if name != "index"}
    x["index"] = rng.integers(0, 9, (7, *SHAPES["index"])).astype("int32")
    inputs = {name: keras.Input(a.shape[1:], dtype=a.dtype.name, name=name) for name, a in x.items()}
    return randomize(keras.Model(inputs, {n: layer(inputs[s]) for n, (s, layer) in table(policy).items()})), x


@pytest.mark.parametrize(
    ("policy", "real", "tolerance"),
    [
        ("float64", "float64", 1e-13),
        pytest.param("float64", "float32", 1e-13, marks=pytest.mark.slow),
        ("mixed_float16", "float32", 2e-6),
        pytest.param("mixed_bfloat16", "float32", 2e-6, marks=pytest.mark.slow),
    ],
)
def test_policies_and_batches(policy: str, real: str, tolerance: float) -> None:
    """In float64 as Keras does; half precision is computed in float32, which is nearer to float64 than Keras."""
    model, x = make_model(policy, real)
    loaded = sofie_jit.load(model)
    got, want = loaded.infer(x), in_float64(model)(x, training=False)
    far = {name: distance(got[name], np.asarray(want[name])) for name in got}
    assert {name: error for name, error in far.items() if not error <= tolerance} == {}
    assert {str(y.dtype) for y in got.values()} - {"int32", "int64"} == {
        "float64" if policy == "float64" else "float32"
    }
    for batch in (0, 1):
        few = loaded.infer({name: values[:batch] for name, values in x.items()})
        different = [name for name in got if not np.array_equal(few[name], got[name][:batch], equal_nan=True)]
        assert different == []


def test_float32() -> None:
    model, x = make_model("float32", "float32")
    got = sofie_jit.load(model).infer(x)
    check(list(got.values()), keras.Model(model.input, [model.output[name] for name in got]), x)


# -- NaN and infinity --------------------------------------------------------------------------------------------------

SPECIAL = np.array([0, -0.0, 1, -1, 0.5, -2.5, 1e-37, -1e-37, 1e30, -1e30, np.nan, np.inf, -np.inf], np.float32)

ONE = [
    "abs", "ceil", "cos", "cosh", "erf", "erfc", "exp", "exp2", "expm1", "floor", "isfinite", "isinf", "isnan",
    "log", "log10", "log1p", "log2", "negative", "reciprocal", "round", "rsqrt", "sigmoid", "sign", "sin", "sinh",
    "sqrt", "square", "tan", "tanh", "trunc", "arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh", "cbrt",
    "nan_to_num", "relu", "relu6", "softplus", "silu", "log_sigmoid", "gelu", "hard_silu", "selu", "elu", "celu",
    "soft_shrink", "hard_shrink", "tanh_shrink", "squareplus", "softsign", "hard_sigmoid", "leaky_relu", "hard_tanh",
    "sparse_plus", "sparse_sigmoid", "mish",
]  # fmt: skip
TWO = [
    "add", "subtract", "multiply", "divide", "divide_no_nan", "floor_divide", "mod", "power", "maximum", "minimum",
    "arctan2", "logaddexp", "hypot", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
]  # fmt: skip


def function_of(name: str) -> Callable[..., Any]:
    return getattr(ops, name) if hasattr(ops, name) else layers.Activation(name)


def disagreements(model: Any, x: list[np.ndarray]) -> dict[str, list[str]]:
    """Where NaN, Inf or numbers differ: name of the output -> ``function(arguments): ours, Keras's``."""
    got, found = sofie_jit.load(model).infer(*x), {}
    for name, theirs in model(x if len(x) > 1 else x[0]).items():
        want = np.asarray(theirs)
        same = np.isclose(got[name].astype("f8"), want.astype("f8"), rtol=1e-5, atol=1e-6, equal_nan=True)
        if not same.all():
            found[name] = [f"{[float(a[i]) for a in x]}: {got[name][i]}, {want[i]}" for i in np.argwhere(~same)[:, 0]]
    return found


def test_special_numbers() -> None:
    x = keras.Input(())
    assert disagreements(keras.Model(x, {name: function_of(name)(x) for name in ONE}), [SPECIAL]) == {}


def test_special_pairs() -> None:
    x, y = keras.Input(()), keras.Input(())
    pairs = [a.ravel() for a in np.meshgrid(SPECIAL, SPECIAL)]
    assert disagreements(keras.Model([x, y], {name: getattr(ops, name)(x, y) for name in TWO}), pairs) == {}
