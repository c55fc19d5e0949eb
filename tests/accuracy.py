"""The error of every operator against a float64 evaluation: ``python -m tests.accuracy`` writes docs/accuracy.md.

One Keras model computes every row of the table from a few inputs. It is evaluated by this package, by Keras, and by the
definitions of its operators in numpy and float64; ``test_accuracy.py`` judges each row by the rule of
``tolerance.py``. The elementary functions are
measured on every float32 by ``kernels/cpp/vmath.cc``.
"""

from __future__ import annotations

import functools
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TESTS = Path(__file__).parent
sys.path.insert(0, str(TESTS))  # so that it runs as a module of the repository, and as pytest sees it

import sofie_jit  # noqa: E402
import tolerance  # noqa: E402
from sofie_jit.ir.operators import all_operators  # noqa: E402
from sofie_jit.ir.rmodel import RModel  # noqa: E402
from sofie_jit.passes.pipeline import lower  # noqa: E402
from sofie_jit.verification.evaluate import evaluate  # noqa: E402

DOCUMENT = TESTS.parent / "docs" / "accuracy.md"


def numbers(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


BATCH = 64
INPUTS = {
    "x": 3 * numbers(0, BATCH, 40),
    "y": 3 * numbers(1, BATCH, 40),
    "positive": np.exp(2 * numbers(2, BATCH, 40)),
    "unit": np.tanh(numbers(3, BATCH, 40)),
    "above": 1 + np.exp(2 * numbers(4, BATCH, 40)),
    "index": np.random.default_rng(5).integers(0, 40, (BATCH, 7)),
    "image": numbers(6, BATCH, 8, 9, 16),
    "sequence": numbers(7, BATCH, 12, 10),
}
"""Name of an argument of a row's function -> its values."""


def arrays() -> dict[str, np.ndarray]:
    """The inputs with their element types."""
    return {name: a.astype("int32" if a.dtype.kind == "i" else "float32") for name, a in INPUTS.items()}


Row = Callable[..., Any]


def rows() -> dict[str, Row]:
    """Operator -> a function of some of the inputs, written with Keras, that is computed by the operator."""
    from keras import activations, layers, ops

    of_one_number: dict[str, tuple[str, ...]] = {
        "x": ("Abs", "Sign", "Square", "Reciprocal", "Cbrt", "Exp2", "Expm1", "Erf", "Erfc", "Floor", "Ceil", "Trunc",
              "Round", "Sin", "Cos", "Tan", "Sinh", "Cosh", "Exp"),
        "positive": ("Sqrt", "Rsqrt", "Log", "Log1p", "Log2", "Log10"),
        "unit": ("Tanh",),
    }  # fmt: skip
    names_of_activations = {
        "Relu": "relu", "LeakyRelu": "leaky_relu", "Clip": "relu6", "HardSigmoid": "hard_sigmoid",
        "HardSwish": "hard_silu", "Shrink": "soft_shrink", "SparseSigmoid": "sparse_sigmoid",
        "SparsePlus": "sparse_plus", "Softsign": "softsign", "Squareplus": "squareplus", "TanhShrink": "tanh_shrink",
        "Sigmoid": "sigmoid", "LogSigmoid": "log_sigmoid", "Swish": "silu", "Softplus": "softplus", "Mish": "mish",
        "Elu": "elu", "Selu": "selu", "Celu": "celu", "Gelu": "gelu", "Softmax": "softmax",
        "LogSoftmax": "log_softmax",
    }  # fmt: skip

    def of(argument: str, function: Callable[..., Any]) -> Row:
        return {
            "x": lambda x: function(x),
            "positive": lambda positive: function(positive),
            "unit": lambda unit: function(unit),
        }[argument]

    table: dict[str, Row] = {
        name: of(argument, getattr(ops, name.lower())) for argument, names in of_one_number.items() for name in names
    }
    table |= {name: of("x", layers.Activation(function)) for name, function in names_of_activations.items()}
    return table | {
        # functions of one number
        "Identity": lambda x: ops.copy(x),
        "Neg": lambda x: ops.negative(x),
        "Asin": lambda unit: ops.arcsin(unit),
        "Acos": lambda unit: ops.arccos(unit),
        "Atan": lambda x: ops.arctan(x),
        "Asinh": lambda x: ops.arcsinh(x),
        "Acosh": lambda above: ops.arccosh(above),
        "Atanh": lambda unit: ops.arctanh(unit),
        "Sparsemax": lambda unit: ops.sparsemax(unit[:, :3]),
        "GLU": lambda x: ops.glu(x),
        "GeneralRelu": lambda x: layers.ReLU(max_value=5, negative_slope=0.3, threshold=0.5)(x),
        "Threshold": lambda x: activations.threshold(x, 0.5, -1.0),
        "Cast": lambda x: ops.cast(x, "int32"),
        "BesselI0": lambda x: ops.i0(x),
        "Erfinv": lambda unit: ops.erfinv(unit),
        "BitwiseNot": lambda index: ops.bitwise_not(index),
        # of several
        "BitwiseAnd": lambda index: ops.bitwise_and(index, ops.flip(index, 1)),
        "BitwiseOr": lambda index: ops.bitwise_or(index, ops.flip(index, 1)),
        "BitwiseXor": lambda index: ops.bitwise_xor(index, ops.flip(index, 1)),
        "BitShiftLeft": lambda index: ops.left_shift(index, ops.cast(ops.greater(index, 9), "int32")),
        "BitShiftRight": lambda index: ops.right_shift(index, ops.cast(ops.greater(index, 9), "int32")),
        "Gcd": lambda index: ops.gcd(index, ops.flip(index, 1)),
        "Lcm": lambda index: ops.lcm(index, ops.flip(index, 1)),
        "NextAfter": lambda x, y: ops.nextafter(x, y),
        "Add": lambda x, y: ops.add(x, y),
        "Sub": lambda x, y: ops.subtract(x, y),
        "Mul": lambda x, y: ops.multiply(x, y),
        "Div": lambda x, y: ops.divide(x, y),
        "Pow": lambda positive, unit: ops.power(positive, unit),
        "PRelu": lambda x: layers.PReLU()(x),
        "Mod": lambda x, positive: ops.mod(x, positive),
        "Atan2": lambda x, y: ops.arctan2(x, y),
        "Max": lambda x, y: ops.maximum(x, y),
        "Min": lambda x, y: ops.minimum(x, y),
        "Sum": lambda x, y, unit: layers.Add()([x, y, unit]),
        "Mean": lambda x, y: layers.Average()([x, y]),
        "Equal": lambda index: ops.equal(index, 3),
        "NotEqual": lambda index: ops.not_equal(index, 3),
        "Less": lambda x, y: ops.less(x, y),
        "LessOrEqual": lambda x, y: ops.less_equal(x, y),
        "Greater": lambda x, y: ops.greater(x, y),
        "GreaterOrEqual": lambda x, y: ops.greater_equal(x, y),
        "And": lambda x, y: ops.logical_and(ops.greater(x, 0), ops.greater(y, 0)),
        "Or": lambda x, y: ops.logical_or(ops.greater(x, 0), ops.greater(y, 0)),
        "Xor": lambda x, y: ops.logical_xor(ops.greater(x, 0), ops.greater(y, 0)),
        "Not": lambda x: ops.logical_not(ops.greater(x, 0)),
        "Where": lambda x, y, unit: ops.where(ops.greater(unit, 0), x, y),
        # along axes
        "ReduceSum": lambda image: ops.sum(image, (1, 2)),
        "ReduceSumSquare": lambda image: ops.norm(image, None, (1, 2)),
        "ReduceProd": lambda unit: ops.prod(unit, 1),
        "ReduceMax": lambda image: ops.max(image, (1, 2)),
        "ReduceMin": lambda image: ops.min(image, (1, 2)),
        "ReduceMean": lambda image: ops.mean(image, (1, 2)),
        "ArgMax": lambda x: ops.argmax(x, 1),
        "ArgMin": lambda x: ops.argmin(x, 1),
        "CumSum": lambda x: ops.cumsum(x, 1),
        "CumProd": lambda unit: ops.cumprod(unit, 1),
        "TopK": lambda x: ops.top_k(x, 5)[0],
        "SearchSorted": lambda x: layers.Discretization(bin_boundaries=[-2.0, 0.0, 1.5])(x),
        "BatchNormalization": lambda image: layers.BatchNormalization()(image),
        "LayerNormalization": lambda x: layers.LayerNormalization()(x),
        "RMSNormalization": lambda x: layers.RMSNormalization()(x),
        "LpNormalization": lambda x: layers.UnitNormalization()(x),
        "GroupNormalization": lambda image: layers.GroupNormalization(4)(image),
        "InstanceNormalization": lambda image: layers.GroupNormalization(-1)(image),
        # picking and moving
        "Concat": lambda x, y: ops.concatenate([x, y], 1),
        "Expand": lambda x: layers.RepeatVector(3)(x),
        "Gather": lambda index: layers.Embedding(40, 8)(index),
        "GatherElements": lambda x, index: ops.take_along_axis(x, index, 1),
        "HashBucket": lambda index: layers.Hashing(16)(index),
        "CrossHashed": lambda index: layers.HashedCrossing(16)((index[:, :1], index[:, 1:2])),
        "Pad": lambda image: layers.ZeroPadding2D(2)(image),
        "Reshape": lambda image: layers.Reshape((24, 48))(image),
        "Slice": lambda image: layers.Cropping2D(2)(image),
        "Transpose": lambda image: ops.transpose(image, (0, 3, 1, 2)),
        "Upsample": lambda image: layers.UpSampling2D(2)(image),
        # images
        "Conv": lambda image: layers.Conv2D(24, 3)(image),
        "DepthwiseChain": lambda image: layers.Conv2D(8, 1)(
            layers.DepthwiseConv2D(3)(layers.Conv2D(128, 1)(layers.UpSampling2D(4)(image)))
        ),
        "Winograd": lambda image: layers.Conv2D(32, 3)(ops.concatenate([image, ops.flip(image, 1)], -1)),
        "ConvTranspose": lambda image: layers.Conv2DTranspose(24, 3, strides=2)(image),
        "MaxPool": lambda image: layers.MaxPooling2D(3)(image),
        "AveragePool": lambda image: layers.AveragePooling2D(3)(image),
        "GlobalMaxPool": lambda image: layers.GlobalMaxPooling2D()(image),
        "GlobalAveragePool": lambda image: layers.GlobalAveragePooling2D()(image),
        "Resize": lambda image: layers.UpSampling2D(2, interpolation="bilinear")(image),
        "Resample": lambda image: layers.Resizing(11, 5, interpolation="bicubic")(image),
        # products and recurrence
        "Gemm": lambda x: layers.Dense(50)(x),
        "MatMul": lambda sequence: ops.matmul(sequence, ops.transpose(sequence, (0, 2, 1))),
        "RNN": lambda sequence: layers.SimpleRNN(16)(sequence),
        "LSTM": lambda sequence: layers.LSTM(16)(sequence),
        "GRU": lambda sequence: layers.GRU(16)(sequence),
        "ConvLSTM": lambda image: layers.ConvLSTM1D(6, 3)(image),
    }


GROUPS = {
    "Activation", "AlongAxis", "Binary", "Broadcasting", "Comparison", "ControlFlow", "DataDependent", "GlobalPool",
    "OfIntegers", "PickOperator", "Pool", "Recurrent", "Reduce", "RowNormalization", "Scaled", "Unary", "Variadic",
}  # fmt: skip
"""Abstract base classes of operators."""

QUANTIZED = {"ConvInteger", "DequantizeLinear", "MatMulInteger", "QuantizeLinear", "Requantize", "RoundTo"}
"""Operators of ONNX on other types, which Keras lacks; tests/ir/operators/test_quantization.py finds no error."""

WITHOUT_LAYER = {
    "BitCast", "Compress", "GatherND", "If", "Iota", "Loop", "NonMaxSuppression", "NonZero", "Range", "Sizes", "Unique",
}  # fmt: skip
"""Operators that copy or count, so that they are exact, and that no layer of Keras has."""

INEXACT_WITHOUT_LAYER = {"RoiAlign", "ScatterElements", "ScatterND", "DecisionTrees", "PairwiseCoupling"}
"""Operators that round, and that no layer of Keras has; ``test_accuracy.py`` compares them with float64 alone."""


@dataclass(frozen=True)
class Accuracy:
    """Largest errors of an operator, relative to the largest value of the exact result."""

    error: float
    """Error of this package."""
    keras: float
    """Error of Keras in float32."""
    between: float
    """Distance between the two results."""
    operators: frozenset[str]
    """Types of the operators that compute the row's output, as translated and after the passes."""

    @property
    def accepted(self) -> bool:
        """Whether the errors satisfy the rule of ``tolerance.py``."""
        return self.between <= tolerance.ABSOLUTE or self.error <= max(2 * self.keras, tolerance.ABSOLUTE)


def operators_of(rmodel: RModel, output: int) -> frozenset[str]:
    """Types of the operators that an output depends on."""
    computed_by = {name: op for op in rmodel.operators for name in op.outputs}

    def above(tensor: str) -> frozenset[str]:
        op = computed_by.get(tensor)
        return frozenset({op.op_type}).union(*map(above, op.inputs)) if op else frozenset()

    return above(rmodel.outputs[output])


@functools.cache
def measured() -> dict[str, Accuracy]:
    """Operator -> the row of the table."""
    import inspect

    import keras

    table, values = rows(), arrays()
    tensors = {name: keras.Input(a.shape[1:], dtype=a.dtype.name, name=name) for name, a in values.items()}
    outputs = {
        name: function(**{argument: tensors[argument] for argument in inspect.signature(function).parameters})
        for name, function in table.items()
    }
    model = tolerance.randomize(keras.Model(tensors, outputs))
    ours = sofie_jit.load(model)
    got, want = ours.infer(values), model(values, training=False)
    place = ours.rmodel.output_structure
    evaluated = evaluate(ours.rmodel, values, "float64")
    exact = {name: evaluated[index] for name, index in place.items()}
    optimized = lower(ours.rmodel)
    results = {}
    for name in table:
        g, w, e = (np.asarray(part[name]) for part in (got, want, exact))
        results[name] = Accuracy(
            tolerance.distance(g, e), tolerance.distance(w, e), tolerance.distance(g, w),
            operators_of(ours.rmodel, place[name]) | operators_of(optimized, place[name]),
        )  # fmt: skip
    return results


def missing() -> list[str]:
    """Operators without a row."""
    return sorted(all_operators().keys() - GROUPS - QUANTIZED - WITHOUT_LAYER - INEXACT_WITHOUT_LAYER - rows().keys())


# -- all float32 -----------------------------------------------------------------------------------------------------

ULPS = re.compile(r"^(\w+) +([\d.]+) ulp at (\S+)$", re.MULTILINE)


def ulps_of_all_floats(directory: Path, compiler: str = "g++") -> dict[str, tuple[float, float]]:
    """Elementary function -> its largest error over all float32 in ulp, and its argument.

    Raises AssertionError if an error exceeds its bound.
    """
    program = directory / "vmath"
    kernels = Path(sofie_jit.__file__).parent / "kernels"
    flags = ["-std=c++17", "-O3", "-march=native", "-pthread", f"-I{kernels}"]
    subprocess.run([compiler, *flags, str(TESTS / "kernels" / "cpp" / "vmath.cc"), "-o", str(program)], check=True)
    run = subprocess.run([str(program), "--all"], capture_output=True, text=True)
    if run.returncode:
        raise AssertionError(run.stdout)
    return {name: (float(error), float.fromhex(at)) for name, error, at in ULPS.findall(run.stdout)}


# -- the document ----------------------------------------------------------------------------------------------------

INTRODUCTION = f"""# Accuracy

Written by `python -m tests.accuracy`.

## Operators

The largest error of each operator against its definition (`ROperator.evaluate`) in numpy and float64, relative to the
largest magnitude of the result, next to the error of Keras in float32 on the same {BATCH} rows. A result is right if it
is within 1e-6 of Keras's, or if its error is at most twice that of Keras; the tests judge every row by this rule.
Winograd is the algorithm by which Conv computes 3 x 3 taps where that is faster.

| Operator | Error | Keras's error |
| --- | --- | --- |
"""

ALL_FLOATS = """
## Elementary functions

The table shows the largest error over all 2^32 float32 values, compared with long double, in units in the last place.
The errors are the same on all processors with fused multiply-add. The tests measure them again.

| Function | Largest error (ulp) | At |
| --- | --- | --- |
"""


def scientific(error: float) -> str:
    """``6.1e-08``; an error of zero as 0."""
    return f"{error:.1e}" if error else "0"


def ulp_rows(errors: dict[str, tuple[float, float]]) -> list[str]:
    """The lines of the second table."""
    return [f"| {name} | {error:.3f} | {at:.9g} |" for name, (error, at) in sorted(errors.items())]


def main() -> None:
    """Measures everything and writes the document."""
    import special_numbers

    lines = [f"| {name} | {scientific(a.error)} | {scientific(a.keras)} |" for name, a in sorted(measured().items())]
    with tempfile.TemporaryDirectory() as directory:
        errors = ulps_of_all_floats(Path(directory))
    tables = INTRODUCTION + "\n".join(lines) + "\n" + ALL_FLOATS + "\n".join(ulp_rows(errors)) + "\n"
    DOCUMENT.write_text(tables + special_numbers.document())


if __name__ == "__main__":
    main()
