"""Measuring: how long a model takes, here and in the other engines that run Keras models.

An engine is a module of this package with a docstring and two functions:

* ``convert(model, x, directory)`` makes of a live ``keras.Model`` what the engine reads, for arrays like ``x``, and
  returns its path; done once, and kept.
* ``load(path, x, threads)`` is what every process does that uses it. It returns a call that evaluates the model on
  arrays like ``x``, numpy in and numpy out, with so many threads.

Models of one input and one output are measured.
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

from sofie_jit.errors import InputError, MissingDependencyError

Call = Callable[[np.ndarray], np.ndarray]

TOLERANCE = 1e-4
"""How far, of the output's scale, an engine's answer may be from Keras's: enough to tell a wrong one from rounding."""


@dataclass(frozen=True)
class Engine:
    """One way of running a model."""

    module: str
    """The adapter, a module of this package."""
    packages: tuple[str, ...] = ()
    """What pip calls the packages it needs."""
    program: str = ""
    """A program that must be there."""
    ours: bool = False
    """Whether it is this package, and no peer."""

    @property
    def missing(self) -> str:
        """What it needs and is not installed, and how to get it; '' if it can run."""
        absent = [name for name in self.packages if not importlib.util.find_spec(name.replace("-", "_"))]
        if absent:
            return f"not installed: pip install {' '.join(absent)}"
        if self.program and not shutil.which(self.program):
            return f"the program {self.program} is not there"
        return ""

    @property
    def adapter(self) -> Any:
        """The module that runs it; imports it, but not the engine."""
        return importlib.import_module(f"sofie_jit.bench.{self.module}")


_KERAS = ("keras", "tensorflow")

ENGINES = {
    "sofie_jit": Engine("sofie", ("keras",), ours=True),
    "header": Engine("header", ("keras",), "g++", ours=True),
    "header, inside C++": Engine("header_inside", ("keras",), "g++", ours=True),
    "LiteRT": Engine("litert", ("ai-edge-litert", *_KERAS)),
    "ONNX Runtime": Engine("onnx_runtime", ("onnxruntime", "tf2onnx", *_KERAS)),
    "OpenVINO": Engine("openvino", ("openvino", "tf2onnx", *_KERAS)),
    "XLA": Engine("xla", _KERAS),
    "tf.function": Engine("tf_function", _KERAS),
    "model(x)": Engine("keras_call", _KERAS),
    "predict": Engine("keras_predict", _KERAS),
}
"""Name as tables show it -> engine."""


def find_engines(names: str) -> list[str]:
    """Keys of :data:`ENGINES` for a comma-separated list, whatever its case, spaces and punctuation.

    A comma within a name is optional. Raises InputError for an unknown name.
    """
    known = {_plain(name): name for name in ENGINES}
    given = names.split(",")
    if unknown := [name.strip() for name in given if _plain(name) not in known]:
        listed = ", ".join(name.replace(",", "") for name in ENGINES)
        raise InputError(f"there is no engine '{unknown[0]}'; known are: {listed}")
    return [known[_plain(name)] for name in given]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]+", "", name.lower().replace("c++", "cpp"))


def prepare(engine: str, model: Any, x: np.ndarray, *, threads: int = 1, directory: Path | None = None) -> Call:
    """A call that runs ``model``, a ``keras.Model``, in ``engine``, a key of :data:`ENGINES`, on arrays like ``x``.

    ``directory``: where what the engine reads is kept and, if it is there already, taken from; by default nowhere.

    Raises MissingDependencyError if the engine is not installed, and what it raises if it cannot run the model.
    """
    if missing := ENGINES[engine].missing:
        raise MissingDependencyError(f"{engine}: {missing}")
    adapter = ENGINES[engine].adapter
    with tempfile.TemporaryDirectory() as temporary:
        path = adapter.convert(model, x, directory or Path(temporary))
        call: Call = adapter.load(path, x, threads)
        call(x)
    return call


def difference(answer: np.ndarray, expected: np.ndarray) -> float:
    """The largest distance of two arrays, relative to the largest magnitude expected; infinite if shapes differ."""
    if answer.shape != expected.shape:
        return float("inf")
    scale = float(np.abs(expected).max(initial=0.0)) or 1.0
    return float(np.abs(answer.astype(np.float64) - expected).max(initial=0.0)) / scale
