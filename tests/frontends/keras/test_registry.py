"""The view of a layer handler, and the report about a model with refused layers."""

from __future__ import annotations

import numpy as np
import pytest

import sofie_jit
from sofie_jit.errors import ModelFileError, UnsupportedLayerError, WeightsError
from sofie_jit.frontends import keras
from sofie_jit.frontends.keras import dialects, files
from sofie_jit.frontends.keras.graph import Layer
from sofie_jit.frontends.keras.layers import registry
from sofie_jit.frontends.keras.layers.call import Config, LayerCall
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.layers.sublayers import sublayer_weights
from sofie_jit.frontends.keras.saved_model import Group, LayerGroups, SavedModel, Weight
from sofie_jit.ir.builder import Builder
from sofie_jit.ir.operators.identity import Identity
from sofie_jit.ir.rmodel import RModel


@pytest.fixture
def handlers(monkeypatch):
    """A table of handlers for one test in place of the package's."""
    monkeypatch.setattr(registry, "_entries", {})
    monkeypatch.setattr(registry, "_import_handlers", lambda: None)

    @layer("Same", "Twin")
    def same(call, x):
        call.config.get("read")
        return call.add(Identity(), x)

    @layer("Weighted", weights=lambda c: ("kernel", "bias") if c.get("use_bias", True) else ("kernel",))
    def weighted(call, x):
        call.config.ignore("use_bias")
        call.constant(call.weight("kernel", (None, 2)), "kernel")
        return call.add(Identity(), x)

    @layer("Split")
    def split(call, x, initial_state=None):
        return [call.add(Identity(), x), call.add(Identity(), x)]

    @layer("Picky")
    def picky(call, x):
        call.refuse("the option mode='odd' is not translated")


def call(class_name, config=None, package="", **weights):
    return LayerCall(Layer("it", class_name, config or {}, package, weights), Builder(RModel()))


def given(shape=(None, 3)):
    builder = Builder(RModel())
    return builder, builder.input("x", "float32", shape)


def run(layer_call, *args, **kwargs):
    builder, x = given()
    layer_call.builder = builder
    return layer_call(x, *args, **kwargs)


# -- the table -----------------------------------------------------------------------------------------------------


def test_a_class_is_registered_once(handlers):
    with pytest.raises(ValueError, match=r"'Twin' already has a handler, .*same; .*other"):

        @layer("New", "Twin")
        def other(call, x):
            pass

    assert "New" not in registry.entries()


def test_all_handlers_of_the_package_are_found():
    table = registry.entries()
    assert "Dense" in table


def test_a_module_that_fails_to_import_is_loud(monkeypatch):
    registry._import_handlers.cache_clear()
    monkeypatch.setattr(registry.importlib, "import_module", lambda name: (_ for _ in ()).throw(ImportError(name)))
    with pytest.raises(ImportError):
        registry.entries()
    registry._import_handlers.cache_clear()


def test_classes_of_other_packages_are_not_keras_own(handlers):
    assert registry.find(Layer("it", "Same", {})) is not None
    assert registry.find(Layer("it", "Same", {}, "mine")) is None
    layer("mine>Same")(lambda call, x: x)
    layer("Own", builtin=False)(lambda call, x: x)
    assert registry.find(Layer("it", "Same", {}, "mine")) is not None
    assert registry.find(Layer("it", "Same", {}, "theirs")) is None
    assert registry.find(Layer("it", "Own", {}, "anybodys")) is not None
    assert registry.find(Layer("it", "Own", {})) is not None


# -- a call --------------------------------------------------------------------------------------------------------


def test_options_that_matter_must_be_read(handlers):
    config = {"name": "it", "trainable": False, "kernel_initializer": "x", "read": 1, "unset": None, "off": False}
    run(call("Same", config))
    with pytest.raises(UnsupportedLayerError, match=r"it \(Same\): the option odd=3 is not supported"):
        run(call("Same", {**config, "odd": 3}))


def test_config_remembers_what_was_read():
    config = Config({"a": 1, "b": 2, "c": None, "d": 0, "e": [], "bias_regularizer": "l2"})
    assert config["a"] == 1
    assert config.unread() == {"b": 2, "d": 0}
    assert config.get("b") == 2
    config.ignore("d")
    assert config.unread() == {}
    assert config.get("z", 5) == 5


