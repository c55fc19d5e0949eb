"""The self test of a saved header: reference inputs and outputs, and the C++ function that compares with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sofie_jit.codegen.expressions import CPP_TYPES
from sofie_jit.codegen.identifiers import comment, literal
from sofie_jit.codegen.weights import numbers, stored
from sofie_jit.ir.rmodel import RModel
from sofie_jit.records import dataclass


@dataclass(frozen=True)
class Reference:
    """The inputs that a self test gives a network, and the outputs it expects."""

    dims: dict[str, int]
    """Sizes of the run-time dimensions."""
    inputs: list[np.ndarray]
    outputs: list[np.ndarray]
    """Computed in float64."""
    tolerances: list[float]
    """Per output the largest allowed difference, relative to the largest magnitude."""


def self_test(rmodel: RModel, names: Mapping[str, str], dims: Sequence[str], found: int, reference: Reference) -> str:
    """A C++ function that evaluates the reference. Its arrays are local: a program that does not call it lacks them.

    ``names``: C++ names of inputs; ``dims``: run-time dimensions in the order of ``infer``'s arguments; ``found``: the
    number of sizes that a call returns.
    """
    lines, checks, conversions = [], [], []
    for (name, kind), values in zip(rmodel.inputs.items(), reference.inputs, strict=True):
        cpp = CPP_TYPES[kind.dtype]
        lines += _table(f"static const {cpp} {names[name]}[]", numbers(stored(np.asarray(values, kind.dtype))))
    for number, (name, values) in enumerate(zip(rmodel.outputs, reference.outputs, strict=True)):
        dtype, got = rmodel.tensor_type(name).dtype, f"got{number}.get()"
        cpp = CPP_TYPES[dtype]
        lines += _table(f"static const double want{number}[]", numbers(np.asarray(values, np.float64)))
        lines.append(f"const std::unique_ptr<{cpp}[]> got{number}(new {cpp}[{max(1, values.size)}]);")
        if dtype == "float16":
            got = f"number{number}.get()"
            conversions += [
                f"const std::unique_ptr<float[]> number{number}(new float[{max(1, values.size)}]);",
                f"k::from_float16({values.size}, got{number}.get(), {got});",
            ]
        checks.append(
            f"k::agree({literal(comment(name))}, {got}, want{number}, {values.size}, "
            f"{reference.tolerances[number]:.3g}, what)"
        )
    sizes = [str(reference.dims[name]) for name in dims]
    results = [f"got{number}.get()" for number in range(len(reference.outputs))]
    if found:
        lines.append(f"std::size_t found[{found}];")
        results.append("found")
    arguments = ", ".join([*sizes, *(names[name] for name in rmodel.inputs), *results])
    body = "\n".join(f"   {line}" for line in [*lines, f"Session::check(session.run({arguments}));", *conversions])
    return f"""
// Whether a session gives what the network gave, in double precision, for one input when this header was written, to
// within rounding; if not, `what`, unless null, is told what differs. Call it once wherever the program is to run.
inline bool self_test(const Session &session = Session(), std::string *what = nullptr)
{{
{body}
   return {" && ".join(checks)};
}}

"""


def _table(declared: str, texts: Sequence[str]) -> list[str]:
    rows = [f"   {', '.join(texts[i : i + 8])}," for i in range(0, len(texts), 8)]
    return [f"{declared} = {{", *(rows or ["   0,"]), "};"]
