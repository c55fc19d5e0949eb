"""CompiledSession: a network compiled in this process, with its weights packed."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from ctypes import PYFUNCTYPE, c_uint64, c_void_p

import numpy as np

from sofie_jit.codegen.print_jit import INCOMPLETE, jit_text
from sofie_jit.errors import OutOfMemoryError
from sofie_jit.ir.dims import BATCH
from sofie_jit.ir.rmodel import RModel
from sofie_jit.jit.compiler import compiler

NO_MEMORY = -1
"""Status of a call that ran out of memory; see runtime/session.hxx."""

_TAKE_OP_TIMINGS = PYFUNCTYPE(None, c_uint64, c_void_p)


class CompiledSession:
    """A C++ ``Session`` of a lowered network: its compiled code and its packed weights.

    ``lowered``: the network, as :func:`~sofie_jit.passes.pipeline.lower` returns it.
    ``profile``: reads the clock after each operator and sums up the times. Such a session must not run on several
    threads at a time.

    Raises CompileError, and OutOfMemoryError if the packed weights do not fit into memory.
    """

    def __init__(self, lowered: RModel, *, profile: bool = False):
        runtime = compiler().runtime()
        self.code = jit_text(lowered, profile=profile, vector_bytes=runtime.vector_bytes())
        create, destroy, self.entry, *self._take_op_timings = compiler().compile(self.code)
        arrays = [_native(lowered.initialized[name]) for name in self.code.weights]
        addresses = _words([array.ctypes.data for array in arrays])
        self._run, self._run_released = runtime.run, runtime.run_released
        self.handle: int = runtime.create(create, addresses)
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
        status = self._run_compiled(dims, arrays, threads, release_gil)
        while when := INCOMPLETE.get(status):
            compiler().complete(self.code, when)
            status = self._run_compiled(dims, arrays, threads, release_gil)
        return status

    def _run_compiled(self, dims: Sequence[int], arrays: Sequence[np.ndarray], threads: int, release_gil: bool) -> int:
        frame = [self.entry, self.handle, len(dims), *dims, *(array.ctypes.data for array in arrays)]
        if threads > 1:
            batch = self.code.dims.index(str(BATCH)) if self.code.tiled else -1
            frame += [array.nbytes // dims[batch] for array in arrays if self.code.tiled]
            run_parallel = compiler().thread_pool().run_parallel
            return int(run_parallel(_words(frame), len(arrays), batch, self.code.rows_together, threads))
        return int((self._run_released if release_gil else self._run)(_words(frame)))

    def take_op_timings(self) -> np.ndarray:
        """Seconds since the last call of this method: of reading the clock, then of each of ``code.op_timings``.

        Raises ValueError if the session was made without ``profile``.
        """
        if not self._take_op_timings:
            raise ValueError("this session does not read the clock: make it with profile=True")
        seconds = np.empty(1 + len(self.code.op_timings))
        _TAKE_OP_TIMINGS(self._take_op_timings[0])(self.handle, seconds.ctypes.data)
        return seconds


def _words(values: Sequence[int]) -> ctypes.Array[c_uint64]:
    return (c_uint64 * len(values))(*values)


def _native(array: np.ndarray) -> np.ndarray:
    """C-contiguous and in this machine's byte order."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))
