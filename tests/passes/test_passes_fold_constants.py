"""What is computed of constants alone when a model is loaded: fold_constants."""

from __future__ import annotations

import numpy as np

from pass_models import W, model_of, same_numbers, types
from sofie_jit import RModel
from sofie_jit.ir.operators import all_operators
from sofie_jit.ir.operators.activations import Tanh
from sofie_jit.ir.operators.elementwise import Add, Mul
from sofie_jit.ir.operators.expand import Expand
from sofie_jit.ir.operators.gather import Gather
from sofie_jit.ir.operators.gemm import Gemm
from sofie_jit.ir.operators.transpose import Transpose
from sofie_jit.passes.eliminate_dead_code import eliminate_dead_code
from sofie_jit.passes.fold_constants import EXACT, fold_constants
from sofie_jit.passes.pipeline import lower


def test_constants_are_folded() -> None:
    operators = [
        Mul(inputs=["W", "two"], outputs=["a"]),
        Transpose(perm=[1, 0], inputs=["a"], outputs=["b"]),
        Gemm(inputs=["x", "b"], outputs=["y"]),
        Tanh(inputs=["two"], outputs=["c"]),  # a kernel's own bits
        Add(inputs=["y", "c"], outputs=["z"]),
    ]
    rmodel = model_of((None, 4), *operators, outputs="z b", W=W, two=np.array(2.0))
    folded = eliminate_dead_code(fold_constants(rmodel))
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
    ("Pad", {"pads": [2, -1, -1, 4], "constant_value": 7.0}, (SPECIAL.reshape(3, 4)[:2],)),
    ("Pad", {"pads": [1, 1], "constant_value": 2.0}, (SPECIAL[:0],)),
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
    assert names == EXACT
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
