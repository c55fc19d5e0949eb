"""Every operator with inputs, for tests that compare its evaluation in numpy with compiled code."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sofie_jit import RModel
from sofie_jit.ir.operators import all_operators
from sofie_jit.ir.operators.activations import Elu, Relu, Sigmoid, Tanh
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.types import TensorType

BATCH = 5


@dataclass(frozen=True)
class Case:
    """An operator and its inputs, in float64 where they are floating-point."""

    name: str
    operator: ROperator
    arrays: tuple[np.ndarray | None, ...]
    weights: frozenset[int]
    """Inputs (indices) that are initialized tensors."""
    fixed: bool
    """Whether the first dimension of the other inputs is not the batch."""

    def inputs(self, dtype: str) -> list[np.ndarray | None]:
        """The inputs with floating-point numbers in ``dtype``."""
        return [a.astype(dtype) if a is not None and a.dtype.kind == "f" else a for a in self.arrays]


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Normally distributed numbers."""
    return np.random.default_rng((*shape, seed)).normal(size=shape)


def integers(*shape: int, low: int = -9, high: int = 10, dtype: str = "int32") -> np.ndarray:
    """Uniformly distributed integers."""
    return np.random.default_rng((*shape, high)).integers(low, high, shape).astype(dtype)


class Weight:
    """Marks an input as an initialized tensor."""

    def __init__(self, array: np.ndarray):
        self.array = array


def branch(*op_types: str) -> RModel:
    """A network of integers, each operator of which gets the result before it twice."""
    network = RModel("branch")
    network.add_input_tensor_info("x0", "int32", COUNT.shape)
    for number, name in enumerate(op_types):
        operator = all_operators()[name](inputs=[f"x{number}"] * 2, outputs=[f"x{number + 1}"])
        network.add_operator(operator)
    network.add_output_tensor_names(f"x{len(op_types)}")
    return network


def body(*op_types: str) -> RModel:
    """A :func:`branch` as the body of a Loop that carries a tensor, collects it, and goes on."""
    network = branch(*op_types)
    result = network.outputs.pop()
    network.inputs = {"i": TensorType("int64", ()), **network.inputs}
    network.add_initialized_tensor("goes_on", np.array(True))
    network.add_output_tensor_names("goes_on", result, result)
    return network


def make(name: str, *inputs: np.ndarray | Weight | None, fixed: bool = False, **attributes: Any) -> Case:
    """A :class:`Case`; ``name`` is the operator's, with a variant after a colon."""
    operator = all_operators()[name.partition(":")[0]](**attributes)
    weights = frozenset(index for index, given in enumerate(inputs) if isinstance(given, Weight))
    arrays = tuple(given.array if isinstance(given, Weight) else given for given in inputs)
    return Case(name, operator, arrays, weights, fixed)


X, Y = 3 * numbers(BATCH, 7), 3 * numbers(BATCH, 7, seed=1)
UNIT, POSITIVE, ABOVE = np.tanh(X), np.exp(X / 3), 1 + np.exp(X / 3)
COUNT, OTHER = integers(BATCH, 7), integers(BATCH, 7, high=11)
FLAG = X > 0
ROWS = numbers(BATCH, 4, 6)
LINE, IMAGE, VOLUME = numbers(BATCH, 4, 9), numbers(BATCH, 4, 8, 7), numbers(BATCH, 2, 4, 5, 3)
LAST = np.moveaxis(IMAGE, 1, -1)

