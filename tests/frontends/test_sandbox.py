"""What readers in other processes can send, and that nothing else is accepted from them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sofie_jit.errors import ModelFileError, OptionError, WeightsError
from sofie_jit.frontends import sandbox
from sofie_jit.frontends.sandbox import wire

PATH = Path("m.model")


@dataclass
class Leaf:
    name: str
    array: np.ndarray


@dataclass
class Tree:
    leaves: list[Leaf]
    child: Tree | Leaf | None = None
    shape: tuple[int, ...] = ()
    pair: tuple[str, float] = ("", 0.0)
    raw: bytes = b""
    by_name: Mapping[str, list[int] | np.ndarray] = field(default_factory=dict)
    json: Any = None
    flag: bool = False


def sent(value: Any, kind: Any) -> bytes:
    out = io.BytesIO()
    wire.send(out, PATH, lambda: value, kind)
    return out.getvalue()


def received(message: bytes, kind: Any) -> Any:
    return wire.receive(io.BytesIO(message), PATH, kind)


def message(header: Any, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


TREE = Tree(
    [
        Leaf("a", np.arange(6, dtype=np.float32).reshape(2, 3)),
        Leaf("b", np.array(7)),
        Leaf("c", np.zeros((0, 4), bool)),
    ],
    Tree([], Leaf("d", np.arange(4, dtype=">i2")[::2])),
    (1, 2, 3),
    ("x", 2),
    b"\x00\xff",
    {"list": [1, 2], "array": np.ones(3), "": []},
    {"array": ["<f4", [2]], "deep": [None, True, 1.5, {"Leaf": "a"}]},
    True,
)


def test_every_type_arrives_as_it_was_sent() -> None:
    got = received(sent(TREE, Tree), Tree)
    assert repr(got) == repr(TREE)
    assert [leaf.array.dtype for leaf in got.leaves] == [leaf.array.dtype for leaf in TREE.leaves]
    assert isinstance(got.child, Tree)
    assert isinstance(got.child.child, Leaf)
    assert got.json == TREE.json
    for kind, value in ((int | None, None), (int | str, "1"), (list[tuple[int, str]], [(1, "a")]), (float, 1.0)):
        assert received(sent(value, kind), kind) == value


@pytest.mark.parametrize(
    ("value", "kind"),
    [(1, str), (True, int), ([1], list[str]), (np.zeros(2), Any), ({1}, set[int]), (Leaf("a", np.zeros(1)), Tree),
     (1.5, int | None), (object(), Any)],
)  # fmt: skip
def test_other_types_are_not_sent(value: Any, kind: Any) -> None:
    with pytest.raises(ModelFileError, match=r"m\.model' cannot be read \(TypeError"):
        received(sent(value, kind), kind)


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        (None, int), ([], int), ({}, int), ({"result": "1"}, int), ({"result": [0]}, Leaf),
        ({"result": ["a", ["O", [1]]]}, Leaf), ({"result": ["a", ["<f4", [-1]]]}, Leaf),
        ({"result": ["a", ["<f4", [1.5]]]}, Leaf), ({"result": [[1], ["<f4", [0]]]}, Leaf),
        ({"result": ["a", ["<f4", [0]], 1]}, Leaf), ({"result": [2, 1]}, int | None), ({"result": [-1, 1]}, int | None),
        ({"result": 5}, list[int]), ({"result": [1]}, dict[str, int]), ({"result": [1, 2]}, tuple[int, str]),
        ({"result": 1 << 70}, Any), ({"result": "\ud800"}, Any), ({"result": ["a", ["<f4,<f4", [1]]]}, Leaf),
        ({"error": "SofieError", "message": [1]}, int), ({"error": "Sequence", "message": "x"}, int),
        ({"error": "LONGEST", "message": "x"}, int), ({"error": "os", "message": ""}, int), ({"error": "OSError"}, int),
    ],
)  # fmt: skip
def test_malformed_messages_are_refused(header: Any, kind: Any) -> None:
    with pytest.raises(ModelFileError):
        received(message(header), kind)


def test_messages_that_end_too_early() -> None:
    whole = sent(TREE, Tree)
    for length in (0, 7, 8, 20, len(whole) - 1):
        with pytest.raises(EOFError):
            received(whole[:length], Tree)


def test_exceptions_are_sent() -> None:
    def fails(error: Exception) -> Any:
        def read() -> Any:
            raise error

        out = io.BytesIO()
        wire.send(out, PATH, read, int)
        return received(out.getvalue(), int)

    with pytest.raises(WeightsError, match="no weights"):
        fails(WeightsError("no weights"))
    with pytest.raises(PermissionError, match="Permission denied"):
        fails(PermissionError(13, "Permission denied", "x"))
    with pytest.raises(ModelFileError, match=r"ZeroDivisionError: by zero.*bug of sofie_jit"):
        fails(ZeroDivisionError("by zero"))


def count_bytes(path: Path, factor: int) -> int:
    return factor * len(path.read_bytes())


@pytest.mark.parametrize("untrusted", [None, True, False])
def test_any_function_is_a_reader(untrusted: bool | None, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"12345")
    asked = []
    reader = f"{__name__}:count_bytes"
    assert sandbox.read(reader, tmp_path / "m", 2, untrusted=untrusted, meanwhile=lambda: asked.append(1)) == 10
    assert asked == ([] if untrusted is False else [1])
    with pytest.raises(FileNotFoundError):
        sandbox.read(reader, tmp_path / "nowhere", 2, untrusted=untrusted)


def test_arguments_are_values_of_json(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"")
    with pytest.raises(OptionError, match="JSON"):
        sandbox.read(f"{__name__}:count_bytes", tmp_path / "m", object(), untrusted=True)


def test_an_exception_meanwhile_ends_the_reader(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"")

    def fails() -> None:
        raise RuntimeError("meanwhile")

    for untrusted in (None, True):
        with pytest.raises(RuntimeError, match="meanwhile"):
            sandbox.read(f"{__name__}:count_bytes", tmp_path / "m", 1, untrusted=untrusted, meanwhile=fails)
