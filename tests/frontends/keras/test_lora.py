"""LoRA: Keras writes kernel and product apart in .h5 files, added up in .keras archives."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

import sofie_jit
from tolerance import check, check_file, randomize

layers = keras.layers


def adapted() -> keras.Model:
    """Every layer that has it, with and without ``lora_alpha``."""
    words = keras.Input((6,), dtype="int32")
    changed = [
        layers.Embedding(7, 4),
        layers.Conv1D(5, 3),
        layers.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d"),
        layers.Dense(2, use_bias=False),
    ]
    y = words
    for layer in changed:
        y = layer(y)
    for index, layer in enumerate(changed):
        layer.enable_lora(2, **({"lora_alpha": 3} if index % 2 else {}))
    return randomize(keras.Model(words, y))


X = np.random.default_rng(1).integers(0, 7, (4, 6)).astype(np.int32)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_files(suffix: str, tmp_path: Path) -> None:
    check_file(adapted(), X, tmp_path, suffix)


def test_live_models() -> None:
    model = adapted()
    check(sofie_jit.load(model).infer(X), model, X)