def test_weights_are_checked(handlers):
    kernel = np.ones((3, 2), "f4")
    run(call("Weighted", kernel=kernel, bias=np.ones(2)))
    with pytest.raises(
        WeightsError, match=r"weight 'kernel' has shape \(3, 4\) in the file, the layer needs \(any, 2\)"
    ):
        run(call("Weighted", kernel=np.ones((3, 4))))
    with pytest.raises(WeightsError, match=r"needs a weight 'kernel', but its weights are: bias"):
        run(call("Weighted", bias=np.ones(2)))


@pytest.mark.parametrize(
    ("policy", "stored", "want"),
    [
        (None, "f8", "float64"),
        ("float32", "f8", "float32"),
        ("mixed_float16", "f4", "float32"),
        ("float16", "f2", "float32"),
        ("float64", "f8", "float64"),
        ("float32", "i4", "int32"),
    ],
)
def test_the_type_of_weights_is_the_layers(policy, stored, want):
    one = call("Weighted", {"dtype": policy}, kernel=np.ones((3, 2), stored))
    array = one.weight("kernel")
    assert array.dtype == want
    assert one.weight("kernel") is array  # so that shared layers share one constant


def test_floats_are_cast_to_the_layers_type(handlers):
    assert run(call("Same", {"dtype": "float64"})).dtype == "float64"
    assert run(call("Same", {"dtype": "mixed_float16"})).dtype == "float32"
    assert run(call("Same", {"dtype": "float64", "autocast": False})).dtype == "float32"
    assert run(call("Same")).dtype == "float32"


def test_quantized_policies_are_refused(handlers):
    with pytest.raises(UnsupportedLayerError, match="dtype policy 'int8_from_float32'"):
        run(call("Same", {"dtype": "int8_from_float32"}))


def test_arguments_that_no_handler_takes_are_refused(handlers):
    run(call("Same"), training=False, mask=None)
    run(call("Same"), training=True)  # without effect in Keras 3
    of_keras_2 = call("Same")
    of_keras_2.layer.keras_major = 2
    with pytest.raises(UnsupportedLayerError, match="training=True"):
        run(of_keras_2, training=True)
    with pytest.raises(UnsupportedLayerError, match="called with 1 argument, mask="):
        run(call("Same"), mask=given()[1])


def test_sublayers_get_their_share(handlers):
    one = call("Same", {}, **{"cell/kernel": np.ones((3, 2), "f4"), "other/kernel": np.ones(1)})
    spec = dialects.modernize({"class_name": "Sequential", "config": [
        {"class_name": "Weighted", "config": {"name": "w"}}]})["config"]["layers"][0]  # fmt: skip
    inner = one.sublayer("cell", spec)
    assert inner.name == "it/w"
    assert list(inner.layer.weights) == ["kernel"]
    assert sublayer_weights("cell", spec) == ("cell/kernel", "cell/bias")


# -- whole models --------------------------------------------------------------------------------------------------


def model(*layers, monkeypatch, stored=(), shape=(None, 3), **options):
    """The RModel of a Sequential of ``(class, name, config)``."""
    specs = [{"class_name": c, "config": {"name": n, **(config or {})}} for c, n, config in layers]
    first = specs[0]["config"].get("layers", specs)[0]
    first["config"]["batch_input_shape"] = shape
    groups = [Group(name, [Weight(str(i), a) for i, a in enumerate(arrays)]) for name, *arrays in stored]
    saved = SavedModel("m.h5", {"class_name": "Sequential", "config": specs}, LayerGroups(groups), "2.2.4")
    monkeypatch.setattr(files, "read", lambda *_, **__: saved)
    return keras.open("m.h5", **options)()


def test_all_refused_layers_are_reported_together(handlers, monkeypatch):
    with pytest.raises(UnsupportedLayerError) as error:
        model(("Same", "a", None), ("Picky", "b", None), ("Nope", "c", None), ("Picky", "d", None),
              ("pkg>Same", "e", None), monkeypatch=monkeypatch)  # fmt: skip
    assert [problem.split(":")[0] for problem in error.value.problems] == ["b (Picky)", "c (Nope)", "e (pkg>Same)"]
    assert "mode='odd'" in str(error.value)
    assert "register_layer" in str(error.value)


def test_refused_layers_are_reported_before_weights(handlers, monkeypatch):
    with pytest.raises(UnsupportedLayerError, match=r"q \(Nope\)"):
        model(("Weighted", "w", None), ("Nope", "q", None), monkeypatch=monkeypatch, stored=[("z", np.ones(3))])


