"""Measure the time of each operator of a model.

Runs the model many times on one thread and lists its operators with their time, their share of the total, their
floating-point operations per second and their memory traffic, and the time of a whole call of infer for comparison.
Without INPUT, the inputs are random numbers. The network in a compiled library is compiled again, because its machine
code reads no clock. Both times are taken in turns, from the fastest tenth of the calls. On a busy machine they are
larger and less exact.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sofie_jit.cli import add_model_arguments, add_shape_argument, format_options, positive, say_written
from sofie_jit.cli.inputs import add_input_arguments, files_of, read, shapes_of
from sofie_jit.report.output_file import figure_file

EXAMPLES = """\
sofie-jit profile m.h5
sofie-jit profile m.h5 --batch 1024 --plot m.svg
sofie-jit profile two_inputs.h5 jets.npy tracks.npy"""

ABSENT = {"--rows": "give --batch", "--threads": "the operators are measured on one thread"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    add_model_arguments(parser)
    add_shape_argument(parser)
    add_input_arguments(parser)
    parser.add_argument("--batch", metavar="ROWS", type=_batch, help="rows of random numbers, one size (default: 1)")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument(
        "--plot",
        metavar="IMAGE",
        type=Path,
        help="also draw the results, as .svg, .png or .pdf (needs matplotlib)",
    )


def _batch(text: str) -> int:
    if "," in text:
        raise argparse.ArgumentTypeError(f"'{text}' is a list: profile takes one size (bench and compare take several)")
    return positive(text)


def run(args: argparse.Namespace) -> int:
    """Prints the table of operators; returns 0."""
    from sofie_jit import loading
    from sofie_jit.verification.random_inputs import random_inputs

    files = files_of(args, instead="--batch")
    if args.plot:
        figure_file(args.plot)
    model = loading.load(args.file, config=args.config, untrusted=args.untrusted, **format_options(args))
    if files:
        inputs = list(read(shapes_of(model, files), files, args.columns).values())
    else:
        inputs = random_inputs(model, args.batch or 1)
    found = model.profile(*inputs)
    if args.json:
        print(
            json.dumps(
                {
                    "seconds": found.seconds,
                    "operator_seconds": found.operator_seconds,
                    "peak": found.peak,
                    "operators": found.records,
                },
                indent=1,
            )
        )
    else:
        print(found)
    if args.plot:
        found.plot().figure.savefig(args.plot)
        say_written(args.plot, args.json)
    return 0
