"""Model: a compiled network, numpy arrays in and out."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sofie_jit.codegen.print_header import export_header
from sofie_jit.codegen.weights import Weights
from sofie_jit.ir.rmodel import RModel, sizes_of
from sofie_jit.jit.fast_call import is_ready
from sofie_jit.models.arguments import public_shape
from sofie_jit.models.call import Call
from sofie_jit.models.threads import thread_count
from sofie_jit.passes.pipeline import Optimize, lower

if TYPE_CHECKING:
    from sofie_jit.models.predict import Columns
    from sofie_jit.report.display import Graph
    from sofie_jit.report.profile import Profile

CALLS_BEFORE_BUILTIN = 4
"""Calls of a process's first model after which the short way into C++ is compiled; a single answer comes sooner
without it."""


class Model:
    """A compiled network; :func:`sofie_jit.load` and :meth:`RModel.compile` make one.

    >>> model = sofie_jit.load("m.h5")
    >>> y = model.infer(x)           # x: (n, ...) of any numeric type, n >= 0; y: a fresh array

    Immutable and safe to call from many threads at once. Only a network with ``stateful=True`` layers remembers what it
    was given, see :class:`~sofie_jit.models.stateful_model.StatefulModel`.
    """

    def __init__(self, rmodel: RModel, *, threads: int | None = None, optimize: Optimize = True):
        rmodel.generate()
        self._rmodel = rmodel
        self._lowered = lower(rmodel, optimize)
        self._options: dict[str, Any] = {"threads": threads, "optimize": optimize}
        self._threads = thread_count(threads)
        self._optimize = optimize
        self._call = Call(self._lowered, self.output_names, self._threads)
        self._calls = 0
        if is_ready():
            self._shorten()

    # -- what it is ----------------------------------------------------------------------------------------------

    @property
    def rmodel(self) -> RModel:
        """The network before optimization."""
        return self._rmodel

    @property
    def name(self) -> str:
        """The name that Keras gave it."""
        return self._rmodel.name

    @property
    def input_names(self) -> list[str]:
        """Per input its name, in the order of :meth:`infer`'s arguments."""
        return list(self._rmodel.inputs)

    @property
    def output_names(self) -> list[str]:
        """Per output its name, in the order of :meth:`infer`'s results."""
        return self._rmodel.output_labels or list(self._rmodel.outputs)

    @property
    def input_shapes(self) -> list[tuple[int | None, ...]]:
        """Per input its shape; None stands for an open dimension, the first being the batch."""
        return [public_shape(kind.shape) for kind in self._rmodel.inputs.values()]

    @property
    def output_shapes(self) -> list[tuple[int | None, ...]]:
        """Per output its shape; None stands for an open dimension, the first being the batch."""
        return [public_shape(self._rmodel.tensor_type(name).shape) for name in self._rmodel.outputs]

    @property
    def input_dtypes(self) -> list[str]:
        """Per input the element type it is computed in; other numeric types are converted."""
        return [kind.dtype for kind in self._rmodel.inputs.values()]

    @property
    def output_dtypes(self) -> list[str]:
        """Per output its element type."""
        return [self._rmodel.tensor_type(name).dtype for name in self._rmodel.outputs]

    # -- running -------------------------------------------------------------------------------------------------

    def infer(self, *inputs: Any, out: Any = None, threads: int | None = None) -> Any:
        """Evaluates the network.

        ``inputs``: one array per input, or one list of arrays, or one dict by input name. Each has the shape of
        :attr:`input_shapes` with any batch size, 0 included; any real numeric type and memory order is converted.
        ``out``: arrays to write to (C-contiguous, of the exact type and shape), one or a list.
        ``threads``: at most so many threads share a big call, instead of what :func:`sofie_jit.load` was given;
        the results' bits do not depend on it.

        Returns fresh arrays in the structure Keras returns: one array, a list, or a dict. Layers with ``stateful=True``
        go on where the call before left them; :meth:`reset_states` makes them begin anew.

        Raises InputError (a TypeError) for a wrong number or wrong names of inputs, ShapeError (a ValueError) for a
        wrong shape, DtypeError (a TypeError) for arrays that are not real numbers, OutOfRangeError (an IndexError) if
        an index in the data lies outside its table.
        """
        if "infer" not in self.__dict__:
            self._calls += 1
            if self._calls == CALLS_BEFORE_BUILTIN:
                self._shorten()
        else:
            return self.__dict__["infer"](*inputs, out=out, threads=threads)
        return self._call(*inputs, out=out, threads=threads)

    def __call__(self, *inputs: Any, out: Any = None, threads: int | None = None) -> Any:
        """The same as :meth:`infer`."""
        return self.infer(*inputs, out=out, threads=threads)

    def predict(
        self, x: Any, batch_size: int | None = None, verbose: int | str = 0, *, columns: Columns | None = None
    ) -> Any:
        """:meth:`infer` under the name that Keras and scikit-learn have for it, and for tables.

        ``x``: what ``infer`` takes, a ``pandas.DataFrame``, or with ``columns`` anything with named columns of one
        number per row: a dict of arrays as uproot reads them, an awkward array of records, a structured numpy array, a
        data frame. ``columns``: the names of those that make up a row, in order; for several inputs, a dict by input.
        ``batch_size``: evaluate so many rows at a time; by default all at once, which is as fast and takes no more
        memory. ``verbose``: 1 shows a progress bar on standard error, "auto" on a terminal, 0 none.

        Raises what ``infer`` raises, ValueError for a wrong option, and InputError for unknown columns.
        """
        from sofie_jit.models.predict import predict

        return predict(self, x, batch_size, verbose, columns)

    def _shorten(self) -> None:
        """Puts a builtin function before :meth:`infer`, which does the same with less ado."""
        if (shorter := self._call.builtin()) is not None:
            self.__dict__["infer"] = shorter

    def reset_states(self) -> None:
        """Sets what layers with ``stateful=True`` remember of the calls before to zeros; other models have nothing."""

    def profile(self, *inputs: Any) -> Profile:
        """Measures each operator on ``inputs``, given as to :meth:`infer`: time, arithmetic and memory, on one thread.

        The operators are those that run, after optimization. A variant of the model with a clock between them is
        compiled for it; reading the clock is measured too and subtracted. Times are medians over the faster half of
        many calls, which leaves out those that other programs interrupted.

        Raises what :meth:`infer` raises, and InputError for an empty batch.
        """
        from sofie_jit.report.profile import profile

        return profile(self._lowered, *inputs)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied as the network, which is compiled again on arrival (once per process and architecture)."""
        return functools.partial(type(self), **self._options), (self._rmodel,)

    # -- the header ----------------------------------------------------------------------------------------------

    @property
    def header(self) -> str:
        """The self-contained C++ header of the model, as :meth:`save_header` writes it."""
        return export_header(lower(self._fixed(None), self._optimize), "model")[0]

    def save_header(
        self,
        path: str | os.PathLike[str],
        *,
        input_shapes: Sequence[Sequence[int | None]] | None = None,
        weights: Weights = "text",
        namespace: str | None = None,
        dispatch: bool = False,
        self_test: bool = False,
    ) -> Path:
        """Writes the C++ header to ``path``; returns its path.

        Open dimensions become arguments of ``infer``, after the batch; ``input_shapes``, one per input with None for
        what stays open, fixes them. The other options are those of :meth:`RModel.save_header`.

        Raises ShapeError if a dimension must be fixed and is not.
        """
        fixed = self._fixed(input_shapes)
        return fixed.save_header(
            path,
            weights=weights,
            namespace=namespace,
            dispatch=dispatch,
            self_test=self_test,
            optimize=self._optimize,
        )

    def specialize(self, *input_shapes: Sequence[int | None]) -> Model:
        """The same model for inputs of these shapes, one per input with None for what stays open.

        Raises ShapeError for shapes that the inputs cannot have.
        """
        return self._fixed(input_shapes).compile(threads=self._threads, optimize=self._optimize)

    def _fixed(self, input_shapes: Sequence[Sequence[int | None]] | None) -> RModel:
        """The network with sizes for open dimensions."""
        return self._rmodel if input_shapes is None else self._rmodel.bind(sizes_of(self._rmodel.inputs, input_shapes))

    def summary(self) -> str:
        """A table of the operators with their outputs' shapes and parameters."""
        return self._rmodel.summary()

    def draw(self, *, optimized: bool = False) -> Graph:
        """The operators and the tensors between them as a drawing for notebooks; its ``save`` writes a file.

        ``optimized``: the operators that run, instead of those that the layers were translated to.
        """
        from sofie_jit.report.display import Graph

        return Graph(lower(self._rmodel, self._optimize) if optimized else self._rmodel)

    def _repr_html_(self) -> str:
        from sofie_jit.report.display import describe

        return describe(f"sofie_jit.{type(self).__name__}", self._rmodel, optimize=self._optimize)

    def __repr__(self) -> str:
        def listed(names: list[str], shapes: list[tuple[int | None, ...]]) -> str:
            return ", ".join(f"{name} {shape}" for name, shape in zip(names, shapes, strict=True))

        inputs, outputs = listed(self.input_names, self.input_shapes), listed(self.output_names, self.output_shapes)
        return f"<sofie_jit.Model '{self.name}': {inputs} -> {outputs}>"
