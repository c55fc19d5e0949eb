"""Models as people save and load them: other names, custom classes, wrapped layers, old options, inputs by key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import sofie_jit
from sofie_jit import frontends
from sofie_jit.errors import InputError, ModelFileError, ShapeError, UnsupportedLayerError, WeightsError
from sofie_jit.frontends.base import leaves
from sofie_jit.verification.evaluate import evaluate
from tolerance import check_file, randomize

RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def assert_equal(source: Any, model: Any, *inputs: np.ndarray, **options: Any) -> None:
    """The numbers of ``source`` in float64 are those of a Keras model."""
    rmodel = frontends.open(source, **options)()
    got = evaluate(rmodel, dict(zip(rmodel.inputs, inputs, strict=True)))
    want = leaves(model(list(inputs) if len(inputs) > 1 else inputs[0], training=False))
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=0, atol=2e-6 * max(1, float(np.abs(w).max(initial=0))))


def everywhere(model: Any, *inputs: np.ndarray, directory: Path, **options: Any) -> None:
    """As :func:`assert_equal` for the live model, its .h5 and its .keras file."""
    model(list(inputs) if len(inputs) > 1 else inputs[0])  # which builds layers that are activations
    randomize_any(model)
    for source in (model, directory / "m.h5", directory / "m.keras"):
        if isinstance(source, Path):
            model.save(source)
        assert_equal(source, model, *inputs, **options)


def randomize_any(model: Any) -> Any:
    if type(model).__module__.startswith("keras"):
        return randomize(model)
    model.set_weights([RANDOM.uniform(0.1, 1, w.shape).astype(w.dtype) for w in model.get_weights()])
    return model


# -- activations with weights ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", [keras, tf_keras])
def test_a_layer_with_weights_as_activation(library, tmp_path):
    layers = library.layers
    x = library.Input((5, 4, 3))
    y = layers.Conv2D(4, 2, activation=layers.PReLU(shared_axes=[1, 2]))(x)
    y = layers.TimeDistributed(layers.Dense(3, activation=layers.PReLU()))(y)
    y = layers.Activation(layers.PReLU())(y)
    inner = library.Sequential([library.Input((36,)), layers.Dense(2, activation=layers.PReLU())])
    everywhere(library.Model(x, inner(layers.Flatten()(y))), normal(2, 5, 4, 3), directory=tmp_path)


@pytest.mark.parametrize("library", [keras, tf_keras])
def test_a_layer_without_weights_as_activation_of_recurrent_layers(library, tmp_path):
    layers = library.layers
    x = library.Input((4, 3))
    y = layers.LSTM(3, activation=layers.LeakyReLU(0.1), return_sequences=True)(x)
    y = layers.Bidirectional(layers.GRU(2, activation=layers.ELU(0.5), return_sequences=True))(y)
    y = layers.SimpleRNN(2, activation=layers.ReLU(0.5, negative_slope=0.25), return_sequences=True)(y)
    y = layers.RNN(layers.GRUCell(2, activation=layers.Activation("softsign"), recurrent_activation="hard_sigmoid"))(y)
    everywhere(library.Model(x, y), normal(2, 4, 3), directory=tmp_path)


@pytest.mark.parametrize("name", ["PReLU", "Softmax"])
def test_other_layers_as_activation_of_recurrent_layers_are_refused(name):
    layer = tf_keras.layers.LSTM(2, activation=getattr(tf_keras.layers, name)())
    with pytest.raises(UnsupportedLayerError, match=rf"the layer {name} is not supported as an activation here"):
        frontends.open(tf_keras.Sequential([tf_keras.Input((3, 2)), layer]))()


# -- weights of cuDNN ------------------------------------------------------------------------------------------------


def cudnn(array: np.ndarray, gates: int) -> np.ndarray:
    """A kernel in cuDNN's layout, computed as Keras 2 does."""
    return np.hstack([kernel.T.reshape(kernel.shape) for kernel in np.hsplit(array, gates)])


