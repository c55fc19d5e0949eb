"""Each pass by itself: what it rewrites, what it leaves alone, and that numbers stay the same."""

from __future__ import annotations

import numpy as np
import pytest

from sofie_jit import OptionError, RModel
from sofie_jit.operators import all_operators
from sofie_jit.operators.activations import Clip, Relu, Tanh
from sofie_jit.operators.conv import Conv
from sofie_jit.operators.conv_transpose import ConvTranspose
from sofie_jit.operators.elementwise import Add, Div, Mul, Sub
from sofie_jit.operators.expand import Expand
from sofie_jit.operators.gather import Gather
from sofie_jit.operators.gemm import Gemm
from sofie_jit.operators.identity import Identity
from sofie_jit.operators.math import TopK
from sofie_jit.operators.normalization import BatchNormalization
from sofie_jit.operators.operator import ROperator
from sofie_jit.operators.pad import Pad
from sofie_jit.operators.reshape import Reshape
from sofie_jit.operators.transpose import Transpose
from sofie_jit.passes import PASSES, lower
from sofie_jit.passes.absorb_padding import absorb_padding
from sofie_jit.passes.cancel_transposes import cancel_transposes
from sofie_jit.passes.chain_depthwise import chain_depthwise
from sofie_jit.passes.choose_winograd import choose_winograd
from sofie_jit.passes.drop_unused import drop_unused
from sofie_jit.passes.fold_affine import fold_affine
from sofie_jit.passes.fold_constants import _EXACT, fold_constants
from sofie_jit.passes.fold_scaling import fold_scaling
from sofie_jit.passes.fuse_activation import fuse_activation
from sofie_jit.passes.fuse_add import fuse_add
from sofie_jit.passes.lower_layout import lower_layout
from sofie_jit.passes.merge_duplicates import merge_duplicates
from sofie_jit.passes.plan_memory import Arena, can_tile, last_uses, memory_taken_over, storage
from sofie_jit.passes.separate_outputs import separate_outputs
from sofie_jit.passes.slice_strides import slice_strides


def model_of(shape: tuple[int | None, ...], *operators: object, outputs: str = "y", **weights: np.ndarray) -> RModel:
    rmodel = RModel("pass")
    rmodel.add_input_tensor_info("x", "float32", shape)
    for name, values in weights.items():
        rmodel.add_initialized_tensor(name, values.astype(np.float32))
    for op in operators:
        rmodel.add_operator(op)  # type: ignore[arg-type]
    rmodel.add_output_tensor_names(*outputs.split())
    rmodel.generate()
    return rmodel


def types(rmodel: RModel) -> list[str]:
    return [op.op_type for op in rmodel.operators]


def same_numbers(rmodel: RModel, optimize: bool | list[str] = True) -> None:
    shape = [3 if isinstance(d, str) else d for d in rmodel.inputs["x"].shape]
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    plain, optimized = rmodel.compile(optimize=False).infer(x), rmodel.compile(optimize=optimize).infer(x)
    for a, b in zip(*(r if isinstance(r, list) else [r] for r in (plain, optimized)), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6 * max(np.abs(a).max(), 1e-30))


W = np.random.default_rng(1).normal(size=(4, 4))


def test_activation_is_fused() -> None:
    rmodel = model_of((None, 4), Gemm(inputs=["x", "W"], outputs=["h"]), Relu(inputs=["h"], outputs=["y"]), W=W)
    fused = fuse_activation(rmodel)
    assert types(fused) == ["Gemm"]
    assert isinstance(fused.operators[0].attributes()["activation"], Relu)
    assert types(rmodel) == ["Gemm", "Relu"]
    same_numbers(rmodel)


@pytest.mark.parametrize("outputs", ["y h", "y z"])
def test_activation_of_a_tensor_needed_elsewhere_stays(outputs: str) -> None:
    operators = [Gemm(inputs=["x", "W"], outputs=["h"]), Relu(inputs=["h"], outputs=["y"])]
    rmodel = model_of((None, 4), *operators, Tanh(inputs=["h"], outputs=["z"]), outputs=outputs, W=W)
    assert types(fuse_activation(drop_unused(rmodel)))[:2] == ["Gemm", "Relu"]
    same_numbers(rmodel)


