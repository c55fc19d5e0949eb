"""The frontend of compiled libraries, which :meth:`sofie_jit.Model.save_library` writes.

It reads the description in a library; nothing of the library is executed. Its machine code runs when
:func:`sofie_jit.load` makes a Model of it.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sofie_jit.errors import InputError, ModelFileError
from sofie_jit.frontends.base import Node, OriginalModel
from sofie_jit.frontends.base import Translation as BaseTranslation
from sofie_jit.jit.library_file import LibraryFile

if TYPE_CHECKING:
    from sofie_jit.ir.rmodel import RModel
    from sofie_jit.ir.types import TensorType


class Translation(BaseTranslation):
    """A compiled library; its network consists of the operators that run."""

    format: ClassVar[str] = "compiled library"
    node_word: ClassVar[str] = "compiled operator"

    def __init__(self, library: LibraryFile):
        self.library = library

    @property
    def source(self) -> str:
        return str(self.library_file.path)

    @property
    def library_file(self) -> LibraryFile:
        """The file."""
        assert self.library is not None
        return self.library

    @functools.cached_property
    def network(self) -> RModel:
        """The network as it was compiled."""
        from sofie_jit.codegen.stored_network import decode_network

        rmodel = decode_network(self.library_file.network(), self.library_file.weights())
        rmodel.generate()
        return rmodel

    @property
    def inputs(self) -> Mapping[str, TensorType]:
        return self.network.inputs

    def __call__(self, sizes: Mapping[str, int] | None = None) -> RModel:
        return self.network.bind(sizes) if sizes else self.network

    def nodes(self) -> Sequence[Node]:
        return [Node(op.origin or op.outputs[0], op.op_type) for op in self.network.operators]

    def original(self, source: Any, **options: Any) -> OriginalModel:
        raise InputError(f"{self.source} is a compiled library: give the model file that it was made from")

    @property
    def metadata(self) -> Mapping[str, str]:
        facts = self.library_file.facts
        return {
            "format": self.format,
            "version": f"sofie_jit {facts.version}, interface {facts.interface}",
            "machine": f"{facts.machine} on {facts.system}",
            "needs": ", ".join(facts.features) or f"any {facts.machine} processor",
            "built": facts.compiler,
        }


def open(
    source: str | os.PathLike[str], *, untrusted: bool | None = None, meanwhile: Callable[[], object] | None = None
) -> Translation:
    """Reads the description of a library; :func:`sofie_jit.frontends.open` calls it.

    Raises ModelFileError if the file is not a complete compiled library, and if it is ``untrusted``.
    """
    if untrusted:
        raise ModelFileError(
            f"'{source}' is a compiled library: machine code that would run with all rights of this process, so it "
            "cannot be loaded with untrusted=True. Load the model file that it was made from, or trust it"
        )
    return Translation(LibraryFile(Path(source)))