@pytest.mark.parametrize("wrapped", ["", "bidirectional", "nested", "time_distributed"])
@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_weights_of_cudnn_for_other_layers(name, wrapped, tmp_path):
    options = {"reset_after": True} if name == "GRU" else {}
    gates = 4 if name == "LSTM" else 3
    make = getattr(tf_keras.layers, name)
    layer = make(3, **options)
    shape = (4, 5, 2) if wrapped == "time_distributed" else (5, 2)
    x = tf_keras.Input(shape)
    if wrapped == "time_distributed":
        y = tf_keras.layers.TimeDistributed(tf_keras.layers.Bidirectional(layer))(x)
    elif wrapped == "nested":
        y = tf_keras.Sequential([tf_keras.Input((5, 2)), layer])(x)
    else:
        y = tf_keras.layers.Bidirectional(layer)(x) if wrapped else layer(x)
    model = randomize_any(tf_keras.Model(x, y))
    path = tmp_path / "m.h5"
    model.save_weights(path, save_format="h5")
    import h5py

    with h5py.File(path, "r+") as file:
        groups = [group for group in file.values() if len(group.attrs["weight_names"])]
        for group in groups:
            for weight in group.attrs["weight_names"]:
                array = np.asarray(group[weight])
                del group[weight]
                if array.ndim == 2 and not weight.endswith("bias:0"):
                    group[weight] = cudnn(array, gates)
                elif name == "GRU":
                    group[weight] = array.reshape(-1)
                else:  # the sum of two biases
                    group[weight] = np.concatenate([array / 4, array - array / 4])
    assert_equal(path, model, normal(3, *shape), config=model.to_json())


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_weights_of_other_layers_for_cudnn(name, tmp_path):
    options = {"reset_after": True} if name == "GRU" else {}
    model = randomize_any(tf_keras.Sequential([tf_keras.Input((5, 2)), getattr(tf_keras.layers, name)(3, **options)]))
    model.save_weights(tmp_path / "m.h5", save_format="h5")
    config = json.loads(model.to_json())
    config["config"]["layers"][1] = {
        "class_name": f"CuDNN{name}", "config": {"name": config["config"]["layers"][1]["config"]["name"], "units": 3}
    }  # fmt: skip
    assert_equal(tmp_path / "m.h5", model, normal(3, 5, 2), config=config)


# -- replace= --------------------------------------------------------------------------------------------------------


def halved(t):
    return t / 2


@pytest.mark.parametrize("library", [keras, tf_keras])
def test_a_lambda_among_layers_with_other_names(library, tmp_path):
    def make() -> Any:
        layers = library.layers
        inner = library.Sequential(
            [library.Input((4,)), layers.Dense(4), layers.Lambda(halved, name="half"), layers.BatchNormalization()],
            name="inner",
        )
        x = library.Input((4,))
        return library.Model(x, layers.Dense(2)(inner(layers.Dense(4)(x))))

    make()  # so that the names in the file have other numbers
    model = randomize_any(make())
    model.save(tmp_path / "m.h5")
    assert_equal(tmp_path / "m.h5", model, normal(3, 4), replace={"inner/half": halved})
    other = make()
    assert_equal(tmp_path / "m.h5", model, normal(3, 4), replace={"inner/half": halved}, config=other.get_config())


@pytest.mark.parametrize("library", [keras, tf_keras])
def test_a_lambda_inside_time_distributed(library, tmp_path):
    layers = library.layers
    inner = library.Sequential([library.Input((4,)), layers.Dense(4), layers.Lambda(halved, name="half")], name="inner")
    x = library.Input((3, 4))
    y = layers.TimeDistributed(inner, name="steps")(x)
    model = library.Model(x, layers.TimeDistributed(layers.Lambda(halved, name="half"), name="again")(y))
    replace = {"steps/inner/half": halved, "again/half": halved}
    everywhere(model, normal(2, 3, 4), directory=tmp_path, replace=replace)
    with pytest.raises(UnsupportedLayerError, match=r"steps/inner/half \(Lambda\)"):
        frontends.open(model)()
    with pytest.raises(ModelFileError, match=r"names 'steps/half', which is not a layer.*steps/inner/half"):
        frontends.open(model, replace={"steps/half": halved})()


@keras.saving.register_keras_serializable()
class OwnCell(keras.layers.Layer):
    state_size, output_size = 2, 2

    def build(self, shape):
        self.kernel = self.add_weight(name="kernel", shape=(shape[-1], 2))

    def call(self, x, states):
        y = keras.ops.matmul(x, self.kernel) + states[0]
        return y, [y]


def test_a_custom_cell_inside_bidirectional_names_what_replace_takes():
    x = keras.Input((3, 4))
    y = keras.layers.Bidirectional(keras.layers.RNN(OwnCell(), name="rnn"), name="both")(x)
    with pytest.raises(UnsupportedLayerError, match=r"both \(Bidirectional\).*replace=\{'both': function\}"):
        frontends.open(keras.Model(x, y))()
    frontends.open(keras.Model(x, y), replace={"both": lambda t: sofie_jit.ops.sum(t, axis=1)})()


