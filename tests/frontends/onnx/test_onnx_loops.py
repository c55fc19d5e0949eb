"""Loops whose number of iterations depends on data, against ONNX Runtime and in float64."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import onnx.parser
import pytest

import sofie_jit
from compilers import build
from sofie_jit import UnsupportedLayerError, frontends
from sofie_jit.verification.evaluate import evaluate

RNG = np.random.default_rng(0)

NEWTON = """
newton (float[N] x, float[1] limit) => (float[N] root, int64 count) <int64 most = {100}, bool yes = {1}, float half = {0.5}, int64 one = {1}, int64 zero = {0}> {
   root, count = Loop <body = step (int64 i, bool go, float[N] r, int64 n) => (bool again, float[N] r2, int64 n2) {
      quotient = Div(x, r)
      sum = Add(r, quotient)
      r2 = Mul(half, sum)
      change = Sub(r2, r)
      size = Abs(change)
      largest = ReduceMax <keepdims = 1> (size)
      again = Less(limit, largest)
      n2 = Add(n, one)
   }> (most, yes, x, zero)
}"""  # noqa: E501

POWER = """
power (float[4, 4] a, float[4] v) => (float[4] end) <float limit = {1e-4}, bool yes = {1}> {
   square = MatMul(a, a)
   end = Loop <body = step (int64 i, bool go, float[4] x) => (bool again, float[4] y) {
      product = MatMul(square, x)
      norm = ReduceL2 <keepdims = 0> (product)
      y = Div(product, norm)
      change = Sub(y, x)
      size = ReduceL2 <keepdims = 0> (change)
      again = Less(limit, size)
   }> (, yes, v)
}"""

MASKED = """
masked (float[N, T] x, bool[N, T] mask) => (float[N] total, float[R, N] steps) <int64[1] axis = {1}, int64 most = {7}> {
   numbers = Cast <to = 7> (mask)
   lengths = ReduceSum <keepdims = 0> (numbers, axis)
   longest = ReduceMax <keepdims = 0> (lengths)
   start = ReduceSum <keepdims = 0> (x, axis)
   total, steps = Loop <body = step (int64 i, bool go, float[N] sum) => (bool again, float[N] next, float[N] column) {
      column = Gather <axis = 1> (x, i)
      next = Add(sum, column)
      counted = Add(i, one)
      again = Less(counted, longest)
      one = Constant <value_int = 1> ()
   }> (most, , start)
}"""
MASKED = MASKED.replace("      one = Constant <value_int = 1> ()\n", "").replace(
    "      column = Gather", "      one = Constant <value_int = 1> ()\n      column = Gather"
)

GREEDY = """
greedy (int64[B] first) => (int64[B] last, int64[L, B] tokens) <int64 most = {12}, bool yes = {1}, int64 end = {0}> {
   table = Constant <value = float[6, 3] {0.1, -0.4, 0.7, 0.9, 0.3, -0.2, -0.8, 0.5, 0.4, 0.2, 0.2, -0.9, 0.6, -0.1, 0.1, -0.3, -0.7, 0.8}> ()
   weights = Constant <value = float[3, 6] {0.5, -0.2, 0.4, 0.9, -0.6, 0.1, -0.3, 0.8, 0.2, -0.5, 0.7, 0.3, 0.6, 0.1, -0.9, 0.2, 0.4, -0.7}> ()
   last, tokens = Loop <body = step (int64 i, bool go, int64[B] token) => (bool again, int64[B] next, int64[B] made) {
      vectors = Gather(table, token)
      scores = MatMul(vectors, weights)
      next = ArgMax <axis = 1, keepdims = 0> (scores)
      made = Identity(next)
      ended = Equal(next, end)
      numbers = Cast <to = 7> (ended)
      all = ReduceMin <keepdims = 0> (numbers)
      done = Cast <to = 9> (all)
      again = Not(done)
   }> (most, yes, first)
}"""  # noqa: E501

NESTED = """
nested (float[N] x, int64[K] counts) => (float[N] y) <float half = {0.5}, bool yes = {1}, int64 zero = {0}> {
   outer = ReduceMax <keepdims = 0> (counts)
   y = Loop <body = step (int64 i, bool go, float[N] s) => (bool again, float[N] s2) {
      again = Identity(yes)
      inner = Gather(counts, zero)
      scaled = Mul(s, half)
      s2 = Loop <body = within (int64 j, bool on, float[N] t) => (bool still, float[N] t2) {
         still = Identity(yes)
         number = Cast <to = 1> (i)
         shifted = Add(t, number)
         t2 = Add(shifted, x)
      }> (inner, , scaled)
   }> (outer, , x)
}"""

IN_BRANCH = """
branch (float[N] x, int64[2, K] counts) => (float[N] y) <float two = {2.0}, float limit = {30.0}, bool yes = {1}> {
   sum = ReduceSum <keepdims = 0> (counts)
   zero = Sub(sum, sum)
   many = Less(zero, sum)
   y = If <then_branch = a () => (float[N] p) {
      p = Loop <body = step (int64 i, bool go, float[N] s) => (bool again, float[N] s2) {
         s2 = Mul(s, two)
         top = ReduceMax <keepdims = 0> (s2)
         again = Less(top, limit)
      }> (sum, yes, x)
   }, else_branch = b () => (float[N] q) { q = Neg(x) }> (many)
}"""

FLAGS = """
flags (uint8[N] x, int64[1, 1] n) => (uint8[N] y, bool[N] odd, double z) <uint8 one = {1}, uint8 two = {2}, double third = {0.3333333333}, double start = {1.0}> {
   count = ReduceSum <keepdims = 0> (n)
   none = Equal(x, x)
   y, odd, z = Loop <body = step (int64 i, bool go, uint8[N] a, bool[N] b, double c) => (bool go2, uint8[N] a2, bool[N] b2, double c2) {
      go2 = Identity(go)
      a2 = Mul(a, two)
      b2 = Xor(b, none)
      number = Cast <to = 11> (i)
      product = Mul(c, third)
      c2 = Add(product, number)
   }> (count, , x, none, start)
}"""  # noqa: E501

SCAN = """
scan (float[N, 2] x) => (float[2] last, float[2, K] sums) <float zero = {0.5}, int64[1] first = {0}> {
   positive = Less(zero, x)
   numbers = Cast <to = 7> (positive)
   flags = ReduceMax <axes = [1], keepdims = 0> (numbers)
   keep = Cast <to = 9> (flags)
   kept = Compress <axis = 0> (x, keep)
   start = ReduceMax <axes = [0], keepdims = 0> (x)
   last, sums = Scan <num_scan_inputs = 2, scan_input_directions = [0, 1], scan_output_axes = [1], scan_output_directions = [1],
      body = step (float[2] s, float[2] a, float[2] b) => (float[2] s2, float[2] row) {
      both = Sub(a, b)
      s2 = Add(s, both)
      row = Identity(s2)
   }> (start, kept, kept)
}"""  # noqa: E501

SWAPPED = """
swapped (float[N, 2] x, float[N, 2] y) => (float[N, 2] p, float[N, 2] q, int64 steps) <int64 most = {50}, bool yes = {1}, int64 one = {1}, int64 zero = {0}, float limit = {20.0}, float two = {2.0}> {
   p, q, steps = Loop <body = step (int64 i, bool go, float[N, 2] a, float[N, 2] b, int64 n) => (bool again, float[N, 2] a2, float[N, 2] b2, int64 n2) {
      a2 = Identity(b)
      b2 = Mul(a, two)
      n2 = Add(n, one)
      size = ReduceMax <keepdims = 0> (b2)
      again = Less(size, limit)
   }> (most, yes, x, y, zero)
}"""  # noqa: E501

COUNTING = """
counting (float[N, 2] x) => (float[N, 2] y, int64[K] counts) <int64 most = {20}, bool yes = {1}, float step = {0.5}, int64 one = {1}, float zero = {0.0}> {
   y, unused, counts = Loop <body = step (int64 i, bool go, float[N, 2] s) => (bool again, float[N, 2] s2, float[N, 2] row, int64 c) {
      positive = Less(zero, s)
      places = NonZero(positive)
      shape = Shape(places)
      count = Gather(shape, one)
      c = Identity(count)
      s2 = Sub(s, step)
      row = Identity(s2)
      again = Less(one, c)
   }> (most, yes, x)
}"""  # noqa: E501

INNER = """
inner (float[N, 2] x, int64[1, 1] n) => (float[N, 2] y) <int64 most = {6}, bool yes = {1}, float half = {0.5}, int64[1] axis = {0}, int64 one = {1}> {
   count = Squeeze(n)
   y = Loop <body = step (int64 i, bool go, float[N, 2] s) => (bool again, float[N, 2] s2) {
      k = Add(i, one)
      end, rows = Loop <body = within (int64 j, bool on, float[N, 2] t) => (bool still, float[N, 2] t2, float[N, 2] row) {
         t2 = Mul(t, half)
         row = Add(t2, x)
         next = Add(j, one)
         still = Less(next, k)
      }> (most, yes, s)
      total = ReduceSum <keepdims = 0> (rows, axis)
      s2 = Mul(total, half)
      again = Identity(yes)
   }> (count, yes, x)
}"""  # noqa: E501

CHOSEN = """
chosen (float[N, 16] x) => (float[N, 16] y, float[N, 1] z) <float zero = {0.0}> {
   shape = Constant <value = int64[2] {16, 16}> ()
   third = Constant <value_float = 0.33> ()
   weights = Expand(third, shape)
   sum = ReduceSum <keepdims = 0> (x)
   positive = Less(zero, sum)
   y, z = If <then_branch = a () => (float[N, 16] p, float[N, 1] q) {
      product = MatMul(x, weights)
      p = Tanh(product)
      q = ReduceMax <keepdims = 1, axes = [1]> (p)
   }, else_branch = b () => (float[N, 16] p2, float[N, 1] q2) {
      q2 = ReduceMin <keepdims = 1, axes = [1]> (x)
      p2 = Identity(x)
   }> (positive)
}"""

F, L = np.float32, np.int64
CASES = {
    "Newton's iteration": (NEWTON, [[F([2, 9, 0.25]), F([1e-6])], [F([4]), F([1e9])], [F([1e6, 1e-6]), F([0])]]),
    "power iteration": (POWER, [[np.diag(F([3, 2, 1, 1])), F([1, 1, 1, 1])], [np.ones((4, 4), F), F([1, 0, 0, 9])]]),
    "trip count of a mask": (
        MASKED,
        [[RNG.normal(size=(3, 7)).astype(F), np.arange(7) < np.array(n)[:, None]] for n in ([1, 5, 2], [7, 0, 1])],
    ),
    "greedy decoding": (GREEDY, [[L([1, 2, 3])], [L([5])], [L([0, 1, 2, 3, 4, 5])]]),
    "nested loops": (NESTED, [[F([1, 2, 3]), L(n)] for n in ([2, 3], [4, 1], [0, 2], [3, 0], [-1, -5])]),
    "a loop in a branch": (IN_BRANCH, [[F([1, 2]), L(n)] for n in ([[1], [1]], [[9], [9]], [[0], [0]], [[0], [-1]])]),
    "scan over a size that data determine": (SCAN, [[RNG.normal(size=(n, 2)).astype(F) + 0.5] for n in (9, 2, 30)]),
    "carried tensors that are exchanged": (SWAPPED, [[RNG.normal(size=(3, 2)).astype(F) for _ in "xy"]]),
    "sizes that data determine in a body": (COUNTING, [[RNG.normal(size=(n, 2)).astype(F) * 3] for n in (1, 4, 7)]),
    "values of the iterations of an inner loop": (
        INNER,
        [[RNG.normal(size=(3, 2)).astype(F), L([[n]])] for n in (0, 1, 6)],
    ),
    "branches that are not cheap": (
        CHOSEN,
        [[s * abs(RNG.normal(size=(n, 16))).astype(F)] for s in (1, -1) for n in (1, 5)],
    ),
    "integers and truth values": (FLAGS, [[np.uint8([1, 3, 200]), L([[n]])] for n in (0, 1, 2, 9)]),
}


def written(text: str, path: Path, opset: int = 17) -> Path:
    """An ONNX file of a graph in onnx's text format."""
    path.write_bytes(
        onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]>{text}').SerializeToString()
    )
    return path


