"""The content of a source, examined just enough to tell formats apart.

Nothing here parses a model. The first bytes and the last megabyte of a file are looked at, or the class of an object,
so this is safe for any file and takes about 0.1 ms.
"""

from __future__ import annotations

import io
import math
import os
import struct
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from sofie_jit.errors import FOLDER, ModelFileError
from sofie_jit.records import dataclass

HEAD_BYTES = 4096
TAIL_BYTES = 1 << 20
"""The directory of a zip archive is looked for in the last TAIL_BYTES; a saved model's takes some kilobytes."""

SHARED_LIBRARY = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
"""The first bytes of images of machine code: ELF, and Mach-O of 64 and 32 bits and of several processors."""
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
ZIP_ENTRY = b"PK\x01\x02"
"""Begins an entry of a zip archive's directory, of 46 bytes and the name."""

UNREADABLE = {
    b"\x89HDF": "begins like HDF5 but cannot be read; it is damaged or incomplete: fetch or save it again",
    b"PK": "begins like a zip archive but has no directory at its end; it is incomplete: fetch or save it again",
    b"version https://git-lfs": "is a Git LFS pointer, not the model itself: run 'git lfs pull'",
    b"<": "is an HTML or XML page, not a model: look at what was downloaded",
    b"\x80": "looks like a pickle, which is never loaded because it can run code: load it with the library that "
    "wrote it (torch, joblib), and save the model in a supported format",
    b"\x1f\x8b": "is compressed by gzip: unpack it first",
}
"""First bytes -> the kind of file, and a remedy, for error messages."""

CONVERTIBLE = {
    "onnx": ": give its content, model.SerializeToString()",
    "sklearn": ": convert it to ONNX, and give the content, skl2onnx.to_onnx(model, X).SerializeToString()",
}
"""Packages whose objects are not read -> what to give instead."""


@dataclass(frozen=True)
class Content:
    """The properties of a source that determine its format; :func:`examine` returns it.

    ``Format.matches`` decides by these values.
    """

    source: Any
    """The path as it was given, or the object."""
    path: Path | None = None
    """None for an object in memory."""
    head: bytes = b""
    """The first 4096 bytes of a file."""
    names: frozenset[str] = frozenset()
    """Members of a zip archive, or entries of a directory."""
    is_hdf5: bool = False

    @property
    def is_json(self) -> bool:
        """Whether a file begins like a JSON object or list."""
        return self.head.lstrip()[:1] in (b"{", b"[")

    @property
    def is_shared_library(self) -> bool:
        """Whether a file begins like machine code: an image in the format ELF or Mach-O."""
        return self.head.startswith(SHARED_LIBRARY)

    @property
    def protobuf_fields(self) -> frozenset[tuple[int, int]]:
        """Numbers and wire types of the fields with which a message of Protocol Buffers begins.

        Empty if the file does not begin like one. Fields that begin after the first 4096 bytes are not looked at.

        >>> sorted(Content("m.onnx", head=b"\\x08\\x07\\x12\\x03abc").protobuf_fields)
        [(1, 0), (2, 2)]
        """
        found, place = set(), 0
        while place < len(self.head):
            tag, place = _varint(self.head, place)
            value, after = _varint(self.head, place)
            wire = tag & 7
            if tag >> 3 == 0 or wire not in (0, 1, 2, 5):
                return frozenset()
            found.add((tag >> 3, wire))
            place = {0: after, 1: place + 8, 2: after + value, 5: place + 4}[wire]
        return frozenset(found)

    @property
    def packages(self) -> frozenset[str]:
        """Top-level packages of an object's class and its base classes.

        >>> from fractions import Fraction
        >>> sorted(examine(Fraction(1, 2)).packages)
        ['builtins', 'fractions', 'numbers']
        """
        if self.path is not None:
            return frozenset()
        return frozenset(base.__module__.partition(".")[0] for base in type(self.source).__mro__)

    def has(self, *attributes: str) -> bool:
        """Whether an object's class has all of these attributes."""
        return self.path is None and all(hasattr(type(self.source), attribute) for attribute in attributes)

    def describe(self) -> str:
        """The kind of the source, as the predicate of a sentence in an error message.

        >>> from pathlib import Path
        >>> Content("m.h5", Path("m.h5"), head=b"<html>").describe()
        'is an HTML or XML page, not a model: look at what was downloaded'
        """
        if self.path is None:
            kind = type(self.source)
            hint = next((hint for package, hint in CONVERTIBLE.items() if package in self.packages), "")
            return f"is an object of type {kind.__module__}.{kind.__qualname__}{hint}"
        if self.path.is_dir():
            return f"is a directory that contains {some(self.names) or 'nothing'}"
        if not self.head:
            return "is empty"
        if self.head[4:8] == b"TFL3":
            return "is a TensorFlow Lite model, from which the layers cannot be recovered"
        if self.head[4:8] == b"ORTM":
            return "is a model in ONNX Runtime's own format (.ort); use the .onnx file that it was made from"
        if self.names:
            return f"is a zip archive that contains {some(self.names)}"
        start = self.head.lstrip() if self.head.lstrip()[:1] == b"<" else self.head
        for magic, answer in UNREADABLE.items():
            if start.startswith(magic):
                return answer
        if self.is_json:
            return f"is JSON that does not describe a model; it begins with {self._beginning(40)}"
        return f"is not a model: it begins with {self._beginning(8)}"

    def _beginning(self, count: int) -> str:
        """The first bytes of a file as text, or as numbers if they are no text."""
        start = self.head[:count].decode("utf-8", "replace")
        return repr(start) if start.isprintable() else f"the bytes {self.head[:count].hex(' ')}"


