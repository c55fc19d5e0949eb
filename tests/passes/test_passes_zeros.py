"""Products pass over zeros among their inputs, to the same bits: skip_zeros."""

from __future__ import annotations

import numpy as np
import pytest

from pass_models import conv_of, model_of
from sofie_jit import RModel
from sofie_jit.codegen.lowered.conv import FusedConv
from sofie_jit.codegen.lowered.dense import Dense
from sofie_jit.ir.operators.activations import Clip, Exp, Relu, Sigmoid
from sofie_jit.ir.operators.concat import Concat
from sofie_jit.ir.operators.gemm import Gemm
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.passes.pipeline import PASSES, lower
from sofie_jit.passes.skip_zeros import skip_zeros

OTHERS = [run.__name__ for required, run in PASSES if not required and run is not skip_zeros]
RNG = np.random.default_rng(31)
W, V, B = RNG.normal(size=(70, 100)), RNG.normal(size=(100, 170)), RNG.normal(size=100)


def skips(rmodel: RModel) -> list[bool]:
    products = [op for op in lower(rmodel).operators if isinstance(op, (Dense, FusedConv))]
    return [op.attributes().get("skip_zeros", False) for op in products]


def mlp() -> RModel:
    return model_of(
        (None, 70),
        Gemm(inputs=["x", "W", "B"], outputs=["a"]),
        Relu(inputs=["a"], outputs=["b"]),
        Gemm(inputs=["b", "V"], outputs=["c"]),
        Relu(inputs=["c"], outputs=["d"]),
        Gemm(transB=True, inputs=["d", "V"], outputs=["y"]),
        W=W, V=V, B=B,
    )  # fmt: skip


def images() -> RModel:
    return model_of(
        (None, 6, 5, 40),
        conv_of("x", "a", "K"),
        Clip(min=0.0, max=6.0, inputs=["a"], outputs=["b"]),
        conv_of("b", "c", "L"),
        Relu(inputs=["c"], outputs=["d"]),
        conv_of("d", "y", "M", strides=[2, 1]),
        K=RNG.normal(size=(3, 3, 40, 33)), L=RNG.normal(size=(1, 1, 33, 72)), M=RNG.normal(size=(1, 1, 72, 65)),
    )  # fmt: skip


def test_products_skip_zeros_of_inputs_and_behind_a_relu() -> None:
    assert skips(mlp()) == [True, True, True]
    assert skips(images()) == [False, True, True]
    assert not any(op.attributes().get("skip_zeros") for op in lower(mlp(), False).operators)


def test_where_zeros_stay_zeros() -> None:
    rmodel = model_of(
        (None, 5, 14),
        Relu(inputs=["x"], outputs=["a"]),
        Exp(inputs=["x"], outputs=["b"]),
        Concat(axis=1, inputs=["a", "b"], outputs=["c"]),
        Reshape(shape=(-1, 140), inputs=["c"], outputs=["d"]),
        Gemm(inputs=["d", "W"], outputs=["y"]),
        W=RNG.normal(size=(140, 70)),
    )
    assert skips(rmodel) == [True]


@pytest.mark.parametrize(
    ("activation", "k", "n", "weight"),
    [
        (Sigmoid(), 70, 100, 1.0),
        (Clip(min=-1.0, max=1.0), 70, 100, 1.0),
        (Relu(), 70, 64, 1.0),  # few outputs,
        (Relu(), 31, 100, 1.0),  # or few terms
        (Relu(), 70, 100, np.inf),
        (Relu(), 70, 100, np.nan),
    ],
)
def test_other_products_do_not(activation: ROperator, k: int, n: int, weight: float) -> None:
    weights = np.ones((k, n))
    weights[-1, -1] = weight
    activation.inputs, activation.outputs = ["x"], ["a"]
    rmodel = model_of((None, k), activation, Gemm(inputs=["a", "W"], outputs=["y"]), W=weights)
    assert skips(rmodel) == [False]


def test_weights_that_overflow_with_alpha_do_not() -> None:
    gemm = Gemm(alpha=1e30, inputs=["a", "W"], outputs=["y"])
    rmodel = model_of((None, 70), Relu(inputs=["x"], outputs=["a"]), gemm, W=np.full((70, 100), 1e20))
    assert skips(rmodel) == [False]


@pytest.mark.parametrize("build", [mlp, images])
@pytest.mark.parametrize("threads", [1, 2])
def test_same_bits_as_with_zeros(build: object, threads: int) -> None:
    rmodel = build()  # type: ignore[operator]
    plain, skipping = (rmodel.compile(optimize=passes, threads=threads) for passes in (OTHERS, True))
    for batch in (0, 1, 2, 3, 5, 64, 301):
        x = RNG.normal(size=(batch, *rmodel.inputs["x"].shape[1:])).astype(np.float32)
        for shift in (-3.0, 0.0, 3.0):  # hardly a number is above zero, half, or nearly all
            y = skipping.infer(x + np.float32(shift))
            np.testing.assert_array_equal(y.view(np.int32), plain.infer(x + np.float32(shift)).view(np.int32))


def test_what_is_no_number_is_no_zero() -> None:
    plain, skipping = mlp().compile(optimize=OTHERS), mlp().compile()
    x = RNG.normal(size=(40, 70)).astype(np.float32)
    x[0, 0], x[1, 1], x[2, 2], x[3] = np.nan, np.inf, 1e-40, 0
    y = skipping.infer(x)
    np.testing.assert_array_equal(y, plain.infer(x))
    assert np.isnan(y[0]).all()
    for row in range(4):
        np.testing.assert_array_equal(skipping.infer(x[row : row + 1])[0], y[row])
