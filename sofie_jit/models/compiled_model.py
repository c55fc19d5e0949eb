"""CompiledModel: the usual implementation of Model, one network compiled once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sofie_jit.ir.dims import BATCH
from sofie_jit.jit import fast_call
from sofie_jit.models.arguments import by_keyword
from sofie_jit.models.description import Description
from sofie_jit.models.execution import Execution
from sofie_jit.models.model import Model

if TYPE_CHECKING:
    from sofie_jit.ir.options import Optimize
    from sofie_jit.report.profile import Profile

Pickled = Callable[[], tuple[Callable[..., Model], tuple[Any, ...]]]

CALLS_BEFORE_FAST_CALL = 4
"""Calls of the first model of a process after which the C fast path is compiled. Its compilation would delay the first
result. Models with other open sizes than the batch have it at once, so that no call at a new size waits for it."""


class CompiledModel(Model):
    """A :class:`Model` of a network without states; sizes are known or are arguments of the compiled code.

    ``execution``: the compiled network.
    ``pickled``: the function and the arguments that, with the options ``threads`` and ``optimize``, make an equal Model
    in another process.
    """

    def __init__(
        self,
        description: Description,
        execution: Execution,
        pickled: Pickled,
        *,
        threads: int | None = None,
        optimize: Optimize = True,
    ):
        super().__init__(description, threads=threads, optimize=optimize)
        self._execution = execution
        self._arguments = execution.arguments
        self._pickled = pickled
        self._calls = 0
        if fast_call.is_ready() or set(execution.session.code.dims) - {str(BATCH)}:
            self._use_fast_call()

    def infer(self, *inputs: Any, out: Any = None, threads: int | None = None, **named: Any) -> Any:
        if "infer" in self.__dict__:  # a method that was bound before the fast path was there
            return self.__dict__["infer"](*inputs, out=out, threads=threads, **named)
        self._calls += 1
        if self._calls == CALLS_BEFORE_FAST_CALL:
            self._use_fast_call()
        return self._execution(*inputs, out=out, threads=threads, **named)

    def _use_fast_call(self) -> None:
        """Replaces :meth:`infer` with the C fast path, if there is one."""
        if (function := self._execution.fast_call(Model.infer.__doc__ or "")) is not None:
            self.__dict__["infer"] = function

    def profile(self, *inputs: Any, **named: Any) -> Profile:
        from sofie_jit.models.profiling import profile

        return profile(self._execution.lowered, *self._arguments.standardize(by_keyword(inputs, named)))

    def __reduce__(self) -> tuple[Any, ...]:
        function, arguments = self._pickled()
        return self._remake(function), arguments
