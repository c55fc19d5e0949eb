"""Operators on every element type: compiled code gives what numpy gives, with wrap-around and at the limits."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import numpy as np
import pytest

from compilers import COMPILERS
from sofie_jit import DtypeError, RModel
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.operators import activations, elementwise, gather, math, pad, pool, reduce, slice, transpose
from sofie_jit.ir.types import DTYPES, is_integer
from sofie_jit.verification.evaluate import evaluate

INTEGERS = [dtype for dtype in DTYPES if is_integer(dtype)]
BINARY = (
    elementwise.Add, elementwise.Sub, elementwise.Mul, elementwise.Div, elementwise.Pow, elementwise.Max,
    elementwise.Min, elementwise.Equal, elementwise.NotEqual, elementwise.Less, elementwise.LessOrEqual,
    elementwise.Greater, elementwise.GreaterOrEqual, math.Mod, math.BitwiseAnd, math.BitwiseOr, math.BitwiseXor,
    math.BitShiftLeft, math.BitShiftRight, math.Gcd,
)  # fmt: skip
UNARY = (math.Neg, math.Abs, math.Sign, math.Square, math.BitwiseNot, activations.Relu)
REDUCTIONS = (reduce.ReduceSum, reduce.ReduceProd, reduce.ReduceMax, reduce.ReduceMin)


def numbers(dtype: str, *shape: int, seed: int = 0) -> np.ndarray:
    """Numbers of the whole range, small ones, and the limits."""
    rng = np.random.default_rng((*shape, seed))
    limits = np.iinfo(dtype)
    wide = rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    small = rng.integers(0, 9, shape, dtype) - np.asarray(4 if limits.min else 0, dtype)
    special = rng.choice(np.array([limits.min, limits.max, 0, 1, limits.min + 1], dtype), shape)
    return np.choose(rng.integers(0, 3, shape), [wide, small, special])


def outputs_of(x: Symbol, y: Symbol, index: Symbol) -> list[Symbol]:
    """Results of every operator that takes integers; x and y are (5, 3, 70)."""
    add = x.builder.add
    axis_last, axis_middle, all_axes = [2], [1], [0, 1, 2]
    return [
        *(add(operator(), x, y) for operator in BINARY),
        *(add(operator(), x) for operator in UNARY),
        *(add(r(axes=axes), x) for r in REDUCTIONS for axes in (axis_last, axis_middle, all_axes)),
        add(elementwise.Add(), x, ops.slice_along(y, 2, 0, 1)),
        add(elementwise.Where(), add(elementwise.Less(), x, y), x, y),
        *(add(found(axis=axis), x) for found in (math.ArgMax, math.ArgMin) for axis in (1, 2)),
        *add(math.TopK(K=7), x),
        *add(math.TopK(K=7, largest=False), x),
        add(math.CumSum(axis=2), x),
        add(math.CumSum(axis=1), x),
        add(gather.Gather(axis=2), x, index),
        add(transpose.Transpose(perm=[2, 0, 1]), x),
        add(slice.Slice(starts=[-1], ends=[-90], axes=[2], steps=[-3]), x),
        add(pad.Pad(pads=[1, 2], axes=[2], constant_value=3), x),
        ops.concatenate([x, y], 1),
        ops.expand_dims(x, 0),
        ops.broadcast_to(ops.slice_along(x, 1, 0, 1), (5, 3, 70)),
        add(pool.MaxPool(kernel_shape=[3], pads=[1, 0], strides=[2]), x),
        ops.matmul(x, ops.transpose(y, (0, 2, 1))),
    ]


def model_of(dtype: str) -> RModel:
    builder = Builder(RModel("types"))
    x, y = (builder.input(name, dtype, (5, 3, 70)) for name in "xy")
    results = outputs_of(x, y, builder.input("index", "int64", (4,)))
    builder.rmodel.add_output_tensor_names(symbol.name for symbol in results)
    return builder.rmodel


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers(dtype: str) -> None:
    model = model_of(dtype)
    given = [numbers(dtype, 5, 3, 70), numbers(dtype, 5, 3, 70, seed=1), np.array([3, -1, 0, 69])]
    got, expected = model.compile().infer(given), evaluate(model, given)
    for name, result, other in zip(model.outputs, got, expected, strict=True):
        np.testing.assert_array_equal(result, other, name, strict=True)


FLOATS = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.9, -2.9, 127.5, -128.9, 254.9, 255.9, 300.0, -300.0, 65535.5, 70000.0,
          2147483520.0, 2147483648.0, -2147483648.0, 3e9, 4294967040.0, 4294967296.0, -3e9, 9.2233715e18,
          9223372036854775808.0, -9223372036854775808.0, 1.8446743e19, 18446744073709551616.0, 1e30, -1e30,
          np.inf, -np.inf, np.nan, 1e-45]  # fmt: skip


def test_casts() -> None:
    builder = Builder(RModel("casts"))
    types = list(DTYPES)
    inputs = {dtype: builder.input(dtype, dtype, (None,)) for dtype in types}
    results = [builder.add(elementwise.Cast(to=to), inputs[dtype]) for dtype, to in itertools.product(types, types)]
    builder.rmodel.add_output_tensor_names(symbol.name for symbol in results)
    size = 70
    given = [
        numbers(dtype, size) if is_integer(dtype) else numbers("uint8", size) > 9 if dtype == "bool"
        else floats.astype(dtype) for dtype, floats in zip(types, [np.resize(FLOATS, size)] * len(types), strict=True)
    ]  # fmt: skip
    got, expected = builder.rmodel.compile().infer(given), evaluate(builder.rmodel, given)
    for (dtype, to), result, other in zip(itertools.product(types, types), got, expected, strict=True):
        np.testing.assert_array_equal(result, other, f"{dtype} to {to}", strict=True)


def test_casts_of_ordinary_numbers_are_those_of_numpy() -> None:
    x = np.array([0.0, 1.9, -1.9, 100.5])
    for to in INTEGERS:
        np.testing.assert_array_equal(elementwise.Cast(to=to).evaluate(x[x >= 0]), x[x >= 0].astype(to), strict=True)
    np.testing.assert_array_equal(elementwise.Cast(to="int8").evaluate(x), x.astype(np.int8), strict=True)
    large = np.array([2.0**63, 2.0**63 + 2048, 2.0**64 - 2048])
    np.testing.assert_array_equal(elementwise.Cast(to="uint64").evaluate(large), large.astype(np.uint64), strict=True)


@pytest.mark.parametrize("weights", ["text", "binary", "embedded"])
def test_saved_header(weights: str, tmp_path: Path) -> None:
    """Weights, inputs and outputs of every type; limits are read back exactly."""
    builder = Builder(RModel("header"))
    results, lines = [], []
    types = [dtype for dtype in DTYPES if is_integer(dtype)]
    for dtype in types:
        limits = np.iinfo(dtype)
        x = builder.input(f"x_{dtype}", dtype, (4,))
        weight = builder.constant(np.array([limits.min, limits.max, 7, 0], dtype), f"w_{dtype}")
        results.append(builder.add(elementwise.Add(), builder.add(elementwise.Max(), x, weight), weight))
    builder.rmodel.add_output_tensor_names(symbol.name for symbol in results)
    given = [np.array([1, 2, 3, 4], dtype) for dtype in types]
    header = builder.rmodel.save_header(tmp_path / "types.hxx", weights=weights)
    for number, (dtype, array) in enumerate(zip(types, given, strict=True)):
        lines.append(f"const std::{dtype}_t x{number}[] = {{{', '.join(map(str, array))}}};")
    arguments = ", ".join(f"x{number}" for number in range(len(types)))
    prints = "\n".join(
        f"for (auto v : std::get<{number}>(y)) std::cout << +v << ' ';" for number in range(len(types))
    )  # fmt: skip
    source = tmp_path / "main.cc"
    source.write_text(
        f'#include "{header.name}"\n#include <iostream>\nint main() {{\n'
        + "\n".join(lines)
        + f"\nconst TMVA_SOFIE_types::Session session;\nconst auto y = session.infer({arguments});\n{prints}\n}}\n"
    )
    command = [COMPILERS[0], "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", source.name, "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True)
    printed = subprocess.run(["./main"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout.split()
    expected = np.concatenate([result.astype(object) for result in evaluate(builder.rmodel, given)])
    assert printed == [str(value) for value in expected]


def test_every_float16() -> None:
    builder = Builder(RModel("half"))
    half, single, double = (builder.input(t, t, (None,)) for t in ("float16", "float32", "float64"))
    ends = [(half, "float32"), (half, "float64"), (single, "float16"), (double, "float16")]
    builder.rmodel.add_output_tensor_names(builder.add(elementwise.Cast(to=to), x).name for x, to in ends)
    x = np.arange(1 << 16).astype(np.uint16).view(np.float16)
    wide = x.astype(np.float32)
    with np.errstate(all="ignore"):
        gaps = np.nextafter(x, np.float16(np.inf)).astype(np.float64) - wide
        exact = wide.astype(np.float64) + np.resize([0.0, 0.49, 0.5, 0.51], x.size) * gaps
        expected = wide, wide.astype(np.float64), exact.astype(np.float32).astype(np.float16), exact.astype(np.float16)
    results = builder.rmodel.compile().infer(x, exact.astype(np.float32), exact)
    for result, other in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, other, strict=True)
        np.testing.assert_array_equal(np.signbit(result)[~np.isnan(x)], np.signbit(other)[~np.isnan(x)])


def test_float16_is_only_stored() -> None:
    builder = Builder(RModel("half"))
    x = builder.input("x", "float16", (2, 2))
    with pytest.raises(DtypeError, match="float16"):
        builder.add(elementwise.Add(), x, x)