def test_a_second_activation_stays() -> None:
    rmodel = model_of(
        (None, 4),
        Gemm(inputs=["x", "W"], outputs=["a"]),
        Relu(inputs=["a"], outputs=["b"]),
        Tanh(inputs=["b"], outputs=["y"]),
        W=W,
    )
    assert types(fuse_activation(rmodel)) == ["Gemm", "Tanh"]
    same_numbers(rmodel)


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
        op: object = Gemm(trans_b="transposed" in layer, alpha=0.5, beta=2.0, inputs=names, outputs=["h"])
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
    assert types(fold_affine(rmodel)) == [types(rmodel)[0], "Relu"]
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
    assert types(fold_affine(rmodel)) == ["ConvTranspose"]
    same_numbers(rmodel)


RNG = np.random.default_rng(11)
ROW = RNG.uniform(0.5, 2, 4)


@pytest.mark.parametrize("layer", ["gemm", "conv", "conv NCHW", "transposed"])
@pytest.mark.parametrize(
    "operators",
    [
        [Mul(inputs=["h", "row"], outputs=["y"])],
        [Mul(inputs=["two", "h"], outputs=["i"]), Add(inputs=["i", "row"], outputs=["y"])],
        [Sub(inputs=["row", "h"], outputs=["i"]), Div(inputs=["i", "row"], outputs=["y"])],
    ],
    ids=["scale", "scale and offset", "subtracted from"],
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
    assert types(fold_affine(rmodel)) == types(rmodel)[:1]
    assert len(lower(rmodel, ["fold_affine", "cancel_transposes"]).operators) == (3 if layer == "conv NCHW" else 1)
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
    assert types(fold_affine(rmodel)) == types(rmodel)
    same_numbers(rmodel)


def linear_of(layer: str, x: str) -> object:
    """An operator from 4 channels to 4 with kernel K."""
    if layer.startswith("gemm"):
        return Gemm(inputs=[x, "K", "b"], outputs=["y"], trans_b="transposed" in layer, alpha=0.5, beta=2.0)
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
    folded = drop_unused(fold_scaling(rmodel))
    assert types(folded) == [*left, types(rmodel)[-1]]
    same_numbers(rmodel)


def test_one_scale_for_all_is_folded_through_a_reshape() -> None:
    operators = [
        Mul(inputs=["x", "two"], outputs=["a"]),
        Reshape(shape=(0, -1), inputs=["a"], outputs=["b"]),
        Mul(inputs=["b", "row"], outputs=["c"]),
        Gemm(inputs=["c", "K"], outputs=["y"]),
    ]
    rmodel = model_of((None, 2, 2), *operators, two=np.array(2.0), row=ROW, K=W)
    assert types(fold_scaling(rmodel)) == ["Reshape", "Gemm"]
    same_numbers(rmodel)
    operators[0].inputs = ["x", "pair"]  # channels that are no longer there behind the Reshape
    rmodel = model_of((None, 2, 2), *operators, pair=ROW[:2], row=ROW, K=W)
    assert types(fold_scaling(rmodel)) == ["Mul", "Reshape", "Gemm"]
    same_numbers(rmodel)


def test_one_tensor_scaled_for_two_convolutions() -> None:
    operators = [
        *(Mul(inputs=["x", "two"], outputs=[f"{y}c"]) for y in "yz"),
        *(Sub(inputs=[f"{y}c", "row"], outputs=[f"{y}s"]) for y in "yz"),
        *(conv_of(f"{y}s", y, auto_pad="SAME_UPPER") for y in "yz"),
    ]
    rmodel = model_of((None, 6, 5, 4), *operators, outputs="y z", two=np.array(2.0), row=ROW, K=THREE_BY_THREE)
    assert types(fold_scaling(rmodel)) == ["Add", "Conv", "Add", "Conv"]
    same_numbers(rmodel, ["fold_scaling"])


def test_a_scale_needed_elsewhere_stays() -> None:
    operators = [Mul(inputs=["x", "row"], outputs=["s"]), Gemm(inputs=["s", "K"], outputs=["y"])]
    rmodel = model_of((None, 4), *operators, outputs="y s", row=ROW, K=W)
    assert types(fold_scaling(rmodel)) == ["Mul", "Gemm"]
    same_numbers(rmodel)


def test_results_that_are_the_same_are_computed_once() -> None:
    operators = [
        Mul(inputs=["x", "half"], outputs=["a"]),
        Mul(inputs=["x", "also half"], outputs=["b"]),
        Tanh(inputs=["a"], outputs=["c"]),
        Tanh(inputs=["b"], outputs=["d"]),
        Reshape(shape=(0, 2, 2), inputs=["c"], outputs=["e"]),
        Reshape(shape=(0, 4, 1), inputs=["d"], outputs=["f"]),
        Reshape(shape=(0, 4), inputs=["e"], outputs=["g"]),
        Reshape(shape=(0, 4), inputs=["f"], outputs=["h"]),
        Sub(inputs=["g", "h"], outputs=["y"]),
        Sub(inputs=["h", "g"], outputs=["z"]),
    ]
    rmodel = model_of((None, 4), *operators, outputs="y z", **{"half": np.array(0.5), "also half": np.array(0.5)})
    merged = merge_duplicates(rmodel)
    assert types(merged) == ["Mul", "Tanh", *["Reshape"] * 4, "Sub", "Sub"]
    assert merged.operators[3].inputs == ["c"]
    same_numbers(rmodel)


def test_outputs_and_other_attributes_are_no_duplicates() -> None:
    operators = [
        Clip(low=0.0, inputs=["x"], outputs=["a"]),
        Clip(low=-0.0, inputs=["x"], outputs=["b"]),
        Clip(low=0.0, inputs=["x"], outputs=["y"]),
        Add(inputs=["a", "b"], outputs=["z"]),
        TopK(k=1, inputs=["x"], outputs=["c", ""]),
        TopK(k=1, inputs=["x"], outputs=["", "d"]),
    ]
    rmodel = model_of((None, 4), *operators, outputs="y z c d")
    assert types(merge_duplicates(rmodel)) == types(rmodel)


def test_constants_are_folded() -> None:
    operators = [
        Mul(inputs=["W", "two"], outputs=["a"]),
        Transpose(perm=[1, 0], inputs=["a"], outputs=["b"]),
        Gemm(inputs=["x", "b"], outputs=["y"]),
        Tanh(inputs=["two"], outputs=["c"]),  # a kernel's own bits
        Add(inputs=["y", "c"], outputs=["z"]),
    ]
    rmodel = model_of((None, 4), *operators, outputs="z b", W=W, two=np.array(2.0))
    folded = drop_unused(fold_constants(rmodel))
    assert types(folded) == ["Gemm", "Tanh", "Add"]
    np.testing.assert_array_equal(folded.initialized["b"], 2 * W.T.astype(np.float32))
    assert len(lower(rmodel).operators) == 4  # and a copy of b
    same_numbers(rmodel)


def test_results_far_larger_than_constants_are_computed_when_needed() -> None:
    operators = [Expand(shape=(1 << 10, 1 << 11), inputs=["two"], outputs=["y"])]
    rmodel = model_of((None, 4), *operators, two=np.array(2.0))
    assert types(fold_constants(rmodel)) == ["Expand"]


SPECIAL = np.array([-np.inf, -2.5, -1.0, -0.5, -0.0, 0.0, 1e-40, 0.5, 1.5, 3e9, np.inf, np.nan], np.float32)
FLAGS = np.arange(12) % 3 == 0
NUMBERS = np.array([5, -7, 2**31 - 1, -(2**31), 0, 1, -1, 3, 9, 2, 4, 6], np.int32)
FOLDED = [
    *[(name, {}, (SPECIAL,)) for name in ("Abs", "Ceil", "Floor", "Neg", "Round", "Sqrt", "Square", "Trunc")],
    *[(name, {}, (SPECIAL[:, None], SPECIAL)) for name in ("Add", "Sub", "Mul", "Div", "Max", "Min")],
    *[(name, {}, (NUMBERS, NUMBERS[::-1])) for name in ("Add", "Sub", "Mul", "Max")],
    *[(name, {}, (SPECIAL[:, None], SPECIAL)) for name in ("Equal", "NotEqual", "Less", "LessOrEqual", "And", "Xor")],
    *[(name, {}, (NUMBERS, NUMBERS[::-1])) for name in ("Greater", "GreaterOrEqual", "Or")],
    *[("Cast", {"to": to}, (SPECIAL,)) for to in ("int32", "int64", "bool", "float64")],
    ("Cast", {"to": "float32"}, (NUMBERS,)),
    ("Concat", {"axis": 0}, (NUMBERS, NUMBERS[:1])),
    ("CumSum", {"axis": 0}, (SPECIAL[1:10],)),
    ("Expand", {"shape": (2, 12)}, (NUMBERS,)),
    ("Gather", {"axis": 0}, (SPECIAL, np.array([[0, -1, 11], [-12, 3, 3]], np.int32))),
    ("Identity", {}, (SPECIAL,)),
    ("Not", {}, (FLAGS,)),
    ("Pad", {"pads": [2, -1, -1, 4], "value": 7.0}, (SPECIAL.reshape(3, 4)[:2],)),
    ("Pad", {"pads": [1, 1], "value": 2.0}, (SPECIAL[:0],)),
    ("Reshape", {"shape": (3, -1)}, (SPECIAL,)),
    ("Slice", {"starts": [10, -1], "ends": [1, -9], "axes": [1, 0], "steps": [-3, -2]}, (np.outer(NUMBERS, NUMBERS),)),
    ("Sum", {}, (SPECIAL[:, None], SPECIAL, SPECIAL)),
    ("Transpose", {"perm": [1, 0]}, (SPECIAL.reshape(3, 4),)),
    ("Upsample", {"scales": [2, 3]}, (SPECIAL.reshape(3, 4),)),
    ("Where", {}, (FLAGS, SPECIAL, SPECIAL[:, None])),
]  # fmt: skip


def test_constants_have_the_bits_that_kernels_compute() -> None:
    """All in one model, each operator once on inputs of the model and once on constants."""
    names = {name for name, _, _ in FOLDED}
    assert set(_EXACT) == names
    computed, constant, given = RModel("computed"), RModel("constant"), {}
    for case, (name, attributes, arrays) in enumerate(FOLDED):
        for index, array in enumerate(arrays):
            given[f"x{case}_{index}"] = array
            computed.add_input_tensor_info(f"x{case}_{index}", array.dtype.name, array.shape)
            constant.add_initialized_tensor(f"x{case}_{index}", array)
        for rmodel in (computed, constant):
            operator = all_operators()[name](**attributes)
            operator.inputs, operator.outputs = [f"x{case}_{i}" for i in range(len(arrays))], [f"y{case}"]
            rmodel.add_operator(operator)
            rmodel.add_output_tensor_names(f"y{case}")
    folded = fold_constants(constant)
    assert not folded.operators
    expected = computed.compile(optimize=False).infer(given)
    for case, (name, _, _) in enumerate(FOLDED):
        found = folded.initialized[f"y{case}"]
        assert found.dtype == expected[case].dtype
        np.testing.assert_array_equal(found, expected[case], err_msg=name)
        if found.dtype.kind == "f" and name not in ("Max", "Min"):  # of 0 and -0 either is the larger one
            number = ~np.isnan(found)
            np.testing.assert_array_equal(np.signbit(found)[number], np.signbit(expected[case])[number], err_msg=name)


def test_an_index_outside_of_a_constant_table_stays_an_error() -> None:
    rmodel = RModel("outside")
    rmodel.add_input_tensor_info("x", "float32", (None, 4))
    rmodel.add_initialized_tensor("table", SPECIAL)
    rmodel.add_initialized_tensor("index", np.array([12], np.int32))
    rmodel.add_operator(Gather(inputs=["table", "index"], outputs=["y"]))
    rmodel.add_output_tensor_names("y")
    assert types(fold_constants(rmodel)) == ["Gather"]


def test_passes_are_switched_one_by_one() -> None:
    operators = [
        Gemm(inputs=["x", "W"], outputs=["a"]),
        Mul(inputs=["a", "row"], outputs=["b"]),
        Relu(inputs=["b"], outputs=["y"]),
    ]
    rmodel = model_of((None, 4), *operators, W=W, row=ROW)
    for optimize, expected in (
        (True, ["Gemm"]),
        (False, ["Gemm", "Mul", "Relu"]),
        (["fold_affine"], ["Gemm", "Relu"]),
        ({"fuse_activation"}, ["Gemm", "Mul", "Relu"]),
        ([], ["Gemm", "Mul", "Relu"]),
    ):
        assert types(lower(rmodel, optimize)) == expected
    same_numbers(rmodel, ["fold_affine"])
    for wrong in ("fold_affine", ["lower_gemm"], ["fold"]):
        with pytest.raises(OptionError, match="list of passes out of absorb_padding"):
            rmodel.compile(optimize=wrong)


ONE_BY_ONE = np.random.default_rng(3).normal(size=(1, 1, 4, 4))
THREE_BY_THREE = np.random.default_rng(4).normal(size=(3, 3, 4, 4))


def conv_of(x: str, y: str, kernel: str = "K", **attributes: object) -> Conv:
    return Conv(layout="NHWC", kernel_layout="HWIO", inputs=[x, kernel], outputs=[y], **attributes)  # type: ignore[arg-type]


@pytest.mark.parametrize("kernel", [ONE_BY_ONE, THREE_BY_THREE], ids=["as gemm", "direct"])
@pytest.mark.parametrize("swapped", [False, True])
def test_residual_is_added_by_the_convolution(kernel: np.ndarray, swapped: bool) -> None:
    same = {"auto_pad": "SAME_UPPER"}
    rmodel = model_of(
        (None, 6, 5, 4),
        conv_of("x", "a", **same),
        Relu(inputs=["a"], outputs=["b"]),
        conv_of("b", "c", **same),
        Add(inputs=["x", "c"] if swapped else ["c", "x"], outputs=["d"]),
        Tanh(inputs=["d"], outputs=["y"]),
        K=kernel,
    )
    fused = fuse_add(rmodel)
    assert types(fused) == ["Conv", "Relu", "Conv", "Tanh"]
    assert fused.operators[2].inputs == ["b", "K", "", "x"]
    assert types(lower(rmodel)) == ["Conv", "Conv"]
    same_numbers(rmodel)


def test_the_later_of_two_producers_adds() -> None:
    rmodel = model_of(
        (None, 4),
        Gemm(inputs=["x", "W"], outputs=["a"]),
        Gemm(inputs=["x", "V", "b"], outputs=["c"]),
        Add(inputs=["a", "c"], outputs=["d"]),
        Add(inputs=["d", "x"], outputs=["y"]),  # an operator takes one residual
        W=W, V=W + 1, b=np.ones(4),
    )  # fmt: skip
    fused = fuse_add(rmodel)
    assert types(fused) == ["Gemm", "Gemm", "Add"]
    assert fused.operators[1].inputs == ["x", "V", "b", "a"]
    same_numbers(rmodel)


@pytest.mark.parametrize(
    "operators",
    [
        [conv_of("x", "c"), Add(inputs=["c", "c"], outputs=["y"])],
        [conv_of("x", "c"), Add(inputs=["c", "row"], outputs=["y"])],
        [conv_of("x", "c", activation=Relu()), Add(inputs=["c", "x"], outputs=["y"])],
        [conv_of("x", "c", "D", group=4), Add(inputs=["c", "x"], outputs=["y"])],
        [conv_of("x", "c"), Add(inputs=["c", "x"], outputs=["z"]), Add(inputs=["z", "c"], outputs=["y"])],
    ],
    ids=["itself", "broadcast", "activation between", "depthwise", "needed elsewhere"],
)
def test_other_additions_stay(operators: list[object]) -> None:
    weights = {"K": ONE_BY_ONE, "D": ONE_BY_ONE[:, :, :1], "row": np.ones(4)}
    rmodel = drop_unused(model_of((None, 6, 5, 4), *operators, **weights))
    assert types(fuse_add(rmodel))[:2] == ["Conv", "Add"]
    same_numbers(rmodel)


@pytest.mark.parametrize("group", [1, 4])
def test_padding_is_absorbed(group: int) -> None:
    pad = Pad(pads=[0, 1, 0, 0, 0, 2, 3, 0], inputs=["x"], outputs=["p"])
    conv = conv_of("p", "y", strides=[2, 1], pads=[0, 1, 0, 0], group=group)
    rmodel = model_of((None, 6, 5, 4), pad, conv, K=THREE_BY_THREE[:, :, : 4 // group])
    absorbed = drop_unused(absorb_padding(rmodel))
    assert types(absorbed) == ["Conv"]
    assert absorbed.operators[0].attributes()["pads"] == [1, 1, 2, 3]
    same_numbers(rmodel)


@pytest.mark.parametrize(
    ("pad", "attributes"),
    [
        (Pad(pads=[0, 1, 0, 0, 0, 1, 0, 0], value=1.0), {}),
        (Pad(pads=[0, 1, 0, 0, 0, -1, 0, 0]), {}),
        (Pad(pads=[0, 1, 0, 1, 0, 1, 0, 0]), {}),
        (Pad(pads=[0, 1, 0, 0, 0, 1, 0, 0]), {"auto_pad": "SAME_UPPER"}),
    ],
    ids=["ones", "cropping", "channels", "same"],
)
def test_other_padding_stays(pad: Pad, attributes: dict[str, object]) -> None:
    pad.inputs, pad.outputs = ["x"], ["p"]
    channels = 4 + pad.pads[3]
    rmodel = model_of((None, 6, 5, 4), pad, conv_of("p", "y", **attributes), K=np.ones((3, 3, channels, 4)))
    assert types(drop_unused(absorb_padding(rmodel))) == ["Pad", "Conv"]
    same_numbers(rmodel)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_winograd_computes_what_the_definition_does(layout: str) -> None:
    rng = np.random.default_rng(8)
    shape, kernel = {"NHWC": ((9, 6, 32), (3, 3, 32, 16)), "NCHW": ((32, 9, 6), (16, 32, 3, 3))}[layout]
    operators = [
        Conv(
            pads=[1, 1, 1, 1], layout=layout, kernel_layout={"NHWC": "HWIO", "NCHW": "OIHW"}[layout],
            inputs=["x", "K", "b"], outputs=["y"],
        ),
        Relu(inputs=["y"], outputs=["z"]),
    ]  # fmt: skip
    weights = {"K": 0.1 * rng.normal(size=kernel), "b": rng.normal(size=16)}
    rmodel = model_of((None, *shape), *operators, outputs="z", **weights)
    assert [op.winograd for op in lower(rmodel).operators if isinstance(op, Conv)] == [True]
    assert not any(op.winograd for op in lower(rmodel, False).operators if isinstance(op, Conv))
    same_numbers(rmodel)


def test_infinite_weights_stay_out_of_winograds_differences() -> None:
    weights = np.ones((3, 3, 32, 16))
    weights[0, 0, 0] = np.inf
    rmodel = model_of(
        (None, 9, 9, 32), Conv(layout="NHWC", kernel_layout="HWIO", inputs=["x", "K"], outputs=["y"]), K=weights
    )
    assert not choose_winograd(rmodel).operators[0].winograd  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("shape", "kernel", "attributes"),
    [
        ((9, 9, 32), (3, 3, 32, 16), {"strides": [2, 1]}),
        ((9, 9, 32), (3, 3, 32, 16), {"dilations": [1, 2]}),
        ((9, 9, 32), (3, 3, 16, 16), {"group": 2}),
        ((9, 9, 32), (3, 2, 32, 16), {}),
        ((9, 9, 32), (3, 3, 32, 24), {}),  # no whole vectors of outputs,
        ((9, 9, 24), (3, 3, 24, 16), {}),  # or of channels
        ((9, 9, 16), (3, 3, 16, 64), {}),  # few channels
        ((7, 7, 32), (3, 3, 32, 32), {}),  # few outputs
        ((9, 32), (3, 32, 16), {}),
        ((3, 9, 9, 32), (3, 3, 3, 32, 16), {}),
    ],
)
def test_other_convolutions_stay_direct(
    shape: tuple[int, ...], kernel: tuple[int, ...], attributes: dict[str, object]
) -> None:
    conv = Conv(layout="NHWC", kernel_layout="HWIO", inputs=["x", "K"], outputs=["y"], **attributes)  # type: ignore[arg-type]
    rmodel = choose_winograd(model_of((None, *shape), conv, K=np.zeros(kernel)))
    assert not rmodel.operators[0].winograd  # type: ignore[attr-defined]


def chain_model(side: int = 96, outputs: str = "y", last: str = "x", **depthwise: object) -> RModel:
    """1 x 1 to 16 channels, Relu, depthwise, 1 x 1 back to four, which are added to the input."""
    rng = np.random.default_rng(3)
    options = {"group": 16, "auto_pad": "SAME_UPPER", **depthwise}
    operators = [
        conv_of("x", "a", "before"),
        Relu(inputs=["a"], outputs=["b"]),
        conv_of("b", "c", "taps", **options),
        conv_of("c", "d", "behind"),
        *([Add(inputs=["d", last], outputs=["y"])] if last else [Relu(inputs=["d"], outputs=["y"])]),
    ]
    shapes = {"before": (1, 1, 4, 16), "taps": (3, 3, 1, 16), "behind": (1, 1, 16, 4)}
    weights = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return model_of((None, side, side, 4), *operators, outputs=outputs, **weights)


def test_convolutions_around_a_depthwise_one_are_computed_with_it() -> None:
    rmodel = chain_model()
    lowered = lower(rmodel)
    assert types(lowered) == ["DepthwiseChain"]
    assert lowered.operators[0].inputs == ["x", "before", "", "taps", "", "behind", "", "x"]
    x = np.random.default_rng(0).normal(size=(2, 96, 96, 4)).astype(np.float32)
    others = [run.__name__ for required, run in PASSES if not required and run is not chain_depthwise]
    np.testing.assert_array_equal(rmodel.compile().infer(x), rmodel.compile(optimize=others).infer(x))
    same_numbers(rmodel)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"side": 64}, ["Conv"] * 3),  # small enough for a cache
        ({"side": 192, "last": "", "strides": [2, 2]}, ["DepthwiseChain"]),
        ({"dilations": [2, 2]}, ["Conv"] * 3),
        ({"outputs": "y b"}, ["Conv", "DepthwiseChain"]),
        ({"outputs": "y c", "last": ""}, ["DepthwiseChain", "Conv"]),
        ({"outputs": "y b c"}, ["Conv"] * 3),
    ],
)
def test_which_convolutions_are_computed_with_a_depthwise_one(options: dict[str, object], expected: list[str]) -> None:
    assert types(lower(chain_model(**options))) == expected  # type: ignore[arg-type]


