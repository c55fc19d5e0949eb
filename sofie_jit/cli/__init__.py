"""The command line, ``sofie-jit``: one module of this package per command.

A command is a module with a docstring (its first line is the help, the rest the description), ``EXAMPLES``,
``add_arguments(parser)`` and ``run(args)``, which returns the exit code.

Exit codes: 0 success; 1 the file, the model or the data is not right, said in one message on standard error;
2 the command line is not right.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from inspect import cleandoc
from pathlib import Path

import sofie_jit
from sofie_jit.errors import SofieError

COMMANDS = ("demo", "info", "check", "run", "emit", "compare", "profile", "bench", "doctor")

EXAMPLES = """\
sofie-jit demo                                the shipped network, from file to answers
sofie-jit info m.h5                           what the model is made of
sofie-jit check m.h5                          whether it can be loaded, and if not, why
sofie-jit run m.h5 x.npy -o y.npy             evaluate it
sofie-jit emit m.h5 -o model.hxx              its C++ header and weights
sofie-jit compare m.h5                        how far it is from Keras, and how fast
sofie-jit profile m.h5                        where its time goes
sofie-jit bench m.h5 --batch 1,32             its time beside other engines
sofie-jit doctor                              whether everything is there that it needs"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line ``argv`` (by default the process's) and returns the exit code."""
    args = _parser().parse_args(argv)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    except (SofieError, OSError) as error:
        print(f"sofie-jit {args.command}: {_message(error)}", file=sys.stderr)
        return 1


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sofie-jit",
        description="Run saved Keras models as JIT-compiled C++, without TensorFlow.",
        epilog=_epilog(EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"sofie-jit {sofie_jit.__version__}")
    parser.add_argument(
        "--cmake-dir",
        action="version",
        version=str(Path(sofie_jit.__file__).parent / "cmake"),
        help="print the directory to give to CMake as sofie_jit_DIR, and exit",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = importlib.import_module(f"sofie_jit.cli.{name}")
        title, _, rest = cleandoc(module.__doc__ or "").partition("\n")
        command = commands.add_parser(
            name,
            help=title.rstrip("."),
            description=f"{title}\n{rest}".rstrip(),
            epilog=_epilog(module.EXAMPLES),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def _epilog(examples: str) -> str:
    return "examples:\n" + "\n".join(f"  {line}" for line in examples.splitlines())


def add_model_arguments(parser: argparse.ArgumentParser, untrusted: bool = True) -> None:
    """Declares the arguments that say which model to read: FILE, ``--config``, and ``--untrusted`` if it may be."""
    parser.add_argument("file", metavar="FILE", help="a model saved by Keras: .h5, .hdf5 or .keras")
    parser.add_argument(
        "--config", metavar="JSON", help="the architecture, if FILE holds weights alone (model.to_json())"
    )
    if untrusted:
        parser.add_argument(
            "--untrusted",
            action="store_const",
            const=True,
            help="a stranger's FILE: a new process reads it, within limits",
        )


def list_of(kind: Callable[[str], int]) -> Callable[[str], list[int]]:
    """The type of an argument that is a list with commas."""

    def parse(text: str) -> list[int]:
        return [kind(part) for part in text.split(",")]

    parse.__name__ = "list"  # what argparse calls a wrong one
    return parse


def positive(text: str) -> int:
    """The type of an argument that is a number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number
