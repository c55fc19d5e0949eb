"""Values while a program is translated: tensors, numbers, and what Python code makes of them.

A tensor is a :class:`Symbol`, which is computed when the model runs, or an array that is known before. An array of the
dtype ``object`` has a single element, a size that is known only when the model runs (:class:`Dim`); its type in PyTorch
is int64. A number is an int, a float, a bool or a Dim.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.constants import computed
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.dims import Dim, SymbolicDim
from sofie_jit.ir.types import COMPUTED
from sofie_jit.records import dataclass

Number = bool | int | float | SymbolicDim
NUMBERS = (bool, int, float, SymbolicDim)

SCALAR_TYPES = {
    0: "uint8", 1: "int8", 2: "int16", 3: "int32", 4: "int64", 5: "float16", 6: "float32", 7: "float64",
    8: "complex32", 9: "complex64", 10: "complex128", 11: "bool", 15: "bfloat16", 27: "uint16", 28: "uint32",
    29: "uint64",
}  # fmt: skip
"""Numbers of element types in TorchScript (``c10::ScalarType``)."""


@dataclass(frozen=True)
class Undecided:
    """A value that depends on the data or on an open size; an error if anything but an assertion needs it."""

    reason: str
    sizes: tuple[str, ...] = ()
    """The names of the open sizes whose values would decide it."""


class Refused(Undecided):
    """The result of an operator that is not supported, which an error tells already."""


@dataclass(frozen=True)
class Unavailable:
    """A result of an operator that is not computed; an error if anything needs it."""

    reason: str


@dataclass(frozen=True)
class Complex:
    """A complex tensor as its real and imaginary part."""

    real: Symbol
    imag: Symbol

    @property
    def rank(self) -> int:
        """The number of axes."""
        return self.real.rank


class ComplexNumber(Complex):
    """A number of Python, whose parts are float64 until an operator takes it."""


class NumberSymbol(Symbol):
    """A number of Python that the model computes: a tensor without axes of bool, int64 or float64.

    In operations with tensors it has the type of a number.
    """


PART_TYPES = {"complex64": "float32", "complex128": "float64"}
"""Complex element types -> that of their real and imaginary part."""


@dataclass(frozen=True)
class Packed:
    """A packed sequence, both its data and its batch sizes: the padded sequence, and the length of each row."""

    padded: Symbol
    """(batch, time, features); the time is that of the longest sequence."""
    lengths: Symbol

    @property
    def dtype(self) -> str:
        """The element type of the data."""
        return self.padded.dtype

    @property
    def shape(self) -> tuple[Dim, ...]:
        """The shape of the batch sizes; the data have one that depends on the lengths."""
        return self.padded.shape[1:2]


Array = Symbol | np.ndarray | Complex | Packed
"""The value of a tensor."""


def dtype_of(value: Array) -> str:
    """The element type by numpy's name; int64 for an open size."""
    if isinstance(value, Complex):
        return "complex64" if value.real.dtype == "float32" else "complex128"
    if isinstance(value, Packed):
        return value.dtype
    name = value.dtype if isinstance(value, Symbol) else value.dtype.name
    return "int64" if name == "object" else name


def shape_of(value: Array) -> tuple[Dim, ...]:
    """The sizes of the axes."""
    return value.real.shape if isinstance(value, Complex) else value.shape


def known_number(number: Number, dtype: str | None = None) -> np.ndarray:
    """A number as a tensor without axes, of PyTorch's type for it unless ``dtype`` is given.

    >>> known_number(2), known_number(0.5).dtype
    (array(2), dtype('float32'))
    """
    if isinstance(number, SymbolicDim):
        array = np.empty((), object)
        array[()] = number
        return array
    default = "bool" if isinstance(number, bool) else "int64" if isinstance(number, int) else "float32"
    return np.array(number, dtype or default)


def number_of(array: np.ndarray) -> Number:
    """The single element of an array."""
    value = array.item()
    if not isinstance(value, NUMBERS):
        raise UnsupportedLayerError(f"a tensor of {type(value).__name__} is not supported")
    return value


def known_array(value: Array) -> np.ndarray | None:
    """The elements of a tensor that depends on constants only; None for another one.

    An array of the dtype ``object`` has a size that is known only when the model runs.
    """
    if isinstance(value, Symbol):
        return computed(value.builder.rmodel, value.name)
    return value if isinstance(value, np.ndarray) else None


def constant_tensor(array: np.ndarray, owner: str, builder: Builder) -> Tensor:
    """A tensor of the file, which belongs to the parameter or buffer ``owner``."""
    if array.dtype.kind != "c":
        return Tensor(array, owner=owner)
    parts = (builder.constant(part.copy(), owner) for part in (array.real, array.imag))
    return Tensor(Complex(*parts), owner=owner)


