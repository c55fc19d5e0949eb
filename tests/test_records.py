"""``records.dataclass`` behaves as the standard library's."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import ClassVar

import pytest

from sofie_jit.records import dataclass


@dataclass(frozen=True)
class Point:
    """A point."""

    x: float
    y: float = 0.0
    labels: list[str] = dataclasses.field(default_factory=list, compare=False)
    dimensions: ClassVar[int] = 2


@dataclass(frozen=True)
class Named(Point):
    """A point with a name."""

    name: str = dataclasses.field(default="", repr=False)


class Undecorated(Named):
    """A class without fields of its own."""


@dataclass(kw_only=True)
class Options:
    """Options by keyword."""

    required: int
    size: int = 1

    def __post_init__(self) -> None:
        self.double = 2 * self.size


@dataclass
class Counted:
    """Some fields are no arguments."""

    start: int
    total: int = dataclasses.field(init=False)
    seen: list[int] = dataclasses.field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.total = self.start


@dataclasses.dataclass(kw_only=True)
class Extended(Options):
    """The standard library's decorator on top of ours."""

    more: int = 3


@dataclass(eq=False)
class Identity:
    """Compared by identity."""

    value: int


def test_values() -> None:
    point = Point(1.0, labels=["a"])
    assert (point.x, point.y, point.labels) == (1.0, 0.0, ["a"])
    assert Point(1.0).labels is not Point(1.0).labels
    assert repr(point) == "Point(x=1.0, y=0.0, labels=['a'])"
    assert repr(Undecorated(1.0, name="n")) == "Undecorated(x=1.0, y=0.0, labels=[])"
    assert (Options(required=1, size=4).double, Extended(required=1).more) == (8, 3)
    assert dataclasses.replace(point, y=2.0) == Point(1.0, 2.0)
    assert dataclasses.asdict(Extended(required=1)) == {"required": 1, "size": 1, "more": 3}
    assert copy.deepcopy(point) == pickle.loads(pickle.dumps(point)) == point
    assert point.dimensions == 2
    assert repr(Counted(3)) == "Counted(start=3, total=3, seen=[])"
    assert Counted(3) == Counted(start=3)


def test_equality_and_hash() -> None:
    assert Point(1.0, 2.0, ["a"]) == Point(1.0, 2.0) != Point(1.0)
    assert Named(1.0) != Point(1.0)
    assert hash(Point(1.0, 2.0, ["a"])) == hash(Point(1.0, 2.0))
    assert Identity(1) != Identity(1)
    assert len({Identity(1), Identity(1)}) == 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(Options(required=1))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Point(),
        lambda: Point(1.0, z=1.0),
        lambda: Point(z=1.0),
        lambda: Point(1.0, x=1.0),
        lambda: Point(1.0, 2.0, [], 3.0),
        lambda: Options(1),
        lambda: Options(size=1),
        lambda: Extended(1, required=2),
        lambda: Counted(1, 2),
        lambda: Counted(1, total=2),
        lambda: Counted(1, seen=[]),
        lambda: Counted(),
    ],
)
def test_wrong_arguments(wrong) -> None:
    with pytest.raises(TypeError, match=r"^(Point|Options|Counted|Extended).*argument"):
        wrong()


def test_frozen() -> None:
    point = Point(1.0)
    with pytest.raises(dataclasses.FrozenInstanceError, match="'x' of Point"):
        point.x = 2.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        del point.x
    with pytest.raises(dataclasses.FrozenInstanceError):
        Undecorated(1.0).name = "other"


def test_signature() -> None:
    assert str(inspect.signature(Options)) == "(*, required: 'int', size: 'int' = 1)"
    assert str(inspect.signature(Named)) == (
        "(x: 'float', y: 'float' = 0.0, labels: 'list[str]' = [], name: 'str' = '')"
    )
