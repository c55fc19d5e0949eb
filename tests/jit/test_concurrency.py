"""Threads of Python that run and load models, threads of C++ under ThreadSanitizer, and Ctrl-C during a call.

``python tests/jit/test_concurrency.py 120`` runs the stress test for two minutes.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import sofie_jit
from sofie_jit.errors import CompileError
from sofie_jit.jit.compiler import compiler
from sofie_jit.verification.random_inputs import random_inputs

HERE = Path(__file__).parents[1]
GOLDEN = HERE / "golden"
FILES = [GOLDEN / "keras3" / f"{name}.keras" for name in ("mlp", "recurrent", "convolutional", "functional")]
THREADS = 16


def outputs(model: sofie_jit.Model, inputs: list[np.ndarray]) -> list[bytes]:
    result = model.infer(inputs)
    result = list(result.values()) if isinstance(result, dict) else result if isinstance(result, list) else [result]
    return [array.tobytes() for array in result]


def stress(seconds: float) -> tuple[int, int]:
    """Sixteen threads run four models with many batch sizes while two more load models; counts calls and loads.

    Raises AssertionError if a result differs in a bit from the same call made alone.
    """
    models = [sofie_jit.load(path, threads=2) for path in FILES]
    jobs = []
    for model in models:
        for rows in (1, 2, 7, 64, 513):
            inputs = random_inputs(model, rows, seed=rows)
            jobs.append((model, inputs, outputs(model, inputs)))
    end, wrong = time.monotonic() + seconds, []
    counts: Counter[str] = Counter()

    def call(first: int) -> None:
        number = first
        while time.monotonic() < end and not wrong:
            model, inputs, want = jobs[number * 7 % len(jobs)]
            if outputs(model, inputs) != want:
                wrong.append((model.name, len(inputs[0])))
            number += 1
        counts["calls"] += number - first

    def load(first: int) -> None:
        number = first
        while (number == first or time.monotonic() < end) and not wrong:
            which = number % len(FILES)
            _, inputs, want = jobs[5 * which + 1]
            if outputs(sofie_jit.load(FILES[which], optimize=number % 3 > 0), inputs) != want and number % 3:
                wrong.append((FILES[which].name, "loaded"))
            number += 1
        counts["loads"] += number - first

    threads = [threading.Thread(target=call, args=(i,)) for i in range(THREADS)]
    threads += [threading.Thread(target=load, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong
    return counts["calls"], counts["loads"]


def test_sixteen_threads_while_models_are_loaded() -> None:
    calls, loads = stress(3)
    assert calls > THREADS
    assert loads >= 2  # each loading thread finishes at least one, however busy the machine


FIRST_CALLS = """
import threading
import numpy as np
from sofie_jit import RModel
from sofie_jit.jit.compiler import compiler
from sofie_jit.ir.operators import Gemm, Relu, Softmax
rng = np.random.default_rng(0)
rmodel = RModel("wide")
rmodel.add_input_tensor_info("x", "float32", (None, 1000))
rmodel.add_initialized_tensor("w", rng.normal(size=(1000, 4100)).astype(np.float32))
rmodel.add_operator(Gemm(inputs=["x", "w"], outputs=["g"]))
rmodel.add_operator(Relu(inputs=["g"], outputs=["h"]))
rmodel.add_initialized_tensor("v", rng.normal(size=(4100, 7)).astype(np.float32))
rmodel.add_operator(Gemm(inputs=["h", "v"], outputs=["s"]))
rmodel.add_operator(Softmax(inputs=["s"], outputs=["y"]))
rmodel.add_output_tensor_names("y")
model = rmodel.compile(threads=1)
x = rng.normal(size=(37, 1000)).astype(np.float32)
want = np.concatenate([model.infer(row[None]) for row in x])

def deferred(when):
    return {function.name for function in model._execution.session.code.deferred.values() if function.when == when}

def at_once(inputs, threads):
    results = [None] * 8
    def call(i):
        results[i] = model.infer(inputs, threads=threads)
    calls = [threading.Thread(target=call, args=(i,)) for i in range(8)]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert all(np.array_equal(result, want[: len(inputs)]) for result in results)

assert deferred("rows") and deferred("team")
FIRST
assert (deferred("rows") | deferred("team")) <= compiler()._declared
print("equal")
"""
ROWS = """
assert not deferred("rows") & compiler()._declared
at_once(x, 1)
assert deferred("rows") <= compiler()._declared"""
TEAM = """
assert not deferred("team") & compiler()._declared
at_once(x[:1], 2)
assert deferred("team") <= compiler()._declared"""
BOTH = "at_once(x[:5], 2)"


@pytest.mark.parametrize("first", [(ROWS, TEAM), (TEAM, ROWS), (BOTH,)], ids=["rows", "team", "both"])
def test_first_calls_compile_deferred_functions(first: tuple[str, ...]) -> None:
    script = FIRST_CALLS.replace("FIRST", "\n".join(first))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=HERE.parent, timeout=600)
    assert done.stdout.strip() == "equal", done.stderr


INTERRUPT = """
import os, signal, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # background programs of a shell ignore the signal
import numpy as np
import sofie_jit
model = sofie_jit.load({path!r}, threads=2)
x = np.ones((2_000_000, *model.input_shapes[0][1:]), "float32")
want = model.infer(x[:5])
for _ in range(3):
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        while True:
            model.infer(x)
    except KeyboardInterrupt:
        pass
    assert np.array_equal(model.infer(x[:5]), want)
    assert np.array_equal(model.infer(x[:300_000])[-5:], want)
    assert np.array_equal(sofie_jit.load({path!r}).infer(x[:5]), want)
