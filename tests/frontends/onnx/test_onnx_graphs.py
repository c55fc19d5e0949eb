"""Small graphs in ONNX's text format against ONNX Runtime: sequences, Scan, unrolled loops, and computed shapes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from sofie_jit import frontends
from sofie_jit.errors import SofieError
from sofie_jit.verification.evaluate import evaluate

onnxruntime = pytest.importorskip("onnxruntime")

X = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


def parsed(nodes: str, inputs: str = "float[3,4] x", outputs: str = "y", opset: int = 18) -> bytes:
    """A model; ``outputs`` are names of any type."""
    listed = ", ".join(f"float[1] {name}" for name in outputs.split())
    text = f'<ir_version: 8, opset_import: ["" : {opset}]> g ({inputs}) => ({listed}) {{ {nodes} }}'
    model = onnx.parser.parse_model(text)
    for output in model.graph.output:
        output.ClearField("type")
    return model.SerializeToString()


def check(content: bytes, *arrays: np.ndarray) -> None:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    expected = session.run(None, dict(zip(names, arrays, strict=True)))
    found = evaluate(frontends.open(content)(), list(arrays))
    for y, other in zip(found, expected, strict=True):
        assert (y.dtype, y.shape) == (other.dtype, other.shape)
        np.testing.assert_allclose(y, other, rtol=1e-6, atol=1e-6)


SEQUENCES = {
    "at": "m = Neg(x) s = SequenceConstruct(x, m) i = Constant<value=int64 {-1}>() y = SequenceAt(s, i)",
    "at the first": "m = Neg(x) s = SequenceConstruct(x, m) i = Constant<value=int64 {0}>() y = SequenceAt(s, i)",
    "inserted": """m = Neg(x) e = SequenceEmpty() s = SequenceInsert(e, x) t = SequenceInsert(s, m)
        y = ConcatFromSequence<axis=0>(t)""",
    "inserted at": """m = Neg(x) e = Exp(x) s = SequenceConstruct(x, m) i = Constant<value=int64 {-1}>()
        t = SequenceInsert(s, e, i) y = ConcatFromSequence<axis=-1>(t)""",
    "inserted in front": """m = Neg(x) s = SequenceConstruct(x, x) i = Constant<value=int64 {0}>()
        t = SequenceInsert(s, m, i) y = ConcatFromSequence<axis=1>(t)""",
    "inserted behind": """m = Neg(x) s = SequenceConstruct(x, x) i = Constant<value=int64 {2}>()
        t = SequenceInsert(s, m, i) y = ConcatFromSequence<axis=1>(t)""",
    "erased": """m = Neg(x) s = SequenceConstruct(x, m, x) t = SequenceErase(s) y = ConcatFromSequence<axis=0>(t)
        n = SequenceLength(t)""",
    "erased at": """m = Neg(x) s = SequenceConstruct(m, x, m) i = Constant<value=int64 {1}>()
        t = SequenceErase(s, i) y = ConcatFromSequence<axis=0, new_axis=1>(t)""",
    "erased from the end": """m = Neg(x) s = SequenceConstruct(m, x, x) i = Constant<value=int64 {-3}>()
        t = SequenceErase(s, i) y = ConcatFromSequence<axis=1, new_axis=1>(t)""",
    "split into rows": "s = SplitToSequence(x) y = ConcatFromSequence<axis=1>(s) n = SequenceLength(s)",
    "split without the axis": """s = SplitToSequence<axis=1, keepdims=0>(x) i = Constant<value=int64 {1}>()
        y = SequenceAt(s, i) n = SequenceLength(s)""",
    "split by a size": """k = Constant<value=int64 {3}>() s = SplitToSequence<axis=1>(x, k)
        i = Constant<value=int64 {1}>() y = SequenceAt(s, i) n = SequenceLength(s)""",
    "split by sizes": """k = Constant<value=int64[2] {1, 3}>() s = SplitToSequence<axis=-1>(x, k)
        i = Constant<value=int64 {0}>() y = SequenceAt(s, i) n = SequenceLength(s)""",
    "mapped": """m = Neg(x) s = SequenceConstruct(x, m) t = SequenceConstruct(m, m)
        u, v = SequenceMap<body = b (float[a,b] p, float[a,b] q, float[a,b] r) => (float[a,b] d, float[a,b] e)
            { d = Sub(p, q) e = Mul(p, r) }>(s, t, x)
        a = ConcatFromSequence<axis=0>(u) b = ConcatFromSequence<axis=0>(v) y = Sub(a, b)""",
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences(name: str) -> None:
    text = SEQUENCES[name]
    check(parsed(text, outputs="y n" if "n = Seq" in text else "y"), X)


REFUSED = {
    "at": ("s = SequenceConstruct(x, x) i = Constant<value=int64 {2}>() y = SequenceAt(s, i)", "position 2 lies"),
    "at -3": ("s = SequenceConstruct(x, x) i = Constant<value=int64 {-3}>() y = SequenceAt(s, i)", "position -3 lies"),
    "erase": ("s = SequenceEmpty() t = SequenceErase(s) n = SequenceLength(t) y = Add(n, n)", "a sequence of 0"),
    "insert": (
        "s = SequenceConstruct(x) i = Constant<value=int64 {2}>() t = SequenceInsert(s, x, i) "
        "y = ConcatFromSequence<axis=0>(t)", "the position 2 lies outside a sequence of 1"),
    "insert -2": (
        "s = SequenceConstruct(x) i = Constant<value=int64 {-2}>() t = SequenceInsert(s, x, i) "
        "y = ConcatFromSequence<axis=0>(t)", "the position -2 lies outside a sequence of 1"),
    "concat": ("s = SequenceEmpty() y = ConcatFromSequence<axis=0>(s)", "the sequence is empty"),
    "split": ("k = Constant<value=int64 {0}>() s = SplitToSequence(x, k) y = ConcatFromSequence<axis=0>(s)",
              "split is 0; expected a positive number"),
    "a sequence for a tensor": ("s = SequenceConstruct(x) y = Neg(s)", "is a sequence of tensors; expected a tensor"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_sequences(name: str) -> None:
    text, message = REFUSED[name]
    with pytest.raises(SofieError, match=message):
        frontends.open(parsed(text))()


BODY = """<num_scan_inputs = 2, body = b (float[4] s, float[4] p, float[4] q) => (float[4] t, float[4] o)
    { t = Add(s, p) o = Mul(t, q) }"""
SCANS = {
    "defaults": BODY,
    "backwards": f"{BODY}, scan_input_directions = [1, 0]",
    "both backwards": f"{BODY}, scan_input_directions = [1, 1], scan_output_directions = [1]",
    "output axis": f"{BODY}, scan_output_axes = [1], scan_output_directions = [1]",
    "input axes": f"{BODY}, scan_input_axes = [1, -1], scan_output_axes = [-1]",
    "one input axis": f"{BODY}, scan_input_axes = [0, 1], scan_input_directions = [0, 1]",
}


@pytest.mark.parametrize("name", SCANS)
def test_scans(name: str) -> None:
    rows, columns = "u = Neg(x)", "u = Transpose(x)"
    text = SCANS[name]
    first = columns if "axes = [1, -1]" in text else "u = Identity(x)"
    second = columns if "[1, -1]" in text or "[0, 1], scan_input_dir" in text else rows
    start = "z = Constant<value=float[4] {1, 2, 3, 4}>()"
    body = f"{start} {first} {second.replace('u =', 'v =')} w, y = Scan {text}>(z, u, v)"
    check(parsed(body, outputs="w y"), X)


REFUSED_SCANS = {
    "sizes": ("u = Identity(x) v = Concat<axis=0>(x, x)", r"its scanned inputs have the shapes \(3, 4\), \(6, 4\);"),
    "empty": ("u = Slice(x, n, n) v = Slice(x, n, n)", r"have the shapes \(0, 4\), \(0, 4\); one known size of the"),
}


@pytest.mark.parametrize("name", REFUSED_SCANS)
def test_refused_scans(name: str) -> None:
    given, message = REFUSED_SCANS[name]
    constants = "z = Constant<value=float[4] {1, 2, 3, 4}>() n = Constant<value=int64[1] {3}>()"
    with pytest.raises(SofieError, match=message):
        frontends.open(parsed(f"{constants} {given} w, y = Scan {BODY}>(z, u, v)", outputs="w y"))()


OLD_SCAN = """l = Constant<value=int64[3] {2, 2, 2}>() u = Unsqueeze<axes=[2]>(x) y = Scan<num_scan_inputs = 1,
    body = b (float[a] p) => (float[a] o) { o = Neg(p) }>(%s, u)"""


def test_refused_old_scans() -> None:
    for lengths, inputs, message in (
        ("l", "float[3,4] x", "sequence_lens is not supported"),
        ("", "float[batch,4] x", "the form of opset 8 with the open batch 'batch' is not supported"),
    ):
        with pytest.raises(SofieError, match=message):
            frontends.open(parsed(OLD_SCAN % lengths, inputs, opset=8))()
    (y,) = evaluate(frontends.open(parsed(OLD_SCAN % "", opset=8))(), [X])
    np.testing.assert_array_equal(y, -X[:, :, np.newaxis])


COUNTED = """l = Constant<value=int64 {%d}>() c = Constant<value=bool {%d}>() w, y = Loop<body =
    b (int64 i, bool go, float[3,4] s) => (bool on, float[3,4] t, float[3,4] r) {
        k = Cast<to=1>(i) r = Add(s, k) t = Mul(r, s) two = Constant<value=int64 {2}>() on = Less(i, two) }>(l, c, x)"""


@pytest.mark.parametrize(("trips", "condition"), [(2, 1), (9, 1), (0, 1), (5, 0)])
def test_unrolled_loops(trips: int, condition: int) -> None:
    """Until the number of iterations, or the condition, ends them; without iterations nothing is collected."""
    check(parsed(COUNTED % (trips, condition), outputs="w y"), X)


def test_numbers_of_iterations_must_be_one_number() -> None:
    two = (COUNTED % (2, 1)).replace("int64 {2}>() c", "int64[2] {2, 2}>() c")
    with pytest.raises(SofieError, match=r"its input 'M' is of type int64 and shape \(2,\); expected one number"):
        frontends.open(parsed(two, outputs="w y"))()


CHOSEN = """c = Constant<value=bool {%d}>() y = If<then_branch = a () => (float[3,4] p) { p = Neg(x) },
    else_branch = b () => (float[3,4] q) { q = Exp(x) }>(c)"""


@pytest.mark.parametrize("condition", [0, 1])
def test_known_branches(condition: int) -> None:
    check(parsed(CHOSEN % condition), X)


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
