"""The command line, ``sofie-jit``: one module of this package per command.

A command is a module with a docstring (the first line is the help, the rest the description), ``EXAMPLES``,
``add_arguments(parser)`` and ``run(args)``, which returns the exit code. It may have ``ABSENT``: options of other
commands that it does not have -> what to do instead.

Exit codes: 0 for success; 1 for an error of the file, the model or the data, with one message on standard error; 2 for
an error of the command line.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from inspect import cleandoc
from pathlib import Path
from types import ModuleType
from typing import Any

import sofie_jit
from sofie_jit.cli.options import in_options, refuse_unknown
from sofie_jit.errors import InputError, SofieError
from sofie_jit.report.output_file import refuse_input

COMMANDS = (
    "demo",
    "info",
    "check",
    "run",
    "emit",
    "build",
    "convert",
    "compare",
    "profile",
    "bench",
    "cache",
    "doctor",
)

EXAMPLES = """\
sofie-jit demo                                run the network that comes with the package
sofie-jit info m.h5                           show a model's inputs, outputs and operators
sofie-jit check m.h5                          report whether it can be loaded, and if not, why
sofie-jit run m.h5 x.npy -o y.npy             evaluate it
sofie-jit emit m.h5 -o m.hxx                  write its C++ header and weights
sofie-jit convert m.h5 m.onnx                 write it as an ONNX file
sofie-jit build m.h5 -o m.so                  compile it to a library that loads without compilation
sofie-jit compare m.h5                        compare its outputs and speed with its framework's
sofie-jit profile m.h5                        measure the time of each operator
sofie-jit bench m.h5 --batch 1,32             compare its speed with other engines
sofie-jit cache                               show the cache of compiled models
sofie-jit doctor                              check the installation"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line ``argv``, by default that of the process, and returns the exit code."""
    args = _parsed(sys.argv[1:] if argv is None else argv)
    try:
        for path in _paths(args, OUTPUTS):
            refuse_input(Path(path), input_paths(args))
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader (head, less) has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    except (SofieError, OSError) as error:
        print(f"sofie-jit {args.command}: {in_options(_message(error), args.parser)}", file=sys.stderr)
        return 1


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command; ends the program for a wrong command line, and for options such as ``--version``."""
    parser, commands = _parsers()
    if not argv or argv[0] not in commands:
        if argv and argv[0] in parser._option_string_actions:
            parser.parse_args(argv[:1])
        parser.error(_no_command(list(parser._option_string_actions), *argv[:1]))
    command, module = commands[argv[0]], _module(argv[0])
    refuse_unknown(argv[0], argv[1:], commands, getattr(module, "ABSENT", {}))
    # inputs may stand before or after options, except in the form with --, which parse_known_intermixed_args loses
    parse = command.parse_known_args if "--" in argv else command.parse_known_intermixed_args
    args, unknown = parse(argv[1:])
    if unknown:
        command.error(f"unrecognized arguments: {' '.join(unknown)}")
    return args


def _module(command: str) -> ModuleType:
    return importlib.import_module(f"sofie_jit.cli.{command}")


OUTPUTS = ("output", "option", "plot")
"""Arguments with files that a command writes."""

INPUTS = ("file", "config", "input", "inputs")
"""Arguments with files that a command reads."""


def input_paths(args: argparse.Namespace) -> list[str | Path]:
    """The files that a command reads."""
    return _paths(args, INPUTS)


def _paths(args: argparse.Namespace, names: Sequence[str]) -> list[str | Path]:
    values = [getattr(args, name, None) for name in names]
    listed = [part for value in values for part in (value if isinstance(value, list) else [value])]
    return [getattr(part, "path", part) for part in listed if part is not None]  # InputFile has a path


def _no_command(options: Sequence[str], given: str | None = None) -> str:
    """The message about a command line without a command, or with one that is neither a command nor in ``options``."""
    if given is None:
        return f"give a command: {', '.join(COMMANDS)}; see sofie-jit --help"
    kind, there = ("option", options) if given.startswith("-") else ("command", COMMANDS)
    close = difflib.get_close_matches(given, there, 1)
    meant = f"; did you mean {close[0]}?" if close else ""
    return f"there is no {kind} '{given}'{meant} (see sofie-jit --help)"


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _parsers() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser of the program, and those of the commands by name."""
    parser = argparse.ArgumentParser(
        prog="sofie-jit",
        description="Run saved Keras, ONNX and PyTorch models as JIT-compiled C++, without these frameworks.",
        epilog=_epilog(EXAMPLES),
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"sofie-jit {sofie_jit.__version__}")
    parser.add_argument(
        "--cmake-dir",
        action="version",
        version=str(Path(sofie_jit.__file__).parent / "cmake"),
        help="print the directory for CMake's variable sofie_jit_DIR, and exit",
    )
    parser.add_argument(
        "--include-dir",
        action="version",
        version=str(Path(sofie_jit.__file__).parent / "include"),
        help="print the directory of sofie_jit.h, the C interface of compiled libraries, and exit",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = _module(name)
        title, _, rest = cleandoc(module.__doc__ or "").partition("\n")
        command = commands.add_parser(
            name,
            help=title.rstrip("."),
            description=f"{title}\n{rest}".rstrip(),
            epilog=_epilog(module.EXAMPLES),
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(command=name, run=module.run, parser=command)
    return parser, dict(commands.choices)


def _epilog(examples: str) -> str:
    return "examples:\n" + "\n".join(f"  {line}" for line in examples.splitlines())


def add_model_arguments(parser: argparse.ArgumentParser, untrusted: bool = True) -> None:
    """Adds the arguments that name the model: FILE, ``--config``, ``--backend``, and ``--untrusted`` if it is true."""
    parser.add_argument("file", metavar="FILE", help="a saved model of Keras, ONNX or PyTorch, or a compiled library")
    parser.add_argument(
        "--config", metavar="JSON", help="the architecture from model.to_json(), if FILE contains only weights"
    )
    parser.add_argument(
        "--backend",
        choices=("theano", "tensorflow"),
        help="the backend that trained a model of Keras 1, whose files do not name it",
    )
    if untrusted:
        parser.add_argument(
            "--untrusted",
            action="store_const",
            const=True,
            help="read FILE in a new process with limits of memory and time",
        )


def add_shape_argument(parser: argparse.ArgumentParser) -> None:
    """Adds ``--input-shape``."""
    parser.add_argument(
        "--input-shape",
        metavar="[NAME=]SIZES",
        action="append",
        type=shape,
        help="sizes of an input that a TorchScript file lacks or that are open, without the batch: 224,224,3; "
        "? stays open; once per input in order, or NAME=224,224,3 for the input NAME alone",
    )


def shape(text: str) -> tuple[str, list[int | None]]:
    """The name of an input, '' if its position decides, and its sizes; None for an open one.

    >>> shape("jets=?,8")
    ('jets', [None, None, 8])
    """
    name, _, sizes = text.rpartition("=")
    try:
        return name, [None, *(None if size == "?" else int(size) for size in sizes.split(","))]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a list of sizes such as 224,224,3 or ?,16, with or without NAME= before it"
        ) from None


def format_options(args: argparse.Namespace) -> dict[str, Any]:
    """``--backend`` and ``--input-shape`` as options of ``load``, if they are given."""
    options = {"backend": args.backend, "input_shapes": _input_shapes(args.input_shape or ())}
    return {name: value for name, value in options.items() if value}


def _input_shapes(given: Sequence[tuple[str, list[int | None]]]) -> Any:
    """Values of ``--input-shape`` as ``input_shapes`` of ``load``: a list, or a dict if they have names."""
    names = [name for name, _ in given]
    if any(names) and not all(names):
        raise InputError("--input-shape: give NAME=SIZES for all of them, or SIZES for each input in order")
    if any(names) and len(set(names)) < len(names):
        raise InputError(f"--input-shape gives more than one shape for an input: {', '.join(names)}")
    return dict(given) if any(names) else [sizes for _, sizes in given]


THREADS = "(default: SOFIE_JIT_NUM_THREADS, OMP_NUM_THREADS or all cores)"
"""Which number of threads is used if --threads is not given, for the help of that option."""


def say_written(path: Path, json: bool) -> None:
    """Says that a file was written; on standard error if standard output has ``json``."""
    print(f"wrote {path}", file=sys.stderr if json else sys.stdout)


def list_of(kind: Callable[[str], int]) -> Callable[[str], list[int]]:
    """The type of an argument that is a comma-separated list."""

    def parse(text: str) -> list[int]:
        return [kind(part) for part in text.split(",")]

    parse.__name__ = "list"  # its name in the messages of argparse
    return parse


def positive(text: str) -> int:
    """The type of an argument that is a positive integer."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive integer")
    return int(text)
