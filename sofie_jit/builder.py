"""Builder: an RModel grown expression by expression, with every tensor's shape known at once.

Parsers write their layers with it: ``y = builder.add(Gemm(), x, w, b)`` appends the operator, gives its output a
unique name, infers its type, and returns it as a :class:`Symbol`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sofie_jit.operators.operator import ROperator, Shape, TensorType
from sofie_jit.rmodel import RModel, tensor_type


@dataclass(frozen=True, eq=False)
class Symbol:
    """A tensor of a model that is being built."""

    name: str
    type: TensorType
    builder: Builder

    @property
    def shape(self) -> Shape:
        return self.type.shape

    @property
    def dtype(self) -> str:
        return self.type.dtype

    @property
    def rank(self) -> int:
        return len(self.type.shape)

    def __repr__(self) -> str:
        return f"<Symbol '{self.name}' {self.type}>"


class Builder:
    """Adds inputs, constants and operators to ``rmodel`` under unique names.

    ``origin`` is what the operators added next say of where they come from ("dense_1 (Dense)").
    """

    def __init__(self, rmodel: RModel):
        self.rmodel = rmodel
        self.origin = ""
        self._names: set[str] = set(rmodel.inputs) | set(rmodel.initialized)
        self._constants: dict[tuple[Any, ...], tuple[np.ndarray, Symbol]] = {}

    def input(self, name: str, dtype: str, shape: Sequence[int | str | None]) -> Symbol:
        """An input of the model; see :meth:`RModel.add_input_tensor_info`."""
        self.rmodel.add_input_tensor_info(name, dtype, shape)
        self._names.add(name)
        return Symbol(name, self.rmodel.inputs[name], self)

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
        results = operator.infer(*(symbol.type if symbol else None for symbol in inputs))
        several = isinstance(results, tuple)
        types = results if isinstance(results, tuple) else (results,)
        operator.inputs = [symbol.name if symbol else "" for symbol in inputs]
        operator.outputs = [self._unique(hint or operator.op_type.lower()) for _ in types]
        operator.origin = operator.origin or self.origin
        self.rmodel.add_operator(operator)
        symbols = tuple(Symbol(name, kind, self) for name, kind in zip(operator.outputs, types, strict=True))
        return symbols if several else symbols[0]

    def _unique(self, hint: str) -> str:
        name, number = hint, 1
        while name in self._names:
            name, number = f"{hint}_{number}", number + 1
        self._names.add(name)
        return name
