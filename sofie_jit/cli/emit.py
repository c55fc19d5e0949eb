"""Write a model as a C++ header.

The header needs a C++17 compiler and nothing else. Its weights are written next to it, as <name>.dat, unless --binary
or --embed-weights is given. The namespace is TMVA_SOFIE_<name>, after the name of the header, unless --namespace is
given. With - for HEADER, the header is printed with embedded weights and the name of FILE.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from sofie_jit.cli import add_model_arguments, add_shape_argument, format_options, input_paths
from sofie_jit.cli.arrays import STANDARD_OUTPUT
from sofie_jit.errors import InputError
from sofie_jit.report.output_file import refuse_input

EXAMPLES = """\
sofie-jit emit m.h5 -o m.hxx                  writes m.hxx and m.dat
sofie-jit emit m.h5 -o m.hxx --embed-weights --dispatch --namespace physics::tagger
sofie-jit emit m.h5 -o - | head -30
sofie-jit emit unet.keras -o unet.hxx --input-shape 256,256,3"""

ABSENT = {"--march": "the compiler of the header takes -march; see also --dispatch"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    add_model_arguments(parser)
    parser.add_argument(
        "-o", "--output", metavar="HEADER", required=True, type=Path, help="the header to write; - prints it"
    )
    add_shape_argument(parser)
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument(
        "--binary",
        dest="weights",
        action="store_const",
        const="binary",
        default="text",
        help="write the weights as <name>.bin, which is smaller and faster to read",
    )
    weights.add_argument(
        "--embed-weights",
        dest="weights",
        action="store_const",
        const="embedded",
        help="embed the weights in the header",
    )
    parser.add_argument("--namespace", metavar="N", help="the C++ namespace of the Session, such as physics::tagger")
    parser.add_argument(
        "--dispatch",
        action="store_true",
        help="include code for AVX-512, AVX2 and any other processor; the program selects at run time",
    )
    parser.add_argument(
        "--self-test",
        action="store_true",
        help="include reference values and a function self_test() that checks them",
    )


def run(args: argparse.Namespace) -> int:
    """Writes the header and its weights; returns 0."""
    from sofie_jit import frontends
    from sofie_jit.codegen.print_header import header_file
    from sofie_jit.codegen.weights import SUFFIXES

    if args.output != STANDARD_OUTPUT:
        header_file(args.output)
        if suffix := SUFFIXES.get(args.weights):
            refuse_input(args.output.with_suffix(suffix), input_paths(args))
    translation = frontends.open(args.file, config=args.config, untrusted=args.untrusted, **format_options(args))
    rmodel = translation()
    header_options = {"namespace": args.namespace, "dispatch": args.dispatch, "self_test": args.self_test}
    if args.output == STANDARD_OUTPUT:
        if args.weights == "binary":
            raise InputError("-o - prints the header with its weights embedded: omit --binary")
        with tempfile.TemporaryDirectory() as directory:
            printed = Path(directory) / f"{Path(args.file).stem}.hxx"
            rmodel.save_header(printed, weights="embedded", **header_options)
            sys.stdout.write(printed.read_text())
        return 0
    header = rmodel.save_header(args.output, weights=args.weights, **header_options)
    suffix = SUFFIXES.get(args.weights)
    print(f"wrote {header}{f' and {header.with_suffix(suffix)}' if suffix else ', weights inside'}")
    return 0
