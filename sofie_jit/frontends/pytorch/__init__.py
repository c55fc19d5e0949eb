"""The frontend of PyTorch: ``.pt2`` and TorchScript archives, without torch, and live modules by ``torch.export``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sofie_jit.errors import OptionError
from sofie_jit.frontends import base, sandbox
from sofie_jit.frontends.base import errors_of_file
from sofie_jit.frontends.content import examine
from sofie_jit.frontends.fixed_sizes import with_input_shapes
from sofie_jit.frontends.pytorch.script.translation import Translation as ScriptTranslation
from sofie_jit.frontends.pytorch.translation import Translation

EXPORTED = "sofie_jit.frontends.pytorch.exported:read_file"
SCRIPT = "sofie_jit.frontends.pytorch.script.reader:read_file"


def open(
    source: Any,
    *,
    example_inputs: Sequence[Any] | None = None,
    example_kwargs: Mapping[str, Any] | None = None,
    dynamic_shapes: Any = None,
    input_shapes: Sequence[Sequence[int | str | None]] | Mapping[str, Sequence[int | str | None]] | None = None,
    input_dtypes: Sequence[str] | str | None = None,
    outputs: str | Sequence[str] | None = None,
    replace: Mapping[str, Callable[..., Any]] | None = None,
    untrusted: bool | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> base.Translation:
    """Reads a file, or exports a live module; :func:`sofie_jit.frontends.open` calls it.

    ``example_inputs``, ``example_kwargs`` and ``dynamic_shapes``: those of ``torch.export.export``, for a live module.
    ``input_shapes``: one shape per input, or a dict by name, with None for open sizes. TorchScript modules do not
    contain them, and may have names of open sizes; by default they are those of the first call, with an open first
    dimension. Those of other models fix sizes that are open.
    ``input_dtypes``: the type (default float32) of each tensor that a TorchScript module takes.
    ``outputs``: paths of modules whose results replace the model's outputs.
    ``replace``: functions of Symbols that take the place of modules, by their paths.
    ``untrusted`` and ``meanwhile``: see :func:`sandbox.read`.

    Raises FileNotFoundError, ModelFileError, and OptionError for options that the kind of the source does not have.
    """
    wanted = [outputs] if isinstance(outputs, str) else outputs
    of_live = {"example_inputs": example_inputs, "example_kwargs": example_kwargs, "dynamic_shapes": dynamic_shapes}
    of_script = {"input_dtypes": input_dtypes}
    if not isinstance(source, (str, os.PathLike)):
        from sofie_jit.frontends.pytorch.live import exported, is_script, saved

        if is_script(source):
            _refuse(of_live, "modules of TorchScript")
            return ScriptTranslation(saved(source), replace, wanted, input_shapes, input_dtypes)
        _refuse(of_script, "live modules; use example_inputs= and dynamic_shapes=")
        model = exported(source, example_inputs, example_kwargs, dynamic_shapes)
        return with_input_shapes(Translation(model, replace, wanted), input_shapes)  # type: ignore[arg-type]
    _refuse(of_live, "files")
    names = examine(source).names
    is_exported = any(name.endswith(("archive_format", "exported_program.json", "models/model.json")) for name in names)
    reader = EXPORTED if is_exported else SCRIPT
    model = sandbox.read(reader, source, untrusted=bool(untrusted), meanwhile=meanwhile)
    with errors_of_file(model.source):
        if is_exported:
            _refuse(of_script, ".pt2 files, which contain the shapes of their inputs")
            return with_input_shapes(Translation(model, replace, wanted), input_shapes)  # type: ignore[arg-type]
        return ScriptTranslation(model, replace, wanted, input_shapes, input_dtypes)


def _refuse(options: Mapping[str, Any], what: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise OptionError(f"the option {name}= is not for {what}")
