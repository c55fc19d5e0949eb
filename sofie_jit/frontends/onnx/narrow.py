"""Operators on tensors of float16 and bfloat16: computed in float32, and rounded where the model rounds.

A handler gets tensors of float32 (:class:`~sofie_jit.frontends.onnx.values.Narrow` says of which type their elements
are). Its results of float32 are rounded to the type of the node's first floating-point input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.values import PACKED, Narrow, TensorSequence, Value, dtype_of
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.operators.elementwise import Cast
from sofie_jit.ir.operators.rounding import NARROW, RoundTo, rounded
from sofie_jit.ir.types import COMPUTED, DTYPES, is_floating

EXACT = frozenset({
    "Abs", "Ceil", "Clip", "Compress", "Concat", "DepthToSpace", "Dropout", "Expand", "Flatten", "Floor", "Gather",
    "GatherElements", "GatherND", "GlobalMaxPool", "Hardmax", "Identity", "Max", "MaxPool", "Min", "Neg", "OneHot",
    "Optional", "OptionalGetElement", "Pad", "ReduceMax", "ReduceMin", "Relu", "Reshape", "ReverseSequence", "Round",
    "ScatterElements", "ScatterND", "SequenceConstruct", "SequenceInsert", "Sign", "Slice", "SpaceToDepth", "Split",
    "SplitToSequence", "Squeeze", "Tile", "TopK", "Transpose", "Trilu", "Unsqueeze", "Where",
})  # fmt: skip
"""Operators whose results are elements of their inputs, or other numbers of their type."""
FIRST_ONLY = frozenset({"LayerNormalization", "SkipLayerNormalization"})
"""Operators of which only the first result has the type of the inputs; statistics are float32."""
OF_PACKED = frozenset({
    "Cast", "Concat", "DequantizeLinear", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze",
})  # fmt: skip
"""Operators that take constants of int4 and the like."""
WITH_BODIES = frozenset({"If", "Loop", "Scan", "SequenceMap"})
"""Operators that compute nothing themselves: their graphs get tensors of 16 bits as such."""


def input_of(builder: Builder, value: Value, dtype: str) -> Value:
    """An input of the model, whose element type in the file is ``dtype``. Numbers for bfloat16 are rounded."""
    if dtype not in NARROW:
        return value
    if not isinstance(value, Symbol):
        return Narrow(np.asarray(rounded(np.asarray(widened(value)), dtype)), dtype)
    wide = Cast(to="float32") if value.dtype == dtype else RoundTo(to=dtype)
    return Narrow(builder.add(wide, value), dtype)


def output_of(builder: Builder, value: Narrow, name: str) -> Symbol:
    """An output of the model: of float16, or for bfloat16, which numpy lacks, of float32."""
    stored = value.dtype if value.dtype in DTYPES else "float32"
    if isinstance(value.value, np.ndarray):
        return builder.constant(value.value.astype(stored), name)
    return value.value if stored == "float32" else builder.add(Cast(to=stored), value.value)


def prepare(call: OnnxCall, inputs: Sequence[Value | None]) -> list[Value | None]:
    """The inputs of a node with tensors of float32 in place of those of 16 bits; notes their types in ``call``."""
    call.dtypes = [None if value is None else dtype_of(value) for value in inputs]
    if call.node.op_type in WITH_BODIES and not call.node.domain:
        return list(inputs)
    floats = [dtype for dtype in call.dtypes if dtype in NARROW or (dtype in COMPUTED and is_floating(dtype))]
    call.narrow = floats[0] if floats and floats[0] in NARROW else None
    packed = [dtype for dtype in call.dtypes if dtype in PACKED]
    if packed and call.node.op_type not in OF_PACKED:
        call.refuse(f"an input is of type {packed[0]}, which is supported for weights of DequantizeLinear")
    return [widened(value) for value in inputs]


def widened(value: Value | None) -> Value | None:
    """A value of 16 bits as one of float32; others as they are."""
    return None if value is None else _wide(value)


def _wide(value: Value) -> Value:
    if isinstance(value, Narrow):
        return value.value
    return value.astype(np.float32) if isinstance(value, np.ndarray) and value.dtype == np.float16 else value


def conclude(call: OnnxCall, results: Any) -> Any:
    """The results of a handler, those of float32 rounded to the type ``call.narrow``."""
    if call.narrow is None:
        return results
    listed = results if isinstance(results, tuple) else (results,)
    count = 1 if call.node.op_type in FIRST_ONLY else len(listed)
    return (*(_rounded(call, value, call.narrow) for value in listed[:count]), *listed[count:])


def combined(call: OnnxCall, function: Callable[[list[Symbol]], Symbol], values: Sequence[Value]) -> Value:
    """``function`` of tensors of one type, whose result has elements of them; refuses tensors of several types."""
    dtypes = {dtype_of(value) for value in values}
    if len(dtypes) > 1:
        call.refuse(f"its tensors are of types {', '.join(sorted(dtypes))}; expected a single type")
    result = function([call.symbol(_wide(value), f"{call.name}/tensor") for value in values])
    dtype = dtypes.pop() if dtypes else ""
    return Narrow(result, dtype) if dtype in NARROW else result


def _rounded(call: OnnxCall, value: Value | TensorSequence, dtype: str) -> Value | TensorSequence:
    if isinstance(value, TensorSequence):
        return TensorSequence([_rounded(call, item, dtype) for item in value.items])
    if isinstance(value, np.ndarray) and value.dtype == np.float32:
        return Narrow(np.asarray(rounded(value, dtype)), dtype)
    if not isinstance(value, Symbol) or value.dtype != "float32":
        return value
    is_exact = not call.node.domain and call.node.op_type in EXACT
    return Narrow(value if is_exact else call.add(RoundTo(to=dtype), value), dtype)
