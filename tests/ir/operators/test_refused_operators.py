"""``infer`` refuses each wrong operand and attribute by itself, names it, and takes the same operands at the limit."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pytest

from sofie_jit.errors import DtypeError, OutOfRangeError, ShapeError
from sofie_jit.ir.operators import all_operators
from sofie_jit.ir.types import TensorType


def f(*shape: int | str) -> TensorType:
    return TensorType("float32", shape)  # type: ignore[arg-type]


def d(*shape: int | str) -> TensorType:
    return TensorType("float64", shape)  # type: ignore[arg-type]


def i(*shape: int | str) -> TensorType:
    return TensorType("int64", shape)  # type: ignore[arg-type]


def b(*shape: int | str) -> TensorType:
    return TensorType("bool", shape)  # type: ignore[arg-type]


def of(dtype: str, *shape: int | str) -> TensorType:
    return TensorType(dtype, shape)  # type: ignore[arg-type]


TREES = [f(2), f(5), of("int32", 5, 2), of("int32", 3), of("int32", 4), f(4)]
LSTM = [f(2, 3, 4), f(1, 20, 4), f(1, 20, 5)]
POOL = {"kernel_shape": [2, 3]}

REFUSED: dict[str, list[tuple[dict[str, Any], list[TensorType | None], str]]] = {
    # operator -> attributes, inputs, message
    "BitCast": [({"to": "int8"}, [f(2)], "BitCast to int8 needs"), ({"to": "int5"}, [f(2)], "BitCast to int5 needs")],
    "Concat": [
        ({"axis": 0}, [], "at least one input"),
        ({"axis": 1}, [f(2, 3), f(3, 3)], "in all axes but 1, got (2, 3), (3, 3)"),
        ({"axis": 1}, [f(2, 3), f(2, 3, 1)], "in all axes but 1, got (2, 3), (2, 3, 1)"),
        ({"axis": 1}, [f(2, 3), i(2, 3)], "Concat needs inputs of one element type"),
    ],
    "Conv": [
        ({"kernel_layout": "OHWI"}, [f(1, 4, 5, 5), f(6, 4, 3, 3)], "kernel_layout must be OIHW or HWIO, got 'OHWI'"),
        ({}, [f(1, 4, 5, 5), f(6, 4, 3)], "2 spatial axes, so the kernel must have 4, got (6, 4, 3)"),
        ({"group": 0}, [f(1, 0, 5), f(6, 4, 3)], "with group=0 takes 0 channels to 6"),
        ({"group": 2}, [f(1, 4, 5), f(6, 4, 3)], "with group=2 takes 8 channels to 6"),
        ({"group": 2}, [f(1, 4, 5), f(5, 2, 3)], "with group=2 takes 4 channels to 5"),
        ({}, [f(1, 4, 5), f(0, 4, 3)], "with group=1 takes 4 channels to 0"),
        ({}, [f(1, 0, 5), f(6, 0, 3)], "with group=1 takes 0 channels to 6"),
        ({"kernel_shape": [3]}, [f(1, 4, 5), f(6, 4, 2)], "kernel_shape is [3], but the kernel has [2]"),
        ({}, [f(1, 4, 5), f(6, 4, 3), f(5)], "the bias must be (6,)"),
        ({}, [f(1, 4, 5), f(6, 4, 6)], "a window of 6 does not fit into axis 0 of the image, which has size 5"),
        ({"pads": [0, 1]}, [f(1, 4, 1), f(6, 4, 3)], "which has size 1 padded by 0 and 1"),
        ({"pads": [1, 0]}, [f(1, 4, 1), f(6, 4, 3)], "which has size 1 padded by 1 and 0"),
        ({"pads": [1, 1, 1]}, [f(1, 4, 5), f(6, 4, 3)], "pads needs 2 numbers >= 0 (before, then after), got [1, 1"),
        ({"pads": [0, -1]}, [f(1, 4, 5), f(6, 4, 3)], "pads needs 2 numbers >= 0 (before, then after), got [0, -1]"),
        ({"pads": [0, 1], "auto_pad": "VALID"}, [f(1, 4, 5), f(6, 4, 3)], "either pads or auto_pad can be given"),
        ({"auto_pad": "FULL"}, [f(1, 4, 5), f(6, 4, 3)], "auto_pad must be one of "),
        ({"strides": [1, 1]}, [f(1, 4, 5), f(6, 4, 3)], "strides needs 1 positive numbers, got [1, 1]"),
        ({"strides": [0]}, [f(1, 4, 5), f(6, 4, 3)], "strides needs 1 positive numbers, got [0]"),
        ({"dilations": [0]}, [f(1, 4, 5), f(6, 4, 3)], "dilations needs 1 positive numbers, got [0]"),
        ({}, [f(1, 4, 5), f(6, 4, 0)], "kernel needs 1 positive numbers, got [0]"),
        ({}, [f(1, 4), f(6, 4)], "takes images of one to three dimensions"),
        ({}, [f(1, 4, 2, 2, 2, 2), f(6, 4, 1, 1, 1, 1)], "takes images of one to three dimensions"),
        ({"layout": "CHWN"}, [f(1, 4, 5), f(6, 4, 3)], "layout must be one of NCHW, NHWC, got 'CHWN'"),
    ],
    "ConvInteger": [
        ({}, [f(1, 4, 5), of("int8", 6, 4, 3)], "takes tensors of int8 or uint8"),
        ({}, [of("int8", 1, 4, 5), of("int8", 6, 4, 3), of("uint8")], "and zero points of the same type"),
        ({}, [of("int8", 1, 4, 5), of("int8", 6, 4, 3), of("int8", 4)], "(4,) must have one number or 1"),
        ({}, [of("int8", 1, 4, 5), of("int8", 6, 4, 3), None, of("int8", 4)], "must have one number or 6"),
    ],
    "ConvLSTM": [
        ({"hidden_size": 2, "direction": "both"}, [f(1, 3, 5, 8), f(3, 2, 8)], "'forward' or 'reverse', got 'both'"),
        ({"hidden_size": 2}, [f(1, 5, 8), f(2, 8)], "one to three spatial axes, 8), got (1, 5, 8)"),
        ({"hidden_size": 2}, [f(1, 3, 2, 2, 2, 2, 8), f(1, 1, 1, 1, 2, 8)], "one to three spatial axes, 8)"),
        ({"hidden_size": 2}, [f(1, 3, 5, 6), f(3, 2, 8)], "one to three spatial axes, 8), got (1, 3, 5, 6)"),
        ({"hidden_size": 2}, [f(1, 3, 5, 8), f(3, 3, 2, 8)], "needs R (spatial axes, 2, 8), got (3, 3, 2, 8)"),
        ({"hidden_size": 2}, [f(1, 3, 5, 8), f(3, 3, 8)], "needs R (spatial axes, 2, 8), got (3, 3, 8)"),
        ({"hidden_size": 2}, [f(1, 3, 5, 8), f(3, 2, 8), f(1, 4, 2)], "the state H must be (1, 5, 2)"),
        ({"hidden_size": 2}, [f(1, 3, 5, 8), f(3, 2, 8), None, f(1, 5, 3)], "the state C must be (1, 5, 2)"),
        ({"hidden_size": 2}, [f(1, 3, 5, 8), f(3, 2, 8), None, None, b(1, 5)], "the mask must be bool (1, 3) or"),
        ({"hidden_size": 2}, [f(1, 3, 5, 8), f(3, 2, 8), None, None, f(1, 3)], "the mask must be bool (1, 3) or"),
    ],
    "ConvTranspose": [
        ({"kernel_layout": "OIHW"}, [f(1, 4, 5), f(4, 6, 3)], "kernel_layout must be IOHW or HWOI, got 'OIHW'"),
        ({}, [f(1, 4, 5), f(4, 6)], "need a kernel of 3 dimensions for 4 input channels, got (4, 6)"),
        ({}, [f(1, 4, 5), f(3, 6, 3)], "for 4 input channels, got (3, 6, 3)"),
        ({}, [f(1, 4, 5), f(4, 6, 0)], "for 4 input channels, got (4, 6, 0)"),
        ({"group": 0}, [f(1, 4, 5), f(4, 6, 3)], "4 channels do not divide into group=0"),
        ({"group": 3}, [f(1, 4, 5), f(4, 6, 3)], "4 channels do not divide into group=3"),
        ({"kernel_shape": [2]}, [f(1, 4, 5), f(4, 6, 3)], "kernel_shape is [2], but the kernel has [3]"),
        ({"strides": [0]}, [f(1, 4, 5), f(4, 6, 3)], "strides needs 1 numbers >= 1, got [0]"),
        ({"dilations": [1, 1]}, [f(1, 4, 5), f(4, 6, 3)], "dilations needs 1 numbers >= 1, got [1, 1]"),
        ({"pads": [1]}, [f(1, 4, 5), f(4, 6, 3)], "pads needs 2 numbers >= 0, got [1]"),
        ({"pads": [-1, 0]}, [f(1, 4, 5), f(4, 6, 3)], "pads needs 2 numbers >= 0, got [-1, 0]"),
        ({"output_padding": [-1]}, [f(1, 4, 5), f(4, 6, 3)], "output_padding needs 1 numbers >= 0"),
        ({"output_shape": [7, 7]}, [f(1, 4, 5), f(4, 6, 3)], "output_shape needs 1 numbers >= 0, got [7, 7]"),
        ({"strides": [2], "output_padding": [2]}, [f(1, 4, 5), f(4, 6, 3)], "must be smaller than the strides [2]"),
        ({"auto_pad": "FULL"}, [f(1, 4, 5), f(4, 6, 3)], "auto_pad must be one of "),
        ({"pads": [3, 4]}, [f(1, 4, 5), f(4, 6, 3)], "of size 5, would become 0 numbers; the pads 3 and 4 are"),
        ({}, [f(1, 4, 0), f(4, 6, 3)], "axis 0 of the image, of size 0, would become"),
        ({"output_shape": [9]}, [f(1, 4, 5), f(4, 6, 3)], "of size 5, cannot become 9 numbers"),
        ({}, [f(1, 4, 5), f(4, 6, 3), f(5)], "the bias must be (6,)"),
    ],
    "Compress": [
        ({"count": "n", "axis": 0}, [f(3), i(3)], "needs a vector of bools as its condition, got int64 (3,)"),
        ({"count": "n", "axis": 0}, [f(3), b(3, 1)], "needs a vector of bools as its condition, got bool (3, 1)"),
    ],
    "NonMaxSuppression": [
        ({"count": "n"}, [f(1, 4), f(1, 2, 3)], "needs boxes (B, N, 4) and scores (B, C, N)"),
        ({"count": "n"}, [f(1, 3, 4), f(1, 3)], "needs boxes (B, N, 4) and scores (B, C, N)"),
        ({"count": "n"}, [f(1, 3, 5), f(1, 2, 3)], "needs boxes (B, N, 4) and scores (B, C, N)"),
        ({"count": "n"}, [f(1, 3, 4), f(1, 2, 3), i(2)], "needs limits that are single numbers"),
        ({"count": "n"}, [f(1, 3, 4), d(1, 2, 3)], "needs inputs of one element type"),
    ],
    "NonZero": [({"count": "n"}, [f()], "needs a tensor with axes, got a single number")],
    "Range": [
        ({"count": "n"}, [b(), b(), b()], "needs three single numbers"),
        ({"count": "n"}, [i(), i(2), i()], "needs three single numbers, got int64 (), int64 (2,) and int64 ()"),
    ],
    "CrossHashed": [
        ({"num_buckets": 3}, [i(2), of("int32", 2)], "takes int64, got int64 (2,) and int32 (2,)"),
        ({"num_buckets": 3}, [i(2), i(3)], "num_buckets=3 needs equal shapes"),
        ({"num_buckets": 0}, [i(2), i(2)], "num_buckets=0 needs"),
    ],
    "HashBucket": [
        ({"num_buckets": 3}, [f(2)], "hashes integers, got float32 (2,)"),
        ({"num_buckets": 0}, [i(2)], "at least one bucket, got num_buckets=0"),
    ],
    "DecisionTrees": [
        ({}, [i(3, 4), *TREES], "one floating-point type, got int64, float32"),
        ({}, [d(3, 4), *TREES], "one floating-point type, got float64, float32"),
        ({}, [f(3, 4), *TREES[:-1], d(4)], "one floating-point type"),
        ({"aggregate": "PRODUCT"}, [f(3, 4), *TREES], "PRODUCT of X (3, 4); expected rows and features"),
        ({}, [f(3), *TREES], "SUM of X (3,); expected rows and features"),
        ({"least_features": 5}, [f(3, 4), *TREES], "the size 5 must be at most 4"),
    ],
    "Not": [({}, [i(2)], "Not needs bool, got int64 (2,)")],
    "Where": [
        ({}, [i(2), f(2), f(2)], "needs a bool condition, got int64 (2,)"),
        ({}, [b(2), f(2), d(2)], "needs inputs of one element type"),
    ],
    "Cast": [({"to": "int5"}, [f(2)], "unknown element type 'int5'; expected one of float32, ")],
    "RoundTo": [({"to": "int5"}, [f(2)], "unknown type 'int5'")],
    "Expand": [({"shape": (3,)}, [f(2)], "2 and 3 in axis -1 must be equal or 1")],
    "GLU": [({"axis": 1}, [f(2, 5)], "halves axis 1 of (2, 5), whose size must be even")],
    "Gemm": [
        ({"alpha": 0.5}, [i(2, 3), i(3, 4)], "needs whole numbers alpha and beta, got 0.5 and 1"),
        ({"beta": 0.5}, [i(2, 3), i(3, 4)], "needs whole numbers alpha and beta, got 1.0 and 0.5"),
        ({}, [f(2, 3), f(3)], "MatMul multiplies tensors of more dimensions"),
        ({}, [f(1, 2, 3), f(3, 4)], "MatMul multiplies tensors of more dimensions"),
        ({}, [f(2, 3), f(4, 3)], "A (2, 3) has 3 columns, B (4, 3) has 4 rows"),
        ({}, [f(2, 3), f(3, 4), f(3)], "C (3,) does not broadcast to (2, 4)"),
        ({}, [f(2, 3), f(3, 4), f(1, 2, 4)], "C (1, 2, 4) does not broadcast to (2, 4)"),
    ],
    "MatMul": [
        ({}, [f(3), f(3, 4)], "needs A (..., M, K) and B (..., K, N), got (3,) and (3, 4)"),
        ({}, [f(2, 3), f(3)], "needs A (..., M, K) and B (..., K, N), got (2, 3) and (3,)"),
        ({}, [f(2, 3), f(4, 3)], "needs A (..., M, K) and B (..., K, N), got (2, 3) and (4, 3)"),
    ],
    "MatMulInteger": [
        ({}, [of("int8", 2, 3), of("int16", 3, 4)], "takes tensors of int8 or uint8"),
        ({}, [of("int8", 2, 3), of("int8", 3, 4), of("int8", 3)], "the zero point (3,) must have one number or 2"),
        ({}, [of("int8", 2, 3), of("int8", 3, 4), None, of("int8", 3)], "(3,) must have one number or 4"),
        ({}, [of("int8", 2, 3), of("int8", 3, 4), None, of("uint8")], "and zero points of the same type"),
    ],
    "BitwiseAnd": [
        ({}, [f(2), f(2)], "is defined for integers, got float32 (2,) and float32 (2,)"),
        ({}, [i(2), f(2)], "is defined for integers, got int64 (2,) and float32 (2,)"),
        ({}, [f(2), i(2)], "is defined for integers, got float32 (2,) and int64 (2,)"),
    ],
    "BitwiseNot": [({}, [b(2)], "is defined for integers, got bool (2,)")],
    "ArgMax": [
        ({"axis": 1}, [b(2, 3)], "along axis 1 is not defined for bool (2, 3)"),
        ({"axis": 1}, [f(2, 0)], "along axis 1 is not defined for float32 (2, 0)"),
    ],
    "CumSum": [({"axis": 1}, [b(2, 3)], "CumSum along axis 1 is not defined for bool (2, 3)")],
    "GatherElements": [
        ({"axis": 1}, [f(2, 3), i(2, 3, 1)], "data (2, 3) and indices (2, 3, 1) must agree in all axes but 1"),
        ({"axis": 1}, [f(2, 3), i(3, 3)], "data (2, 3) and indices (3, 3) must agree in all axes but 1"),
        ({"axis": 1}, [f(2, 3), f(2, 1)], "needs integer indices, got float32 (2, 1)"),
    ],
    "TopK": [
        ({"K": -1}, [f(2, 3)], "there are no -1 numbers to choose along axis -1 of float32 (2, 3)"),
        ({"K": 4}, [f(2, 3)], "there are no 4 numbers to choose along axis -1"),
        ({"K": 3, "axis": 0}, [f(2, 3)], "there are no 3 numbers to choose along axis 0"),
        ({"K": 1}, [b(2, 3)], "of bool (2, 3)"),
        ({"K": 1}, [f()], "of float32 ()"),
    ],
    "SearchSorted": [
        ({}, [f(2), f(3, 1)], "looks for numbers in a vector, not for float32 (2,) in float32 (3, 1)"),
        ({}, [b(2), b(3)], "looks for numbers in a vector, not for bool (2,)"),
        ({}, [f(2), d(3)], "needs inputs of one element type"),
    ],
    "LayerNormalization": [
        ({}, [f(2, 3), f(2)], "of (2, 3) needs parameters of shape (3,), got (2,)"),
        ({}, [f(2, 3), f(3), f(2, 3)], "of (2, 3) needs parameters of shape (3,), got (2, 3)"),
        ({}, [i(2, 3)], "LayerNormalization is not defined for int64"),
    ],
    "LpNormalization": [
        ({"p": 3}, [f(2, 3)], "p must be 1 or 2, got 3"),
        ({"p": 0}, [f(2, 3)], "p must be 1 or 2, got 0"),
        ({}, [i(2, 3)], "LpNormalization is not defined for int64"),
    ],
    "InstanceNormalization": [
        ({"layout": "CHWN"}, [f(2, 3, 4)], "layout must be one of NCHW, NHWC"),
        ({}, [f(3)], "needs a batch and channels, got (3,)"),
        ({}, [f(2, 3, 4), f(4)], "needs parameters of shape (3,), got (4,)"),
    ],
    "GroupNormalization": [
        ({"num_groups": 0}, [f(2, 3, 4)], "3 channels do not divide into 0 groups"),
        ({"num_groups": 2}, [f(2, 3, 4)], "3 channels do not divide into 2 groups"),
    ],
    "Pad": [
        ({"pads": [1, 1]}, [f(2, 3)], "a tensor (2, 3) needs 4 pads, got 2: [1, 1]"),
        ({"pads": [1, 1, 1, 1], "axes": [0]}, [f(2, 3)], "(2, 3) padded along the axes [0] needs 2 pads, got 4"),
        ({"pads": [1, 1, 1, 1], "axes": [0, -2]}, [f(2, 3)], "padded along the axes [0, -2] needs 4 pads"),
        ({"pads": [1, 1], "mode": "mirror"}, [f(2)], "mode must be one of constant, reflect, edge, wrap, got 'mirror'"),
        ({"pads": [-3, 5]}, [f(2)], "axis 0 of (2,) cannot be cut by 3 and -5"),
        ({"pads": [5, -3]}, [f(2)], "axis 0 of (2,) cannot be cut by -5 and 3"),
        ({"pads": [-2, -1]}, [f(2)], "axis 0 of (2,) cannot be cut by 2 and 1"),
        ({"pads": [1, 0], "mode": "edge"}, [f(0)], "axis 0 of (0,) has no elements for mode='edge'"),
        ({"pads": [-2, 1], "mode": "wrap"}, [f(2)], "axis 0 of (2,) has no elements for mode='wrap'"),
    ],
    "PairwiseCoupling": [
        ({"num_classes": 3}, [i(2, 3)], "takes float32 or float64, got int64 (2, 3)"),
        ({"num_classes": 1}, [f(2, 0)], "of 1 classes takes rows of 0 pairs"),
        ({"num_classes": 3}, [f(3)], "of 3 classes takes rows of 3 pairs, got float32 (3,)"),
        ({"num_classes": 4}, [f(2, 5)], "of 4 classes takes rows of 6 pairs, got float32 (2, 5)"),
    ],
    "MaxPool": [
        (POOL, [f(1, 2, 5)], "kernel needs 1 positive numbers, got [2, 3]"),
        (POOL, [f(1, 2, 1, 5)], "a window of 2 does not fit into axis 0 of the image, which has size 1;"),
        ({"kernel_shape": [3], "pads": [2, 2]}, [f(1, 2, 0)], "axis 0 of the image, which has size 0 padded by 2"),
        (POOL, [b(1, 2, 5, 5)], "MaxPool is not defined for bool"),
        ({"kernel_shape": [6000, 6000]}, [f(1, 2, 9000, 9000)], "would need a table of 6000 x 6000"),
    ],
    "AveragePool": [(POOL, [i(1, 2, 5, 5)], "AveragePool is not defined for int64")],
    "GlobalMaxPool": [({}, [f(1, 2, 0)], "does not fit into axis 0 of the image, which has size 0")],
    "QuantizeLinear": [
        ({}, [d(2, 3), f()], "X is float64, but the scale is float32; cast one of them"),
        ({}, [f(2, 3), i()], "QuantizeLinear is not defined for int64"),
        ({}, [f(2, 3), f(3), of("int8")], "the scale float32 (3,) and the zero point int8 () must have one shape"),
        ({"block_size": 1}, [f(2, 1), f(1), of("int8")], "must have one shape"),
        ({}, [f(2, 3), f(2)], "the scale (2,) does not fit X (2, 3) with axis=1, block_size=0"),
        ({"block_size": 2}, [f(2, 3), f(2, 3)], "the scale (2, 3) does not fit X (2, 3) with axis=1, block_size=2"),
        ({"output_dtype": "int32"}, [f(2, 3), f()], "uint16, got none and int32"),
        ({"output_dtype": "uint8"}, [f(2, 3), f(), of("int8")], "uint16, got int8 and uint8"),
    ],
    "DequantizeLinear": [
        ({}, [i(2, 3), f()], "int32, got int64 and none"),
        ({}, [of("int8", 2, 3), f(), of("uint8")], "int32, got int8 and uint8"),
    ],
    "Resample": [
        ({"axis": -2}, [f(2, 3), f(4, 2), i(4, 2)], "any axis but the first, got axis -2 of float32 (2, 3)"),
        ({"axis": 1}, [i(2, 3), i(4, 2), i(4, 2)], "floating-point numbers and spans in int64, got int64 and int64"),
        ({"axis": 1}, [f(2, 3), f(4, 2), f(4, 2)], "spans in int64, got float32 and float32"),
        ({"axis": 1}, [f(2, 3), f(4), i(4, 2)], "spans (outputs, 2), got (4,) and (4, 2)"),
        ({"axis": 1}, [f(2, 3), f(4, 2), i(3, 2)], "spans (outputs, 2), got (4, 2) and (3, 2)"),
    ],
    "Reshape": [
        ({"shape": (2, 0)}, [f(2)], "Reshape of (2,) to (2, 0): there is no axis 1 to copy"),
        ({"shape": (-1, -1)}, [f(2)], "at most one size may be -1, none smaller"),
        ({"shape": (-2,)}, [f(2)], "at most one size may be -1, none smaller"),
        ({"shape": (3,)}, [f(2)], "the numbers of elements differ, 2 and 3"),
        ({"shape": (-1, 2)}, [f(3)], "do not divide"),
        ({"shape": (-1, 0), "allowzero": True}, [f(3)], "do not divide"),
    ],
    "Resize": [
        ({"scales": [1, 2], "mode": "cubic"}, [f(1, 2, 3, 3)], "mode must be 'nearest' or 'linear', got 'cubic'"),
        ({"scales": [1, 2]}, [f(1, 2, 3)], "takes images of two dimensions, got (1, 2, 3)"),
        ({"scales": [2]}, [f(1, 2, 3, 3)], "Resize needs 2 whole scales of at least 1, got [2]"),
        ({"scales": [2, 0]}, [f(1, 2, 3, 3)], "Resize needs 2 whole scales of at least 1, got [2, 0]"),
        ({"scales": [2, 1.5]}, [f(1, 2, 3, 3)], "Resize needs 2 whole scales of at least 1, got [2, 1.5]"),
    ],
    "Upsample": [({"scales": [2]}, [f(2, 3)], "Upsample needs 2 whole scales of at least 1, got [2]")],
    "LSTM": [
        ({"hidden_size": 5, "direction": "both"}, LSTM, "'forward' or 'reverse', got 'both'"),
        ({"hidden_size": 5, "layout": 0}, LSTM, "LSTM needs layout 1, batch first, got 0"),
        ({"hidden_size": 5}, [*LSTM, None, i(2)], "the input sequence_lens is not supported"),
        ({"hidden_size": 5}, [*LSTM, None, None, None, None, f(1, 15)], "the input P is not supported"),
        ({"hidden_size": 5}, [f(3, 4), *LSTM[1:]], "needs X (batch, time, inputs), got (3, 4)"),
        ({"hidden_size": 5}, [LSTM[0], f(1, 15, 4), LSTM[2]], "on X (2, 3, 4) needs W (1, 20, 4), got (1, 15, 4)"),
        ({"hidden_size": 5}, [*LSTM[:2], f(1, 20, 4)], "needs R (1, 20, 5), got (1, 20, 4)"),
        ({"hidden_size": 5}, [*LSTM, f(1, 20)], "needs B (1, 40), got (1, 20)"),
        ({"hidden_size": 5}, [*LSTM, None, None, f(1, 2, 5)], "needs initial_h (2, 1, 5), got (1, 2, 5)"),
        ({"hidden_size": 5}, [*LSTM, None, None, None, f(1, 2, 5)], "needs initial_c (2, 1, 5), got (1, 2, 5)"),
        ({"hidden_size": 5}, [*LSTM, *[None] * 5, b(3, 2)], "the mask must be bool (2, 3), got bool (3, 2)"),
        ({"hidden_size": 5}, [*LSTM, *[None] * 5, f(2, 3)], "the mask must be bool (2, 3), got float32 (2, 3)"),
    ],
    "RoiAlign": [
        ({}, [f(1, 2, 5, 5), f(3, 4), f(3)], "needs integer batch_indices, got float32 (3,)"),
        ({"mode": "min"}, [f(1, 2, 5, 5), f(3, 4), i(3)], "has no mode 'min' with 'half_pixel'"),
        ({"coordinate_transformation_mode": "asymmetric"}, [f(1, 2, 5, 5), f(3, 4), i(3)], "with 'asymmetric'"),
        ({}, [f(2, 5, 5), f(3, 4), i(3)], "got (2, 5, 5), (3, 4), (3,)"),
        ({}, [f(1, 2, 5, 5), f(12), i(12)], "got (1, 2, 5, 5), (12,), (12,)"),
        ({}, [f(1, 2, 5, 5), f(3, 5), i(3)], "got (1, 2, 5, 5), (3, 5), (3,)"),
        ({}, [f(1, 2, 5, 5), f(3, 4), i(2)], "got (1, 2, 5, 5), (3, 4), (2,)"),
        ({}, [f(1, 2, 5, 0), f(3, 4), i(3)], "images (1, 2, 5, 0) cannot become (1, 1)"),
        ({"output_height": 0}, [f(1, 2, 5, 5), f(3, 4), i(3)], "images (1, 2, 5, 5) cannot become (0, 1)"),
        ({"output_width": 0}, [f(1, 2, 5, 5), f(3, 4), i(3)], "images (1, 2, 5, 5) cannot become (1, 0)"),
        ({"sampling_ratio": -1}, [f(1, 2, 5, 5), f(3, 4), i(3)], "cannot become (1, 1)"),
        ({"sampling_ratio": 6000}, [f(1, 2, 5, 5), f(3, 4), i(3)], "would need a table of 1 x 1 x 6000 x 6000"),
        ({"output_height": 6000, "output_width": 6000}, [f(1, 2, 5, 5), f(3, 4), i(3)], "a table of 6000 x 6000"),
    ],
    "ScatterElements": [
        ({"reduction": "add"}, [b(2), i(2), b(2)], "reduction='add' is not defined for bool"),
        ({}, [f(2), of("uint8", 2), f(2)], "needs integer indices, got uint8 (2,)"),
        ({"reduction": "sub"}, [f(2), i(2), f(2)], "reduction must be one of none, add, mul, max, min, got 'sub'"),
    ],
    "ScatterND": [
        ({}, [f(2, 3), i(4, 3), f(4)], "(2, 3), (4, 3), (4,) do not fit each other"),
        ({}, [f(2, 3), i(4, 1), f(4, 2)], "(2, 3), (4, 1), (4, 2) do not fit each other"),
    ],
    "GatherND": [
        ({"batch_dims": -1}, [f(2, 3), i(2, 1)], "do not fit each other with batch_dims=-1"),
        ({"batch_dims": 1}, [f(2, 3), i(2)], "do not fit each other with batch_dims=1"),
        ({"batch_dims": 1}, [f(2, 3), i(2, 2)], "data (2, 3) and indices (2, 2) do not fit each other"),
        ({"batch_dims": 1}, [f(2, 3), i(3, 1)], "data (2, 3) and indices (3, 1) do not fit each other"),
        ({}, [f(2, 3), i()], "do not fit each other with batch_dims=0"),
        ({}, [f(2, 3), f(2, 1)], "needs integer indices, got float32 (2, 1)"),
    ],
    "Slice": [
        ({"starts": [0, 0], "ends": [1]}, [f(2, 3)], "got [0, 0], [1], [0, 1], [1, 1]"),
        ({"starts": [0], "ends": [1], "steps": [0]}, [f(2, 3)], "got [0], [1], [0], [0]"),
        ({"starts": [0], "ends": [1], "steps": [1, 1]}, [f(2, 3)], "got [0], [1], [0], [1, 1]"),
        ({"starts": [0], "ends": [1], "axes": [0, 1]}, [f(2, 3)], "got [0], [1], [0, 1], [1]"),
        ({"starts": [0, 0], "ends": [1, 1], "axes": [1, -1]}, [f(2, 3)], "got [0, 0], [1, 1], [1, 1], [1, 1]"),
    ],
    "Transpose": [
        ({"perm": [0, 1]}, [f(2, 3, 4)], "perm (0, 1) is no order of the axes of (2, 3, 4)"),
        ({"perm": [0, 0]}, [f(2, 3)], "perm (0, 0) is no order of the axes of (2, 3)"),
    ],
    "Max": [({}, [], "Max needs at least one input, got none")],
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    for attributes, inputs, message in REFUSED[name]:
        with pytest.raises((ShapeError, DtypeError), match=re.escape(message)):
            all_operators()[name](**attributes).infer(*inputs)


TAKEN: dict[str, list[tuple[dict[str, Any], list[TensorType | None], TensorType]]] = {
    # operator -> attributes, inputs, first output
    "Conv": [
        ({"group": 2}, [f(1, 4, 5), f(6, 2, 5), f(6)], f(1, 6, 1)),
        ({"pads": [0, 0], "auto_pad": "VALID"}, [f(1, 1, 1), f(1, 1, 1)], f(1, 1, 1)),
        ({"pads": [1, 2]}, [f(1, 1, 1), f(1, 1, 4)], f(1, 1, 1)),
        ({"dilations": [3], "kernel_layout": "HWIO", "layout": "NHWC"}, [f(0, 7, 2), f(3, 2, 5)], f(0, 1, 5)),
    ],
    "ConvTranspose": [
        ({"strides": [3], "output_padding": [2], "pads": [1, 3]}, [f(1, 4, 1), f(4, 6, 3)], f(1, 6, 1)),
        ({"strides": [2], "output_shape": [10]}, [f(1, 4, 5), f(4, 6, 3)], f(1, 6, 10)),
        ({"strides": [2], "auto_pad": "SAME_LOWER", "group": 2}, [f(1, 4, 5), f(4, 6, 3)], f(1, 12, 10)),
    ],
    "ConvLSTM": [
        ({"hidden_size": 2}, [f(1, 3, 5, 8), f(9, 2, 8), f(1, 5, 2), f(1, 5, 2), b(1, 3)], f(1, 3, 5, 2)),
        ({"hidden_size": 1}, [f(1, 3, 2, 2, 4), f(1, 1, 1, 4), None, None, b(1, 3, 2, 2)], f(1, 3, 2, 2, 1)),
        ({"hidden_size": 1}, [f(1, 3, 2, 2, 2, 4), f(1, 1, 1, 1, 4)], f(1, 3, 2, 2, 2, 1)),
    ],
    "DecisionTrees": [({"least_features": 4}, [f(3, 4), *TREES], f(3, 2))],
    "HashBucket": [({"num_buckets": 1}, [i(2)], i(2))],
    "CrossHashed": [({"num_buckets": 1}, [i(2), i(2)], i(2))],
    "Gemm": [
        ({"alpha": 2.0, "beta": 3.0}, [i(2, 3), i(3, 4), i(1, 1)], i(2, 4)),
        ({"transA": True, "transB": True, "alpha": 0.5}, [f(3, 2), f(4, 3), f()], f(2, 4)),
    ],
    "LSTM": [({"hidden_size": 5}, [*LSTM, f(1, 40), None, f(2, 1, 5), f(2, 1, 5), None, b(2, 3)], f(2, 3, 1, 5))],
    "LpNormalization": [({"p": 1}, [f(2, 3)], f(2, 3))],
    "Pad": [
        ({"pads": [-2, 5]}, [f(2)], f(5)),
        ({"pads": [5, -2]}, [f(2)], f(5)),
        ({"pads": [-1, -1]}, [f(2)], f(0)),
        ({"pads": [-1, 1], "mode": "edge"}, [f(2)], f(2)),
        ({"pads": [-2, 0], "mode": "edge"}, [f(2)], f(0)),
        ({"pads": [0, 0], "mode": "edge"}, [f(0)], f(0)),
        ({"pads": [1, 2], "axes": [-1]}, [f(2, 3)], f(2, 6)),
    ],
    "PairwiseCoupling": [({"num_classes": 2}, [d(3, 1)], d(3, 2))],
    "MaxPool": [
        (POOL, [i(1, 2, 2, 3)], i(1, 2, 1, 1)),
        ({**POOL, "ceil_mode": True, "strides": [2, 2]}, [f(1, 2, 3, 4)], f(1, 2, 2, 2)),
    ],
    "QuantizeLinear": [
        ({}, [of("int32", 2, 3), f(1), of("int16")], of("int16", 2, 3)),
        ({"block_size": 2}, [f(2, 3), f(2, 2), of("int8", 2, 2)], of("int8", 2, 3)),
        ({"axis": 0}, [f(2, 3), f(2)], of("uint8", 2, 3)),
        ({"output_dtype": "uint16"}, [f(2, 3), f()], of("uint16", 2, 3)),
    ],
    "DequantizeLinear": [
        ({}, [of("int32", 2, 3), d(3)], d(2, 3)),
        ({}, [of("int16", 2, 3), f(3), of("int16", 3)], f(2, 3)),
    ],
    "Resample": [({"axis": 1}, [f(2, 3), f(4, 2), i(4, 2)], f(2, 4))],
    "Reshape": [
        ({"shape": (0, -1, 2)}, [f(3, 4)], f(3, 2, 2)),
        ({"shape": (0, 3), "allowzero": True}, [f(2, 0)], f(0, 3)),
        ({"shape": (-1,)}, [f()], f(1)),
    ],
    "RoiAlign": [({"sampling_ratio": 1}, [f(1, 2, 1, 1), f(0, 4), of("int32", 0)], f(0, 2, 1, 1))],
    "ScatterElements": [({}, [b(2), of("int32", 2), b(2)], b(2))],
    "ScatterND": [({}, [f(2, 3), i(4, 2), f(4)], f(2, 3)), ({}, [f(2, 3), i(4, 1), f(4, 3)], f(2, 3))],
    "GatherND": [
        ({}, [f(2, 3), i(4, 2)], f(4)),
        ({"batch_dims": 1}, [f(2, 3), i(2, 1)], f(2)),
        ({"batch_dims": 1}, [f(2, 3), i(2, 5, 1)], f(2, 5)),
    ],
    "TopK": [({"K": 3}, [f(2, 3)], f(2, 3)), ({"K": 0}, [i(2, 3)], i(2, 0)), ({"K": 2, "axis": 0}, [f(2, 3)], f(2, 3))],
    "Upsample": [({"scales": [1, 3.0]}, [f(2, 3)], f(2, 9))],
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_taken(name: str) -> None:
    """At the limits of what :func:`test_refused` checks."""
    for attributes, inputs, expected in TAKEN[name]:
        found = all_operators()[name](**attributes).infer(*inputs)
        assert (found[0] if isinstance(found, tuple) else found) == expected, attributes


OF_INTEGERS = {
    "Abs", "Add", "Binary", "BitShiftLeft", "BitShiftRight", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor",
    "Div", "Gcd", "Lcm", "Max", "MaxPool", "Min", "Mod", "Mul", "Neg", "OfIntegers", "Pow", "Reduce", "ReduceMax",
    "ReduceMin", "ReduceProd", "ReduceSum", "Relu", "Sign", "Square", "Sub", "Sum", "Variadic",
}  # fmt: skip
"""Those of the operators with a rule for integers that take them."""


def test_operators_of_integers() -> None:
    taken: dict[str, set[str]] = {"int32": set(), "uint8": set(), "bool": set()}
    for name, operator in all_operators().items():
        if not hasattr(operator, "integers"):
            continue
        attributes = {"kernel_shape": [1]} if "kernel_shape" in operator.__dataclass_fields__ else {}
        parameters = inspect.signature(operator.infer).parameters.values()
        needed = [p for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD][1:]
        for dtype, names in taken.items():
            try:
                operator(**attributes).infer(*[of(dtype, 2, 3, 4)] * max(len(needed), 1))
            except DtypeError:
                continue
            names.add(name)
    assert taken == {"int32": OF_INTEGERS, "uint8": OF_INTEGERS, "bool": set()}


def test_indices_are_checked_by_value() -> None:
    """Negative indices count from the end, fractions are cut off, and NaN is no index."""
    gather = all_operators()["Gather"](axis=0)
    data = np.arange(3.0)
    np.testing.assert_array_equal(gather.evaluate(data, np.array([-3.9, -1.0, 2.9])), [0.0, 2.0, 2.0])
    for wrong in (3, -4, np.nan, np.inf):
        with pytest.raises(OutOfRangeError, match="lies outside an axis of 3"):
            gather.evaluate(data, np.array([0, wrong]))
