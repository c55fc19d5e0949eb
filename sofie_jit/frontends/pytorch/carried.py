"""Values that go through branches and loops of the compiled code as tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.base import NodeCall
from sofie_jit.frontends.pytorch.values import (
    NUMBERS,
    Complex,
    NumberSymbol,
    Packed,
    Refused,
    Tensor,
    Undecided,
    check_dtype,
    dtype_of,
    known_number,
)
from sofie_jit.frontends.wording import CUT
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.sizes import Sizes
from sofie_jit.ir.types import TensorType, is_floating


class Unset:
    """The value of a variable that is set before it is read; TorchScript calls it ``uninitialized``."""


UNSET = Unset()


class Form:
    """How values are made of tensors: this class for values that are made of none.

    :meth:`symbols` takes a value apart, :meth:`value` puts another one of the same form together.
    """

    def __init__(self, known: Any):
        self.known = known

    def symbols(self, call: NodeCall, value: Any) -> list[Symbol]:
        """The tensors that a value consists of."""
        return []

    def value(self, symbols: Iterator[Symbol]) -> Any:
        """The value that consists of the next of ``symbols``."""
        return self.known


class TensorForm(Form):
    """A real tensor; ``example`` is one whose type replaces that of values that are not set."""

    def __init__(self, example: Any):
        self.example = example

    def symbols(self, call: NodeCall, value: Any) -> list[Symbol]:
        """The tensor; zeros for one that is not set."""
        if isinstance(value, Unset):
            return [_zeros(call, symbol_of(call, self.example.value).type)]
        return [symbol_of(call, value.value)]

    def value(self, symbols: Iterator[Symbol]) -> Any:
        """The tensor."""
        return Tensor(next(symbols))


class ComplexForm(TensorForm):
    """A complex tensor."""

    def symbols(self, call: NodeCall, value: Any) -> list[Symbol]:
        """Its real and its imaginary part."""
        parts = self.example.value if isinstance(value, Unset) else value.value
        if not isinstance(parts, Complex):
            call.refuse("it returns a complex tensor in one case, and a real one in another")
        if isinstance(value, Unset):
            return [_zeros(call, part.type) for part in (parts.real, parts.imag)]
        return [parts.real, parts.imag]

    def value(self, symbols: Iterator[Symbol]) -> Any:
        """The tensor of its parts."""
        return Tensor(Complex(next(symbols), next(symbols)))


class NumberForm(Form):
    """A number, or one that the model computes."""

    def __init__(self, dtype: str):
        self.dtype = dtype

    def symbols(self, call: NodeCall, value: Any) -> list[Symbol]:
        """The number as a tensor without axes."""
        if isinstance(value, Unset):
            value = 0
        if not isinstance(value, Tensor):
            return [symbol_of(call, known_number(value, self.dtype))]
        return [ops.cast(symbol_of(call, value.value), self.dtype)]

    def value(self, symbols: Iterator[Symbol]) -> Any:
        """The number."""
        return computed_number(next(symbols))


class NestedForm(Form):
    """A list, a tuple or a dict of values."""

    def __init__(self, example: Any, parts: Sequence[Form]):
        self.example = example
        self.parts = parts

    def symbols(self, call: NodeCall, value: Any) -> list[Symbol]:
        """The tensors of all parts."""
        values = [value] * len(self.parts) if isinstance(value, Unset) else items(value)
        return taken_apart(call, self.parts, values)

    def value(self, symbols: Iterator[Symbol]) -> Any:
        """A new list, tuple or dict."""
        parts = [form.value(symbols) for form in self.parts]
        if isinstance(self.example, Mapping):
            return dict(zip(self.example, parts, strict=True))
        return type(self.example)(parts)


def check_decided(call: NodeCall, value: Any) -> None:
    """Refuses a value that is not decided: for want of sizes, or for another reason."""
    if isinstance(value, Refused):
        raise UnsupportedLayerError([])  # the problem is known already
    if isinstance(value, Undecided):
        call.need_sizes(value.reason, value.sizes)
        call.refuse(f"it depends on {value.reason}", CUT)


def taken_apart(call: NodeCall, forms: Sequence[Form], values: Sequence[Any]) -> list[Symbol]:
    """The tensors that values of these forms consist of."""
    found = []
    for form, value in zip(forms, values, strict=True):
        if type(form) is not Form:
            check_decided(call, value)
        found += form.symbols(call, value)
    return found


def rebuilt(forms: Sequence[Form], symbols: Sequence[Symbol]) -> list[Any]:
    """The values of these forms that consist of ``symbols``."""
    following = iter(symbols)
    return [form.value(following) for form in forms]


def settled(values: Sequence[Any]) -> Sequence[Any]:
    """The values, after views among them have been computed whose originals were changed in place."""
    for tensor in tensors_in(values):
        tensor.value  # noqa: B018
    return values


def number_symbol(x: Symbol, dtype: str = "") -> NumberSymbol:
    """The number of Python in a tensor of one element, of the type ``dtype`` or of that which ``item()`` returns."""
    kind = "float64" if is_floating(x.dtype) else "bool" if x.dtype == "bool" else "int64"
    number = ops.cast(ops.reshape(x, ()), dtype or kind)
    return NumberSymbol(number.name, number.type, number.builder)


def computed_number(x: Symbol, dtype: str = "") -> Tensor:
    """As :func:`number_symbol`, as a variable of the program."""
    return Tensor(number_symbol(x, dtype))


def plain(number: Tensor) -> Symbol:
    """A number that the model computes as a tensor, which in operations with others does not count as a number."""
    symbol = number.value
    assert isinstance(symbol, NumberSymbol)
    return Symbol(symbol.name, symbol.type, symbol.builder)


def is_computed(value: Any) -> bool:
    """Whether a value is a number that the model computes."""
    return isinstance(value, Tensor) and isinstance(value._value, NumberSymbol)


def items(value: Any) -> list[Any]:
    """The parts of a list, a tuple or a dict."""
    return list(value.values() if isinstance(value, Mapping) else value)


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in nested lists, tuples and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (Sequence, Mapping)) and not isinstance(value, str):
        for part in items(value):
            yield from tensors_in(part)


def common_form(a: Any, b: Any) -> Form:
    """The form of two values of one variable, which are those of two branches, or before and after an iteration.

    Values that have no common form become one that is not decided: an error if anything needs it.
    """
    if isinstance(a, Unset) or isinstance(b, Unset):
        known = b if isinstance(a, Unset) else a
        return Form(UNSET) if isinstance(known, Unset) else common_form(known, known)
    if isinstance(a, (*NUMBERS, Tensor)) and isinstance(b, (*NUMBERS, Tensor)):
        return _form_of_pair(a, b)
    if _is_nested(a) and type(a) is type(b) and _keys(a) == _keys(b):
        return NestedForm(a, [common_form(*pair) for pair in zip(items(a), items(b), strict=True)])
    undecided = next((value for value in (a, b) if isinstance(value, Undecided)), None)
    if undecided is not None:
        return Form(undecided)
    if a is b or (type(a) is type(b) and not _is_nested(a) and a == b):
        return Form(a)
    return Form(Undecided(f"{_described(a)} in one case and {_described(b)} in another"))


def _form_of_pair(a: Any, b: Any) -> Form:
    tensors = [value for value in (a, b) if isinstance(value, Tensor) and not is_computed(value)]
    if len(tensors) == 1:
        return Form(Undecided("a tensor in one case and a number in another"))
    if not tensors:
        dtypes = {number_type(value) for value in (a, b)}
        dtype = dtypes.pop() if len(dtypes) == 1 else ""
        return NumberForm(dtype) if dtype else Form(Undecided("a number of another type in each case"))
    if any(isinstance(tensor.value, Packed) for tensor in tensors):
        return Form(Undecided("a packed sequence that depends on a branch or loop"))
    is_complex = any(isinstance(tensor.value, Complex) for tensor in tensors)
    return ComplexForm(a) if is_complex else TensorForm(a)


def _is_nested(value: Any) -> bool:
    return isinstance(value, (list, tuple, Mapping))


def _keys(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Mapping) else list(range(len(value)))


def number_type(value: Any) -> str:
    """The element type of a number as a tensor."""
    if isinstance(value, Tensor):
        return dtype_of(value.value)
    return "bool" if isinstance(value, bool) else "float64" if isinstance(value, float) else "int64"


def _described(value: Any) -> str:
    if isinstance(value, (list, tuple, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    return "None" if value is None else f"a value of {type(value).__name__}"


def symbol_of(call: NodeCall, value: Any) -> Symbol:
    """A real tensor as one of the RModel."""
    if isinstance(value, Symbol):
        return value
    if isinstance(value, Complex):
        call.refuse("it returns a complex tensor in one case, and a real one in another")
    if value.dtype == object:
        return ops.reshape(call.add(Sizes(values=(value.item(),))), ())
    check_dtype(value.dtype.name, "a tensor of a branch or loop")
    return call.constant(value, "value")


def _zeros(call: NodeCall, kind: TensorType) -> Symbol:
    zero = call.constant(np.zeros((), kind.dtype), "unset")
    return ops.broadcast_to(zero, kind.shape)
