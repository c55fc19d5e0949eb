"""The file of a compiled library: a shared library, followed by a description that is read without running any code.

::

    ELF or Mach-O image, which contains the weights
    facts      JSON, see Facts
    network    JSON, see codegen/stored_network.py
    end        lengths of facts and network, and a mark

A file that was truncated or stripped lacks the mark.
"""

from __future__ import annotations

import json
import math
import os
import platform
import struct
import sys
import weakref
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sofie_jit.digests import digest
from sofie_jit.errors import ModelFileError
from sofie_jit.jit import processor, runtime_functions
from sofie_jit.records import dataclass
from sofie_jit.version import __version__

MARK = b"\0sofie_jit library 1\0"
"""The last bytes of a compiled library."""

ALIGNMENT = 64
"""Weights begin at multiples of it, in the file of weights and in memory."""

_END = struct.Struct(f"<QQ{len(MARK)}s")


@dataclass(frozen=True)
class Facts:
    """What one must know of a library to load and call it."""

    version: str
    """The version of sofie_jit that wrote it."""
    interface: str
    """The interface between Python and its code, see :func:`runtime_functions.interface`."""
    system: str
    machine: str
    features: list[str]
    """Instruction sets that the processor must have, by their names in /proc/cpuinfo."""
    compiler: str
    identity: str
    """A digest of its code and weights, which the code exports too."""
    digest: str
    """That of the image, or '' if the image is too large to be read before each use."""
    weights: dict[str, list[Any]]
    """Name -> element type, shape, and place in the file, of each weight."""
    model: dict[str, Any]
    """Names, types and further facts about the network; ``models/library.py`` writes and reads them."""


def system() -> tuple[str, str]:
    """The operating system and the kind of processor of this machine."""
    return sys.platform, {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())


def joined(image: bytes, facts: Facts, network: dict[str, Any]) -> list[bytes]:
    """The parts of the file of a library."""
    texts = [json.dumps(part, separators=(",", ":")).encode() for part in (asdict(facts), network)]
    return [image, *texts, _END.pack(*map(len, texts), MARK)]


def write(path: Path, parts: Sequence[bytes]) -> None:
    """Writes a file that other processes see complete or not at all.

    The file is a new one, since processes may run the code of the one that it replaces.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.writelines(parts)
        part.chmod(0o755 & ~_umask())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


class LibraryFile:
    """A compiled library that has not been loaded yet. Nothing in it is executed here.

    ``path``: the path of the file, or how messages call it if ``file`` is given.
    ``file``: the opened file. It stays open, so that another file at its path does not matter.

    Raises ModelFileError if the file is not a complete compiled library, and OSError if it cannot be read.
    """

    def __init__(self, path: Path, file: BinaryIO | None = None):
        self.path = path
        self._file = path.open("rb") if file is None else file
        weakref.finalize(self, self._file.close)
        size = os.fstat(self.descriptor).st_size
        end = self._read(max(0, size - _END.size), _END.size)
        lengths = _END.unpack(end)[:2] if len(end) == _END.size and end.endswith(MARK) else None
        if lengths is None or sum(lengths) + _END.size > size:
            raise ModelFileError(
                f"'{path}' is a shared library that sofie_jit did not write, or it is incomplete or was stripped: "
                "write it again with Model.save_library or sofie-jit build"
            )
        self._network = (size - _END.size - lengths[1], lengths[1])
        self._image = self._network[0] - lengths[0]
        try:
            self.facts = Facts(**json.loads(self._read(self._image, lengths[0])))
        except (ValueError, TypeError) as error:
            raise ModelFileError(f"'{path}': its description is damaged or of another version: {error}") from error

    @property
    def descriptor(self) -> int:
        """The descriptor of the opened file."""
        return self._file.fileno()

    def content(self) -> bytes:
        """All bytes of the file."""
        return self._read(0, os.fstat(self.descriptor).st_size)

    def network(self) -> Any:
        """The network as JSON; see codegen/stored_network.py. Raises ModelFileError if it is damaged."""
        try:
            return json.loads(self._read(*self._network))
        except ValueError as error:
            raise ModelFileError(f"'{self.path}': the description of the network is damaged: {error}") from error

    def weights(self) -> dict[str, np.ndarray]:
        """The weights by name, which stay in the file until they are read. Raises ModelFileError if it is damaged."""
        try:
            return {name: self._weight(*facts) for name, facts in self.facts.weights.items()}
        except (ValueError, TypeError) as error:
            raise ModelFileError(f"'{self.path}': its description of the weights is damaged: {error}") from error

    def _weight(self, dtype: str, shape: list[int], place: int) -> np.ndarray:
        size = tuple(shape)
        if not math.prod(size):
            return np.empty(size, dtype)
        return np.asarray(np.memmap(self._file, dtype, "r", place, size))

    def _read(self, place: int, size: int) -> bytes:
        self._file.seek(place)
        return self._file.read(size)

    def is_intact(self) -> bool:
        """Whether the image has not changed since the file was written; compares the digests."""
        return digest(self._read(0, self._image)) == self.facts.digest

    def check(self) -> None:
        """Raises ModelFileError if the library does not run on this machine or with this version of sofie_jit."""
        facts, here = self.facts, system()
        if (facts.system, facts.machine) != here:
            raise self._refusal(f"it is for {facts.machine} on {facts.system}, and this is {here[1]} on {here[0]}")
        known = processor.features()
        if known is not None and (missing := [name for name in facts.features if name not in known]):
            raise self._refusal(
                f"it is for a processor with {', '.join(missing)}, which this one lacks (dispatch=True writes a "
                f"library for every {facts.machine} processor)"
            )
        if facts.interface != runtime_functions.interface():
            raise self._refusal(
                f"it was written by sofie_jit {facts.version} (interface {facts.interface}), and this is sofie_jit "
                f"{__version__} (interface {runtime_functions.interface()})"
            )

    def _refusal(self, why: str) -> ModelFileError:
        return ModelFileError(f"'{self.path}' cannot run here: {why}. Write it again from the model, for this machine")
