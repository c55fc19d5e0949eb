"""Execution: a compiled network as a function of numpy arrays, with checks, conversions and threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import OutOfMemoryError, OutOfRangeError
from sofie_jit.ir.dims import BATCH
from sofie_jit.ir.rmodel import RModel
from sofie_jit.jit.fast_call import RELEASE_GIL_BYTES, fast_call
from sofie_jit.jit.session import NO_MEMORY, CompiledSession
from sofie_jit.jit.threads import thread_count, useful_threads
from sofie_jit.models.arguments import Arguments, pack, result_arrays


class Execution:
    """A network, lowered and compiled, that is called as :meth:`sofie_jit.Model.infer` is.

    ``lowered``: the network, as :func:`~sofie_jit.passes.pipeline.lower` returns it.
    ``labels``: names of the outputs for error messages.
    ``threads``: the default number of threads.
    """

    def __init__(self, lowered: RModel, labels: Sequence[str], threads: int):
        self.lowered = lowered
        self.session = CompiledSession(lowered)
        self.arguments = Arguments(lowered.inputs)
        self.outputs = [(label, lowered.tensor_type(name)) for label, name in zip(labels, lowered.outputs, strict=True)]
        self.structure = lowered.output_structure
        self.threads = threads
        self.flops = max(1, sum(lowered.operator_flops()))
        """Floating-point operations per row of the batch."""

    def __call__(self, *inputs: Any, out: Any = None, threads: int | None = None) -> Any:
        arrays = self._equal_batches(self.arguments.standardize(inputs))
        dims = self.arguments.bind(arrays)
        results = result_arrays(self.outputs, out, dims)
        self.run(dims, arrays, results, self.threads if threads is None else thread_count(threads))
        return pack(self.structure, results)

    infer = __call__  # a fast call is pickled as this attribute of its fallback

    def __reduce__(self) -> tuple[Any, ...]:
        return Execution, (self.lowered, [label for label, _ in self.outputs], self.threads)

    def _equal_batches(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """Repeats inputs of one row, such as one mask for all, to the number of rows of the others, as Keras does.

        Nothing is repeated if that could change the results: if rows are not independent, or if an output depends on
        single rows only.
        """
        rows = {name: len(array) for (name, kind), array in zip(self.arguments.types.items(), arrays, strict=True)
                if kind.shape[:1] == (BATCH,)}  # fmt: skip
        counts = set(rows.values())
        if len(counts) != 2 or 1 not in counts or not self.session.code.tiled:
            return arrays
        batch = max(counts) if 0 not in counts else 0
        several = {name for name, count in rows.items() if count == batch}
        if not all(sources & several for sources in self._sources()):
            return arrays
        return [
            np.ascontiguousarray(np.broadcast_to(array, (batch, *array.shape[1:]))) if rows.get(name) == 1 else array
            for name, array in zip(self.arguments.types, arrays, strict=True)
        ]

    def _sources(self) -> list[set[str]]:
        """For each output the names of the inputs that it depends on."""
        sources: dict[str, set[str]] = {name: {name} for name in self.lowered.inputs}
        for op in self.lowered.operators:
            found = set[str]().union(*(sources.get(name, set()) for name in op.inputs))
            sources.update((name, found) for name in op.outputs)
        return [sources.get(name, set()) for name in self.lowered.outputs]

    def run(self, dims: dict[str, int], arrays: list[np.ndarray], results: list[np.ndarray], threads: int) -> None:
        """Computes the outputs.

        ``dims``: sizes of the run-time dimensions by name.
        ``arrays``: inputs as :meth:`Arguments.standardize` returns them.
        ``results``: arrays to write to, as :func:`result_arrays` returns them.
        ``threads``: the largest number of threads that share the call.

        Raises OutOfRangeError if an index in the data lies outside its table, and OutOfMemoryError.
        """
        tensors, code = [*arrays, *results], self.session.code
        sizes = [dims[name] for name in code.dims]
        small = sum(tensor.nbytes for tensor in tensors) < RELEASE_GIL_BYTES
        threads = useful_threads(threads, self.flops * dims.get(str(BATCH), 1))
        status = self.session.run(sizes, tensors, threads=threads, release_gil=not small)
        if status == NO_MEMORY:
            raise OutOfMemoryError(
                "there is too little memory for the intermediate results of this call; give fewer rows or threads"
            )
        if status:
            raise OutOfRangeError(code.failures[status])

    def fast_call(self, doc: str = "") -> Any:
        """The C fast path of this function, with docstring ``doc``; None if there is none.

        It handles the usual arguments several times as fast and hands all others to this object.
        """
        if self.structure not in (None, 0, list(range(len(self.outputs)))) or self.structure == [0]:
            return None
        return fast_call(
            self.session,
            self,
            list(self.arguments.types.values()),
            [kind for _, kind in self.outputs],
            threads=self.threads,
            flops_per_row=self.flops,
            doc=doc,
        )
