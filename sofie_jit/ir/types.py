"""Types of tensors: element type and shape."""

from __future__ import annotations

import functools
import math

import numpy as np

from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.dims import Dim, Shape, SymbolicDim, as_shape, format_shape
from sofie_jit.records import dataclass


@dataclass(frozen=True)
class ElementType:
    """An element type of tensors."""

    cpp: str
    """Its type in C++."""
    kind: str
    """As in numpy: "f" floating point, "i" signed and "u" unsigned integers, "b" truth values. "h" are numbers that are
    only stored, as bits: Cast converts them, and no operator computes with them."""


ELEMENT_TYPES = {
    "float32": ElementType("float", "f"),
    "float64": ElementType("double", "f"),
    "int8": ElementType("std::int8_t", "i"),
    "int16": ElementType("std::int16_t", "i"),
    "int32": ElementType("std::int32_t", "i"),
    "int64": ElementType("std::int64_t", "i"),
    "uint8": ElementType("std::uint8_t", "u"),
    "uint16": ElementType("std::uint16_t", "u"),
    "uint32": ElementType("std::uint32_t", "u"),
    "uint64": ElementType("std::uint64_t", "u"),
    "bool": ElementType("bool", "b"),
    "float16": ElementType("std::uint16_t", "h"),
}
"""The element types of tensors by numpy's names. Integers wrap around on overflow, as in numpy."""

DTYPES = tuple(ELEMENT_TYPES)
"""Their names."""

COMPUTED = tuple(name for name, element in ELEMENT_TYPES.items() if element.kind != "h")
"""The names of those that operators compute with."""


def is_floating(dtype: str) -> bool:
    """Whether operators compute with ``dtype`` as floating-point numbers."""
    return dtype in ELEMENT_TYPES and ELEMENT_TYPES[dtype].kind == "f"


def lowest(dtype: str) -> float | int:
    """The lowest finite number of a type.

    >>> lowest("int8"), lowest("float32")
    (-128, -3.4028234663852886e+38)
    """
    return float(np.finfo(dtype).min) if is_floating(dtype) else int(np.iinfo(dtype).min)


def is_integer(dtype: str) -> bool:
    """Whether ``dtype`` is a type of integers, with or without a sign.

    >>> is_integer("uint8"), is_integer("bool")
    (True, False)
    """
    return dtype in ELEMENT_TYPES and ELEMENT_TYPES[dtype].kind in "iu"


MAX_ELEMENTS = 1 << 32
"""Maximum elements of a tensor per row; more than 16 GB per row are a mistake, or a hostile file."""

MAX_TABLE = 1 << 25
"""Maximum elements of a table that is computed while a model is loaded, such as the sines of a spectrogram."""


@dataclass(frozen=True)
class TensorType:
    """Element type (one of :data:`DTYPES`) and shape of a tensor; names in the shape become run-time dimensions."""

    dtype: str
    shape: Shape

    def __post_init__(self) -> None:
        if not {int, SymbolicDim}.issuperset(map(type, self.shape)):
            object.__setattr__(self, "shape", as_shape(self.shape))
        if math.prod([dim if isinstance(dim, int) else dim.known_factor for dim in self.shape]) > MAX_ELEMENTS:
            raise ShapeError(
                f"a tensor would have the shape {format_shape(self.shape)}; more than {MAX_ELEMENTS:,} elements, the "
                "batch not counted, are taken for a mistake"
            )

    def __str__(self) -> str:
        return f"{self.dtype} {format_shape(self.shape)}"

    @property
    def rank(self) -> int:
        return len(self.shape)


def tensor_type(values: np.ndarray) -> TensorType:
    """The type of an array.

    >>> print(tensor_type(np.zeros((2, 3), np.float32)))
    float32 (2, 3)
    """
    return _tensor_type(values.dtype, tuple(values.shape))


@functools.lru_cache(maxsize=4096)  # numpy assembles the name anew each time, and each pass asks for all weights
def _tensor_type(dtype: np.dtype, shape: Shape) -> TensorType:
    return TensorType(str(dtype.name), shape)


def check_table(operator: str, *sizes: int) -> None:
    """Raises ShapeError if a table that is computed while a model is loaded would have too many elements."""
    if math.prod(max(size, 0) for size in sizes) > MAX_TABLE:
        raise ShapeError(f"{operator} would need a table of {' x '.join(map(str, sizes))}; at most {MAX_TABLE:,} fit")


def common_dtype(operator: str, *types: TensorType) -> str:
    """The one element type of all ``types``; a :class:`DtypeError` if they differ."""
    dtypes = {t.dtype for t in types}
    if len(dtypes) > 1:
        raise DtypeError(
            f"{operator} needs inputs of one element type, got {', '.join(sorted(dtypes))}: cast them to one"
        )
    return types[0].dtype


def float_dtype(operator: str, *types: TensorType | None, integers: bool = False) -> str:
    """The one floating-point element type of all ``types`` but None; a :class:`DtypeError` if there is no such.

    ``integers``: that of integers will do, too.
    """
    dtype = common_dtype(operator, *(t for t in types if t is not None))
    if not (is_floating(dtype) or (integers and is_integer(dtype))):
        raise DtypeError(f"{operator} is not defined for {dtype}: cast it to float32")
    return dtype


def check_bias(operator: str, b: TensorType | None, outputs: Dim) -> None:
    """Raises ShapeError if there is a bias that does not have one number per output channel."""
    if b is not None and b.shape != (outputs,):
        raise ShapeError(f"{operator}: the bias must be ({outputs},), one number per output channel, got {b.shape}")
