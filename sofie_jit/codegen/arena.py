"""The arena: one block of memory for intermediate tensors and scratch memory, divided into slots that are reused."""

from __future__ import annotations

from dataclasses import field

import numpy as np

from sofie_jit.codegen.tuning import ALIGNMENT
from sofie_jit.ir.dims import BATCH, Shape, SymbolicDim, split_count
from sofie_jit.ir.symbolic import reserved
from sofie_jit.records import dataclass

THREADS = reserved("threads")
"""The number of threads that share a call, as a dimension of a slot."""


@dataclass
class Slot:
    """``size`` bytes times the product of ``dims``, rounded up when the sizes are known."""

    size: int
    dims: tuple[SymbolicDim, ...]


@dataclass
class Arena:
    """Hands out slots and takes them back; ``slots`` is what the arena must hold in the end."""

    slots: list[Slot] = field(default_factory=list)
    _free: list[int] = field(default_factory=list)

    def take(self, dtype: str, shape: Shape) -> int:
        """The index of a slot for a tensor of ``dtype`` and ``shape``: the best free one, enlarged if necessary."""
        count, dims = split_count(shape)
        size = max(count, 1) * np.dtype(dtype).itemsize
        if {BATCH, THREADS}.issuperset(dims):  # others may be large: pixels of 3 channels are not rounded up
            size = -(-size // ALIGNMENT) * ALIGNMENT
        candidates = [i for i in self._free if self.slots[i].dims == dims]
        if not candidates:
            self.slots.append(Slot(size, dims))
            return len(self.slots) - 1
        best = min(candidates, key=lambda i: (self.slots[i].size < size, abs(self.slots[i].size - size)))
        self._free.remove(best)
        self.slots[best].size = max(self.slots[best].size, size)
        return best

    def free(self, slot: int) -> None:
        """Gives a slot back for tensors that come later."""
        self._free.append(slot)
