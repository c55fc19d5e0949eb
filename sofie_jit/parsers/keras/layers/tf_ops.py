"""TensorFlow functions as nodes of Keras 2 models: TFOpLambda, SlicingOpLambda, and the older TensorFlowOpLayer.

Two tables to :mod:`sofie_jit.ops`: of TensorFlow's functions, called with the arguments of their Python signatures, and
of its graph operations, called with tensors and the attributes of a NodeDef.
"""

from __future__ import annotations

import base64
import functools
import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit import ops
from sofie_jit.builder import Symbol
from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.operators.activations import LogSigmoid, Selu, Softsign
from sofie_jit.operators.operator import check_table, product
from sofie_jit.parsers.keras.layers import tf_shapes
from sofie_jit.parsers.keras.layers.ops import NO_BIAS, through_layer
from sofie_jit.parsers.keras.layers.registry import LayerCall, layer
from sofie_jit.parsers.keras.layers.resizing import METHODS, resize_from_corners, resize_images

# -- functions with TensorFlow's arguments ---------------------------------------------------------------------------


def _binary(function: Callable[..., Symbol]) -> Callable[..., Symbol]:
    return lambda x, y: function(x, y)


def _reduction(function: Callable[..., Symbol]) -> Callable[..., Symbol]:
    def reduce(input_tensor: Symbol, axis: Any = None, keepdims: bool = False) -> Symbol:
        return function(input_tensor, axis, keepdims)

    return reduce


def _mean(input_tensor: Symbol, axis: Any = None, keepdims: bool = False) -> Symbol:
    if not input_tensor.dtype.startswith("float"):
        raise UnsupportedLayerError("TensorFlow's mean of integers is not translated; cast to float before it")
    return ops.mean(input_tensor, axis, keepdims)


def _true_divide(x: Any, y: Any) -> Symbol:
    if not ops.result_type(x, y).startswith("float"):  # TensorFlow divides integers in float64
        x = ops.cast(x, "float64") if isinstance(x, Symbol) else np.float64(x)
    return ops.divide(x, y)


def _matmul(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, adjoint_a: bool = False,
    adjoint_b: bool = False, a_is_sparse: bool = False, b_is_sparse: bool = False,
) -> Symbol:  # fmt: skip
    x, y = ops.promote(a, b)
    x = ops.swapaxes(x, -1, -2) if transpose_a or adjoint_a else x
    return ops.matmul(x, ops.swapaxes(y, -1, -2) if transpose_b or adjoint_b else y)


def _split(value: Symbol, num_or_size_splits: Any, axis: int = 0, num: int | None = None) -> Any:
    if isinstance(num_or_size_splits, int):
        return ops.split(value, num_or_size_splits, axis)
    return ops.split(value, np.cumsum(num_or_size_splits)[:-1], axis)


def _gather(params: Any, indices: Any, axis: int | None = None, batch_dims: int = 0) -> Symbol:
    if not batch_dims:
        return ops.take(_array(params), _array(indices), axis or 0)
    if axis not in (None, batch_dims) or indices.rank != batch_dims + 1:
        raise UnsupportedLayerError(
            f"a gather with {batch_dims=}, {axis=} and indices of {indices.rank} axes is not translated, only along "
            "the axis after those of the batch, with one list of indices for each"
        )
    places = ops.reshape(indices, (*indices.shape, *(1,) * (params.rank - indices.rank)))
    return ops.take_along_axis(params, places, batch_dims)


def _gather_nd(params: Symbol, indices: Symbol, batch_dims: int = 0, bad_indices_policy: str = "") -> Symbol:
    if batch_dims == 0 or indices.shape[-1] != 1:
        raise UnsupportedLayerError(f"gather_nd of indices {indices.shape} with {batch_dims=} is not translated")
    if indices.rank == batch_dims + 1:
        return ops.squeeze(_gather(params, indices, batch_dims, batch_dims), batch_dims)
    return _gather(params, ops.squeeze(indices, -1), batch_dims, batch_dims)


