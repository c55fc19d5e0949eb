"""Models that remember: recurrent layers which go on where the call before left them (Keras's ``stateful=True``)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from sofie_jit.ir.operators.operator import static_dims
from sofie_jit.ir.rmodel import RModel
from sofie_jit.models.arguments import Arguments
from sofie_jit.models.model import Model
from sofie_jit.models.threads import thread_count
from sofie_jit.passes.explicit_states import explicit_states
from sofie_jit.passes.pipeline import Optimize

if TYPE_CHECKING:
    from sofie_jit.report.profile import Profile


class StatefulModel(Model):
    """A :class:`Model` whose results depend on the calls before, too.

    :func:`sofie_jit.load` returns one for a network with ``stateful=True`` layers. The states of row i of one call
    are where row i of the next begins; they are zeros at first, and after :meth:`reset_states`. The batch is the one
    that the network was made for. Calls wait for each other; one that fails changes nothing. What is compiled is a
    pure function, with the states as further inputs and outputs, and a saved header is just that.
    """

    def __init__(self, rmodel: RModel, *, threads: int | None = None, optimize: Optimize = True):
        rmodel.generate()
        self._rmodel = rmodel
        self._options = {"threads": threads, "optimize": optimize}
        self._threads = thread_count(threads)
        self._optimize = optimize
        self._arguments = Arguments(rmodel.inputs)
        self._step = Model(explicit_states(rmodel), threads=threads, optimize=optimize)
        self._lock = threading.Lock()
        self._zeros = [np.zeros(static_dims("state", kind.shape), kind.dtype) for kind in rmodel.states.values()]
        self._states = self._zeros

    def infer(self, *inputs: Any, out: Any = None, threads: int | None = None) -> Any:
        """As :meth:`Model.infer`, from the states that the call before left."""
        arrays = self._arguments.standardize(inputs)
        with self._lock:
            if out is not None:
                given = list(out) if isinstance(out, (list, tuple)) else [out]
                out = [*given, *map(np.empty_like, self._states)]
            results = self._step.infer(*arrays, *self._states, out=out, threads=threads)
            self._states = results["states"]
        return results["outputs"]

    def profile(self, *inputs: Any) -> Profile:
        """As :meth:`Model.profile`; the states stay as they are."""
        return self._step.profile(*self._arguments.standardize(inputs), *self._states)  # which stay as they are

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied with its states, which then go their own way."""
        return *super().__reduce__(), self._states

    def __setstate__(self, states: list[np.ndarray]) -> None:
        self._states = states

    def reset_states(self) -> None:
        """Sets all states to zero, as Keras's ``reset_states`` does."""
        with self._lock:
            self._states = self._zeros
