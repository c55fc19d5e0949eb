"""Scores and labels of the classifiers of ai.onnx.ml."""

from __future__ import annotations

import numpy as np

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import node
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol

ML = "ai.onnx.ml"


def in_floats(x: Symbol) -> Symbol:
    """A matrix of floating-point numbers: integers as float32, a vector as one row."""
    numbers = x if x.dtype.startswith("float") else ops.cast(x, "float32")
    return numbers if x.rank != 1 else ops.reshape(numbers, (1, -1))


def transformed(call: OnnxCall, scores: Symbol, name: str | None = None) -> Symbol:
    """Scores (rows, classes) after ``post_transform``."""
    match name or call.text("post_transform", "NONE"):
        case "NONE":
            return scores
        case "LOGISTIC":
            return ops.sigmoid(scores)
        case "SOFTMAX":
            return ops.softmax(scores)
        case "SOFTMAX_ZERO":  # zeros stay zero
            largest = ops.max(scores, -1, keepdims=True)
            is_zero = ops.less_equal(ops.absolute(scores), np.float32(1e-7).astype(scores.dtype))
            powers = ops.exp(ops.subtract(scores, largest))
            total = ops.sum(ops.where(is_zero, np.zeros((), scores.dtype), powers), -1, keepdims=True)
            small = ops.multiply(scores, ops.exp(ops.negative(largest)))
            return ops.divide(ops.where(is_zero, small, powers), total)
        case other:
            call.refuse(f"post_transform={other} is not supported; supported are NONE, LOGISTIC, SOFTMAX, SOFTMAX_ZERO")


def class_count(call: OnnxCall, *names: str) -> int:
    """The number of labels in the attributes ``names``, of integers and of strings."""
    integers, strings = names
    return len(call.integers(integers) or call.texts(strings) or ())


def labelled(call: OnnxCall, index: Symbol, integers: str, strings: str, count: int) -> Symbol:
    """The labels with these indices, (rows,) of int64; by default the numbers from 0 to ``count - 1``.

    Strings are refused unless nothing uses the labels: then the result is the indices.
    """
    values = call.integers(integers)
    if call.texts(strings) and not values:
        if call.wants(0):
            scores = call.node.outputs[1:2] or ["NAME"]
            call.refuse(
                f"its labels are strings, which are not supported; load the scores alone, with outputs={scores!r}"
            )
        return index
    return ops.take(np.array(values or range(count), np.int64), index)


def both(first: Symbol, second: Symbol) -> Symbol:
    """Two columns (rows, 1) as a matrix."""
    return ops.concatenate([first, second], -1)


@node("ZipMap", domain=ML)
def zip_map(call: OnnxCall, x: Symbol) -> Symbol:
    """The matrix of scores; ONNX makes a dictionary of each row, whose keys are the labels."""
    call.ignore("classlabels_int64s", "classlabels_strings")
    return x
