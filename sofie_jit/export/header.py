"""Writes an RModel as a C++ header."""

from __future__ import annotations

import os
from pathlib import Path

from sofie_jit.codegen.print_header import write_header
from sofie_jit.codegen.self_test import Reference
from sofie_jit.ir.options import Optimize, Weights
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.pipeline import lower


def save_header(
    rmodel: RModel,
    path: str | os.PathLike[str],
    *,
    weights: Weights = "text",
    namespace: str | None = None,
    dispatch: bool = False,
    optimize: Optimize = True,
    reference: Reference | None = None,
) -> Path:
    """Lowers a network and writes it as a header; see :meth:`RModel.save_header`.

    ``reference``: what the self test of the header compares with; None leaves the test out.
    """
    rmodel.generate()
    lowered = lower(rmodel, optimize)
    return write_header(
        lowered, Path(path), weights=weights, namespace=namespace, dispatch=dispatch, reference=reference
    )
