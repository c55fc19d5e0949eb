"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.pool`."""

from __future__ import annotations
import math
from collections.abc import Sequence
from dataclasses import dataclass
from sofie_jit.codegen.kernel_library import constant
from sofie_jit.ir.operators.geometry import (
    Axis,
    by_vector,
    image_axes,
    image_shape,
    outputs_of,
    window_axes,
    window_members,
)
from sofie_jit.ir.operators.operator import Emitter, ROperator, TensorType, float_dtype
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.pool import Pool, MaxPool, AveragePool, GlobalPool, GlobalMaxPool, GlobalAveragePool


TOGETHER = constant("pool/pool.hxx", "pool_together")
"""Neighbouring windows that are computed together."""


def _has_singles(axes: Sequence[Axis]) -> bool:
    """Whether some windows are computed by themselves: rows are too short, or windows reach beyond them.

    Among threads, rows of one-dimensional images are cut (``window_axis`` of ``parallel_window.hxx``).
    """
    *others, last = axes
    return last.padded or last.out < TOGETHER or all(axis.size == axis.out == 1 for axis in others)


@emits(Pool, kernels=("pool/pool.hxx",), parallel_kernels=("pool/parallel_pool.hxx",))
def pool(op: Pool, code: Emitter) -> str:
    x = code.inputs[0]
    assert x is not None
    axes, channels = op._axes(x)
    few, singles = by_vector(lambda lanes: channels < lanes, x.dtype), str(_has_singles(axes)).lower()
    return code.parallel_call(
        f"pool<{few}, {singles}>", code.count(x.shape[:1]), code.struct("Window", *window_members(axes)),
        channels, code.input(0), code.output(0),
        code.scratch("int64", (2 * math.prod(op.kernel_shape),), per_thread=True), _functor_pool(op),
    )  # fmt: skip


def _functor_pool(op: Pool) -> str:
    """The C++ function object that says what is done with a window."""
    return f"k::{op.op_type}{{}}"


def _functor_max_pool(op: MaxPool) -> str:
    return f"k::MaxPool{{{'true' if op.zeros else ''}}}"


def _functor_average_pool(op: AveragePool) -> str:
    return f"k::AveragePool{{{'true' if op.count_include_pad else 'false'}}}"


@emits(GlobalPool, kernels=("pool/pool.hxx",))
def global_pool(op: GlobalPool, code: Emitter) -> str:
    x = code.inputs[0]
    assert x is not None
    sizes, channels = image_axes(op.op_type, x.shape, op.layout)
    few = by_vector(lambda lanes: channels < lanes, x.dtype)
    return code.call(
        f"global_pool<{few}>", code.count(x.shape[:1]), math.prod(sizes),
        channels, code.input(0), code.output(0), f"k::{op.op_type}{{}}",
    )  # fmt: skip
