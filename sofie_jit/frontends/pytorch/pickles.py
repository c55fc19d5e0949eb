"""Reads the pickles in PyTorch's archives without executing them.

The opcodes that PyTorch writes are interpreted here; Python's own unpickler is not used, because it imports and calls
what a pickle names, and because a few bytes make it take gigabytes. A pickle may refer to tensors, their storages,
``OrderedDict``, typed lists and, in TorchScript archives, to objects of the archive's own classes.

The result consists of JSON values and of

* ``{"tensor": n}``: number n of the tensors;
* ``{"object": "__torch__.Class", "attributes": {...}}``: an object of TorchScript;
* ``{"dict": [[key, value], ...]}``: a dict; ``{"tuple": [...]}``: a tuple.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Sequence
from typing import Any

from sofie_jit.errors import ModelFileError
from sofie_jit.frontends.pytorch.archive import MAX_ELEMENTS, Storages, integers
from sofie_jit.frontends.pytorch.model import StoredTensor

MAX_OPCODES = 1 << 22
MAX_VALUES = 1 << 22
"""Values in the result, each counted as often as it is used."""

STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "CharStorage": "int8", "ShortStorage": "int16", "IntStorage": "int32", "LongStorage": "int64",
    "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}  # fmt: skip
"""Classes of storages -> their element type."""

LISTS = {f"torch.jit._pickle build_{kind}list" for kind in ("int", "tensor", "double", "bool")}
"""Functions that make a list of one type from a list."""

KEPT = (
    "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_parameter_with_state",
    "torch.jit._pickle restore_type_tag",
)
"""Functions whose result is their first argument; the others, such as attributes in Python, do not matter."""

WITH_TYPE = "torch._tensor _rebuild_from_type_v2"
"""Calls its first argument with its third one; the second is the class of the result."""
TENSOR_CLASSES = ("torch Tensor", "torch.nn.parameter Parameter", "torch.nn.parameter Buffer")


class _Mark:
    pass


class _Global:
    def __init__(self, name: str):
        self.name = name


class _Storage:
    def __init__(self, dtype: str, key: str):
        self.dtype, self.key = dtype, key


class Pickle:
    """Reads pickles of an archive whose storages are the members ``folder/key``."""

    def __init__(self, storages: Storages, folder: str, *, script: bool = False):
        self.storages = storages
        self.folder = folder
        self.script = script
        """Whether objects of classes of TorchScript are allowed."""
        self.tensors: list[StoredTensor] = []
        self._numbers: dict[tuple[Any, ...], int] = {}

    def read(self, name: str) -> Any:
        """The value of a pickle. Raises ModelFileError for one that refers to anything else, or is damaged."""
        data = bytes(self.storages.archive.read(name))
        what = f"'{self.storages.archive.path}': the pickle '{name}'"
        machine = _Machine(self, what)
        try:
            for count, (opcode, argument, _) in enumerate(pickletools.genops(io.BytesIO(data))):
                if count > MAX_OPCODES:
                    raise ModelFileError(f"{what} has more than {MAX_OPCODES:,} instructions")
                if opcode.name == "STOP":
                    break
                machine.step(opcode.name, argument)
            return machine.result()
        except ModelFileError:
            raise
        except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, UnicodeError) as error:
            raise ModelFileError(
                f"{what} is damaged ({type(error).__name__}: {error}); save the model again"
            ) from error

    def tensor(self, storage: _Storage, offset: int, sizes: Sequence[int], strides: Sequence[int], what: str) -> Any:
        """The number of a tensor."""
        key = (self.folder, storage.key, storage.dtype, offset, tuple(sizes), tuple(strides))
        if key not in self._numbers:
            self._numbers[key] = len(self.tensors)
            member = f"{self.folder}{storage.key}"
            self.tensors.append(self.storages.tensor(member, storage.dtype, sizes, strides, offset, what))
        return {"tensor": self._numbers[key]}


class _Machine:
    """The stack and the memory of a pickle."""

    def __init__(self, pickle: Pickle, what: str):
        self.pickle = pickle
        self.what = what
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}

    def result(self) -> Any:
        if len(self.stack) != 1:
            raise ModelFileError(f"{self.what} ends with {len(self.stack)} values; it is damaged")
        return _json(self.stack[0], self.what)

    def step(self, name: str, argument: Any) -> None:
        """Executes one opcode."""
        if name in CONSTANTS:
            self.stack.append(CONSTANTS[name]())
        elif name in (
            "BININT",
            "BININT1",
            "BININT2",
            "LONG1",
            "BINUNICODE",
            "SHORT_BINUNICODE",
            "BINUNICODE8",
            "BINFLOAT",
        ):
            if isinstance(argument, int) and not -(1 << 63) <= argument < 1 << 64:
                raise ModelFileError(f"{self.what} has an integer of {argument.bit_length()} bits")
            self.stack.append(argument)
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memory[len(self.memory) if name == "MEMOIZE" else argument] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memory[argument])
        elif name == "GLOBAL":
            self.stack.append(self.checked_global(argument))
        elif name in STEPS:
            STEPS[name](self)
        elif name not in ("PROTO", "FRAME"):
            raise ModelFileError(f"{self.what} has the instruction {name}, which no model of PyTorch needs")

    def checked_global(self, name: str) -> _Global:
        module, _, kind = name.partition(" ")
        allowed = (
            name in KEPT
            or name in LISTS
            or name in ("torch._utils _rebuild_tensor_v2", "collections OrderedDict", "torch device", WITH_TYPE)
            or name in TENSOR_CLASSES
            or (module in ("torch", "torch.storage") and kind in STORAGES)
            or (self.pickle.script and module.partition(".")[0] == "__torch__")
        )
        if not allowed:
            raise ModelFileError(
                f"{self.what} refers to {name.replace(' ', '.')}, which could run code; a file of torch.save(model) "
                "cannot be read: save the model with torch.export.save, or torch.jit.save"
            )
        return _Global(name)

    def marked(self) -> list[Any]:
        """The values after the last mark, which are removed with it."""
        place = max(index for index, value in enumerate(self.stack) if isinstance(value, _Mark))
        values = self.stack[place + 1 :]
        del self.stack[place:]
        return values

    def make_tuple(self, count: int) -> None:
        values = tuple(self.stack[len(self.stack) - count :]) if count else ()
        if len(values) != count:
            raise ValueError("a tuple of missing values")
        del self.stack[len(self.stack) - count :]
        self.stack.append(values)

    def append(self, values: Sequence[Any]) -> None:
        self.stack[-1].extend(values)

    def set_items(self, values: Sequence[Any]) -> None:
        self.stack[-1].extend(zip(values[::2], values[1::2], strict=True))

    def storage(self) -> None:
        kind, storage_type, key, _, _ = self.stack.pop()
        if kind != "storage" or not isinstance(storage_type, _Global) or not isinstance(key, str):
            raise ModelFileError(f"{self.what} refers to an object that is no storage")
        self.stack.append(_Storage(STORAGES[storage_type.name.partition(" ")[2]], key))

    def reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        while function.name == WITH_TYPE and isinstance(arguments, tuple):
            function, _, arguments = arguments[:3]
        name = function.name
        if name == "torch._utils _rebuild_tensor_v2":
            storage, offset, sizes, strides = arguments[:4]
            if not isinstance(storage, _Storage) or type(offset) is not int or not 0 <= offset < MAX_ELEMENTS:
                raise ValueError("a tensor without a storage")
            listed = integers(sizes, self.what), integers(strides, self.what)
            self.stack.append(self.pickle.tensor(storage, offset, *listed, f"{self.what}: a tensor"))
        elif name == "collections OrderedDict":
            self.stack.append(_Dict(tuple(pair) for pair in (arguments[0] if arguments else ())))
        elif name in KEPT or name in LISTS:
            self.stack.append(arguments[0])
        elif name == "torch device":
            self.stack.append(None)
        else:
            raise ValueError(f"a call of {name}")

    def new_object(self) -> None:
        self.stack.pop()
        kind = self.stack.pop()
        if not kind.name.startswith("__torch__"):
            raise ValueError(f"an object of {kind.name}")
        self.stack.append(_Object(kind.name.replace(" ", ".")))

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, _Object):
            target.attributes = state
        elif not isinstance(target, _Dict):  # a state dict has attributes of its own, which do not matter
            raise ValueError("a state of a value that has none")


class _Dict(list[Any]):
    """Pairs of keys and values."""


class _Object:
    def __init__(self, kind: str):
        self.kind = kind
        self.attributes: Any = _Dict()


CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": _Dict,
    "MARK": _Mark,
}
STEPS: dict[str, Callable[[_Machine], None]] = {
    "TUPLE": lambda m: m.stack.append(tuple(m.marked())),
    "TUPLE1": lambda m: m.make_tuple(1),
    "TUPLE2": lambda m: m.make_tuple(2),
    "TUPLE3": lambda m: m.make_tuple(3),
    "APPEND": lambda m: m.append([m.stack.pop()]),
    "APPENDS": lambda m: m.append(m.marked()),
    "SETITEM": lambda m: m.set_items([m.stack.pop(-2), m.stack.pop()]),
    "SETITEMS": lambda m: m.set_items(m.marked()),
    "BINPERSID": _Machine.storage,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.new_object,
    "BUILD": _Machine.build,
}
"""Opcodes without an argument."""


def _json(value: Any, what: str) -> Any:
    """A value as JSON. Raises ModelFileError for one that contains itself, or that has too many parts."""
    left = MAX_VALUES

    def convert(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or depth > 200:
            raise ModelFileError(f"{what} contains itself, or is nested too deeply")
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, _Dict):
            return {"dict": [[convert(key, depth + 1), convert(item, depth + 1)] for key, item in value]}
        if isinstance(value, tuple):
            return {"tuple": [convert(item, depth + 1) for item in value]}
        if isinstance(value, list):
            return [convert(item, depth + 1) for item in value]
        if isinstance(value, _Object):
            pairs = [(key, convert(item, depth + 1)) for key, item in value.attributes]
            if any(not isinstance(key, str) for key, _ in pairs):
                raise ModelFileError(f"{what} has an attribute without a name")
            return {"object": value.kind, "attributes": dict(pairs)}
        if isinstance(value, dict) and "tensor" in value:
            return value
        raise ModelFileError(f"{what} contains a value that no model has")

    return convert(value, 0)