OF_ONE: dict[str, Sequence[str]] = {
    "X": ("Abs", "Sign", "Square", "Reciprocal", "Cbrt", "Exp2", "Expm1", "Erf", "Erfc", "Floor", "Ceil", "Trunc",
          "Round", "Sin", "Cos", "Tan", "Sinh", "Cosh", "Exp", "Neg", "Atan", "Asinh", "BesselI0", "Identity", "Relu",
          "LeakyRelu", "Clip", "GeneralRelu", "HardSigmoid", "HardSwish", "Shrink", "Threshold", "SparseSigmoid",
          "SparsePlus", "Softsign", "Squareplus", "TanhShrink", "Sigmoid", "LogSigmoid", "Swish", "Softplus", "Mish",
          "Elu", "Selu", "Celu", "Gelu", "Tanh", "Softmax", "LogSoftmax"),
    "UNIT": ("Asin", "Acos", "Atanh", "Erfinv", "Sparsemax"),
    "POSITIVE": ("Sqrt", "Rsqrt", "Log", "Log1p", "Log2", "Log10"),
    "ABOVE": ("Acosh",),
}  # fmt: skip
OF_TWO: dict[str, Sequence[str]] = {
    "X Y": ("Add", "Sub", "Mul", "Div", "PRelu", "Atan2", "NextAfter", "Max", "Min", "Sum", "Mean", "Equal", "Less",
            "NotEqual", "LessOrEqual", "Greater", "GreaterOrEqual", "Mod"),
    "POSITIVE UNIT": ("Pow",),
    "COUNT OTHER": ("BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitShiftLeft", "BitShiftRight", "Gcd", "Lcm", "Add",
                    "Equal", "Less", "Max", "Mod", "Div", "Pow"),
    "FLAG FLAG": ("And", "Or", "Xor"),
}  # fmt: skip


def _recurrent() -> Iterator[Case]:
    x, units, features = numbers(BATCH, 6, 3), 4, 3
    mask = integers(BATCH, 6, low=0, high=3).astype(bool)
    state = numbers(BATCH, 1, units)
    for name, gates, states in (("RNN", 1, 1), ("GRU", 3, 1), ("LSTM", 4, 2)):
        w, r = numbers(1, gates * units, features), numbers(1, gates * units, units)
        b = numbers(1, 2 * gates * units)
        unused = [None] * (name == "LSTM")  # P
        weights = (Weight(w / 2), Weight(r / 2))
        initial = [state, -state][:states]
        yield make(name, x, *weights, hidden_size=units)
        yield make(f"{name}: reverse", x, *weights, Weight(b), hidden_size=units, direction="reverse")
        yield make(f"{name}: flipped", x, *weights, Weight(b), None, *initial, hidden_size=units, flip_output=True)
        for zero in (False, True):
            yield make(
                f"{name}: masked, {zero}", x, *weights, Weight(b), None, *initial, *unused, mask,
                hidden_size=units, zero_output_for_mask=zero, direction="reverse",
            )  # fmt: skip
    w, r = Weight(numbers(1, 12, features) / 2), Weight(numbers(1, 12, units) / 2)
    yield make("GRU: linear", x, w, r, Weight(numbers(1, 24)), hidden_size=units, linear_before_reset=True)
    w, r = Weight(numbers(1, 16, features) / 2), Weight(numbers(1, 16, units) / 2)
    activations = (Relu(), None, Elu())
    yield make("LSTM: activations", x, w, r, hidden_size=units, activations=activations)
    gates, kernel = numbers(BATCH, 5, 6, 12), Weight(numbers(3, 3, 12) / 3)
    yield make("ConvLSTM", gates, kernel, hidden_size=3)
    yield make(
        "ConvLSTM: masked", gates, kernel, numbers(BATCH, 6, 3), numbers(BATCH, 6, 3, seed=1), mask[:, :5],
        hidden_size=3, direction="reverse", flip_output=True, activations=(Sigmoid(), Tanh()),
    )  # fmt: skip
    yield make(
        "ConvLSTM: pixels masked", numbers(BATCH, 3, 4, 5, 8), Weight(numbers(3, 2, 2, 8) / 3), None, None,
        integers(BATCH, 3, 4, 5, low=0, high=2).astype(bool), hidden_size=2, zero_output_for_mask=True,
    )  # fmt: skip