def complex_number(value: complex, builder: Builder) -> Tensor:
    """A complex number as a tensor without axes."""
    parts = (builder.constant(np.array(part, np.float64), "complex") for part in (value.real, value.imag))
    return Tensor(ComplexNumber(*parts))


class TensorState(NamedTuple):
    """The part of a :class:`Tensor` that changes."""

    value: Array
    version: int
    seen: int
    base: Tensor | None


class Tensor:
    """A tensor variable of a program, which operators that work in place can change.

    A view shares the memory of its base: it is computed again when the base has changed, and a change of the view
    changes the base. ``owner`` is the name of the parameter or buffer that the memory belongs to, or ''.
    """

    def __init__(
        self,
        value: Array,
        *,
        owner: str = "",
        base: Tensor | None = None,
        again: Callable[[Array], Array] | None = None,
        write: Callable[[Array, Array], Array] | None = None,
        may_copy: bool = False,
    ):
        self._value = value
        self.owner: str = owner if base is None else base.owner
        self.base = base
        self._again = again
        """Computes the view from the value of its base."""
        self._write = write
        """Computes the value of the base from its old value and the new one of the view; None if it cannot."""
        self._may_copy = may_copy
        """Whether it depends on the memory of the base if this is a view or a copy."""
        self._version = 0
        self._seen = base._version if base is not None else 0
        self._unclear = ""
        self._partners: list[Tensor] = []

    @property
    def state(self) -> TensorState:
        """What changes in place and changes of its base have made of it."""
        return TensorState(self._value, self._version, self._seen, self.base)

    def restore(self, state: TensorState) -> None:
        """Undoes changes since it had this state; what is unclear stays unclear."""
        self._value, self._version, self._seen, self.base = state

    @property
    def value(self) -> Array:
        """The value at this point of the program."""
        if self._unclear:
            raise UnsupportedLayerError(self._unclear)
        if self.base is not None:
            current = self.base.value
            if self._seen != self.base._version:
                if self._may_copy:
                    raise UnsupportedLayerError(
                        "it uses a tensor that was reshaped and whose original was changed in place afterwards; "
                        "whether that changes both depends on memory, so use an operation that returns a new tensor"
                    )
                assert self._again is not None
                self._value, self._seen = self._again(current), self.base._version
                self._version += 1
        return self._value

    @property
    def root(self) -> Tensor:
        """The tensor whose memory this one shares."""
        return self if self.base is None else self.base.root

    def link(self, other: Tensor) -> None:
        """Declares that this tensor and another one may share their memory, which the data decide."""
        if self.root is not other.root:
            self.root._partners.append(other.root)
            other.root._partners.append(self.root)

    def _disturb_partners(self) -> None:
        """Makes the tensors unclear that may share the memory of this one, which is changed in place."""
        found, pending = {self.root}, [self.root]
        while pending:
            new = set(pending.pop()._partners) - found
            found |= new
            pending += new
        for tensor in found - {self.root}:
            if tensor.owner:
                raise UnsupportedLayerError(
                    f"it changes a tensor in place that may be '{tensor.owner}', a part of the module that later calls "
                    "would use; such state is not supported"
                )
            tensor._unclear = (
                "it uses a tensor after another one was changed in place, and the data decide whether both are one; "
                "use an operation that returns a new tensor"
            )

    def change(self, value: Array) -> None:
        """Changes the tensor, and its base if it is a view. Raises UnsupportedLayerError if that is not supported."""
        if self.base is None:
            self._disturb_partners()
        else:
            if self._may_copy:
                self._disturb_partners()
                self.base._unclear = (
                    "it uses a tensor that was reshaped and then changed in place; whether that changes the original "
                    "depends on memory, so use an operation that returns a new tensor"
                )
                self.base = None  # its own value is clear
            elif self._write is None:
                raise UnsupportedLayerError("it changes such a view of a tensor in place, which is not supported")
            else:
                self.base.change(self._write(self.base.value, value))
                self._seen = self.base._version
        self._value = value
        self._version += 1


def refused_output(value: object, name: str) -> UnsupportedLayerError:
    """The error for an output that is neither a tensor nor a number."""
    if isinstance(value, Complex):
        return UnsupportedLayerError(
            f"the output '{name}' is complex, which is not supported; let the module return torch.view_as_real of it"
        )
    if isinstance(value, Undecided):
        return UnsupportedLayerError(f"the output '{name}' is {value.reason}, which is not supported")
    if isinstance(value, Unavailable):
        return UnsupportedLayerError(f"the output '{name}' is {value.reason}, which is not supported")
    return UnsupportedLayerError(f"the output '{name}' is of type {type(value).__name__}, which is not supported")


def check_dtype(dtype: str, what: str) -> None:
    """Raises UnsupportedLayerError for an element type that is not supported; ``what`` begins the message."""
    if dtype not in COMPUTED:
        raise UnsupportedLayerError(
            f"{what} is of type {dtype}, which is not supported; supported are {', '.join(COMPUTED)}"
        )
