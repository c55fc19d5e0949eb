"""Report whether a model can be loaded, layer by layer.

Compiles nothing. Prints the reason for each layer that cannot be translated, and what to do. The exit code is 1 if
a layer cannot be translated.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from sofie_jit.cli import add_model_arguments, add_shape_argument, format_options
from sofie_jit.cli.options import in_options

EXAMPLES = """\
sofie-jit check m.h5
sofie-jit check m.keras --json
sofie-jit check from_the_internet.h5 --untrusted"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    add_model_arguments(parser)
    add_shape_argument(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Prints the report; returns 1 if the model cannot be loaded."""
    from sofie_jit import loading

    report = loading.check(args.file, config=args.config, untrusted=args.untrusted, **format_options(args))
    if args.json:
        print(json.dumps({"ok": report.ok} | asdict(report), indent=1))
    else:
        print(in_options(str(report), args.parser))
    return 0 if report.ok else 1