def test_chains_share_no_convolution() -> None:
    operators = [
        conv_of("x", "a", "taps", group=64, auto_pad="SAME_UPPER"),
        conv_of("a", "b", "between"),
        conv_of("b", "y", "taps", group=64, auto_pad="SAME_UPPER"),
    ]
    weights = {"taps": np.ones((3, 3, 1, 64)), "between": np.ones((1, 1, 64, 64))}
    rmodel = model_of((None, 48, 48, 64), *operators, **weights)
    assert types(lower(rmodel)) == ["DepthwiseChain", "Conv"]


def test_batch_normalization_over_another_axis_stays() -> None:
    weights = {name: np.ones(6) for name in "gsmv"}
    conv = Conv(layout="NHWC", kernel_layout="HWIO", inputs=["x", "K"], outputs=["h"])
    norm = BatchNormalization(axis=1, inputs=["h", "g", "s", "m", "v"], outputs=["y"])
    rmodel = model_of((None, 6, 5, 4), conv, norm, K=np.ones((1, 1, 4, 3)), **weights)
    assert types(fold_affine(rmodel)) == ["Conv", "BatchNormalization"]
    same_numbers(rmodel)


def test_channels_first_becomes_one_transpose_on_each_side() -> None:
    kernel = np.random.default_rng(2).normal(size=(3, 3, 5, 5))
    rmodel = model_of(
        (None, 5, 8, 9),
        Conv(kernel_layout="HWIO", inputs=["x", "K"], outputs=["a"]),
        Relu(inputs=["a"], outputs=["b"]),
        Conv(kernel_layout="HWIO", inputs=["b", "K"], outputs=["y"]),
        K=kernel,
    )
    assert types(lower_layout(rmodel)) == ["Transpose", "Conv", "Transpose", "Relu", "Transpose", "Conv", "Transpose"]
    assert types(cancel_transposes(lower_layout(rmodel))) == ["Transpose", "Conv", "Relu", "Conv", "Transpose"]
    assert types(lower(rmodel)) == ["Transpose", "Conv", "Conv", "Transpose"]
    same_numbers(rmodel)


