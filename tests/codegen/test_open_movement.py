"""Operators that move elements along axes whose sizes are known only at run time, against their definition in numpy."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import numpy as np
import pytest

from compilers import build
from sofie_jit import InputError, RModel, ShapeError
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.dims import SymbolicDim, maximum, minimum
from sofie_jit.ir.operators.concat import Concat
from sofie_jit.ir.operators.elementwise import Add, Where
from sofie_jit.ir.operators.expand import Expand
from sofie_jit.ir.operators.gather import Gather
from sofie_jit.ir.operators.gemm import Gemm
from sofie_jit.ir.operators.math import GatherElements, TopK
from sofie_jit.ir.operators.matmul import MatMul
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.operators.reduce import ReduceMean
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.operators.sizes import Iota, Sizes
from sofie_jit.ir.operators.slice import Slice
from sofie_jit.verification.evaluate import evaluate

N, M = map(SymbolicDim, ("n", "m"))
RNG = np.random.default_rng(0)


def network() -> RModel:
    """x (batch, n, 3), y (batch, m, 3), z (batch, n + m, 3), whose middle axis has a name of its own."""
    rmodel = RModel("open")
    builder = Builder(rmodel)
    x, y = (builder.input(name, "float32", (None, size, 3)) for name, size in (("x", "n"), ("y", "m")))
    z = builder.input("z", "float32", (None, "k", 3))
    results = [*moved(builder, x, y), *joined(builder, x, y, z)]
    rmodel.add_output_tensor_names(symbol.name for symbol in results)
    return rmodel


def moved(builder: Builder, x: Symbol, y: Symbol) -> list[Symbol]:
    """Parts, repetitions and borders of one tensor."""
    add = builder.add
    parts = [
        ((N // 2,), (N,), 1),
        ((N - 2,), (N - 1,), 1),
        ((-3,), (-1,), 1),
        ((1,), (1 << 60,), 2),
        ((-1,), (-(1 << 60),), -1),
        ((N - 1,), (M - 5,), -2),
        ((M - N,), (M + 2,), 3),
    ]
    first = add(Slice(starts=(0,), ends=(1,), axes=(1,)), x)  # x[:, :1] would refuse x without elements
    slices = [add(Slice(starts=a, ends=b, axes=(1,), steps=(step,)), x) for a, b, step in parts]
    values, indices = add(TopK(K=minimum(N, 2)), ops.transpose(x, (0, 2, 1)))
    return [
        *slices,
        add(Pad(pads=(0, M, 1, 0, N // 2, 0), constant_value=7), x),
        add(Pad(pads=(0, -(N // 2), 0, 0, 1, 0)), x),
        ops.tile(x, (1, M, 2)),
        ops.repeat(x, 2, 1),
        ops.flip(x, (1, 2)),
        ops.roll(x, 2, 1),
        ops.diff(ops.concatenate([x, y], 1), axis=2),
        values,
        add(GatherElements(axis=2), ops.transpose(x, (0, 2, 1)), indices),
        add(Gather(axis=1), ops.concatenate([x, first, y], 1), add(Iota(size=N, start=0))),
        add(Iota(size=M, start=N - 3, step=-2)),
        add(Sizes(values=(N, M - N, N * M))),
        add(Expand(shape=(M, 3)), x[:, :, None]),
        add(Reshape(shape=(-1, N)), ops.transpose(x, (0, 2, 1))),
        add(ReduceMean(axes=(1,)), ops.concatenate([x, first + 1.0], 1)),
    ]


def joined(builder: Builder, x: Symbol, y: Symbol, z: Symbol) -> list[Symbol]:
    """Several tensors along open axes, of which some have the same size under another name."""
    add, both = builder.add, ops.concatenate([x, y], 1)
    return [
        both,
        add(Add(), both, z),
        add(Add(), z, both),
        add(Where(), ops.greater(both, 0.0), z, both[:, :, :1]),
        add(Concat(axis=2), z, both),
        add(MatMul(), ops.transpose(both, (0, 2, 1)), z),
        add(MatMul(), x, ops.transpose(y, (0, 2, 1))),
        add(Gemm(transA=True), ops.reshape(both, (-1, 3)), ops.reshape(z, (-1, 3))),
        add(Reshape(shape=(-1, "k", 3)), both),
        add(Expand(shape=(1, "k", 3)), ops.sum(both, -1, keepdims=True)),
    ]


def arrays(batch: int, n: int, m: int) -> list[np.ndarray]:
    return [RNG.normal(size=(batch, size, 3)).astype(np.float32) for size in (n, m, n + m)]


SIZES = [*itertools.product((0, 1, 3), (1, 2, 5), (1, 4)), (2, 0, 3), (2, 3, 0)]


@pytest.fixture(scope="module")
def model():
    return network().compile()


def test_jit(model) -> None:
    rmodel = network()
    for sizes in SIZES:
        inputs = arrays(*sizes)
        for index, (found, wanted) in enumerate(zip(model.infer(*inputs), evaluate(rmodel, inputs), strict=True)):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6, err_msg=f"{index} {sizes}", strict=True)


def test_sizes_that_do_not_fit_together_are_an_error(model) -> None:
    x, y, z = arrays(2, 3, 4)
    with pytest.raises(InputError, match=r"Add cannot be computed for k = 6, .*: the size .* must be equal to"):
        model.infer(x, y, z[:, 1:])
    with pytest.raises(ShapeError, match="the size"):
        evaluate(network(), [x, y, z[:, 1:]])


def test_sizes_that_can_never_fit_are_an_error_of_the_model() -> None:
    builder = Builder(RModel())
    x, one = builder.input("x", "float32", (None, "n")), builder.input("one", "float32", (None, 1))
    y = ops.concatenate([x, one], 1)
    with pytest.raises(ShapeError, match="do not broadcast"):
        builder.add(Add(), x, y)
    with pytest.raises(ShapeError, match="numbers to choose"):
        builder.add(TopK(K=N + 1), x)
    with pytest.raises(ShapeError, match="cannot be cut"):
        builder.add(Pad(pads=(0, -N - 1, 0, 0)), x)


def test_header(tmp_path: Path) -> None:
    rmodel, (batch, n, m) = network(), (2, 5, 3)
    rmodel.save_header(tmp_path / "net.hxx", weights="embedded")
    inputs = arrays(batch, n, m)
    for name, array in zip("xyz", inputs, strict=True):
        array.tofile(tmp_path / name)
    source = f"""