class FixedScale(tf_keras.layers.Layer):
    def call(self, x):
        return 2 * x


def test_the_message_about_an_unknown_class_names_the_ways_on(tmp_path):
    model = tf_keras.Sequential([tf_keras.Input((3,)), FixedScale(name="fixed"), tf_keras.layers.Dense(2)])
    model.save(tmp_path / "m.h5")
    message = r"fixed \(FixedScale\).*register_layer\('FixedScale'\).*replace=\{'fixed': function\}.*outputs="
    with pytest.raises(UnsupportedLayerError, match=message):
        frontends.open(tmp_path / "m.h5")()


# -- custom models ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", [keras, tf_keras])
@pytest.mark.parametrize("kind", ["functional", "sequential"])
def test_classes_that_override_train_step(library, kind, tmp_path):
    base = library.Model if kind == "functional" else library.Sequential

    @library.saving.register_keras_serializable(package="mine")
    class Trained(base):
        def train_step(self, data):
            raise NotImplementedError

    def make(size: int) -> Any:
        x, dense = library.Input((size,)), library.layers.Dense(3)
        return Trained(x, dense(x)) if kind == "functional" else Trained([x, dense])

    x = library.Input((4,))
    nested = library.Model(x, library.layers.Dense(2)(make(4)(x)))
    for model in (make(4), nested):
        with pytest.warns(UserWarning, match=r"of the custom class Trained is read as .* if Trained overrides call"):
            everywhere(model, normal(2, 4), directory=tmp_path)


# -- inputs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", [keras, tf_keras])
def test_inputs_by_the_keys_of_the_model(library, tmp_path):
    a, b = library.Input((3,), name="a"), library.Input((2,), name="b")
    y = library.layers.Concatenate()([library.layers.Dense(4)(a), b])
    model = randomize_any(library.Model({"z": a, "y": b}, y))
    model.save(tmp_path / "m.h5")
    arrays = {"z": normal(4, 3), "y": normal(4, 2)}
    want = np.asarray(model(arrays))
    loaded = sofie_jit.load(tmp_path / "m.h5")
    for given in (arrays, {"a": arrays["z"], "b": arrays["y"]}):
        np.testing.assert_allclose(loaded.infer(given), want, atol=1e-6)
    with pytest.raises(InputError, match=r"named \['b', 'a'\], or \['z', 'y'\]; got \['q'\]"):
        loaded.infer({"q": arrays["z"]})


@pytest.mark.parametrize("axis", [-1, (1, 2), 2])
def test_a_normalization_tells_the_features_of_an_open_input(axis, tmp_path):
    layer = tf_keras.layers.Normalization(axis=axis)
    layer.adapt(normal(20, 3, 4))
    x = tf_keras.Input((3, 4))
    model = tf_keras.Model(x, layer(x))
    config = model.get_config()
    config["layers"][0]["config"]["batch_input_shape"] = [None, None, None]
    model.save(tmp_path / "m.h5")
    translation = frontends.open(tmp_path / "m.h5", config=config)
    shape = next(iter(translation.inputs.values())).shape
    assert shape[2] == 4
    assert (shape[1] == 3) == (axis == (1, 2))
    assert_equal(tmp_path / "m.h5", model, normal(2, 3, 4), config=config)


def test_the_message_about_a_fixed_batch():
    model = keras.Sequential([keras.Input(batch_shape=(5, 3, 2)), keras.layers.LSTM(2, stateful=True)])
    with pytest.raises(ShapeError, match=r"the batch size is fixed at 5 in the model; pass 5 rows, .* stateful=False"):
        sofie_jit.load(model).infer(normal(3, 3, 2))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64"])
def test_dense_on_other_types(dtype):
    model = randomize(keras.Sequential([keras.Input((4,), dtype=dtype), keras.layers.Dense(3, activation="relu")]))
    assert_equal(model, model, RANDOM.integers(0, 2, (3, 4)).astype(dtype))


# -- architectures ---------------------------------------------------------------------------------------------------


