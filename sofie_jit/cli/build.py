"""Compile a model to a library that loads without compilation.

The library contains machine code and weights. `run`, `info` and sofie_jit.load take it in place of the model, without
a compiler, cppyy and h5py, and with the same results; C programs use it through sofie_jit.h (see --include-dir). It is
for the processor of this machine, unless --dispatch or --march is given. The C++ compiler is $CXX, or the first of
clang++, g++ and c++ that is installed. A library is code: load only those that you trust.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sofie_jit.cli import add_model_arguments, add_shape_argument, format_options

EXAMPLES = """\
sofie-jit build m.h5 -o m.so
sofie-jit build m.onnx -o m.so --dispatch
sofie-jit build unet.keras -o unet.so --input-shape 256,256,3 --march x86-64-v3"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    add_model_arguments(parser)
    parser.add_argument("-o", "--output", metavar="LIBRARY", required=True, type=Path, help="the library to write")
    add_shape_argument(parser)
    processor = parser.add_mutually_exclusive_group()
    processor.add_argument(
        "--dispatch", action="store_true", help="include code for AVX-512, AVX2 and any other x86-64 processor"
    )
    processor.add_argument("--march", metavar="NAME", help="the processor, as the compiler's option -march names it")


def run(args: argparse.Namespace) -> int:
    """Writes the library; returns 0."""
    from sofie_jit import frontends

    translation = frontends.open(args.file, config=args.config, untrusted=args.untrusted, **format_options(args))
    rmodel = translation()
    path = rmodel.save_library(args.output, dispatch=args.dispatch, march=args.march)
    print(f"wrote {path} ({path.stat().st_size:,} bytes)")
    return 0
