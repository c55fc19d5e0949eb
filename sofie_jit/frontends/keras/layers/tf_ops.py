"""TensorFlow functions as nodes of Keras 2 models (TFOpLambda), called with the arguments of their Python signatures.

The tables have the functions of :mod:`sofie_jit.ops`, and the layers, that compute them. The older TensorFlowOpLayer is
in :mod:`tf_graph_ops`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.keras.layers import tf_image, tf_shapes
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.keras_ops import NO_BIAS, through_layer
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.masks import stays, stops
from sofie_jit.frontends.wording import CUT, replacing
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import SymbolicDim, product, static_dim
from sofie_jit.ir.operators.activations import LogSigmoid, Selu, Softsign
from sofie_jit.ir.types import check_table, is_floating

# -- functions with TensorFlow's arguments ---------------------------------------------------------------------------


def _binary(function: Callable[..., Symbol]) -> Callable[..., Symbol]:
    return lambda x, y: function(x, y)


def _reduction(function: Callable[..., Symbol]) -> Callable[..., Symbol]:
    def reduce(input_tensor: Symbol, axis: Any = None, keepdims: bool = False) -> Symbol:
        return function(input_tensor, axis, keepdims)

    return reduce


def mean(input_tensor: Symbol, axis: Any = None, keepdims: bool = False) -> Symbol:
    """``tf.reduce_mean``. Raises UnsupportedLayerError for integers, which it rounds."""
    if not is_floating(input_tensor.dtype):
        raise UnsupportedLayerError("TensorFlow's mean of integers is not supported; cast to float before it")
    return ops.mean(input_tensor, axis, keepdims)


def true_divide(x: Any, y: Any) -> Symbol:
    """``tf.math.truediv``, which divides integers in float64."""
    if not is_floating(ops.result_type(x, y)):
        x = ops.cast(x, "float64") if isinstance(x, Symbol) else np.float64(x)
    return ops.divide(x, y)


def matmul(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, adjoint_a: bool = False,
    adjoint_b: bool = False, a_is_sparse: bool = False, b_is_sparse: bool = False,
) -> Symbol:  # fmt: skip
    """``tf.linalg.matmul``, optionally with transposed matrices."""
    x, y = ops.promote(a, b)
    x = ops.swapaxes(x, -1, -2) if transpose_a or adjoint_a else x
    return ops.matmul(x, ops.swapaxes(y, -1, -2) if transpose_b or adjoint_b else y)


def split(value: Symbol, num_or_size_splits: Any, axis: int = 0, num: int | None = None) -> Any:
    """``tf.split``, into equal parts or parts of given sizes."""
    if isinstance(num_or_size_splits, int):
        return ops.split(value, num_or_size_splits, axis)
    return ops.split(value, np.cumsum(num_or_size_splits)[:-1], axis)


def gather(params: Any, indices: Any, axis: int | None = None, batch_dims: int = 0) -> Symbol:
    """``tf.gather``, also with a list of indices per row. Raises UnsupportedLayerError for other axes of indices."""
    if not batch_dims:
        return ops.take(_array(params), _array(indices), axis or 0)
    if axis not in (None, batch_dims) or indices.rank != batch_dims + 1:
        raise UnsupportedLayerError(
            f"a gather with {batch_dims=}, {axis=} and indices of {indices.rank} axes is not supported; expected the "
            "axis after those of the batch, with one list of indices for each row"
        )
    aligned = ops.reshape(indices, (*indices.shape, *(1,) * (params.rank - indices.rank)))
    return ops.take_along_axis(params, aligned, batch_dims)


def _gather_nd(params: Symbol, indices: Symbol, batch_dims: int = 0, bad_indices_policy: str = "") -> Symbol:
    if batch_dims == 0 or indices.shape[-1] != 1:
        raise UnsupportedLayerError(f"gather_nd with indices {indices.shape} and {batch_dims=} is not supported")
    if indices.rank == batch_dims + 1:
        return ops.squeeze(gather(params, indices, batch_dims, batch_dims), batch_dims)
    return gather(params, ops.squeeze(indices, -1), batch_dims, batch_dims)


def _array(value: Any) -> Any:
    """A constant, which is a nested list in a file, as an array of Keras's element type."""
    if not isinstance(value, list):
        return value
    array = np.asarray(value)
    return array.astype({"f": "float32", "i": "int32"}.get(array.dtype.kind, array.dtype))


