"""The golden files of every Keras version give Keras's own outputs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import sofie_jit
from tolerance import ABSOLUTE, distance, leaves

GOLDEN = Path(__file__).parents[2] / "golden"
sys.path.insert(0, str(GOLDEN))
from models import load_expected  # noqa: E402

ARCHITECTURES = {"functional_weights.h5": "functional.json", "recurrent.weights.h5": "recurrent.json"}
FILES = sorted(
    path for path in GOLDEN.glob("*/*") if path.suffix in (".h5", ".keras") and path.parent.name != "packages"
)  # test_packages.py has those of packages
BACKENDS = {"keras1": "theano", "theano": "theano", "tensorflow1": "tensorflow"}
"""The backend of directories with files of Keras 1, which did not save it."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_numbers(path):
    architecture = ARCHITECTURES.get(path.name)
    stem = architecture.removesuffix(".json") if architecture else path.stem
    inputs, outputs = load_expected(path.with_name(f"{stem}.npz"))
    backend = BACKENDS.get(path.parent.name)
    model = sofie_jit.load(path, config=path.with_name(architecture) if architecture else None, backend=backend)
    results = leaves(model.infer(inputs))
    assert [result.shape for result in results] == [output.shape for output in outputs]
    assert max(distance(got, want) for got, want in zip(results, outputs, strict=True)) <= ABSOLUTE
