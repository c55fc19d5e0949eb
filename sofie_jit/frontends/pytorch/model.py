"""A PyTorch model as the readers return it: checked, with numpy arrays for its tensors.

The classes consist of what the sandbox can send between processes (:mod:`sofie_jit.frontends.sandbox.wire`).
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.ir.weights import as_weight
from sofie_jit.records import dataclass


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of the file. Tensors that share memory in the file are views of one array."""

    dtype: str
    """Element type by numpy's name; bfloat16 and others that numpy lacks have PyTorch's."""
    array: np.ndarray | None
    """The elements; None for an element type that is not supported."""

    @property
    def elements(self) -> np.ndarray:
        """The elements. Raises UnsupportedLayerError for an element type that is not supported."""
        if self.array is None:
            raise UnsupportedLayerError(f"it uses a tensor of type {self.dtype}, which is not supported")
        return as_weight(self.array)


@dataclass(frozen=True)
class Input:
    """An input of the model."""

    name: str
    dtype: str
    sizes: list[int | str]
    """A number, or text of an expression for an open size."""


@dataclass(frozen=True)
class Constant:
    """A parameter, a buffer or a lifted constant."""

    name: str
    """Its name in the graph."""
    target: str
    """Its name in the module, such as ``layers.0.weight``."""
    kind: str
    """``parameter``, ``buffer`` or ``constant``."""
    tensor: StoredTensor


@dataclass(frozen=True)
class Node:
    """A call in the graph."""

    name: str
    target: str
    """Such as ``torch.ops.aten.linear.default``."""
    arguments: list[Any]
    """Pairs of a name and a value in JSON, as in the file."""
    outputs: list[Any]
    """The results, as in the file."""
    module: str
    """The path of the module that made the call, such as ``layers.0``; '' for the whole model."""
    graphs: list[Graph] = field(default_factory=list)
    """The graphs among the arguments, such as the branches of ``torch.cond``; an argument has the index of one."""

    @property
    def operator(self) -> str:
        """The operator, such as ``aten.linear``."""
        return self.target.removeprefix("torch.ops.").removesuffix(".default")

    @property
    def path(self) -> str:
        """Its name with that of the module."""
        return f"{self.module}/{self.name}" if self.module else self.name

    @property
    def label(self) -> str:
        """How messages call it."""
        return f"{self.path} ({self.operator})"


@dataclass(frozen=True)
class Graph:
    """A graph that a node runs."""

    inputs: list[str]
    """Names of its inputs, in the order of the operands."""
    nodes: list[Node]
    outputs: list[Any]
    """The results, in JSON as in the file."""


@dataclass(frozen=True)
class ExportedModel:
    """The graph of ``torch.export``."""

    source: str
    """The path as it was given."""
    torch_version: str
    inputs: list[Input]
    constants: list[Constant]
    known_inputs: dict[str, Any]
    """Inputs of the graph that are no tensors: name -> number, text or None."""
    nodes: list[Node]
    outputs: list[Any]
    """The results of the model, in JSON as in the file."""
    structure: Any
    """The nesting of the outputs: lists, ``{"tuple": [...]}``, ``{"dict": [[key, value], ...]}`` and indices into
    ``outputs``; None for a plain list."""
    input_structure: Any = None
    """The nesting of the inputs in the positional arguments of the module, in the same form."""
    ranges: list[list[Any]] = field(default_factory=list)
    """Text of an open size, its minimum and its maximum; None for no limit."""
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ScriptModel:
    """A TorchScript archive."""

    source: str
    version: str
    """The version of the format of TorchScript; '' if the file does not have it."""
    code: dict[str, str]
    """Name of a file of code, such as ``__torch__.torch.nn.modules.linear`` -> its text."""
    root: Any
    """The module as JSON: see :mod:`sofie_jit.frontends.pytorch.pickles`."""
    constants: Any
    """The constants ``c0``, ``c1``, ... of the code, in the same form."""
    tensors: list[StoredTensor]
    """The tensors that ``root`` and ``constants`` refer to."""
