"""Compare a model's outputs, and the time of a call, with those of its framework.

Needs that framework: Keras and TensorFlow, ONNX Runtime or PyTorch; files of Keras 2 are run by tf_keras if it is
installed. The network in a compiled library is evaluated in numpy. Without INPUT, the inputs are random numbers that
fit the model. The exit code is 1 if the outputs differ by more than rounding.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from sofie_jit.cli import (
    THREADS,
    add_model_arguments,
    add_shape_argument,
    format_options,
    list_of,
    positive,
    say_written,
)
from sofie_jit.cli.inputs import add_input_arguments, files_of, read, shapes_to_read
from sofie_jit.errors import InputError
from sofie_jit.report.output_file import figure_file

EXAMPLES = """\
sofie-jit compare m.h5
sofie-jit compare m.keras --layers --plot differences.png
sofie-jit compare two_inputs.h5 jets.npy tracks.npy --batch 1,100
sofie-jit compare m.h5 --no-times --json"""

ABSENT = {"--untrusted": "the model's framework reads the file, too, without limits of memory and time"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    add_model_arguments(parser, untrusted=False)  # the library reads the file, too, without limits
    add_shape_argument(parser)
    add_input_arguments(parser)
    parser.add_argument("--rows", metavar="N", type=positive, help="rows of random numbers (at most 256 by default)")
    parser.add_argument("--layers", action="store_true", help="also compare the output of every layer, for 16 rows")
    times = parser.add_mutually_exclusive_group()
    times.add_argument("--batch", metavar="ROWS,...", type=list_of(positive), help="rows per measured call")
    times.add_argument("--no-times", action="store_true", help="do not measure the time")
    parser.add_argument(
        "--threads",
        metavar="N",
        type=positive,
        help=f"threads of sofie_jit {THREADS}",
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--plot", metavar="IMAGE", type=Path, help="also draw the results to a .svg, .png or .pdf file")


def run(args: argparse.Namespace) -> int:
    """Prints differences and times; returns 1 if the outputs differ by more than rounding."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # otherwise TensorFlow prints information about the machine
    from sofie_jit import frontends
    from sofie_jit.verification.comparison import compare

    if args.plot:
        figure_file(args.plot)
    x = None
    if files := files_of(args, instead="--rows"):
        translation = frontends.open(args.file, config=args.config, **format_options(args))
        x = read(shapes_to_read(translation, files), files, args.columns)
        if any(array.shape[:1] == (0,) for array in x.values()):
            raise InputError("the inputs have no rows: compare needs at least one")
    found = compare(
        args.file,
        x,
        config=args.config,
        **format_options(args),
        rows=args.rows,
        layers=args.layers,
        batches=[] if args.no_times else args.batch,
        threads=args.threads,
    )
    print(json.dumps(found.as_dict(), indent=1) if args.json else found)
    if args.plot:
        found.plot().savefig(args.plot)
        say_written(args.plot, args.json)
    return 0 if found else 1
