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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit import errors, frontends
from sofie_jit.bench import ENGINES, TOLERANCE, Inputs, difference, engines_for, environment, prepare
from sofie_jit.errors import InputError, SofieError, counted, one_line
from sofie_jit.frontends.base import OriginalModel, Translation, leaves
from sofie_jit.report.timing import Sample, round_robin, sample_of
from sofie_jit.verification.original import original_of


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
    inputs: Sequence[np.ndarray] = (),
    starts: int = 0,
    rounds: int = 10,
    block: float = 0.03,
    directory: str | os.PathLike[str] | None = None,
    progress: Callable[[str], object] = lambda step: None,
) -> tuple[list[Cell], list[Start]]:
    """Times ``engines``, keys of :data:`ENGINES`, on a saved model at each of ``batches``.

    ``engines``: by default all that run models of its format.
    ``inputs``: an array for each input of the model, whose rows are repeated as needed; by default normally distributed
    numbers, and zeros for integers.
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
        answer, stored = Path(temporary) / "answer.json", f"{temporary}/inputs.npz"
        request = {
            "file": os.fspath(file), "batches": list(batches), "engines": engines and list(engines), "threads": threads,
            "inputs": stored, "starts": starts, "rounds": rounds, "block": block,
            "directory": os.fspath(directory or temporary), "answer": str(answer),
        }  # fmt: skip
        np.savez(stored, *inputs)
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
        with np.load(request["inputs"]) as stored:
            data = tuple(stored.values())
        if data and not translation.shapes_known:
            translation = translation.for_inputs(list(data))
        original = original_of(translation, request["file"])
        examples = [_example(original, batch, data) for batch in request["batches"]]
        names, structure = list(translation.inputs), _structure(translation)
        expected = [original.evaluate(original.arranged(names, inputs)) for inputs in examples]
    except SofieError as error:
        return {"error": type(error).__name__, "message": str(error)}
    is_keras = translation.format == "Keras"
    source = original.model if is_keras else Path(request["file"])
    engines = request["engines"] or engines_for(translation.format)
    cells: list[Cell] = []
    for inputs, wanted in zip(examples, expected, strict=True):
        forms = {False: wanted, True: _in_order(structure, wanted)}
        cells += _cells(forms, source, inputs, engines, threads, request["rounds"], request["block"], directory)
    usable = [cell.engine for cell in cells if cell.batch == len(examples[0][0]) and not cell.problem]
    tries = request["starts"]
    starts = [_start(engine, source, examples[0], threads, directory, tries) for engine in usable if tries]
    return {"cells": [asdict(cell) for cell in cells], "starts": [asdict(start) for start in starts]}


def _structure(translation: Translation) -> Any:
    """The structure of the outputs; None if this package cannot tell, because others may still run the model."""
    try:
        return translation().output_structure
    except SofieError:  # it is unsupported, or compiled for given sizes; the cells of this package say so
        return None


def _in_order(structure: Any, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The arrays in an output structure in the order of the network's outputs."""
    if structure is None:
        return arrays
    found = {int(index): array for index, array in zip(leaves(structure), arrays, strict=True)}
    return [found[index] for index in sorted(found)]


def _example(original: OriginalModel, batch: int, data: Inputs) -> Inputs:
    """Inputs for a model with ``batch`` rows: of ``data``, or random numbers."""
    types = [(np.dtype(dtype), shape) for dtype, shape in original.inputs]
    if data and len(data) != len(types):
        raise InputError(f"the model has {counted(len(types), 'input')}; got {counted(len(data), 'array')}")
    if not types or not types[0][1]:
        raise InputError("the model has no inputs, or the first one is a single number, which has no batch")
    rng = np.random.default_rng(1)
    return tuple(
        _rows(data[index], batch, dtype, shape) if data else _random(rng, batch, dtype, shape)
        for index, (dtype, shape) in enumerate(types)
    )


def _rows(data: np.ndarray, batch: int, dtype: np.dtype, shape: Sequence[int | None]) -> np.ndarray:
    """``batch`` rows of ``data``, or all of it if its first axis has a fixed size."""
    if not shape or shape[0] is not None:
        return np.ascontiguousarray(data, dtype)
    if not len(data):
        raise InputError("an array of inputs has no rows")
    return np.ascontiguousarray(np.resize(data, (batch, *data.shape[1:])), dtype)


def _random(rng: np.random.Generator, batch: int, dtype: np.dtype, shape: Sequence[int | None]) -> np.ndarray:
    """Normally distributed numbers, or zeros of other types."""
    sizes = [batch if axis == 0 and size is None else size for axis, size in enumerate(shape)]
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        listed = ", ".join(map(str, shape))
        raise InputError(f"an input of the model has the shape ({listed}): give inputs (--input) to run on")
    return rng.normal(size=known).astype(dtype) if dtype.kind == "f" else np.zeros(known, dtype)


def _cells(
    expected: Mapping[bool, Sequence[np.ndarray]], source: Any, inputs: Inputs, engines: list[str], threads: int,
    rounds: int, block: float, directory: Path,
) -> list[Cell]:  # fmt: skip
    """The cells of one batch; ``expected`` are the outputs by :attr:`Engine.in_order`."""
    rows = len(inputs[0])
    cells: dict[str, Cell] = {}
    samples: dict[str, Sample] = {}
    for engine in engines:
        print(f"{STEP}batch {rows}: preparing {engine}", flush=True)
        try:
            call = prepare(engine, source, inputs, threads=threads, directory=directory)
            distance = difference(call(*inputs), expected[ENGINES[engine].in_order])
            if distance <= TOLERANCE:
                samples[engine] = sample_of(call, *inputs)
                cells[engine] = Cell(engine, rows, threads, difference=distance)
            else:
                problem = f"its output differs by {distance:.1e} of the scale, more than {TOLERANCE:.0e}"
                cells[engine] = Cell(engine, rows, threads, problem=problem)
        except Exception as error:  # any exception of an engine is a result, and is shown
            problem = one_line(error, 200).removeprefix(f"{engine}: ")
            cells[engine] = Cell(engine, rows, threads, problem=problem)
    print(f"{STEP}batch {rows}: {len(samples)} engines take turns", flush=True)
    for engine, seconds in round_robin(samples, rounds=rounds, block=block, slow=SLOW).items():
        cells[engine] = replace(cells[engine], minimum=min(seconds), median=statistics.median(seconds))
    return list(cells.values())


def _start(engine: str, source: Any, inputs: Inputs, threads: int, directory: Path, tries: int) -> Start:
    from sofie_jit.bench import start

    print(f"{STEP}new processes: {engine}", flush=True)
    path = ENGINES[engine].adapter.convert(source, inputs, directory)
    try:
        seconds, memory = start.measure(ENGINES[engine].module, path, inputs, threads, tries)
        return Start(engine, len(inputs[0]), threads, seconds, memory)
    except SofieError as error:
        return Start(engine, len(inputs[0]), threads, problem=str(error))


def main() -> None:
    """The measuring process; its argument is the file with the request."""
    request = json.loads(Path(sys.argv[1]).read_text())
    Path(request["answer"]).write_text(json.dumps(_measure(request)))


if __name__ == "__main__":
    main()
