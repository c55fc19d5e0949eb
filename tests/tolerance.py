"""The one rule for when a number is right, used by every comparison with Keras.

An output is right if it lies within 1e-6 of the output's scale (its largest magnitude) of Keras's, or if it is no
further from a float64 evaluation than twice Keras's own float32 error. The float64 evaluation is the model rebuilt in
Keras with every dtype of its config set to float64 and the weights copied. NaN and Inf must come out where Keras
gives them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np

import sofie_jit

ABSOLUTE = 1e-6


def leaves(structure: Any) -> list[np.ndarray]:
    """The arrays of a nested structure of lists and dicts, in order."""
    if isinstance(structure, dict):
        return [leaf for part in structure.values() for leaf in leaves(part)]
    if isinstance(structure, (list, tuple)):
        return [leaf for part in structure for leaf in leaves(part)]
    return [np.asarray(structure)]


def distance(got: np.ndarray, want: np.ndarray, scale: float | None = None) -> float:
    """Largest difference relative to the scale of ``want``; infinite where NaN or Inf disagree."""
    got, want = got.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(want)
    if not np.array_equal(got[~finite], want[~finite], equal_nan=True):
        return float("inf")
    got, want = got[finite], want[finite]
    if not want.size:
        return 0.0
    scale = float(np.abs(want).max()) if scale is None else scale
    worst = float(np.abs(got - want).max())
    return worst / scale if scale > 0 else (0.0 if worst <= ABSOLUTE else worst)


def in_float64(model: Any) -> Any:
    """``model`` rebuilt by Keras in float64, weights copied."""
    import keras

    def to_float64(config: Any) -> Any:
        if isinstance(config, dict):
            return {
                key: "float64" if key == "dtype" and _is_float(value) else to_float64(value)
                for key, value in config.items()
            }
        if isinstance(config, (list, tuple)):
            return type(config)(map(to_float64, config))
        return config

    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        twin = type(model).from_config(to_float64(model.get_config()))
        twin.set_weights(model.get_weights())
        finalize(twin)
    finally:
        keras.config.set_floatx(before)
    return twin


def _is_float(value: Any) -> bool:
    if isinstance(value, dict):
        value = value.get("config", {}).get("name", "")
    return value is None or str(value).startswith(("float", "mixed"))


def finalize(model: Any) -> Any:
    """Makes layers whose numbers derive from their weights (Normalization) take them from the weights as they are."""
    for layer in model._flatten_layers():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    return model


def check(got: Any, keras_model: Any, inputs: Any) -> None:
    """Asserts that ``got`` is what ``keras_model(inputs)`` should be, by the rule above."""
    want = leaves(_call(keras_model, inputs))
    results = leaves(got)
    assert [r.shape for r in results] == [w.shape for w in want]
    distances = [distance(g, w) for g, w in zip(results, want, strict=True)]
    if max(distances, default=0.0) <= ABSOLUTE:
        return
    exact = leaves(_call(in_float64(keras_model), inputs))
    for index, (g, w, e) in enumerate(zip(results, want, exact, strict=True)):
        ours, theirs = distance(g, e), distance(w, e)
        assert ours <= max(2 * theirs, ABSOLUTE), (
            f"output {index}: {ours:.2e} from float64, Keras {theirs:.2e}; {distances[index]:.2e} from Keras"
        )


def _call(model: Any, inputs: Any) -> Any:
    if isinstance(inputs, dict):
        inputs = {name: np.asarray(value) for name, value in inputs.items()}
    return _to_numpy(model(inputs, training=False))


def _to_numpy(structure: Any) -> Any:
    if isinstance(structure, dict):
        return {key: _to_numpy(value) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        return [_to_numpy(value) for value in structure]
    return np.asarray(structure)


def randomize(model: Any, seed: int = 0) -> Any:
    """Gives every weight of a Keras model a random value, so that no bias or statistic hides behind a default."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        values = rng.normal(size=weight.shape) * (1 / np.sqrt(max(np.prod(weight.shape[:-1]), 1)))
        if "variance" in weight.path:
            values = rng.uniform(0.5, 1.5, size=weight.shape)
        elif len(weight.shape) < 2:
            values = rng.normal(size=weight.shape) * 0.3 + ("gamma" in weight.path)
        weight.assign(values.astype(weight.dtype))
    return model


def check_file(model: Any, inputs: Any, directory: Path, suffix: str = ".h5", **options: Any) -> sofie_jit.Model:
    """Saves ``model``, loads the file, compares on ``inputs``; returns the loaded model."""
    path = directory / f"model{suffix}"
    model.save(path)
    loaded = sofie_jit.load(path, **options)
    check(loaded.infer(inputs), model, inputs)
    return loaded
