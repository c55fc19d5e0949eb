"""Models with open dimensions that must be known to translate them, such as images of any size: one per shape."""

from __future__ import annotations

import functools
import threading
import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sofie_jit.errors import ShapeError, SofieError, UnsupportedLayerError
from sofie_jit.ir.operators.operator import BATCH, TensorType, format_shape, split_count
from sofie_jit.ir.rmodel import RModel, sizes_of
from sofie_jit.models.arguments import Arguments, public_shape
from sofie_jit.models.model import Model
from sofie_jit.models.threads import thread_count
from sofie_jit.passes.pipeline import Optimize

if TYPE_CHECKING:
    from sofie_jit.report.profile import Profile

KEPT = 16
"""Shapes whose Models are kept, the last used ones; each holds packed weights of its own."""

EXAMPLES = ({"batch": 4, "": 256}, {"batch": 8, "": 224}, {"batch": 6, "": 96})
"""Sizes to try a translation with: the batch's, and that of every other open dimension. Networks that halve an image
several times want multiples of 32."""


class Translation(Protocol):
    """A network before its translation; what a parser makes of a file."""

    @property
    def source(self) -> str:
        """What messages call the file."""

    @property
    def inputs(self) -> Mapping[str, TensorType]:
        """The inputs, with names for open dimensions."""

    def __call__(self, sizes: Mapping[str, int] | None = None) -> RModel:
        """The network, with ``sizes`` for some of the open dimensions. Raises SofieError."""


def examine(translation: Translation) -> tuple[list[RModel], tuple[str, ...]]:
    """Translates with as few sizes fixed as possible.

    Returns ``([rmodel], ())`` if no open dimension needs a size. Else two RModels of example sizes, and the names
    of the dimensions that need one. Raises SofieError if the network cannot be translated with any sizes tried.
    """
    try:
        rmodel = translation()
        rmodel.generate()
        return [rmodel], ()
    except SofieError as caught:
        error = caught
    names = tuple(dict.fromkeys(d for t in translation.inputs.values() for d in split_count(t.shape)[1]))
    others = tuple(name for name in names if name != BATCH)
    for needed in filter(None, dict.fromkeys([others, names])):
        found = []
        for example in EXAMPLES:
            try:
                rmodel = translation({name: example.get(name, example[""]) for name in needed})
                rmodel.generate()
                found.append(rmodel)
            except SofieError as caught:
                error = _plainer(error, caught)
        if len(found) > 1:
            if found[0].states:
                raise ShapeError(
                    f"{translation.source}: the model has stateful=True layers, so it cannot be compiled per size of "
                    f"{', '.join(needed)}; save it with these dimensions fixed"
                )
            return found[:2], needed
    raise error


def _plainer(error: SofieError, later: SofieError) -> SofieError:
    """``error`` without the problems that went away when sizes were known."""
    if not isinstance(error, UnsupportedLayerError) or not isinstance(later, UnsupportedLayerError):
        return error
    remaining = {problem.partition(": ")[0] for problem in later.problems}
    return UnsupportedLayerError(
        [p for p in error.problems if p.partition(": ")[0] in remaining] or later.problems, later.source
    )


def open_model(translation: Translation, *, threads: int | None = None, optimize: Optimize = True) -> Model:
    """The :class:`Model` of a network; an :class:`OpenModel` if sizes of open dimensions are needed to compile it.

    Raises SofieError if it cannot be translated.
    """
    rmodels, needed = examine(translation)
    if needed:
        return OpenModel(translation, rmodels, needed, threads=threads, optimize=optimize)
    return rmodels[0].compile(threads=threads, optimize=optimize)


def fixed(
    translation: Translation, needed: Sequence[str], input_shapes: Sequence[Sequence[int | None]] | None
) -> RModel:
    """The RModel for inputs of these shapes; ShapeError if they leave dimensions open that are ``needed``."""
    sizes = {} if input_shapes is None else sizes_of(translation.inputs, input_shapes)
    if missing := [name for name in needed if name not in sizes]:
        inputs = ", ".join(f"'{name}' {format_shape(kind.shape)}" for name, kind in translation.inputs.items())
        raise ShapeError(
            f"this model is generated for given sizes of {', '.join(missing)} only; its inputs are {inputs}. Say what "
            "shapes they have: input_shapes=[(None, 224, 224, 3)], None for an open batch, one shape per input (on "
            "the command line: --input-shape 224,224,3)"
        )
    return translated(translation, sizes)


