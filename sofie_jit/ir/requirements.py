"""What sizes that are known only at run time must satisfy: two are equal, or one is at most another.

Operators state such requirements (:meth:`ROperator.requirements`). Those that hold for all sizes vanish, those that
hold for none are errors while the model is built, and the code of the model checks the others when it is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import Dim, Shape, SymbolicDim, bind_shape, bounds, format_shape, is_single, minimum
from sofie_jit.records import dataclass

WORDS = {"==": "equal to", "<=": "at most"}


@dataclass(frozen=True)
class Requirement:
    """``left == right`` or ``left <= right``.

    >>> from sofie_jit.ir.dims import SymbolicDim
    >>> n = SymbolicDim("n")
    >>> Requirement(n, "<=", n + 1).holds, Requirement(n, "==", 5).holds
    (True, None)
    >>> print(Requirement(1, "<=", n))
    the size n must be at least 1
    """

    left: Dim
    relation: Literal["==", "<="]
    right: Dim

    @property
    def holds(self) -> bool | None:
        """Whether it holds for all sizes (True) or for none (False); None if that depends on them."""
        lower, upper = bounds(self.right - self.left)
        if self.relation == "==":
            return True if lower == upper == 0 else None if lower <= 0 <= upper else False
        return True if lower >= 0 else False if upper < 0 else None

    def bind(self, sizes: Mapping[str, int]) -> Requirement:
        """The requirement with ``sizes`` for dimensions by name."""
        left, right = bind_shape((self.left, self.right), sizes)
        return Requirement(left, self.relation, right)

    def __str__(self) -> str:
        if self.relation == "<=" and isinstance(self.left, int) and isinstance(self.right, SymbolicDim):
            return f"the size {self.right} must be at least {self.left}"
        return f"the size {self.left} must be {WORDS[self.relation]} {self.right}"


def undecided(requirements: Sequence[Requirement]) -> list[Requirement]:
    """The requirements that depend on run-time sizes, each once. Raises ShapeError for one that cannot hold."""
    for requirement in requirements:
        if requirement.holds is False:
            raise ShapeError(str(requirement))
    return [requirement for requirement in dict.fromkeys(requirements) if requirement.holds is None]


def common_size(*dims: Dim) -> Dim | None:
    """The size of axes that must be equal: the number among ``dims``, else the first; None if they cannot be equal.

    >>> from sofie_jit.ir.dims import SymbolicDim
    >>> common_size(SymbolicDim("n"), 5), common_size(4, 5)
    (5, None)
    """
    chosen = next((dim for dim in dims if isinstance(dim, int)), dims[0])
    if all(dim == chosen for dim in dims):
        return chosen
    return None if any(Requirement(dim, "==", chosen).holds is False for dim in dims) else chosen


def equal_sizes(*shapes: Shape) -> list[Requirement]:
    """That ``shapes``, which have as many axes, are equal."""
    return _equal(zip(*shapes, strict=True))


def broadcast_shapes(operator: str, *shapes: Shape) -> Shape:
    """The shape that all ``shapes`` broadcast to, aligned at their last axes.

    Open sizes that differ must be equal when the model runs (:func:`broadcast_sizes`); none of them may be 1 then,
    except those that cannot be larger, such as ``min(n, 1)``, the size of ``x[:1]``.

    Raises ShapeError if two sizes of an axis can never be equal and neither is 1.

    >>> broadcast_shapes("Add", (2, 1, 4), (3, 1))
    (2, 3, 4)
    """
    result: list[Dim] = []
    for dims in _aligned(shapes):
        chosen = _common(dims)
        if chosen is None:
            raise ShapeError(
                f"{operator}: shapes {', '.join(map(format_shape, shapes))} do not broadcast: "
                f"{' and '.join(map(str, dims))} in axis {len(result) - max(map(len, shapes))} must be equal or 1"
            )
        result.append(chosen)
    return tuple(result)


def broadcast_sizes(*shapes: Shape) -> list[Requirement]:
    """What must hold so that ``shapes`` broadcast as :func:`broadcast_shapes` assumes."""
    found = []
    for dims in _aligned(shapes):
        chosen = _common(dims)
        if chosen is None:
            chosen = next(dim for dim in dims if not is_single(dim))
        for dim in dims:
            if is_repeated(dim, chosen):  # it is empty only if the result is
                found.append(Requirement(minimum(chosen, 1), "<=", dim))
            else:
                found.append(Requirement(dim, "==", chosen))
    return [requirement for requirement in found if requirement.holds is not True]


def is_repeated(dim: Dim, size: Dim) -> bool:
    """Whether an axis of size ``dim`` is repeated when it is broadcast to ``size``.

    >>> from sofie_jit.ir.dims import SymbolicDim, minimum
    >>> n = SymbolicDim("n")
    >>> is_repeated(minimum(n, 1), n), is_repeated(n, n)
    (True, False)
    """
    return dim != size and is_single(dim)


def _common(dims: Sequence[Dim]) -> Dim | None:
    """The size that axes of sizes ``dims`` broadcast to; None if there is none."""
    sizes = [dim for dim in dims if not is_single(dim)] or [dim for dim in dims if dim != 1]
    return common_size(*sizes) if sizes else 1


def _equal(axes: Iterable[Sequence[Dim]]) -> list[Requirement]:
    found = []
    for dims in axes:
        chosen = common_size(*dims) if dims else None
        found += [Requirement(dim, "==", dims[0] if chosen is None else chosen) for dim in dims if dim != chosen]
    return found


def _aligned(shapes: Sequence[Shape]) -> list[tuple[Dim, ...]]:
    rank = max(map(len, shapes))
    return list(zip(*((1,) * (rank - len(shape)) + tuple(shape) for shape in shapes), strict=True))
