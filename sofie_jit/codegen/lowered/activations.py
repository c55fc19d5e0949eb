"""C++ calls of activation functions, and how other operators fuse them."""

from __future__ import annotations

import math

from sofie_jit.codegen import expressions
from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import CPP_TYPES, NULL, Call, Constant, FunctionPointer, Struct, literal
from sofie_jit.codegen.lowered.emission import emits, require
from sofie_jit.errors import GraphError
from sofie_jit.ir.operators.activations import Activation, Gelu, Selu, Swish

GELU = {"none": "Gelu", "tanh": "GeluTanh"}
"""Gelu's ``approximate`` -> the functor."""


@emits(Activation, kernels=("elementwise/elementwise.hxx",), in_place=(0,))
def activation(op: Activation, code: Emitter) -> Call:
    """``map`` over all elements."""
    y = code.outputs[0]
    return code.call("map", code.count(y.shape), code.input(0), code.output(0), functor(op, y.dtype))


def functor(activation: Activation | None, dtype: str) -> Constant:
    """The C++ function object of an activation, its parameters as literals of ``dtype``; None is the identity."""
    if activation is None:
        return expressions.functor("Identity")
    if isinstance(activation, Gelu):
        if activation.approximate not in GELU:
            raise GraphError(f'Gelu: approximate must be "none" or "tanh", got {activation.approximate!r}')
        return expressions.functor(GELU[activation.approximate])
    if isinstance(activation, Selu | Swish):
        require(activation, **{name: getattr(type(activation), name) for name in activation.attributes()})
        return expressions.functor(activation.op_type)
    values = [literal(value, dtype) for value in activation.attributes().values()]
    name = f"{activation.op_type}<{CPP_TYPES[dtype]}>" if values else activation.op_type
    return expressions.functor(name, *values)


def epilogue(code: Emitter, activation: Activation | None, dtype: str) -> Struct:
    """The struct ``Epilogue`` of ``tile.hxx`` for a fused activation: bounds, or the function of its operator.

    All members are data, so one compiled kernel serves every activation.
    """
    cpp = CPP_TYPES[dtype]
    low, high = activation.bounds or (-math.inf, math.inf) if activation else (-math.inf, math.inf)
    function: FunctionPointer | Constant = NULL
    if activation and activation.bounds is None:
        types = ("std::size_t", f"const {cpp} *", f"{cpp} *")
        function = code.function("map", types, functor(activation, dtype))
    return code.struct(f"Epilogue<{cpp}>", literal(low, dtype), literal(high, dtype), function)