def run_in_runtime(path: Path, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """The outputs of ONNX Runtime."""
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {x.name: array for x, array in zip(session.get_inputs(), inputs, strict=True)})


def listed(result: np.ndarray | list[np.ndarray]) -> list[np.ndarray]:
    return result if isinstance(result, list) else [result]


def assert_close(found: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6, strict=True)


@pytest.mark.parametrize("name", CASES)
def test_loops(name: str, tmp_path: Path) -> None:
    text, calls = CASES[name]
    path = written(text, tmp_path / "m.onnx")
    model = sofie_jit.load(path)
    assert {"Loop", "If"}.intersection(op.op_type for op in model.rmodel.operators)
    again = sofie_jit.load(model.rmodel.save_onnx(tmp_path / "again.onnx"))
    for inputs in calls:
        wanted = run_in_runtime(path, inputs)
        found = listed(model.infer(*inputs))
        assert_close(found, wanted)
        assert_close(evaluate(model.rmodel, inputs), wanted)
        assert_close(run_in_runtime(tmp_path / "again.onnx", inputs), wanted)
        for a, b in zip(listed(again.infer(*inputs)), found, strict=True):
            np.testing.assert_array_equal(a, b)


def test_compiled_library(tmp_path: Path) -> None:
    """It has the weights of bodies once, gives the same bits, and can be saved as ONNX."""
    text, calls = CASES["greedy decoding"]
    model = sofie_jit.load(written(text, tmp_path / "m.onnx"))
    library = sofie_jit.load(model.save_library(tmp_path / "m.so"))
    library.rmodel.save_onnx(tmp_path / "again.onnx")
    for inputs in calls:
        for a, b in zip(library.infer(*inputs), model.infer(*inputs), strict=True):
            np.testing.assert_array_equal(a, b)
        assert_close(run_in_runtime(tmp_path / "again.onnx", inputs), model.infer(*inputs))


