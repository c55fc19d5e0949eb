"""Live modules and exported programs of PyTorch. This is the only module that imports torch to read a model."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sofie_jit.errors import OptionError, SofieError, UnsupportedLayerError, one_line
from sofie_jit.frontends.pytorch.exported import read_file
from sofie_jit.frontends.pytorch.model import ExportedModel, ScriptModel
from sofie_jit.frontends.pytorch.script.reader import read_file as read_script


def exported(
    source: Any, inputs: Sequence[Any] | None, keywords: Mapping[str, Any] | None, dynamic_shapes: Any
) -> ExportedModel:
    """The graph of an ``ExportedProgram``, or of a module that ``torch.export`` exports for example inputs.

    If ``dynamic_shapes`` is not given, the first dimension of each input is open.

    Raises OptionError if the example inputs are missing, and UnsupportedLayerError if the module cannot be exported.
    """
    import torch

    program = program_of(source, inputs, keywords, dynamic_shapes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt2"
        torch.export.save(program, path)
        return dataclasses.replace(read_file(path), source=type(source).__name__)


def is_script(source: Any) -> bool:
    """Whether an object is a module of TorchScript."""
    import torch

    return isinstance(source, torch.jit.ScriptModule)


def saved(source: Any) -> ScriptModel:
    """A module of TorchScript as the reader returns it."""
    import torch

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        torch.jit.save(source, path)
        return dataclasses.replace(read_script(path), source=type(source).__name__)


def program_of(
    source: Any, inputs: Sequence[Any] | None, keywords: Mapping[str, Any] | None, dynamic_shapes: Any
) -> Any:
    """An ``ExportedProgram``, or that of a module; raises the errors of :func:`exported`."""
    import torch

    if isinstance(source, torch.export.ExportedProgram):
        return source
    if isinstance(source, torch.nn.Module):
        return _export(source, inputs, keywords, dynamic_shapes)
    raise OptionError(f"expected a torch.nn.Module or an ExportedProgram, got {type(source).__name__}")


def _export(module: Any, inputs: Sequence[Any] | None, keywords: Mapping[str, Any] | None, dynamic_shapes: Any) -> Any:
    import torch

    if inputs is None and not keywords:
        raise OptionError(
            "a live module needs example inputs: sofie_jit.load(module, example_inputs=(torch.zeros(2, 16),))"
        )
    given = () if inputs is None else tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    was_training = module.training
    module.eval()
    try:
        if dynamic_shapes is not None:
            return torch.export.export(module, given, dict(keywords or {}), dynamic_shapes=dynamic_shapes)
        try:
            return torch.export.export(module, given, dict(keywords or {}), dynamic_shapes=_open_batch(given, keywords))
        except Exception:  # a model for a fixed batch
            return torch.export.export(module, given, dict(keywords or {}))
    except SofieError:
        raise
    except Exception as error:  # of any kind
        raise UnsupportedLayerError(
            f"{type(module).__name__}: torch.export cannot export it: {one_line(error, 2000)}"
        ) from error
    finally:
        module.train(was_training)


def _open_batch(inputs: Any, keywords: Mapping[str, Any] | None) -> Any:
    """An open first dimension for every tensor, of one name."""
    import torch

    batch = torch.export.Dim("batch")

    def shapes(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return {0: batch} if value.ndim else None
        if isinstance(value, Mapping):
            return {key: shapes(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(map(shapes, value))
        return None

    found = shapes(inputs)
    if not keywords:
        return found
    raise ValueError("keyword arguments")
