"""This package: the model as C++, compiled in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import sofie_jit


def prepare(model: Any, x: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return sofie_jit.load(model).infer
