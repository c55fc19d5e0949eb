"""Say whether a model can be loaded, layer by layer.

Compiles nothing. Of each layer that cannot be translated it says why, and what to do. Exit code 1 if there is any.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from sofie_jit.cli import add_model_arguments

EXAMPLES = """\
sofie-jit check m.h5
sofie-jit check m.keras --json
sofie-jit check from_a_stranger.h5 --untrusted"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    add_model_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Prints the report; 1 if a layer stands in the way."""
    import sofie_jit

    report = sofie_jit.check(args.file, config=args.config, untrusted=args.untrusted)
    print(json.dumps({"ok": report.ok} | asdict(report), indent=1) if args.json else report)
    return 0 if report.ok else 1
