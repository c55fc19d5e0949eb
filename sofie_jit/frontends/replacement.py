"""Functions of users that take the place of layers, nodes or modules: ``load(..., replace={name: function})``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sofie_jit.errors import GraphError
from sofie_jit.ir.symbol import Symbol


def call_replacement(
    label: object,
    function: Callable[..., Any],
    arguments: Sequence[Any],
    named: Mapping[str, Any],
    leaves: Callable[[Any], Sequence[Any]],
) -> Any:
    """What a user's function returns for the arguments of the layer ``label``.

    ``leaves``: the tensors in the result of the function, in order.

    Raises GraphError if the function does not take these arguments or returns something else than Symbols. Its own
    exceptions reach the caller as they are.
    """
    _check_parameters(label, function, arguments, named)
    result = function(*arguments, **named)
    if not all(isinstance(value, Symbol) for value in leaves(result)):
        raise GraphError(
            f"{label}: the function in replace= must return tensors that it computes from its arguments by arithmetic "
            f"and the functions of sofie_jit.ops; it returned {result!r:.100}"
        )
    return result


def as_tuple(result: Any) -> tuple[Any, ...]:
    """The results of a function that returns one or several."""
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def _check_parameters(
    label: object, function: Callable[..., Any], arguments: Sequence[Any], named: Mapping[str, Any]
) -> None:
    import inspect  # rarely needed

    if not callable(function):
        raise GraphError(f"{label}: replace= must have a function for it, got {function!r:.100}")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions of C have none
        return
    try:
        signature.bind(*arguments, **named)
    except TypeError as error:
        given = ", ".join([*map(_described, arguments), *(f"{name}={_described(x)}" for name, x in named.items())])
        name = getattr(function, "__name__", type(function).__name__)
        raise GraphError(
            f"{label}: the function in replace=, {name}{signature}, cannot be called with the arguments of the layer, "
            f"({given}): {error}"
        ) from None


def _described(value: Any) -> str:
    """An argument, a tensor by its type, for a message."""
    if isinstance(value, Symbol):
        return f"{value.type}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_described, value))}]"
    return f"{value!r:.40}"
