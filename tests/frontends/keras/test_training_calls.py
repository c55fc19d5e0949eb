"""Layers that a saved graph calls with ``training=True``: those of Keras 2 would drop elements at inference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest
import tf_keras

from sofie_jit import frontends
from sofie_jit.errors import ModelFileError, UnsupportedLayerError


def calls(k: Any) -> list[tuple[Any, tuple[int, ...]]]:
    """Layers, and the shape of their input."""
    return [
        (k.Dropout(0.5, name="dropout"), (4,)),
        (k.SpatialDropout1D(0.5, name="spatial"), (4, 3)),
        (k.GaussianNoise(0.5, name="noise"), (4,)),
        (k.GaussianDropout(0.5, name="gaussian"), (4,)),
        (k.BatchNormalization(name="normalization"), (4,)),
        (k.LSTM(3, dropout=0.5, name="recurrent"), (4, 3)),
        (k.RNN(k.GRUCell(3, dropout=0.5), name="cell"), (4, 3)),
        (k.ConvLSTM1D(3, 2, dropout=0.5, name="images"), (3, 4, 2)),
        (k.Bidirectional(k.SimpleRNN(3, dropout=0.5), name="both"), (4, 3)),
        (k.TimeDistributed(k.Dropout(0.5), name="steps"), (4, 3)),
    ]


def model_of(library: Any, training: bool, extra: list[tuple[Any, tuple[int, ...]]]) -> Any:
    inputs, outputs = [], []
    for layer, shape in calls(library.layers) + extra:
        inputs.append(library.Input(shape))
        outputs.append(layer(inputs[-1], training=training))
    return library.Model(inputs, outputs)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_refused_in_files_of_keras_2(suffix: str, tmp_path: Path) -> None:
    """But BatchNormalization, which then computes with the statistics of its input."""
    k = tf_keras.layers
    extra = [(k.RandomFlip(name="flip"), (4, 4, 3)), (k.RandomCrop(2, 2, name="crop"), (4, 4, 3))]
    model_of(tf_keras, True, extra).save(tmp_path / f"m{suffix}")
    with pytest.raises(UnsupportedLayerError) as caught:
        frontends.open(tmp_path / f"m{suffix}")()
    names = [layer.name for layer, _ in calls(k) + extra]
    refused = [line for line in str(caught.value).splitlines() if "called with training=True" in line]
    assert [name for name in names if not any(f"{name} (" in line for line in refused)] == ["normalization"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_without_effect_in_files_of_keras_3(suffix: str, tmp_path: Path) -> None:
    """A model of Keras 3 calls all its layers with its own ``training``."""
    model_of(keras, True, []).save(tmp_path / f"m{suffix}")
    model_of(keras, False, []).save(tmp_path / f"inference{suffix}")
    called, plain = (frontends.open(tmp_path / f"{name}{suffix}")() for name in ("m", "inference"))
    assert [op.op_type for op in called.operators] == [op.op_type for op in plain.operators]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_layers_with_nothing_to_drop(suffix: str, tmp_path: Path) -> None:
    k = tf_keras.layers
    cases = [k.LSTM(3), k.Bidirectional(k.GRU(3)), k.RNN([k.LSTMCell(3), k.GRUCell(2)]), k.Dropout(0.0),
             k.TimeDistributed(k.SpatialDropout1D(0.0))]  # fmt: skip
    shapes = [(4, 3)] * 4 + [(4, 3, 2)]
    for training in (True, False):
        inputs = [tf_keras.Input(shape) for shape in shapes]
        outputs = [layer(x, training=training) for layer, x in zip(cases, inputs, strict=True)]
        tf_keras.Model(inputs, outputs).save(tmp_path / f"{training}{suffix}")
    called, plain = (frontends.open(tmp_path / f"{name}{suffix}")() for name in (True, False))
    assert [op.op_type for op in called.operators] == [op.op_type for op in plain.operators]
    inputs = tf_keras.Input((4, 3))
    model = tf_keras.Model(inputs, k.Bidirectional(k.RNN([k.LSTMCell(3, dropout=0.1)]))(inputs, training=True))
    with pytest.raises(UnsupportedLayerError, match="called with training=True"):
        frontends.open(model)()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", [tf_keras, keras], ids=["Keras 2", "Keras 3"])
def test_inference_is_not_refused(library: Any, tmp_path: Path) -> None:
    model_of(library, False, []).save(tmp_path / "m.h5")
    assert len(frontends.open(tmp_path / "m.h5")().outputs) == len(calls(library.layers))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", [tf_keras, keras], ids=["Keras 2", "Keras 3"])
def test_a_model_called_so_is_refused(library: Any, tmp_path: Path) -> None:
    inputs = library.Input((4,))
    inner = library.Sequential([library.Input((4,)), library.layers.Dropout(0.5)])
    library.Model(inputs, inner(inputs, training=True)).save(tmp_path / "m.h5")
    with pytest.raises(ModelFileError, match=r"model 'sequential.*' is called with training=True"):
        frontends.open(tmp_path / "m.h5")()