def test_architectures_in_other_encodings(tmp_path):
    model = randomize(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]))
    model.save_weights(tmp_path / "m.weights.h5")
    text = model.to_json()
    (tmp_path / "bom.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (tmp_path / "windows.json").write_text(text, encoding="utf-16")
    encoded = (text.encode(), b"\xef\xbb\xbf" + text.encode(), text.encode("utf-16"))
    for config in ("\ufeff" + text, *encoded, tmp_path / "bom.json", tmp_path / "windows.json"):
        assert_equal(tmp_path / "m.weights.h5", model, normal(2, 4), config=config)
    yaml = "backend: tensorflow\nclass_name: Sequential\nconfig:\n- class_name: Dense\n"
    (tmp_path / "m.yaml").write_text(yaml)
    for config in (yaml, tmp_path / "m.yaml"):
        with pytest.raises(ModelFileError, match=r"is YAML, which .* pass the output of model.to_json\(\)"):
            frontends.open(tmp_path / "m.weights.h5", config=config)
    with pytest.raises(ModelFileError, match="should be a path, JSON text or a dict, got int"):
        frontends.open(tmp_path / "m.weights.h5", config=3)


def test_sharded_weights_are_refused_by_name(tmp_path):
    model = keras.Sequential([keras.Input((400,)), keras.layers.Dense(300), keras.layers.Dense(300)])
    model.save_weights(tmp_path / "model.weights.json", max_shard_size=0.0005)
    with pytest.raises(ModelFileError, match=r"weights that Keras saved in several files; load them in Keras"):
        frontends.open(tmp_path / "model.weights.json", config=model.to_json())


# -- options of TensorFlow 2.3 to 2.5 --------------------------------------------------------------------------------


def translated(class_name: str, config: dict[str, Any], x: np.ndarray) -> np.ndarray:
    layers = [
        {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, *x.shape[1:]],
                                                "dtype": x.dtype.name}},
        {"class_name": class_name, "config": {"name": "layer", **config}},
    ]  # fmt: skip
    from sofie_jit.frontends.keras.saved_model import LayerGroups, SavedModel
    from sofie_jit.frontends.keras.translation import connected, translate

    model = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    rmodel = translate(connected(SavedModel("test", model, LayerGroups([]), "2.4.0", "2.4.0")))
    rmodel.generate()
    return evaluate(rmodel, {"x": x})[0]


def test_options_of_tensorflow_2_3_to_2_5():
    x = np.array([[1, 2], [2, 7]])
    counts = translated("CategoryEncoding", {"max_tokens": 8, "output_mode": "count"}, x)
    np.testing.assert_array_equal(counts, [[0, 1, 1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0, 1]])
    binary = translated("CategoryEncoding", {"max_tokens": 3, "output_mode": "binary"}, np.array([[1, 1]]))
    np.testing.assert_array_equal(binary, [[0, 1, 0]])
    index = translated("Discretization", {"bins": [0.0, 1.0]}, np.array([[-1.0], [0.5], [2.0]], np.float32))
    np.testing.assert_array_equal(index, [[0], [1], [2]])
    config = {"vocabulary": [7, 2], "mask_value": 0, "oov_value": -1, "num_oov_indices": 1}
    np.testing.assert_array_equal(translated("IntegerLookup", config, np.array([[7, 2, 0, 5]])), [[2, 3, 0, 1]])


def test_options_of_keras_2_without_effect_here(tmp_path):
    """Images with two axes of the batch, and a Softmax with robust_masking that gets no mask."""
    import tf_keras

    layers = tf_keras.layers
    inputs, films = tf_keras.Input((5, 6, 4)), tf_keras.Input((3, 6, 5, 2))
    outputs = [
        layers.Softmax(axis=1, robust_masking=True)(inputs),
        layers.Conv1D(3, 3, padding="causal", dilation_rate=2, activation="relu")(inputs),
        layers.Conv1D(4, 2, groups=2, strides=2, use_bias=False)(inputs),
        layers.Conv2D(3, 2, padding="same", strides=2)(films),
    ]
    model = randomize(tf_keras.Model([inputs, films], outputs))
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(4, *shape)).astype(np.float32) for shape in ((5, 6, 4), (3, 6, 5, 2))]
    loaded = check_file(model, x, tmp_path)
    assert [y.shape[0] for y in loaded.infer(*(value[:0] for value in x))] == [0] * 4


