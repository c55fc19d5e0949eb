"""Files are read in a copy of the process, so that one that crashes HDF5's library is an error like any other.

The copy has everything imported and costs some milliseconds. It is no sandbox, and has few limits; ``isolated.py`` has.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from h5py._objects import phil

from sofie_jit.errors import ModelFileError
from sofie_jit.frontends.keras import files, isolated, transfer
from sofie_jit.frontends.keras.saved_model import SavedModel

CAN_FORK = hasattr(os, "fork") and sys.platform != "darwin"
"""Apple's libraries may not be used in a copy."""
PROCESSOR_SECONDS = 3
"""What the copy may take, and one more for every megabyte, which may be compressed: damage can make HDF5 loop."""
SECONDS = 30
"""On the clock, and as much again for every 100 MB. What takes longer may be waiting for a lock that a thread had when
the process was copied, as threads are not."""


def read(
    source: Any,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> SavedModel:
    """:func:`files.read` in a copy of this process; here, if ``source`` is no file or the system makes no copies.

    ``meanwhile`` is called while the copy reads.

    Raises what :func:`files.read` and ``meanwhile`` raise; ModelFileError if the copy crashes or takes too long.
    """
    if not CAN_FORK or not isinstance(source, (str, os.PathLike)):
        return files.read(source, config)
    given = None if config is None else files.given_config(config)
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"there is no file '{path}'")
    answer, out = os.pipe()
    with open(answer, "rb") as stream, open(out, "wb") as into:
        try:
            child = _fork()
        except (OSError, RuntimeError):  # no more processes, or a subinterpreter: no reason not to read the file
            return files.read(path, given)
        if child == 0:
            _serve(path, given, into)
        into.close()
        ended = None
        try:
            if meanwhile:
                meanwhile()
            saved = transfer.received(path, stream)
            return saved if given is None else dataclasses.replace(saved, config=given)
        except EOFError:
            ended = _end_of(child)
        except KeyboardInterrupt:
            os.kill(child, signal.SIGKILL)
            raise
        finally:
            if ended is None:  # the end of a copy of much memory takes as long as its making: nobody need wait
                threading.Thread(target=_end_of, args=(child,), daemon=True).start()
    if ended == signal.SIGALRM:
        return isolated.read(path, given)
    how = signal.strsignal(ended) if ended else "it ended too early"
    raise ModelFileError(
        f"'{path}' crashed the process that read it ({how}); it is damaged or hostile: fetch or save it again"
    )


def _fork() -> int:
    with warnings.catch_warnings(), phil:  # no other thread is amid a call of h5py, whose lock would stay closed
        warnings.simplefilter("ignore")  # Python's and others' about threads, which the copy does not need
        return os.fork()


def _serve(path: Path, given: dict[str, Any] | None, into: BinaryIO) -> NoReturn:
    """What the copy does; it ends without running anything of the process it is a copy of."""
    code = 1
    try:
        gc.disable()  # what is garbage here may be another library's, and want a lock of another thread's
        _set_limits(files.size(path))
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 2)  # the C library's last words
        transfer.send(into, path, lambda: files.read(path, given))
        code = 0
    finally:
        os._exit(code)


def _set_limits(size: int) -> None:
    """Time, no dump of memory, and signals that just end the process, whatever handlers there were."""
    import resource

    for number in ("INT", "ALRM", "XCPU", "SEGV", "BUS", "ABRT", "FPE", "ILL"):
        signal.signal(getattr(signal, f"SIG{number}"), signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.alarm(SECONDS + SECONDS * size // 10**8)
    for limit, value in ((resource.RLIMIT_CPU, PROCESSOR_SECONDS + size // 10**6), (resource.RLIMIT_CORE, 0)):
        bounds = [bound for bound in resource.getrlimit(limit) if bound != resource.RLIM_INFINITY]
        resource.setrlimit(limit, (min([value, *bounds]), resource.getrlimit(limit)[1]))


def _end_of(child: int) -> int:
    """The signal that ended it, or 0."""
    try:
        return os.WTERMSIG(os.waitpid(child, 0)[1])
    except ChildProcessError:  # somebody waits for all children, or for none
        return 0
