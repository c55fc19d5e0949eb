"""Show the cache of compiled models, clear it, or set its size.

Models that are loaded repeatedly are compiled in the background by the system's C++ compiler. Later processes load the
machine code, with the same results. The cache contains neither weights nor data. The environment variable
SOFIE_JIT_CACHE is the path of its folder, or `off`; by default it is ~/.cache/sofie_jit.
"""

from __future__ import annotations

import argparse
import re

from sofie_jit.errors import InputError
from sofie_jit.report import tables

EXAMPLES = """\
sofie-jit cache
sofie-jit cache --limit 500M
sofie-jit cache --clear"""

ENDINGS = ("so", "seen", "cc", "failed", "hint", "model", "want", "plain", "part")
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    parser.add_argument("--clear", action="store_true", help="remove all entries")
    parser.add_argument(
        "--limit",
        metavar="SIZE",
        type=_size,
        help="largest size of all entries: 500M, 2G; 0 keeps none (default: 268M)",
    )


def run(args: argparse.Namespace) -> int:
    """Does what is asked for, and prints the state of the cache; returns 0."""
    from sofie_jit.jit import cache_compile, cache_folder
    from sofie_jit.jit.cache_folder import write

    folder = cache_folder.usable()
    if folder is None:
        chosen = cache_folder.chosen()
        why = "it is switched off" if chosen is None else f"'{chosen}' is not used: {cache_folder.problem(chosen)}"
        if args.clear or args.limit is not None:
            raise InputError(f"there is no cache: {why}")
        print(f"there is no cache: {why}")
        return 0
    if args.clear:
        for path in (path for ending in ENDINGS for path in folder.glob(f"*.{ending}")):
            path.unlink(missing_ok=True)
    if args.limit is not None:
        write(folder / "limit", [str(args.limit).encode()])
        cache_compile.evict(folder)
    entries = [path.stat().st_size for path in folder.glob("*.so")]
    waiting, failed = (len(list(folder.glob(f"*.{ending}"))) for ending in ("cc", "failed"))
    print(f"folder    {folder}")
    print(f"networks  {len(entries)}, {tables.size(sum(entries))} of {tables.size(cache_compile.limit(folder))}")
    print(f"waiting   {waiting}" + (f"; {failed} could not be compiled, see {folder}/*.failed" if failed else ""))
    return 0


def _size(text: str) -> int:
    found = re.fullmatch(r"(\d+)([KMG]?)B?", text.upper())
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size such as 500M")
    return int(found[1]) * UNITS[found[2]]
