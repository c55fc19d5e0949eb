"""The exported header, compiled by g++ to a shared library and called through ctypes."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit import frontends
from sofie_jit.bench import model_file
from sofie_jit.codegen.expressions import CPP_TYPES

FLAGS = ("-std=c++17", "-O3", "-march=native", "-shared", "-fPIC")

SOURCE = """
#include "model.hxx"
#include <chrono>
using TMVA_SOFIE_model::Session;
extern "C" {{
Session *create(const char *weights)
{{
   return new Session(weights);
}}
int run(const Session *session, std::size_t batch, const {x} *x, {y} *y)
{{
   return session->run(batch, x, y);
}}
double seconds(const Session *session, std::size_t batch, const {x} *x, {y} *y, std::size_t calls)
{{
   const auto start = std::chrono::steady_clock::now();
   for (std::size_t i = 0; i < calls; ++i)
      session->run(batch, x, y);
   return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}}
}}
"""


def convert(source: Any, x: np.ndarray, directory: Path) -> Path:
    """Compiles a shared library; its weights are in a file next to it."""
    path = directory / "model.so"
    if not path.exists():
        rmodel = frontends.open(model_file.write(source, directory), untrusted=False)()
        rmodel.save_header(directory / "model.hxx")
        (y,) = (rmodel.tensor_type(name) for name in rmodel.outputs)
        (directory / "model.cc").write_text(SOURCE.format(x=CPP_TYPES[x.dtype.name], y=CPP_TYPES[y.dtype]))
        np.save(directory / "model_output.npy", np.empty((0, *y.shape[1:]), y.dtype))
        subprocess.run(["g++", *FLAGS, "model.cc", "-o", path.name], cwd=directory, check=True)
    return path


def load(path: Path, x: np.ndarray, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """Loads the shared library."""
    return Library(path)


class Library:
    """The compiled header, which runs on the calling thread."""

    def __init__(self, path: Path):
        self._library = ctypes.PyDLL(os.fspath(path))
        self._library.create.restype = ctypes.c_void_p
        self._library.seconds.restype = ctypes.c_double
        self._session = ctypes.c_void_p(self._library.create(os.fsencode(path.with_suffix(".dat"))))
        output = np.load(path.with_name("model_output.npy"))
        self._row, self._dtype = output.shape[1:], output.dtype

    def __call__(self, x: np.ndarray) -> np.ndarray:
        y = np.empty((len(x), *self._row), self._dtype)
        self._library.run(self._session, ctypes.c_size_t(len(x)), _address(x), _address(y))
        return y


class TimedInside(Library):
    """The same with the clock in C++, so that no Python runs between two calls."""

    def seconds(self, x: np.ndarray, calls: int) -> float:
        """The duration of ``calls`` calls in seconds."""
        y = np.empty((len(x), *self._row), self._dtype)
        arguments = (ctypes.c_size_t(len(x)), _address(x), _address(y), ctypes.c_size_t(calls))
        taken: float = self._library.seconds(self._session, *arguments)
        return taken


def _address(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
