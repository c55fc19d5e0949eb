"""Dimensions that are expressions over run-time sizes, against Python's integers and a C++ compiler."""

import contextlib
import copy
import pickle
import random
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compilers import COMPILERS, build
from sofie_jit import ShapeError
from sofie_jit.ir.dims import (
    BATCH,
    Dim,
    SymbolicDim,
    as_shape,
    bind_shape,
    ceil_div,
    counts_rows,
    format_shape,
    is_positive,
    maximum,
    minimum,
    names_of,
    product,
    split_count,
    static_dim,
    static_dims,
)
from sofie_jit.ir.requirements import Requirement, broadcast_shapes, broadcast_sizes
from sofie_jit.ir.symbolic import reserved

NAMES = ("a", "b", "n")
a, b, n = map(SymbolicDim, NAMES)

Sizes = dict[str, int]


@contextlib.contextmanager
def large_expressions() -> Iterator[None]:
    """Ends quietly where an expression becomes too large; other errors are not expected."""
    try:
        yield
    except ShapeError as error:
        if "is too large" not in str(error):
            raise


@dataclass(frozen=True)
class Pair:
    """An expression, and the same computed with Python's integers."""

    dim: Dim
    value: Callable[[Sizes], int]


def divided(x: Pair, y: Pair, operation: str) -> Pair:
    divisor = maximum(y.dim, 1)
    if operation == "//":
        return Pair(x.dim // divisor, lambda sizes: x.value(sizes) // max(y.value(sizes), 1))
    return Pair(x.dim % divisor, lambda sizes: x.value(sizes) % max(y.value(sizes), 1))


def combined(x: Pair, y: Pair, operation: str) -> Pair:
    with large_expressions():  # too large an expression
        match operation:
            case "+":
                return Pair(x.dim + y.dim, lambda sizes: x.value(sizes) + y.value(sizes))
            case "-":
                return Pair(x.dim - y.dim, lambda sizes: x.value(sizes) - y.value(sizes))
            case "*":
                return Pair(x.dim * y.dim, lambda sizes: x.value(sizes) * y.value(sizes))
            case "min":
                return Pair(minimum(x.dim, y.dim), lambda sizes: min(x.value(sizes), y.value(sizes)))
            case "max":
                return Pair(maximum(x.dim, y.dim), lambda sizes: max(x.value(sizes), y.value(sizes)))
            case _:
                return divided(x, y, operation)
    return x


def number(value: int) -> Pair:
    return Pair(value, lambda sizes: value)


def named(name: str) -> Pair:
    return Pair(SymbolicDim(name), lambda sizes: sizes[name])


OPERATIONS = ("+", "-", "*", "//", "%", "min", "max")
LEAVES = st.sampled_from(NAMES).map(named) | st.integers(-4, 12).map(number)
PAIRS = st.recursive(
    LEAVES, lambda inner: st.builds(combined, inner, inner, st.sampled_from(OPERATIONS)), max_leaves=12
)
SIZES = st.fixed_dictionaries({name: st.integers(0, 40) for name in NAMES})


def evaluated(dim: Dim, sizes: Sizes) -> int:
    return dim.evaluate(sizes) if isinstance(dim, SymbolicDim) else dim


@settings(max_examples=600, deadline=None)
@given(PAIRS, st.lists(SIZES, min_size=1, max_size=6))
def test_an_expression_has_the_value_of_the_same_arithmetic_with_integers(pair, samples):
    lower, upper = pair.dim.bounds() if isinstance(pair.dim, SymbolicDim) else (pair.dim, pair.dim)
    for sizes in samples:
        value = evaluated(pair.dim, sizes)
        assert value == pair.value(sizes)
        assert lower is None or lower <= value
        assert upper is None or value <= upper


@settings(max_examples=300, deadline=None)
@given(PAIRS, SIZES)
def test_a_part_of_the_names_can_be_bound(pair, sizes):
    with large_expressions():
        part = bind_shape((pair.dim,), {"n": sizes["n"]})
        assert "n" not in names_of(part)
        assert evaluated(*part, sizes) == pair.value(sizes)
        other = bind_shape((pair.dim,), {"n": n + 1, "a": b})
        assert "a" not in names_of(other)
        assert evaluated(*other, sizes) == pair.value({"a": sizes["b"], "b": sizes["b"], "n": sizes["n"] + 1})


def test_sums_with_two_simpler_forms_do_not_depend_on_the_order_of_their_terms():
    x, y = n + a % 2, (a + b) % 2
    assert x + y == y + x


@settings(max_examples=300, deadline=None)
@given(PAIRS, PAIRS, st.integers(1, 9), SIZES)
def test_identities(x, y, number, sizes):
    if x.dim == y.dim:
        assert x.value(sizes) == y.value(sizes)
    with large_expressions():
        assert x.dim + y.dim == y.dim + x.dim
        assert x.dim * y.dim == y.dim * x.dim
        assert minimum(x.dim, y.dim) == minimum(y.dim, x.dim)
        assert maximum(x.dim, y.dim) == maximum(y.dim, x.dim)
        assert x.dim - x.dim == 0
        assert (number * x.dim) // number == x.dim
        # atoms of both terms may combine, such as max(a, 1) + min(a, 1) = a + 1, which hides that the sums are equal
        for one, other in (
            ((number * x.dim + y.dim) // number, x.dim + y.dim // number),
            ((x.dim // number) * number + x.dim % number, x.dim),
            (maximum(x.dim + y.dim, y.dim), maximum(x.dim, 0) + y.dim),
        ):
            assert evaluated(one, sizes) == evaluated(other, sizes)
        factor, factors = split_count((x.dim, y.dim))
        assert product(factor, *factors) == x.dim * y.dim


SUMS = st.lists(st.sampled_from([a, b, n, 1, 2 * n, -b]), min_size=1, max_size=3).map(sum)


@settings(max_examples=200, deadline=None)
@given(SUMS, SUMS, st.integers(1, 3))
def test_sums_of_two_atoms(x, y, factor):
    """Sizes of parts of an axis add up to that of the axis."""
    assert maximum(x, y) + minimum(x, y) == x + y
    assert factor * maximum(x, y) + factor * a * minimum(x, y) + factor * minimum(x, y) == factor * (
        x + y + a * minimum(x, y)
    )
    assert x - x // 2 == (x + 1) // 2
    assert x // 2 + (x + 1) // 2 + y == x + y
    assert factor * a * (x - x // 2) == a * ((x + 1) // 2) * factor


def test_normal_form():
    assert (4 * n) // 4 == n
    assert (n * 6) // 3 == 2 * n
    assert n - n == 0
    assert type(n - n) is int
    assert (2 * n + 1) % 2 == 1
    assert (a + 4 * n) // 4 == a // 4 + n
    assert (2 * n + 1) // 4 == n // 2
    assert (n // 2 + 3) // 2 == (n + 6) // 4
    assert (a * b + a + b + 1) // (a + 1) == b + 1
    assert (6 * a * b) // (3 * a) == 2 * b
    assert n % a % a == n % a
    assert ceil_div(n, 2) == (n + 1) // 2
    assert ceil_div(8 * n, 8) == n
    assert minimum(a, b) == minimum(b, a)
    assert minimum(a, minimum(b, n)) == minimum(minimum(a, b), n)
    assert minimum(n, n + 1) == n
    assert maximum(n, 0) == n
    assert maximum(2 * a, 2 * b) == 2 * maximum(a, b)
    assert maximum(3, 5) == 5
    assert hash(a * b) == hash(b * a)
    assert len({a * b, b * a, a + b}) == 2
    assert n != a
    assert n != 3
    assert n // 2 != n


def test_text():
    texts = {
        n: "n",
        2 * (SymbolicDim("height") // 2): "2*(height//2)",
        SymbolicDim("time") * SymbolicDim("batch"): "batch*time",
        7 * BATCH: "7*batch",
        (n + 1) // 2 * 2: "2*((n + 1)//2)",
        1 - n: "1 - n",
        -a - 2 * b: "-a - 2*b",
        (n - 1) // a: "(n - 1)//a",
        maximum(n - 2, 0) + a * b * b: "a*b*b + max(n, 2) - 2",
        minimum(a, b) * n // 3: "(n*min(a, b))//3",
    }
    for dim, text in texts.items():
        assert str(dim) == repr(dim) == text
        assert dim == text
        assert hash(dim) == hash(text)
    assert format_shape((BATCH, n // 2, 3)) == "(batch, n//2, 3)"


def test_integers_of_numpy():
    three = np.int64(3)
    assert [n + three, three + n, n * three, three * n] == [n + 3, n + 3, 3 * n, 3 * n]
    assert [three - n, n - three, n // three, n % three] == [3 - n, n - 3, n // 3, n % 3]
    assert isinstance(three * n, SymbolicDim)
    assert type((n + three) - n) is int


@pytest.mark.parametrize("other", [0.5, "n", None])
def test_other_operands(other):
    with pytest.raises(TypeError):
        n + other
    with pytest.raises(TypeError):
        other - n


def test_errors():
    with pytest.raises(ShapeError, match="a name like 'time', got '7\\*batch'"):
        SymbolicDim("7*batch")
    with pytest.raises(ShapeError, match="the size n//a cannot be computed: 'a' is not known"):
        (n // a).evaluate({"n": 3})
    with pytest.raises(ShapeError, match="the divisor must be positive"):
        (n // a).evaluate({"n": 3, "a": 0})
    for divisor in (0, -2):
        with pytest.raises(ShapeError, match="the divisor must be positive"):
            n // divisor
    with pytest.raises(ShapeError, match="too large"):
        sum(SymbolicDim(f"n{i}") // 2 for i in range(200))
    with pytest.raises(ShapeError, match="too large"):
        (1 << 61) * n * 4
    dim = n
    with pytest.raises(ShapeError, match="too large"):
        for i in range(100):
            dim = maximum(dim // 2, (a * dim) // 3) + (dim + i) % 7
    for use in (range, int, float):
        with pytest.raises(ShapeError, match=r"the size 'n' is known only when the model runs.*input_shapes="):
            use(n)


def test_parts_of_one_element_broadcast():
    """An axis of size ``min(n, 1)`` is repeated; it is empty only where the result is."""
    part = minimum(n, 1)
    assert broadcast_shapes("Add", (part,), (n,)) == (n,)
    assert broadcast_sizes((part,), (n,)) == []
    assert broadcast_shapes("Add", (part,), (1,)) == (part,)
    assert broadcast_shapes("Add", (part, n), (4, 1)) == (4, n)
    assert broadcast_sizes((part, n), (4, 1)) == [Requirement(1, "<=", part)]
    assert broadcast_sizes((part,), (a,)) == [Requirement(minimum(a, 1), "<=", part)]
    assert broadcast_sizes((n,), (1,), (a,)) == [Requirement(a, "==", n)]
    with pytest.raises(ShapeError, match="do not broadcast"):
        broadcast_shapes("Add", (0,), (3,))


def test_bounds():
    assert n.bounds() == (0, None)
    assert (n % 4 + 1).bounds() == (1, 4)
    assert (1 - n).bounds() == (None, 1)
    assert ((n + 1) // 2 * 2 - n).bounds() == (0, 1)
    assert (minimum(n, 5) * 2).bounds() == (0, 10)
    assert (n - minimum(n, a)).bounds() == (0, None)
    assert (a * n - a * (n // 4) * 4).bounds() == (0, None)
    assert maximum(n, 1).bounds() == (1, None)
    assert is_positive(n // 2 + 1)
    assert is_positive(3)
    assert not is_positive(n)
    assert not is_positive(0)


def test_sizes_may_be_numpy_integers() -> None:
    value = ((n + 1) // a).evaluate({"n": np.int64(6), "a": np.int32(2)})  # type: ignore[dict-item]
    assert value == 3
    assert type(value) is int
    with pytest.raises(ShapeError, match="the divisor must be positive"):
        (n // a).evaluate({"n": np.int64(6), "a": np.int64(0)})  # type: ignore[dict-item]


def test_copies():
    for dim in (n, maximum(n // 2, a) * BATCH - 3):
        for other in (pickle.loads(pickle.dumps(dim)), copy.copy(dim), copy.deepcopy(dim)):
            assert other == dim
            assert hash(other) == hash(dim)
            assert other - dim == 0


def test_shapes():
    assert as_shape(("batch", 3)) == (BATCH, 3)
    assert product("batch", 7, "time") == 7 * BATCH * SymbolicDim("time")
    assert product() == 1
    assert split_count((7 * BATCH, 2, "time")) == (14, ("batch", "time"))
    assert split_count((2 * n + 2, n)) == split_count((n, 2, n + 1)) == (2, (n, n + 1))
    assert split_count((0, n)) == (0, ())
    assert names_of((n // a, 3, BATCH, n)) == ("a", "n", "batch")
    assert bind_shape(("batch", 2 * n, n // 2), {"n": 7}) == (BATCH, 14, 3)
    assert counts_rows(BATCH)
    assert counts_rows(7 * BATCH)
    assert counts_rows(minimum(BATCH, 5))
    assert not counts_rows(n)
    assert not counts_rows(3)
    assert static_dims("Op", (2, 3)) == (2, 3)
    assert static_dim("Op", (n, 3), -1) == 3
    with pytest.raises(ShapeError, match=r"Op needs .* \(3, n//2\) leaves 'n//2' open"):
        static_dims("Op", (3, n // 2))
    with pytest.raises(ShapeError, match=r"Op needs axis 1 .* 'n' is open; fix the sizes"):
        static_dim("Op", (3, n), 1)


def test_reserved_names_are_not_those_of_a_model():
    threads = reserved("threads")
    assert (64 * threads * BATCH).cpp({"(threads)": "size()", "batch": "batch"}) == "size() * batch * 64"
    with pytest.raises(ShapeError, match="needs a name"):
        SymbolicDim(str(threads))


def test_cpp_text():
    names = {"a": "size_a", "b": "size_b", "n": "size_n"}
    assert (4 * a * b).cpp(names) == "size_a * size_b * 4"
    assert (a - 1 + n).cpp(names) == "size_a + size_n - 1"
    assert ((n + 1) // 2 * 2).cpp(names) == "((size_n + 1) / 2) * 2"
    assert (maximum(n - 2, 0) // 3).cpp(names) == "((std::max<std::size_t>(size_n, 2) + 1) / 3) - 1"
    assert (n // a).cpp(names) == "(size_n / std::max<std::size_t>(size_a, 1))"
    assert (n // (a + 1)).cpp(names) == "(size_n / (size_a + 1))"
    with pytest.raises(KeyError):
        n.cpp({})


def random_pair(rng: random.Random, depth: int) -> Pair:
    if depth == 0 or rng.random() < 0.1:
        return named(rng.choice(NAMES)) if rng.random() < 0.7 else number(rng.randint(-4, 12))
    return combined(random_pair(rng, depth - 1), random_pair(rng, depth - 1), rng.choice(OPERATIONS))


@pytest.mark.parametrize("compiler", COMPILERS)
def test_cpp_code_computes_the_same(tmp_path, compiler):
    rng = random.Random(0)
    dims = [pair.dim for pair in (random_pair(rng, rng.randint(1, 4)) for _ in range(500))]
    dims = list(dict.fromkeys(dim for dim in dims if isinstance(dim, SymbolicDim)))
    assert len(dims) > 200
    assert sum("ptrdiff_t" in dim.cpp({name: name for name in NAMES}) for dim in dims) > 10
    samples = [{name: rng.randint(0, 30) for name in NAMES} for _ in range(20)] + [dict.fromkeys(NAMES, 0)]
    lines = [f'   std::printf("%zu\\n", std::size_t({dim.cpp({name: name for name in NAMES})}));' for dim in dims]
    parameters = ", ".join(f"std::size_t {name}" for name in NAMES)
    calls = [f"   print({', '.join(str(sizes[name]) for name in NAMES)});" for sizes in samples]
    source = ["#include <algorithm>", "#include <cstddef>", "#include <cstdio>", f"void print({parameters})", "{"]
    source += [*lines, "}", "int main()", "{", *calls, "}", ""]
    program = build(tmp_path, "\n".join(source), compiler, "-O0", "-fsanitize=undefined")
    output = subprocess.run([program], capture_output=True, text=True, check=True)
    assert not output.stderr
    expected = [dim.evaluate(sizes) % (1 << 64) for sizes in samples for dim in dims]
    assert list(map(int, output.stdout.split())) == expected
