"""Builder: makes an RModel expression by expression; the type of every tensor is known as soon as it is added.

Frontends translate layers with it: ``y = builder.add(Gemm(), x, w, b)`` appends the operator, gives its output a
unique name, infers its type, and returns it as a :class:`~sofie_jit.ir.symbol.Symbol`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from sofie_jit.ir import ops as _ops  # noqa: F401  (fills the table of Symbol's arithmetic)
from sofie_jit.ir.dims import Dim, names_of
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.promotion import STRICT, Promotion
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.symbol import Symbol
from sofie_jit.ir.types import TensorType, tensor_type
from sofie_jit.ir.weights import as_weight

__all__ = ["Builder", "Symbol"]


class Builder:
    """Adds inputs, constants and operators to ``rmodel`` under unique names.

    ``promotion`` is the policy of the functions of :mod:`sofie_jit.ops` for operands of several element types.

    >>> builder = Builder(RModel("example"))
    >>> x = builder.input("x", "float32", (None, 3))
    >>> x * x + 1.0
    <Symbol 'add' float32 (batch, 3)>
    """

    origin: str
    """The attribute ``origin`` of the operators that are added next: "dense_1 (Dense)"."""

    def __init__(self, rmodel: RModel, promotion: Promotion = STRICT):
        self.rmodel = rmodel
        self.promotion = promotion
        self.origin = ""
        self._names: set[str] = {*rmodel.inputs, *rmodel.states, *rmodel.initialized}
        self._last_numbers: dict[str, int] = {}
        """The last number that was appended to each hint to make a name."""
        self._states: dict[str, Symbol] = {}
        self._sizes: list[str] = []
        self._constants: dict[tuple[Any, ...], tuple[np.ndarray, Symbol]] = {}
        self._types: dict[str, TensorType] = {}
        """Types of the tensors that operators compute."""

    def input(self, name: str, dtype: str, shape: Sequence[Dim | str | None]) -> Symbol:
        """Adds an input of the model; see :meth:`RModel.add_input_tensor_info`."""
        self.rmodel.add_input_tensor_info(name, dtype, shape)
        self._names.add(name)
        return Symbol(name, self.rmodel.inputs[name], self)

    def state(self, name: str, dtype: str, shape: Sequence[int]) -> Symbol:
        """The state ``name``, which the model keeps from call to call: its last update, or its value at the start."""
        if name not in self._states:
            self.rmodel.add_state_tensor_info(name, dtype, shape)
            self._names.add(name)
            self._states[name] = Symbol(name, self.rmodel.states[name], self)
        return self._states[name]

    def update_state(self, name: str, value: Symbol) -> None:
        """Sets the state ``name`` to ``value`` for the operators added next, and for the next call of the model."""
        self.rmodel.update_state(name, value.name)
        self._states[name] = value

    def constant(self, array: Any, hint: str = "constant") -> Symbol:
        """Adds a constant. The same memory given twice is one tensor, so shared layers share their weights."""
        values = as_weight(array)
        key = (values.ctypes.data, values.shape, values.strides, values.dtype.str)
        if values.size and key in self._constants:
            return self._constants[key][1]
        name = self._unique(hint)
        self.rmodel.add_initialized_tensor(name, values)
        symbol = Symbol(name, tensor_type(values), self)
        self._constants[key] = (values, symbol)  # a reference to the array, so that its address is not used again
        return symbol

    def add(self, operator: ROperator, *inputs: Symbol | None, hint: str | None = None) -> Any:
        """Appends ``operator``; returns the :class:`Symbol` of its output, or a tuple if it has several.

        ``inputs`` has None for an optional input that is left out. ``hint`` is the preferred name of the output, by
        default the type of the operator. Raises what the operator's ``infer`` raises.
        """
        results = operator.infer(*(symbol.type if symbol is not None else None for symbol in inputs))
        types = results if isinstance(results, tuple) else (results,)
        operator.inputs = [symbol.name if symbol is not None else "" for symbol in inputs]
        operator.outputs = [self._unique(hint or operator.op_type.lower()) for _ in types]
        operator.origin = operator.origin or self.origin
        self.rmodel.add_operator(operator)
        self._types.update(zip(operator.outputs, types, strict=True))
        symbols = tuple(Symbol(name, type_, self) for name, type_ in zip(operator.outputs, types, strict=True))
        return symbols if isinstance(results, tuple) else symbols[0]

    def symbol(self, name: str) -> Symbol:
        """The tensor ``name``. Raises KeyError if it was not added."""
        rmodel = self.rmodel
        given = rmodel.inputs.get(name) or rmodel.states.get(name) or self._types.get(name)
        return Symbol(name, given or tensor_type(rmodel.initialized[name]), self)

    @contextmanager
    def undone_on(self, error: type[Exception]) -> Iterator[None]:
        """Removes all operators and constants that are added in the context if an ``error`` leaves it."""
        mark = self.mark()
        try:
            yield
        except error:
            self.undo(mark)
            raise

    def mark(self) -> tuple[int, int]:
        """The numbers of operators and constants that there are, for :meth:`undo`."""
        return len(self.rmodel.operators), len(self.rmodel.initialized)

    def undo(self, mark: tuple[int, int]) -> None:
        """Removes all operators and constants that were added after ``mark``."""
        operators, weights = mark
        del self.rmodel.operators[operators:]
        for name in list(self.rmodel.initialized)[weights:]:
            del self.rmodel.initialized[name]
        self._constants = {
            key: known for key, known in self._constants.items() if known[1].name in self.rmodel.initialized
        }

    def new_size(self, hint: str) -> str:
        """A name for a run-time dimension that an operator sets; no input and no other operator has it."""
        inputs = names_of(dim for kind in self.rmodel.inputs.values() for dim in kind.shape)
        number = len(self._sizes) + 1
        while (name := f"{hint}_{number}") in inputs:
            number += 1
        self._sizes.append(name)
        return name

    def _unique(self, hint: str) -> str:
        name = hint
        while name in self._names:
            self._last_numbers[hint] = number = self._last_numbers.get(hint, 0) + 1
            name = f"{hint}_{number}"
        self._names.add(name)
        return name
