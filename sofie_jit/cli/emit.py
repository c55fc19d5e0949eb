"""Write a model as a C++ header.

The header needs a C++17 compiler and nothing else. Its weights are written beside it, as <name>.dat; the name of the
file gives the namespace, TMVA_SOFIE_<name>.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sofie_jit.cli import add_model_arguments

EXAMPLES = """\
sofie-jit emit m.h5 -o model.hxx              writes model.hxx and model.dat
sofie-jit emit unet.keras -o unet.hxx --input-shape 256,256,3"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    parser.add_argument("-o", "--output", metavar="HEADER", required=True, type=Path, help="the header to write")
    parser.add_argument(
        "--input-shape",
        metavar="SIZES",
        action="append",
        type=_shape,
        help="sizes for an input with open dimensions, without the batch: 224,224,3; once per input, ? stays open",
    )


def _shape(text: str) -> list[int | None]:
    return [None, *(None if size == "?" else int(size) for size in text.split(","))]


def run(args: argparse.Namespace) -> int:
    from sofie_jit.open_model import examine, fixed
    from sofie_jit.parsers.keras import Translation, read_graph

    translation = Translation(read_graph(args.file, args.config))
    needed = () if args.input_shape else examine(translation)[1]
    header = fixed(translation, needed, args.input_shape).save_header(args.output)
    print(f"wrote {header} and {header.with_suffix('.dat')}")
    return 0
