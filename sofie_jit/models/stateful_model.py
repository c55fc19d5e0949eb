"""StatefulModel: networks whose recurrent layers continue where the previous call stopped (Keras's ``stateful``)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from sofie_jit.ir.dims import static_dims
from sofie_jit.models.arguments import Arguments, by_keyword
from sofie_jit.models.compiled_model import Pickled
from sofie_jit.models.description import Description
from sofie_jit.models.execution import Execution
from sofie_jit.models.model import Model

if TYPE_CHECKING:
    from sofie_jit.ir.options import Optimize
    from sofie_jit.report.profile import Profile


class StatefulModel(Model):
    """A :class:`Model` whose results also depend on earlier calls.

    :func:`sofie_jit.load` returns one for a network with ``stateful=True`` layers. Row i of a call continues from the
    states that row i of the previous call left. States are zero at first and after :meth:`reset_states`. The batch size
    is the one that the network was made for. Calls from several threads run one after the other, and a call that fails
    leaves the states unchanged. The compiled code itself is a pure function with the states as further inputs and
    outputs, and so is a saved header.

    >>> import numpy as np
    >>> from sofie_jit import RModel
    >>> from sofie_jit.operators import Add
    >>> network = RModel("counter")
    >>> network.add_input_tensor_info("x", "float32", (1,))
    >>> network.add_state_tensor_info("total", "float32", (1,))
    >>> network.add_operator(Add(inputs=["total", "x"], outputs=["sum"]))
    >>> network.update_state("total", "sum")
    >>> network.add_output_tensor_names("sum")
    >>> counter = network.compile()
    >>> counter.infer([1]), counter.infer([5])
    (array([1.], dtype=float32), array([6.], dtype=float32))
    >>> counter.reset_states()
    >>> counter.infer([2])
    array([2.], dtype=float32)

    ``step``: the compiled network, with its states as further inputs and outputs.
    ``pickled``: see :class:`~sofie_jit.models.compiled_model.CompiledModel`.
    """

    def __init__(
        self,
        description: Description,
        step: Execution,
        pickled: Pickled,
        *,
        threads: int | None = None,
        optimize: Optimize = True,
    ):
        super().__init__(description, threads=threads, optimize=optimize)
        inputs = list(step.signature.inputs.items())
        count = len(self.input_names)
        self._arguments = Arguments(dict(inputs[:count]))
        self._step = step
        self._pickled = pickled
        self._lock = threading.Lock()
        self._zeros = [np.zeros(static_dims("state", kind.shape), kind.dtype) for _, kind in inputs[count:]]
        self._states = self._zeros

    def infer(self, *inputs: Any, out: Any = None, threads: int | None = None, **named: Any) -> Any:
        arrays = self._arguments.standardize(by_keyword(inputs, named))
        with self._lock:
            if out is not None:
                given = list(out) if isinstance(out, (list, tuple)) else [out]
                out = [*given, *map(np.empty_like, self._states)]
            results = self._step(*arrays, *self._states, out=out, threads=threads)
            self._states = results["states"]
        return results["outputs"]

    def reset_states(self) -> None:
        with self._lock:
            self._states = self._zeros

    def profile(self, *inputs: Any, **named: Any) -> Profile:
        """As :meth:`Model.profile`. The states do not change."""
        from sofie_jit.models.profiling import profile

        return profile(self._step.lowered, *self._arguments.standardize(by_keyword(inputs, named)), *self._states)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies start from the current states and are independent afterwards."""
        function, arguments = self._pickled()
        return self._remake(function), arguments, self._states

    def __setstate__(self, states: list[np.ndarray]) -> None:
        self._states = states