def _images() -> Iterator[Case]:
    def kernel(*shape: int) -> Weight:
        return Weight(numbers(*shape) / 3)

    bias = Weight(numbers(6))
    yield make("Conv", IMAGE, kernel(6, 4, 3, 3), bias)
    yield make("Conv: strides", IMAGE, kernel(6, 4, 3, 2), bias, strides=[2, 3], pads=[1, 0, 2, 1])
    yield make("Conv: dilations", IMAGE, kernel(6, 4, 3, 2), dilations=[2, 3], auto_pad="SAME_LOWER")
    yield make("Conv: same", LAST, kernel(6, 4, 2, 2), bias, layout="NHWC", auto_pad="SAME_UPPER", strides=[2, 2])
    yield make("Conv: groups", IMAGE, kernel(6, 2, 3, 3), bias, group=2)
    yield make("Conv: depthwise", LAST, kernel(3, 3, 1, 8), layout="NHWC", kernel_layout="HWIO", group=4)
    yield make("Conv: 1 x 1", LAST, kernel(1, 1, 4, 6), bias, layout="NHWC", kernel_layout="HWIO")
    yield make("Conv: line", LINE, kernel(6, 4, 3), pads=[2, 0])
    yield make("Conv: volume", VOLUME, kernel(6, 2, 2, 3, 2), bias, strides=[2, 1, 1], auto_pad="VALID")
    wide = numbers(BATCH, 10, 11, 32)
    yield make("Conv: Winograd", wide, kernel(3, 3, 32, 32), layout="NHWC", kernel_layout="HWIO", pads=[1] * 4)
    yield make("ConvTranspose", IMAGE, kernel(4, 6, 3, 3), bias, strides=[2, 2], output_padding=[1, 0])
    last = {"layout": "NHWC", "kernel_layout": "HWOI"}
    yield make("ConvTranspose: pads", LAST, kernel(3, 2, 6, 4), bias, pads=[1, 0, 2, 1], **last)
    yield make("ConvTranspose: same", LINE, kernel(4, 6, 5), strides=[2], auto_pad="SAME_LOWER")
    yield make("ConvTranspose: shape", LINE, kernel(4, 6, 5), strides=[2], dilations=[2], output_shape=[20])
    yield make("ConvTranspose: gaps", LINE, kernel(4, 6, 2), bias, strides=[3], auto_pad="SAME_UPPER")
    yield make("ConvTranspose: volume", VOLUME, kernel(2, 3, 2, 3, 2), strides=[1, 2, 1])
    for name in ("MaxPool", "AveragePool"):
        yield make(name, IMAGE, kernel_shape=[3, 2], strides=[2, 1])
        yield make(f"{name}: same", LAST, kernel_shape=[3, 3], auto_pad="SAME_UPPER", layout="NHWC")
        yield make(f"{name}: dilations", LINE, kernel_shape=[2], dilations=[3], pads=[1, 2])
        yield make(f"{name}: ceil", IMAGE, kernel_shape=[3, 3], strides=[3, 2], ceil_mode=True, pads=[1, 0, 0, 1])
        yield make(f"{name}: volume", VOLUME, kernel_shape=[2, 2, 2])
    yield make("AveragePool: with padding", IMAGE, kernel_shape=[3, 3], pads=[1, 2, 0, 1], count_include_pad=True)
    for name in ("GlobalMaxPool", "GlobalAveragePool"):
        yield make(name, IMAGE)
        yield make(f"{name}: last", LAST, layout="NHWC")
    yield make("Resize", IMAGE, scales=[2, 3], mode="linear")
    yield make("Resize: last", LAST, scales=[3, 1], mode="linear", layout="NHWC")
    yield make("Upsample", IMAGE, scales=[1, 1, 2, 3])
    regions = np.array([[0.5, 1, 6, 7.5], [-3, -2, 3, 4], [2, 2, 2, 2], [1, 0.2, 30, 5], [4, 3, 5, 1]])
    images = np.array([0, 4, 2, 1, 3])
    yield make("RoiAlign", IMAGE, regions, images, output_height=2, output_width=3, fixed=True)
    yield make(
        "RoiAlign: max", IMAGE, regions, images, output_height=2, output_width=3, mode="max", sampling_ratio=2,
        spatial_scale=0.5, coordinate_transformation_mode="output_half_pixel", fixed=True,
    )  # fmt: skip
    spans = Weight(np.array([[0, 3], [2, 2], [7, 9], [-1, 2], [3, 0]]))
    yield make("Resample", LAST, Weight(numbers(5, 3)), spans, axis=2)


