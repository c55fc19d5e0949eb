"""Translates an ONNX model to an RModel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends import base
from sofie_jit.frontends.base import Node, errors_of_file
from sofie_jit.frontends.onnx.model import OnnxModel, ValueInfo
from sofie_jit.ir.dims import Shape
from sofie_jit.ir.operators.operator import TensorType
from sofie_jit.ir.rmodel import RModel


@dataclass
class Translation(base.Translation):
    """An ONNX model that can be translated for any sizes of its open dimensions."""

    model: OnnxModel

    format = "ONNX"

    @property
    def source(self) -> str:
        """The name of the file in messages."""
        return self.model.source

    @property
    def inputs(self) -> dict[str, TensorType]:
        """Name -> type of the inputs that have no initializer.

        Open dimensions have the file's names; those without a name are called after the input and the axis.
        """
        with errors_of_file(self.source):
            return {value.name: TensorType(value.dtype, _shape(value)) for value in self.model.graph.inputs}

    def __call__(self, sizes: Mapping[str, int] | None = None) -> RModel:
        """The RModel with ``sizes`` for open dimensions by name; raises UnsupportedLayerError."""
        problems = [f"{node.label}: the operator is not supported" for node in self.model.graph.walk()]
        raise UnsupportedLayerError(problems, self.source)

    def nodes(self) -> list[Node]:
        """The operators in execution order, those of subgraphs after the operator that has them."""
        return [Node(node.name, node.type) for node in self.model.graph.walk()]

    @property
    def metadata(self) -> dict[str, str]:
        """The format, the program that saved the model, the versions of operators, and the file's own metadata."""
        opsets = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in self.model.opsets.items())
        saved = {"saved by": self.model.producer} if self.model.producer else {}
        known = {"format": self.format, **saved, "ir version": str(self.model.ir_version), "opsets": opsets}
        return self.model.metadata | known


def _shape(value: ValueInfo) -> Shape:
    if value.shape is None:
        raise UnsupportedLayerError(
            f"input '{value.name}' ({value.dtype or 'unknown type'}): the file does not tell its shape"
        )
    return tuple(f"{value.name}_{axis}" if dim is None else dim for axis, dim in enumerate(value.shape))
