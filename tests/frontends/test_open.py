"""The door: the content of a source decides which frontend opens it, and every other source gets one clear answer."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import sofie_jit
from sofie_jit import frontends
from sofie_jit.demo import MODEL_FILE
from sofie_jit.errors import ModelFileError, OptionError
from sofie_jit.frontends.content import examine

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("file", ["keras1/merged.h5", "keras2/functional.keras", "keras3/mlp.keras", "keras3/mlp.h5"])
def test_content_decides_not_the_name(file: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes((GOLDEN / file).read_bytes())
    translation = frontends.open(path)
    assert translation.format == "Keras"
    assert translation.source == str(path)
    assert translation().operators


@pytest.mark.parametrize(("package", "advice"), [("onnx", "SerializeToString"), ("sklearn", "skl2onnx")])
def test_objects_that_can_be_converted(package: str, advice: str) -> None:
    thing = type("Thing", (), {"__module__": f"{package}.things"})()
    with pytest.raises(ModelFileError, match=rf"object of type {package}.things.Thing: .*{advice}"):
        frontends.open(thing)


def test_outputs_must_not_be_empty() -> None:
    with pytest.raises(OptionError, match="outputs= is empty"):
        frontends.open(MODEL_FILE, outputs=[])


def test_hdf5_behind_a_user_block(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    path.write_bytes(bytes(1024) + MODEL_FILE.read_bytes())
    assert examine(path).is_hdf5
    assert not examine(GOLDEN / "keras3" / "mlp.keras").is_hdf5


def test_an_unpacked_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(GOLDEN / "keras3" / "mlp.keras") as archive:
        archive.extractall(tmp_path / "unpacked")
    assert frontends.open(tmp_path / "unpacked").nodes()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\x89HDF", "begins like HDF5"),
        (b"PK\x03\x04" + bytes(60), "incomplete"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b" <!DOCTYPE html><html>", "HTML"),
        (b'{"layers": []}', "is JSON that does not describe a model; it begins with"),
        (b'{"class_name": "Sequential", "config": {}}', "an architecture contains no weights; pass it as config="),
        (b"\x80\x04\x95", "pickle"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x1c\x00\x00\x00TFL3", "TensorFlow Lite"),
        (b"\x00\x01\x02\x03", "is not a model: it begins with the bytes 00 01 02 03"),
    ],
)
def test_files_of_no_format(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=rf"model\.keras' .*{words}") as error:
        frontends.open(path)
    assert ".keras, .h5 and .hdf5 files" in str(error.value) or "config=" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02\x03", b"\x08\x07", MODEL_FILE.read_bytes()[:9999]])
def test_errors_of_bytes_do_not_show_a_temporary_file(content: bytes) -> None:
    for source in (content, io.BytesIO(content)):
        with pytest.raises(ModelFileError, match=r"^'?bytes\b") as error:
            sofie_jit.load(source)
        assert tempfile.gettempdir() not in str(error.value)
        assert sofie_jit.check(content).problems == str(error.value).splitlines()


def test_errors_of_a_network_in_bytes() -> None:
    """The file is gone when the network is translated."""
    onnx = pytest.importorskip("onnx")
    tensors = [onnx.helper.make_tensor_value_info(name, 1, [None, 3]) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Nope", ["x"], ["y"], "n")], "g", tensors[:1], tensors[1:])
    content = onnx.helper.make_model(graph).SerializeToString()
    with pytest.raises(sofie_jit.UnsupportedLayerError) as error:
        sofie_jit.load(content)
    assert str(error.value).startswith("bytes: ")
    assert "Nope" in sofie_jit.check(content).problems[0]
    assert not sofie_jit.check(content).problems[0].startswith("bytes")


def test_other_sources_of_no_format(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.h5"):
        frontends.open(tmp_path / "nowhere.h5")
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(ModelFileError, match=r"is a directory that contains notes\.txt\. Supported: Keras \(\.keras"):
        frontends.open(tmp_path)
    with pytest.raises(
        ModelFileError, match=r"is an object of type numpy\.ndarray\. Supported: .* a keras\.Model, a torch"
    ):
        frontends.open(np.zeros(3))
    with zipfile.ZipFile(tmp_path / "m.pt2", "w") as archive:
        archive.writestr("data.pkl", b"")
    with pytest.raises(ModelFileError, match=r"is a zip archive that contains data\.pkl"):
        frontends.open(tmp_path / "m.pt2")


def test_only_the_end_of_an_archive_is_examined(tmp_path: Path) -> None:
    """A directory of millions of empty entries takes neither time nor memory."""
    entry = b"PK\x01\x02" + bytes(24) + b"\x01" + bytes(17)
    path = tmp_path / "m.zip"
    path.write_bytes(b"PK\x03\x04" + (entry + b"a") * 100_000 + entry + b"b" + b"PK\x05\x06" + bytes(18))
    tracemalloc.start()
    assert examine(path).names == {"a", "b"}
    assert tracemalloc.get_traced_memory()[1] < 3 << 20
    tracemalloc.stop()


def test_options_are_refused_by_name() -> None:
    assert "no option opset=" in str(sofie_jit.check(MODEL_FILE, opset=17))
    for function in (sofie_jit.load, frontends.open):
        with pytest.raises(OptionError, match=r"Keras models have no option opset=; .*: config=, outputs=, replace="):
            function(MODEL_FILE, opset=17)
    assert frontends.open(MODEL_FILE, config=None)


def test_nodes_and_metadata() -> None:
    translation = frontends.open(MODEL_FILE)
    assert [str(node) for node in translation.nodes()][:2] == ["image (InputLayer)", "conv2d (Conv2D)"]
    assert translation.metadata["format"] == "Keras"
    assert translation.metadata["saved by"].startswith("Keras 3.")


def test_only_the_frontend_that_is_needed_is_imported() -> None:
    code = """
