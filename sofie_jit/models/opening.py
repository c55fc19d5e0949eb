"""From a source that a frontend read to a Model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sofie_jit.frontends.base import Translation
    from sofie_jit.ir.options import Optimize
    from sofie_jit.models.model import Model


def model_of(translation: Translation, *, threads: int | None = None, optimize: Optimize = True) -> Model:
    """The Model of a source: its machine code if it is a compiled library, else the compiled network.

    Each way imports its own modules, since a library is ready sooner than the modules of the other way.

    Raises SofieError if the network cannot be translated, and what :func:`sofie_jit.load` raises.
    """
    if translation.library is not None:
        from sofie_jit.models.library import open_library

        return open_library(translation.library, threads=threads, optimize=optimize)
    from sofie_jit.models.compile import compile_translation

    return compile_translation(translation, threads=threads, optimize=optimize)
