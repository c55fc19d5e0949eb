"""``dataclass``, the decorator of the standard library at a twentieth of its cost, for modules that every load imports.

The standard library compiles the text of up to six methods for each class, 0.4 ms, which were 45 ms of loading a small
model. Here the methods are general functions that all classes share. Everything else is the standard library's:
``field``, ``fields``, ``replace``, and ``@dataclasses.dataclass`` on a class that derives from one that is not frozen.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import inspect
    from dataclasses import dataclass as dataclass  # the same types
else:

    def dataclass(cls=None, *, eq=True, frozen=False, kw_only=False):
        """``dataclasses.dataclass`` with general methods.

        >>> @dataclass(frozen=True)
        ... class Point:
        ...     '''A point.'''
        ...     x: float
        ...     y: float = 0.0
        >>> Point(1.0), Point(x=1.0) == Point(1.0, 0.0), dataclasses.replace(Point(1.0), y=2.0)
        (Point(x=1.0, y=0.0), True, Point(x=1.0, y=2.0))
        """
        if cls is None:
            return functools.partial(dataclass, eq=eq, frozen=frozen, kw_only=kw_only)
        own = {"__init__": _init, "__repr__": _repr, "__signature__": _Signature()}
        if eq:
            own |= {"__eq__": _eq, "__hash__": _hash if frozen else None}
        if frozen:
            own |= {"__setattr__": _refuse, "__delattr__": _refuse}
        for name in own.keys() - vars(cls).keys():  # a method that the class defines stays
            setattr(cls, name, own[name])
        return dataclasses.dataclass(cls, init=False, repr=False, eq=False, kw_only=kw_only)


class _Layout(NamedTuple):
    """What the methods need to know of a class."""

    names: frozenset[str]
    """Fields that have a value before ``__post_init__``."""
    computed: frozenset[str]
    """Fields that are no arguments, ``field(init=False)``."""
    positional: tuple[str, ...]
    """Names of the fields that may be given by position."""
    defaults: dict[str, Any]
    factories: dict[str, Callable[[], Any]]
    compared: Callable[[Any], Any]
    """The values of an instance that ``==`` and ``hash`` depend on."""
    shown: tuple[str, ...]
    """Names of the fields that ``repr`` shows."""
    finish: bool
    """Whether there is a ``__post_init__``."""


@functools.cache
def _layout(cls: Any) -> _Layout:
    fields = dataclasses.fields(cls)
    return _Layout(
        frozenset(f.name for f in fields if f.init or _has_default(f)),
        frozenset(f.name for f in fields if not f.init),
        tuple(f.name for f in fields if f.init and not f.kw_only),
        {f.name: f.default for f in fields if f.default is not dataclasses.MISSING},
        {f.name: f.default_factory for f in fields if f.default_factory is not dataclasses.MISSING},
        operator.attrgetter(*[f.name for f in fields if f.compare] or ["__class__"]),
        tuple(f.name for f in fields if f.repr),
        hasattr(cls, "__post_init__"),
    )


def _explain(cls: Any, values: Sequence[Any], named: Mapping[str, Any]) -> None:
    """Raises the TypeError that says what is wrong with these arguments."""
    try:
        cls.__signature__.bind(*values, **named)
    except TypeError as error:
        raise TypeError(f"{cls.__qualname__}: {error}") from None


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return not field.default is field.default_factory is dataclasses.MISSING


def _init(self: Any, *values: Any, **named: Any) -> None:
    layout = _layout(self.__class__)
    given = dict(zip(layout.positional, values, strict=False), **named)
    state = layout.defaults | given
    for name, factory in layout.factories.items():
        if name not in given:
            state[name] = factory()
    unknown = state.keys() != layout.names or not layout.computed.isdisjoint(named)
    if unknown or len(given) != len(values) + len(named):
        _explain(type(self), values, named)
    self.__dict__.update(state)
    if layout.finish:
        self.__post_init__()


@reprlib.recursive_repr()
def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in _layout(self.__class__).shown)
    return f"{type(self).__qualname__}({shown})"


def _eq(self: Any, other: Any) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    compared = _layout(self.__class__).compared
    return compared(self) == compared(other)


def _hash(self: Any) -> int:
    return hash(_layout(self.__class__).compared(self))


def _refuse(self: Any, name: str, *value: Any) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot change field '{name}' of {type(self).__qualname__}")


class _Signature:
    """``__signature__`` of a class, computed when ``help`` asks for it."""

    def __get__(self, instance: object, cls: Any) -> inspect.Signature:
        from inspect import Parameter, Signature

        parameters = []
        for f in sorted((f for f in dataclasses.fields(cls) if f.init), key=lambda f: bool(f.kw_only)):
            default = f.default if f.default is not dataclasses.MISSING else Parameter.empty
            if f.default_factory is not dataclasses.MISSING:
                default = f.default_factory()
            kind = Parameter.KEYWORD_ONLY if f.kw_only else Parameter.POSITIONAL_OR_KEYWORD
            parameters.append(Parameter(f.name, kind, default=default, annotation=f.type))
        return Signature(parameters)
