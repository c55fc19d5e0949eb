"""The frontend of ONNX: reads ``.onnx`` files without the packages onnx and protobuf."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.base import errors_of_file
from sofie_jit.frontends.onnx import inline, reader
from sofie_jit.frontends.onnx.translation import Translation, ending_in


def open(
    source: str | os.PathLike[str],
    *,
    outputs: str | Sequence[str] | None = None,
    replace: Mapping[str, Callable[..., Any]] | None = None,
    values: Mapping[str, np.ndarray] | None = None,
    untrusted: bool | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> Translation:
    """Reads a file; :func:`sofie_jit.frontends.open` calls it.

    ``outputs``: names of tensors that replace the model's outputs.
    ``replace``: functions of Symbols that take the place of nodes, by the nodes' names.
    ``values``: inputs that get a fixed value, such as the axes of a reduction; the model then lacks these inputs.
    ``untrusted`` and ``meanwhile``: see :func:`reader.read`.

    Raises FileNotFoundError, ModelFileError, and InputError for a value that its input cannot have.
    """
    model = reader.read(source, untrusted=untrusted, meanwhile=meanwhile)
    with errors_of_file(model.source):
        model = inline.inlined(model)
        if outputs is not None:
            graph = ending_in(model.graph, [outputs] if isinstance(outputs, str) else outputs)
            model = dataclasses.replace(model, graph=graph)
        translation = Translation(model, replace)
        return translation.with_values(values) if values else translation
