"""The models that a network was compiled to for several inputs, of which the most recently used are kept."""

from __future__ import annotations

import threading
import warnings
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sofie_jit.models.arguments import by_keyword
from sofie_jit.models.model import Model

if TYPE_CHECKING:
    from sofie_jit.report.profile import Profile

KEPT = 16
"""The number of models that are kept; each has its own packed weights."""


class KeptModels:
    """Models of one network, each compiled for one key, such as the shapes of the inputs. Threads may share it.

    ``name``, ``per``: the network and the meaning of a key, in the warning after 16 compilations.
    """

    def __init__(self, name: str, per: str):
        self._name, self._per = name, per
        self._models: OrderedDict[Hashable, Model] = OrderedDict()
        self._compiled = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._models)

    @property
    def models(self) -> list[Model]:
        """The kept models; the most recently used one is last."""
        return list(self._models.values())

    def get(self, key: Hashable, compile: Callable[[], Model]) -> Model:
        """The model of ``key``, which ``compile`` returns if it is not kept."""
        with self._lock:
            if key not in self._models:
                self._models[key] = compile()
                self._count()
            self._models.move_to_end(key)
            return self._models[key]

    def _count(self) -> None:
        self._compiled += 1
        if self._compiled == KEPT:
            warnings.warn(
                f"model '{self._name}' was compiled for {KEPT} {self._per}, each of which took time and memory",
                stacklevel=5,
            )
        if len(self._models) > KEPT:
            self._models.popitem(last=False)


class CompiledWhenCalled(Model):
    """A :class:`Model` that is compiled for some facts about its inputs when it is first called with them."""

    @abstractmethod
    def _model_for(self, inputs: Sequence[Any]) -> tuple[Model, list[np.ndarray]]:
        """The model for ``inputs``, and its arguments."""

    def for_inputs(self, *inputs: Any) -> Model:
        """The model that is compiled for the facts about ``inputs``, whose outputs and operators are known."""
        return self._model_for(inputs)[0]

    def infer(self, *inputs: Any, out: Any = None, threads: int | None = None, **named: Any) -> Any:
        """As :meth:`Model.infer`. The first call with new facts about the inputs compiles the network for them."""
        model, arrays = self._model_for(by_keyword(inputs, named))
        return model.infer(*arrays, out=out, threads=threads)

    def profile(self, *inputs: Any, **named: Any) -> Profile:
        """As :meth:`Model.profile`, for the code that computes these inputs."""
        model, arrays = self._model_for(by_keyword(inputs, named))
        return model.profile(*arrays)
