"""Operations as nodes of a graph: ``keras.ops.*``, ``keras.activations.*`` and Python's operators on tensors.

The table :data:`OPERATIONS` has, for each class that Keras writes, the function of :mod:`sofie_jit.ops` that computes
it, and the arguments of the function that are in the node's config, as arguments of the class's constructor.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.frontends.keras import activation
from sofie_jit.frontends.keras.layers import activations as layers
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import Handler, layer
from sofie_jit.frontends.keras.masks import stays, stops
from sofie_jit.frontends.keras.promotion import MULTIPLIED, SUMMED_AS
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.activations import Sigmoid
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.softmax import Softmax
from sofie_jit.ir.ops.shapes import check_parts

REDUCTION = ("axis", "keepdims")

UNARY = (
    "absolute", "negative", "sign", "square", "reciprocal", "sqrt", "rsqrt", "cbrt", "exp", "exp2", "expm1", "log",
    "log1p", "log2", "log10", "erf", "erfc", "floor", "ceil", "trunc", "sin", "cos", "tan", "arcsin", "arccos",
    "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "deg2rad", "rad2deg", "isnan", "isinf",
    "isfinite", "isposinf", "isneginf", "signbit", "sinc", "angle", "erfinv", "i0",
)  # fmt: skip
"""Functions whose class has their name, capitalized."""


def _summed(function: Callable[..., Symbol]) -> Callable[..., Symbol]:
    """``function``, a sum or product of elements, with integers of less than 32 bits in a wider type."""

    @functools.wraps(function)
    def in_wider_type(x: Symbol, **options: Any) -> Symbol:
        if options.get("dtype") is None:
            x = ops.cast(x, SUMMED_AS.get(x.dtype, x.dtype))
        return function(x, **options)

    return in_wider_type


def _mod(x1: Any, x2: Any) -> Symbol:
    """The remainder; an integer of Python is of type int32 here, not of the type of the other operand."""
    return ops.mod(*(np.int32(x) if isinstance(x, int) else x for x in (x1, x2)))


def _multiplied(function: Callable[..., Symbol], *operands: Any, **options: Any) -> Symbol:
    """``function``, a product of matrices, of ``operands``; refuses element types that TensorFlow does not multiply."""
    if others := [x.dtype for x in operands if isinstance(x, Symbol) and x.dtype not in MULTIPLIED]:
        raise DtypeError(f"products of matrices of {others[0]} are not supported; cast them to float32 or int32 before")
    return function(*operands, **options)


def _multiplied_as_int32(function: Callable[..., Symbol], *operands: Any) -> Symbol:
    """As :func:`_multiplied`, with int8 in int32."""
    wider = [ops.cast(x, "int32") if isinstance(x, Symbol) and x.dtype == "int8" else x for x in operands]
    return _multiplied(function, *wider)


def _dstack(xs: Sequence[Symbol]) -> Symbol:
    return ops.concatenate([ops.expand_dims(x, -1) if x.rank == 2 else x for x in xs], 2)


def _slices(starts: Symbol | Sequence[Any], shape: Sequence[int]) -> list[slice]:
    if isinstance(starts, Symbol) or not all(isinstance(start, int) for start in starts):
        raise ShapeError("a slice at computed indices is not supported; the indices must be constant")
    return [slice(a, None if n in (-1, None) else a + n) for a, n in zip(starts, shape, strict=True)]


def _unravel_index(indices: Symbol, shape: Sequence[int]) -> tuple[Symbol, ...]:
    """The coordinates of flat indices; for tensors of several axes, Keras takes the sizes in reverse order."""
    coordinates: list[Symbol] = []
    for size in reversed(shape) if indices.rank == 1 else shape:
        coordinates.insert(0, ops.mod(indices, size))
        indices = ops.floor_divide(indices, size)
    return tuple(coordinates)


def _linspace(start: Any, stop: Any, num: int, endpoint: bool, retstep: bool, dtype: Any, axis: int) -> Any:
    numbers = ops.linspace(start, stop, num, endpoint, axis)
    numbers = numbers if dtype is None else ops.cast(numbers, dtype)
    step = ops.divide(ops.subtract(stop, start), float(num - 1 if endpoint else num))
    return (numbers, step) if retstep else numbers


def _vander(x: Symbol, N: int | None, increasing: bool) -> Symbol:  # noqa: N803
    if N is None:
        raise ShapeError("vander without N would have as many columns as the batch has rows; pass N")
    check_parts("vander", N)
    powers: list[Symbol] = [ops.ones_like(x)]
    for _ in range(N - 1):
        powers.append(ops.multiply(powers[-1], x))
    return ops.stack(powers[:N] if increasing else powers[:N][::-1], -1)


def _cross_entropy(loss: Callable[..., Symbol], inverse: type[ROperator]) -> Callable[..., Symbol]:
    """``loss`` as Keras computes it with TensorFlow: from the logits, if a softmax or sigmoid gives the probabilities.

    ``inverse`` is the one of the two whose input are the logits of the loss. For the other one, TensorFlow computes
    another loss than Keras documents and its other backends compute: that is refused.
    """

    def apply(target: Any, output: Symbol, from_logits: bool, **axis: int) -> Symbol:
        made_by = next((op for op in output.builder.rmodel.operators if output.name in op.outputs), None)
        if isinstance(made_by, (Sigmoid, Softmax)):
            along = getattr(made_by, "axis", -1) % output.rank
            if not isinstance(made_by, inverse) or along != axis.get("axis", -1) % output.rank:
                raise ShapeError(
                    f"a cross entropy of the output of a {made_by.op_type.lower()} depends on Keras's backend, because "
                    "TensorFlow takes the input of that as logits; use from_logits, or sum and log"
                )
            output, from_logits = Symbol(made_by.inputs[0], output.type, output.builder), True
        return loss(target, output, from_logits, **axis)

    return apply


def _borders(what: str) -> tuple[str, ...]:
    sides = (f"{side}_{what}" for side in ("top", "left", "bottom", "right"))
    return (*sides, "target_height", "target_width", "data_format")


OPERATIONS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    # arithmetic
    "Add": (ops.add, ()),
    "Subtract": (ops.subtract, ()),
    "Multiply": (ops.multiply, ()),
    "Divide": (ops.divide, ()),
    "TrueDivide": (ops.divide, ()),
    "DivideNoNan": (ops.divide_no_nan, ()),
    "FloorDivide": (ops.floor_divide, ()),
    "Mod": (_mod, ()),
    "Power": (ops.power, ()),
    "Maximum": (ops.maximum, ()),
    "Minimum": (ops.minimum, ()),
    "Clip": (ops.clip, ("x_min", "x_max")),
    "Arctan2": (ops.arctan2, ()),
    "Logaddexp": (ops.logaddexp, ()),
    "Hypot": (ops.hypot, ()),
    "Fmod": (ops.fmod, ()),
    "Fmax": (ops.fmax, ()),
    "Fmin": (ops.fmin, ()),
    "Logaddexp2": (ops.logaddexp2, ()),
    "Ldexp": (ops.ldexp, ()),
    "Heaviside": (ops.heaviside, ()),
    "Nextafter": (ops.nextafter, ()),
    "Gcd": (ops.gcd, ()),
    "Lcm": (ops.lcm, ()),
    "BitwiseAnd": (ops.bitwise_and, ()),
    "BitwiseOr": (ops.bitwise_or, ()),
    "BitwiseXor": (ops.bitwise_xor, ()),
    **dict.fromkeys(("BitwiseNot", "BitwiseInvert"), (ops.bitwise_not, ())),
    **dict.fromkeys(("BitwiseLeftShift", "LeftShift"), (ops.bitwise_left_shift, ())),
    **dict.fromkeys(("BitwiseRightShift", "RightShift"), (ops.bitwise_right_shift, ())),
    # functions of one number
    **{name.capitalize(): (getattr(ops, name), ()) for name in UNARY},
    "Abs": (ops.absolute, ()),
    "Fabs": (ops.absolute, ()),
    "Round": (ops.round, ("decimals",)),
    "NanToNum": (ops.nan_to_num, ("nan", "posinf", "neginf")),
    **dict.fromkeys(("Copy", "Conj", "Conjugate", "Real"), (ops.identity, ())),
    "Imag": (ops.zeros_like, ()),
    "Isreal": (lambda x: ops.ones_like(x, "bool"), ()),
    "SaturateCast": (ops.saturate_cast, ("dtype",)),
    "Array": (ops.convert_to_tensor, ("dtype",)),
    "StopGradient": (ops.identity, ()),
    "Cast": (ops.cast, ("dtype",)),
    "ConvertToTensor": (ops.convert_to_tensor, ("dtype",)),
    # comparison and logic
    "Equal": (ops.equal, ()),
    "NotEqual": (ops.not_equal, ()),
    "Less": (ops.less, ()),
    "LessEqual": (ops.less_equal, ()),
    "Greater": (ops.greater, ()),
    "GreaterEqual": (ops.greater_equal, ()),
    "LogicalAnd": (ops.logical_and, ()),
    "LogicalOr": (ops.logical_or, ()),
    "LogicalXor": (ops.logical_xor, ()),
    "LogicalNot": (ops.logical_not, ()),
    "Where": (ops.where, ()),
    "Select": (ops.select, ()),
    "Isclose": (ops.isclose, ("equal_nan",)),
    "AllClose": (ops.allclose, ("rtol", "atol", "equal_nan")),
    "IsIn": (ops.isin, ("assume_unique", "invert")),
    "InTopK": (ops.in_top_k, ("k",)),
    # reductions
    "Sum": (_summed(ops.sum), REDUCTION),
    "Mean": (ops.mean, REDUCTION),
    "Prod": (_summed(ops.prod), (*REDUCTION, "dtype")),
    "Max": (ops.max, REDUCTION),
    "Min": (ops.min, REDUCTION),
    "Amax": (ops.max, REDUCTION),
    "Amin": (ops.min, REDUCTION),
    "Any": (ops.any, REDUCTION),
    "All": (ops.all, REDUCTION),
    "Var": (ops.var, REDUCTION),
    "Std": (ops.std, REDUCTION),
    "Ptp": (ops.ptp, REDUCTION),
    "Logsumexp": (ops.logsumexp, REDUCTION),
    "Norm": (ops.norm, ("ord", *REDUCTION)),
    "Normalize": (ops.normalize, ("axis", "order", "epsilon")),
    "Moments": (ops.moments, ("axes", "keepdims")),
    "Average": (ops.average, ("axis",)),
    "CountNonzero": (ops.count_nonzero, ("axis",)),
    "Argmax": (ops.argmax, REDUCTION),
    "Argmin": (ops.argmin, REDUCTION),
    "Cumsum": (ops.cumsum, ("axis", "dtype")),
    "Cumprod": (ops.cumprod, ("axis", "dtype")),
    "Nansum": (_summed(ops.nansum), REDUCTION),
    "Nanprod": (_summed(ops.nanprod), REDUCTION),
    **{
        f"Nan{name}": (getattr(ops, f"nan{name}"), REDUCTION)
        for name in ("max", "min", "mean", "var", "std", "median", "argmax", "argmin")
    },
    **{f"Nan{name}": (getattr(ops, f"nan{name}"), ("axis", "dtype")) for name in ("cumsum", "cumprod")},
    "Median": (ops.median, REDUCTION),
    **{
        name.capitalize(): (getattr(ops, name), ("axis", "method", "keepdims"))
        for name in ("quantile", "percentile", "nanquantile", "nanpercentile")
    },
    "Sort": (ops.sort, ("axis",)),
    "Argsort": (ops.argsort, ("axis",)),
    "Trace": (_summed(ops.trace), ("offset", "axis1", "axis2")),
    "Trapezoid": (ops.trapezoid, ("x", "dx", "axis")),
    "TopK": (ops.top_k, ("k", "sorted")),
    # shapes
    "Reshape": (ops.reshape, ("newshape",)),
    "Ravel": (ops.ravel, ()),
    "ExpandDims": (ops.expand_dims, ("axis",)),
    "Squeeze": (ops.squeeze, ("axis",)),
    "Transpose": (ops.transpose, ("axes",)),
    "Swapaxes": (ops.swapaxes, ("axis1", "axis2")),
    "Moveaxis": (ops.moveaxis, ("source", "destination")),
    "BroadcastTo": (ops.broadcast_to, ("shape",)),
    "Tile": (ops.tile, ("repeats",)),
    "Repeat": (ops.repeat, ("repeats", "axis")),
    "Flip": (ops.flip, ("axis",)),
    "Fliplr": (lambda x: ops.flip(x, 1), ()),
    "Flipud": (lambda x: ops.flip(x, 0), ()),
    "Rot90": (ops.rot90, ("k", "axes")),
    "Rearrange": (ops.rearrange, ()),
    "Roll": (ops.roll, ("shift", "axis")),
    "Concatenate": (ops.concatenate, ("axis",)),
    "Append": (lambda x1, x2, axis: ops.concatenate([x1, x2], axis), ("axis",)),
    "Hstack": (lambda xs: ops.concatenate(xs, 0 if xs[0].rank == 1 else 1), ()),
    "Vstack": (lambda xs: ops.concatenate(xs, 0), ()),
    "Dstack": (_dstack, ()),
    "Stack": (ops.stack, ("axis",)),
    "Split": (ops.split, ("indices_or_sections", "axis")),
    "ArraySplit": (ops.array_split, ("indices_or_sections", "axis")),
    "Hsplit": (
        lambda x, indices_or_sections: ops.split(x, indices_or_sections, 0 if x.rank == 1 else 1),
        ("indices_or_sections",),
    ),
    "Vsplit": (lambda x, indices_or_sections: ops.split(x, indices_or_sections, 0), ("indices_or_sections",)),
    "Dsplit": (lambda x, indices_or_sections: ops.split(x, indices_or_sections, 2), ("indices_or_sections",)),
    "Slice": (lambda x, start_indices, shape: ops.getitem(x, _slices(start_indices, shape)), ("shape",)),
    "SliceUpdate": (ops.slice_update, ()),
    "Diagonal": (ops.diagonal, ("offset", "axis1", "axis2")),
    "ExtractSequences": (ops.extract_sequences, ("sequence_length", "sequence_stride")),
    "UnravelIndex": (_unravel_index, ("shape",)),
    "Unstack": (ops.unstack, ("num", "axis")),
    "GetItem": (ops.getitem, ()),
    "Pad": (ops.pad, ("pad_width", "mode")),
    "Take": (ops.take, ("axis",)),
    "TakeAlongAxis": (ops.take_along_axis, ("axis",)),
    "Digitize": (ops.digitize, ()),
    "SearchSorted": (ops.searchsorted, ("side",)),
    "OneHot": (ops.one_hot, ("num_classes", "axis", "dtype", "sparse")),
    "MultiHot": (ops.multi_hot, ("num_classes", "axis", "dtype", "sparse")),
    "ZerosLike": (ops.zeros_like, ("dtype",)),
    "EmptyLike": (ops.zeros_like, ("dtype",)),
    "Full": (
        lambda fill_value, shape, dtype: ops.broadcast_to(ops.convert_to_tensor(fill_value, dtype), shape),
        ("shape", "dtype"),
    ),
    "Linspace": (_linspace, ("num", "endpoint", "retstep", "dtype", "axis")),
    "Vander": (_vander, ("N", "increasing")),
    "OnesLike": (ops.ones_like, ("dtype",)),
    "FullLike": (ops.full_like, ("dtype",)),
    "Tril": (lambda x, k: ops.triangle(x, k, lower=True), ("k",)),
    "Triu": (lambda x, k: ops.triangle(x, k, lower=False), ("k",)),
    "Diff": (ops.diff, ("n", "axis")),
    # products
    "Matmul": (lambda x1, x2: _multiplied_as_int32(ops.matmul, x1, x2), ()),
    "Dot": (lambda x1, x2: _multiplied(ops.dot, x1, x2), ()),
    "Tensordot": (lambda x1, x2, axes: _multiplied(ops.tensordot, x1, x2, axes=axes), ("axes",)),
    "Outer": (ops.outer, ()),
    "Inner": (lambda x1, x2: _multiplied(ops.inner, x1, x2), ()),
    "Vdot": (lambda x1, x2: _multiplied(ops.vdot, x1, x2), ()),
    "Kron": (ops.kron, ()),
    "Cross": (ops.cross, ("axisa", "axisb", "axisc", "axis")),
    "CDist": (ops.cdist, ()),
    # Fourier transforms
    "FFT": (ops.fft, ()),
    "FFT2": (ops.fft2, ()),
    "IFFT2": (ops.ifft2, ()),
    "RFFT": (ops.rfft, ("fft_length",)),
    "IRFFT": (ops.irfft, ("fft_length",)),
    "STFT": (ops.stft, ("sequence_length", "sequence_stride", "fft_length", "window", "center")),
    # networks
    "BatchNorm": (ops.batch_normalization, ("axis", "epsilon")),
    "LayerNorm": (ops.layer_normalization, ("axis", "epsilon", "rms_scaling")),
    "DotProductAttention": (ops.dot_product_attention, ("is_causal",)),
    "BinaryCrossentropy": (_cross_entropy(ops.binary_crossentropy, Sigmoid), ("from_logits",)),
    "CategoricalCrossentropy": (_cross_entropy(ops.categorical_crossentropy, Softmax), ("from_logits", "axis")),
    "SparseCategoricalCrossentropy": (
        _cross_entropy(ops.sparse_categorical_crossentropy, Softmax),
        ("from_logits", "axis"),
    ),
    # images
    "DepthToSpace": (ops.depth_to_space, ("block_size", "data_format")),
    "SpaceToDepth": (ops.space_to_depth, ("block_size", "data_format")),
    "Unfold": (ops.unfold, ("kernel_size", "dilation", "padding", "stride")),
    "RGBToGrayscale": (ops.rgb_to_grayscale, ("data_format",)),
    "RGBToHSV": (ops.rgb_to_hsv, ("data_format",)),
    "HSVToRGB": (ops.hsv_to_rgb, ("data_format",)),
    "ExtractPatches": (ops.extract_patches, ("size", "strides", "dilation_rate", "padding", "data_format")),
    "PadImages": (ops.pad_images, _borders("padding")),
    "CropImages": (ops.crop_images, _borders("cropping")),
    # activations
    "LeakyRelu": (ops.leaky_relu, ("negative_slope",)),
    "Elu": (ops.elu, ("alpha",)),
    "Celu": (ops.celu, ("alpha",)),
    "Gelu": (ops.gelu, ("approximate",)),
    "HardShrink": (ops.hard_shrink, ("threshold",)),
    "SoftShrink": (ops.soft_shrink, ("threshold",)),
    "Squareplus": (ops.squareplus, ("b",)),
    "Threshold": (ops.threshold, ("threshold", "default_value")),
    "Softmax": (ops.softmax, ("axis",)),
    "LogSoftmax": (ops.log_softmax, ("axis",)),
    "Sparsemax": (ops.sparsemax, ("axis",)),
    "Glu": (ops.glu, ("axis",)),
}
"""Class -> its function, and the arguments of the function that are in the config."""

RETURN_INPUT = ("Array", "Cast", "Conj", "Conjugate", "ConvertToTensor", "Diff", "Moveaxis", "Real", "Swapaxes")
"""Operations that return their input, mask and all, where they change nothing; others return a copy without mask."""

ACTIVATIONS = {
    "Relu": "relu", "Relu6": "relu6", "Sigmoid": "sigmoid", "SparseSigmoid": "sparse_sigmoid", "Softplus": "softplus",
    "Softsign": "softsign", "SparsePlus": "sparse_plus", "Silu": "silu", "LogSigmoid": "log_sigmoid",
    "HardSigmoid": "hard_sigmoid", "HardSilu": "hard_silu", "Selu": "selu", "TanhShrink": "tanh_shrink",
    "HardTanh": "hard_tanh",
}  # fmt: skip
"""Class of an activation without arguments -> its name in ``keras.activations``."""


def _of_table(function: Callable[..., Any], options: Sequence[str]) -> Handler:
    """The handler that calls ``function`` with the arguments of the call and ``options`` of the config."""
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name not in options]
    own = inspect.Signature(parameters)

    def handler(call: LayerCall, *args: Any, **kwargs: Any) -> Any:
        given = own.bind(*args, **kwargs).arguments  # by name, as there may be options between them
        for parameter in parameters:
            if parameter.kind is parameter.VAR_KEYWORD:
                given |= given.pop(parameter.name, {})
        return function(**given, **{option: call.config[option] for option in options})

    # calls that do not fit this signature are refused
    first = inspect.Parameter("call", inspect.Parameter.POSITIONAL_ONLY)
    handler.__signature__ = inspect.Signature([first, *parameters])  # type: ignore[attr-defined]
    return handler


def _activation(name: str) -> Callable[[Symbol], Symbol]:
    def apply(x: Symbol) -> Symbol:
        operator = activation.ELEMENTWISE[name]()
        return ops.activation(operator, x) if operator else x

    return apply


for _class, (_function, _options) in OPERATIONS.items():
    _mask = stays if _class in RETURN_INPUT else stops
    layer(f"ops.{_class}", arguments=_options, mask=_mask)(_of_table(_function, _options))
for _class, _name in ACTIVATIONS.items():
    layer(f"ops.{_class}", mask=stops)(_of_table(_activation(_name), ()))
layer("ops.ReLU", mask=stops)(layers.relu)


@layer("ops.Einsum", mask=stops)
def einsum(call: LayerCall, *operands: Any) -> Symbol:
    """Einstein sum of any number of tensors."""
    return _multiplied_as_int32(functools.partial(ops.einsum, call.config["subscripts"]), *operands)
