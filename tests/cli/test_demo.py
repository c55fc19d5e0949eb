"""The network of the package: its outputs are right and close to Keras's."""

from __future__ import annotations

import numpy as np
import pytest

import sofie_jit
from sofie_jit.cli.demo import draw
from sofie_jit.demo import MODEL_FILE, load_digits
from tolerance import check


@pytest.fixture(scope="module")
def model() -> sofie_jit.Model:
    return sofie_jit.load(MODEL_FILE)


def test_answers_are_right(model: sofie_jit.Model) -> None:
    digits = load_digits()
    answers = model.infer(digits.images)
    assert np.mean(answers.argmax(axis=1) == digits.labels) > 0.95
    assert np.abs(answers - digits.keras).max() < 1e-6


def test_shipped_answers_are_those_of_keras_here(model: sofie_jit.Model) -> None:
    import keras

    digits = load_digits()
    original = keras.models.load_model(MODEL_FILE, compile=False)
    check(digits.keras, original, digits.images)
    check(model.infer(digits.images), original, digits.images)


def test_digits_are_what_they_say() -> None:
    digits = load_digits()
    assert digits.images.shape == (100, 8, 8, 1)
    assert digits.images.dtype == np.float32
    assert (digits.images.min(), digits.images.max()) == (0, 1)
    assert digits.keras.shape == (100, 10)
    assert set(digits.labels) == set(range(10))


def test_drawing() -> None:
    images = np.array([[[0, 1], [1, 0]], [[1, 1], [0, 0]]])
    assert draw(images, ["a", "b"], gap=2) == "  ██  ████\n██\n\na     b\n"
