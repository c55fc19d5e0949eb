"""TensorFlow functions as nodes of Keras 2 models (TFOpLambda), called with the arguments of their Python signatures.

:mod:`tf_math`, :mod:`tf_arrays`, :mod:`tf_nn` and :mod:`tf_image` have tables of the functions of
:mod:`sofie_jit.ops`, and the layers, that compute them. The older TensorFlowOpLayer is in :mod:`tf_graph_ops`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from sofie_jit.frontends.keras.layers import tf_arrays, tf_image, tf_math, tf_nn, tf_shapes
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.masks import stays, stops
from sofie_jit.frontends.wording import CUT, replacing
from sofie_jit.ir.builder import Symbol

FUNCTIONS = {**tf_math.FUNCTIONS, **tf_arrays.FUNCTIONS, **tf_nn.FUNCTIONS, **tf_image.FUNCTIONS}
"""Name in TensorFlow -> a function with TensorFlow's arguments."""

LAYERS = {**tf_arrays.LAYERS, **tf_nn.LAYERS, **tf_image.LAYERS}
"""Name in TensorFlow -> a function of the layer's call and TensorFlow's arguments."""

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
    if name == "range":
        bounds = [*args, *(given[key] for key in ("start", "limit", "delta") if key in given)]
        if not any(isinstance(bound, Symbol) for bound in bounds):
            numbers = tf_shapes.open_range(call.builder, bounds)
            if numbers is not None:
                return numbers
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
