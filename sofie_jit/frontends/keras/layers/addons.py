"""TensorFlow Addons: layers and activations of the package ``Addons``; its recurrent cells are in ``addons_cells.py``.

Sources: https://github.com/tensorflow/addons, ``tensorflow_addons/layers`` and ``activations``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sofie_jit.frontends.keras.activation import activation
from sofie_jit.frontends.keras.axes import axes_of_option
from sofie_jit.frontends.keras.layers.adaptive_pooling import adaptive_average_pooling, adaptive_max_pooling
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import WeightNames, layer, weight_names
from sofie_jit.frontends.keras.layers.spatial import integers, layout, spatial_axes, spatial_rank
from sofie_jit.frontends.keras.layers.sublayers import sublayer_weights
from sofie_jit.frontends.keras.masks import passes, stops
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dim
from sofie_jit.ir.operators.activations import Gelu, Mish, Shrink, TanhShrink
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.size_arrays import SizeArrays

PACKAGE = "Addons"
CHANNELS_LAST = {"data_format": "channels_last"}

# -- activations -----------------------------------------------------------------------------------------------------


def _snake(x: Symbol, frequency: Any = 1.0) -> Symbol:
    """``x + (1 - cos(2 f x)) / 2f``."""
    twice = frequency * 2.0
    return ops.add(x, ops.divide(ops.subtract(1.0, ops.cos(ops.multiply(twice, x))), twice))


def _gelu(call: LayerCall, x: Symbol, approximate: bool = True) -> Symbol:
    result: Symbol = call.add(Gelu(approximate="tanh" if approximate else "none"), x)
    return result


def _sparsemax(x: Symbol, axis: int) -> Symbol:
    """The projection onto the simplex. (Keras's activation of this name is another function.)"""
    axis %= x.rank
    a, size = SizeArrays(x.builder, x.shape[axis]), x.shape[axis]
    ranks = a.reshape(a.cast(a.arange(size, 1), x.dtype), (size, *[1] * (x.rank - 1 - axis)))
    ordered = ops.negative(ops.sort(ops.negative(x), axis))
    support = ops.greater(ops.add(ops.multiply(ordered, ranks), 1.0), ops.cumsum(ordered, axis))
    total = ops.sum(ops.where(support, ordered, 0.0), axis, keepdims=True)
    count = ops.sum(ops.cast(support, x.dtype), axis, keepdims=True)
    return ops.maximum(ops.subtract(x, ops.divide(ops.subtract(total, 1.0), count)), 0.0)


ACTIVATIONS: dict[str, Callable[[LayerCall, Symbol], Symbol]] = {
    "gelu": _gelu,
    "hardshrink": lambda call, x: call.add(Shrink(), x),
    "lisht": lambda call, x: ops.multiply(x, ops.tanh(x)),
    "mish": lambda call, x: call.add(Mish(), x),
    "rrelu": lambda call, x: ops.leaky_relu(x, (0.125 + 1 / 3) / 2),  # the mean of its random slopes
    "snake": lambda call, x: _snake(x),
    "softshrink": lambda call, x: call.add(Shrink(lambd=0.5, bias=0.5), x),
    "sparsemax": lambda call, x: _sparsemax(x, -1),
    "tanhshrink": lambda call, x: call.add(TanhShrink(), x),
}
"""Functions of ``tensorflow_addons.activations`` with their default arguments."""


@layer(*(f"{PACKAGE}>{name}" for name in ACTIVATIONS), mask=passes, builtin=False)
def addons_activation(call: LayerCall, x: Symbol) -> Symbol:
    """The function of this name in ``tensorflow_addons.activations``."""
    return ACTIVATIONS[call.layer.class_name](call, x)


@layer(f"{PACKAGE}>GELU", mask=passes, defaults={"approximate": True}, builtin=False)
def gelu(call: LayerCall, x: Symbol) -> Symbol:
    """The Gaussian error linear unit, by default approximated by tanh."""
    return _gelu(call, x, bool(call.config["approximate"]))


@layer(f"{PACKAGE}>Snake", weights=("frequency",), mask=stops, builtin=False)
def snake(call: LayerCall, x: Symbol) -> Symbol:
    """``x + (1 - cos(2 f x)) / 2f`` with a learned frequency f."""
    return _snake(x, call.constant(call.weight("frequency", ()), "frequency"))


@layer(f"{PACKAGE}>Sparsemax", mask=passes, defaults={"axis": -1}, builtin=False)
def sparsemax(call: LayerCall, x: Symbol) -> Symbol:
    """The projection of ``x`` onto the simplex along ``axis``."""
    return _sparsemax(x, int(call.config["axis"]))


def _tlu_weights(config: Mapping[str, Any]) -> WeightNames:
    return ("tau", "alpha") if config.get("affine") else ("tau",)


@layer(f"{PACKAGE}>TLU", weights=_tlu_weights, mask=passes, builtin=False)
def thresholded_linear_unit(call: LayerCall, x: Symbol) -> Symbol:
    """``max(x, tau)``, or ``max(x, tau + alpha x)`` if it is affine, with learned tau and alpha."""
    threshold = call.constant(call.weight("tau"), "tau")
    if call.config.get("affine"):
        threshold = ops.add(threshold, ops.multiply(call.constant(call.weight("alpha"), "alpha"), x))
    return ops.maximum(x, threshold)


# -- layers ----------------------------------------------------------------------------------------------------------


@layer(f"{PACKAGE}>Maxout", mask=stops, defaults={"axis": -1}, builtin=False)
def maxout(call: LayerCall, x: Symbol) -> Symbol:
    """The maximum of groups of elements that are ``num_units`` apart along ``axis``."""
    axis, units = axes_of_option(call, x, call.config["axis"])[0], int(call.config["num_units"])
    size = static_dim("Maxout", x.shape, axis)
    if size % units:
        call.refuse(f"its input has {size} elements along axis {axis}, not a multiple of num_units={units}")
    return ops.max(ops.reshape(x, (*x.shape[:axis], size // units, units, *x.shape[axis + 1 :])), axis)


@layer(f"{PACKAGE}>PoincareNormalize", mask=stops, defaults={"axis": 1, "epsilon": 1e-5}, builtin=False)
def poincare_normalize(call: LayerCall, x: Symbol) -> Symbol:
    """Rows whose norm is not below ``1 - epsilon`` are scaled to it."""
    inverse = ops.rsqrt(ops.sum(ops.square(x), call.config["axis"], keepdims=True))
    return ops.multiply(x, ops.minimum(ops.multiply(inverse, 1.0 - float(call.config["epsilon"])), 1.0))


@layer(f"{PACKAGE}>StochasticDepth", mask=stops, defaults={"survival_probability": 0.5}, builtin=False)
def stochastic_depth(call: LayerCall, inputs: list[Symbol]) -> Symbol:
    """``shortcut + survival_probability * residual``."""
    shortcut, residual = inputs
    return ops.add(shortcut, ops.multiply(residual, float(call.config["survival_probability"])))


def _crossing_weights(config: Mapping[str, Any]) -> WeightNames:
    kernels = ("kernel",) if config.get("projection_dim") is None else ("kernel_u", "kernel_v")
    return (*kernels, *(("bias",) if config["use_bias"] else ()))


@layer(
    f"{PACKAGE}>PolynomialCrossing",
    weights=_crossing_weights,
    mask=stops,
    defaults={"projection_dim": None, "diag_scale": 0.0, "use_bias": True},
    builtin=False,
)
def polynomial_crossing(call: LayerCall, inputs: list[Symbol]) -> Symbol:
    """``x0 * (x W + diag_scale x) + x + b``, with W of low rank if there is a ``projection_dim``."""
    (first, x), product = inputs, inputs[1]
    for name in _crossing_weights({**call.config, "use_bias": False}):
        product = ops.matmul(product, call.constant(call.weight(name, (None, None)), name))
    if call.config["diag_scale"]:
        product = ops.add(product, ops.multiply(x, float(call.config["diag_scale"])))
    crossed = ops.add(ops.multiply(first, product), x)
    return ops.add(crossed, call.constant(call.weight("bias"), "bias")) if call.config["use_bias"] else crossed


@layer(
    f"{PACKAGE}>NoisyDense",
    weights=lambda c: (
        *("sigma_kernel", "mu_kernel"), *(("sigma_bias", "mu_bias") if c["use_bias"] else ()),
        "eps_kernel", *(("eps_bias",) if c["use_bias"] else ()),
    ),
    mask=passes,
    defaults={"activation": "linear", "use_bias": True},
    builtin=False,
)  # fmt: skip
def noisy_dense(call: LayerCall, x: Symbol) -> Symbol:
    """Dense with the noise that was drawn last: ``mu + sigma * eps``."""
    call.config.ignore("sigma", "use_factorised", "units")
    weights = [
        call.weight(f"mu_{part}") + call.weight(f"sigma_{part}") * call.weight(f"eps_{part}")
        for part in ("kernel", "bias")[: 2 if call.config["use_bias"] else 1]
    ]
    y = ops.linear(x, *(call.constant(w, name) for w, name in zip(weights, ("kernel", "bias"), strict=False)))
    return activation(call, y, call.config["activation"])


@layer(
    f"{PACKAGE}>FilterResponseNormalization",
    weights=lambda c: (*(("learned_epsilon",) if c.get("learned_epsilon") else ()), "gamma", "beta"),
    mask=passes,
    defaults={"axis": [1, 2], "epsilon": 1e-6},
    builtin=False,
)
def filter_response_normalization(call: LayerCall, x: Symbol) -> Symbol:
    """``gamma x / sqrt(mean(x^2) + epsilon) + beta`` with the mean over the spatial axes."""
    epsilon: Any = float(call.config["epsilon"])
    if call.config.get("learned_epsilon"):
        epsilon = epsilon + np.abs(call.weight("learned_epsilon", (1,)))
    mean = ops.mean(ops.square(x), axes_of_option(call, x, call.config["axis"]), keepdims=True)
    gamma, beta = (call.constant(call.weight(name), name) for name in ("gamma", "beta"))
    return ops.add(ops.multiply(ops.multiply(x, ops.rsqrt(ops.add(mean, epsilon))), gamma), beta)


# -- pooling ---------------------------------------------------------------------------------------------------------

POOLING = {"Average": adaptive_average_pooling, "Max": adaptive_max_pooling}


@layer(
    *(f"{PACKAGE}>Adaptive{kind}Pooling{rank}D" for kind in POOLING for rank in (1, 2, 3)),
    mask=stops, defaults=CHANNELS_LAST, builtin=False,
)  # fmt: skip
def adaptive_pooling(call: LayerCall, x: Symbol) -> Symbol:
    """``output_size`` windows along each axis, which they must divide."""
    name = call.layer.class_name
    count = spatial_rank(name)
    sizes = [static_dim(name, x.shape, axis) for axis in spatial_axes(count, layout(call))]
    windows = integers(call, "output_size", call.config["output_size"], count)
    if any(size % n for size, n in zip(sizes, windows, strict=True)):
        call.refuse(f"its input has sizes {sizes}, which output_size={windows} does not divide")
    result: Symbol = POOLING[name[len("Adaptive") :].partition("Pooling")[0]](call, x)
    return result


@layer(f"{PACKAGE}>SpatialPyramidPooling2D", mask=stops, defaults=CHANNELS_LAST, builtin=False)
def spatial_pyramid_pooling(call: LayerCall, x: Symbol) -> Symbol:
    """Means over several grids of equal windows, the rest of the image cut off, as one list of pixels."""
    first = layout(call) == "NCHW"
    x = ops.moveaxis(x, 1, -1) if first else x
    levels = []
    for bins in call.config["bins"]:
        rows, columns = integers(call, "bins", bins, 2)
        height, width = x.shape[1:3]
        if any(Requirement(n, "<=", size).holds is False for n, size in ((rows, height), (columns, width))):
            call.refuse(f"bins={[rows, columns]} are more than the pixels of its input {x.type}")
        cut = ops.cut(x, [1, 2], [(0, height % rows), (0, width % columns)])
        cells = (x.shape[0], rows, height // rows, columns, width // columns, x.shape[-1])
        mean = ops.mean(ops.reshape(cut, cells), (2, 4))
        levels.append(ops.reshape(mean, (x.shape[0], rows * columns, x.shape[-1])))
    joined = ops.concatenate(levels, axis=1)
    return ops.swapaxes(joined, 1, 2) if first else joined


# -- wrappers --------------------------------------------------------------------------------------------------------


def _kernel_name(names: WeightNames) -> str:
    """The kernel that a WeightNormalization normalizes, of a layer with these weights; '' if there is none."""
    candidates = ("cell/recurrent_kernel", "kernel")
    return next((name for name in candidates if name in names), "")


def _normalized_weights(config: Mapping[str, Any]) -> WeightNames:
    """g, the kernel, the layer's others, a flag, and, with ``data_init``, the weights of a copy of the layer."""
    inner = sublayer_weights("layer", config["layer"])
    kernel = f"layer/{_kernel_name(tuple(name.removeprefix('layer/') for name in inner))}"
    others = sorted(inner, key=lambda name: name != kernel)  # the kernel first, the rest in order
    copy = tuple(f"copy/{name}" for name in inner) if config["data_init"] else ()
    return ("g", *others, "initialized", *copy)


@layer(
    f"{PACKAGE}>WeightNormalization",
    weights=_normalized_weights,
    mask=passes,
    defaults={"data_init": True},
    builtin=False,
)
def weight_normalization(call: LayerCall, x: Symbol) -> Symbol:
    """The wrapped layer with a kernel whose columns have the norms g; of recurrent layers, the recurrent kernel."""
    inner = call.sublayer("layer", call.config["layer"])
    call.config.ignore("data_init")
    name = _kernel_name(weight_names(inner.layer))
    if not name:
        call.refuse(f"it wraps a {inner.layer.class_name}, which has no kernel to normalize")
    if not bool(call.weight("initialized", ())):
        call.refuse("it was saved before it was called, so that its weights are not initialized; save it after")
    kernel = inner.weight(name).astype(np.float64)
    norm = np.sqrt(np.maximum((kernel**2).sum(axis=tuple(range(kernel.ndim - 1))), 1e-12))
    inner.layer.weights[name] = (kernel / norm * call.weight("g", kernel.shape[-1:])).astype(call.dtype)
    result: Symbol = inner(x)
    return result
