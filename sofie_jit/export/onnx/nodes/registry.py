"""The table of rules, and the rules of operators that are nodes of ONNX as they are."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Collection
from typing import Any, NamedTuple, TypeVar

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.export.onnx.graph import GraphWriter
from sofie_jit.ir.operators.operator import ROperator

Function = TypeVar("Function", bound=Callable[..., Any])


class Rule(NamedTuple):
    """How an operator becomes nodes."""

    function: Callable[..., Any]
    elementwise: bool
    """Whether it may be computed with another order of the axes, the same for all inputs."""


RULES: dict[str, Rule] = {}
"""Operator -> rule; :func:`rule` fills it."""

REFUSED = {
    "BitCast": "ONNX has it from opset 26 on, which runtimes do not support yet",
    "BesselI0": "ONNX has no Bessel functions",
    "CrossHashed": "ONNX does not hash integers",
    "Gcd": "ONNX has no greatest common divisor",
    "HashBucket": "ONNX does not hash integers",
    "Lcm": "ONNX has no least common multiple",
    "NextAfter": "ONNX has no function for the next representable number",
    "PairwiseCoupling": "SVMClassifier is an operator of ai.onnx.ml, which save_onnx does not write",
    "DecisionTrees": "decision trees are operators of ai.onnx.ml, which save_onnx does not write",
}
"""Operator -> why no nodes of ONNX compute it."""
NOT_FLOAT64 = {"DequantizeLinear", "NonMaxSuppression", "QuantizeLinear", "Requantize"}
"""Operators that ONNX defines for float32 and narrower types only."""


def rule(*op_types: str, elementwise: bool = False) -> Callable[[Function], Function]:
    """Registers the rule of operators."""

    def register(function: Function) -> Function:
        RULES.update(dict.fromkeys(op_types, Rule(function, elementwise)))
        return function

    return register


@functools.cache
def _load() -> None:
    package = importlib.import_module("sofie_jit.export.onnx.nodes")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")


def rule_of(op: ROperator, dtypes: Collection[str] = ()) -> Rule:
    """The rule of an operator with inputs and outputs of ``dtypes``. Raises UnsupportedLayerError if it has none."""
    _load()
    if op.op_type in NOT_FLOAT64 and "float64" in dtypes:
        reason = "ONNX defines it for float32, not for float64; save the model in float32"
    elif op.op_type in RULES:
        return RULES[op.op_type]
    else:
        reason = REFUSED.get(op.op_type, "there is no rule for it in sofie_jit/export/onnx/nodes")
    where = f" of {op.origin}" if op.origin else ""
    raise UnsupportedLayerError(f"{op.op_type}{where} cannot be saved as ONNX: {reason}")


@rule(
    "Abs", "Acos", "Acosh", "Add", "Asin", "Asinh", "Atan", "Atanh", "BitwiseAnd", "BitwiseNot", "BitwiseOr",
    "BitwiseXor", "Ceil", "Cos", "Cosh", "Elu", "Equal", "Erf", "Exp", "Floor", "Greater", "GreaterOrEqual",
    "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Mean", "Min", "Mish",
    "Mul", "Neg", "Not", "PRelu", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin",
    "Sinh", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Tan", "Tanh", "Where",
    elementwise=True,
)  # fmt: skip
@rule("ConvInteger", "GatherElements", "Gemm", "LogSoftmax", "MatMul", "MatMulInteger", "Softmax", "Transpose")
def direct(g: GraphWriter, op: ROperator, *inputs: str) -> Any:
    """The node of the same name with the same attributes."""
    return g(op.op_type, *inputs, **op.attributes())
