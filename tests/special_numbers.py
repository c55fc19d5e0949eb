"""NaN, infinities, the largest numbers, denormals and zeros of both signs through every operator, beside Keras.

The rows of ``accuracy.py`` and some more layers are one Keras model; a batch holds a row of each kind of numbers.
``test_special_numbers.py`` requires that what differs from Keras is what ``EXCEPTIONS`` lists, and nothing else;
``python -m tests.accuracy`` writes that table into docs/accuracy.md.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np

import accuracy
import sofie_jit
import tolerance
from accuracy import BATCH, Row

SMALLEST, LARGEST = np.finfo(np.float32).tiny, np.finfo(np.float32).max
"""The smallest number that is not denormal, and the largest one."""

NUMBERS: dict[str, tuple[float, ...]] = {
    "NaN": (np.nan,),
    "infinity": (np.inf, -np.inf),
    "largest": (LARGEST, -LARGEST),
    "zero": (-0.0, 0.0),
    "denormal": (1e-40, -1e-40),
}
"""What a row holds -> the numbers, of one sign and of the other."""
PAIRS = np.array([np.nan, np.inf, -np.inf, LARGEST, -LARGEST, 0.0, -0.0, 1.0, -2.5], np.float32)


def _kinds() -> list[tuple[str, str, tuple[float, ...]]]:
    """Of each of the first rows what it holds, whether once or everywhere, and the numbers."""
    found = []
    for name, numbers in NUMBERS.items():
        for chosen in {(number,): None for number in numbers} | {numbers: None}:
            found += [(name, "once", chosen), (name, "everywhere", chosen)]
    return [*found, *(("pairs", str(part), ()) for part in range(3))]


KINDS = _kinds()
"""The other rows of the batch are ordinary."""


def arrays() -> dict[str, np.ndarray]:
    """The inputs of ``accuracy.py`` with special numbers in the first rows."""
    values = accuracy.arrays()
    for name, array in values.items():
        if array.dtype.kind == "f":
            for number, (kind, how, special) in enumerate(KINDS):
                row = array[number].reshape(-1)
                place = np.arange(row.size)
                if kind == "pairs":  # x and y meet in all ways
                    place += int(how) * row.size
                    row[:] = PAIRS[place // len(PAIRS) % len(PAIRS) if name == "y" else place % len(PAIRS)]
                elif how == "everywhere":
                    row[:] = np.resize(np.float32(special), row.size)
                else:
                    first = row.size // 2 + 7 * number + (3 if name == "y" else 0)
                    for i, value in enumerate(special):
                        row[(first + i * row.size // 3) % row.size] = value
    return values


def rows() -> dict[str, Row]:
    """Those of ``accuracy.py`` and further layers and functions, in Keras's words, by names for the table."""
    from keras import layers, ops

    def wide(image: Any) -> Any:
        return ops.concatenate([image, ops.flip(image, 1)], -1)

    return accuracy.rows() | {
        # products, and what is computed with them
        "Dense, relu": lambda x: layers.Dense(20, activation="relu")(x),
        "Dense, tanh": lambda x: layers.Dense(20, activation="tanh")(x),
        "Dense, gelu": lambda x: layers.Dense(20, activation="gelu")(x),
        "Dense, softmax": lambda x: layers.Dense(20, activation="softmax")(x),
        "Dense, residual": lambda x, y: layers.ReLU()(layers.Add()([layers.Dense(40)(x), y])),
        "Dense of a sequence": lambda sequence: layers.Dense(20)(sequence),
        "EinsumDense": lambda sequence: layers.EinsumDense("abc,cd->abd", output_shape=(None, 7))(sequence),
        "Dot": lambda x, y: layers.Dot(1)([x, y]),
        "Conv, relu": lambda image: layers.Conv2D(24, 3, activation="relu")(image),
        "Conv, padded": lambda image: layers.Conv2D(24, 3, strides=2, padding="same")(image),
        "Conv, 1 x 1": lambda image: layers.Conv2D(24, 1)(image),
        "Conv, groups": lambda image: layers.Conv2D(24, 3, groups=4)(image),
        "Conv, causal": lambda sequence: layers.Conv1D(8, 3, padding="causal")(sequence),
        "Conv, 3-D": lambda image: layers.Conv3D(4, 2)(ops.expand_dims(image, -1)),
        "Conv, BatchNormalization, ReLU": lambda image: layers.ReLU()(
            layers.BatchNormalization()(layers.Conv2D(24, 3)(image))
        ),
        "Winograd, padded": lambda image: layers.Conv2D(32, 3, padding="same")(wide(image)),
        "DepthwiseConv": lambda image: layers.DepthwiseConv2D(3)(image),
        "DepthwiseConv, padded": lambda image: layers.DepthwiseConv2D(3, padding="same")(image),
        "SeparableConv": lambda image: layers.SeparableConv2D(12, 3)(image),
        "ConvTranspose, padded": lambda image: layers.Conv2DTranspose(24, 3, padding="same")(image),
        # attention and recurrence
        "Attention": lambda sequence: layers.Attention()([sequence, sequence]),
        "Attention, causal": lambda sequence: layers.Attention()([sequence, sequence], use_causal_mask=True),
        "AdditiveAttention": lambda sequence: layers.AdditiveAttention()([sequence, sequence]),
        "MultiHeadAttention": lambda sequence: layers.MultiHeadAttention(2, 5)(sequence, sequence),
        "GroupQueryAttention": lambda sequence: layers.GroupQueryAttention(5, 4, 2)(sequence, sequence),
        "LSTM, sequences": lambda sequence: layers.LSTM(16, return_sequences=True)(sequence),
        "GRU, sequences": lambda sequence: layers.GRU(16, return_sequences=True)(sequence),
        "GRU of Keras 1": lambda sequence: layers.GRU(16, reset_after=False)(sequence),
        "Bidirectional": lambda sequence: layers.Bidirectional(layers.LSTM(5))(sequence),
        "Masking, LSTM": lambda sequence: layers.LSTM(5)(layers.Masking(0.0)(sequence)),
        # pooling, resizing, normalization
        "MaxPool, padded": lambda image: layers.MaxPooling2D(3, 2, padding="same")(image),
        "MaxPool, 2 x 2": lambda image: layers.MaxPooling2D(2)(image),
        "MaxPool, 1-D": lambda sequence: layers.MaxPooling1D(2)(sequence),
        "AveragePool, padded": lambda image: layers.AveragePooling2D(3, 2, padding="same")(image),
        "AveragePool, 2 x 2": lambda image: layers.AveragePooling2D(2)(image),
        "AdaptiveAveragePooling": lambda image: layers.AdaptiveAveragePooling2D(3)(image),
        "AdaptiveMaxPooling": lambda image: layers.AdaptiveMaxPooling2D(3)(image),
        "Resize, down": lambda image: layers.Resizing(11, 5)(image),
        "Resize, nearest": lambda image: layers.Resizing(11, 5, interpolation="nearest")(image),
        "Pad, reflect": lambda image: ops.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect"),
        "BatchNormalization of a row": lambda x: layers.BatchNormalization()(x),
        "LayerNormalization of an image": lambda image: layers.LayerNormalization()(image),
        "Normalization": lambda x: layers.Normalization(mean=0.5, variance=2.0)(x),
        "Rescaling": lambda x: layers.Rescaling(0.5, 1.0)(x),
        # functions of one number or two
        "ReLU, to 6": lambda x: layers.ReLU(6.0)(x),
        "ReLU, slope": lambda x: layers.ReLU(negative_slope=0.1)(x),
        "ReLU, threshold": lambda x: layers.ReLU(max_value=2.0, threshold=1.0)(x),
        "hard_tanh": lambda x: layers.Activation("hard_tanh")(x),
        "hard_shrink": lambda x: layers.Activation("hard_shrink")(x),
        "Gelu, approximate": lambda x: ops.gelu(x, approximate=True),
        "clip": lambda x: ops.clip(x, -1.0, 2.0),
        "Softmax along another axis": lambda sequence: layers.Softmax(axis=1)(sequence),
        "Softmax, masked": lambda x: layers.Softmax()(x, mask=ops.greater(x, 0)),
        **{f"{name} of any number": lambda x, name=name: getattr(ops, name)(x)
           for name in ("sqrt", "rsqrt", "log", "log1p", "log2", "arcsin", "arccosh", "arctanh", "erfinv", "tanh")},
        **{name: lambda x, name=name: getattr(ops, name)(x) for name in ("isnan", "isinf", "isfinite", "nan_to_num")},
        **{name: lambda x, y, name=name: getattr(ops, name)(x, y)
           for name in ("equal", "floor_divide", "divide_no_nan", "power", "logaddexp", "hypot")},
        # along axes
        **{f"{name} of a row": lambda x, name=name: getattr(ops, name)(x, 1)
           for name in ("sum", "mean", "max", "min", "var", "logsumexp", "any", "all", "nansum", "nanmax", "nanmean",
                        "median", "sort", "argsort")},
        "max of columns": lambda sequence: ops.max(sequence, 1),
        "argmax of columns": lambda sequence: ops.argmax(sequence, 1),
        "CumSum of columns": lambda sequence: ops.cumsum(sequence, 1),
        "quantile": lambda x: ops.quantile(x, 0.3, 1),
        "TopK, indices": lambda x: ops.top_k(x, 5)[1],
    }  # fmt: skip


