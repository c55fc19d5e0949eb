"""Elements picked by indices."""

from __future__ import annotations

import numpy as np

from sofie_jit.frontends.onnx.nodes.registry import OnnxCall, direct, node
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import normalize_axis
from sofie_jit.ir.operators.elementwise import Cast, Where
from sofie_jit.ir.operators.gather import Gather
from sofie_jit.ir.operators.math import GatherElements
from sofie_jit.ir.types import is_integer

direct(Gather, attributes=["axis"])
direct(GatherElements, attributes=["axis"], since=11)


@node("OneHot", since=9)
def one_hot(call: OnnxCall, indices: Symbol, depth: np.ndarray, values: Symbol) -> Symbol:
    """``values[1]`` at the index along a new axis, ``values[0]`` elsewhere."""
    axis, count = normalize_axis("OneHot", call.integer("axis", -1), indices.rank + 1), int(depth.item())
    whole = indices if is_integer(indices.dtype) else call.add(Cast(to="int64"), indices)
    whole = ops.where(ops.less(whole, 0), ops.add(whole, np.array(count, whole.dtype)), whole)
    hot = ops.one_hot(whole, count, axis, "bool")
    off, on = (ops.reshape(ops.slice_along(values, 0, i, i + 1), ()) for i in (0, 1))
    return call.add(Where(), hot, on, off)
