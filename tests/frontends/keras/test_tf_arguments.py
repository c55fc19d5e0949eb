"""Arguments of TensorFlow's functions in models of Keras 2, evaluated in numpy, against TensorFlow."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_tf_ops import WEIGHT, Operation, backend, data, graph_operation, image, no_weights

from sofie_jit import frontends
from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.verification.difference import distance
from sofie_jit.verification.evaluate import evaluate

__all__ = ["no_weights"]

FUNCTIONS: dict[str, Operation] = {
    "matmul a": lambda tf, x, n: tf.matmul(x, x, transpose_a=True),
    "matmul adjoints": lambda tf, x, n: [tf.matmul(x, x, adjoint_a=True), tf.matmul(x, x, adjoint_b=True)],
    "matmul both": lambda tf, x, n: tf.matmul(x[:, :, :4], x[:, :, 2:], transpose_a=True, transpose_b=True),
    "matmul of four axes": lambda tf, x, n: tf.matmul(image(tf, x), image(tf, x), transpose_a=True),
    "matrix_transpose": lambda tf, x, n: tf.linalg.matrix_transpose(image(tf, x)),
    "slice": lambda tf, x, n: [tf.slice(x, [0, 1, 0], [-1, 2, 3]), tf.slice(x, [0, 2, 3], [-1, -1, -1])],
    "lrn": lambda tf, x, n: [
        tf.nn.lrn(image(tf, x)), tf.nn.lrn(tf.reshape(x, [-1, 1, 1, 24])), tf.nn.lrn(image(tf, x), 1, 2.0, 0.5, 0.25),
        tf.nn.local_response_normalization(tf.reshape(x, [-1, 1, 2, 12]), depth_radius=2, bias=0.5, alpha=2.0),
    ],
    "diagonals": lambda tf, x, n: [tf.linalg.diag(x), tf.linalg.diag_part(x), tf.linalg.diag_part(image(tf, x))],
    "bands": lambda tf, x, n: [tf.linalg.band_part(x, a, b) for a, b in ((-1, 0), (0, -1), (2, 1), (-1, -1), (0, 0))],
    "cumulative": lambda tf, x, n: [
        function(x, axis, exclusive=exclusive, reverse=reverse)
        for function in (tf.cumsum, tf.math.cumprod)
        for axis in (1, -1)
        for exclusive in (False, True)
        for reverse in (False, True)
    ],
    "l2_normalize": lambda tf, x, n: [
        tf.math.l2_normalize(x, -1, 9.0), tf.math.l2_normalize(x, [1, 2]), tf.math.l2_normalize(0 * x, 1),
    ],
    "extremes": lambda tf, x, n: [
        tf.argmax(x, 1), tf.argmin(x, 2, output_type="int32"), tf.argmin(n, 1), tf.math.top_k(x, 3)[1],
        tf.math.top_k(x)[0], tf.math.top_k(n, 2),
    ],
    "norms": lambda tf, x, n: [
        tf.norm(x, axis=1), tf.norm(x, 1, 2), tf.norm(x, np.inf, 1, True), tf.norm(x, 3, 2), tf.norm(x, axis=[1, 2]),
        tf.clip_by_norm(x, 1.5, [2]), tf.clip_by_norm(x, 9.0, [1, 2]),
    ],
    "counts": lambda tf, x, n: [tf.math.count_nonzero(n, 1), tf.math.count_nonzero(n, 1, True, "int32")],
    "reductions": lambda tf, x, n: [
        tf.reduce_sum(x, 1, True), tf.reduce_mean(x, [1, 2]), tf.reduce_max(x, -1, keepdims=True), tf.reduce_prod(x, 2),
        tf.reduce_all(x > -1, 1), tf.reduce_any(x > 1, [1, 2], True), tf.math.reduce_euclidean_norm(x, 2, True),
        tf.math.reduce_std(x, [1, 2], True), tf.math.reduce_variance(x, -1), tf.reduce_logsumexp(x, 1, True),
        tf.reduce_sum(n, 1), tf.reduce_min(n, -1, True),
    ],
    "quotients": lambda tf, x, n: [
        tf.math.truediv(n, n + 1), tf.math.divide_no_nan(x, tf.nn.relu(x)), tf.math.floordiv(x, 0.7), n // 3, -n // 3,
        tf.math.floormod(x, 0.7), (-n) % 3, tf.math.xdivy(tf.nn.relu(x), tf.nn.relu(x)), x / 3, 1 / (x * x + 1),
        tf.math.multiply_no_nan(x, 0.0 * x), tf.math.atan2(x, x + 1), tf.math.polyval([2.0, -1.0, 0.5, 3.0], x),
    ],
    "split": lambda tf, x, n: [*tf.split(x, 3, 2), *tf.split(x, [2, 4], -1), *tf.split(n, 2, axis=1)],
    "gather": lambda tf, x, n: [
        tf.gather(x, [[1, 0], [2, 2]], axis=1), tf.gather(x, 2, axis=2), tf.gather(x, n % 4, axis=1, batch_dims=1),
        tf.gather(image(tf, x), n[:, :1] % 2, batch_dims=1), tf.gather_nd(x, n[:, 1:2] % 4, batch_dims=1),
        tf.gather_nd(x, n[:, :, None] % 4, batch_dims=1), tf.gather(WEIGHT, n % 4), tf.gather(WEIGHT[0], n),
    ],
    "one_hot": lambda tf, x, n: [
        tf.one_hot(n, 4, axis=1), tf.one_hot(n, 5, dtype="int32"), tf.one_hot(n, 3, 7, -1),
        tf.one_hot(n, 4, off_value=2.0, on_value=0.5, axis=-1, dtype="float32"),
    ],
    "pad": lambda tf, x, n: [
        tf.pad(x, [[0, 0], [1, 0], [2, 1]]), tf.pad(x, [[0, 0], [0, 2], [0, 0]], "SYMMETRIC"),
        tf.pad(n, [[0, 0], [1, 1]], constant_values=7),
    ],
    "getitem": lambda tf, x, n: [
        x[:, -1], x[:, :, -2:], x[:, 1::2], x[:, ::-1], x[:, 2, 3:], x[:, None, 1], x[:, 1:2, 0],
    ],
    "sort": lambda tf, x, n: [
        tf.sort(x, axis=1), tf.sort(x), tf.sort(n, direction="DESCENDING"), tf.argsort(x, axis=1),
        tf.argsort(x, direction="DESCENDING"), tf.argsort(n),
    ],
    "strided_slice": lambda tf, x, n: [
        tf.strided_slice(x, [0, 1, 2], [0, 4, 6], begin_mask=1, end_mask=1),
        tf.strided_slice(x, [0, 1, 2], [0, 2, 6], [1, 1, 3], begin_mask=5, end_mask=1, shrink_axis_mask=2),
        tf.strided_slice(x, [0, 0, 0], [0, 2, 0], [1, 1, 1], begin_mask=1, end_mask=5, new_axis_mask=2),
        tf.strided_slice(x, [0, 2], [0, 5], [1, 2], ellipsis_mask=1),
        tf.strided_slice(x, [0, 3, 5], [0, 0, 0], [1, -1, -2], begin_mask=1, end_mask=1),
    ],
    "sequence_mask": lambda tf, x, n: [tf.sequence_mask(n, 3), tf.sequence_mask(n[:, 0], maxlen=2, dtype="int32")],
    "made": lambda tf, x, n: [
        tf.zeros_like(x, "int32"), tf.ones_like(n), tf.ones_like(x, dtype="float64"), tf.zeros_like(n, "float32"),
        tf.fill([1, 4, 6], 2.5) * x, tf.ones([1, 4, 1]) + x,
    ],
    "moved": lambda tf, x, n: [
        tf.transpose(x, perm=[0, 2, 1]), tf.expand_dims(x, -1), tf.expand_dims(x, 2), tf.squeeze(x[:, :1], 1),
        tf.squeeze(x[:, :, :1], axis=[-1]), tf.repeat(x, [1, 0, 2, 1], axis=1), tf.repeat(x, 3, 2),
        tf.reverse(x, [1, 2]), tf.roll(x, [1, -2], [1, 2]), tf.tile(x, [1, 2, 3]), tf.stack([x, x + 1]),
        tf.stack([x, x], -1), tf.concat([x, x], -1), *tf.unstack(x, 4, 1), tf.broadcast_to(x[:, :1], tf.shape(x)),
        tf.saturate_cast(x * 99, "int8"), tf.saturate_cast(x * 3e9, "int32"),
    ],
    "activations": lambda tf, x, n: [
        tf.nn.leaky_relu(x), tf.nn.leaky_relu(x, 0.4), tf.nn.gelu(x, True), tf.nn.silu(x, 2.0), tf.nn.softmax(x, 1),
        tf.nn.softmax(x), tf.nn.log_softmax(x), tf.nn.crelu(x, 1), tf.nn.relu6(4 * x), tf.nn.elu(x), tf.nn.selu(x),
        tf.clip_by_value(x, -0.5, 0.25),
    ],
    "moments": lambda tf, x, n: [
        *tf.nn.moments(x, [1]), *tf.nn.moments(x, [1, 2], keepdims=True), *tf.nn.moments(x, [2]),
    ],
    "bias_add": lambda tf, x, n: [
        tf.nn.bias_add(x, WEIGHT[:, 0], data_format="NC..."), tf.nn.bias_add(image(tf, x), WEIGHT[0, :3]),
        backend().bias_add(x, WEIGHT[1]),
    ],
    "blocks": lambda tf, x, n: [
        tf.nn.depth_to_space(tf.reshape(x, [-1, 1, 2, 12]), 2), tf.nn.space_to_depth(tf.reshape(x, [-1, 2, 4, 3]), 2),
    ],
    "pools": lambda tf, x, n: [
        tf.nn.max_pool2d(image(tf, x), (1, 2), 1, "VALID"), tf.nn.avg_pool2d(image(tf, x), 2, (2, 1), "SAME"),
        tf.nn.max_pool1d(x, [3], [2], "VALID"), tf.nn.avg_pool(image(tf, x), [1, 2, 1, 1], [1, 1, 2, 1], "VALID"),
        tf.nn.max_pool3d(tf.reshape(x, [-1, 2, 3, 2, 2]), 2, 1, "SAME"), tf.nn.avg_pool1d(x, 2, 1, "SAME"),
    ],
    "convolutions": lambda tf, x, n: [
        tf.nn.conv1d(x, WEIGHT.reshape(2, 6, 2), 1, "VALID"), tf.nn.conv1d(x, WEIGHT[:3].reshape(1, 3, 6), 2, "SAME"),
        tf.nn.convolution(x, WEIGHT.reshape(2, 6, 2)),
        tf.nn.conv1d(x, WEIGHT.reshape(2, 6, 2), 1, "VALID", dilations=2),
        tf.nn.conv2d(image(tf, x), WEIGHT.reshape(2, 2, 3, 2), 1, "SAME", dilations=[1, 1, 2, 1]),
        tf.nn.conv2d(image(tf, x), WEIGHT[:3].reshape(2, 1, 1, 9), (2, 1), "VALID"),
        tf.nn.conv3d(tf.reshape(x, [-1, 2, 3, 2, 2]), WEIGHT.reshape(2, 1, 2, 2, 3), [1, 1, 1, 1, 1], "VALID"),
        tf.nn.depthwise_conv2d(image(tf, x), WEIGHT.reshape(1, 2, 3, 4), [1, 1, 1, 1], "VALID"),
    ],
    "images": lambda tf, x, n: [
        tf.image.central_crop(tf.reshape(x, [-1, 4, 6, 1]), 0.5),
        tf.image.central_crop(tf.reshape(x, [-1, 6, 4, 1]), 0.7),
        tf.image.crop_to_bounding_box(tf.reshape(x, [-1, 4, 6, 1]), 1, 2, 2, 3),
        tf.image.adjust_brightness(image(tf, x), -0.3), tf.image.pad_to_bounding_box(image(tf, x), 2, 1, 5, 6),
        tf.image.adjust_contrast(image(tf, x), 2.5), tf.image.per_image_standardization(image(tf, x) * 1e-3),
        tf.image.per_image_standardization(image(tf, 0 * x)),
        tf.image.extract_patches(tf.reshape(x, [-1, 4, 6, 1]), [1, 2, 3, 1], [1, 2, 1, 1], [1, 1, 2, 1], "VALID"),
        tf.image.flip_left_right(image(tf, x)), tf.image.rgb_to_grayscale(image(tf, x)),
        tf.image.resize(image(tf, x), [3, 7], "bicubic"),
        tf.image.resize(image(tf, x), [3, 7], "lanczos3", antialias=True),
        tf.image.resize(image(tf, x), [4, 2], "nearest"),
        tf.image.resize(tf.reshape(n, [-1, 2, 2, 1]), [3, 5], "nearest"),
        tf.image.resize(tf.reshape(n, [-1, 2, 2, 1]), [3, 5]), tf.compat.v1.image.resize(image(tf, x), [5, 3], 1),
        tf.compat.v1.image.resize(image(tf, x), [5, 3]),
        *(
            tf.compat.v1.image.resize_bilinear(image(tf, x), [5, 3], align, half_pixel_centers=half)
            for align, half in ((False, False), (True, False), (False, True))
        ),
        *(
            tf.compat.v1.image.resize_nearest_neighbor(image(tf, x), [5, 3], align, half_pixel_centers=half)
            for align, half in ((False, False), (True, False), (False, True))
        ),
    ],
}  # fmt: skip


def test_functions(tmp_path: Path) -> None:
    keras = pytest.importorskip("tf_keras")
    import tensorflow as tf

    inputs = [keras.Input((4, 6)), keras.Input((4,), dtype="int32")]
    made = {name: operation(tf, *inputs) for name, operation in FUNCTIONS.items()}
    outputs = {
        f"{name} {index}": y
        for name, ys in made.items()
        for index, y in enumerate(ys if isinstance(ys, (list, tuple)) else [ys])
        if not isinstance(y, tuple)
    }
    model = keras.Model(inputs, list(outputs.values()))
    x, n = data()
    n[0], x[1] = 0, np.round(x[1])
    found, expected = evaluate(frontends.open(model)(), [x, n]), model([x, n])
    wrong = {}
    for name, got, want in zip(outputs, found, map(np.asarray, expected), strict=True):
        if (got.shape, got.dtype) != (want.shape, want.dtype):
            wrong[name] = f"{got.dtype} {got.shape}, expected {want.dtype} {want.shape}"
        elif not distance(got, want) <= (2e-6 if want.dtype.kind == "f" else 0):
            wrong[name] = f"{distance(got, want)}"
    assert wrong == {}


def attribute(**values: Any) -> dict[str, Any]:
    """Attributes of a node as JSON has them."""
    letters: dict[type, str] = {bool: "b", int: "i", str: "type"}
    text = {key: {"s": base64.b64encode(value).decode()} for key, value in values.items() if isinstance(value, bytes)}
    return {key: {letters[type(value)]: value} for key, value in values.items() if key not in text} | text


X = np.float32
OPERATIONS: dict[str, tuple[str, dict[str, Any], dict[int, Any], Callable[[np.ndarray], np.ndarray]]] = {
    "LeakyRelu": ("LeakyRelu", {}, {}, lambda x: np.where(x < 0, x * X(0.2), x)),
    "Relu6": ("Relu6", {}, {}, lambda x: np.clip(x, 0, 6)),
    "AddN": ("AddN", {}, {1: 2.0, 2: 3.0}, lambda x: x + X(5)),
    "BiasAdd": ("BiasAdd", {}, {1: [1, 2, 3, 4, 5, 6]}, lambda x: x + np.arange(1, 7, dtype=X)),
    "BiasAdd NCHW": ("BiasAdd", attribute(data_format=b"NCHW"), {1: [1, 2, 3, 4]},
                     lambda x: x + np.arange(1, 5, dtype=X)[:, None]),
    "Sum": ("Sum", attribute(keep_dims=False), {1: [1, 2]}, lambda x: x.sum((1, 2))),
    "Prod": ("Prod", {}, {1: 1}, lambda x: x.prod(1)),
    "Max": ("Max", attribute(keep_dims=True), {1: -1}, lambda x: x.max(-1, keepdims=True)),
    "Min": ("Min", {}, {1: [2]}, lambda x: x.min(2)),
    "ArgMax": ("ArgMax", {}, {1: 1}, lambda x: x.argmax(1)),
    "ArgMin": ("ArgMin", attribute(output_type="DT_INT32"), {1: -1}, lambda x: x.argmin(-1).astype(np.int32)),
    "Squeeze": ("Squeeze", {}, {}, lambda x: x),
    "Pack": ("Pack", attribute(axis=1), {}, lambda x: x[:, None]),
    "Slice": ("Slice", {}, {1: [0, 1, 2], 2: [-1, 2, -1]}, lambda x: x[:, 1:3, 2:]),
    "Tile": ("Tile", {}, {1: [1, 1, 2]}, lambda x: np.tile(x, (1, 1, 2))),
    "ReverseV2": ("ReverseV2", {}, {1: [2]}, lambda x: x[:, :, ::-1]),
    "Pad": ("Pad", {}, {1: [[0, 0], [1, 0], [0, 2]]}, lambda x: np.pad(x, ((0, 0), (1, 0), (0, 2)))),
    "PadV2": ("PadV2", {}, {1: [[0, 0], [1, 0], [0, 2]], 2: 3.0},
              lambda x: np.pad(x, ((0, 0), (1, 0), (0, 2)), constant_values=3)),
    "MirrorPad": ("MirrorPad", attribute(mode=b"REFLECT"), {1: [[0, 0], [1, 0], [0, 2]]},
                  lambda x: np.pad(x, ((0, 0), (1, 0), (0, 2)), "reflect")),
    "MatMul": ("BatchMatMulV2", attribute(adj_x=True), {1: np.eye(4)[:, :3].tolist()}, lambda x: x.mT[..., :3]),
    "adjoint": ("BatchMatMul", attribute(adj_y=True), {1: np.eye(6)[:3].tolist()}, lambda x: x[..., :3]),
    "new axis": ("StridedSlice", attribute(begin_mask=1, end_mask=1, new_axis_mask=2),
                 {1: [0, 0, 1], 2: [0, 0, 3], 3: [1, 1, 1]}, lambda x: x[:, None, 1:3]),
    "ellipsis": ("StridedSlice", attribute(ellipsis_mask=1, shrink_axis_mask=2), {1: [0, 3], 2: [0, 4], 3: [1, 1]},
                 lambda x: x[..., 3]),
    "ClipByValue": ("ClipByValue", {}, {1: -0.5, 2: 0.25}, lambda x: np.clip(x, X(-0.5), X(0.25))),
    "Cast": ("Cast", attribute(DstT="DT_DOUBLE"), {}, lambda x: x.astype(np.float64)),
    "Mul": ("Mul", attribute(T="DT_FLOAT"), {0: 2.0}, lambda x: 2 * x),
    "Maximum": ("Maximum", {}, {1: 0.25}, lambda x: np.maximum(x, X(0.25))),
}  # fmt: skip


def test_operations_of_graphs(no_weights: Path) -> None:
    x = data()[0]
    for name, (operation, attributes, constants, function) in OPERATIONS.items():
        config = graph_operation("Relu")
        layer = config["config"]["layers"][1]["config"]
        layer["node_def"] = {"name": "op", "op": operation, "input": ["x"], "attr": attributes}
        layer["constants"] = {str(place): value for place, value in constants.items()}
        (got,) = evaluate(frontends.open(no_weights, config=config)(), x)
        want = function(x)
        assert (got.shape, got.dtype) == (want.shape, want.dtype), name
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("operation", ["ResizeNearestNeighbor", "ResizeBilinear", "ResizeBicubic"])
def test_operations_that_resize(operation: str, no_weights: Path) -> None:
    import tensorflow as tf

    x = np.random.default_rng(0).normal(size=(2, 4, 6, 3)).astype(np.float32)
    config = graph_operation("Relu")
    given, layer = (part["config"] for part in config["config"]["layers"])
    given["batch_input_shape"] = [None, 4, 6, 3]
    layer["constants"] = {"1": [7, 5]}
    raw = getattr(tf.raw_ops, operation)
    for align, half in ((False, True), (False, False), (True, False)):
        attributes = attribute(align_corners=align, half_pixel_centers=half)
        layer["node_def"] = {"name": "op", "op": operation, "input": ["x"], "attr": attributes}
        if operation == "ResizeBicubic" and not half:
            with pytest.raises(UnsupportedLayerError, match="ResizeBicubic without half_pixel_centers"):
                frontends.open(no_weights, config=config)()
            continue
        (got,) = evaluate(frontends.open(no_weights, config=config)(), x)
        np.testing.assert_allclose(
            got, raw(images=x, size=[7, 5], align_corners=align, half_pixel_centers=half), atol=2e-6
        )


def test_nodes_as_text(no_weights: Path) -> None:
    """As TensorFlow 2.3 wrote them; before, they were in a format of their own."""
    config = graph_operation("Relu")
    layer = config["config"]["layers"][1]["config"]
    layer["node_def"] = ' {"name": "op", "op": "LeakyRelu", "input": ["x"], "attr": {"alpha": {"f": 0.5}}}'
    x = data()[0]
    np.testing.assert_array_equal(
        evaluate(frontends.open(no_weights, config=config)(), x)[0], np.where(x < 0, x / 2, x)
    )
    for node in ("name: op", None, {"name": "op"}):
        layer["node_def"] = node
        with pytest.raises(UnsupportedLayerError, match="its node_def is not in JSON; save the model again"):
            frontends.open(no_weights, config=config)()
