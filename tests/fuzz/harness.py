"""The requirement for every broken file: a header, or one SofieError that names the file, within limits."""

from __future__ import annotations

import hashlib
import re
import resource
import signal
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mutations import Recipe, write

from sofie_jit import frontends
from sofie_jit.codegen.print_header import export_header
from sofie_jit.codegen.print_jit import jit_text
from sofie_jit.errors import LONGEST, ModelFileError, SofieError
from sofie_jit.frontends.keras import files
from sofie_jit.passes.pipeline import lower

SECONDS = 5.0
"""Processor time, so that other programs on the machine do not matter."""
BYTES = 500 << 20

TEXT = re.compile(r"[\t\n -~]*")
"""The characters of a header."""


class TooSlowError(BaseException):
    """Not an Exception, so that no code handles it as an error of the file."""


@contextmanager
def limits() -> Any:
    """Limits the further time and memory of the process."""

    def too_slow(*_: Any) -> None:
        raise TooSlowError(f"more than {SECONDS} s")

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + BYTES, hard))
    before = signal.signal(signal.SIGPROF, too_slow)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def headers(path: Path, config: Any = None, untrusted: bool | None = False) -> list[str]:
    """The generated texts of a file, for the JIT and for other programs.

    The file is read in this process, unless ``untrusted``, which is ``load``'s, says otherwise.
    """
    rmodel = frontends.open(path, config=config, untrusted=untrusted)()
    lowered = lower(rmodel)
    return [jit_text(lowered).text, export_header(lowered, "model", weights="binary")[0]]


def verdict(recipe: Recipe, path: Path, untrusted: bool | None = False) -> tuple[str, str]:
    """The outcome for the file of a recipe.

    ``("loads", digest of the code that would be compiled)``, ``("refused", "")``, or ``("failed", what is wrong)``.
    """
    config = write(recipe, path)
    try:
        with limits(), warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # from numpy, about unchecked values
            texts = headers(path, config, untrusted)
    except SofieError as error:
        if path.name not in str(error) and config is None:
            return "failed", f"does not name the file: {type(error).__name__}: {error}"
        if len(str(error)) > LONGEST + 100:
            return "failed", f"a message of {len(str(error))} characters"
        return _cause(error)
    except (Exception, TooSlowError) as error:
        return "failed", f"{type(error).__name__}: {error} {_place(error)}"
    if not all(TEXT.fullmatch(text) for text in texts):
        return "failed", "a header has other than plain characters"
    return "loads", hashlib.sha256(texts[0].encode()).hexdigest()[:16]


def refused_by_copy(recipe: Recipe, path: Path) -> str:
    """The reason why ``load`` does not raise one ModelFileError that names this file; "" if it does.

    To be asked of files that crash HDF5's library in the process that reads them.
    """
    config = write(recipe, path)
    try:
        files.read(path, config, untrusted=None)
    except ModelFileError as error:
        return "" if path.name in str(error) else f"does not name the file: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error} {_place(error)}"
    return ""  # this time the library survived


def _cause(error: BaseException) -> tuple[str, str]:
    """Finds an error of the limits, or an unexpected one, among the causes of the SofieError."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, MemoryError):
            return "failed", f"MemoryError {_place(link)}"
        link = link.__cause__ or link.__context__
    return "refused", ""


def _place(error: BaseException) -> str:
    """The innermost line of the package in an error's traceback."""
    found, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "sofie_jit" in file and "fuzz" not in file:
            found = f"at {file.rpartition('sofie_jit/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found
