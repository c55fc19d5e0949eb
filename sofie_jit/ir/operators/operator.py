"""What every operator is: ONNX attributes, shape inference, and one emitted C++ call.

To add an operator, write a dataclass beside this file that derives from :class:`ROperator` and defines

* its attributes as fields with ONNX's names and defaults (a class that adds none needs no ``@dataclass`` of its own,
  which would take a millisecond of every import),
* ``kernels``: the headers of ``sofie_jit/kernels`` that its call needs,
* ``infer(*inputs)``: the types of its outputs from the types of its inputs,
* ``emit(code)``: the C++ statement that computes it, through the :class:`Emitter` given.

Loops belong into kernels, never into the emitted text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Protocol

import numpy as np

from sofie_jit.errors import DtypeError, GraphError, ShapeError

Dim = int | str
"""A dimension: a number, the name of one that is known when the model runs, or a product of both (``7*batch``)."""
Shape = tuple[Dim, ...]

BATCH = "batch"
"""The run-time dimension that counts independent rows."""

MAX_ELEMENTS = 1 << 32
"""Of one tensor per row; whoever means more than 16 GB a row has made a mistake, or a file that wants to do harm."""

MAX_TABLE = 1 << 25
"""Of a table that is made while a model is loaded, such as the sines of a spectrogram."""

CPP_TYPES = {
    "float32": "float",
    "float64": "double",
    "int32": "std::int32_t",
    "int64": "std::int64_t",
    "bool": "bool",
}
"""Element types of tensors, numpy's name -> C++'s."""


@dataclass(frozen=True)
class TensorType:
    """Element type (a key of :data:`CPP_TYPES`) and shape of a tensor."""

    dtype: str
    shape: Shape

    def __post_init__(self) -> None:
        if math.prod(dim for dim in self.shape if not isinstance(dim, str)) > MAX_ELEMENTS:
            raise ShapeError(
                f"a tensor would have the shape {format_shape(self.shape)}; more than {MAX_ELEMENTS:,} elements, the "
                "batch not counted, are taken for a mistake"
            )

    def __str__(self) -> str:
        return f"{self.dtype} {format_shape(self.shape)}"

    @property
    def rank(self) -> int:
        return len(self.shape)


def format_shape(shape: Shape) -> str:
    """``(batch, 16)``: a shape as messages and listings show it."""
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


def split_count(shape: Shape) -> tuple[int, tuple[str, ...]]:
    """The number of elements of ``shape`` as a factor and the run-time dimensions it is multiplied by."""
    factors = [factor for dim in shape for factor in (dim.split("*") if isinstance(dim, str) else [dim])]
    names = [factor for factor in factors if isinstance(factor, str) and not factor.isdecimal()]
    return math.prod(int(factor) for factor in factors if factor not in names), tuple(sorted(names))


def product(*dims: Dim) -> Dim:
    """Several dimensions as one: a number, or a text like ``7*batch`` if some are known only at run time."""
    factor, names = split_count(dims)
    return "*".join([*([str(factor)] if factor != 1 else []), *names]) if names else factor


def bind_shape(shape: Shape, sizes: Mapping[str, int]) -> Shape:
    """``shape`` with numbers for the run-time dimensions that ``sizes`` names."""

    def bound(dim: Dim) -> Dim:
        if not isinstance(dim, str):
            return dim
        factor, names = split_count((dim,))
        return product(factor, *(sizes.get(name, name) for name in names))

    return tuple(map(bound, shape))


def counts_rows(dim: Dim) -> bool:
    """Whether a dimension is the batch, or the batch times other dimensions."""
    return BATCH in split_count((dim,))[1]


def static_dims(operator: str, shape: Shape, what: str = "input") -> tuple[int, ...]:
    """``shape`` if all of it is known, else a :class:`ShapeError` that names the operator."""
    for dim in shape:
        if isinstance(dim, str):
            raise ShapeError(
                f"{operator} needs every dimension of its {what} fixed, but {format_shape(shape)} leaves '{dim}' open"
            )
    return tuple(d for d in shape if isinstance(d, int))


def static_dim(operator: str, shape: Shape, axis: int) -> int:
    """``shape[axis]`` if it is known, else a :class:`ShapeError` that names the operator."""
    dim = shape[axis]
    if isinstance(dim, str):
        raise ShapeError(f"{operator} needs axis {axis} of its input {format_shape(shape)} fixed; '{dim}' is left open")
    return dim


def normalize_axis(operator: str, axis: int, rank: int) -> int:
    """``axis`` counted from the front; a :class:`ShapeError` if a tensor of ``rank`` has no such axis."""
    if not -rank <= axis < rank:
        raise ShapeError(f"{operator}: axis {axis} does not exist in a tensor of {rank} dimensions")
    return axis % rank


def check_table(operator: str, *sizes: int) -> None:
    """Raises ShapeError if a table that is computed while a model is loaded would have too many elements."""
    if math.prod(max(size, 0) for size in sizes) > MAX_TABLE:
        raise ShapeError(f"{operator} would need a table of {' x '.join(map(str, sizes))}; at most {MAX_TABLE:,} fit")


def common_dtype(operator: str, *types: TensorType) -> str:
    """The one element type of all ``types``; a :class:`DtypeError` if they differ."""
    dtypes = {t.dtype for t in types}
    if len(dtypes) > 1:
        raise DtypeError(f"{operator} needs inputs of one element type, got {', '.join(sorted(dtypes))}: add a Cast")
    return types[0].dtype


def float_dtype(operator: str, *types: TensorType | None, integers: bool = False) -> str:
    """The one floating-point element type of all ``types`` but None; a :class:`DtypeError` if there is no such.

    ``integers``: that of integers will do, too.
    """
    dtype = common_dtype(operator, *(t for t in types if t is not None))
    if not dtype.startswith(("float", "int") if integers else "float"):
        raise DtypeError(f"{operator} is not defined for {dtype}: add a Cast to float32")
    return dtype


def check_bias(operator: str, b: TensorType | None, outputs: Dim) -> None:
    """Raises ShapeError if there is a bias that does not have one number per output channel."""
    if b is not None and b.shape != (outputs,):
        raise ShapeError(f"{operator}: the bias must be ({outputs},), one number per output channel, got {b.shape}")


def literal(value: float | int | bool, dtype: str) -> str:
    """``value`` as a C++ literal of ``dtype`` that reads back to the same bits."""
    cpp = CPP_TYPES[dtype]
    if dtype == "bool":
        return "true" if value else "false"
    if not dtype.startswith("float"):
        return f"{cpp}({int(value)})"
    with np.errstate(over="ignore"):  # beyond the type's largest number is infinity, as for Keras
        number = np.dtype(dtype).type(value)
    if np.isnan(number):
        return f"std::numeric_limits<{cpp}>::quiet_NaN()"
    if np.isinf(number):
        return f"{'-' if number < 0 else ''}std::numeric_limits<{cpp}>::infinity()"
    text = np.format_float_scientific(number, unique=True, trim="0")
    return text + ("f" if dtype == "float32" else "")


class Emitter(Protocol):
    """What an operator writes its call with: C++ expressions for its tensors, weights and scratch memory.

    ``inputs`` and ``outputs`` are the types of the operator's tensors; an omitted optional input is None.
    """

    inputs: list[TensorType | None]
    outputs: list[TensorType]

    def input(self, index: int) -> str:
        """Pointer to input ``index`` (``const T *``): a tensor, or a weight used as it is."""

    def output(self, index: int) -> str:
        """Pointer to output ``index`` (``T *``)."""

    def is_constant(self, index: int) -> bool:
        """Whether input ``index`` is an initialized tensor, that is, a weight."""

    def dim(self, dim: Dim) -> str:
        """One dimension as a C++ expression of type ``std::size_t``."""

    def packed(self, function: str, *args: Any, dtype: str | None = None) -> str:
        """Pointer to a weight packed once, when the Session is made: ``function(args...)`` returns ``Buffer<T>``.

        ``dtype`` is T, by default that of the first input. Calls with equal arguments share one buffer.
        """

    def raw(self, index: int) -> str:
        """Pointer to the values of initialized input ``index``, valid as an argument of :meth:`packed` only."""

    def scratch(self, dtype: str, shape: Shape, *, per_thread: bool = False) -> str:
        """Pointer to memory for a tensor of ``dtype`` and ``shape``, the operator's own until its call returns.

        ``per_thread``: as many of these as threads may share the call, each rounded up to a multiple of 64 elements.
        """

    def read_only(self, pointer: str) -> str:
        """``pointer`` to memory that has been written, as one through which it is only read."""

    def count(self, shape: Shape) -> str:
        """The number of elements of ``shape`` as a C++ expression of type ``std::size_t``."""

    def struct(self, name: str, *values: Any) -> str:
        """The kernels' struct ``name`` with these members in order; lists become arrays.

        Sizes and shapes belong into a struct or plain arguments: they are passed to compiled code, whereas any other
        text in a call (functors, literals) is compiled into it.
        """

    def function(
        self, function: str, parameters: Sequence[str], *args: str, late: bool = False, result: str = "void"
    ) -> str:
        """Pointer to a C++ function of ``parameters`` (types) that calls ``function`` with these and then ``args``.

        It returns what that does, of the type ``result``.

        ``late``: nothing calls it while the batch has one row, so the JIT compiles it when a larger one comes.
        """

    def table(self, name: str, *values: str) -> str:
        """The kernels' struct ``name`` with these constants, such as pointers to functions, as members."""

    def lanes(self, dtype: str) -> int | None:
        """Elements of a vector register of the machine that the text is for; None if it is for any."""

    def call(self, function: str, *args: Any) -> str:
        """The statement ``function(args...);``; numbers become ``std::size_t``, bools ``true`` or ``false``."""

    def parallel_call(self, function: str, *args: Any) -> str:
        """The same; where there is a team of threads, ``parallel_`` + function (:attr:`ROperator.parallel_kernels`).

        That gets the team, what the call gets at run time, and a pointer to the function. The JIT compiles it when a
        team comes for the first time.
        """

    def checked_call(self, function: str, *args: Any) -> str:
        """:meth:`call` of a kernel that returns false when its input is out of range (:attr:`ROperator.failure`)."""


