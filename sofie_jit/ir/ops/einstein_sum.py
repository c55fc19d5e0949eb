"""Einstein sums as Transpose, Reshape, MatMul, Mul and ReduceSum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sofie_jit.errors import ShapeError
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.operator import Dim, format_shape


def einsum(subscripts: str, *operands: Symbol) -> Symbol:
    """``numpy.einsum``: every term of ``subscripts`` names the axes of an operand; names left out of the result are
    summed over. "..." stands for axes without names, aligned at their last ones. Several operands are multiplied from
    the first to the last.

    Raises ShapeError if the sizes of a name differ, a name stands twice in one term, or the numbers of axes do not fit.
    """
    terms, result = parse(subscripts, [x.rank for x in operands])
    _check(subscripts, terms, result, operands)
    (labels, x), *others = zip(terms, operands, strict=True)
    for index, (term, y) in enumerate(others):
        later = set("".join(terms[index + 2 :])) | set(result)
        labels, x = _pair(labels, x, term, y, later)
    return _arranged(labels, x, result)


def parse(subscripts: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The terms and the result with a letter for every axis, axes under "..." getting capital Greek letters.

    Raises ShapeError for a text that is no equation for operands of these numbers of axes.
    """
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ShapeError(f"einsum '{subscripts}' has {len(terms)} terms for {len(ranks)} tensors")
    unnamed = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    if any(n < 0 or (n > 0 and "..." not in term) for n, term in zip(unnamed, terms, strict=True)):
        raise ShapeError(f"einsum '{subscripts}' does not fit tensors of {', '.join(map(str, ranks))} dimensions")
    greek = "".join(chr(ord("Α") + i) for i in range(max(unnamed)))
    terms = [term.replace("...", greek[len(greek) - n :]) for n, term in zip(unnamed, terms, strict=True)]
    if not arrow:
        count = Counter("".join(terms))
        right = greek + "".join(sorted(c for c in count if count[c] == 1 and c not in greek))
    return terms, right.replace("...", greek)


def _check(subscripts: str, terms: list[str], result: str, operands: Sequence[Symbol]) -> None:
    sizes: dict[str, Dim] = {}
    for term in [*terms, result]:
        if not term.isalpha() and term:
            raise ShapeError(f"einsum '{subscripts}': '{term}' should consist of letters")
        if len(set(term)) < len(term):
            raise ShapeError(f"einsum '{subscripts}': '{term}' names an axis twice; take the diagonal before")
    for term, x in zip(terms, operands, strict=True):
        for label, size in zip(term, x.shape, strict=True):
            if sizes.setdefault(label, size) != size and 1 not in (size, sizes[label]):
                raise ShapeError(
                    f"einsum '{subscripts}': '{label}' is {sizes[label]} in one tensor and {size} in "
                    f"{format_shape(x.shape)}"
                )
            sizes[label] = size if sizes[label] == 1 else sizes[label]
    if missing := set(result) - set(sizes):
        raise ShapeError(f"einsum '{subscripts}': no tensor has the result's axis '{min(missing)}'")


def _arranged(labels: str, x: Symbol, wanted: str) -> Symbol:
    """``x`` with just the axes ``wanted``, in that order; the others are summed over."""
    x = _summed(labels, x, set(wanted))
    labels = "".join(c for c in labels if c in wanted)
    return ops.transpose(x, [labels.index(c) for c in wanted])


def _summed(labels: str, x: Symbol, kept: set[str]) -> Symbol:
    gone = [axis for axis, c in enumerate(labels) if c not in kept]
    return ops.sum(x, gone) if gone else x


def _pair(left: str, x: Symbol, right: str, y: Symbol, needed: set[str]) -> tuple[str, Symbol]:
    """The product of two operands with the axes ``needed``, and what those axes are called."""
    kept_left, kept_right = needed | set(right), needed | set(left)
    x, left = _summed(left, x, kept_left), "".join(c for c in left if c in kept_left)
    y, right = _summed(right, y, kept_right), "".join(c for c in right if c in kept_right)
    size_x, size_y = dict(zip(left, x.shape, strict=True)), dict(zip(right, y.shape, strict=True))
    both = [c for c in left if c in right]
    summed = [c for c in both if c not in needed]
    if not summed or any(size_x[c] != size_y[c] for c in summed):
        return _product(left, x, right, y)
    stacked = [c for c in both if c in needed]
    rows, columns = [c for c in left if c not in both], [c for c in right if c not in both]

    a_order, b_order = [*stacked, *rows, *summed], [*stacked, *summed, *columns]
    a = ops.transpose(x, [left.index(c) for c in a_order])
    b = ops.transpose(y, [right.index(c) for c in b_order])
    stack_a, stack_b = [size_x[c] for c in stacked], [size_y[c] for c in stacked]
    depth: list[Dim] = _merged([size_x[c] for c in summed])
    # a weight's matrix serves rows under any number of axes
    whole = [size_x[c] for c in rows] if not stacked and rows else _merged([size_x[c] for c in rows])
    a = ops.reshape(a, [*stack_a, *whole, *depth])
    b = ops.reshape(b, [*stack_b, *depth, *_merged([size_y[c] for c in columns])])
    product = ops.matmul(a, b)
    sizes = [d if d != 1 else e for d, e in zip(stack_a, stack_b, strict=True)]
    shape = [*sizes, *(size_x[c] for c in rows), *(size_y[c] for c in columns)]
    return "".join([*stacked, *rows, *columns]), ops.reshape(product, shape)


def _merged(sizes: list[Dim]) -> list[Dim]:
    """Several axes as one."""
    product = 1
    for size in sizes:
        if isinstance(size, str):
            return [size] if len(sizes) == 1 else [-1]
        product *= size
    return [product]


def _product(left: str, x: Symbol, right: str, y: Symbol) -> tuple[str, Symbol]:
    """All products, with the axes of both; nothing is summed over."""
    labels = left + "".join(c for c in right if c not in left)

    def aligned(names: str, tensor: Symbol) -> Symbol:
        own = "".join(c for c in labels if c in names)
        sizes = dict(zip(names, tensor.shape, strict=True))
        ordered = ops.transpose(tensor, [names.index(c) for c in own])
        return ops.reshape(ordered, [sizes[c] if c in names else 1 for c in labels])

    return labels, ops.multiply(aligned(left, x), aligned(right, y))
