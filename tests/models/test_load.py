"""The purpose of the package: train and save a model in Keras, load the file, get the same outputs."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import sofie_jit
from compilers import STRICT
from sofie_jit import OutOfRangeError, UnsupportedLayerError
from sofie_jit.jit.compiler import compiler
from tolerance import check, check_file, randomize

keras = pytest.importorskip("keras")
layers = keras.layers


def fit(model: keras.Model, x: object, y: np.ndarray) -> keras.Model:
    """Trains a few steps, so that the file has an optimizer and changed statistics."""
    model.compile(optimizer="adam", loss="mse")
    model.fit(x, y, epochs=2, batch_size=16, verbose=0)
    return model


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(64, 12, 12, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def sequential(x: np.ndarray) -> keras.Model:
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Conv2D(8, 3, padding="same"),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.MaxPooling2D(),
            layers.DepthwiseConv2D(3, activation="elu"),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(16, activation="gelu"),
            layers.Dense(5, activation="softmax"),
        ],
        name="trained",
    )
    return fit(model, x, np.eye(5)[np.arange(64) % 5])


@pytest.fixture(scope="module")
def functional(x: np.ndarray) -> keras.Model:
    keras.utils.set_random_seed(2)
    image, words = keras.Input((12, 12, 3), name="image"), keras.Input((7,), dtype="int32", name="words")
    shared = layers.Dense(6, activation="tanh", name="shared")
    a = shared(layers.GlobalAveragePooling2D()(layers.Conv2D(10, 5, strides=2, activation="relu")(image)))
    b = layers.Bidirectional(layers.LSTM(5))(layers.Embedding(20, 10)(words))
    both = layers.Concatenate()([a, shared(b)])
    residual = layers.LayerNormalization()(layers.Add()([both, layers.Dense(12)(both)]))
    outputs = {"class": layers.Dense(3, activation="softmax")(residual), "size": layers.Dense(1)(both)}
    model = keras.Model([image, words], outputs, name="two_in_two_out")
    model.compile(optimizer="adam", loss={"class": "mse", "size": "mse"})
    inputs = [x, np.arange(64 * 7).reshape(64, 7) % 20]
    targets = {"class": np.eye(3)[np.arange(64) % 3], "size": np.ones((64, 1))}
    model.fit(inputs, targets, epochs=2, batch_size=16, verbose=0)
    return model


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("optimize", [True, False])
def test_sequential(sequential: keras.Model, x: np.ndarray, tmp_path: Path, suffix: str, optimize: bool) -> None:
    model = check_file(sequential, x, tmp_path, suffix, optimize=optimize)
    assert model.name == "trained"
    assert model.input_shapes == [(None, 12, 12, 3)]
    assert model.output_shapes == [(None, 5)]
    assert np.abs(model.infer(x) - np.asarray(sequential(x))).max() <= 1e-6
    assert model.infer(x[:0]).shape == (0, 5)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_functional(functional: keras.Model, x: np.ndarray, tmp_path: Path, suffix: str) -> None:
    words = np.random.default_rng(1).integers(0, 20, (64, 7))
    model = check_file(functional, [x, words], tmp_path, suffix)
    assert model.input_names == ["image", "words"]
    assert model.input_dtypes == ["float32", "int32"]
    result = model.infer({"words": words, "image": x})
    assert set(result) == {"class", "size"}
    want = functional([x, words])
    for name in result:
        assert np.abs(result[name] - np.asarray(want[name])).max() <= 1e-6
    with pytest.raises(OutOfRangeError, match="embedding"):
        model.infer(x[:1], np.full((1, 7), 20))


def test_live_model_and_weights_beside_an_architecture(
    sequential: keras.Model, functional: keras.Model, x: np.ndarray, tmp_path: Path
) -> None:
    words = np.random.default_rng(1).integers(0, 20, (64, 7))
    check(sofie_jit.load(sequential).infer(x), sequential, x)
    check(sofie_jit.load(functional).infer([x, words]), functional, [x, words])
    sequential.save_weights(tmp_path / "w.weights.h5")
    (tmp_path / "architecture.json").write_text(sequential.to_json())
    loaded = sofie_jit.load(tmp_path / "w.weights.h5", config=tmp_path / "architecture.json")
    check(loaded.infer(x), sequential, x)
    loaded = sofie_jit.load(tmp_path / "w.weights.h5", config=json.loads(sequential.to_json()))
    check(loaded.infer(x), sequential, x)


def test_cut_at_a_layer(sequential: keras.Model, x: np.ndarray, tmp_path: Path) -> None:
    sequential.save(tmp_path / "m.keras")
    name = sequential.layers[3].name
    part = keras.Model(sequential.inputs, sequential.layers[3].output)
    check(sofie_jit.load(tmp_path / "m.keras", outputs=[name]).infer(x), part, x)


def mlp(prefix: str) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((9,), name=f"{prefix}_in"),
            layers.Dense(14, activation="relu", name=f"{prefix}_a"),
            layers.Dense(2, name=f"{prefix}_b"),
        ],
        name=prefix,
    )


def test_fifty_models_of_one_architecture_compile_once(tmp_path: Path) -> None:
    x = np.random.default_rng(2).normal(size=(5, 9)).astype(np.float32)
    loaded = []
    compiled = set()
    for seed in range(50):
        model = randomize(mlp(f"m{seed}"), seed)
        model.save(tmp_path / f"file{seed}.keras")
        loaded.append(sofie_jit.load(tmp_path / f"file{seed}.keras"))
        compiled = compiled or set(compiler()._networks)
        if seed % 10 == 0:
            check(loaded[-1].infer(x), model, x)
            again = sofie_jit.load(tmp_path / f"file{seed}.keras")
            np.testing.assert_array_equal(again.infer(x), loaded[-1].infer(x))
    assert set(compiler()._networks) == compiled
    assert len({model.infer(x).tobytes() for model in loaded}) == 50


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, 1e-42, 0.0, -0.0])
def test_extreme_inputs(sequential: keras.Model, value: float) -> None:
    x = np.full((2, 12, 12, 3), value, np.float32)
    x[1] = 1.0
    result, want = sofie_jit.load(sequential).infer(x), np.asarray(sequential(x))
    np.testing.assert_array_equal(np.isnan(result[1]), False)
    np.testing.assert_allclose(result[1], want[1], rtol=0, atol=1e-6)
    if np.isfinite(want[0]).all():
        np.testing.assert_allclose(result[0], want[0], rtol=0, atol=1e-6)
    else:
        assert np.isnan(result[0]).any()


def test_everything_unsupported_is_reported_together(tmp_path: Path) -> None:
    inputs = keras.Input((4,))
    h = layers.Lambda(lambda t: t * 2, name="secret")(inputs)
    h = layers.Dense(3, name="fine")(h)
    model = keras.Model(inputs, layers.Lambda(lambda t: t + 1, name="another")(h))
    model.save(tmp_path / "m.keras")
    with pytest.raises(UnsupportedLayerError) as caught:
        sofie_jit.load(tmp_path / "m.keras")
    assert len(caught.value.problems) == 2
    assert "secret (Lambda)" in str(caught.value)
    assert "another (Lambda)" in str(caught.value)
    assert isinstance(caught.value, NotImplementedError)


PROGRAM = """
#include "net.hxx"
#include <cstdio>
#include <fstream>
int main()
{
   const TMVA_SOFIE_net::Session session;
   std::vector<float> image(2 * 12 * 12 * 3);
   std::vector<std::int32_t> words(2 * 7);
   std::ifstream file("inputs.txt");
   for (auto &value : image)
      file >> value;
   for (auto &value : words)
      file >> value;
   for (const auto &output : session.infer(2, image.data(), words.data()))
      for (const float value : output)
         std::printf("%.9g\\n", static_cast<double>(value));
   words[3] = 20;
   try {
      session.infer(image.data(), words.data());
   } catch (const std::out_of_range &) {
      std::puts("12345");
   }
   return 0;
}
"""


@pytest.mark.parametrize("compiler", [name for name in ("g++", "clang++") if shutil.which(name)])
def test_header_of_a_trained_model(functional: keras.Model, x: np.ndarray, tmp_path: Path, compiler: str) -> None:
    model = sofie_jit.load(functional)
    model.save_header(tmp_path / "net.hxx")
    words = np.random.default_rng(3).integers(0, 20, (2, 7))
    numbers = [*(f"{v:.9g}" for v in x[:2].ravel()), *map(str, words.ravel())]
    (tmp_path / "inputs.txt").write_text("\n".join(numbers))
    (tmp_path / "main.cc").write_text(PROGRAM)
    command = [compiler, *STRICT, "-O1", "-march=native", "main.cc", "-o", "main"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[:3000]
    ran = subprocess.run(["./main"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    got = np.array(ran.stdout.split(), np.float32)
    want = model.infer(x[:2], words)
    np.testing.assert_array_equal(got, [*want["class"].ravel(), *want["size"].ravel(), 12345])
