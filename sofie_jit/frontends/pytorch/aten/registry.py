"""What a handler of an ATen operator is, and the table of all of them.

A handler turns one call of an operator into operators of the RModel::

    @aten("linear")
    def linear(call: AtenCall, input: Symbol, weight: Symbol, bias: Symbol | None) -> Symbol:
        ...

Its parameters are arguments of the operator by their names in the schema, with ``x`` for ``self``. The annotation tells
what the handler takes: a ``Symbol`` is any tensor, an ``np.ndarray`` must be known before the model runs, an
``Operand`` is a tensor or a number; other arguments are numbers, text, or lists of them. An argument that the handler
does not take must have its default value, or be one that does not change results (:data:`WITHOUT_EFFECT`), else the
call is refused. A handler serves all overloads of an operator, unless an overload has its own: ``@aten("max.dim")``.
``max.default`` is the overload without a name. Forms that work in place (``add_``) need no handler.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import types
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.base import NodeCall
from sofie_jit.frontends.constants import computed
from sofie_jit.frontends.pytorch.aten.schemas import REQUIRED, Schema
from sofie_jit.frontends.pytorch.promotion import result_type, with_common_parts
from sofie_jit.frontends.pytorch.values import (
    NUMBERS,
    Array,
    Complex,
    Number,
    NumberSymbol,
    Packed,
    check_dtype,
    dtype_of,
    known_number,
)
from sofie_jit.frontends.wording import CUT, refusal
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.dims import SymbolicDim
from sofie_jit.ir.operators.sizes import Sizes
from sofie_jit.ir.types import is_floating

Handler = Callable[..., Any]
Rule = Callable[["AtenCall", Handler, Mapping[str, Any]], Any]
"""Function of a call, its handler for real arguments, and its arguments by their names in the schema."""
AnyHandler = TypeVar("AnyHandler", bound=Handler)

Operand = Symbol | bool | int | float | SymbolicDim
"""A tensor or a number."""

WITHOUT_EFFECT = frozenset(
    [
        "layout",
        "device",
        "pin_memory",
        "memory_format",
        "non_blocking",
        "copy",
        "generator",
        "requires_grad",
        "implicit",
    ]
)
"""Arguments that do not change results."""

_handlers: dict[str, Handler] = {}
_rules: dict[tuple[type, str], Rule] = {}


def aten(*names: str) -> Callable[[AnyHandler], AnyHandler]:
    """Registers a function as the handler of operators, or of overloads (``"max.dim"``).

    Raises ValueError if one of them has a handler.
    """

    def register(handler: AnyHandler) -> AnyHandler:
        for name in names:
            if name in _handlers:
                raise ValueError(f"{name} has two handlers")
            _handlers[name] = handler
        return handler

    return register


def complex_rule(rule: Rule, *names: str) -> None:
    """Registers how operators are computed that have a complex argument."""
    _rules.update({(Complex, name): rule for name in names})


def of_complex(*names: str) -> Callable[[AnyHandler], AnyHandler]:
    """Registers a function as the handler of operators that have a complex argument; it gets arguments as they are."""
    return _handler_of(Complex, names)


def of_packed(*names: str) -> Callable[[AnyHandler], AnyHandler]:
    """Registers a function as the handler of operators on packed sequences; it gets arguments as they are."""
    return _handler_of(Packed, names)


def _handler_of(kind: type, names: Iterable[str]) -> Callable[[AnyHandler], AnyHandler]:
    def register(handler: AnyHandler) -> AnyHandler:
        _rules.update({(kind, name): lambda call, _, given: call.apply(handler, given) for name in names})
        return handler

    return register


@cache
def handlers() -> Mapping[str, Handler]:
    """All handlers, by the names of operators and overloads."""
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{__package__}.{module.name}")
    return _handlers


def find(schema: Schema) -> Handler | None:
    """The handler of an operator; None if there is none."""
    table = handlers()
    return table.get(f"{schema.name}.{schema.overload or 'default'}", table.get(schema.name))


@cache
def parameters(handler: Handler) -> Mapping[str, tuple[Any, bool]]:
    """Name in the schema -> kind and whether it may be None, of each argument that a handler takes."""
    hints = get_type_hints(handler)
    found = {}
    for parameter in list(inspect.signature(handler).parameters.values())[1:]:
        hint = hints[parameter.name]
        kinds = set(get_args(hint)) if get_origin(hint) in (Union, types.UnionType) else {hint}
        optional = types.NoneType in kinds
        kinds -= {types.NoneType}
        kind = kinds.pop() if len(kinds) == 1 else Operand if Symbol in kinds else None
        found["self" if parameter.name == "x" else parameter.name] = (kind, optional)
    return found


class AtenCall(NodeCall):
    """One call of an operator, as its handler sees it."""

    def __init__(self, name: str, label: str, builder: Builder, schema: Schema):
        super().__init__(name, label, builder)
        self.schema = schema

    def run(self, handler: Handler, given: Mapping[str, Any]) -> Any:
        """Calls a handler with the arguments ``given`` by their names in the schema."""
        for kind in (Complex, Packed):
            if any(isinstance(value, kind) for value in _items(given.values())):
                rule = _rules.get((kind, self.schema.name))
                if rule is not None:
                    return rule(self, handler, with_common_parts(given) if kind is Complex else given)
        return self.apply(handler, given)

    def apply(self, handler: Handler, given: Mapping[str, Any]) -> Any:
        """Calls a handler with the arguments ``given``, which may be complex."""
        taken = parameters(handler)
        arguments = {}
        named_self = any(parameter.name == "self" for parameter in self.schema.parameters)
        for parameter in self.schema.parameters:
            value = given[parameter.name]
            name = "self" if parameter.name == "x" and not named_self else parameter.name
            if name in taken:
                kind, _ = taken[name]
                arguments["x" if name == "self" else name] = self._argument(kind, parameter.name, value)
            elif parameter.name not in WITHOUT_EFFECT and not _same(value, parameter.default):
                self.refuse(f"{parameter.name}={_shown(value)} is not supported")
        return handler(self, **arguments)

    def _argument(self, kind: Any, name: str, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [self._argument(_element(kind), name, item) for item in value]
        if isinstance(value, NumberSymbol) and kind not in (Symbol, Operand):
            self.refuse(f"its argument {name} is a number that the model computes; only constants are supported", CUT)
        if kind is Symbol and isinstance(value, (Symbol, np.ndarray, Complex, *NUMBERS)):
            return self.symbol(value, name)
        if isinstance(value, Packed) and kind not in (Any, Packed):
            self.refuse(PACKED.format(name))
        if kind is np.ndarray and isinstance(value, (Symbol, Complex)):
            return self.known(value, name)
        if isinstance(value, np.ndarray) and value.dtype != object and kind is Operand:
            return self.symbol(value, name)
        if isinstance(value, np.ndarray) and kind is Operand:
            return value.item()
        if isinstance(value, Complex) and kind is Operand:
            self.refuse(f"complex {name} is not supported")
        return value

    def symbol(self, value: Array | Number, name: str = "value") -> Symbol:
        """A tensor or number as a tensor of the RModel; ``name`` is that of the argument."""
        if isinstance(value, Symbol):
            return value
        if isinstance(value, Complex):
            self.refuse(f"complex numbers as {name} are not supported")
        if isinstance(value, Packed):
            self.refuse(PACKED.format(name))
        if not isinstance(value, np.ndarray):
            value = known_number(value)
        if value.dtype == object:
            return self.size(value.item())
        check_dtype(value.dtype.name, name)
        return self.constant(value, name)

    def size(self, dim: SymbolicDim) -> Symbol:
        """A size that is known when the model runs as a tensor of int64 without axes."""
        return ops.reshape(self.add(Sizes(values=(dim,))), ())

    def known(self, value: Array, name: str) -> np.ndarray:
        """The values of a tensor that depends on no input; refuses another one."""
        if isinstance(value, np.ndarray):
            return value
        found = computed(self.builder.rmodel, value.name) if isinstance(value, Symbol) else None
        if found is None:
            self.refuse(f"its argument {name} is computed by the model; only constants are supported")
        return found

    def promoted(self, *operands: Operand, dtype: str | None = None) -> list[Symbol]:
        """Tensors and numbers as tensors of one type: ``dtype``, or PyTorch's ``result_type``."""
        to = dtype or result_type(*operands)
        return [self.cast(operand, to) for operand in operands]

    def cast(self, operand: Operand, dtype: str) -> Symbol:
        """A tensor or number as a tensor of type ``dtype``."""
        check_dtype(dtype, "its result")
        if isinstance(operand, (Symbol, SymbolicDim)):
            return ops.cast(self.symbol(operand), dtype)
        return self.builder.constant(np.array(operand).astype(dtype))

    def floating(self, x: Symbol) -> Symbol:
        """``x``; integers and bool as float32."""
        return x if is_floating(x.dtype) else ops.cast(x, "float32")


def _items(values: Iterable[Any]) -> list[Any]:
    return [item for value in values for item in (value if isinstance(value, list) else [value])]


def _element(kind: Any) -> Any:
    """The kind of the elements of a list."""
    if get_origin(kind) is list:
        kinds = set(get_args(kind))
        kinds = set(get_args(kinds.copy().pop())) or kinds if len(kinds) == 1 else kinds
        kinds -= {types.NoneType}
        return kinds.pop() if len(kinds) == 1 else Operand if Symbol in kinds else None
    return kind


def _same(value: Any, default: Any) -> bool:
    if default is REQUIRED or isinstance(value, Array):
        return False
    return bool(value == default)


PACKED = "a packed sequence as {} is not supported; only recurrent layers and pad_packed_sequence take one"
REPLACE_MODULE = "replace the module that contains it, load(..., replace={path: function})"


def _shown(value: Any) -> str:
    return f"a tensor of {dtype_of(value)}" if isinstance(value, Array) else f"{value!r:.60}"


def unsupported(label: str) -> UnsupportedLayerError:
    """The error for an operator without a handler."""
    return UnsupportedLayerError(refusal(label, "the operator is not supported", REPLACE_MODULE, CUT))
