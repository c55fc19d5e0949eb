"""TensorFlow functions in models of Keras 2 against tf_keras, which writes and evaluates them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sofie_jit
from sofie_jit import frontends
from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.keras.layers import tf_shapes
from sofie_jit.ir.dims import SymbolicDim
from sofie_jit.verification.evaluate import evaluate
from tolerance import ABSOLUTE, distance

Operation = Callable[[Any, Any, Any], Any]
"""Of the tensorflow module, x (batch, 4, 6) in float32, and n (batch, 4) in int32."""
WEIGHT = np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6)


def backend() -> Any:
    import tf_keras

    return tf_keras.backend


def image(tf: Any, x: Any) -> Any:
    """``x`` as images of 2 x 4 pixels."""
    return tf.reshape(x, [-1, 2, 4, 3])


FUNCTIONS: dict[str, Operation] = {
    "operators": lambda tf, x, n: (1.0 - x) / (x * x + 1.0) - 2.0 * -x + 3.0,
    "power": lambda tf, x, n: x**2 + abs(x) ** 1.5,
    "array": lambda tf, x, n: x * WEIGHT,
    "slices": lambda tf, x, n: x[:, 1:3, ::2],
    "ellipsis": lambda tf, x, n: x[..., None, -1],
    "index": lambda tf, x, n: x[:, 0],
    "comparison": lambda tf, x, n: tf.logical_and(x > 0.0, x < 1.0),
    "where": lambda tf, x, n: tf.where(x >= 0.5, x, 0.0),
    "concat": lambda tf, x, n: tf.concat([x, x * 2], axis=1),
    "stack": lambda tf, x, n: tf.stack([x, x], axis=1),
    "unstack": lambda tf, x, n: tf.unstack(x, axis=1)[2],
    "split": lambda tf, x, n: tf.split(x, 2, axis=2)[1],
    "split sizes": lambda tf, x, n: tf.split(x, [1, 3], axis=1)[1],
    "reduce_mean": lambda tf, x, n: tf.reduce_mean(x, axis=1, keepdims=True),
    "reduce_sum": lambda tf, x, n: tf.reduce_sum(x, axis=[1, 2]),
    "reduce_max": lambda tf, x, n: tf.reduce_max(x, -1) - tf.reduce_min(x, -1) + tf.reduce_prod(x, -1),
    "reduce_std": lambda tf, x, n: tf.math.reduce_std(x, axis=1) + tf.math.reduce_variance(x, axis=1),
    "reduce_logsumexp": lambda tf, x, n: tf.reduce_logsumexp(x, axis=-1),
    "reduce_any": lambda tf, x, n: tf.reduce_any(x > 1, axis=-1),
    "argmax": lambda tf, x, n: tf.argmax(x, axis=-1),
    "cumsum": lambda tf, x, n: tf.cumsum(x, axis=1, reverse=True),
    "top_k": lambda tf, x, n: tf.math.top_k(x, 2).values,
    "reshape": lambda tf, x, n: tf.reshape(x, [-1, 24]),
    "transpose": lambda tf, x, n: tf.transpose(x, [0, 2, 1]),
    "expand and squeeze": lambda tf, x, n: tf.squeeze(tf.expand_dims(x, 1), [1]),
    "tile": lambda tf, x, n: tf.tile(x, [1, 2, 1]),
    "repeat": lambda tf, x, n: tf.repeat(x, 2, axis=1),
    "reverse": lambda tf, x, n: tf.reverse(x, [1]),
    "roll": lambda tf, x, n: tf.roll(x, 1, 2),
    "pad": lambda tf, x, n: tf.pad(x, [[0, 0], [1, 2], [0, 0]], constant_values=2),
    "pad reflect": lambda tf, x, n: tf.pad(x, [[0, 0], [1, 2], [0, 0]], mode="REFLECT"),
    "gather": lambda tf, x, n: tf.gather(x, [0, 2], axis=1),
    "one_hot": lambda tf, x, n: tf.one_hot(n, 5),
    "one_hot values": lambda tf, x, n: tf.one_hot(n, 5, on_value=2.0, off_value=-1.0),
    "cast": lambda tf, x, n: tf.cast(n, "float32") + x[:, :, 0],
    "integers": lambda tf, x, n: n // 2 + n % 3,
    "integer division": lambda tf, x, n: n / 3,
    "matmul": lambda tf, x, n: tf.matmul(x, x, transpose_b=True),
    "@": lambda tf, x, n: x @ tf.transpose(x, [0, 2, 1]),
    "tensordot": lambda tf, x, n: tf.tensordot(x, WEIGHT.T, axes=[[2], [0]]),
    "clip": lambda tf, x, n: tf.clip_by_value(x, -0.5, 1.0),
    "functions": lambda tf, x, n: tf.exp(tf.sin(x)) + tf.sqrt(tf.abs(x)) + tf.square(tf.floor(x)) - tf.sign(x),
    "logarithm": lambda tf, x, n: tf.math.log(tf.math.log1p(tf.abs(x)) + 1.0) * tf.math.rsqrt(tf.abs(x) + 1.0),
    "add_n": lambda tf, x, n: tf.add_n([x, x, x]),
    "l2_normalize": lambda tf, x, n: tf.math.l2_normalize(x, axis=-1),
    "maximum": lambda tf, x, n: tf.maximum(x, 0.3) + tf.minimum(x, -0.3) + tf.math.squared_difference(x, 1.0),
    "activations": lambda tf, x, n: tf.nn.relu(x) + tf.nn.relu6(x) + tf.sigmoid(x) + tf.tanh(x) + tf.nn.elu(x),
    "more activations": lambda tf, x, n: tf.nn.leaky_relu(x, alpha=0.3) + tf.nn.softplus(x) + tf.nn.silu(x),
    "rare activations": lambda tf, x, n: tf.nn.selu(x) + tf.nn.softsign(x) + tf.math.log_sigmoid(x),
    "crelu": lambda tf, x, n: tf.nn.crelu(x),
    "multiply_no_nan": lambda tf, x, n: tf.math.multiply_no_nan(x, tf.nn.relu(x)),
    "erfinv": lambda tf, x, n: tf.math.erfinv(tf.tanh(x) * 0.5),
    "moments": lambda tf, x, n: tf.nn.moments(x, axes=[1])[1],
    "sort": lambda tf, x, n: tf.sort(x, axis=1, direction="DESCENDING") + tf.sort(x, axis=1),
    "argsort": lambda tf, x, n: tf.argsort(n, direction="DESCENDING"),
    "depth_to_space": lambda tf, x, n: tf.nn.depth_to_space(tf.reshape(x, [-1, 2, 3, 4]), 2),
    "space_to_depth": lambda tf, x, n: tf.nn.space_to_depth(tf.reshape(x, [-1, 4, 6, 1]), 2),
    "gelu": lambda tf, x, n: tf.nn.gelu(x),
    "softmax": lambda tf, x, n: tf.nn.softmax(x) + tf.nn.log_softmax(x, axis=1),
    "bias_add": lambda tf, x, n: tf.nn.bias_add(x, WEIGHT[0]),
    "pools": lambda tf, x, n: tf.nn.max_pool1d(x, 2, 2, "SAME") + tf.nn.avg_pool(x, 3, 2, "SAME"),
    "max_pool of images": lambda tf, x, n: tf.nn.max_pool(
        image(tf, x), [1, 2, 2, 1], strides=[1, 1, 2, 1], padding="VALID"
    ),
    "conv1d": lambda tf, x, n: tf.nn.conv1d(x, tf.constant(WEIGHT.reshape(2, 6, 2)), stride=2, padding="SAME"),
    "conv2d": lambda tf, x, n: tf.nn.conv2d(
        image(tf, x), WEIGHT.reshape(2, 1, 3, 4), strides=[1, 1, 2, 1], padding="SAME"
    ),
    "depthwise_conv2d": lambda tf, x, n: tf.nn.depthwise_conv2d(
        image(tf, x), WEIGHT[:, :3].reshape(2, 2, 3, 1), [1, 1, 1, 1], "SAME", dilations=[2, 2]
    ),
    "K.conv2d": lambda tf, x, n: backend().conv2d(image(tf, x), WEIGHT.reshape(2, 1, 3, 4), (2, 2), "same"),
    "K.dot": lambda tf, x, n: backend().dot(x, tf.constant(WEIGHT.T)),
    "K.batch_flatten": lambda tf, x, n: backend().batch_flatten(x),
    "K.switch": lambda tf, x, n: backend().switch(x > 0, x, -x),
    "cumulative": lambda tf, x, n: (
        tf.cumsum(x, 1, exclusive=True) + tf.math.cumprod(x, -1, exclusive=True, reverse=True)
    ),
    "gather of rows": lambda tf, x, n: tf.gather(x, n[:, :3] % 4, axis=1, batch_dims=1),
    "gather_nd": lambda tf, x, n: tf.gather_nd(x, n[:, 1:2] % 4, batch_dims=1),
    "embedding_lookup": lambda tf, x, n: tf.nn.embedding_lookup(WEIGHT, n % 4),
    "strided_slice": lambda tf, x, n: tf.strided_slice(x, [0, 1, 0], [0, 3, 6], [1, 1, 2], begin_mask=1, end_mask=1),
    "norms": lambda tf, x, n: (
        x / tf.norm(x, axis=-1, keepdims=True) + tf.norm(x, 1, 2)[:, :, None] + tf.clip_by_norm(x, 2.0, [1])
    ),
    "no nan": lambda tf, x, n: tf.math.reciprocal_no_nan(tf.nn.relu(x)) + tf.math.xlogy(tf.nn.relu(x), tf.abs(x)),
    "polynomial": lambda tf, x, n: tf.math.polyval([1.0, 2.0, 3.0], x) + tf.realdiv(x, 2.5),
    "counts": lambda tf, x, n: (
        tf.math.count_nonzero(n, axis=1, dtype="int32") + tf.reduce_sum(tf.saturate_cast(x, "int32"), [1, 2])
    ),
    "sequence_mask": lambda tf, x, n: tf.sequence_mask(n, 4, dtype="float32"),
    "matrices": lambda tf, x, n: tf.linalg.band_part(x, 1, 0) + tf.linalg.trace(x)[:, None, None],
    "diagonals": lambda tf, x, n: (
        tf.linalg.diag(tf.linalg.diag_part(x)) + tf.linalg.cross(x[:, :, :3], x[:, :, 3:])[:, :, :1]
    ),
    "response normalization": lambda tf, x, n: tf.nn.lrn(image(tf, x), 1, alpha=0.3, beta=0.75),
    "turned images": lambda tf, x, n: tf.image.flip_left_right(image(tf, x)) + tf.image.flip_up_down(image(tf, x)),
    "gray": lambda tf, x, n: tf.image.grayscale_to_rgb(tf.image.rgb_to_grayscale(image(tf, x))),
    "contrast": lambda tf, x, n: tf.image.adjust_contrast(tf.image.adjust_brightness(image(tf, x), 0.2), 0.7),
    "standardized": lambda tf, x, n: tf.image.per_image_standardization(
        tf.image.convert_image_dtype(image(tf, x), "float32")
    ),
    "cropped": lambda tf, x, n: tf.image.central_crop(tf.image.pad_to_bounding_box(image(tf, x), 1, 2, 6, 8), 0.5),
    "cropped to a box": lambda tf, x, n: tf.image.crop_to_bounding_box(image(tf, x), 1, 0, 1, 3),
    "patches": lambda tf, x, n: tf.image.extract_patches(
        image(tf, x), [1, 2, 2, 1], [1, 1, 2, 1], [1, 1, 1, 1], "SAME"
    ),
    **{
        f"resized from corners, {name}, {align}": lambda tf, x, n, name=name, align=align: getattr(
            tf.compat.v1.image, f"resize_{name}"
        )(image(tf, x), [5, 3], align_corners=align)
        for name in ("bilinear", "nearest_neighbor")
        for align in (False, True)
    },
    "resize of TensorFlow 1": lambda tf, x, n: tf.compat.v1.image.resize(image(tf, x), [3, 7], align_corners=True),
    "of one tensor": lambda tf, x, n: tf.concat([tf.stack([tf.add_n([x])], 1)], 2),
    "top of a layer": lambda tf, x, n: tf.zeros_like(x) + tf.ones_like(x),
}
GRAPH: dict[str, tuple[str, dict[str, Any], dict[int, Any], Callable[[np.ndarray], np.ndarray]]] = {
    "AddV2": ("AddV2", {"T": {"type": "DT_FLOAT"}}, {1: 2.5}, lambda x: x + np.float32(2.5)),
    "reversed": ("Sub", {"T": {"type": "DT_FLOAT"}}, {0: 1.0}, lambda x: 1 - x),
    "Mean": ("Mean", {"keep_dims": {"b": True}}, {1: [1]}, lambda x: x.mean(1, keepdims=True)),
    "ConcatV2": ("ConcatV2", {"N": {"i": "1"}}, {1: 1}, lambda x: x),
    "Reshape": ("Reshape", {}, {1: [-1, 24]}, lambda x: x.reshape(-1, 24)),
    "Transpose": ("Transpose", {}, {1: [0, 2, 1]}, lambda x: x.transpose(0, 2, 1)),
    "Squeeze": ("ExpandDims", {}, {1: 1}, lambda x: x[:, None]),
    "Relu": ("Relu", {}, {}, lambda x: np.maximum(x, 0)),
    "LeakyRelu": ("LeakyRelu", {"alpha": {"f": 0.5}}, {}, lambda x: np.where(x < 0, x * np.float32(0.5), x)),
    "Cast": ("Cast", {"DstT": {"type": "DT_INT32"}}, {}, lambda x: x.astype(np.int32)),
    "StridedSlice": (
        "StridedSlice", {"begin_mask": {"i": "1"}, "end_mask": {"i": "5"}, "shrink_axis_mask": {"i": "2"}},
        {1: [0, 1, 2], 2: [0, 2, 0], 3: [1, 1, 2]}, lambda x: x[:, 1, 2::2],
    ),
    "GatherV2": ("GatherV2", {}, {1: [2, 0], 2: 2}, lambda x: x[:, :, [2, 0]]),
}  # fmt: skip


def data() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(5, 4, 6)).astype(np.float32), rng.integers(0, 5, size=(5, 4)).astype(np.int32)]


def compare(got: Any, want: Any, name: str) -> None:
    want = np.asarray(want)
    assert (got.shape, got.dtype.name) == (want.shape, want.dtype.name), name
    assert distance(got, want) <= ABSOLUTE, name


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_functions(suffix: str, tmp_path: Path) -> None:
    keras = pytest.importorskip("tf_keras")
    import tensorflow as tf

    inputs = [keras.Input((4, 6)), keras.Input((4,), dtype="int32")]
    chosen = {
        name: f for name, f in FUNCTIONS.items() if name != "ellipsis" or suffix == ".h5"
    }  # tf_keras cannot save it
    model = keras.Model(inputs, [operation(tf, *inputs) for operation in chosen.values()])
    model.save(tmp_path / f"m{suffix}")
    results = sofie_jit.load(tmp_path / f"m{suffix}").infer(*data())
    for name, got, want in zip(chosen, results, model(data()), strict=True):
        compare(got, want, name)


@pytest.mark.parametrize("batch", [0, 1, 3])
def test_slices_of_the_batch(batch: int) -> None:
    keras = pytest.importorskip("tf_keras")
    import tensorflow as tf

    inputs = keras.Input((5, 4))
    slices = [tf.strided_slice(inputs, [0, 1, 0], [2, 4, 3]), inputs[0:2, 1:], inputs[:-1], inputs[-1:], inputs[::2]]
    model, x = keras.Model(inputs, slices), np.random.default_rng(0).normal(size=(batch, 5, 4)).astype(np.float32)
    for got, want in zip(evaluate(frontends.open(model)(), x), model(x), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)


def test_squeeze_without_an_axis_keeps_the_batch() -> None:
    keras = pytest.importorskip("tf_keras")
    import tensorflow as tf

    inputs = keras.Input((1, 4))
    rmodel = frontends.open(keras.Model(inputs, tf.squeeze(inputs)))()
    for batch in (0, 1, 3):
        assert evaluate(rmodel, np.zeros((batch, 1, 4), np.float32))[0].shape == (batch, 4)


def graph_operation(name: str) -> dict[str, Any]:
    """The config of a model with one TensorFlowOpLayer, as tf.keras 2.0 to 2.3 wrote them."""
    operation, attributes, constants, _ = GRAPH[name]
    return {
        "class_name": "Model",
        "keras_version": "2.3.0-tf",
        "config": {
            "name": "m",
            "layers": [
                {"class_name": "InputLayer", "name": "x", "inbound_nodes": [],
                 "config": {"batch_input_shape": [None, 4, 6], "dtype": "float32", "name": "x"}},
                {"class_name": "TensorFlowOpLayer", "name": "op", "inbound_nodes": [[["x", 0, 0, {}]]],
                 "config": {"name": "op", "trainable": True, "dtype": "float32",
                            "node_def": {"name": "op", "op": operation, "input": ["x"], "attr": attributes},
                            "constants": {str(place): value for place, value in constants.items()}}},
            ],
            "input_layers": [["x", 0, 0]],
            "output_layers": [["op", 0, 0]],
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def no_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import h5py

    path = tmp_path_factory.mktemp("weights") / "none.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([b"x", b"op"])
        for name in ("x", "op"):
            file.create_group(name).attrs["weight_names"] = np.array([], "S1")
    return path


@pytest.mark.parametrize("name", GRAPH)
def test_graph_operations(name: str, no_weights: Path) -> None:
    x = data()[0]
    compare(sofie_jit.load(no_weights, config=graph_operation(name)).infer(x), GRAPH[name][3](x), name)


@pytest.mark.parametrize(
    ("version", "from_corners"), [("2.2.4", True), ("2.3.1", True), ("2.2.4-tf", False), ("2.4.0", False)]
)
def test_up_sampling_by_tensorflow_1(version: str, from_corners: bool, no_weights: Path) -> None:
    import tensorflow as tf

    options = {"name": "op", "batch_input_shape": [None, 4, 6, 2], "size": [2, 3], "interpolation": "bilinear"}
    inner = {"class_name": "Sequential", "config": [{"class_name": "UpSampling2D", "config": options}]}
    x = np.random.default_rng(0).normal(size=(2, 4, 6, 2)).astype(np.float32)
    want = tf.compat.v1.image.resize_bilinear(x, [8, 18], half_pixel_centers=not from_corners)
    compare(sofie_jit.load(no_weights, config={**inner, "keras_version": version}).infer(x), want, version)


REFUSED: dict[str, tuple[Operation, str]] = {
    "einsum": (lambda tf, x, n: tf.einsum("bij,bkj->bik", x, x), "does not save the inputs of an einsum"),
    "unknown": (lambda tf, x, n: tf.math.lbeta(x), r"tf.math.lbeta is not supported.*replace="),
    "strings": (lambda tf, x, n: tf.as_string(n), r"tf.*as_string is not supported"),
    "integer mean": (lambda tf, x, n: tf.reduce_mean(n, axis=1), "mean of integers is not supported"),
    "batch_dims": (lambda tf, x, n: tf.gather(x, n, axis=2, batch_dims=1), "batch_dims=1"),
    "padding": (
        lambda tf, x, n: tf.nn.conv2d(image(tf, x), WEIGHT.reshape(2, 1, 3, 4), 1, [[0, 0], [1, 1], [2, 2], [0, 0]]),
        "explicit padding .* use tf.pad",
    ),
    "computed limit": (lambda tf, x, n: x[:, : n[0, 0]], "a limit of a slice is computed by the model"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    keras = pytest.importorskip("tf_keras")
    import tensorflow as tf

    operation, message = REFUSED[name]
    inputs = [keras.Input((4, 6)), keras.Input((4,), dtype="int32")]
    keras.Model(inputs, operation(tf, *inputs)).save(tmp_path / "m.h5")
    with pytest.raises(sofie_jit.UnsupportedLayerError, match=f"(?s){message}"):
        sofie_jit.load(tmp_path / "m.h5")


SHAPES: dict[str, Callable[[Any, Any], Any]] = {
    "flatten": lambda tf, x: tf.reshape(x, [tf.shape(x)[0], -1]),
    "flatten by product": lambda tf, x: tf.reshape(x, tf.stack([tf.shape(x)[0], tf.shape(x)[1] * tf.shape(x)[2] * 2])),
    "sequence of pixels": lambda tf, x: tf.reshape(x, (-1, tf.reduce_prod(tf.shape(x)[1:3]), x.shape[3])),
    "halves": lambda tf, x: x[:, : tf.shape(x)[1] // 2],
    "concatenated": lambda tf, x: tf.reshape(x, tf.concat([tf.shape(x)[:1], [2, -1]], 0)),
    "mean by hand": lambda tf, x: tf.reduce_sum(x, [1, 2]) / tf.cast(tf.shape(x)[1] * tf.shape(x)[2], "float32"),
    "resized": lambda tf, x: tf.image.resize(x, tf.shape(x)[1:3] * 2),
    "resized to nearest": lambda tf, x: tf.image.resize(x, (7, 5), method="nearest"),
    "made smaller": lambda tf, x: tf.image.resize(x, [3, 2], antialias=True),
    "areas": lambda tf, x: tf.image.resize(x, [3, 2], method="area", antialias=True),
    "gaussian": lambda tf, x: tf.image.resize(x, [9, 4], method="gaussian"),
    "mitchellcubic": lambda tf, x: tf.image.resize(x, [3, 8], method="mitchellcubic", antialias=True),
    "real": lambda tf, x: tf.math.real(x) + tf.math.conj(x),
    "broadcast": lambda tf, x: tf.broadcast_to(x[:, :1], tf.shape(x)) + x,
    "numbered": lambda tf, x: x + tf.cast(tf.range(tf.shape(x)[1]), "float32")[None, :, None, None],
    "a constant broadcast": lambda tf, x: x * tf.broadcast_to([2.0, 3.0], tf.stack([tf.shape(x)[0], 1, 1, 2])),
    "with a row of zeros": lambda tf, x: tf.concat([x[:, :1], tf.zeros([tf.shape(x)[0], 1, tf.shape(x)[2], 2])], 1),
    "with a constant": lambda tf, x: x[:, :1, :1] * tf.tile(tf.constant([[[[2.0, 3.0]]]]), [tf.shape(x)[0], 1, 2, 1]),
}


@pytest.mark.parametrize("open_sizes", [False, True])
def test_shapes(open_sizes: bool, tmp_path: Path) -> None:
    keras = pytest.importorskip("tf_keras")
    import tensorflow as tf

    x = np.random.default_rng(0).normal(size=(3, 4, 6, 2)).astype(np.float32)
    for name, function in SHAPES.items():
        given = keras.Input((None, None, 2) if open_sizes else (4, 6, 2))
        model = keras.Model(given, function(tf, given))
        model.save(tmp_path / "m.h5")
        loaded = sofie_jit.load(tmp_path / "m.h5")
        compare(loaded.infer(x), model(x), name)
        compare(loaded.infer(x[:1]), model(x[:1]), name)


def test_aspect_ratio_is_preserved(tmp_path: Path) -> None:
    keras = pytest.importorskip("tf_keras")
    import tensorflow as tf

    x, given = np.random.default_rng(0).normal(size=(3, 7, 9, 2)).astype(np.float32), keras.Input((7, 9, 2))
    sizes = [(4, 12), (20, 13), (3, 3)]
    outputs = [tf.image.resize(given, size, preserve_aspect_ratio=True) for size in sizes]
    keras.Model(given, outputs).save(tmp_path / "m.h5")
    for got, size in zip(sofie_jit.load(tmp_path / "m.h5").infer(x), sizes, strict=True):
        compare(got, tf.image.resize(x, size, preserve_aspect_ratio=True), str(size))


def test_aspect_ratio_of_open_sizes(tmp_path: Path) -> None:
    keras = pytest.importorskip("tf_keras")
    import tensorflow as tf

    given = keras.Input((None, None, 2))
    keras.Model(given, tf.image.resize(given, (4, 12), preserve_aspect_ratio=True)).save(tmp_path / "m.h5")
    with pytest.raises(UnsupportedLayerError, match=r"needs images of a known size; fix the sizes.*input_shapes="):
        sofie_jit.load(tmp_path / "m.h5")
    assert sofie_jit.check(tmp_path / "m.h5", input_shapes=[(None, 7, 9, 2)]).ok


@pytest.mark.parametrize(
    ("name", "operands"),
    [
        ("multiply", (SymbolicDim("n"), 0.5)),
        ("truediv", (SymbolicDim("n"), SymbolicDim("m"))),
        ("greater", (SymbolicDim("n"), 7)),
    ],
)
def test_arithmetic_of_open_sizes_that_is_refused(name: str, operands: tuple[Any, Any]) -> None:
    with pytest.raises(UnsupportedLayerError, match=r"open.*; fix the sizes that are open: .*input_shapes="):
        tf_shapes.FUNCTIONS[name](*(np.array(operand, object) for operand in operands))


def test_arithmetic_of_halves_is_refused() -> None:
    n, two = np.array([SymbolicDim("n")], object), np.array([2], object)
    with pytest.raises(UnsupportedLayerError, match=r"'n / 2', which is open, .*input_shapes="):
        tf_shapes.FUNCTIONS["add"](tf_shapes.FUNCTIONS["truediv"](n, two), two)


def test_a_shape_is_no_output(tmp_path: Path) -> None:
    keras = pytest.importorskip("tf_keras")
    import tensorflow as tf

    given = keras.Input((4,))
    keras.Model(given, [given * 2, tf.shape(given)]).save(tmp_path / "m.h5")
    with pytest.raises(sofie_jit.SofieError, match="shape"):
        sofie_jit.load(tmp_path / "m.h5")
