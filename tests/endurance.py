"""``python tests/endurance.py``: what long use does to a process. Prints a line for each promise of its kind.

Calls without end and memory that stays; many loads of one network and of many; a Model that is collected with its
weights; and how long the slowest calls take, compared with ONNX Runtime if it and the package onnx are installed.
"""

from __future__ import annotations

import argparse
import gc
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np

import sofie_jit
from sofie_jit.ir.operators import Gemm
from sofie_jit.ir.operators.activations import Relu

MB = 1 << 20
FILE = Path(__file__).parent / "golden" / "keras3" / "mlp.keras"


def resident() -> float:
    """Megabytes of memory that the process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / MB


def network(width: int = 30, seed: int = 0) -> sofie_jit.RModel:
    """Two dense layers, 12 -> ``width`` -> 7."""
    rng = np.random.default_rng(seed)
    rmodel = sofie_jit.RModel(f"dense{width}")
    rmodel.add_input_tensor_info("x", "float32", (None, 12))
    last = "x"
    for i, (k, n) in enumerate(((12, width), (width, 7))):
        rmodel.add_initialized_tensor(f"w{i}", rng.normal(size=(k, n)).astype(np.float32))
        rmodel.add_operator(Gemm(inputs=[last, f"w{i}"], outputs=[f"s{i}"]))
        rmodel.add_operator(Relu(inputs=[f"s{i}"], outputs=[f"h{i}"]))
        last = f"h{i}"
    rmodel.add_output_tensor_names(last)
    return rmodel


def calls(count: int) -> None:
    model = network().compile(threads=1)
    x = np.random.default_rng(0).normal(size=(1, 12)).astype(np.float32)
    many = np.repeat(x, 1000, 0)
    for _ in range(10_000):
        model.infer(x)
        last = model.infer(many) if _ % 1000 == 0 else None
    del last
    before, start = resident(), time.perf_counter()
    for i in range(count):
        model.infer(x)
        if i % 10_000 == 0:
            model.infer(many)
    seconds = time.perf_counter() - start
    print(f"{count:,} calls: resident memory {before:.1f} -> {resident():.1f} MB, {seconds:.0f} s")


def loads(same: int, different: int) -> None:
    for _ in range(10):
        sofie_jit.load(FILE)
    before, start = resident(), time.perf_counter()
    for _ in range(same):
        sofie_jit.load(FILE)
    seconds = time.perf_counter() - start
    gc.collect()
    between = resident()
    print(f"{same:,} loads of one file: {before:.1f} -> {between:.1f} MB, {seconds:.0f} s")
    for width in range(31, 31 + different):
        network(width).compile().infer(np.zeros((1, 12), np.float32))
    gc.collect()
    grown = resident() - between
    each = grown / max(different, 1)
    print(f"{different:,} different networks: {between:.1f} -> {resident():.1f} MB, {each:.2f} MB each")


def collected() -> None:
    width = 1 << 20  # 76 MB of weights, and as much packed
    network(8).compile()
    rmodel = network(width)
    before = resident()
    model = rmodel.compile()
    model.infer(np.zeros((1, 12), np.float32))
    held, gone = resident(), weakref.ref(model)
    del model
    gc.collect()
    print(f"a Model is collected: {gone() is None}; {before:.0f} -> {held:.0f} -> {resident():.0f} MB")


def latency(seconds: float) -> None:
    x = np.random.default_rng(0).normal(size=(1, 12)).astype(np.float32)
    runs = {"sofie_jit": network().compile(threads=1).infer}
    try:
        runs["ONNX Runtime"] = onnx_runtime()
    except ImportError as error:
        print(f"ONNX Runtime is not compared: {error}")
    times: dict[str, list[int]] = {name: [] for name in runs}
    for run in runs.values():
        for _ in range(1000):
            run(x)
    end = time.monotonic() + seconds
    clock = time.perf_counter_ns
    while time.monotonic() < end:  # in turns, so that both meet the same interruptions
        for name, run in runs.items():
            mine = times[name]
            for _ in range(1000):
                start = clock()
                run(x)
                mine.append(clock() - start)
    for name, mine in times.items():
        p50, p99, p999, most = np.percentile(mine, [50, 99, 99.9, 100]) / 1000
        print(f"{name:12} p50 {p50:.2f}  p99 {p99:.2f}  p99.9 {p999:.2f}  max {most:.0f} us  ({len(mine):,} calls)")


def onnx_runtime() -> Any:
    """The same network in ONNX Runtime, on one thread."""
    import onnx
    import onnxruntime

    rmodel = network()
    helper = onnx.helper
    nodes, last = [], "x"
    for i in range(2):
        nodes += [
            helper.make_node("MatMul", [last, f"w{i}"], [f"m{i}"]),
            helper.make_node("Relu", [f"m{i}"], [f"h{i}"]),
        ]
        last = f"h{i}"
    weights = [onnx.numpy_helper.from_array(values, name) for name, values in rmodel.initialized.items()]
    ends = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [None, d]) for n, d in (("x", 12), (last, 7))]
    graph = helper.make_graph(nodes, "dense", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python tests/endurance.py", description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000_000)
    parser.add_argument("--loads", type=int, default=1000)
    parser.add_argument("--different", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20, help="of the comparison of latencies")
    options = parser.parse_args()
    collected()
    loads(options.loads, options.different)
    calls(options.calls)
    latency(options.seconds)


if __name__ == "__main__":
    main()
