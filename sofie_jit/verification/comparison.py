"""Compares a model with its original, run by the library that saved it: outputs, layer by layer, and time per call."""

from __future__ import annotations

import html
import os
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sofie_jit import frontends
from sofie_jit.errors import ModelFileError, OptionError, SofieError, counted
from sofie_jit.frontends.base import OriginalModel, Translation, leaves
from sofie_jit.frontends.content import on_disk
from sofie_jit.models.opening import model_of
from sofie_jit.report import tables
from sofie_jit.report.timing import round_robin, sample_of
from sofie_jit.verification.difference import MOST_ROUNDING, TOLERANCE, Difference, Time, distance
from sofie_jit.verification.original import original_of
from sofie_jit.verification.random_inputs import of_open_size, random_inputs
from sofie_jit.version import __version__

if TYPE_CHECKING:
    from sofie_jit.models.model import Model

NUMBERS = 10e6
"""Maximum input elements of a call if the number of rows is not given."""
ROWS = 256
"""Maximum number of rows if it is not given."""
LAYER_ROWS = 16
"""Number of rows for the comparison of every layer."""

OURS = "sofie_jit"


@dataclass(frozen=True)
class Comparison:
    """The result of :func:`sofie_jit.compare`.

    It is true if all outputs agree. ``print`` shows tables, :meth:`plot` draws figures.
    """

    source: str
    library: str
    """The library that ran the original, such as ``Keras``."""
    version: str
    """The library and its version, such as ``Keras 3.9.0``."""
    outputs: list[Difference]
    layers: list[Difference]
    """One per layer and operation in the order of computation, if ``layers=True``."""
    times: list[Time]
    inputs: list[np.ndarray]
    """The inputs of both."""
    computed: list[np.ndarray]
    """The outputs of this package."""
    expected: list[np.ndarray]
    """The outputs of the original."""

    @property
    def ok(self) -> bool:
        """Whether all outputs agree; see :attr:`Difference.ok`."""
        return all(output.ok for output in self.outputs)

    def __bool__(self) -> bool:
        return self.ok

    @property
    def parting(self) -> Difference | None:
        """The first layer whose output differs; None if there is none or layers were not compared."""
        return next((layer for layer in self.layers if not layer.ok), None)

    @property
    def speedups(self) -> dict[int, float]:
        """Batch -> time of the fastest way to run the original, divided by the time of this package."""
        return {batch: min(s for e, s in row.items() if e != OURS) / row[OURS] for batch, row in self._grid().items()}

    def as_dict(self) -> dict[str, Any]:
        """Everything except the arrays, ready for JSON."""

        def records(differences: Sequence[Difference]) -> list[dict[str, Any]]:
            return [asdict(d) | {"shape": list(d.shape), "ok": d.ok} for d in differences]

        return {
            "source": self.source, "sofie_jit": __version__, "original": self.version,
            "ok": self.ok, "rows": self._rows, "outputs": records(self.outputs), "layers": records(self.layers),
            "times": [asdict(time) for time in self.times],
            "speedups": {str(batch): ratio for batch, ratio in self.speedups.items()},
        }  # fmt: skip

    @property
    def _rows(self) -> int:
        return len(self.inputs[0]) if self.inputs and self.inputs[0].ndim else 1

    def _grid(self) -> dict[int, dict[str, float]]:
        grid: dict[int, dict[str, float]] = {}
        for time in self.times:
            grid.setdefault(time.batch, {})[time.engine] = time.seconds
        return grid

    @property
    def summary(self) -> str:
        """The result in one sentence."""
        worst = max((output.relative for output in self.outputs), default=0.0)
        if self.ok and worst <= TOLERANCE:
            found = f"agrees with {self.library}: maximum difference {worst:.1e} of the scale, {TOLERANCE:.0e} allowed"
        elif self.ok and worst > MOST_ROUNDING:
            found = (
                f"agrees with a float64 evaluation of the original; {self.library} differs from both by {worst:.1e} of "
                "the scale, which is more than rounding"
            )
        elif self.ok:
            found = (
                f"agrees with {self.library}: maximum difference {worst:.1e} of the scale, which is rounding (the "
                f"distance from a float64 evaluation is at most twice that of {self.library})"
            )
        else:
            found = f"differs from {self.library}: maximum difference {worst:.1e} of the scale"
            if self.parting:
                found += f"; the first layer that differs is {self.parting.name}"
        text = f"{self.source} {found} ({counted(self._rows, 'row')}, {self.version})"
        unchecked = next((output.unchecked for output in self.outputs if not output.ok and output.unchecked), "")
        return f"{text}\nno float64 evaluation says whether this is rounding: {unchecked}" if unchecked else text

    @property
    def _speedup_note(self) -> str:
        others = ", ".join(dict.fromkeys(time.engine for time in self.times if time.engine != OURS))
        return f"speed-up: the time of {self.library} in its fastest way ({others}), divided by that of {OURS}"

    def _tables(self) -> Iterator[tuple[str, list[tuple[str, ...]], int]]:
        """Caption, rows and number of text columns of each table."""
        head = ("shape", "max. difference", "of the scale", "verdict")
        for what, differences in (("output", self.outputs), ("layer", self.layers)):
            rows = [(d.name, str(d.shape), f"{d.absolute:.1e}", f"{d.relative:.1e}", d.verdict) for d in differences]
            if rows:
                yield f"{what}s", [(what, *head), *rows], 2
        if self.times:
            engines = list(dict.fromkeys(time.engine for time in self.times))
            body = [
                (
                    str(batch),
                    *(tables.duration(row[engine]) for engine in engines),
                    f"{tables.ratio(self.speedups[batch])} x",
                )
                for batch, row in self._grid().items()
            ]
            yield "time of one call", [("rows", *engines, "speed-up"), *body], 0

    def __str__(self) -> str:
        notes = [self._speedup_note] if self.times else []
        return "\n\n".join([self.summary, *(tables.text(rows, left) for _, rows, left in self._tables()), *notes])

    def _repr_html_(self) -> str:
        parts = [tables.markup(rows, left, caption) for caption, rows, left in self._tables()]
        notes = html.escape(self._speedup_note) if self.times else ""
        return f"<div>{html.escape(self.summary)}{''.join(parts)}{notes}</div>"

    def plot(self, figure: Any = None) -> Any:
        """Draws the distribution of differences, those of the layers and the times if there are any, with matplotlib.

        ``figure``: a ``matplotlib.figure.Figure`` to draw on; by default a new one. Returns the figure.
        Raises MissingDependencyError without matplotlib.
        """
        from sofie_jit.verification.comparison_plot import plot

        return plot(self, figure)


