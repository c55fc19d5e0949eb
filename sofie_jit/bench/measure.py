"""Measures all engines on one model: they take turns in one process, which is started with the threads it may have.

:func:`measure` starts that process with ``python -m sofie_jit.bench.measure`` and a request in a JSON file.
"""

from __future__ import annotations

import errno
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit import errors, frontends
from sofie_jit.bench import ENGINES, TOLERANCE, difference, engines_for, environment, prepare
from sofie_jit.errors import InputError, SofieError
from sofie_jit.frontends.base import OriginalModel
from sofie_jit.report.timing import Sample, round_robin, sample_of


@dataclass(frozen=True)
class Cell:
    """The result of one engine on one batch."""

    engine: str
    batch: int
    threads: int
    minimum: float = 0.0
    """Minimum seconds per call; 0, as the other figures, if it was not timed."""
    median: float = 0.0
    """Median seconds per call."""
    difference: float = 0.0
    """Largest difference from the original's output, relative to its scale."""
    problem: str = ""
    """The reason why it was not timed; '' if it was."""


@dataclass(frozen=True)
class Start:
    """The cost of an engine for a new process."""

    engine: str
    batch: int
    threads: int
    seconds: float = 0.0
    """From the start of the interpreter to the first result."""
    memory: int = 0
    """Resident memory in bytes after the first result."""
    problem: str = ""
    """The reason why the process failed; '' if it did not."""


def measure(
    file: str | os.PathLike[str],
    *,
    batches: Sequence[int] = (1,),
    engines: Sequence[str] | None = None,
    threads: int = 1,
    inputs: str | os.PathLike[str] | None = None,
    starts: int = 0,
    rounds: int = 10,
    block: float = 0.03,
    directory: str | os.PathLike[str] | None = None,
    progress: Callable[[str], object] = lambda step: None,
) -> tuple[list[Cell], list[Start]]:
    """Times ``engines``, keys of :data:`ENGINES`, on a saved model at each of ``batches``.

    ``engines``: by default all that run models of its format.
    ``inputs``: a .npy file of rows to evaluate, repeated as needed; by default normally distributed numbers.
    ``starts``: number of new processes to start with each engine at the first batch; 0 does not measure this.
    ``rounds``, ``block``: see :func:`round_robin`.
    ``directory``: place of the converted models, for later calls with the same ``file``.
    ``progress``: called with a description of each step.

    An engine that is not installed, cannot run the model, or gives other results than the original is a Cell with a
    ``problem``. Raises FileNotFoundError without the file, ModelFileError or InputError if the library of the model
    cannot run it on such inputs, MissingDependencyError if that library is not installed.
    """
    if not Path(file).exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(file))
    with tempfile.TemporaryDirectory() as temporary:
        answer = Path(temporary) / "answer.json"
        request = {
            "file": os.fspath(file), "batches": list(batches), "engines": engines and list(engines), "threads": threads,
            "inputs": None if inputs is None else os.fspath(inputs), "starts": starts, "rounds": rounds, "block": block,
            "directory": os.fspath(directory or temporary), "answer": str(answer),
        }  # fmt: skip
        given, log_file = Path(temporary) / "request.json", Path(temporary) / "errors.txt"
        given.write_text(json.dumps(request))
        command = [sys.executable, "-m", "sofie_jit.bench.measure", str(given)]
        variables = os.environ | environment.variables(threads)
        with log_file.open("w") as log, subprocess.Popen(
            command, text=True, stdout=subprocess.PIPE, stderr=log, env=variables
        ) as process:  # fmt: skip
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    if line.startswith(STEP):
                        progress(line.removeprefix(STEP).strip())
            except BaseException:  # interrupted: the process must not go on
                process.kill()
                raise
        if process.returncode or not answer.exists():
            said = log_file.read_text()[-2000:]
            raise SofieError(f"the measuring process ended with code {process.returncode}:\n{said}")
        found = json.loads(answer.read_text())
    if "error" in found:
        raise getattr(errors, found["error"])(found["message"])
    return [Cell(**cell) for cell in found["cells"]], [Start(**start) for start in found["starts"]]


SLOW = 4.0
"""Engines that take SLOW times as long as the fastest are measured less often; see :func:`round_robin`."""

STEP = "measuring: "
"""Marks a line about progress."""


# -- the process that measures ---------------------------------------------------------------------------------------


