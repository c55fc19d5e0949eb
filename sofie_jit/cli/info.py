"""Show what a model is made of.

Lists the inputs and outputs and the operators the layers were translated to, with output shapes, parameters and
floating-point operations per row (2 for a multiplication with an addition; open dimensions count once). Compiles
nothing. A model that cannot be translated is an error, which says why; see also `check`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from sofie_jit.cli import add_model_arguments

EXAMPLES = """\
sofie-jit info m.h5
sofie-jit info weights.h5 --config architecture.json
sofie-jit info m.keras --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    add_model_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(args: argparse.Namespace) -> int:
    """Prints what the model is made of; 0."""
    from sofie_jit import frontends
    from sofie_jit.frontends.open_dimensions import examine

    translation = frontends.open(args.file, config=args.config, untrusted=args.untrusted)
    (rmodel, *_), needed = examine(translation)
    nodes = {f"{translation.node_word}s": [str(node) for node in translation.nodes()]}
    about = dict(translation.metadata) | describe(rmodel, needed) | nodes
    print(json.dumps(about, indent=1) if args.json else _text(rmodel, about))
    return 0


def describe(rmodel: Any, needed: Sequence[str]) -> dict[str, Any]:
    """What there is to say, ready for JSON. ``needed``: open dimensions that have an example size here."""
    from sofie_jit.models.memory_use import memory_use
    from sofie_jit.passes.pipeline import lower

    labels = rmodel.output_labels or rmodel.outputs
    flops = rmodel.operator_flops()
    return {
        "name": rmodel.name,
        "inputs": [_tensor(name, kind) for name, kind in rmodel.inputs.items()],
        "states": [_tensor(name, kind) for name, kind in rmodel.states.items()],
        "outputs": [_tensor(x, rmodel.tensor_type(name)) for x, name in zip(labels, rmodel.outputs, strict=True)],
        "example_sizes_of": list(needed),
        "operators": [
            {"operator": op, "layer": origin, "output": shape, "parameters": int(count.replace(",", "")), "flops": work}
            for (op, origin, shape, count), work in zip(rmodel.operator_rows(), flops, strict=True)
        ],
        "parameters": sum(values.size for values in rmodel.initialized.values()),
        "flops": sum(flops),
        "memory": memory_use(lower(rmodel)),
    }  # fmt: skip


def _tensor(name: str, kind: Any) -> dict[str, Any]:
    return {"name": name, "dtype": kind.dtype, "shape": list(kind.shape)}


def _text(rmodel: Any, about: dict[str, Any]) -> str:
    from sofie_jit.report import tables

    lines = []
    if about["example_sizes_of"]:
        lines += [
            f"compiled per shape of the inputs; these are example sizes of {', '.join(about['example_sizes_of'])}"
        ]
    for what in ("input", "state", "output"):
        lines += [f"{what:7} {t['name']}: {t['dtype']} ({', '.join(map(str, t['shape']))})" for t in about[f"{what}s"]]
    rows = [(op["operator"], op["layer"], op["output"], f"{op['parameters']:,}", f"{op['flops']:,}")
            for op in about["operators"]]  # fmt: skip
    return "\n".join(
        [
            *lines, "", tables.text([("operator", "from", "output", "parameters", "flops"), *rows], left=3), "",
            f"layers: {len(about['layers'])}, all supported",
            f"parameters: {about['parameters']:,}",
            f"floating-point operations per row: {about['flops']:,}",
            *(f"{line}" for line in about["memory"]),
        ]
    )  # fmt: skip
