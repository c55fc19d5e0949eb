"""The peak speed of one core, against which profiles compare operators."""

from __future__ import annotations

import functools
from ctypes import PYFUNCTYPE, c_double

from sofie_jit.codegen.expressions import CPP_TYPES
from sofie_jit.codegen.kernel_library import closure, kernel_namespace
from sofie_jit.jit.compiler import compiler


@functools.cache
def peak_flops(dtype: str) -> float:
    """Floating-point operations per second that one core reaches on registers alone, measured once per process.

    ``dtype``: "float32" or "float64".
    """
    compiler().declare_kernels(closure(["core/profile.hxx"]))
    name = f"sofie_jit_peak_{dtype}"
    text = f"double {name}() {{ return {kernel_namespace()}::fma_rate<{CPP_TYPES[dtype]}>(20000); }}"
    (address,) = compiler().define(text, "the measurement of the peak", name)
    measure = PYFUNCTYPE(c_double)(address)
    return float(max(measure() for _ in range(100)))
