"""Verification of compiled code without Keras: comparison with the same network evaluated by numpy in float64."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sofie_jit.errors import VerificationError
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.quantization import QuantizeLinear
from sofie_jit.ir.operators.rounding import RoundTo
from sofie_jit.ir.options import Optimize
from sofie_jit.ir.rmodel import RModel
from sofie_jit.models.compile import compile_stateless
from sofie_jit.passes.explicit_states import explicit_states
from sofie_jit.verification.difference import distance
from sofie_jit.verification.evaluate import evaluate
from sofie_jit.verification.random_inputs import draw_inputs

ROWS = 3
"""Rows of the random inputs."""
TOLERANCE = 1e-6
"""An error, relative to the largest magnitude of the output, that is always allowed."""
ROUNDING = 4
"""A compiled network may have this many times the error of numpy in the same precision: the sums of Winograd's
convolutions alone have 1.6 times the error of plain ones."""


@dataclass(frozen=True)
class Verified:
    """One output: largest differences from the float64 evaluation, relative to the output's largest magnitude."""

    name: str
    error: float
    """That of the compiled network."""
    plain_error: float
    """That of an evaluation in numpy in the network's own precision: the error that rounding makes."""
    tolerance: float = TOLERANCE
    """An error that is always allowed."""

    @property
    def ok(self) -> bool:
        """Whether the error is within the tolerance, or at most four times that of numpy in the same precision."""
        return self.error <= max(self.tolerance, ROUNDING * self.plain_error)

    def __str__(self) -> str:
        return f"{self.name}: {self.error:.2e} from float64, {self.plain_error:.2e} with numpy in the same precision"


def verify(rmodel: RModel, *, optimize: Optimize = True, inputs: Sequence[Any] | None = None) -> list[Verified]:
    """Compares the compiled network with an evaluation in numpy and float64, which uses none of the kernels.

    ``inputs``: arrays as ``Model.infer`` takes them; by default random ones. States are inputs and outputs. Returns a
    :class:`Verified` per output.

    Raises VerificationError if the error of an output is larger than 1e-6 of its largest magnitude and than four times
    the error of an evaluation in numpy in the network's own precision, or if NaN or infinity are in other places. A
    network of quantized tensors, or of float16 and bfloat16, may have errors of :func:`steps_of`.

    >>> import sofie_jit
    >>> from sofie_jit.demo import MODEL_FILE
    >>> (output,) = verify(sofie_jit.load(MODEL_FILE).rmodel)
    >>> output.error < 1e-6
    True
    """
    network = plain_outputs(explicit_states(rmodel))
    given = draw_inputs(network, ROWS) if inputs is None else list(inputs)
    return compare(network, given, evaluate_exactly(network, given), optimize=optimize)


def steps_of(network: RModel) -> float:
    """The error that is always allowed: 1e-6, or four steps of the coarsest type that tensors are rounded to.

    A number in the middle of a step is rounded up or down, depending on the last bits of the sums before.
    """
    steps = [op.step for op in network.operators if isinstance(op, (QuantizeLinear, RoundTo))]
    inner = [steps_of(body) for op in network.operators for body in op.bodies.values()]
    return max([TOLERANCE, *(4 * step for step in steps), *inner])


def plain_outputs(rmodel: RModel) -> RModel:
    """The network with its outputs as a list."""
    new = rmodel.copy()
    new.output_structure = None
    return new


def evaluate_exactly(network: RModel, inputs: Sequence[Any]) -> list[np.ndarray]:
    """The outputs in float64; an operator without a definition in numpy is computed by its kernel in float64."""
    return evaluate(network, list(inputs), "float64", fallback=evaluate_by_kernel)


def compare(
    network: RModel, inputs: Sequence[Any], exact: Sequence[np.ndarray], *, optimize: Optimize
) -> list[Verified]:
    """A :class:`Verified` per output of a network with plain outputs. Raises VerificationError."""
    got = _listed(compile_stateless(network, threads=1, optimize=optimize).infer(list(inputs)))
    plain = evaluate(network, list(inputs), fallback=evaluate_by_kernel)
    names = network.output_labels if len(network.output_labels) == len(network.outputs) else network.outputs
    tolerance = steps_of(network)
    found = [
        Verified(name, distance(a, c), distance(b, c), tolerance)
        for name, a, b, c in zip(names, got, plain, exact, strict=True)
    ]
    if wrong := [output for output in found if not output.ok]:
        raise VerificationError(
            "the compiled network is wrong on this machine; rounding does not explain the errors of "
            + "; ".join(map(str, wrong))
            + ". Try optimize=False, and report it with the output of `sofie-jit doctor`"
        )
    return found


def evaluate_by_kernel(op: ROperator, inputs: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...]:
    """The outputs of an operator, compiled alone."""
    model = RModel(op.op_type)
    names = ["" if array is None else f"x{index}" for index, array in enumerate(inputs)]
    for name, array in zip(names, inputs, strict=True):
        if array is not None:
            model.add_input_tensor_info(name, array.dtype.name, array.shape)
    outputs = [f"y{index}" if name else "" for index, name in enumerate(op.outputs)]
    model.add_operator(dataclasses.replace(op, inputs=names, outputs=outputs))
    model.add_output_tensor_names(name for name in outputs if name)
    results = iter(
        _listed(compile_stateless(model, threads=1, optimize=False).infer([a for a in inputs if a is not None]))
    )
    return tuple(next(results) if name else np.empty(0) for name in outputs)


def _listed(result: Any) -> list[np.ndarray]:
    return result if isinstance(result, list) else [result]
