"""Running out of memory raises OutOfMemoryError on every path into C++, and the process continues."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import resource
import sys
import numpy as np
from sofie_jit import OutOfMemoryError, RModel
from sofie_jit.ir.operators import Expand, ReduceMean

def network(repeats):
    rmodel = RModel("network")
    rmodel.add_input_tensor_info("x", "float32", (None, 1, 4))
    rmodel.add_operator(Expand(inputs=["x"], outputs=["many"], shape=("batch", repeats, 4)))
    rmodel.add_operator(ReduceMean(inputs=["many"], outputs=["y"], axes=[1], keepdims=False))
    rmodel.add_output_tensor_names("y")
    return rmodel.compile(threads=2)

small, large = network(10), network(1 << 28)
x = np.ones((10_000, 1, 4), np.float32)
want = small.infer(x)
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (1 << 30),) * 2)
for rows in [x[:1]] * 6 + [x]:  # through Python, through the C fast path, and shared among threads
    try:
        large.infer(rows)
    except MemoryError as error:
        assert isinstance(error, OutOfMemoryError) and "fewer rows" in str(error), error
    else:
        raise AssertionError("4 GB were found")
    assert small.infer(rows).tobytes() == want[: len(rows)].tobytes()
assert ("infer" in vars(large)) == (sys.version_info >= (3, 11))  # the C fast path was tried
"""


def test_running_out_of_memory_raises_and_the_process_continues() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr[-2000:]
