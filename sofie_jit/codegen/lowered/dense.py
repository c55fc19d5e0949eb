"""Dense: rows times a matrix of weights, with bias, residual and activation in the same kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sofie_jit.codegen import tuning
from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import (
    CPP_TYPES,
    NULL,
    Argument,
    Call,
    Constant,
    FunctionPointer,
    Statement,
    choice,
    literal,
)
from sofie_jit.codegen.lowered.activations import epilogue
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import BATCH, Dim, Shape, SymbolicDim, bind_shape, format_shape, product, split_count, static_dim
from sofie_jit.ir.operators.activations import Activation, activated
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.requirements import Requirement, common_size
from sofie_jit.ir.types import TensorType, common_dtype
from sofie_jit.records import dataclass

PARALLEL_KERNELS = ("gemm/parallel_gemm.hxx", "gemm/parallel_gemv.hxx")


@dataclass(kw_only=True)
class Dense(ROperator):
    """``Y = activation(alpha * A B' + beta * C + R)``, where B' is B, transposed if ``transB`` is set.

    Inputs: A (..., K); the weights B (K, N), or (N, K) with ``transB``; optionally the weights C (N,); optionally the
    residual R of the shape of Y. Output Y (..., N). All axes of A but the last count rows.
    """

    alpha: float = 1.0
    beta: float = 1.0
    transB: bool = False
    activation: Activation | None = None
    skip_zeros: bool = False
    """Whether rows of A with enough zeros are computed by ``sparse_gemm.hxx``, where :func:`zeros_pay`."""

    def infer(
        self, a: TensorType, b: TensorType, c: TensorType | None = None, r: TensorType | None = None
    ) -> TensorType:
        dtype = common_dtype("Dense", a, b, *(t for t in (c, r) if t))
        k, n = b.shape[::-1] if self.transB else b.shape
        if b.rank != 2 or a.rank < 1 or common_size(a.shape[-1], k) is None:
            raise ShapeError(
                f"Dense needs A (..., K) and B (K, N), got {format_shape(a.shape)} and {format_shape(b.shape)}"
                f"{' transposed' if self.transB else ''}"
            )
        if c is not None and c.shape != (n,):
            raise ShapeError(f"Dense: C must be ({n},), got {format_shape(c.shape)}")
        shape = (*a.shape[:-1], n)
        if r is not None and r.shape != shape:
            raise ShapeError(f"Dense: R must be {format_shape(shape)}, as the result, got {format_shape(r.shape)}")
        return TensorType(dtype, shape)

    def requirements(self, a: TensorType, b: TensorType, *others: TensorType | None) -> list[Requirement]:
        return [Requirement(a.shape[-1], "==", b.shape[1 if self.transB else 0])]

    def mixes_places(self, axis: int, a: TensorType, *others: TensorType | None) -> bool:
        return axis == a.rank - 1

    def evaluate(
        self, a: np.ndarray, b: np.ndarray, c: np.ndarray | None = None, r: np.ndarray | None = None
    ) -> np.ndarray:
        y = self.alpha * (a @ (b.T if self.transB else b))
        y = y if c is None else y + self.beta * c
        return activated(self.activation, y if r is None else y + r)

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        b = inputs[1]
        assert b is not None
        return 2 * split_count(b.shape)[0] * split_count(outputs[0].shape[:-1])[0]

    def zeros_pay(self, a: TensorType, b: TensorType) -> bool:
        """Whether passing over zeros among the elements of ``a`` pays, with weights ``b``."""
        return zeros_pay(a.dtype, a.shape[-1], b.shape[0 if self.transB else 1])


def zeros_pay(dtype: str, k: Dim, n: Dim) -> bool:
    """Whether passing over zeros pays in products of rows of ``k`` elements with a ``k`` x ``n`` matrix.

    There must be enough work to repay the bits that say where the zeros are, and so many outputs that the sums of a
    single row are not cut.
    """
    if dtype != "float32" or not isinstance(k, int) or not isinstance(n, int):
        return False
    return tuning.SPARSE_MIN_K <= k <= tuning.SPARSE_MAX_K and n > tuning.SPLIT_K_MAX_OUTPUTS


def dense_kernels(op: ROperator) -> tuple[str, ...]:
    """The headers of a product of rows with a matrix of weights."""
    skip_zeros = op.attributes().get("skip_zeros")
    return ("gemm/sparse_gemm.hxx" if skip_zeros else "gemm/gemm.hxx", "gemm/gemv.hxx", "elementwise/activations.hxx")


@emits(Dense, kernels=dense_kernels, parallel_kernels=PARALLEL_KERNELS, in_place=(3,))
def dense(op: Dense, code: Emitter) -> tuple[Statement, ...]:
    """``gemm``, or ``gemv`` for a single output."""
    y = code.outputs[0]
    k, n = static_dim("Dense", code.type_of(1).shape, 1 if op.transB else 0), static_dim("Dense", y.shape, -1)
    return emit_dense(
        code, y.shape[:-1], k, n, transposed=op.transB, alpha=op.alpha, beta=op.beta,
        activation=op.activation, deferred=y.shape[:-1] == (BATCH,), skip_zeros=op.skip_zeros,
    )  # fmt: skip


def emit_dense(
    code: Emitter,
    rows: Shape,
    k: int,
    n: int,
    *,
    transposed: bool,
    activation: Activation | None,
    alpha: float = 1.0,
    beta: float = 1.0,
    deferred: bool = False,
    skip_zeros: bool = False,
) -> tuple[Statement, ...]:
    """The call that computes rows of ``n`` outputs from ``k`` elements each: ``gemm``, or ``gemv`` for one output.

    ``rows``: sizes whose product is the number of rows. The operator's inputs are those of :class:`Dense`, its weights
    (n, k) if ``transposed``. ``deferred``: whether several rows come only in batches of several rows.
    """
    code.require_constants(1, 2)
    dtype, count = code.outputs[0].dtype, code.count(rows)
    w, scale = code.raw(1), literal(alpha, dtype)
    weights = code.packed("pack_gemv", w, k, scale) if n == 1 else code.packed("pack_gemm", w, k, n, transposed, scale)
    bias = code.packed("pack_bias", code.raw(2), n, literal(beta, dtype))
    x, r, y, ends = code.input(0), code.input(3), code.output(0), epilogue(code, activation, dtype)
    if n == 1:
        return (code.parallel_call("gemv", count, k, x, weights, bias, r, y, ends),)
    flops = code.op.flops(code.inputs, code.outputs)

    def gemm(few: bool) -> Call:
        parts = gemm_microkernels(code, flops, (k, n), few=few, deferred=deferred, skip_zeros=skip_zeros)
        return code.parallel_call("gemm", count, k, n, x, weights, bias, r, y, ends, parts)

    together = product(*bind_shape(rows, {str(BATCH): 1}))
    if isinstance(together, SymbolicDim) and splits_k(k, n):
        return choice([Requirement(together % 4, "==", 0)], gemm(few=False), gemm(few=True))
    return (gemm(few=may_be_few(rows)),)


def splits_k(k: int, n: int) -> bool:
    """Whether sums over ``k`` terms of ``n`` outputs are split if fewer than four rows may come (``split_k``)."""
    return k >= tuning.SPLIT_K_MIN_TERMS and n <= tuning.SPLIT_K_MAX_OUTPUTS


def may_be_few(rows: Shape) -> bool:
    """Whether fewer than four rows may come together, of a number that is the product of these sizes.

    Wherever a multiple of four rows is cut in parts, each has a multiple of four (``tuning.MC_STEP``).
    """
    return split_count(rows)[0] % 4 != 0


def gemm_microkernels(
    code: Emitter,
    flops: int,
    *sizes: tuple[Dim, Dim],
    few: bool = True,
    cuts: bool = True,
    deferred: bool = False,
    skip_zeros: bool = False,
    pay: float = tuning.PANEL_PAIRS_MIN_FLOPS,
) -> Argument:
    """The struct ``GemmMicrokernels`` of a gemm of ``flops`` per row of the batch, for one or several ``sizes`` (K, N).

    ``pay``: operations from which on it has ``gemm_pairs``, where there are enough outputs.
    ``few``: whether fewer than four rows may come. ``cuts``: whether sums are cut for single rows (``split_k``).
    ``deferred``: whether several rows come only in batches of several rows.
    ``skip_zeros``: whether rows may go to ``gemm_sparse``, as single rows then do; for a single size only.
    """
    dtype = code.outputs[0].dtype
    cpp, lanes, size_of = CPP_TYPES[dtype], code.lanes(dtype), np.dtype(dtype).itemsize
    outputs = [n if isinstance(n, int) else None for _, n in sizes]
    pairs = flops >= pay and any(n and n * size_of >= tuning.PANEL_PAIR_BYTES for n in outputs)
    if lanes is None and skip_zeros:
        return Constant(f"k::sparse_gemm_microkernels<{cpp}, {str(pairs).lower()}, {outputs[0]}>")
    if lanes is None:
        return Constant(f"k::gemm_microkernels<{cpp}, {str(pairs).lower()}, {str(few).lower()}>")
    panel = tuning.NV * lanes
    by_pairs = 2 * panel if pairs and lanes * size_of == 64 else 0
    ends = [n and n - (n % panel if n % panel <= lanes else 0) for n in outputs]
    wide = any(end is None or end % (by_pairs or end + 1) for end in ends)
    narrow = any(end is None or end != n for end, n in zip(ends, outputs, strict=True))
    blocks = [_blocks(k, n, together=tuning.FMA_CHAINS if few and cuts else 1) for k, n in sizes]
    cut = [count == tuning.FMA_CHAINS for count in blocks if count is not None]
    tiles = "gemm_tiles" if None in blocks or len(set(cut)) > 1 else f"gemm_tiles_{'split_k' if cut[0] else 'no_split'}"
    rows = {_row_function(count, n, lanes) for count, n in zip(blocks, outputs, strict=True)}
    row = f"gemm_row_sparse<{outputs[0]}>" if skip_zeros else rows.pop() if len(rows) == 1 else "gemm_row"
    dense, size, read, write = f"const k::GemmProblem<{cpp}> &", "std::size_t", f"const {cpp} *", f"{cpp} *"

    def several(name: str, counts: int, needed: bool, result: str = "void") -> FunctionPointer | Constant:
        parameters = (dense, *[size] * counts, read, read, write)
        return code.function(name, parameters, deferred=deferred, result=result) if needed else NULL

    return code.table(
        f"GemmMicrokernels<{cpp}>",
        several(f"{tiles}<2>", 3, wide),
        several(f"{tiles}<1>", 3, narrow),
        several("gemm_pairs", 3, pairs),
        code.function(row, (dense, read, read, write)) if few else NULL,
        several(f"gemm_sparse<{outputs[0]}>", 1, skip_zeros, "bool"),
    )


def _blocks(k: Dim, n: Dim, together: int) -> int | None:
    """The blocks that ``split_k`` of ``gemm.hxx`` cuts sums into, by fours if asked to; None if not known yet."""
    if not isinstance(k, int) or not isinstance(n, int):
        return None
    together = 1 if k < tuning.SPLIT_K_MIN_TERMS or n > tuning.SPLIT_K_MAX_OUTPUTS else together
    return math.ceil(k / (tuning.KC * together)) * together


def _row_function(blocks: int | None, n: int | None, lanes: int) -> str:
    """The part of ``gemm_row`` of ``gemm.hxx`` that single rows need."""
    if blocks is None or n is None:
        return "gemm_row"
    if blocks == tuning.FMA_CHAINS:
        return f"gemm_row_split_k<{panel_widths(n, lanes)}>"
    if blocks and blocks % tuning.FMA_CHAINS == 0:
        return "gemm_row_k_blocks"
    if blocks != 1:
        return "gemm_row_long"
    return "gemm_row_short" if n < tuning.FMA_CHAINS * tuning.NV * lanes else "gemm_row"


def panel_widths(outputs: int, lanes: int) -> int:
    """Which panels of weights there are: 1 for one vector of outputs, 2 for two, 3 for both."""
    return (1 if 0 < outputs % (tuning.NV * lanes) <= lanes else 0) + (2 if outputs > lanes else 0)


def gemm_function(
    code: Emitter, flops: int, *sizes: tuple[Dim, Dim], few: bool = True, pay: float = tuning.PANEL_PAIRS_MIN_FLOPS
) -> FunctionPointer:
    """Pointer to ``gemm`` with :func:`gemm_microkernels`, for kernels that take it as ``GemmFunction``."""
    cpp = CPP_TYPES[code.outputs[0].dtype]
    size, read, write = "std::size_t", f"const {cpp} *", f"{cpp} *"
    parameters = (size, size, size, *[read] * 4, write, f"const k::Epilogue<{cpp}> &")
    return code.function("gemm", parameters, gemm_microkernels(code, flops, *sizes, few=few, pay=pay))
