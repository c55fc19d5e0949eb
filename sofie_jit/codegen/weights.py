"""The weights of a saved header: in a text file as SOFIE writes it, in a binary file, or as C++ arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sofie_jit.codegen.expressions import CPP_TYPES, integer_text
from sofie_jit.ir.options import Weights

SUFFIXES: dict[Weights, str] = {"text": ".dat", "binary": ".bin"}
"""Endings of weight files."""

DIGITS = {"float32": ".9g", "float64": ".17g"}
"""Formats with enough digits to read back the same number."""


def stored(values: np.ndarray) -> np.ndarray:
    """The array as it is saved: float16 as its bits."""
    return values.view(np.uint16) if values.dtype == np.float16 else values


def entries(tensors: Mapping[str, np.ndarray]) -> str:
    """The table of the tensors in a weight file."""
    table = "".join(
        f'   {{"{name}", {values.size}, k::element<{CPP_TYPES[values.dtype.name]}>}},\n'
        for name, values in tensors.items()
    )
    return f"""// The tensors of the weight file, in its order.
constexpr k::WeightEntry weight_entries[] = {{
{table or '   {"", 0, k::element<float>},' + chr(10)}}};
"""


def arrays(tensors: Mapping[str, np.ndarray]) -> str:
    """The weights as C++ arrays."""
    tables = []
    for name, values in tensors.items():
        cpp = CPP_TYPES[values.dtype.name]
        texts = numbers(values) or ["0"]
        rows = "".join(f"   {', '.join(texts[i : i + 8])},\n" for i in range(0, len(texts), 8))
        tables.append(f"// {values.shape}\ninline constexpr {cpp} {name}[{max(1, values.size)}] = {{\n{rows}}};\n")
    pointers = "".join(f"   {name},\n" for name in tensors) or "   nullptr,\n"
    return f"{''.join(tables)}inline constexpr const void *embedded_weights[] = {{\n{pointers}}};\n"


def numbers(values: np.ndarray) -> list[str]:
    """C++ literals that read back to the same numbers."""
    kind = values.dtype.name
    if kind == "bool":
        return ["true" if value else "false" for value in values.ravel().tolist()]
    if kind not in DIGITS:
        return [integer_text(value, kind) for value in values.ravel().tolist()]
    suffix, limits = ("f" if kind == "float32" else ""), f"std::numeric_limits<{CPP_TYPES[kind]}>"
    special = {"inf": f"{limits}::infinity()", "-inf": f"-{limits}::infinity()", "nan": f"{limits}::quiet_NaN()"}
    texts = [format(value, DIGITS[kind]) for value in values.ravel().tolist()]
    return [special.get(t) or (t if re.search(r"[.e]", t) else t + ".0") + suffix for t in texts]


def write_text(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """SOFIE's format: per tensor a line with name and length, then its values."""
    with path.open("w") as file:
        for name, values in tensors.items():
            digits = DIGITS.get(values.dtype.name, "d")
            file.write(f"{name} {values.size}\n{' '.join(format(v, digits) for v in values.ravel().tolist())}\n")


def write_binary(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """As :func:`write_text`, with little-endian bytes; the first line distinguishes it from a text file."""
    with path.open("wb") as file:
        file.write(b"sofie-jit weights 1\n")
        for name, values in tensors.items():
            file.write(f"{name} {values.size} {values.dtype.name}\n".encode())
            file.write(values.astype(values.dtype.newbyteorder("<")).tobytes())
            file.write(b"\n")