def test_strided_pixels() -> None:
    rng = np.random.default_rng(3)

    def conv(x: str, y: str, **options: object) -> Conv:
        return Conv(layout="NHWC", kernel_layout="HWIO", inputs=[x, "K"], outputs=[y], **options)  # type: ignore[arg-type]

    rmodel = model_of(
        (None, 7, 8, 16),
        conv("x", "a", strides=(2, 3)),
        conv("x", "b", strides=(2, 3), auto_pad="SAME_UPPER"),  # of pixels that are there already
        conv("x", "c", strides=(2, 1)),
        conv("x", "d"),
        conv("x", "e", strides=(2, 2), pads=(1, 1, 1, 1)),  # reads zeros
        outputs="a b c d e",
        K=rng.normal(size=(1, 1, 16, 5)),
    )
    assert types(slice_strides(rmodel)) == ["Slice", "Conv", "Conv", "Slice", "Conv", "Conv", "Conv"]
    same_numbers(rmodel)


def test_transposes_that_undo_each_other_vanish() -> None:
    rmodel = model_of(
        (None, 2, 3, 4),
        Transpose(perm=[0, 2, 3, 1], inputs=["x"], outputs=["a"]),
        Transpose(perm=[0, 3, 1, 2], inputs=["a"], outputs=["b"]),
        Relu(inputs=["b"], outputs=["y"]),
    )
    assert types(cancel_transposes(rmodel)) == ["Relu"]
    same_numbers(rmodel)


