"""The list of passes, and :func:`lower`, which applies them: optimizations and lowering of an RModel.

To add a pass, write a function from RModel to RModel in its own file of this folder and add it to :data:`PASSES`.
"""

from __future__ import annotations

import numpy as np

from sofie_jit.errors import OptionError
from sofie_jit.ir.options import Optimize
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.absorb_padding import absorb_padding
from sofie_jit.passes.absorb_transposes import absorb_transposes
from sofie_jit.passes.cancel_transposes import cancel_transposes
from sofie_jit.passes.chain_depthwise import chain_depthwise
from sofie_jit.passes.choose_convolution import choose_convolution
from sofie_jit.passes.choose_winograd import choose_winograd
from sofie_jit.passes.eliminate_common_subexpressions import eliminate_common_subexpressions
from sofie_jit.passes.eliminate_dead_code import eliminate_dead_code
from sofie_jit.passes.explicit_states import explicit_states
from sofie_jit.passes.fold_constants import fold_constants
from sofie_jit.passes.fold_following_affine import fold_following_affine
from sofie_jit.passes.fold_preceding_affine import fold_preceding_affine
from sofie_jit.passes.fuse_activation import fuse_activation
from sofie_jit.passes.fuse_add import fuse_add
from sofie_jit.passes.lower_bodies import lower_bodies
from sofie_jit.passes.lower_convolutions import lower_convolutions
from sofie_jit.passes.lower_layout import lower_layout
from sofie_jit.passes.lower_products import lower_products
from sofie_jit.passes.recognize_activations import recognize_activations
from sofie_jit.passes.recognize_layer_normalization import recognize_layer_normalization
from sofie_jit.passes.separate_outputs import separate_outputs
from sofie_jit.passes.skip_zeros import skip_zeros
from sofie_jit.passes.slice_strides import slice_strides

REQUIRED, OPTIONAL = True, False

PASSES = [
    (REQUIRED, explicit_states),
    (REQUIRED, eliminate_dead_code),
    (OPTIONAL, fold_constants),
    (OPTIONAL, eliminate_common_subexpressions),
    (OPTIONAL, recognize_layer_normalization),
    (OPTIONAL, recognize_activations),
    (REQUIRED, lower_products),
    (OPTIONAL, fold_constants),  # of Gemms, transposed weights and those that beta multiplies
    (REQUIRED, lower_convolutions),
    (OPTIONAL, absorb_padding),
    (OPTIONAL, fold_following_affine),
    (OPTIONAL, fold_preceding_affine),
    (OPTIONAL, fuse_add),
    (OPTIONAL, fuse_activation),
    (REQUIRED, lower_layout),
    (OPTIONAL, cancel_transposes),
    (OPTIONAL, absorb_transposes),
    (OPTIONAL, choose_winograd),
    (OPTIONAL, chain_depthwise),
    (OPTIONAL, slice_strides),
    (REQUIRED, choose_convolution),
    (OPTIONAL, skip_zeros),
    (REQUIRED, eliminate_dead_code),
    (REQUIRED, separate_outputs),
]
"""All passes in the order in which they run. Code generation needs the required ones."""


def lower(rmodel: RModel, optimize: Optimize = True) -> RModel:
    """Applies the passes, also to the bodies of loops; returns the lowered model from which code is generated.

    Without ``optimize`` only the required passes run. Raises OptionError if ``optimize`` contains a name that is not
    the name of an optional pass.
    """
    wanted = _wanted(optimize)
    model = rmodel
    with np.errstate(all="ignore"):  # weights may have any value; the network gives NaN for them, too
        for required, run in PASSES:
            if required or run.__name__ in wanted:
                result = run(model)
                if result is not model:
                    result.generate()
                model = result
        return lower_bodies(model, lambda body: lower(body, optimize))


def _wanted(optimize: Optimize) -> set[str]:
    optional = {run.__name__ for required, run in PASSES if not required}
    if isinstance(optimize, bool):
        return optional if optimize else set()
    if isinstance(optimize, str) or not set(optimize) <= optional:
        raise OptionError(
            f"optimize={optimize!r}: expected True, False, or a list of passes out of {', '.join(sorted(optional))}"
        )
    return set(optimize)