def differs(got: np.ndarray, want: np.ndarray, exact: np.ndarray, denormal: bool) -> bool:
    """Whether a row's output is not what Keras gives, where ``exact`` is Keras's float64.

    NaN, infinities and their signs must be the same, zeros have the same sign where float64 gives zero too, and other
    numbers follow the rule of ``tolerance.py``. Rows with denormals, which TensorFlow takes as zeros, are compared with
    float64; a denormal result counts as zero.
    """
    if denormal:
        want = exact.astype(want.dtype)
    if got.dtype.kind != "f":
        return not np.array_equal(got, want)
    zero = (got == 0) & (want == 0) & (exact == 0)
    if (np.signbit(got) != np.signbit(want))[zero].any():
        return True
    if not np.array_equal(np.where(np.isfinite(got), 0, got), np.where(np.isfinite(want), 0, want), equal_nan=True):
        return True
    finite = np.isfinite(want) & np.isfinite(exact)
    g, w, e = (np.where(np.abs(a) < SMALLEST, 0, a)[finite].astype("float64") for a in (got, want, exact))
    scale = np.abs(w).max(initial=SMALLEST)
    ours, theirs, between = (np.abs(a - b).max(initial=0) / scale for a, b in ((g, e), (w, e), (g, w)))
    return bool(between > tolerance.ABSOLUTE and ours > max(2 * theirs, tolerance.ABSOLUTE))


