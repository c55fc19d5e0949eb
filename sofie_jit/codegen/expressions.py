"""Typed C++ expressions: the arguments of kernel calls before they are printed as text.

An :class:`Expression` with a ``cpp_type`` is an argument at run time. A :class:`Constant` is compiled into the call, as
template arguments, functors and literals are. ``print_jit.py`` and ``print_header.py`` turn both into text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from sofie_jit.errors import OutOfRangeError, SofieError
from sofie_jit.ir.dims import Dim, Shape, SymbolicDim, product
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import ELEMENT_TYPES, is_floating
from sofie_jit.records import dataclass

CPP_TYPES = {name: element.cpp for name, element in ELEMENT_TYPES.items()}
"""Element types of tensors, numpy's name -> C++'s."""


class Expression:
    """A value that a call gets as an argument, of the type :attr:`cpp_type`."""

    @property
    def cpp_type(self) -> str:
        """The type of the parameter that takes it."""
        raise NotImplementedError(type(self).__name__)


@dataclass(frozen=True)
class Constant:
    """Text that is the same in every call: a literal, a functor, a null pointer."""

    text: str


@dataclass(frozen=True)
class Formatted:
    """Text with expressions at its ``{}``: a functor whose parameters are known only at run time."""

    template: str
    parts: tuple[Expression, ...]


@dataclass(frozen=True)
class Size(Expression):
    """A size: a number, or an expression over run-time dimensions."""

    value: Dim

    @property
    def cpp_type(self) -> str:
        return "std::size_t"

    @property
    def is_one(self) -> bool:
        """Whether it is the number 1, known when the code is generated."""
        return self.value == 1


@dataclass(frozen=True)
class SizeTarget(Expression):
    """The address of the run-time dimension ``name``, which a kernel sets."""

    name: str

    @property
    def cpp_type(self) -> str:
        return "std::size_t *"


@dataclass(frozen=True)
class Pointer(Expression):
    """The address of elements of type ``dtype`` (numpy's name), ``const`` if they are only read."""

    dtype: str
    const: bool

    @property
    def cpp_type(self) -> str:
        return f"{'const ' if self.const else ''}{CPP_TYPES[self.dtype]} *"


@dataclass(frozen=True)
class TensorPointer(Pointer):
    """The address of the tensor ``name`` of the model."""

    name: str


class NullPointer(Pointer):
    """The address of an omitted tensor."""


@dataclass(frozen=True)
class WeightPointer(Pointer):
    """The values of the initialized tensor ``name``, valid while a Session is constructed."""

    name: str


@dataclass(frozen=True)
class PackedPointer(Pointer):
    """The address of the ``index``-th buffer of its element type, which a Session's constructor fills."""

    index: int


@dataclass(frozen=True)
class ScratchPointer(Pointer):
    """The address of the ``index``-th piece of scratch memory of a call."""

    index: int


@dataclass(frozen=True)
class Struct(Expression):
    """The kernels' struct ``name`` with ``members`` in order; tuples become arrays."""

    name: str
    members: tuple[Any, ...]

    @property
    def cpp_type(self) -> str:
        return f"const k::{self.name} &"


@dataclass(frozen=True)
class FunctionPointer:
    """A C++ function of ``parameters`` (types) that calls the kernel ``function`` with these, and then ``arguments``.

    ``deferred``: nothing calls it while the batch has one row, so the JIT compiles it when a larger batch comes.
    """

    function: str
    parameters: tuple[str, ...]
    arguments: tuple[Any, ...] = ()
    deferred: bool = False
    result: str = "void"


@dataclass(frozen=True)
class Table(Expression):
    """The kernels' struct ``name`` whose members are constants, such as pointers to functions."""

    name: str
    members: tuple[Any, ...]

    @property
    def cpp_type(self) -> str:
        return f"const k::{self.name} &"


Argument = Expression | Constant | Formatted | FunctionPointer | int | bool
"""An argument of a call: numbers become ``std::size_t``, truth values ``true`` or ``false``."""

NULL = Constant("nullptr")
"""A null pointer whose type the call knows."""


@dataclass(frozen=True)
class Call:
    """The statement ``function(arguments...)`` of a kernel.

    ``parallel``: where there is a team of threads, ``parallel_`` + function shares the work among them. ``failure``:
    the message if the kernel returns false; "" for a kernel that cannot fail. ``error``: the class of the error.
    """

    function: str
    arguments: tuple[Argument, ...]
    parallel: bool = False
    failure: str = ""
    error: type[SofieError] = OutOfRangeError


def modulo(value: Dim) -> Constant | Size:
    """A number that may be negative, as a ``std::size_t`` modulo 2^64."""
    if isinstance(value, int) and value < 0:
        return Constant(f"std::size_t(0) - std::size_t({-value})")
    return Constant(f"std::size_t({value})") if isinstance(value, int) else Size(value)


@dataclass(frozen=True)
class Choice:
    """``then`` where all ``conditions`` hold at run time, else ``otherwise``: two algorithms for the same result.

    With it, code for sizes that are known only at run time chooses as passes do for known sizes.
    """

    conditions: tuple[Requirement, ...]
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]