@pytest.mark.parametrize("library", [keras, tf_keras])
def test_live_models_whose_config_lacks_the_layers(library):
    """Backbones of keras_hub are Functional models, but their config has the arguments of their class only."""

    class Backbone(library.Model):
        def __init__(self, units, **options):
            inputs = {"a": library.Input((3,), name="a"), "b": library.Input((2,), name="b")}
            x = library.layers.Concatenate()([inputs["a"], inputs["b"]])
            super().__init__(inputs=inputs, outputs={"y": library.layers.Dense(units)(x)}, **options)
            self.units = units

        def get_config(self):
            return {"units": self.units}

    class Doubled(Backbone):
        def call(self, inputs, training=None, mask=None):
            return 2 * super().call(inputs)["y"]

    model = randomize(Backbone(4))
    x = {"a": np.ones((2, 3), np.float32), "b": np.full((2, 2), 0.5, np.float32)}
    got = sofie_jit.load(model).infer(x)
    np.testing.assert_allclose(got["y"], model(x)["y"], rtol=1e-6)
    with pytest.raises(ModelFileError, match="only Sequential and Functional models"):
        sofie_jit.load(Doubled(4))


@pytest.mark.parametrize("library", [keras, tf_keras])
@pytest.mark.parametrize("name", ["GRU", "LSTM"])
def test_initial_states_that_are_arrays(name, library, tmp_path):
    rows = [np.tile(normal(1, 3), (2, 1)) + number for number in range(1 if name == "GRU" else 2)]
    x = library.Input((4, 2))
    layer = getattr(library.layers, name)(3)
    y = layer(x, initial_state=[tf.constant(row) for row in rows] if len(rows) > 1 else tf.constant(rows[0]))
    everywhere(library.Model(x, y), normal(2, 4, 2), directory=tmp_path)
    rows[0][1] = 7
    y = layer(x, initial_state=[tf.constant(row) for row in rows] if len(rows) > 1 else tf.constant(rows[0]))
    with pytest.raises(UnsupportedLayerError, match="a row for each of 2 rows of the batch; make them an input"):
        frontends.open(library.Model(x, y))()


def test_a_layer_of_two_wrappers(tmp_path):
    layers = keras.layers
    inner = layers.Dense(2)
    model = keras.Sequential([keras.Input((4, 2)), layers.TimeDistributed(inner), layers.TimeDistributed(inner)])
    model.save(tmp_path / "m.keras")
    with pytest.raises(WeightsError, match=r"if two layers share it, .* save it as .h5"):
        frontends.open(tmp_path / "m.keras")()
    model.save(tmp_path / "m.h5")
    for source in (model, tmp_path / "m.h5"):
        assert_equal(source, model, normal(3, 4, 2))


def test_a_vocabulary_in_a_file_of_its_own(tmp_path):
    (tmp_path / "words.txt").write_text("7\n3\n5\n")
    make = tf_keras.layers.IntegerLookup
    layer = make(vocabulary=str(tmp_path / "words.txt"))
    inputs = tf_keras.Input((2,), dtype="int64")
    model = tf_keras.Model(inputs, layer(inputs))
    with pytest.raises(UnsupportedLayerError, match=r"not part of the model; .* vocabulary=layer.get_vocabulary\(\)"):
        frontends.open(model)()
    model = tf_keras.Model(inputs, make(vocabulary=layer.get_vocabulary())(inputs))
    assert_equal(model, model, np.array([[7, 3], [5, 4]], np.int64))


def test_weights_that_a_layer_of_an_unknown_class_shares(tmp_path):
    class Wrap(keras.layers.Layer):
        def __init__(self, inner, **options):
            super().__init__(**options)
            self.inner = inner

        def call(self, x):
            return self.inner(x)

        def get_config(self):
            return {**super().get_config(), "inner": keras.saving.serialize_keras_object(self.inner)}

    inner = keras.layers.Dense(2)
    keras.Sequential([keras.Input((2,)), Wrap(inner), inner]).save(tmp_path / "m.keras")
    with pytest.raises(UnsupportedLayerError, match="Wrap"):
        frontends.open(tmp_path / "m.keras")()


def test_outputs_in_a_dict_are_named_by_its_keys() -> None:
    x = keras.Input((3,), name="x")
    parts = {"z": keras.layers.Dense(2, name="first")(x), "a": keras.layers.Dense(1, name="second")(x)}
    rmodel = frontends.open(keras.Model(x, parts))()
    assert rmodel.output_structure == {"z": 1, "a": 0}
    assert rmodel.output_labels == ["a", "z"]
    assert [rmodel.tensor_type(name).shape[1] for name in rmodel.outputs] == [1, 2]
    nested = frontends.open(keras.Model(x, {"both": [parts["z"], parts["a"]]}))()
    assert nested.output_labels == ["first", "second"]
