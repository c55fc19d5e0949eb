"""The description that every model has: names, shapes and types, and its forms as text, drawing and header."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from sofie_jit.errors import SofieError
from sofie_jit.ir.rmodel import RModel, sizes_of
from sofie_jit.models.arguments import OpenShape, open_shape
from sofie_jit.passes.pipeline import Optimize, lower
from sofie_jit.records import dataclass

InputShapes = Sequence[Sequence[int | None]]
"""One shape per input, in which None leaves a dimension open."""


@dataclass(frozen=True)
class Description:
    """Names, shapes and element types of a model, and its forms as text, HTML, drawing and C++ header."""

    title: str
    """The name of the class in listings."""
    rmodel: RModel
    """The network before optimization; for example sizes if it depends on the sizes of open dimensions."""
    optimize: Optimize
    """The optimizations that its compiled code and its header get."""
    input_shapes: list[OpenShape]
    output_shapes: list[OpenShape]
    for_shapes: Callable[[InputShapes | None], RModel]
    """The network for inputs of these shapes; None leaves all open dimensions open. Raises ShapeError."""
    note: str = ""
    """A remark below the title in listings."""

    @classmethod
    def of(cls, rmodel: RModel, optimize: Optimize, title: str = "Model") -> Description:
        """The description of a network that does not depend on the sizes of open dimensions.

        Raises what :meth:`RModel.generate` raises.
        """
        rmodel.generate()
        return cls(
            title,
            rmodel,
            optimize,
            [open_shape(kind.shape) for kind in rmodel.inputs.values()],
            [open_shape(rmodel.tensor_type(name).shape) for name in rmodel.outputs],
            functools.partial(_bound, rmodel),
        )

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs in order."""
        return list(self.rmodel.inputs)

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs in order."""
        return self.rmodel.output_labels or list(self.rmodel.outputs)

    @property
    def input_dtypes(self) -> list[str]:
        """Element types of the inputs in order."""
        return [kind.dtype for kind in self.rmodel.inputs.values()]

    @property
    def output_dtypes(self) -> list[str]:
        """Element types of the outputs in order."""
        return [self.rmodel.tensor_type(name).dtype for name in self.rmodel.outputs]

    def optimized(self) -> RModel:
        """The network after optimization."""
        return lower(self.rmodel, self.optimize)

    def header(self) -> str:
        """The C++ header for inputs of any size, with the weights in a file."""
        from sofie_jit.codegen.print_header import export_header

        return export_header(lower(self.for_shapes(None), self.optimize), "model")[0]

    def summary(self) -> str:
        """The table of the operators."""
        return "\n".join(filter(None, [self.note, self.rmodel.summary()]))

    def html(self) -> str:
        """The tables of tensors and operators for notebooks."""
        return html(f"sofie_jit.{self.title}", self.rmodel, optimize=self.optimize, note=self.note)

    def __str__(self) -> str:
        def listed(names: list[str], shapes: list[OpenShape]) -> str:
            return ", ".join(f"{name} {shape}" for name, shape in zip(names, shapes, strict=True))

        inputs, outputs = listed(self.input_names, self.input_shapes), listed(self.output_names, self.output_shapes)
        return f"sofie_jit.{self.title} '{self.rmodel.name}': {inputs} -> {outputs}"


def html(title: str, rmodel: RModel, *, optimize: Optimize = True, note: str = "") -> str:
    """A network for notebooks, with the memory that it needs when it is compiled; nothing is compiled.

    If the network is not valid, the error takes the place of the tables.
    """
    from sofie_jit.models.memory_use import memory_use
    from sofie_jit.report.display import describe, describe_invalid

    try:
        rmodel.generate()
        facts = memory_use(lower(rmodel, optimize))
    except SofieError as error:
        return describe_invalid(rmodel, error)
    return describe(title, rmodel, facts=facts, note=note)


def _bound(rmodel: RModel, shapes: InputShapes | None) -> RModel:
    return rmodel if shapes is None else rmodel.bind(sizes_of(rmodel.inputs, shapes))
