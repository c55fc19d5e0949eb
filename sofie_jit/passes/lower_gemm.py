"""Gemm as its kernel knows it: a constant B, and C as one constant number per output."""

from __future__ import annotations

import dataclasses

import numpy as np

from sofie_jit.operators.elementwise import Add, Mul
from sofie_jit.operators.gemm import Gemm
from sofie_jit.operators.matmul import MatMul
from sofie_jit.operators.operator import ROperator
from sofie_jit.operators.transpose import Transpose
from sofie_jit.rmodel import RModel


def lower_gemm(rmodel: RModel) -> RModel:
    """Rewrites transposed A, B or C that are computed, and C of other shapes, into Transpose, MatMul, Mul and Add."""
    new = rmodel.copy()
    new.generate()
    new.operators = [part for op in rmodel.operators for part in (_lower(new, op) if isinstance(op, Gemm) else [op])]
    return new


def _lower(rmodel: RModel, op: Gemm) -> list[ROperator]:
    a, b, c = (*op.inputs, "")[:3]
    (y,) = op.outputs
    kind = rmodel.tensor_type(y)
    outputs = kind.shape[-1]
    before: list[ROperator] = []
    after: list[ROperator] = []

    def temporary(step: str) -> str:
        return f"{y}:{step}"

    def constant(step: str, values: np.ndarray) -> str:
        rmodel.add_initialized_tensor(temporary(step), values)
        return temporary(step)

    if op.trans_a:
        before.append(Transpose(perm=[1, 0], inputs=[a], outputs=[temporary("A")], origin=op.origin))
        a = temporary("A")
    bias = ""
    if c in rmodel.initialized and rmodel.initialized[c].size in (1, outputs) and _is_row(rmodel.initialized[c]):
        values = rmodel.initialized[c]
        bias = constant("C", np.ascontiguousarray(np.broadcast_to(values.reshape(-1), (outputs,))))
        if values.shape == (outputs,):
            bias = c
    fused = bool(bias) == bool(c)
    product = y if fused and b in rmodel.initialized else temporary("AB")
    activation = op.activation
    if b in rmodel.initialized:
        main: ROperator = dataclasses.replace(
            op, inputs=[a, b, bias] if bias else [a, b], outputs=[product], trans_a=False,
            activation=activation if fused else None,
        )  # fmt: skip
        if fused:
            return [*before, main]
    else:
        if op.trans_b:
            before.append(Transpose(perm=[1, 0], inputs=[b], outputs=[temporary("B")], origin=op.origin))
            b = temporary("B")
        main = MatMul(inputs=[a, b], outputs=[product], origin=op.origin)

    def then(operator: ROperator, *inputs: str) -> None:
        operator.inputs, operator.origin = list(inputs), op.origin
        operator.outputs = [temporary(f"step{len(after)}")]
        after.append(operator)

    last = product
    if isinstance(main, MatMul) and op.alpha != 1:
        then(Mul(), last, constant("alpha", np.array(op.alpha, kind.dtype)))
        last = after[-1].outputs[0]
    if c:
        if op.beta != 1:
            then(Mul(), c, constant("beta", np.array(op.beta, kind.dtype)))
            c = after[-1].outputs[0]
        then(Add(), last, c)
        last = after[-1].outputs[0]
    if activation:
        then(dataclasses.replace(activation), last)
    if after:
        after[-1].outputs = [y]
    else:
        main.outputs = [y]
    return [*before, main, *after]


def _is_row(c: np.ndarray) -> bool:
    """Whether C varies along the outputs only."""
    return all(d == 1 for d in c.shape[:-1])