def translated(translation: Translation, sizes: Mapping[str, int]) -> RModel:
    """The checked RModel for ``sizes`` of open dimensions; ShapeError if the network cannot have them."""
    try:
        rmodel = translation(sizes)
        rmodel.generate()
        return rmodel
    except SofieError as error:
        if not sizes:
            raise
        found = ", ".join(f"{name} = {size}" for name, size in sizes.items())
        raise ShapeError(f"the model cannot be computed with {found}: {error}") from error


def example_summary(rmodel: RModel, needed: Sequence[str]) -> str:
    """The table of operators, which says where sizes are but examples."""
    return f"{_note(needed)}\n{rmodel.summary()}" if needed else rmodel.summary()


def _note(needed: Sequence[str]) -> str:
    return f"compiled per shape of the inputs; these are example sizes of {', '.join(needed)}"


class OpenModel(Model):
    """A :class:`Model` of a network that is translated and compiled per shape of its inputs, on first use.

    :func:`sofie_jit.load` returns one where an open dimension decides how a layer is computed, such as the height of
    an image that is convolved. The last 16 shapes stay compiled. ``rmodel`` and ``summary`` show the network for
    example sizes; ``specialize`` gives it for yours.
    """

    def __init__(
        self,
        translation: Translation,
        examples: Sequence[RModel],
        needed: Sequence[str],
        *,
        threads: int | None = None,
        optimize: Optimize = True,
    ):
        self._options: dict[str, Any] = {"threads": threads, "optimize": optimize}
        self._translation = translation
        self._needed = tuple(needed)
        self._rmodel, other = examples
        self._arguments = Arguments(translation.inputs)
        self._output_shapes = [
            _common(self._rmodel.tensor_type(a), other.tensor_type(b))
            for a, b in zip(self._rmodel.outputs, other.outputs, strict=True)
        ]
        self._threads = thread_count(threads)
        self._optimize = optimize
        self._models: OrderedDict[tuple[int, ...], Model] = OrderedDict()
        self._compiled = 0
        self._lock = threading.Lock()

    @property
    def input_shapes(self) -> list[tuple[int | None, ...]]:
        """Per input its shape; None stands for an open dimension."""
        return list(self._arguments.shapes)

    @property
    def output_shapes(self) -> list[tuple[int | None, ...]]:
        """Per output its shape; None stands for an open dimension."""
        return list(self._output_shapes)

    def infer(self, *inputs: Any, out: Any = None, threads: int | None = None) -> Any:
        """As :meth:`Model.infer`; inputs of a shape not seen before are compiled for first."""
        model, arrays = self._for(inputs)
        return model.infer(*arrays, out=out, threads=self._threads if threads is None else threads)

    def profile(self, *inputs: Any) -> Profile:
        """As :meth:`Model.profile`, of the code for these inputs' shapes."""
        model, arrays = self._for(inputs)
        return model.profile(*arrays)

    def _for(self, inputs: Sequence[Any]) -> tuple[Model, list[np.ndarray]]:
        """The Model for the sizes of ``inputs``, and them as arrays."""
        arrays = self._arguments.standardize(inputs)
        dims = self._arguments.bind(arrays)
        return self._model(tuple(dims[name] for name in self._needed)), arrays

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(open_model, **self._options), (self._translation,)

    def _model(self, sizes: tuple[int, ...]) -> Model:
        with self._lock:
            if sizes not in self._models:
                self._models[sizes] = self._compile(dict(zip(self._needed, sizes, strict=True)))
                self._compiled += 1
                if self._compiled == KEPT:
                    warnings.warn(
                        f"model '{self.name}' was compiled for {KEPT} shapes of its inputs, each of which took time "
                        "and memory; bring the data to fewer shapes by padding, resizing or sorting",
                        stacklevel=4,
                    )
                if len(self._models) > KEPT:
                    self._models.popitem(last=False)
            self._models.move_to_end(sizes)
            return self._models[sizes]

    def _compile(self, sizes: Mapping[str, int]) -> Model:
        return Model(translated(self._translation, sizes), threads=self._threads, optimize=self._optimize)

    def _fixed(self, input_shapes: Sequence[Sequence[int | None]] | None) -> RModel:
        return fixed(self._translation, self._needed, input_shapes)

    def summary(self) -> str:
        """As :meth:`Model.summary`, for example sizes of what is open."""
        return example_summary(self._rmodel, self._needed)

    def _repr_html_(self) -> str:
        from sofie_jit.report.display import describe

        title, note = f"sofie_jit.{type(self).__name__}", _note(self._needed)
        return describe(title, self._rmodel, optimize=self._optimize, note=note)


def _common(one: TensorType, other: TensorType) -> tuple[int | None, ...]:
    """What the shapes of one tensor under two examples have in common, None for what differs."""
    pairs = zip(public_shape(one.shape), public_shape(other.shape), strict=True)
    return tuple(a if a == b else None for a, b in pairs)
