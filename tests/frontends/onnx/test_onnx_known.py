"""Operators of constants and of sizes, which are computed while a model is translated, against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper
from text_format import check, parsed

import sofie_jit
from sofie_jit import frontends

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


INTEGERS = """limits = Constant<value=int64[3] {7, 1, 3}>() two = Constant<value=int64 {2}>()
    scores = Constant<value=float[3] {0.5, 2, 1}>() largest = ReduceMax<axes=[0], keepdims=0>(limits)
    smallest = ReduceMin<axes=[0], keepdims=0>(limits) most = Max(largest, smallest)
    places = Range(smallest, most, two) best = ArgMax<axis=0, keepdims=1>(scores)
    all_places = Concat<axis=0>(places, best) count = Size(all_places) odd = Mod(count, two)
    y = Gather<axis=1>(x, all_places)"""


def test_integers_computed_from_constants() -> None:
    """Sizes may follow from them by any operator, as in TensorFlow's diagonals, and no operator of them remains."""
    content = parsed(INTEGERS, "float[rows,8] x", "y odd", opset=17)
    assert [op.op_type for op in frontends.open(content)().operators] == ["Gather"]
    check(content, np.arange(24, dtype=np.float32).reshape(3, 8), compiled=True)


SECOND = """numbers = Constant<value=float[3] {1, 4, 3}>() two = Constant<value=int64[1] {2}>()
    one = Constant<value=int64[1] {1}>() repeated = Constant<value=int64[3] {5, 2, 5}>()
    row = Constant<value=float[1,4,1] {1, 1, 1, 1}>() largest, places = TopK<axis=0>(numbers, two)
    shape = Shape<end=1>(x) sums = Add(shape, places) last = Gather<axis=0>(sums, one) factors = Cast<to=7>(largest)
    target = Concat<axis=0>(last, factors) y = Expand(row, target)
    unread, first, inverse, counts = Unique(repeated) each = Gather(counts, inverse)"""


def test_second_outputs_of_constants() -> None:
    """Sizes that are computed from one of several outputs, and operators whose first output is not read."""
    check(parsed(SECOND, "float[rows,3] x", "y each", opset=17), np.zeros((2, 3), np.float32), compiled=True)


NUMBERED = """count = Constant<value=int64 {3}>() true = Constant<value=bool {1}>()
    one = Constant<value=int64[1] {1}>() zero = Constant<value=int64[1] {0}>()
    table = Constant<value=float[3,2] {0, 1, 2, 3, 4, 5}>() y = Loop<body =
    b (int64[1] i, bool go, float[rows,2] sum) => (bool on, float[rows,2] more) {
        next = Add(i, one) row = Slice(table, i, next, zero) more = Add(sum, row)
        on = Identity(go) }>(count, true, x)"""


def test_slices_at_the_number_of_an_iteration() -> None:
    """The number is a vector of one element where the body declares that, as in ONNX Runtime."""
    check(parsed(NUMBERED, "float[rows,2] x", opset=17), np.ones((4, 2), np.float32), compiled=True)


# -- each operator, evaluated in numpy ---------------------------------------------------------------------------------

X = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)

NUMBERS = """a = Constant<value=int64[4] {7, -7, 6, 0}>() b = Constant<value=int64[4] {2, 2, -4, 5}>()
    f = Constant<value=float[4] {1.5, -2.5, 4, 0}>() g = Constant<value=float[4] {0.5, 0, -4, 0}>()
    t = Constant<value=bool[4] {1, 1, 0, 0}>() u = Constant<value=bool[4] {1, 0, 1, 0}>()
    m = Constant<value=int64[2,3] {1, 2, 3, 4, 5, 6}>() zero = Constant<value=int64[1] {0}>()
    one = Constant<value=int64 {1}>() two = Constant<value=int64[1] {2}>() last = Constant<value=int64[1] {-1}>()
    h = Constant<value=float[3] {2.25, 0, 7}>() shape = Constant<value=int64[2] {3, 2}>()
    five = Constant<value=int64 {5}>() far = Constant<value=int64[1] {-9}>() """
