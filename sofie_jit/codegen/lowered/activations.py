"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.activations`."""

from __future__ import annotations
import math
from dataclasses import dataclass
from typing import ClassVar
from sofie_jit.errors import GraphError
from sofie_jit.ir.operators.operator import CPP_TYPES, Emitter, ROperator, TensorType, float_dtype, literal
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.activations import (
    Activation,
    Relu,
    LeakyRelu,
    Clip,
    GeneralRelu,
    HardSigmoid,
    HardSwish,
    Shrink,
    Threshold,
    SparseSigmoid,
    SparsePlus,
    Softsign,
    Squareplus,
    Exp,
    Tanh,
    TanhShrink,
    Sigmoid,
    LogSigmoid,
    Swish,
    Softplus,
    Mish,
    Elu,
    Selu,
    Celu,
    Gelu,
)


def functor(activation: Activation | None, dtype: str) -> str:
    """The C++ function object of a fused activation; None is the identity."""
    return activation.functor(dtype) if activation else "k::Identity{}"


def epilogue(code: Emitter, activation: Activation | None, dtype: str) -> str:
    """The struct ``Epilogue`` of ``tile.hxx`` for a fused activation: bounds, or the function that its operator calls.

    All are data, so that one compiled kernel serves every activation.
    """
    cpp = CPP_TYPES[dtype]
    low, high = activation.bounds or (-math.inf, math.inf) if activation else (-math.inf, math.inf)
    function = "nullptr"
    if activation and activation.bounds is None:
        types = ("std::size_t", f"const {cpp} *", f"{cpp} *")
        function = code.function("map", types, activation.functor(dtype))
    return code.struct(f"Epilogue<{cpp}>", literal(low, dtype), literal(high, dtype), function)


@emits(Activation, kernels=("elementwise/elementwise.hxx",), in_place=(0,))
def activation(op: Activation, code: Emitter) -> str:
    y = code.outputs[0]
    return code.call("map", code.count(y.shape), code.input(0), code.output(0), _functor_activation(op, y.dtype))


def _functor_activation(op: Activation, dtype: str) -> str:
    """The C++ function object, its parameters as literals of ``dtype``."""
    values = ", ".join(literal(value, dtype) for value in op.attributes().values())
    return f"k::{op.op_type}<{CPP_TYPES[dtype]}>{{{values}}}" if values else f"k::{op.op_type}{{}}"


def _functor_gelu(op: Gelu, dtype: str) -> str:
    functors = {"none": "k::Gelu{}", "tanh": "k::GeluTanh{}"}
    if op.approximate not in functors:
        raise GraphError(f'Gelu: approximate must be "none" or "tanh", got {op.approximate!r}')
    return functors[op.approximate]