def test_transposes_add_up() -> None:
    rmodel = model_of(
        (None, 2, 3, 4),
        Transpose(perm=[0, 2, 1, 3], inputs=["x"], outputs=["a"]),
        Transpose(perm=[0, 1, 3, 2], inputs=["a"], outputs=["y"]),
    )
    assert types(cancel_transposes(rmodel)) == ["Transpose"]
    same_numbers(rmodel)


def test_a_transpose_used_twice_stays() -> None:
    rmodel = model_of(
        (None, 3, 4),
        Transpose(perm=[0, 2, 1], inputs=["x"], outputs=["a"]),
        Relu(inputs=["a"], outputs=["b"]),
        Add(inputs=["a", "b"], outputs=["y"]),
    )
    assert types(cancel_transposes(rmodel)) == ["Transpose", "Relu", "Add"]
    same_numbers(rmodel)


def test_what_no_output_needs_is_dropped() -> None:
    operators = [Gemm(inputs=["x", "W"], outputs=["y"]), Gemm(inputs=["y", "V"], outputs=["z"])]
    small = drop_unused(model_of((None, 4), *operators, W=W, V=W))
    assert types(small) == ["Gemm"]
    assert list(small.initialized) == ["W"]


def test_outputs_get_memory_of_their_own() -> None:
    operators = [
        Reshape(shape=(0, 2, 2), inputs=["x"], outputs=["r"]),
        Relu(inputs=["x"], outputs=["a"]),
        Reshape(shape=(0, 2, 2), inputs=["a"], outputs=["b"]),
        Identity(inputs=["a"], outputs=["c"]),
    ]
    rmodel = model_of((None, 4), *operators, outputs="x r a b c c")
    separate = separate_outputs(rmodel)
    assert types(separate)[4:] == ["Identity"] * 4  # x, r (the input's memory), b (a's), and the second c
    assert len(set(separate.outputs)) == 6
    x = np.random.default_rng(3).normal(size=(5, 4)).astype(np.float32)
    for result, want in zip(rmodel.compile().infer(x), [x, x, *[np.maximum(x, 0)] * 4], strict=True):
        np.testing.assert_array_equal(result.reshape(5, 4), want)


