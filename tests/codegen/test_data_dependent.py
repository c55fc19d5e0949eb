"""Sizes that depend on data: operators that set them, operators that follow, memory, and results of the true size."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from compilers import build
from sofie_jit import GraphError, InputError, OutOfRangeError, RModel
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Builder
from sofie_jit.ir.dims import SymbolicDim
from sofie_jit.ir.operators.data_dependent import Compress, NonZero, Range
from sofie_jit.ir.operators.gather import Gather
from sofie_jit.ir.operators.matmul import MatMul
from sofie_jit.ir.operators.reduce import ReduceMax
from sofie_jit.ir.operators.sizes import Sizes
from sofie_jit.verification.evaluate import evaluate

RNG = np.random.default_rng(0)
FOUND, KEPT = map(SymbolicDim, ("found", "kept"))


def network() -> RModel:
    """Hits x (n, 4): those above a threshold, all pairs of them, their distances, and numbers up to a maximum."""
    rmodel = RModel("hits")
    builder = Builder(rmodel)
    x = builder.input("x", "float32", ("n", 4))
    last = builder.input("last", "int64", (1,))
    where = builder.add(NonZero(count="found"), ops.greater(x, 0.0))
    chosen = builder.add(Compress(count="kept", axis=0), x, ops.greater(x[:, 0], 0.5))
    rows = builder.add(Gather(axis=0), x, where[0])
    products = builder.add(MatMul(), rows, ops.transpose(chosen))
    both = ops.concatenate([rows, chosen], 0) * 2.0
    numbers = builder.add(Range(count="numbers"), *(ops.reshape(v, ()) for v in (last - last, last, last - last + 2)))
    below = ops.less(numbers, builder.add(Sizes(values=(FOUND,))))
    results = [
        where,
        products,
        both,
        ops.softmax(products, -1),
        builder.add(ReduceMax(axes=(0,), keepdims=False), both),
        numbers,
        below,
        ops.reshape(both, (-1, 2)),
        builder.add(Sizes(values=(FOUND * 3 // 2, KEPT))),
    ]
    rmodel.add_output_tensor_names(symbol.name for symbol in results)
    return rmodel


@pytest.fixture(scope="module")
def model():
    return network().compile()


def hits(n: int, shift: float = 0.0) -> np.ndarray:
    return (RNG.normal(size=(n, 4)) + shift).astype(np.float32)


@pytest.mark.parametrize(("n", "shift"), [(0, 0), (1, 0), (1, -9), (2, 9), (7, 0), (40, 0), (40, -2), (40, 9)])
def test_jit(model, n: int, shift: float) -> None:
    inputs = [hits(n, shift), np.array([n], np.int64)]
    for index, (found, wanted) in enumerate(zip(model.infer(*inputs), evaluate(network(), inputs), strict=True)):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6, err_msg=str(index), strict=True)
        assert found.flags.owndata


def test_header(tmp_path: Path) -> None:
    rmodel = network()
    rmodel.save_header(tmp_path / "net.hxx", weights="embedded")
    inputs = [hits(6), np.array([7], np.int64)]
    values = ", ".join(f"{value!r}f" for value in inputs[0].ravel().tolist())
    source = f"""
#include "net.hxx"
#include <cstdio>
template <class T>
void print(const std::vector<T> &values)
{{
   for (const T value : values)
      std::printf("%.9g ", static_cast<double>(value));
   std::printf("\\n");
}}
int main()
{{
   const float x[] = {{{values}}};
   const std::int64_t last[] = {{7}};
   const auto results = TMVA_SOFIE_net::Session().infer(6, x, last);
   std::apply([](const auto &...result) {{ (print(result), ...); }}, results);
   const std::int64_t many[] = {{3000000}};
   try {{
      TMVA_SOFIE_net::Session().infer(6, x, many);
   }} catch (const std::exception &error) {{
      std::printf("%s\\n", error.what());
   }}
}}
"""
    program = build(tmp_path, source, "g++")
    lines = subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()
    wanted = evaluate(rmodel, inputs)
    assert len(lines) == len(wanted) + 1
    for line, array in zip(lines, wanted, strict=False):
        np.testing.assert_allclose(list(map(float, line.split())), array.ravel(), rtol=1e-5, atol=1e-6)
    assert "more than 1,048,576 numbers" in lines[-1]


def test_errors(model) -> None:
    x = hits(3)
    with pytest.raises(OutOfRangeError, match="more than 1,048,576 numbers"):
        model.infer(x, np.array([3_000_000]))
    with pytest.raises(OutOfRangeError, match="too many numbers"):
        evaluate(network(), [x, np.array([3_000_000])])
    with pytest.raises(InputError, match="found"):
        model.infer(x, np.array([1]), out=[np.empty(1)])
    builder = Builder(RModel())
    y = builder.input("y", "float32", ("found",))
    builder.rmodel.add_output_tensor_names(builder.add(NonZero(count="found"), y).name)
    with pytest.raises(GraphError, match="'found', which an input"):
        builder.rmodel.compile()


def test_a_size_is_needed_although_nothing_reads_the_elements() -> None:
    builder = Builder(RModel())
    x = builder.input("x", "float32", ("n", 2))
    builder.add(NonZero(count="places"), x)
    result = builder.add(Sizes(values=(SymbolicDim("places"),)))
    builder.rmodel.add_output_tensor_names(result.name)
    np.testing.assert_array_equal(builder.rmodel.compile().infer(np.eye(2)), [2])
