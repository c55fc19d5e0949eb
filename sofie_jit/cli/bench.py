"""Compare the speed of a model with other engines.

Runs the model in this package, as a header compiled by g++, and in every engine that is installed: ONNX Runtime,
OpenVINO, and for models of Keras also LiteRT, and Keras with and without XLA. ONNX Runtime and OpenVINO get an ONNX
file as it is; models of other formats are exported by this package ("sofie-jit convert"). The output of each engine is
compared with that of the library that the model comes from (Keras; ONNX Runtime for ONNX files), which must be
installed, before it is timed; the reference of a compiled library is numpy. A batch consists of the first rows of
INPUT, repeated if there are too few, or of random numbers. The engines take turns in one process that is pinned to as
many cores as it has threads.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from sofie_jit import frontends
from sofie_jit.bench import listed_engines
from sofie_jit.cli import list_of, positive
from sofie_jit.cli.inputs import add_input_arguments, files_of, read, shapes_to_read
from sofie_jit.errors import InputError, counted

if TYPE_CHECKING:
    from sofie_jit.bench.measure import Cell, Start

EXAMPLES = """\
sofie-jit bench m.h5
sofie-jit bench m.h5 --batch 1,32,1024 --start
sofie-jit bench m.onnx --threads 2
sofie-jit bench m.h5 --engines sofie_jit,litert,onnxruntime --threads 2
sofie-jit bench m.h5 x.npy --json
sofie-jit bench tagger.onnx particles.npy tracks.npy --batch 1,64"""

_CONVERT = "write an ONNX file with it, and measure that: sofie-jit convert FILE m.onnx"
ABSENT = {
    "--config": f"{_CONVERT} --config JSON",
    "--backend": f"{_CONVERT} --backend theano",
    "--input-shape": f"{_CONVERT} --input-shape SIZES; or give arrays of these sizes as INPUT",
    "--untrusted": "the other engines read the file, too, without limits of memory and time",
    "--rows": "give --batch",
}
"""Options of other commands, which the other engines do not have."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    parser.add_argument("file", metavar="FILE", help="a saved model of Keras, ONNX or PyTorch, or a compiled library")
    parser.add_argument(
        "--batch",
        metavar="ROWS,...",
        type=list_of(positive),
        default=[1],
        help="rows per call, one table for each (default: 1)",
    )
    parser.add_argument(
        "--engines",
        metavar="NAME,...",
        help=f"the engines (default: all that run the model's format); {listed_engines()}",
    )
    parser.add_argument("--threads", metavar="N", type=positive, default=1, help="threads and cores (default: 1)")
    add_input_arguments(parser)
    parser.add_argument(
        "--start",
        action="store_true",
        help="also measure a new process: time to the first result, memory",
    )
    parser.add_argument("--rounds", metavar="N", type=positive, default=10, help="turns of each engine (default: 10)")
    parser.add_argument("--json", action="store_true", help="print the results, the machine and versions as JSON")


def run(args: argparse.Namespace) -> int:
    """Measures, and prints a table or JSON; returns 1 if this package cannot run the model."""
    from sofie_jit.bench import OURS, environment, find_engines, report
    from sofie_jit.bench.measure import measure

    if args.threads > environment.cores():
        raise InputError(f"--threads {args.threads}: this process may use {environment.cores()} cores")
    inputs = _arrays(args)
    cells, starts = measure(
        args.file,
        batches=args.batch,
        engines=find_engines(args.engines) if args.engines else None,
        threads=args.threads,
        inputs=inputs,
        starts=3 if args.start else 0,
        rounds=args.rounds,
        progress=_show if sys.stderr.isatty() else lambda step: None,
    )
    if sys.stderr.isatty():
        _show("")
    print(_json(cells, starts) if args.json else f"{_rows_of(inputs)}\n\n{report.table(cells, starts)}")
    return int(any(cell.engine == OURS and cell.problem for cell in cells))


def _rows_of(inputs: Sequence[np.ndarray]) -> str:
    """Which rows the batches consist of."""
    if not inputs:
        return "inputs: normally distributed random numbers, and zeros for integers (give files for others)"
    rows = counted(len(inputs[0]), "row") if inputs[0].ndim else "no rows"
    return f"inputs: the first of the {rows} given, repeated if a batch has more"


def _arrays(args: argparse.Namespace) -> list[np.ndarray]:
    """The inputs that are given, in the order of the model's."""
    files = files_of(args)
    if not files:
        return []
    shapes = shapes_to_read(frontends.open(args.file), files)
    return list(read(shapes, files, args.columns).values())


def _show(step: str) -> None:
    """Replaces the previous step on the terminal."""
    print(f"\r\033[K{step}", end="", file=sys.stderr, flush=True)


def _json(cells: list[Cell], starts: list[Start]) -> str:
    from sofie_jit.bench import environment

    figures = {"cells": [asdict(cell) for cell in cells], "starts": [asdict(start) for start in starts]}
    about = {"machine": environment.machine(), "versions": environment.versions()}
    return json.dumps(about | figures, indent=1)
