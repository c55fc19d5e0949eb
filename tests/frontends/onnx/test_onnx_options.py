"""Attributes of nodes, their defaults and old forms, against ONNX Runtime, evaluated in numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from single_node import Constant, Random, check, computed, model

pytest.importorskip("onnxruntime")

C = Constant
RANDOM = Random(0)
numbers, integers = RANDOM.numbers, RANDOM.integers
X, Y = numbers(2, 3, 4), numbers(2, 3, 4)
M, N = numbers(3, 4), numbers(4, 5)
IMAGE = numbers(2, 4, 6, 5)
ODD = np.float32([[np.nan, np.inf, -np.inf, 0.0], [1.0, -2.0, 2.5, -0.0]])
BYTES, SIGNED = integers("uint8", 3, 4), integers("int8", 3, 4)
ZERO, SCALE = C(7, "uint8"), C(0.05, "float32")
LAST = C([-1], "int64")

CASES: dict[str, tuple[int, list[Any], dict[str, Any]]] = {
    # operator: variant -> opset, inputs, attributes
    # activations
    "Hardmax": (13, [X], {}),
    "Hardmax: axis": (13, [X], {"axis": 1}),
    "Hardmax: of rows": (11, [X], {}),
    "Hardmax: of rows at an axis": (11, [X], {"axis": 2}),
    "Softmax: of rows": (11, [X], {}),
    "LogSoftmax: of rows": (11, [X], {"axis": 0}),
    "Selu": (6, [X], {}),
    "Selu: options": (6, [X], {"alpha": 1.5, "gamma": 2.0}),
    "Selu: alpha": (6, [X], {"alpha": 1.5}),
    "Selu: gamma": (6, [X], {"gamma": 2.0}),
    "ThresholdedRelu": (10, [2 * X], {}),
    "ThresholdedRelu: alpha": (10, [X], {"alpha": -0.5}),
    "Swish": (24, [X], {}),
    "Swish: alpha": (24, [X], {"alpha": 0.5}),
    "HardSigmoid": (6, [4 * X], {}),
    "Shrink": (9, [X], {}),
    "Shrink: options": (9, [X], {"lambd": 0.2, "bias": 0.1}),
    "Celu": (12, [X], {}),
    "Elu": (6, [X], {}),
    "LeakyRelu": (6, [X], {}),
    "Tanh: an empty name": (13, [X, None], {}),
    # element by element
    "Add: old axes": (6, [X, numbers(3)], {"broadcast": 1, "axis": 1}),
    "Mul: old axes at the end": (6, [X, numbers(3, 4)], {"broadcast": 1}),
    "Mul: a single old number": (6, [X, numbers(1)], {"broadcast": 1}),
    "PRelu: old slopes of channels": (6, [X, numbers(3)], {}),
    "Pow": (15, [np.abs(X), Y], {}),
    "Pow: integers and fractions": (15, [integers("int32", 3, 4) % 5, np.float32([0.5, 1.5, 2.0, 0.0])], {}),
    "Pow: constants": (15, [np.abs(X), C(0.5, "float32")], {}),
    "Pow: 3": (15, [X, C(3, "float32")], {}),
    "Pow: a vector of one number": (15, [np.abs(X), C([2.5], "float32")], {}),
    "Pow: more axes": (15, [numbers(3) ** 2, C([[2]], "float32")], {}),
    "Mod": (13, [integers("int32", 5), np.int32([3, -3, 7, -7, 2])], {}),
    "Mod: fmod": (13, [numbers(5), np.float32([0.3, -0.3, 0.7, -0.7, 2])], {"fmod": 1}),
    "BitShift: left": (11, [integers("uint8", 4), np.uint8([0, 1, 3, 7])], {"direction": "LEFT"}),
    "BitShift: right": (11, [integers("uint8", 4), np.uint8([0, 1, 3, 7])], {"direction": "RIGHT"}),
    "IsNaN": (9, [ODD], {}),
    "IsInf": (10, [ODD], {}),
    "IsInf: positive": (10, [ODD], {"detect_negative": 0}),
    "IsInf: negative": (10, [ODD], {"detect_positive": 0}),
    "IsInf: neither": (10, [ODD], {"detect_positive": 0, "detect_negative": 0}),
    "Clip: old": (6, [X], {"min": -0.5}),
    "Clip: old maximum": (6, [X], {"max": 0.5}),
    "Clip": (13, [X, C(-0.5, "float32")], {}),
    "Clip: maximum": (13, [X, None, C(0.5, "float32")], {}),
    "Clip: the wrong way round": (13, [X, C(0.5, "float32"), C(-0.5, "float32")], {}),
    "Clip: computed": (13, [X, np.array(-0.5, "float32"), np.array(0.25, "float32")], {}),
    "Clip: integers": (13, [integers("int32", 9), C(-7, "int32"), C(20, "int32")], {}),
    # normalization
    "LRN": (13, [IMAGE], {"size": 3}),
    "LRN: options": (13, [3 * IMAGE], {"size": 5, "alpha": 0.3, "beta": 0.5, "bias": 2.0}),
    "LRN: even": (13, [3 * IMAGE], {"size": 2, "alpha": 0.3, "beta": 0.5, "bias": 2.0}),
    "LRN: wider than the channels": (13, [3 * IMAGE], {"size": 11, "alpha": 0.3}),
    "MeanVarianceNormalization": (13, [IMAGE], {}),
    "MeanVarianceNormalization: axes": (13, [IMAGE], {"axes": [1, 2]}),
    "LayerNormalization": (17, [X, numbers(4)], {}),
    "LayerNormalization: small numbers": (17, [1e-3 * X, numbers(4), numbers(4)], {}),
    "LayerNormalization: axis": (17, [1e-3 * X, numbers(3, 4)], {"axis": 1, "epsilon": 1e-4}),
    "InstanceNormalization": (6, [1e-3 * X, numbers(3), numbers(3)], {}),
    "BatchNormalization": (15, [X, numbers(3), numbers(3), numbers(3), 1e-5 * numbers(3) ** 2], {}),
    "LpNormalization": (1, [X], {}),
    "LpNormalization: sums": (1, [X], {"axis": 1, "p": 1}),
    "GroupNormalization: old": (18, [1e-2 * IMAGE, numbers(2), numbers(2)], {"num_groups": 2}),
    "GroupNormalization": (21, [1e-2 * IMAGE, numbers(4), numbers(4)], {"num_groups": 2, "epsilon": 1e-3}),
    # convolution and pooling
    "LpPool": (18, [IMAGE], {"kernel_shape": [2, 3]}),
    "LpPool: options": (18, [IMAGE], {"kernel_shape": [3, 2], "p": 3, "pads": [1, 0, 1, 1], "strides": [2, 1]}),
    "GlobalLpPool": (2, [IMAGE], {}),
    "GlobalLpPool: p": (2, [IMAGE], {"p": 3}),
    "AveragePool: padding counts": (
        19, [IMAGE],
        {"kernel_shape": [3, 2], "pads": [1, 1, 0, 0], "strides": [2, 2], "ceil_mode": 1, "count_include_pad": 1},
    ),
    "MaxPool: indices": (12, [IMAGE], {"kernel_shape": [2, 2], "pads": [0, 1, 1, 0], "strides": [2, 1]}),
    "MaxPool: indices of columns": (12, [IMAGE], {"kernel_shape": [2, 2], "storage_order": 1}),
    "MaxUnpool": (11, [np.float32([[[[1, 2], [3, 4]]]]), np.int64([[[[5, 7], [13, 15]]]])], {
        "kernel_shape": [2, 2], "strides": [2, 2]}),
    # images
    "DepthToSpace": (13, [numbers(1, 8, 2, 3)], {"blocksize": 2}),
    "DepthToSpace: CRD": (13, [numbers(1, 8, 2, 3)], {"blocksize": 2, "mode": "CRD"}),
    "SpaceToDepth": (13, [numbers(1, 2, 4, 6)], {"blocksize": 2}),
    "Det": (11, [numbers(2, 4, 4)], {}),
    "Det: of one row": (11, [numbers(3, 1, 1)], {}),
    "CenterCropPad": (18, [IMAGE, C([3, 8], "int64")], {"axes": [1, -1]}),
    "CenterCropPad: odd sizes": (18, [X, C([5, 2, 4], "int64")], {}),
    "Col2Im": (18, [numbers(1, 4, 9), C([4, 4], "int64"), C([2, 2], "int64")], {}),
    "Col2Im: options": (
        18, [numbers(1, 8, 9), C([5, 5], "int64"), C([2, 2], "int64")],
        {"strides": [2, 2], "dilations": [1, 1], "pads": [0, 1, 1, 0]},
    ),
    # reductions
    "ReduceSum: no axes": (13, [X], {}),
    "ReduceSum: empty": (13, [X, C([], "int64")], {"noop_with_empty_axes": 1}),
    "ReduceSum: all of them": (13, [X, C([], "int64")], {"keepdims": 0}),
    **{f"{name}: old": (11, [np.abs(X)], {"axes": [1]}) for name in ("ReduceL1", "ReduceL2", "ReduceLogSum",
       "ReduceLogSumExp", "ReduceSumSquare", "ReduceProd", "ReduceMin", "ReduceMean")},
    **{f"{name}: empty": (18, [np.abs(X), C([], "int64")], {"noop_with_empty_axes": 1}) for name in ("ReduceL1",
       "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare", "ReduceProd", "ReduceMin", "ReduceMean")},
    "ArgMax": (13, [np.float32([[1, 3, 3], [2, 2, 0]])], {}),
    "ArgMax: the last": (13, [np.float32([[1, 3, 3], [2, 2, 0]])], {"axis": 1, "select_last_index": 1, "keepdims": 0}),
    "ArgMin: the last": (13, [np.float32([[1, 3, 3], [2, 0, 0]])], {"axis": -1, "select_last_index": 1}),
    "CumSum": (14, [X, C(1, "int64")], {}),
    "CumSum: options": (14, [X, C(-1, "int64")], {"exclusive": 1, "reverse": 1}),
    "TopK": (11, [X, C([2], "int64")], {}),
    "TopK: options": (11, [X, C([2], "int64")], {"axis": 1, "largest": 0}),
    "TopK: old": (1, [X], {"k": 3}),
    # shapes
    "Flatten": (13, [IMAGE], {}),
    "Flatten: axis": (13, [IMAGE], {"axis": -1}),
    "Flatten: all": (13, [IMAGE], {"axis": 4}),
    "Transpose": (13, [X], {}),
    "Slice: old": (1, [X], {"starts": [1, 0], "ends": [3, -1]}),
    "Slice: old axes": (1, [X], {"starts": [1], "ends": [100], "axes": [2]}),
    "Slice: backwards": (13, [X, C([3], "int64"), C([-9], "int64"), LAST, C([-2], "int64")], {}),
    "Split: old": (11, [X], {"axis": 2, "split": [1, 3]}),
    "Split: unequal": (18, [numbers(5, 2)], {"num_outputs": 2}),
    "Pad: old": (2, [X], {"pads": [0, 1, 0, 0, 0, 2], "value": 2.5}),
    "Pad: old zeros": (2, [X], {"pads": [0, 1, 0, 0, 0, 2]}),
    "Pad": (18, [X, C([1, 2], "int64"), C(2.5, "float32"), LAST], {}),
    "Pad: mode": (18, [X, C([1, 0, 2, 0, 0, 0], "int64")], {"mode": "edge"}),
    "Trilu": (14, [numbers(2, 3, 4)], {}),
    "Trilu: lower": (14, [numbers(2, 3, 4), C(-1, "int64")], {"upper": 0}),
    "Range": (11, [C(0.5, "float32"), C(3.2, "float32"), C(0.5, "float32")], {}),
    "Range: backwards": (11, [C(5, "int64"), C(-2, "int64"), C(-3, "int64")], {}),
    "Range: empty": (11, [C(5, "int64"), C(5, "int64"), C(1, "int64")], {}),
    "Range: long": (11, [C(3, "int64"), C(10000, "int64"), C(2, "int64")], {}),
    "Range: long and backwards": (11, [C(0.5, "float32"), C(-6000, "float32"), C(-1, "float32")], {}),
    "EyeLike": (9, [M], {}),
    "EyeLike: options": (9, [M], {"k": 1, "dtype": 7}),
    "ConstantOfShape": (9, [C([2, 3], "int64")], {}),
    "Shape": (15, [X], {"start": 1}),
    "Shape: end": (15, [X], {"end": -1}),
    "OneHot": (11, [np.int64([0, 2, -1]), C(3, "int64"), C([0.5, 2.0], "float32")], {}),
    "OneHot: axis": (11, [np.int64([0, 2, 5]), C(3, "int64"), C([0.5, 2.0], "float32")], {"axis": 0}),
    "OneHot: of floats": (11, [np.float32([0, 1, -1.0]), C(2, "int64"), C([0.5, 2.0], "float32")], {}),
    "ReverseSequence": (10, [numbers(4, 3, 2), np.int64([1, 4, 2])], {}),
    "ReverseSequence: of rows": (10, [numbers(3, 4), np.int64([1, 4, 2])], {"time_axis": 1, "batch_axis": 0}),
    "GatherElements": (13, [M, np.int64([[0, 2], [1, 0]])], {}),
    "GatherElements: axis": (13, [M, np.int64([[0, -1], [1, 0]])], {"axis": 1}),
    "Scatter": (9, [np.zeros((3, 3), np.float32), np.int64([[1, 0], [2, 1]]), numbers(2, 2)], {}),
    "Scatter: axis": (9, [np.zeros((3, 3), np.float32), np.int64([[1, 0], [2, 1]]), numbers(2, 2)], {"axis": 1}),
    "Upsample: old": (7, [IMAGE], {"scales": [1.0, 1.0, 2.0, 1.5]}),
    "Upsample": (9, [IMAGE, C([1, 1, 2, 3], "float32")], {"mode": "linear"}),
    "RoiAlign: old": (
        10, [IMAGE, np.float32([[0, 0, 4, 3], [1, 1, 1, 1]]), np.int64([0, 1])],
        {"output_height": 2, "output_width": 3, "sampling_ratio": 2, "spatial_scale": 0.75},
    ),
    "RoiAlign": (16, [IMAGE, np.float32([[0, 0, 4, 3]]), np.int64([1])], {}),
    # losses
    **{f"{name}: {reduction}": (13, [numbers(3, 4), np.int64([0, 3, 2])], {"reduction": reduction})
       for name in ("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss") for reduction in ("none", "sum", "mean")},
    "NegativeLogLikelihoodLoss": (13, [numbers(3, 4), np.int64([0, 3, 2])], {}),
    "SoftmaxCrossEntropyLoss: weights": (
        13, [numbers(3, 4), np.int64([0, 3, 2]), np.float32([1, 2, 3, 4])], {"ignore_index": 3}),
    "NegativeLogLikelihoodLoss: ignored": (13, [numbers(3, 4), np.int64([0, -5, 2])], {"ignore_index": -5}),
    # signals
    "HannWindow": (17, [C(8, "int64")], {}),
    "HannWindow: symmetric": (17, [C(8, "int64")], {"periodic": 0, "output_datatype": 11}),
    "HammingWindow": (17, [C(7, "int64")], {}),
    "BlackmanWindow": (17, [C(7, "int64")], {"periodic": 0}),
    "MelWeightMatrix": (17, [C(v, "int64") for v in (8, 16, 8192)] + [C(v, "float32") for v in (0, 4096)], {}),
    "DFT": (20, [numbers(1, 9, 1), None, C(1, "int64")], {}),
    "DFT: length": (20, [numbers(1, 9, 2), C(12, "int64"), C(1, "int64")], {"inverse": 1}),
    "DFT: old": (17, [numbers(2, 3, 9, 1)], {"axis": 2, "onesided": 1}),
    "STFT": (17, [numbers(1, 24, 1), C(5, "int64"), None, C(8, "int64")], {}),
    "STFT: window": (17, [numbers(1, 24, 1), C(5, "int64"), C(np.hanning(7).astype(np.float32))], {"onesided": 0}),
    # quantization
    "DequantizeLinear": (13, [SIGNED, C([0.5, 1, 2, 3], "float32"), C([1, 2, 3, 4], "int8")], {}),
    "DequantizeLinear: axis": (13, [SIGNED, C([0.5, 1, 2], "float32")], {"axis": 0}),
    "DequantizeLinear: output": (
        23, [SIGNED, C(0.5, "float16"), C(3, "int8")], {"output_dtype": 1, "axis": 0}),
    "QuantizeLinear": (13, [M, C(0.02, "float32"), C(3, "int8")], {}),
    "QLinearMatMul": (10, [BYTES, SCALE, ZERO, C(integers("int8", 4, 5)), SCALE, C(0, "int8"), C(0.4, "float32"), ZERO],
                      {}),
    "MatMulInteger": (10, [BYTES, C(integers("uint8", 4, 5)), C(3, "uint8"), C([1, 2, 3, 4, 5], "uint8")], {}),
    "MatMulInteger: a vector": (10, [BYTES[0], C(integers("uint8", 4, 5))], {}),
    "DynamicQuantizeLinear": (11, [M], {}),
    "DynamicQuantizeLinear: above 0": (11, [np.abs(M) + 1], {}),
    "DynamicQuantizeLinear: zeros": (11, [0 * M], {}),
    # text
    "TfIdfVectorizer": (
        9, [np.int64([[1, 2, 3, 1, 2, 3], [3, 3, 1, 2, 9, 1]])],
        {"mode": "TF", "min_gram_length": 1, "max_gram_length": 2, "max_skip_count": 1, "ngram_counts": [0, 3],
         "ngram_indexes": [0, 1, 2, 5, 4], "pool_int64s": [1, 2, 3, 1, 2, 3, 3]},
    ),
    "TfIdfVectorizer: weights": (
        9, [np.int64([1, 2, 3, 1, 2, 3])],
        {"mode": "TFIDF", "min_gram_length": 2, "max_gram_length": 2, "max_skip_count": 0, "ngram_counts": [0, 3],
         "ngram_indexes": [0, 1, 2, 3, 4], "pool_int64s": [1, 2, 3, 1, 2, 3, 3], "weights": [1.0, 2.0, 3.0, 4.0, 5.0]},
    ),
    "TfIdfVectorizer: occurrence": (
        9, [np.int64([1, 2, 3, 1, 2, 3])],
        {"mode": "IDF", "min_gram_length": 1, "max_gram_length": 1, "max_skip_count": 0, "ngram_counts": [0],
         "ngram_indexes": [0, 1, 2], "pool_int64s": [1, 2, 7], "weights": [0.5, 2.0, 3.0]},
    ),
    "TfIdfVectorizer: too short": (
        9, [np.int64([[1], [2]])],
        {"mode": "TF", "min_gram_length": 2, "max_gram_length": 2, "max_skip_count": 0, "ngram_counts": [0, 0],
         "ngram_indexes": [2], "pool_int64s": [1, 2]},
    ),
}  # fmt: skip

OUTPUTS = {"MaxPool: indices": 2, "MaxPool: indices of columns": 2, "TopK": 2, "Split": 2, "DynamicQuantizeLinear": 3,
           "SoftmaxCrossEntropyLoss": 2}  # fmt: skip
FORMULAS: dict[str, Callable[..., np.ndarray]] = {
    "Tanh: an empty name": np.tanh,
    "Add: old axes": lambda x, b: x + b[:, np.newaxis],
    "Mul: old axes at the end": np.multiply,
    "Mul: a single old number": np.multiply,
    "PRelu: old slopes of channels": lambda x, slope: np.where(x < 0, x * slope[:, np.newaxis], x),
    "LRN: even": lambda x: (
        x / (2 + 0.3 / 2 * (x**2 + np.roll(np.pad(x, [(0, 0), (0, 1), (0, 0), (0, 0)]), -1, 1)[:, :4] ** 2)) ** 0.5
    ),
    "OneHot: of floats": lambda x: np.float32([[2, 0.5], [0.5, 2], [0.5, 2]]),
}
"""What ONNX defines where ONNX Runtime refuses a node."""


@pytest.mark.parametrize("name", CASES)
def test_agrees(name: str) -> None:
    opset, given, attributes = CASES[name]
    op = name.partition(":")[0]
    count = OUTPUTS.get(name, OUTPUTS.get(op, 1))
    content = model(op, given, attributes, opset, outputs=[f"y{i}" for i in range(count)])
    check(name, content, given, FORMULAS.get(name))


def test_output_shapes_with_all_axes() -> None:
    """Some exporters write those of the batch and the channels too."""
    given = [numbers(1, 2, 3, 3), C(numbers(2, 2, 3, 3))]
    for shape in ([7, 6], [6, 7]):
        some, every = (
            computed(model("ConvTranspose", given, {"strides": [2, 2], "output_shape": listed}), given)[0]
            for listed in (shape, [1, 2, *shape])
        )
        np.testing.assert_array_equal(some, every)
        assert list(some.shape) == [1, 2, *shape]
