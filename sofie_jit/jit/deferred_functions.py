"""Deferred functions of networks, compiled by another process while this one answers its first calls.

Cling is not used by a thread in the background: it compiles a single function for up to 0.2 s, during which the thread
would have to hold the GIL, because programs may use cppyy themselves and Cling has no lock; and a process that forks or
ends meanwhile would have half a compiler. The system's compiler makes an entry of the cache instead, of which a later
call takes the addresses of the functions. The runtime of ``jit/runtime/`` comes with it.
"""

from __future__ import annotations

import threading

from sofie_jit.codegen.print_jit import JitText
from sofie_jit.jit import cache
from sofie_jit.jit.compiler import compiler

DELAY = 0.5
"""Seconds after which a network is given to the compiler: a process that only wants one answer has ended then."""

MOST = 4
"""The largest number of networks of a process that are compiled before they are seen for the second time."""

_expected: set[str] = set()
"""Namespaces of the networks that are being compiled."""

_ordered: set[str] = set()
"""Namespaces of the networks that were ever expected."""


def expect(code: JitText) -> None:
    """Lets another process compile a network soon, since calls may need its deferred functions."""
    if not code.deferred or code.namespace in _ordered or len(_ordered) >= MOST:
        return
    _ordered.add(code.namespace)
    _expected.add(code.namespace)
    timer = threading.Timer(DELAY, cache.order, [code])
    timer.daemon = True  # it waits, or starts a process
    timer.start()


def adopt(code: JitText) -> bool:
    """Takes the deferred functions of a network, and the runtime, that another process has compiled, if it has."""
    if code.namespace not in _expected:
        return False
    library = cache.find(code)
    if library is None:
        return False
    compiler().adopt(code, library.deferred(len(code.deferred)))
    _expected.discard(code.namespace)
    return True