KNOWN = [
    "Add(a, b)", "Sub(a, b)", "Mul(a, b)", "Div(a, b)", "Min(a, b)", "Max(a, b)", "Equal(a, b)", "Less(a, b)",
    "Greater(a, b)", "LessOrEqual(a, a)", "GreaterOrEqual(a, b)", "Div(f, g)", "Min(f, g)", "Max(f, g)", "Abs(a)",
    "Abs(f)", "Not(t)", "Floor(f)", "Ceil(f)", "Sqrt(h)", "Neg(a)", "Neg(f)", "And(t, u)", "Or(t, u)",
    "ReduceProd(b)", "ReduceProd<keepdims=0>(b)", "ReduceProd(b, zero)", "ReduceProd<keepdims=0>(b, last)",
    "Where(t, a, b)", "Cast<to=1>(a)", "Cast<to=6>(a)", "Cast<to=9>(a)", "Cast<to=7>(f)", "Gather(m, one)",
    "Gather<axis=1>(m, zero)", "Gather<axis=-1>(m, last)", "Concat<axis=0>(a, b)", "Concat<axis=1>(m, m)",
    "Reshape(m, shape)", "Squeeze(two)", "Squeeze(two, zero)", "Unsqueeze(a, zero)", "Unsqueeze(a, last)",
    "Slice(a, zero, two)", "Slice(m, zero, two, last)", "Slice(a, last, far, zero, last)", "Slice(a, far, last)",
    "Slice(m, two, zero, last, last)", "Shape(m)", "Shape<start=1>(m)", "Shape<end=-1>(m)", "Size(m)",
    "Range(one, five, one)", "Range(five, one, one)", "ConstantOfShape(shape)",
    "ConstantOfShape<value=int64[1] {3}>(shape)", "Expand(one, shape)", "Expand(two, shape)", "NonZero(m)",
]  # fmt: skip


def test_arrays_that_are_known() -> None:
    """They are computed while the model is translated: no operator is left."""
    names = [f"y{number}" for number in range(len(KNOWN))]
    nodes = " ".join(f"{name} = {text}" for name, text in zip(names, KNOWN, strict=True))
    content = parsed(f"{NUMBERS} {nodes} y = Neg(x)", outputs=" ".join([*names, "y"]))
    check(content, X)
    assert [op.op_type for op in frontends.open(content)().operators] == ["Neg"]


OPEN = """s = Shape(x) zero = Constant<value=int64[1] {0}>() one = Constant<value=int64[1] {1}>()
    two = Constant<value=int64[1] {2}>() three = Constant<value=int64[1] {3}>() last = Constant<value=int64[1] {-1}>()
    n = Slice(s, zero, one) k = Slice(s, one, two) """
SIZES = {
    "sums": "t = Add(n, k) y = ConstantOfShape(t)",
    "differences": "t = Sub(n, one) y = ConstantOfShape(t)",
    "products": "t = Mul(n, three) y = ConstantOfShape(t)",
    "quotients": "t = Div(n, two) y = ConstantOfShape(t)",
    "smallest": "t = Min(n, two) y = ConstantOfShape(t)",
    "largest": "t = Max(n, three) y = ConstantOfShape(t)",
    "all elements": "t = ReduceProd(s) y = Reshape(x, t)",
    "chosen": "c = Greater(n, last) t = Where(c, n, one) y = ConstantOfShape(t)",
    "decided": "c = Less(n, zero) d = Not(c) t = Where(d, n, one) y = ConstantOfShape(t)",
    "as int32": "i = Cast<to=6>(s) j = Cast<to=7>(i) y = ConstantOfShape(j)",
    "joined": "t = Concat<axis=0>(k, n) y = Reshape(x, t)",
    "gathered": "t = Gather(s, last) u = Concat<axis=0>(t, last) y = Reshape(x, u)",
    "squeezed": "t = Squeeze(n) u = Unsqueeze(t, zero) v = Concat<axis=0>(last, u) y = Reshape(x, v)",
    "negated": "t = Neg(n) u = Neg(t) y = ConstantOfShape(u)",
    "expanded": "t = Concat<axis=0>(two, n, k) y = Expand(x, t)",
    "cut": "t = Sub(n, one) y = Slice(x, zero, t, zero)",
    "from the end": "t = Neg(one) y = Slice(x, zero, t, zero)",
    "a range": "a = Squeeze(zero) b = Squeeze(n) c = Squeeze(two) y = Range(a, b, c)",
    "a range backwards": "a = Squeeze(n) b = Squeeze(zero) c = Squeeze(last) y = Range(a, b, c)",
    "a range in twos backwards": "a = Squeeze(n) b = Squeeze(zero) c = Constant<value=int64 {-2}>() y = Range(a, b, c)",
    "an identity": "y = EyeLike(x)",
    "a diagonal": "y = EyeLike<k=-1, dtype=7>(x)",
    "a count": "t = Size(x) u = Unsqueeze(t, zero) y = Reshape(x, u)",
    "the number of rows": "y = Identity(n)",
    "parts": "u, y = Split<num_outputs=2>(x)",
}


@pytest.mark.parametrize("name", SIZES)
def test_open_sizes(name: str) -> None:
    """The number of rows is open: its values are computed from the arrays."""
    outputs = "u y" if name == "parts" else "y"
    content = parsed(OPEN + SIZES[name], "float[n,4] x", outputs)
    for rows in (3, 8):
        check(content, np.random.default_rng(rows).normal(size=(rows, 4)).astype(np.float32))
