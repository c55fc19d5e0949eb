"""Reads a file in a forked copy of this process, so that a file that crashes the reader raises an error here.

All modules are already imported in the copy, which takes some milliseconds, or a tenth of a second if this process is
large. Only its time is limited; :mod:`isolated` limits other resources, too.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from sofie_jit.frontends.content import byte_size
from sofie_jit.frontends.sandbox import isolated, wire
from sofie_jit.frontends.sandbox.reader import function, result_type

CAN_FORK = hasattr(os, "fork") and sys.platform != "darwin"
"""Apple's libraries may not be used in a forked process."""
PROCESSOR_SECONDS = 3
"""Processor time of the copy, and one second more per megabyte, which may be compressed: damage can make HDF5 loop."""
SECONDS = 30
"""Time on the clock, and as much again per 100 MB. A copy that takes longer may be waiting for a lock that another
thread held when the process was copied, because threads are not copied."""


def read(reader: str, path: Path, arguments: Sequence[Any] = (), meanwhile: Callable[[], object] | None = None) -> Any:
    """Calls ``reader`` in a copy of this process; in this process if the system cannot make one.

    ``meanwhile`` is called while the copy reads.

    Raises what the reader and ``meanwhile`` raise; ModelFileError if the copy crashes or takes too long.
    """
    expected = result_type(reader)  # imports the reader here, so that later copies have it
    answer, out = os.pipe()
    with open(answer, "rb") as stream, open(out, "wb") as into:
        try:
            child = _fork()
        except (OSError, RuntimeError):  # no more processes, or a subinterpreter; the file can be read here
            return function(reader)(path, *arguments)
        if child == 0:
            _serve(reader, path, arguments, into)
        into.close()
        ended = None
        try:
            if meanwhile:
                meanwhile()
            return wire.receive(stream, path, expected)
        except EOFError:
            ended = _end_of(child)
        except KeyboardInterrupt:
            os.kill(child, signal.SIGKILL)
            raise
        finally:
            if ended is None:  # a large copy takes as long to end as to make; nothing here has to wait for that
                threading.Thread(target=_end_of, args=(child,), daemon=True).start()
    if ended == signal.SIGALRM:
        return isolated.read(reader, path, arguments)
    raise isolated.crash(path, (signal.strsignal(ended) if ended else None) or "it ended too early")


def _fork() -> int:
    with warnings.catch_warnings(), _library_locks():
        warnings.simplefilter("ignore")  # warnings about threads do not apply: the copy uses none
        return os.fork()


def _library_locks() -> contextlib.AbstractContextManager[Any]:
    """The lock of h5py, if it is loaded: if another thread held it, it would stay locked in the copy forever."""
    h5py = sys.modules.get("h5py._objects")
    return h5py.phil if h5py else contextlib.nullcontext()


def _serve(reader: str, path: Path, arguments: Sequence[Any], into: BinaryIO) -> NoReturn:
    """The work of the copy, which ends without running any clean-up code of the process that it is a copy of."""
    code = 1
    try:
        gc.disable()  # garbage here may belong to another library and need a lock that another thread held
        _set_limits(byte_size(path))
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 2)  # messages of a crashing C library
        wire.send(into, path, lambda: function(reader)(path, *arguments), result_type(reader))
        code = 0
    finally:
        os._exit(code)


def _set_limits(size: int) -> None:
    """Limits the time, forbids a core dump, and resets signal handlers, so that signals end the process."""
    import resource

    for number in ("INT", "ALRM", "XCPU", "SEGV", "BUS", "ABRT", "FPE", "ILL"):
        signal.signal(getattr(signal, f"SIG{number}"), signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.alarm(SECONDS + SECONDS * size // 10**8)
    for limit, value in ((resource.RLIMIT_CPU, PROCESSOR_SECONDS + size // 10**6), (resource.RLIMIT_CORE, 0)):
        bounds = [bound for bound in resource.getrlimit(limit) if bound != resource.RLIM_INFINITY]
        resource.setrlimit(limit, (min([value, *bounds]), resource.getrlimit(limit)[1]))


def _end_of(child: int) -> int:
    """Waits for a process; the signal that ended it, or 0."""
    try:
        return os.WTERMSIG(os.waitpid(child, 0)[1])
    except ChildProcessError:  # another thread waits for all children, or SIGCHLD is ignored
        return 0
