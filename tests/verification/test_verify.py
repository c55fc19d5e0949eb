"""load(verify=True): compiled code against the same network in float64."""

from __future__ import annotations

import numpy as np
import pytest

import sofie_jit
from sofie_jit.demo import MODEL_FILE
from sofie_jit.passes.pipeline import lower
from sofie_jit.verification.difference import distance
from sofie_jit.verification.evaluate import with_dtype
from sofie_jit.verification.verify import verify

keras = pytest.importorskip("keras")
layers = keras.layers


def everything() -> keras.Model:
    """Indices, masks, recurrence, normalization, attention, and several outputs."""
    words = keras.Input((None,), dtype="int32", name="words")
    numbers = keras.Input((4,), name="numbers")
    x = layers.Embedding(11, 8, mask_zero=True)(words)
    x = layers.LayerNormalization()(layers.MultiHeadAttention(2, 4)(x, x))
    x = layers.Concatenate()([layers.GRU(6)(x), layers.BatchNormalization()(numbers)])
    return keras.Model({"words": words, "numbers": numbers}, {"a": layers.Dense(3, "softmax")(x), "b": x})


def stateful() -> keras.Model:
    x = keras.Input(batch_shape=(3, 5, 2))
    return keras.Model(x, layers.LSTM(4, stateful=True)(x))


def image() -> keras.Model:
    x = keras.Input((None, None, 3))
    return keras.Model(x, layers.GlobalMaxPooling2D()(layers.Conv2D(5, 3, activation="gelu")(x)))


@pytest.mark.parametrize("make", [everything, stateful, image])
def test_right_networks_pass(make) -> None:
    model = sofie_jit.load(make(), verify=True)
    outputs = verify(model.rmodel)
    assert all(output.ok and output.error < 1e-6 for output in outputs)
    assert {output.name for output in outputs} >= set(model.output_names)


def test_given_inputs_and_the_shipped_model() -> None:
    model = sofie_jit.load(MODEL_FILE)
    (output,) = verify(model.rmodel, inputs=[np.ones((2, *model.input_shapes[0][1:]))])
    assert 0 < output.error <= max(1e-6, 2 * output.plain_error)


def test_float64_is_computed_throughout() -> None:
    rmodel = with_dtype(sofie_jit.load(everything()).rmodel, "float64")
    rmodel.generate()
    assert {kind.dtype for kind in rmodel.intermediate.values()} <= {"float64", "int32", "int64", "bool"}
    assert rmodel.inputs["words"].dtype == "int32"


def test_a_wrong_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An optimization that changes a weight is found."""

    def broken(rmodel, optimize=True):
        lowered = lower(rmodel, optimize)
        if optimize:
            name, values = next(iter(lowered.initialized.items()))
            lowered.initialized[name] = values * np.float32(1.001)
        return lowered

    monkeypatch.setattr("sofie_jit.models.compile.lower", broken)
    with pytest.raises(sofie_jit.VerificationError, match="from float64"):
        sofie_jit.load(MODEL_FILE, verify=True)


def test_nan_in_another_place_is_infinitely_wrong() -> None:
    assert distance(np.array([1.0, np.nan]), np.array([1.0, 2.0])) == np.inf
    assert distance(np.array([1.0, 2.0]), np.array([np.nan, 2.0])) == np.inf
    assert distance(np.array([np.nan, 2.0]), np.array([np.nan, 2.0])) == 0.0
