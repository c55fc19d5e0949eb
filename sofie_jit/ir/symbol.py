"""Symbol: a tensor of a network that is being built. It has a type, but no values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from sofie_jit.errors import GraphError
from sofie_jit.ir.dims import Shape
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.promotion import Promotion
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass

ARITHMETIC: dict[str, Callable[..., Any]] = {}
"""Name -> the function of :mod:`sofie_jit.ir.ops` that computes an operator of Symbols.

The functions need Symbol, so :mod:`sofie_jit.ir.ops` fills this table when it is imported.
"""


class GraphBuilder(Protocol):
    """The part of :class:`~sofie_jit.ir.builder.Builder` that Symbols and their functions use."""

    rmodel: RModel
    promotion: Promotion

    def constant(self, array: Any, hint: str = "constant") -> Symbol:
        """The Symbol of a constant."""

    def add(self, operator: ROperator, *inputs: Symbol | None, hint: str | None = None) -> Any:
        """Appends an operator and returns the Symbol of its output, or a tuple of several."""


def _operator(name: str, reflected: bool = False) -> Callable[..., Symbol]:
    """A special method of Symbol that calls the function ``name`` of :data:`ARITHMETIC`."""

    def method(*operands: Any) -> Symbol:
        result: Symbol = ARITHMETIC[name](*(reversed(operands) if reflected else operands))
        return result

    return method


@dataclass(frozen=True, eq=False)
class Symbol:
    """A tensor of a network that is being built.

    Python's arithmetic, comparisons and indexing of Symbols add operators to the network, with numpy's broadcasting
    and the promotion policy of the builder; :mod:`sofie_jit.ops` has further functions. ``==`` compares identity, so
    that Symbols can be keys of a dict: ``ops.equal`` compares the elements.
    """

    name: str
    """The name of the tensor in the RModel."""
    type: TensorType
    """Its element type and shape."""
    builder: GraphBuilder
    """The builder of its network."""

    @property
    def shape(self) -> Shape:
        """The sizes of its axes: numbers, and expressions over sizes known only at run time, as the batch is."""
        return self.type.shape

    @property
    def dtype(self) -> str:
        """The numpy name of its element type."""
        return self.type.dtype

    @property
    def rank(self) -> int:
        """Its number of axes."""
        return len(self.type.shape)

    __add__, __radd__ = _operator("add"), _operator("add", reflected=True)
    __sub__, __rsub__ = _operator("subtract"), _operator("subtract", reflected=True)
    __mul__, __rmul__ = _operator("multiply"), _operator("multiply", reflected=True)
    __truediv__, __rtruediv__ = _operator("divide"), _operator("divide", reflected=True)
    __floordiv__, __rfloordiv__ = _operator("floor_divide"), _operator("floor_divide", reflected=True)
    __mod__, __rmod__ = _operator("mod"), _operator("mod", reflected=True)
    __pow__, __rpow__ = _operator("power"), _operator("power", reflected=True)
    __matmul__, __rmatmul__ = _operator("matmul"), _operator("matmul", reflected=True)
    __lt__, __le__, __gt__, __ge__ = map(_operator, ("less", "less_equal", "greater", "greater_equal"))
    __and__, __or__, __invert__ = map(_operator, ("logical_and", "logical_or", "logical_not"))
    __neg__, __abs__, __getitem__ = map(_operator, ("negative", "absolute", "getitem"))

    __array_ufunc__ = None  # makes numpy call __radd__ and its like for ``array + symbol``

    def __bool__(self) -> bool:
        raise GraphError(
            f"{self!r} has no value while the network is built, so Python cannot test it; select with ops.where"
        )

    def __iter__(self) -> Any:
        raise GraphError(f"{self!r} cannot be iterated over; ops.unstack splits it along an axis")

    def __repr__(self) -> str:
        return f"<Symbol '{self.name}' {self.type}>"
