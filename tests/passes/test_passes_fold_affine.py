"""Scales and offsets that become part of weights: fold_following_affine and fold_preceding_affine."""

from __future__ import annotations

import numpy as np
import pytest

from pass_models import ROW, THREE_BY_THREE, W, conv_of, lower_operators, model_of, same_numbers, types
from sofie_jit.ir.operators.activations import Relu
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.conv_transpose import ConvTranspose
from sofie_jit.ir.operators.elementwise import Add, Div, Mul, Sub
from sofie_jit.ir.operators.gemm import Gemm
from sofie_jit.ir.operators.math import Neg
from sofie_jit.ir.operators.normalization import BatchNormalization
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.passes.eliminate_dead_code import eliminate_dead_code
from sofie_jit.passes.fold_following_affine import fold_following_affine
from sofie_jit.passes.fold_preceding_affine import fold_preceding_affine
from sofie_jit.passes.pipeline import lower


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("layer", ["gemm", "gemm transposed", "conv NHWC", "conv NCHW", "conv OIHW", "depthwise"])
def test_batch_normalization_is_folded(layer: str, bias: bool, scaled: bool) -> None:
    rng = np.random.default_rng(9)
    weights = {"K": rng.normal(size=(4, 3)) if layer.startswith("gemm") else rng.normal(size=(2, 2, 4, 3))}
    names, channels = ["x", "K", *(["b"] if bias else [])], 3
    if layer.startswith("gemm"):
        weights["K"] = weights["K"].T if "transposed" in layer else weights["K"]
        shape, axis = (None, 4), -1
        op: object = Gemm(transB="transposed" in layer, alpha=0.5, beta=2.0, inputs=names, outputs=["h"])
    elif layer == "depthwise":
        weights["K"], channels = rng.normal(size=(3, 3, 1, 8)), 8
        shape, axis = (None, 6, 5, 4), 3
        op = Conv(layout="NHWC", kernel_layout="HWIO", group=4, inputs=names, outputs=["h"])
    else:
        first = layer == "conv NCHW"
        shape, axis = ((None, 4, 6, 5), 1) if first else ((None, 6, 5, 4), 3)
        kernel_layout = "OIHW" if "OIHW" in layer else "HWIO"
        weights["K"] = weights["K"].transpose(3, 2, 0, 1) if "OIHW" in layer else weights["K"]
        layout = "NCHW" if first else "NHWC"
        op = Conv(layout=layout, kernel_layout=kernel_layout, inputs=names, outputs=["h"])
    for name in ("b", "g", "s", "m"):
        weights[name] = rng.normal(size=channels)
    weights["v"] = rng.uniform(0.5, 2, size=channels)
    parameters = ["g", "s", "m", "v"] if scaled else ["", "", "m", "v"]
    norm = BatchNormalization(axis=axis, epsilon=1e-3, inputs=["h", *parameters], outputs=["n"])
    rmodel = model_of(shape, op, norm, Relu(inputs=["n"], outputs=["y"]), **weights)
    lowered = lower_operators(rmodel)
    assert types(fold_following_affine(lowered)) == [types(lowered)[0], "Relu"]
    assert len(lower(rmodel).operators) == (3 if layer == "conv NCHW" else 1)
    same_numbers(rmodel)


@pytest.mark.parametrize("kernel_layout", ["HWOI", "IOHW"])
def test_batch_normalization_is_folded_into_a_transposed_convolution(kernel_layout: str) -> None:
    rng = np.random.default_rng(10)
    kernel = rng.normal(size=(3, 2, 6, 4))
    kernel = kernel if kernel_layout == "HWOI" else kernel.transpose(3, 2, 0, 1)
    weights = {"v": rng.uniform(0.5, 2, size=6), **{name: rng.normal(size=6) for name in "gsm"}}
    conv = ConvTranspose(layout="NHWC", kernel_layout=kernel_layout, strides=[2, 1], inputs=["x", "K"], outputs=["h"])
    norm = BatchNormalization(axis=3, inputs=["h", "g", "s", "m", "v"], outputs=["y"])
    rmodel = model_of((None, 3, 5, 4), conv, norm, K=kernel, **weights)
    assert types(fold_following_affine(lower_operators(rmodel))) == ["FusedConvTranspose"]
    same_numbers(rmodel)


def test_batch_normalization_over_another_axis_stays() -> None:
    weights = {name: np.ones(6) for name in "gsmv"}
    conv = Conv(layout="NHWC", kernel_layout="HWIO", inputs=["x", "K"], outputs=["h"])
    norm = BatchNormalization(axis=1, inputs=["h", "g", "s", "m", "v"], outputs=["y"])
    rmodel = model_of((None, 6, 5, 4), conv, norm, K=np.ones((1, 1, 4, 3)), **weights)
    assert types(fold_following_affine(lower_operators(rmodel))) == ["FusedConv", "BatchNormalization"]
    same_numbers(rmodel)


RNG = np.random.default_rng(11)