HEADER_PROGRAM = """
#include "greedy.hxx"
#include "branch.hxx"
#include "flags.hxx"
#include <cstdio>
template <class T>
void print(const std::vector<T> &values)
{
   for (const T value : values)
      std::printf("%.9g ", static_cast<double>(value));
   std::printf("\\n");
}
int main()
{
   const std::int64_t first[] = {1, 2, 3};
   for (const auto &result : TMVA_SOFIE_greedy::Session().infer(3, first))
      print(result);
   const float x[] = {1, 2};
   for (const std::int64_t n : {9, 0}) {
      const std::int64_t counts[] = {n, n};
      print(TMVA_SOFIE_branch::Session().infer(2, 1, x, counts));
   }
   const std::uint8_t numbers[] = {1, 3, 200};
   const std::int64_t count[] = {3};
   const auto results = TMVA_SOFIE_flags::Session().infer(3, numbers, count);
   std::apply([](const auto &...result) { (print(result), ...); }, results);
}
"""


def test_saved_headers(tmp_path: Path) -> None:
    texts = {"greedy": GREEDY, "branch": IN_BRANCH, "flags": FLAGS}
    for name, text in texts.items():
        sofie_jit.load(written(text, tmp_path / f"{name}.onnx")).save_header(
            tmp_path / f"{name}.hxx", weights="embedded"
        )
    calls = [
        ("greedy", [L([1, 2, 3])]),
        *(("branch", [F([1, 2]), L([[n], [n]])]) for n in (9, 0)),
        ("flags", [np.uint8([1, 3, 200]), L([[3]])]),
    ]
    wanted = [out for name, inputs in calls for out in run_in_runtime(tmp_path / f"{name}.onnx", inputs)]
    program = build(tmp_path, HEADER_PROGRAM, "g++")
    lines = subprocess.run([program], capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    assert len(lines) == len(wanted)
    for line, array in zip(lines, wanted, strict=True):
        np.testing.assert_allclose(list(map(float, line.split())), array.ravel(), rtol=1e-5, atol=1e-6)


BATCH = """
batch (float[batch, 4] x, int64 n) => (float[batch, 4] y) <float half = {0.5}> {
   weights = Constant <value = float[4, 4] {0.1, -0.4, 0.7, 0.9, 0.3, -0.2, -0.8, 0.5, 0.4, 0.2, 0.2, -0.9, 0.6, -0.1, 0.1, -0.3}> ()
   y = Loop <body = step (int64 i, bool go, float[batch, 4] s) => (bool again, float[batch, 4] s2) {
      again = Identity(go)
      product = MatMul(s, weights)
      bent = Tanh(product)
      scaled = Mul(bent, half)
      s2 = Add(scaled, x)
   }> (n, , x)
}"""  # noqa: E501


def test_batches(tmp_path: Path) -> None:
    """Rows have the same bits in any batch and on any number of threads; an empty batch has none."""
    model = sofie_jit.load(written(BATCH, tmp_path / "m.onnx"), verify=True)
    x = RNG.normal(size=(3000, 4)).astype(np.float32)
    for n in (0, 1, 6):
        whole = model.infer(x, n, threads=2)
        np.testing.assert_array_equal(whole, model.infer(x, n, threads=1))
        np.testing.assert_array_equal(whole[70:71], model.infer(x[70:71], n))
        np.testing.assert_array_equal(whole[:33], model.infer(x[:33], n))
        assert model.infer(x[:0], n).shape == (0, 4)
    (record,) = [record for record in model.profile(x[:8], 3).records if record["operator"] == "Loop"]
    assert record["flops"] >= 8 * 4 * 4 * 2


BOMBS = {
    "a huge number of iterations": ("int64 most = {4611686018427387904}, bool yes = {1}", "most, yes"),
    "no number of iterations": ("bool yes = {1}", ", yes"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_large_loops_take_time_only_when_they_run(name: str, tmp_path: Path) -> None:
    constants, inputs = BOMBS[name]
    text = f"""
g (float[N] x) => (float[N] y) <float two = {{2.0}}, float limit = {{1000.0}}, {constants}> {{
   y = Loop <body = step (int64 i, bool go, float[N] s) => (bool again, float[N] s2) {{
      s2 = Mul(s, two)
      top = ReduceMax <keepdims = 0> (s2)
      again = Less(top, limit)
   }}> ({inputs}, x)
}}"""
    model = sofie_jit.load(written(text, tmp_path / "m.onnx"))
    np.testing.assert_array_equal(model.infer(F([3, 1])), F([1536, 512]))


def test_a_loop_of_constants_is_not_run_while_it_is_loaded(tmp_path: Path) -> None:
    text = """
g (float[1] x) => (float[1] y) <int64 most = {4611686018427387904}, int64 zero = {0}, bool yes = {1}, int64 one = {1}> {
   last = Loop <body = step (int64 i, bool go, int64 s) => (bool again, int64 s2) {
      s2 = Add(s, one)
      again = Identity(go)
   }> (most, yes, zero)
   number = Cast <to = 1> (last)
   y = Add(x, number)
}"""
    model = sofie_jit.load(written(text, tmp_path / "m.onnx"))
    assert model.output_shapes == [(1,)]


def nested(depth: int, level: int = 0) -> str:
    """Nodes of ``depth`` loops, each in the body of the one before."""
    if level == depth:
        return f"end{level} = Mul(s{level}, half)"
    return f"""end{level} = Loop <body = b{level} (int64 i{level}, bool c{level}, float[N, 2] s{level + 1})
        => (bool again{level}, float[N, 2] r{level}) {{
      again{level} = Identity(c{level})
      {nested(depth, level + 1)}
      r{level} = Add(end{level + 1}, x)
    }}> (most, , s{level})"""


def test_nested_loops_are_translated_once(tmp_path: Path) -> None:
    """Not each of them first unrolled, in every attempt to unroll those around it."""
    constants = "int64 most = {1099511627776}, float half = {0.5}"
    text = f"g (float[N, 2] s0) => (float[N, 2] end0) <{constants}> {{\n x = Abs(s0)\n {nested(12)}\n}}"
    rmodel = frontends.open(written(text, tmp_path / "m.onnx"))()
    assert [op.op_type for op in rmodel.operators] == ["Abs", "Loop"]


REFUSED = {
    "growing": ("next = Concat <axis = 0> (s, x)", r"its carried value 1 is float32 \(batch, 2\) before an iterat"),
    "unbounded": ("next = Add(s, x)", "it returns values of all iterations, whose number is computed"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    computation, message = REFUSED[name]
    text = f"""
g (float[N, 2] x) => (float[N, 2] y, float[R, N, 2] rows) <float limit = {{9.0}}, bool yes = {{1}}> {{
   y, rows = Loop <body = step (int64 i, bool go, float[N, 2] s) => (bool again, float[N, 2] next, float[N, 2] row) {{
      {computation}
      row = Identity(next)
      top = ReduceMax <keepdims = 0> (s)
      again = Less(top, limit)
   }}> (, yes, x)
}}"""
    with pytest.raises(UnsupportedLayerError, match=message):
        sofie_jit.load(written(text, tmp_path / "m.onnx"))


def test_conditions_of_vectors_are_not_compiled_for_each_value(tmp_path: Path) -> None:
    text = """
g (float[3] x) => (float[3] y) <float zero = {0.0}> {
   sum = ReduceSum <keepdims = 0> (x)
   positive = Less(zero, sum)
   y = If <then_branch = a () => (float[3] p) { p = Softmax(x) }, else_branch = b () => (float[3] q) { q = Neg(x) }> (positive)
}"""  # noqa: E501
    path = written(text, tmp_path / "m.onnx")
    model = sofie_jit.load(path)
    for x in (F([1, 2, 3]), F([-1, -2, -3])):
        assert_close([model.infer(x)], run_in_runtime(path, [x]))
    assert "If" in [op.op_type for op in model.rmodel.operators] or "Where" in model.summary()


def test_descriptions(tmp_path: Path) -> None:
    """A loop is one row of every listing."""
    model = sofie_jit.load(written(CASES["Newton's iteration"][0], tmp_path / "m.onnx"))
    assert model.summary().count("Loop") >= 1
    assert "Loop" in model._repr_html_()
    assert "Loop" in model.rmodel.summary()


UNUSED = """
unused (float[N, 16] x, int64[N, K] n) => (float[N, 16] y) <int64[1] axis = {0}> {
   shape = Constant <value = int64[2] {16, 16}> ()
   third = Constant <value_float = 0.33> ()
   weights = Expand(third, shape)
   values = Cast <to = 11> (x)
   scaled = Tanh(x)
   largest = ReduceMax <keepdims = 0> (n)
   positive = Cast <to = 9> (largest)
   p, unused = If <then_branch = a () => (float[N, 16] p1, double[N, 16] q1) {
      product = MatMul(scaled, weights)
      p1 = MatMul(product, weights)
      q1 = Identity(values)
   }, else_branch = b () => (float[N, 16] p2, double[N, 16] q2) {
      p2 = Sigmoid(scaled)
      q2 = Identity(values)
   }> (positive)
   y = Loop <body = step (int64 i, bool go, float[N, 16] s) => (bool go2, float[N, 16] s2) {
      go2 = Identity(go)
      same = Loop <body = within (int64 j, bool on, float[N, 16] t) => (bool on2, float[N, 16] t2) {
         t2 = Identity(t)
         on2 = Identity(on)
      }> (largest, , s)
      row = Unsqueeze(same, axis)
      bent = Tanh(row)
      s2 = Squeeze(bent, axis)
   }> (largest, , p)
}"""


def test_results_that_nobody_reads(tmp_path: Path) -> None:
    """Those of branches, those of a loop that changes nothing; and a body's sizes that are 0."""
    path = written(UNUSED, tmp_path / "m.onnx")
    model = sofie_jit.load(path)
    assert [op.op_type for op in model.rmodel.operators][-2:] == ["If", "Loop"]
    for count in (0, 1, 3):
        inputs = [RNG.normal(size=(3, 16)).astype(np.float32), np.full((3, 2), count)]
        assert_close([model.infer(*inputs)], run_in_runtime(path, inputs))
    empty = [np.empty((0, 16), np.float32), np.full((0, 2), 1)]
    assert evaluate(model.rmodel, empty)[0].shape == model.infer(*empty).shape == (0, 16)
