"""A model in PyTorch itself: the reference of ``compare`` and ``bench``. torch is imported when it is needed."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, Protocol

import numpy as np

from sofie_jit.errors import InputError, MissingDependencyError, ModelFileError, one_line
from sofie_jit.frontends.base import OriginalModel
from sofie_jit.ir.dims import SymbolicDim
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass


class TorchTranslation(Protocol):
    """A translation of a PyTorch model."""

    @property
    def inputs(self) -> Mapping[str, TensorType]:
        """Name -> type of the inputs."""

    def __call__(self, sizes: Mapping[str, int] | None = None) -> RModel:
        """The RModel."""

    def nested_inputs(self, values: Sequence[Any]) -> Any:
        """Values, one per input, as the positional arguments of the module."""


def _torch() -> Any:
    if importlib.util.find_spec("torch") is None:
        raise MissingDependencyError(
            "running a model in PyTorch needs torch, which is not installed: pip install torch"
        )
    return importlib.import_module("torch")


def of_exported(
    source: Any, translation: TorchTranslation, outputs: Mapping[str, Sequence[str]], **options: Any
) -> OriginalModel:
    """The program of a ``.pt2`` file or of a live module; ``outputs`` are the results of each submodule.

    Raises MissingDependencyError without torch, and ModelFileError if torch cannot load the file.
    """
    torch = _torch()
    if isinstance(source, (str, os.PathLike)):
        try:
            program = torch.export.load(source)
        except Exception as error:  # a file may be wrong for this version in any way
            raise ModelFileError(f"torch {torch.__version__} cannot load {source}: {one_line(error)}") from error
    else:
        from sofie_jit.frontends.pytorch.live import program_of

        program = program_of(
            source, options.get("example_inputs"), options.get("example_kwargs"), options.get("dynamic_shapes")
        )
    return TorchModel(torch, program.module(), translation, outputs)


def of_script(source: Any, translation: TorchTranslation) -> OriginalModel:
    """The module of a TorchScript file.

    Raises MissingDependencyError without torch, and ModelFileError if torch cannot load the file.
    """
    torch = _torch()
    try:
        model = torch.jit.load(source, map_location="cpu") if isinstance(source, (str, os.PathLike)) else source
    except Exception as error:  # a file may be wrong for this version in any way
        raise ModelFileError(f"torch {torch.__version__} cannot load {source}: {str(error)[:300]}") from error
    return TorchModel(torch, model.eval(), translation)


@dataclass(frozen=True)
class TorchModel(OriginalModel):
    """A module of PyTorch, or a view of it that returns the outputs of some of its submodules."""

    torch: Any
    model: Any
    translation: TorchTranslation
    tensors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Path of each submodule -> names of its results in the graph."""
    ends: Sequence[str] = ()
    """Names of the results that are the outputs; those of the whole model if it is empty."""

    library = "PyTorch"

    @property
    def version(self) -> str:  # type: ignore[override]
        """The library and its version."""
        return f"PyTorch {self.torch.__version__}"

    @property
    def inputs(self) -> Sequence[tuple[str, tuple[int | None, ...]]]:
        """Element type and shape of each input."""
        return [
            (kind.dtype, tuple(None if isinstance(dim, SymbolicDim) else dim for dim in kind.shape))
            for kind in self.translation.inputs.values()
        ]

    @property
    def output_count(self) -> int:
        """The number of output tensors."""
        return len(self.ends) or len(self.translation().outputs)

    def arranged(self, names: Sequence[str], arrays: Sequence[np.ndarray]) -> Any:
        """``arrays`` in the order of the module's inputs."""
        given = dict(zip(names, arrays, strict=True))
        return [given[name] for name in self.translation.inputs]

    def evaluate(self, inputs: Any) -> list[np.ndarray]:
        """The outputs for arrays."""
        return self._evaluate(self.model, inputs, {})

    def evaluate_in_float64(self, inputs: Any) -> list[np.ndarray]:
        """The outputs of a copy in float64.

        Raises InputError if it mixes types, as modules with constants in float32 do.
        """
        try:
            with warnings.catch_warnings():  # of torch, about the copies of its own objects
                warnings.simplefilter("ignore", FutureWarning)
                model = copy.deepcopy(self.model).double()
            return self._evaluate(model, inputs, {"float32": "float64"})
        except Exception as error:  # of any kind
            raise InputError(f"PyTorch cannot run a copy of it in float64: {one_line(error)}") from error

    def _evaluate(self, model: Any, inputs: Any, types: Mapping[str, str]) -> list[np.ndarray]:
        arguments = self.tensors_of(inputs, types)
        with self.torch.no_grad():
            if not self.ends:
                return _arrays(model(*arguments))
            recorder = _recorder(self.torch, model)
            recorder.run(*self.torch.utils._pytree.tree_leaves(arguments))
            return [recorder.found[name].numpy() for name in self.ends]

    def tensors_of(self, inputs: Any, types: Mapping[str, str] | None = None) -> Any:
        """Arrays as the arguments of the module."""
        listed = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        arrays = list(self.arranged(list(inputs), list(inputs.values())) if isinstance(inputs, Mapping) else listed)
        kinds = list(self.translation.inputs.values())
        if len(arrays) != len(kinds):
            raise InputError(f"the model takes {len(kinds)} inputs, got {len(arrays)}")
        names = [(types or {}).get(kind.dtype, kind.dtype) for kind in kinds]
        tensors = [self.torch.from_numpy(np.array(a, name)) for a, name in zip(arrays, names, strict=True)]
        return self.translation.nested_inputs(tensors)

    def layers(self) -> Mapping[str, int]:
        """Path -> number of results of each submodule, in the order of computation."""
        return {path: len(names) for path, names in self.tensors.items()}

    def ending_in(self, layers: Mapping[str, int]) -> OriginalModel:
        """The same model with the results of submodules as its outputs."""
        ends = [name for path in layers for name in self.tensors[path]]
        return TorchModel(self.torch, self.model, self.translation, self.tensors, ends)

    def ways_to_run(self, rows: int) -> Mapping[str, Callable[[Any], Any]]:
        """Eager execution."""

        def eager(inputs: Any) -> Any:
            with self.torch.inference_mode():
                return _arrays(self.model(*self.tensors_of(inputs)))

        return {"torch": eager}


def _arrays(result: Any) -> list[np.ndarray]:
    """The tensors and numbers in nested results, in order, without None."""
    if result is None:
        return []
    if isinstance(result, Mapping):
        return [array for part in result.values() for array in _arrays(part)]
    if isinstance(result, (list, tuple)):
        return [array for part in result for array in _arrays(part)]
    return [result.numpy() if hasattr(result, "numpy") else np.asarray(result)]


def _recorder(torch: Any, model: Any) -> Any:
    """An interpreter of a graph that keeps the results of all nodes."""

    class Recorder(torch.fx.Interpreter):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(model)
            self.found: dict[str, Any] = {}

        def run_node(self, node: Any) -> Any:
            result = super().run_node(node)
            self.found[node.name] = result.clone() if isinstance(result, torch.Tensor) else result
            return result

    return Recorder()
