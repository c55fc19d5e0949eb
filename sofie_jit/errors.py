"""Every exception sofie_jit raises on purpose.

All derive from :class:`SofieError` and, beside it, from the built-in exception a user would catch.
A message says what was found, what was expected and what to do. A path that does not exist stays
:class:`FileNotFoundError`.
"""

from __future__ import annotations

from collections.abc import Sequence


class SofieError(Exception):
    """Base class of all errors of this package."""


class ModelFileError(SofieError, ValueError):
    """A file is damaged, is not a saved Keras model, or its config contradicts itself."""


class WeightsError(ModelFileError):
    """A weight is missing, left over, or has another shape or type than its layer needs."""


class UnsupportedLayerError(SofieError, NotImplementedError):
    """A model uses layers, or options of layers, that cannot be translated; lists all of them.

    ``problems`` holds one line per layer: its name, its class, and what stands in the way.
    """

    def __init__(self, problems: str | Sequence[str]):
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class GraphError(SofieError, ValueError):
    """An RModel is not well formed: an unknown tensor, a name used twice, operators out of order."""


class ShapeError(SofieError, ValueError):
    """An array or a tensor has a shape that does not fit where it is used."""


class DtypeError(SofieError, TypeError):
    """An array or a tensor has an element type that does not fit where it is used."""


class InputError(SofieError, TypeError):
    """``infer`` was called with the wrong number or the wrong names of inputs."""


class OutOfRangeError(SofieError, IndexError):
    """An index in the input data (an Embedding's, say) lies outside its table."""


class CompileError(SofieError, RuntimeError):
    """The generated C++ could not be compiled in this process."""


class VerificationError(SofieError, ArithmeticError):
    """Compiled code gives other numbers than rounding explains; see :func:`sofie_jit.verify.verify`."""


class MissingDependencyError(SofieError, ImportError):
    """An optional package is needed for what was asked and is not installed."""
