"""Every exception sofie_jit raises on purpose.

All derive from :class:`SofieError` and, beside it, from the built-in exception a user would catch.
A message says what was found, what was expected and what to do. A path that does not exist stays
:class:`FileNotFoundError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LONGEST = 20_000
"""Characters of a message; names in a hostile file may have any length."""


class SofieError(Exception):
    """Base class of all errors of this package.

    Messages quote names from files, so what a terminal would act upon stands in them as its code.
    """

    def __init__(self, message: str = ""):
        super().__init__(_printable(str(message)))

    def of_file(self, source: str) -> SofieError:
        """The same error with the name of the file in front, unless it is there."""
        return self if str(self).startswith((source, f"'{source}")) else type(self)(f"{source}: {self}")


def _printable(text: str) -> str:
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]} ... ({len(text) - LONGEST:,} characters more)"
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


class ModelFileError(SofieError, ValueError):
    """A file is damaged, is not a saved Keras model, or its config contradicts itself."""


class WeightsError(ModelFileError):
    """A weight is missing, left over, or has another shape or type than its layer needs."""


class UnsupportedLayerError(SofieError, NotImplementedError):
    """A model uses layers, or options of layers, that cannot be translated; lists all of them.

    ``problems`` holds one line per layer: its name, its class, and what stands in the way; ``source`` is the file.
    """

    def __init__(self, problems: str | Sequence[str], source: str = ""):
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        self.source = source
        text = "\n".join(self.problems)
        super().__init__(
            f"{source}:\n{text}" if source and len(self.problems) > 1 else f"{source}: {text}".lstrip(": ")
        )

    def of_file(self, source: str) -> UnsupportedLayerError:
        return UnsupportedLayerError(self.problems, source)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems, self.source)


class GraphError(SofieError, ValueError):
    """An RModel is not well formed: an unknown tensor, a name used twice, operators out of order."""


class ShapeError(SofieError, ValueError):
    """An array or a tensor has a shape that does not fit where it is used."""


class DtypeError(SofieError, TypeError):
    """An array or a tensor has an element type that does not fit where it is used."""


class InputError(SofieError, TypeError):
    """``infer`` was called with the wrong number or the wrong names of inputs."""


class OptionError(SofieError, ValueError):
    """An option, or an environment variable that stands for one, has a value that it cannot have."""


class OutOfRangeError(SofieError, IndexError):
    """An index in the input data (an Embedding's, say) lies outside its table."""


class OutOfMemoryError(SofieError, MemoryError):
    """The machine has too little memory for a network, or for what it computes on the way."""


class CompileError(SofieError, RuntimeError):
    """The generated C++ could not be compiled in this process."""


class VerificationError(SofieError, ArithmeticError):
    """Compiled code gives other numbers than rounding explains; see :func:`sofie_jit.verification.verify.verify`."""


class MissingDependencyError(SofieError, ImportError):
    """An optional package is needed for what was asked and is not installed."""
