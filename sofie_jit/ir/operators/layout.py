"""The order of the axes of images: channels first or last."""

from __future__ import annotations

import numpy as np

from sofie_jit.errors import ShapeError

LAYOUTS = ("NCHW", "NHWC")
"""Channels first, as in ONNX, or last; also for images of one and three dimensions."""


def check_layout(operator: str, layout: str) -> None:
    """Raises ShapeError if ``layout`` is not one of :data:`LAYOUTS`."""
    if layout not in LAYOUTS:
        raise ShapeError(f"{operator}: layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")


def spatial_axes(rank: int, layout: str) -> range:
    """The spatial axes of a batch of images of ``rank``."""
    return range(1, rank - 1) if layout == "NHWC" else range(2, rank)


def channels_last(images: np.ndarray, layout: str) -> np.ndarray:
    """A batch of images with the channels in the last axis."""
    return images if layout == "NHWC" else np.moveaxis(images, 1, -1)


def in_layout(images: np.ndarray, layout: str) -> np.ndarray:
    """The inverse of :func:`channels_last`."""
    return images if layout == "NHWC" else np.moveaxis(images, -1, 1)
