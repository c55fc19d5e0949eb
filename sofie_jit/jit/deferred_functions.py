"""Deferred functions of networks, compiled by another process while this one answers its first calls.

Cling is not used by a thread in the background: it compiles a single function for up to 0.2 s, during which the thread
would have to hold the GIL, because programs may use cppyy themselves and Cling has no lock; and a process that forks or
ends meanwhile would have half a compiler. The system's compiler makes an entry of the cache instead, of which a later
call takes the addresses of the functions. The runtime of ``jit/runtime/`` comes with it.
"""

from __future__ import annotations

import threading
import time

from sofie_jit.codegen.print_jit import JitText
from sofie_jit.jit import cache, runtime_functions
from sofie_jit.jit.compiler import compiler

DELAY = 0.5
"""Seconds after which a network is given to the compiler: a process that only wants one answer has ended then."""

MOST = 16
"""The largest number of networks of a process that are compiled before they are seen for the second time."""

PATIENCE = 60.0
"""Seconds after which the functions are not expected any more: the compiler has failed, or the machine is too busy."""

PAUSE = 0.05
"""Seconds between two looks at the cache."""

_looks: dict[str, tuple[float, float]] = {}
"""Namespace of an expected network -> the times of the next look at the cache, and of the end of patience."""

_ordered: set[str] = set()
"""Namespaces of the networks that were ever expected."""


def expect(code: JitText) -> None:
    """Lets another process compile a network soon, since calls may need its deferred functions, or the runtime."""
    if not code.deferred and all(map(runtime_functions.is_known, runtime_functions.IN_LIBRARIES)):
        return
    if code.namespace in _ordered or len(_ordered) >= MOST or not cache.can_compile():
        return
    _ordered.add(code.namespace)
    _looks[code.namespace] = 0.0, time.monotonic() + DELAY + PATIENCE
    timer = threading.Timer(DELAY, cache.order, [code])
    timer.daemon = True  # it waits, or starts a process
    timer.start()


def are_coming(code: JitText) -> bool:
    """Whether another process is still compiling a network. Takes the functions that it has compiled.

    It costs a microsecond, and every :data:`PAUSE` the time to look for a file.
    """
    look = _looks.get(code.namespace)
    if look is None:
        return False
    now, (next_look, end) = time.monotonic(), look
    if now < next_look:
        return True
    library = cache.find(code)
    if library is None and now < end and not cache.has_failed(code):
        _looks[code.namespace] = now + PAUSE, end
        return True
    if library is not None:
        compiler().adopt(code, library.deferred(len(code.deferred)))
    _looks.pop(code.namespace, None)
    return False
