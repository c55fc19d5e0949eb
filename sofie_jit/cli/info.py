"""Show a model's inputs, outputs and operators.

Lists the inputs, the outputs, the open sizes, which each call determines, and the operators that the layers are
translated to, with output shapes, parameters and floating-point operations per row (a multiplication with an addition
counts as 2, an open dimension as 1). Compiles nothing. TorchScript files do not contain the shapes of their inputs,
which determine the operators: --input-shape gives them, and without it the inputs and modules are listed. Of a model
that is compiled for each size or value of an input, the inputs are listed; --input-shape fixes sizes. A model that
cannot be translated is an error; see also `check`.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from sofie_jit.cli import add_model_arguments, add_shape_argument, format_options
from sofie_jit.frontends.base import FactsNeededError

EXAMPLES = """\
sofie-jit info m.h5
sofie-jit info weights.h5 --config architecture.json
sofie-jit info m.keras --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    add_model_arguments(parser)
    add_shape_argument(parser)
    parser.add_argument("--json", action="store_true", help="print the description as JSON")


def run(args: argparse.Namespace) -> int:
    """Prints the description; returns 0."""
    from sofie_jit import frontends

    translation = frontends.open(args.file, config=args.config, untrusted=args.untrusted, **format_options(args))
    if not translation.shapes_known:
        outline = {"metadata": dict(translation.metadata), **translation.outline()}
        print(json.dumps(outline, indent=1) if args.json else _outline_text(outline))
        return 0
    nodes = f"{translation.node_word}s"
    try:
        rmodel = translation()
    except FactsNeededError as error:
        about = _inputs(translation, error)
        print(json.dumps(about, indent=1) if args.json else _inputs_text(about, nodes))
        return 0
    about = {"metadata": dict(translation.metadata), **describe(rmodel)}
    about[nodes] = [str(node) for node in translation.nodes()]
    print(json.dumps(about, indent=1) if args.json else _text(about, nodes))
    return 0


def _inputs(translation: Any, error: FactsNeededError) -> dict[str, Any]:
    """The description of a model whose operators depend on sizes or values of its inputs."""
    from sofie_jit.models.arguments import open_sizes

    return {
        "metadata": dict(translation.metadata),
        "inputs": [_tensor(name, kind) for name, kind in translation.inputs.items()],
        "sizes": open_sizes(translation.inputs),
        "compiled_for_each": sorted(error.names),
        f"{translation.node_word}s": [str(node) for node in translation.nodes()],
    }


def _inputs_text(about: dict[str, Any], nodes: str) -> str:
    return "\n".join(
        [
            *_ends(about),
            f"{nodes}: {len(about[nodes])}",
            f"The operators depend on {', '.join(about['compiled_for_each'])}: load compiles the model for each new",
            "value with which it is called. --input-shape fixes sizes.",
        ]
    )


def describe(rmodel: Any) -> dict[str, Any]:
    """The description, ready for JSON."""
    from sofie_jit.models.arguments import open_sizes
    from sofie_jit.models.memory_use import memory_use
    from sofie_jit.passes.pipeline import lower

    labels = rmodel.output_labels or rmodel.outputs
    flops = rmodel.operator_flops()
    operators = [
        {"operator": op, "origin": origin, "output": shape, "parameters": int(count.replace(",", "")), "flops": work}
        for (op, origin, shape, count), work in zip(rmodel.operator_rows(), flops, strict=True)
    ]
    return {
        "name": rmodel.name,
        "inputs": [_tensor(name, kind) for name, kind in rmodel.inputs.items()],
        "states": [_tensor(name, kind) for name, kind in rmodel.states.items()],
        "sizes": open_sizes(rmodel.inputs),
        "outputs": [_tensor(x, rmodel.tensor_type(name)) for x, name in zip(labels, rmodel.outputs, strict=True)],
        "operators": operators,
        "parameters": sum(values.size for values in rmodel.initialized.values()),
        "flops": sum(flops),
        "memory": memory_use(lower(rmodel)),
    }  # fmt: skip


def _tensor(name: str, kind: Any) -> dict[str, Any]:
    return {"name": name, "dtype": kind.dtype, "shape": [d if isinstance(d, int) else str(d) for d in kind.shape]}


def _outline_text(outline: dict[str, Any]) -> str:
    """A file without the shapes of its inputs."""
    return "\n".join(
        [
            *(f"{key:7} {value}" for key, value in outline["metadata"].items()),
            *(f"input   {given['name']}: {given['type']}, of unknown shape" for given in outline["inputs"]),
            f"modules: {len(outline['modules'])}",
            *(f"  {path}" for path in outline["modules"]),
            f"parameters: {outline['parameters']:,}",
            "The file does not contain the shapes of the inputs, on which the operators depend: give the sizes of each",
            "tensor without the batch, such as --input-shape 16, with ? for an open size.",
        ]
    )


def _text(about: dict[str, Any], nodes: str) -> str:
    from sofie_jit.report import tables

    rows = [(op["operator"], op["origin"], op["output"], f"{op['parameters']:,}", f"{op['flops']:,}")
            for op in about["operators"]]  # fmt: skip
    return "\n".join(
        [
            *_ends(about), "", tables.text([("operator", "from", "output", "parameters", "flops"), *rows], left=3), "",
            f"{nodes}: {len(about[nodes])}, all supported",
            f"parameters: {about['parameters']:,}",
            f"floating-point operations per row: {about['flops']:,}",
            *about["memory"],
        ]
    )  # fmt: skip


def _ends(about: dict[str, Any]) -> list[str]:
    """The lines about the file, the inputs, states and outputs, and the open sizes."""
    lines = [f"{key:7} {value}" for key, value in about["metadata"].items()]
    for what in ("input", "state", "output"):
        given = about.get(f"{what}s", [])
        lines += [f"{what:7} {t['name']}: {t['dtype']} ({', '.join(map(str, t['shape']))})" for t in given]
    if about["sizes"]:
        lines.append(
            "open    "
            + "; ".join(
                f"{size} ({', '.join(f'axis {axis} of {name}' for name, axis in places)})"
                for size, places in about["sizes"].items()
            )
        )
    return lines
