"""Probabilities of classes from those of their pairs (not in ONNX, whose SVMClassifier computes them inside)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass

ITERATIONS = 100


@dataclass(kw_only=True)
class PairwiseCoupling(ROperator):
    """Y (rows, classes): the probabilities that agree best with R (rows, pairs), where R is that of the first of two.

    The pairs are (0, 1), (0, 2), ..., (1, 2), .... This is the second method of Wu, Lin and Weng, "Probability
    Estimates for Multi-class Classification by Pairwise Coupling", JMLR 5 (2004), as LIBSVM and ONNX Runtime compute
    it: from equal probabilities, one class after the other, until no gradient exceeds 0.005 / classes, at most 100
    times. Elements of R must be larger than 0 and smaller than 1.

    >>> PairwiseCoupling(num_classes=3).evaluate(np.array([[0.9, 0.8, 0.3]])).round(3)
    array([[0.734, 0.082, 0.184]])
    """

    num_classes: int

    def infer(self, r: TensorType) -> TensorType:
        pairs = self.num_classes * (self.num_classes - 1) // 2
        if r.dtype not in ("float32", "float64"):
            raise DtypeError(f"PairwiseCoupling takes float32 or float64, got {r}: cast it")
        if self.num_classes < 2 or r.rank != 2 or r.shape[1] != pairs:
            raise ShapeError(f"PairwiseCoupling of {self.num_classes} classes takes rows of {pairs} pairs, got {r}")
        return TensorType(r.dtype, (r.shape[0], self.num_classes))

    def evaluate(self, r: np.ndarray) -> np.ndarray:
        count = self.num_classes
        first, second = np.triu_indices(count, 1)
        of_pairs = np.zeros((len(r), count, count))
        of_pairs[:, first, second], of_pairs[:, second, first] = r, 1 - r.astype(np.float64)
        matrix = -of_pairs * of_pairs.transpose(0, 2, 1)
        matrix[:, range(count), range(count)] = (of_pairs**2).sum(1)
        p = np.full((len(r), count), 1 / count)
        for _ in range(ITERATIONS):
            product = np.einsum("nij,nj->ni", matrix, p)
            square = (p * product).sum(1)
            open_rows = np.fmax.reduce(np.abs(product - square[:, np.newaxis]), 1, initial=0.0) >= 0.005 / count
            if not open_rows.any():
                break
            p[open_rows] = _next(matrix[open_rows], product[open_rows], square[open_rows], p[open_rows])
        return p.astype(r.dtype)

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        return 40 * self.num_classes**2


def _next(matrix: np.ndarray, product: np.ndarray, square: np.ndarray, p: np.ndarray) -> np.ndarray:
    """``p`` after a step of every class, with ``product`` = matrix p and ``square`` = p^T matrix p."""
    for i in range(p.shape[1]):
        diagonal = matrix[:, i, i]
        step = (square - product[:, i]) / diagonal
        total = 1 + step
        square = (square + step * (step * diagonal + 2 * product[:, i])) / total / total
        product = (product + step[:, np.newaxis] * matrix[:, i]) / total[:, np.newaxis]
        p[:, i] += step
        p = p / total[:, np.newaxis]
    return p
