"""Headers of every kind of layer under the sanitizers of g++ and clang++: no bad access, no undefined behaviour.

The networks are those of ``fuzz/spare_layers.py``, one of each layer, and the golden files. A few of them share a
program. ``pytest -m slow tests/codegen/test_sanitizers.py`` runs all, ``pytest tests/codegen/test_sanitizers.py`` some.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sofie_jit import SofieError, frontends
from sofie_jit.codegen.expressions import CPP_TYPES
from sofie_jit.codegen.plan import make_plan
from sofie_jit.codegen.print_header import export_header
from sofie_jit.ir.dims import BATCH, bind_shape, names_of
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.pipeline import lower
from sofie_jit.verification.random_inputs import index_limits

HERE = Path(__file__).parents[1]
sys.path.insert(0, str(HERE / "fuzz"))
from mutations import seeds  # noqa: E402
from spare_layers import LAYERS, spare_file  # noqa: E402

COMPILERS = [name for name in ("g++", "clang++") if shutil.which(name)]
FLAGS = ["-std=c++17", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
TARGETS = {"native": ["-march=native"], "baseline": []}
BATCHES = (0, 1, 3, 13)
TOGETHER = 12

PROGRAM = """
#include <cstdio>
#include <cstdint>
#include <limits>
#include <memory>
{includes}

// Memory of exactly the size, so that the sanitizer sees what lies beyond it. `kind` 1: numbers that few expect.
template <class T>
std::unique_ptr<T[]> numbers(std::size_t size, long limit, int kind)
{{
   static const float strange[] = {{0.0f, -0.0f, 1e-42f, 3e38f, -3e38f, std::numeric_limits<float>::infinity(),
                                   -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}};
   std::unique_ptr<T[]> result(new T[size]);
   for (std::size_t i = 0; i < size; ++i) {{
      const long n = static_cast<long>(i * 7919 % 1009);
      if (limit)
         result[i] = static_cast<T>(n % limit);
      else if (kind && std::numeric_limits<T>::has_infinity)
         result[i] = static_cast<T>(strange[n % 8]);
      else
         result[i] = static_cast<T>(std::numeric_limits<T>::is_integer ? n % 2 : (n - 500) / 250.0);
   }}
   return result;
}}

int main()
{{
{blocks}
   std::puts("done");
   return 0;
}}
"""


REFUSED = {
    "layer:37": "there are no weights",  # of STFTSpectrogram; another one has them
    "layer:40": "Lambda",
    "layer:41": "Evil",
    "keras3/recurrent.weights.h5": "architecture",  # weights alone
}
"""The seeds that are refused, and words of the error."""


def network(name: str, directory: Path) -> RModel | None:
    """The lowered network of a seed; None if the seed is one of those that are refused."""
    if name.startswith("layer:"):
        path = directory / "one.h5"
        path.write_bytes(spare_file(int(name.removeprefix("layer:"))))
    else:
        path = HERE / "golden" / name
    if name not in REFUSED:
        return lower(frontends.open(path)())
    with pytest.raises(SofieError, match=REFUSED[name]):
        lower(frontends.open(path)())
    return None


def blocks(rmodel: RModel, namespace: str) -> list[str]:
    """C++ that runs a header with several batches, and with an index out of range where it has indices."""
    limits = index_limits(rmodel)
    open_dims = names_of(dim for kind in rmodel.inputs.values() for dim in kind.shape)
    dims = make_plan(rmodel).dims
    found = []
    for batch in BATCHES if BATCH in open_dims else BATCHES[:1]:
        sizes = {dim: batch if dim == BATCH else 5 for dim in open_dims}

        def count(name: str, sizes: dict[str, int] = sizes) -> int:
            return int(np.prod(bind_shape(rmodel.tensor_type(name).shape, sizes), dtype=np.int64))

        for kind in ("0", "1"):
            lines, given = [], [str(sizes[dim]) for dim in dims]
            for i, (name, tensor) in enumerate(rmodel.inputs.items()):
                cpp, limit = CPP_TYPES[tensor.dtype], limits.get(name, 0)
                lines.append(f"const auto x{i} = numbers<{cpp}>({count(name)}, {limit}, {kind});")
                given.append(f"x{i}.get()")
            for i, name in enumerate(rmodel.outputs):
                cpp = CPP_TYPES[rmodel.tensor_type(name).dtype]
                lines.append(f"const std::unique_ptr<{cpp}[]> y{i}(new {cpp}[{count(name)}]);")
                given.append(f"y{i}.get()")
            call = f"session.run({', '.join(given)})"
            lines.append(f'if ({call}) {{ std::puts("{namespace}: refused"); return 1; }}')
            for i, name in enumerate(rmodel.inputs):
                if name in limits and batch:
                    for wrong in ("100000", "-100000"):
                        lines.append(f"x{i}[{count(name) - 1}] = {wrong};")
                        lines.append(f'if (!{call}) {{ std::puts("{namespace}: {wrong} taken"); return 1; }}')
                    lines.append(f"x{i}[{count(name) - 1}] = 0;")
            found.append("   {\n      " + "\n      ".join(["const Session session;", *lines]) + "\n   }")
    return [f"{{\n   using {namespace}::Session;", *found, "}"]


def sanitize(names: list[str], compiler: str, flags: list[str], directory: Path) -> int:
    """Compiles and runs the headers of these seeds; how many there were."""
    includes, code = [], []
    for number, name in enumerate(names):
        rmodel = network(name, directory)
        if rmodel is not None:
            stem = f"net{number}"
            (directory / f"{stem}.hxx").write_text(export_header(rmodel, stem, weights="embedded", namespace=stem)[0])
            includes.append(f'#include "{stem}.hxx" // {name}')
            code += blocks(rmodel, stem)
    source = PROGRAM.format(includes="\n".join(includes), blocks="\n".join(code))
    (directory / "main.cc").write_text(source)
    built = subprocess.run(
        [compiler, *FLAGS, *flags, "main.cc", "-o", "main"], cwd=directory, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr[:3000]
    environment = {**os.environ, "UBSAN_OPTIONS": "print_stacktrace=1"}
    ran = subprocess.run(["./main"], cwd=directory, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stdout[-500:] + ran.stderr[:5000]
    assert "done" in ran.stdout
    return len(includes)


ALL = [*(f"layer:{i}" for i in range(len(LAYERS))), *(name for name in seeds() if name.startswith("keras3/"))]
GROUPS = [ALL[i : i + TOGETHER] for i in range(0, len(ALL), TOGETHER)]
REPRESENTATIVE = ("Dense", "Embedding", "Conv2D", "LSTM", "BatchNormalization", "AveragePooling2D")


def test_every_seed_is_a_network_or_refused(tmp_path: Path) -> None:
    assert [name for name in ALL if network(name, tmp_path) is None] == list(REFUSED)


def test_some_layers(tmp_path: Path) -> None:
    first = {name: f"layer:{i}" for i, (_, name, *_) in reversed([*enumerate(LAYERS)])}
    assert sanitize([first[name] for name in REPRESENTATIVE], COMPILERS[0], [], tmp_path) == len(REPRESENTATIVE)


@pytest.mark.slow
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group[0].replace("/", "-"))
def test_all_layers(group: list[str], target: str, compiler: str, tmp_path: Path) -> None:
    assert sanitize(group, compiler, TARGETS[target], tmp_path) == len([name for name in group if name not in REFUSED])
