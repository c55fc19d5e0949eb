"""Models with open dimensions: every size that the file leaves open is an argument of the one compiled model."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

import sofie_jit
from sofie_jit.cli import main
from sofie_jit.models.compiled_model import CompiledModel
from tests import tolerance

keras = pytest.importorskip("keras")
layers = keras.layers


def unet():
    image = keras.Input((None, None, 3), name="image")
    wide = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    x = layers.Conv2D(32, 3, padding="same")(layers.MaxPooling2D()(wide))
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(x)  # Winograd's filtering for large images
    x = layers.Concatenate()([layers.UpSampling2D()(x), wide])
    x = layers.Conv2DTranspose(5, 3, strides=2, padding="same")(x)
    return keras.Model(image, [layers.Conv2D(2, 1)(x), layers.GlobalAveragePooling2D()(x)])


def mobile():
    """Depthwise convolutions with their neighbors, padding that depends on the size, windows of one dimension."""
    image = keras.Input((None, None, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(image)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    shortcut = x
    x = layers.ReLU(6.0)(layers.Conv2D(32, 1)(x))
    x = layers.ReLU(6.0)(layers.DepthwiseConv2D(3, padding="same")(x))
    x = layers.Add()([shortcut, layers.Conv2D(8, 1)(x)])
    x = layers.Add()([layers.Conv2D(40, 1, strides=2)(x), layers.Conv2D(40, 3, strides=2, padding="same")(x)])
    x = layers.DepthwiseConv2D(5, strides=2, padding="same", depth_multiplier=2)(x)
    x = layers.AveragePooling2D(3, strides=2, padding="same")(x)
    return keras.Model(image, layers.Dense(3)(layers.GlobalMaxPooling2D()(x)))


def convolved_sequence():
    x = keras.Input((None, 4), name="sequence")
    return keras.Model(x, layers.LSTM(3)(layers.Conv1D(5, 3, strides=2)(x)))


def volume():
    x = keras.Input((None, None, None, 2), name="volume")
    y = layers.MaxPooling3D(2, padding="same")(layers.Conv3D(5, 2, dilation_rate=2, padding="same")(x))
    return keras.Model(x, layers.Conv3DTranspose(3, 2, strides=2)(y))


def resized():
    """Weighted sums whose weights depend on the size of the image."""
    x = keras.Input((None, None, 2), name="image")
    return keras.Model(x, layers.Conv2D(3, 2)(layers.Resizing(4, 5)(x)))


MODELS = {
    unet: [(1, 2, 2, 3), (2, 8, 12, 3), (1, 6, 4, 3), (3, 2, 20, 3), (1, 40, 30, 3)],
    mobile: [(1, 1, 1, 3), (2, 7, 9, 3), (1, 32, 5, 3), (2, 65, 64, 3)],
    convolved_sequence: [(3, 9, 4), (2, 5, 4), (1, 3, 4), (2, 40, 4)],
    resized: [(2, 6, 7, 2), (1, 1, 1, 2), (1, 9, 3, 2)],
    volume: [(1, 1, 2, 3, 2), (2, 5, 4, 7, 2), (1, 6, 9, 2, 2)],
}


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_any_size_agrees_with_keras_and_with_fixed_sizes(make, tmp_path):
    reference = make()
    reference.save(tmp_path / "m.keras")
    model = sofie_jit.load(tmp_path / "m.keras")
    assert isinstance(model, CompiledModel)
    assert model.input_shapes == [tuple(reference.inputs[0].shape)]
    assert model.output_shapes == [tuple(output.shape) for output in reference.outputs]
    rng = np.random.default_rng(0)
    for number, shape in enumerate(MODELS[make]):
        x = rng.standard_normal(shape).astype(np.float32)
        tolerance.check(model.infer(x), reference, x)
        if number == len(MODELS[make]) // 2:
            fixed = model.specialize((None, *shape[1:]))
            assert fixed.input_shapes == [(None, *shape[1:])]
            _same_bits(fixed.infer(x), model.infer(x))
            _same_bits(model.infer(x, threads=2), model.infer(x))


def _same_bits(one, other):
    for a, b in zip(*(y if isinstance(y, list) else [y] for y in (one, other)), strict=True):
        np.testing.assert_array_equal(a.view(np.int32), b.view(np.int32))


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (unet, (1, 7, 8, 3), r"Concat.*height = 7: the size height = 7 must be equal to 2\*\(height//2\) = 6"),
        (unet, (1, 8, 1, 3), r"MaxPool.*width = 1: the size width = 1 must be at least 2"),
        (mobile, (1, 0, 5, 3), r"height = 0 must be at least 1"),
        (convolved_sequence, (1, 2, 4), r"conv1d.*time = 2: the size time = 2 must be at least 3"),
    ],
)
def test_impossible_sizes(make, shape, message):
    model = sofie_jit.load(make())
    with pytest.raises(sofie_jit.InputError, match=message):
        model.infer(np.zeros(shape))
    assert model.infer(np.zeros([max(8, size) if size < 8 else size for size in shape[:-1]] + [shape[-1]])) is not None


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(None, 8, 3)], r"cannot have the shape \(None, 8, 3\)$"),
        ([(8, 12, 3)], r"shape \(8, 12, 3\): the batch is missing; pass \(None, 8, 12, 3\) to leave it open"),
        ([(None, 8, 12, 4)], "found 4 where 3 is needed"),
        ([(None, 8, 0, 3)], "found 0"),
        ([(None, 8, 12, 3)] * 2, "got 2 shapes"),
        ([(None, 9, 12, 3)], "Concat"),
    ],
)
def test_shapes_that_do_not_fit(shapes, message):
    with pytest.raises(sofie_jit.ShapeError, match=message):
        sofie_jit.load(unet()).specialize(*shapes)


def test_command_line(tmp_path, capsys):
    unet().save(tmp_path / "m.keras")
    assert main(["emit", str(tmp_path / "m.keras"), "-o", str(tmp_path / "m.hxx"), "--input-shape", "8,12,3"]) == 0
    assert "(batch, 8, 12, 3)" in (tmp_path / "m.hxx").read_text()
    assert main(["info", str(tmp_path / "m.keras")]) == 0
    assert "(batch, height, width, 3)" in capsys.readouterr().out
    assert main(["emit", str(tmp_path / "m.keras"), "-o", str(tmp_path / "m.hxx")]) == 0
    assert (
        "infer(std::size_t batch, std::size_t size_height, std::size_t size_width, " in (tmp_path / "m.hxx").read_text()
    )


def rows_for_columns():
    """A network that mixes rows of the batch, so that its shapes depend on the batch size."""
    x = keras.Input((6,))
    return keras.Model(x, layers.Dense(3)(keras.ops.reshape(x, (-1, 4))))


def test_the_batch_may_be_reshaped():
    reference = rows_for_columns()
    model = sofie_jit.load(reference)
    for rows in (2, 4, 0):
        x = np.random.default_rng(0).standard_normal((rows, 6)).astype(np.float32)
        tolerance.check(model.infer(x), reference, x)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_sizes_are_fixed_when_a_model_is_loaded(suffix, tmp_path):
    resized().save(tmp_path / f"m.{suffix}")
    model = sofie_jit.load(tmp_path / f"m.{suffix}", input_shapes=[(None, 6, 7, 2)])
    assert model.input_shapes == [(None, 6, 7, 2)]
    x = np.random.default_rng(0).standard_normal((2, 6, 7, 2)).astype(np.float32)
    _same_bits(model.infer(x), sofie_jit.load(tmp_path / f"m.{suffix}").infer(x))
    with pytest.raises(sofie_jit.ShapeError, match="cannot have the shape"):
        sofie_jit.load(tmp_path / f"m.{suffix}", input_shapes=[(None, 6, 7, 3)])
    assert sofie_jit.check(tmp_path / f"m.{suffix}", input_shapes=[(None, 6, 7, 2)]).ok


def test_time_is_an_argument_of_the_header(tmp_path):
    x = keras.Input((None, 2))
    model = sofie_jit.load(keras.Model(x, layers.LSTM(3, return_sequences=True)(x)))
    model.save_header(tmp_path / "sequence.hxx")
    program = """
    #include "sequence.hxx"
    #include <cstdio>
    int main()
    {
       TMVA_SOFIE_sequence::Session session;
       float x[8], y[6];
       for (int i = 0; i < 8; ++i)
          x[i] = float(i) / 8;
       for (float v : session.infer(2, 2, x))
          std::printf("%.9g ", static_cast<double>(v));
       const auto one = session.infer(2, x);
       TMVA_SOFIE_sequence::doInfer(session, 2, x, y);
       for (std::size_t i = 0; i < one.size(); ++i)
          if (one[i] != y[i])
             return 1;
    }"""
    (tmp_path / "main.cc").write_text(program)
    build = ["g++", "-std=c++17", "-O1", "-march=native", "-Wall", "-Wextra", "-Werror", "main.cc", "-o", "main"]
    subprocess.run(build, cwd=tmp_path, check=True)
    printed = subprocess.run(["./main"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    x = (np.arange(8, dtype=np.float32) / 8).reshape(2, 2, 2)
    np.testing.assert_array_equal(np.array(printed.split(), np.float32), model.infer(x).ravel())

    fixed = model.save_header(tmp_path / "fixed.hxx", input_shapes=[(None, 7, 2)])
    text = fixed.read_text()
    named = {model.input_names[0]: (None, 7, 2)}
    assert model.save_header(tmp_path / "fixed.hxx", input_shapes=named).read_text() == text
    with pytest.raises(sofie_jit.ShapeError, match="there is no input 'nope'"):
        model.save_header(tmp_path / "fixed.hxx", input_shapes={"nope": (None, 7, 2)})
    assert "size_time" not in fixed.read_text()
    assert model.specialize((1, 7, 2)).input_shapes == [(1, 7, 2)]


def test_parts_of_open_axes():
    """Parts with one element, which are empty if the axis is, and parts whose number is known."""
    x, ops = keras.Input((None, 3)), keras.ops
    outputs = [x[:, :1], x - x[:, :1], x * x[:, -1:], *ops.split(x, 2, axis=1), *ops.array_split(x, 2, axis=1)]
    reference = keras.Model(x, outputs)
    model = sofie_jit.load(reference)
    for size in (0, 2, 6):
        values = np.random.default_rng(size).standard_normal((2, size, 3)).astype(np.float32)
        for got, want in zip(model.infer(values), reference(values), strict=True):
            np.testing.assert_array_equal(got, want)
    with pytest.raises(sofie_jit.InputError, match=r"Split.* cannot be computed for time = 3"):
        model.infer(np.zeros((2, 3, 3)))


def test_unstack_of_an_open_axis():
    """The number of parts is an argument of the layer; whether the axis has as many elements is seen at run time."""
    x = keras.Input((None, 3))
    model = sofie_jit.load(keras.Model(x, keras.ops.unstack(x, num=3, axis=1)))
    values = np.arange(18, dtype=np.float32).reshape(2, 3, 3)
    for got, want in zip(model.infer(values), values.swapaxes(0, 1), strict=True):
        np.testing.assert_array_equal(got, want)
    for size in (0, 4):
        with pytest.raises(sofie_jit.InputError, match=rf"Unstack.* cannot be computed for time = {size}"):
            model.infer(np.zeros((2, size, 3)))
