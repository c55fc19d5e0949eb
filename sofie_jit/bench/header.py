"""The exported header, compiled by g++ to a shared library and called through ctypes."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit import frontends
from sofie_jit.bench import Inputs, model_file
from sofie_jit.codegen.expressions import CPP_TYPES
from sofie_jit.codegen.stored_types import decode_type, encode_type
from sofie_jit.errors import InputError
from sofie_jit.ir.dims import bind_shape, names_of, static_dims
from sofie_jit.ir.rmodel import sizes_of

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
int run(const Session *session, const std::size_t *sizes, void *const *arrays)
{{
   static_cast<void>(sizes);
   return session->run({arguments});
}}
double seconds(const Session *session, const std::size_t *sizes, void *const *arrays, std::size_t calls)
{{
   const auto start = std::chrono::steady_clock::now();
   for (std::size_t i = 0; i < calls; ++i)
      run(session, sizes, arrays);
   return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}}
}}
"""


def convert(source: Any, inputs: Inputs, directory: Path) -> Path:
    """Compiles a shared library; its weights and the types of its tensors are in files next to it."""
    path = directory / "model.so"
    if not path.exists():
        rmodel = frontends.open(model_file.write(source, directory), untrusted=False)()
        rmodel.save_header(directory / "model.hxx")
        outputs = [rmodel.tensor_type(name) for name in rmodel.outputs]
        given = list(rmodel.inputs.values())
        names = names_of(dim for kind in given for dim in kind.shape)
        if found := set(names_of(dim for kind in outputs for dim in kind.shape)).difference(names):
            raise InputError(f"the sizes {', '.join(sorted(found))} of outputs depend on the data")
        types = [*(f"const {CPP_TYPES[kind.dtype]}" for kind in given), *(CPP_TYPES[kind.dtype] for kind in outputs)]
        sizes = [f"sizes[{index}]" for index in range(len(names))]
        pointers = [f"static_cast<{kind} *>(arrays[{index}])" for index, kind in enumerate(types)]
        (directory / "model.cc").write_text(SOURCE.format(arguments=", ".join([*sizes, *pointers])))
        described = {"inputs": list(map(encode_type, given)), "outputs": list(map(encode_type, outputs))}
        (directory / "model.json").write_text(json.dumps(described))
        subprocess.run(["g++", *FLAGS, "model.cc", "-o", path.name], cwd=directory, check=True)
    return path


def load(path: Path, inputs: Inputs, threads: int) -> Library:
    """Loads the shared library."""
    return Library(path, inputs)


class Library:
    """The compiled header, which runs on the calling thread, for arrays like ``inputs``."""

    def __init__(self, path: Path, inputs: Inputs):
        self._library = ctypes.PyDLL(os.fspath(path))
        self._library.create.restype = ctypes.c_void_p
        self._library.seconds.restype = ctypes.c_double
        self._session = ctypes.c_void_p(self._library.create(os.fsencode(path.with_suffix(".dat"))))
        described = json.loads(path.with_suffix(".json").read_text())
        types = {f"x{i}": decode_type(kind) for i, kind in enumerate(described["inputs"])}
        sizes = sizes_of(types, [x.shape for x in inputs])
        self._sizes = (ctypes.c_size_t * max(len(sizes), 1))(*sizes.values())
        outputs = map(decode_type, described["outputs"])
        self._outputs = [(static_dims("bench", bind_shape(kind.shape, sizes)), kind.dtype) for kind in outputs]

    def __call__(self, *arrays: np.ndarray) -> Any:
        results = [np.empty(shape, dtype) for shape, dtype in self._outputs]
        self._library.run(self._session, self._sizes, _addresses(*arrays, *results))
        return results[0] if len(results) == 1 else results


class TimedInside(Library):
    """The same with the clock in C++, so that no Python runs between two calls."""

    def seconds(self, calls: int, *arrays: np.ndarray) -> float:
        """The duration of ``calls`` calls in seconds."""
        results = [np.empty(shape, dtype) for shape, dtype in self._outputs]
        arguments = (self._sizes, _addresses(*arrays, *results), ctypes.c_size_t(calls))
        taken: float = self._library.seconds(self._session, *arguments)
        return taken


def _addresses(*arrays: np.ndarray) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
