"""The compiler of this process: generated C++ to addresses of compiled functions, each text at most once."""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import threading
from collections.abc import Sequence
from ctypes import PYFUNCTYPE, c_uint64, c_void_p

from sofie_jit.codegen.kernel_library import kernel_namespace, kernel_text
from sofie_jit.codegen.print_jit import CALLS, INCOMPLETE, JitText, completing
from sofie_jit.errors import CompileError
from sofie_jit.jit import cling

_MOST_FUNCTIONS = 8
"""The largest number of addresses that :meth:`Compiler.define` returns."""

_BUG = "this is a bug of sofie_jit or of its installation"

_PUBLISH = """#include <cstdint>
namespace sofie_jit_runtime {{
// Writes the addresses of functions to memory of Python.
template <class... Functions>
int publish(Functions *...functions)
{{
   std::uint64_t *place = reinterpret_cast<std::uint64_t *>({address});
   ((*place++ = reinterpret_cast<std::uint64_t>(functions)), ...);
   return 0;
}}
}}
"""


class Compiler:
    """Compiles C++ with Cling, each text at most once.

    Threads may share it. A lock makes them take turns, because Cling is not re-entrant. Nothing happens before the
    first use, which starts Cling.

    Everything that is compiled goes through :meth:`define`. The other methods are for the layers of generated code, in
    the order in which one needs another:

    ``declare_kernels``: the headers of ``sofie_jit/kernels``.
    ``compile``: a network, with the functions through which it enters the kernels.
    ``complete``: the functions of a network that were deferred until a call needs them; ``adopt`` takes those that
    another compiler has compiled.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._compile_text: cling.CompileText | None = None
        self._addresses = (c_uint64 * _MOST_FUNCTIONS)()
        self._numbers = itertools.count()
        self._declared: set[str] = set()
        self._networks: dict[str, dict[str, int]] = {}
        self._completed: set[tuple[str, str]] = set()

    @property
    def networks(self) -> int:
        """Number of networks that were compiled in this process."""
        return len(self._networks)

    # -- texts ---------------------------------------------------------------------------------------------------

    def define(self, text: str, what: str, *functions: str) -> list[int]:
        """Compiles a text and returns the addresses of functions.

        ``text``: C++ at namespace scope. A text that was compiled before is not compiled again, since a Ctrl-C may
        have arrived before Python recorded the first time.
        ``what``: a description of the text for error messages.
        ``functions``: qualified names of functions that the text, or an earlier one, defines. Python calls them through
        ctypes, because each wrapper of cppyy would take 10 ms to make.

        Raises CompileError, and MissingDependencyError if Cling does not start.
        """
        guard = f"SOFIE_JIT_DEFINED_{hashlib.sha256(text.encode()).hexdigest()[:20]}"
        text = f"#ifndef {guard}\n#define {guard}\n{text}\n#endif\n"
        if functions:
            done = f"sofie_jit_published_{next(self._numbers)}"
            text += f"static const int {done} = sofie_jit_runtime::publish({', '.join(functions)});\n"
        with self._lock:
            compile_text = self._started()
            ctypes.memset(self._addresses, 0, ctypes.sizeof(self._addresses))
            if error := compile_text(text):
                compile_text(f"#undef {guard}\n")
                from_user = "user_" in what or "user_" in error  # the namespace of users' kernels
                cause = "see the source given to KernelOperator" if from_user else _BUG
                raise CompileError(f"the C++ of {what} does not compile here; {cause}.\n{error[:2000]}")
            addresses = self._addresses[: len(functions)]
        if not all(addresses):
            raise CompileError(
                f"the C++ of {what} was compiled but could not be linked, usually because an earlier compilation in "
                "this process failed; start a new process"
            )
        return addresses

    def _started(self) -> cling.CompileText:
        """The function that compiles a text, and reports to ``self._addresses`` where functions are."""
        if self._compile_text is None:
            compile_text = cling.start()
            compile_text(_PUBLISH.format(address=ctypes.addressof(self._addresses)))
            self._compile_text = compile_text
        return self._compile_text

    # -- kernels and networks ------------------------------------------------------------------------------------

    def declare_kernels(self, names: Sequence[str]) -> None:
        """Compiles kernel headers, given in an order in which they compile; each once per process."""
        with self._lock:
            missing = [name for name in names if name not in self._declared]
            users = [name for name in missing if name.startswith("user_")]
            built_in = [name for name in missing if name not in users]
            # Users' headers are compiled separately, so that an error in one cannot break built-in ones. All others
            # are one text, since each text costs a millisecond.
            for group in filter(None, [built_in, *([name] for name in users)]):
                self.define("\n".join(map(kernel_text, group)), f"kernel {', '.join(group)}")
                self._declared.update(group)

    def compile(self, code: JitText) -> dict[str, int]:
        """Compiles a network, at most once per process.

        Returns the addresses of the functions ``create``, ``destroy``, ``infer`` (see ``runtime/session.hxx``), if
        functions are deferred ``set_deferred``, and if the network is compiled for profiling ``take_op_timings``.

        Raises CompileError.
        """
        namespace = code.namespace
        with self._lock:
            if namespace not in self._networks:
                self.declare_kernels(code.kernels)
                self._define_calls(code)
                functions = code.functions
                deferred = code.deferred.values()
                waiting = {function.when for function in deferred if function.name not in self._declared}
                complete = sorted({function.when for function in deferred} - waiting)
                # another network may have compiled all deferred functions of this one
                text = code.text + "".join(in_calls(completing(code, when)) for when in complete)
                addresses = self.define(text, "the model", *(f"{namespace}::{name}" for name in functions))
                self._completed.update((namespace, when) for when in complete)
                self._networks[namespace] = dict(zip(functions, addresses, strict=True))
            return self._networks[namespace]

    def _define_calls(self, code: JitText) -> None:
        """Compiles the functions through which a network enters the kernels.

        They are not in the text of the network itself, or else kernels would be inlined into it and compiled for each
        network anew.
        """
        calls = {name: text for name, text in code.outlined.items() if name not in self._declared}
        for name in [name for name, text in calls.items() if "user_" in text]:
            # compiled separately so that an error in a user kernel cannot break built-in ones
            self.define(in_calls(calls.pop(name)), "the model")
            self._declared.add(name)
        self.define(in_calls("\n".join(calls.values())), "the model")
        self._declared.update(calls)

    def adopt(self, code: JitText, addresses: Sequence[int]) -> None:
        """Sets the pointers to the deferred functions of a network that another compiler has compiled.

        ``code``: a network that :meth:`compile` has compiled.
        ``addresses``: those of the functions, in the order of ``code.deferred``.
        """
        with self._lock:
            if code.deferred:
                set_deferred = self._networks[code.namespace]["set_deferred"]
                PYFUNCTYPE(None, c_void_p)(set_deferred)((c_uint64 * len(addresses))(*addresses))
            self._completed.update((code.namespace, when) for when in INCOMPLETE.values())

    def complete(self, code: JitText, when: str) -> None:
        """Compiles the deferred functions of a network that are needed ``when`` (see ``DeferredFunction.when``).

        ``code``: a network that :meth:`compile` has compiled.

        Raises CompileError.
        """
        namespace = code.namespace
        with self._lock:
            deferred = [function for function in code.deferred.values() if function.when == when]
            if not deferred or (namespace, when) in self._completed:
                return
            if when == "team":
                self.declare_kernels(code.parallel_kernels)
            missing = {
                function.name: function.definition for function in deferred if function.name not in self._declared
            }
            text = in_calls("\n".join([*missing.values(), completing(code, when)]))
            self.define(text, "the model", f"&{namespace}::complete_{when}")
            self._declared.update(missing)
            self._completed.add((namespace, when))


_COMPILER = Compiler()


def compiler() -> Compiler:
    """The one Compiler of this process.

    Cling's state belongs to the process: there is one interpreter, whose declarations cannot be removed. Two compilers
    would each try to declare the same kernels.
    """
    return _COMPILER


def in_calls(code: str) -> str:
    """``code`` in the namespace of the functions that enter kernels."""
    return f"namespace {CALLS} {{\nnamespace k = {kernel_namespace()};\n{code}\n}}\n"
