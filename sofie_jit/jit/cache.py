"""The cache of compiled models: machine code of networks that this user has compiled before.

A network that is seen for the second time is compiled in the background by the system's compiler; later processes load
its machine code and do not start Cling. The text is the one that Cling compiles, so results have the same bits. An
entry is a compiled library without weights. Files of the folder (:mod:`sofie_jit.jit.cache_folder`):

========================  =======================================================
``<key>.so``              an entry; its time of modification is that of its last use
``<key>.seen``            the network has been compiled by Cling once
``<key>.cc``              the text of a network that waits for the compiler
``<key>.failed``          the compiler refuses this text
``<key>.hint``            a file whose network was in the cache
``lock``                  held by the process that compiles
``limit``                 the largest size of all entries in bytes, if the user has set one
========================  =======================================================

Nothing here raises: what cannot be read, written or trusted is not used.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from sofie_jit.codegen.kernel_library import kernel_hash
from sofie_jit.codegen.print_jit import JitText
from sofie_jit.errors import SofieError
from sofie_jit.jit import cache_folder, cache_hints, processor, runtime_functions, toolchain
from sofie_jit.jit.cache_entry import open_entry
from sofie_jit.jit.library import Library
from sofie_jit.version import __version__

FORM = "2"
"""Changes when entries get other symbols."""

PATIENCE = 600.0
"""Seconds after which a text that still waits is given to the compiler again, since the last one may have died."""
RETRY = 24 * 3600.0
"""Seconds after which the compiler gets a text that it refused, since a full disk or too little memory may be why."""


def vector_bytes() -> int | None:
    """Bytes of a register for which entries are made; None if the cache cannot be used on this processor.

    Without fused multiply-add, compilers may round differently.
    """
    known = processor.features()
    if known is None or not known & {"fma", "asimd"}:
        return None
    return 64 if "avx512f" in known else 32 if {"avx", "fma"} <= known else 16


def find(code: JitText) -> Library | None:
    """The machine code of a network from the cache; None if it is not there."""
    folder = cache_folder.usable()
    if folder is None:
        return None
    name = key(code)
    library = open_entry(folder, name)
    if library is not None:
        cache_hints.used.add(name)
        cache_hints.recurring.append(name)
    return library


def saw(code: JitText) -> None:
    """Notes that Cling has compiled a network. The compiler gets it now if that is not the first time."""
    folder = cache_folder.usable()
    if folder is None:
        return
    name = key(code)
    seen = folder / f"{name}.seen"
    with contextlib.suppress(OSError):
        if not seen.exists():
            seen.touch(mode=0o600)
        else:
            cache_hints.recurring.append(name)
            order(code)


def order(code: JitText) -> None:
    """Gives a network to the compiler, in another process, unless it is in the cache or was tried lately."""
    folder = cache_folder.usable()
    if folder is None:
        return
    names = {suffix: folder / f"{key(code)}.{suffix}" for suffix in ("cc", "failed", "so")}
    with contextlib.suppress(OSError, SofieError):
        if not names["so"].exists() and not (is_recent(names["failed"], RETRY) or is_recent(names["cc"], PATIENCE)):
            toolchain.find()
            from sofie_jit.jit.library_source import code_source

            cache_folder.write(names["cc"], [code_source(code).encode()])
            _start_compiling(folder)


def key(code: JitText) -> str:
    """A digest of all that the machine code of a network depends on."""
    import hashlib

    deferred = [function.definition for function in code.deferred.values()]
    facts = [code.text, *code.outlined.values(), *deferred, *code.kernels, *code.parallel_kernels, kernel_hash()]
    facts += [FORM, __version__, runtime_functions.interface(), *sorted(processor.features() or ()), *_compiler()]
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(fact.encode() + b"\0")
    return digest.hexdigest()[:32]


def _compiler() -> list[str]:
    """The compiler and what distinguishes it from other versions; empty if there is none."""
    try:
        command = toolchain.find().command
        found = os.stat(toolchain.path(command[0]))
    except (SofieError, OSError):
        return []
    return [*command, str(found.st_size), str(found.st_mtime_ns)]


def is_recent(path: Path, seconds: float) -> bool:
    """Whether a file exists and was written in the last ``seconds``."""
    try:
        return time.time() - path.stat().st_mtime < seconds
    except OSError:
        return False


_children: list[subprocess.Popen[bytes]] = []


@atexit.register
def _let_children_go() -> None:
    """Keeps Popen from warning about children that outlive this process."""
    for child in _children:
        if child.poll() is None:
            child.returncode = 0


def _start_compiling(folder: Path) -> None:
    """Starts a process that compiles all texts that wait."""
    start("sofie_jit.jit.cache_compile", "compile_all", folder)


def start(module: str, function: str, folder: Path) -> None:
    """Calls a function with the path of the folder in another process, which outlives this one."""
    program = _PROGRAM.format(path=sys.path, module=module, function=function, folder=str(folder))
    command = [sys.executable, "-c", program]
    nothing = subprocess.DEVNULL
    _children.append(  # kept, because Popen warns about children that it forgets
        subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True, cwd="/")
    )


_PROGRAM = """import sys
sys.path[:] = {path!r}
from {module} import {function}
{function}({folder!r})
"""
