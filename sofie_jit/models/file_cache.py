"""Models of files that were loaded before: opened without reading the file as a model.

The cache of compiled models (:mod:`sofie_jit.jit.cache`) also has entries for files. Such an entry says which machine
code a file needs, how it is called, and how its weights are computed from the bytes of the file, so that neither the
frontend nor the passes nor the code generation are imported. It is for exactly this content of the file, these options
and this version of sofie_jit and numpy, and it contains no weights. ``record_file.py`` makes it, in another process.

========================  =======================================================
``<key>.model``           an entry, after its digest
``<key>.want``            a file of which an entry shall be made
``<key>.plain``           why there is none
========================  =======================================================

Nothing here raises because of the cache: what cannot be read, written or trusted is not used.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import stat
import time
import weakref
from collections.abc import Callable, Mapping
from ctypes import addressof
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sofie_jit.digests import Digest, digest
from sofie_jit.errors import ModelFileError, SofieError
from sofie_jit.ir.registrations import registered
from sofie_jit.jit import cache_folder, processor, runtime_functions
from sofie_jit.records import dataclass
from sofie_jit.version import __version__

if TYPE_CHECKING:
    from sofie_jit.ir.rmodel import RModel
    from sofie_jit.models.execution import Execution
    from sofie_jit.models.model import Model

ENDS = 1 << 16
"""Bytes at the beginning and at the end of a file that are part of the name of its entry."""

SETTLED = 2_000_000_000
"""Nanoseconds after a change of a file after which its time of change tells it from later contents."""

RETRY = 24 * 3600.0
"""Seconds after which it is tried again to make an entry."""


@dataclass(frozen=True)
class Source:
    """A file and the options with which it is loaded."""

    path: Path
    options: dict[str, Any]
    """Those of :func:`sofie_jit.load` that determine the network, as values of JSON."""
    key: str
    """The name of its entry: a digest of parts of its content, of the options, and of all programs that matter."""
    folder: Path


def source_of(
    given: Any,
    *,
    replace: Any = None,
    verify: bool = False,
    untrusted: bool | None = None,
    **options: Any,
) -> Source | None:
    """The source that these arguments of :func:`sofie_jit.load` describe; None if it has no entries.

    It has none if it is not a file, if its network depends on functions of the user or on another file, if the network
    is needed at once, or if the file is read as one that is not trusted.
    """
    if replace or verify or untrusted or registered or not isinstance(given, (str, os.PathLike)):
        return None
    folder = cache_folder.usable()
    kept = {name: value for name, value in options.items() if value is not None}
    if folder is None or "config" in kept:
        return None
    path = Path(given)
    try:
        text = json.dumps([path.name, kept], sort_keys=True)
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                return None
            ends = file.read(ENDS), os.pread(file.fileno(), ENDS, max(0, found.st_size - ENDS))
    except (OSError, TypeError, ValueError):
        return None
    if ends[0].startswith(b"\x7fELF"):  # a compiled library
        return None
    return Source(path, kept, digest(text.encode(), str(found.st_size).encode(), *ends, _programs().encode()), folder)


@functools.cache
def _programs() -> str:
    """What an entry depends on, other than the file: the sources of this package, numpy and the processor."""
    root = Path(__file__).parents[1]
    facts: list[object] = [__version__, np.__version__, runtime_functions.interface()]
    facts += sorted(processor.features() or ())
    if root.parent.name in ("site-packages", "dist-packages"):
        facts.append(os.stat(root / "version.py").st_mtime_ns)
    else:  # a checkout, in which files change
        facts += sorted(_changes(str(root)))
    return repr(facts)


def _changes(folder: str) -> list[tuple[str, int]]:
    """The files below a folder that are not derived from others, and their times of modification."""
    found: list[tuple[str, int]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith((".py", ".hxx")):
                found.append((entry.path, entry.stat().st_mtime_ns))
            elif entry.is_dir() and entry.name != "__pycache__":
                found += _changes(entry.path)
    return found


# -- opening -----------------------------------------------------------------------------------------------------------


def find(source: Source, *, threads: int | None = None) -> Model | None:
    """The Model of a file, if there are an entry for its content and its machine code."""
    entry = source.folder / f"{source.key}.model"
    try:
        facts = _read(entry)
        file = OpenedFile(source, facts)
        if file.stamp and file.stamp != facts["stamp"]:  # so that the content need not be read the next time
            write_entry(entry, {**facts, "stamp": file.stamp})
        return _model(file, facts, threads)
    except FileNotFoundError:
        return None
    except (SofieError, OSError, LookupError, TypeError, ValueError) as error:
        import logging

        logging.getLogger("sofie_jit").info("an entry of the cache is not used and removed: %s", error)
        with contextlib.suppress(OSError):
            entry.unlink()
        return None


def _read(entry: Path) -> dict[str, Any]:
    with entry.open("rb") as file:
        stored, _, text = file.read().partition(b"\n")
        if not (cache_folder.is_own(os.fstat(file.fileno())) and stored == digest(text).encode()):
            raise ModelFileError(f"'{entry}' is damaged")
    facts: dict[str, Any] = json.loads(text)
    return facts


def write_entry(entry: Path, facts: Mapping[str, Any]) -> None:
    """Writes an entry. Raises OSError."""
    text = json.dumps(facts, separators=(",", ":")).encode()
    cache_folder.write(entry, [digest(text).encode(), b"\n", text])


class OpenedFile:
    """The file of a source, which stays open, so that another file at its path does not matter.

    Raises ModelFileError if its content is not the one that ``facts``, those of its entry, are for.
    """

    def __init__(self, source: Source, facts: Mapping[str, Any]):
        self.source = source
        self._digest = facts["digest"]
        self._file = source.path.open("rb")
        weakref.finalize(self, self._file.close)
        self._times = _times(self.descriptor)
        self.stamp = stamp(self.descriptor)
        if self.stamp is None or facts["stamp"] != self.stamp:
            self._verify()

    def check_unchanged(self) -> None:
        """Raises ModelFileError if the file was written to after it was opened."""
        if self._times != _times(self.descriptor):
            raise ModelFileError(f"'{self.source.path}' is being changed")

    @property
    def descriptor(self) -> int:
        """The descriptor of the file."""
        return self._file.fileno()

    def network(self) -> RModel:
        """The network of the file, before optimization."""
        import shutil
        import tempfile

        self._verify()
        try:
            if os.path.samestat(os.fstat(self.descriptor), self.source.path.stat()):
                return translated(self.source)
        except OSError:  # there is no file at its path now
            pass
        with tempfile.TemporaryDirectory(prefix="sofie_jit_") as folder:
            copy = Path(folder) / self.source.path.name
            with open(os.dup(self.descriptor), "rb") as file, copy.open("wb") as target:
                file.seek(0)
                shutil.copyfileobj(file, target)
            return translated(dataclasses.replace(self.source, path=copy))

    def _verify(self) -> None:
        if content_digest(self.descriptor) != self._digest:
            raise ModelFileError(f"'{self.source.path}' has another content than before")


def translated(source: Source) -> RModel:
    """The network of a file, before optimization. Raises what :func:`sofie_jit.load` raises."""
    from sofie_jit import frontends

    options = {name: value for name, value in source.options.items() if name != "optimize"}
    return frontends.open(source.path, **options)()


def content_digest(descriptor: int) -> str:
    """A digest of the content of an open file."""
    found, place = Digest(), 0
    while block := os.pread(descriptor, 1 << 20, place):
        found.add(block)
        place += len(block)
    return found.text()


def stamp(descriptor: int) -> list[int] | None:
    """What distinguishes the present content of an open file from later ones, as far as the system tells it.

    None if the file was changed too recently for its times to tell.
    """
    times = _times(descriptor)
    return times if time.time_ns() - max(times[-2:]) >= SETTLED else None


def _times(descriptor: int) -> list[int]:
    found = os.fstat(descriptor)
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _model(file: OpenedFile, facts: dict[str, Any], threads: int | None) -> Model | None:
    from sofie_jit.jit.cache_entry import open_entry
    from sofie_jit.jit.session import Session, words
    from sofie_jit.jit.threads import thread_count
    from sofie_jit.models.compiled_model import CompiledModel
    from sofie_jit.models.description import Description
    from sofie_jit.models.execution import Execution
    from sofie_jit.models.facts import decode_facts
    from sofie_jit.models.recipe import Recipe

    library = open_entry(file.source.folder, facts["code"])
    if library is None:
        return None
    with contextlib.suppress(OSError):
        os.utime(file.source.folder / f"{file.source.key}.model")
    optimize = file.source.options["optimize"]
    code, signature = decode_facts(facts["model"])
    arrays = Recipe(facts["steps"], facts["results"]).run(file.descriptor)
    file.check_unchanged()
    addresses = words([array.ctypes.data for array in arrays])  # a name, so that they live as long as the call
    session = Session(code, library.functions, addressof(addresses))
    network = functools.lru_cache(1)(file.network)
    lowered = functools.lru_cache(1)(lambda: _lowered(network(), optimize))
    count, labels = thread_count(threads), [name for name, _ in signature.outputs]

    def execution_again() -> tuple[Callable[..., Execution], tuple[Any, ...]]:
        from sofie_jit.models.execution import compiled

        return compiled, (lowered(), labels, count)

    def model_again() -> tuple[Callable[..., Model], tuple[Any, ...]]:
        from sofie_jit.models.compile import compile_rmodel

        return compile_rmodel, (network(),)

    execution = Execution(session, signature, count, lowered, execution_again)
    name, states = facts["model"]["name"], facts["model"]["states"]
    description = Description.stored(signature, name, states, network, optimize=optimize)
    if not states:
        return CompiledModel(description, execution, model_again, threads=threads, optimize=optimize)
    from sofie_jit.models.stateful_model import StatefulModel

    return StatefulModel(description, execution, model_again, threads=threads, optimize=optimize)


def _lowered(network: RModel, optimize: Any) -> RModel:
    from sofie_jit.passes.explicit_states import explicit_states
    from sofie_jit.passes.pipeline import lower

    return lower(explicit_states(network), optimize)


# -- asking for an entry -----------------------------------------------------------------------------------------------


def want(source: Source) -> None:
    """Lets another process make the entry of a file, unless it has been tried lately."""
    from sofie_jit.jit import cache

    names = [source.folder / f"{source.key}.{suffix}" for suffix in ("want", "plain", "model")]
    if any(cache.is_recent(name, RETRY) for name in names[:2]) or names[2].exists():
        return
    with contextlib.suppress(OSError):
        text = json.dumps([str(source.path.absolute()), source.options])
        cache_folder.write(names[0], [text.encode()])
        start_recording(source.folder)


def start_recording(folder: Path) -> None:
    """Starts a process that makes all entries that are wanted. It outlives this process."""
    from sofie_jit.jit import cache

    cache.start("sofie_jit.models.record_file", "record_all", folder)
