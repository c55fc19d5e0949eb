"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.expand`."""

from __future__ import annotations
from collections.abc import Mapping
from dataclasses import dataclass
from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.operator import Emitter, ROperator, Shape, TensorType, bind_shape, format_shape
from sofie_jit.ir.operators.transpose import strided_copy
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.expand import Expand, _aligned


@emits(Expand, kernels=("movement/transpose.hxx",))
def expand(op: Expand, code: Emitter) -> str:
    x, y = code.inputs[0], code.outputs[0]
    assert x is not None
    source = _aligned(x.shape, y.rank)
    repeated = [a == 1 and b != 1 for a, b in zip(source, y.shape, strict=True)]
    strides = [None if repeated[axis] else source[axis + 1 :] for axis in range(y.rank)]
    return strided_copy(code, list(zip(y.shape, strides, strict=True)))
