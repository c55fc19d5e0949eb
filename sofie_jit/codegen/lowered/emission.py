"""The registry of the functions that write the C++ calls of operators.

``@emits(Softmax, kernels=(...))`` registers a function for an operator and the operators that derive from it. The
function of an operator of ``ir/operators/softmax.py`` is in ``codegen/lowered/softmax.py``, which is imported when it
is first needed.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sofie_jit.errors import GraphError
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.records import dataclass

if TYPE_CHECKING:
    from sofie_jit.codegen.emitter import Emitter
    from sofie_jit.codegen.expressions import Statement

Headers = tuple[str, ...]


@dataclass(frozen=True)
class Emission:
    """The C++ implementation of an operator."""

    emit: Callable[[Any, Emitter], Statement | Iterable[Statement]]
    """``(operator, emitter)`` -> the calls that compute the outputs, in order."""
    kernels: Headers | Callable[[Any], Headers]
    """Headers of ``sofie_jit/kernels`` that the calls need."""
    parallel_kernels: Headers | Callable[[Any], Headers]
    """Headers that the calls need in addition where threads may share them."""
    in_place: tuple[int, ...] | Callable[..., tuple[int, ...]]
    """Inputs (indices) whose memory the output may take over, if it is of the same type: a tuple, or a function of the
    operator and the types of its inputs. No element may be written before the last read of that place, nor twice where
    it is read."""


_emissions: dict[type[ROperator], Emission] = {}


def emits(
    *operators: type[ROperator],
    kernels: Headers | Callable[[Any], Headers] = (),
    parallel_kernels: Headers | Callable[[Any], Headers] = (),
    in_place: tuple[int, ...] | Callable[..., tuple[int, ...]] = (),
) -> Callable[[Callable[[Any, Any], Any]], Callable[[Any, Any], Any]]:
    """Registers the decorated function as the :class:`Emission` of ``operators`` and of classes derived from them."""

    def register(emit: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        _emissions.update(dict.fromkeys(operators, Emission(emit, kernels, parallel_kernels, in_place)))
        return emit

    return register


@functools.cache
def _modules() -> frozenset[str]:
    package = importlib.import_module(__package__)
    return frozenset(module.name for module in pkgutil.iter_modules(package.__path__))


def emission(operator: type[ROperator]) -> Emission:
    """The :class:`Emission` of an operator's class. Raises GraphError if there is none."""
    if operator in _emissions:
        return _emissions[operator]
    for cls in operator.__mro__:
        stem = cls.__module__.rpartition(".")[2]
        if cls not in _emissions and cls.__module__.startswith("sofie_jit.ir.operators.") and stem in _modules():
            importlib.import_module(f"{__package__}.{stem}")
        if cls in _emissions:
            return _emissions.setdefault(operator, _emissions[cls])
    raise GraphError(f"{operator.__name__} has no C++ call; register one with sofie_jit.codegen.lowered.emission.emits")


def require(op: ROperator, **values: Any) -> None:
    """Raises GraphError if an attribute has a value that no kernel supports."""
    for name, value in values.items():
        if getattr(op, name) != value:
            raise GraphError(f"{op.op_type}: there is no kernel for {name}={getattr(op, name)!r}, only for {value!r}")


def kernels_of(op: ROperator) -> Headers:
    """The headers that the calls of ``op`` need."""
    kernels = emission(type(op)).kernels
    return kernels(op) if callable(kernels) else kernels


def parallel_kernels_of(op: ROperator) -> Headers:
    """The headers that the calls of ``op`` need in addition where threads may share them."""
    kernels = emission(type(op)).parallel_kernels
    return kernels(op) if callable(kernels) else kernels


def in_place(op: ROperator, *inputs: Any) -> tuple[int, ...]:
    """Inputs of ``op``, by index, whose memory its output may take over; see :class:`Emission`."""
    places = emission(type(op)).in_place
    return places(op, *inputs) if callable(places) else places
