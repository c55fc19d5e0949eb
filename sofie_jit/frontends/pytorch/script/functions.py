"""Functions of TorchScript that do not compute tensors: of lists, text, types and sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from sofie_jit.errors import ModelFileError, UnsupportedLayerError
from sofie_jit.frontends.pytorch import scalars
from sofie_jit.frontends.pytorch.carried import computed_number, is_computed, plain
from sofie_jit.frontends.pytorch.computed_numbers import CONVERSIONS
from sofie_jit.frontends.pytorch.script.objects import ComputedRange
from sofie_jit.frontends.pytorch.values import (
    NUMBERS,
    SCALAR_TYPES,
    Complex,
    Tensor,
    Undecided,
    dtype_of,
    known_array,
    known_number,
    shape_of,
)
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import SymbolicDim, names_of, product
from sofie_jit.ir.types import is_floating


class Program(Protocol):
    """The interpreter, as the functions see it."""

    path: str
    """The path of the module whose code is evaluated."""

    def operator(self, name: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """The result of an operator of ATen."""


FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""Name without namespace -> function of the interpreter and the arguments; NotImplemented for arguments of others."""

MAX_LIST = 1 << 16
"""Maximum elements of a list that the code makes."""


def function(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a function."""

    def register(made: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS.update(dict.fromkeys(names, made))
        return made

    return register


def _array(value: Any) -> Any:
    return value.value if isinstance(value, Tensor) else value


# -- control -----------------------------------------------------------------------------------------------------------


@function("RaiseException")
def raise_exception(self: Program, message: Any, *kind: Any) -> Any:
    """The end of a program that refuses its arguments."""
    raise UnsupportedLayerError(f"{self.path or 'forward'}: the model refuses these inputs: {message!s:.300}")


@function("warn", "print", "Print", "manual_seed")
def nothing(self: Program, *arguments: Any, **named: Any) -> None:
    """A function without a result."""


@function("range")
def numbers(self: Program, *limits: Any, **of_tensor: Any) -> Any:
    """A range of numbers, which must be known; with the type of its elements, it is a tensor."""
    if of_tensor:
        return NotImplemented
    values = [_number(self, limit, "Int") for limit in limits]
    if any(isinstance(value, Undecided) for value in values):
        return next(value for value in values if isinstance(value, Undecided))
    start, stop, step = (0, *values, 1) if len(values) == 1 else (*values, 1)[:3]
    if any(not isinstance(value, int) for value in (start, stop)) and isinstance(step, int):
        return ComputedRange(start, step, range_length(self, start, stop, step))
    found = range(start, stop, step)
    if len(found) > MAX_LIST:
        raise ModelFileError(f"a loop of {len(found):,} steps is too long")
    return found


@function("__range_length")
def range_length(self: Program, start: Any, stop: Any, step: Any) -> Any:
    """The number of elements of a range; it may be negative for one without elements."""
    if isinstance(start, int) and isinstance(stop, int) and isinstance(step, int):
        return len(range(start, stop, step))
    low, high = (start, stop) if isinstance(step, int) and step > 0 else (stop, start)
    distance = high if low == 0 else self.operator("sub", [high, low], {})
    if step in (1, -1):
        return distance
    steps = self.operator("floordiv", [self.operator("sub", [distance, 1], {}), abs(step)], {})
    return self.operator("add", [steps, 1], {})


@function("__derive_index")
def derived_index(self: Program, number: Any, start: Any, step: Any) -> Any:
    """An element of a range."""
    return self.operator("add", [start, self.operator("mul", [number, step], {})], {})


@function("unchecked_unwrap_optional", "unchecked_cast", "_unwrap_optional", "TupleConstruct", "data")
def itself(self: Program, value: Any, *others: Any) -> Any:
    """The value itself."""
    return value


# -- numbers -----------------------------------------------------------------------------------------------------------


def _number(self: Program, value: Any, name: str = "item") -> Any:
    """A number, or the number in a tensor as the function ``name`` converts it; undecided for several elements."""
    value = _array(value)
    if isinstance(value, (Symbol, np.ndarray)) and product(*value.shape) == 1:
        array = known_array(value)
        if array is None and isinstance(value, Symbol):
            return computed_number(value, CONVERSIONS.get(name, ""))
        return np.asarray(array).item()
    return value if isinstance(value, (*NUMBERS, Undecided, scalars.Quotient)) else Undecided("a tensor")


def _conversion(name: str, of: str) -> None:
    @function(name)
    def convert(self: Program, value: Any) -> Any:
        if isinstance(value, str):
            return float(value) if of == "Float" else Undecided("text")
        number = _number(self, value, of)
        return number if isinstance(number, (Undecided, Tensor)) else scalars.compute(of, number)


for _name, _of in (
    ("int", "Int"), ("Int", "Int"), ("IntImplicit", "Int"), ("float", "Float"), ("Float", "Float"),
    ("FloatImplicit", "Float"), ("bool", "Bool"), ("Bool", "Bool"), ("item", "item"), ("ScalarImplicit", "item"),
):  # fmt: skip
    _conversion(_name, _of)


@function("NumToTensor")
def number_to_tensor(self: Program, value: Any) -> Any:
    """A number as a tensor without axes."""
    if is_computed(value):
        return Tensor(plain(value))
    return value if isinstance(value, (Undecided, Tensor)) else Tensor(known_number(value))


@function("tensor", "as_tensor", "scalar_tensor")
def tensor(
    self: Program, value: Any, dtype: Any = None, device: Any = None, requires_grad: Any = None, **named: Any
) -> Any:
    """Numbers as a tensor."""
    if is_computed(value):
        default = "float32" if is_floating(dtype_of(value.value)) else dtype_of(value.value)
        return Tensor(ops.cast(plain(value), SCALAR_TYPES.get(dtype, default)))
    if isinstance(value, (Tensor, Undecided)):
        return NotImplemented
    name = SCALAR_TYPES.get(dtype, f"number {dtype}") if dtype is not None else None
    if isinstance(value, NUMBERS):
        if isinstance(value, SymbolicDim) and name not in (None, "int64"):
            return self.operator("to", [Tensor(known_number(value)), dtype], {})
        return Tensor(known_number(value, name))
    if any(isinstance(item, (SymbolicDim, Tensor, Undecided)) for item in value):
        parts = [item if isinstance(item, Tensor) else Tensor(known_number(item)) for item in value]
        return self.operator("stack", [parts], {})
    array = np.array(value)
    return Tensor(array.astype(name or {"f": "float32", "i": "int64", "b": "bool"}[array.dtype.kind]))


# -- tensors -----------------------------------------------------------------------------------------------------------


@function("size")
def size(self: Program, value: Any, dim: Any = None) -> Any:
    """The sizes of a tensor."""
    if not isinstance(value, Tensor):
        return NotImplemented
    shape = shape_of(value.value)
    return list(shape) if dim is None else shape[dim]


@function("shape")
def shape(self: Program, value: Any) -> Any:
    """The sizes of a tensor."""
    return size(self, value)


@function("dim", "ndim")
def dim(self: Program, value: Any) -> Any:
    """The number of axes."""
    return len(shape_of(value.value)) if isinstance(value, Tensor) else NotImplemented


@function("dtype")
def dtype(self: Program, value: Any) -> Any:
    """The number of the element type."""
    if not isinstance(value, Tensor):
        return value
    name = dtype_of(value.value)
    return next(number for number, other in SCALAR_TYPES.items() if other == name)


@function("device", "layout", "get_device")
def device(self: Program, *values: Any) -> Any:
    """Devices mean nothing."""
    return "cpu"


@function(
    "is_cuda", "requires_grad", "is_sparse", "is_quantized", "is_mkldnn", "is_nested", "is_mps", "is_xpu",
    "is_meta", "is_grad_enabled", "is_autocast_enabled", "is_scripting", "is_tracing", "has_torch_function",
)  # fmt: skip
def no(self: Program, *values: Any) -> bool:
    """A property that tensors do not have here."""
    return False


@function("is_complex")
def is_complex(self: Program, value: Any) -> bool:
    """Whether the elements are complex numbers."""
    return isinstance(_array(value), Complex)


@function("is_floating_point")
def is_floating_point(self: Program, value: Any) -> Any:
    """Whether the elements are floating-point numbers."""
    return is_floating(dtype_of(value.value)) if isinstance(value, Tensor) else NotImplemented


# -- identity and logic ------------------------------------------------------------------------------------------------


@function("__is__")
def is_(self: Program, a: Any, b: Any) -> Any:
    """Whether two values are the same."""
    return a if isinstance(a, Undecided) else (a is None) == (b is None) and (a is b or a == b)


@function("__isnot__")
def is_not(self: Program, a: Any, b: Any) -> Any:
    """Whether two values are not the same."""
    return a if isinstance(a, Undecided) else not is_(self, a, b)


@function("__not__")
def not_(self: Program, value: Any) -> Any:
    """The logical not."""
    number = _number(self, value, "Bool")
    if is_computed(number):
        return self.operator("__not__", [number], {})
    return number if isinstance(number, Undecided) else not number


def _equality(name: str, wanted: bool) -> None:
    @function(name)
    def compare(self: Program, a: Any, b: Any) -> Any:
        if isinstance(a, (str, list, tuple)) or a is None:
            if not (_is_open(a) or _is_open(b)):
                return (a == b) == wanted
            return Undecided("the comparison of sizes", names_of([*(a or ()), *(b or ())]))
        return NotImplemented


def _is_open(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and any(isinstance(item, (SymbolicDim, Undecided)) for item in value)


_equality("eq", True)
_equality("ne", False)


# -- lists, dicts and text ---------------------------------------------------------------------------------------------


@function("len")
def length(self: Program, value: Any) -> Any:
    """The number of elements of a list, or the size of the first axis of a tensor."""
    if isinstance(value, Tensor):
        return shape_of(value.value)[0]
    return value if isinstance(value, Undecided) else len(value)


@function("append")
def append(self: Program, values: Any, value: Any) -> Any:
    """The list with a further element."""
    values.append(value)
    return values


@function("extend")
def extend(self: Program, values: Any, others: Any) -> None:
    """Adds elements to a list."""
    values.extend(others)


@function("insert")
def insert(self: Program, values: Any, index: int, value: Any) -> None:
    """Adds an element to a list."""
    values.insert(index, value)


@function("pop", "Delete", "__delitem__")
def pop(self: Program, values: Any, index: Any = -1) -> Any:
    """Removes an element of a list or dict."""
    return values.pop(index)


@function("reverse")
def reverse(self: Program, values: Any) -> None:
    """Reverses a list."""
    values.reverse()


@function("list", "Size")
def listed(self: Program, value: Any) -> Any:
    """A copy of a list."""
    return NotImplemented if isinstance(value, (Tensor, Undecided)) else list(value)


def _of_dict(name: str, parts: Callable[[dict[Any, Any]], Any]) -> None:
    @function(name)
    def found(self: Program, value: Any) -> Any:
        return list(parts(value)) if isinstance(value, dict) else NotImplemented


_of_dict("keys", dict.keys)
_of_dict("values", dict.values)
_of_dict("items", dict.items)


@function("__getitem__")
def get_item(self: Program, values: Any, index: Any) -> Any:
    """An element of a list or dict."""
    return values if isinstance(values, Undecided) else values[index]


@function("_set_item")
def set_item(self: Program, values: Any, index: Any, value: Any) -> Any:
    """Changes an element of a list or dict."""
    if isinstance(values, Tensor):
        return NotImplemented
    values[index] = value
    return values


@function("__contains__")
def contains(self: Program, values: Any, value: Any) -> Any:
    """Whether a list or dict has an element."""
    return value in values if isinstance(values, (list, dict, str)) else NotImplemented


@function("slice")
def slice_of_list(
    self: Program, values: Any, start: Any = None, end: Any = None, step: Any = 1, *others: Any, **named: Any
) -> Any:
    """Part of a list."""
    return values[start:end:step] if isinstance(values, (list, str)) else NotImplemented


@function("add")
def add_lists(self: Program, a: Any, b: Any, *more: Any, **named: Any) -> Any:
    """Two lists or texts one after the other."""
    if isinstance(a, list) and isinstance(b, list):
        return a + b
    return a + b if isinstance(a, str) and isinstance(b, str) else NotImplemented


@function("add_")
def extend_list(self: Program, values: Any, others: Any, *more: Any, **named: Any) -> Any:
    """The list with further elements, which ``+=`` adds to the list itself."""
    if not isinstance(values, list):
        return NotImplemented
    values.extend(others)
    return values


@function("mul")
def repeat_list(self: Program, values: Any, count: Any) -> Any:
    """A list several times."""
    if not isinstance(values, list):
        return NotImplemented
    if not isinstance(count, int) or len(values) * count > MAX_LIST:
        raise ModelFileError(f"a list of {count} times {len(values)} elements is not supported")
    return values * count


@function("format", "str")
def text(self: Program, *values: Any) -> str:
    """Text of values, for messages only."""
    return " ".join(f"{value!s:.200}" for value in values)


@function("copy")
def copied(self: Program, value: Any, *others: Any) -> Any:
    """A copy of a list or dict."""
    return value.copy() if isinstance(value, (list, dict)) else NotImplemented
