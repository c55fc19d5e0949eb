"""Small models, and what tests of passes ask of them."""

from __future__ import annotations

import numpy as np

from sofie_jit import RModel
from sofie_jit.ir.operators.activations import Relu
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.elementwise import Add
from sofie_jit.passes.lower_convolutions import lower_convolutions
from sofie_jit.passes.lower_products import lower_products

W = np.random.default_rng(1).normal(size=(4, 4))
ROW = np.random.default_rng(11).uniform(0.5, 2, 4)
ONE_BY_ONE = np.random.default_rng(3).normal(size=(1, 1, 4, 4))
THREE_BY_THREE = np.random.default_rng(4).normal(size=(3, 3, 4, 4))
"""Kernels of 4 channels and 4 filters, height x width x channels x filters."""


def model_of(shape: tuple[int | None, ...], *operators: object, outputs: str = "y", **weights: np.ndarray) -> RModel:
    """A network of ``operators`` with the input "x" of ``shape``, ``weights`` by name, all in float32."""
    rmodel = RModel("pass")
    rmodel.add_input_tensor_info("x", "float32", shape)
    for name, values in weights.items():
        rmodel.add_initialized_tensor(name, values.astype(np.float32))
    for op in operators:
        rmodel.add_operator(op)  # type: ignore[arg-type]
    rmodel.add_output_tensor_names(*outputs.split())
    rmodel.generate()
    return rmodel


def lower_operators(rmodel: RModel) -> RModel:
    """The model with Dense, FusedConv and FusedConvTranspose, the operators that most passes look for."""
    lowered = lower_convolutions(lower_products(rmodel))
    lowered.generate()
    return lowered


def conv_of(x: str, y: str, kernel: str = "K", **attributes: object) -> Conv:
    """The convolution of channels-last images ``x`` with a kernel laid out as Keras does."""
    return Conv(layout="NHWC", kernel_layout="HWIO", inputs=[x, kernel], outputs=[y], **attributes)  # type: ignore[arg-type]


def chain_model(side: int = 96, outputs: str = "y", last: str = "x", **depthwise: object) -> RModel:
    """1 x 1 to 16 channels, Relu, depthwise, 1 x 1 back to four, which are added to the input."""
    rng = np.random.default_rng(3)
    options = {"group": 16, "auto_pad": "SAME_UPPER", **depthwise}
    operators = [
        conv_of("x", "a", "expand"),
        Relu(inputs=["a"], outputs=["b"]),
        conv_of("b", "c", "taps", **options),
        conv_of("c", "d", "project"),
        *([Add(inputs=["d", last], outputs=["y"])] if last else [Relu(inputs=["d"], outputs=["y"])]),
    ]
    shapes = {"expand": (1, 1, 4, 16), "taps": (3, 3, 1, 16), "project": (1, 1, 16, 4)}
    weights = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return model_of((None, side, side, 4), *operators, outputs=outputs, **weights)


def types(rmodel: RModel) -> list[str]:
    """What its operators are, in order."""
    return [op.op_type for op in rmodel.operators]


def same_numbers(rmodel: RModel, optimize: bool | list[str] = True) -> None:
    """Asserts that passes change no output by more than 1e-6 of its largest magnitude."""
    shape = [d if isinstance(d, int) else 3 for d in rmodel.inputs["x"].shape]
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    plain, optimized = rmodel.compile(optimize=False).infer(x), rmodel.compile(optimize=optimize).infer(x)
    for a, b in zip(*(r if isinstance(r, list) else [r] for r in (plain, optimized)), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6 * max(np.abs(a).max(), 1e-30))
