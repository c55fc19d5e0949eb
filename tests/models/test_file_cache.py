"""Files that were loaded before: the same models from the cache, for exactly the same content."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sofie_jit
from sofie_jit import loading
from sofie_jit.demo import MODEL_FILE, load_digits
from sofie_jit.ir.weights import watched
from sofie_jit.jit import cache, cache_compile, cache_folder
from sofie_jit.models import file_cache, record_file
from sofie_jit.models.recording import Recorder, RecordingError
from sofie_jit.operators import NonZero

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "c++"))) or cache.vector_bytes() is None,
    reason="needs a C++ compiler, and a processor with fused multiply-add",
)

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return load_digits().images


@pytest.fixture(scope="module")
def compiled() -> sofie_jit.Model:
    return sofie_jit.load(MODEL_FILE)


def synchronous(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Entries are made at once, in this process."""
    patch.setenv(cache_folder.VARIABLE, str(folder))
    patch.setattr(os, "nice", lambda step: step)
    patch.setattr(cache, "_start_compiling", lambda root: cache_compile.compile_all(str(root)))
    patch.setattr(file_cache, "start_recording", lambda root: record_file.record_all(str(root)))
    patch.setattr(file_cache, "SETTLED", -1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model file, and a cache with its entries."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copy(MODEL_FILE, folder / "digits.h5")
    with pytest.MonkeyPatch.context() as patch:
        synchronous(patch, folder / "cache")
        sofie_jit.load(folder / "digits.h5")
        assert not list((folder / "cache").glob("*.model"))
        sofie_jit.load(folder / "digits.h5")
        assert len(list((folder / "cache").glob("*.model"))) == 1
    return folder


@pytest.fixture
def path(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model file that the cache contains."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    (tmp_path / "cache").chmod(0o700)
    synchronous(monkeypatch, tmp_path / "cache")
    return tmp_path / "digits.h5"


class ReadError(Exception):
    """A file is loaded in the usual way."""


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files cannot be loaded but from the cache."""

    def fails(*args: object) -> None:
        raise ReadError

    monkeypatch.setattr(loading, "_load", fails)


@pytest.mark.usefixtures("refuse")
def test_same_model(path: Path, compiled: sofie_jit.Model, images: np.ndarray) -> None:
    model = sofie_jit.load(path)
    for count in (0, 1, 7, 100, 100, 100):
        np.testing.assert_array_equal(model.infer(images[:count]), compiled.infer(images[:count]))
    np.testing.assert_array_equal(model.infer(images, threads=2), compiled.infer(images))
    for name in (
        "name",
        "input_names",
        "output_names",
        "input_shapes",
        "output_shapes",
        "input_dtypes",
        "output_dtypes",
    ):
        assert getattr(model, name) == getattr(compiled, name)
    assert repr(model) == repr(compiled)
    with pytest.raises(sofie_jit.ShapeError, match="image"):
        model.infer(images[:, :7])


def test_its_network(path: Path, compiled: sofie_jit.Model, images: np.ndarray) -> None:
    model = sofie_jit.load(path)
    path.unlink()
    assert model.summary() == compiled.summary()
    assert model.header == compiled.header
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copied.infer(images), model.infer(images))
    assert len(model.profile(images).records) > 3


@pytest.mark.usefixtures("refuse")
def test_another_place(path: Path, images: np.ndarray) -> None:
    """The content is compared, and the file is known afterwards."""
    other = path.parent / "other" / path.name
    other.parent.mkdir()
    shutil.copy(path, other)
    expected = sofie_jit.load(path).infer(images)
    np.testing.assert_array_equal(sofie_jit.load(other).infer(images), expected)
    (entry,) = (path.parent / "cache").glob("*.model")
    assert file_cache._read(entry)["stamp"][1] == other.stat().st_ino


def test_another_content(path: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with one other byte is another model, even if it is changed in place and no time tells it."""
    import h5py

    before = sofie_jit.load(path).infer(images)
    times = path.stat()
    with h5py.File(path, "r+") as file:
        kernel = next(w for w in _datasets(file) if w.name.endswith("kernel:0") or w.name.endswith("kernel"))
        kernel[...] = kernel[()] * 2
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = sofie_jit.load(path).infer(images)
    assert (before != after).any()
    monkeypatch.setenv(cache_folder.VARIABLE, "off")
    np.testing.assert_array_equal(after, sofie_jit.load(path).infer(images))


def _datasets(file: object) -> list:
    found: list = []
    file.visititems(lambda name, item: found.append(item) if hasattr(item, "dtype") else None)  # type: ignore[attr-defined]
    return [item for item in found if "optimizer" not in item.name]


@pytest.mark.usefixtures("refuse")
def test_no_times_are_trusted_that_are_too_new(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    digest = file_cache.content_digest
    monkeypatch.setattr(file_cache, "content_digest", lambda file: read.append(file) or digest(file))
    sofie_jit.load(path)
    count = len(read)
    sofie_jit.load(path)
    assert len(read) == count
    monkeypatch.setattr(file_cache, "SETTLED", 10**18)
    sofie_jit.load(path)
    assert len(read) == count + 1


@pytest.mark.usefixtures("refuse")
@pytest.mark.parametrize(
    "options",
    [{"optimize": False}, {"outputs": ["dense"]}, {"untrusted": True}, {"verify": True}, {"replace": {"a": abs}}],
)
def test_other_options(path: Path, options: dict) -> None:
    with pytest.raises(ReadError):
        sofie_jit.load(path, **options)


@pytest.mark.usefixtures("refuse")
def test_registered_layers(path: Path) -> None:
    sofie_jit.register_layer("Anything")(lambda call, x: x)
    try:
        with pytest.raises(ReadError):
            sofie_jit.load(path)
    finally:
        sofie_jit.unregister_layer("Anything")
    sofie_jit.load(path)


@pytest.mark.usefixtures("refuse")
@pytest.mark.parametrize("damage", ["truncated", "empty", "one byte", "of others", "no code"])
def test_damaged_entries(path: Path, damage: str) -> None:
    (entry,) = (path.parent / "cache").glob("*.model")
    content = bytearray(entry.read_bytes())
    if damage == "truncated":
        entry.write_bytes(content[: len(content) // 2])
    elif damage == "empty":
        entry.write_bytes(b"")
    elif damage == "one byte":
        content[len(content) // 2] ^= 1
        entry.write_bytes(content)
    elif damage == "of others":
        entry.chmod(0o666)
    else:
        next((path.parent / "cache").glob("*.so")).unlink()
    with pytest.raises(ReadError):
        sofie_jit.load(path)
    assert entry.exists() == (damage == "no code")


def test_a_file_that_becomes_shorter(path: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe reads beyond the end: the file is loaded in the usual way, which says that it is damaged."""
    model = path.read_bytes()
    monkeypatch.setattr(file_cache.OpenedFile, "_verify", lambda self: path.write_bytes(model[:5000]))
    monkeypatch.setattr(file_cache, "stamp", lambda file: None)
    with pytest.raises(sofie_jit.ModelFileError):
        sofie_jit.load(path)


def test_entries_have_no_weights(path: Path, compiled: sofie_jit.Model) -> None:
    (entry,) = (path.parent / "cache").glob("*.model")
    text = entry.read_text()
    assert len(text) < 10_000
    for array in compiled.rmodel.initialized.values():
        numbers = {repr(number) for number in array.ravel().tolist() if number not in (0.0, 1.0)}
        assert not any(f"[{number}" in text or f",{number}" in text for number in numbers)


ALONE = """
import sys
for name in ("cppyy", "h5py", "keras", "onnx", "sofie_jit.frontends", "sofie_jit.passes", "sofie_jit.codegen.plan"):
    sys.modules[name] = None
import numpy as np
import sofie_jit
print(sofie_jit.load(sys.argv[1]).infer(np.zeros((1, 8, 8, 1))).argmax())
"""


def test_needs_nothing_else(path: Path, compiled: sofie_jit.Model) -> None:
    run = subprocess.run([sys.executable, "-c", ALONE, str(path)], capture_output=True, text=True)
    assert run.stdout == f"{compiled.infer(np.zeros((1, 8, 8, 1))).argmax()}\n", run.stderr


CLOSES = """
import pickle, sys
import sofie_jit
model = sofie_jit.load(sys.argv[1])  # from the cache
library = model.save_library(sys.argv[2])
for source in (library, library.read_bytes()):
    pickle.loads(pickle.dumps(sofie_jit.load(source)))
sofie_jit.load(sys.argv[3])  # another process makes its entry
print(sofie_jit.load(sys.argv[3]).name)
del model
"""


def test_files_are_closed(path: Path, tmp_path: Path) -> None:
    other = GOLDEN / "keras3" / "convolutional.keras"
    command = [sys.executable, "-X", "dev", "-c", CLOSES, str(path), str(tmp_path / "m.so"), str(other)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "ResourceWarning" not in run.stderr


@pytest.mark.parametrize(
    "name", ["keras1/recurrent.h5", "keras2/functional.h5", "keras3/convolutional.keras", "keras3/recurrent.h5"]
)
def test_golden_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorded steps compute the same weights; ``entry_of`` compares them."""
    synchronous(monkeypatch, tmp_path / "cache")
    source = file_cache.source_of(GOLDEN / name, optimize=True)
    assert source is not None
    assert record_file.entry_of(source)["steps"]


# -- recording ---------------------------------------------------------------------------------------------------------


W = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)


def recorded(function, *weights: np.ndarray) -> None:
    """Records a function of arrays, runs the recipe, and compares."""
    content = b"before" + b"between".join(weight.tobytes() for weight in weights)
    recorder = Recorder(content)
    with watched(recorder.watch):
        from sofie_jit.ir.weights import as_weight

        result = function(*map(as_weight, weights))
    recipe = recorder.recipe([result])
    with open(os.memfd_create("weights"), "w+b") as file:
        file.write(content)
        file.flush()
        (found,) = recipe.run(file.fileno())
    expected = np.asarray(function(*weights))
    np.testing.assert_array_equal(found, expected)
    assert (found.dtype, found.flags.c_contiguous, found.flags.aligned) == (expected.dtype, True, True)


@pytest.mark.parametrize(
    "function",
    [
        lambda w: w,
        lambda w: w.T,
        lambda w: np.ascontiguousarray(w.T),
        lambda w: w.astype(np.float64) * w[0].max() + 1,
        lambda w: np.concatenate([part.T for part in np.split(w, 4, axis=1)[::-1]])[np.newaxis],
        lambda w: w[1:3, ::-1][..., None].reshape(-1),
        lambda w: np.multiply(w, w[0], out=np.empty(w.shape, "f4"), dtype=np.float64, casting="same_kind"),
        lambda w: (w / np.sqrt((w * w).sum(axis=0, keepdims=True) + 1e-3)).astype("float32"),
        lambda w: np.pad(w, ((0, 1), (2, 0)), constant_values=3),
        lambda w: np.zeros((4, 4), np.float32),
        lambda w: np.moveaxis(w.reshape(2, 3, 8), -1, 0),
    ],
)
def test_recorded_functions(function) -> None:
    recorded(function, W)


def test_two_weights() -> None:
    recorded(lambda a, b: np.stack([a @ b.T, np.where(a[:, :6] > 0, 1, 0)]), W, W + 1)


def test_unknown_origins() -> None:
    with pytest.raises(RecordingError, match="origin"):
        recorded(lambda w: np.sin(np.arange(99.0)), W)
    with pytest.raises(RecordingError, match="changed"):
        recorded(lambda w: w.__setitem__(0, 1) or w, W.copy())


def test_sizes_that_depend_on_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = sofie_jit.RModel("found")
    network.add_input_tensor_info("x", "float32", (None, 4))
    network.add_operator(NonZero(count="n", inputs=["x"], outputs=["places"]))
    network.add_output_tensor_names("places")
    path = network.save_onnx(tmp_path / "found.onnx")
    synchronous(monkeypatch, tmp_path / "cache")
    for _ in range(2):
        expected = sofie_jit.load(path).infer(np.eye(4, dtype=np.float32))
    monkeypatch.setattr(loading, "_load", lambda *args: pytest.fail("the file was read"))
    np.testing.assert_array_equal(sofie_jit.load(path).infer(np.eye(4, dtype=np.float32)), expected)
