"""Zip archives of PyTorch: members without copies, within the bounds of a file."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sofie_jit.errors import ModelFileError
from sofie_jit.frontends.limits import Sizes
from sofie_jit.frontends.mapping import map_file
from sofie_jit.frontends.pytorch.model import StoredTensor

MAX_DIRECTORY = 1 << 24
"""Maximum bytes of an archive's directory, each of whose entries takes some hundred bytes of memory."""

ELEMENT_TYPES = {
    "float32": "<f4", "float64": "<f8", "int8": "<i1", "int16": "<i2", "int32": "<i4", "int64": "<i8", "uint8": "<u1",
    "bool": "?", "float16": "<f2", "uint16": "<u2", "uint32": "<u4", "uint64": "<u8",
    "complex64": "<c8", "complex128": "<c16",
}  # fmt: skip
"""Element types that are read -> that of the array."""

MAPPED = 1 << 26
"""Members of this many bytes stay in the mapped file. Smaller ones are copied: the file may be overwritten later."""

MAX_RANK = 64
MAX_ELEMENTS = 1 << 48
"""Of a tensor, axes of size 0 counted as 1."""


class Archive:
    """The members of a zip archive, by their names without the common root folder.

    Raises ModelFileError for an archive that is damaged, encrypted, or whose members are larger than they can be.
    """

    def __init__(self, path: Path, data: memoryview | None = None):
        self.path = path
        self.data = map_file(path) if data is None else data
        self.sizes = Sizes(path)
        self._check_directory()
        try:
            with zipfile.ZipFile(_Reader(self.data)) as archive:
                entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
        except (
            zipfile.BadZipFile,
            zipfile.LargeZipFile,
            NotImplementedError,
            ValueError,
            struct.error,
            OSError,
        ) as error:
            raise ModelFileError(
                f"'{path}' is not a zip archive that can be read ({error}); save or fetch it again"
            ) from error
        roots = {entry.filename.partition("/")[0] for entry in entries}
        nested = all("/" in entry.filename for entry in entries)
        self.root = roots.pop() if len(roots) == 1 and nested else ""
        cut = len(self.root) + 1 if self.root else 0
        self._entries: dict[str, zipfile.ZipInfo] = {entry.filename[cut:]: entry for entry in entries}
        self._read: dict[str, memoryview] = {}

    @property
    def names(self) -> Sequence[str]:
        """Names of the members, without the root folder."""
        return list(self._entries)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def _check_directory(self) -> None:
        """Raises ModelFileError for a directory that would take much memory."""
        start = max(0, len(self.data) - 65557)
        tail = bytes(self.data[start:])
        end = tail.rfind(b"PK\5\6")
        if end < 0 or len(tail) < end + 22:
            raise ModelFileError(f"'{self.path}' has no directory of a zip archive; it is incomplete: fetch it again")
        size = int.from_bytes(tail[end + 12 : end + 16], "little")
        if size == 0xFFFFFFFF and end >= 20 and tail[end - 20 : end - 16] == b"PK\6\7":
            place = int.from_bytes(tail[end - 12 : end - 4], "little")
            size = int.from_bytes(bytes(self.data[place + 40 : place + 48]), "little")
        if size > MAX_DIRECTORY:
            raise ModelFileError(f"'{self.path}': the directory of the archive has {size:,} bytes; no model's has")

    def read(self, name: str) -> memoryview:
        """The content of a member."""
        if name not in self._read:
            self._read[name] = self._content(name)
        return self._read[name]

    def _content(self, name: str) -> memoryview:
        entry = self._entries.get(name)
        if entry is None:
            raise ModelFileError(f"'{self.path}': the archive has no member '{name}'; it is incomplete: save it again")
        what = f"the member '{name}'"
        header = bytes(self.data[entry.header_offset : entry.header_offset + 30])
        if len(header) < 30 or header[:4] != b"PK\3\4":
            raise ModelFileError(f"'{self.path}': {what} has no header; the file is damaged: fetch or save it again")
        name_size, extra_size = struct.unpack_from("<HH", header, 26)
        start = entry.header_offset + 30 + name_size + extra_size
        stored = self.data[start : start + entry.compress_size]
        if len(stored) < entry.compress_size or entry.flag_bits & 1:
            raise ModelFileError(f"'{self.path}': {what} is incomplete or encrypted; fetch or save the file again")
        self.sizes.add(what, entry.file_size, entry.compress_size, ModelFileError)
        if entry.compress_type == zipfile.ZIP_STORED and entry.file_size == entry.compress_size:
            return stored
        if entry.compress_type != zipfile.ZIP_DEFLATED:
            raise ModelFileError(
                f"'{self.path}': {what} is compressed by method {entry.compress_type}; repack the file"
            )
        try:
            content = zlib.decompressobj(-15).decompress(stored, entry.file_size + 1)
        except zlib.error as error:
            raise ModelFileError(f"'{self.path}': {what} is damaged ({error}); fetch or save the file again") from error
        if len(content) != entry.file_size:
            raise ModelFileError(f"'{self.path}': {what} does not have the {entry.file_size:,} bytes that it declares")
        return memoryview(content)


