"""Builder: an RModel grown expression by expression, with every tensor's shape known at once.

Parsers write their layers with it: ``y = builder.add(Gemm(), x, w, b)`` appends the operator, gives its output a
unique name, infers its type, and returns it as a :class:`Symbol`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sofie_jit.errors import GraphError
from sofie_jit.ir.operators.operator import ROperator, Shape, TensorType
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import tensor_type


def _operation(name: str, reflected: bool = False) -> Callable[..., Symbol]:
    """A method of Symbol that calls a function of ``sofie_jit.ops``, which is built on this module."""

    def method(*operands: Any) -> Symbol:
        from sofie_jit.ir import ops

        result: Symbol = getattr(ops, name)(*(reversed(operands) if reflected else operands))
        return result

    return method


@dataclass(eq=False)
class Symbol:
    """A tensor of a model that is being built."""

    name: str
    type: TensorType
    builder: Builder
    mask: Symbol | None = None
    """The bool tensor that says which of its steps count, for parsers of formats that know masks."""

    @property
    def shape(self) -> Shape:
        """Its sizes; the name of one that is open, the batch being the first."""
        return self.type.shape

    @property
    def dtype(self) -> str:
        """Its element type, as numpy calls it."""
        return self.type.dtype

    @property
    def rank(self) -> int:
        """How many axes it has."""
        return len(self.type.shape)

    # Arithmetic adds operators, with numpy's broadcasting and Keras's element types; see sofie_jit.ops. == stays
    # Python's own, so that Symbols may be keys of a dict: ops.equal compares numbers.
    __add__, __radd__ = _operation("add"), _operation("add", reflected=True)
    __sub__, __rsub__ = _operation("subtract"), _operation("subtract", reflected=True)
    __mul__, __rmul__ = _operation("multiply"), _operation("multiply", reflected=True)
    __truediv__, __rtruediv__ = _operation("divide"), _operation("divide", reflected=True)
    __floordiv__, __rfloordiv__ = _operation("floor_divide"), _operation("floor_divide", reflected=True)
    __mod__, __rmod__ = _operation("mod"), _operation("mod", reflected=True)
    __pow__, __rpow__ = _operation("power"), _operation("power", reflected=True)
    __matmul__, __rmatmul__ = _operation("matmul"), _operation("matmul", reflected=True)
    __lt__, __le__, __gt__, __ge__ = map(_operation, ("less", "less_equal", "greater", "greater_equal"))
    __and__, __or__, __invert__ = map(_operation, ("logical_and", "logical_or", "logical_not"))
    __neg__, __abs__, __getitem__ = map(_operation, ("negative", "absolute", "getitem"))

    __array_ufunc__ = None  # so that array + symbol asks the symbol

    def __bool__(self) -> bool:
        raise GraphError(
            f"{self!r} has no value while the model is built, so Python cannot decide by it; choose with ops.where"
        )

    def __iter__(self) -> Any:
        raise GraphError(f"{self!r} cannot be looped over; ops.unstack takes it apart")

    def __repr__(self) -> str:
        return f"<Symbol '{self.name}' {self.type}>"


class Builder:
    """Adds inputs, constants and operators to ``rmodel`` under unique names.

    ``origin`` is what the operators added next say of where they come from ("dense_1 (Dense)").
    """

    def __init__(self, rmodel: RModel):
        self.rmodel = rmodel
        self.origin = ""
        self._names: set[str] = {*rmodel.inputs, *rmodel.states, *rmodel.initialized}
        self._numbers: dict[str, int] = {}
        """Per hint the last number that a name of it was given."""
        self._states: dict[str, Symbol] = {}
        self._constants: dict[tuple[Any, ...], tuple[np.ndarray, Symbol]] = {}

    def input(self, name: str, dtype: str, shape: Sequence[int | str | None]) -> Symbol:
        """An input of the model; see :meth:`RModel.add_input_tensor_info`."""
        self.rmodel.add_input_tensor_info(name, dtype, shape)
        self._names.add(name)
        return Symbol(name, self.rmodel.inputs[name], self)

    def state(self, name: str, dtype: str, shape: Sequence[int]) -> Symbol:
        """What the model carries from call to call as ``name``, at this point: as found, or as last updated."""
        if name not in self._states:
            self.rmodel.add_state_tensor_info(name, dtype, shape)
            self._names.add(name)
            self._states[name] = Symbol(name, self.rmodel.states[name], self)
        return self._states[name]

    def update_state(self, name: str, value: Symbol) -> None:
        """Makes ``value`` the state ``name`` from here on, and in the next call of the model."""
        self.rmodel.update_state(name, value.name)
        self._states[name] = value

    def constant(self, array: Any, hint: str = "constant") -> Symbol:
        """A weight; the same memory given again is the same tensor, so shared layers share their weights."""
        values = np.asarray(array)
        key = (values.ctypes.data, values.shape, values.strides, values.dtype.str)
        if values.size and key in self._constants:
            return self._constants[key][1]
        name = self._unique(hint)
        self.rmodel.add_initialized_tensor(name, values)
        symbol = Symbol(name, tensor_type(values), self)
        self._constants[key] = (values, symbol)  # holding the array keeps its address its own
        return symbol

    def add(self, operator: ROperator, *inputs: Symbol | None, hint: str | None = None) -> Any:
        """Appends ``operator`` on ``inputs``; one :class:`Symbol` per output, a tuple if there are several.

        ``hint`` is the wanted name of the output, by default the operator's type. Raises what the operator's
        ``infer`` raises.
        """
        results = operator.infer(*(symbol.type if symbol is not None else None for symbol in inputs))
        several = isinstance(results, tuple)
        types = results if isinstance(results, tuple) else (results,)
        operator.inputs = [symbol.name if symbol is not None else "" for symbol in inputs]
        operator.outputs = [self._unique(hint or operator.op_type.lower()) for _ in types]
        operator.origin = operator.origin or self.origin
        self.rmodel.add_operator(operator)
        symbols = tuple(Symbol(name, kind, self) for name, kind in zip(operator.outputs, types, strict=True))
        return symbols if several else symbols[0]

    def _unique(self, hint: str) -> str:
        name = hint
        while name in self._names:
            self._numbers[hint] = number = self._numbers.get(hint, 0) + 1
            name = f"{hint}_{number}"
        self._names.add(name)
        return name
