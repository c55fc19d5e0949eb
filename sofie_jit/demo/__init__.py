"""The example: a network that was trained on scikit-learn's handwritten digits. ``train.py`` wrote its files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

MODEL_FILE = Path(__file__).parent / "digits.h5"
"""The trained network, as Keras saved it."""


class Digits(NamedTuple):
    """A hundred images that the network was not trained on."""

    images: np.ndarray
    """(100, 8, 8, 1) float32, 0 (paper) to 1 (ink)."""
    labels: np.ndarray
    """(100,) int, the digit that each image shows."""
    keras: np.ndarray
    """(100, 10) float32, the probability of each digit as computed by Keras."""


def load_digits() -> Digits:
    """Loads the held-out images with their labels and Keras's outputs.

    >>> load_digits().images.shape
    (100, 8, 8, 1)
    """
    with np.load(Path(__file__).parent / "digits.npz") as arrays:
        return Digits(arrays["images"], arrays["labels"], arrays["keras"])