def _array(value: Any) -> Any:
    """A constant, of a file nested lists, as an array of Keras's element type."""
    if not isinstance(value, list):
        return value
    array = np.asarray(value)
    return array.astype({"f": "float32", "i": "int32"}.get(array.dtype.kind, array.dtype))


def _one_hot(
    indices: Symbol, depth: int, on_value: Any = None, off_value: Any = None, axis: int | None = None, dtype: Any = None
) -> Symbol:
    hot = ops.one_hot(indices, depth, -1 if axis is None else axis, "bool")
    if on_value is None and off_value is None:
        return ops.cast(hot, dtype or "float32")
    chosen = ops.where(hot, 1 if on_value is None else on_value, 0 if off_value is None else off_value)
    return ops.cast(chosen, dtype or chosen.dtype)


def _cumulative(function: Callable[..., Symbol], neutral: float) -> Callable[..., Symbol]:
    def along(x: Symbol, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Symbol:
        if reverse:
            return ops.flip(along(ops.flip(x, axis), axis, exclusive), axis)
        if exclusive:  # one place later
            before = [(int(a == axis % x.rank), 0) for a in range(x.rank)]
            x = ops.pad(ops.slice_along(x, axis, 0, -1), before, constant_values=neutral)
        return function(x, axis)

    return along


def _pad(tensor: Symbol, paddings: Any, mode: str = "CONSTANT", constant_values: float = 0) -> Symbol:
    return ops.pad(tensor, paddings, mode.lower(), constant_values if mode.upper() == "CONSTANT" else None)


def _l2_normalize(x: Symbol, axis: Any = None, epsilon: float = 1e-12) -> Symbol:
    return ops.multiply(x, ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis, keepdims=True), epsilon)))


def _arg(function: Callable[..., Symbol]) -> Callable[..., Symbol]:
    def arg(input: Symbol, axis: int | None = None, output_type: Any = "int64") -> Symbol:
        return ops.cast(function(input, 0 if axis is None else axis), output_type)

    return arg


def _bias_add(value: Symbol, bias: Any, data_format: str | None = None) -> Symbol:
    if data_format and data_format.startswith("NC"):
        bias = ops.reshape(ops.promote(bias, value)[0], (-1, *(1,) * (value.rank - 2)))
    return ops.add(value, bias)


def _tensors(operation: Callable[[Any, Any], Any]) -> Callable[[Sequence[Any]], Any]:
    def fold(inputs: Sequence[Any]) -> Any:
        first, *others = inputs
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


def _strides(
    input_: Symbol, begin: Any, end: Any, strides: Any = None, begin_mask: int = 0, end_mask: int = 0,
    ellipsis_mask: int = 0, new_axis_mask: int = 0, shrink_axis_mask: int = 0, var: Any = None,
) -> Symbol:  # fmt: skip
    masks = {"begin_mask": begin_mask, "end_mask": end_mask, "ellipsis_mask": ellipsis_mask,
             "new_axis_mask": new_axis_mask, "shrink_axis_mask": shrink_axis_mask}  # fmt: skip
    return _strided_slice(masks, input_, begin, end, [1] * len(begin) if strides is None else strides)


def _norm(tensor: Symbol, ord: Any = "euclidean", axis: Any = None, keepdims: bool = False) -> Symbol:
    return ops.norm(tensor, None if ord == "euclidean" else ord, axis, keepdims)


def _clip_by_norm(t: Symbol, clip_norm: float, axes: Any = None) -> Symbol:
    size = ops.norm(t, None, axes, keepdims=True)
    return ops.divide(ops.multiply(t, clip_norm), ops.maximum(size, clip_norm))


def _count_nonzero(input: Symbol, axis: Any = None, keepdims: bool = False, dtype: Any = "int64") -> Symbol:
    return ops.sum(ops.cast(ops.not_equal(input, 0), dtype), axis, keepdims)


def _sequence_mask(lengths: Symbol, maxlen: int | None = None, dtype: Any = "bool") -> Symbol:
    if not isinstance(maxlen, int):
        raise UnsupportedLayerError("a sequence_mask as long as the longest of a batch is not translated; name maxlen")
    check_table("sequence_mask", maxlen)
    return ops.cast(ops.greater(ops.expand_dims(lengths, -1), np.arange(maxlen, dtype=lengths.dtype)), dtype)


