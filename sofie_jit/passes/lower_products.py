"""Replaces products of rows with a matrix of weights by Dense, and other Gemms by MatMul."""

from __future__ import annotations

import numpy as np

from sofie_jit.codegen.lowered.dense import Dense
from sofie_jit.codegen.lowered.integer_matmul import IntegerMatMul
from sofie_jit.ir.dims import Dim
from sofie_jit.ir.operators.elementwise import Add, Mul
from sofie_jit.ir.operators.gemm import Gemm
from sofie_jit.ir.operators.matmul import MatMul
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.transpose import Transpose
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import is_floating, is_integer
from sofie_jit.passes.uses import add_weight, converted, uses


def lower_products(rmodel: RModel) -> RModel:
    """Rewrites every Gemm, and every MatMul with a matrix of weights together with the Add of a bias after it.

    The result contains Dense, whose bias has one number per output, and MatMul, IntegerMatMul, Transpose, Mul and Add.
    """
    new = rmodel.copy()
    new.generate()
    biases = _biases(new)
    operators: list[ROperator] = []
    for op in new.operators:
        if isinstance(op, Gemm):
            operators += _lowered(new, op)
        elif isinstance(op, MatMul) and is_integer(new.tensor_type(op.inputs[0]).dtype):
            operators.append(converted(op, IntegerMatMul))
        elif isinstance(op, MatMul) and op.outputs[0] in biases:
            add, bias = biases[op.outputs[0]]
            operators.append(Dense(inputs=[*op.inputs, bias], outputs=list(add.outputs), origin=op.origin))
        elif isinstance(op, MatMul) and _has_weights(new, op):
            operators.append(Dense(inputs=list(op.inputs), outputs=list(op.outputs), origin=op.origin))
        elif not any(op is add for add, _ in biases.values()):
            operators.append(op)
    new.operators = operators
    return new


def _has_weights(model: RModel, matmul: MatMul) -> bool:
    """Whether B is a matrix of weights, and A computed by the model, in floating point."""
    a, b = matmul.inputs
    return (
        is_floating(model.tensor_type(a).dtype)
        and b in model.initialized
        and model.initialized[b].ndim == 2
        and a not in model.initialized
    )


def _biases(model: RModel) -> dict[str, tuple[Add, str]]:
    """Results of MatMuls with weights -> the Add that alone reads them, and the weights (N,) that it adds."""
    count = uses(model)
    products = {op.outputs[0]: op for op in model.operators if isinstance(op, MatMul) and _has_weights(model, op)}
    found = {}
    for op in model.operators:
        if not isinstance(op, Add):
            continue
        for product, bias in (op.inputs, op.inputs[::-1]):
            if product in products and count[product] == 1 and bias in model.initialized:
                kind = model.tensor_type(product)
                if model.initialized[bias].shape == kind.shape[-1:]:
                    found[product] = (op, bias)
                    break
    return found


def _lowered(model: RModel, gemm: Gemm) -> list[ROperator]:
    a, b, c = (*gemm.inputs, "")[:3]
    (y,) = gemm.outputs
    kind = model.tensor_type(y)
    constant_b = b in model.initialized and is_floating(kind.dtype)
    if c in model.initialized and constant_b:
        c = _one_per_output(model, c, kind.shape[-1])
    if not gemm.transA and constant_b and (not c or (c in model.initialized and model.initialized[c].ndim == 1)):
        inputs = [a, b, c] if c else [a, b]
        return [Dense(alpha=gemm.alpha, beta=gemm.beta, transB=gemm.transB, inputs=inputs, outputs=[y],
                      origin=gemm.origin)]  # fmt: skip

    steps: list[ROperator] = []

    def step(operator: ROperator, *inputs: str) -> str:
        operator.inputs, operator.origin = list(inputs), gemm.origin
        operator.outputs = [model.unique_name(f"{y}:{len(steps)}")]
        steps.append(operator)
        return operator.outputs[0]

    if gemm.transA:
        a = step(Transpose(perm=[1, 0]), a)
    if constant_b:
        product = step(Dense(alpha=gemm.alpha, transB=gemm.transB), a, b)
    else:
        if gemm.transB:
            b = step(Transpose(perm=[1, 0]), b)
        product = step(MatMul() if is_floating(kind.dtype) else IntegerMatMul(), a, b)
        if gemm.alpha != 1:
            product = step(Mul(), product, add_weight(model, f"{y}:factor", gemm.alpha, kind.dtype))
    if c:
        if gemm.beta != 1:
            c = step(Mul(), c, add_weight(model, f"{y}:factor", gemm.beta, kind.dtype))
        step(Add(), product, c)
    steps[-1].outputs = [y]
    return steps


def _one_per_output(model: RModel, c: str, outputs: Dim) -> str:
    """A weight C that is the same for every row, as a vector; other C are returned as they are."""
    values = model.initialized[c]
    if values.shape == (outputs,) or any(d != 1 for d in values.shape[:-1]) or not isinstance(outputs, int):
        return c
    row = np.broadcast_to(values.reshape(-1), (outputs,))
    return add_weight(model, f"{c}:row", np.ascontiguousarray(row), values.dtype.name)