def _trees() -> list[Weight]:
    """Base values, thresholds, nodes, roots, targets and weights of two trees: of two comparisons, and of one leaf."""
    nodes = np.array([[8 * 3, 1], [-3, 0], [8 * 1 + 5, 3], [-1, 2], [-2, 2], [-2, 3]], np.int32)
    tables = (np.array([0, 5], np.int32), np.array([0, 2, 1, 2], np.int32), numbers(4, seed=2))
    return [Weight(array) for array in (numbers(3), numbers(6, seed=1), nodes, *tables)]


def _rows() -> Iterator[Case]:
    scale, bias = numbers(6), numbers(6, seed=1)
    variance = Weight(np.exp(numbers(6)))
    yield make("BatchNormalization", ROWS, Weight(scale), Weight(bias), Weight(bias / 2), variance, axis=-1)
    yield make("BatchNormalization: plain", np.moveaxis(ROWS, 1, 2), None, None, Weight(bias), variance, axis=1)
    yield make("LayerNormalization", ROWS, Weight(scale), Weight(bias))
    yield make("LayerNormalization: two axes", ROWS, axis=1, epsilon=0.1)
    yield make("LayerNormalization: others", ROWS, None, Weight(bias), stddev_epsilon=0.1, centered=False)
    yield make("RMSNormalization", ROWS, Weight(scale))
    yield make("RMSNormalization: two axes", ROWS, axis=-2)
    yield make("LpNormalization", ROWS)
    yield make("LpNormalization: limit", ROWS, limit=0.3)
    yield make("GroupNormalization", ROWS, num_groups=2)
    yield make("GroupNormalization: last", ROWS, Weight(scale), Weight(bias), num_groups=3, layout="NHWC")
    yield make("InstanceNormalization", IMAGE, Weight(numbers(4)), Weight(numbers(4, seed=1)))
    yield make("InstanceNormalization: last", ROWS, layout="NHWC", epsilon=0.0, stddev_epsilon=0.1)
    for name in ("Softmax", "LogSoftmax", "Sparsemax"):
        yield make(f"{name}: axis", ROWS, axis=1)
    yield make("GLU", ROWS)
    yield make("GLU: axis", ROWS, axis=1)
    for name in ("Sum", "Mean", "Max", "Min", "Prod", "SumSquare"):
        yield make(f"Reduce{name}", ROWS, axes=[1])
        yield make(f"Reduce{name}: last", ROWS, axes=[2], keepdims=False)
        yield make(f"Reduce{name}: several", IMAGE, axes=[1, -1], keepdims=False)
        yield make(f"Reduce{name}: all", 1 + IMAGE / 100, axes=[], fixed=True)
        yield make(f"Reduce{name}: none", ROWS, axes=[], noop_with_empty_axes=True)
        if name not in ("Mean", "SumSquare"):
            yield make(f"Reduce{name}: integers", COUNT, axes=[1])
    for name in ("ArgMax", "ArgMin"):
        yield make(name, COUNT, axis=1)
        yield make(f"{name}: last", ROWS, axis=-1, keepdims=False)
    yield make("CumSum", ROWS, axis=1)
    yield make("CumSum: integers", COUNT, axis=-1)
    yield make("CumProd", ROWS, axis=2)
    yield make("CumSum: others", ROWS, axis=1, exclusive=True)
    yield make("CumProd: reverse", ROWS, axis=2, reverse=True, exclusive=True)
    yield make("TopK", COUNT, K=3)
    yield make("TopK: smallest", X, K=7, largest=False)
    for right in (False, True):
        yield make(f"SearchSorted: {right}", COUNT.astype(float), Weight(np.arange(-5.0, 6.0, 2.0)), right=right)


