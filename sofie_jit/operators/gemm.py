"""Gemm: a matrix product with bias, what a Dense layer is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.operators.activations import Activation, epilogue
from sofie_jit.operators.operator import (
    CPP_TYPES,
    Emitter,
    ROperator,
    TensorType,
    common_dtype,
    format_shape,
    literal,
    split_count,
    static_dim,
)

PAIR_BYTES = 4 * 64
"""Outputs of two panels of AVX-512, in bytes."""
PAIRS_PAY = 1 << 17
"""Floating-point operations for a row of the batch from which on :func:`pairs_of_panels` repays its compilation."""


@dataclass(kw_only=True)
class Gemm(ROperator):
    """``Y = activation(alpha * A' B' + beta * C + R)``, with A' the matrix A, transposed if ``trans_a``; B' likewise.

    Inputs A (M, K), B (K, N) and, optionally, C, broadcast to (M, N), and R (M, N); output Y (M, N). Beyond ONNX are R
    and ``activation``, and A may have more than two dimensions (..., K) when it is not transposed: all but the last
    count rows.
    """

    alpha: float = 1.0
    beta: float = 1.0
    trans_a: bool = False
    trans_b: bool = False
    activation: Activation | None = None

    kernels = ("gemm.hxx", "activations.hxx")
    shared_kernels = ("shared_gemm.hxx",)

    def infer(
        self, a: TensorType, b: TensorType, c: TensorType | None = None, r: TensorType | None = None
    ) -> TensorType:
        dtype = common_dtype("Gemm", a, b, *(t for t in (c, r) if t))
        if b.rank != 2 or a.rank < 2 or (self.trans_a and a.rank != 2):
            raise ShapeError(f"Gemm multiplies matrices, got A {format_shape(a.shape)} and B {format_shape(b.shape)}")
        a_shape = a.shape[::-1] if self.trans_a else a.shape
        k, n = b.shape[::-1] if self.trans_b else b.shape
        if a_shape[-1] != k:
            raise ShapeError(
                f"Gemm: A {format_shape(a.shape)}{' transposed' if self.trans_a else ''} has {a_shape[-1]} columns, "
                f"B {format_shape(b.shape)}{' transposed' if self.trans_b else ''} has {k} rows; they must be equal"
            )
        shape = (*a_shape[:-1], n)
        if c is not None:
            padded = (1,) * (len(shape) - c.rank) + c.shape
            if len(padded) != len(shape) or any(x not in (1, y) for x, y in zip(padded, shape, strict=True)):
                raise ShapeError(f"Gemm: C {format_shape(c.shape)} does not broadcast to {format_shape(shape)}")
        if r is not None and r.shape != shape:
            raise ShapeError(f"Gemm: R must be {format_shape(shape)}, as the result, got {format_shape(r.shape)}")
        return TensorType(dtype, shape)

    def in_place(self, *inputs: TensorType | None) -> tuple[int, ...]:
        return (3,)

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        b = inputs[1]
        assert b is not None
        return 2 * split_count(b.shape)[0] * split_count(outputs[0].shape[:-1])[0]

    def emit(self, code: Emitter) -> str:
        a, y = code.inputs[0], code.outputs[0]
        assert a is not None
        k, n = static_dim("Gemm", a.shape, -1), static_dim("Gemm", y.shape, -1)
        alpha, beta = literal(self.alpha, y.dtype), literal(self.beta, y.dtype)
        panels = code.packed("pack_gemm", code.raw(1), k, n, self.trans_b, alpha)
        bias = code.packed("pack_bias", code.raw(2), n, beta)
        return code.shared_call(
            "gemm", code.count(y.shape[:-1]), k, n, code.input(0), panels, bias, code.input(3), code.output(0),
            epilogue(code, self.activation, y.dtype), *pairs_of_panels(code, self.flops(code.inputs, code.outputs), n),
        )  # fmt: skip


def pairs_of_panels(code: Emitter, flops: int, outputs: int) -> list[str]:
    """The argument ``pairs`` of a gemm of ``flops`` for each row of the batch: ``gemm_pairs``, or none.

    It computes large products faster, but takes 0.1 s to compile.
    """
    dtype = code.outputs[0].dtype
    if flops < PAIRS_PAY or outputs * np.dtype(dtype).itemsize < PAIR_BYTES:
        return []
    size, read, write = "std::size_t", f"const {CPP_TYPES[dtype]} *", f"{CPP_TYPES[dtype]} *"
    return [code.function("gemm_pairs", (f"const k::Dense<{CPP_TYPES[dtype]}> &", size, size, read, read, write))]


def gemm_function(code: Emitter, flops: int, outputs: int) -> str:
    """Pointer to ``gemm`` for kernels that take it as ``GemmFunction``."""
    cpp = CPP_TYPES[code.outputs[0].dtype]
    size, read, write = "std::size_t", f"const {cpp} *", f"{cpp} *"
    parameters = (size, size, size, *[read] * 4, write, f"const k::Epilogue<{cpp}> &")
    return code.function("gemm", parameters, *pairs_of_panels(code, flops, outputs))
