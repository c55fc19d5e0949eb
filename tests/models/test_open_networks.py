"""Networks with all sizes open are compiled once and are right at every size, in this process and as headers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

import sofie_jit
from compilers import COMPILERS
from open_networks import NETWORKS, made
from sofie_jit.models.compiled_model import CompiledModel
from tolerance import check

SANITIZED = ["-std=c++17", "-O1", "-march=native", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
MAIN = """\
#include "{name}.hxx"
#include <cstdio>
#include <cstdint>
int main()
{{
   const TMVA_SOFIE_{name}::Session session;
   for (;;) {{
      std::uint64_t size[8];
      if (std::fread(size, sizeof size[0], {dims}, stdin) != {dims})
         return 0;
      std::vector<float> x[{inputs}];
      for (auto &values : x) {{
         std::uint64_t count;
         if (std::fread(&count, sizeof count, 1, stdin) != 1)
            return 1;
         values.resize(count);
         if (std::fread(values.data(), sizeof(float), count, stdin) != count)
            return 1;
      }}
      const std::vector<float> y = session.infer({arguments});
      std::fwrite(y.data(), sizeof(float), y.size(), stdout);
   }}
}}
"""


def arguments(values: list[np.ndarray]) -> object:
    """Inputs as Keras takes them."""
    return values[0] if len(values) == 1 else values


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_few_sizes(name: str, suffix: str, tmp_path: Path) -> None:
    _check_sizes(name, suffix, 4, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("name", NETWORKS)
def test_fifty_sizes(name: str, suffix: str, tmp_path: Path) -> None:
    _check_sizes(name, suffix, 50, tmp_path)


def _check_sizes(name: str, suffix: str, count: int, directory: Path) -> None:
    network, reference = NETWORKS[name], made(name)
    reference.save(directory / f"m{suffix}")
    model = sofie_jit.load(directory / f"m{suffix}")
    assert isinstance(model, CompiledModel)
    assert model.input_shapes == [tuple(given.shape) for given in reference.inputs]
    assert model.output_shapes == [tuple(output.shape) for output in reference.outputs]
    for seed, sizes in enumerate(network.random_sizes(count)):
        values = network.inputs(1 + seed % 3, sizes, seed)
        check(model.infer(*values), reference, arguments(values))


@pytest.mark.parametrize("name", NETWORKS)
def test_same_bits_for_a_row(name: str) -> None:
    """Whatever the batch, the number of threads, and whether the sizes are open or fixed."""
    network = NETWORKS[name]
    model = sofie_jit.load(made(name))
    for sizes in ([0] * network.free, [network.largest - 1] * network.free, [5] * network.free):
        values = network.inputs(9, sizes)
        whole = model.infer(*values)
        fixed = model.specialize(*[(None, *shape) for shape in network.shapes(sizes)]) if sizes[0] == 5 else model
        np.testing.assert_array_equal(fixed.infer(*values), whole)
        for threads in (2, 3):
            np.testing.assert_array_equal(model.infer(*values, threads=threads), whole)
        for row in (0, 4, 8):
            alone = [x[row : row + 1] for x in values]
            np.testing.assert_array_equal(model.infer(*alone), whole[row : row + 1])
            np.testing.assert_array_equal(fixed.infer(*alone), whole[row : row + 1])
        np.testing.assert_array_equal(model.infer(*[x[2:7] for x in values]), whole[2:7])


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["g++", "clang++"])
@pytest.mark.parametrize("name", NETWORKS)
def test_headers(name: str, compiler: str, tmp_path: Path) -> None:
    _check_header(name, compiler, 50, tmp_path)


@pytest.mark.parametrize(("name", "compiler"), [("unet", "g++"), ("particle_net", "clang++")])
def test_header_at_a_few_sizes(name: str, compiler: str, tmp_path: Path) -> None:
    _check_header(name, compiler, 4, tmp_path)


def _check_header(name: str, compiler: str, count: int, directory: Path) -> None:
    """The program finds no error in its memory, and its results have the bits of those of this process."""
    if compiler not in COMPILERS:
        pytest.skip(f"needs {compiler}")
    network = NETWORKS[name]
    model = sofie_jit.load(made(name))
    model.save_header(directory / f"{name}.hxx")
    dims, inputs = list(model.dims), len(model.input_names)
    given = [f"size[{index}]" for index in range(len(dims))] + [f"x[{index}].data()" for index in range(inputs)]
    source = MAIN.format(name=name, dims=len(dims), inputs=inputs, arguments=", ".join(given))
    (directory / "main.cc").write_text(source)
    built = subprocess.run(
        [compiler, *SANITIZED, "main.cc", "-o", "main"], cwd=directory, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr[:2000]
    calls, wanted = [], []
    for seed, sizes in enumerate(network.random_sizes(count)):
        values = network.inputs(1 + seed % 3, sizes, seed)
        found = [values[model.input_names.index(owner)].shape[axis] for (owner, axis), *_ in model.dims.values()]
        calls.append(np.array(found, np.uint64).tobytes())
        calls += [np.uint64(x.size).tobytes() + x.tobytes() for x in values]
        wanted.append(model.infer(*values).ravel())
    run = subprocess.run(["./main"], cwd=directory, input=b"".join(calls), capture_output=True)
    assert run.returncode == 0, run.stderr[:4000]
    np.testing.assert_array_equal(np.frombuffer(run.stdout, np.float32), np.concatenate(wanted))