#include "net.hxx"
#include <cstdio>
#include <fstream>
template <class T>
void print(const std::vector<T> &values)
{{
   for (const T value : values)
      std::printf("%.9g ", static_cast<double>(value));
   std::printf("\\n");
}}
std::vector<float> read(const char *name)
{{
   std::ifstream file(name, std::ios::binary);
   std::vector<float> values(1000);
   file.read(reinterpret_cast<char *>(values.data()), 4000);
   return values;
}}
int main()
{{
   const auto x = read("{tmp_path}/x"), y = read("{tmp_path}/y"), z = read("{tmp_path}/z");
   const auto results = TMVA_SOFIE_net::Session().infer({batch}, {n}, {m}, {n + m}, x.data(), y.data(), z.data());
   std::apply([](const auto &...result) {{ (print(result), ...); }}, results);
   try {{
      TMVA_SOFIE_net::Session().infer({batch}, {n}, {m}, {n + m - 1}, x.data(), y.data(), z.data());
   }} catch (const std::exception &error) {{
      std::printf("%s\\n", error.what());
   }}
}}
"""
    lines = subprocess.run(
        [build(tmp_path, source, "g++")], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for line, wanted in zip(lines, evaluate(rmodel, inputs), strict=False):
        np.testing.assert_allclose(list(map(float, line.split())), wanted.ravel(), rtol=1e-5, atol=1e-6)
    assert "must be equal" in lines[-1]


@pytest.mark.parametrize("start", [-7, -1, 0, 2, 9])
def test_slices_with_expressions_are_those_of_python(start: int) -> None:
    """Starts and ends of any sign."""
    for size, end, step in itertools.product((0, 1, 4), (-6, -1, 0, 3, 8), (-2, -1, 1, 3)):
        (pick,) = Slice(starts=(start + N,), ends=(end + N * 1,), steps=(step,)).picks((M,))
        for n in (0, 2):
            places = range(size)[start + n : end + n : step]
            sizes = {"n": n, "m": size}
            found = [dim.evaluate(sizes) if isinstance(dim, SymbolicDim) else dim for dim in (pick.size, pick.start)]
            assert found[0] == len(places), (start, end, step, n, size)
            assert not places or found[1] == places.start


def test_bounds_of_sizes_fold_checks() -> None:
    """A Slice of the first elements, and the larger of two sizes."""
    assert Slice(starts=(0,), ends=(N,)).picks((N + M,))[0].size == N
    assert Slice(starts=(N,), ends=(1 << 60,)).picks((N + M,))[0].size == M
    assert maximum(N, M) + minimum(N, M) == N + M
