"""Resize, GridSample and their kin against ONNX Runtime, with known and with open sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator
from single_node import Constant, Random, check, computed, model

from sofie_jit import frontends
from sofie_jit.errors import SofieError

pytest.importorskip("onnxruntime")

numbers = Random(0).numbers
X = numbers(1, 2, 7, 5)
NONE = Constant([], "float32")


def scales(*factors: float) -> list[Constant | None]:
    return [None, Constant(factors, "float32")]


def sizes(*given: int) -> list[Constant | None]:
    return [None, None, Constant(given, "int64")]


def roi(*region: float) -> list[Constant | None]:
    return [Constant(region, "float32")]


TRANSFORMATIONS = [
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_half_pixel_for_nn",
]  # fmt: skip
ROUNDING = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
TO = {
    "scales": scales(1, 1, 0.6, 2.3), "whole": scales(1, 1, 2, 3), "sizes": sizes(1, 2, 3, 9),
    "multiples": sizes(1, 2, 14, 15), "one": sizes(1, 2, 1, 6),
}  # fmt: skip

RESIZED: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "defaults": (TO["scales"], {}),
    "defaults of whole factors": (TO["whole"], {}),
    **{
        f"{mode} {transformation} {to}": (
            TO[to], {"mode": mode, "coordinate_transformation_mode": transformation, "nearest_mode": "floor"},
        )
        for mode in ("nearest", "linear", "cubic")
        for transformation in TRANSFORMATIONS
        for to in TO
    },
    **{
        f"{rounding} {transformation}": (
            TO["whole"], {"nearest_mode": rounding, "coordinate_transformation_mode": transformation},
        )
        for rounding in ROUNDING
        for transformation in ("half_pixel", "asymmetric", "align_corners")
    },
    "cubic with another coefficient": (TO["scales"], {"mode": "cubic", "cubic_coeff_a": -0.5}),
    "cubic without what is outside": (TO["scales"], {"mode": "cubic", "exclude_outside": 1}),
    **{f"antialias {mode} {to}": (TO[to], {"mode": mode, "antialias": 1}) for mode in ("linear", "cubic")
       for to in ("scales", "sizes")},
    "antialias without what is outside": (TO["sizes"], {"mode": "cubic", "antialias": 1, "exclude_outside": 1}),
    "crop": ([*roi(0, 0, 0.2, 0.1, 1, 1, 0.7, 0.9), *sizes(1, 2, 4, 8)[1:]], {
        "mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"}),
    "crop beyond the image": ([*roi(0, 0, -0.3, 0.1, 1, 1, 0.7, 1.4), *sizes(1, 2, 6, 8)[1:]], {
        "mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 9.5}),
    "crop to one pixel": ([*roi(0, 0, 0.2, 0.1, 1, 1, 0.6, 0.9), *sizes(1, 2, 1, 3)[1:]], {
        "mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"}),
    "some axes": (scales(2.5, 0.5), {"axes": [3, 2], "mode": "linear"}),
    "not larger": (sizes(4, 4), {"axes": [2, 3], "keep_aspect_ratio_policy": "not_larger", "mode": "linear"}),
    "not smaller": (sizes(4, 4), {"axes": [2, 3], "keep_aspect_ratio_policy": "not_smaller", "mode": "linear"}),
    "not larger to a half": (sizes(14, 9), {"axes": [2, 3], "keep_aspect_ratio_policy": "not_larger"}),
}  # fmt: skip
KNOWN_ONLY = {name for name in RESIZED if name.startswith(("not ", "crop to one"))}


EXACT = {f"{mode} align_corners scales" for mode in ("nearest", "linear", "cubic")}
"""ONNX divides by the size before it is rounded, ONNX Runtime by the rounded size."""


def of_onnx(content: bytes) -> Callable[..., np.ndarray]:
    """The first output by the reference evaluator of the onnx package, of one input."""
    return lambda *arrays: ReferenceEvaluator(content).run(None, {f"x{i}": x for i, x in enumerate(arrays)})[0]


@pytest.mark.parametrize("is_open", [False, True], ids=["known", "open"])
def test_resize(is_open: bool) -> None:
    for name, (given, attributes) in RESIZED.items():
        if is_open and name in KNOWN_ONLY:
            continue
        shape = (1, 2, "height", "width") if is_open else X.shape
        content = model("Resize", [X, *given], attributes, 19, sizes=shape)
        check(name, content, [X, *given], of_onnx(content) if name in EXACT else None, tolerance=2e-5)


OPERATORS = {
    "whole factors": (TO["whole"], {}, ["Upsample"]),
    "multiples": (TO["multiples"], {}, ["Upsample"]),
    "no change": (scales(1, 1, 1, 1), {}, []),
    "channels": (scales(1, 3, 1, 1), {}, ["Upsample"]),
    "from above": (
        TO["whole"], {"nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}, ["Upsample"]),
    "rounded up": (TO["whole"], {"nearest_mode": "round_prefer_ceil"}, ["Upsample"]),
    "images": (TO["whole"], {"mode": "linear"}, ["Resize"]),
    "symmetric images": (
        TO["whole"], {"mode": "linear", "coordinate_transformation_mode": "half_pixel_symmetric"}, ["Resize"]),
    "half a size": (scales(1, 1, 2.5, 2), {}, ["Gather", "Gather"]),
    "smaller": (sizes(1, 2, 14, 4), {}, ["Gather", "Gather"]),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
def test_enlarged_by_whole_factors(name: str) -> None:
    """One operator does it where the coordinates allow that."""
    given, attributes, expected = OPERATORS[name]
    rmodel = frontends.open(model("Resize", [X, *given], attributes, 19))()
    assert [op.op_type for op in rmodel.operators if op.op_type != "Identity"] == expected


GRID = np.tanh(numbers(1, 9, 10, 2)) * np.float32(1.9)
SAMPLED: dict[str, dict[str, Any]] = {
    "defaults": {},
    **{
        f"{mode} {padding} {corners}": {"mode": mode, "padding_mode": padding, "align_corners": corners}
        for mode in ("linear", "nearest", "cubic")
        for padding in ("zeros", "border", "reflection")
        for corners in (0, 1)
    },
}


@pytest.mark.parametrize("is_open", [False, True], ids=["known", "open"])
def test_grid_sample(is_open: bool) -> None:
    shape = (1, 2, "height", "width") if is_open else X.shape
    for name, attributes in SAMPLED.items():
        check(name, model("GridSample", [X, GRID], attributes, 20, sizes=shape), [X, GRID], tolerance=2e-5)
    for corners in (0, 1):  # of one row and one column
        for padding in ("zeros", "border", "reflection"):
            shape, options = (1, 2, "height", "width") if is_open else (1, 2, 1, 1), {"padding_mode": padding}
            content = model(
                "GridSample", [X[..., :1, :1], GRID], {**options, "align_corners": corners}, 20, sizes=shape
            )
            check(f"one pixel {padding} {corners}", content, [X[..., :1, :1].copy(), GRID], tolerance=2e-5)
    volume, grid = numbers(1, 2, 3, 4, 5), np.tanh(numbers(1, 2, 3, 4, 3)) * np.float32(1.4)
    for mode in ("linear", "nearest"):
        content = model("GridSample", [volume, grid], {"mode": mode, "padding_mode": "reflection"}, 20)
        check(f"volume {mode}", content, [volume, grid], tolerance=2e-5)


def test_coordinates_that_are_not_numbers() -> None:
    """They point to no element outside the image."""
    grid = np.full((1, 1, 2, 2), np.nan, np.float32)
    for mode in ("linear", "nearest"):
        for padding, expected in (("zeros", 0), ("border", X[0, :, 0, 0]), ("reflection", X[0, :, 0, 0])):
            content = model("GridSample", [X, grid], {"mode": mode, "padding_mode": padding}, 20)
            (y,) = computed(content, [X, grid])
            wanted = expected if mode == "nearest" or padding == "zeros" else np.nan
            np.testing.assert_array_equal(y[0, :, 0, 1], np.broadcast_to(wanted, 2), err_msg=f"{mode} {padding}")


def test_affine_grids() -> None:
    for size in ([2, 3, 5, 6], [2, 1, 1, 4], [2, 3, 4, 5, 6]):
        theta = numbers(2, len(size) - 2, len(size) - 1)
        for corners in (0, 1):
            given = [theta, Constant(size, "int64")]
            content = model("AffineGrid", given, {"align_corners": corners}, 20)
            check(f"{size} {corners}", content, given, of_onnx(content), tolerance=1e-5)


REFUSED: dict[str, tuple[str, list[Any], dict[str, Any], str]] = {
    "no sizes": ("Resize", [X], {}, "it has neither scales nor sizes"),
    "empty sizes": ("Resize", [X, None, NONE, Constant([], "int64")], {}, "it has neither scales nor sizes"),
    "roi": ("Resize", [X, *roi(0, 1), *sizes(1, 2, 4, 8)[1:]], {"coordinate_transformation_mode": "tf_crop_and_resize"},
            "roi has 2 numbers for 4 axes; expected 8"),
    "no roi": ("Resize", [X, *sizes(1, 2, 4, 8)], {"coordinate_transformation_mode": "tf_crop_and_resize"},
               "roi has 0 numbers for 4 axes; expected 8"),
    "scales": ("Resize", [X, *scales(1, 1, 2)], {}, r"scales are \[1.0, 1.0, 2.0\] for 4 axes"),
    "scale 0": ("Resize", [X, *scales(1, 1, 2, 0)], {}, "expected one positive number for each"),
    "scale inf": ("Resize", [X, *scales(1, 1, 2, np.inf)], {}, "expected one positive number for each"),
    "sizes": ("Resize", [X, *sizes(4, 8)], {}, r"sizes are \[4, 8\] for 4 axes; expected one for each"),
    "policy": ("Resize", [X, *sizes(1, 2, 4, 8)], {"keep_aspect_ratio_policy": "crop"}, "policy is 'crop'; expected"),
    "mode": ("Resize", [X, *scales(1, 1, 2, 2)], {"mode": "area"}, "mode is 'area'; expected nearest, linear or cubic"),
    "transformation": ("Resize", [X, *scales(1, 1, 2, 2)], {"coordinate_transformation_mode": "polar"},
                       "coordinate_transformation_mode is 'polar'; expected half_pixel, "),
    "rounding": ("Resize", [X, *scales(1, 1, 2, 2)], {"nearest_mode": "even"}, "nearest_mode is 'even'; expected"),
    "no elements": ("Resize", [X[:, :, :0], *sizes(1, 2, 4, 8)], {}, "an axis without elements cannot be resized"),
    "integers": ("Resize", [np.ones((1, 2, 7, 5), np.int32), *sizes(1, 2, 3, 4)], {"mode": "linear"},
                 "interpolation of int32 is not supported: insert a Cast to float"),
    "grid mode": ("GridSample", [X, GRID], {"mode": "area"}, "mode is 'area' and padding_mode is 'zeros'"),
    "padding": ("GridSample", [X, GRID], {"padding_mode": "wrap"}, "mode is 'linear' and padding_mode is 'wrap'"),
    "theta": ("AffineGrid", [numbers(2, 3, 3), Constant([2, 3, 5, 6], "int64")], {},
              r"theta has shape \(2, 3, 3\); expected \(N, 2, 3\) for a size of \[2, 3, 5, 6\]"),
    "theta of vectors": ("AffineGrid", [numbers(2, 3), Constant([2, 3, 5, 6], "int64")], {}, r"theta has shape \(2,"),
    "deformed volumes": ("DeformConv", [numbers(1, 1, 3, 3, 3), numbers(1, 1, 2, 2, 2), numbers(1, 24, 2, 2, 2)], {},
                         "its input has 5 axes; only images of two dimensions are supported"),
    "offsets": ("DeformConv", [numbers(1, 1, 3, 3), numbers(1, 1, 2, 2), numbers(1, 6, 2, 2)], {},
                "which does not fit offset_group=1 and a kernel"),
    "groups of offsets": ("DeformConv", [numbers(1, 3, 3, 3), numbers(1, 3, 2, 2), numbers(1, 16, 2, 2)],
                          {"offset_group": 2}, "which does not fit offset_group=2 and a kernel"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    op, given, attributes, message = REFUSED[name]
    with pytest.raises(SofieError, match=message):
        frontends.open(model(op, given, attributes, 20))()
