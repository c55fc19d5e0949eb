"""Gemm: a matrix product with bias, what a Dense layer is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sofie_jit.codegen.kernel_library import constant
from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.activations import Activation, epilogue
from sofie_jit.ir.operators.operator import (
    BATCH,
    CPP_TYPES,
    Dim,
    Emitter,
    ROperator,
    Shape,
    TensorType,
    common_dtype,
    format_shape,
    literal,
    split_count,
    static_dim,
)

K_BLOCK = constant("core/tile.hxx", "k_block")
"""Terms that a sum has between two of its cuts."""
CHAINS, CUT_TERMS, CUT_OUTPUTS = (constant("gemm/gemm.hxx", name) for name in ("chains", "cut_terms", "cut_outputs"))
"""What ``split_k`` of ``gemm.hxx`` cuts sums by."""
PAIR_BYTES = 4 * 64
"""Outputs of two panels of AVX-512, in bytes."""
PAIRS_PAY = 1 << 17
"""Floating-point operations for a row of the batch from which on ``gemm_pairs`` repays its compilation of 0.1 s."""


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
    skip_zeros: bool = False
    """Whether it is computed by ``sparse_gemm.hxx`` where rows of A have zeros enough, where :meth:`zeros_pay`."""

    parallel_kernels = ("gemm/parallel_gemm.hxx", "gemm/parallel_gemv.hxx")

    @property
    def kernels(self) -> tuple[str, ...]:  # type: ignore[override]
        return (
            "gemm/sparse_gemm.hxx" if self.skip_zeros else "gemm/gemm.hxx",
            "gemm/gemv.hxx",
            "elementwise/activations.hxx",
        )

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

    def zeros_pay(self, a: TensorType, b: TensorType) -> bool:
        """Whether passing over zeros among the numbers of ``a`` pays, with weights ``b``."""
        return not self.trans_a and zeros_pay(a.dtype, a.shape[-1], b.shape[0 if self.trans_b else 1])

    def emit(self, code: Emitter) -> str:
        a, y = code.inputs[0], code.outputs[0]
        assert a is not None
        k, n = static_dim("Gemm", a.shape, -1), static_dim("Gemm", y.shape, -1)
        return emit_dense(
            code, self, y.shape[:-1], k, n, transposed=self.trans_b, alpha=self.alpha, beta=self.beta,
            activation=self.activation, late=y.shape[:-1] == (BATCH,), skip_zeros=self.skip_zeros,
        )  # fmt: skip


def zeros_pay(dtype: str, k: Dim, n: Dim) -> bool:
    """Whether passing over zeros pays in products of rows of ``k`` numbers with a ``k`` x ``n`` matrix.

    There must be work enough for the bits that say where they are, and for a row alone not to need its sums cut.
    """
    return dtype == "float32" and isinstance(k, int) and isinstance(n, int) and 32 <= k <= 1 << 16 and n > CUT_OUTPUTS


def emit_dense(
    code: Emitter,
    op: ROperator,
    rows: Shape,
    k: int,
    n: int,
    *,
    transposed: bool,
    activation: Activation | None,
    alpha: float = 1.0,
    beta: float = 1.0,
    late: bool = False,
    skip_zeros: bool = False,
) -> str:
    """The call that computes rows of ``n`` outputs from ``k`` numbers each: ``gemm``, or of one output ``gemv``.

    ``rows``: sizes of which their number is the product. Inputs of ``op`` are those of :class:`Gemm`, its weights
    ``transposed`` if they are (n, k).
    ``late``: whether several rows come only in batches of several rows. ``skip_zeros``: that of :class:`Gemm`.
    """
    dtype, count = code.outputs[0].dtype, code.count(rows)
    w, scale = code.raw(1), literal(alpha, dtype)
    weights = code.packed("pack_gemv", w, k, scale) if n == 1 else code.packed("pack_gemm", w, k, n, transposed, scale)
    bias = code.packed("pack_bias", code.raw(2), n, literal(beta, dtype))
    x, r, y, ends = code.input(0), code.input(3), code.output(0), epilogue(code, activation, dtype)
    if n == 1:
        return code.parallel_call("gemv", count, k, x, weights, bias, r, y, ends)
    parts = gemm_microkernels(
        code, op.flops(code.inputs, code.outputs), (k, n), few=may_be_few(rows), late=late, skip_zeros=skip_zeros
    )
    return code.parallel_call("gemm", count, k, n, x, weights, bias, r, y, ends, parts)


def may_be_few(rows: Shape) -> bool:
    """Whether fewer than four rows may come together, of a number that is the product of these sizes.

    Wherever a multiple of four rows is cut in parts, each has a multiple of four (``cut_rows`` of ``tile.hxx``).
    """
    return split_count(rows)[0] % 4 != 0


def gemm_microkernels(
    code: Emitter,
    flops: int,
    *sizes: tuple[Dim, Dim],
    few: bool = True,
    cuts: bool = True,
    late: bool = False,
    skip_zeros: bool = False,
    pay: float = PAIRS_PAY,
) -> str:
    """The struct ``GemmMicrokernels`` of a gemm of ``flops`` per row of the batch and of one or more ``sizes`` K, N.

    ``pay``: operations from which on it has ``gemm_pairs``, where there are outputs enough.
    ``few``: whether fewer than four rows may come; ``cuts``: whether sums are cut for single ones (``split_k``);
    ``late``: whether several rows come only in batches of several rows.
    ``skip_zeros``: whether rows may go to ``gemm_sparse``, as single ones then do; of one size only.
    """
    dtype = code.outputs[0].dtype
    cpp, lanes, size_of = CPP_TYPES[dtype], code.lanes(dtype), np.dtype(dtype).itemsize
    outputs = [n if isinstance(n, int) else None for _, n in sizes]
    pairs = flops >= pay and any(n and n * size_of >= PAIR_BYTES for n in outputs)
    if lanes is None and skip_zeros:
        return f"k::sparse_gemm_microkernels<{cpp}, {str(pairs).lower()}, {outputs[0]}>"
    if lanes is None:
        return f"k::gemm_microkernels<{cpp}, {str(pairs).lower()}, {str(few).lower()}>"
    panel = 2 * lanes
    by_pairs = 2 * panel if pairs and lanes * size_of == 64 else 0
    ends = [n and n - (n % panel if n % panel <= lanes else 0) for n in outputs]
    wide = any(end is None or end % (by_pairs or end + 1) for end in ends)
    narrow = any(end is None or end != n for end, n in zip(ends, outputs, strict=True))
    blocks = [_blocks(k, n, together=CHAINS if few and cuts else 1) for k, n in sizes]
    cut = [count == CHAINS for count in blocks if count is not None]
    tiles = "gemm_tiles" if None in blocks or len(set(cut)) > 1 else f"gemm_tiles_{'split_k' if cut[0] else 'no_split'}"
    rows = {_row_function(count, n, lanes) for count, n in zip(blocks, outputs, strict=True)}
    row = f"gemm_row_sparse<{outputs[0]}>" if skip_zeros else rows.pop() if len(rows) == 1 else "gemm_row"
    dense, size, read, write = f"const k::GemmProblem<{cpp}> &", "std::size_t", f"const {cpp} *", f"{cpp} *"

    def several(name: str, counts: int, needed: bool, result: str = "void") -> str:
        parameters = (dense, *[size] * counts, read, read, write)
        return code.function(name, parameters, late=late, result=result) if needed else "nullptr"

    return code.table(
        f"GemmMicrokernels<{cpp}>",
        several(f"{tiles}<2>", 3, wide),
        several(f"{tiles}<1>", 3, narrow),
        several("gemm_pairs", 3, pairs),
        code.function(row, (dense, read, read, write)) if few else "nullptr",
        several(f"gemm_sparse<{outputs[0]}>", 1, skip_zeros, "bool"),
    )


def _blocks(k: Dim, n: Dim, together: int) -> int | None:
    """The blocks that ``split_k`` of ``gemm.hxx`` cuts sums into, by fours if it is asked to; None if not known yet."""
    if not isinstance(k, int) or not isinstance(n, int):
        return None
    together = 1 if k < CUT_TERMS or n > CUT_OUTPUTS else together
    return math.ceil(k / (K_BLOCK * together)) * together


def _row_function(blocks: int | None, n: int | None, lanes: int) -> str:
    """What of ``gemm_row`` of ``gemm.hxx`` single rows need."""
    if blocks is None or n is None:
        return "gemm_row"
    if blocks == CHAINS:
        return f"gemm_row_split_k<{panel_widths(n, lanes)}>"
    if blocks and blocks % CHAINS == 0:
        return "gemm_row_k_blocks"
    if blocks != 1:
        return "gemm_row_long"
    return "gemm_row_short" if n < CHAINS * 2 * lanes else "gemm_row"


def panel_widths(outputs: int, lanes: int) -> int:
    """Which panels of weights there are: 1 for one vector of outputs, 2 for two, 3 for both."""
    return (1 if 0 < outputs % (2 * lanes) <= lanes else 0) + (2 if outputs > lanes else 0)


def gemm_function(code: Emitter, flops: int, *sizes: tuple[Dim, Dim], few: bool = True, pay: float = PAIRS_PAY) -> str:
    """Pointer to ``gemm`` with :func:`gemm_microkernels` of these arguments, for kernels that take a function."""
    cpp = CPP_TYPES[code.outputs[0].dtype]
    size, read, write = "std::size_t", f"const {cpp} *", f"{cpp} *"
    parameters = (size, size, size, *[read] * 4, write, f"const k::Epilogue<{cpp}> &")
    return code.function("gemm", parameters, gemm_microkernels(code, flops, *sizes, few=few, pay=pay))
