"""Einstein sums as Transpose, Reshape, MatMul, Mul and ReduceSum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sofie_jit.errors import ShapeError, counted
from sofie_jit.ir.dims import Dim, format_shape
from sofie_jit.ir.ops.core import TensorLike, promote
from sofie_jit.ir.ops.elementwise import multiply
from sofie_jit.ir.ops.matrix_product import matmul
from sofie_jit.ir.ops.reductions import sum
from sofie_jit.ir.ops.shapes import diagonal, reshape, transpose
from sofie_jit.ir.symbol import Symbol


def einsum(subscripts: str, *operands: TensorLike, path: Sequence[tuple[int, int]] | None = None) -> Symbol:
    """Einstein sum, as ``numpy.einsum``.

    Each term of ``subscripts`` names the axes of one operand by letters; the operands are multiplied and summed over
    the letters that are missing in the result. "..." stands for axes without names, which are aligned at the last one.
    A letter that appears twice in a term is a diagonal. Several operands are multiplied from left to right, or in the
    order of ``path``: pairs of indices into the operands that are left, to which each product is appended.

    Raises ShapeError if the sizes of a letter differ, or if the numbers of axes or ``path`` do not fit.

    >>> ops.einsum("bij,jk->bik", x, np.ones((3, 5), np.float32)).shape
    (batch, 2, 5)
    """
    tensors = promote(*operands)
    terms, result = parse(subscripts, [x.rank for x in tensors])
    _check(subscripts, terms, result, tensors)
    left = [_without_diagonals(term, x) for term, x in zip(terms, tensors, strict=True)]
    for pair in [(0, 1)] * (len(left) - 1) if path is None else path:
        if len(set(pair)) < 2 or not set(pair) <= set(range(len(left))):
            raise ShapeError(f"einsum '{subscripts}': the path {path} does not fit {counted(len(terms), 'tensor')}")
        first, second = (left[index] for index in sorted(pair))
        others = [operand for index, operand in enumerate(left) if index not in pair]
        made = _multiplied(*first, *second, set(result).union(*(term for term, _ in others)))
        left = [made, *others] if path is None else [*others, made]
    if len(left) > 1:
        raise ShapeError(f"einsum '{subscripts}': the path {path} leaves {len(left)} tensors")
    return _arranged(*left[0], result)


def parse(subscripts: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The terms and the result of an equation with one letter per axis; capital Greek letters replace "...".

    Raises ShapeError if the text is not an equation for operands with these numbers of axes.
    """
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ShapeError(f"einsum '{subscripts}' has {counted(len(terms), 'term')} for {counted(len(ranks), 'tensor')}")
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
    for term, x in zip(terms, operands, strict=True):
        for label, size in zip(term, x.shape, strict=True):
            if sizes.setdefault(label, size) != size and 1 not in (size, sizes[label]):
                raise ShapeError(
                    f"einsum '{subscripts}': '{label}' is {sizes[label]} in one tensor and {size} in "
                    f"{format_shape(x.shape)}"
                )
            sizes[label] = size if sizes[label] == 1 else sizes[label]
    if len(set(result)) < len(result):
        raise ShapeError(f"einsum '{subscripts}': the result names an axis twice")
    if missing := set(result) - set(sizes):
        raise ShapeError(f"einsum '{subscripts}': the result's axis '{min(missing)}' is in none of the tensors")


def _without_diagonals(term: str, x: Symbol) -> tuple[str, Symbol]:
    """A term and its tensor, where the diagonal, the last axis, takes the place of two axes of one name."""
    while repeated := [c for c, count in Counter(term).items() if count > 1]:
        first, second = [axis for axis, c in enumerate(term) if c == repeated[0]][:2]
        x = diagonal(x, 0, first, second)
        term = term[:first] + term[first + 1 : second] + term[second + 1 :] + repeated[0]
    return term, x


def _arranged(labels: str, x: Symbol, wanted: str) -> Symbol:
    """``x`` with exactly the axes ``wanted``, in that order; it is summed over the others."""
    x = _summed(labels, x, set(wanted))
    labels = "".join(c for c in labels if c in wanted)
    return transpose(x, [labels.index(c) for c in wanted])


def _summed(labels: str, x: Symbol, kept: set[str]) -> Symbol:
    gone = [axis for axis, c in enumerate(labels) if c not in kept]
    return sum(x, gone) if gone else x


def _multiplied(left: str, x: Symbol, right: str, y: Symbol, needed: set[str]) -> tuple[str, Symbol]:
    """The product of two operands, summed over all axes but those ``needed``, and the names of its axes."""
    kept_left, kept_right = needed | set(right), needed | set(left)
    x, left = _summed(left, x, kept_left), "".join(c for c in left if c in kept_left)
    y, right = _summed(right, y, kept_right), "".join(c for c in right if c in kept_right)
    size_x, size_y = dict(zip(left, x.shape, strict=True)), dict(zip(right, y.shape, strict=True))
    summed = [c for c in left if c in right and c not in needed]
    if not summed or any(size_x[c] != size_y[c] for c in summed):
        return _outer(left, x, right, y)
    return _matrix_product(left, x, right, y, summed)


def _matrix_product(left: str, x: Symbol, right: str, y: Symbol, summed: list[str]) -> tuple[str, Symbol]:
    """The same by MatMul, as there are axes ``summed`` over; axes of both that are needed count matrices."""
    size_x, size_y = dict(zip(left, x.shape, strict=True)), dict(zip(right, y.shape, strict=True))
    stacked = [c for c in left if c in right and c not in summed]
    rows, columns = [c for c in left if c not in right], [c for c in right if c not in left]

    a_order, b_order = [*stacked, *rows, *summed], [*stacked, *summed, *columns]
    a = transpose(x, [left.index(c) for c in a_order])
    b = transpose(y, [right.index(c) for c in b_order])
    stack_a, stack_b = [size_x[c] for c in stacked], [size_y[c] for c in stacked]
    depth: list[Dim] = _merged([size_x[c] for c in summed])
    # one matrix of weights serves rows under any number of axes
    row_sizes = [size_x[c] for c in rows] if not stacked and rows else _merged([size_x[c] for c in rows])
    a = reshape(a, [*stack_a, *row_sizes, *depth])
    b = reshape(b, [*stack_b, *depth, *_merged([size_y[c] for c in columns])])
    product = matmul(a, b)
    sizes = [d if d != 1 else e for d, e in zip(stack_a, stack_b, strict=True)]
    shape = [*sizes, *(size_x[c] for c in rows), *(size_y[c] for c in columns)]
    return "".join([*stacked, *rows, *columns]), reshape(product, shape)


def _merged(sizes: list[Dim]) -> list[Dim]:
    """The size of several axes that are merged into one."""
    product = 1
    for size in sizes:
        if not isinstance(size, int):
            return [size] if len(sizes) == 1 else [-1]
        product *= size
    return [product]


def _outer(left: str, x: Symbol, right: str, y: Symbol) -> tuple[str, Symbol]:
    """All products, with the axes of both operands; nothing is summed over."""
    labels = left + "".join(c for c in right if c not in left)

    def aligned(names: str, tensor: Symbol) -> Symbol:
        own = "".join(c for c in labels if c in names)
        sizes = dict(zip(names, tensor.shape, strict=True))
        ordered = transpose(tensor, [names.index(c) for c in own])
        return reshape(ordered, [sizes[c] if c in names else 1 for c in labels])

    return labels, multiply(aligned(left, x), aligned(right, y))
