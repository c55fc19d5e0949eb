"""Operators of constants and of sizes, which are computed while a model is translated, against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

import sofie_jit

TYPES = {"int32": TensorProto.INT32, "int64": TensorProto.INT64, "float32": TensorProto.FLOAT}
SHAPES = ((3, 4, 6), (5, 4, 8))

ARITHMETIC = ("Add", "Sub", "Mul", "Div", "Max", "Min")
COMPARISONS = ("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual")


def node(op: str, inputs: str, output: str, **attributes) -> NodeProto:
    return helper.make_node(op, inputs.split(), [output], **attributes)


def nodes() -> list[NodeProto]:
    """All operators on the vector ``v`` of three numbers; ``w`` and ``one`` are constants of the same type."""
    return [
        *(node(op, "v w", f"{op}_vector") for op in (*ARITHMETIC, *COMPARISONS)),
        *(node(op, "w v", f"{op}_reversed") for op in (*ARITHMETIC[:3], *COMPARISONS)),
        *(node(op, "v one", f"{op}_number") for op in ARITHMETIC),
        node("Neg", "v", "negative"),
        node("Abs", "w", "absolute"),
        node("ReduceProd", "v", "product"),
        node("ReduceProd", "v", "product_number", keepdims=0),
        node("ReduceProd", "w", "product_constants"),
        node("Gather", "v first", "gathered"),
        node("Gather", "v last_two", "two"),
        node("Gather", "v middle", "fixed"),
        node("Concat", "v w one", "joined", axis=0),
        node("Reshape", "v column", "reshaped"),
        node("Unsqueeze", "v zero", "row"),
        node("Squeeze", "gathered zero", "number"),
        node("Div", "number one", "number_quotient"),
        node("Slice", "v one64 huge", "rest"),
        node("Slice", "v two64 minus_huge zero minus_one", "backwards"),
        node("Slice", "v one64 two64", "fixed_part"),
        node("Add", "fixed_part one", "fixed_sum"),
        node("Where", "chosen v w", "chosen_numbers"),
        node("Where", "chosen w one", "chosen_constants"),
        node("Expand", "one column", "expanded"),
        node("Cast", "v", "as_int32", to=TensorProto.INT32),
        node("Cast", "v", "as_int64", to=TensorProto.INT64),
        node("Cast", "v", "as_float", to=TensorProto.FLOAT),
        node("Cast", "v", "as_bool", to=TensorProto.BOOL),
    ]


def saved(path: Path, dtype: str, is_open: bool) -> Path:
    """A model with the operators on the shape of its input, or on constants."""
    constants = {
        "w": np.array([2, -3, 4], dtype), "one": np.array([2], dtype), "first": np.array([0]),
        "last_two": np.array([2, -2]), "middle": np.array([1]), "column": np.array([3, 1]), "zero": np.array([0]),
        "one64": np.array([1]), "two64": np.array([2]), "minus_one": np.array([-1]), "huge": np.array([2**31 - 1]),
        "minus_huge": np.array([-(2**31)]), "chosen": np.array([True, False, True]),
    }  # fmt: skip
    given = [node("Shape", "x", "shape"), node("Cast", "shape", "v", to=TYPES[dtype])] if is_open else []
    if not is_open:
        constants["v"] = np.array([3.5, -4, 6]).astype(dtype)
    every = [*given, *nodes()]
    results = [name for each in every for name in each.output if name != "shape"]
    graph = helper.make_graph(
        every,
        "known",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 4, "columns"])],
        [helper.make_empty_tensor_value_info(name) for name in results if name not in ("v", "shape")],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    inferred = onnx.shape_inference.infer_shapes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    )
    onnx.save(inferred, path)
    return path


@pytest.mark.parametrize("is_open", [True, False], ids=["sizes", "constants"])
@pytest.mark.parametrize("dtype", TYPES)
def test_all_operators(dtype: str, is_open: bool, tmp_path: Path) -> None:
    """Values and element types: sizes are integers of Python, but int32 where TensorFlow computes shapes in int32."""
    path = saved(tmp_path / "m.onnx", dtype, is_open)
    model, runtime = sofie_jit.load(path), onnxruntime.InferenceSession(path)
    for shape in SHAPES:
        x = np.zeros(shape, np.float32)
        for name, found, expected in zip(model.output_names, model.infer(x), runtime.run(None, {"x": x}), strict=True):
            np.testing.assert_array_equal(found, expected, f"{name} at {shape}", strict=True)


def test_integers_computed_from_constants(tmp_path: Path) -> None:
    """Sizes may follow from them by any operator, as in TensorFlow's diagonals, and no operator of them remains."""
    every = [
        node("ReduceMax", "limits", "largest", axes=[0], keepdims=0),
        node("ReduceMin", "limits", "smallest", axes=[0], keepdims=0),
        node("Max", "largest smallest", "most"),
        node("Range", "smallest most two", "places"),
        node("ArgMax", "scores", "best", axis=0, keepdims=1),
        node("Concat", "places best", "all_places", axis=0),
        node("Size", "all_places", "count"),
        node("Mod", "count two", "odd"),
        node("Gather", "x all_places", "y", axis=1),
    ]
    constants = {
        "limits": np.array([7, 1, 3]), "two": np.array(2), "scores": np.array([0.5, 2, 1], np.float32),
    }  # fmt: skip
    graph = helper.make_graph(
        every,
        "known",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 8])],
        [helper.make_empty_tensor_value_info("y"), helper.make_empty_tensor_value_info("odd")],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    path = tmp_path / "m.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
    network = sofie_jit.frontends.open(path)()
    assert [op.op_type for op in network.operators] == ["Gather"]
    x = np.arange(24, dtype=np.float32).reshape(3, 8)
    for found, expected in zip(
        network.compile().infer(x), onnxruntime.InferenceSession(path).run(None, {"x": x}), strict=True
    ):
        np.testing.assert_array_equal(found, expected, strict=True)


