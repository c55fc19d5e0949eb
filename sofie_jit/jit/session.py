"""Session: the compiled code of a network, with its weights packed."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Mapping, Sequence
from ctypes import c_uint64
from typing import Protocol

import numpy as np

from sofie_jit.errors import OutOfMemoryError, SofieError
from sofie_jit.ir.dims import BATCH, Dim
from sofie_jit.ir.size_check import SizeCheck
from sofie_jit.jit import runtime_functions

NO_MEMORY = -1
"""Status of a call that ran out of memory; see runtime/session.hxx."""


class Code(Protocol):
    """The facts about the compiled code of a network that its calls need."""

    @property
    def dims(self) -> tuple[str, ...]:
        """Run-time dimensions, in the order of the entry point's arguments."""

    @property
    def tiled(self) -> bool:
        """Whether rows of the batch are independent of each other."""

    @property
    def rows_together(self) -> int:
        """The smallest number of rows of a batch per thread."""

    @property
    def failures(self) -> Mapping[int, str]:
        """Status that a call may return -> the error; 0 is success."""

    @property
    def found(self) -> Mapping[str, Dim]:
        """Run-time dimensions of outputs that a call sets, with upper bounds."""

    @property
    def errors(self) -> Mapping[int, type[SofieError]]:
        """Status that a call may return -> the class of the error."""

    @property
    def size_checks(self) -> Mapping[int, SizeCheck]:
        """Status that a call returns for sizes that do not fit -> the requirement."""


class Session:
    """A C++ ``Session``: the compiled code of a network and its packed weights.

    ``code``: facts about the code.
    ``functions``: addresses of the functions ``create``, ``destroy`` and ``infer`` (see ``runtime/session.hxx``).
    ``weights``: the address of the array of addresses that ``create`` takes.

    Raises OutOfMemoryError if the packed weights do not fit into memory.
    """

    def __init__(self, code: Code, functions: Sequence[int], weights: int):
        self.code = code
        runtime = runtime_functions.functions("session")
        create, destroy, self.entry = functions
        self._run, self._run_released = runtime.run, runtime.run_released
        self.handle: int = runtime.create(create, weights)
        if not self.handle:
            raise OutOfMemoryError("there is too little memory for the packed weights of the network")
        self._finalizer = weakref.finalize(self, runtime.destroy, destroy, self.handle)
        self._finalizer.atexit = False

    def run(
        self, dims: Sequence[int], arrays: Sequence[np.ndarray], *, threads: int = 1, release_gil: bool = False
    ) -> int:
        """Computes the outputs. Threads may call it at the same time.

        ``dims``: sizes of the run-time dimensions, in the order of ``code.dims``.
        ``arrays``: inputs, then outputs, C-contiguous and with exactly the right types and shapes. Nothing is checked.
        ``threads``: the number of threads that share the work.
        ``release_gil``: whether other Python threads run meanwhile; they do if ``threads`` is more than 1.

        Returns a status: 0, ``NO_MEMORY``, or a key of ``code.failures``.
        """
        frame = [self.entry, self.handle, len(dims), *dims, *(array.ctypes.data for array in arrays)]
        if threads > 1:
            batch = self.code.dims.index(str(BATCH)) if self.code.tiled else -1
            frame += [array.nbytes // dims[batch] for array in arrays if self.code.tiled]
            run_parallel = runtime_functions.thread_pool().run_parallel
            return int(run_parallel(words(frame), len(arrays), batch, self.code.rows_together, threads))
        return int((self._run_released if release_gil else self._run)(words(frame)))


def words(values: Sequence[int]) -> ctypes.Array[c_uint64]:
    """A C array of these numbers."""
    return (c_uint64 * len(values))(*values)
