"""The reference of a saved header's self test: inputs, and the outputs of the network in float64."""

from __future__ import annotations

import numpy as np

from sofie_jit.codegen.self_test import Reference
from sofie_jit.ir.options import Optimize
from sofie_jit.ir.rmodel import RModel
from sofie_jit.models.arguments import Arguments
from sofie_jit.passes.explicit_states import explicit_states
from sofie_jit.verification.random_inputs import draw_inputs
from sofie_jit.verification.verify import ROWS, compare, evaluate_exactly, plain_outputs

LARGE = 4096
"""Elements of a row from which on the reference has a single row."""


def reference(rmodel: RModel, *, optimize: Optimize = True) -> Reference:
    """The reference of a network with its states among the inputs and outputs.

    Compiles the network and raises VerificationError if it is wrong on this machine, like :func:`verify`.

    >>> import sofie_jit
    >>> from sofie_jit.demo import MODEL_FILE
    >>> reference(sofie_jit.load(MODEL_FILE).rmodel).dims
    {'batch': 3}
    """
    network = plain_outputs(explicit_states(rmodel))
    row = max(np.prod([d for d in kind.shape if isinstance(d, int)], dtype=object) for kind in network.inputs.values())
    inputs = draw_inputs(network, 1 if row > LARGE else ROWS)
    outputs = evaluate_exactly(network, inputs)
    errors = compare(network, inputs, outputs, optimize=optimize)
    return Reference(
        dims=Arguments(network.inputs).bind(inputs),
        inputs=inputs,
        outputs=outputs,
        tolerances=[max(output.tolerance, 2 * output.error, 2 * output.plain_error) for output in errors],
    )
