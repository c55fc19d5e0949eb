"""Networks built by hand that several test modules use."""

from __future__ import annotations

import numpy as np

from sofie_jit import RModel
from sofie_jit.ir.operators.activations import Relu
from sofie_jit.ir.operators.elementwise import Add
from sofie_jit.ir.operators.gemm import Gemm
from sofie_jit.ir.operators.transpose import Transpose
from sofie_jit.models.model import Model


def mlp(seed: int = 0, prefix: str = "") -> RModel:
    rng = np.random.default_rng(seed)
    model = RModel(prefix + "mlp")
    model.add_input_tensor_info(prefix + "x", "float32", (None, 12))
    last, width = prefix + "x", 12
    for i, units in enumerate((30, 7)):
        model.add_initialized_tensor(f"{prefix}w{i}", rng.normal(size=(width, units)).astype(np.float32))
        model.add_initialized_tensor(f"{prefix}b{i}", rng.normal(size=units).astype(np.float32))
        names = [last, f"{prefix}w{i}", f"{prefix}b{i}"]
        model.add_operator(Gemm(inputs=names, outputs=[f"{prefix}s{i}"]))
        model.add_operator(Relu(inputs=[f"{prefix}s{i}"], outputs=[f"{prefix}h{i}"]))
        last, width = f"{prefix}h{i}", units
    model.add_output_tensor_names(last)
    return model


def two_inputs() -> Model:
    model = RModel("sum")
    model.add_input_tensor_info("a", "float32", (None, 4))
    model.add_input_tensor_info("b", "float32", (None, 4))
    model.add_operator(Add(inputs=["a", "b"], outputs=["y"]))
    model.add_output_tensor_names("y")
    return model.compile()


def gemm_relu_transpose(rng: np.random.Generator) -> RModel:
    model = RModel("by_hand")
    model.add_input_tensor_info("x", "float32", (None, 16))
    model.add_initialized_tensor("w", rng.normal(size=(16, 8)).astype(np.float32))
    model.add_initialized_tensor("b", rng.normal(size=8).astype(np.float32))
    model.add_operator(Gemm(inputs=["x", "w", "b"], outputs=["h"]))
    model.add_operator(Relu(inputs=["h"], outputs=["r"]))
    model.add_operator(Transpose(perm=[1, 0], inputs=["r"], outputs=["y"]))
    model.add_output_tensor_names("y")
    return model
