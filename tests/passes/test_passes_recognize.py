"""Activations and normalizations that files spell out in simpler operators."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from pass_models import model_of, same_numbers, types
from sofie_jit import RModel
from sofie_jit.ir.operators.activations import HardSigmoid, Sigmoid, Softplus, Tanh
from sofie_jit.ir.operators.elementwise import Add, Div, Mul, Sub
from sofie_jit.ir.operators.math import Abs, Erf, Sqrt, Square
from sofie_jit.ir.operators.normalization import LayerNormalization
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.reduce import ReduceMean
from sofie_jit.passes.recognize_activations import recognize_activations
from sofie_jit.passes.recognize_layer_normalization import recognize_layer_normalization

NUMBERS = {"half": np.array(0.5), "one": np.ones(1), "root": np.array(math.sqrt(2)), "other": np.array(1.5)}


def chain(*steps: tuple[Callable[..., ROperator], str, str]) -> list[ROperator]:
    """Operators from ``(class, inputs, output)``."""
    return [make(inputs=inputs.split(), outputs=[output]) for make, inputs, output in steps]


def gelu(last: str, divisor: str = "root", one: str = "one") -> list[ROperator]:
    """The parts of Gelu, with the factors in one of three orders."""
    start = chain((Div, f"x {divisor}", "a"), (Erf, "a", "b"), (Add, f"b {one}", "c"))
    return (
        start
        + {
            "half last": chain((Mul, "x c", "d"), (Mul, "d half", "y")),
            "half first": chain((Mul, "half x", "d"), (Mul, "d c", "y")),
            "half inside": chain((Mul, "c half", "d"), (Mul, "x d", "y")),
        }[last]
    )


def hard_sigmoid(alpha: float) -> Callable[..., ROperator]:
    return lambda **tensors: HardSigmoid(alpha=alpha, beta=0.5, **tensors)


SPELLED_OUT = {
    "Gelu, half last": (gelu("half last"), "Gelu"),
    "Gelu, half first": (gelu("half first"), "Gelu"),
    "Gelu, half inside": (gelu("half inside"), "Gelu"),
    "Swish": (chain((Sigmoid, "x", "a"), (Mul, "a x", "y")), "Swish"),
    "HardSwish": (chain((hard_sigmoid(1 / 6), "x", "a"), (Mul, "x a", "y")), "HardSwish"),
    "Mish": (chain((Softplus, "x", "a"), (Tanh, "a", "b"), (Mul, "x b", "y")), "Mish"),
}


@pytest.mark.parametrize(("operators", "name"), SPELLED_OUT.values(), ids=SPELLED_OUT)
def test_activations(operators: list[ROperator], name: str) -> None:
    rmodel = model_of((None, 7), *operators, **NUMBERS)
    recognized = recognize_activations(rmodel)
    assert types(recognized) == [name]
    same_numbers(rmodel, ["recognize_activations"])
    x = np.array([[0, -0.0, np.inf, np.nan, 1e30, -1e-42, 3]], np.float32)
    plain, fused = (rmodel.compile(optimize=optimize).infer(x) for optimize in (False, True))
    np.testing.assert_allclose(fused, plain, rtol=2e-6, atol=1e-40)


DIFFERENT = {
    "another divisor": gelu("half last", divisor="other"),
    "another sum": gelu("half last", one="other"),
    "another slope": chain((hard_sigmoid(0.2), "x", "a"), (Mul, "x a", "y")),
    "without a half": gelu("half last")[:-2] + chain((Mul, "x c", "y")),
    "another factor": chain((Sigmoid, "x", "a"), (Mul, "a a", "y")),
}


@pytest.mark.parametrize("operators", DIFFERENT.values(), ids=DIFFERENT)
def test_other_products_stay(operators: list[ROperator]) -> None:
    rmodel = model_of((None, 7), *operators, **NUMBERS)
    assert types(recognize_activations(rmodel)) == types(rmodel)


def test_a_factor_that_is_an_output_stays() -> None:
    operators, _ = SPELLED_OUT["Swish"]
    rmodel = model_of((None, 7), *operators, outputs="y a")
    assert types(recognize_activations(rmodel)) == ["Sigmoid", "Mul"]


def normalization(*ends: tuple[Callable[..., ROperator], str, str], axes: tuple[int, ...] = (2,)) -> RModel:
    """LayerNormalization of (batch, 3, 4), spelled out up to "z", and ``ends``."""

    def mean(**tensors: list[str]) -> ReduceMean:
        return ReduceMean(axes=axes, **tensors)

    operators = chain(
        (mean, "x", "m"), (Sub, "x m", "d"), (Square, "d", "s"), (mean, "s", "v"), (Add, "v epsilon", "e"),
        (Sqrt, "e", "r"), (Div, "d r", "z"), *ends,
    )  # fmt: skip
    weights = {"scale": np.arange(1.0, 5.0), "bias": np.linspace(-1, 1, 4), "wide": np.ones((3, 4))}
    return model_of((None, 3, 4), *operators, outputs=ends[-1][2] if ends else "z", epsilon=np.array(1e-3), **weights)


@pytest.mark.parametrize(
    ("ends", "inputs", "rest"),
    [
        ([], ["x"], []),
        ([(Mul, "z scale", "t"), (Add, "t bias", "y")], ["x", "scale", "bias"], []),
        ([(Mul, "scale z", "y")], ["x", "scale"], []),
        ([(Add, "bias z", "y")], ["x", "", "bias"], []),
        ([(Add, "z bias", "t"), (Mul, "t scale", "y")], ["x", "", "bias"], ["Mul"]),
        ([(Mul, "z wide", "y")], ["x"], ["Mul"]),
    ],
)
def test_layer_normalization(
    ends: list[tuple[Callable[..., ROperator], str, str]], inputs: list[str], rest: list[str]
) -> None:
    rmodel = normalization(*ends)
    recognized = recognize_layer_normalization(rmodel)
    assert types(recognized) == ["LayerNormalization", *rest]
    operator = recognized.operators[0]
    assert isinstance(operator, LayerNormalization)
    assert (operator.inputs, operator.epsilon) == (inputs, pytest.approx(1e-3))
    same_numbers(rmodel, ["recognize_layer_normalization"])


def test_other_quotients_stay() -> None:
    middle = normalization(axes=(1,))  # LayerNormalization's rows are the last axes
    assert types(recognize_layer_normalization(middle)) == types(middle)


def test_layer_normalization_of_two_axes() -> None:
    rmodel = normalization(axes=(1, 2))
    assert types(recognize_layer_normalization(rmodel)) == ["LayerNormalization"]
    same_numbers(rmodel, ["recognize_layer_normalization"])


@pytest.mark.parametrize("means", [0, 1], ids=["of no means", "of one mean"])
def test_quotients_of_other_tensors_stay(means: int) -> None:
    rmodel = normalization()
    for op in [op for op in rmodel.operators if isinstance(op, ReduceMean)][means:]:
        rmodel.operators[rmodel.operators.index(op)] = Abs(inputs=list(op.inputs), outputs=list(op.outputs))
    assert types(recognize_layer_normalization(rmodel)) == types(rmodel)