def _band_part(input: Symbol, num_lower: int, num_upper: int) -> Symbol:
    low = input if num_lower < 0 else ops.triangle(input, -num_lower, lower=False)
    return low if num_upper < 0 else ops.triangle(low, num_upper, lower=True)


def _diag(diagonal: Symbol) -> Symbol:
    size = int(diagonal.shape[-1])
    check_table("diag", size, size)
    return ops.multiply(ops.expand_dims(diagonal, -1), np.eye(size, dtype=diagonal.dtype))


def _local_response(
    input: Symbol, depth_radius: int = 5, bias: float = 1.0, alpha: float = 1.0, beta: float = 0.5
) -> Symbol:
    count = int(input.shape[-1])
    check_table("local_response_normalization", count, count)
    channels = np.arange(count)
    near = abs(channels[:, np.newaxis] - channels) <= depth_radius
    squares = ops.matmul(ops.square(input), near.astype(input.dtype))
    return ops.divide(input, ops.power(ops.add(ops.multiply(squares, alpha), bias), beta))


def _central_crop(image: Symbol, central_fraction: float) -> Symbol:
    kept = [slice(None)] * image.rank
    for axis in (image.rank - 3, image.rank - 2):
        size = int(image.shape[axis])
        start = int((size - size * central_fraction) / 2)
        kept[axis] = slice(start, size - start)
    return ops.getitem(image, kept)


def _crop(image: Symbol, offset_height: int, offset_width: int, target_height: int, target_width: int) -> Symbol:
    return ops.crop_images(image, offset_height, offset_width, None, None, target_height, target_width)


def _border(image: Symbol, offset_height: int, offset_width: int, target_height: int, target_width: int) -> Symbol:
    return ops.pad_images(image, offset_height, offset_width, None, None, target_height, target_width)


def _standardized(image: Symbol) -> Symbol:
    axes = [-3, -2, -1]
    least = 1 / math.sqrt(math.prod(int(image.shape[axis]) for axis in axes))
    deviation = ops.maximum(ops.std(image, axes, keepdims=True), least)
    return ops.divide(ops.subtract(image, ops.mean(image, axes, keepdims=True)), deviation)


def _contrast(images: Symbol, contrast_factor: float) -> Symbol:
    gray = ops.mean(images, [-3, -2], keepdims=True)
    return ops.add(ops.multiply(ops.subtract(images, gray), contrast_factor), gray)


def _patches(images: Symbol, sizes: Any, strides: Any, rates: Any, padding: str) -> Symbol:
    return ops.extract_patches(images, sizes[1:3], strides[1:3], rates[1:3], padding.lower())


