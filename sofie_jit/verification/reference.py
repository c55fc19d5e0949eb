"""A reference that travels with a saved header: an input, and what the network makes of it, computed in float64."""

from __future__ import annotations

import numpy as np

from sofie_jit.codegen.self_test import Reference
from sofie_jit.ir.rmodel import RModel
from sofie_jit.models.arguments import Arguments
from sofie_jit.models.compiled_model import CompiledModel
from sofie_jit.passes.explicit_states import explicit_states
from sofie_jit.passes.pipeline import Optimize
from sofie_jit.verification.random_inputs import random_inputs
from sofie_jit.verification.verify import TOLERANCE, in_float64, verify

ROWS = 3
LARGE = 4096
"""Numbers in a row from which on one row is enough."""


def reference(rmodel: RModel, *, optimize: Optimize = True) -> Reference:
    """The reference of a network, states among its inputs and outputs; compiles it, as :func:`verify` does.

    Raises VerificationError if the network, compiled on this machine, is not right itself.
    """
    network = explicit_states(rmodel).copy()
    network.output_structure = None
    exact = CompiledModel(in_float64(network), threads=1, optimize=False)
    row = max(np.prod([d for d in kind.shape if isinstance(d, int)], dtype=object) for kind in network.inputs.values())
    inputs = random_inputs(CompiledModel(network, threads=1, optimize=optimize), 1 if row > LARGE else ROWS)
    errors = verify(network, optimize=optimize, inputs=inputs)
    outputs = exact.infer(inputs)
    return Reference(
        dims=dict(Arguments(network.inputs).bind(inputs)),
        inputs=inputs,
        outputs=outputs if isinstance(outputs, list) else [outputs],
        tolerances=[max(TOLERANCE, 2 * output.plain_error) for output in errors],
    )
