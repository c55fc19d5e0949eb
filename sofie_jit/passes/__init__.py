"""RModel -> RModel: what an optimizer and a lowering do, one small pure function a file."""

from __future__ import annotations

from sofie_jit.passes.absorb_padding import absorb_padding
from sofie_jit.passes.cancel_transposes import cancel_transposes
from sofie_jit.passes.drop_unused import drop_unused
from sofie_jit.passes.explicit_states import explicit_states
from sofie_jit.passes.fold_batchnorm import fold_batchnorm
from sofie_jit.passes.fuse_activation import fuse_activation
from sofie_jit.passes.fuse_add import fuse_add
from sofie_jit.passes.lower_gemm import lower_gemm
from sofie_jit.passes.lower_layout import lower_layout
from sofie_jit.passes.separate_outputs import separate_outputs
from sofie_jit.rmodel import RModel

REQUIRED, OPTIONAL = True, False

PASSES = [
    (REQUIRED, explicit_states),
    (REQUIRED, drop_unused),
    (REQUIRED, lower_gemm),
    (OPTIONAL, absorb_padding),
    (OPTIONAL, fold_batchnorm),
    (OPTIONAL, fuse_add),
    (OPTIONAL, fuse_activation),
    (REQUIRED, lower_layout),
    (OPTIONAL, cancel_transposes),
    (REQUIRED, drop_unused),
    (REQUIRED, separate_outputs),
]
"""In the order in which they run; kernels depend on the required ones."""


def lower(rmodel: RModel, optimize: bool = True) -> RModel:
    """The model as code is generated from it; without ``optimize`` only by the required passes."""
    model = rmodel
    for required, run in PASSES:
        if required or optimize:
            model = run(model)
            model.generate()
    return model