def _as_float(image: Symbol, dtype: Any, saturate: bool = False) -> Symbol:
    if not (image.dtype.startswith("float") and ops.element_type(dtype).startswith("float")):
        raise UnsupportedLayerError("convert_image_dtype from or to integers is not translated; scale with arithmetic")
    return ops.cast(image, dtype)


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
            "truediv": _true_divide,
            "divide": _true_divide,
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
    "math.add_n": _tensors(ops.add),
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
    "math.reduce_mean": _mean,
    "math.argmax": _arg(ops.argmax),
    "math.argmin": _arg(ops.argmin),
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
    "nn.embedding_lookup": lambda params, ids, partition_strategy="mod", max_norm=None: _gather(params, ids, 0),
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
    "image.central_crop": _central_crop,
    "image.crop_to_bounding_box": _crop,
    "image.pad_to_bounding_box": _border,
    "image.per_image_standardization": _standardized,
    "image.adjust_brightness": lambda image, delta: ops.add(image, delta),
    "image.adjust_contrast": _contrast,
    "image.convert_image_dtype": _as_float,
    "image.extract_patches": _patches,
    "nn.moments": lambda x, axes, shift=None, keepdims=False: ops.moments(x, axes, keepdims),
    "nn.depth_to_space": lambda input, block_size, data_format="NHWC": ops.depth_to_space(
        input, block_size, LAYOUTS[data_format]
    ),
    "nn.space_to_depth": lambda input, block_size, data_format="NHWC": ops.space_to_depth(
        input, block_size, LAYOUTS[data_format]
    ),
    "sort": _sort,
    "argsort": _argsort,
    "nn.bias_add": _bias_add,
    "linalg.matmul": _matmul,
    "linalg.matrix_transpose": lambda a, conjugate=False: ops.swapaxes(a, -1, -2),
    "tensordot": lambda a, b, axes: ops.tensordot(a, b, axes),
    "cast": lambda x, dtype: ops.cast(x, dtype),
    "identity": lambda input: input,
    "stop_gradient": lambda input: input,
    "convert_to_tensor": lambda value, dtype=None, dtype_hint=None: ops.convert_to_tensor(value, dtype),
    "zeros_like": lambda input, dtype=None: ops.zeros_like(input, dtype),
    "ones_like": lambda input, dtype=None: ops.ones_like(input, dtype),
    "where": lambda condition, x, y: ops.where(condition, x, y),
    "concat": lambda values, axis: ops.concatenate(values, axis),
    "stack": lambda values, axis=0: ops.stack(values, axis),
    "unstack": lambda value, num=None, axis=0: ops.unstack(value, num, axis),
    "split": _split,
    "reshape": lambda tensor, shape: ops.reshape(tensor, shape),
    "keras.backend.batch_flatten": lambda x: ops.reshape(x, (x.shape[0], product(*x.shape[1:]))),
    "transpose": lambda a, perm=None, conjugate=False: ops.transpose(a, perm),
    "expand_dims": lambda input, axis: ops.expand_dims(input, axis),
    "squeeze": lambda input, axis=None: ops.squeeze(input, axis or None),
    "repeat": lambda input, repeats, axis=None: ops.repeat(input, repeats, axis),
    "reverse": lambda tensor, axis: ops.flip(tensor, axis),
    "roll": lambda input, shift, axis: ops.roll(input, shift, axis),
    "pad": _pad,
    "gather": _gather,
    "gather_nd": _gather_nd,
    "strided_slice": _strides,
    "one_hot": _one_hot,
    "broadcast_to": lambda input, shape: ops.broadcast_to(input, shape),
}
"""TensorFlow's function -> ours, with TensorFlow's arguments."""

ALIASES = {
    "nn.sigmoid": "math.sigmoid", "sigmoid": "math.sigmoid", "nn.tanh": "math.tanh", "tanh": "math.tanh",
    "nn.swish": "nn.silu", "nn.softplus": "math.softplus", "nn.l2_normalize": "math.l2_normalize",
    "linalg.l2_normalize": "math.l2_normalize", "nn.top_k": "math.top_k", "keras.activations.relu": "nn.relu",
    "linalg.transpose": "transpose", "linalg.tensordot": "tensordot", "divide": "math.divide",
    "math.div_no_nan": "math.divide_no_nan", "floor_div": "math.floordiv", "div": "math.divide",
    "realdiv": "math.divide", "linalg.norm": "norm", "math.accumulate_n": "math.add_n",
    "nn.lrn": "nn.local_response_normalization",
}  # fmt: skip
"""Other names that TensorFlow has for functions of the table."""


# -- functions that are a layer without its weights ------------------------------------------------------------------


def _spatial(x: Symbol, data_format: str | None, **options: Any) -> dict[str, Any]:
    """Options of a pooling or convolution layer, from numbers per axis as TensorFlow has them."""
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
        call.refuse(f"explicit padding ({padding}) is not translated; use tf.pad and padding='VALID'")
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
    options["groups"] = int(channels) // kernel.shape[-2]
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
        call.refuse("its kernel is computed by the model; only constant ones are translated")
    return np.asarray(kernel, np.float32)


def _filled(call: LayerCall, shape: Any, value: Any, dtype: Any) -> Symbol:
    one = call.constant(np.full((1,) * len(shape), value, ops.element_type(dtype)), "value")
    return ops.broadcast_to(one, shape)


