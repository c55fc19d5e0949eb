"""ROperator.evaluate against the node tests of ONNX, in float32 and in float64."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.dims import bind_shape
from sofie_jit.ir.operators import all_operators
from sofie_jit.ir.operators.data_dependent import DataDependent
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.unsupported import problems
from sofie_jit.ir.types import DTYPES, TensorType, tensor_type

onnx = pytest.importorskip("onnx")
loader = pytest.importorskip("onnx.backend.test.loader")

SCHEMAS = onnx.defs.get_all_schemas()
CONSTANT_INPUTS: dict[str, tuple[str, ...]] = {
    "Clip": ("min", "max"),
    "CumProd": ("axis",),
    "CumSum": ("axis",),
    "Expand": ("shape",),
    "Pad": ("pads", "constant_value", "axes"),
    "Reshape": ("shape",),
    "Resize": ("roi", "scales", "sizes"),
    "Slice": ("starts", "ends", "axes", "steps"),
    "TopK": ("K",),
    "Upsample": ("scales",),
    **dict.fromkeys(("ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"), ("axes",)),
}
"""Operator -> the attributes that ONNX passes as inputs, after the first input."""

COUNT = "n"
"""The name of the dimension that operators set whose output has a size that depends on the data."""

NO_TENSORS = {"identity_opt", "identity_sequence"}
"""Tests of optional values and sequences."""
REFUSED = {
    *("matmul_1d_1d", "matmul_1d_3d", "matmul_4d_1d"),  # vectors
    *("resize_downsample_scales_linear", "resize_downsample_scales_nearest"),  # smaller images
    *("resize_downsample_scales_cubic", "resize_upsample_scales_cubic"),
    *("resize_downsample_scales_cubic_A_n0p5_exclude_outside", "resize_upsample_scales_cubic_A_n0p5_exclude_outside"),
    *("resize_downsample_scales_linear_half_pixel_symmetric", "resize_upsample_scales_linear_half_pixel_symmetric"),
}
"""Tests that ``infer`` refuses for their shapes or modes."""


@dataclass(frozen=True)
class Case:
    """A node test."""

    name: str
    node: Any
    test: Any
    """ONNX's TestCase; up to ONNX 1.22 it has the path of files with the arrays, later the arrays."""

    def arrays(self, kind: str) -> list[np.ndarray | None]:
        """The inputs or outputs; None for omitted ones."""
        names = self.node.input if kind == "input" else self.node.output
        if self.test.model_dir is None:
            given = iter(self.test.data_sets[0][kind == "output"])
        else:
            data = Path(self.test.model_dir) / "test_data_set_0"
            given = (onnx.load_tensor(data / f"{kind}_{index}.pb") for index in itertools.count())
        arrays = [next(given) if name else None for name in names]
        return [onnx.numpy_helper.to_array(a) if isinstance(a, onnx.TensorProto) else a for a in arrays]

    def attributes(self) -> dict[str, Any]:
        """ONNX's attributes."""
        values = {a.name: onnx.helper.get_attribute_value(a) for a in self.node.attribute}
        return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}


NAMES = sorted(all_operators().keys() & {schema.name for schema in SCHEMAS} - {"If", "Loop"})
"""Operators whose attributes are no graphs."""


@functools.cache
def cases() -> dict[str, list[Case]]:
    """Operator -> its tests."""
    found: dict[str, list[Case]] = {}
    for test in loader.load_model_tests(kind="node"):
        nodes = (test.model or onnx.load(Path(test.model_dir) / "model.onnx")).graph.node
        if len(nodes) == 1 and nodes[0].op_type in NAMES:
            case = Case(test.name.removeprefix("test_"), nodes[0], test)
            found.setdefault(nodes[0].op_type, []).append(case)
    return found


def operator_of(case: Case, inputs: list[np.ndarray | None]) -> ROperator:
    """The operator of a node, with the inputs that are attributes here."""
    name, given = case.node.op_type, case.attributes()
    for attribute, array in zip(CONSTANT_INPUTS.get(name, ()), inputs[1:], strict=False):
        if array is not None:
            given[attribute] = array.item() if array.ndim == 0 else array.tolist()
    if name in ("RNN", "GRU", "LSTM"):
        given["layout"] = 1
    if name == "Transpose":
        given.setdefault("perm", range(inputs[0].ndim)[::-1])
    if name == "TopK":
        (given["K"],) = given["K"]
    if name in ("Cast", "BitCast"):
        given["to"] = onnx.helper.tensor_dtype_to_np_dtype(given["to"]).name
    if name == "Resize" and "scales" in given:
        given["scales"] = given["scales"][2:]
    if issubclass(all_operators()[name], DataDependent):
        given["count"] = COUNT
    known = all_operators()[name].__dataclass_fields__
    return all_operators()[name](**{attribute: value for attribute, value in given.items() if attribute in known})