class _Reader:
    """A file that reads from memory without a copy of it."""

    def __init__(self, data: memoryview):
        self.data, self.place = data, 0

    def seekable(self) -> bool:
        return True

    def seek(self, place: int, whence: int = 0) -> int:
        self.place = max(0, place + {0: 0, 1: self.place, 2: len(self.data)}[whence])
        return self.place

    def tell(self) -> int:
        return self.place

    def read(self, count: int = -1) -> bytes:
        found = bytes(self.data[self.place : None if count < 0 else self.place + count])
        self.place += len(found)
        return found

    def close(self) -> None:
        pass


class Storages:
    """Tensors as views of members of an archive; the same member is one array."""

    def __init__(self, archive: Archive):
        self.archive = archive
        self._arrays: dict[tuple[str, str], np.ndarray] = {}
        self.expanded = 0

    def tensor(
        self, member: str, dtype: str, sizes: Sequence[int], strides: Sequence[int], offset: int, what: str
    ) -> StoredTensor:
        """A tensor whose elements lie at ``offset`` plus multiples of ``strides`` in a member.

        Raises ModelFileError if some lie outside of it, or for a tensor that is much larger than what is stored.
        """
        if len(sizes) != len(strides) or len(sizes) > MAX_RANK or min((*sizes, *strides, offset), default=0) < 0:
            raise ModelFileError(f"{what} has the sizes {list(sizes)!r:.200} and strides {list(strides)!r:.200}")
        if math.prod(max(size, 1) for size in sizes) > MAX_ELEMENTS:
            raise ModelFileError(f"{what} has the sizes {list(sizes)!r:.200}; no model has such a tensor")
        if dtype not in ELEMENT_TYPES:
            return StoredTensor(dtype, None)
        storage = self._storage(member, dtype, what)
        last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        if 0 not in sizes and last >= storage.size:
            raise ModelFileError(
                f"{what} of shape {tuple(sizes)} needs {last + 1:,} elements, but '{member}' has {storage.size:,}; the "
                "file is damaged: fetch or save it again"
            )
        count = math.prod(sizes)
        if count > storage.size:
            self.archive.sizes.add(what, count * storage.itemsize, 0, ModelFileError)
        steps = [stride * storage.itemsize for stride in strides]
        view = np.lib.stride_tricks.as_strided(storage[offset:] if 0 not in sizes else storage[:0], tuple(sizes), steps)
        return StoredTensor(dtype, view)

    def _storage(self, member: str, dtype: str, what: str) -> np.ndarray:
        key = member, dtype
        if key not in self._arrays:
            data, kind = self.archive.read(member), np.dtype(ELEMENT_TYPES[dtype])
            whole = len(data) // kind.itemsize * kind.itemsize
            array = np.frombuffer(data[:whole], kind)
            if dtype == "bool" and array.size and array.view(np.uint8).max() > 1:
                raise ModelFileError(f"{what}: '{member}' has bytes other than 0 and 1 for bool")
            if array.nbytes < MAPPED or array.ctypes.data % kind.itemsize:
                array = array.copy()
            array.flags.writeable = False
            self._arrays[key] = array
        return self._arrays[key]


def integers(values: object, what: str) -> list[int]:
    """``values`` as a list of numbers; raises ModelFileError for anything else."""
    if not isinstance(values, (list, tuple)) or any(type(value) is not int for value in values):
        raise ModelFileError(f"{what}: expected a list of integers, got {values!r:.100}")
    return list(values)


def mapping(value: object, what: str) -> Mapping[str, object]:
    """``value`` as a mapping; raises ModelFileError for anything else."""
    if not isinstance(value, Mapping):
        raise ModelFileError(f"{what}: expected an object, got {value!r:.100}")
    return value
