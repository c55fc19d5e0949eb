"""Operations of TensorFlow's graphs as nodes of Keras 2 models (TensorFlowOpLayer), described by a NodeDef."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

from sofie_jit.frontends.keras.layers import tf_image, tf_shapes
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.layers.tf_arrays import gather, ints, one_hot, split, strided_slice
from sofie_jit.frontends.keras.layers.tf_math import arg, matmul, mean, of_tensors, true_divide
from sofie_jit.frontends.keras.layers.tf_nn import bias_add
from sofie_jit.frontends.keras.layers.tf_ops import FUNCTIONS
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.frontends.wording import CUT, replacing
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol


def _graph_reduction(function: Callable[..., Symbol]) -> Callable[..., Symbol]:
    return lambda attr, x, axis: function(x, ints(axis), bool(attr.get("keep_dims", False)))


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
            "RealDiv": true_divide,
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
    "AddN": lambda attr, *tensors: of_tensors(ops.add)(tensors),
    "BiasAdd": lambda attr, x, bias: bias_add(x, bias, attr.get("data_format")),
    "Cast": lambda attr, x: ops.cast(x, TYPES.get(attr["DstT"], attr["DstT"])),
    **{
        name: _graph_reduction(function)
        for name, function in {
            "Mean": mean,
            "Sum": ops.sum,
            "Prod": ops.prod,
            "Max": ops.max,
            "Min": ops.min,
            "All": ops.all,
            "Any": ops.any,
        }.items()
    },
    "ArgMax": lambda attr, x, axis: arg(ops.argmax)(x, ints(axis), TYPES[attr.get("output_type", "DT_INT64")]),
    "ArgMin": lambda attr, x, axis: arg(ops.argmin)(x, ints(axis), TYPES[attr.get("output_type", "DT_INT64")]),
    "Reshape": lambda attr, x, shape: ops.reshape(x, ints(shape)),
    "Transpose": lambda attr, x, perm: ops.transpose(x, ints(perm)),
    "ExpandDims": lambda attr, x, axis: ops.expand_dims(x, ints(axis)),
    "Squeeze": lambda attr, x: ops.squeeze(x, [int(a) for a in attr.get("squeeze_dims", [])] or None),
    "ConcatV2": lambda attr, *tensors: ops.concatenate(tensors[:-1], ints(tensors[-1])),
    "Pack": lambda attr, *tensors: ops.stack(tensors, int(attr.get("axis", 0))),
    "Unpack": lambda attr, x: ops.unstack(x, int(attr["num"]) if "num" in attr else None, int(attr.get("axis", 0))),
    "Split": lambda attr, axis, x: ops.split(x, int(attr["num_split"]), ints(axis)),
    "SplitV": lambda attr, x, sizes, axis: split(x, ints(sizes), ints(axis)),
    "StridedSlice": strided_slice,
    "Shape": lambda attr, x: tf_shapes.SymbolicShape.of(x),
    "Slice": lambda attr, x, begin, size: FUNCTIONS["slice"](x, ints(begin), ints(size)),
    "Tile": lambda attr, x, multiples: ops.tile(x, ints(multiples)),
    "ReverseV2": lambda attr, x, axis: ops.flip(x, ints(axis)),
    "Pad": lambda attr, x, paddings: ops.pad(x, ints(paddings)),
    "PadV2": lambda attr, x, paddings, value: ops.pad(x, ints(paddings), constant_values=value),
    "MirrorPad": lambda attr, x, paddings: ops.pad(x, ints(paddings), str(attr["mode"]).lower()),
    "GatherV2": lambda attr, x, indices, axis: gather(x, indices, ints(axis), int(attr.get("batch_dims", 0))),
    "OneHot": lambda attr, x, depth, on, off: one_hot(x, ints(depth), on, off, int(attr.get("axis", -1))),
    "MatMul": lambda attr, a, b: matmul(a, b, attr.get("transpose_a", False), attr.get("transpose_b", False)),
    **dict.fromkeys(
        ("BatchMatMul", "BatchMatMulV2"),
        lambda attr, a, b: matmul(a, b, attr.get("adj_x", False), attr.get("adj_y", False)),
    ),
}
"""Operation of TensorFlow's graphs -> a function of its attributes and inputs."""


RESIZES = {"ResizeNearestNeighbor": "nearest", "ResizeBilinear": "bilinear", "ResizeBicubic": "bicubic"}
"""Operation -> method of ``tf.image.resize``."""


def _graph_resize(call: LayerCall, operation: str, attr: Mapping[str, Any], images: Symbol, size: Any) -> Symbol:
    method, align = RESIZES[operation], bool(attr.get("align_corners"))
    if method == "bicubic" and (align or not attr.get("half_pixel_centers")):
        call.refuse(f"{operation} without half_pixel_centers, as in TensorFlow 1, is not supported")
    if method == "bicubic":
        return tf_image.resize(call, images, ints(size), method)
    return tf_image.resize_of_tensorflow_1(method)(
        call, images, ints(size), align, bool(attr.get("half_pixel_centers"))
    )


@layer(
    "TensorFlowOpLayer",
    mask=stops,
    refuses="rare operations of TensorFlow, which sofie_jit.check names; computed axes and shapes",
)
def tf_operation(call: LayerCall, inputs: Any) -> Any:
    """One operation of a TensorFlow graph; constant inputs are in the config."""
    node = call.config["node_def"]
    if isinstance(node, str) and node.lstrip().startswith("{"):
        node = json.loads(node)
    if not isinstance(node, Mapping) or "op" not in node:
        call.refuse("its node_def is not in JSON; save the model again with TensorFlow 2.3 or later")
    function = GRAPH_OPERATIONS.get(node["op"])
    if node["op"] in RESIZES:
        function = functools.partial(_graph_resize, call, node["op"])
    if function is None:
        call.refuse(f"TensorFlow's operation {node['op']} is not supported", replacing(call.name), CUT)
    constants = {int(key): value for key, value in (call.config.get("constants") or {}).items()}
    tensors = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    for index in sorted(constants):
        tensors.insert(index, constants[index])
    if (sizes := tf_shapes.compute_operation(node["op"], tensors)) is not None:
        return sizes
    return function({key: _attribute(value) for key, value in node.get("attr", {}).items()}, *tensors)


def _attribute(value: Any) -> Any:
    """The value of the one field of an AttrValue."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return value
    ((field, inner),) = value.items()
    if field == "i":
        return int(inner)  # 64-bit integers are strings in JSON
    if field == "s":
        return base64.b64decode(inner).decode()
    if field == "list" and isinstance(inner, Mapping):
        return next(iter(inner.values()), [])
    return inner
