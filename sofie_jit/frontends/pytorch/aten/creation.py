"""Operators that make tensors from numbers and shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, Operand, aten
from sofie_jit.frontends.pytorch.promotion import result_type
from sofie_jit.frontends.pytorch.values import PART_TYPES, Complex
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, SymbolicDim
from sofie_jit.ir.operators.expand import Expand
from sofie_jit.ir.operators.sizes import Iota
from sofie_jit.ir.types import check_table, is_floating


def filled(call: AtenCall, shape: Sequence[Dim], value: Operand, dtype: str) -> Any:
    """A tensor filled with a value."""
    if dtype in PART_TYPES:
        return Complex(*(filled(call, shape, part, PART_TYPES[dtype]) for part in (value, 0)))
    element = call.cast(value, dtype)
    return element if not shape else call.add(Expand(shape=tuple(shape)), element)


@aten("zeros", "empty.memory_format", "new_zeros", "new_empty")
def zeros(call: AtenCall, size: list[Any], dtype: Any, x: Symbol | None = None) -> Any:
    """0 in a shape."""
    return filled(call, size, 0, dtype or ("float32" if x is None else x.dtype))


@aten("ones", "new_ones")
def ones(call: AtenCall, size: list[Any], dtype: Any, x: Symbol | None = None) -> Any:
    """1 in a shape."""
    return filled(call, size, 1, dtype or ("float32" if x is None else x.dtype))


@aten("full", "new_full")
def full(call: AtenCall, size: list[Any], fill_value: Operand, dtype: Any, x: Symbol | None = None) -> Any:
    """A value in a shape."""
    return filled(call, size, fill_value, dtype or (result_type(fill_value) if x is None else x.dtype))


@aten("zeros_like", "empty_like")
def zeros_like(call: AtenCall, x: Symbol, dtype: Any) -> Any:
    """0 in the shape of a tensor."""
    return filled(call, x.shape, 0, dtype or x.dtype)


@aten("ones_like")
def ones_like(call: AtenCall, x: Symbol, dtype: Any) -> Any:
    """1 in the shape of a tensor."""
    return filled(call, x.shape, 1, dtype or x.dtype)


@aten("full_like")
def full_like(call: AtenCall, x: Symbol, fill_value: Operand, dtype: Any) -> Any:
    """A value in the shape of a tensor."""
    return filled(call, x.shape, fill_value, dtype or x.dtype)


@aten("scalar_tensor")
def scalar_tensor(call: AtenCall, s: Operand, dtype: Any) -> Symbol:
    """A number as a tensor."""
    return call.cast(s, dtype or "float32")


@aten("arange")
def arange(call: AtenCall, end: Any, dtype: Any, start: Any = 0, step: Any = 1) -> Symbol:
    """Numbers from ``start`` to ``end``, in steps of ``step``."""
    dtype = dtype or result_type(start, end, step)
    if any(isinstance(number, SymbolicDim) for number in (start, end, step)):
        return _open_range(call, start, end, step, dtype)
    count = math.ceil((end - start) / step)
    check_table("arange", count)
    numbers = start + step * np.arange(max(count, 0), dtype=np.float64 if is_floating(dtype) else np.int64)
    return call.symbol(numbers.astype(dtype), "range")


def _open_range(call: AtenCall, start: Any, end: Any, step: Any, dtype: str) -> Symbol:
    if not isinstance(step, int) or step < 1 or not isinstance(start, (int, SymbolicDim)):
        call.refuse(f"a range from {start} to {end} in steps of {step} is not supported")
    count = (end - start + step - 1) // step
    return ops.cast(call.add(Iota(size=count, start=start, step=step)), dtype)


@aten("linspace")
def linspace(call: AtenCall, start: Any, end: Any, steps: Any, dtype: Any) -> Symbol:
    """Evenly spaced numbers."""
    if isinstance(steps, SymbolicDim):
        return _open_linspace(call, call.cast(start, dtype or "float32"), call.cast(end, dtype or "float32"), steps)
    if not all(isinstance(number, (int, float)) for number in (start, end, steps)):
        call.refuse("computed limits are not supported")
    check_table("linspace", steps)
    return call.symbol(np.linspace(start, end, steps).astype(dtype or "float32"), "numbers")


def _open_linspace(call: AtenCall, start: Symbol, end: Symbol, steps: SymbolicDim) -> Symbol:
    """As PyTorch: the first half counts from the start, the second from the end."""
    size = ops.cast(call.size(steps), start.dtype)
    index = ops.cast(_open_range(call, 0, steps, 1, "int64"), start.dtype)
    step = ops.divide(ops.subtract(end, start), ops.maximum(ops.subtract(size, 1.0), 1.0))
    back = ops.subtract(ops.subtract(size, 1.0), index)
    first = ops.add(start, ops.multiply(step, index))
    second = ops.subtract(end, ops.multiply(step, back))
    half = ops.floor(ops.divide(size, 2.0))
    return ops.where(ops.logical_or(ops.less(index, half), ops.equal(size, 1.0)), first, second)


@aten("logspace")
def logspace(call: AtenCall, start: Any, end: Any, steps: Any, base: float, dtype: Any) -> Symbol:
    """Powers of ``base`` with evenly spaced exponents."""
    if not all(isinstance(number, (int, float)) for number in (start, end, steps)):
        call.refuse("computed limits are not supported")
    check_table("logspace", steps)
    return call.symbol((base ** np.linspace(start, end, steps)).astype(dtype or "float32"), "numbers")


@aten("range")
def range_(call: AtenCall, start: Any, end: Any, step: Any, dtype: Any) -> Symbol:
    """Numbers from ``start`` to ``end``, included, in steps of ``step``."""
    if not all(isinstance(number, (int, float)) for number in (start, end, step)):
        call.refuse("computed limits are not supported")
    count = math.floor((end - start) / step) + 1
    check_table("range", count)
    return call.symbol((start + step * np.arange(count)).astype(dtype or "float32"), "range")


@aten("eye")
def eye(call: AtenCall, n: Any, dtype: Any, m: Any = None) -> Symbol:
    """1 on the diagonal of a matrix, 0 elsewhere."""
    rows, columns = n, n if m is None else m
    if isinstance(rows, int) and isinstance(columns, int):
        check_table("eye", rows, columns)
        return call.symbol(np.eye(rows, columns, dtype=dtype or "float32"), "eye")
    equal = ops.equal(*(ops.reshape(_open_range(call, 0, size, 1, "int64"), shape)
                        for size, shape in ((rows, (rows, 1)), (columns, (1, columns)))))  # fmt: skip
    return ops.cast(equal, dtype or "float32")


@aten("tril")
def tril(call: AtenCall, x: Symbol, diagonal: int) -> Symbol:
    """The lower triangle of matrices, 0 elsewhere."""
    return _triangle(call, x, diagonal, lower=True)


@aten("triu")
def triu(call: AtenCall, x: Symbol, diagonal: int) -> Symbol:
    """The upper triangle of matrices, 0 elsewhere."""
    return _triangle(call, x, diagonal, lower=False)


def _triangle(call: AtenCall, x: Symbol, diagonal: int, lower: bool) -> Symbol:
    rows, columns = x.shape[-2:]
    if isinstance(rows, int) and isinstance(columns, int):
        return ops.triangle(x, diagonal, lower)
    row = ops.reshape(_open_range(call, 0, rows, 1, "int64"), (rows, 1))
    column = ops.reshape(_open_range(call, 0, columns, 1, "int64"), (1, columns))
    distance = ops.subtract(column, row)
    kept = ops.less_equal(distance, diagonal) if lower else ops.greater_equal(distance, diagonal)
    return ops.where(kept, x, ops.zeros_like(x))