def _tile(call: LayerCall, input: Any, multiples: Any) -> Symbol:
    """Of a constant also as often as the batch is large, for which it has to have a first axis of one."""
    x = input if isinstance(input, Symbol) else call.constant(_array(input), "input")
    x = ops.tile(x, [1 if isinstance(n, str) else n for n in multiples])
    named = [n if isinstance(n, str) else size for n, size in zip(multiples, x.shape, strict=True)]
    return x if tuple(named) == x.shape else ops.broadcast_to(x, named)


LAYERS: dict[str, Callable[..., Symbol]] = {
    "zeros": lambda call, shape, dtype="float32", layout=None: _filled(call, shape, 0, dtype),
    "ones": lambda call, shape, dtype="float32", layout=None: _filled(call, shape, 1, dtype),
    "fill": lambda call, dims, value: _filled(call, dims, value, _array([value]).dtype),
    "tile": _tile,
    **dict.fromkeys(("nn.max_pool", "nn.max_pool1d", "nn.max_pool2d", "nn.max_pool3d"), _pool("Max")),
    **dict.fromkeys(("nn.avg_pool", "nn.avg_pool1d", "nn.avg_pool2d", "nn.avg_pool3d"), _pool("Average")),
    **dict.fromkeys(("nn.conv1d", "nn.conv2d", "nn.conv3d", "nn.convolution"), _convolution),
    "nn.depthwise_conv2d": _depthwise,
}
"""TensorFlow's function -> ours, of the layer's call and TensorFlow's arguments."""

PARAMETERS = {"value": "input", "filter": "filters", "stride": "strides", "rate": "dilations",
              "dilation_rate": "dilations"}  # fmt: skip
"""Other names that the functions of LAYERS have for an argument."""


def _of_layer(name: str, call: LayerCall) -> Callable[..., Symbol] | None:
    """The function of LAYERS with ``call`` given, whichever names its arguments bear."""
    function = LAYERS.get(name)
    if function is None:
        return None
    known = inspect.signature(function).parameters

    def named(*args: Any, **given: Any) -> Symbol:
        renamed = {key if key in known else PARAMETERS.get(key, key): value for key, value in given.items()}
        inspect.signature(function).bind(call, *args, **renamed)
        return function(call, *args, **renamed)

    return named


@layer("TFOpLambda", "SlicingOpLambda")
def tf_function(call: LayerCall, *args: Any, **kwargs: Any) -> Any:
    """A function of TensorFlow, called with its own arguments."""
    symbol = str(call.config["function"])
    name = symbol.removeprefix("compat.v1.").removeprefix("compat.v2.")
    function = FUNCTIONS.get(ALIASES.get(name, name)) or FUNCTIONS.get(f"math.{name}") or _of_layer(name, call)
    if name in ("einsum", "linalg.einsum"):
        call.refuse("Keras 2 does not save which tensors an einsum takes; use the layer EinsumDense, Dot or tf.matmul")
    if name in ("shape", "shape_v2"):
        return tf_shapes.Sizes.of(args[0] if args else kwargs["input"])
    if symbol == "image.resize":  # that of compat.v1 has other places of pixels
        function = functools.partial(_resize, call)
    # what TensorFlow's own machinery looks at
    given = {key: value for key, value in kwargs.items() if not (key in ("name", "validate_indices") or value is None)}
    if name not in LAYERS and (sizes := tf_shapes.compute(name, dict(enumerate(args)) | given)) is not None:
        return [sizes[i] for i in range(len(sizes.values))] if name == "unstack" else sizes
    if function is None:
        call.refuse(
            f"tf.{symbol} has no translation; teach it with load(..., replace={{'{call.name}': function}}), or cut "
            "the model before it with outputs="
        )
    args, given = tf_shapes.plain(args), {key: tf_shapes.plain(value) for key, value in given.items()}
    try:
        inspect.signature(function).bind(*args, **given)
    except TypeError as error:
        call.refuse(f"tf.{symbol} is called with {', '.join(given)}, which is not translated ({error})")
    return function(*args, **given)


