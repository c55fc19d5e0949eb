"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.geometry`."""

from __future__ import annotations
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
import numpy as np
from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.operator import Shape, check_table, format_shape, static_dims
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.geometry import (
    Axis,
    same_padding,
    causal_padding,
    image_axes,
    image_shape,
    window_axes,
    outputs_of,
)


def volume(axes: Sequence[Axis]) -> tuple[Axis, Axis, Axis]:
    """The axes D, H, W of an image that may have fewer."""
    d, h, w = (*[ONE] * (3 - len(axes)), *axes)
    return d, h, w


def window_members(axes: Sequence[Axis]) -> list[int]:
    """The members of ``struct Window`` of ``window.hxx``."""
    members = ("size", "out", "kernel", "stride", "dilation", "before")
    return [getattr(axis, member) for member in members for axis in volume(axes)]


def by_vector(choice: Callable[[int], int | bool], dtype: str) -> str:
    """A template argument that depends on the vectors of the machine: ``choice(elements of dtype in a vector)``."""
    values = [choice(size // np.dtype(dtype).itemsize) for size in (64, 32, 16)]
    texts = [str(value).lower() for value in values]
    return texts[0] if len(set(texts)) == 1 else f"k::by_vector({', '.join(texts)})"


def tiles_the_image(axes: Sequence[Axis]) -> bool:
    """Whether the windows cut the image, as it lies in memory, into equal pieces: each a row of a matrix then."""

    def split(axis: Axis) -> bool:
        return not axis.padded and axis.stride == axis.kernel and axis.size == axis.out * axis.kernel

    def covered(axis: Axis) -> bool:
        return not axis.padded and axis.kernel == axis.size

    undilated = all(axis.dilation == 1 or axis.kernel == 1 for axis in axes)
    return undilated and any(
        all(axis.kernel == axis.stride == 1 and not axis.padded for axis in axes[:i])
        and (split(axes[i]) or covered(axes[i]))
        and all(map(covered, axes[i + 1 :]))
        for i in range(len(axes))
    )
