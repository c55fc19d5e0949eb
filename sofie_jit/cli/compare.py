"""Compare a model with Keras: its answers, layer by layer if asked, and the time of a call.

Needs Keras and TensorFlow; files of Keras 2 are read by tf_keras if it is installed. Without --input, the model runs
on random numbers that fit. Exit code 1 if the answers differ by more than rounding.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from sofie_jit.cli import add_model_arguments, list_of, positive
from sofie_jit.cli.arrays import array_file, read

EXAMPLES = """\
sofie-jit compare m.h5
sofie-jit compare m.keras --layers --plot differences.png
sofie-jit compare two_inputs.h5 --input jets.npy tracks.npy --batch 1,100
sofie-jit compare m.h5 --no-times --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    add_model_arguments(parser, untrusted=False)  # Keras reads the file, too, and has no such mode
    data = parser.add_mutually_exclusive_group()
    data.add_argument("--rows", metavar="N", type=positive, help="rows of random numbers (default at most 256)")
    data.add_argument("--input", metavar="INPUT", nargs="+", type=array_file, help="arrays to run on")
    parser.add_argument("--layers", action="store_true", help="also compare the output of every layer")
    times = parser.add_mutually_exclusive_group()
    times.add_argument("--batch", metavar="ROWS,...", type=list_of(positive), help="rows per call to measure")
    times.add_argument("--no-times", action="store_true", help="measure nothing")
    parser.add_argument("--threads", metavar="N", type=positive, help="threads of sofie_jit (default all cores)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--plot", metavar="IMAGE", type=Path, help="draw them too: .svg, .png or .pdf")


def run(args: argparse.Namespace) -> int:
    """Prints how far it is from Keras, and how fast; 1 if it is too far."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # or TensorFlow reports on this machine
    import sofie_jit

    x = None if args.input is None else [read(path) for path in args.input]
    found = sofie_jit.compare(
        args.file,
        x[0] if x and len(x) == 1 else x,
        config=args.config,
        rows=args.rows,
        layers=args.layers,
        batches=[] if args.no_times else args.batch,
        threads=args.threads,
    )
    print(json.dumps(found.as_dict(), indent=1) if args.json else found)
    if args.plot:
        found.plot().savefig(args.plot)
    return 0 if found else 1
