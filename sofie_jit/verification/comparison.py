"""A model here and in Keras, side by side: how far their answers are apart, layer by layer, and how long they take."""

from __future__ import annotations

import html
import importlib
import importlib.util
import json
import os
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import sofie_jit
from sofie_jit.errors import InputError, MissingDependencyError, ModelFileError
from sofie_jit.report import tables
from sofie_jit.verification.random_inputs import random_inputs

TOLERANCE = 1e-6
"""How far from Keras's an answer may be, relative to the largest magnitude of the output."""
ROUNDING = 2
"""How many times Keras's own error it may be from a float64 evaluation, if it is further from Keras's than that."""
WORK, NUMBERS = 20e9, 10e6
"""Floating-point operations that a call may take and numbers it may be given, if the number of rows is not said."""
ROWS = 256
"""How many rows there are at most, if it is not said."""
LAYER_ROWS = 16
"""How many of them go through the models that give every layer's output."""

OURS = "sofie_jit"


@dataclass(frozen=True)
class Difference:
    """Two arrays that should be the same: an output's, or a layer's."""

    name: str
    shape: tuple[int, ...]
    absolute: float
    """The largest difference; infinite where NaN or infinity disagree, or shapes."""
    relative: float
    """The largest difference as a part of :attr:`scale`."""
    scale: float
    """The largest magnitude of Keras's array."""
    from_exact: float | None = None
    """How far, relative to the scale, our array is from a float64 evaluation by Keras; None if that was not needed, or
    is not possible."""
    keras_from_exact: float | None = None
    """How far Keras's own is."""

    @property
    def ok(self) -> bool:
        """Whether our numbers are as good as Keras's.

        That is within 1e-6 of the scale of Keras's, or no further from a float64 evaluation than twice Keras's own.
        """
        if self.relative <= TOLERANCE:
            return True
        if self.from_exact is None or self.keras_from_exact is None:
            return False
        return self.from_exact <= max(ROUNDING * self.keras_from_exact, TOLERANCE)

    @property
    def verdict(self) -> str:
        """The same in words."""
        if self.relative <= TOLERANCE:
            return "same"
        if self.from_exact is None:
            return "differs"
        word = "rounding" if self.ok else "differs"
        return f"{word}: {self.from_exact:.0e} from float64, Keras {self.keras_from_exact:.0e}"


@dataclass(frozen=True)
class Time:
    """How long one call takes, numpy arrays in and out."""

    engine: str
    """``sofie_jit``, or a way of running Keras's model: ``model(x)``, ``predict``, ``tf.function``."""
    batch: int
    seconds: float
    """The median of many calls, the engines taking turns."""