def _measure(request: dict[str, Any]) -> dict[str, Any]:
    environment.pin(request["threads"])
    directory, threads = Path(request["directory"]), request["threads"]
    try:
        translation = frontends.open(request["file"])
        data = None if request["inputs"] is None else np.load(request["inputs"])
        if data is not None and not translation.shapes_known:
            translation = translation.for_inputs([data])
        original = translation.original(request["file"])
        examples = [_example(original, batch, data) for batch in request["batches"]]
    except SofieError as error:
        return {"error": type(error).__name__, "message": str(error)}
    is_keras = translation.format == "Keras"
    source = original.model if is_keras else Path(request["file"])
    engines = request["engines"] or engines_for(translation.format)
    cells: list[Cell] = []
    for x in examples:
        cells += _cells(original, source, x, engines, threads, request["rounds"], request["block"], directory)
    usable = [cell.engine for cell in cells if cell.batch == len(examples[0]) and not cell.problem]
    tries = request["starts"]
    starts = [_start(engine, source, examples[0], threads, directory, tries) for engine in usable if tries]
    return {"cells": [asdict(cell) for cell in cells], "starts": [asdict(start) for start in starts]}


def _example(original: OriginalModel, batch: int, data: np.ndarray | None) -> np.ndarray:
    """``batch`` rows for a model: of ``data``, or random numbers."""
    if len(original.inputs) != 1 or original.output_count != 1:
        raise InputError(
            f"bench takes models with one input and one output; this one has {len(original.inputs)} and "
            f"{original.output_count}. sofie-jit profile takes any model"
        )
    ((dtype_name, shape),) = original.inputs
    if not shape:
        raise InputError("the model's input is a single number, which has no batch")
    row = shape[1:]
    dtype = np.dtype(dtype_name)
    if data is not None:
        if not len(data):
            raise InputError("the file of inputs has no rows")
        return np.ascontiguousarray(np.resize(data, (batch, *data.shape[1:])), dtype)
    known = [size for size in row if size is not None]
    if len(known) < len(row):
        sizes = ", ".join(map(str, row))
        raise InputError(f"the model's input has shape (None, {sizes}): give inputs (--input) to run on")
    rng = np.random.default_rng(1)
    return rng.normal(size=(batch, *known)).astype(dtype) if dtype.kind == "f" else np.zeros((batch, *known), dtype)


def _cells(
    original: OriginalModel, source: Any, x: np.ndarray, engines: list[str], threads: int, rounds: int, block: float,
    directory: Path,
) -> list[Cell]:  # fmt: skip
    (expected,) = original.evaluate(x)
    cells: dict[str, Cell] = {}
    samples: dict[str, Sample] = {}
    for engine in engines:
        print(f"{STEP}batch {len(x)}: preparing {engine}", flush=True)
        try:
            call = prepare(engine, source, x, threads=threads, directory=directory)
            distance = difference(call(x), expected)
            if distance <= TOLERANCE:
                samples[engine] = sample_of(call, x)
                cells[engine] = Cell(engine, len(x), threads, difference=distance)
            else:
                problem = f"its output differs by {distance:.1e} of the scale, more than {TOLERANCE:.0e}"
                cells[engine] = Cell(engine, len(x), threads, problem=problem)
        except Exception as error:  # any exception of an engine is a result, and is shown
            cells[engine] = Cell(engine, len(x), threads, problem=_one_line(error))
    print(f"{STEP}batch {len(x)}: {len(samples)} engines take turns", flush=True)
    for engine, seconds in round_robin(samples, rounds=rounds, block=block, slow=SLOW).items():
        cells[engine] = replace(cells[engine], minimum=min(seconds), median=statistics.median(seconds))
    return list(cells.values())


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{text[:200]}..." if len(text) > 200 else text or type(error).__name__


def _start(engine: str, source: Any, x: np.ndarray, threads: int, directory: Path, tries: int) -> Start:
    from sofie_jit.bench import start

    print(f"{STEP}new processes: {engine}", flush=True)
    path = ENGINES[engine].adapter.convert(source, x, directory)
    try:
        seconds, memory = start.measure(ENGINES[engine].module, path, x, threads, tries)
        return Start(engine, len(x), threads, seconds, memory)
    except SofieError as error:
        return Start(engine, len(x), threads, problem=str(error))


def main() -> None:
    """The measuring process; its argument is the file with the request."""
    request = json.loads(Path(sys.argv[1]).read_text())
    Path(request["answer"]).write_text(json.dumps(_measure(request)))


if __name__ == "__main__":
    main()
