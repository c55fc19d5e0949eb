"""The list of supported layers is complete, and check() reports what load() would do."""

from __future__ import annotations

import inspect
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

import sofie_jit
from sofie_jit.frontends.keras.support import markdown, supported_layers

ALIASES = {"Input": "a function that makes an InputLayer", "InputLayer": "an input of the graph"}


def test_every_layer_of_keras_is_supported_or_refused_with_a_reason() -> None:
    import keras

    from sofie_jit.frontends.keras.dialects import CLASSES

    known = supported_layers()
    classes = {
        value.__name__ for name in dir(keras.layers) if isinstance(value := getattr(keras.layers, name), type)
    }  # by the names of the classes: MaxPool1D is MaxPooling1D
    unexplained = [name for name in classes if CLASSES.get(name, name) not in known and name not in ALIASES]
    assert sorted(unexplained) == []
    assert all(entry.refused for entry in known.values() if not entry.supported)


def test_every_activation_of_keras_is_supported() -> None:
    import keras

    from sofie_jit.frontends.keras.activation import ALONG_LAST_AXIS, ELEMENTWISE

    functions = {name for name in dir(keras.activations) if not name.startswith("_")}
    assert sorted(functions - {"get", "serialize", "deserialize"} - {*ELEMENTWISE, *ALONG_LAST_AXIS}) == []


REQUIRED: dict[str, Any] = {
    "activation": "relu", "axes": 1, "dims": (1,), "equation": "ab,bc->ac", "factor": 0.1, "filters": 3, "head_dim": 4,
    "height": 3, "height_factor": 0.1, "input_dim": 5, "kernel_size": 3, "key_dim": 3, "max_number": 2, "n": 2,
    "num_bins": 3, "num_heads": 2, "num_key_value_heads": 2, "num_query_heads": 4, "output_dim": 3, "output_shape": 3,
    "output_size": 2, "pool_size": 2, "rate": 0.1, "scale": 2, "stddev": 0.1, "target_shape": (3,), "units": 3,
    "width": 3, "width_factor": 0.1,
}  # fmt: skip
"""Values for required parameters of Keras's layers, by name."""


def made(layer_class: Any) -> Any:
    """A layer of a class of Keras, with the required arguments only."""
    from keras import layers

    own: dict[str, Any] = {
        "Bidirectional": {"layer": layers.LSTM(3, return_sequences=True)},
        "CategoryEncoding": {"num_tokens": 4},
        "Discretization": {"bin_boundaries": [0.0]},
        "Pipeline": {"layers": [layers.Rescaling(2)]},
        "RNN": {"cell": layers.LSTMCell(3)},
        "RandomPosterization": {"factor": 4},
        "SpectralNormalization": {"layer": layers.Dense(3)},
        "StackedRNNCells": {"cells": [layers.LSTMCell(3)]},
        "TimeDistributed": {"layer": layers.Dense(3)},
    }
    needed = [
        name for name, parameter in inspect.signature(layer_class.__init__).parameters.items()
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]  # fmt: skip
    arguments = {name: REQUIRED[name] for name in needed if name in REQUIRED}
    return layer_class(**own.get(layer_class.__name__, arguments))


def test_every_option_of_every_layer_is_accounted_for() -> None:
    """Every option that Keras writes is used, or declared to be without influence."""
    import keras

    from sofie_jit.frontends.keras.dialects import CLASSES

    known = supported_layers()
    classes = {value for name in dir(keras.layers) if isinstance(value := getattr(keras.layers, name), type)}
    unexplained = {}
    for layer_class in classes:
        support = known.get(CLASSES.get(layer_class.__name__, layer_class.__name__))
        if support and support.supported:
            options = set(made(layer_class).get_config()) - set(support.options)
            rest = {name for name in options if not any(fnmatch(name, pattern) for pattern in support.ignored)}
            unexplained.update({layer_class.__name__: rest} if rest else {})
    assert unexplained == {}


def test_options_are_read_off_the_source() -> None:
    known = supported_layers()
    assert known["Conv1D"].options == (
        "activation", "data_format", "dilation_rate", "filters", "groups", "kernel_size", "padding", "strides",
        "use_bias",
    )  # fmt: skip
    assert known["Rescaling"].options == ("offset", "scale")  # in a loop
    assert known["SimpleRNNCell"].options == ("activation", "units", "use_bias")  # through a table of functions
    assert "rate" in known["Dropout"].ignored
    assert "padding='causal' is defined for one dimension only; use 'same' or 'valid'" in known["Conv2D"].refusals


def test_what_is_refused_is_refused_by_the_handlers() -> None:
    known = supported_layers()
    in_part = [name for name, support in known.items() if support.supported and support.refused]
    assert len(in_part) > 5
    assert [name for name in in_part if not known[name].refusals] == []


def test_what_is_said_of_a_layer() -> None:
    known = supported_layers()
    assert known["Dense"].supported
    assert "activation(x W + b)" in str(known["Dense"])
    assert not known["Lambda"].supported
    assert "replace={name: function}" in str(known["Lambda"])
    assert known["ops.Mean"].family == "ops"


def test_tables_are_up_to_date() -> None:
    root = Path(__file__).parents[3]
    assert (root / "docs" / "layers.md").read_text() == markdown(), "run python -m sofie_jit.frontends.keras.support"


@pytest.fixture
def model(tmp_path: Path) -> Any:
    import keras

    inputs = keras.Input((4,))
    x = keras.layers.Dense(3, name="first")(inputs)
    x = keras.layers.Lambda(lambda t: t * 2, name="twice")(x)
    outputs = keras.layers.Dense(2, name="last")(x)
    path = tmp_path / "m.keras"
    keras.Model(inputs, outputs).save(path)
    return path


def test_check(model: Path) -> None:
    report = sofie_jit.check(model)
    assert not report
    assert not report.ok
    assert [(x.name, x.type, bool(x.problem)) for x in report.nodes][1:] == [
        ("first", "Dense", False), ("twice", "Lambda", True), ("last", "Dense", False),
    ]  # fmt: skip
    assert len(report.problems) == 1
    assert "Python code, which is never executed" in report.problems[0]
    text = str(report)
    assert "cannot be loaded (4 layers, 1 of them not supported)" in text
    assert "no  twice" in text
    assert "ok  first" in text
    assert sofie_jit.check(model, replace={"twice": lambda t: t * 2}).ok
    assert sofie_jit.check(model, outputs=["first"]).ok


def test_check_of_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "no.h5").write_bytes(b"nothing")
    report = sofie_jit.check(tmp_path / "no.h5")
    assert not report.ok
    assert report.nodes == []
    assert "no.h5" in str(report)
    with pytest.raises(FileNotFoundError):
        sofie_jit.check(tmp_path / "absent.h5")