@dataclass(frozen=True)
class Step:
    """One operator and its statements."""

    index: int
    """Its place in the network."""
    op: ROperator
    statements: tuple[Statement, ...]
    network: RModel
    """The network that it belongs to: the model, or the body of a loop."""
    flops: int = 0
    """Its floating-point operations for one row of the batch."""

    def walk(self) -> Iterator[tuple[Step, Call]]:
        """Its calls in the order in which they are printed, each with its operator, which may be in a body."""
        return _walk(self, self.statements)

    @property
    def calls(self) -> Iterator[Call]:
        """Its calls in order, those of both branches of a choice, and those of bodies."""
        return (call for _, call in self.walk())


@dataclass(frozen=True)
class Block:
    """The operators of a body, and statements after them."""

    steps: tuple[Step, ...]
    after: tuple[Statement, ...] = ()


@dataclass(frozen=True)
class Repeat:
    """``block``, repeated while ``condition``, a call that returns a bool, is true."""

    condition: Call
    block: Block


@dataclass(frozen=True)
class Branch:
    """``then`` if ``condition``, a call that returns a bool, is true, else ``otherwise``."""

    condition: Call
    then: Block
    otherwise: Block


Statement = Call | Choice | Repeat | Branch


def statements(emitted: Statement | Iterable[Statement]) -> tuple[Statement, ...]:
    """One statement or several as a tuple."""
    return (emitted,) if isinstance(emitted, (Call, Choice, Repeat, Branch)) else tuple(emitted)


def choice(
    conditions: Iterable[Requirement],
    then: Statement | Iterable[Statement],
    otherwise: Statement | Iterable[Statement],
) -> tuple[Statement, ...]:
    """A :class:`Choice`, or one of its branches if it is known now."""
    needed = tuple(condition for condition in conditions if not condition.holds)
    if any(condition.holds is False for condition in needed):
        return statements(otherwise)
    return (Choice(needed, statements(then), statements(otherwise)),) if needed else statements(then)


def _walk(step: Step, statements: Iterable[Statement]) -> Iterator[tuple[Step, Call]]:
    for statement in statements:
        match statement:
            case Call():
                yield step, statement
            case Choice(_, then, otherwise):
                yield from _walk(step, (*then, *otherwise))
            case Repeat(_, block):
                yield from _walk_block(step, block)
            case Branch(_, first, second):
                yield from _walk_block(step, first)
                yield from _walk_block(step, second)


def _walk_block(step: Step, block: Block) -> Iterator[tuple[Step, Call]]:
    for inner in block.steps:
        yield from inner.walk()
    yield from _walk(step, block.after)


def as_size(dim: Dim) -> Size | int:
    """A dimension as an argument or a member of a struct."""
    return Size(dim) if isinstance(dim, SymbolicDim) else dim


def size_of(shape: Shape) -> Size:
    """The number of elements of ``shape``."""
    return Size(product(*shape))


def literal(value: float | int | bool, dtype: str) -> Constant:
    """``value`` as a C++ literal of ``dtype`` that reads back to the same bits."""
    cpp = CPP_TYPES[dtype]
    if dtype == "bool":
        return Constant("true" if value else "false")
    if not is_floating(dtype):
        return Constant(f"{cpp}({integer_text(int(value), dtype)})")
    with np.errstate(over="ignore"):  # beyond the type's largest number is infinity, as for Keras
        number = np.dtype(dtype).type(value)
    if np.isnan(number):
        return Constant(f"std::numeric_limits<{cpp}>::quiet_NaN()")
    if np.isinf(number):
        return Constant(f"{'-' if number < 0 else ''}std::numeric_limits<{cpp}>::infinity()")
    text = np.format_float_scientific(number, unique=True, trim="0")
    return Constant(text + ("f" if dtype == "float32" else ""))


def integer_text(value: int, dtype: str) -> str:
    """A C++ expression of the integer ``value``, which must be within ``dtype``.

    >>> integer_text(-(2**63), "int64"), integer_text(2**64 - 1, "uint64")
    ('-9223372036854775807 - 1', '18446744073709551615u')
    """
    if dtype == "uint64":
        return f"{value}u"
    return f"{value + 1} - 1" if value == np.iinfo(dtype).min < 0 else str(value)  # -2^63 is a minus and 2^63


def functor(name: str, *parameters: Constant) -> Constant:
    """The kernels' function object ``name`` with these parameters: ``k::Relu{}``."""
    return Constant(f"k::{name}{{{', '.join(parameter.text for parameter in parameters)}}}")
