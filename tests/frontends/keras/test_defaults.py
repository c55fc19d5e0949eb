"""Files of Keras 2 that leave options out: each layer and cell computes what tf_keras does by default."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from sofie_jit import frontends
from sofie_jit.frontends.base import leaves
from sofie_jit.verification.difference import distance
from sofie_jit.verification.evaluate import evaluate

tf_keras = pytest.importorskip("tf_keras")
layers = tf_keras.layers

VECTOR, SERIES, IMAGE, VOLUME, TOKENS = (4,), (6, 4), (8, 7, 4), (6, 5, 7, 4), (5,)
FILMS = {1: (3, 6, 2), 2: (3, 5, 6, 2), 3: (3, 4, 5, 3, 2)}
SPACE = {1: SERIES, 2: IMAGE, 3: VOLUME}

Case = tuple[Callable[[], Any], tuple[int, ...] | list[tuple[int, ...]]]


def images(*names: str, **required: Any) -> dict[str, Case]:
    """Layers for one, two and three spatial axes, ``{}`` in their names."""
    found = {}
    for name in names:
        for rank in (1, 2, 3):
            if cls := getattr(layers, name.format(rank), None):
                found[name.format(rank)] = (lambda cls=cls: cls(**required), SPACE[rank])
    return found


CASES: dict[str, Case] = {
    **{name: (getattr(layers, name), VECTOR) for name in (
        "ReLU", "LeakyReLU", "ELU", "ThresholdedReLU", "Softmax", "Identity", "BatchNormalization", "Flatten",
        "LayerNormalization")},
    "PReLU": (layers.PReLU, SERIES),
    **{name: (lambda name=name: getattr(layers, name)(0.4), VECTOR) for name in (
        "Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise")},
    "UnitNormalization": (layers.UnitNormalization, SERIES),
    "GroupNormalization": (lambda: layers.GroupNormalization(2), IMAGE),
    "Dense": (lambda: layers.Dense(3), VECTOR),
    "EinsumDense": (lambda: layers.EinsumDense("ab,bc->ac", 3), VECTOR),
    "Embedding": (lambda: layers.Embedding(9, 3), TOKENS),
    "Rescaling": (lambda: layers.Rescaling(2.0), VECTOR),
    "Masking": (lambda: tf_keras.Sequential([layers.Masking(), layers.LSTM(3)]), SERIES),
    **{name: (getattr(layers, name), [SERIES, SERIES]) for name in (
        "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Attention",
        "AdditiveAttention")},
    "Dot": (lambda: layers.Dot(2), [SERIES, SERIES]),
    "MultiHeadAttention": (lambda: layers.MultiHeadAttention(2, 3), [SERIES, SERIES]),
    **images("MaxPooling{}D", "AveragePooling{}D", "GlobalMaxPooling{}D", "GlobalAveragePooling{}D", "ZeroPadding{}D",
             "Cropping{}D", "UpSampling{}D"),
    **images("SpatialDropout{}D", rate=0.3),
    **images("Conv{}D", "SeparableConv{}D", "Conv{}DTranspose", filters=3, kernel_size=2),
    **images("DepthwiseConv{}D", kernel_size=2),
    "LocallyConnected1D": (lambda: layers.LocallyConnected1D(3, 2), SERIES),
    "LocallyConnected2D": (lambda: layers.LocallyConnected2D(3, 2), IMAGE),
    **{f"ConvLSTM{rank}D": (lambda rank=rank: getattr(layers, f"ConvLSTM{rank}D")(3, 2), film)
       for rank, film in FILMS.items()},
    **{name: (lambda name=name: getattr(layers, name)(3), SERIES) for name in ("SimpleRNN", "LSTM", "GRU")},
    **{f"{name}Cell": (lambda name=name: layers.RNN(getattr(layers, f"{name}Cell")(3)), SERIES)
       for name in ("SimpleRNN", "LSTM", "GRU")},
    "StackedRNNCells": (lambda: layers.RNN(layers.StackedRNNCells([layers.LSTMCell(3), layers.GRUCell(2)])), SERIES),
    "Bidirectional": (lambda: layers.Bidirectional(layers.GRU(3)), SERIES),
    "TimeDistributed": (lambda: layers.TimeDistributed(layers.Conv1D(3, 2)), (3, *SERIES)),
    "Resizing": (lambda: layers.Resizing(5, 9), IMAGE),
    "CenterCrop": (lambda: layers.CenterCrop(5, 4), IMAGE),
    "CategoryEncoding": (lambda: layers.CategoryEncoding(9), TOKENS),
    "HashedCrossing": (lambda: layers.HashedCrossing(9), [(1,), (1,)]),
    "Hashing": (lambda: layers.Hashing(9), TOKENS),
    "Discretization": (lambda: layers.Discretization([-1.0, 0.0, 0.5]), VECTOR),
    "Normalization": (lambda: layers.Normalization(mean=[1.0] * 4, variance=[2.0] * 4), VECTOR),
    "IntegerLookup": (lambda: layers.IntegerLookup(vocabulary=[1, 3, 5]), TOKENS),
}  # fmt: skip
"""Class -> a layer with its required arguments, and the shapes of its inputs."""

INTEGERS = {"Embedding", "CategoryEncoding", "HashedCrossing", "Hashing", "IntegerLookup"}
KEPT = {
    "reset_after": "GRUs had no such option before Keras 2.1, and False is what they computed",
    "recurrent_activation": "hard_sigmoid until TensorFlow 2; tf_keras has the default of TensorFlow 2",
}
"""Options that every file with another value has, and why the value in files without them is not tf_keras's."""
WITHOUT = {"Identity", "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Rescaling", "CenterCrop",
           *(f"SpatialDropout{rank}D" for rank in (1, 2, 3))}  # fmt: skip
