"""What ``Model.infer`` does: checks, threads, and the way into C++."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import OutOfMemoryError, OutOfRangeError
from sofie_jit.ir.operators.operator import BATCH
from sofie_jit.ir.rmodel import RModel
from sofie_jit.jit.compiler import NO_MEMORY, Session
from sofie_jit.jit.fast_call import builtin
from sofie_jit.models import threads as thread_rules
from sofie_jit.models.arguments import Arguments, pack, result_arrays
from sofie_jit.models.threads import thread_count, useful_threads

RELEASE_GIL_BYTES = 64 * 1024
"""Calls that read and write less than this keep the GIL: releasing it would cost more than they take."""


class Call:
    """A lowered and compiled network as a function of numpy arrays; see :meth:`Model.infer`."""

    def __init__(self, lowered: RModel, labels: Sequence[str], threads: int):
        self.lowered = lowered
        self.session = Session(lowered)
        self.arguments = Arguments(lowered.inputs)
        self.outputs = [(label, lowered.tensor_type(name)) for label, name in zip(labels, lowered.outputs, strict=True)]
        self.structure = lowered.output_structure
        self.threads = threads
        self.flops = flops_per_row(lowered)

    def __call__(self, *inputs: Any, out: Any = None, threads: int | None = None) -> Any:
        arrays = self._equal_batches(self.arguments.standardize(inputs))
        dims = self.arguments.bind(arrays)
        results = result_arrays(self.outputs, out, dims)
        self.run(dims, arrays, results, self.threads if threads is None else thread_count(threads))
        return pack(self.structure, results)

    infer = __call__

    def __reduce__(self) -> tuple[Any, ...]:
        return Call, (self.lowered, [label for label, _ in self.outputs], self.threads)

    def _equal_batches(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """Repeats single rows, such as one mask for all, as often as the other inputs have rows, as Keras's layers do.

        Arrays stay as they are where that could change the answer: if rows are not independent, or if an output comes
        from single rows alone.
        """
        rows = {name: len(array) for (name, kind), array in zip(self.arguments.kinds.items(), arrays, strict=True)
                if kind.shape[:1] == (BATCH,)}  # fmt: skip
        counts = set(rows.values())
        if len(counts) != 2 or 1 not in counts or not self.session.rendering.tiled:
            return arrays
        batch = max(counts) if 0 not in counts else 0
        several = {name for name, count in rows.items() if count == batch}
        if not all(sources & several for sources in self._sources()):
            return arrays
        return [
            np.ascontiguousarray(np.broadcast_to(array, (batch, *array.shape[1:]))) if rows.get(name) == 1 else array
            for name, array in zip(self.arguments.kinds, arrays, strict=True)
        ]

    def _sources(self) -> list[set[str]]:
        """Per output the names of the inputs that it depends on."""
        sources: dict[str, set[str]] = {name: {name} for name in self.lowered.inputs}
        for op in self.lowered.operators:
            found = set[str]().union(*(sources.get(name, set()) for name in op.inputs))
            sources.update((name, found) for name in op.outputs)
        return [sources.get(name, set()) for name in self.lowered.outputs]

    def run(self, dims: dict[str, int], arrays: list[np.ndarray], results: list[np.ndarray], threads: int) -> None:
        """Computes ``results``.

        Raises OutOfRangeError if an index in the data lies outside its table, OutOfMemoryError.
        """
        tensors, rendering = [*arrays, *results], self.session.rendering
        sizes = [dims[name] for name in rendering.dims]
        small = sum(tensor.nbytes for tensor in tensors) < RELEASE_GIL_BYTES
        threads = useful_threads(threads, self.flops * dims.get(BATCH, 1))
        status = self.session.run(sizes, tensors, threads=threads, release_gil=not small)
        if status == NO_MEMORY:
            raise OutOfMemoryError(
                "there is too little memory for the intermediate results of this call; give fewer rows or threads"
            )
        if status:
            raise OutOfRangeError(rendering.failures[status])

    def builtin(self) -> Any:
        """The same as a builtin function, which takes usual arguments several times as fast; None if impossible."""
        if self.structure not in (None, 0, list(range(len(self.outputs)))) or self.structure == [0]:
            return None
        return builtin(
            self.session,
            self,
            list(self.arguments.kinds.values()),
            [kind for _, kind in self.outputs],
            batch=BATCH,
            threads=self.threads,
            flops_per_row=self.flops,
            flops_per_thread=int(thread_rules.FLOPS_PER_THREAD),
            release=RELEASE_GIL_BYTES,
        )


def flops_per_row(rmodel: RModel) -> int:
    """Floating-point operations per row of the batch; at least 1."""
    total = 1
    for op in rmodel.operators:
        inputs = [rmodel.tensor_type(name) if name else None for name in op.inputs]
        total += op.flops(inputs, [rmodel.tensor_type(name) for name in op.outputs if name])
    return total
