"""The description that every model has: names, shapes and types, and its forms as text, drawing and header."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sofie_jit.errors import SofieError
from sofie_jit.models.arguments import OpenShape, open_shape
from sofie_jit.records import dataclass

if TYPE_CHECKING:
    from sofie_jit.ir.options import Optimize
    from sofie_jit.ir.rmodel import InputShapes, RModel
    from sofie_jit.models.signature import Signature


@dataclass(frozen=True)
class Description:
    """Names, shapes and element types of a model, and its forms as text, HTML, drawing and C++ header."""

    title: str
    """The name of the class in listings."""
    name: str
    """The name of the network."""
    input_names: list[str]
    output_names: list[str]
    input_dtypes: list[str]
    output_dtypes: list[str]
    input_shapes: list[OpenShape]
    output_shapes: list[OpenShape]
    output_structure: Any
    """The structure in which the outputs are returned; see :attr:`RModel.output_structure`."""
    optimize: Optimize
    """The optimizations that its compiled code and its header get."""
    network: Callable[[], RModel]
    """Returns the network before optimization."""
    for_shapes: Callable[[InputShapes | None], RModel]
    """The network for inputs of these shapes; None leaves all open dimensions open. Raises ShapeError."""
    note: str = ""
    """A remark below the title in listings."""

    @classmethod
    def of(cls, rmodel: RModel, optimize: Optimize, title: str = "Model", **others: Any) -> Description:
        """The description of a network.

        ``others``: values of fields that are not those of ``rmodel``.

        Raises what :meth:`RModel.generate` raises.
        """
        rmodel.generate()
        outputs = list(map(rmodel.tensor_type, rmodel.outputs))
        facts: dict[str, Any] = {
            "title": title,
            "name": rmodel.name,
            "input_names": list(rmodel.inputs),
            "output_names": rmodel.output_labels or list(rmodel.outputs),
            "input_dtypes": [kind.dtype for kind in rmodel.inputs.values()],
            "output_dtypes": [kind.dtype for kind in outputs],
            "input_shapes": [open_shape(kind.shape) for kind in rmodel.inputs.values()],
            "output_shapes": [open_shape(kind.shape) for kind in outputs],
            "output_structure": rmodel.output_structure,
            "optimize": optimize,
            "network": lambda: rmodel,
            "for_shapes": functools.partial(bound, rmodel),
        }
        return cls(**facts | others)

    @classmethod
    def stored(
        cls,
        signature: Signature,
        name: str,
        states: int,
        network: Callable[[], RModel],
        *,
        optimize: Optimize = True,
        note: str = "",
    ) -> Description:
        """The description of a network whose signature is stored, so that ``network`` is not called now.

        ``states``: the number of its states, which are the last inputs and outputs of its compiled code.
        """
        inputs = list(signature.inputs.items())[: len(signature.inputs) - states]
        outputs = signature.outputs[: len(signature.outputs) - states]
        return cls(
            title="StatefulModel" if states else "Model",
            name=name,
            input_names=[name for name, _ in inputs],
            output_names=[name for name, _ in outputs],
            input_dtypes=[kind.dtype for _, kind in inputs],
            output_dtypes=[kind.dtype for _, kind in outputs],
            input_shapes=[open_shape(kind.shape) for _, kind in inputs],
            output_shapes=[open_shape(kind.shape) for _, kind in outputs],
            output_structure=signature.structure["outputs"] if states else signature.structure,
            optimize=optimize,
            network=network,
            for_shapes=lambda shapes: bound(network(), shapes),
            note=note,
        )

    @property
    def rmodel(self) -> RModel:
        """The network before optimization."""
        return self.network()

    def optimized(self) -> RModel:
        """The network after optimization."""
        from sofie_jit.passes.pipeline import lower

        return lower(self.rmodel, self.optimize)

    def header(self) -> str:
        """The C++ header for inputs of any size, with the weights in a file."""
        from sofie_jit.codegen.print_header import export_header
        from sofie_jit.passes.pipeline import lower

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
        return f"sofie_jit.{self.title} '{self.name}': {inputs} -> {outputs}"


def html(title: str, rmodel: RModel, *, optimize: Optimize = True, note: str = "") -> str:
    """A network for notebooks, with the memory that it needs when it is compiled; nothing is compiled.

    If the network is not valid, the error takes the place of the tables.
    """
    from sofie_jit.models.memory_use import memory_use
    from sofie_jit.passes.pipeline import lower
    from sofie_jit.report.display import describe, describe_invalid

    try:
        rmodel.generate()
        facts = memory_use(lower(rmodel, optimize))
    except SofieError as error:
        return describe_invalid(rmodel, error)
    return describe(title, rmodel, facts=facts, note=note)


def bound(rmodel: RModel, shapes: InputShapes | None) -> RModel:
    """The network for inputs of these shapes; None leaves all open dimensions open. Raises ShapeError."""
    from sofie_jit.ir.rmodel import sizes_of

    return rmodel if shapes is None else rmodel.bind(sizes_of(rmodel.inputs, shapes))
