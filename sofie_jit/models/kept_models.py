"""The models that a network was compiled to for several inputs, of which the most recently used are kept."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable

from sofie_jit.models.model import Model

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