@dataclass(frozen=True)
class Deviation:
    """What differs from Keras for a reason."""

    rows: tuple[str, ...]
    given: tuple[str, ...]
    """Kinds of numbers."""
    keras: str
    here: str
    varies: bool = False
    """Whether Keras's side depends on the processor and on TensorFlow's build, so that it may be as here."""
    of: str = ""
    """What the rows have in common, if they are too many to list."""


EXCEPTIONS = (
    Deviation(
        ("Relu", "ReLU, to 6", "Clip", "PRelu", "Celu", "Sign", "Cbrt", "Erfinv", "erfinv of any number", "CumSum",
         "CumSum of columns"),
        ("zero",), "-0 becomes 0", "-0 stays -0",
    ),
    Deviation(("ArgMax",), ("zero",), "0 is larger than -0", "0 and -0 are equal; the first one is chosen"),
    Deviation(
        ("ArgMax", "ArgMin", "argmax of columns"), ("NaN",),
        "NaN is ignored, unless it comes first", "the first NaN is chosen, as in numpy",
    ),
    Deviation(
        ("sort of a row", "argsort of a row", "TopK", "TopK, indices", "Sparsemax"), ("NaN",),
        "the order of all values depends on the position of NaN", "NaN comes last", varies=True,
    ),
    Deviation(
        ("Softmax", "Softmax along another axis", "Softmax, masked", "Dense, softmax"), ("NaN", "infinity"),
        "oneDNN returns zeros next to a NaN or an infinity", "all are NaN, as in Keras with float64", varies=True,
    ),
    Deviation(
        ("Resize, down", "Resample"), ("infinity",),
        "NaN, because infinities are subtracted", "infinity where the weighted sum is infinite",
    ),
    Deviation(("BesselI0",), ("infinity",), "NaN", "infinity"),
    Deviation(("NextAfter",), ("infinity",), "infinity", "the largest finite value, as in C"),
    Deviation(
        ("Gemm", "Dense, relu", "Dense, tanh", "Dense, gelu", "Dense, softmax", "Dense, residual",
         "Dense of a sequence", "EinsumDense", "Dot", "MatMul", "Attention", "Attention, causal", "AdditiveAttention",
         "MultiHeadAttention", "GroupQueryAttention", "Conv", "Conv, relu", "Conv, padded", "Conv, 1 x 1",
         "Conv, groups", "Conv, causal", "Conv, 3-D", "Conv, BatchNormalization, ReLU", "Winograd", "Winograd, padded",
         "DepthwiseChain", "DepthwiseConv", "DepthwiseConv, padded", "SeparableConv", "ConvTranspose",
         "ConvTranspose, padded", "AveragePool", "AveragePool, padded", "AveragePool, 2 x 2", "AdaptiveAveragePooling",
         "GlobalAveragePool", "ReduceMean", "mean of a row", "ReduceSum", "sum of a row", "Resample"),
        ("largest",), "sums overflow or cancel in the order of summation of Eigen or oneDNN",
        "in the order of summation of sofie_jit", varies=True, of="sums: matrix products, convolutions, averages",
    ),
    Deviation(
        ("LSTM", "LSTM, sequences", "Bidirectional", "Masking, LSTM", "ConvLSTM"), ("largest",),
        "a gate that underflows is 0", "it may be 1.6e-38, and its products -0 instead of 0", varies=True,
    ),
    Deviation(("SearchSorted",), ("denormal",), "a denormal is 0, also in float64", "a denormal is not 0"),
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """What came out of the special rows."""

    different: dict[str, frozenset[str]]
    """Row of the table -> the kinds of numbers for which it differs from Keras; rows that never do are left out."""
    touched: frozenset[str]
    """Rows of the table whose bits depend on what other rows of the batch hold."""


@functools.cache
def _keras() -> tuple[Any, dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The model, its inputs, and what Keras gives in float32 and in float64."""
    import keras

    values = arrays()
    tensors = {name: keras.Input(a.shape[1:], dtype=a.dtype.name, name=name) for name, a in values.items()}
    outputs = {
        name: function(**{argument: tensors[argument] for argument in inspect.signature(function).parameters
                          if argument in tensors})
        for name, function in rows().items()
    }  # fmt: skip
    model = tolerance.randomize(keras.Model(tensors, outputs))
    # TensorFlow would take the denormals as zeros when it casts
    doubles = {name: a.astype("float64") if a.dtype.kind == "f" else a for name, a in values.items()}
    want, exact = model(values, training=False), tolerance.in_float64(model)(doubles, training=False)
    return (
        model,
        values,
        {name: np.asarray(w) for name, w in want.items()},
        {name: np.asarray(e) for name, e in exact.items()},
    )


def measured(optimize: bool) -> Measured:
    """Compiles the model and compares; each row once among all and once alone."""
    model, values, want, exact = _keras()
    ours = sofie_jit.load(model, optimize=optimize)
    got = ours.infer(values)
    alone = [ours.infer({name: a[row : row + 1] for name, a in values.items()}) for row in range(BATCH)]
    kinds = [*(kind for kind, _, _ in KINDS), *["ordinary"] * (BATCH - len(KINDS))]
    with np.errstate(all="ignore"):  # of float64's numbers that float32 does not have
        different = {
            name: frozenset(
                kind for row, kind in enumerate(kinds)
                if differs(got[name][row], want[name][row], exact[name][row], kind == "denormal")
            )
            for name in got
        }  # fmt: skip
    touched = {
        name for name in got for row, one in enumerate(alone) if one[name][0].tobytes() != got[name][row].tobytes()
    }
    return Measured({name: kinds for name, kinds in different.items() if kinds}, frozenset(touched))


# -- the document ----------------------------------------------------------------------------------------------------

DOCUMENT = """
## NaN, infinities, denormals and signed zeros

The tests evaluate every operator of the first table and some more layers, {count} outputs in total, for rows with these
values: once or everywhere, among ordinary values and combined with each other; as a single row and in a batch of
{batch}; with and without optimization. NaN, infinities, and zeros with their signs appear where they appear in Keras,
with these exceptions:

| Operators | Input | Keras | sofie_jit |
| --- | --- | --- | --- |
{table}

**Denormals**, values below 1.2e-38, are treated as zeros by TensorFlow, and denormal results are replaced by zeros. In
sofie_jit they are treated like other values, and the results are those of Keras with float64: 1e-40 has a logarithm, is
larger than zero, and can be a divisor.

**Other rows** have no effect: the result for a row is bit-identical alone and in a batch, even if other rows contain
NaN.
"""


def document() -> str:
    """The section of docs/accuracy.md."""
    words = {"zero": "-0", "largest": "the largest finite values", "denormal": "denormals"}
    lines = [
        (d.of or "; ".join(d.rows), ", ".join(words.get(kind, kind) for kind in d.given), d.keras, d.here)
        for d in EXCEPTIONS
    ]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return DOCUMENT.format(count=len(rows()), batch=BATCH, table=table)
