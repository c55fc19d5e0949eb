"""Small graphs in ONNX's text format against ONNX Runtime: sequences, Scan, unrolled loops and known branches."""

from __future__ import annotations

import numpy as np
import pytest
from text_format import check, parsed

from sofie_jit import frontends
from sofie_jit.errors import SofieError
from sofie_jit.verification.evaluate import evaluate

pytest.importorskip("onnxruntime")

X = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


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
