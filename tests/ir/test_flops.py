"""Floating-point operations of operators, counted by hand: two for each multiply-add of a row of the batch."""

from __future__ import annotations

import numpy as np
import pytest

from sofie_jit.codegen.lowered.dense import Dense
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.conv_lstm import ConvLSTM
from sofie_jit.ir.operators.conv_transpose import ConvTranspose
from sofie_jit.ir.operators.decision_trees import DecisionTrees
from sofie_jit.ir.operators.elementwise import Add
from sofie_jit.ir.operators.gemm import Gemm
from sofie_jit.ir.operators.gru import GRU
from sofie_jit.ir.operators.lstm import LSTM
from sofie_jit.ir.operators.matmul import MatMul
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.operators.pairwise_coupling import PairwiseCoupling
from sofie_jit.ir.operators.pool import GlobalAveragePool, MaxPool
from sofie_jit.ir.operators.quantization import ConvInteger, MatMulInteger
from sofie_jit.ir.operators.resample import Resample
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.operators.resize import Resize, Upsample
from sofie_jit.ir.operators.rnn import RNN
from sofie_jit.ir.operators.roi_align import RoiAlign
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType

NHWC = {"layout": "NHWC", "kernel_layout": "HWIO"}

CASES = [
    # operator, element type, shape of a row of x, shapes of weights, operations
    (Add(), "float32", (3, 5), [(5,)], 3 * 5),
    (Gemm(), "float32", (7,), [(7, 4)], 2 * 7 * 4),
    (Gemm(transB=True), "float32", (7,), [(4, 7)], 2 * 7 * 4),
    (Dense(), "float32", (3, 7), [(7, 4)], 2 * 3 * 7 * 4),
    (MatMul(), "float32", (2, 3, 5), [(5, 4)], 2 * 2 * 3 * 5 * 4),
    (MatMulInteger(), "int8", (3, 5), [(5, 4)], 2 * 3 * 5 * 4),
    (Conv(**NHWC, strides=[2, 1], pads=[0, 1] * 2), "float32", (5, 6, 3), [(3, 3, 3, 4)], 2 * (2 * 6) * 27 * 4),
    (Conv(**NHWC, group=3), "float32", (5, 6, 3), [(2, 2, 1, 6)], 2 * (4 * 5) * (2 * 2) * 6),
    (ConvInteger(), "uint8", (3, 5, 6), [(4, 3, 2, 2)], 2 * (4 * 5) * (2 * 2 * 3) * 4),
    (ConvTranspose(strides=[2, 3]), "float32", (3, 4, 5), [(3, 6, 2, 3)], 2 * (4 * 5) * (3 * 6 * 2 * 3)),
    (MaxPool(kernel_shape=[2, 3], layout="NHWC"), "float32", (4, 7, 5), [], 2 * 3 * (3 * 5 * 5)),
    (GlobalAveragePool(layout="NHWC"), "float32", (4, 7, 5), [], 4 * 7 * 5),
    (RNN(hidden_size=4), "float32", (6, 3), [(1, 4, 3), (1, 4, 4)], 2 * 6 * 4 * (3 + 4)),
    (GRU(hidden_size=4), "float32", (6, 3), [(1, 12, 3), (1, 12, 4)], 2 * 6 * 12 * (3 + 4)),
    (LSTM(hidden_size=4), "float32", (6, 3), [(1, 16, 3), (1, 16, 4)], 2 * 6 * 16 * (3 + 4)),
    (ConvLSTM(hidden_size=2), "float32", (6, 5, 7, 8), [(3, 3, 2, 8)], 2 * 6 * (5 * 7) * (3 * 3 * 2 * 8)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].op_type} {case[2]} {case[3]}")
def test_operations_of_a_row(case) -> None:
    op, dtype, row, weights, expected = case
    rmodel = RModel()
    rmodel.add_input_tensor_info("x", dtype, (None, *row))
    for number, shape in enumerate(weights):
        rmodel.add_initialized_tensor(f"w{number}", np.ones(shape, dtype))
    op.inputs, op.outputs = ["x", *(f"w{number}" for number in range(len(weights)))], ["y"]
    rmodel.add_operator(op)
    rmodel.add_output_tensor_names("y")
    assert rmodel.operator_flops() == [expected]


def test_open_sizes_count_as_one_and_regions_of_interest_as_rows() -> None:
    rmodel = RModel()
    rmodel.add_input_tensor_info("x", "float32", (None, "time", 3))
    rmodel.add_initialized_tensor("w", np.ones((3, 4), np.float32))
    rmodel.add_operator(MatMul(inputs=["x", "w"], outputs=["y"]))
    rmodel.add_input_tensor_info("rois", "float32", ("count", 4))
    rmodel.add_input_tensor_info("image", "float32", (1, 2, 8, 8))
    rmodel.add_input_tensor_info("indices", "int64", ("count",))
    rmodel.add_operator(
        RoiAlign(output_height=3, output_width=5, sampling_ratio=2, inputs=["image", "rois", "indices"], outputs=["z"])
    )
    rmodel.add_output_tensor_names("y", "z")
    assert rmodel.operator_flops() == [2 * 3 * 4, 12 * 2**2 * (2 * 3 * 5)]


@pytest.mark.parametrize(
    ("operator", "inputs", "expected"),
    [
        (Reshape(shape=(5, 3)), ["float32 3 5"], 0),
        (Pad(pads=[0, 1, 0, 1]), ["float32 3 5"], 0),
        (Upsample(scales=[1, 2]), ["float32 3 5"], 0),
        (Resize(scales=[2, 3], mode="linear"), ["float32 1 2 4 5"], 9 * (2 * 8 * 15)),
        (Resample(axis=1), ["float32 1 3 5", "float32 4 2", "int64 4 2"], 2 * 2 * (4 * 5)),
        (PairwiseCoupling(num_classes=3), ["float32 1 3"], 40 * 3 * 3),
        (
            DecisionTrees(),  # base, thresholds, nodes, roots, targets and weights
            ["float32 1 4", "float32 2", "float32 5", "int32 5 2", "int32 3", "int32 6", "float32 6"],
            16 * 3,
        ),
        (RoiAlign(sampling_ratio=0), ["float32 1 2 8 8", "float32 1 4", "int64 1"], 12 * 2),
    ],
    ids=lambda value: getattr(value, "op_type", None),
)
def test_operations_of_inputs(operator, inputs, expected) -> None:
    """Operators that move tensors have none; those of other operators are estimates."""
    given = []
    for text in inputs:
        dtype, *shape = text.split()
        given.append(TensorType(dtype, tuple(map(int, shape))))
    assert operator.flops(given, [operator.infer(*given)]) == expected
