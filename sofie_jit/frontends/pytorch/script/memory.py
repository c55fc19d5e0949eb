"""Tensors, lists and dicts that code in a branch or loop can change although they were made before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.base import NodeCall
from sofie_jit.frontends.pytorch.carried import tensors_in
from sofie_jit.frontends.pytorch.script.objects import ScriptObject
from sofie_jit.frontends.pytorch.values import Array, Tensor, Undecided
from sofie_jit.frontends.wording import CUT


class Memory:
    """All that can be reached from some values, as it is now."""

    def __init__(self, values: Iterable[Any]):
        self._states: dict[Tensor, Any] = {}
        self._contents: list[tuple[list[Any] | dict[Any, Any], Any]] = []
        self._known: set[int] = set()
        for value in values:
            self._add(value)

    def _add(self, value: Any) -> None:
        if id(value) in self._known:
            return
        self._known.add(id(value))
        if isinstance(value, Tensor):
            self._states[value] = value.state
            self._add(value.base)
        elif isinstance(value, ScriptObject) and not value.is_module:
            self._add(value.attributes)
        elif isinstance(value, (list, tuple, dict)):
            if not isinstance(value, tuple):
                self._contents.append((value, value.copy()))
            for part in value.values() if isinstance(value, dict) else value:
                self._add(part)

    @contextmanager
    def kept(self, call: NodeCall) -> Iterator[None]:
        """Restores everything after the context. Refuses code in it that changes a list, a dict or an object."""
        try:
            yield
            if any(not _is_same(container, content) for container, content in self._contents):
                call.refuse(
                    "it changes a list, a dict or an attribute in a branch or loop that the model decides, which is "
                    "not supported; use tensors",
                    CUT,
                )
        finally:
            for tensor, state in self._states.items():
                tensor.restore(state)
            for container, content in self._contents:
                if not _is_same(container, content):
                    container.clear()
                    container.extend(content) if isinstance(container, list) else container.update(content)

    def changed_tensors(self) -> dict[Tensor, Array]:
        """The tensors that were changed in place, and their values now."""
        return {
            tensor: now.value
            for tensor, before in self._states.items()
            if (now := tensor.state).base is None and before.base is None and now.value is not before.value
        }

    def __contains__(self, tensor: Tensor) -> bool:
        return tensor in self._states


def link(result: Any, origin: Any) -> None:
    """Declares that tensors in ``result`` may share their memory with those in ``origin``."""
    for tensor in tensors_in(result):
        for other in tensors_in(origin):
            tensor.link(other)


def copied(value: Any) -> Any:
    """A copy in which tensors have their values of now, and which does not change with the original.

    Tensors whose value is not clear become values that are not decided.
    """
    if isinstance(value, Tensor):
        try:
            return Tensor(value.value)
        except UnsupportedLayerError:
            return Undecided("a tensor that a change of another one in place may have changed")
    if isinstance(value, Mapping):
        return {key: copied(part) for key, part in value.items()}
    return type(value)(map(copied, value)) if isinstance(value, (list, tuple)) else value


def _is_same(container: Any, content: Any) -> bool:
    pairs = zip(_parts(container), _parts(content), strict=False)
    return len(container) == len(content) and all(a is b for a, b in pairs)


def _parts(container: Any) -> list[Any]:
    return [part for pair in container.items() for part in pair] if isinstance(container, dict) else container
