"""Tensors of every type and every way to store them, external data, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper, numpy_helper
from onnx_files import assert_same_sparse, assert_same_tensor

from sofie_jit.errors import ModelFileError, UnsupportedLayerError
from sofie_jit.frontends.onnx import proto, reader, tensors
from sofie_jit.frontends.onnx.tensors import ELEMENT_TYPES, Tensors

NUMBERS = {number: element for number, element in ELEMENT_TYPES.items() if element.dtype}
OTHERS = {number: element for number, element in ELEMENT_TYPES.items() if not element.dtype}
NAMES = {number: element.name for number, element in ELEMENT_TYPES.items()}


def read(tensor: TensorProto, folder: str | Path = ".", what: str = "w") -> tensors.Tensor:
    return Tensors(Path(folder) / "model.onnx").dense(proto.TensorProto.parse(tensor.SerializeToString()), what)


def refused(tensor: TensorProto, message: str, folder: str | Path = ".") -> None:
    with pytest.raises(ModelFileError, match=message):
        read(tensor, folder)


# -- types -------------------------------------------------------------------------------------------------------------


def test_all_types_are_known():
    known = {number: name.lower() for name, number in TensorProto.DataType.items() if number}
    assert known | {1: "float32", 11: "float64"} == {n: NAMES[n] for n in known}


@pytest.mark.parametrize("raw", [False, True], ids=["typed", "raw"])
@pytest.mark.parametrize("number", NUMBERS, ids=NAMES.get)
@pytest.mark.parametrize("shape", [(2, 3), (), (0, 3), (1,)], ids=str)
def test_numbers(number, raw, shape):
    dtype = helper.tensor_dtype_to_np_dtype(number)
    array = np.random.default_rng(0).integers(-100, 100, shape).astype(dtype)
    tensor = numpy_helper.from_array(array, "w") if raw else helper.make_tensor("w", number, shape, array)
    found = read(tensor)
    assert_same_tensor(found, tensor)
    expected = array.astype(np.float32) if NAMES[number] == "bfloat16" else array.astype(found.array.dtype)
    np.testing.assert_array_equal(found.array, expected, strict=True)


@pytest.mark.parametrize("number", OTHERS, ids=NAMES.get)
def test_unsupported_types_are_refused_when_they_are_used(number):
    tensor = TensorProto(name="w", data_type=number, dims=[3], raw_data=bytes(24))
    assert read(tensor).shape == (3,)
    name = NAMES[number]
    with pytest.raises(UnsupportedLayerError, match=f"the tensor 'w' has elements of type {name}, which is not supp"):
        read(tensor).array  # noqa: B018


def test_integers_wrap_as_in_the_onnx_package():
    tensor = TensorProto(name="w", data_type=TensorProto.UINT8, dims=[3], int32_data=[-1, 300, 7])
    assert read(tensor).array.tolist() == [255, 44, 7]
    assert_same_tensor(read(tensor), tensor)


def test_any_byte_is_a_bool():
    tensor = TensorProto(name="w", data_type=TensorProto.BOOL, dims=[4], raw_data=b"\x00\x01\x02\xff")
    assert read(tensor).array.view(np.uint8).tolist() == [0, 1, 1, 1]


def test_arrays_own_their_memory_unless_they_are_large(tmp_path, monkeypatch):
    """The file may be overwritten while its weights are in use."""
    tensor = proto.TensorProto.parse(numpy_helper.from_array(np.arange(4.0), "w").SerializeToString())
    assert Tensors(tmp_path).dense(tensor, "w").array.flags.owndata
    monkeypatch.setattr(tensors, "MAPPED", 32)
    offsets = set()
    for shift in range(8):
        data = memoryview(bytearray(48))[shift : shift + 32]
        array = tensors._array(data, ELEMENT_TYPES[11], (4,))
        assert array.flags.aligned
        offsets.add(array.flags.owndata)
    assert offsets == {True, False}  # one of eight is aligned and stays where it is


CONTRADICTIONS = [
    ({"data_type": 0}, "w has elements of type 0; ONNX defines the types 1 to 28"),
    ({"data_type": 29}, "w has elements of type 29"),
    ({"dims": [-1]}, r"w has the shape \(-1,\), which no tensor can have"),
    ({"dims": [0, 2**62]}, r"w has the shape \(0, 4611686018427387904\), which no tensor"),
    ({"dims": [2**31, 2**31, 4]}, "which no tensor can have"),
    ({"dims": [1] * 33}, "w has 33 axes; at most 32 are supported"),
    ({"raw_data": bytes(7)}, r"w is float32 of shape \(2,\), which takes 8 bytes; the file has 7"),
    ({"dims": [2**40]}, "which takes 4,398,046,511,104 bytes; the file has 0"),
    ({"float_data": [1]}, r"w has the shape \(2,\), 2 elements, but 1 values"),
    ({"float_data": [1, 2], "raw_data": bytes(8)}, "w has values in raw_data and float_data; expected one of them"),
    ({"int32_data": [1, 2]}, "w is of type float32 and has int32_data; expected float_data"),
    ({"segment": {"begin": 0, "end": 2}, "raw_data": bytes(8)}, "w is stored in segments"),
    ({"data_location": 2}, "w has the data_location 2; ONNX defines 0 and 1"),
    ({"data_location": 1, "raw_data": bytes(8)}, "w is stored in another file, but has raw_data"),
]


@pytest.mark.parametrize(("values", "message"), CONTRADICTIONS)
def test_contradictions(values, message):
    data = TensorProto(**({"name": "w", "data_type": 1, "dims": [2]} | values | {"data_location": 0}))
    data.ClearField("data_location")
    location = bytes([14 << 3, values["data_location"]]) if "data_location" in values else b""
    with pytest.raises(ModelFileError, match=message):
        Tensors(Path("model.onnx")).dense(proto.TensorProto.parse(data.SerializeToString() + location), "w")


# -- sparse tensors ----------------------------------------------------------------------------------------------------


def sparse(values, indices, dims) -> onnx.SparseTensorProto:
    parts = numpy_helper.from_array(np.asarray(values), "w"), numpy_helper.from_array(np.asarray(indices), "i")
    return helper.make_sparse_tensor(*parts, dims)


def read_sparse(tensor: onnx.SparseTensorProto) -> tensors.Tensor:
    return Tensors(Path("model.onnx")).sparse(proto.SparseTensorProto.parse(tensor.SerializeToString()), "w")


@pytest.mark.parametrize("indices", [[1, 3, 5], [[0, 1], [1, 0], [1, 2]]], ids=["flat", "by axis"])
@pytest.mark.parametrize("dtype", ["float32", "int64", "float16", "bool"])
def test_sparse_tensors_become_dense(indices, dtype):
    tensor = sparse(np.array([1, 2, 3], dtype), np.int64(indices), [2, 3])
    assert_same_sparse(read_sparse(tensor), tensor)


def test_an_empty_sparse_tensor():
    for indices in (np.zeros(0, np.int64), np.zeros((0, 2), np.int64)):
        assert read_sparse(sparse(np.zeros(0, np.float32), indices, [2, 3])).array.tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("indices", "dims", "message"),
    [
        (np.int64([0, 6]), [2, 3], "w: indices must ascend from 0 to less than 6"),
        (np.int64([-1, 2]), [2, 3], "w: indices must ascend"),
        (np.int64([2, 2]), [2, 3], "w: indices must ascend"),
        (np.int64([3, 2]), [2, 3], "w: indices must ascend"),
        (np.int64([[0, 1], [0, 3]]), [2, 3], r"w: an index is outside of the shape \(2, 3\)"),
        (np.int64([[0, 1], [-1, 2]]), [2, 3], "w: an index is outside"),
        (
            np.int64([[0], [1]]),
            [2, 3],
            r"w: indices are int64 \(2, 1\) for 2 values; expected",
        ),
        (np.int32([0, 1]), [2, 3], r"w: indices are int32 \(2,\) for 2 values"),
        (np.int64([0, 1]), [], "w has no dims"),
        (np.int64([0, 1]), [2**20, 2**20], r"w, with the parts before it, declares 4,398,046,511,128 bytes"),
    ],
)
def test_contradictions_of_sparse_tensors(indices, dims, message):
    with pytest.raises(ModelFileError, match=message):
        read_sparse(sparse(np.float32([1, 2]), indices, dims))


# -- external data -----------------------------------------------------------------------------------------------------


def external(location: str, dims=(2,), **options) -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **options}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


@pytest.fixture
def folder(tmp_path):
    """A folder of a model, with data inside and outside."""
    inside = tmp_path / "models"
    (inside / "data").mkdir(parents=True)
    values = np.arange(10, dtype=np.float32)
    for path in (tmp_path / "secret", inside / "weights", inside / "data" / "weights"):
        values.tofile(path)
    (tmp_path / "models2").mkdir()
    values.tofile(tmp_path / "models2" / "weights")
    return inside


def test_external_data(folder):
    assert read(external("weights", [10]), folder).array.tolist() == list(range(10))
    assert read(external("data/weights", offset=4, length=8), folder).array.tolist() == [1, 2]
    assert read(external("./data//weights", offset=32), folder).array.tolist() == [8, 9]
    assert read(external("weights", [0], offset=40), folder).array.shape == (0,)


def test_external_data_of_the_onnx_package(tmp_path):
    arrays = [np.random.default_rng(0).random((5, 300)), np.arange(1000)]
    weights = [numpy_helper.from_array(array, f"w{i}") for i, array in enumerate(arrays)]
    message = helper.make_model(helper.make_graph([], "g", [], [], weights), ir_version=10)
    external_data_helper.convert_model_to_external_data(message, location="m.data")
    onnx.save(message, tmp_path / "model.onnx")
    message = proto.ModelProto.parse((tmp_path / "model.onnx").read_bytes())
    files = Tensors(tmp_path / "model.onnx")
    for tensor, array in zip(message.graph.initializer, arrays, strict=True):
        np.testing.assert_array_equal(files.dense(tensor, "w").array, array, strict=True)
    assert len(files._files) == 1


def test_tensors_that_share_data_share_memory(folder):
    files = Tensors(folder / "model.onnx")
    message = proto.TensorProto.parse(external("weights").SerializeToString())
    assert files.dense(message, "w").array is files.dense(message, "w").array


def test_relative_paths_of_models(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert read(external("weights"), ".").array.tolist() == [0, 1]
    assert read(external("weights"), "data/..").array.tolist() == [0, 1]


@pytest.mark.parametrize(
    "location",
    ["", "/etc/passwd", "../secret", "data/../../secret", "data/../weights", "..", "a\0b", "..\\secret", "C:\\secret"],
)
def test_locations_outside_of_the_folder(folder, location):
    refused(external(location), "w: external data must be in the model's folder, at a path relative to it", folder)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("nowhere", "w: there is no file 'nowhere' in the model's folder"),
        ("data", "w: there is no file 'data' in the model's folder"),
        (".", "is a link to a file outside|there is no file"),
        ("a" * 5000, "w: external data 'aaa.*File name too long|there is no file 'aaa"),
        ("weights/weights", "w: there is no file"),
    ],
)
def test_locations_that_are_no_file(folder, location, message):
    refused(external(location), message, folder)


def test_links(folder):
    (folder / "good").symlink_to("data/weights")
    assert read(external("good"), folder).array.tolist() == [0, 1]
    (folder / "absolute").symlink_to(folder / "weights")
    assert read(external("absolute"), folder).array.tolist() == [0, 1]
    for name, target in (
        ("a", "../secret"),
        ("b", "../models2/weights"),
        ("folder", ".."),
        ("dev", "/dev/zero"),
    ):
        (folder / name).symlink_to(target)
        location = "folder/secret" if name == "folder" else name
        refused(external(location), "is a link to a file outside of the model's folder, which is not followed", folder)
    (folder / "loop").symlink_to("loop")
    refused(external("loop"), "w: external data 'loop': .*[Ll]oop|w: there is no file 'loop'", folder)
    (folder / "dangling").symlink_to("nothing")
    refused(external("dangling"), "w: there is no file 'dangling'", folder)


def test_caches_of_downloads(tmp_path):
    """Model and data are links to files in another folder, as in the cache of huggingface_hub."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    np.float32([1, 2]).tofile(tmp_path / "blobs" / "abc")
    (tmp_path / "blobs" / "def").write_bytes(b"the model")
    (tmp_path / "snapshot" / "model.onnx").symlink_to("../blobs/def")
    (tmp_path / "snapshot" / "weights").symlink_to("../blobs/abc")
    assert read(external("weights"), tmp_path / "snapshot").array.tolist() == [1, 2]


