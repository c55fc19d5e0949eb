"""The architectures of keras.applications: small inputs, random weights and batch statistics, both kinds of file."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

import sofie_jit
from tolerance import check, finalize

keras = pytest.importorskip("keras")

NAMES = sorted(
    name
    for name, build in vars(keras.applications).items()
    if inspect.isfunction(build) and "weights" in inspect.signature(build).parameters
)
ALWAYS = (
    "ConvNeXtTiny",
    "DenseNet121",
    "EfficientNetB0",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "NASNetMobile",
    "ResNet50",
    "VGG16",
    "Xception",
)
"""One of each family but InceptionResNet, which takes a minute; the rest takes another quarter of an hour."""
SMALLEST = {"InceptionResNetV2": 75, "InceptionV3": 75, "Xception": 71}
"""Pixels of a side, where 64 are too few."""


def randomized(model: keras.Model) -> keras.Model:
    """Biases and shifts away from their defaults, and the batch statistics of random images.

    With statistics that have nothing to do with the activations a deep network is chaotic: rounding errors grow until
    not a digit of Keras's own float32 answer is right.
    """
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if any(part in weight.path for part in ("beta", "bias")) and len(weight.shape) == 1:
            weight.assign(0.1 * rng.normal(size=weight.shape))
        elif weight.path.endswith("gamma") or "normalization/variance" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    model(rng.uniform(0, 1, (8, *model.input_shape[1:])).astype(np.float32), training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
    return finalize(model)


@pytest.mark.parametrize(
    "name", [name if name in ALWAYS else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
def test_application(name: str, tmp_path: Path) -> None:
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)  # rounding errors grow a thousand times in some, so a rare draw breaks the rule
    side = SMALLEST.get(name, 64)
    application = getattr(keras.applications, name)
    # without softmax: it would make the logits' rounding errors, where these are large, a matter of luck
    model = randomized(application(weights=None, input_shape=(side, side, 3), classes=100, classifier_activation=None))
    x = np.random.default_rng(1).uniform(0, 1, (12, side, side, 3)).astype(np.float32)
    results = []
    for suffix in (".h5", ".keras"):
        model.save(tmp_path / f"model{suffix}")
        results.append(sofie_jit.load(tmp_path / f"model{suffix}").infer(x))
    check(results[0], model, x)
    np.testing.assert_array_equal(results[0], results[1])