def _movement() -> Iterator[Case]:
    yield make("Concat", ROWS, ROWS[:, :1], -ROWS, axis=1)
    yield make("Concat: rows", ROWS, ROWS[:1], axis=0, fixed=True)
    yield make("Expand", ROWS[:, :1], shape=(2, 1, 3, 6), fixed=True)
    yield make("Expand: open", ROWS[:, :1], shape=("batch", 3, 6))
    yield make("Gather", Weight(numbers(10, 3)), integers(BATCH, 4, low=-10))
    yield make("Gather: floats", Weight(numbers(3, 10)), np.array([[0.9, -0.9, -9.1, 9.9]]), axis=1, fixed=True)
    yield make("GatherElements", ROWS, integers(BATCH, 2, 6, low=-4, high=4), axis=1)
    for reduction in ("none", "add", "mul", "max", "min"):
        yield make(
            f"ScatterElements: {reduction}", ROWS, integers(BATCH, 3, 5, low=-4, high=4), numbers(BATCH, 3, 5),
            axis=1, reduction=reduction,
        )  # fmt: skip
        places = np.stack([integers(2, 3, low=-BATCH, high=BATCH), integers(2, 3, low=-4, high=4)], -1)
        yield make(f"ScatterND: {reduction}", ROWS, places, numbers(2, 3, 6), reduction=reduction, fixed=True)
    yield make("GatherND", ROWS, integers(2, 3, 1, low=-4, high=4), fixed=True)
    yield make("GatherND: batch", ROWS, np.stack([integers(BATCH, 7, low=-4, high=4)] * 2, -1), batch_dims=1)
    yield make("Pad", ROWS, pads=[0, 1, 2, 0, 0, -3], constant_value=0.5)
    yield make("Pad: axes", ROWS, pads=[-1, 2], axes=[-1])
    yield make("NonZero", COUNT, count="nonzero", fixed=True)
    yield make("Compress", ROWS, np.array([True, False, True, True]), count="kept", axis=1, fixed=True)
    yield make("Compress: all", ROWS, np.array([True, False, True, True]), count="chosen", fixed=True)
    yield make("Range", np.array(2.5), np.array(-3.0), np.array(-0.75), count="numbers", fixed=True)
    yield make("Unique", COUNT, count="distinct", fixed=True)
    yield make("Unique: unsorted", COUNT, count="distinct_unsorted", sorted=False, fixed=True)
    repeated = ROWS[:, [0, 1, 0, 1]]
    yield make("Unique: axis", repeated, count="distinct_axis", axis=1, fixed=True)
    yield make("Unique: axis, unsorted", -repeated, count="distinct_slices", axis=1, sorted=False, fixed=True)
    boxes, scores = abs(numbers(2, 12, 4)) + 1, numbers(2, 3, 12)
    limits = [np.array([4]), np.array([0.3]), np.array([-0.5])]
    yield make("NonMaxSuppression", boxes, scores, *limits, count="boxes", fixed=True)
    yield make("NonMaxSuppression: centers", boxes, scores, *limits[:2], count="ctr", center_point_box=True, fixed=True)
    yield make(
        "Loop", np.array([4]), None, COUNT, carried=1, body=body("Add", "Add"), most=9, count="trips", fixed=True
    )
    yield make("Loop: all", np.array(3), np.array(True), COUNT, carried=1, body=body("Mul"), most=3, fixed=True)
    for name, flag in (("If", True), ("If: not", False)):
        branches = {"then_branch": branch("Add"), "else_branch": branch("Mul")}
        yield make(name, np.array(flag), COUNT, **branches, fixed=True)
    yield make("Sizes", values=(3, -4), fixed=True)
    yield make("Iota", size=5, start=3, step=-2, fixed=True)
    yield make("Slice", ROWS, starts=[-1, 1], ends=[-9, 6], axes=[1, 2], steps=[-2, 2])
    yield make("Slice: rows", ROWS, starts=[3], ends=[0], steps=[-1], fixed=True)
    yield make("Reshape", ROWS, shape=("batch", 2, -1))
    yield make("Reshape: zero", ROWS, shape=(0, 24))
    yield make("Transpose", ROWS, perm=[0, 2, 1])
    yield make("Transpose: rows", ROWS, perm=[2, 0, 1])
    yield make("Cast", X, to="int32")
    yield make("Cast: flags", COUNT, to="bool")
    yield make("RoundTo", ROWS, to="float16")
    yield make("RoundTo: bfloat16", ROWS, to="bfloat16")
    yield make("BitCast", COUNT, to="float32")
    for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
        yield make(
            f"DecisionTrees: {aggregate.lower()}", numbers(BATCH, 4), *_trees(), aggregate=aggregate, least_features=4
        )
    yield make("PairwiseCoupling: two classes", 0.5 + 0.4 * np.tanh(numbers(BATCH, 1)), num_classes=2)
    yield make("PairwiseCoupling", 0.5 + 0.4 * np.tanh(numbers(BATCH, 10)), num_classes=5)
    yield make("HashBucket", integers(BATCH, 7, low=-(2**62), high=2**62, dtype="int64"), num_buckets=1000)
    yield make("HashBucket: keyed", COUNT, num_buckets=7, key=(3, 2**64 - 5))
    yield make("CrossHashed", COUNT.astype("int64"), OTHER.astype("int64"), num_buckets=100)


