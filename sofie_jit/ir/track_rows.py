"""Whether the rows of the batch are independent of each other in a network, and where they are in each tensor.

A batch may be computed in tiles if no row of an output depends on another row. ``ROperator.rows`` is the rule of an
operator (``ir/rows.py``).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sofie_jit.ir.dims import BATCH, Shape, counts_rows
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.rows import Interval, Rows, RowsMixedError, exact_quotient


def track_rows(rmodel: RModel, given: Mapping[str, Rows] | None = None) -> dict[str, Rows]:
    """The place of the rows in every tensor of a network. Raises RowsMixedError if rows depend on each other.

    ``given``: the place in the inputs, by default the first axis of each.
    """
    known = dict.fromkeys(rmodel.inputs, Rows(0)) | dict(given or {})
    known |= {name: Rows(integers=_interval(values)) for name, values in rmodel.initialized.items()}
    known[""] = Rows()
    for op in rmodel.operators:
        types = [rmodel.tensor_type(name) if name else None for name in op.inputs]
        found = op.rows(types, [known[name] for name in op.inputs])
        results = [found] * len(op.outputs) if isinstance(found, Rows) else found
        for name, result in zip(op.outputs, results, strict=False):
            if name:
                _check(result, rmodel.tensor_type(name).shape)
                known[name] = result
    return known


def _check(rows: Rows, shape: Shape) -> None:
    """Raises RowsMixedError if an axis of ``shape`` counts rows, and ``rows`` does not say so."""
    counting = [axis for axis, size in enumerate(shape) if counts_rows(size)]
    if counting != ([] if rows.axis is None else [rows.axis]):
        raise RowsMixedError
    if counting and shape[counting[0]] is not BATCH and exact_quotient(shape[counting[0]], BATCH * rows.inner) is None:
        raise RowsMixedError


def _interval(values: np.ndarray) -> Interval | None:
    """The bounds of a small array of integers."""
    if values.dtype.kind not in "iu" or not 0 < values.size <= 64:
        return None
    return Interval(int(values.min()), int(values.max()))
