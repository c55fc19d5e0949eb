"""Operators of ai.onnx.ml that prepare numbers: scales, missing values, categories, features."""

from __future__ import annotations

import math

import numpy as np

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import node
from sofie_jit.frontends.onnx.nodes.scores import ML
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol


@node("Scaler", domain=ML)
def scaler(call: OnnxCall, x: Symbol) -> Symbol:
    """``(x - offset) scale`` in float32."""
    offset, scale = (
        np.array(call.numbers(name) or [default], np.float32) for name, default in (("offset", 0), ("scale", 1))
    )
    return ops.multiply(ops.subtract(ops.cast(x, "float32"), offset), scale)


@node("Normalizer", domain=ML)
def normalizer(call: OnnxCall, x: Symbol) -> Symbol:
    """Rows of float32 divided by their largest element or by their norm; rows of zeros stay."""
    x, kind = ops.cast(x, "float32"), call.text("norm", "MAX")
    if kind not in ("MAX", "L1", "L2"):
        call.refuse(f"norm={kind} is not known")
    functions = {
        "MAX": lambda: ops.max(x, -1, keepdims=True),
        "L1": lambda: ops.sum(ops.absolute(x), -1, keepdims=True),
    }
    size = functions[kind]() if kind in functions else ops.sqrt(ops.sum(ops.square(x), -1, keepdims=True))
    return ops.divide(x, ops.where(ops.equal(size, np.float32(0)), np.float32(1), size))


@node("Binarizer", domain=ML)
def binarizer(call: OnnxCall, x: Symbol) -> Symbol:
    """1 where an element is larger than the threshold, else 0."""
    threshold = call.number("threshold", 0.0)
    if not x.dtype.startswith("float"):  # x > 1.5 and x > 1 are the same for whole numbers
        threshold = math.floor(threshold)
    return ops.cast(ops.greater(x, np.asarray(threshold, x.dtype)), x.dtype)


@node("Imputer", domain=ML)
def imputer(call: OnnxCall, x: Symbol) -> Symbol:
    """Another value in place of each that stands for a missing one, such as NaN."""
    values: list[float] | list[int] | None
    if x.dtype.startswith("float"):
        call.ignore("imputed_value_int64s", "replaced_value_int64")
        values, missing = call.numbers("imputed_value_floats"), call.number("replaced_value_float", 0.0)
    else:
        call.ignore("imputed_value_floats", "replaced_value_float")
        values, missing = call.integers("imputed_value_int64s"), call.integer("replaced_value_int64", 0)
    if not values:
        call.refuse(f"it has no values for elements of type {x.dtype}")
    is_missing = ops.isnan(x) if missing != missing else ops.equal(x, np.asarray(missing, x.dtype))
    return ops.where(is_missing, np.asarray(values, x.dtype), x)


@node("ArrayFeatureExtractor", domain=ML)
def array_feature_extractor(call: OnnxCall, x: Symbol, columns: Symbol) -> Symbol:
    """Columns of the last axis."""
    rows = x if x.rank > 1 else ops.reshape(x, (1, -1))
    return ops.take(rows, ops.reshape(columns, (-1,)), rows.rank - 1)


@node("FeatureVectorizer", domain=ML)
def feature_vectorizer(call: OnnxCall, *inputs: Symbol) -> Symbol:
    """The features of all inputs side by side, in float32."""
    call.ignore("inputdimensions")
    return ops.concatenate([ops.cast(x, "float32") for x in inputs], -1)


@node("OneHotEncoder", domain=ML)
def one_hot_encoder(call: OnnxCall, x: Symbol) -> Symbol:
    """A new last axis that tells which of the categories an element is.

    If an element is not a category, the result is all zeros with ``zeros``; otherwise ``infer`` raises OutOfRangeError.
    """
    categories = call.integers("cats_int64s")
    if not categories:
        call.refuse("it has categories of strings, which are not supported")
    is_category = ops.equal(ops.expand_dims(ops.cast(x, "int64"), [-1]), np.array(categories, np.int64))
    if call.flag("zeros", True):
        return ops.cast(is_category, "float32")
    unknown = ops.logical_not(ops.any(is_category, -1, keepdims=True))
    none = ops.take(np.zeros(1, np.float32), ops.cast(unknown, "int64"))  # index 1 is out of range
    return ops.add(ops.cast(is_category, "float32"), none)


FORMS = {"int64s": "int64", "floats": "float32"}


@node("LabelEncoder", domain=ML)
def label_encoder_of_strings(call: OnnxCall, x: Symbol) -> Symbol:
    """Refused: the form of version 1 converts strings."""
    call.refuse("strings are not supported; convert them to numbers before the model")


@node("LabelEncoder", since=2, domain=ML)
def label_encoder(call: OnnxCall, x: Symbol) -> Symbol:
    """The value of the key that equals an element, or the default; numbers only."""
    call.ignore("keys_strings", "values_strings", "default_string")

    def listed(kind: str) -> np.ndarray | None:
        tensor = call.tensor(f"{kind}_tensor")
        if tensor is not None:
            return tensor.array.ravel()
        lists = {"int64s": call.integers(f"{kind}_int64s"), "floats": call.numbers(f"{kind}_floats")}
        return next((np.array(values, FORMS[form]) for form, values in lists.items() if values), None)

    keys, values = listed("keys"), listed("values")
    if keys is None or values is None or len(keys) != len(values):
        call.refuse("it needs equally many keys and values that are numbers; strings are not supported")
    given = call.tensor("default_tensor")
    defaults = {"int64": call.integer("default_int64", -1), "float32": call.number("default_float", -0.0)}
    default = given.array.reshape(()) if given is not None else defaults.get(values.dtype.name, 0)
    table = ops.equal(ops.expand_dims(x, [-1]), keys.astype(x.dtype))
    if call.node.version >= 4 and keys.dtype.kind == "f" and np.isnan(keys).any():
        table = ops.logical_or(table, ops.logical_and(ops.expand_dims(ops.isnan(x), [-1]), np.isnan(keys)))
    place = ops.argmax(ops.cast(table, "int32"), -1)
    return ops.where(ops.any(table, -1), ops.take(values, place), np.asarray(default, values.dtype))
