"""OpenModel: networks that are compiled per shape of their inputs, such as convolutions of images of any size."""

from __future__ import annotations

import functools
import threading
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sofie_jit.frontends.base import Translation
from sofie_jit.frontends.open_dimensions import examine, fixed, translated
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType
from sofie_jit.jit.threads import thread_count
from sofie_jit.models.arguments import Arguments, OpenShape, open_shape
from sofie_jit.models.compile import compile_stateless
from sofie_jit.models.compiled_model import CompiledModel
from sofie_jit.models.description import Description
from sofie_jit.models.model import Model
from sofie_jit.passes.pipeline import Optimize

if TYPE_CHECKING:
    from sofie_jit.report.profile import Profile

KEPT = 16
"""The number of most recently used shapes that stay compiled; each has its own packed weights."""


class OpenModel(Model):
    """A :class:`Model` of a network that is translated and compiled for each shape of its inputs, on first use.

    :func:`sofie_jit.load` returns one if an open dimension decides how a layer is computed, such as the height of an
    image that is convolved. The 16 most recently used shapes stay compiled. ``rmodel`` and ``summary`` show the network
    for example sizes, and ``specialize`` returns it for given ones.

    ``translation``: the network before its translation.
    ``examples``: the network for two choices of example sizes.
    ``needed``: names of the dimensions whose sizes the translation needs.
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
        rmodel, other = examples
        output_types = [(rmodel.tensor_type(a), other.tensor_type(b))
                        for a, b in zip(rmodel.outputs, other.outputs, strict=True)]  # fmt: skip
        self._arguments = Arguments(translation.inputs, translation.input_keys)
        description = Description.of(
            rmodel,
            optimize,
            "OpenModel",
            input_shapes=self._arguments.shapes,
            output_shapes=[_common_shape(*types) for types in output_types],
            for_shapes=functools.partial(fixed, translation, needed),
            note=f"compiled per shape of the inputs; these are example sizes of {', '.join(needed)}",
        )
        super().__init__(description, threads=threads, optimize=optimize)
        self._translation = translation
        self._needed = tuple(needed)
        self._threads = thread_count(threads)
        self._models: OrderedDict[tuple[int, ...], CompiledModel] = OrderedDict()
        self._compiled = 0
        self._lock = threading.Lock()

    def infer(self, *inputs: Any, out: Any = None, threads: int | None = None) -> Any:
        """As :meth:`Model.infer`. The first call with a new shape compiles the network for it."""
        model, arrays = self._model_for(inputs)
        return model.infer(*arrays, out=out, threads=self._threads if threads is None else threads)

    def profile(self, *inputs: Any) -> Profile:
        """As :meth:`Model.profile`, for the code of the shapes of these inputs."""
        model, arrays = self._model_for(inputs)
        return model.profile(*arrays)

    def _model_for(self, inputs: Sequence[Any]) -> tuple[CompiledModel, list[np.ndarray]]:
        """The model for the sizes of ``inputs``, and the inputs as arrays."""
        arrays = self._arguments.standardize(inputs)
        dims = self._arguments.bind(arrays)
        return self._model(tuple(dims[name] for name in self._needed)), arrays

    def _model(self, sizes: tuple[int, ...]) -> CompiledModel:
        """The model for ``sizes`` of the dimensions that are needed."""
        with self._lock:
            if sizes not in self._models:
                rmodel = translated(self._translation, dict(zip(self._needed, sizes, strict=True)))
                self._models[sizes] = compile_stateless(
                    rmodel, threads=self._threads, optimize=self._options["optimize"]
                )
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

    def __reduce__(self) -> tuple[Any, ...]:
        return self._remake(_reopened), (self._translation,)


def _reopened(translation: Translation, **options: Any) -> OpenModel:
    """An OpenModel from its pickle, which leaves out the examples because they contain the weights again."""
    return OpenModel(translation, *examine(translation), **options)


def _common_shape(one: TensorType, other: TensorType) -> OpenShape:
    """The shape of a tensor under two choices of example sizes, with None for sizes that differ."""
    pairs = zip(open_shape(one.shape), open_shape(other.shape), strict=True)
    return tuple(a if a == b else None for a, b in pairs)