def _elementwise() -> Iterator[Case]:
    values = globals()
    for given, names in (OF_ONE | OF_TWO).items():
        arrays = [values[name] for name in given.split()]
        for name in names:
            yield make(name if arrays[0].dtype.kind != "i" else f"{name}: integers", *arrays)
    yield make("BitwiseNot", COUNT)
    yield make("Not", FLAG)
    yield make("Where", FLAG, X, Y)
    yield make("Where: broadcast", FLAG, X[:, :1], Weight(Y[0]))
    yield make("Add: broadcast", ROWS, Weight(numbers(4, 1)))
    yield make("Mod: broadcast", X, Weight(Y[0]))
    yield make("Sum: three", ROWS, Weight(numbers(4, 1)), ROWS[:, :1])
    yield make("Mean: one", ROWS)
    yield make("Neg: integers", COUNT)
    yield make("Sign: integers", COUNT)
    yield make("Clip: both", X, min=-1.0, max=2.0)
    yield make("GeneralRelu: all", X, negative_slope=0.3, threshold=0.5, low=-1.0, high=2.0)
    yield make("Shrink: soft", X, lambd=1.5, bias=1.5)
    yield make("Threshold: value", X, threshold=0.5, value=-1.0)
    yield make("Elu: alpha", X, alpha=0.3)
    yield make("Celu: alpha", X, alpha=0.3)
    yield make("Gelu: tanh", X, approximate="tanh")
    yield make("Gemm", X, Weight(numbers(7, 4)), Weight(numbers(4)))
    yield make("Gemm: all", X, Weight(numbers(4, 7)), Y[:, :4], alpha=0.5, beta=-2.0, transB=True)
    yield make("Gemm: A'", X, numbers(BATCH, 3), transA=True, fixed=True)
    yield make("MatMul", ROWS, numbers(BATCH, 6, 3))
    yield make("MatMul: stack", ROWS, Weight(numbers(6, 3)))