def test_other_kinds_of_files(folder):
    os.mkfifo(folder / "pipe")
    refused(external("pipe"), "w: there is no file 'pipe'", folder)
    with pytest.raises(ModelFileError, match="pipe' is not a regular file"):
        tensors.map_file(folder / "pipe")
    (folder / "empty").touch()
    refused(external("empty"), "w takes 8 bytes at 0 of 'empty', which has 0 bytes; it is incomplete", folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"offset": 36}, "w takes 8 bytes at 36 of 'weights', which has 40 bytes"),
        ({"offset": 10**17}, "w takes 8 bytes at 100,000,000,000,000,000 of 'weights'"),
        ({"offset": -4}, "w: the offset of its external data is '-4'; expected a number"),
        ({"offset": "4.0"}, "w: the offset of its external data is '4.0'"),
        ({"offset": ""}, "w: the offset of its external data is ''"),
        ({"offset": "٤"}, "w: the offset of its external data is '٤'"),
        ({"length": "9" * 30}, "w: the length of its external data is '999"),
        ({"length": 4}, r"w is float32 of shape \(2,\), which takes 8 bytes; the file has 4"),
        ({"length": 12}, "which takes 8 bytes; the file has 12"),
        ({"dims": [2**40]}, "w takes 4,398,046,511,104 bytes at 0 of 'weights', which has 40"),
    ],
)
def test_parts_that_do_not_fit(folder, options, message):
    refused(external("weights", **options), message, folder)


