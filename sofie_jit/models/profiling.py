"""Measures time, arithmetic and memory of each operator of a network. ``report/profile.py`` shows the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import InputError, MissingDependencyError
from sofie_jit.ir.dims import BATCH, bind_shape, format_shape, split_count
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType
from sofie_jit.jit.compiled_session import CompiledSession
from sofie_jit.jit.peak import peak_flops
from sofie_jit.jit.probe import CompilerMissingError
from sofie_jit.models.arguments import result_arrays
from sofie_jit.models.execution import compiled
from sofie_jit.models.model import Model
from sofie_jit.report.profile import Profile, with_rates

BUDGET = 1.0
"""Seconds that measuring takes, unless the minimum number of calls takes longer."""
CALLS = range(8, 2001)
"""The smallest and the largest number of calls that are measured."""


def profile(lowered: RModel, *inputs: Any) -> Profile:
    """Measures each operator of a lowered network; see :meth:`sofie_jit.Model.profile`."""
    try:
        return _profile(lowered, inputs)
    except CompilerMissingError as error:
        raise MissingDependencyError(
            "a profile needs code that reads the clock, which is compiled now, also for a compiled library: "
            f"{error.reason}"
        ) from error


def _profile(lowered: RModel, inputs: Sequence[Any]) -> Profile:
    execution = compiled(lowered, lowered.outputs, threads=1)
    arrays = execution.arguments.standardize(inputs)
    dims = execution.arguments.bind(arrays)
    if not all(array.size for array in arrays):
        raise InputError("an empty batch takes no time: profile needs at least one row")
    if found := list(execution.session.code.found):
        raise InputError(f"the sizes {', '.join(found)} of outputs depend on the data; profile needs fixed ones")
    results = result_arrays(execution.signature.outputs, None, dims)
    execution.run(dims, arrays, results, threads=1)  # raises if an index in the arrays is out of range
    session = CompiledSession(lowered, profile=True)
    sizes, tensors = [dims[name] for name in session.code.dims], [*arrays, *results]
    infer = (
        execution.fast_call(Model.infer.__doc__ or "") or execution
    )  # the docstring of all fast calls of the process
    op_timings, seconds = _measure(session, lambda: session.run(sizes, tensors), lambda: infer(*arrays))
    peak = peak_flops("float64" if any(array.dtype == np.float64 for array in results) else "float32")
    total = float(op_timings.sum()) or 1.0
    records = []
    for index, taken in zip(session.code.op_timings, op_timings.tolist(), strict=True):
        op = lowered.operators[index]
        record = {"operator": op.op_type, "layer": op.origin, **_work(op, lowered, dims)}
        records.append(with_rates(record | {"seconds": taken, "share": taken / total}, peak))
    return Profile(records, seconds, peak)


def _measure(
    session: CompiledSession, clocked: Callable[[], Any], plain: Callable[[], Any]
) -> tuple[np.ndarray, float]:
    """Seconds of each operator and of a whole call: medians of the fastest tenth of many calls, taken in turns.

    Other programs delay single calls, or make all of them slower; the fastest tenth is affected by the latter only.
    """
    clocked()
    plain()
    session.take_op_timings()
    op_timings, calls = [], []
    start = time.perf_counter()
    for done in range(CALLS.stop - 1):
        if done >= CALLS.start and time.perf_counter() - start > BUDGET:
            break
        clocked()
        op_timings.append(session.take_op_timings())
        before = time.perf_counter()
        plain()
        calls.append(time.perf_counter() - before)
    measured = np.array(op_timings)
    operators = measured[:, 1:] - measured[:, :1]  # the first column is the time of reading the clock
    undisturbed = operators[np.argsort(operators.sum(axis=1))[: -(-len(operators) // 10)]]
    whole = np.sort(calls)[: -(-len(calls) // 10)]
    return np.maximum(np.median(undisturbed, axis=0), 0.0), float(np.median(whole))


def _work(op: ROperator, rmodel: RModel, dims: Mapping[str, int]) -> dict[str, Any]:
    """Shape of the output, operations and bytes of ``op`` in a call with these sizes of run-time dimensions."""

    def bound(name: str, sizes: Mapping[str, int]) -> TensorType:
        kind = rmodel.tensor_type(name)
        return TensorType(kind.dtype, bind_shape(kind.shape, sizes))

    per_row = {name: size for name, size in dims.items() if name != BATCH}
    inputs = [bound(name, per_row) if name else None for name in op.inputs]
    outputs = [bound(name, per_row) for name in op.outputs if name]
    touched = [bound(name, dims) for name in dict.fromkeys((*op.inputs, *op.outputs)) if name]
    return {
        "output": " ".join(format_shape(bound(name, dims).shape) for name in op.outputs if name),
        "flops": op.flops(inputs, outputs) * dims.get(str(BATCH), 1),
        "bytes": sum(split_count(t.shape)[0] * np.dtype(t.dtype).itemsize for t in touched),
    }