def _quantized() -> Iterator[Case]:
    def bytes_(*shape: int, dtype: str = "uint8") -> np.ndarray:
        return integers(*shape, low=np.iinfo(dtype).min, high=np.iinfo(dtype).max, dtype=dtype)

    scale, scales, zeros = Weight(np.array(0.05)), Weight(np.exp(numbers(4))), Weight(bytes_(4))
    image, sums = bytes_(BATCH, 4, 8, 7), integers(BATCH, 4, 6, low=-9999, high=9999)
    yield make("QuantizeLinear", ROWS, scale, Weight(bytes_(1)[0]))
    yield make("QuantizeLinear: axis", ROWS, scales, zeros)
    yield make("QuantizeLinear: 16 bits", ROWS, scale, output_dtype="int16")
    yield make("Requantize", sums, Weight(np.array(0.01)), Weight(np.int8(3)))
    yield make("Requantize: axis", sums, scales, zeros)
    yield make("DequantizeLinear", image, scale)
    yield make("DequantizeLinear: axis", image, scales, zeros)
    blocks = Weight(np.exp(numbers(BATCH, 4, 8, 2)))
    yield make("DequantizeLinear: blocks", image, blocks, axis=3, block_size=4, fixed=True)
    kernel = Weight(bytes_(6, 4, 3, 3, dtype="int8"))
    yield make("ConvInteger", image, kernel, Weight(bytes_(1)[0]), pads=[1, 0, 2, 1], strides=[2, 1])
    yield make("MatMulInteger", bytes_(BATCH, 7), Weight(bytes_(7, 4, dtype="int8")), Weight(bytes_(1)[0]))
    yield make("MatMulInteger: stack", bytes_(BATCH, 2, 7), bytes_(BATCH, 7, 4, dtype="int8"))


CASES = [*_elementwise(), *_rows(), *_images(), *_recurrent(), *_movement(), *_quantized()]


def model_of(cases: Sequence[Case], dtype: str) -> RModel:
    """A model of all ``cases``: inputs ``x<case>_<input>``, outputs ``y<case>_<output>``."""
    model = RModel("cases")
    for number, case in enumerate(cases):
        operator = dataclasses.replace(case.operator, inputs=[], outputs=[])
        operator.retype({"float32": dtype})
        for index, array in enumerate(case.inputs(dtype)):
            name = f"x{number}_{index}" if array is not None else ""
            operator.inputs.append(name)
            if array is not None and index in case.weights:
                model.add_initialized_tensor(name, array)
            elif array is not None:
                shape = array.shape if case.fixed else (None, *array.shape[1:])
                model.add_input_tensor_info(name, array.dtype.name, shape)
        operator.outputs = [f"y{number}_{index}" for index in range(len(evaluated(case, dtype)))]
        model.add_operator(operator)
        model.add_output_tensor_names(*operator.outputs)
    return model


def feed(cases: Sequence[Case], dtype: str, rows: int = BATCH) -> dict[str, np.ndarray]:
    """The inputs of :func:`model_of`, of the first ``rows`` rows."""
    return {
        f"x{number}_{index}": array if case.fixed else array[:rows]
        for number, case in enumerate(cases)
        for index, array in enumerate(case.inputs(dtype))
        if array is not None and index not in case.weights
    }


def evaluated(case: Case, dtype: str, rows: int = BATCH) -> list[np.ndarray]:
    """The outputs by the operator's own evaluation, of the first ``rows`` rows."""
    operator = dataclasses.replace(case.operator)
    operator.retype({"float32": dtype})
    operator.bind({"batch": rows})
    inputs = [
        array if array is None or case.fixed or index in case.weights else array[:rows]
        for index, array in enumerate(case.inputs(dtype))
    ]
    with np.errstate(all="ignore"):
        results = operator.evaluate(*inputs)
    return [np.asarray(result) for result in (results if isinstance(results, tuple) else (results,))]