def test_arena_reuses_what_is_free() -> None:
    arena = Arena()
    a = arena.take("float32", ("batch", 100))
    b = arena.take("float32", ("batch", 50))
    arena.free(a)
    assert arena.take("float64", ("batch", 60)) == a
    arena.free(b)
    assert arena.take("float32", (50,)) not in (a, b)  # of another kind of size
    assert [slot.size for slot in arena.slots] == [512, 256, 256]


def state_alone() -> tuple[RModel, dict[str, str], dict[str, int], int]:
    """What memory_taken_over is asked about an operator without a first output."""
    operator = TopK(k=2, inputs=["x"], outputs=["", "y"])
    rmodel = model_of((None, 4), operator)
    roots = storage(rmodel)
    return rmodel, roots, last_uses(rmodel, roots), 0


def test_results_over_what_dies() -> None:
    def gemm(x: str, y: str, residual: str = "") -> Gemm:
        return Gemm(inputs=[x, "w", "", residual], outputs=[y])

    operators = [
        gemm("x", "a"),
        gemm("a", "b", "a"),  # reads all of a row of what it adds
        gemm("b", "c", "a"),  # over a
        Add(inputs=["b", "c"], outputs=["d"]),  # over b
        Sub(inputs=["d", "v"], outputs=["e"]),  # over d
        Mul(inputs=["e", "x"], outputs=["f"]),  # over e, not over the caller's x
        Add(inputs=["v", "f"], outputs=["g"]),  # over f
        Tanh(inputs=["g"], outputs=["y"]),
    ]
    rng = np.random.default_rng(0)
    rmodel = model_of((None, 4), *operators, w=rng.normal(size=(4, 4)), v=rng.normal(size=4))
    roots = storage(rmodel)
    taken = [memory_taken_over(rmodel, roots, last_uses(rmodel, roots), i) for i in range(len(operators) - 1)]
    assert taken == ["", "", "a", "b", "d", "e", "f"]
    assert memory_taken_over(*state_alone()) == ""
    w, v = (rmodel.initialized[name].astype(np.float64) for name in "wv")
    x = rng.normal(size=(29, 4)).astype(np.float32)
    a = x @ w
    b = a @ w + a
    want = np.tanh(v + (b + b @ w + a - v) * x)
    np.testing.assert_allclose(rmodel.compile(optimize=False).infer(x), want, rtol=1e-4, atol=1e-5)


def test_tiles() -> None:
    assert can_tile(model_of((None, 4), Relu(inputs=["x"], outputs=["y"])))
    assert not can_tile(model_of((None, 4), Transpose(perm=[1, 0], inputs=["x"], outputs=["y"])))
    assert not can_tile(model_of((6, 4), Relu(inputs=["x"], outputs=["y"])))
    assert not can_tile(model_of((None, 4), Reshape(shape=(2, 2, "batch"), inputs=["x"], outputs=["y"])))
