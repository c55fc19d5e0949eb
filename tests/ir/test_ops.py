"""Bare operations in Functional graphs against Keras: ``keras.ops.*``, ``keras.activations.*``, Python's operators."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sofie_jit
from tolerance import ABSOLUTE, distance, leaves

Operation = Callable[[Any, Any, Any], Any]
"""Of x (batch, 4, 6) and y (batch, 1, 6), both float32, and n (batch, 4), int32."""


def operations() -> dict[str, dict[str, Operation]]:
    """All cases, by groups; what is in a group makes one model."""
    import keras
    from keras import activations, ops

    unary = (
        "absolute", "negative", "sign", "square", "reciprocal", "exp", "expm1", "erf", "floor", "ceil", "trunc", "sin",
        "cos", "tan", "arctan", "sinh", "cosh", "tanh", "arcsinh", "cbrt", "exp2", "isnan", "isinf", "isfinite",
        "round", "deg2rad", "rad2deg", "nan_to_num", "copy", "stop_gradient", "zeros_like", "ones_like", "logical_not",
    )  # fmt: skip
    positive = ("sqrt", "rsqrt", "log", "log1p", "log2", "log10")
    within_1 = ("arcsin", "arccos", "arctanh")
    binary = (
        "add", "subtract", "multiply", "divide", "true_divide", "divide_no_nan", "floor_divide", "mod", "maximum",
        "minimum", "arctan2", "logaddexp", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
        "logical_and", "logical_or", "logical_xor",
    )  # fmt: skip
    reductions = ("sum", "mean", "prod", "max", "min", "any", "all", "var", "std", "logsumexp", "amax", "amin")
    without_nan = ("nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd", "nanmedian", "nanargmax",
                   "nanargmin", "nancumsum", "nancumprod")  # fmt: skip
    bits = ("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "bitwise_right_shift", "gcd", "lcm")
    image = lambda x: ops.reshape(x, (-1, 4, 3, 2))  # noqa: E731
    colours = lambda x: ops.reshape(ops.sigmoid(x), (-1, 2, 4, 3))  # noqa: E731
    gaps = lambda x: ops.where(x > 0.8, float("nan"), x)  # noqa: E731
    weight = np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6)
    apart = lambda name: lambda x, y, n: getattr(ops, name)(x)  # noqa: E731
    two = lambda name: lambda x, y, n: getattr(ops, name)(x, y)  # noqa: E731
    return {
        "unary": {
            **{name: apart(name) for name in unary},
            **{name: lambda x, y, n, name=name: getattr(ops, name)(ops.abs(x) + 0.1) for name in positive},
            **{name: lambda x, y, n, name=name: getattr(ops, name)(ops.tanh(x)) for name in within_1},
            "arccosh": lambda x, y, n: ops.arccosh(ops.abs(x) + 1.5),
            "round_2": lambda x, y, n: ops.round(x, 2),
            "abs_int": lambda x, y, n: ops.abs(n),
            "sqrt_int": lambda x, y, n: ops.sqrt(n),
            "full_like": lambda x, y, n: ops.full_like(x, 2.5),
            "tril": lambda x, y, n: ops.tril(x, 1),
            "triu": lambda x, y, n: ops.triu(x, -1),
        },
        "binary": {
            **{name: two(name) for name in binary},
            "of int and float": lambda x, y, n: ops.add(n[:, :, None], x),
            "divide ints": lambda x, y, n: ops.divide(n, n + 5),
            "mod ints": lambda x, y, n: ops.mod(n, 3),
            "floor_divide ints": lambda x, y, n: n // 3,
            "negative mod": lambda x, y, n: x % -0.7,
            "clip": lambda x, y, n: ops.clip(x, -0.5, 1),
            "where": lambda x, y, n: ops.where(x > y, x, 0.5),
            "power": lambda x, y, n: ops.abs(x) ** y,
            "squared": lambda x, y, n: x**2 + x**3.0 + (x**2) ** 0.5,
            "power of a number": lambda x, y, n: 2.0**x,
            "with an array": lambda x, y, n: x * weight + weight,
            "python": lambda x, y, n: (1 - x) / (y * y + 1.0) - 3 * abs(-x),
            "hypot": two("hypot"),
        },
        "reductions": {
            **{name: lambda x, y, n, name=name: getattr(ops, name)(x, axis=1) for name in reductions},
            **{
                f"{name} keepdims": lambda x, y, n, name=name: getattr(ops, name)(x, axis=(1, -1), keepdims=True)
                for name in reductions
            },
            "norm": lambda x, y, n: ops.norm(x, axis=-1),
            "norm 1": lambda x, y, n: ops.norm(x, ord=1, axis=-1, keepdims=True),
            "norm inf": lambda x, y, n: ops.norm(x, ord=float("inf"), axis=1),
            "norm 3": lambda x, y, n: ops.norm(x, ord=3, axis=1),
            "norm fro": lambda x, y, n: ops.norm(x, ord="fro", axis=(1, 2)),
            "normalize": lambda x, y, n: ops.normalize(x),
            "normalize 1": lambda x, y, n: ops.normalize(x, axis=1, order=1),
            "argmax": lambda x, y, n: ops.argmax(x, axis=-1),
            "argmin": lambda x, y, n: ops.argmin(x, axis=1, keepdims=True),
            "argmax int": lambda x, y, n: ops.argmax(n, axis=1),
            "sum int": lambda x, y, n: ops.sum(n, axis=1),
            "mean int": lambda x, y, n: ops.mean(n, axis=1),
            "sum of bool": lambda x, y, n: ops.sum(x > 0, axis=1),
            "moments": lambda x, y, n: ops.moments(x, axes=[1]),
            "average": lambda x, y, n: ops.average(x, axis=1, weights=np.array([1, 2, 3, 4.0], np.float32)),
            "count_nonzero": lambda x, y, n: ops.count_nonzero(n, axis=1),
            "cumsum": lambda x, y, n: ops.cumsum(x, axis=1),
            "top_k": lambda x, y, n: ops.top_k(x, 3),
        },
        "shapes": {
            "reshape": lambda x, y, n: ops.reshape(x, (-1, 8, 3)),
            "transpose": lambda x, y, n: ops.transpose(x, (0, 2, 1)),
            "swapaxes": lambda x, y, n: ops.swapaxes(x, 1, -1),
            "moveaxis": lambda x, y, n: ops.moveaxis(x, -1, 1),
            "expand_dims": lambda x, y, n: ops.expand_dims(x, -2),
            "squeeze": lambda x, y, n: ops.squeeze(y, 1),
            "tile": lambda x, y, n: ops.tile(x, (1, 2, 3)),
            "repeat": lambda x, y, n: ops.repeat(x, 2, axis=1),
            "flip": lambda x, y, n: ops.flip(x, axis=1),
            "roll": lambda x, y, n: ops.roll(x, 2, axis=2),
            "concatenate": lambda x, y, n: ops.concatenate([x, y, n[:, 0:1, None] + y], axis=1),
            "stack": lambda x, y, n: ops.stack([x, x * 2], axis=-1),
            "split": lambda x, y, n: ops.split(x, 3, axis=-1),
            "split at": lambda x, y, n: ops.split(x, [1, 3], axis=1),
            "unstack": lambda x, y, n: ops.unstack(x, axis=1),
            "hstack": lambda x, y, n: ops.hstack([x, y]),
            "pad": lambda x, y, n: ops.pad(x, ((0, 0), (1, 2), (0, 3)), constant_values=1.5),
            "pad reflect": lambda x, y, n: ops.pad(x, ((0, 0), (1, 2), (0, 0)), mode="reflect"),
            "pad symmetric": lambda x, y, n: ops.pad(x, ((0, 0), (0, 0), (2, 1)), mode="symmetric"),
            "take": lambda x, y, n: ops.take(x, [2, 0, -1], axis=1),
            "take_along_axis": lambda x, y, n: ops.take_along_axis(x, ops.argmax(x, axis=-1, keepdims=True), axis=-1),
            "diff": lambda x, y, n: ops.diff(x, axis=1),
            "one_hot": lambda x, y, n: ops.one_hot(n, 5),
            "one_hot axis": lambda x, y, n: ops.one_hot(n, 5, axis=1, dtype="int32"),
            "multi_hot": lambda x, y, n: ops.multi_hot(n, 5),
            "cast": lambda x, y, n: ops.cast(x, "int32"),
            "cast bool": lambda x, y, n: ops.cast(n, "bool"),
            "slices": lambda x, y, n: x[:, 1:-1, ::-2],
            "index": lambda x, y, n: x[:, -1],
            "ellipsis": lambda x, y, n: x[..., None, 2:],
            "one and new": lambda x, y, n: x[:, None, 2, ..., 1::3],
        },
        "products": {
            "matmul": lambda x, y, n: ops.matmul(x, ops.transpose(y, (0, 2, 1))),
            "matmul weight": lambda x, y, n: ops.matmul(x, weight.T),
            "@": lambda x, y, n: x @ weight[0],
            "dot": lambda x, y, n: ops.dot(x, weight.T),
            "tensordot": lambda x, y, n: ops.tensordot(x, weight, axes=[[1, 2], [0, 1]]),
            "tensordot 1": lambda x, y, n: ops.tensordot(x, weight.T, axes=1),
            "einsum batch": lambda x, y, n: ops.einsum("bij,bkj->bik", x, y),
            "einsum weight": lambda x, y, n: ops.einsum("btf,hf->bht", x, weight),
            "einsum sums": lambda x, y, n: ops.einsum("bij,bij->b", x, x),
            "einsum outer": lambda x, y, n: ops.einsum("bi,bkj->bijk", x[:, 0], y),
            "einsum ellipsis": lambda x, y, n: ops.einsum("...j,kj->...k", x, weight),
            "einsum one": lambda x, y, n: ops.einsum("bij->bj", x),
            "einsum three": lambda x, y, n: ops.einsum("bij,kj,bkj->bi", x, weight, x),
        },
        "activations": {
            **{
                name: lambda x, y, n, name=name: getattr(activations, name)(x)
                for name in dir(activations)
                if not name.startswith("_") and name not in (*NO_ACTIVATIONS, *NOT_IN_GRAPHS)
            },
            "threshold": lambda x, y, n: activations.threshold(x, 0.2, -1.0),
            "relu with options": lambda x, y, n: activations.relu(x, 0.1, 1.5, 0.3),
            "leaky_relu slope": lambda x, y, n: activations.leaky_relu(x, 0.4),
            "elu alpha": lambda x, y, n: activations.elu(x, 0.4),
            "celu alpha": lambda x, y, n: activations.celu(x, 0.4),
            "gelu tanh": lambda x, y, n: activations.gelu(x, approximate=True),
            "shrink": lambda x, y, n: activations.soft_shrink(x, 0.2) + activations.hard_shrink(x, 0.7),
            "softmax axis": lambda x, y, n: activations.softmax(x, axis=1),
            "hard_silu": lambda x, y, n: ops.hard_silu(x),
            "sparsemax": lambda x, y, n: ops.sparsemax(x),
            "ops.relu": lambda x, y, n: ops.relu(x),
            "ops.softmax axes": lambda x, y, n: ops.softmax(x, axis=1),
            "ops.sigmoid": lambda x, y, n: keras.ops.sigmoid(x),
            "ops.gelu": lambda x, y, n: ops.gelu(x),
        },
        "more numbers": {
            **{
                name: apart(name)
                for name in (
                    "sinc",
                    "angle",
                    "i0",
                    "signbit",
                    "isposinf",
                    "isneginf",
                    "real",
                    "imag",
                    "isreal",
                    "conj",
                    "empty_like",
                )
            },
            **{name: two(name) for name in ("fmod", "logaddexp2", "heaviside", "nextafter", "isclose", "allclose")},
            **{name: lambda x, y, n, name=name: getattr(ops, name)(n * 3, n[:, ::-1] + 1) for name in bits},
            "bitwise_not": lambda x, y, n: ops.bitwise_not(n),
            "fmax": lambda x, y, n: ops.fmax(gaps(x), y),
            "fmin": lambda x, y, n: ops.fmin(y, gaps(x)),
            "ldexp": lambda x, y, n: ops.ldexp(x[:, :, 0], n),
            "erfinv": lambda x, y, n: ops.erfinv(ops.tanh(x)),
            "isin": lambda x, y, n: ops.isin(n, np.array([1, 3])),
            "select": lambda x, y, n: ops.select([x > 1, x > 0], [x, x * 2], -1.0),
            "saturate_cast": lambda x, y, n: ops.saturate_cast(x * 1e10, "int32"),
            "in_top_k": lambda x, y, n: ops.in_top_k(n[:, 0], x[:, 0], 2),
            "linspace": lambda x, y, n: ops.linspace(x[:, 0], y[:, 0], 5, axis=1),
            "vander": lambda x, y, n: ops.vander(x[:, 0, 0], 4),
            "unravel_index": lambda x, y, n: ops.unravel_index(n, (2, 3)),
            "unravel_index of a row": lambda x, y, n: ops.unravel_index(n[:, 0], (2, 3)),
            **{name: lambda x, y, n, name=name: getattr(ops, name)(gaps(x), axis=1) for name in without_nan},
        },
        "order": {
            "sort": lambda x, y, n: ops.sort(x, axis=1),
            "sort last": lambda x, y, n: ops.sort(n),
            "argsort": lambda x, y, n: ops.argsort(x, axis=-1),
            "argsort ties": lambda x, y, n: ops.argsort(n, axis=1),
            "median": lambda x, y, n: ops.median(x, axis=-1),
            "median axes": lambda x, y, n: ops.median(x, axis=(1, 2), keepdims=True),
            **{
                f"quantile {m}": lambda x, y, n, m=m: ops.quantile(x, [0.1, 0.5, 0.77], axis=2, method=m)
                for m in ("linear", "lower", "higher", "midpoint", "nearest")
            },
            "percentile": lambda x, y, n: ops.percentile(x, 30, axis=1),
            "nanquantile": lambda x, y, n: ops.nanquantile(gaps(x), 0.3, axis=2),
            "nanpercentile": lambda x, y, n: ops.nanpercentile(gaps(x), 80, axis=1, keepdims=True),
            "cumprod": lambda x, y, n: ops.cumprod(x, axis=2),
        },
        "more shapes": {
            "rot90": lambda x, y, n: ops.rot90(x, 1, (1, 2)),
            "rot90 back": lambda x, y, n: ops.rot90(x, 3, (2, 1)),
            "fliplr": lambda x, y, n: ops.fliplr(x),
            "dstack": lambda x, y, n: ops.dstack([x, x * 2]),
            "array_split": lambda x, y, n: ops.array_split(x, 4, axis=2),
            "hsplit": lambda x, y, n: ops.hsplit(x, 2),
            "dsplit": lambda x, y, n: ops.dsplit(x, [2]),
            "diagonal": lambda x, y, n: ops.diagonal(x, 1, 1, 2),
            "trace": lambda x, y, n: ops.trace(x, -1, 1, 2),
            "trapezoid": lambda x, y, n: ops.trapezoid(x, dx=0.5, axis=1),
            "kron": lambda x, y, n: ops.kron(x, weight[np.newaxis]),
            "cross": lambda x, y, n: ops.cross(x[..., :3], y[..., 3:]),
            "inner": lambda x, y, n: ops.inner(x, weight),
            "vdot": lambda x, y, n: ops.vdot(x, x),
            "cdist": lambda x, y, n: ops.cdist(x, y),
            "extract_sequences": lambda x, y, n: ops.extract_sequences(x, 3, 2),
            "slice_update": lambda x, y, n: ops.slice_update(x, (0, 1, 2), y[:, :, :3] + x[:, :2, :3]),
        },
        "networks": {
            "conv": lambda x, y, n: ops.conv(x, weight.reshape(2, 6, 2), strides=2, padding="same"),
            "depthwise_conv": lambda x, y, n: ops.depthwise_conv(image(x), weight.reshape(3, 2, 2, 2)),
            "separable_conv": lambda x, y, n: ops.separable_conv(
                image(x), weight[:2, :4].reshape(2, 2, 2, 1), weight[:2, :3].reshape(1, 1, 2, 3)
            ),
            "max_pool": lambda x, y, n: ops.max_pool(image(x), 2, padding="same"),
            "average_pool": lambda x, y, n: ops.average_pool(x, 2, 1),
            "adaptive_average_pool": lambda x, y, n: ops.adaptive_average_pool(image(x), (2, 3)),
            "batch_normalization": lambda x, y, n: ops.batch_normalization(
                x, weight[0], weight[1] ** 2, -1, offset=weight[2], scale=weight[3]
            ),
            "layer_normalization": lambda x, y, n: ops.layer_normalization(x, weight[0], weight[1]),
            "layer_normalization over": lambda x, y, n: ops.layer_normalization(x, axis=(1, 2), epsilon=1e-3),
            "rms_normalization": lambda x, y, n: ops.rms_normalization(x, weight[0]),
            "dot_product_attention": lambda x, y, n: ops.dot_product_attention(
                image(x), image(x * 2), image(x + 1), is_causal=True
            ),
            "attention with bias": lambda x, y, n: ops.dot_product_attention(
                image(x), image(x), image(x), bias=image(x)[:, None, :, 0, :1], scale=0.3
            ),
            "binary_crossentropy": lambda x, y, n: ops.binary_crossentropy(ops.sigmoid(x), ops.sigmoid(x * 2)),
            "binary logits": lambda x, y, n: ops.binary_crossentropy(ops.sigmoid(x), x, from_logits=True),
            "categorical_crossentropy": lambda x, y, n: ops.categorical_crossentropy(
                ops.softmax(y * x), ops.softmax(x)
            ),
            "categorical probabilities": lambda x, y, n: ops.categorical_crossentropy(ops.sigmoid(y + x), ops.abs(x)),
            "categorical logits": lambda x, y, n: ops.categorical_crossentropy(ops.sigmoid(y + x), x, from_logits=True),
            "sparse_categorical_crossentropy": lambda x, y, n: ops.sparse_categorical_crossentropy(
                n, x, from_logits=True
            ),
            "depth_to_space": lambda x, y, n: ops.depth_to_space(ops.reshape(x, (-1, 2, 3, 4)), 2),
            "space_to_depth": lambda x, y, n: ops.space_to_depth(ops.reshape(x, (-1, 4, 6, 1)), 2),
            "unfold": lambda x, y, n: ops.unfold(image(x), (2, 1), padding=1, stride=2),
        },
        "images": {
            "rgb_to_grayscale": lambda x, y, n: ops.image.rgb_to_grayscale(colours(x)),
            "rgb_to_hsv": lambda x, y, n: ops.image.rgb_to_hsv(colours(x)),
            "hsv_to_rgb": lambda x, y, n: ops.image.hsv_to_rgb(colours(x)),
            "resize": lambda x, y, n: ops.image.resize(colours(x), (3, 5), interpolation="bicubic"),
            "extract_patches": lambda x, y, n: ops.image.extract_patches(image(x), (2, 1), strides=(1, 2)),
            "extract_patches same": lambda x, y, n: ops.image.extract_patches(image(x), 3, padding="same"),
            "pad_images": lambda x, y, n: ops.image.pad_images(image(x), 1, 2, target_height=7, target_width=6),
            "crop_images": lambda x, y, n: ops.image.crop_images(
                image(x), 1, target_height=2, right_cropping=1, target_width=2
            ),
            "rfft": lambda x, y, n: ops.rfft(x),
            "rfft longer": lambda x, y, n: ops.rfft(x, 9),
            "irfft": lambda x, y, n: ops.irfft((x, x * 2)),
            "fft": lambda x, y, n: ops.fft((x, x * 2)),
            "fft2": lambda x, y, n: ops.fft2((x, x + 1)),
            "ifft2": lambda x, y, n: ops.ifft2((x, x + 1)),
            "stft": lambda x, y, n: ops.stft(ops.reshape(x, (-1, 24)), 6, 3, 8),
            "stft plain": lambda x, y, n: ops.stft(ops.reshape(x, (-1, 24)), 8, 4, 8, window=None, center=False),
        },
    }


NO_ACTIVATIONS = ("get", "serialize", "deserialize")
NOT_IN_GRAPHS = ("threshold", "linear", "hard_silu", "hard_swish", "mish", "sparsemax")
"""Activations that Keras 3.15 cannot call on a symbolic tensor, or not without arguments; linear leaves no trace."""

GROUPS = ["unary", "binary", "reductions", "shapes", "products", "activations", "more numbers", "order", "more shapes",
          "networks", "images"]  # fmt: skip


def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=shape).astype(np.float32) for shape in ((5, 4, 6), (5, 1, 6)))
    x[0, 0, :2] = y[0, 0, :2]
    y[1, 0, 0] = 0
    return x, y, rng.integers(0, 5, size=(5, 4)).astype(np.int32)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("group", GROUPS)
def test_operations(group: str, suffix: str, tmp_path: Path) -> None:
    import keras

    cases = operations()[group]
    inputs = [keras.Input((4, 6)), keras.Input((1, 6)), keras.Input((4,), dtype="int32")]
    model = keras.Model(inputs, {name: case(*inputs) for name, case in cases.items()})
    path = tmp_path / f"model{suffix}"
    model.save(path)
    got = sofie_jit.load(path).infer(*data())
    wrong = []
    for name, want in model(data()).items():
        for ours, theirs in zip(leaves(got[name]), leaves(want), strict=True):
            kind = theirs.dtype.name
            assert (ours.shape, ours.dtype.name) == (theirs.shape, kind), name
            if distance(ours, theirs) > ABSOLUTE:
                wrong.append(name)
    exact = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in data()]
    for name in dict.fromkeys(wrong):  # rounded otherwise than by Keras: then Keras must be as far from float64
        want = leaves(cases[name](*map(keras.ops.convert_to_tensor, exact)))
        for ours, theirs, double in zip(leaves(got[name]), leaves(model(data())[name]), want, strict=True):
            assert distance(ours, double) <= 2 * distance(theirs, double), name


def test_float64_stays(tmp_path: Path) -> None:
    import keras
    from keras import ops

    x = keras.Input((3,), dtype="float64")
    model = keras.Model(x, [ops.cast(ops.exp(x) * 2, "float64"), ops.cast(x, "float32")])
    model.save(tmp_path / "m.keras")
    values = np.random.default_rng(0).normal(size=(4, 3))
    for got, want in zip(sofie_jit.load(tmp_path / "m.keras").infer(values), model(values), strict=True):
        assert got.dtype == want.dtype.name
        assert distance(got, np.asarray(want)) < 1e-15 if got.dtype == "float64" else 1e-6


def test_means_across_the_batch(tmp_path: Path) -> None:
    import keras
    from keras import ops

    x = keras.Input((4, 6))
    model = keras.Model(x, [ops.mean(x, 0), x - ops.mean(x, (0, 2), keepdims=True), ops.std(x)])
    model.save(tmp_path / "m.keras")
    loaded = sofie_jit.load(tmp_path / "m.keras")
    for batch in (5, 1, 0):
        for got, want in zip(loaded.infer(data()[0][:batch]), model(data()[0][:batch]), strict=True):
            assert distance(got, np.asarray(want)) < 1e-6


def test_rearrange(tmp_path: Path) -> None:
    """Which Keras can only do where the batch is fixed."""
    import keras
    from keras import ops

    x = keras.Input(batch_shape=(5, 4, 6))
    outputs = [ops.rearrange(x, "b t (f two) -> b (two t) f", two=2), ops.rearrange(x, "b t f -> b f t")]
    model = keras.Model(x, outputs)
    model.save(tmp_path / "m.keras")
    for got, want in zip(sofie_jit.load(tmp_path / "m.keras").infer(data()[0]), model(data()[0]), strict=True):
        np.testing.assert_array_equal(got, want)


def test_conv_transpose(tmp_path: Path) -> None:
    """Which Keras 3.15 cannot compute in a graph: it mixes up its arguments there."""
    import keras
    from keras import ops

    x = keras.Input((4, 3, 2))
    kernel = np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 2, 3, 2)
    keras.Model(x, ops.conv_transpose(x, kernel, strides=2)).save(tmp_path / "m.keras")
    values = data()[0].reshape(-1, 4, 3, 2)
    want = np.asarray(ops.conv_transpose(values, kernel, strides=2))
    assert distance(sofie_jit.load(tmp_path / "m.keras").infer(values), want) <= ABSOLUTE


REFUSED: dict[str, tuple[Operation, str]] = {
    "a reason": (lambda x, y, n: _ops().cholesky(x[..., :4]), "decompositions and inverses.*cut the model before it"),
    "a kernel of the model": (
        lambda x, y, n: _ops().conv(x, x[0, :, :, None] * 1.0),
        "is open|computed by the model",
    ),
    "a slice at computed places": (
        lambda x, y, n: _ops().slice(x, n[0, :3], (2, 2, 2)),
        r"slice \(ops.Slice\): a slice at computed indices is not supported; the indices must be constant",
    ),
    "an update at computed places": (
        lambda x, y, n: _ops().slice_update(x, n[0, :3], y[:1, :, :2]),
        r"\(ops.SliceUpdate\): slice_update at computed indices is not supported; start_indices must be constant",
    ),
    "a cast to complex numbers": (
        lambda x, y, n: _ops().cast(x, "complex64"),
        "policy 'complex64' is not supported",
    ),
    "max with initial": (lambda x, y, n: _ops().max(x, axis=1, initial=3.0), "initial=3.0"),
    "a matrix norm": (lambda x, y, n: _ops().norm(x, ord=2, axis=(1, 2)), "ord=2 over axes"),
}


NO_OPERATIONS = (
    "arange", "array", "bartlett", "blackman", "convert_to_numpy", "custom_gradient", "dtype", "empty", "eye", "full",
    "hamming", "hanning", "image", "is_tensor", "kaiser", "linalg", "nn", "numpy", "ones", "shape", "tri", "vectorize",
    "zeros",
)  # fmt: skip
"""Names in ``keras.ops`` that make constants, ask about shapes, or hold others: no nodes of a graph."""


def test_every_operation_of_keras_is_supported_or_refused_with_a_reason() -> None:
    import inspect

    from keras.src import ops
    from keras.src.ops.operation import Operation

    from sofie_jit.frontends.keras.layers.registry import entries
    from sofie_jit.frontends.keras.refusals import OPERATIONS

    modules = [
        module for module in vars(ops).values() if inspect.ismodule(module) and "keras.src.ops" in module.__name__
    ]
    classes = {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Operation) and value.__module__ == module.__name__
    }
    classes = {name for name in classes if name not in ("Function", "Operation")}
    known = {name.removeprefix("ops.") for name in entries()} | set(OPERATIONS)
    assert len(classes) > 300
    assert sorted(classes - known) == []
    assert sorted(set(OPERATIONS) & {name.removeprefix("ops.") for name in entries()}) == []

    bare = {name.lower() for name in known} | {name.replace("_", "") for name in NO_OPERATIONS}
    other = {"abs": "absolute", "batchnormalization": "batchnorm", "layernormalization": "layernorm"}
    other |= {
        "rmsnormalization": "rmsnorm",
        "swish": "silu",
        "hardswish": "hardsilu",
        "extractpatches3d": "extractpatches",
    }
    names = [name.replace("_", "") for space in (_ops(), _ops().image, _ops().linalg) for name in dir(space)
             if not name.startswith("_")]  # fmt: skip
    assert sorted({name for name in names if other.get(name, name) not in bare}) == []


def _ops() -> Any:
    from keras import ops

    return ops


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    import keras

    case, message = REFUSED[name]
    inputs = [keras.Input((4, 6)), keras.Input((1, 6)), keras.Input((4,), dtype="int32")]
    keras.Model(inputs, case(*inputs)).save(tmp_path / "m.keras")
    with pytest.raises(sofie_jit.SofieError, match=f"(?s){message}"):
        sofie_jit.load(tmp_path / "m.keras")


def test_reshape_across_rows(tmp_path: Path) -> None:
    """Rows may be distributed anew; whether the sizes fit depends on the batch, and is checked when it is known."""
    import keras

    x = keras.Input((4, 6))
    keras.Model(x, keras.ops.reshape(x, (-1, 5))).save(tmp_path / "m.keras")
    model = sofie_jit.load(tmp_path / "m.keras")
    for rows in (0, 5, 35):
        given = np.random.default_rng(rows).normal(size=(rows, 4, 6)).astype(np.float32)
        np.testing.assert_array_equal(model.infer(given), given.reshape(-1, 5), strict=True)
    for rows in (1, 3, 36):
        with pytest.raises(sofie_jit.InputError, match=rf"(?s)reshape.* batch = {rows}: .* equal to .* = {24 * rows}$"):
            model.infer(np.zeros((rows, 4, 6), np.float32))


def test_cross_entropies_that_depend_on_keras_backend(tmp_path: Path) -> None:
    """TensorFlow's takes the input of any softmax or sigmoid for logits, whatever the loss is."""
    import keras

    ops = keras.ops
    x = keras.Input((4, 6))
    for wrong in (
        ops.categorical_crossentropy(x, ops.sigmoid(x)),
        ops.binary_crossentropy(x, ops.softmax(x)),
        ops.categorical_crossentropy(x, ops.softmax(x, 1)),
    ):
        keras.Model(x, wrong).save(tmp_path / "m.keras")
        with pytest.raises(sofie_jit.ShapeError, match="depends on Keras's backend"):
            sofie_jit.load(tmp_path / "m.keras")