def _resize(
    call: LayerCall,
    images: Symbol,
    size: Sequence[int],
    method: Any = "bilinear",
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
) -> Symbol:
    """tf.image.resize of TensorFlow 2."""
    known = method in METHODS or method == "nearest"
    if preserve_aspect_ratio or not known or (antialias and method in ("nearest", "area")):
        call.refuse(f"tf.image.resize with method={method!r}, {preserve_aspect_ratio=}, {antialias=} is not translated")
    if method != "nearest":
        images = ops.cast(images, "float32")
    return resize_images(call, images, (1, 2), [int(n) for n in size], method, antialias)


def _resize_of_tensorflow_1(method: str) -> Callable[..., Symbol]:
    def resize(
        call: LayerCall, images: Symbol, size: Any, align_corners: bool = False, half_pixel_centers: bool = False
    ) -> Symbol:
        if half_pixel_centers and not align_corners:
            return _resize(call, images, size, method)
        images = images if method == "nearest" else ops.cast(images, "float32")
        for axis, new in zip((1, 2), size, strict=True):
            images = resize_from_corners(call, images, axis, int(new), method, align_corners)
        return images

    return resize


def _resize_images_of_tensorflow_1(
    call: LayerCall, images: Symbol, size: Any, method: Any = "bilinear", align_corners: bool = False,
    preserve_aspect_ratio: bool = False,
) -> Symbol:  # fmt: skip
    name = {0: "bilinear", 1: "nearest"}.get(method, method)
    if preserve_aspect_ratio or name not in ("bilinear", "nearest"):
        call.refuse(f"TensorFlow 1's resize with {method=}, {preserve_aspect_ratio=} is not translated")
    return _resize_of_tensorflow_1(name)(call, images, size, align_corners)


LAYERS |= {
    "image.resize_images": _resize_images_of_tensorflow_1,
    "image.resize_bilinear": _resize_of_tensorflow_1("bilinear"),
    "image.resize_nearest_neighbor": _resize_of_tensorflow_1("nearest"),
}


# -- operations of TensorFlow's graphs -------------------------------------------------------------------------------


def _ints(value: Any) -> Any:
    """A constant input that names axes, sizes or places, as Python integers."""
    if isinstance(value, tf_shapes.Sizes):
        return value.plain()
    if isinstance(value, Symbol):
        raise UnsupportedLayerError("an axis or a shape is computed by the model; only constant ones are translated")
    return np.asarray(value).astype(int).tolist()


