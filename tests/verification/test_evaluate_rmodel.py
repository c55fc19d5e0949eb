"""evaluate: a network in numpy."""

from __future__ import annotations

import numpy as np
import pytest

import sofie_jit
from sofie_jit import KernelOperator, RModel
from sofie_jit.demo import MODEL_FILE
from sofie_jit.ir.operators import CumSum, Expand, Gather, Relu, Reshape
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.types import TensorType
from sofie_jit.verification.evaluate import evaluate, with_dtype
from sofie_jit.verification.verify import verify

X = np.random.default_rng(0).normal(size=(3, 4))

KERNEL = """
template <class T>
void tripled(std::size_t n, std::size_t rows, T factor, const T *x, T *y)
{
   for (std::size_t i = 0; i < n; ++i)
      y[i] = factor * x[i] + T(rows) / 1024;
}
"""


def model_of(*operators: ROperator, dtype: str = "float32", shape: tuple[int | str | None, ...] = (None, 4)) -> RModel:
    """A chain of operators."""
    rmodel, name = RModel("chain"), "x"
    rmodel.add_input_tensor_info("x", dtype, shape)
    for index, op in enumerate(operators):
        op.inputs, op.outputs = [name, *op.inputs], [f"y{index}"]
        rmodel.add_operator(op)
        name = f"y{index}"
    rmodel.add_output_tensor_names(name)
    return rmodel


def test_it_is_the_compiled_network() -> None:
    model = sofie_jit.load(MODEL_FILE)
    x = np.random.default_rng(1).normal(size=(5, *model.input_shapes[0][1:])).astype("float32")
    single, double = evaluate(model.rmodel, x), evaluate(model.rmodel, [x], "float64")
    assert (single[0].dtype, double[0].dtype) == ("float32", "float64")
    np.testing.assert_allclose(single[0], double[0], atol=1e-6)
    np.testing.assert_allclose(model.infer(x), double[0], atol=1e-6)
    (by_name,) = evaluate(model.rmodel, {model.input_names[0]: x})
    np.testing.assert_array_equal(by_name, single[0])


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_open_dimensions(rows: int) -> None:
    rmodel = model_of(
        Reshape(shape=("batch", "time", 2, -1)), Expand(shape=(3, "batch", "time", 1, 1)), shape=(None, "time", 4)
    )
    x = np.arange(rows * 20.0).reshape(rows, 5, 4)
    (y,) = evaluate(rmodel, x)
    np.testing.assert_array_equal(y, [x.reshape(rows, 5, 2, 2)] * 3)


def test_inputs_are_checked() -> None:
    rmodel = model_of(Relu())
    with pytest.raises(sofie_jit.ShapeError, match="expected"):
        evaluate(rmodel, np.ones((2, 5)))
    with pytest.raises(sofie_jit.InputError, match="named"):
        evaluate(rmodel, {"z": X})
    rmodel = model_of(Gather(inputs=["i"]), shape=(3, 4))
    rmodel.add_input_tensor_info("i", "int32", (2,))
    np.testing.assert_array_equal(evaluate(rmodel, [X, np.array([2, -3])])[0], X[[2, 0]].astype("float32"))
    with pytest.raises(sofie_jit.OutOfRangeError, match="the index 3 lies outside an axis of 3"):
        evaluate(rmodel, [X, np.array([3, 0])])


def test_states_are_zeros() -> None:
    rmodel = model_of(CumSum(axis=1))
    rmodel.add_state_tensor_info("s", "float32", (2, 3))
    rmodel.update_state("s", "s")
    rmodel.add_output_tensor_names("s")
    np.testing.assert_array_equal(evaluate(rmodel, X, "float64")[1], np.zeros((2, 3)))


def test_an_operator_that_breaks_its_promise_is_found() -> None:
    class Wrong(ROperator):
        def infer(self, x: TensorType) -> TensorType:
            return x

        def evaluate(self, x: np.ndarray) -> np.ndarray:
            return x[:, :2]

    with pytest.raises(sofie_jit.GraphError, match=r"Wrong gives float32 \(3, 2\) for 'y0', which is float32 \(3, 4\)"):
        evaluate(model_of(Wrong()), X)


def test_element_types_are_replaced_everywhere() -> None:
    rmodel = model_of(kernel_operator(output=TensorType("float32", ("batch", 4))))
    new = with_dtype(rmodel, "float64")
    assert {kind.dtype for kind in (new.inputs["x"], new.tensor_type("y0"))} == {"float64"}
    assert rmodel.tensor_type("y0").dtype == "float32"


def kernel_operator(**options: object) -> KernelOperator:
    """``3 x + rows / 1024``."""
    sizes = [("batch", 4), ("batch",)]
    options = {"sizes": sizes, "rows_mix": True, **options}
    return KernelOperator(source=KERNEL, function="tripled", parameters=[3.0], **options)  # type: ignore[arg-type]


def test_kernels_of_users() -> None:
    rmodel = model_of(Relu(), kernel_operator())
    with pytest.raises(sofie_jit.GraphError, match="no definition in numpy; it can be evaluated only by its kernel"):
        evaluate(rmodel, X)
    seen = []

    def fallback(op: ROperator, inputs: list[np.ndarray]) -> np.ndarray:
        seen.append((op.sizes, inputs[0].dtype.name))  # type: ignore[attr-defined]
        return 3 * inputs[0]

    (y,) = evaluate(rmodel, X, "float64", fallback=fallback)
    np.testing.assert_array_equal(y, 3 * np.maximum(X, 0).astype("float32").astype("float64"))
    assert seen == [([(3, 4), (3,)], "float64")]


def test_kernels_of_users_are_verified() -> None:
    """By their kernels in float64, or by their definitions."""
    (output,) = verify(model_of(kernel_operator()))
    assert output.error < 1e-6
    (output,) = verify(model_of(kernel_operator(definition=lambda x: 3 * x + len(x) / 1024)))
    assert output.error < 1e-6
    with pytest.raises(sofie_jit.VerificationError, match="rounding does not explain the errors of y0"):
        verify(model_of(kernel_operator(definition=lambda x: 3.001 * x + len(x) / 1024)))
