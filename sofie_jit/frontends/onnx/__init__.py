"""The frontend of ONNX: reads ``.onnx`` files without the packages onnx and protobuf."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from sofie_jit.frontends.base import errors_of_file
from sofie_jit.frontends.onnx import inline, reader
from sofie_jit.frontends.onnx.translation import Translation


def open(
    source: str | os.PathLike[str],
    *,
    replace: Mapping[str, Callable[..., Any]] | None = None,
    untrusted: bool | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> Translation:
    """Reads a file; :func:`sofie_jit.frontends.open` calls it.

    ``replace``: functions of Symbols that take the place of nodes, by the nodes' names.
    ``untrusted`` and ``meanwhile``: see :func:`reader.read`.

    Raises FileNotFoundError and ModelFileError.
    """
    model = reader.read(source, untrusted=untrusted, meanwhile=meanwhile)
    with errors_of_file(model.source):
        return Translation(inline.inlined(model), replace)
