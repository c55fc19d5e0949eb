"""TensorProto to numpy arrays, and files of external data."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sofie_jit.errors import ModelFileError
from sofie_jit.frontends.limits import Sizes
from sofie_jit.frontends.mapping import map_file
from sofie_jit.frontends.onnx.model import Tensor
from sofie_jit.frontends.onnx.proto import SparseTensorProto, TensorProto
from sofie_jit.frontends.onnx.protobuf import joined

MAX_RANK = 32
MAX_ELEMENTS = 1 << 48
"""Of a tensor, axes of size 0 counted as 1; larger ones are rejected as malformed before numpy sees the shape."""
MAPPED = 1 << 26
"""Arrays of this many bytes and more stay in the mapped file, if they are aligned.

Smaller ones are copied: then the file may be overwritten while the model is in use, and mapping and copying 100 MB
takes no longer than reading them. Weights in a model file are seldom aligned, those in a file of external data are.
"""


class ElementType(NamedTuple):
    """How a tensor's elements are stored."""

    name: str
    dtype: str | None
    """The type of the array; None for elements that are not read."""
    data: str
    """The field of TensorProto for values that are not raw bytes."""
    kind: str
    """The type of that field."""
    bits: int | None = None
    """Of elements that share bytes, the first one in the lowest bits."""

    def byte_count(self, shape: tuple[int, ...]) -> int:
        """The bytes that a tensor of this type takes in a file."""
        return -(-math.prod(shape) * (self.bits or 8 * np.dtype(self.dtype).itemsize) // 8)


ELEMENT_TYPES = {
    1: ElementType("float32", "f4", "float_data", "float"),
    2: ElementType("uint8", "u1", "int32_data", "int32"),
    3: ElementType("int8", "i1", "int32_data", "int32"),
    4: ElementType("uint16", "u2", "int32_data", "int32"),
    5: ElementType("int16", "i2", "int32_data", "int32"),
    6: ElementType("int32", "i4", "int32_data", "int32"),
    7: ElementType("int64", "i8", "int64_data", "int64"),
    8: ElementType("string", None, "string_data", ""),
    9: ElementType("bool", "?", "int32_data", "int32"),
    10: ElementType("float16", "f2", "int32_data", "int32"),
    11: ElementType("float64", "f8", "double_data", "double"),
    12: ElementType("uint32", "u4", "uint64_data", "uint64"),
    13: ElementType("uint64", "u8", "uint64_data", "uint64"),
    14: ElementType("complex64", None, "float_data", ""),
    15: ElementType("complex128", None, "double_data", ""),
    16: ElementType("bfloat16", "u2", "int32_data", "int32"),
    17: ElementType("float8e4m3fn", None, "int32_data", ""),
    18: ElementType("float8e4m3fnuz", None, "int32_data", ""),
    19: ElementType("float8e5m2", None, "int32_data", ""),
    20: ElementType("float8e5m2fnuz", None, "int32_data", ""),
    21: ElementType("uint4", "u1", "int32_data", "int32", 4),
    22: ElementType("int4", "i1", "int32_data", "int32", 4),
    23: ElementType("float4e2m1", None, "int32_data", ""),
    24: ElementType("float8e8m0", None, "int32_data", ""),
    25: ElementType("uint2", "u1", "int32_data", "int32", 2),
    26: ElementType("int2", "i1", "int32_data", "int32", 2),
    27: ElementType("float6e2m3", None, "int32_data", ""),
    28: ElementType("float6e3m2", None, "int32_data", ""),
}
"""``TensorProto.DataType``."""

DATA_FIELDS = ("raw_data", *dict.fromkeys(element.data for element in ELEMENT_TYPES.values()))
EXTERNAL = 1
"""The ``data_location`` of a tensor in another file."""


def element_type(number: int, what: str) -> ElementType:
    """The element type of a ``TensorProto.DataType``; raises ModelFileError if there is no such number."""
    if number not in ELEMENT_TYPES:
        raise ModelFileError(f"{what} has elements of type {number}; ONNX defines the types 1 to {max(ELEMENT_TYPES)}")
    return ELEMENT_TYPES[number]


class Tensors:
    """Reads the tensors of the model in the file ``path``."""

    def __init__(self, path: Path):
        self.path = path
        self.sizes = Sizes(path)
        self._files: dict[Path, memoryview] = {}
        self._external: dict[tuple[object, ...], np.ndarray] = {}
        """Arrays that were read from other files; tensors that share the same part share the array."""

    def dense(self, proto: TensorProto, what: str) -> Tensor:
        """The tensor of a TensorProto; ``what`` names it in messages.

        Raises ModelFileError if its fields contradict each other.
        """
        element, shape = element_type(proto.data_type, what), checked_shape(proto.dims, what)
        if proto.segment is not None:
            raise ModelFileError(f"{what} is stored in segments, which no version of ONNX supports")
        fields = [name for name in DATA_FIELDS if len(getattr(proto, name))]
        if proto.data_location not in (0, EXTERNAL):
            raise ModelFileError(f"{what} has the data_location {proto.data_location}; ONNX defines 0 and 1")
        if proto.data_location == EXTERNAL:
            if fields:
                raise ModelFileError(f"{what} is stored in another file, but has {' and '.join(fields)}")
            stored = self._read_external(proto, element, shape, what)
        elif len(fields) > 1:
            raise ModelFileError(f"{what} has values in {' and '.join(fields)}; expected one of them")
        elif fields and fields[0] not in ("raw_data", element.data):
            raise ModelFileError(f"{what} is of type {element.name} and has {fields[0]}; expected {element.data}")
        elif element.dtype is None:
            stored = None
        elif fields and fields[0] != "raw_data":
            stored = self._typed(joined(getattr(proto, element.data), element.kind), element, shape, what)
        else:
            _check_bytes(len(proto.raw_data), element, shape, what)
            stored = _array(proto.raw_data, element, shape)
            self.sizes.add(what, stored.nbytes, stored.nbytes, ModelFileError)
        return Tensor(proto.name, element.name, shape, stored)

    def sparse(self, proto: SparseTensorProto, what: str) -> Tensor:
        """The tensor of a SparseTensorProto as a dense one; ``what`` names it in messages."""
        if proto.values is None or proto.indices is None:
            raise ModelFileError(f"{what} has no {'indices' if proto.indices is None else 'values'}")
        values = self.dense(proto.values, f"{what}: the tensor of values")
        indices = self.dense(proto.indices, f"{what}: the tensor of indices")
        shape = checked_shape(proto.dims, what)
        if not shape:
            raise ModelFileError(f"{what} has no dims")
        if values.stored is None:
            return Tensor(values.name, values.dtype, shape, None)
        count, size = values.stored.size, math.prod(shape)
        if indices.dtype != "int64" or indices.stored is None or indices.shape not in ((count,), (count, len(shape))):
            raise ModelFileError(
                f"{what}: indices are {indices.dtype} {indices.shape} for {count} values; expected int64 ({count},) or "
                f"({count}, {len(shape)})"
            )
        places = indices.stored
        if places.ndim == 2:
            if ((places < 0) | (places >= np.array(shape))).any():
                raise ModelFileError(f"{what}: an index is outside of the shape {shape}")
            places = np.ravel_multi_index(tuple(places.T), shape) if count else np.zeros(0, np.int64)
        if count and (places[0] < 0 or places[-1] >= size or (np.diff(places) <= 0).any()):
            raise ModelFileError(f"{what}: indices must ascend from 0 to less than {size:,}")
        itemsize = values.stored.itemsize
        self.sizes.add(what, size * itemsize, count * itemsize, ModelFileError)
        full = np.zeros(size, values.stored.dtype)
        full[places] = values.stored.reshape(-1)
        return Tensor(values.name, values.dtype, shape, full.reshape(shape))

    def _typed(self, values: np.ndarray, element: ElementType, shape: tuple[int, ...], what: str) -> np.ndarray:
        """The elements from one of the fields for numbers."""
        if element.bits:
            _check_bytes(values.size, element, shape, what)
            stored = _unpacked(values.astype(np.uint8), element, shape)
            self.sizes.add(what, stored.nbytes, values.size, ModelFileError)
            return stored
        if values.size != math.prod(shape):
            raise ModelFileError(
                f"{what} has the shape {shape}, {math.prod(shape):,} elements, but {values.size:,} values"
            )
        dtype = np.dtype(element.dtype)
        bits = element.name in ("float16", "bfloat16")
        stored = values.astype(np.uint16).view(dtype) if bits else values.astype(dtype)
        self.sizes.add(what, stored.nbytes, values.size, ModelFileError)
        return stored.reshape(shape)

    # -- external data -------------------------------------------------------------------------------------------

    def _read_external(
        self, proto: TensorProto, element: ElementType, shape: tuple[int, ...], what: str
    ) -> np.ndarray | None:
        options = {entry.key: entry.value for entry in proto.external_data}
        path = self._inside(options.get("location", ""), what)
        if element.dtype is None:
            return None
        offset, size = _number(options, "offset", 0, what), element.byte_count(shape)
        _check_bytes(_number(options, "length", size, what), element, shape, what)
        key = (path, offset, element.name, shape)
        if key not in self._external:
            if path not in self._files:
                self._files[path] = map_file(path)
                self.sizes.add(what, 0, len(self._files[path]), ModelFileError)
            content = self._files[path]
            if offset + size > len(content):
                raise ModelFileError(
                    f"{what} takes {size:,} bytes at {offset:,} of '{path.name}', which has {len(content):,} bytes; it "
                    "is incomplete: fetch or save it again"
                )
            self._external[key] = _array(content[offset : offset + size], element, shape)
            self.sizes.add(what, size, 0, ModelFileError)
        return self._external[key]

    def _inside(self, location: str, what: str) -> Path:
        """The file that a location names, which must be in the folder of the model.

        Links are followed first. The folder is that of the given path or that of the file that it links to: caches of
        downloads link both files to files in another folder.
        """
        parts = Path(location).parts
        if not location or "\0" in location or "\\" in location or Path(location).is_absolute() or ".." in parts:
            raise ModelFileError(
                f"{what}: external data must be in the model's folder, at a path relative to it; the location is "
                f"{location[:200]!r}"
            )
        try:
            path = (self.path.parent / location).resolve()
            folders = self.path.parent.resolve(), self.path.resolve().parent
            if not any(folder in path.parents for folder in folders):
                raise ModelFileError(
                    f"{what}: the external data {location[:200]!r} is a link to a file outside of the model's folder, "
                    "which is not followed"
                )
            if path.is_file():
                return path
        except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a name that is too long
            raise ModelFileError(f"{what}: external data {location[:200]!r}: {error}") from error
        raise ModelFileError(
            f"{what}: there is no file {location[:200]!r} in the model's folder; keep files of external data together "
            "with the model"
        )


def checked_shape(dims: object, what: str) -> tuple[int, ...]:
    """The sizes of a tensor; raises ModelFileError for a shape that no array can have."""
    shape: tuple[int, ...] = tuple(dims)  # type: ignore[arg-type]
    if len(shape) > MAX_RANK:
        raise ModelFileError(f"{what} has {len(shape)} axes; at most {MAX_RANK} are supported")
    if any(size < 0 for size in shape) or math.prod(max(size, 1) for size in shape) > MAX_ELEMENTS:
        raise ModelFileError(f"{what} has the shape {shape}, which no tensor can have")
    return shape


def _check_bytes(found: int, element: ElementType, shape: tuple[int, ...], what: str) -> None:
    expected = element.byte_count(shape)
    if found != expected:
        raise ModelFileError(
            f"{what} is {element.name} of shape {shape}, which takes {expected:,} bytes; the file has {found:,}"
        )


def _number(options: dict[str, str], key: str, default: int, what: str) -> int:
    if key not in options:
        return default
    if not re.fullmatch("[0-9]{1,18}", options[key]):
        raise ModelFileError(f"{what}: the {key} of its external data is {options[key][:40]!r}; expected a number")
    return int(options[key])


def _array(data: memoryview, element: ElementType, shape: tuple[int, ...]) -> np.ndarray:
    """The array whose elements are the bytes ``data``, of a length that was checked."""
    dtype = np.dtype(element.dtype)
    if not len(data):
        return np.zeros(shape, dtype)
    if element.bits:
        return _unpacked(np.frombuffer(data, np.uint8), element, shape)
    if element.name == "bool":  # a byte other than 0 and 1 would not be a valid element
        return np.frombuffer(data, np.uint8).astype(bool).reshape(shape)
    array = np.frombuffer(data, dtype.newbyteorder("<")).reshape(shape)
    return array if array.nbytes >= MAPPED and array.flags.aligned and array.dtype == dtype else array.astype(dtype)


def _unpacked(packed: np.ndarray, element: ElementType, shape: tuple[int, ...]) -> np.ndarray:
    """The elements of a type with fewer than 8 bits, given the bytes that they share."""
    bits = element.bits or 8
    parts = packed.reshape(-1, 1) >> np.arange(0, 8, bits, dtype=np.uint8) & np.uint8(2**bits - 1)
    elements: np.ndarray = parts.reshape(-1)[: math.prod(shape)].reshape(shape)
    if element.dtype == "u1":
        return elements
    half = np.int8(1 << (bits - 1))
    return np.asarray((elements.astype(np.int8) ^ half) - half)  # arithmetic of an array without axes gives a number
