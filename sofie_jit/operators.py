"""The operators of an RModel under their public name: ``from sofie_jit.operators import Gemm, Relu``.

See :mod:`sofie_jit.ir.operators`.
"""

from __future__ import annotations

from typing import Any

from sofie_jit.ir import operators


def __getattr__(name: str) -> Any:
    return dir(operators) if name == "__all__" else getattr(operators, name)


def __dir__() -> list[str]:
    return dir(operators)
