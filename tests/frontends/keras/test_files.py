"""Reading saved models: every container and version, and a clear error for everything else."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from sofie_jit.errors import ModelFileError, SofieError, WeightsError
from sofie_jit.frontends import limits
from sofie_jit.frontends.keras.files import read
from sofie_jit.frontends.keras.saved_model import AttributePaths, LayerGroups

GOLDEN = Path(__file__).parents[2] / "golden"
DENSE = {"class_name": "Dense", "config": {"name": "d", "units": 2, "batch_input_shape": [None, 3]}}
MODEL = {"class_name": "Sequential", "config": {"name": "s", "layers": [DENSE]}}


def write_h5(path: Path, config=MODEL, names=("d",), weights=None, root="model_weights"):
    """A legacy .h5 file; ``weights`` by layer and name."""
    weights = {"d": {"kernel:0": np.ones((3, 2), "f4"), "bias:0": np.zeros(2, "f4")}} if weights is None else weights
    with h5py.File(path, "w") as file:
        if config is not None:
            file.attrs["model_config"] = json.dumps(config).encode()
        file.attrs["keras_version"] = b"2.2.4"
        group = file.create_group(root) if root else file
        group.attrs["layer_names"] = [name.encode() for name in names]
        for layer in names:
            sub = group.create_group(layer)
            arrays = weights.get(layer, {})
            sub.attrs["weight_names"] = [name.encode() for name in arrays]
            for name, array in arrays.items():
                sub[name] = array
    return path


def write_keras(path: Path, **members: bytes | str):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return path


def empty_h5() -> bytes:
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        file["layers/dense/vars/0"] = np.ones((3, 2), "f4")
    return data.getvalue()


@pytest.mark.parametrize(
    ("file", "version", "kind"),
    [
        ("keras1/merged.h5", "1.2.2", LayerGroups),
        ("keras2/functional.h5", "2.21.0", LayerGroups),
        ("keras2/functional.keras", "2.21.0", AttributePaths),
        ("keras3/functional.h5", "3.15.1", LayerGroups),
        ("keras3/functional.keras", "3.15.1", AttributePaths),
    ],
)
def test_every_version_is_read(file, version, kind):
    saved = read(GOLDEN / file)
    assert saved.keras_version == version
    assert isinstance(saved.weights, kind)
    assert saved.config["class_name"] in ("Functional", "Model")


def test_content_counts_not_the_name(tmp_path):
    for source in ("keras3/mlp.h5", "keras3/mlp.keras"):
        copy = tmp_path / "model.bin"
        shutil.copy(GOLDEN / source, copy)
        assert read(str(copy)).config["class_name"] == "Sequential"


def test_both_containers_hold_the_same_arrays():
    legacy = read(GOLDEN / "keras3/mlp.h5").weights
    archive = read(GOLDEN / "keras3/mlp.keras").weights
    flat = [weight.array for group in legacy.groups for weight in group.weights]
    paths = [weight.array for name in archive.paths for weight in archive.paths[name]]
    assert sorted(a.tobytes() for a in flat) == sorted(a.tobytes() for a in paths)


def test_weights_beside_an_architecture(tmp_path):
    weights, architecture = GOLDEN / "keras3/recurrent.weights.h5", GOLDEN / "keras3/recurrent.json"
    text = architecture.read_text()
    for config in (architecture, str(architecture), text, json.loads(text), json.loads(text)["config"]):
        assert read(weights, config).config["class_name"] == "Sequential"
    assert read(weights, architecture).weights.paths["layers/lstm/cell"][0].array.shape == (4, 20)
    saved = read(GOLDEN / "keras2/functional_weights.h5", {**json.loads(text), "keras_version": "1.2.2"})
    assert (saved.keras_version, saved.weights_version) == ("1.2.2", "2.21.0")


def test_an_architecture_given_takes_precedence(tmp_path):
    path = write_h5(tmp_path / "m.h5")
    assert read(path, {"class_name": "Sequential", "config": [DENSE]}).config["config"] == [DENSE]


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("keras2/functional_weights.h5", ["no architecture", "config=", "model.to_json()", "subclassed"]),
        ("keras3/recurrent.weights.h5", ["no architecture", "config=", "Keras 3"]),
        ("keras3/recurrent.json", ["is JSON", "config="]),
    ],
)
def test_halves_of_a_model_say_what_is_missing(file, words):
    with pytest.raises(ModelFileError) as error:
        read(GOLDEN / file)
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\x89HDF\r\n\x1a\n" + bytes(20), "damaged or incomplete"),
        (b"PK\x03\x04" + bytes(60), "incomplete"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b'  {"class_name": "Sequential"}', "architecture"),
        (b"\x80\x04\x95", "pickle"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x1c\x00\x00\x00TFL3", "TensorFlow Lite"),
        (b"\x00\x01\x02\x03", "begins with"),
    ],
)
def test_files_that_are_not_models(tmp_path, content, words):
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=words):
        read(path)


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read(tmp_path / "nowhere.h5")
    with pytest.raises(FileNotFoundError, match="config="):
        read(write_h5(tmp_path / "w.h5"), tmp_path / "nowhere.json")


def test_directories(tmp_path):
    with pytest.raises(ModelFileError, match="directory"):
        read(tmp_path)
    with zipfile.ZipFile(GOLDEN / "keras3/mlp.keras") as archive:
        archive.extractall(tmp_path / "unpacked")
    assert read(tmp_path / "unpacked").keras_version == "3.15.1"
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ModelFileError, match="SavedModel"):
        read(tmp_path)


@pytest.mark.parametrize("offset", [8192, 16384])
def test_an_archive_whose_weights_begin_where_hdf5_may(tmp_path, offset):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(GOLDEN / "keras3/mlp.keras") as archive, zipfile.ZipFile(path, "w") as moved:
        names = ["metadata.json", "config.json", "model.weights.h5"]  # as Keras writes them, uncompressed
        members = [archive.read(name) for name in names]
        start = sum(map(len, members[:2])) + sum(30 + len(name) for name in names)  # a header has 30 bytes and the name
        members[0] += b" " * (offset - start)
        for name, data in zip(names, members, strict=True):
            moved.writestr(name, data)
    assert path.read_bytes()[offset : offset + 4] == b"\x89HDF"
    assert h5py.is_hdf5(path)
    assert read(path).keras_version == "3.15.1"


def test_wrong_objects():
    with pytest.raises(ModelFileError, match=r"keras\.Model.*builtins\.int"):
        read(3)


def test_hdf5_files_that_are_not_models(tmp_path):
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file["data"] = np.ones(3)
    with pytest.raises(ModelFileError, match=r"not a Keras model.*data"):
        read(path)
    with h5py.File(path, "w") as file:
        file["optimizer_weights/Adam/iteration"] = 3
    with pytest.raises(ModelFileError, match="state of an optimizer"):
        read(path)
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(MODEL)
    with pytest.raises(ModelFileError, match="no group 'model_weights'"):
        read(path)


def test_optimizer_state_does_not_disturb(tmp_path):
    path = write_h5(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        file["optimizer_weights/Adam/d/kernel/m:0"] = np.ones((3, 2))
        file["optimizer_weights"].attrs["weight_names"] = [b"Adam/d/kernel/m:0"]
        file["my_notes"] = "strings are fine where no weight is"
    assert [g.name for g in read(path).weights.groups] == ["d"]
    data = io.BytesIO(empty_h5())
    with h5py.File(data, "a") as file:
        file["optimizer/vars/0"] = 1
        file["layers/dropout/seed_generator/vars/0"] = np.zeros(2, "u4")
    archive = write_keras(tmp_path / "m.keras", config__json=json.dumps(MODEL), **{"model.weights.h5": data.getvalue()})
    assert list(read(archive).weights.paths) == ["layers/dense"]


@pytest.mark.parametrize("kind", [bytes, str])
def test_names_split_into_chunks(tmp_path, kind):
    path = tmp_path / "m.h5"
    names = [f"layer_{i}" for i in range(7)]
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(MODEL) if kind is str else json.dumps(MODEL).encode()
        group = file.create_group("model_weights")
        for chunk, part in enumerate((names[:3], names[3:6], names[6:])):
            group.attrs[f"layer_names{chunk}"] = part if kind is str else [name.encode() for name in part]
        for name in names:
            group.create_group(name).attrs["weight_names0"] = [b"a", b"b"]
            group[name].attrs["weight_names1"] = [b"c"]
            for weight in "abc":
                group[name][weight] = np.zeros(1)
    groups = read(path).weights.groups
    assert [group.name for group in groups] == names
    assert [weight.name for weight in groups[0].weights] == ["a", "b", "c"]


def test_weights_come_in_the_order_of_their_names(tmp_path):
    weights = {"d": {"z": np.full((1,), 1.0), "a": np.full((1,), 2.0)}}
    arrays = [
        weight.array[0] for weight in read(write_h5(tmp_path / "m.h5", weights=weights)).weights.groups[0].weights
    ]
    assert arrays == [1.0, 2.0]


@pytest.mark.parametrize(
    ("array", "words"),
    [(np.array([b"text"]), "expected numbers"), (np.array([1 + 2j]), "expected numbers"),
     (h5py.Empty("f4"), "expected numbers")],
)  # fmt: skip
def test_weights_that_are_not_numbers(tmp_path, array, words):
    with pytest.raises(WeightsError, match=words):
        read(write_h5(tmp_path / "m.h5", weights={"d": {"kernel": array}}))


def test_big_endian_and_half_precision_weights(tmp_path):
    weights = {"d": {"a": np.arange(3, dtype=">f8"), "b": np.arange(3, dtype="f2")}}
    a, b = (weight.array for weight in read(write_h5(tmp_path / "m.h5", weights=weights)).weights.groups[0].weights)
    assert a.dtype.isnative
    np.testing.assert_array_equal(a, [0, 1, 2])
    np.testing.assert_array_equal(b, [0, 1, 2])


def test_bfloat16_weights(tmp_path):
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        dataset = file.create_dataset("layers/dense/vars/0", data=np.array([0x3F80, 0xC040], "u2").view("V2"))
        dataset.attrs["dtype"] = "bfloat16"
    path = write_keras(tmp_path / "m.keras", config__json=json.dumps(MODEL), **{"model.weights.h5": data.getvalue()})
    array = read(path).weights.paths["layers/dense"][0].array
    np.testing.assert_array_equal(array, np.array([1.0, -3.0], "f4"))
    legacy = write_h5(tmp_path / "m.h5", weights={"d": {"kernel": np.array([0x3F80, 0xC040], "u2").view("V2")}})
    np.testing.assert_array_equal(read(legacy).weights.groups[0].weights[0].array, array)


def test_a_listed_weight_that_is_missing(tmp_path):
    path = write_h5(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        del file["model_weights/d/bias:0"]
    with pytest.raises(WeightsError, match=r"lists 'bias:0', which the file does not contain"):
        read(path)


@pytest.mark.parametrize("link", [h5py.ExternalLink("/etc/passwd", "/x"), h5py.SoftLink("/model_weights")])
@pytest.mark.parametrize("place", ["model_weights/d/bias:0", "model_weights/d", "model_weights"])
def test_links_are_not_followed(tmp_path, link, place):
    path = write_h5(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        del file[place]
        file[place] = link
    with pytest.raises(ModelFileError, match=r"not followed|damaged"):
        read(path)


def test_data_of_other_files_is_not_read(tmp_path):
    path = write_h5(tmp_path / "m.h5", weights={"d": {}})
    outside = tmp_path / "secret.bin"
    outside.write_bytes(bytes(32))
    with h5py.File(path, "a") as file:
        group = file["model_weights/d"]
        group.attrs["weight_names"] = [b"kernel"]
        group.create_dataset("kernel", (8,), "f4", external=[(str(outside), 0, 32)])
    with pytest.raises(WeightsError, match="another file"):
        read(path)
    with h5py.File(path, "a") as file:
        del file["model_weights/d/kernel"]
        layout = h5py.VirtualLayout((4,), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", shape=(4,))
        file["model_weights/d"].create_virtual_dataset("kernel", layout)
    with pytest.raises(WeightsError, match="another file"):
        read(path)


def test_declared_sizes_are_not_trusted(tmp_path, monkeypatch):
    path = write_h5(tmp_path / "m.h5", weights={"d": {}})
    with h5py.File(path, "a") as file:
        group = file["model_weights/d"]
        group.attrs["weight_names"] = [b"kernel"]
        group.create_dataset("kernel", (1 << 20, 1 << 20), "f4", chunks=(1, 1 << 20), compression="gzip")
    with pytest.raises(WeightsError, match=r"declares .* bytes but stores"):
        read(path)
    monkeypatch.setattr(limits, "BOMB_BYTES", 1 << 16)
    bomb = tmp_path / "m.keras"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (1 << 20))
        archive.writestr("model.weights.h5", empty_h5())
    with pytest.raises(ModelFileError, match=r"declares .* bytes but stores"):
        read(bomb)


def test_cyclic_groups_end(tmp_path):
    data = io.BytesIO(empty_h5())
    with h5py.File(data, "a") as file:
        file["layers/again"] = file["layers"]
    path = write_keras(tmp_path / "m.keras", config__json=json.dumps(MODEL), **{"model.weights.h5": data.getvalue()})
    with pytest.raises(WeightsError, match="twice"):
        read(path)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"data.pkl": b"x"}, "without config.json"),
        ({"config.json": json.dumps(MODEL)}, "no model.weights.h5"),
        ({"config.json": "{", "model.weights.h5": empty_h5()}, "not valid JSON"),
        ({"config.json": "[1]", "model.weights.h5": empty_h5()}, "class_name and config"),
        ({"config.json": json.dumps(MODEL), "model.weights.h5": b"text"}, "damaged"),
        ({"config.json": "[" * 5000, "model.weights.h5": empty_h5()}, "nested|valid"),
        ({"config.json": "[" * 500 + "]" * 500, "model.weights.h5": empty_h5()}, "levels deep"),
        ({"config.json": b"\xff\xfe\xfa", "model.weights.h5": empty_h5()}, "not valid JSON"),
    ],
)
def test_archives_that_are_not_models(tmp_path, members, words):
    with pytest.raises(ModelFileError, match=words):
        read(write_keras(tmp_path / "m.keras", **members))


@pytest.mark.parametrize("config", ["{", "[1, 2]", '{"a": 1}', {"layers": 3}])
def test_bad_architectures_given(tmp_path, config):
    with pytest.raises(ModelFileError, match="config="):
        read(write_h5(tmp_path / "m.h5"), config)


@pytest.mark.parametrize("file", ["keras1/merged.h5", "keras2/mlp.h5", "keras3/mlp.keras"])
def test_incomplete_files_raise_nothing_else(tmp_path, file):
    data = (GOLDEN / file).read_bytes()
    path = tmp_path / "incomplete"
    for length in [*range(1, 16), *range(16, len(data), 997)]:
        path.write_bytes(data[:length])
        with pytest.raises(ModelFileError):
            read(path)


def test_garbled_archives_raise_nothing_else(tmp_path):
    """Checksums find damage that HDF5's library would not survive."""
    data = (GOLDEN / "keras3/mlp.keras").read_bytes()
    random = np.random.default_rng(0)
    path = tmp_path / "garbled"
    refused = 0
    for _ in range(100):
        garbled = bytearray(data)
        for place in random.integers(len(data), size=random.integers(1, 40)):
            garbled[place] = random.integers(256)
        path.write_bytes(bytes(garbled))
        try:
            read(path)
        except SofieError:
            refused += 1
    assert 50 < refused <= 100


def test_a_live_model():
    """A live model describes itself as it would write it."""
    keras = pytest.importorskip("keras")
    inner = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization()], name="inner"
    )
    x = keras.Input((3,), name="x")
    model = keras.Model(x, keras.layers.Dense(1, name="last")(inner(x)), name="outer")
    saved = read(model)
    assert saved.keras_version == keras.__version__
    assert saved.config["config"]["name"] == "outer"
    names = {group.name: group for group in saved.weights.groups}
    assert [len(layer.weights) for layer in names["inner"].layers] == [2, 4]
    np.testing.assert_array_equal(names["last"].weights[0].array, model.get_layer("last").get_weights()[0])


def test_a_live_model_that_cannot_describe_itself():
    keras = pytest.importorskip("keras")

    class Odd(keras.layers.Layer):
        def __init__(self, units):
            super().__init__()

        def call(self, x):
            return x

        def get_config(self):
            raise RuntimeError("no config here")

    x = keras.Input((3,))
    model = keras.Model(x, Odd(3)(x))
    with pytest.raises(ModelFileError, match=r"cannot describe itself.*no config here"):
        read(model)
