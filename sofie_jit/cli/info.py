"""Show what a model is made of.

Lists the inputs and outputs and the operators the layers were translated to, with output shapes and parameters.
Compiles nothing.
"""

from __future__ import annotations

import argparse

from sofie_jit.cli import add_model_arguments

EXAMPLES = """\
sofie-jit info m.h5
sofie-jit info weights.h5 --config architecture.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from sofie_jit.open_model import examine, example_summary
    from sofie_jit.parsers.keras import Translation, read_graph

    (rmodel, *_), needed = examine(Translation(read_graph(args.file, args.config)))
    print(example_summary(rmodel, needed))
    return 0
