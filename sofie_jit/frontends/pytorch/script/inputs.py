"""The inputs of a TorchScript module: parameters of ``forward``, with shapes and types that the user gives."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import OptionError, UnsupportedLayerError
from sofie_jit.frontends.pytorch.values import check_dtype
from sofie_jit.ir.dims import BATCH, Dim, SymbolicDim
from sofie_jit.ir.types import TensorType

HINT = (
    "TorchScript files do not contain the shapes of inputs: give one per tensor, input_shapes=[(None, 16)], with None "
    "for open sizes (on the command line: --input-shape 16)"
)


class Parameter:
    """A parameter of ``forward``: its name, and the tensors in it."""

    def __init__(self, name: str, kind: ast.expr | None, default: ast.expr | None):
        self.name = name
        self.kind = "Tensor" if kind is None else ast.unparse(kind)
        self.optional = default is not None or self.kind.startswith("Optional[")
        inner = (
            self.kind.removeprefix("Optional[").removesuffix("]") if self.kind.startswith("Optional[") else self.kind
        )
        self.count: int | None = 1
        """The number of tensors; None for a list of any number."""
        self.is_list = False
        if inner == "List[Tensor]":
            self.count, self.is_list = None, True
        elif inner.startswith("Tuple[") and set(inner[6:-1].split(", ")) == {"Tensor"}:
            self.count, self.is_list = len(inner[6:-1].split(", ")), True
        elif inner != "Tensor":
            self.count = 0

    def names(self, count: int) -> list[str]:
        """Names of ``count`` tensors."""
        return [f"{self.name}_{index}" for index in range(count)] if self.is_list else [self.name] * count


def parameters(forward: ast.FunctionDef) -> list[Parameter]:
    """The parameters of ``forward`` without ``self``. Raises UnsupportedLayerError for one that takes no tensor."""
    arguments = forward.args.args[1:]
    defaults: list[ast.expr | None] = [None] * (len(arguments) - len(forward.args.defaults))
    found = [
        Parameter(argument.arg, argument.annotation, default)
        for argument, default in zip(arguments, [*defaults, *forward.args.defaults[-len(arguments) :]], strict=False)
    ]
    for parameter in found:
        if parameter.count == 0 and not parameter.optional:
            raise UnsupportedLayerError(
                f"input '{parameter.name}' ({parameter.kind}): inputs must be tensors, or lists or tuples of tensors"
            )
    return found


def input_types(
    found: Sequence[Parameter],
    shapes: Sequence[Sequence[Any]] | Mapping[str, Sequence[Any]] | None,
    dtypes: Sequence[str] | str | None,
) -> dict[str, TensorType]:
    """Name -> type of each tensor. Raises OptionError if the shapes or types do not fit the parameters."""
    if shapes is None:
        raise OptionError(described(found))
    names = names_of(found, len(shapes))
    if isinstance(shapes, Mapping):
        if sorted(shapes) != sorted(names):
            raise OptionError(f"input_shapes= has shapes of {', '.join(shapes)}; the inputs are {', '.join(names)}")
        shapes = [shapes[name] for name in names]
    kinds = (
        ["float32"] * len(names)
        if dtypes is None
        else [dtypes] * len(names)
        if isinstance(dtypes, str)
        else list(dtypes)
    )
    if len(kinds) != len(names):
        raise OptionError(f"input_dtypes= has {len(kinds)} types for {len(names)} inputs")
    types = {}
    for name, given, dtype in zip(names, shapes, kinds, strict=True):
        check_dtype(str(dtype), f"input '{name}'")
        types[name] = TensorType(str(dtype), tuple(_dim(name, axis, size) for axis, size in enumerate(given)))
    return types


def described(found: Sequence[Parameter]) -> str:
    """The parameters and how to give their shapes, for a message."""
    listed = ", ".join(f"{parameter.name}: {parameter.kind}" for parameter in found)
    return f"The inputs are {listed}. {HINT}"


def shapes_of(arrays: Sequence[np.ndarray]) -> list[tuple[int | None, ...]]:
    """The shapes of arrays, in which the first size of the first array is open wherever it is a first size."""
    first = next((array.shape[0] for array in arrays if array.ndim), None)
    return [(None if array.shape[0] == first else array.shape[0], *array.shape[1:]) if array.ndim else ()
            for array in arrays]  # fmt: skip


def names_of(found: Sequence[Parameter], count: int) -> list[str]:
    """Names of ``count`` tensors; optional parameters at the end may get none."""
    required = [parameter for parameter in found if parameter.count != 0]
    while required and sum(parameter.count or 1 for parameter in required) > count and required[-1].optional:
        required.pop()
    fixed = sum(parameter.count or 0 for parameter in required)
    lists = [parameter for parameter in required if parameter.count is None]
    if (not lists and fixed != count) or len(lists) > 1 or fixed + len(lists) > count:
        listed = ", ".join(f"{parameter.name}: {parameter.kind}" for parameter in found)
        raise OptionError(f"input_shapes= has {count} shapes; the inputs are {listed}")
    return [name for p in required for name in p.names(count - fixed if p.count is None else p.count)]


def _dim(name: str, axis: int, size: Any) -> Dim:
    if size is None:
        return BATCH if axis == 0 else SymbolicDim(f"{name}_{axis}")
    if isinstance(size, (str, SymbolicDim)):
        return SymbolicDim(str(size))
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise OptionError(
            f"input_shapes=: axis {axis} of '{name}' has the size {size!r}; expected a number, a name or None"
        )
    return size


def arguments(found: Sequence[Parameter], tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of ``forward`` from tensors by name."""
    values: dict[str, Any] = {}
    for parameter in found:
        if parameter.is_list:
            parts = list(_numbered(parameter.name, tensors))
            if parts:
                values[parameter.name] = parts if parameter.count is None else tuple(parts)
        elif parameter.name in tensors:
            values[parameter.name] = tensors[parameter.name]
        if parameter.name not in values and parameter.optional and parameter.kind.startswith("Optional["):
            values[parameter.name] = None
    return values


def _numbered(name: str, tensors: Mapping[str, Any]) -> Iterator[Any]:
    index = 0
    while f"{name}_{index}" in tensors:
        yield tensors[f"{name}_{index}"]
        index += 1
