"""Proof that compiled code computes its network, without Keras: the same network in float64, unoptimized, beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sofie_jit.errors import VerificationError
from sofie_jit.ir.operators.elementwise import Cast
from sofie_jit.ir.operators.operator import TensorType
from sofie_jit.ir.rmodel import RModel
from sofie_jit.models.compiled_model import CompiledModel
from sofie_jit.passes.explicit_states import explicit_states
from sofie_jit.passes.pipeline import Optimize
from sofie_jit.verification.comparison import distance
from sofie_jit.verification.random_inputs import random_inputs

ROWS = 3
"""Rows of the random inputs that a network is tried on."""
TOLERANCE = 1e-6
"""Relative to an output's largest magnitude: an error that is never too large."""
ROUNDING = 4
"""How many times the error of the unoptimized network is still rounding: Winograd's sums alone reach 1.6 times."""


@dataclass(frozen=True)
class Verified:
    """One output: largest differences from the float64 evaluation, relative to the output's largest magnitude."""

    name: str
    error: float
    """Of the compiled network."""
    plain_error: float
    """Of the same network with all optional passes off, in the network's own precision."""

    @property
    def ok(self) -> bool:
        """Whether the error is at most 1e-6, or a few times what rounding alone makes of it."""
        return self.error <= max(TOLERANCE, ROUNDING * self.plain_error)

    def __str__(self) -> str:
        return f"{self.name}: {self.error:.2e} from float64, {self.plain_error:.2e} without optimization"


def verify(rmodel: RModel, *, optimize: Optimize = True, inputs: Sequence[Any] | None = None) -> list[Verified]:
    """Compares the network as it is compiled with itself in float64 with all optional passes off.

    ``inputs``: arrays as ``Model.infer`` takes them; by default random ones. Returns a :class:`Verified` per output.

    Raises VerificationError if an output is further from float64 than four times the unoptimized network's own
    rounding error and than 1e-6 of its scale, or if NaN or infinity come out in other places.
    """
    network = explicit_states(rmodel) if rmodel.states else rmodel
    network = _plain(network)
    model = CompiledModel(network, threads=1, optimize=optimize)
    given = random_inputs(model, ROWS) if inputs is None else list(inputs)
    got = model.infer(given)
    plain = CompiledModel(network, threads=1, optimize=False).infer(given)
    exact = CompiledModel(in_float64(network), threads=1, optimize=False).infer(given)
    found = [
        Verified(name, distance(a, c), distance(b, c))
        for name, a, b, c in zip(_names(network), *map(_listed, (got, plain, exact)), strict=True)
    ]
    if wrong := [output for output in found if not output.ok]:
        raise VerificationError(
            "the compiled network is not right on this machine; further from float64 than rounding explains are "
            + "; ".join(map(str, wrong))
            + ". Try optimize=False, and report it with the output of `sofie-jit doctor`"
        )
    return found


def in_float64(rmodel: RModel) -> RModel:
    """The same network with every float32 tensor in float64."""
    new = rmodel.copy()
    new.inputs = {name: TensorType(_double(kind.dtype), kind.shape) for name, kind in rmodel.inputs.items()}
    new.initialized = {
        name: values.astype(_double(values.dtype.name), copy=False) for name, values in rmodel.initialized.items()
    }
    for op in new.operators:
        if isinstance(op, Cast):
            op.to = _double(op.to)
    return new


def _double(dtype: str) -> str:
    return "float64" if dtype == "float32" else dtype


def _plain(rmodel: RModel) -> RModel:
    """With outputs in plain order."""
    new = rmodel.copy()
    new.output_structure = None
    return new


def _names(rmodel: RModel) -> list[str]:
    return rmodel.output_labels if len(rmodel.output_labels) == len(rmodel.outputs) else rmodel.outputs


def _listed(result: Any) -> list[np.ndarray]:
    return result if isinstance(result, list) else [result]
