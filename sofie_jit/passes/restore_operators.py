"""Replaces lowered operators by operators of ONNX, so that the network in a compiled library can be saved as ONNX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sofie_jit.codegen.lowered.conv import FusedConv
from sofie_jit.codegen.lowered.conv_transpose import FusedConvTranspose
from sofie_jit.codegen.lowered.dense import Dense
from sofie_jit.codegen.lowered.depthwise_chain import DepthwiseChain
from sofie_jit.codegen.lowered.integer_matmul import IntegerMatMul
from sofie_jit.codegen.lowered.matmul import PermutedMatMul
from sofie_jit.codegen.lowered.pool import ZeroPaddedMaxPool
from sofie_jit.ir.operators.activations import Activation
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.conv_transpose import ConvTranspose
from sofie_jit.ir.operators.elementwise import Add
from sofie_jit.ir.operators.gemm import Gemm
from sofie_jit.ir.operators.layout import spatial_axes
from sofie_jit.ir.operators.matmul import MatMul
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.operators.pool import MaxPool
from sofie_jit.ir.operators.transpose import Transpose
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.uses import add_weight, converted, with_bodies


def restore_operators(rmodel: RModel) -> RModel:
    """Replaces every lowered operator by the operators that it computes in one kernel.

    Weights stay those of the lowered network, with scales and offsets folded in. A network without lowered operators is
    returned as it is.

    >>> from sofie_jit.operators import Relu
    >>> network = RModel()
    >>> network.add_input_tensor_info("x", "float32", (None, 3))
    >>> network.add_initialized_tensor("w", np.ones((3, 2), np.float32))
    >>> network.add_operator(Dense(activation=Relu(), inputs=["x", "w"], outputs=["y"]))
    >>> network.add_output_tensor_names("y")
    >>> [op.op_type for op in restore_operators(network).operators]
    ['Gemm', 'Relu']
    """
    if not any(isinstance(op, tuple(RESTORED)) or op.bodies for op in rmodel.operators):
        return rmodel
    new = rmodel.copy()
    operators: list[ROperator] = []
    for op in new.operators:
        if op.bodies:
            op = with_bodies(op, {name: restore_operators(body) for name, body in op.bodies.items()})
        restored = next((function for kind, function in RESTORED.items() if isinstance(op, kind)), None)
        if restored is None:
            operators.append(op)
        else:
            steps = Steps(new, op, rmodel.tensor_type(op.inputs[0]).rank)
            restored(steps, op)
            operators += steps.finished()
    new.operators = operators
    return new


class Steps:
    """The operators that replace one.

    ``model``: the network, which they may add weights to.
    ``rank``: that of the first input of the operator that they replace.
    """

    def __init__(self, model: RModel, op: ROperator, rank: int):
        self.model, self.rank, self._op = model, rank, op
        self._steps: list[ROperator] = []

    def add(self, operator: ROperator, *inputs: str) -> str:
        """Adds ``operator``, which reads ``inputs``, the last of them unless it is ""; the name of its output."""
        name = self.model.unique_name(f"{self._op.outputs[0]}:{len(self._steps)}")
        given = [*inputs[:-1], *filter(None, inputs[-1:])]
        self._steps.append(replace(operator, inputs=given, outputs=[name], origin=self._op.origin))
        return name

    def add_epilogue(self, result: str, residual: str, activation: Activation | None) -> str:
        """Adds what kernels do to a finished sum, a ``residual`` and an activation; the name of the result."""
        if residual:
            result = self.add(Add(), result, residual)
        return self.add(activation, result) if activation else result

    def finished(self) -> list[ROperator]:
        """The operators; the last one computes the output of the one that they replace."""
        self._steps[-1].outputs = list(self._op.outputs)
        return self._steps


def dense(steps: Steps, op: Dense) -> None:
    """A Gemm, or a MatMul if A is not a matrix, with weights that are transposed and scaled here."""
    a, b, c, r = (*op.inputs, "", "")[:4]
    if steps.rank == 2:
        gemm = Gemm(alpha=op.alpha, beta=op.beta, transB=op.transB)
        product = steps.add(gemm, a, b, c)
    else:
        product = steps.add(MatMul(), a, scaled(steps.model, b, op.alpha, transposed=op.transB))
        if c:
            product = steps.add(Add(), product, scaled(steps.model, c, op.beta))
    steps.add_epilogue(product, r, op.activation)


def scaled(model: RModel, name: str, factor: float, *, transposed: bool = False) -> str:
    """The weight ``name``, transposed and multiplied by a number."""
    if factor == 1 and not transposed:
        return name
    values = model.initialized[name]
    turned = np.ascontiguousarray(values.T if transposed else values)
    return add_weight(model, f"{name}:scaled", turned * values.dtype.type(factor), values.dtype.name)


def convolution(steps: Steps, op: FusedConv | FusedConvTranspose) -> str:
    """A convolution, the addition of a residual, and the activation; the name of the result."""
    x, w, b, r = (*op.inputs, "", "")[:4]
    plain = converted(op, Conv) if isinstance(op, FusedConv) else converted(op, ConvTranspose)
    return steps.add_epilogue(steps.add(plain, x, w, b), r, op.activation)


def chain(steps: Steps, op: DepthwiseChain) -> None:
    """The convolutions, one after the other."""
    x, *given = op.inputs
    operands = [*given, *[""] * (7 - len(given))]
    for conv, names in ((op.expand, operands[:2]), (op.depthwise, operands[2:4]), (op.project, operands[4:])):
        if conv is not None:
            x = convolution(steps, replace(conv, inputs=[x, *names]))


def permuted_product(steps: Steps, op: PermutedMatMul) -> None:
    """A MatMul between Transposes."""

    def permuted(x: str, perm: Sequence[int] | None) -> str:
        return x if perm is None else steps.add(Transpose(perm=perm), x)

    a, b = op.inputs
    permuted(steps.add(MatMul(), permuted(a, op.perm_a), permuted(b, op.perm_b)), op.perm_y)


def integer_product(steps: Steps, op: IntegerMatMul) -> None:
    """A MatMul."""
    steps.add(MatMul(), *op.inputs)


def padded_pool(steps: Steps, op: ZeroPaddedMaxPool) -> None:
    """A Pad and a MaxPool."""
    (x,) = op.inputs
    padded = steps.add(Pad(pads=op.pads or (), axes=spatial_axes(steps.rank, op.layout) if op.pads else ()), x)
    steps.add(converted(op, MaxPool, pads=None), padded)


RESTORED: dict[type[ROperator], Callable[[Steps, Any], object]] = {
    Dense: dense,
    FusedConv: convolution,
    FusedConvTranspose: convolution,
    DepthwiseChain: chain,
    PermutedMatMul: permuted_product,
    IntegerMatMul: integer_product,
    ZeroPaddedMaxPool: padded_pool,
}
"""Lowered operator -> the function that adds the operators for it."""
