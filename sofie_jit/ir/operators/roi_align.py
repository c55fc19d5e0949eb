"""RoiAlign: regions of images, resampled to one size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sofie_jit.errors import DtypeError, OutOfRangeError, ShapeError
from sofie_jit.ir.dims import counts_rows, format_shape, is_at_least
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.types import TensorType, check_table, float_dtype
from sofie_jit.records import dataclass

LARGEST = 1e6
"""The size of a bin, in pixels, from which on a region is rejected."""


@dataclass(kw_only=True)
class RoiAlign(ROperator):
    """Bins of regions of images: the mean of samples by bilinear interpolation, or the largest term (``mode="max"``).

    Inputs: images X (N, C, H, W); regions (R, 4), each (x1, y1, x2, y2) in units of ``1 / spatial_scale`` pixels; the
    image of each region (R,), int32 or int64. Output: (R, C, ``output_height``, ``output_width``). A bin has
    ``sampling_ratio`` samples along each axis, or with 0 one per pixel. An image that does not exist, or a region whose
    size is not a number below a million pixels, makes ``infer`` of the compiled model raise OutOfRangeError.

    >>> x = np.arange(4.0).reshape(1, 1, 2, 2)
    >>> RoiAlign(sampling_ratio=1).evaluate(x, np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([0]))
    array([[[[1.5]]]])
    """

    coordinate_transformation_mode: str = "half_pixel"
    mode: str = "avg"
    output_height: int = 1
    output_width: int = 1
    sampling_ratio: int = 0
    spatial_scale: float = 1.0

    def infer(self, x: TensorType, rois: TensorType, batch_indices: TensorType) -> TensorType:
        dtype = float_dtype("RoiAlign", x, rois)
        if not batch_indices.dtype.startswith("int"):
            raise DtypeError(f"RoiAlign needs integer batch_indices, got {batch_indices}")
        if self.mode not in ("avg", "max") or self.coordinate_transformation_mode not in (
            "half_pixel",
            "output_half_pixel",
        ):
            raise ShapeError(f"RoiAlign has no mode {self.mode!r} with {self.coordinate_transformation_mode!r}")
        if x.rank != 4 or rois.rank != 2 or rois.shape[1] != 4 or batch_indices.shape != rois.shape[:1]:
            shapes = ", ".join(format_shape(t.shape) for t in (x, rois, batch_indices))
            raise ShapeError(f"RoiAlign needs images (N, C, H, W), regions (R, 4) and indices (R,), got {shapes}")
        channels, *image = x.shape[1:]
        out = (self.output_height, self.output_width)
        if any(is_at_least(-size, 0) for size in (*image, *out)) or self.sampling_ratio < 0:
            raise ShapeError(f"RoiAlign: images {format_shape(x.shape)} cannot become {out}")
        check_table("RoiAlign", *out, max(self.sampling_ratio, 1), max(self.sampling_ratio, 1))
        return TensorType(dtype, (rois.shape[0], channels, *out))

    def requirements(self, x: TensorType, rois: TensorType, batch_indices: TensorType) -> list[Requirement]:
        return [Requirement(1, "<=", size) for size in x.shape[2:]]

    def evaluate(self, x: np.ndarray, rois: np.ndarray, batch_indices: np.ndarray) -> np.ndarray:
        y = np.zeros((len(rois), x.shape[1], self.output_height, self.output_width), x.dtype)
        half = self.coordinate_transformation_mode == "half_pixel"
        for region, (roi, image) in enumerate(zip(rois, batch_indices.tolist(), strict=True)):
            if not 0 <= image < len(x):
                raise OutOfRangeError(f"RoiAlign: there is no image {image} among {len(x)}")
            left, top, right, bottom = roi * self.spatial_scale - (0.5 if half else 0)
            least = -np.inf if half else 1.0
            rows = self._samples(top, max(bottom - top, least), self.output_height)
            columns = self._samples(left, max(right - left, least), self.output_width)
            terms = _terms(x[image], rows.reshape(-1), columns.reshape(-1))
            shape = (4, x.shape[1], *rows.shape, *columns.shape)
            parts = np.moveaxis(terms.reshape(shape), 4, 3)  # (terms, C, bins, bins, samples, samples)
            if self.mode == "max":
                y[region] = parts.max(axis=(0, 4, 5))
            else:
                y[region] = parts.sum(axis=(0, 4, 5)) / (rows.shape[1] * columns.shape[1])
        return y

    def _samples(self, start: float, size: float, bins: int) -> np.ndarray:
        """The coordinates of the samples of each bin, (bins, samples)."""
        step = size / bins
        if not -LARGEST < step < LARGEST:
            raise OutOfRangeError(f"RoiAlign: a region has the size {size}")
        count = self.sampling_ratio or max(int(np.ceil(step)), 1)
        return start + (np.arange(bins)[:, np.newaxis] + (np.arange(count) + 0.5) / count) * step

    def mixes_places(self, axis: int, x: TensorType, rois: TensorType, batch_indices: TensorType) -> bool:
        return axis != 0 or counts_rows(x.shape[0])

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        return 12 * max(self.sampling_ratio, 1) ** 2 * super().flops(inputs, outputs)


def _terms(image: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The four terms of bilinear interpolation at all pairs of coordinates, (4, C, rows, columns)."""
    parts = []
    for at, size in ((rows, image.shape[1]), (columns, image.shape[2])):
        outside = ~((at >= -1) & (at <= size))
        inside = np.clip(np.where(outside, 0, at), 0, size - 1)
        low = np.minimum(np.floor(inside).astype(np.int64), size - 1)
        share = inside - low
        parts.append((low, np.minimum(low + 1, size - 1), share, ~outside))
    (top, bottom, down, in_rows), (left, right, far, in_columns) = parts
    weight = in_rows[:, np.newaxis] & in_columns
    terms = [
        image[:, v][:, :, h] * np.where(weight, a[:, np.newaxis] * b, 0)
        for v, a in ((top, 1 - down), (bottom, down))
        for h, b in ((left, 1 - far), (right, far))
    ]
    return np.stack(terms)
