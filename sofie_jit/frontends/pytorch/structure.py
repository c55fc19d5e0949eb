"""Names of tensors by their places in the nested arguments or results of a module."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from typing import Any

Path = tuple[Any, ...]


def keyed_names(structure: Any) -> dict[int, str]:
    """Index of a tensor -> its name by the keys of the dicts that contain it; those in no dict are left out.

    ``structure``: lists, ``{"tuple": [...]}``, ``{"dict": [[key, value], ...]}`` and indices.

    Keys and places from the first key on are joined by ``_``. If two tensors had the same name, theirs begin with the
    places before the key, and end with a number if they are still the same.

    >>> keyed_names({"dict": [["mass", 0], ["jets", {"tuple": [1, {"dict": [["pt", 2]]}]}]]})
    {0: 'mass', 1: 'jets_0', 2: 'jets_1_pt'}
    >>> keyed_names([0, {"dict": [["y", 1]]}, {"dict": [["y", 2]]}])
    {1: '1_y', 2: '2_y'}
    """
    short, whole = {}, {}
    for index, path, first in _leaves(structure, (), None):
        if first is not None:
            short[index], whole[index] = _joined(path[first:]), _joined(path)
    listed = list(short.values())
    names: dict[int, str] = {}
    for index, name in short.items():
        names[index] = unused(name if listed.count(name) == 1 else whole[index], names.values())
    return names


def unused(name: str, taken: Collection[str]) -> str:
    """``name``, or the first of ``name_2``, ``name_3``, ... that is not ``taken``.

    >>> unused("y", ["x", "y", "y_2"])
    'y_3'
    """
    numbered = (f"{name}_{number}" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], numbered) if each not in taken)


def _leaves(structure: Any, path: Path, first: int | None) -> Iterator[tuple[int, Path, int | None]]:
    """Index, path, and the place of the first key in the path, of each tensor."""
    if isinstance(structure, int):
        yield structure, path, first
    elif isinstance(structure, list):
        for place, part in enumerate(structure):
            yield from _leaves(part, (*path, place), first)
    elif isinstance(structure, dict):
        ((kind, parts),) = structure.items()
        at = len(path) if kind == "dict" and first is None else first
        for key, part in parts if kind == "dict" else enumerate(parts):
            yield from _leaves(part, (*path, key), at)


def _joined(path: Path) -> str:
    return "_".join(map(str, path))
