"""ROperator: what every operator is: ONNX attributes, types of the outputs, and their values.

To add an operator, write a dataclass in its own file in this folder that derives from :class:`ROperator` and defines

* its attributes as fields with ONNX's names and defaults (a class that adds none needs no ``@dataclass`` of its own,
  which would take a millisecond of every import),
* ``infer(*inputs)``: the types of its outputs from the types of its inputs.

Its C++ call is a function of the file with the same name in ``sofie_jit/codegen/lowered``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from sofie_jit.ir.dims import (
    BATCH,
    Dim,
    Shape,
    bind_shape,
    counts_rows,
    format_shape,
    normalize_axis,
    product,
    split_count,
    static_dim,
    static_dims,
)
from sofie_jit.ir.types import (
    DTYPES,
    MAX_ELEMENTS,
    MAX_TABLE,
    TensorType,
    check_bias,
    check_table,
    common_dtype,
    float_dtype,
)

__all__ = [
    "BATCH",
    "DTYPES",
    "MAX_ELEMENTS",
    "MAX_TABLE",
    "Dim",
    "ROperator",
    "Shape",
    "TensorType",
    "bind_shape",
    "check_bias",
    "check_table",
    "common_dtype",
    "counts_rows",
    "float_dtype",
    "format_shape",
    "normalize_axis",
    "product",
    "split_count",
    "static_dim",
    "static_dims",
]


@dataclass(kw_only=True)
class ROperator:
    """Base class of all operators; ``inputs`` and ``outputs`` are tensor names, '' for an omitted optional input."""

    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    origin: str = ""
    """Where the operator came from (the layer's name and class), for listings and the exported header's comments."""

    is_alias: ClassVar[bool] = False
    """Whether the output is the first input's memory under another shape, so it costs nothing."""

    @property
    def op_type(self) -> str:
        """The ONNX name of the operator."""
        return type(self).__name__

    def infer(self, *inputs: Any) -> TensorType | tuple[TensorType, ...]:
        """Types of the outputs, given :class:`TensorType` (or None) per input.

        Raises ShapeError or DtypeError with the numbers that disagree.
        """
        raise NotImplementedError(f"{self.op_type}.infer")

    def bind(self, sizes: Mapping[str, int]) -> None:
        """Puts numbers for the run-time dimensions that ``sizes`` names into the attributes that have such names."""

    def mixes_rows(self, *inputs: Any) -> bool:
        """Whether an output row depends on other rows of the batch; True switches tiling of the batch off."""
        return False

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        """Floating-point operations for one row of the batch, open dimensions counted once; 2 per multiply-add."""
        return sum(split_count(t.shape)[0] for t in outputs)

    def attributes(self) -> dict[str, Any]:
        """The ONNX attributes by name."""
        base = {field.name for field in fields(ROperator)}
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in base}