def compare(
    source: str | os.PathLike[str] | Any,
    x: Any = None,
    *,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    replace: Mapping[str, Callable[..., Any]] | None = None,
    rows: int | None = None,
    seed: int = 0,
    layers: bool = False,
    batches: Sequence[int] | None = None,
    threads: int | None = None,
    **options: Any,
) -> Comparison:
    """Compares a model with its original: the difference of their outputs, and the time of a call of each.

    Parameters
    ----------
    source, config, replace, threads, options
        As in :func:`sofie_jit.load`. The library of the format runs the original: ONNX Runtime, PyTorch, Keras 3, or
        tf_keras for files of Keras 2 if it is installed, because Keras 3 reads some of their options differently. The
        network in a compiled library is evaluated in numpy, without the file that it was made from and without its
        framework.
    x
        The inputs, as for ``infer``. By default ``rows`` rows of random numbers (``seed``) that fit the model: integers
        where they are indices of an Embedding, some size for open dimensions.
    layers
        Also compare the output of every layer, those of nested models included, or of every node of an ONNX file, on
        some of the rows.
    batches
        Numbers of rows for measuring the time of a call. By default some from 1 to 1024 that do not take long; none if
        it is empty. The original is run in every way that its library has, each with the library's default number of
        threads.

    Raises
    ------
    MissingDependencyError
        The library is not installed.
    ModelFileError
        The library cannot load the model.
    InputError
        The library cannot run it on ``x``.
    OptionError
        ``rows`` or one of ``batches`` is not positive, or an option is unknown.

    Examples
    --------
    >>> from sofie_jit.demo import MODEL_FILE, load_digits
    >>> found = compare(MODEL_FILE, load_digits().images, batches=[])  # doctest: +SKIP
    >>> found.ok, found.outputs[0].shape                               # doctest: +SKIP
    (True, (100, 10))
    """
    if wrong := [number for number in (rows, *(batches or ())) if number is not None and number < 1]:
        raise OptionError(f"rows= and batches= are positive numbers of rows, got {wrong[0]}")
    with on_disk(source) as file:
        found = _compare(
            file, x, rows=rows, seed=seed, layers=layers, batches=batches, threads=threads,
            options={"config": config, "replace": replace, **options},
        )  # fmt: skip
    return found


