"""CompiledSession: a network compiled in this process, with its weights packed."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import PYFUNCTYPE, addressof, c_uint64, c_void_p

import numpy as np

from sofie_jit.codegen.print_jit import INCOMPLETE, NETWORK_FUNCTIONS, JitText, jit_text
from sofie_jit.errors import OptionError
from sofie_jit.ir.dims import BATCH
from sofie_jit.ir.rmodel import RModel
from sofie_jit.jit import cache, cache_folder, deferred_functions, runtime_functions
from sofie_jit.jit.compiler import compiler
from sofie_jit.jit.session import Session, words

_TAKE_OP_TIMINGS = PYFUNCTYPE(None, c_uint64, c_void_p)


class CompiledSession(Session):
    """A :class:`Session` whose code Cling compiles in this process.

    ``lowered``: the network, as :func:`~sofie_jit.passes.pipeline.lower` returns it.
    ``threads``: the usual number of threads of a call. If there are several, and other sizes than the batch are open,
    whatever a call on several threads needs is compiled at once, so that no call at a new size waits for it.
    ``profile``: reads the clock after each operator and sums up the times. Such a session must not run on several
    threads at a time.

    Raises CompileError, and OutOfMemoryError if the packed weights do not fit into memory.
    """

    code: JitText

    def __init__(self, lowered: RModel, *, threads: int = 1, profile: bool = False):
        cached = None if profile else _cached(lowered)
        code, functions = cached or _compiled(lowered, profile=profile)
        if cached is None and threads > 1 and {*code.dims} - {str(BATCH)}:
            runtime_functions.thread_pool()
            compiler().complete(code, "team")
        self._take_op_timings = functions.get("take_op_timings")
        arrays = [_native(lowered.initialized[name]) for name in code.weights]
        addresses = words([array.ctypes.data for array in arrays])
        super().__init__(code, [functions[name] for name in NETWORK_FUNCTIONS], addressof(addresses))

    def run(
        self, dims: Sequence[int], arrays: Sequence[np.ndarray], *, threads: int = 1, release_gil: bool = False
    ) -> int:
        """As :meth:`Session.run`; takes deferred functions from the cache, or compiles them, when a call needs them.

        The call does not do without them in the meantime, although it could, row by row on one thread: programs that
        measure a model after a first call would measure that.
        """
        if threads > 1 and not runtime_functions.is_known("thread_pool"):
            deferred_functions.adopt(self.code)
        status = super().run(dims, arrays, threads=threads, release_gil=release_gil)
        while when := INCOMPLETE.get(status):
            if not deferred_functions.adopt(self.code):
                compiler().complete(self.code, when)
            status = super().run(dims, arrays, threads=threads, release_gil=release_gil)
        return status

    def take_op_timings(self) -> np.ndarray:
        """Seconds since the last call of this method: of reading the clock, then of each of ``code.op_timings``.

        Raises OptionError if the session was made without ``profile``.
        """
        if self._take_op_timings is None:
            raise OptionError("this session does not read the clock: make it with profile=True")
        seconds = np.empty(1 + len(self.code.op_timings))
        _TAKE_OP_TIMINGS(self._take_op_timings)(self.handle, seconds.ctypes.data)
        return seconds


def _cached(lowered: RModel) -> tuple[JitText, dict[str, int]] | None:
    """The text of a network, and the addresses of its functions if the cache has them."""
    width = cache.vector_bytes() if cache_folder.chosen() else None
    if width is None:
        return None
    code = jit_text(lowered, vector_bytes=width)
    library = cache.find(code)
    return None if library is None else (code, dict(zip(NETWORK_FUNCTIONS, library.functions, strict=True)))


def _compiled(lowered: RModel, *, profile: bool = False) -> tuple[JitText, dict[str, int]]:
    """The text of a network, and the addresses of its functions as Cling compiled them."""
    vector_bytes = runtime_functions.functions("registers").vector_bytes()
    code = jit_text(lowered, profile=profile, vector_bytes=vector_bytes)
    functions = compiler().compile(code)
    if not profile and cache_folder.chosen() and vector_bytes == cache.vector_bytes():
        cache.saw(code)
        deferred_functions.expect(code)
    return code, functions


def _native(array: np.ndarray) -> np.ndarray:
    """C-contiguous and in this machine's byte order."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))
