"""Archives of PyTorch written by hand, also damaged and hostile ones. Needs no torch."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Stored(NamedTuple):
    """A tensor in a pickle: a view of the storage ``key``."""

    key: str
    kind: str
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0


class Object(NamedTuple):
    """An object of a class of TorchScript in a pickle."""

    module: str
    name: str
    attributes: dict[str, Any]


class Global(NamedTuple):
    """A function or class that a pickle refers to."""

    module: str
    name: str


class Call(NamedTuple):
    """A call of a function in a pickle."""

    function: Global
    arguments: tuple[Any, ...]


class Raw(NamedTuple):
    """Bytes of a pickle that are written as they are."""

    data: bytes


def _value(value: Any) -> bytes:
    if isinstance(value, Raw):
        return value.data
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, str):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, Stored):
        size = int(np.prod(value.sizes)) if value.sizes else 1
        storage = b"(" + _value("storage") + b"ctorch\n" + value.kind.encode() + b"\n" + _value(value.key)
        storage += _value("cpu") + _value(min(size, 1 << 30)) + b"tQ"
        hooks = b"ccollections\nOrderedDict\n)R"
        arguments = storage + _long(value.offset) + _longs(value.sizes) + _longs(value.strides) + b"\x89" + hooks
        return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR"
    if isinstance(value, Object):
        state = _value(value.attributes)
        return f"c{value.module}\n{value.name}\n".encode() + b")\x81" + state + b"b"
    if isinstance(value, Global):
        return f"c{value.module}\n{value.name}\n".encode()
    if isinstance(value, Call):
        return _value(value.function) + _value(value.arguments) + b"R"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_value, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(_value, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(_value(key) + _value(item) for key, item in value.items()) + b"u"
    raise TypeError(type(value))


def _long(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def _longs(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(_long, values)) + b"t"


def pickled(value: Any) -> bytes:
    """A pickle of the values that PyTorch writes."""
    return b"\x80\x02" + _value(value) + b"."


def write(path: Path, members: dict[str, bytes], root: str = "model", compression: int = zipfile.ZIP_STORED) -> Path:
    """Writes a zip archive whose members are in the folder ``root``."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(f"{root}/{name}" if root else name, content)
    return path


def script(
    path: Path, forward: str, attributes: dict[str, Any] | None = None, tensors: dict[str, np.ndarray] | None = None,
    constants: tuple[Any, ...] = (), more: str = "", parameters: str = "x: Tensor",
) -> Path:  # fmt: skip
    """A TorchScript archive of one class; ``forward`` are the lines of its method, ``more`` further definitions."""
    body = "\n".join(f"    {line}" for line in forward.strip("\n").splitlines())
    code = f"class M(Module):\n  def forward(self: __torch__.M,\n    {parameters}) -> Tensor:\n{body}\n{more}\n"
    members = {
        "code/__torch__.py": code.encode(),
        "data.pkl": pickled(Object("__torch__", "M", attributes or {})),
        "constants.pkl": pickled(constants),
        "version": b"3\n",
        **{f"data/{key}": array.tobytes() for key, array in (tensors or {}).items()},
    }
    return write(path, members)


def float32(key: str, array: np.ndarray) -> Stored:
    """The tensor of a contiguous array of float32."""
    strides = tuple(stride // 4 for stride in np.empty(array.shape, np.float32).strides)
    return Stored(key, "FloatStorage", array.shape, strides)


# -- torch.export ------------------------------------------------------------------------------------------------------


def tensor_meta(shape: tuple[int, ...], dtype: int = 7) -> dict[str, Any]:
    """The type of a contiguous tensor in a ``.pt2`` file."""
    strides = [int(np.prod(shape[axis + 1 :], dtype=int)) for axis in range(len(shape))]
    return {
        "dtype": dtype, "sizes": [{"as_int": n} for n in shape], "strides": [{"as_int": n} for n in strides],
        "storage_offset": {"as_int": 0}, "layout": 7, "requires_grad": False, "device": {"type": "cpu", "index": None},
    }  # fmt: skip


def node(target: str, output: str, **arguments: Any) -> dict[str, Any]:
    """A call in a graph; text stands for a tensor, other values are JSON of arguments."""
    inputs = [
        {"name": name, "arg": {"as_tensor": {"name": value}} if isinstance(value, str) else value, "kind": 1}
        for name, value in arguments.items()
    ]
    return {"target": target, "inputs": inputs, "outputs": [{"as_tensor": {"name": output}}], "metadata": {}}


def program(
    nodes: list[dict[str, Any]], output: str, shape: tuple[int, ...], weights: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The JSON of a program with the input x of a shape, and parameters ``p_<weight>``."""
    specs = [{"parameter": {"arg": {"name": f"p_{name}"}, "parameter_name": name}} for name in weights]
    given = {"user_input": {"arg": {"as_tensor": {"name": "x"}}}}
    out = {"as_tensor": {"name": output}}
    return {
        "graph_module": {
            "graph": {
                "inputs": [], "outputs": [out], "nodes": nodes, "tensor_values": {"x": tensor_meta(shape)},
                "sym_int_values": {}, "sym_bool_values": {},
            },
            "signature": {"input_specs": [*specs, given], "output_specs": [{"user_output": {"arg": out}}]},
            "module_call_graph": [],
        },
        "opset_version": {"aten": 10}, "range_constraints": {}, "schema_version": {"major": 8, "minor": 1},
        "torch_version": "2.9.0",
    }  # fmt: skip


LINEAR = [node("torch.ops.aten.linear.default", "y", input="x", weight="p_w", bias="p_b")]
WEIGHTS = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([0.5, -0.5], np.float32)}


def exported(path: Path, model: dict[str, Any] | None = None, config: dict[str, Any] | None = None) -> Path:
    """A ``.pt2`` file as torch 2.9 writes it, by default of a linear layer."""
    entries = {
        name: {
            "path_name": f"weight_{index}",
            "is_param": True,
            "use_pickle": False,
            "tensor_meta": tensor_meta(w.shape),
        }
        for index, (name, w) in enumerate(WEIGHTS.items())
    }
    given = program(LINEAR, "y", (4, 3), ("w", "b")) if model is None else model
    weights = {"config": entries if config is None else config}
    members = {
        "archive_format": b"pt2", "models/model.json": json.dumps(given).encode(),
        "data/weights/model_weights_config.json": json.dumps(weights).encode(),
        **{f"data/weights/weight_{index}": w.tobytes() for index, w in enumerate(WEIGHTS.values())},
    }  # fmt: skip
    return write(path, members)


def state_dict(wrapped: Callable[[Any], Any] = lambda tensor: tensor) -> bytes:
    """The content of a file of ``torch.save`` with the weights; ``wrapped`` makes the value of a pickle of a tensor."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        found = {name: float32(str(index), w) for index, (name, w) in enumerate(WEIGHTS.items())}
        archive.writestr("archive/data.pkl", pickled({name: wrapped(tensor) for name, tensor in found.items()}))
        for index, w in enumerate(WEIGHTS.values()):
            archive.writestr(f"archive/data/{index}", w.tobytes())
    return buffer.getvalue()
