"""How convolutions are computed: absorb_padding, choose_winograd, chain_depthwise, slice_strides."""

from __future__ import annotations

import numpy as np
import pytest

from pass_models import THREE_BY_THREE, chain_model, conv_of, lower_operators, model_of, same_numbers, types
from sofie_jit.codegen.lowered.conv import FusedConv, WinogradConv
from sofie_jit.ir.operators.activations import Relu
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.operators.pool import MaxPool
from sofie_jit.ir.operators.transpose import Transpose
from sofie_jit.passes.absorb_padding import absorb_padding
from sofie_jit.passes.chain_depthwise import chain_depthwise
from sofie_jit.passes.choose_winograd import choose_winograd
from sofie_jit.passes.eliminate_dead_code import eliminate_dead_code
from sofie_jit.passes.fuse_activation import fuse_activation
from sofie_jit.passes.pipeline import PASSES, lower
from sofie_jit.passes.slice_strides import slice_strides
from sofie_jit.verification.evaluate import evaluate


@pytest.mark.parametrize("group", [1, 4])
def test_padding_is_absorbed(group: int) -> None:
    pad = Pad(pads=[0, 1, 0, 0, 0, 2, 3, 0], inputs=["x"], outputs=["p"])
    conv = conv_of("p", "y", strides=[2, 1], pads=[0, 1, 0, 0], group=group)
    rmodel = model_of((None, 6, 5, 4), pad, conv, K=THREE_BY_THREE[:, :, : 4 // group])
    absorbed = eliminate_dead_code(absorb_padding(lower_operators(rmodel)))
    assert types(absorbed) == ["FusedConv"]
    assert absorbed.operators[0].attributes()["pads"] == [1, 1, 2, 3]
    same_numbers(rmodel)


@pytest.mark.parametrize("channels", [3, 20])
def test_padding_is_absorbed_by_a_maximum(channels: int) -> None:
    pad = Pad(pads=[0, 1, 0, 0, 0, 2, 3, 0], inputs=["x"], outputs=["p"])
    pool = MaxPool(kernel_shape=[2, 3], strides=[2, 1], layout="NHWC", inputs=["p"], outputs=["y"])
    rmodel = model_of((None, 6, 5, channels), pad, pool)
    absorbed = eliminate_dead_code(absorb_padding(rmodel))
    assert types(absorbed) == ["ZeroPaddedMaxPool"]
    x = np.random.default_rng(0).normal(size=(2, 6, 5, channels)).astype("f") - 2  # zeros are the largest numbers
    x[0, 0] = np.nan
    want = rmodel.compile(optimize=False).infer(x)
    assert (want == 0).sum() > want.size / 4
    np.testing.assert_array_equal(absorbed.compile(optimize=False).infer(x), want)


def test_padding_stays_before_a_maximum_that_pads() -> None:
    pad = Pad(pads=[0, 1, 0, 0, 0, 1, 0, 0], inputs=["x"], outputs=["p"])
    pool = MaxPool(kernel_shape=[2, 2], pads=[0, 0, 1, 1], layout="NHWC", inputs=["p"], outputs=["y"])
    assert types(absorb_padding(model_of((None, 6, 5, 4), pad, pool))) == ["Pad", "MaxPool"]


@pytest.mark.parametrize(
    ("pad", "attributes"),
    [
        (Pad(pads=[0, 1, 0, 0, 0, 1, 0, 0], constant_value=1.0), {}),
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
    assert types(eliminate_dead_code(absorb_padding(lower_operators(rmodel)))) == ["Pad", "FusedConv"]
    same_numbers(rmodel)


def test_padding_that_stays_does_not_keep_other_padding() -> None:
    same, channels = [0, 1, 0, 0, 0, 1, 0, 0], [0, 0, 0, 1, 0, 0, 0, 0]
    operators = [
        Pad(pads=same, inputs=["x"], outputs=["p"]),
        Relu(inputs=["p"], outputs=["a"]),
        MaxPool(kernel_shape=[2, 2], pads=[0, 0, 1, 1], layout="NHWC", inputs=["p"], outputs=["b"]),
        Pad(pads=channels, inputs=["x"], outputs=["q"]),
        conv_of("q", "c", "five"),
        MaxPool(kernel_shape=[2, 2], ceil_mode=True, layout="NHWC", inputs=["p"], outputs=["d"]),
        conv_of("p", "e", auto_pad="VALID"),
        Pad(pads=same, mode="reflect", inputs=["x"], outputs=["r"]),
        conv_of("r", "f"),
        Pad(pads=[1, 0, 0, 0], axes=[1, 2], inputs=["x"], outputs=["s"]),
        conv_of("s", "g"),
        Pad(pads=[0, 0, 1, 2, 0, 0, 1, 0], inputs=["t"], outputs=["u"]),
        Conv(inputs=["u", "K"], outputs=["h"], kernel_layout="HWIO"),
    ]
    operators.insert(-2, Transpose(perm=[0, 3, 1, 2], inputs=["x"], outputs=["t"]))
    weights = {"K": THREE_BY_THREE, "five": np.ones((3, 3, 5, 4))}
    rmodel = lower_operators(model_of((3, 6, 5, 4), *operators, outputs="a b c d e f g h", **weights))
    found = absorb_padding(rmodel)
    reads = {name: op.inputs[0] for op in found.operators for name in op.outputs if name in found.outputs}
    assert reads == {"a": "p", "b": "p", "c": "q", "d": "p", "e": "x", "f": "r", "g": "s", "h": "t"}
    pads = {op.outputs[0]: op.attributes()["pads"] for op in found.operators if isinstance(op, FusedConv)}
    assert (pads["e"], pads["h"]) == ([1, 0, 1, 0], [1, 2, 1, 0])
    x = np.random.default_rng(0).normal(size=(3, 6, 5, 4))
    for a, b in zip(evaluate(found, x, "float64"), evaluate(rmodel, x, "float64"), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


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
    assert [type(op) for op in lower(rmodel).operators if isinstance(op, FusedConv)] == [WinogradConv]
    assert not any(isinstance(op, WinogradConv) for op in lower(rmodel, False).operators)
    same_numbers(rmodel)


def test_infinite_weights_stay_out_of_winograds_differences() -> None:
    weights = np.ones((3, 3, 32, 16))
    weights[0, 0, 0] = np.inf
    rmodel = model_of(
        (None, 9, 9, 32), Conv(layout="NHWC", kernel_layout="HWIO", inputs=["x", "K"], outputs=["y"]), K=weights
    )
    assert types(choose_winograd(lower_operators(rmodel))) == ["FusedConv"]


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
    rmodel = lower_operators(model_of((None, *shape), conv, K=np.zeros(kernel)))
    assert types(choose_winograd(rmodel)) == ["FusedConv"]


def test_convolutions_around_a_depthwise_one_are_computed_with_it() -> None:
    rmodel = chain_model()
    lowered = lower(rmodel)
    assert types(lowered) == ["DepthwiseChain"]
    assert lowered.operators[0].inputs == ["x", "expand", "", "taps", "", "project", "", "x"]
    x = np.random.default_rng(0).normal(size=(2, 96, 96, 4)).astype(np.float32)
    others = [run.__name__ for required, run in PASSES if not required and run is not chain_depthwise]
    np.testing.assert_array_equal(rmodel.compile().infer(x), rmodel.compile(optimize=others).infer(x))
    same_numbers(rmodel)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"side": 64}, ["DenseConv", "DepthwiseConv", "DenseConv"]),  # small enough for a cache
        ({"side": 192, "last": "", "strides": [2, 2]}, ["DepthwiseChain"]),
        ({"dilations": [2, 2]}, ["DenseConv", "DepthwiseConv", "DenseConv"]),
        ({"outputs": "y b"}, ["DenseConv", "DepthwiseChain"]),
        ({"outputs": "y c", "last": ""}, ["DepthwiseChain", "DenseConv"]),
        ({"outputs": "y b c"}, ["DenseConv", "DepthwiseConv", "DenseConv"]),
    ],
)
def test_which_convolutions_are_computed_with_a_depthwise_one(options: dict[str, object], expected: list[str]) -> None:
    assert types(lower(chain_model(**options))) == expected  # type: ignore[arg-type]


def test_convolutions_with_other_readers_or_residuals_are_no_part_of_a_chain() -> None:
    rng = np.random.default_rng(3)
    weights = {"expand": (1, 1, 4, 16), "taps": (3, 3, 1, 16), "project": (1, 1, 16, 16)}
    depthwise = {"group": 16, "auto_pad": "SAME_UPPER"}
    added = [  # the first adds a residual; the last adds the depthwise result to something else
        conv_of("x", "a", "expand"),
        FusedConv(layout="NHWC", kernel_layout="HWIO", inputs=["x", "expand", "", "a"], outputs=["b"]),
        conv_of("b", "c", "taps", **depthwise),
        FusedConv(layout="NHWC", kernel_layout="HWIO", inputs=["a", "project", "", "c"], outputs=["y"]),
    ]
    rmodel = model_of((None, 96, 96, 4), *added, **{name: rng.normal(size=shape) for name, shape in weights.items()})
    assert types(chain_depthwise(lower_operators(rmodel))) == ["FusedConv"] * 4


def test_a_convolution_that_stays_does_not_keep_a_chain() -> None:
    rmodel = chain_model()
    small = Conv(layout="NHWC", kernel_layout="HWIO", inputs=["x", "expand"], outputs=["s"])
    taps = conv_of("s", "t", "taps", group=16, strides=[48, 48])
    rmodel.operators = [small, taps, *rmodel.operators]
    rmodel.outputs = ["t", "y"]
    rmodel.generate()
    found = types(chain_depthwise(fuse_activation(lower_operators(rmodel))))
    assert "DepthwiseChain" in found


def test_chains_share_no_convolution() -> None:
    operators = [
        conv_of("x", "a", "taps", group=64, auto_pad="SAME_UPPER"),
        conv_of("a", "b", "between"),
        conv_of("b", "y", "taps", group=64, auto_pad="SAME_UPPER"),
    ]
    weights = {"taps": np.ones((3, 3, 1, 64)), "between": np.ones((1, 1, 64, 64))}
    rmodel = model_of((None, 48, 48, 64), *operators, **weights)
    assert types(lower(rmodel)) == ["DepthwiseChain", "DepthwiseConv"]


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
    conv_type = "FusedConv"
    assert types(slice_strides(lower_operators(rmodel))) == ["Slice", *[conv_type] * 2, "Slice", *[conv_type] * 3]
    same_numbers(rmodel)