"""Layers without options."""
REQUIRED = {"vocabulary", "num_tokens", "bin_boundaries"}
"""Options that tf_keras demands in spite of a default."""


def stripped(value: Any) -> Any:
    """A config without the options that have the constructor's default, also in layers within it."""
    if isinstance(value, list):
        return [stripped(item) for item in value]
    if not isinstance(value, dict):
        return value
    spec = {key: stripped(item) for key, item in value.items()}
    cls = getattr(layers, str(spec.get("class_name")), None)
    if cls is None or cls is layers.InputLayer:
        return spec
    given, parameters = value["config"], inspect.signature(cls.__init__).parameters
    optional = {name for name, parameter in parameters.items() if parameter.default is not parameter.empty}
    required = given.keys() - (optional - KEPT.keys() - REQUIRED)
    bare = cls.from_config({key: item for key, item in given.items() if key in required}).get_config()
    spec["config"] = {
        key: item
        for key, item in spec["config"].items()
        if key in required or json.dumps(bare.get(key), default=str) != json.dumps(given[key], default=str)
    }
    return spec


def saved(name: str, path: Path) -> tuple[Any, list[np.ndarray]]:
    """Saves a model of a layer without its options; the model, and inputs."""
    make, shapes = CASES[name]
    shapes = shapes if isinstance(shapes, list) else [shapes]
    kind = "int32" if name in INTEGERS else "float32"
    inputs = [tf_keras.Input(shape, dtype=kind) for shape in shapes]
    layer = make()
    outputs = layer(*inputs) if name == "MultiHeadAttention" or len(inputs) == 1 else layer(inputs)
    model = tf_keras.Model(inputs, outputs)
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 0.9, w.shape).astype(w.dtype) for w in model.get_weights()])
    model.save(path)
    with h5py.File(path, "r+") as file:
        full = file.attrs["model_config"]
        bare = json.dumps(stripped(json.loads(full)))
        assert len(bare) < len(full) or name in WITHOUT
        file.attrs["model_config"] = bare
    x = [rng.integers(0, 6, (2, *shape)) if kind == "int32" else rng.normal(size=(2, *shape)) for shape in shapes]
    return model, [array.astype(kind) for array in x]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_options_that_are_left_out(name: str, tmp_path: Path) -> None:
    model, x = saved(name, tmp_path / "m.h5")
    want = [np.asarray(y) for y in leaves(model(x if len(x) > 1 else x[0], training=False))]
    rmodel = frontends.open(tmp_path / "m.h5")()
    got = evaluate(rmodel, x)
    assert [y.shape for y in got] == [y.shape for y in want]
    assert max(distance(np.asarray(a, "f8"), np.asarray(b, "f8")) for a, b in zip(got, want, strict=True)) < 1e-6
