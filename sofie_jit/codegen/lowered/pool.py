"""C++ calls of pooling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sofie_jit.codegen import tuning
from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call, Constant, functor
from sofie_jit.codegen.lowered.emission import emits, require
from sofie_jit.codegen.lowered.window import by_register_width, window_members
from sofie_jit.ir.dims import is_at_least
from sofie_jit.ir.operators.geometry import Axis, image_axes
from sofie_jit.ir.operators.layout import spatial_axes
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.operators.pool import AveragePool, GlobalPool, MaxPool, Pool
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class ZeroPaddedMaxPool(MaxPool):
    """A MaxPool of images that are padded with zeros, which take part, in place of the Pad before it."""

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        padded = Pad(pads=self.pads or (), axes=spatial_axes(x.ndim, self.layout) if self.pads else ()).evaluate(x)
        return MaxPool.evaluate(replace(self, pads=None), padded)


@emits(Pool, kernels=("pool/pool.hxx",), parallel_kernels=("pool/parallel_pool.hxx",))
def pool(op: Pool, code: Emitter) -> Call:
    """``pool`` of each image."""
    x = code.type_of(0)
    axes, channels = op.window(x)
    if isinstance(op, AveragePool) and not all(axis.ends_in_padding for axis in axes):
        require(op, count_include_pad=False)  # the kernel would count what lies beyond the padding
    few, singles = by_register_width(lambda lanes: channels < lanes, x.dtype), str(_has_singles(axes)).lower()
    return code.parallel_call(
        f"pool<{few}, {singles}>", code.count(x.shape[:1]), code.struct("Window", *window_members(axes)),
        channels, code.input(0), code.output(0),
        code.scratch("int64", (2 * math.prod(op.kernel_shape),), per_thread=True), _functor(op),
    )  # fmt: skip


def _functor(op: Pool) -> Constant:
    """The function object that reduces a window."""
    if isinstance(op, AveragePool):
        return functor("AveragePool", Constant("true" if op.count_include_pad else "false"))
    return functor("MaxPool", *([Constant("true")] if isinstance(op, ZeroPaddedMaxPool) else []))


def _has_singles(axes: Sequence[Axis]) -> bool:
    """Whether some windows are computed one by one: rows are too short, or windows reach beyond them.

    Among threads, rows of one-dimensional images are cut (``window_axis`` of ``parallel_window.hxx``).
    """
    *others, last = axes
    few = not is_at_least(last.out, tuning.POOL_PIXELS)
    return last.padded or few or all(axis.size == axis.out == 1 for axis in others)


@emits(GlobalPool, kernels=("pool/pool.hxx",))
def global_pool(op: GlobalPool, code: Emitter) -> Call:
    """``global_pool`` of each image."""
    x = code.type_of(0)
    sizes, channels = image_axes(op.op_type, x.shape, op.layout)
    few = by_register_width(lambda lanes: channels < lanes, x.dtype)
    return code.call(
        f"global_pool<{few}>", code.count(x.shape[:1]), code.count(sizes),
        channels, code.input(0), code.output(0), functor(op.op_type),
    )  # fmt: skip
