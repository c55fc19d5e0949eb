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

NUMBERS = {"half": np.array(0.5), "one": np.ones(1), "root": np.array(math.sqrt(2)),
           "inverse": np.array(math.sqrt(0.5)), "other": np.array(1.5)}  # fmt: skip


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


def hard_sigmoid(alpha: float, beta: float = 0.5) -> Callable[..., ROperator]:
    return lambda **tensors: HardSigmoid(alpha=alpha, beta=beta, **tensors)


SPELLED_OUT = {
    "Gelu, half last": (gelu("half last"), "Gelu"),
    "Gelu, half first": (gelu("half first"), "Gelu"),
    "Gelu, half inside": (gelu("half inside"), "Gelu"),
    "Gelu, with a factor": (chain((Mul, "x inverse", "a")) + gelu("half last")[1:], "Gelu"),
    "Gelu, with the factor first": (chain((Mul, "inverse x", "a")) + gelu("half first")[1:], "Gelu"),
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


def of_erf(*scaling: tuple[Callable[..., ROperator], str, str]) -> list[ROperator]:
    """The parts of Gelu, with another argument "a" of Erf."""
    return chain(*scaling) + gelu("half last")[1:]


HALF_OF_PRODUCT = ((Mul, "x c", "d"), (Mul, "d half", "y"))
DIFFERENT = {
    "another divisor": gelu("half last", divisor="other"),
    "another sum": gelu("half last", one="other"),
    "another slope": chain((hard_sigmoid(0.2), "x", "a"), (Mul, "x a", "y")),
    "without a half": gelu("half last")[:-2] + chain((Mul, "x c", "y")),
    "another factor": chain((Sigmoid, "x", "a"), (Mul, "a a", "y")),
    "a factor in place of a divisor": of_erf((Mul, "x root", "a")),
    "no divisor": of_erf((Abs, "x", "a")),
    "a computed divisor": of_erf((Div, "x x", "a")),
    "a divisor that is divided": of_erf((Div, "root x", "a")),
    "a computed factor": of_erf((Mul, "x x", "a")),
    "Gelu of another tensor": of_erf((Abs, "x", "t"), (Div, "t root", "a")),
    "Gelu of another product": of_erf((Abs, "x", "t"), (Mul, "t inverse", "a")),
    "no Erf": chain((Div, "x root", "a"), (Tanh, "a", "b"), (Add, "b one", "c"), *HALF_OF_PRODUCT),
    "no sum": chain((Div, "x root", "a"), (Erf, "a", "b"), (Sub, "b one", "c"), *HALF_OF_PRODUCT),
    "no sum with one": chain((Div, "x root", "a"), (Erf, "a", "b"), (Add, "b b", "c"), *HALF_OF_PRODUCT),
    "Swish of another tensor": chain((Abs, "x", "t"), (Sigmoid, "t", "a"), (Mul, "a x", "y")),
    "HardSwish of another tensor": chain((Abs, "x", "t"), (hard_sigmoid(1 / 6), "t", "a"), (Mul, "x a", "y")),
    "another offset": chain((hard_sigmoid(1 / 6, 0.25), "x", "a"), (Mul, "x a", "y")),
    "Mish of another tensor": chain((Abs, "x", "t"), (Softplus, "t", "a"), (Tanh, "a", "b"), (Mul, "x b", "y")),
    "no Softplus": chain((Abs, "x", "a"), (Tanh, "a", "b"), (Mul, "x b", "y")),
    "a sum of both": chain((Sigmoid, "x", "a"), (Add, "a x", "y")),
}  # fmt: skip


@pytest.mark.parametrize("operators", DIFFERENT.values(), ids=DIFFERENT)
def test_other_products_stay(operators: list[ROperator]) -> None:
    rmodel = model_of((None, 7), *operators, **NUMBERS)
    assert types(recognize_activations(rmodel)) == types(rmodel)


@pytest.mark.parametrize(
    ("name", "read"),
    [("Swish", "a"), ("HardSwish", "a"), ("Mish", "a"), ("Mish", "b"), ("Gelu, half last", "b"),
     ("Gelu, half last", "c"), ("Gelu, half last", "d")],
)  # fmt: skip
def test_factors_that_are_outputs_stay(name: str, read: str) -> None:
    operators, _ = SPELLED_OUT[name]
    rmodel = model_of((None, 7), *operators, outputs=f"y {read}", **NUMBERS)
    assert types(recognize_activations(rmodel)) == types(rmodel)


def test_a_product_of_three_factors() -> None:
    operators = [*SPELLED_OUT["Swish"][0][:-1], *chain((Mul, "a x", "b"), (Mul, "b other", "y"))]
    rmodel = model_of((None, 7), *operators, **NUMBERS)
    assert types(recognize_activations(rmodel)) == ["Swish", "Mul"]


def test_a_quotient_that_is_an_output_is_computed_besides() -> None:
    rmodel = model_of((None, 7), *gelu("half last"), outputs="y a", **NUMBERS)
    assert types(recognize_activations(rmodel)) == ["Div", "Gelu"]


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


def mean_over(*axes: int, keepdims: bool = True) -> Callable[..., ROperator]:
    return lambda **tensors: ReduceMean(axes=axes, keepdims=keepdims, **tensors)


WHOLE = [
    (mean_over(1), "x", "m"), (Sub, "x m", "d"), (Square, "d", "s"), (mean_over(1), "s", "v"),
    (Add, "epsilon v", "e"), (Sqrt, "e", "r"), (Div, "d r", "y"),
]  # fmt: skip
"""LayerNormalization of (4, 4)."""


@pytest.mark.parametrize(
    "changed",
    [
        {0: (mean_over(0), "x", "m")},
        {0: (mean_over(1, keepdims=False), "x", "m")},
        {0: (mean_over(1), "W", "m")},
        {0: (mean_over(), "x", "m")},
        {0: (Abs, "x", "m")},
        {1: (Sub, "m x", "d")},
        {1: (Add, "x m", "d")},
        {2: (Square, "x", "s")},
        {2: (Square, "W", "s")},
        {2: (Abs, "d", "s")},
        {2: (Mul, "d x", "s")},
        {2: (Mul, "x x", "s")},
        {3: (mean_over(0), "s", "v")},
        {3: (mean_over(0, 1), "s", "v")},
        {3: (mean_over(1, keepdims=False), "s", "v")},
        {3: (Abs, "s", "v")},
        {4: (Add, "v v", "e")},
        {4: (Add, "v W", "e")},
        {4: (Sub, "v epsilon", "e")},
        {5: (Abs, "e", "r")},
        {6: (Div, "x r", "y")},
        {6: (Div, "r d", "y")},
        {6: (Mul, "d r", "y")},
    ],
)
def test_quotients_with_a_changed_part_stay(changed: dict[int, tuple[Callable[..., ROperator], str, str]]) -> None:
    weights = {"W": np.ones((4, 4)), "epsilon": np.array([1e-3])}
    rmodel = model_of((4, 4), *chain(*WHOLE), **weights)
    assert types(recognize_layer_normalization(rmodel)) == ["LayerNormalization"]
    rmodel = model_of((4, 4), *chain(*(changed.get(index, step) for index, step in enumerate(WHOLE))), **weights)
    assert "LayerNormalization" not in types(recognize_layer_normalization(rmodel))


def test_rows_of_open_sizes_stay() -> None:
    """Its kernel needs the size of a row."""
    stay = [op.op_type for op in chain(*WHOLE)]
    for shape, expected in (((None, 4), ["LayerNormalization"]), ((4, "n"), stay)):
        rmodel = RModel("rows")
        rmodel.add_input_tensor_info("x", "float32", shape)
        rmodel.add_initialized_tensor("epsilon", np.array([1e-3], np.float32))
        for op in chain(*WHOLE):
            rmodel.add_operator(op)
        rmodel.add_output_tensor_names("y")
        assert types(recognize_layer_normalization(rmodel)) == expected


def test_a_normalization_that_others_read_takes_no_weights() -> None:
    rmodel = normalization((Mul, "z scale", "t"))
    rmodel.outputs = ["t", "z"]
    assert types(recognize_layer_normalization(rmodel)) == ["LayerNormalization", "Mul"]
    same_numbers(rmodel, ["recognize_layer_normalization"])


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
