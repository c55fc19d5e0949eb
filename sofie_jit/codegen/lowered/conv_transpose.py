"""C++ calls of transposed convolutions, and FusedConvTranspose."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sofie_jit.codegen import tuning
from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call, as_size, literal
from sofie_jit.codegen.lowered.activations import epilogue
from sofie_jit.codegen.lowered.emission import emits, require
from sofie_jit.codegen.lowered.window import by_register_width, volume, window_members
from sofie_jit.ir.dims import Dim, maximum, product
from sofie_jit.ir.operators.activations import Activation, activated
from sofie_jit.ir.operators.conv_transpose import ConvTranspose
from sofie_jit.ir.operators.geometry import Axis, outputs_of
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class FusedConvTranspose(ConvTranspose):
    """A ConvTranspose with an activation of its result."""

    activation: Activation | None = None

    def infer(self, x: TensorType, w: TensorType, b: TensorType | None = None) -> TensorType:
        require(self, group=1)
        return super().infer(x, w, b)

    def evaluate(self, x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
        return activated(self.activation, super().evaluate(x, w, b))


@emits(FusedConvTranspose, kernels=("conv/conv_transpose.hxx", "elementwise/activations.hxx"))
def conv_transpose(op: FusedConvTranspose, code: Emitter) -> Call:
    """``conv_transpose`` of each image: products of all pixels, then sums per output."""
    x, y = code.type_of(0), code.outputs[0]
    code.require_constants(1, 2)
    axes, channels, outputs = op.window(x, code.type_of(1))
    taps = math.prod(axis.kernel for axis in axes)
    products = product(*outputs_of(axes)) * taps * outputs
    at_once = maximum(tuning.CONV_TRANSPOSE_PRODUCTS // products, 1)
    one, absent = literal(1, y.dtype), len(op.inputs)
    return code.call(
        f"conv_transpose<{by_register_width(lambda lanes: outputs < lanes, y.dtype)}>",
        code.count(y.shape[:1]), as_size(at_once), code.struct("Window", *window_members(axes)), channels, outputs,
        code.input(0),
        code.packed("pack_conv_transpose", code.raw(1), taps, channels, outputs, op.kernel_layout == "IOHW"),
        code.packed("pack_bias", code.raw(absent), taps * outputs, one),
        code.packed("pack_bias", code.raw(2), outputs, one),
        code.output(0), code.scratch(y.dtype, (at_once * products,)),
        code.scratch("int64", (list_size(axes),)), epilogue(code, op.activation, y.dtype),
    )  # fmt: skip


def list_size(axes: Sequence[Axis]) -> Dim:
    """Elements of the list of products that each output is the sum of."""
    d, h, w = volume(axes)
    return w.size + 1 + w.out * w.kernel + d.kernel * h.kernel