def _strided_slice(attr: Mapping[str, Any], x: Symbol, begin: Any, end: Any, strides: Any) -> Symbol:
    masks = {key: int(attr.get(f"{key}_mask", 0)) for key in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    key: list[Any] = []
    for i, (first, last, step) in enumerate(zip(_ints(begin), _ints(end), _ints(strides), strict=True)):
        on = {name for name, mask in masks.items() if mask >> i & 1}
        if "ellipsis" in on:
            key.append(Ellipsis)
        elif "new_axis" in on:
            key.append(None)
        elif "shrink_axis" in on:
            key.append(first)
        else:
            key.append(slice(None if "begin" in on else first, None if "end" in on else last, step))
    return x[key] if isinstance(x, tf_shapes.Sizes) else ops.getitem(x, key)


def _graph_reduction(function: Callable[..., Symbol]) -> Callable[..., Symbol]:
    return lambda attr, x, axis: function(x, _ints(axis), bool(attr.get("keep_dims", False)))


def _simple(function: Any) -> Callable[..., Any]:
    return lambda attr, *tensors: function(*tensors)


TYPES = {"DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_INT32": "int32", "DT_INT64": "int64", "DT_BOOL": "bool",
         "DT_HALF": "float16", "DT_BFLOAT16": "bfloat16"}  # fmt: skip

GRAPH_OPERATIONS: dict[str, Callable[..., Any]] = {
    **{
        name: _simple(function)
        for name, function in {
            "Add": ops.add,
            "AddV2": ops.add,
            "Sub": ops.subtract,
            "Mul": ops.multiply,
            "RealDiv": _true_divide,
            "DivNoNan": ops.divide_no_nan,
            "FloorDiv": ops.floor_divide,
            "FloorMod": ops.mod,
            "Pow": ops.power,
            "Maximum": ops.maximum,
            "Minimum": ops.minimum,
            "SquaredDifference": ops.squared_difference,
            "Equal": ops.equal,
            "NotEqual": ops.not_equal,
            "Less": ops.less,
            "LessEqual": ops.less_equal,
            "Greater": ops.greater,
            "GreaterEqual": ops.greater_equal,
            "LogicalAnd": ops.logical_and,
            "LogicalOr": ops.logical_or,
            "LogicalNot": ops.logical_not,
            "Neg": ops.negative,
            "Abs": ops.absolute,
            "Sign": ops.sign,
            "Square": ops.square,
            "Sqrt": ops.sqrt,
            "Rsqrt": ops.rsqrt,
            "Reciprocal": ops.reciprocal,
            "Exp": ops.exp,
            "Expm1": ops.expm1,
            "Log": ops.log,
            "Log1p": ops.log1p,
            "Erf": ops.erf,
            "Floor": ops.floor,
            "Ceil": ops.ceil,
            "Round": ops.round,
            "Rint": ops.round,
            "Sin": ops.sin,
            "Cos": ops.cos,
            "Tan": ops.tan,
            "Atan": ops.arctan,
            "Sinh": ops.sinh,
            "Cosh": ops.cosh,
            "Tanh": ops.tanh,
            "Sigmoid": ops.sigmoid,
            "Softplus": ops.softplus,
            "Relu": ops.relu,
            "Elu": ops.elu,
            "Softmax": ops.softmax,
            "LogSoftmax": ops.log_softmax,
            "Identity": ops.identity,
            "StopGradient": ops.identity,
            "SelectV2": ops.where,
            "Select": ops.where,
            "ClipByValue": ops.clip,
            "ZerosLike": ops.zeros_like,
            "OnesLike": ops.ones_like,
        }.items()
    },
    "Relu6": lambda attr, x: ops.clip(x, 0.0, 6.0),
    "LeakyRelu": lambda attr, x: ops.leaky_relu(x, attr.get("alpha", 0.2)),
    "AddN": lambda attr, *tensors: _tensors(ops.add)(tensors),
    "BiasAdd": lambda attr, x, bias: _bias_add(x, bias, attr.get("data_format")),
    "Cast": lambda attr, x: ops.cast(x, TYPES.get(attr["DstT"], attr["DstT"])),
    **{
        name: _graph_reduction(function)
        for name, function in {
            "Mean": _mean,
            "Sum": ops.sum,
            "Prod": ops.prod,
            "Max": ops.max,
            "Min": ops.min,
            "All": ops.all,
            "Any": ops.any,
        }.items()
    },
    "ArgMax": lambda attr, x, axis: _arg(ops.argmax)(x, _ints(axis), TYPES[attr.get("output_type", "DT_INT64")]),
    "ArgMin": lambda attr, x, axis: _arg(ops.argmin)(x, _ints(axis), TYPES[attr.get("output_type", "DT_INT64")]),
    "Reshape": lambda attr, x, shape: ops.reshape(x, _ints(shape)),
    "Transpose": lambda attr, x, perm: ops.transpose(x, _ints(perm)),
    "ExpandDims": lambda attr, x, axis: ops.expand_dims(x, _ints(axis)),
    "Squeeze": lambda attr, x: ops.squeeze(x, [int(a) for a in attr.get("squeeze_dims", [])] or None),
    "ConcatV2": lambda attr, *tensors: ops.concatenate(tensors[:-1], _ints(tensors[-1])),
    "Pack": lambda attr, *tensors: ops.stack(tensors, int(attr.get("axis", 0))),
    "Unpack": lambda attr, x: ops.unstack(x, None, int(attr.get("axis", 0))),
    "Split": lambda attr, axis, x: ops.split(x, int(attr["num_split"]), _ints(axis)),
    "SplitV": lambda attr, x, sizes, axis: _split(x, _ints(sizes), _ints(axis)),
    "StridedSlice": _strided_slice,
    "Shape": lambda attr, x: tf_shapes.Sizes.of(x),
    "Slice": lambda attr, x, begin, size: FUNCTIONS["slice"](x, _ints(begin), _ints(size)),
    "Tile": lambda attr, x, multiples: ops.tile(x, _ints(multiples)),
    "ReverseV2": lambda attr, x, axis: ops.flip(x, _ints(axis)),
    "Pad": lambda attr, x, paddings: ops.pad(x, _ints(paddings)),
    "PadV2": lambda attr, x, paddings, value: ops.pad(x, _ints(paddings), constant_values=value),
    "MirrorPad": lambda attr, x, paddings: ops.pad(x, _ints(paddings), str(attr["mode"]).lower()),
    "GatherV2": lambda attr, x, indices, axis: _gather(x, indices, _ints(axis), int(attr.get("batch_dims", 0))),
    "OneHot": lambda attr, x, depth, on, off: _one_hot(x, _ints(depth), on, off, int(attr.get("axis", -1))),
    "MatMul": lambda attr, a, b: _matmul(a, b, attr.get("transpose_a", False), attr.get("transpose_b", False)),
    **dict.fromkeys(
        ("BatchMatMul", "BatchMatMulV2"),
        lambda attr, a, b: _matmul(a, b, attr.get("adj_x", False), attr.get("adj_y", False)),
    ),
}
"""Operation of TensorFlow's graphs -> ours, of its attributes and inputs."""


RESIZES = {"ResizeNearestNeighbor": "nearest", "ResizeBilinear": "bilinear", "ResizeBicubic": "bicubic"}
"""Operation -> method of tf.image.resize."""


def _graph_resize(call: LayerCall, operation: str, attr: Mapping[str, Any], images: Symbol, size: Any) -> Symbol:
    method, align = RESIZES[operation], bool(attr.get("align_corners"))
    if method == "bicubic" and (align or not attr.get("half_pixel_centers")):
        call.refuse(f"{operation} without half_pixel_centers, as TensorFlow 1 has it, is not translated")
    if method == "bicubic":
        return _resize(call, images, _ints(size), method)
    return _resize_of_tensorflow_1(method)(call, images, _ints(size), align, bool(attr.get("half_pixel_centers")))


@layer("TensorFlowOpLayer")
def tf_operation(call: LayerCall, inputs: Any) -> Any:
    """One operation of a TensorFlow graph, with those of its inputs that are constant in the config."""
    node = call.config["node_def"]
    if isinstance(node, str) and node.lstrip().startswith("{"):
        node = json.loads(node)
    if not isinstance(node, Mapping) or "op" not in node:
        call.refuse("its node_def is not written in JSON; save the model again with TensorFlow 2.3 or later")
    function = GRAPH_OPERATIONS.get(node["op"])
    if node["op"] in RESIZES:
        function = functools.partial(_graph_resize, call, node["op"])
    if function is None:
        call.refuse(
            f"TensorFlow's operation {node['op']} has no translation; teach it with "
            f"load(..., replace={{'{call.name}': function}}), or cut the model before it with outputs="
        )
    constants = {int(key): value for key, value in (call.config.get("constants") or {}).items()}
    tensors = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    for place in sorted(constants):
        tensors.insert(place, constants[place])
    if (sizes := tf_shapes.compute_operation(node["op"], tensors)) is not None:
        return sizes
    return function({key: _attribute(value) for key, value in node.get("attr", {}).items()}, *tensors)


def _attribute(value: Any) -> Any:
    """An AttrValue: what its one field holds."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return value
    ((kind, inner),) = value.items()
    if kind == "i":
        return int(inner)  # JSON has 64-bit integers as strings
    if kind == "s":
        return base64.b64decode(inner).decode()
    if kind == "list" and isinstance(inner, Mapping):
        return next(iter(inner.values()), [])
    return inner
