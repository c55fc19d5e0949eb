"""A network evaluated in numpy, operator by operator, independently of the compiled kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from sofie_jit.errors import GraphError
from sofie_jit.ir.dims import static_dims
from sofie_jit.ir.evaluation import Fallback, evaluate_operators, retyped
from sofie_jit.ir.rmodel import RModel
from sofie_jit.models.arguments import Arguments


def evaluate(
    rmodel: RModel, inputs: Any, dtype: str | None = None, *, fallback: Fallback | None = None
) -> list[np.ndarray]:
    """The outputs of ``rmodel``, in the order of ``rmodel.outputs``, by :meth:`ROperator.evaluate`.

    ``inputs`` are those of ``Model.infer``: an array, a list of arrays, or a dict of arrays by input name; they are
    converted to the input's type, as there. States are zeros. With ``dtype="float64"``, float32 tensors are computed as
    float64. ``fallback`` evaluates operators without a definition in numpy.

    Raises InputError, ShapeError, DtypeError and OutOfRangeError like ``Model.infer``, and GraphError for an operator
    without a definition in numpy if there is no ``fallback``.

    >>> from sofie_jit.ir.operators.activations import Relu
    >>> rmodel = RModel("tiny")
    >>> rmodel.add_input_tensor_info("x", "float32", (None, 2))
    >>> rmodel.add_operator(Relu(inputs=["x"], outputs=["y"]))
    >>> rmodel.add_output_tensor_names("y")
    >>> evaluate(rmodel, np.array([[-1, 2]]), dtype="float64")
    [array([[0., 2.]])]
    """
    arguments = Arguments(rmodel.inputs)
    arrays = arguments.standardize((inputs,))
    sizes = arguments.bind(arrays)
    model = rmodel if dtype is None else with_dtype(rmodel, dtype)
    values = {
        name: array.astype(declared.dtype, copy=False)
        for (name, declared), array in zip(model.inputs.items(), arrays, strict=True)
    }
    values |= {name: np.zeros(static_dims("a state", t.shape), t.dtype) for name, t in model.states.items()}
    try:
        return evaluate_operators(model, values, sizes, fallback)
    except NotImplementedError as error:
        raise GraphError(f"{error}; it can be evaluated only by its kernel") from error


def with_dtype(rmodel: RModel, dtype: str) -> RModel:
    """The same network with every float32 tensor in ``dtype``."""
    return retyped(rmodel, {"float32": dtype})