import subprocess, sys
from sofie_jit import frontends
try:
    frontends.open(subprocess.__file__)
except ValueError:
    pass
print([name for name in sys.modules if name.startswith("sofie_jit.frontends.") and name.count(".") == 2])"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == "['sofie_jit.frontends.content']\n", run.stderr


# -- bytes, open files and URLs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_bytes_and_open_files(suffix: str) -> None:
    path = GOLDEN / "keras3" / f"mlp{suffix}"
    expected = sofie_jit.load(path)
    x = np.ones((2, *expected.input_shapes[0][1:]), np.float32)
    content = path.read_bytes()
    with path.open("rb") as file:
        for source in (content, bytearray(content), memoryview(content), io.BytesIO(content), file):
            np.testing.assert_array_equal(sofie_jit.load(source).infer(x), expected.infer(x))
    assert sofie_jit.check(content).ok
    assert sofie_jit.load(content, untrusted=True).name == expected.name


def test_bytes_of_onnx() -> None:
    demo = sofie_jit.load(MODEL_FILE)
    with tempfile.TemporaryDirectory() as folder:
        content = demo.save_onnx(Path(folder) / "m.onnx").read_bytes()
    x = np.ones((2, 8, 8, 1), np.float32)
    np.testing.assert_allclose(sofie_jit.load(content).infer(x), demo.infer(x), rtol=0, atol=1e-6)


def test_sources_that_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"'https://example\.org/m\.h5' is a URL; download"):
        sofie_jit.load("https://example.org/m.h5")
    with pytest.raises(sofie_jit.ModelFileError, match=r"is not a model: it begins with 'm\.h5'"):
        sofie_jit.load(b"m.h5")
    with pytest.raises(sofie_jit.ModelFileError, match="is empty"):
        sofie_jit.load(io.BytesIO())
    (tmp_path / "m.json").write_text("{}")
    with (tmp_path / "m.json").open() as file, pytest.raises(sofie_jit.ModelFileError, match=r"m\.json' is open as"):
        sofie_jit.load(file)


def test_misspelt_options_of_load() -> None:
    with pytest.raises(OptionError, match=r"load\(\) has no option thread=; did you mean threads=\?"):
        sofie_jit.load(MODEL_FILE, thread=1)
