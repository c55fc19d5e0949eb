"""Linear models and support vector machines of ai.onnx.ml."""

from __future__ import annotations

import numpy as np

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import node
from sofie_jit.frontends.onnx.nodes.scores import ML, both, class_count, in_floats, labelled, transformed
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dim
from sofie_jit.ir.operators.pairwise_coupling import PairwiseCoupling
from sofie_jit.ir.types import check_table


def _matrix(call: OnnxCall, name: str, rows: int, columns: int) -> np.ndarray:
    values = np.array(call.numbers(name) or [], np.float32)
    if values.size != rows * columns:
        call.refuse(f"'{name}' has {values.size} elements; expected {rows} x {columns}")
    return values.reshape(rows, columns)


def _linear(call: OnnxCall, x: Symbol, weights: np.ndarray, offsets: np.ndarray) -> Symbol:
    """``x weights^T + offsets``."""
    arrays = {"coefficients": weights.T.copy(), "offsets": offsets}
    return ops.linear(x, *(call.constant(np.asarray(values, x.dtype), name) for name, values in arrays.items()))


def _largest(scores: Symbol) -> Symbol:
    return ops.cast(ops.argmax(scores, -1), "int64")


@node("LinearRegressor", domain=ML)
def linear_regressor(call: OnnxCall, x: Symbol) -> Symbol:
    """``x coefficients^T + intercepts``, (rows, targets) of float32."""
    x, targets = ops.cast(in_floats(x), "float32"), call.integer("targets", 1)
    weights = _matrix(call, "coefficients", targets, static_dim("LinearRegressor", x.shape, -1))
    offsets = np.array(call.numbers("intercepts") or np.zeros(targets), np.float32)
    return transformed(call, _linear(call, x, weights, offsets))


@node("LinearClassifier", domain=ML)
def linear_classifier(call: OnnxCall, x: Symbol) -> tuple[Symbol, Symbol]:
    """Labels, and scores (rows, classes) of float32; a single row of coefficients is the second of two classes."""
    call.ignore("multi_class")
    x, offsets = ops.cast(in_floats(x), "float32"), np.array(call.numbers("intercepts") or [], np.float32)
    count = class_count(call, "classlabels_ints", "classlabels_strings")
    width = static_dim("LinearClassifier", x.shape, -1)
    rows = len(offsets) or len(call.numbers("coefficients") or []) // width
    raw = _linear(call, x, _matrix(call, "coefficients", rows, width), offsets if len(offsets) else np.zeros(rows))
    if rows > 1:
        index, scores = _largest(raw), transformed(call, raw)
    else:
        index = ops.cast(ops.reshape(ops.greater(raw, np.float32(0)), (-1,)), "int64")
        scores = _two_classes(call, raw) if count == 2 else transformed(call, raw)
    return labelled(call, index, "classlabels_ints", "classlabels_strings", max(rows, 2)), scores


def _two_classes(call: OnnxCall, score: Symbol) -> Symbol:
    """The scores of two classes from that of the second one, as ONNX Runtime computes them: without a softmax."""
    is_softmax = call.text("post_transform", "NONE").startswith("SOFTMAX")
    second = score if is_softmax else transformed(call, score)
    return both(ops.subtract(1.0, second), second)


# -- support vector machines -------------------------------------------------------------------------------------------


def _kernel(call: OnnxCall, x: Symbol, vectors: np.ndarray) -> Symbol:
    """The kernel function of each row of ``x`` and each vector."""
    gamma, offset, degree = (float(value) for value in call.numbers("kernel_params") or (0, 0, 0))
    kind = call.text("kernel_type", "LINEAR")
    if kind == "RBF":
        check_table("SVM", vectors.size)
        differences = ops.subtract(ops.expand_dims(x, [1]), vectors[np.newaxis])  # no cancellation in x^2 - 2 x v + v^2
        return ops.exp(ops.multiply(ops.sum(ops.square(differences), -1), np.float32(-gamma)))
    products = _linear(call, x, vectors, np.zeros(len(vectors)))
    if kind == "LINEAR":
        return products
    values = ops.add(ops.multiply(products, np.float32(gamma)), np.float32(offset))
    if kind == "POLY":
        return ops.power(values, np.float32(degree))
    if kind == "SIGMOID":
        return ops.tanh(values)
    call.refuse(f"kernel_type={kind} is not known")