def one_hot(
    indices: Symbol, depth: int, on_value: Any = None, off_value: Any = None, axis: int | None = None, dtype: Any = None
) -> Symbol:
    """``tf.one_hot``, with any two values."""
    hot = ops.one_hot(indices, depth, -1 if axis is None else axis, "bool")
    if on_value is None and off_value is None:
        return ops.cast(hot, dtype or "float32")
    chosen = ops.where(hot, 1 if on_value is None else on_value, 0 if off_value is None else off_value)
    return ops.cast(chosen, dtype or chosen.dtype)


def _cumulative(function: Callable[..., Symbol], neutral: float) -> Callable[..., Symbol]:
    def along(x: Symbol, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Symbol:
        if reverse:
            return ops.flip(along(ops.flip(x, axis), axis, exclusive), axis)
        if exclusive:  # shifted by one
            before = [(int(a == axis % x.rank), 0) for a in range(x.rank)]
            x = ops.pad(ops.slice_along(x, axis, 0, -1), before, constant_values=neutral)
        return function(x, axis)

    return along


def _pad(tensor: Symbol, paddings: Any, mode: str = "CONSTANT", constant_values: float = 0) -> Symbol:
    return ops.pad(tensor, paddings, mode.lower(), constant_values if mode.upper() == "CONSTANT" else None)


def _l2_normalize(x: Symbol, axis: Any = None, epsilon: float = 1e-12) -> Symbol:
    return ops.multiply(x, ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis, keepdims=True), epsilon)))


def arg(function: Callable[..., Symbol]) -> Callable[..., Symbol]:
    """``tf.math.argmax`` or ``argmin`` from ``function``, with TensorFlow's default axis and type."""

    def arg(input: Symbol, axis: int | None = None, output_type: Any = "int64") -> Symbol:
        return ops.cast(function(input, 0 if axis is None else axis), output_type)

    return arg


def bias_add(value: Symbol, bias: Any, data_format: str | None = None) -> Symbol:
    """``tf.nn.bias_add``: along the channels, in both data formats."""
    if data_format and data_format.startswith("NC"):
        bias = ops.reshape(ops.promote(bias, value)[0], (-1, *(1,) * (value.rank - 2)))
    return ops.add(value, bias)