def examine(source: Any) -> Content:
    """The :class:`Content` of a path or an object.

    Raises FileNotFoundError for a path that does not exist, and OSError for a file that cannot be opened.
    """
    if not isinstance(source, (str, os.PathLike)):
        return Content(source)
    path = existing(source)
    if path.is_dir():
        return Content(source, path, names=frozenset(entry.name for entry in path.iterdir()))
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
        names = _zip_names(file)
        # HDF5 may begin at 0, 512, 1024, 2048, ..., and so may the weights within a zip archive
        return Content(source, path, head, names, is_hdf5=not head.startswith(b"PK") and _has_signature(file))


def existing(source: str | os.PathLike[str]) -> Path:
    """The path of a file or directory; raises FileNotFoundError, with the path in its message, if there is none."""
    path = Path(source)
    if not path.exists():
        if "://" in str(source):
            raise FileNotFoundError(f"'{source}' is a URL; download the file and give its path, or the bytes")
        raise FileNotFoundError(f"there is no file '{path}'")
    return path


@contextmanager
def on_disk(source: Any) -> Iterator[Any]:
    """The path of a temporary file with the content of ``source``, if that is bytes or a file that is open for reading.

    Any other source is returned as it is. Raises ModelFileError for a file that is open as text.
    """
    is_bytes = isinstance(source, (bytes, bytearray, memoryview))
    if isinstance(source, (str, os.PathLike)) or not (is_bytes or hasattr(source, "read")):
        yield source
        return
    import shutil
    import tempfile

    given = getattr(source, "name", None)
    with tempfile.TemporaryDirectory(prefix=FOLDER) as folder:
        path = Path(folder) / (Path(given).name if isinstance(given, str) else "bytes")
        with path.open("wb") as file:
            if is_bytes:
                file.write(source)
            elif isinstance(source, io.TextIOBase):
                raise ModelFileError(f"'{path.name}' is open as text; open it with open(path, 'rb')")
            else:
                shutil.copyfileobj(source, file)
        yield path


def byte_size(source: Any) -> int:
    """The bytes of a file, of the files in a directory, or of a live model's weights; 0 if that is not known."""
    if not isinstance(source, (str, os.PathLike)):
        return sum(4 * math.prod(weight.shape) for weight in getattr(source, "weights", ()))
    path = Path(source)
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def some(names: Iterable[object], limit: int = 8) -> str:
    """The first ``limit`` names and the number of others, in their order; those of a set in alphabetical order.

    >>> some(["dense", "conv"]), some(set("hello"), limit=2)
    ('dense, conv', 'e, h and 2 more')
    """
    listed = [str(name) for name in names]
    if isinstance(names, Set):
        listed.sort()
    return ", ".join(listed[:limit]) + (f" and {len(listed) - limit} more" if len(listed) > limit else "")


def _zip_names(file: BinaryIO) -> frozenset[str]:
    """The names in the directory of a zip archive, if the file ends in one.

    ``zipfile`` would make an object per entry, which takes gigabytes for a large directory of empty entries.
    """
    file.seek(0, os.SEEK_END)
    file.seek(max(0, file.tell() - TAIL_BYTES))
    tail = file.read()
    if tail.rfind(b"PK\x05\x06") < 0:
        return frozenset()
    found = set()
    place = tail.find(ZIP_ENTRY)
    while 0 <= place <= len(tail) - 46:
        (length,) = struct.unpack_from("<H", tail, place + 28)
        found.add(tail[place + 46 : place + 46 + length].decode("utf-8", "replace"))
        place = tail.find(ZIP_ENTRY, place + 46)
    return frozenset(found)


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """The integer of variable length at ``place``, and the place after it."""
    value = shift = 0
    while place < len(data) and shift < 64:
        value |= (data[place] & 0x7F) << shift
        shift, place = shift + 7, place + 1
        if data[place - 1] < 0x80:
            break
    return value, place


def _has_signature(file: BinaryIO) -> bool:
    """Whether HDF5's signature is at the beginning, or after a user block of 512, 1024, 2048, ... bytes."""
    size = file.seek(0, os.SEEK_END)
    place = 0
    while place < size:
        file.seek(place)
        if file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE:
            return True
        place = 2 * place or 512
    return False
