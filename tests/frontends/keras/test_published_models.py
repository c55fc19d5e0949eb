"""Models as people publish them give the numbers of the Keras that saved them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tolerance import check_file, randomize

sys.path.insert(0, str(Path(__file__).parent))
from published import MODELS, VOCABULARY

ALWAYS = ("cifar10_resnet_v1", "hierarchical_attention", "seq2seq_with_attention", "pix2pix", "deep_jet", "mini_gpt")
"""Those of the default run."""
CASES = [
    pytest.param(name, library, suffix, marks=[] if name in ALWAYS else pytest.mark.slow)
    for name in MODELS
    for library, suffix in (("keras", ".keras"), ("tf_keras", ".h5"))
]


def random_input(given: Any, words: bool, rng: np.random.Generator) -> np.ndarray:
    """Four rows for an input of a Keras model; 16 is the size of open axes. ``words``: whole numbers."""
    default = [4 if axis == 0 else 16 for axis, _ in enumerate(given.shape)]
    shape = [size or other for size, other in zip(given.shape, default, strict=True)]
    if words or "int" in str(given.dtype):
        return rng.integers(0, VOCABULARY, shape).astype("int32" if "int" in str(given.dtype) else "float32")
    x = rng.normal(size=shape).astype(np.float32)
    if len(shape) == 3:
        x[:, -2:] = 0  # steps that a Masking leaves out
    return x


def has_embedding(model: Any) -> bool:
    """Whether the model or one inside looks up words."""
    inner = [getattr(layer, "layer", layer) for layer in model.layers]
    return any(
        type(part).__name__ == "Embedding" or (hasattr(part, "layers") and has_embedding(part)) for part in inner
    )


@pytest.mark.parametrize(("name", "library", "suffix"), CASES)
def test_published(name: str, library: str, suffix: str, tmp_path: Path) -> None:
    model = randomize(MODELS[name](importlib.import_module(library)))
    rng = np.random.default_rng(0)
    words = has_embedding(model)
    x = [random_input(given, words, rng) for given in model.inputs]
    check_file(model, x if len(x) > 1 else x[0], tmp_path, suffix)


def test_there_are_a_hundred() -> None:
    assert len(MODELS) >= 100