def of_tensors(operation: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """A function of a list of tensors, or of one, that combines them by ``operation``."""

    def fold(inputs: Any) -> Any:
        first, *others = [inputs] if isinstance(inputs, Symbol) else inputs
        for x in others:
            first = operation(first, x)
        return first

    return fold


def _getitem(tensor: Symbol, slice_spec: Any) -> Symbol:
    def part(spec: Any) -> Any:
        if isinstance(spec, Mapping) and set(spec) <= {"start", "stop", "step"}:
            return slice(spec.get("start"), spec.get("stop"), spec.get("step"))
        return spec

    return ops.getitem(
        tensor, [part(spec) for spec in slice_spec] if isinstance(slice_spec, list) else part(slice_spec)
    )


LAYOUTS = {"NHWC": "channels_last", "NCHW": "channels_first"}


def _sort(values: Symbol, axis: int = -1, direction: str = "ASCENDING") -> Symbol:
    return ops.sort(values, axis) if direction == "ASCENDING" else -ops.sort(-values, axis)


def _argsort(values: Symbol, axis: int = -1, direction: str = "ASCENDING", stable: bool = False) -> Symbol:
    return ops.argsort(values if direction == "ASCENDING" else -values, axis)


def ints(value: Any) -> Any:
    """Constant axes, sizes or indices as Python integers. Raises UnsupportedLayerError if they are computed."""
    if isinstance(value, tf_shapes.SymbolicShape):
        return value.plain()
    if isinstance(value, Symbol):
        raise UnsupportedLayerError("an axis or a shape is computed by the model; it must be constant")
    return np.asarray(value).astype(int).tolist()


def strided_slice(attr: Mapping[str, Any], x: Symbol, begin: Any, end: Any, strides: Any) -> Symbol:
    """TensorFlow's StridedSlice; bit masks in ``attr`` say what each element of the bounds means."""
    masks = {key: int(attr.get(f"{key}_mask", 0)) for key in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    key: list[Any] = []
    for i, (first, last, step) in enumerate(zip(ints(begin), ints(end), ints(strides), strict=True)):
        on = {name for name, mask in masks.items() if mask >> i & 1}
        if "ellipsis" in on:
            key.append(Ellipsis)
        elif "new_axis" in on:
            key.append(None)
        elif "shrink_axis" in on:
            key.append(first)
        else:
            key.append(slice(None if "begin" in on else first, None if "end" in on else last, step))
    return x[key] if isinstance(x, tf_shapes.SymbolicShape) else ops.getitem(x, key)


def _strides(
    input_: Symbol, begin: Any, end: Any, strides: Any = None, begin_mask: int = 0, end_mask: int = 0,
    ellipsis_mask: int = 0, new_axis_mask: int = 0, shrink_axis_mask: int = 0, var: Any = None,
) -> Symbol:  # fmt: skip
    masks = {"begin_mask": begin_mask, "end_mask": end_mask, "ellipsis_mask": ellipsis_mask,
             "new_axis_mask": new_axis_mask, "shrink_axis_mask": shrink_axis_mask}  # fmt: skip
    return strided_slice(masks, input_, begin, end, [1] * len(begin) if strides is None else strides)


def _norm(tensor: Symbol, ord: Any = "euclidean", axis: Any = None, keepdims: bool = False) -> Symbol:
    return ops.norm(tensor, None if ord == "euclidean" else ord, axis, keepdims)


def _clip_by_norm(t: Symbol, clip_norm: float, axes: Any = None) -> Symbol:
    size = ops.norm(t, None, axes, keepdims=True)
    return ops.divide(ops.multiply(t, clip_norm), ops.maximum(size, clip_norm))


def _count_nonzero(input: Symbol, axis: Any = None, keepdims: bool = False, dtype: Any = "int64") -> Symbol:
    return ops.sum(ops.cast(ops.not_equal(input, 0), dtype), axis, keepdims)


def _sequence_mask(lengths: Symbol, maxlen: int | None = None, dtype: Any = "bool") -> Symbol:
    if not isinstance(maxlen, int):
        raise UnsupportedLayerError(
            "a sequence_mask as long as the longest sequence of a batch is not supported; pass maxlen"
        )
    check_table("sequence_mask", maxlen)
    return ops.cast(ops.greater(ops.expand_dims(lengths, -1), np.arange(maxlen, dtype=lengths.dtype)), dtype)


def _band_part(input: Symbol, num_lower: int, num_upper: int) -> Symbol:
    low = input if num_lower < 0 else ops.triangle(input, -num_lower, lower=False)
    return low if num_upper < 0 else ops.triangle(low, num_upper, lower=True)


def _diag(diagonal: Symbol) -> Symbol:
    size = static_dim("diag", diagonal.shape, -1)
    check_table("diag", size, size)
    return ops.multiply(ops.expand_dims(diagonal, -1), np.eye(size, dtype=diagonal.dtype))


def _local_response(
    input: Symbol, depth_radius: int = 5, bias: float = 1.0, alpha: float = 1.0, beta: float = 0.5
) -> Symbol:
    count = static_dim("local_response_normalization", input.shape, -1)
    check_table("local_response_normalization", count, count)
    channels = np.arange(count)
    near = abs(channels[:, np.newaxis] - channels) <= depth_radius
    squares = ops.matmul(ops.square(input), near.astype(input.dtype))
    return ops.divide(input, ops.power(ops.add(ops.multiply(squares, alpha), bias), beta))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "__operators__.add": _binary(ops.add),
    "__operators__.getitem": _getitem,
    "slice": lambda input_, begin, size: ops.getitem(
        input_, [slice(b, None if n == -1 else b + n) for b, n in zip(begin, size, strict=True)]
    ),
    **{
        f"math.{name}": _binary(function)
        for name, function in {
            "add": ops.add,
            "subtract": ops.subtract,
            "multiply": ops.multiply,
            "truediv": true_divide,
            "divide": true_divide,
            "divide_no_nan": ops.divide_no_nan,
            "floordiv": ops.floor_divide,
            "floormod": ops.mod,
            "mod": ops.mod,
            "pow": ops.power,
            "maximum": ops.maximum,
            "minimum": ops.minimum,
            "squared_difference": ops.squared_difference,
            "equal": ops.equal,
            "not_equal": ops.not_equal,
            "less": ops.less,
            "less_equal": ops.less_equal,
            "greater": ops.greater,
            "greater_equal": ops.greater_equal,
            "logical_and": ops.logical_and,
            "logical_or": ops.logical_or,
            "logical_xor": ops.logical_xor,
        }.items()
    },
    "math.atan2": lambda y, x: ops.arctan2(y, x),
    "math.add_n": of_tensors(ops.add),
    "clip_by_value": lambda t, clip_value_min, clip_value_max: ops.clip(t, clip_value_min, clip_value_max),
    **{
        f"math.{name}": (lambda x, function=function: function(x))
        for name, function in {
            "negative": ops.negative,
            "abs": ops.absolute,
            "sign": ops.sign,
            "square": ops.square,
            "sqrt": ops.sqrt,
            "rsqrt": ops.rsqrt,
            "reciprocal": ops.reciprocal,
            "exp": ops.exp,
            "expm1": ops.expm1,
            "log": ops.log,
            "log1p": ops.log1p,
            "erf": ops.erf,
            "erfc": ops.erfc,
            "floor": ops.floor,
            "ceil": ops.ceil,
            "rint": ops.round,
            "round": ops.round,
            "sin": ops.sin,
            "cos": ops.cos,
            "tan": ops.tan,
            "asin": ops.arcsin,
            "acos": ops.arccos,
            "atan": ops.arctan,
            "sinh": ops.sinh,
            "cosh": ops.cosh,
            "tanh": ops.tanh,
            "asinh": ops.arcsinh,
            "acosh": ops.arccosh,
            "atanh": ops.arctanh,
            "sigmoid": ops.sigmoid,
            "is_nan": ops.isnan,
            "is_inf": ops.isinf,
            "is_finite": ops.isfinite,
            "logical_not": ops.logical_not,
        }.items()
    },
    "math.softplus": lambda features: ops.softplus(features),
    **{
        f"math.reduce_{name}": _reduction(function)
        for name, function in {
            "sum": ops.sum,
            "prod": ops.prod,
            "max": ops.max,
            "min": ops.min,
            "any": ops.any,
            "all": ops.all,
            "std": ops.std,
            "variance": ops.var,
            "logsumexp": ops.logsumexp,
            "euclidean_norm": lambda x, axis, keepdims: ops.norm(x, None, axis, keepdims),
        }.items()
    },
    "math.reduce_mean": mean,
    "math.argmax": arg(ops.argmax),
    "math.argmin": arg(ops.argmin),
    "math.cumsum": _cumulative(ops.cumsum, 0),
    "math.cumprod": _cumulative(ops.cumprod, 1),
    "math.top_k": lambda input, k=1, sorted=True: ops.top_k(input, k, sorted),
    "math.l2_normalize": _l2_normalize,
    "nn.relu": lambda features: ops.relu(features),
    "nn.relu6": lambda features: ops.clip(features, 0.0, 6.0),
    "nn.elu": lambda features: ops.elu(features),
    "nn.leaky_relu": lambda features, alpha=0.2: ops.leaky_relu(features, alpha),
    "nn.gelu": lambda features, approximate=False: ops.gelu(features, approximate),
    "nn.silu": lambda features, beta=1.0: ops.multiply(features, ops.sigmoid(ops.multiply(features, beta))),
    "nn.softmax": lambda logits, axis=None: ops.softmax(logits, -1 if axis is None else axis),
    "nn.log_softmax": lambda logits, axis=None: ops.log_softmax(logits, -1 if axis is None else axis),
    "nn.selu": lambda features: ops.activation(Selu(), features),
    "nn.softsign": lambda features: ops.activation(Softsign(), features),
    "nn.crelu": lambda features, axis=-1: ops.concatenate([ops.relu(features), ops.relu(ops.negative(features))], axis),
    "math.log_sigmoid": lambda x: ops.activation(LogSigmoid(), x),
    "math.multiply_no_nan": lambda x, y: ops.where(ops.equal(y, 0), 0, ops.multiply(x, y)),
    "math.erfinv": lambda x: ops.erfinv(x),
    "math.reciprocal_no_nan": lambda x: ops.divide_no_nan(1, x),
    "math.xlogy": lambda x, y: ops.where(ops.equal(x, 0), 0, ops.multiply(x, ops.log(y))),
    "math.xdivy": lambda x, y: ops.where(ops.equal(x, 0), 0, ops.divide(x, y)),
    "math.count_nonzero": _count_nonzero,
    "math.polyval": lambda coeffs, x: functools.reduce(lambda sum, c: ops.add(ops.multiply(sum, x), c), coeffs),
    "clip_by_norm": _clip_by_norm,
    "norm": _norm,
    "dtypes.saturate_cast": lambda value, dtype: ops.saturate_cast(value, dtype),
    "sequence_mask": _sequence_mask,
    "ensure_shape": lambda x, shape: x,
    "nn.embedding_lookup": lambda params, ids, partition_strategy="mod", max_norm=None: gather(params, ids, 0),
    "nn.local_response_normalization": _local_response,
    "linalg.band_part": _band_part,
    "linalg.diag": _diag,
    "linalg.diag_part": lambda input: ops.diagonal(input, 0, -2, -1),
    "linalg.trace": lambda x: ops.trace(x, 0, -2, -1),
    "linalg.cross": lambda a, b: ops.cross(a, b),
    "image.flip_left_right": lambda image: ops.flip(image, -2),
    "image.flip_up_down": lambda image: ops.flip(image, -3),
    "image.rgb_to_grayscale": lambda images: ops.rgb_to_grayscale(images),
    "image.grayscale_to_rgb": lambda images: ops.tile(images, [1] * (images.rank - 1) + [3]),
    "image.central_crop": tf_image.central_crop,
    "image.crop_to_bounding_box": tf_image.crop_to_bounding_box,
    "image.pad_to_bounding_box": tf_image.pad_to_bounding_box,
    "image.per_image_standardization": tf_image.per_image_standardization,
    "image.adjust_brightness": lambda image, delta: ops.add(image, delta),
    "image.adjust_contrast": tf_image.adjust_contrast,
    "image.convert_image_dtype": tf_image.convert_image_dtype,
    "image.extract_patches": tf_image.extract_patches,
    "nn.moments": lambda x, axes, shift=None, keepdims=False: ops.moments(x, axes, keepdims),
    "nn.depth_to_space": lambda input, block_size, data_format="NHWC": ops.depth_to_space(
        input, block_size, LAYOUTS[data_format]
    ),
    "nn.space_to_depth": lambda input, block_size, data_format="NHWC": ops.space_to_depth(
        input, block_size, LAYOUTS[data_format]
    ),
    "sort": _sort,
    "argsort": _argsort,
    "nn.bias_add": bias_add,
    "linalg.matmul": matmul,
    "linalg.matrix_transpose": lambda a, conjugate=False: ops.swapaxes(a, -1, -2),
    "tensordot": lambda a, b, axes: ops.tensordot(a, b, axes),
    "cast": lambda x, dtype: ops.cast(x, dtype),
    "identity": lambda input: input,
    "math.real": lambda input: input,  # there are no complex tensors
    "math.conj": lambda x: x,
    "stop_gradient": lambda input: input,
    "convert_to_tensor": lambda value, dtype=None, dtype_hint=None: ops.convert_to_tensor(value, dtype),
    "zeros_like": lambda input, dtype=None: ops.zeros_like(input, dtype),
    "ones_like": lambda input, dtype=None: ops.ones_like(input, dtype),
    "where": lambda condition, x, y: ops.where(condition, x, y),
    "concat": lambda values, axis: ops.concatenate(values, axis),
    "stack": lambda values, axis=0: ops.stack([values] if isinstance(values, Symbol) else values, axis),
    "unstack": lambda value, num=None, axis=0: ops.unstack(value, num, axis),
    "split": split,
    "reshape": lambda tensor, shape: ops.reshape(tensor, shape),
    "keras.backend.batch_flatten": lambda x: ops.reshape(x, (x.shape[0], product(*x.shape[1:]))),
    "transpose": lambda a, perm=None, conjugate=False: ops.transpose(a, perm),
    "expand_dims": lambda input, axis: ops.expand_dims(input, axis),
    "squeeze": lambda input, axis=None: ops.squeeze(input, axis or None),
    "repeat": lambda input, repeats, axis=None: ops.repeat(input, repeats, axis),
    "reverse": lambda tensor, axis: ops.flip(tensor, axis),
    "roll": lambda input, shift, axis: ops.roll(input, shift, axis),
    "pad": _pad,
    "gather": gather,
    "gather_nd": _gather_nd,
    "strided_slice": _strides,
    "one_hot": one_hot,
}
"""Name in TensorFlow -> a function with TensorFlow's arguments."""

ALIASES = {
    "nn.sigmoid": "math.sigmoid", "sigmoid": "math.sigmoid", "nn.tanh": "math.tanh", "tanh": "math.tanh",
    "nn.swish": "nn.silu", "nn.softplus": "math.softplus", "nn.l2_normalize": "math.l2_normalize",
    "linalg.l2_normalize": "math.l2_normalize", "nn.top_k": "math.top_k", "keras.activations.relu": "nn.relu",
    "linalg.transpose": "transpose", "linalg.tensordot": "tensordot", "divide": "math.divide",
    "math.div_no_nan": "math.divide_no_nan", "floor_div": "math.floordiv", "div": "math.divide",
    "realdiv": "math.divide", "linalg.norm": "norm", "math.accumulate_n": "math.add_n",
    "nn.lrn": "nn.local_response_normalization",
}  # fmt: skip
"""Other names of functions of the table in TensorFlow."""


# -- functions that are a layer without its weights ------------------------------------------------------------------


def _spatial(x: Symbol, data_format: str | None, **options: Any) -> dict[str, Any]:
    """Options of a pooling or convolution layer, from TensorFlow's lists of numbers per axis."""
    count, first = x.rank - 2, (data_format or "N...C").startswith("NC")

    def per_axis(value: Any) -> tuple[int, ...]:
        numbers = [1 if value is None else value] if not isinstance(value, (list, tuple)) else value
        if len(numbers) == x.rank:
            numbers = numbers[2:] if first else numbers[1:-1]
        return tuple(numbers) * (count if len(numbers) == 1 else 1)

    axes = {key: value if key == "padding" else per_axis(value) for key, value in options.items()}
    return {**axes, "data_format": "channels_first" if first else "channels_last"}


def _padding(call: LayerCall, padding: Any) -> str:
    if not isinstance(padding, str):
        call.refuse(f"explicit padding ({padding}) is not supported; use tf.pad and padding='VALID'")
    return padding.lower()


def _pool(kind: str) -> Callable[..., Symbol]:
    def pool(
        call: LayerCall, input: Symbol, ksize: Any, strides: Any, padding: Any, data_format: str | None = None
    ) -> Symbol:
        options = _spatial(input, data_format, pool_size=ksize, strides=strides, padding=_padding(call, padding))
        return through_layer(call, f"{kind}Pooling{input.rank - 2}D", options, input)

    return pool


def _convolution(
    call: LayerCall, input: Symbol, filters: Any, strides: Any = None, padding: Any = "VALID",
    data_format: str | None = None, dilations: Any = None, use_cudnn_on_gpu: bool = True,
) -> Symbol:  # fmt: skip
    options = _spatial(input, data_format, strides=strides, padding=_padding(call, padding), dilation_rate=dilations)
    kernel = _constant(call, filters)
    channels = input.shape[1] if options["data_format"] == "channels_first" else input.shape[-1]
    options |= {"kernel_size": kernel.shape[:-2], "filters": kernel.shape[-1], **NO_BIAS}
    options["groups"] = static_dim(call.layer.class_name, (channels,), 0) // kernel.shape[-2]
    return through_layer(call, f"Conv{input.rank - 2}D", options, input, kernel=kernel)


def _depthwise(
    call: LayerCall, input: Symbol, filter: Any, strides: Any, padding: Any, dilations: Any = None,
    data_format: str | None = None,
) -> Symbol:  # fmt: skip
    options = _spatial(input, data_format, strides=strides, padding=_padding(call, padding), dilation_rate=dilations)
    kernel = _constant(call, filter)
    options |= {"kernel_size": kernel.shape[:-2], "depth_multiplier": kernel.shape[-1], **NO_BIAS}
    return through_layer(call, "DepthwiseConv2D", options, input, kernel=kernel)


def _constant(call: LayerCall, kernel: Any) -> np.ndarray:
    if isinstance(kernel, Symbol):
        call.refuse("its kernel is computed by the model; it must be constant")
    return np.asarray(kernel, np.float32)


def _tensor(call: LayerCall, value: Any) -> Symbol:
    return value if isinstance(value, Symbol) else call.constant(np.asarray(_array(value)), "value")


def _filled(call: LayerCall, shape: Any, value: Any, dtype: Any) -> Symbol:
    one = call.constant(np.full((1,) * len(shape), value, ops.element_type(dtype)), "value")
    return ops.broadcast_to(one, shape)


def _tile(call: LayerCall, input: Any, multiples: Any) -> Symbol:
    """``tf.tile``; a constant with a first axis of size 1 may be repeated for each row of the batch."""
    x = _tensor(call, input)
    x = ops.tile(x, [1 if isinstance(n, SymbolicDim) else n for n in multiples])
    named = [n if isinstance(n, SymbolicDim) else size for n, size in zip(multiples, x.shape, strict=True)]
    return x if tuple(named) == x.shape else ops.broadcast_to(x, named)


LAYERS: dict[str, Callable[..., Symbol]] = {
    "zeros": lambda call, shape, dtype="float32", layout=None: _filled(call, shape, 0, dtype),
    "ones": lambda call, shape, dtype="float32", layout=None: _filled(call, shape, 1, dtype),
    "fill": lambda call, dims, value: _filled(call, dims, value, _array([value]).dtype),
    "tile": _tile,
    "broadcast_to": lambda call, input, shape: ops.broadcast_to(_tensor(call, input), shape),
    **dict.fromkeys(("nn.max_pool", "nn.max_pool1d", "nn.max_pool2d", "nn.max_pool3d"), _pool("Max")),
    **dict.fromkeys(("nn.avg_pool", "nn.avg_pool1d", "nn.avg_pool2d", "nn.avg_pool3d"), _pool("Average")),
    **dict.fromkeys(("nn.conv1d", "nn.conv2d", "nn.conv3d", "nn.convolution"), _convolution),
    "nn.depthwise_conv2d": _depthwise,
    "image.resize_images": tf_image.resize_images_of_tensorflow_1,
    "image.resize_bilinear": tf_image.resize_of_tensorflow_1("bilinear"),
    "image.resize_nearest_neighbor": tf_image.resize_of_tensorflow_1("nearest"),
}
"""Name in TensorFlow -> a function of the layer's call and TensorFlow's arguments."""

PARAMETERS = {"value": "input", "filter": "filters", "stride": "strides", "rate": "dilations",
              "dilation_rate": "dilations"}  # fmt: skip
"""Other names of arguments of the functions in LAYERS."""


def _of_layer(name: str, call: LayerCall) -> Callable[..., Symbol] | None:
    """The function of LAYERS with ``call`` bound, for all names of its arguments; None if there is none."""
    function = LAYERS.get(name)
    if function is None:
        return None
    known = inspect.signature(function).parameters

    def named(*args: Any, **given: Any) -> Symbol:
        renamed = {key if key in known else PARAMETERS.get(key, key): value for key, value in given.items()}
        inspect.signature(function).bind(call, *args, **renamed)
        return function(call, *args, **renamed)

    return named


RETURN_INPUT = ("cast", "convert_to_tensor")
"""Functions that return their input, mask and all, where they change nothing."""


def _mask(call: LayerCall, inputs: Any, mask: Any, outputs: Any) -> Any:
    rule = stays if call.layer.config.get("function") in RETURN_INPUT else stops
    return rule(call, inputs, mask, outputs)


@layer("SlicingOpLambda", mask=stops)
@layer(
    "TFOpLambda",
    mask=_mask,
    refuses="rare functions of TensorFlow, which sofie_jit.check names; einsum, whose inputs are not saved",
)
def tf_function(call: LayerCall, *args: Any, **kwargs: Any) -> Any:
    """A function of TensorFlow, called with TensorFlow's arguments."""
    symbol = str(call.config["function"])
    name = symbol.removeprefix("compat.v1.").removeprefix("compat.v2.")
    function = FUNCTIONS.get(ALIASES.get(name, name)) or FUNCTIONS.get(f"math.{name}") or _of_layer(name, call)
    if name in ("einsum", "linalg.einsum"):
        call.refuse("Keras 2 does not save the inputs of an einsum; use the layer EinsumDense, Dot or tf.matmul")
    if name in ("shape", "shape_v2"):
        return tf_shapes.SymbolicShape.of(args[0] if args else kwargs["input"])
    if symbol == "image.resize":  # that of compat.v1 has other coordinates
        function = functools.partial(tf_image.resize, call)
    # TensorFlow's own arguments are dropped
    given = {key: value for key, value in kwargs.items() if not (key in ("name", "validate_indices") or value is None)}
    if name not in LAYERS and (sizes := tf_shapes.compute(name, dict(enumerate(args)) | given)) is not None:
        return [sizes[i] for i in range(len(sizes.values))] if name == "unstack" else sizes
    if function is None:
        call.refuse(f"tf.{symbol} is not supported", replacing(call.name), CUT)
    args, given = tf_shapes.plain(args), {key: tf_shapes.plain(value) for key, value in given.items()}
    try:
        inspect.signature(function).bind(*args, **given)
    except TypeError as error:
        call.refuse(f"tf.{symbol} is called with {', '.join(given)}, which is not supported ({error})")
    return function(*args, **given)
