"""The architectures of keras.applications: small inputs, random weights and batch statistics, both kinds of file."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

import sofie_jit
from tolerance import check

keras = pytest.importorskip("keras")

NAMES = sorted(
    name
    for name, build in vars(keras.applications).items()
    if inspect.isfunction(build) and "weights" in inspect.signature(build).parameters
)
ALWAYS = ("MobileNetV2", "MobileNetV3Small", "ResNet50")
"""Depthwise convolutions, bare operations, and depth; the rest takes minutes."""
SMALLEST = {"InceptionResNetV2": 75, "InceptionV3": 75, "Xception": 71}
"""Pixels of a side, where 64 are too few."""


def randomized(model: keras.Model) -> keras.Model:
    """Biases, shifts and batch statistics away from their defaults; kernels keep their initial scale."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "variance" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif any(part in weight.path for part in ("moving_mean", "beta", "bias")) and len(weight.shape) == 1:
            weight.assign(0.1 * rng.normal(size=weight.shape))
        elif weight.path.endswith("gamma"):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model


@pytest.mark.parametrize(
    "name", [name if name in ALWAYS else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
def test_application(name: str, tmp_path: Path) -> None:
    keras.backend.clear_session()
    side = SMALLEST.get(name, 64)
    model = randomized(getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3), classes=7))
    x = np.random.default_rng(1).uniform(0, 1, (2, side, side, 3)).astype(np.float32)
    results = []
    for suffix in (".h5", ".keras"):
        model.save(tmp_path / f"model{suffix}")
        results.append(sofie_jit.load(tmp_path / f"model{suffix}").infer(x))
    check(results[0], model, x)
    np.testing.assert_array_equal(results[0], results[1])
