"""The list of what is supported has no holes, and check() tells what load() would do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import sofie_jit
from sofie_jit.support import REFUSED, markdown, refused_markdown, supported_layers

ALIASES = {"Input": "a function that makes an InputLayer", "InputLayer": "an input of the graph"}


def test_every_layer_of_keras_is_supported_or_refused_with_a_reason() -> None:
    import keras

    from sofie_jit.parsers.keras.dialects import CLASSES

    known = supported_layers()
    classes = {
        value.__name__ for name in dir(keras.layers) if isinstance(value := getattr(keras.layers, name), type)
    }  # by their own names: MaxPool1D is MaxPooling1D
    unexplained = [name for name in classes if CLASSES.get(name, name) not in known and name not in ALIASES]
    assert sorted(unexplained) == []
    assert all(entry.refused for entry in known.values() if not entry.supported)


def test_every_activation_of_keras_is_supported() -> None:
    import keras

    from sofie_jit.parsers.keras.activation import ALONG_LAST_AXIS, ELEMENTWISE

    functions = {name for name in dir(keras.activations) if not name.startswith("_")}
    assert sorted(functions - {"get", "serialize", "deserialize"} - {*ELEMENTWISE, *ALONG_LAST_AXIS}) == []


def test_what_is_said_of_a_layer() -> None:
    known = supported_layers()
    assert known["Dense"].supported
    assert "activation(x W + b)" in str(known["Dense"])
    assert not known["Lambda"].supported
    assert "replace={name: function}" in str(known["Lambda"])
    assert known["ops.Mean"].family == "ops"


def test_tables_are_up_to_date() -> None:
    root = Path(__file__).parent.parent
    table = REFUSED.search((root / "README.md").read_text())
    assert table is not None
    assert table[0] == f"{table[1]}{refused_markdown()}{table[2]}", "run python -m sofie_jit.support"
    assert (root / "docs" / "layers.md").read_text() == markdown(), "run python -m sofie_jit.support"


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
    assert [(x.name, x.class_name, bool(x.problem)) for x in report.layers][1:] == [
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
    assert report.layers == []
    assert "no.h5" in str(report)
    with pytest.raises(FileNotFoundError):
        sofie_jit.check(tmp_path / "absent.h5")
