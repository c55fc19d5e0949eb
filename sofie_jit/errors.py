"""The exceptions of sofie_jit.

All derive from :class:`SofieError` and from the built-in exception that a user would catch. Messages say what was
found, what was expected and what to do. A path that does not exist raises the built-in :class:`FileNotFoundError`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

FOLDER = "sofie_jit-source-"
"""Beginning of the names of temporary folders with the content of a source, such as bytes, that has no path."""

LONGEST = 20_000
"""Maximum number of characters of a message; names in a hostile file may have any length."""


class SofieError(Exception):
    """Base class of all exceptions of this package.

    Messages quote names from files, so characters that a terminal would interpret are escaped.

    >>> print(SofieError("a bell: " + chr(7)))
    a bell: \\x07
    """

    def __init__(self, message: str = ""):
        super().__init__(_printable(without_folder(str(message))))

    def of_file(self, source: str) -> SofieError:
        """The same error with the name of the file at the beginning of its message, unless it is there already."""
        source = without_folder(source)
        return self if str(self).startswith((source, f"'{source}")) else type(self)(f"{source}: {self}")


def without_folder(text: str) -> str:
    """``text`` without the paths of temporary folders of sources: only the file's name says something to users.

    >>> without_folder("'/tmp/sofie_jit-source-1ab/bytes' is empty")
    "'bytes' is empty"
    """
    return re.sub(rf"(?:/[^\s'\"/]+)*/{FOLDER}[^\s'\"/]+/", "", text) if FOLDER in text else text


def counted(count: int, noun: str) -> str:
    """A number with its noun in the singular or plural.

    >>> counted(1, "input"), counted(2, "input"), counted(0, "input")
    ('1 input', '2 inputs', '0 inputs')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def one_line(error: BaseException, most: int = 300) -> str:
    """The message of an exception in one line of at most ``most`` characters; its type if there is no message.

    >>> one_line(ValueError("a\\nlong  message"), 10), one_line(KeyError())
    ('a long mes...', 'KeyError')
    """
    text = " ".join(str(error).split())
    return f"{text[:most]}..." if len(text) > most else text or type(error).__name__


def _printable(text: str) -> str:
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]} ... ({len(text) - LONGEST:,} characters more)"
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


class ModelFileError(SofieError, ValueError):
    """A file is damaged, is not a model of a supported format, or contradicts itself."""


class WeightsError(ModelFileError):
    """A weight is missing, is not used by any layer, or has the wrong shape or type."""


class UnsupportedLayerError(SofieError, NotImplementedError):
    """A model contains layers or operators, or uses options of them, that cannot be translated.

    ``problems`` has one line for each: its name, its class, and the reason. ``source`` is the name of the file.

    >>> error = UnsupportedLayerError(["a (Lambda): it contains Python code", "b (Foo): unknown"], "m.h5")
    >>> print(error)
    m.h5:
    a (Lambda): it contains Python code
    b (Foo): unknown
    """

    def __init__(self, problems: str | Sequence[str], source: str = ""):
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        self.source = source
        text = "\n".join(self.problems)
        super().__init__(
            f"{source}:\n{text}" if source and len(self.problems) > 1 else f"{source}: {text}".lstrip(": ")
        )

    def of_file(self, source: str) -> UnsupportedLayerError:
        """The same error for the file ``source``."""
        return UnsupportedLayerError(self.problems, source)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems, self.source)


class GraphError(SofieError, ValueError):
    """An RModel is invalid: an unknown tensor, a name that is used twice, or operators in the wrong order."""


class ShapeError(SofieError, ValueError):
    """An array or tensor has the wrong shape."""


class DtypeError(SofieError, TypeError):
    """An array or tensor has the wrong element type."""


class InputError(SofieError, TypeError):
    """The number or the names of inputs are wrong, or the data cannot be used."""


class OptionError(SofieError, ValueError):
    """An option is unknown, or it or its environment variable has an invalid value."""


class OutOfRangeError(SofieError, IndexError):
    """An index in the input data, such as that of an Embedding, is outside of its table."""


class OutOfMemoryError(SofieError, MemoryError):
    """The machine has too little memory for a network or its intermediate results."""


class CompileError(SofieError, RuntimeError):
    """The generated C++ could not be compiled in this process."""


class VerificationError(SofieError, ArithmeticError):
    """Results of compiled code differ by more than rounding; see :func:`sofie_jit.verification.verify.verify`."""


class MissingDependencyError(SofieError, ImportError):
    """An optional package that is needed is not installed."""