@pytest.mark.parametrize("layer", ["gemm", "conv", "conv NCHW", "transposed"])
@pytest.mark.parametrize(
    "operators",
    [
        [Mul(inputs=["h", "row"], outputs=["y"])],
        [Mul(inputs=["two", "h"], outputs=["i"]), Add(inputs=["i", "row"], outputs=["y"])],
        [Sub(inputs=["row", "h"], outputs=["i"]), Div(inputs=["i", "row"], outputs=["y"])],
        [Neg(inputs=["h"], outputs=["i"]), Sub(inputs=["i", "row"], outputs=["y"])],
    ],
    ids=["scale", "scale and offset", "subtracted from", "negative"],
)
def test_scales_and_offsets_behind_are_folded(layer: str, operators: list[object]) -> None:
    row = ROW.reshape(4, 1, 1) if layer == "conv NCHW" else ROW
    names, shape, kernel = ["x", "K", "b"], (None, 5, 5, 4), RNG.normal(size=(2, 2, 4, 4))
    if layer == "gemm":
        shape, kernel = (None, 4), W
        first: object = Gemm(inputs=names, outputs=["h"], beta=3.0)
    elif layer == "transposed":
        first = ConvTranspose(layout="NHWC", kernel_layout="HWOI", inputs=names, outputs=["h"])
    else:
        layout = "NCHW" if layer == "conv NCHW" else "NHWC"
        shape = (None, 4, 5, 5) if layout == "NCHW" else shape
        first = Conv(layout=layout, kernel_layout="HWIO", inputs=names, outputs=["h"])
    rmodel = model_of(shape, first, *operators, K=kernel, b=ROW - 1, row=row, two=np.array(2.0))
    lowered = lower_operators(rmodel)
    assert types(fold_following_affine(lowered)) == types(lowered)[:1]
    assert len(lower(rmodel, ["fold_following_affine", "cancel_transposes"]).operators) == (
        3 if layer == "conv NCHW" else 1
    )
    same_numbers(rmodel)


@pytest.mark.parametrize(
    "operator",
    [
        Mul(inputs=["h", "x"], outputs=["y"]),
        Mul(inputs=["h", "square"], outputs=["y"]),
        Div(inputs=["row", "h"], outputs=["y"]),
        Add(inputs=["h", "rows"], outputs=["y"]),
    ],
    ids=["computed", "not per channel", "divisor", "other shape"],
)
def test_other_arithmetic_behind_stays(operator: object) -> None:
    weights = {"W": W, "row": ROW, "square": W, "rows": np.ones((4, 1, 4))}
    rmodel = model_of((4, 4), Gemm(inputs=["x", "W"], outputs=["h"]), operator, **weights)
    lowered = lower_operators(rmodel)
    assert types(fold_following_affine(lowered)) == types(lowered)
    same_numbers(rmodel)


def linear_of(layer: str, x: str) -> object:
    """An operator from 4 channels to 4 with kernel K."""
    if layer.startswith("gemm"):
        return Gemm(inputs=[x, "K", "b"], outputs=["y"], transB="transposed" in layer, alpha=0.5, beta=2.0)
    if layer == "transposed":
        return ConvTranspose(layout="NHWC", kernel_layout="HWOI", inputs=[x, "K"], outputs=["y"])
    attributes: dict[str, object] = {"auto_pad": "SAME_UPPER"} if "same" in layer else {}
    if "groups" in layer:
        attributes["group"] = 2
    return Conv(layout="NHWC", kernel_layout="HWIO", inputs=[x, "K"], outputs=["y"], **attributes)  # type: ignore[arg-type]


NORMALIZED = [Sub(inputs=["x", "mean"], outputs=["c"]), Div(inputs=["c", "row"], outputs=["s"])]
IMAGES = [Mul(inputs=["x", "two"], outputs=["c"]), Sub(inputs=["c", "one"], outputs=["s"])]
RESCALED = [Mul(inputs=["x", "row"], outputs=["c"]), Add(inputs=["c", "far"], outputs=["s"])]


@pytest.mark.parametrize(
    ("layer", "before", "left"),
    [
        ("gemm", NORMALIZED, []),
        ("gemm transposed", RESCALED, []),
        ("conv", RESCALED, []),
        ("conv groups", NORMALIZED, []),
        ("conv same", NORMALIZED, ["Sub"]),  # the mean is not taken from the zeros around an image
        ("conv same", RESCALED[:1], []),
        ("conv same", RESCALED, ["Add"]),
        ("conv same", IMAGES, ["Add"]),
        ("conv same", [Mul(inputs=["x", "none"], outputs=["c"]), *RESCALED[1:]], ["Mul", "Add"]),
        ("conv same 1x1", RESCALED, []),
        ("transposed", NORMALIZED, ["Sub"]),
        ("gemm", [Sub(inputs=["x", "far"], outputs=["c"]), *NORMALIZED[1:]], ["Sub"]),  # would lose digits
        ("gemm", [Mul(inputs=["x", "row"], outputs=["s"]), Relu(inputs=["s"], outputs=["s2"])], ["Mul", "Relu"]),
    ],
)
def test_scales_and_offsets_before_are_folded(layer: str, before: list[ROperator], left: list[str]) -> None:
    size = 1 if "1x1" in layer else 3
    kernel = W if layer.startswith("gemm") else RNG.normal(size=(size, size, 2 if "groups" in layer else 4, 4))
    weights = {
        "K": kernel,
        "b": ROW,
        "row": ROW,
        "mean": ROW * 0.9,
        "far": ROW + 90,
        "none": ROW * 0,
        "two": np.array(2.0),
        "one": np.array(1.0),
    }
    shape = (None, 4) if layer.startswith("gemm") else (None, 6, 5, 4)
    last = before[-1].outputs[0]
    rmodel = model_of(shape, *before, linear_of(layer, last), **weights)
    lowered = lower_operators(rmodel)
    folded = eliminate_dead_code(fold_preceding_affine(lowered))
    assert types(folded) == [*left, types(lowered)[-1]]
    same_numbers(rmodel)


