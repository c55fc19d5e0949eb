"""Sizes that are expressions over run-time dimensions, in code of the JIT and in saved headers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from compilers import COMPILERS, build
from sofie_jit import RModel
from sofie_jit.codegen.arena import THREADS, Arena
from sofie_jit.codegen.expressions import Size, size_of
from sofie_jit.codegen.print_jit import jit_text
from sofie_jit.codegen.print_session import count_text
from sofie_jit.extend import KernelOperator
from sofie_jit.ir.dims import BATCH, Dim, SymbolicDim, maximum, minimum
from sofie_jit.ir.operators.activations import Relu
from sofie_jit.ir.operators.elementwise import Add
from sofie_jit.ir.types import TensorType
from sofie_jit.passes.pipeline import lower

TIME = SymbolicDim("time")
NAMES = {"batch": "batch", "time": "n"}

KERNEL = """
template <class T>
void ramp(std::size_t rows, std::size_t n, const T *x, T *y)
{
   for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t i = 0; i < n; ++i)
         y[row * n + i] = *x * static_cast<T>(i);
}
"""


def ramp(size: Dim) -> RModel:
    """Rows of ``size`` numbers, which pass through two more operators with tensors in the arena."""
    output = TensorType("float32", (BATCH, size))
    rmodel = RModel("ramp")
    rmodel.add_input_tensor_info("x", "float32", (None, "time"))
    rmodel.add_operator(
        KernelOperator(
            source=KERNEL, function="ramp", sizes=[(BATCH,), (size,)], output=output, inputs=["x"], outputs=["a"]
        )
    )
    rmodel.add_operator(Relu(inputs=["a"], outputs=["b"]))
    rmodel.add_operator(Add(inputs=["a", "b"], outputs=["y"]))
    rmodel.add_output_tensor_names("y")
    return rmodel


def expected(size: Dim, batch: int, time: int) -> np.ndarray:
    count = size.evaluate({"time": time}) if isinstance(size, SymbolicDim) else size
    return np.tile(2 * np.arange(count, dtype=np.float32), (batch, 1))


SIZES = [TIME // 2, (TIME + 1) // 2 * 2, maximum(TIME - 3, 1), minimum(TIME, 5) + TIME % 3]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_jit(size: Dim) -> None:
    model = ramp(size).compile()
    for time in (1, 2, 3, 8, 11):
        for batch in (0, 1, 4):
            result = model.infer(np.ones((batch, time), np.float32))
            np.testing.assert_array_equal(result, expected(size, batch, time))
    assert model.output_shapes == [(None, None)]


def test_each_size_is_computed_once() -> None:
    text = jit_text(lower(ramp((TIME + 1) // 2 * 2)))
    assert text.text.count("(dim1 + 1) / 2") == 2  # in run and in run_tile
    assert "const std::size_t size0 = ((dim1 + 1) / 2);" in text.text
    assert "k::align_up(batch * size0 * 8)" in text.text
    assert "size0" not in jit_text(lower(ramp(TIME))).text


@pytest.mark.parametrize("compiler", COMPILERS)
def test_headers(tmp_path: Path, compiler: str) -> None:
    calls = []
    for number, size in enumerate(SIZES):
        ramp(size).save_header(tmp_path / f"net{number}.hxx", weights="embedded", namespace=f"net{number}")
        calls += [f"print(net{number}::Session().infer(2, {time}, x));" for time in (1, 2, 3, 8, 11)]
    includes = [f'#include "net{number}.hxx"' for number in range(len(SIZES))]
    body = "\n   ".join(["const float x[22] = {1};", *calls])
    source = f"""
#include <cstdio>
{chr(10).join(includes)}
void print(const std::vector<float> &values)
{{
   for (const float value : values)
      std::printf("%g ", static_cast<double>(value));
   std::printf("\\n");
}}
int main()
{{
   {body}
}}
"""
    program = build(tmp_path, source, compiler)
    lines = subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()
    wanted = [expected(size, 2, time).ravel().tolist() for size in SIZES for time in (1, 2, 3, 8, 11)]
    assert [list(map(float, line.split())) for line in lines] == wanted


def test_arena_shares_slots_of_equal_sizes() -> None:
    arena = Arena()
    half = arena.take("float32", (BATCH, TIME // 2, 16))
    arena.free(half)
    assert arena.take("float32", (BATCH, 8, TIME // 2)) == half
    assert arena.take("float32", (BATCH, TIME, 8)) != half
    arena.free(half)
    assert arena.take("float32", (BATCH, TIME, 8)) != half
    assert arena.slots[half].dims == (BATCH, TIME // 2)
    per_thread = arena.take("float32", (TIME, 16, THREADS))
    assert arena.slots[per_thread].dims == (THREADS, TIME)


def test_sizes_and_counts() -> None:
    assert size_of((BATCH, 3, TIME)) == Size(3 * BATCH * TIME)
    assert size_of((1, 1)).is_one
    assert not size_of((TIME,)).is_one
    assert count_text((BATCH, 3, TIME), NAMES) == "batch * n * 3"
    assert count_text((), NAMES) == "1"
    assert count_text((BATCH, 2 * TIME + 2), NAMES) == "batch * (n + 1) * 2"
    assert count_text(((TIME + 1) // 2, 4), NAMES) == "((n + 1) / 2) * 4"