def _compare(
    source: Any,
    x: Any,
    *,
    rows: int | None,
    seed: int,
    layers: bool,
    batches: Sequence[int] | None,
    threads: int | None,
    options: dict[str, Any],
) -> Comparison:
    translation = frontends.open(source, **options)
    if x is not None and not translation.shapes_known:
        translation = translation.for_inputs(_in_order(x, translation))
    original = original_of(translation, source, **options)
    model = model_of(translation, threads=threads)
    names = model.input_names
    if isinstance(x, Mapping) and set(x) == set(names):
        given = original.arranged(names, [np.asarray(x[name]) for name in names])
    elif x is not None:
        given = _map(np.asarray, x)
    else:
        rows = rows or min(ROWS, _affordable(of_open_size(model), original.most_work))
        given = original.arranged(names, random_inputs(model, rows, seed))
    compiled = model.for_inputs(given)
    affordable = _affordable(compiled, original.most_work)
    computed, expected = leaves(model.infer(given)), original.evaluate(given)
    outputs = differences(
        _names(compiled, len(expected)), computed, expected, lambda: original.evaluate_in_float64(given)
    )
    fixed = model.input_shapes[0][0]
    by_layer = _layers(original, source, options, given if fixed else _resized(given, LAYER_ROWS)) if layers else []
    if batches is None:
        batches = [fixed] if fixed else [batch for batch in (1, 32, 1024) if batch <= affordable]
    times = [time for batch in batches for time in _times(model, original, _resized(given, batch))]
    label = Path(source).name if isinstance(source, (str, os.PathLike)) else f"the model '{model.name}'"
    return Comparison(
        label, original.library, original.version, outputs, by_layer, times, leaves(given), computed, expected
    )


def _in_order(x: Any, translation: Translation) -> list[np.ndarray]:
    """Inputs of any structure as arrays in the order of the model's."""
    named = isinstance(x, Mapping)
    parts = [x[name] for name in translation.names_of_inputs(len(x))] if named else leaves(x)
    return [np.asarray(part) for part in parts]


def _affordable(model: Model, most_work: float) -> int:
    """The number of rows for which a call does not take long."""
    numbers = sum(array.size for array in random_inputs(model, 1))
    return max(1, int(min(most_work / max(1, sum(model.rmodel.operator_flops())), NUMBERS / max(numbers, 1))))


# -- differences -----------------------------------------------------------------------------------------------------


def differences(
    names: Sequence[str],
    computed: Sequence[np.ndarray],
    expected: Sequence[np.ndarray],
    exact: Callable[[], list[np.ndarray]],
) -> list[Difference]:
    """The differences of pairs of arrays; ``exact`` evaluates in float64 and is called if it is needed to judge, and
    may raise SofieError.
    """
    if len(computed) != len(expected):
        original = counted(len(expected), "output")
        raise ModelFileError(f"the original has {original}, the translated model {len(computed)}")
    relative = [distance(a, b) for a, b in zip(computed, expected, strict=True)]
    precise, reason = None, ""
    if max(relative, default=0.0) > TOLERANCE:
        try:
            precise = exact()
        except SofieError as error:
            reason = str(error)
    found = []
    for index, (name, a, b, part) in enumerate(zip(names, computed, expected, relative, strict=True)):
        finite = b[np.isfinite(b)]
        scale = float(np.abs(finite).max(initial=0.0))
        ours, theirs = (None, None) if precise is None else (distance(a, precise[index]), distance(b, precise[index]))
        found.append(Difference(name, b.shape, distance(a, b, scale=1.0), part, scale, ours, theirs, reason))
    return found


def _layers(original: OriginalModel, source: Any, options: Mapping[str, Any], inputs: Any) -> list[Difference]:
    """The differences of the outputs of every layer and operation, in its first call."""
    counts = original.layers()
    model = model_of(frontends.open(source, outputs=list(counts), **options))
    view = original.ending_in(counts)
    names = [name for name, count in counts.items() for _ in range(count)]
    return differences(
        names, leaves(model.infer(inputs)), view.evaluate(inputs), lambda: view.evaluate_in_float64(inputs)
    )


def _names(model: Model, count: int) -> list[str]:
    """The names of ``count`` outputs as ``infer`` returns them; dicts need not have the order of ``output_names``."""
    structure = model.output_structure
    names = model.output_names if structure is None else [model.output_names[int(i)] for i in leaves(structure)]
    return list(names) if len(names) == count else [f"output {i}" for i in range(count)]


def _map(function: Callable[[Any], Any], structure: Any) -> Any:
    if isinstance(structure, Mapping):
        return {key: _map(function, value) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        return [_map(function, value) for value in structure]
    return function(structure)


def _resized(inputs: Any, rows: int) -> Any:
    """The first ``rows`` rows, repeated as needed."""
    return _map(lambda array: np.resize(array, (rows, *array.shape[1:])), inputs)


# -- time ------------------------------------------------------------------------------------------------------------


def _times(model: Model, original: OriginalModel, inputs: Any) -> list[Time]:
    rows = len(leaves(inputs)[0])
    calls = {OURS: model.infer, **original.ways_to_run(rows)}
    converted = original.arranged(model.input_names, model._arguments.standardize([inputs]))  # as bench calls engines
    samples = {engine: sample_of(call, converted) for engine, call in calls.items()}
    measured = round_robin(samples, rounds=3, block=0.02)
    return [Time(engine, rows, statistics.median(seconds)) for engine, seconds in measured.items()]
