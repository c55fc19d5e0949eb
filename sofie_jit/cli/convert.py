"""Write a model as an ONNX file.

The file has opset 18, or a newer one if an operator needs it. It keeps the names of inputs and outputs; open
dimensions have names, such as batch. TensorFlow and the onnx package are not needed. If the weights exceed 2 GB, they
go to a second file, <ONNX>.data.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sofie_jit.cli import add_model_arguments, add_shape_argument, format_options
from sofie_jit.report.output_file import with_suffix

EXAMPLES = """\
sofie-jit convert m.h5 m.onnx
sofie-jit convert m.h5 -o m.onnx
sofie-jit convert unet.keras unet.onnx --input-shape 256,256,3"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    add_model_arguments(parser)
    parser.add_argument("output", metavar="ONNX", type=Path, nargs="?", help="the file to write")
    parser.add_argument("-o", "--output", dest="option", metavar="ONNX", type=Path, help="the same, as an option")
    add_shape_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Writes the file; returns 0."""
    from sofie_jit import frontends

    if (args.output is None) == (args.option is None):
        args.parser.error("give the file to write once: ONNX or -o ONNX")
    output = args.output or args.option
    with_suffix(output, (".onnx",), "an ONNX file")
    translation = frontends.open(args.file, config=args.config, untrusted=args.untrusted, **format_options(args))
    rmodel = translation()
    print(f"wrote {rmodel.save_onnx(output)}")
    return 0
