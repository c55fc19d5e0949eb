"""Measures the time of a model's call in this package and in other engines.

An engine is a module of this package with a docstring and two functions:

* ``convert(source, inputs, directory)`` converts a model to the engine's format, for arrays with the shapes and types
  of ``inputs``, one per input of the model, and returns the path; an existing file is used again. ``source`` is a live
  ``keras.Model``, or the path of a file of another format.
* ``load(path, inputs, threads)`` loads that file in a process. It returns a function that evaluates the model on arrays
  like ``inputs``, which are its arguments, with the given number of threads. The function returns an array, or several
  in the structure of the original's, or, if :attr:`Engine.in_order` is set, in a list.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.errors import InputError, MissingDependencyError, ShapeError
from sofie_jit.frontends import format_of
from sofie_jit.frontends.base import leaves

Inputs = tuple[np.ndarray, ...]
"""An array for each input of a model; the first axis of the first one counts rows."""

Call = Callable[..., Any]
"""A function from arrays, one per input, to an array, or to a structure of arrays if there are several outputs."""

TOLERANCE = 1e-4
"""Maximum difference of an engine's output from the original's, relative to its scale; larger than any rounding."""


@dataclass(frozen=True)
class Engine:
    """One way to run a model."""

    module: str
    """The adapter: a module of this package."""
    packages: tuple[str, ...] = ()
    """The packages that it needs, under their names for pip."""
    program: str = ""
    """A program that it needs; '' if none."""
    ours: bool = False
    """Whether it is this package, not a peer."""
    format: str = ""
    """The only format of models that it runs; '' if it runs all."""
    in_order: bool = False
    """Whether it returns the outputs in the order of :attr:`sofie_jit.Model.output_names`."""
    note: str = ""
    """How it is called, if tables must say so."""

    @property
    def missing(self) -> str:
        """The missing packages, and how to install them; '' if the engine can run."""
        absent = [name for name in self.packages if not importlib.util.find_spec(name.replace("-", "_"))]
        if absent:
            return f"not installed: pip install {' '.join(absent)}"
        if self.program and not shutil.which(self.program):
            return f"the program {self.program} is not installed"
        return ""

    @property
    def adapter(self) -> Any:
        """The adapter module; the engine itself is not imported."""
        return importlib.import_module(f"sofie_jit.bench.{self.module}")


_KERAS = ("keras", "tensorflow")

OURS = "sofie_jit"
"""This package, compiled in the process."""

ENGINES = {
    OURS: Engine("sofie", ours=True),
    "header": Engine(
        "header", program="g++", ours=True, in_order=True, note="the C++ header by g++, called from Python (ctypes)"
    ),
    "header inside C++": Engine(
        "header_inside", program="g++", ours=True, in_order=True, note="the same, called and timed by a loop in C++"
    ),
    "LiteRT": Engine("litert", ("ai-edge-litert", *_KERAS), format="Keras"),
    "ONNX Runtime": Engine("onnx_runtime", ("onnxruntime",), in_order=True),
    "OpenVINO": Engine("openvino", ("openvino",), in_order=True),
    "XLA": Engine("xla", _KERAS, in_order=True, format="Keras"),
    "tf.function": Engine("tf_function", _KERAS, in_order=True, format="Keras"),
    "model(x)": Engine("keras_call", _KERAS, in_order=True, format="Keras"),
    "PyTorch": Engine("torch_eager", ("torch",), format="PyTorch"),
    "torch.compile": Engine("torch_compile", ("torch",), "g++", format="PyTorch"),
    "predict": Engine("keras_predict", _KERAS, in_order=True, format="Keras"),
}
"""Name in tables -> engine."""


def engines_for(format: str) -> list[str]:
    """Keys of :data:`ENGINES` that run models of this format.

    >>> engines_for("ONNX")
    ['sofie_jit', 'header', 'header inside C++', 'ONNX Runtime', 'OpenVINO']
    """
    return [name for name, engine in ENGINES.items() if engine.format in ("", format)]


def listed_engines() -> str:
    """The engines by the formats of models that they run, with names that :func:`find_engines` takes."""
    by_format: dict[str, list[str]] = {}
    for name, engine in ENGINES.items():
        by_format.setdefault(engine.format, []).append(name)
    parts = [f"for {format or 'all'} models: {', '.join(names)}" for format, names in by_format.items()]
    return "; ".join(parts)


def find_engines(names: str) -> list[str]:
    """Keys of :data:`ENGINES` for a comma-separated list; case, spaces and punctuation do not matter.

    Raises InputError for an unknown name.

    >>> find_engines("litert,onnxruntime")
    ['LiteRT', 'ONNX Runtime']
    """
    known = {_plain(name): name for name in ENGINES}
    given = names.split(",")
    if unknown := [name.strip() for name in given if _plain(name) not in known]:
        listed = ", ".join(ENGINES)
        raise InputError(f"there is no engine '{unknown[0]}'; the engines are: {listed}")
    return [known[_plain(name)] for name in given]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]+", "", name.lower().replace("c++", "cpp"))


def prepare(engine: str, source: Any, inputs: Inputs, *, threads: int = 1, directory: Path | None = None) -> Call:
    """Prepares an engine: returns a function that evaluates a model on arrays like ``inputs``.

    ``engine``: a key of :data:`ENGINES`. ``source``: a live ``keras.Model``, or the path of a file of another format.
    ``directory``: where converted files are written, and used again if they exist; by default a temporary directory.

    Raises MissingDependencyError if the engine is not installed, InputError if it does not run models of this
    format, and the engine's exceptions if it cannot run the model.
    """
    if missing := ENGINES[engine].missing:
        raise MissingDependencyError(f"{engine}: {missing}")
    wanted = ENGINES[engine].format
    if wanted and wanted != format_of(source):
        raise InputError(f"it runs models of {wanted} only")
    adapter = ENGINES[engine].adapter
    with tempfile.TemporaryDirectory() as temporary:
        path = adapter.convert(source, inputs, directory or Path(temporary))
        call: Call = adapter.load(path, inputs, threads)
        call(*inputs)
    return call


def difference(answer: Any, expected: Any) -> float:
    """The largest difference of arrays, relative to the largest expected magnitude of each.

    ``answer``, ``expected``: arrays, or structures of arrays.

    Raises ShapeError if their numbers or shapes differ.

    >>> difference(np.array([1.0, 2.5]), np.array([1.0, 2.0]))
    0.25
    """
    pairs = leaves(answer), leaves(expected)
    found, wanted = ([array.shape for array in arrays] for arrays in pairs)
    if found != wanted:
        raise ShapeError(f"its outputs have the shapes {found}, not {wanted}")
    return max(_difference(*pair) for pair in zip(*pairs, strict=True))


def _difference(answer: np.ndarray, expected: np.ndarray) -> float:
    scale = float(np.abs(expected.astype(np.float64)).max(initial=0.0)) or 1.0
    return float(np.abs(answer.astype(np.float64) - expected).max(initial=0.0)) / scale
