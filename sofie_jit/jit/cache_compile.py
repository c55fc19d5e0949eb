"""The process that compiles the entries of the cache, one after the other and at low priority."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from sofie_jit.digests import digest
from sofie_jit.errors import CompileError
from sofie_jit.jit import library_file, processor, runtime_functions, toolchain
from sofie_jit.jit.cache_folder import write
from sofie_jit.jit.library_file import Facts
from sofie_jit.version import __version__

LIMIT = 256 << 20
"""The default of the largest size of all entries together, in bytes."""

NICE = 10
"""Priority of the compiler: about a tenth of a core's time while other programs are busy, and all of it otherwise."""

MOST_NOTES = 10_000
"""The largest number of small files."""

NOTES = ("seen", "failed", "hint", "plain")
"""The endings of small files."""

ABANDONED = 3600.0
"""Seconds after which an incomplete file was left behind by a process that died."""


def compile_all(folder: str) -> None:
    """Compiles every text that waits in the folder of the cache, unless another process does so already."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(NICE)
    root = Path(folder)
    with lock(root) as locked:
        while locked and (waiting := sorted(root.glob("*.cc"), key=lambda path: path.stat().st_mtime)):
            for text in waiting:
                compile_one(text)
        if locked:
            evict(root)


@contextlib.contextmanager
def lock(root: Path, name: str = "lock") -> Iterator[bool]:
    """Whether this process holds a lock of the cache, which ends with the process, however it ends."""
    import fcntl

    with (root / name).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def compile_one(text: Path) -> None:
    """Compiles a text to an entry, and removes the text; notes a failure of the compiler."""
    try:
        source, flags = text.read_text(), toolchain.native_flags()
        compiler = toolchain.find()
        source += f'\nSOFIE_JIT_EXPORTED const char sofie_jit_identity[33] = "{text.stem}";\n'
        image = compiler.build(source, {}, *flags)
        facts = Facts(
            version=__version__,
            interface=runtime_functions.interface(),
            system=library_file.system()[0],
            machine=library_file.system()[1],
            features=processor.needed(compiler.macros(*flags)),
            compiler=" ".join([*compiler.command, *flags]),
            identity=text.stem,
            digest=digest(image),
            weights={},
            model={},
        )
        write(text.with_suffix(".so"), library_file.joined(image, facts, {}))
    except CompileError as error:
        write(text.with_suffix(".failed"), [str(error).encode()])
    finally:
        with contextlib.suppress(OSError):
            text.unlink()


def limit(root: Path) -> int:
    """The largest size of all entries together, in bytes."""
    try:
        return int((root / "limit").read_text())
    except (OSError, ValueError):
        return LIMIT


def evict(root: Path) -> None:
    """Removes the entries that were not used for the longest time until the rest fits, and old notes."""
    entries = sorted([*root.glob("*.so"), *root.glob("*.model")], key=_time, reverse=True)
    total, most = 0, limit(root)
    for entry in entries:
        with contextlib.suppress(OSError):  # another process may have removed it
            total += entry.stat().st_size
        if total > most:
            _remove(entry)
    notes = sorted((path for suffix in NOTES for path in root.glob(f"*.{suffix}")), key=_time)
    for note in notes[: max(0, len(notes) - MOST_NOTES)]:
        _remove(note)
    for part in root.glob("*.part"):
        if time.time() - _time(part) > ABANDONED:
            _remove(part)


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process has removed it
        return 0.0


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
