"""Execution: a compiled network as a function of numpy arrays, with checks, conversions and threads."""

from __future__ import annotations

import math
import operator
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sofie_jit.errors import InputError, OutOfMemoryError
from sofie_jit.ir.dims import BATCH, Shape, bind_shape, is_at_least, static_dims
from sofie_jit.jit.fast_call import RELEASE_GIL_BYTES, fast_call
from sofie_jit.jit.session import NO_MEMORY, Session
from sofie_jit.jit.threads import thread_count, useful_threads
from sofie_jit.models.arguments import Arguments, by_keyword, pack, result_arrays
from sofie_jit.models.signature import Signature

if TYPE_CHECKING:
    from sofie_jit.ir.rmodel import RModel


class Execution:
    """A compiled network that is called as :meth:`sofie_jit.Model.infer` is.

    ``session``: its compiled code.
    ``signature``: its inputs and outputs.
    ``threads``: the default number of threads.
    ``network``: returns the network as it was compiled.
    ``pickled``: the function and the arguments that make an equal Execution in another process.
    """

    def __init__(
        self,
        session: Session,
        signature: Signature,
        threads: int,
        network: Callable[[], RModel],
        pickled: Callable[[], tuple[Callable[..., Execution], tuple[Any, ...]]],
    ):
        self.session = session
        self.signature = signature
        self.arguments = Arguments(signature.inputs, signature.keys)
        self.threads = threads
        self._network = network
        self._pickled = pickled
        self._fast_call: Callable[[], Any] = lambda: None
        """Returns the fast path of this function if there is one; a weak reference, as the fast path refers to this."""

    @property
    def lowered(self) -> RModel:
        """The network as it was compiled."""
        return self._network()

    def __call__(self, *inputs: Any, out: Any = None, threads: int | None = None, **named: Any) -> Any:
        arrays = self._equal_batches(self.arguments.standardize(by_keyword(inputs, named)))
        if (fast := self._fast_call()) and not (len(arrays) == len(inputs) and all(map(operator.is_, arrays, inputs))):
            return fast(*arrays, out=out, threads=threads)  # it computes sizes in C, which takes long in Python
        dims = self.arguments.bind(arrays)
        outputs, found = self.signature.outputs, self.session.code.found
        if found and out is not None:
            raise InputError(f"out= needs outputs of known sizes; {', '.join(found)} depend on the data of the inputs")
        bounds = dict(zip(found, static_dims("infer", bind_shape(found.values(), dims)), strict=True))
        if not all(is_at_least(size, 0) for _, kind in outputs for size in bind_shape(kind.shape, dims | bounds)):
            self._check_sizes(dims)
        results = result_arrays(outputs, out, dims | bounds)
        sizes = self.run(dims, arrays, results, self.threads if threads is None else thread_count(threads))
        if found:
            shapes = [bind_shape(kind.shape, dims | sizes) for _, kind in outputs]
            results = list(map(_trimmed, results, shapes))
        return pack(self.signature.structure, results)

    infer = __call__  # a fast call is pickled as this attribute of its fallback

    def __reduce__(self) -> tuple[Any, ...]:
        return self._pickled()

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
        if not all(several.intersection(sources) for sources in self.signature.sources):
            return arrays
        return [
            np.ascontiguousarray(np.broadcast_to(array, (batch, *array.shape[1:]))) if rows.get(name) == 1 else array
            for name, array in zip(self.arguments.types, arrays, strict=True)
        ]

    def run(
        self, dims: dict[str, int], arrays: list[np.ndarray], results: list[np.ndarray], threads: int
    ) -> dict[str, int]:
        """Computes the outputs. Returns the sizes that operators set, by name.

        A result whose size an operator sets has its elements at the beginning of its array.

        ``dims``: sizes of the run-time dimensions by name.
        ``arrays``: inputs as :meth:`Arguments.standardize` returns them.
        ``results``: arrays to write to, as :func:`result_arrays` returns them.
        ``threads``: the largest number of threads that share the call.

        Raises InputError if the sizes of the inputs do not fit the network, ShapeError if sizes that depend on the data
        do not fit together, OutOfRangeError if an index in the data lies outside its table, and OutOfMemoryError.
        """
        code = self.session.code
        found = np.zeros(len(code.found), np.uint64)
        tensors = [*arrays, *results, found] if code.found else [*arrays, *results]
        sizes = [dims[name] for name in code.dims]
        small = sum(tensor.nbytes for tensor in tensors) < RELEASE_GIL_BYTES
        threads = useful_threads(threads, self.signature.flops(dims)) if threads > 1 else 1
        status = self.session.run(sizes, tensors, threads=threads, release_gil=not small)
        if status == 0:
            return dict(zip(code.found, found.tolist(), strict=True))
        if status == NO_MEMORY:
            raise OutOfMemoryError(
                "there is too little memory for the intermediate results of this call; give fewer rows or threads"
            )
        if status in code.size_checks:
            raise InputError(code.size_checks[status].explain(dims))
        raise code.errors[status](code.failures[status])

    def _check_sizes(self, dims: dict[str, int]) -> None:
        """Raises InputError for the first requirement that these sizes do not satisfy."""
        for check in self.session.code.size_checks.values():
            if not check.holds(dims):
                raise InputError(check.explain(dims))

    def fast_call(self, doc: str) -> Any:
        """The C fast path of this function, with docstring ``doc``; None if there is none.

        It handles the usual arguments several times as fast and hands all others to this object.
        """
        signature = self.signature
        found = fast_call(
            self.session,
            self,
            dict(zip(self.arguments.labels, signature.inputs.values(), strict=True)),
            [kind for _, kind in signature.outputs],
            structure=signature.structure,
            threads=self.threads,
            work=signature.work,
            doc=doc,
        )
        if found is not None:
            self._fast_call = weakref.ref(found)
        return found


def _trimmed(result: np.ndarray, shape: Shape) -> np.ndarray:
    """The first elements of an array, in a smaller ``shape``."""
    sizes = static_dims("infer", shape, "output")
    return result if result.shape == sizes else result.ravel()[: math.prod(sizes)].reshape(sizes).copy()


def compiled(lowered: RModel, labels: Sequence[str], threads: int) -> Execution:
    """The Execution of a network that is compiled in this process.

    ``lowered``: the network, as :func:`~sofie_jit.passes.pipeline.lower` returns it.
    ``labels``: names of the outputs for error messages.
    """
    from sofie_jit.jit.compiled_session import CompiledSession  # not at the top: libraries do not generate code

    return Execution(
        CompiledSession(lowered, threads=threads),
        Signature.of(lowered, labels),
        threads,
        lambda: lowered,
        lambda: (compiled, (lowered, list(labels), threads)),
    )
