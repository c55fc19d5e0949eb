"""The threads that engines get, and a description of the machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from sofie_jit.bench import ENGINES
from sofie_jit.jit.threads import available_cores


def variables(threads: int) -> dict[str, str]:
    """Environment variables that give ``threads`` threads to engines without another interface for that.

    TensorFlow reads them when it starts. XLA uses one thread or all that the process may use.

    >>> variables(2)["OMP_NUM_THREADS"]
    '2'
    """
    flags = os.environ.get("XLA_FLAGS", "")
    return {
        "OMP_NUM_THREADS": str(threads),
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
        "XLA_FLAGS": f"{flags} --xla_cpu_multi_thread_eigen={'false' if threads == 1 else 'true'}".strip(),
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
    }


def cores() -> int:
    """The number of cores that this process may use."""
    return available_cores()


def pin(threads: int) -> None:
    """Restricts this process to ``threads`` cores, the last ones of those that it may use."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def machine() -> dict[str, Any]:
    """The machine that the results depend on: processor, cores, memory, system, load."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = set(facts.get("flags", facts.get("Features", "")).split())
    widest = [name for name in ("avx512f", "avx2", "fma", "asimd") if name in flags]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": facts.get("model name") or platform.processor() or platform.machine(),
        "architecture": platform.machine(),
        "instruction sets": widest,
        "cores": cores(),
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "Linux") if _is_linux() else platform.system(),
        "load before": round(os.getloadavg()[0], 2),
    }


def _is_linux() -> bool:
    return platform.system() == "Linux" and any(map(os.path.exists, ("/etc/os-release", "/usr/lib/os-release")))


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of the packages of all engines."""
    packages = {package for engine in ENGINES.values() for package in engine.packages}
    found = {"Python": platform.python_version()}
    for name in ("sofie_jit", "cppyy", "numpy", *sorted(packages)):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
