"""The C++ form of windows that slide over images (``kernels/core/window.hxx``).

Kernels know three axes (D, H, W); an image of fewer has leading axes of size 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sofie_jit.ir.operators.geometry import Axis

ONE = Axis(1, 1)
"""An axis that an image does not have."""


def volume(axes: Sequence[Axis]) -> tuple[Axis, Axis, Axis]:
    """The axes D, H, W of an image that may have fewer."""
    d, h, w = (*[ONE] * (3 - len(axes)), *axes)
    return d, h, w


def window_members(axes: Sequence[Axis]) -> list[int]:
    """The members of ``struct Window`` of ``window.hxx``."""
    members = ("size", "out", "kernel", "stride", "dilation", "before")
    return [getattr(axis, member) for member in members for axis in volume(axes)]


def tiles_the_image(axes: Sequence[Axis]) -> bool:
    """Whether the windows cut the image, as it lies in memory, into equal pieces: each is a row of a matrix then."""

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


def by_register_width(choice: Callable[[int], int | bool], dtype: str) -> str:
    """A template argument that depends on the vector register: ``choice(elements of dtype in a register)``."""
    values = [choice(size // np.dtype(dtype).itemsize) for size in (64, 32, 16)]
    texts = [str(value).lower() for value in values]
    return texts[0] if len(set(texts)) == 1 else f"k::by_register_width({', '.join(texts)})"
