"""Write a model as a C++ header.

The header needs a C++17 compiler and nothing else. Its weights are written beside it, as <name>.dat, unless --binary or
--embed-weights say otherwise; the name of the file gives the namespace, TMVA_SOFIE_<name>, unless --namespace does.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sofie_jit.cli import add_model_arguments

EXAMPLES = """\
sofie-jit emit m.h5 -o model.hxx              writes model.hxx and model.dat
sofie-jit emit m.h5 -o model.hxx --embed-weights --dispatch --namespace physics::tagger
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
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument(
        "--binary",
        dest="weights",
        action="store_const",
        const="binary",
        default="text",
        help="write the weights as <name>.bin, smaller and read faster",
    )
    weights.add_argument(
        "--embed-weights",
        dest="weights",
        action="store_const",
        const="embedded",
        help="put the weights into the header",
    )
    parser.add_argument("--namespace", metavar="N", help="the C++ namespace of the Session, such as physics::tagger")
    parser.add_argument(
        "--dispatch",
        action="store_true",
        help="carry code for AVX-512, AVX2 and any other processor, chosen when the program runs",
    )


def _shape(text: str) -> list[int | None]:
    return [None, *(None if size == "?" else int(size) for size in text.split(","))]


def run(args: argparse.Namespace) -> int:
    from sofie_jit.open_model import examine, fixed
    from sofie_jit.parsers.keras import Translation, read_graph
    from sofie_jit.saved_header import SUFFIXES

    translation = Translation(read_graph(args.file, args.config, untrusted=args.untrusted))
    needed = () if args.input_shape else examine(translation)[1]
    rmodel = fixed(translation, needed, args.input_shape)
    header = rmodel.save_header(args.output, weights=args.weights, namespace=args.namespace, dispatch=args.dispatch)
    suffix = SUFFIXES.get(args.weights)
    print(f"wrote {header}{f' and {header.with_suffix(suffix)}' if suffix else ', weights inside'}")
    return 0