@node("SVMRegressor", domain=ML)
def svm_regressor(call: OnnxCall, x: Symbol) -> Symbol:
    """A sum of kernel functions (rows, 1), or its sign."""
    x, count = in_floats(x), call.integer("n_supports", 0)
    width, rho = static_dim("SVMRegressor", x.shape, -1), np.array(call.numbers("rho") or [0.0], np.float32)
    if count:
        y = _linear(
            call,
            _kernel(call, x, _matrix(call, "support_vectors", count, width)),
            _matrix(call, "coefficients", 1, count),
            rho[:1],
        )
    else:
        call.ignore("kernel_type", "kernel_params", "support_vectors")
        y = _linear(call, x, _matrix(call, "coefficients", 1, width), rho[:1])
    if call.flag("one_class"):
        return ops.where(ops.greater(y, np.float32(0)), np.float32(1), np.float32(-1))
    return transformed(call, y)


@node("SVMClassifier", domain=ML)
def svm_classifier(call: OnnxCall, x: Symbol) -> tuple[Symbol, Symbol]:
    """Labels by the votes of all pairs of classes, and the scores of the pairs; of two classes, of both.

    With ``prob_a`` and ``prob_b``, the scores are the probabilities of the classes.
    """
    x, labels = ops.cast(in_floats(x), "float32"), ("classlabels_ints", "classlabels_strings")
    count, width = class_count(call, *labels), static_dim("SVMClassifier", x.shape, -1)
    rho, sizes = np.array(call.numbers("rho") or [0.0], np.float32), call.integers("vectors_per_class") or []
    if not sum(sizes):
        call.ignore("kernel_type", "kernel_params", "support_vectors", "vectors_per_class", "prob_a", "prob_b")
        raw = _linear(call, x, _matrix(call, "coefficients", count, width), np.full(count, rho[0]))
        return labelled(call, _largest(raw), *labels, count), transformed(call, raw)
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    if len(sizes) != count or len(rho) < len(pairs) or count < 2:
        call.refuse(f"it has {count} labels, {len(sizes)} vectors_per_class and {len(rho)} elements of rho")
    coefficients = _matrix(call, "coefficients", count - 1, sum(sizes))
    weights, winners = np.zeros((len(pairs), sum(sizes)), np.float32), np.zeros((2, len(pairs), count), np.float32)
    parts = [slice(end - size, end) for size, end in zip(sizes, np.cumsum(sizes).tolist(), strict=True)]
    for row, (i, j) in enumerate(pairs):
        weights[row, parts[i]], weights[row, parts[j]] = coefficients[j - 1, parts[i]], coefficients[i, parts[j]]
        winners[0, row, j] = winners[1, row, i] = 1
    kernel = _kernel(call, x, _matrix(call, "support_vectors", sum(sizes), width))
    exact = _linear(call, ops.cast(kernel, "float64"), weights, rho[: len(pairs)])  # the sum cancels
    raw, wins = ops.cast(exact, "float32"), ops.cast(ops.greater(exact, 0.0), "float32")
    votes = ops.add(ops.matmul(wins, winners[1] - winners[0]), winners[0].sum(0))
    index = _largest(votes)
    if call.numbers("prob_a") or call.numbers("prob_b"):
        scores = _probabilities(call, exact, count)
    elif count == 2 and call.text("post_transform", "NONE") != "NONE":
        return labelled(call, index, *labels, count), _two_classes(call, raw)
    else:
        scores = raw if count > 2 else both(ops.negative(raw), raw)
    return labelled(call, index, *labels, count), transformed(call, scores)


def _probabilities(call: OnnxCall, scores: Symbol, count: int) -> Symbol:
    """Probabilities of classes, in float32, from the scores of their pairs, in float64.

    They are Platt's sigmoids, joined by pairwise coupling.
    """
    pairs = count * (count - 1) // 2
    slopes, offsets = (np.array(call.numbers(name) or []) for name in ("prob_a", "prob_b"))
    if min(len(slopes), len(offsets)) < pairs:
        call.refuse(f"prob_a and prob_b have {len(slopes)} and {len(offsets)} elements; expected {pairs}")
    of_pairs = ops.sigmoid(ops.negative(ops.add(ops.multiply(scores, slopes[:pairs]), offsets[:pairs])))
    probabilities = call.add(PairwiseCoupling(num_classes=count), ops.clip(of_pairs, 1e-7, 1 - 1e-7))
    return ops.cast(probabilities, "float32")
