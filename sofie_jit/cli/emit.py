"""Write a model as a C++ header.

The header needs a C++17 compiler and nothing else. Its weights are written beside it, as <name>.dat; the name of the
file gives the namespace, TMVA_SOFIE_<name>.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sofie_jit.cli import add_model_arguments

EXAMPLES = """\
sofie-jit emit m.h5 -o model.hxx              writes model.hxx and model.dat"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    parser.add_argument("-o", "--output", metavar="HEADER", required=True, type=Path, help="the header to write")


def run(args: argparse.Namespace) -> int:
    from sofie_jit.parsers.keras import parse

    header = parse(args.file, config=args.config).save_header(args.output)
    print(f"wrote {header} and {header.with_suffix('.dat')}")
    return 0