print("usable")
"""


def test_the_process_is_usable_after_an_interrupt() -> None:
    script = INTERRUPT.format(path=str(FILES[0]))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=HERE.parent, timeout=600)
    assert done.stdout.strip() == "usable", done.stderr


def test_a_text_is_compiled_once_even_if_python_forgot_it() -> None:
    text, function = "namespace sofie_jit_twice { int seven() { return 7; } }", "sofie_jit_twice::seven"
    assert compiler().define(text, "a test", function) == compiler().define(text, "a test", function)
    for _ in range(2):
        with pytest.raises(CompileError, match="unknown_name"):
            compiler().define("int sofie_jit_eight() { return unknown_name; }", "a test")


USER_ERROR = """
import numpy as np
from sofie_jit import CompileError, KernelOperator, RModel
from sofie_jit.operators import Exp, Relu

def network(operator, name):
    rmodel = RModel(name)
    rmodel.add_input_tensor_info("x", "float32", (None, 3))
    rmodel.add_operator(operator(inputs=["x"], outputs=["h"]))
    rmodel.add_operator(Exp(inputs=["h"], outputs=["y"]))
    rmodel.add_output_tensor_names("y")
    return rmodel

def broken(**tensors):
    source = "template <class T> void f(std::size_t n, const T *x, T *y) { y[0] = unknown_name; }"
    return KernelOperator(source=source, function="f", **tensors)

for _ in range(2):
    try:
        network(broken, "broken").compile()
    except CompileError as error:
        assert "KernelOperator" in str(error), error
    else:
        raise AssertionError("the kernel compiled")
assert np.allclose(network(Relu, "correct").compile().infer(np.zeros((2, 3))), 1)
print("usable")
"""


def test_an_error_in_a_user_kernel_does_not_break_built_in_ones() -> None:
    done = subprocess.run([sys.executable, "-c", USER_ERROR], capture_output=True, text=True, cwd=HERE.parent)
    assert done.stdout.strip() == "usable", done.stderr


TSAN = """
#include "session.hxx"
#include "thread_pool.hxx"
#include "mlp.hxx"
#include "recurrent.hxx"
#include <cstdio>
#include <cstring>
#include <thread>

template <class Session, std::size_t Rows, std::size_t Inputs>
int race()
{
   const Session session;
   std::vector<float> x(Rows * Inputs, 0.25f);
   const auto want = session.infer(Rows, x.data());
   int wrong[8] = {};
   std::vector<std::thread> threads;
   for (int t = 0; t < 8; ++t)
      threads.emplace_back([&, t] {
         for (int i = 0; i < 30; ++i)
            wrong[t] += session.infer(Rows, x.data()) != want;
      });
   for (auto &thread : threads)
      thread.join();
   int all = 0;
   for (int w : wrong)
      all += w;
   return all;
}

using namespace sofie_jit_runtime;

void add_one(const void *context, std::size_t part, std::size_t)
{
   ++static_cast<int *>(const_cast<void *>(context))[part];
}

// Callers that share the pool, or find it taken.
int pooled()
{
   start_pool();
   int wrong[6] = {};
   std::vector<std::thread> callers;
   for (int t = 0; t < 6; ++t)
      callers.emplace_back([&, t] {
         for (int i = 0; i < 200; ++i) {
            int done[12] = {};
            const std::size_t threads = pool->acquire(2 + std::size_t(t) % 3);
            if (threads > 1) {
               pool->run(threads, 12, add_one, done);
               pool->release();
            } else {
               for (std::size_t part = 0; part < 12; ++part)
                  add_one(done, part, 0);
            }
            for (int d : done)
               wrong[t] += d != 1;
         }
      });
   int all = 0;
   for (auto &caller : callers)
      caller.join();
   for (int w : wrong)
      all += w;
   return all;
}

int main()
{
   int wrong = race<TMVA_SOFIE_mlp::Session, 7, MLP>();
   wrong += race<TMVA_SOFIE_recurrent::Session, 3, RECURRENT>();
   wrong += pooled();
   std::printf("%d wrong\\n", wrong);
   std::fflush(stdout);
   std::quick_exit(wrong != 0); // the pool's threads never end
}
"""


@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
def test_thread_sanitizer(tmp_path: Path) -> None:
    """Sessions that threads of C++ share, and the thread pool of the JIT, have no data race."""
    sizes = []
    for name in ("mlp", "recurrent"):
        model = sofie_jit.load(GOLDEN / "keras3" / f"{name}.keras")
        assert len(model.input_shapes) == len(model.output_shapes) == 1
        sizes.append(int(np.prod(model.input_shapes[0][1:])))
        model.save_header(tmp_path / f"{name}.hxx", weights="embedded")
    (tmp_path / "main.cc").write_text(TSAN)
    runtime = Path(sofie_jit.__file__).parent / "jit" / "runtime"
    flags = [
        "-std=c++17",
        "-O1",
        "-g",
        "-fsanitize=thread",
        "-pthread",
        f"-I{runtime}",
        f"-I{runtime.parents[1]}/kernels",
    ]
    defines = [f"-DMLP={sizes[0]}", f"-DRECURRENT={sizes[1]}"]
    built = subprocess.run(
        ["g++", *flags, *defines, "main.cc", "-o", "main"], cwd=tmp_path, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr[:3000]
    ran = subprocess.run(["./main"], cwd=tmp_path, capture_output=True, text=True)
    if "unexpected memory mapping" in ran.stderr:
        pytest.skip("ThreadSanitizer does not run on this kernel")
    assert ran.returncode == 0, ran.stdout + ran.stderr[:5000]
    assert ran.stdout == "0 wrong\n"


if __name__ == "__main__":
    print("{:,} calls, {:,} loads, all to the last bit".format(*stress(float(sys.argv[1]))))