@dataclass(frozen=True)
class Comparison:
    """What :func:`sofie_jit.compare` found. True if the answers agree; ``print`` shows tables, :meth:`plot` figures."""

    source: str
    keras: str
    """The version of Keras that was compared with, and its name."""
    outputs: list[Difference]
    layers: list[Difference]
    """One per layer and operation of the graph in Keras's order, if they were asked for."""
    times: list[Time]
    inputs: list[np.ndarray]
    """What both were evaluated on."""
    ours: list[np.ndarray]
    """Our outputs."""
    theirs: list[np.ndarray]
    """Keras's outputs."""

    @property
    def ok(self) -> bool:
        """Whether all outputs agree; see :attr:`Difference.ok`."""
        return all(output.ok for output in self.outputs)

    def __bool__(self) -> bool:
        return self.ok

    @property
    def parting(self) -> Difference | None:
        """The first layer whose output differs; None if none does or layers were not compared."""
        return next((layer for layer in self.layers if not layer.ok), None)

    @property
    def speedups(self) -> dict[int, float]:
        """Batch -> how many times as long Keras takes, in the way that is fastest for it."""
        return {batch: min(s for e, s in row.items() if e != OURS) / row[OURS] for batch, row in self._grid().items()}

    def as_dict(self) -> dict[str, Any]:
        """All but the arrays, ready for JSON."""

        def records(differences: Sequence[Difference]) -> list[dict[str, Any]]:
            return [asdict(d) | {"shape": list(d.shape), "ok": d.ok} for d in differences]

        return {
            "source": self.source, "sofie_jit": sofie_jit.__version__, "keras": self.keras, "ok": self.ok,
            "rows": self._rows, "outputs": records(self.outputs), "layers": records(self.layers),
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
            found = f"agrees with Keras: at most {worst:.1e} of the scale apart, {TOLERANCE:.0e} being allowed"
        elif self.ok:
            found = (
                f"agrees with Keras: {worst:.1e} of the scale apart, which is rounding: no further from a float64 "
                "evaluation than twice Keras's own numbers"
            )
        else:
            found = f"differs from Keras: {worst:.1e} of the scale apart"
            if self.parting:
                found += f"; the first layer that differs is {self.parting.name}"
        return f"{self.source} {found} ({self._rows:,} rows, {self.keras})"

    def _tables(self) -> Iterator[tuple[str, list[tuple[str, ...]], int]]:
        """Caption, rows and the number of columns of text, of each table."""
        head = ("shape", "largest difference", "of the scale", "verdict")
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
        return "\n\n".join([self.summary, *(tables.text(rows, left) for _, rows, left in self._tables())])

    def _repr_html_(self) -> str:
        parts = [tables.markup(rows, left, caption) for caption, rows, left in self._tables()]
        return f"<div>{html.escape(self.summary)}{''.join(parts)}</div>"

    def plot(self, figure: Any = None) -> Any:
        """Draws the distribution of differences, the layers' if they were compared, and the times, with matplotlib.

        ``figure``: a ``matplotlib.figure.Figure`` to draw on; by default a new one. Returns the figure.
        Raises MissingDependencyError without matplotlib.
        """
        from sofie_jit.verification.comparison_plot import plot

        return plot(self, figure)


def compare(
    source: str | os.PathLike[str] | Any,
    x: Any = None,
    *,
    config: str | os.PathLike[str] | dict[str, Any] | None = None,
    replace: Mapping[str, Callable[..., Any]] | None = None,
    rows: int | None = None,
    seed: int = 0,
    layers: bool = False,
    batches: Sequence[int] | None = None,
    threads: int | None = None,
) -> Comparison:
    """Runs a model here and in Keras, and says how far their answers are apart and how long a call takes in each.

    ``source``, ``config``, ``replace`` and ``threads`` are those of :func:`sofie_jit.load`. Files of Keras 2 are read
    by tf_keras if it is installed, because Keras 3 reads some of their options otherwise.
    ``x``: what to run on, as for ``infer``; by default ``rows`` rows of random numbers (``seed``) that fit: integers
    where they point into an Embedding's table, some size for open dimensions.
    ``layers``: also compare the output of every layer, those within nested models included, on some of the rows.
    ``batches``: numbers of rows to measure a call with; by default some from 1 to 1024 that do not take long, and none
    if it is empty. Keras is run in all its ways, each engine with the threads it takes by default.

    Raises MissingDependencyError without Keras and TensorFlow, ModelFileError if Keras cannot load the model,
    InputError if it cannot run on ``x``, and what ``load`` and ``infer`` raise.
    """
    library, theirs = _keras_model(source, config)
    ours = sofie_jit.load(source, config=config, replace=replace, threads=threads)
    affordable = _affordable(ours)
    given = (
        _map(np.asarray, x)
        if x is not None
        else _as_keras_wants(theirs, ours.input_names, random_inputs(ours, rows or min(ROWS, affordable), seed))
    )
    our_answers, their_answers = leaves(ours.infer(given)), _answers(theirs, given)
    outputs = differences(
        _names(ours.output_names, len(their_answers)), our_answers, their_answers, lambda: _exact(theirs, given)
    )
    fixed = ours.input_shapes[0][0]
    found = _layers(theirs, source, config, replace, given if fixed else _resized(given, LAYER_ROWS)) if layers else []
    if batches is None:
        batches = [fixed] if fixed else [batch for batch in (1, 32, 1024) if batch <= affordable]
    times = [time for batch in batches for time in _times(ours, theirs, _resized(given, batch))]
    label = Path(source).name if isinstance(source, (str, os.PathLike)) else f"the model '{ours.name}'"
    version = f"{library.__name__.replace('keras', 'Keras')} {library.__version__}"
    return Comparison(label, version, outputs, found, times, leaves(given), our_answers, their_answers)


def _affordable(model: sofie_jit.Model) -> int:
    """How many rows a call may have for it not to take long."""
    numbers = sum(array.size for array in random_inputs(model, 1))
    return max(1, int(min(WORK / max(1, sum(model.rmodel.operator_flops())), NUMBERS / max(numbers, 1))))


# -- differences -----------------------------------------------------------------------------------------------------


def leaves(structure: Any) -> list[np.ndarray]:
    """The arrays of a nested structure of lists and dicts, in order."""
    if isinstance(structure, Mapping):
        return [leaf for part in structure.values() for leaf in leaves(part)]
    if isinstance(structure, (list, tuple)):
        return [leaf for part in structure for leaf in leaves(part)]
    return [np.asarray(structure)]


def distance(got: np.ndarray, want: np.ndarray, scale: float | None = None) -> float:
    """Largest difference relative to the scale of ``want``; infinite where NaN or infinity disagree, or shapes."""
    if got.shape != want.shape:
        return float("inf")
    got, want = got.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(want)
    if not np.array_equal(got[~finite], want[~finite], equal_nan=True) or not np.isfinite(got[finite]).all():
        return float("inf")
    got, want = got[finite], want[finite]
    if not want.size:
        return 0.0
    scale = float(np.abs(want).max()) if scale is None else scale
    worst = float(np.abs(got - want).max())
    return worst / scale if scale > 0 else (0.0 if worst <= TOLERANCE else worst)


def differences(
    names: Sequence[str],
    ours: Sequence[np.ndarray],
    theirs: Sequence[np.ndarray],
    exact: Callable[[], list[np.ndarray] | None],
) -> list[Difference]:
    """The differences of pairs of arrays; ``exact`` evaluates in float64, and is called if that is needed to judge."""
    if len(ours) != len(theirs):
        raise ModelFileError(f"the model has {len(theirs)} outputs in Keras and {len(ours)} here")
    relative = [distance(a, b) for a, b in zip(ours, theirs, strict=True)]
    precise = exact() if max(relative, default=0.0) > TOLERANCE else None
    found = []
    for index, (name, a, b, part) in enumerate(zip(names, ours, theirs, relative, strict=True)):
        finite = b[np.isfinite(b)]
        scale = float(np.abs(finite).max(initial=0.0))
        errors = (None, None) if precise is None else (distance(a, precise[index]), distance(b, precise[index]))
        found.append(Difference(name, b.shape, distance(a, b, scale=1.0), part, scale, *errors))
    return found


def in_float64(model: Any) -> Any:
    """``model`` rebuilt by Keras in float64, weights copied. Raises what Keras raises if it cannot be."""
    library = _library(model)

    def to_float64(config: Any) -> Any:
        if isinstance(config, dict):
            return {
                key: "float64" if key == "dtype" and _is_float(value) else to_float64(value)
                for key, value in config.items()
            }
        if isinstance(config, (list, tuple)):
            return type(config)(map(to_float64, config))
        return config

    before = library.backend.floatx()
    library.backend.set_floatx("float64")
    try:
        twin = type(model).from_config(to_float64(model.get_config()))
        twin.set_weights(model.get_weights())
        finalize(twin)
    finally:
        library.backend.set_floatx(before)
    return twin


def finalize(model: Any) -> Any:
    """Makes layers whose numbers derive from their weights (Normalization) take them from the weights as they are."""
    for layer in model._flatten_layers():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    return model


def _is_float(value: Any) -> bool:
    if isinstance(value, dict):
        value = value.get("config", {}).get("name", "")
    return value is None or str(value).startswith(("float", "mixed"))


def _exact(model: Any, inputs: Any, view: Callable[[Any], Any] = lambda model: model) -> list[np.ndarray] | None:
    """What ``view`` of ``model`` gives in float64; None if Keras cannot evaluate it so."""
    try:
        return _answers(view(in_float64(model)), inputs)
    except Exception:  # whatever the reason, there is nothing to judge by
        return None


# -- Keras -----------------------------------------------------------------------------------------------------------


def _keras_model(source: Any, config: Any) -> tuple[ModuleType, Any]:
    """The library and its model; see :func:`compare` for what is raised."""
    if not isinstance(source, (str, os.PathLike)):
        return _library(source), source
    from sofie_jit.frontends.keras.files import read

    version = read(source, config).keras_version
    wanted = ("tf_keras", "keras") if version.startswith(("1.", "2.")) else ("keras",)
    libraries = [name for name in wanted if importlib.util.find_spec(name) and importlib.util.find_spec("tensorflow")]
    if not libraries:
        raise MissingDependencyError(
            "comparing needs Keras and TensorFlow, which are not installed here: pip install tensorflow"
        )
    problems = []
    for name in libraries:
        library = importlib.import_module(name)
        try:
            if config is None:
                return library, library.models.load_model(source, compile=False)
            model = library.models.model_from_json(_json_text(config))
            model.load_weights(source)
            return library, model
        except Exception as error:  # of any kind, as everything in a file may be wrong for this version
            problems.append(f"{name} {library.__version__} cannot load {source}: {' '.join(str(error).split())[:300]}")
    raise ModelFileError("; ".join([*problems, "give the live keras.Model instead"]))


def _json_text(config: Any) -> str:
    if isinstance(config, Mapping):
        return json.dumps(config)
    text = os.fspath(config)
    return text if text.lstrip().startswith("{") else Path(text).read_text()


def _library(model: Any) -> ModuleType:
    """The library that a live model belongs to: keras or tf_keras."""
    names = (kind.__module__.partition(".")[0] for kind in type(model).__mro__)
    name = next((name for name in names if name in ("keras", "tf_keras")), None)
    if name is None:
        raise InputError(f"compare takes the path of a saved model or a keras.Model, got {type(model).__name__}")
    return importlib.import_module(name)


def _answers(model: Any, inputs: Any) -> list[np.ndarray]:
    """What ``model`` gives, its stateful layers beginning anew."""
    for layer in model._flatten_layers():
        if getattr(layer, "stateful", False):  # the name of it in Keras 3, and in Keras 2
            reset = getattr(layer, "reset_state", None) or layer.reset_states
            reset()
    return leaves(_call(model, inputs))


def _call(model: Any, inputs: Any) -> Any:
    return _map(np.asarray, model(inputs, training=False))


def _map(function: Callable[[Any], Any], structure: Any) -> Any:
    if isinstance(structure, Mapping):
        return {key: _map(function, value) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        return [_map(function, value) for value in structure]
    return function(structure)


def _as_keras_wants(model: Any, names: Sequence[str], arrays: Sequence[np.ndarray]) -> Any:
    if len(arrays) == 1:
        return arrays[0]
    structure = _input_structure(model)
    return dict(zip(names, arrays, strict=True)) if isinstance(structure, Mapping) else list(arrays)


def _input_structure(model: Any) -> Any:
    """The model's symbolic inputs in the structure that it takes arrays in."""
    graph = getattr(model, "_functional", None) or model
    found = getattr(graph, "_inputs_struct", getattr(graph, "_nested_inputs", model.inputs))
    return found[0] if isinstance(found, (list, tuple)) and len(found) == 1 else found


def _names(names: Sequence[str], count: int) -> list[str]:
    return list(names) if len(names) == count else [f"output {i}" for i in range(count)]


def _layers(model: Any, source: Any, config: Any, replace: Any, inputs: Any) -> list[Difference]:
    """The differences of every layer's and operation's output, of the first call of those that are called often."""
    from sofie_jit.frontends.keras import read_graph
    from sofie_jit.frontends.keras.graph import flatten

    known = read_graph(source, config).results
    counts = {name: len(flatten(known[name])) for name in _layer_outputs(model) if name in known}

    def every_layer(model: Any) -> Any:
        """``model`` with the outputs of all layers: of one that gives several tensors the first, as ``outputs=``."""
        found = _layer_outputs(model)
        outputs = [tensor for name, count in counts.items() for tensor in found[name][:count]]
        return _library(model).Model(_input_structure(model), outputs)

    ours = sofie_jit.load(source, config=config, replace=replace, outputs=list(counts))
    names = [name for name, count in counts.items() for _ in range(count)]
    return differences(
        names,
        leaves(ours.infer(inputs)),
        _answers(every_layer(model), inputs),
        lambda: _exact(model, inputs, every_layer),
    )


def _layer_outputs(model: Any) -> dict[str, list[Any]]:
    """Of each layer and operation of a Functional or Sequential model, in order, what its first call gives.

    Layers of nested models come before these, named with their path: ``encoder/dense_1``.
    """
    from sofie_jit.frontends.keras.graph import flatten

    depths = _nodes_by_depth(model)
    if not depths:
        raise InputError("only the layers of Sequential and Functional models can be compared")
    nodes = [node for depth in sorted(depths, reverse=True) for node in depths[depth]]
    first: dict[str, Any] = {}
    for node in sorted(nodes, key=_number, reverse=True):
        first[_operation(node).name] = node
    found: dict[str, list[Any]] = {}
    for node in nodes:
        operation = _operation(node)
        if type(operation).__name__ == "InputLayer" or node is not first[operation.name]:
            continue
        if _nodes_by_depth(operation):
            found |= {f"{operation.name}/{name}": made for name, made in _inner_outputs(operation, node).items()}
        found[operation.name] = flatten([node.output_tensors if hasattr(node, "output_tensors") else node.outputs])
    return found


def _operation(node: Any) -> Any:
    """The layer or operation that is called; of a node of Keras 3, or of Keras 2."""
    return getattr(node, "operation", None) or node.layer


def _number(node: Any) -> int:
    """How many calls of its layer were made before this one."""
    return next(i for i, other in enumerate(_operation(node)._inbound_nodes) if other is node)


def _nodes_by_depth(model: Any) -> Mapping[int, Any] | None:
    """Keras's graph of a Functional or Sequential model; None of anything else."""
    found: Mapping[int, Any] | None = getattr(getattr(model, "_functional", model), "_nodes_by_depth", None)
    return found


def _inner_outputs(model: Any, node: Any) -> dict[str, list[Any]]:
    """What the layers of a nested model give when it is called as in ``node``."""
    from sofie_jit.frontends.keras.graph import flatten

    inner = _layer_outputs(model)
    twin = _library(model).Model(_input_structure(model), [tensor for made in inner.values() for tensor in made])
    given = getattr(node, "arguments", None)  # of Keras 3
    args, kwargs = (given.args, given.kwargs) if given else (node.call_args, node.call_kwargs)
    outputs = iter(flatten([twin(*args, **kwargs)]))
    return {name: [next(outputs) for _ in made] for name, made in inner.items()}


# -- time ------------------------------------------------------------------------------------------------------------


def _times(ours: sofie_jit.Model, theirs: Any, inputs: Any) -> list[Time]:
    from sofie_jit.bench.timing import round_robin, sample_of

    rows = len(leaves(inputs)[0])
    calls = {OURS: ours.infer, **_keras_calls(theirs, rows)}
    samples = {engine: sample_of(call, inputs) for engine, call in calls.items()}
    measured = round_robin(samples, rounds=3, block=0.02)
    return [Time(engine, rows, statistics.median(seconds)) for engine, seconds in measured.items()]


def _keras_calls(model: Any, rows: int) -> dict[str, Callable[[Any], Any]]:
    """The ways in which Keras runs a model, numpy arrays in and out."""
    calls: dict[str, Callable[[Any], Any]] = {
        "model(x)": lambda x: _call(model, x),
        "predict": lambda x: model.predict(x, batch_size=max(rows, 1), verbose=0),
    }
    if _library(model).backend.backend() == "tensorflow":
        import tensorflow as tf

        graph = tf.function(lambda x: model(x, training=False))
        calls["tf.function"] = lambda x: _map(np.asarray, graph(_map(tf.constant, x)))
    return calls


def _resized(inputs: Any, rows: int) -> Any:
    """``rows`` rows: of what there are the first ones, repeated as needed."""
    return _map(lambda array: np.resize(array, (rows, *array.shape[1:])), inputs)
