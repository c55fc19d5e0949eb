"""Decision trees, as ai.onnx.ml's TreeEnsemble defines them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.dims import static_dims
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.requirements import Requirement, undecided
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass

AGGREGATES = ("SUM", "AVERAGE", "MIN", "MAX")

LEQ, LT, EQ, NAN_FIRST = 0, 1, 2, 4
"""Codes of a node: the comparison with the threshold that leads to the first child, and whether NaN does, too."""


@dataclass(kw_only=True)
class DecisionTrees(ROperator):
    """Y (rows, targets) = base + the sum (or average, ...) over trees of the weights of the leaf that a row reaches.

    Inputs: X (rows, features), base (targets), thresholds (nodes), nodes (nodes, 2), roots (trees), the targets of the
    weights, and the weights. A row of ``nodes`` is 8 feature + code and the index of the first child, which the second
    child follows; or, for a leaf, -1 - count and the place of its first weight. The indices must lie in their arrays,
    and children come after their parents. ONNX's TreeEnsemble has the same in lists of attributes.
    """

    aggregate: str = "SUM"
    least_features: int = 0
    """How many features the trees look at; X may have more."""

    def infer(self, x: TensorType, base: TensorType, thresholds: TensorType, *tables: TensorType) -> TensorType:
        if x.dtype not in ("float32", "float64") or {base.dtype, thresholds.dtype, tables[-1].dtype} != {x.dtype}:
            raise DtypeError(
                f"DecisionTrees needs inputs of one floating-point type, got {x.dtype}, {thresholds.dtype}"
            )
        if self.aggregate not in AGGREGATES or x.rank != 2:
            raise ShapeError(
                f"DecisionTrees: {self.aggregate} of X {x.shape}; expected rows and features, {AGGREGATES}"
            )
        undecided(self.requirements(x))
        return TensorType(x.dtype, (x.shape[0], *base.shape))

    def requirements(self, x: TensorType, *others: TensorType) -> list[Requirement]:
        return [Requirement(self.least_features, "<=", x.shape[1])]

    def evaluate(
        self, x: np.ndarray, base: np.ndarray, thresholds: np.ndarray, nodes: np.ndarray, roots: np.ndarray,
        targets: np.ndarray, weights: np.ndarray,
    ) -> np.ndarray:  # fmt: skip
        at = np.repeat(roots[np.newaxis].astype(np.int64), len(x), axis=0)
        while (is_inner := nodes[at, 0] >= 0).any():
            row, tree = np.nonzero(is_inner)
            node = at[row, tree]
            code, value, threshold = nodes[node, 0], x[row, nodes[node, 0] >> 3], thresholds[node]
            first = np.choose(code & 3, [value <= threshold, value < threshold, value == threshold])
            first |= (code & NAN_FIRST != 0) & np.isnan(value)
            at[row, tree] = nodes[node, 1] + ~first
        found = np.zeros((len(x), len(base), len(roots)), bool)
        leaf_weights = np.zeros(found.shape)
        for row, tree in np.ndindex(at.shape):
            code, begin = nodes[at[row, tree]]
            for place in range(begin, begin - 1 - code):
                leaf_weights[row, targets[place], tree] += weights[place]
                found[row, targets[place], tree] = True
        if self.aggregate in ("SUM", "AVERAGE"):
            total = leaf_weights.sum(-1) / (len(roots) if self.aggregate == "AVERAGE" else 1)
        else:
            function, start = (np.min, np.inf) if self.aggregate == "MIN" else (np.max, -np.inf)
            total = function(leaf_weights, -1, where=found, initial=start)
            total = np.where(found.any(-1), total, 0)
        return (total + base).astype(x.dtype)

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        roots = inputs[4]
        return 0 if roots is None else 16 * static_dims("DecisionTrees", roots.shape)[0]
