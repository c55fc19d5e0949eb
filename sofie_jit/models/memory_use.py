"""The memory that a compiled network needs, for tables."""

from __future__ import annotations

from collections import Counter

from sofie_jit.codegen.print_jit import jit_text
from sofie_jit.ir.rmodel import RModel
from sofie_jit.report import tables


def memory_use(lowered: RModel) -> list[str]:
    """The memory of the weights, and that of one call as a sum over products of open dimensions, as text.

    ``lowered``: the network, as :func:`~sofie_jit.passes.pipeline.lower` returns it. Nothing is compiled.
    """
    code = jit_text(lowered)
    weights = sum(lowered.initialized[name].nbytes for name in code.weights)
    arena: Counter[tuple[str, ...]] = Counter()
    for slot in code.slots:
        arena[tuple(map(str, slot.dims))] += slot.size
    terms = [" × ".join([tables.size(count), *map(_factor, dims)]) for dims, count in sorted(arena.items())]
    tiles = ", large batches in tiles" if code.tiled and terms else ""
    return [f"weights {tables.size(weights)}", f"memory per call {' + '.join(terms) or '0 B'}{tiles}"]


def _factor(dim: str) -> str:
    """A size as a factor of a product, in parentheses if it is an expression.

    >>> _factor("batch"), _factor("(threads)"), _factor("width - 2")
    ('batch', '(threads)', '(width - 2)')
    """
    return dim if dim.strip("()").isidentifier() else f"({dim})"
