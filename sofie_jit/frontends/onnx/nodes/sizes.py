"""Tensors that are computed from sizes."""

from __future__ import annotations

import numpy as np

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim
from sofie_jit.ir.operators.expand import Expand
from sofie_jit.ir.operators.sizes import Sizes
from sofie_jit.ir.types import check_table


def size_of(call: OnnxCall, dim: Dim, dtype: str) -> Symbol:
    """A size as a vector of one number, which may be known only when the model runs."""
    if isinstance(dim, int):
        return call.symbol(np.array([dim], dtype), f"{call.name}/size")
    return ops.cast(call.add(Sizes(values=(dim,))), dtype)


def positions(call: OnnxCall, count: Dim) -> Symbol:
    """0, 1, ..., ``count - 1`` as int64; ``count`` may be known only when the model runs."""
    if isinstance(count, int):
        check_table(call.node.op_type, count)
        return call.symbol(np.arange(count), f"{call.name}/positions")
    one = call.symbol(np.array(1), f"{call.name}/one")
    return ops.subtract(ops.cumsum(call.add(Expand(shape=(count,)), one), 0), 1)
