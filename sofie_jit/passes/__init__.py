"""RModel -> RModel: what an optimizer and a lowering do, one small pure function a file."""

from __future__ import annotations

from sofie_jit.passes.separate_outputs import separate_outputs
from sofie_jit.rmodel import RModel


def lower(rmodel: RModel, optimize: bool = True) -> RModel:
    """The model as code is generated from it. Without ``optimize``, only the passes that kernels depend on run."""
    model = rmodel
    for required, run in PASSES:
        if required or optimize:
            model = run(model)
            model.generate()
    return model


# In the order in which they run; (required, pass).
PASSES = [
    (True, separate_outputs),
]
