"""Gemm as its kernel knows it: A as it is, B a weight, C nothing or a weight of one number per output."""

from __future__ import annotations

import dataclasses

import numpy as np

from sofie_jit.ir.operators.elementwise import Add, Mul
from sofie_jit.ir.operators.gemm import Gemm
from sofie_jit.ir.operators.matmul import MatMul
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.transpose import Transpose
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.uses import add_weight


def lower_gemm(rmodel: RModel) -> RModel:
    """Rewrites every other Gemm into Transpose, MatMul, Mul and Add."""
    new = rmodel.copy()
    new.generate()
    new.operators = [part for op in new.operators for part in (_lower(new, op) if isinstance(op, Gemm) else [op])]
    return new


def _lower(model: RModel, gemm: Gemm) -> list[ROperator]:
    a, b, c, r = (*gemm.inputs, "", "")[:4]
    (y,) = gemm.outputs
    kind = model.tensor_type(y)
    constant_b = b in model.initialized
    if c in model.initialized and constant_b:
        c = _one_per_output(model, c, kind.shape[-1])
    if not gemm.trans_a and constant_b and (not c or _shape(model, c) == (kind.shape[-1],)):
        return [dataclasses.replace(gemm, inputs=[a, b, c, r] if r else [a, b, c] if c else [a, b])]

    steps: list[ROperator] = []

    def step(operator: ROperator, *inputs: str) -> str:
        operator.inputs, operator.origin = list(inputs), gemm.origin
        operator.outputs = [model.unique_name(f"{y}:{len(steps)}")]
        steps.append(operator)
        return operator.outputs[0]

    if gemm.trans_a:
        a = step(Transpose(perm=[1, 0]), a)
    if constant_b:
        product = step(Gemm(alpha=gemm.alpha, trans_b=gemm.trans_b), a, b)
    else:
        if gemm.trans_b:
            b = step(Transpose(perm=[1, 0]), b)
        product = step(MatMul(), a, b)
        if gemm.alpha != 1:
            product = step(Mul(), product, add_weight(model, f"{y}:factor", gemm.alpha, kind.dtype))
    if c:
        if gemm.beta != 1:
            c = step(Mul(), c, add_weight(model, f"{y}:factor", gemm.beta, kind.dtype))
        product = step(Add(), product, c)
    if r:
        product = step(Add(), product, r)
    if gemm.activation:
        step(dataclasses.replace(gemm.activation), product)
    steps[-1].outputs = [y]
    return steps


def _shape(model: RModel, name: str) -> tuple[int | str, ...]:
    return model.tensor_type(name).shape


def _one_per_output(model: RModel, c: str, outputs: int | str) -> str:
    """A weight C that is the same for every row, as a vector; other C are returned as they are."""
    values = model.initialized[c]
    if values.shape == (outputs,) or any(d != 1 for d in values.shape[:-1]) or isinstance(outputs, str):
        return c
    row = np.broadcast_to(values.reshape(-1), (outputs,))
    return add_weight(model, f"{c}:row", np.ascontiguousarray(row), values.dtype.name)