def batch_first(arrays: list[np.ndarray | None], sequences: tuple[int, ...], states: tuple[int, ...]) -> list[Any]:
    """Arrays of a recurrent operator with ``layout=0`` as for ``layout=1``."""
    arrays = list(arrays)
    for index in sequences + states:
        if index < len(arrays) and arrays[index] is not None:
            arrays[index] = np.moveaxis(arrays[index], -2, 0)
    return arrays


def prepared(case: Case) -> tuple[ROperator, list[np.ndarray | None], list[np.ndarray | None]] | None:
    """The operator, its inputs and the expected outputs; None if it cannot represent the test."""
    if case.name in NO_TENSORS or case.attributes().get("direction") == "bidirectional":
        return None
    inputs, outputs = case.arrays("input"), case.arrays("output")
    name = case.node.op_type
    used = case.attributes()
    if name in ("LSTM", "Resize"):
        operands = onnx.defs.get_schema(name).inputs
        used |= {p.name: True for p, array in zip(operands, inputs, strict=False) if array is not None and array.size}
    if problems(name, used):
        return None
    if any(array is not None and array.dtype.name not in DTYPES for array in [*inputs, *outputs]):
        return None
    operator = operator_of(case, inputs)
    if name in ("RNN", "GRU", "LSTM") and not case.attributes().get("layout", 0):
        inputs = batch_first(inputs, (0,), (5, 6))
        outputs = batch_first(outputs, (0,), (1, 2))
    operands_here = inputs[:1] if name in CONSTANT_INPUTS else inputs
    return operator, operands_here, outputs


def sizes_set(operator: ROperator, inputs: Sequence[TensorType | None], expected: np.ndarray | None) -> dict[str, int]:
    """The run-time dimension that an operator sets, as ONNX's first output has it; it must be within its bound."""
    if not isinstance(operator, DataDependent):
        return {}
    first = operator.infer(*inputs)
    shape = (first[0] if isinstance(first, tuple) else first).shape
    count = expected.shape[shape.index(operator.dim)]
    assert count <= operator.sets_sizes(*inputs)[COUNT]
    return {COUNT: count}


def in_float64(array: np.ndarray | None) -> np.ndarray | None:
    return array.astype(np.float64) if array is not None and array.dtype == np.float32 else array


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_node_tests(name: str, dtype: str) -> None:
    refused, evaluated = set(), 0
    for case in cases().get(name, []):
        found = prepared(case)
        if found is None:
            continue
        operator, inputs, outputs = found
        if dtype == "float64":
            inputs, outputs = list(map(in_float64, inputs)), list(map(in_float64, outputs))
            operator.retype({"float32": "float64"})
        try:
            given = [None if array is None else tensor_type(array) for array in inputs]
            types = operator.infer(*given)
        except DtypeError:
            continue
        except ShapeError:
            refused.add(case.name)
            continue
        with np.errstate(all="ignore"):
            results = operator.evaluate(*inputs)
        evaluated += 1
        sizes = sizes_set(operator, given, outputs[0])
        several = isinstance(types, tuple)
        for result, kind, expected in zip(
            results if several else [results], types if several else [types], outputs, strict=False
        ):
            known = TensorType(kind.dtype, bind_shape(kind.shape, sizes))
            assert tensor_type(np.asarray(result)) == known, case.name
            if expected is not None:
                np.testing.assert_allclose(result, expected, case.test.rtol, case.test.atol, err_msg=case.name)
    assert refused == REFUSED & {case.name for case in cases().get(name, [])}
    assert evaluated


def test_most_node_tests_are_evaluated() -> None:
    evaluated = {name: sum(prepared(case) is not None for case in tests) for name, tests in cases().items()}
    assert {name for name, count in evaluated.items() if count == 0} == set()
    assert sum(evaluated.values()) > 480
