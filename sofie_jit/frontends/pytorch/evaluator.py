"""Calls of ATen operators: overloads, conversion of arguments, views, and changes in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import ModelFileError, UnsupportedLayerError
from sofie_jit.frontends.base import errors_of_node
from sofie_jit.frontends.pytorch import scalars
from sofie_jit.frontends.pytorch.aten import registry
from sofie_jit.frontends.pytorch.aten.aliases import CONVERSIONS, MAY_COPY, WRITERS
from sofie_jit.frontends.pytorch.aten.registry import AtenCall
from sofie_jit.frontends.pytorch.aten.schemas import REQUIRED, Parameter, Schema, schemas
from sofie_jit.frontends.pytorch.carried import is_computed
from sofie_jit.frontends.pytorch.values import (
    NUMBERS,
    PART_TYPES,
    SCALAR_TYPES,
    Array,
    Complex,
    Packed,
    Tensor,
    Unavailable,
    Undecided,
    dtype_of,
    known_array,
    known_number,
    shape_of,
)
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.dims import SymbolicDim, product


class Mismatch(Exception):  # noqa: N818
    """The arguments do not fit a schema."""


def _scalar(value: Any) -> Any:
    """The number in a tensor of one known element; other values as they are."""
    if isinstance(value, Tensor) and product(*shape_of(value.value)) == 1:
        array = known_array(value.value)
        return value if array is None else array.item()
    return value


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


ACCEPTS: dict[str, Callable[[Any], bool]] = {
    "Tensor": _is(Tensor),
    "int": _is(int, SymbolicDim),
    "SymInt": _is(int, SymbolicDim),
    "float": _is(int, float),
    "bool": _is(bool),
    "SymBool": _is(bool),
    "Scalar": _is(bool, int, float, SymbolicDim),
    "number": _is(bool, int, float, SymbolicDim),
    "str": _is(str),
    "ScalarType": _is(str, int),
    "Layout": lambda value: True,
    "Device": lambda value: not isinstance(value, (*NUMBERS, Tensor)),
    "MemoryFormat": lambda value: True,
    "Generator": lambda value: value is None,
}
"""Type in a schema -> whether a value is of it."""


NUMBER_TYPES = {
    "int": ("int64",), "SymInt": ("int64",), "float": ("int64", "float64"), "bool": ("bool",), "SymBool": ("bool",),
    "Scalar": ("bool", "int64", "float64"), "number": ("bool", "int64", "float64"),
}  # fmt: skip
"""Type in a schema -> those of numbers that the model computes and that are of it."""


def _convert(parameter: Parameter, value: Any, numbers: bool) -> Any:
    """An argument as the type of the parameter; ``numbers`` may stand for tensors. Raises Mismatch."""
    for item in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(item, Undecided):
            raise UnsupportedLayerError(f"its argument {parameter.name} is {item.reason}, which depends on the data")
        if isinstance(item, Unavailable):
            raise UnsupportedLayerError(f"its argument {parameter.name} is {item.reason}, which is not supported")
    if value is None and parameter.optional:
        return None
    if parameter.is_list:
        listed = value if isinstance(value, (list, tuple)) else [value] if parameter.type != "Tensor" else None
        if listed is None:
            raise Mismatch(parameter.name)
        return [
            None if item is None and parameter.optional_elements else _element(parameter, item, numbers)
            for item in listed
        ]
    return _element(parameter, value, numbers)


def _element(parameter: Parameter, value: Any, numbers: bool) -> Any:
    if numbers and parameter.type == "Tensor" and isinstance(value, NUMBERS):
        return value
    if numbers and parameter.type == "Scalar" and _is_complex_number(value):
        return value
    if is_computed(value) and dtype_of(value.value) in NUMBER_TYPES.get(parameter.type, ()):
        return value  # a handler that needs a known number refuses it
    if parameter.type not in ("Tensor", "Layout", "Device", "MemoryFormat"):
        value = _scalar(value)
    accepts = ACCEPTS.get(parameter.type)
    if accepts is None or not accepts(value):
        raise Mismatch(parameter.name)
    if (parameter.type == "ScalarType" or parameter.name == "dtype") and isinstance(value, int):
        return SCALAR_TYPES.get(value, f"number {value}")
    return float(value) if parameter.type == "float" else value


def bind(
    schema: Schema, arguments: Sequence[Any], named: Mapping[str, Any], *, numbers: bool = False
) -> dict[str, Any]:
    """All arguments of a call by name, converted to the types of the schema. Raises Mismatch.

    ``numbers``: whether numbers may stand for tensors, and complex tensors without axes for numbers.
    """
    positional = [parameter for parameter in schema.parameters if not parameter.keyword_only]
    if len(arguments) > len(positional):
        raise Mismatch("too many arguments")
    given = dict(zip((parameter.name for parameter in positional), arguments, strict=False))
    if given.keys() & named.keys():
        raise Mismatch("an argument that is given twice")
    given.update(named)
    if unknown := given.keys() - {parameter.name for parameter in schema.parameters}:
        raise Mismatch(f"{min(unknown)}, which the operator does not have")
    bound = {}
    for parameter in schema.parameters:
        if parameter.name in given:
            bound[parameter.name] = _convert(parameter, given[parameter.name], numbers)
        elif parameter.default is REQUIRED:
            raise Mismatch(f"{parameter.name}, which is missing")
        else:
            bound[parameter.name] = parameter.default
            if parameter.type == "ScalarType" and isinstance(parameter.default, int):
                bound[parameter.name] = SCALAR_TYPES[parameter.default]
            if parameter.is_list and isinstance(parameter.default, int) and not isinstance(parameter.default, bool):
                bound[parameter.name] = [parameter.default]
    return bound


ASSERTIONS = frozenset(
    [
        "_assert_async",
        "_assert_scalar",
        "_assert_tensor_metadata",
        "sym_constrain_range",
        "sym_constrain_range_for_size",
    ]
)
"""Operators that check a condition, which held when the model was exported."""


COPIES = frozenset(["to", "_to_copy", "detach", "clone", "alias", "contiguous", "cpu", "cuda", "lift_fresh_copy"])
"""Operators that may return their argument; an open size in a tensor remains one."""


class Evaluator:
    """Translates calls of operators in execution order into operators of the RModel of ``builder``."""

    def __init__(self, builder: Builder):
        self.builder = builder

    def call(self, target: str, arguments: Sequence[Any], named: Mapping[str, Any], *, name: str, label: str) -> Any:
        """The result of an operator.

        ``target``: ``"add"``, or ``"add.Tensor"`` for a certain overload.
        ``arguments`` and ``named``: the arguments by position and by name.
        ``name`` and ``label``: those of the call, in names of tensors and in messages.

        Raises UnsupportedLayerError for an operator or option that is not supported, and ModelFileError for arguments
        that the operator does not have.
        """
        options = {key: value for key, value in named.items() if not isinstance(value, Tensor)}
        with errors_of_node(label, options, "PyTorch"):
            base = target.partition(".")[0]
            if base in ASSERTIONS:
                return None
            if base in scalars.FUNCTIONS and (found := self._of_numbers(base, arguments, named)) is not None:
                return found[0]
            if (size := self._size_in_place(base, arguments, named)) is not None:
                return size
            schema, bound = self._bound(target, arguments, named, label)
            if base in COPIES and _is_size(bound["self"]) and bound.get("dtype") in (None, "int64"):
                return Tensor(bound["self"].value)
            self.builder.origin = label
            try:
                return self._result(schema, bound, name, label)
            finally:
                self.builder.origin = ""

    def _of_numbers(self, name: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> list[Any] | None:
        """The result of an operator all of whose arguments are numbers, as a list; None for other arguments.

        Tensors without axes that are known count as numbers if one of them is an open size; then the result is such a
        tensor, too.
        """
        values, with_tensors = [], False
        for value in (*arguments, *named.values()):
            if isinstance(value, Tensor):
                array = value._value if value.base is None else value.value
                if not isinstance(array, np.ndarray) or array.ndim or array.dtype.kind not in "iObf":
                    return None
                with_tensors = True
                values.append(array.item())
            else:
                values.append(value)
        if with_tensors and named.keys() - {"rounding_mode", "alpha"}:
            return None
        given, options = values[: len(arguments)], dict(zip(named, values[len(arguments) :], strict=True))
        if any(value is None for value in given):
            return None
        result = scalars.compute(name, *given, **options)
        if not with_tensors or name in (
            "Int",
            "IntImplicit",
            "Float",
            "FloatImplicit",
            "Bool",
            "item",
            "ScalarImplicit",
        ):
            return [result]
        if isinstance(result, scalars.Quotient) or not isinstance(result, NUMBERS):
            return [result]
        floats = any(isinstance(v, float) for v in given) and not isinstance(result, bool)
        return [Tensor(known_number(float(result) if floats and not isinstance(result, SymbolicDim) else result))]

    def _size_in_place(self, name: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Tensor | None:
        """The first argument after an operator that works in place, if that is an open size; None if not."""
        function = name.removesuffix("_")
        if function == name or function not in scalars.FUNCTIONS or not arguments:
            return None
        first = arguments[0]
        if not _is_size(first) or first.root.owner:
            return None
        found = self._of_numbers(function, arguments, named)
        if found is None or not isinstance(found[0], Tensor):
            return None
        first.change(found[0].value)
        return first  # type: ignore[no-any-return]

    def _bound(
        self, target: str, arguments: Sequence[Any], named: Mapping[str, Any], label: str
    ) -> tuple[Schema, dict[str, Any]]:
        """The schema that a call fits, and its arguments."""
        base, _, overload = target.partition(".")
        overloads = schemas().get(base, ())
        if not overloads:
            raise registry.unsupported(label)
        wanted = [schema for schema in overloads if _fits(schema, overload)]
        if not wanted:
            raise registry.unsupported(label)
        reason = ""
        for numbers in (False, True):
            for schema in wanted:
                try:
                    return schema, bind(schema, arguments, named, numbers=numbers)
                except Mismatch as mismatch:
                    reason = reason or str(mismatch)
        raise ModelFileError(f"{label}: its arguments do not fit {wanted[0]}: {reason}")

    def _result(self, schema: Schema, bound: Mapping[str, Any], name: str, label: str) -> Any:
        written = schema.written
        if written is not None:
            return self._in_place(schema, bound, written.name, name, label)
        handler = registry.find(schema)
        if handler is None:
            raise registry.unsupported(label)
        call = AtenCall(name, label, self.builder, schema)
        result = call.run(handler, _plain(bound))
        shared = [p.name for p in schema.parameters if p.alias and isinstance(bound[p.name], Tensor)]
        if shared and (schema.aliases[0] or schema.parameters[0].alias):
            return self._view(schema, bound, shared[0], call, result)
        return _wrapped(result, label)

    def _view(self, schema: Schema, bound: Mapping[str, Any], of: str, call: AtenCall, result: Any) -> Any:
        """The results of an operator that returns views of its argument ``of``."""
        base = bound[of]

        handler, plain, writer = registry.find(schema), _plain(bound), WRITERS.get(schema.name)

        def made(value: Any, index: int | None) -> Any:
            if not isinstance(value, Array):
                return value
            if schema.name in CONVERSIONS and value is not base.value:
                return Tensor(value)

            def again(current: Array) -> Array:
                found = call.run(handler, {**plain, of: current})  # type: ignore[arg-type]
                array: Array = found if index is None else found[index]
                return array

            def write(current: Array, new: Array) -> Array:
                if isinstance(current, Complex) and isinstance(new, Complex):
                    parts = (current.real, new.real), (current.imag, new.imag)
                    return Complex(*(writer(call, *part, index, plain) for part in parts))  # type: ignore[misc]
                array: Array = writer(call, call.symbol(current), call.symbol(new), index, plain)  # type: ignore[misc]
                return array

            return Tensor(
                value, base=base, again=again, write=write if writer else None, may_copy=schema.name in MAY_COPY
            )

        if isinstance(result, (list, tuple)):
            return type(result)(made(value, index) for index, value in enumerate(result))
        return made(result, None)

    def _in_place(self, schema: Schema, bound: Mapping[str, Any], target: str, name: str, label: str) -> Any:
        """The result of an operator that changes its argument ``target``."""
        tensor = bound[target]
        if tensor.root.owner:
            raise UnsupportedLayerError(
                f"{label}: it changes '{tensor.root.owner}', a part of the module that later calls would use; such "
                "state is not supported"
            )
        functional = schema.name.removesuffix("_")
        changed = self._bound_functional(functional, schema, bound, label)
        call = AtenCall(name, label, self.builder, changed[0])
        handler = registry.find(changed[0])
        if handler is None:
            raise registry.unsupported(label)
        result = call.run(handler, _plain(changed[1]))
        value = _as_before(call, result, tensor.value)
        if value is not tensor.value:  # such as dropout, which does nothing
            tensor.change(value)
        return tensor

    def _bound_functional(
        self, name: str, schema: Schema, bound: Mapping[str, Any], label: str
    ) -> tuple[Schema, dict[str, Any]]:
        """The form of an operator that returns a new tensor, and the arguments of the form that works in place."""
        first = schema.parameters[0].name
        for other in schemas().get(name, ()):
            taken = {parameter.name for parameter in other.parameters}
            given = {other.parameters[0].name if key == first else key: value for key, value in bound.items()}
            if given.keys() <= taken:
                try:
                    return other, bind(other, (), given, numbers=True)
                except Mismatch:
                    continue
        raise registry.unsupported(label)


def _as_before(call: AtenCall, result: Any, before: Array) -> Array:
    """The result of an operator that works in place, as the element type that the tensor has."""
    if isinstance(result, Complex):
        if not isinstance(before, Complex):
            call.refuse(f"it writes complex numbers into a tensor of {dtype_of(before)}")
        return result
    if isinstance(before, Complex):
        real = call.cast(call.symbol(result), PART_TYPES[dtype_of(before)])
        return Complex(real, call.cast(0, real.dtype)) if not real.rank else Complex(real, ops.zeros_like(real))
    return call.cast(call.symbol(result), dtype_of(before))


def supported(target: str, label: str) -> None:
    """Raises UnsupportedLayerError if there is no handler for an operator."""
    base, _, overload = target.partition(".")
    if base in ASSERTIONS or base in scalars.FUNCTIONS:
        return
    name = base[:-1] if base.endswith("_") and not base.endswith("__") else base
    if not any(registry.find(s) for s in schemas().get(name, ()) if name != base or _fits(s, overload)):
        raise registry.unsupported(label)


def _fits(schema: Schema, overload: str) -> bool:
    return not overload or schema.overload == overload.removesuffix("default")


def _is_size(value: Any) -> bool:
    """Whether a value is a tensor without axes of an open size."""
    return isinstance(value, Tensor) and isinstance(value.value, np.ndarray) and value.value.dtype == object


def _is_complex_number(value: Any) -> bool:
    """Whether a value is a complex tensor without axes."""
    return isinstance(value, Tensor) and isinstance(value.value, Complex) and not value.value.rank


def _plain(value: Any) -> Any:
    """Arguments with the values of tensors in place of the tensors."""
    if isinstance(value, Tensor):
        return value.value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _wrapped(result: Any, label: str) -> Any:
    """The results of a handler as tensors; one that is None among several is not computed."""
    if isinstance(result, (Symbol, np.ndarray, Complex, Packed)):
        return Tensor(result)
    if isinstance(result, (list, tuple)):
        return type(result)(
            Unavailable(f"result {number} of {label}") if part is None else _wrapped(part, label)
            for number, part in enumerate(result)
        )
    return result
