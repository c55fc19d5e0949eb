"""Attributes and inputs of nodes that are refused, each with the numbers that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from single_node import Constant, Random, model

from sofie_jit import frontends
from sofie_jit.errors import SofieError

C = Constant
RANDOM = Random(0)
numbers, integers = RANDOM.numbers, RANDOM.integers
X, IMAGE = numbers(2, 3, 4), numbers(1, 4, 6, 6)
Q = numbers(2, 4, 3, 8)
ROWS = numbers(2, 3, 8)
BYTES, SCALE = integers("uint8", 3, 4), C(0.1, "float32")
GRAMS = {
    "mode": "TF", "min_gram_length": 1, "max_gram_length": 1, "max_skip_count": 0, "ngram_counts": [0],
    "ngram_indexes": [0, 1], "pool_int64s": [1, 2],
}  # fmt: skip
LINEAR = {"q_num_heads": 2, "kv_num_heads": 2}

REFUSED: dict[str, tuple[int, list[Any], dict[str, Any], str]] = {
    # operator: variant -> opset, inputs, attributes, message
    "BitShift": (11, [BYTES, BYTES], {"direction": "UP"}, "direction is 'UP'; expected LEFT or RIGHT"),
    "Cast": (13, [X], {"to": 14}, "it casts to complex64; supported are float32, "),
    "LpPool": (18, [IMAGE], {"kernel_shape": [2, 2], "ceil_mode": 1}, "ceil_mode is not supported"),
    "CausalConvWithState": (27, [X, C(numbers(3, 1, 2))], {"activation": "relu"}, "activation is 'relu'; expected"),
    "DepthToSpace": (13, [IMAGE], {"blocksize": 3}, "mode 'DCR' with blocksize 3 does not fit 4 channels"),
    "DepthToSpace: no size": (13, [IMAGE], {"blocksize": 0}, "with blocksize 0 does not fit 4 channels"),
    "DepthToSpace: mode": (13, [IMAGE], {"blocksize": 2, "mode": "RCD"}, "mode 'RCD' with blocksize 2"),
    "SpaceToDepth": (13, [IMAGE], {"blocksize": 4}, "mode 'DCR' with blocksize 4 does not fit an image of 6 by 6"),
    "SpaceToDepth: width": (13, [IMAGE[..., :5]], {"blocksize": 2}, "does not fit an image of 6 by 5"),
    "SpaceToDepth: no size": (13, [IMAGE], {"blocksize": 0}, "with blocksize 0 does not fit an image of 6 by 6"),
    "Det": (11, [numbers(2, 5, 5)], {}, "matrices of 5 x 5 are not supported, only up to 4 x 4"),
    "Det: not square": (11, [numbers(2, 3, 4)], {}, "determinants of matrices of 3 x 4"),
    "Det: empty": (11, [numbers(2, 0, 0)], {}, "determinants of matrices of 0 x 0"),
    "CenterCropPad": (18, [X, C([2], "int64")], {}, r"shape is \[2\] for 3 axes; expected one size for each"),
    "CenterCropPad: negative": (18, [X, C([-2], "int64")], {"axes": [1]}, "the size -2 is negative"),
    "MaxUnpool": (
        11, [numbers(1, 1, 2, 2), integers("int64", 1, 1, 2, 2), C([1, 1, 3, 3], "int64")],
        {"kernel_shape": [2, 2], "strides": [2, 2]}, r"output_shape is \[1, 1, 3, 3\], but the windows make \(1, 1,",
    ),
    "MaxUnpool: axes": (
        11, [numbers(1, 1, 2, 2), integers("int64", 1, 1, 2, 2), C([4, 4], "int64")],
        {"kernel_shape": [2, 2], "strides": [2, 2]}, r"output_shape is \[4, 4\], but the windows make",
    ),
    "TensorScatter": (24, [X, X[:, :1]], {"mode": "ring"}, "mode is 'ring' and axis is 1; expected linear or circular"),
    "TensorScatter: axis": (24, [X, X[:1]], {"axis": 0}, "mode is 'linear' and axis is 0; expected linear or circular"),
    "ReverseSequence": (10, [X, np.int64([1, 2])], {"time_axis": 2}, "time_axis is 2 and batch_axis is 1; expected 0"),
    "ReverseSequence: same": (10, [X, np.int64([1, 2])], {"time_axis": 1}, "time_axis is 1 and batch_axis is 1"),
    **{
        f"{name}: reduction": (13, [numbers(3, 4), np.int64([0, 3, 2])], {"reduction": "max"}, "reduction is 'max';")
        for name in ("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
    },
    "GroupNormalization": (
        18, [IMAGE, numbers(2), numbers(2)], {"num_groups": 3}, r"num_groups=3 does not fit 4 channels, scale \(2,\)"),
    "GroupNormalization: scale": (18, [IMAGE, numbers(4), numbers(2)], {"num_groups": 2}, r"scale \(4,\) and bias"),
    "GroupNormalization: bias": (18, [IMAGE, numbers(2), numbers(4)], {"num_groups": 2}, r"scale \(2,\) and bias"),
    "QuantizeLinear": (21, [X, SCALE], {"output_dtype": 6}, "output_dtype is int32; supported are int8, uint8"),
    "DFT": (20, [numbers(2, 9, 3)], {}, "its axis is -2; expected 1 or 2 numbers in the last axis"),
    "DFT: axis": (20, [numbers(2, 9, 2), None, C(2, "int64")], {}, "its axis is 2; expected 1 or 2 numbers in the"),
    "DFT: length": (20, [numbers(2, 9, 2), C(0, "int64")], {}, "dft_length is 0; expected a positive number"),
    "STFT": (17, [numbers(1, 5, 1), C(2, "int64"), None, C(8, "int64")], {}, "frames of 8 numbers every 2 do not fit"),
    "STFT: step": (17, [numbers(1, 9, 1), C(0, "int64"), None, C(8, "int64")], {}, "frames of 8 numbers every 0 do"),
    "STFT: length": (17, [numbers(1, 9, 1), C(2, "int64"), None, C(0, "int64")], {}, "frames of 0 numbers every 2 do"),
    "STFT: complex": (17, [numbers(1, 9, 2), C(2, "int64"), None, C(8, "int64")], {}, "do not fit a signal of shape"),
    "TfIdfVectorizer": (9, [np.int64([1, 2])], {k: v for k, v in GRAMS.items() if k != "pool_int64s"}, "is missing"),
    "TfIdfVectorizer: counts": (9, [np.int64([1])], {k: v for k, v in GRAMS.items() if "counts" not in k}, "is missin"),
    "TfIdfVectorizer: indexes": (9, [np.int64([1])], {k: v for k, v in GRAMS.items() if "indexes" not in k}, "is miss"),
    "TfIdfVectorizer: mode": (9, [np.int64([1, 2])], {**GRAMS, "mode": "T"}, "mode is 'T' with 2 weights for 2"),
    "TfIdfVectorizer: weights": (9, [np.int64([1, 2])], {**GRAMS, "weights": [1.0]}, "'TF' with 1 weights for 2"),
    "ConstantOfShape": (
        9, [C([2], "int64")], {"value": Constant([1.0, 2.0], "float32")}, "value has 2 elements; expected 1"),
    "Attention: past": (23, [Q, Q, Q, None, Q], {}, "past_key and past_value must be given together"),
    "Attention: mode": (23, [Q, Q, Q], {"qk_matmul_output_mode": 4}, "qk_matmul_output_mode is 4; expected 0 to 3"),
    "Attention: heads": (23, [ROWS, ROWS, ROWS], {"q_num_heads": 3, "kv_num_heads": 3}, "3 heads do not divide the"),
    "RotaryEmbedding": (23, [ROWS, numbers(2, 3, 2), numbers(2, 3, 2)], {"num_heads": 3}, "num_heads=3 does not"),
    "RotaryEmbedding: no heads": (23, [ROWS, numbers(2, 3, 2), numbers(2, 3, 2)], {}, "num_heads=0 does not divide"),
    "LinearAttention": (27, [ROWS] * 3, {**LINEAR, "update_rule": "sum"}, "update_rule is 'sum'; expected linear, "),
    "LinearAttention: decay": (27, [ROWS] * 3, {**LINEAR, "update_rule": "gated"}, "update_rule is 'gated'; expected"),
    "LinearAttention: beta": (27, [ROWS] * 3, {**LINEAR, "update_rule": "delta"}, "update_rule is 'delta'; expected"),
    "LinearAttention: long": (
        27, [numbers(1, 257, 4)] * 3, {**LINEAR, "update_rule": "linear"}, "a known number of steps up to 256 is"),
    "LinearAttention: empty": (
        27, [numbers(1, 0, 4)] * 3, {**LINEAR, "update_rule": "linear"}, "a known number of steps up to 256 is needed"),
    "LayerNormalization": (17, [X, numbers(4)], {"stash_type": 10}, "stash_type"),
    "Optional": (15, [], {}, "an optional value that is missing is not supported"),
    "Range": (11, [C(0, "int64"), C(5, "int64"), C(0, "int64")], {}, "a range in steps of 0 is not defined"),
    "Range: large": (11, [C(0, "int64"), C(2**40, "int64"), C(1, "int64")], {}, "would need a table of 1099511627776"),
    "Constant": (13, [], {"value_string": "text"}, "a constant of type STRING is not supported"),
    "Constant: two": (13, [], {"value_int": 1, "value_float": 2.0}, r"it has the attributes \['value_float',"),
    "Clip: a string": (6, [X], {"min": "low"}, "min"),
    "Softmax: a number": (13, [X], {"axis": 0.5}, "axis"),
    "DepthToSpace: not text": (13, [IMAGE], {"blocksize": 2, "mode": b"\xff"}, "the attribute 'mode' is not text"),
    "Gather: strings": (
        13, [Constant(np.array(["a", "b"], object)), np.int64([0])], {}, "its input 'x0' is of type string; supported"),
    "Reshape: computed": (13, [X, np.int64([3, 8])], {}, "its input 'shape' must be known; give the value of"),
    "Neg: a further input": (13, [X, X], {}, "its input 'x1', number 2, is not supported"),
    "Where: missing": (13, [X > 0, X, None], {}, "its input 'y' is missing"),
    "LeakyRelu: unknown": (6, [X], {"beta": 0.5}, "the attribute 'beta' is not supported"),
    "Conv: computed shape": (13, [X], {}, "its input 'w' is missing"),
    "Flatten: axis": (13, [X], {"axis": 4}, "axis"),
    "Upsample": (9, [X, C([1.0, 2.0], "float32")], {}, "for 3 axes; expected one positive number for each"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    opset, given, attributes, message = REFUSED[name]
    with pytest.raises(SofieError, match=message):
        frontends.open(model(name.partition(":")[0], given, attributes, opset))()
