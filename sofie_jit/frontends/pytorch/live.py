"""Live modules and exported programs of PyTorch. This is the only module that imports torch to read a model."""

from __future__ import annotations

import dataclasses
import inspect
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sofie_jit.errors import OptionError, SofieError, UnsupportedLayerError, counted, one_line
from sofie_jit.frontends.pytorch.exported import read_file
from sofie_jit.frontends.pytorch.model import ExportedModel, ScriptModel
from sofie_jit.frontends.pytorch.script.reader import read_file as read_script


def exported(
    source: Any, inputs: Sequence[Any] | None, keywords: Mapping[str, Any] | None, dynamic_shapes: Any
) -> ExportedModel:
    """The graph of an ``ExportedProgram``, or of a module that ``torch.export`` exports for example inputs.

    If ``dynamic_shapes`` is not given, the first dimension of each input is open, see :func:`_with_open_batch`.

    Raises OptionError if the example inputs are missing, and UnsupportedLayerError if the module cannot be exported.
    """
    import torch

    program = program_of(source, inputs, keywords, dynamic_shapes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt2"
        try:
            torch.export.save(program, path)
        except Exception as error:  # of any kind
            raise UnsupportedLayerError(
                f"{type(source).__name__}: torch.export cannot save it: {one_line(error)}"
            ) from error
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
            "a live module needs example inputs, for load and compare: example_inputs=(torch.zeros(2, 16),)"
        )
    given = () if inputs is None else tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    was_training = module.training
    module.eval()
    try:
        if dynamic_shapes is not None:
            return torch.export.export(module, given, dict(keywords or {}), dynamic_shapes=dynamic_shapes)
        return _with_open_batch(module, given, dict(keywords or {}))
    except SofieError:
        raise
    except Exception as error:  # of any kind
        raise UnsupportedLayerError(
            f"{type(module).__name__}: torch.export cannot export it: {one_line(error, 2000)}"
        ) from error
    finally:
        module.train(was_training)


def _with_open_batch(module: Any, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """The program of a module with an open first dimension, or of a fixed one, with a warning, if that is impossible.

    The first dimensions that are as long as that of the first tensor are open. A single row is exported as two, because
    torch.export takes a size of 1 for a constant.
    """
    import torch

    sizes = [value.shape[0] for value in _tensors([inputs, keywords]) if value.ndim]
    if not sizes:
        return torch.export.export(module, inputs, keywords)
    rows, batch = sizes[0], torch.export.Dim("batch")

    def is_open(value: Any) -> bool:
        return bool(value.ndim) and value.shape[0] == rows

    def repeated(value: Any) -> Any:
        return torch.cat([value, value]) if rows == 1 and is_open(value) else value

    def shape(value: Any) -> Any:
        return {0: batch} if is_open(value) else None

    bound: Any = inputs
    if keywords:
        bound = dict(inspect.signature(module.forward).bind(*inputs, **keywords).arguments)
    shapes = _mapped(bound, shape, lambda other: None)
    try:
        return torch.export.export(
            module, _mapped(inputs, repeated), _mapped(keywords, repeated), dynamic_shapes=shapes
        )
    except Exception as error:
        program = torch.export.export(module, inputs, keywords)
        warnings.warn(
            f"{type(module).__name__} is loaded for exactly {counted(rows, 'row')}, as in the example inputs, because "
            f"torch.export cannot leave the first dimension open ({one_line(error)}); dynamic_shapes= says which sizes "
            "are open",
            stacklevel=2,
        )
        return program


def _tensors(value: Any) -> list[Any]:
    """The tensors in nested lists, tuples and dicts."""
    found: list[Any] = []
    _mapped(value, found.append)
    return found


def _mapped(value: Any, function: Callable[[Any], Any], other: Callable[[Any], Any] = lambda value: value) -> Any:
    """``value`` with its tensors replaced by the results of ``function``, and everything else by those of ``other``."""
    import torch

    if isinstance(value, torch.Tensor):
        return function(value)
    if isinstance(value, Mapping):
        return {key: _mapped(item, function, other) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_mapped(item, function, other) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return other(value)
