"""The frontend of Keras: reads models that Keras 1, 2 or 3 saved, without importing TensorFlow or Keras."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sofie_jit.frontends.keras import files
from sofie_jit.frontends.keras.origin import chosen_backend
from sofie_jit.frontends.keras.translation import Translation, connected


def open(
    source: Any,
    *,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    outputs: str | Sequence[str] | None = None,
    replace: Mapping[str, Callable[..., Any]] | None = None,
    backend: str | None = None,
    untrusted: bool | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> Translation:
    """Reads a saved or live Keras model; :func:`sofie_jit.frontends.open` calls it.

    ``source`` and ``config``: see :func:`files.read`.
    ``outputs``: names of layers whose outputs replace the model's.
    ``replace``: functions of Symbols that take the place of layers, by the layers' names.
    ``backend``: the one that the model was trained with, "theano" or "tensorflow", for files of Keras 1, which do not
    say it.
    ``untrusted`` and ``meanwhile``: see :func:`sofie_jit.frontends.sandbox.read`.

    Raises FileNotFoundError, ModelFileError and WeightsError.
    """
    saved = files.read(source, config, untrusted=untrusted, meanwhile=meanwhile)
    saved = dataclasses.replace(saved, backend=chosen_backend(backend, saved.backend))
    return Translation(connected(saved, outputs), replace, saved.keras_version)
