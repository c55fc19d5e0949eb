"""Evaluate a model on arrays from files.

Give one file per input, in the order that `info` lists them or as NAME=FILE, or one .npz file with the inputs by name.
The first axis is the batch. Tables (.csv, .parquet) have one row of numbers per row of the batch; their columns are
taken in order, or those that --columns names. Files larger than memory are read, evaluated and written in pieces.
A model that is compiled for the shapes of its inputs, such as a TorchScript file without --input-shape, evaluates all
rows at once, unless --chunk is given.

OUTPUT is .npy, .npz, .csv or .parquet, independent of the input's format; - prints .csv. Several outputs of a model are
written by name to .npz, or as columns of one table.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.cli import THREADS, add_model_arguments, add_shape_argument, format_options, positive
from sofie_jit.cli.arrays import STANDARD_OUTPUT, Source, array_output, sink, whole
from sofie_jit.cli.inputs import add_input_arguments, files_of, matched, opened, shaped, shapes_of
from sofie_jit.errors import InputError
from sofie_jit.models.arguments import unpack
from sofie_jit.report.output_file import in_folder
from sofie_jit.report.progress import Progress

EXAMPLES = """\
sofie-jit run m.h5 x.npy -o y.npy
sofie-jit run two_inputs.h5 jets.npy tracks.npy -o y.npy
sofie-jit run two_inputs.h5 tracks=t.npy jets=j.npy -o y.npy
sofie-jit run two_inputs.keras inputs.npz -o outputs.npz
sofie-jit run m.h5 events.parquet --columns pt,eta,phi,mass -o scores.parquet
sofie-jit run two_inputs.h5 jets.csv tracks.npy --columns jets=pt,eta -o y.npy
sofie-jit run m.h5 x.csv -o - | head"""

PIECE_BYTES = 64 << 20
"""Bytes of the inputs that are in memory at once, unless --chunk is given."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    add_model_arguments(parser)
    add_shape_argument(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUTPUT",
        required=True,
        type=array_output,
        help="the file to write; - prints .csv",
    )
    add_input_arguments(parser, default="")
    parser.add_argument("--json", action="store_true", help="print names, types and shapes of the outputs as JSON")
    parser.add_argument("--chunk", metavar="ROWS", type=positive, help="rows in memory at once (default: about 64 MB)")
    parser.add_argument(
        "--threads",
        metavar="N",
        type=positive,
        help=f"threads {THREADS}",
    )


def run(args: argparse.Namespace) -> int:
    """Writes the results; returns 0."""
    from sofie_jit import loading
    from sofie_jit.models.kept_models import CompiledWhenCalled

    given_files = files_of(args)
    if not given_files:
        args.parser.error("give the inputs: INPUT, one file per input of the model (sofie-jit info lists them)")
    files = opened(given_files)
    if args.output != STANDARD_OUTPUT:
        in_folder(args.output)
    elif args.json:
        raise InputError("-o - prints the results as .csv: omit --json")
    model = loading.load(
        args.file, config=args.config, threads=args.threads, untrusted=args.untrusted, **format_options(args)
    )
    shapes = shapes_of(model, given_files)
    compiled_later = isinstance(model, CompiledWhenCalled)
    if not compiled_later:
        _check_outputs(model, args.output)
    inputs = matched(shapes, files, args.columns)
    lengths = {source.length for source in inputs.values() if source.length is not None}
    if len(lengths) > 1 and not compiled_later:
        counts = ", ".join(f"'{name}' has {source.length}" for name, source in inputs.items())
        raise InputError(f"the inputs have different numbers of rows: {counts}")
    total = lengths.pop() if len(lengths) == 1 else None
    last: dict[str, np.ndarray] = {}
    with sink(args.output) as target, Progress(total) as bar:
        for pieces in _pieces(inputs, args.chunk if compiled_later else _rows_at_once(model, args.chunk)):
            given = {name: shaped(piece, shapes[name], inputs[name]) for name, piece in pieces.items()}
            compiled = model.for_inputs(given)
            if compiled is not model:
                _rows_at_once(compiled, args.chunk)  # raises if there must be no pieces
                _check_outputs(compiled, args.output)
            last = by_name(compiled, model.infer(given))
            target.write(last)
            bar.advance(len(next(iter(last.values()))))
    written = [
        {"name": name, "dtype": result.dtype.name, "shape": [bar.done, *result.shape[1:]]}
        for name, result in last.items()
    ]
    if args.json:
        print(json.dumps({"file": str(args.output), "rows": bar.done, "outputs": written}, indent=1))
        return 0
    listed = "; ".join(f"{output['name']} {output['dtype']} {tuple(output['shape'])}" for output in written)
    if args.output == STANDARD_OUTPUT:
        print(f"printed {listed}", file=sys.stderr)
    else:
        print(f"wrote {args.output}: {listed}")
    return 0


def _check_outputs(model: Any, output: Path) -> None:
    if output.suffix == ".npy" and len(model.output_names) > 1:
        raise InputError(f"the model has outputs {', '.join(model.output_names)}: write them to a .npz file")


def _rows_at_once(model: Any, chunk: int | None) -> int | None:
    """The number of rows to evaluate at once; None for all, if their results depend on each other."""
    from sofie_jit.codegen.memory import can_tile
    from sofie_jit.passes.pipeline import lower

    if not can_tile(lower(model.rmodel)):
        if chunk is not None:
            raise InputError("--chunk: the rows of this model depend on each other, so it needs all of them at once")
        return None
    row = sum(np.prod([d or 1 for d in shape[1:]]) * 8 for shape in (*model.input_shapes, *model.output_shapes))
    return chunk or max(1, int(PIECE_BYTES / row))


def _pieces(inputs: dict[str, Source], rows: int | None) -> Iterator[dict[str, np.ndarray]]:
    if rows is None:
        yield {name: whole(source) for name, source in inputs.items()}
        return
    iterators = {name: source.pieces(rows) for name, source in inputs.items()}
    while True:
        pieces = {name: next(iterator, None) for name, iterator in iterators.items()}
        ended = [name for name, piece in pieces.items() if piece is None]
        if ended and len(ended) < len(pieces):
            raise InputError(f"the inputs have different numbers of rows: '{ended[0]}' ends before the others")
        if ended:
            return
        found = {name: piece for name, piece in pieces.items() if piece is not None}
        shortest = min(found, key=lambda name: len(found[name]))
        if len(found[shortest]) < max(map(len, found.values())):  # infer would repeat a single row
            raise InputError(f"the inputs have different numbers of rows: '{shortest}' ends before the others")
        yield found


def by_name(model: Any, results: Any) -> dict[str, np.ndarray]:
    """The result of ``infer`` as a dict of arrays by output name."""
    return dict(zip(model.output_names, unpack(model.output_structure, results), strict=True))
