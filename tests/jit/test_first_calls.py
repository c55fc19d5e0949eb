"""First calls at new sizes: nothing is compiled while they wait."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sofie_jit.ir.rmodel import RModel
from sofie_jit.jit import cache, cache_folder
from sofie_jit.operators import Conv, Gemm, ReduceMean, Relu, Softmax

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "c++"))) or cache.vector_bytes() is None,
    reason="needs a C++ compiler, and a processor with fused multiply-add",
)


def images() -> RModel:
    """A classifier of images of any size.

    Its batches need register tiles and the softmax for several rows, its larger images functions for several threads.
    """
    random = np.random.default_rng(0)
    model = RModel("images")
    model.add_input_tensor_info("x", "float32", (None, "height", "width", 3))
    for name, shape in {"kernel": (16, 3, 3, 3), "w": (16, 40), "v": (40, 5)}.items():
        model.add_initialized_tensor(name, random.normal(size=shape).astype(np.float32))
    model.add_operator(Conv(layout="NHWC", pads=[1, 1, 1, 1], inputs=["x", "kernel"], outputs=["filtered"]))
    model.add_operator(ReduceMean(axes=[1, 2], keepdims=False, inputs=["filtered"], outputs=["mean"]))
    model.add_operator(Gemm(inputs=["mean", "w"], outputs=["hidden"]))
    model.add_operator(Relu(inputs=["hidden"], outputs=["positive"]))
    model.add_operator(Gemm(inputs=["positive", "v"], outputs=["logits"]))
    model.add_operator(Softmax(inputs=["logits"], outputs=["y"]))
    model.add_output_tensor_names("y")
    return model


CALLS = """
import threading
timers = []
threading.Timer.start = lambda timer: timers.append(timer)
import numpy as np
from sofie_jit.jit import cache, cache_compile
from sofie_jit.jit.compiler import Compiler
from test_first_calls import images

def call(batch, size, threads):
    x = np.random.default_rng(size).normal(size=(batch, size, size + 1, 3)).astype(np.float32)
    return model.infer(x, threads=threads)

model = images().compile(threads=usual)
assert {function.when for function in model._execution.session.code.deferred.values()} == {"team"}
define, compiled = Compiler.define, []
def noted(self, text, what, *functions):
    compiled.append(what)
    return define(self, text, what, *functions)
Compiler.define = noted
sizes = [(batch, size) for size in (1, 7, 120) for batch in (1, 2, 3, 0)]
results = [call(*size, 1) for size in sizes]
assert compiled == [] and "infer" in vars(model)  # the C fast path
"""

COMPILED = """
assert all(np.array_equal(call(*size, 2), result) for size, result in zip(sizes, results))
assert compiled == []  # nor does a call on several threads, which are usual
"""

READY = """
cache._start_compiling = lambda folder: cache_compile.compile_all(str(folder))
(timer,) = timers
timer.function(*timer.args)
assert all(np.array_equal(call(*size, 2), result) for size, result in zip(sizes, results))
assert compiled == []  # the functions for several threads came from the other process
"""

TOO_EARLY = """
assert all(np.array_equal(call(*size, 2), result) for size, result in zip(sizes, results))
assert compiled  # before, Cling compiles them
"""


@pytest.mark.parametrize(
    ("threads", "then"), [(2, COMPILED), (1, READY), (1, TOO_EARLY)], ids=["two threads", "ready", "too early"]
)
def test_no_call_at_a_new_size_compiles(threads: int, then: str, tmp_path: Path) -> None:
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, cache_folder.VARIABLE: str(tmp_path / "cache"), "PYTHONPATH": paths}
    command = [sys.executable, "-c", f"usual = {threads}\n{CALLS}{then}"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr
