"""The frontend of PyTorch: ``.pt2`` and TorchScript archives, without torch, and live modules by ``torch.export``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sofie_jit.frontends import sandbox
from sofie_jit.frontends.base import errors_of_file
from sofie_jit.frontends.pytorch.translation import Translation

EXPORTED = "sofie_jit.frontends.pytorch.exported:read_file"


def open(
    source: Any,
    *,
    example_inputs: Sequence[Any] | None = None,
    example_kwargs: Mapping[str, Any] | None = None,
    dynamic_shapes: Any = None,
    outputs: str | Sequence[str] | None = None,
    replace: Mapping[str, Callable[..., Any]] | None = None,
    untrusted: bool | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> Translation:
    """Reads a file, or exports a live module; :func:`sofie_jit.frontends.open` calls it.

    ``example_inputs``, ``example_kwargs`` and ``dynamic_shapes``: those of ``torch.export.export``, for a live module.
    ``outputs``: paths of modules whose results replace the model's outputs.
    ``replace``: functions of Symbols that take the place of modules, by their paths.
    ``untrusted`` and ``meanwhile``: see :func:`sandbox.read`.

    Raises FileNotFoundError and ModelFileError.
    """
    wanted = [outputs] if isinstance(outputs, str) else outputs
    if not isinstance(source, (str, os.PathLike)):
        from sofie_jit.frontends.pytorch.live import exported

        model = exported(source, example_inputs, example_kwargs, dynamic_shapes)
    else:
        model = sandbox.read(EXPORTED, source, untrusted=bool(untrusted), meanwhile=meanwhile)
    with errors_of_file(model.source):
        return Translation(model, replace, wanted)
