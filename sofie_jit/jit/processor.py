"""The instruction sets of processors: what compiled code needs, and what the processor of this machine has."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

X86 = {
    "SSE3": "pni",
    "SSSE3": "ssse3",
    "SSE4_1": "sse4_1",
    "SSE4_2": "sse4_2",
    "SSE4A": "sse4a",
    "POPCNT": "popcnt",
    "LZCNT": "abm",
    "MOVBE": "movbe",
    "F16C": "f16c",
    "BMI": "bmi1",
    "BMI2": "bmi2",
    "FMA": "fma",
    "AVX": "avx",
    "AVX2": "avx2",
    "AVXVNNI": "avx_vnni",
    "GFNI": "gfni",
    "VAES": "vaes",
    "AVX512F": "avx512f",
    "AVX512CD": "avx512cd",
    "AVX512BW": "avx512bw",
    "AVX512DQ": "avx512dq",
    "AVX512VL": "avx512vl",
    "AVX512IFMA": "avx512ifma",
    "AVX512VBMI": "avx512vbmi",
    "AVX512VBMI2": "avx512_vbmi2",
    "AVX512VNNI": "avx512_vnni",
    "AVX512BITALG": "avx512_bitalg",
    "AVX512VPOPCNTDQ": "avx512_vpopcntdq",
    "AVX512BF16": "avx512_bf16",
    "AVX512FP16": "avx512_fp16",
}
ARM = {
    "ARM_FEATURE_ATOMICS": "atomics",
    "ARM_FEATURE_DOTPROD": "asimddp",
    "ARM_FEATURE_FP16_VECTOR_ARITHMETIC": "asimdhp",
    "ARM_FEATURE_SVE": "sve",
    "ARM_FEATURE_SVE2": "sve2",
}
"""Macro ``__NAME__`` that a compiler defines if its code may use an instruction set -> its name in /proc/cpuinfo.

Instructions that compilers use only where a program asks for them, such as those for cryptography, are not listed.
"""


@functools.cache
def features() -> frozenset[str] | None:
    """The instruction sets of this processor, by their names in /proc/cpuinfo; None if the system does not tell."""
    try:
        with Path("/proc/cpuinfo").open() as file:
            for line in file:  # the first processor is enough, and a machine may have hundreds
                key, _, value = line.partition(":")
                if key.strip() in ("flags", "Features"):
                    return frozenset(value.split())
    except OSError:
        return None
    return None


def needed(macros: Iterable[str]) -> list[str]:
    """The instruction sets that code needs, given the ``macros`` that its compiler defines."""
    known = {f"__{macro}__": name for macro, name in X86.items()} | {f"__{macro}": name for macro, name in ARM.items()}
    return sorted({known[macro] for macro in macros if macro in known})


def vector_bytes(macros: Iterable[str]) -> int:
    """Bytes of a register for which kernels are compiled with these macros; kernels/core/isa.hxx decides the same."""
    defined = set(macros)
    if "__AVX512F__" in defined:
        return 64
    return 32 if {"__AVX__", "__FMA__"} <= defined else 16
