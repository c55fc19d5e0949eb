"""ROperator: the base class of all operators: attributes, types of the outputs, and their values in numpy.

To add an operator, write a dataclass in its own file in this folder that derives from :class:`ROperator` and defines

* its attributes as fields with ONNX's names and defaults (a class that adds none needs no ``@dataclass`` of its own),
* ``infer(*inputs)``: the types of its outputs from the types of its inputs,
* ``evaluate(*inputs)``: the values of its outputs from the values of its inputs, in numpy.

Its C++ call is a function of the file with the same name in ``sofie_jit/codegen/lowered``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, fields
from typing import Any, ClassVar

import numpy as np

from sofie_jit.ir.dims import Dim, SymbolicDim, names_of, split_count, static_dims
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.rows import Rows, RowsMixedError, common_rows
from sofie_jit.ir.types import TensorType, tensor_type
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class ROperator:
    """Base class of all operators; ``inputs`` and ``outputs`` are tensor names, '' for an omitted optional input."""

    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    origin: str = ""
    """The name and class of the layer that it was translated from, for listings and comments in saved headers."""

    is_alias: ClassVar[bool] = False
    """Whether the output shares the memory of the first input under another shape, so that it costs nothing."""

    is_foldable: ClassVar[bool] = True
    """Whether :meth:`evaluate` may compute its outputs before the model runs, where all of its inputs are known."""

    @property
    def op_type(self) -> str:
        """The name of the operator, ONNX's if ONNX has it."""
        return type(self).__name__

    def infer(self, *inputs: Any) -> TensorType | tuple[TensorType, ...]:
        """The types of the outputs, given a :class:`TensorType` per input, or None for an omitted one.

        Raises ShapeError or DtypeError, with the numbers that disagree.
        """
        raise NotImplementedError(f"{self.op_type}.infer")

    def evaluate(self, *inputs: Any) -> Any:
        """The values of the outputs, given an array per input, or None for an omitted one.

        This is the definition of the operator, written from ONNX's specification and independent of the C++ kernels.
        The inputs must fit :meth:`infer`, except that any floating-point type may stand for another, and attributes
        must have numbers for all dimensions (see :meth:`bind`). The result, an array or a tuple of arrays, has the
        types that ``infer`` gives for the types of the arrays. As in numpy, an array without axes may be a scalar, and
        overflow and invalid values cause warnings (see ``numpy.errstate``).

        Raises OutOfRangeError if an index lies outside the axis that it points into.
        """
        raise NotImplementedError(f"{self.op_type} has no definition in numpy")

    @property
    def bodies(self) -> dict[str, Any]:
        """The networks that it runs, by attribute (``control.py``)."""
        return {}

    @property
    def own_inputs(self) -> int:
        """The number of its inputs before those that its bodies read as they are."""
        return len(self.inputs)

    @property
    def own_body_inputs(self) -> int:
        """The number of a body's inputs before these."""
        return 0

    @property
    def size_names(self) -> tuple[str, ...]:
        """The names of run-time dimensions in the attributes."""
        values = self.attributes().values()
        listed = [dim for value in values for dim in (value if isinstance(value, (tuple, list)) else (value,))]
        return names_of(dim for dim in listed if isinstance(dim, SymbolicDim))

    def bind(self, sizes: Mapping[str, int]) -> None:
        """Replaces names of run-time dimensions in the attributes by the numbers that ``sizes`` gives for them."""

    def spell_out(self, outputs: Sequence[TensorType]) -> None:
        """Writes sizes that the attributes take from inputs as those of the outputs, before some of them become 0."""

    def retype(self, dtypes: Mapping[str, str]) -> None:
        """Replaces element types in the attributes by those that ``dtypes`` gives for them."""

    def requirements(self, *inputs: Any) -> list[Requirement]:
        """What must hold for run-time sizes, given the types of the inputs, for which :meth:`infer` raises no error.

        The code of the model checks it before the operator runs.
        """
        return []

    def sets_sizes(self, *inputs: Any) -> dict[str, Dim]:
        """Names of run-time dimensions that the operator sets when it runs -> an upper bound of each."""
        return {}

    def mixes_places(self, axis: int, *inputs: Any) -> bool:
        """Whether an element of an output depends on elements of inputs at another place along ``axis``.

        By default true for all axes but the first, which counts rows of the batch in most networks.
        """
        return axis != 0

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows | Sequence[Rows]:
        """The place of the batch's rows in the outputs, or in all of them alike, given the inputs' (``ir/rows.py``).

        Raises RowsMixedError if an output row depends on other rows; the batch is then not computed in tiles.
        """
        return self.same_rows(types, rows)

    def same_rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
        """The place of the rows in the inputs, if :meth:`mixes_places` is false for its axis, else RowsMixedError."""
        known = common_rows(rows)
        if known.axis is not None and self.mixes_places(known.axis, *types):
            raise RowsMixedError
        return known

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        """Floating-point operations for one row of the batch, 2 per multiply-add; open dimensions count as 1.

        By default one for each element of the outputs.
        """
        return 0 if self.is_alias else sum(split_count(t.shape)[0] for t in outputs)

    def attributes(self) -> dict[str, Any]:
        """The attributes by name."""
        base = {field.name for field in fields(ROperator)}
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in base}


def evaluated_shape(operator: ROperator, *inputs: np.ndarray | None) -> tuple[int, ...]:
    """The shape of the first output of ``operator`` for these arrays. Raises ShapeError if it is not known."""
    results = operator.infer(*(None if values is None else tensor_type(values) for values in inputs))
    first = results[0] if isinstance(results, tuple) else results
    return static_dims(operator.op_type, first.shape, "output")
