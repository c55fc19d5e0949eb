"""Compare the generated header with a lower bound of the time of SOFIE's generated code on this machine.

    python benchmarks/sofie_blas.py [--models "jet MLP" LSTM] [--rounds 12]

SOFIE's code calls OpenBLAS for its matrix products: one per Gemm, one per image of a Conv (after copying the image to a
matrix), and for LSTM and GRU one per gate for the inputs of all steps, and one per gate and step for the state. This
script computes only these products, with the OpenBLAS of numpy's wheel (with its AVX-512 kernels if the processor has
AVX-512), on one thread. It leaves out the rest of SOFIE's work (copies of images and biases, activations, pooling). The
products take turns with the header compiled by g++; both are timed inside C++. The goals for the header's time relative
to SOFIE's are: at most one half at batch 1, three quarters for the Higgs MLP, and 1 for 1024 rows.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sofie_jit.report import tables

SOURCE = """
#include <chrono>
#include <cstddef>
using Gemm = void (*)(int, int, int, long, long, long, float, const float *, long, const float *, long, float, float *,
                      long);
extern "C" double seconds(Gemm gemm, std::size_t count, const long (*sizes)[3], const float *a, const float *weights,
                          float *c, std::size_t calls)
{
   const auto start = std::chrono::steady_clock::now();
   for (std::size_t call = 0; call < calls; ++call)
      for (std::size_t i = 0, at = 0; i < count; ++i) {
         const long m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
         gemm(101, 111, 111, m, n, k, 1.0f, a, k, weights + at, n, 0.0f, c, n);
         at += std::size_t(n * k);
      }
   return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}
"""

GOALS = {
    ("jet MLP", 1): 0.5, ("Higgs MLP", 1): 0.75, ("MNIST CNN", 1): 0.5, ("LSTM", 1): 0.5, ("GRU", 1): 0.5,
    ("ResNet50", 1): 0.5, ("jet MLP", 1024): 1.0, ("Higgs MLP", 1024): 1.0,
}  # fmt: skip


def products(layer: object, batch: int) -> Iterator[tuple[int, int, int]]:
    """Yield (rows, outputs, terms) of each matrix product that SOFIE computes for a Keras layer."""
    kind = type(layer).__name__
    weights = [tuple(weight.shape) for weight in layer.weights]  # type: ignore[attr-defined]
    if kind == "Dense":
        yield batch, weights[0][1], weights[0][0]
    elif kind == "Conv2D":
        height, width, outputs = layer.output.shape[1:]  # type: ignore[attr-defined]
        for _ in range(batch):
            yield height * width, outputs, int(np.prod(weights[0][:-1]))
    elif kind in ("LSTM", "GRU"):
        inputs, units = weights[0][0], weights[1][0]
        gates, steps = weights[0][1] // units, layer.input.shape[1]  # type: ignore[attr-defined]
        for _ in range(gates):
            yield steps * batch, units, inputs
        for _ in range(steps * gates):
            yield batch, units, units


class Blas:
    """The matrix products of a network, computed by OpenBLAS."""

    def __init__(self, library: Path, sizes: list[tuple[int, int, int]]):
        random = np.random.default_rng(0)
        self.sizes = np.array(sizes, np.int64)
        rows, outputs, terms = self.sizes.T
        self.a = random.normal(size=(rows * terms).max()).astype("f")
        self.weights = random.normal(size=(outputs * terms).sum()).astype("f")
        self.c = np.empty((rows * outputs).max(), "f")
        self.run = ctypes.CDLL(os.fspath(library)).seconds
        self.run.restype = ctypes.c_double
        self.gemm = ctypes.cast(openblas().scipy_cblas_sgemm64_, ctypes.c_void_p)

    def seconds(self, calls: int) -> float:
        """Return the time of ``calls`` evaluations of all products, in seconds."""
        arrays = [ctypes.c_void_p(array.ctypes.data) for array in (self.sizes, self.a, self.weights, self.c)]
        taken: float = self.run(self.gemm, ctypes.c_size_t(len(self.sizes)), *arrays, ctypes.c_size_t(calls))
        return taken


def openblas() -> ctypes.CDLL:
    """Return the OpenBLAS library that is part of numpy's wheel and already loaded."""
    (path,) = (Path(np.__file__).parents[1] / "numpy.libs").glob("libscipy_openblas64_*")
    return ctypes.CDLL(os.fspath(path))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=["jet MLP", "Higgs MLP", "MNIST CNN", "LSTM", "GRU", "ResNet50"])
    parser.add_argument("--rounds", type=int, default=12)
    args = parser.parse_args()
    if "OPENBLAS_NUM_THREADS" not in os.environ:  # OpenBLAS reads it when numpy is imported
        avx512 = "avx512f" in Path("/proc/cpuinfo").read_text()
        kernels = {"OPENBLAS_CORETYPE": "SkylakeX"} if avx512 else {}
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "OPENBLAS_NUM_THREADS": "1", **kernels})
    from models import BENCHMARKS
    from sofie_jit.bench import header

    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        library = Path(temporary) / "blas.so"
        library.with_suffix(".cc").write_text(SOURCE)
        subprocess.run(["g++", "-O2", "-shared", "-fPIC", library.with_suffix(".cc"), "-o", library], check=True)
        for name in args.models:
            model = BENCHMARKS[name].model()
            directory = Path(temporary) / name.replace(" ", "_")
            directory.mkdir()
            for batch in [batch for known, batch in GOALS if known == name]:
                x = np.random.default_rng(0).normal(size=(batch, *model.input_shape[1:])).astype("f")
                timed = header.TimedInside(header.convert(model, (x,), directory), (x,))
                blas = Blas(library, [size for layer in model.layers for size in products(layer, batch)])
                calls = max(1, int(0.02 / timed.seconds(1, x)))
                times = [(timed.seconds(calls, x) / calls, blas.seconds(calls) / calls) for _ in range(args.rounds)]
                header_times, product_times = zip(*times, strict=True)
                ratios = statistics.median(a / b for a, b in times), min(header_times) / min(product_times)
                times_in_us = (f"{min(side) * 1e6:.3g}" for side in (header_times, product_times))
                rows.append((f"{name}, {batch}", *times_in_us, *(f"{r:.2f}" for r in ratios), str(GOALS[name, batch])))
    print(tables.text([("model, batch", "header, us", "products, us", "medians", "minima", "goal"), *rows]))


if __name__ == "__main__":
    main()
