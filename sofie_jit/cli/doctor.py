"""Check the installation.

Checks versions, the compiler in cppyy, its flags and its precompiled header, the processor, compilers for exported
headers, and optional packages; then compiles the demo network and compares its outputs. The exit code is 1 if models
cannot run.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import sofie_jit
from sofie_jit.jit.precompiled_header import find
from sofie_jit.report import tables

EXAMPLES = """\
sofie-jit doctor
sofie-jit doctor --json"""

OPTIONAL = {
    "keras": "compare, bench",
    "tensorflow": "compare, bench",
    "tf_keras": "compare with files of Keras 2",
    "onnxruntime": "compare and bench with ONNX files",
    "torch": "compare and bench with PyTorch files, live modules",
    "matplotlib": "plot",
    "pyarrow": ".parquet files",
    "pandas": "data frames",
    "uproot": "ROOT files",
    "awkward": "events of variable length",
    "dask": "many machines",
}
"""Package -> its use."""

CANNOT = "sofie_jit cannot compile models here, see PROBLEM above; compiled libraries need only numpy"

SLOW = 5e9
"""Floating-point operations per second of a core below which the code is not optimized or the machine is unusual."""


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    what: str
    found: str
    problem: str = ""
    """What to do; '' if all is well."""
    severe: bool = False
    """Whether models cannot run because of it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Prints the findings; returns 1 if models cannot run."""
    findings = [finding for examine in EXAMINATIONS for finding in examine()]
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        width = max(len(finding.what) for finding in findings)
        for finding in findings:
            print(f"{finding.what:{width}}  {finding.found}")
            if finding.problem:
                print(f"{'':{width}}  {'PROBLEM' if finding.severe else 'note'}: {finding.problem}")
    severe = any(finding.severe for finding in findings)
    if not args.json:
        print(f"\n{CANNOT if severe else 'sofie_jit can run models here'}")
    return 1 if severe else 0


def _packages() -> Iterator[Finding]:
    yield Finding("sofie_jit", f"{sofie_jit.__version__} in {Path(sofie_jit.__file__).parent}")
    yield Finding("Python", f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}")
    for name in ("numpy", "h5py"):
        found = version(name)
        yield Finding(name, found or "not installed", "" if found else f"pip install {name}", not found)


def version(name: str) -> str:
    """The version of a package; '' if it is not installed.

    A package such as tensorflow is also found if a distribution of another name (tensorflow-cpu) contains it.
    """
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        if importlib.util.find_spec(name) is None:
            return ""
    names = importlib.metadata.packages_distributions().get(name)
    return f"{importlib.metadata.version(names[0])} ({names[0]})" if names else "installed"


def _machine() -> Iterator[Finding]:
    from sofie_jit.bench.environment import machine
    from sofie_jit.jit.threads import VARIABLES, thread_count

    facts = machine()
    sets = facts["instruction sets"]
    slow = "" if sets else "without fused multiply-add (FMA), models are slower and results are rounded differently"
    yield Finding("system", f"{facts['system']}, {facts['architecture']}")
    yield Finding("processor", f"{facts['processor']}: {', '.join(sets) or 'baseline'}", slow)
    given = [f"{name}={os.environ[name]}" for name in VARIABLES if os.environ.get(name)]
    try:
        yield Finding("threads", f"{thread_count(None)} of {facts['cores']} cores" + "".join(f", {x}" for x in given))
    except ValueError as error:
        yield Finding("threads", ", ".join(given), str(error), severe=True)


def _cppyy() -> Iterator[Finding]:
    from sofie_jit.jit import runtime_functions
    from sofie_jit.jit.cling import FORK_FLAGS, is_root_fork

    flags = os.environ.get("EXTRA_CLING_ARGS", "")
    begin = time.perf_counter()
    try:
        runtime_functions.start()
    except sofie_jit.MissingDependencyError as error:
        yield Finding("cppyy", version("cppyy") or "not installed", str(error), severe=True)
        return
    seconds = time.perf_counter() - begin
    kind = "from ROOT's wheel" if is_root_fork() else f"{version('cppyy')}, Cling {version('cppyy-cling')}"
    yield Finding("cppyy", f"{kind}, started in {tables.duration(seconds)}")
    unoptimized = is_root_fork() and flags and "regalloc" not in flags
    remedy = f"ROOT's cppyy needs '{FORK_FLAGS}' for fast code; set the variable to this value or unset it"
    yield Finding("EXTRA_CLING_ARGS", flags or "not set", remedy if unoptimized else "")
    if not is_root_fork():
        yield _precompiled_header()


def _cache() -> Iterator[Finding]:
    from sofie_jit.jit import cache_folder

    chosen = cache_folder.chosen()
    if chosen is None:
        yield Finding("cache of models", "off")
    elif (folder := cache_folder.usable()) is not None:
        yield Finding("cache of models", str(folder))
    else:
        yield Finding("cache of models", str(chosen), f"it is not used: {cache_folder.problem(chosen)}")


def _precompiled_header() -> Finding:
    """The headers of the standard library in the compiled form that Cling reads when it starts."""
    found = find()
    return Finding("precompiled header", f"{found} ({tables.size(found.stat().st_size)})" if found else "not found")


def _compilers() -> Iterator[Finding]:
    for name in ("g++", "clang++"):
        path = shutil.which(name)
        found = subprocess.run([path, "--version"], capture_output=True, text=True).stdout if path else ""
        yield Finding(name, found.partition("\n")[0] or "not installed (needed for exported headers only)")


def _optional() -> Iterator[Finding]:
    for name, purpose in OPTIONAL.items():
        yield Finding(name, version(name) or f"not installed (for: {purpose})")
    yield Finding("graphviz", shutil.which("dot") or "not installed (for: drawings of graphs)")


def _demo() -> Iterator[Finding]:
    from sofie_jit.demo import MODEL_FILE, load_digits
    from sofie_jit.jit.peak import peak_flops

    images, _, keras = load_digits()
    start = time.perf_counter()
    try:
        answers = sofie_jit.load(MODEL_FILE, threads=1).infer(images)
    except sofie_jit.SofieError as error:
        yield Finding("demo network", "does not run", str(error), severe=True)
        return
    seconds = time.perf_counter() - start
    wrong = float(np.abs(answers - keras).max())
    yield Finding(
        "demo network", f"loaded, compiled and run in {tables.duration(seconds)}, {wrong:.0e} from Keras",
        "its outputs should differ by less than 1e-6" if wrong >= 1e-6 else "", severe=wrong >= 1e-6,
    )  # fmt: skip
    peak = peak_flops("float32")
    yield Finding(
        "speed of a core", f"{peak / 1e9:.0f} GFLOP/s", "the code seems not to be optimized" if peak < SLOW else ""
    )


EXAMINATIONS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _packages, _machine, _cppyy, _cache, _demo, _compilers, _optional,
)  # fmt: skip
