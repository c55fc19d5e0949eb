"""Control flow that is decided while the model is translated."""

from __future__ import annotations

import numpy as np

from sofie_jit.frontends.onnx.nodes.registry import OnnxCall, node
from sofie_jit.frontends.onnx.values import Value


@node("If")
def if_(call: OnnxCall, condition: np.ndarray) -> tuple[Value, ...]:
    """The outputs of one of two graphs, which a known condition chooses."""
    chosen, other = ("then_branch", "else_branch") if condition.item() else ("else_branch", "then_branch")
    call.ignore(other)
    return tuple(call.translate(call.graph(chosen)))
