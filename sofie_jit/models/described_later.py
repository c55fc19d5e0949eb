"""DescribedLater: networks whose outputs and operators are known only for some facts about the inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from sofie_jit.errors import InputError
from sofie_jit.frontends.base import Translation
from sofie_jit.ir.options import Optimize
from sofie_jit.models.arguments import Arguments, OpenShape
from sofie_jit.models.kept_models import CompiledWhenCalled, KeptModels
from sofie_jit.models.model import Model

if TYPE_CHECKING:
    from sofie_jit.models.description import Description


class DescribedLater(CompiledWhenCalled):
    """A :class:`Model` that is compiled for each of the facts ``names`` about its inputs; 16 stay compiled.

    ``translation``: the network before its translation.
    ``names``: the names of the facts.
    ``compile``: the function that compiles a translation, :func:`sofie_jit.models.compile.compile_translation`.
    """

    fact: ClassVar[str]
    """``value`` or ``size``."""
    unknown: ClassVar[str]
    """The message for a description; ``{names}`` stands for the names."""

    def __init__(
        self,
        translation: Translation,
        names: Sequence[str],
        compile: Callable[..., Model],
        *,
        threads: int | None = None,
        optimize: Optimize = True,
    ):
        self._options = {"threads": threads, "optimize": optimize}
        self._translation = translation
        self._names = tuple(names)
        self._arguments = Arguments(translation.inputs)
        self._compile = compile
        self._kept = KeptModels(translation.source, f"{self.fact}s of {', '.join(names)}")

    @property
    def _description(self) -> Description:  # type: ignore[override]
        raise InputError(self.unknown.format(names=", ".join(f"'{name}'" for name in self._names)))

    @property
    def name(self) -> str:
        return self._translation.source

    @property
    def input_names(self) -> list[str]:
        return list(self._arguments.types)

    @property
    def input_shapes(self) -> list[OpenShape]:
        return list(self._arguments.shapes)

    @property
    def input_dtypes(self) -> list[str]:
        return [kind.dtype for kind in self._arguments.types.values()]

    def describe(self) -> str:
        """Its name, and the facts that it is compiled for."""
        return f"{self.name}: compiled per {self.fact} of {', '.join(self._names)}"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"

    def __repr__(self) -> str:
        inputs = ", ".join(f"{n} {shape}" for n, shape in zip(self.input_names, self.input_shapes, strict=True))
        per = f"compiled per {self.fact} of {', '.join(self._names)}"
        return f"<sofie_jit.{type(self).__name__} '{self.name}': {inputs}; {per}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return self._remake(type(self)), (self._translation, self._names, self._compile)
