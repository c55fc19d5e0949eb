"""Passes as a list to choose from, and those that leave operators out: unused ones and duplicates."""

from __future__ import annotations

import numpy as np
import pytest

from pass_models import ROW, W, model_of, same_numbers, types
from sofie_jit import OptionError, RModel
from sofie_jit.ir.dims import SymbolicDim
from sofie_jit.ir.operators.activations import Clip, Relu, Tanh
from sofie_jit.ir.operators.data_dependent import NonZero
from sofie_jit.ir.operators.elementwise import Add, Cast, Mul, Sub
from sofie_jit.ir.operators.expand import Expand
from sofie_jit.ir.operators.gemm import Gemm
from sofie_jit.ir.operators.math import TopK
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.passes.eliminate_common_subexpressions import eliminate_common_subexpressions
from sofie_jit.passes.eliminate_dead_code import eliminate_dead_code
from sofie_jit.passes.pipeline import lower
from sofie_jit.verification.evaluate import evaluate


def test_passes_are_switched_one_by_one() -> None:
    operators = [
        Gemm(inputs=["x", "W"], outputs=["a"]),
        Mul(inputs=["a", "row"], outputs=["b"]),
        Relu(inputs=["b"], outputs=["y"]),
    ]
    rmodel = model_of((None, 4), *operators, W=W, row=ROW)
    for optimize, expected in (
        (True, ["Dense"]),
        (False, ["Dense", "Mul", "Relu"]),
        (["fold_following_affine"], ["Dense", "Relu"]),
        ({"fuse_activation"}, ["Dense", "Mul", "Relu"]),
        ([], ["Dense", "Mul", "Relu"]),
    ):
        assert types(lower(rmodel, optimize)) == expected
    same_numbers(rmodel, ["fold_following_affine"])
    for wrong in ("fold_following_affine", ["lower_products"], ["fold"]):
        with pytest.raises(OptionError, match="list of passes out of absorb_padding"):
            rmodel.compile(optimize=wrong)


def test_what_no_output_needs_is_dropped() -> None:
    operators = [Gemm(inputs=["x", "W"], outputs=["y"]), Gemm(inputs=["y", "V"], outputs=["z"])]
    small = eliminate_dead_code(model_of((None, 4), *operators, W=W, V=W))
    assert types(small) == ["Gemm"]
    assert list(small.initialized) == ["W"]


def test_outputs_that_nobody_reads_are_dropped() -> None:
    operators = [
        TopK(K=2, inputs=["x"], outputs=["values", "places"]),
        NonZero(count="found", inputs=["x"], outputs=["where"]),
        Expand(shape=(SymbolicDim("found"),), inputs=["one"], outputs=["z"]),
        NonZero(count="more", inputs=["x"], outputs=["unused"]),
    ]
    rmodel = model_of((3, 4), *operators, outputs="values z", one=np.ones(1))
    small = eliminate_dead_code(rmodel)
    assert types(small) == ["TopK", "NonZero", "Expand"]  # the size of z is that of a tensor that nobody reads
    assert [op.outputs for op in small.operators] == [["values", ""], ["where"], ["z"]]
    x = np.array([[1, 0, 2, 3], [0, 0, 0, 5], [4, 0, 0, 0]], np.float32)
    for found, want in zip(evaluate(small, x), ([[3, 2], [5, 0], [4, 0]], np.ones(5)), strict=True):
        np.testing.assert_array_equal(found, want)


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
    merged = eliminate_common_subexpressions(rmodel)
    assert types(merged) == ["Mul", "Tanh", *["Reshape"] * 4, "Sub", "Sub"]
    assert merged.operators[3].inputs == ["c"]
    same_numbers(rmodel)


def test_outputs_and_other_attributes_are_no_duplicates() -> None:
    operators = [
        Clip(min=0.0, inputs=["x"], outputs=["a"]),
        Clip(min=-0.0, inputs=["x"], outputs=["b"]),
        Clip(min=0.0, inputs=["x"], outputs=["y"]),
        Add(inputs=["a", "b"], outputs=["z"]),
        TopK(K=1, inputs=["x"], outputs=["c", ""]),
        TopK(K=1, inputs=["x"], outputs=["", "d"]),
    ]
    rmodel = model_of((None, 4), *operators, outputs="y z c d")
    assert types(eliminate_common_subexpressions(rmodel)) == types(rmodel)


def test_constants_of_other_shapes_types_and_byte_orders_are_no_duplicates() -> None:
    """The same bytes are another constant in each of them."""
    four = np.array([1, 2, 3, 4], np.float32)
    constants = {
        "row": four,
        "column": four.reshape(4, 1),
        "square": four.reshape(2, 2),
        "stack": four.reshape(1, 1, 4),
        "integers": four.view(np.int32),
        "swapped": four.view(four.dtype.newbyteorder()),
        "again": four.copy(),
    }
    operators = [Cast(to="float64", inputs=[name], outputs=[f"to_{name}"]) for name in constants]
    operators += [Tanh(inputs=[f"to_{name}"], outputs=[f"y_{name}"]) for name in constants]
    rmodel = RModel("constants")
    rmodel.add_input_tensor_info("x", "float32", (None, 4))
    for name, values in constants.items():
        rmodel.add_initialized_tensor(name, values)
    for operator in operators:
        rmodel.add_operator(operator)
    rmodel.add_output_tensor_names(f"y_{name}" for name in constants)
    rmodel.generate()
    merged = eliminate_common_subexpressions(rmodel)
    assert types(merged) == [*["Cast"] * 6, *["Tanh"] * 7]
    want = [np.tanh(values.astype(np.float64)) for values in constants.values()]
    for model in (merged, eliminate_common_subexpressions(merged)):
        for got, expected in zip(evaluate(model, np.zeros((1, 4))), want, strict=True):
            assert got.shape == expected.shape
            np.testing.assert_array_equal(got, expected)


def test_shapes_among_attributes_are_no_duplicates() -> None:
    operators = [
        Reshape(shape=(0, 2, 2), inputs=["x"], outputs=["a"]),
        Reshape(shape=(0, 4, 1), inputs=["x"], outputs=["b"]),
        Reshape(shape=(0, 1, 4), inputs=["x"], outputs=["c"]),
        *(Tanh(inputs=[name], outputs=[f"y{name}"]) for name in "abc"),
    ]
    rmodel = model_of((None, 4), *operators, outputs="ya yb yc")
    assert types(eliminate_common_subexpressions(rmodel)) == types(rmodel)
    assert [y.shape for y in rmodel.compile().infer(np.ones((3, 4)))] == [(3, 2, 2), (3, 4, 1), (3, 1, 4)]
