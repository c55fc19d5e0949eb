"""``python tests/fuzz/bounds.py``: one file of each hostile kind; how it is refused, in what time and memory."""

from __future__ import annotations

import copy
import io
import json
import re
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import h5py  # noqa: E402
import numpy as np  # noqa: E402
from harness import limits  # noqa: E402
from mutations import GOLDEN, write  # noqa: E402
from spare_layers import LAYERS, spare_file, spare_model  # noqa: E402

H5, KERAS = "keras3/mlp.h5", "keras3/mlp.keras"
DENSE = next(i for i, (_, name, *_) in enumerate(LAYERS) if name == "Dense")
ADD = next(i for i, (_, name, *_) in enumerate(LAYERS) if name == "Add")

KINDS: dict[str, tuple[Callable[[Path], Any], str]] = {}
"""Kind -> a function that writes such a file, and the text that the error must contain besides the file's name."""


def kind(name: str, says: str) -> Callable[[Callable[[Path], Any]], Callable[[Path], Any]]:
    def register(make: Callable[[Path], Any]) -> Callable[[Path], Any]:
        KINDS[name] = (make, says)
        return make

    return register


def recipe(name: str, says: str, seed: str, *edits: list[Any]) -> None:
    KINDS[name] = (lambda path: write({"seed": seed, "edits": [*edits]}, path), says)


def config(change: Callable[[dict[str, Any]], None], number: int = DENSE) -> Callable[[Path], None]:
    """A function that writes the small model ``number`` with a changed architecture."""

    def make(path: Path) -> None:
        model = copy.deepcopy(spare_model(number))
        change(model)
        data = io.BytesIO(spare_file(number))
        with h5py.File(data, "r+") as file:
            file.attrs["model_config"] = json.dumps(model)
        path.write_bytes(data.getvalue())

    return make


def with_weights(change: Callable[[h5py.Group], None]) -> Callable[[Path], None]:
    """A function that writes the file of a Dense layer with changed weights."""

    def make(path: Path) -> None:
        path.write_bytes(spare_file(DENSE))
        with h5py.File(path, "r+") as file:
            change(file["model_weights/layer"])

    return make


def replaced(**options: Any) -> Callable[[Path], None]:
    def change(group: h5py.Group) -> None:
        del group["weight0"]
        group.create_dataset("weight0", **options)

    return with_weights(change)


def linked(link: Any) -> Callable[[Path], None]:
    def change(group: h5py.Group) -> None:
        del group["weight0"]
        group["weight0"] = link

    return with_weights(change)


def archive(**members: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in {**dict(_members()), **members}.items():
                file.writestr(name, data)

    return make


def _members() -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(GOLDEN / KERAS) as file:
        for name in file.namelist():
            yield name, file.read(name)


def _cycle(model: dict[str, Any]) -> None:
    for history in model["config"]["layers"][-1]["inbound_nodes"][0]["args"][0]:
        history["config"]["keras_history"][0] = "layer"


def _twice(model: dict[str, Any]) -> None:
    model["config"]["layers"].append(copy.deepcopy(model["config"]["layers"][-1]))


def _nested(model: dict[str, Any]) -> None:
    inner: Any = []
    for _ in range(900):
        inner = [inner]
    model["config"]["layers"][1]["config"]["activation"] = inner


def _set(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(model: dict[str, Any]) -> None:
        model["config"]["layers"][-1]["config"][key] = value

    return change


kind("empty", "is empty")(lambda path: path.write_bytes(b""))
kind("truncated", "damaged or incomplete|cannot be read")(
    lambda path: path.write_bytes((GOLDEN / H5).read_bytes()[:9000])
)
kind("truncated archive", "incomplete")(lambda path: path.write_bytes((GOLDEN / KERAS).read_bytes()[:9000]))
recipe("bit-flipped", "damaged", H5, ["bytes", 16, "ff"])
recipe("bit-flipped archive", "damaged|CRC", KERAS, ["bytes", 200, "ffff"])
recipe("not JSON", "JSON", H5, ["json text", '{"class_name": '])
kind("deep nesting", "levels deep|nested")(config(_nested))
kind("deep nesting of text", "nested|JSON|deep")(archive(**{"config.json": b"[" * 10**6 + b"]" * 10**6}))
kind("cyclic graph", "has a cycle")(config(_cycle, ADD))
kind("duplicate name", "two layers called")(config(_twice))
kind("NaN in the config", r"kernel.*needs \(12, nan\)")(config(_set("units", float("nan"))))
kind("a width of 2^62", "kernel.*needs")(config(_set("units", 2**62)))
kind("huge declared", "weight0.*declares")(replaced(shape=(2**40,), dtype="f4", chunks=(1 << 20,)))
kind("compressed bomb", "weight0.*declares")(
    replaced(shape=(1 << 33,), dtype="f4", chunks=(1 << 20,), compression="gzip")
)
kind("wrong type", "weight0.*type")(replaced(data=np.array([b"text"] * 60).reshape(12, 5)))
kind("wrong shape", "kernel.*needs")(replaced(data=np.zeros((5, 12), "f4")))
kind("missing weight", "weight0")(with_weights(lambda group: group.__delitem__("weight0")))
kind("external link", "weight0.*link")(linked(h5py.ExternalLink("/etc/passwd", "/")))
kind("soft-link loop", "weight0.*link")(linked(h5py.SoftLink("/model_weights/layer/weight0")))
kind("external storage", "weight0.*another file")(
    replaced(shape=(12, 5), dtype="f4", external=[("/etc/passwd", 0, 240)])
)
kind("hard-link loop", "linked twice|vars")(
    lambda path: write({"seed": KERAS, "edits": [["link", "/layers/dense/loop", "hard", "/layers"]]}, path)
)
kind("zip bomb", "declares")(archive(**{"config.json": b" " * (1 << 30)}))
kind("zip bomb of weights", "declares")(archive(**{"model.weights.h5": b"\0" * (1 << 30)}))
kind("path traversal", "config.json")(lambda path: zipfile.ZipFile(path, "w").writestr("../../config.json", b"{}"))


@kind("symbolic link in an archive", "config.json")
def _symlink(path: Path) -> None:
    info = zipfile.ZipInfo("config.json")
    info.external_attr = 0o120777 << 16
    members = dict(_members())
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(info if name == "config.json" else name, b"/etc/passwd" if name == "config.json" else data)


def measured(name: str, directory: Path) -> tuple[str, str, float, float]:
    """The class and text of the error, processor seconds, and megabytes in addition to those of the process."""
    import sofie_jit

    path = directory / "hostile"
    KINDS[name][0](path)
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before, start = _memory("VmRSS"), time.process_time()
    try:
        with limits():
            sofie_jit.load(path, untrusted=False)  # in this process, whose memory is measured
        kind, text = "none", ""
    except sofie_jit.SofieError as error:
        kind, text = type(error).__name__, str(error)
    return kind, text, time.process_time() - start, (_memory("VmHWM") - before) / 1024


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


def main() -> int:
    wrong = 0
    with tempfile.TemporaryDirectory() as directory:
        measured("empty", Path(directory))  # imports all modules
        for name, (_, says) in KINDS.items():
            kind, text, seconds, megabytes = measured(name, Path(directory))
            good = "hostile" in text and re.search(says, text, re.DOTALL)
            wrong += not good
            print(f"{name:28} {kind:16} {seconds:6.3f} s {megabytes:6.1f} MB  {text.partition('hostile')[2][:100]!r}")
            if not good:
                print(f"WRONG, expected {says!r}: {text!r}")
    print(f"{len(KINDS)} kinds, {wrong} wrong")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