def test_an_rmodel_of_a_sequential(handlers, monkeypatch):
    stored = [("w", np.ones((3, 2)), np.ones(2))]
    rmodel = model(("Same", "a", None), ("Weighted", "w", None), monkeypatch=monkeypatch, stored=stored)
    assert list(rmodel.inputs) == ["a_input"]
    assert rmodel.output_labels == ["w"]
    assert rmodel.output_structure == 0
    assert [op.origin for op in rmodel.operators] == ["a (Same)", "w (Weighted)"]
    assert list(rmodel.initialized) == ["w/kernel"]


def test_a_model_cut_at_a_layer_forgets_the_rest(handlers, monkeypatch):
    rmodel = model(("Same", "a", None), ("Nope", "b", None), monkeypatch=monkeypatch, outputs="a")
    assert rmodel.output_labels == ["a"]
    with pytest.raises(ModelFileError, match=r"m\.h5: outputs= names 'z'"):
        model(("Same", "a", None), monkeypatch=monkeypatch, outputs=["z"])


def test_weights_in_one_list_with_an_unknown_layers(handlers, monkeypatch):
    inner = [{"class_name": "Weighted", "config": {"name": "w"}}, {"class_name": "Nope", "config": {"name": "q"}}]
    nested = {"name": "inner", "layers": inner}
    stored = [("inner", np.ones((3, 2)), np.ones(2), np.ones(5))]
    with pytest.raises(UnsupportedLayerError, match=r"inner/w \(Weighted\).*one list.*\.keras"):
        model(("Sequential", "inner", nested), monkeypatch=monkeypatch, stored=stored, outputs="inner/w")


def test_open_dimensions_are_named(handlers, monkeypatch):
    rmodel = model(("Same", "a", None), monkeypatch=monkeypatch, shape=(None, None, 3))
    assert rmodel.inputs["a_input"].shape == ("batch", "time", 3)
    rmodel = model(("Same", "a", None), monkeypatch=monkeypatch, shape=(None, None, None, 3))
    assert rmodel.inputs["a_input"].shape == ("batch", "height", "width", 3)
    rmodel = model(("Same", "a", None), monkeypatch=monkeypatch, shape=(None, None, None, 4, 3))
    assert rmodel.inputs["a_input"].shape == ("batch", "depth", "height", 4, 3)
    rmodel = model(("Same", "a", None), monkeypatch=monkeypatch, shape=(None, 2, None, 4, 3, None))
    assert rmodel.inputs["a_input"].shape == ("batch", 2, "dim2", 4, 3, "dim5")


def test_the_batch_is_open_unless_states_are_kept(handlers, monkeypatch):
    rmodel = model(("Same", "a", None), monkeypatch=monkeypatch, shape=(5, 3))
    assert rmodel.inputs["a_input"].shape == ("batch", 3)
    inner = {"class_name": "Same", "config": {"name": "i", "stateful": True}}
    layer("Outer")(lambda call, x: call.config.ignore("layer") or x)
    rmodel = model(("Outer", "a", {"layer": inner}), monkeypatch=monkeypatch, shape=(5, 3))
    assert rmodel.inputs["a_input"].shape == (5, 3)


def test_a_model_of_unknown_shape(handlers, monkeypatch):
    with pytest.raises(ModelFileError, match=r"what shape the input 'a_input' has.*build"):
        model(("Same", "a", None), monkeypatch=monkeypatch, shape=None)


def test_missing_options_are_named(handlers, monkeypatch):
    layer("Needy")(lambda call, x: call.config["units"])
    with pytest.raises(ModelFileError, match=r"n \(Needy\): its config lacks the option 'units'"):
        model(("Needy", "n", None), monkeypatch=monkeypatch)


@pytest.mark.parametrize("layer", ["LSTM", "Dense", "BatchNormalization", "GlobalAveragePooling1D", "Activation"])
def test_integers_become_floats_where_keras_promotes_them(layer):
    keras = pytest.importorskip("keras")
    options = {"Activation": ("tanh",), "Dense": (3,), "LSTM": (3,)}.get(layer, ())
    given = keras.Input((4, 2), dtype="int32")
    model = keras.Model(given, getattr(keras.layers, layer)(*options)(inputs=given) if layer == "Dense"
                        else getattr(keras.layers, layer)(*options)(given))  # fmt: skip
    x = np.random.default_rng(0).integers(-3, 3, (5, 4, 2)).astype(np.int32)
    got = sofie_jit.load(model).infer(x)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, model(x, training=False), atol=1e-6)


def test_integers_that_keras_would_round_are_refused():
    keras = pytest.importorskip("keras")
    given = keras.Input((4,), dtype="int32")
    with pytest.raises(sofie_jit.SofieError, match="LayerNormalization"):
        sofie_jit.load(keras.Model(given, keras.layers.LayerNormalization()(given)))