def test_weights_that_would_overflow_stay() -> None:
    operators = Gemm(inputs=["x", "K"], outputs=["h"]), Mul(inputs=["h", "c"], outputs=["y"])
    rmodel = model_of((None, 4), *operators, K=1e20 * W, c=1e30 * ROW)
    assert types(fold_following_affine(lower_operators(rmodel))) == ["Dense", "Mul"]
    assert np.isfinite(rmodel.compile().infer(np.full((1, 4), 1e-30, np.float32))).all()


def test_one_scale_for_all_is_folded_through_a_reshape() -> None:
    operators = [
        Mul(inputs=["x", "two"], outputs=["a"]),
        Reshape(shape=(0, -1), inputs=["a"], outputs=["b"]),
        Mul(inputs=["b", "row"], outputs=["c"]),
        Gemm(inputs=["c", "K"], outputs=["y"]),
    ]
    rmodel = model_of((None, 2, 2), *operators, two=np.array(2.0), row=ROW, K=W)
    assert types(fold_preceding_affine(lower_operators(rmodel))) == ["Reshape", "Dense"]
    same_numbers(rmodel)
    operators[0].inputs = ["x", "pair"]  # channels that are no longer there behind the Reshape
    rmodel = model_of((None, 2, 2), *operators, pair=ROW[:2], row=ROW, K=W)
    assert types(fold_preceding_affine(lower_operators(rmodel))) == ["Mul", "Reshape", "Dense"]
    same_numbers(rmodel)


def test_an_offset_behind_a_reshape_stays_in_front_of_padding() -> None:
    operators = [
        Mul(inputs=["x", "two"], outputs=["a"]),
        Add(inputs=["a", "two"], outputs=["b"]),
        Reshape(shape=(0, 6, 5, 4), inputs=["b"], outputs=["c"]),
        conv_of("c", "y", auto_pad="SAME_UPPER"),
    ]
    rmodel = model_of((None, 120), *operators, two=np.array(2.0), K=THREE_BY_THREE)
    assert types(fold_preceding_affine(lower_operators(rmodel))) == ["Mul", "Add", "Reshape", "FusedConv"]
    same_numbers(rmodel)


def test_one_tensor_scaled_for_two_convolutions() -> None:
    operators = [
        *(Mul(inputs=["x", "two"], outputs=[f"{y}c"]) for y in "yz"),
        *(Sub(inputs=[f"{y}c", "row"], outputs=[f"{y}s"]) for y in "yz"),
        *(conv_of(f"{y}s", y, auto_pad="SAME_UPPER") for y in "yz"),
    ]
    rmodel = model_of((None, 6, 5, 4), *operators, outputs="y z", two=np.array(2.0), row=ROW, K=THREE_BY_THREE)
    assert types(fold_preceding_affine(lower_operators(rmodel))) == ["Add", "FusedConv", "Add", "FusedConv"]
    same_numbers(rmodel, ["fold_preceding_affine"])


def test_an_offset_stays_at_the_channels_of_an_image_that_has_them_first() -> None:
    columns = {"row": ROW.reshape(4, 1, 1), "mean": ROW.reshape(4, 1, 1) / 2}
    conv = Conv(kernel_layout="HWIO", auto_pad="SAME_UPPER", inputs=["s", "K"], outputs=["y"])
    scaled = [Mul(inputs=["x", "row"], outputs=["c"]), Sub(inputs=["c", "mean"], outputs=["s"])]
    rmodel = model_of((None, 4, 6, 5), *scaled, conv, K=THREE_BY_THREE, **columns)
    assert types(fold_preceding_affine(lower_operators(rmodel))) == ["Add", "FusedConv"]
    same_numbers(rmodel)


def test_a_scale_needed_elsewhere_stays() -> None:
    operators = [Mul(inputs=["x", "row"], outputs=["s"]), Gemm(inputs=["s", "K"], outputs=["y"])]
    rmodel = model_of((None, 4), *operators, outputs="y s", row=ROW, K=W)
    assert types(fold_preceding_affine(lower_operators(rmodel))) == ["Mul", "Dense"]
    same_numbers(rmodel)