@dataclass(kw_only=True)
class ROperator:
    """Base class of all operators; ``inputs`` and ``outputs`` are tensor names, '' for an omitted optional input."""

    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    origin: str = ""
    """Where the operator came from (the layer's name and class), for listings and the exported header's comments."""

    kernels: ClassVar[tuple[str, ...]] = ()
    """Headers of ``sofie_jit/kernels`` that the emitted call needs."""
    parallel_kernels: ClassVar[tuple[str, ...]] = ()
    """Headers that a call needs besides where threads may share it."""
    is_alias: ClassVar[bool] = False
    """Whether the output is the first input's memory under another shape: no call is emitted."""
    failure: ClassVar[str] = ""
    """What went wrong when a checked call returns false."""

    @property
    def op_type(self) -> str:
        """The ONNX name of the operator."""
        return type(self).__name__

    def infer(self, *inputs: Any) -> TensorType | tuple[TensorType, ...]:
        """Types of the outputs, given :class:`TensorType` (or None) per input.

        Raises ShapeError or DtypeError with the numbers that disagree.
        """
        raise NotImplementedError(f"{self.op_type}.infer")

    def bind(self, sizes: Mapping[str, int]) -> None:
        """Puts numbers for the run-time dimensions that ``sizes`` names into the attributes that have such names."""

    def mixes_rows(self, *inputs: Any) -> bool:
        """Whether an output row depends on other rows of the batch; True switches tiling of the batch off."""
        return False

    def in_place(self, *inputs: Any) -> tuple[int, ...]:
        """Inputs (indices) whose memory the output may take over, if it is of the same type.

        No element may be written before the last read of that place, nor twice where it is read.
        """
        return ()

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        """Floating-point operations for one row of the batch, open dimensions counted once; 2 per multiply-add."""
        return sum(split_count(t.shape)[0] for t in outputs)

    def emit(self, code: Emitter) -> str:
        """The C++ statement that computes the outputs."""
        raise NotImplementedError(f"{self.op_type}.emit")

    def check_constant(self, code: Emitter, *places: int) -> None:
        """Raises GraphError if an input at one of ``places`` is given, but is no weight."""
        for index in places:
            if index < len(self.inputs) and self.inputs[index] and not code.is_constant(index):
                raise GraphError(
                    f"{self.op_type} needs its input {index} to be an initialized tensor, which can be packed once; "
                    f"'{self.inputs[index]}' is computed by the model"
                )

    def attributes(self) -> dict[str, Any]:
        """The ONNX attributes by name."""
        base = {field.name for field in fields(ROperator)}
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in base}
