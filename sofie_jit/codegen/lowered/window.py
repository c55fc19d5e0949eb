"""The C++ form of windows that slide over images (``kernels/core/window.hxx``).

Kernels know three axes (D, H, W); an image of fewer has leading axes of size 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sofie_jit.codegen.expressions import Size, as_size
from sofie_jit.ir.dims import SymbolicDim
from sofie_jit.ir.operators.geometry import Axis
from sofie_jit.ir.requirements import Requirement

ONE = Axis(1, 1)
"""An axis that an image does not have."""


def volume(axes: Sequence[Axis]) -> tuple[Axis, Axis, Axis]:
    """The axes D, H, W of an image that may have fewer."""
    d, h, w = (*[ONE] * (3 - len(axes)), *axes)
    return d, h, w


def window_members(axes: Sequence[Axis]) -> list[Size | int]:
    """The members of ``struct Window`` of ``window.hxx``."""
    members = ("size", "out", "kernel", "stride", "dilation", "before")
    return [as_size(getattr(axis, member)) for member in members for axis in volume(axes)]


def is_open(axes: Sequence[Axis]) -> bool:
    """Whether some size is known only at run time."""
    return any(isinstance(dim, SymbolicDim) for axis in axes for dim in (axis.size, axis.before))


def kernel_only(axes: Sequence[Axis]) -> list[Axis]:
    """A window over an image of its own size: weights, which are packed at load, depend on nothing else."""
    return [Axis(axis.extent, axis.kernel, axis.stride, axis.dilation) for axis in axes]


def tiles_the_image(axes: Sequence[Axis]) -> bool:
    """Whether the windows cut the image, as it lies in memory, into equal pieces: each is a row of a matrix then.

    False if that depends on sizes that are known only at run time.
    """

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


def tiling_conditions(axes: Sequence[Axis]) -> list[Requirement] | None:
    """What must hold at run time so that :func:`tiles_the_image`; None if it cannot."""

    def covered(axis: Axis) -> Requirement:
        return Requirement(axis.size, "==", axis.kernel)

    def unpadded(axis: Axis) -> list[Requirement]:
        return [Requirement(axis.before, "==", 0), Requirement(axis.under(axis.out), "<=", axis.size)]

    first = next((i for i, axis in enumerate(axes) if axis != Axis(axis.size, 1)), len(axes) - 1)
    axis = axes[first]
    pieces = Requirement(axis.size % axis.kernel, "==", 0) if axis.stride == axis.kernel else covered(axis)
    conditions = [need for axis in axes[first:] for need in unpadded(axis)]
    conditions += [pieces, *map(covered, axes[first + 1 :])]
    dilated = any(axis.dilation > 1 and axis.kernel > 1 for axis in axes)
    return None if dilated or any(need.holds is False for need in conditions) else conditions


def by_register_width(choice: Callable[[int], int | bool], dtype: str) -> str:
    """A template argument that depends on the vector register: ``choice(elements of dtype in a register)``."""
    values = [choice(size // np.dtype(dtype).itemsize) for size in (64, 32, 16)]
    texts = [str(value).lower() for value in values]
    return texts[0] if len(set(texts)) == 1 else f"k::by_register_width({', '.join(texts)})"