def test_many_tensors_of_overlapping_parts(folder):
    """Each would be a copy of nearly the whole file."""
    (folder / "large").write_bytes(bytes(1 << 20))
    files = Tensors(folder / "model.onnx")
    with pytest.raises(ModelFileError, match=r"with the parts before it, declares 268,4.* bytes but stores 1,048,576"):
        for offset in range(0, 4000, 4):
            tensor = external("large", [(1 << 18) - 1000], offset=offset)
            files.dense(proto.TensorProto.parse(tensor.SerializeToString()), "w")


# -- large files -------------------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    data = b""
    while value >= 0x80:
        data += bytes([value & 0x7F | 0x80])
        value >>= 7
    return data + bytes([value])


def test_files_over_2_gb(tmp_path):
    """An aligned tensor of 2.4 GB is not read; the one after it is."""
    count = 600_000_000
    last = numpy_helper.from_array(np.float32([1, 2]), "last").SerializeToString()
    last = b"\x2a" + varint(len(last)) + last
    for padding in range(4):
        name = b"large" + b"_" * padding
        tensor = b"\x08" + varint(count) + b"\x10\x01\x42" + varint(len(name)) + name + b"\x4a" + varint(4 * count)
        tensor = b"\x2a" + varint(len(tensor) + 4 * count) + tensor
        start = b"\x08\x0a\x42\x02\x10\x14\x3a" + varint(len(tensor) + 4 * count + len(last)) + tensor
        if len(start) % 4 == 0:
            break
    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        file.write(start)
        file.seek(4 * count, os.SEEK_CUR)  # the file has a hole and takes no space
        file.write(last)
    large, small = reader.read(path).graph.initializers.values()
    assert (large.shape, large.stored.flags.owndata, large.stored[-1]) == ((count,), False, 0)
    assert small.array.tolist() == [1, 2]