def test_second_outputs_of_constants(tmp_path: Path) -> None:
    """Sizes that are computed from one of several outputs, and operators whose first output is not read."""
    every = [
        helper.make_node("TopK", ["numbers", "two"], ["largest", "places"], axis=0),
        node("Shape", "x", "shape", end=1),
        node("Add", "shape places", "rows_and_places"),
        node("Gather", "rows_and_places one", "last", axis=0),
        node("Cast", "largest", "factors", to=TensorProto.INT64),
        node("Concat", "last factors", "target", axis=0),
        node("Expand", "x_row target", "y"),
        helper.make_node("Unique", ["repeated"], ["unread", "", "inverse", "counts"]),
        node("Gather", "counts inverse", "each"),
    ]
    constants = {
        "numbers": np.float32([1, 4, 3]), "two": np.array([2]), "one": np.array([1]), "repeated": np.array([5, 2, 5]),
        "x_row": np.ones((1, 4, 1), np.float32),
    }  # fmt: skip
    graph = helper.make_graph(
        every,
        "known",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])],
        [helper.make_empty_tensor_value_info("y"), helper.make_empty_tensor_value_info("each")],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    path = tmp_path / "m.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
    x = np.zeros((2, 3), np.float32)
    for found, expected in zip(
        sofie_jit.load(path).infer(x), onnxruntime.InferenceSession(path).run(None, {"x": x}), strict=True
    ):
        np.testing.assert_array_equal(found, expected, strict=True)


def test_slices_at_the_number_of_an_iteration(tmp_path: Path) -> None:
    """The number is a vector of one element where the body declares that, as in ONNX Runtime."""
    body = helper.make_graph(
        [
            node("Add", "i one", "next"),
            node("Slice", "table i next zero", "row"),
            node("Add", "sum row", "sum_out"),
            node("Identity", "go", "go_out"),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, [1]),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum_out", TensorProto.FLOAT, None),
        ],
    )
    constants = {
        "one": np.array([1]), "zero": np.array([0]), "count": np.array(3), "true": np.array(True),
        "table": np.arange(6, dtype=np.float32).reshape(3, 2),
    }  # fmt: skip
    graph = helper.make_graph(
        [node("Loop", "count true x", "y", body=body)],
        "slices",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    x = np.ones((4, 2), np.float32)
    (expected,) = onnxruntime.InferenceSession(path).run(None, {"x": x})
    np.testing.assert_array_equal(sofie_jit.load(path).infer(x), expected, strict=True)
