"""How fast compiled code is on the cppyy at hand: ``python tests/root/speed.py``, in ROOT's environment and in another.

Prints the best of many: a Gemm of 256 x 1024 x 512 and a convolution of 3 x 3 on 28 x 28 x 128 in GFLOP/s, on one
thread, and the time of a call with a single row of 16 numbers. Both environments should give the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

import sofie_jit
from sofie_jit.ir.operators import Conv, Gemm
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.jit.cling import is_root_fork

RNG = np.random.default_rng(0)


def network(operator: ROperator, row: Sequence[int], weight: Sequence[int]) -> sofie_jit.Model:
    """One operator with one weight."""
    rmodel = sofie_jit.RModel()
    rmodel.add_input_tensor_info("x", "float32", (None, *row))
    rmodel.add_initialized_tensor("w", RNG.normal(size=weight).astype(np.float32))
    operator.inputs, operator.outputs = ["x", "w"], ["y"]
    rmodel.add_operator(operator)
    rmodel.add_output_tensor_names("y")
    return rmodel.compile(threads=1)


def best(call: Callable[[], object], seconds: float = 4) -> float:
    """The least time of a call."""
    found, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        found = min(found, time.perf_counter() - start)
    return found


def rows(count: int, *row: int) -> np.ndarray:
    return RNG.normal(size=(count, *row)).astype(np.float32)


def main() -> None:
    gemm, x = network(Gemm(), (1024,), (1024, 512)), rows(256, 1024)
    conv, image = network(Conv(pads=(1, 1, 1, 1), layout="NHWC"), (28, 28, 128), (128, 128, 3, 3)), rows(1, 28, 28, 128)
    small, one = network(Gemm(), (16,), (16, 5)), rows(1, 16)
    for _ in range(10):
        small.infer(one)  # the first calls make the way shorter for those to come

    def thousand() -> None:
        for _ in range(1000):
            small.infer(one)

    print("cppyy        ", "of ROOT's wheel" if is_root_fork() else "the real one")
    print(f"Gemm          {2 * 256 * 1024 * 512 / best(lambda: gemm.infer(x)) / 1e9:.0f} GFLOP/s")
    print(f"convolution   {2 * 28 * 28 * 9 * 128 * 128 / best(lambda: conv.infer(image)) / 1e9:.0f} GFLOP/s")
    print(f"a single call {best(thousand, 1) * 1e3:.2f} us")


if __name__ == "__main__":
    main()
