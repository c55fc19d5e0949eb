"""Types of tensors as values of JSON."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

from sofie_jit.ir.dims import Dim, SymbolicDim, maximum, minimum
from sofie_jit.ir.types import TensorType


def encode_type(kind: TensorType) -> list[Any]:
    """A type as JSON: its element type and its sizes, numbers or texts."""
    return [kind.dtype, [dim if isinstance(dim, int) else str(dim) for dim in kind.shape]]


def decode_type(data: Any) -> TensorType:
    """The inverse of :func:`encode_type`."""
    dtype, shape = data
    return TensorType(dtype, tuple(decode_dim(dim) if isinstance(dim, str) else int(dim) for dim in shape))


def decode_dim(text: str) -> Dim:
    """The dimension that is printed as ``text``.

    >>> decode_dim("2*((n + 1)//2)"), decode_dim("min(n, 7) - 1")
    (2*((n + 1)//2), min(n, 7) - 1)
    """
    return SymbolicDim(text) if text.isidentifier() else _evaluate(ast.parse(text, mode="eval").body)


_OPERATORS: dict[type, Callable[..., Dim]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


def _evaluate(node: Any) -> Dim:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.Name):
        return SymbolicDim(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluate(node.operand)
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_evaluate(node.left), _evaluate(node.right))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return {"min": minimum, "max": maximum}[node.func.id](*map(_evaluate, node.args))
    raise ValueError(f"'{ast.unparse(node)}' is not a dimension")
