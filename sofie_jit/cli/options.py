"""Messages about options: those that a command does not have, and arguments of Python that are options here."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Mapping, Sequence
from itertools import takewhile

OPTIONS = {"input_shapes": "--input-shape", "batches": "--batch"}
"""Arguments of Python functions -> options with another name; the others have the argument's name."""

ONLY_IN_PYTHON = ("outputs", "replace", "values")
"""Arguments of :func:`sofie_jit.load` that are not options of any command."""


def refuse_unknown(
    command: str, argv: Sequence[str], parsers: Mapping[str, argparse.ArgumentParser], absent: Mapping[str, str]
) -> None:
    """Ends the program, with the exit code 2, if ``argv`` has an option that the command does not have.

    argparse would report a value of that option first, as a file of the wrong kind for example.

    ``parsers``: those of all commands by name. ``absent``: options that users look for in this command -> what to do.
    """
    known = parsers[command]._option_string_actions
    for text in takewhile(lambda text: text != "--", argv):
        name = text.partition("=")[0]
        if name.startswith("--") and " " not in text and name not in known:
            parsers[command].error(f"{command} has no option {name}{_meant(command, name, parsers, absent)}")


def _meant(command: str, name: str, parsers: Mapping[str, argparse.ArgumentParser], absent: Mapping[str, str]) -> str:
    """The end of the message: what to do, similar options, or the commands that have this option; '' if none."""
    if name in absent:
        return f": {absent[name]}"
    options = _options_by_name(parsers[command])
    others = [other for other, parser in parsers.items() if name in parser._option_string_actions]
    if name in options or not others:
        close = difflib.get_close_matches(name, options, 1)
        return f"; did you mean {' or '.join(options[close[0]])}?" if close else f"; see sofie-jit {command} --help"
    return f"; it is an option of {', '.join(others)}"


def _options_by_name(parser: argparse.ArgumentParser) -> dict[str, list[str]]:
    """Long options, and the names of the arguments that they set -> the options.

    ``--binary`` and ``--embed-weights``, for example, set the argument ``weights``.
    """
    found: dict[str, list[str]] = {}
    for action in parser._actions:
        for option in (text for text in action.option_strings if text.startswith("--")):
            found[option] = [option]
            if action.dest != "help":
                found.setdefault(f"--{action.dest.replace('_', '-')}", []).append(option)
    return {name: list(dict.fromkeys(options)) for name, options in found.items()}


def in_options(text: str, parser: argparse.ArgumentParser) -> str:
    """A message that names arguments of Python functions, with the command's options in their place.

    Arguments with other values than True are examples in Python, and stay.
    """

    def option(found: re.Match[str]) -> str:
        name = OPTIONS.get(found[1], f"--{found[1].replace('_', '-')}")
        return name if name in parser._option_string_actions else found[0]

    text = re.sub(r"\b[a-z_]+= \(on the command line: (--[a-z-]+)\)", r"\1", text)
    text = re.sub(rf"(?<![\w.-])(?<!\w\()(?<!\.\.\., )([a-z_]+)=(?:True\b|{NO_VALUE})", option, text)
    return re.sub(rf"\bwith ({'|'.join(ONLY_IN_PYTHON)})={NO_VALUE}", r"with \1= of sofie_jit.load", text)


NO_VALUE = r"(?![\w\[({'\"])"
"""What follows the equals sign of an argument that is named without a value."""
