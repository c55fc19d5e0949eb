"""Recipes for broken files: a seed and a list of edits, plain JSON, which :func:`write` turns into a file.

An edit changes a value of the architecture, an attribute, dataset or link of HDF5, a member of a zip archive, or, least
often, bytes. Most mutants therefore pass the first check, and the recipe of a failure says what is wrong with the
file. ``["json", [path...], value]`` and the like; see :data:`EDITS`.
"""

from __future__ import annotations

import copy
import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from spare_layers import LAYERS, spare_model, spare_weights

GOLDEN = Path(__file__).parents[1] / "golden"
ARCHITECTURES = {"keras2/functional_weights.h5": "keras2/functional.json",
                 "keras3/recurrent.weights.h5": "keras3/recurrent.json"}  # fmt: skip
"""Golden files of weights alone, and the architecture that is passed with them."""

Recipe = dict[str, Any]
"""``{"seed": name, "edits": [[kind, ...], ...]}``; a seed is a golden file, or ``layer:<number>`` of spare_layers."""


def seeds() -> list[str]:
    """Every golden file."""
    return sorted(str(p.relative_to(GOLDEN)) for p in GOLDEN.glob("keras*/*") if p.suffix in (".h5", ".keras"))


def all_seeds() -> list[str]:
    """Every golden file, and twice every layer of ``spare_layers``, which are several times as fast to read."""
    return [*seeds(), *[f"layer:{i}" for i in range(len(LAYERS))] * 2]


def numbered(first: int, number: int, names: list[str]) -> Recipe:
    """The recipe ``number`` for the random seed ``first``."""
    generator = random.Random(f"{first} {number}")
    return recipe(generator, generator.choice(names))


class Mutant:
    """A file that is being written: its bytes, its architecture, and its HDF5 part, which is opened on demand."""

    def __init__(self, seed: str):
        self.beside = ARCHITECTURES.get(seed)
        data, text, members = _seed(seed)
        self.config = json.loads(text)
        self.members = None if members is None else dict(members)
        self.hdf5 = io.BytesIO(data)
        self.edited_config = seed.startswith("layer:")
        self.raw: list[list[Any]] = []

    def bytes(self) -> bytes:
        text = json.dumps(self.config)
        if self.members is None:
            if self.edited_config and not self.beside:
                with h5py.File(self.hdf5, "r+") as file:
                    file.attrs["model_config"] = np.bytes_(text.encode() or b" ")
            data = self.hdf5.getvalue()
        else:
            members = {**self.members, "model.weights.h5": self.hdf5.getvalue()}
            if self.edited_config and "config.json" in members:
                members["config.json"] = text.encode()
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w") as file:
                for name, content in members.items():
                    file.writestr(zipfile.ZipInfo(name), content)
            data = archive.getvalue()
        for kind, *arguments in self.raw:
            data = RAW[kind](data, *arguments)
        return data


@cache
def _seed(name: str) -> tuple[bytes, str | bytes, dict[str, bytes] | None]:
    """The HDF5 file, the architecture, and the members of an archive."""
    if name.startswith("layer:"):
        number = int(name.removeprefix("layer:"))
        return spare_weights(number), json.dumps(spare_model(number)), None
    data = (GOLDEN / name).read_bytes()
    if name.endswith(".keras"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {member: archive.read(member) for member in archive.namelist()}
        return members["model.weights.h5"], members["config.json"], members
    if name in ARCHITECTURES:
        return data, (GOLDEN / ARCHITECTURES[name]).read_text(), None
    with h5py.File(io.BytesIO(data), "r") as file:
        return data, file.attrs["model_config"], None


def write(recipe: Recipe, path: Path) -> str | None:
    """Writes the file of a recipe; returns the file for ``config=`` of ``load``, usually None."""
    mutant = Mutant(recipe["seed"])
    for kind, *arguments in recipe["edits"]:
        if kind in RAW:
            mutant.raw.append([kind, *arguments])
        else:
            EDITS[kind](mutant, *arguments)
    path.write_bytes(mutant.bytes())
    if not mutant.beside:
        return None
    config = path.with_name(f"{path.name}.json")
    config.write_text(json.dumps(mutant.config))
    return str(config)


# -- edits -----------------------------------------------------------------------------------------------------------


def _json(mutant: Mutant, path: list[Any], value: Any) -> None:
    mutant.edited_config = True
    if not path:
        mutant.config = value
        return
    node = mutant.config
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value


def _json_delete(mutant: Mutant, path: list[Any]) -> None:
    mutant.edited_config = True
    node = mutant.config
    for key in path[:-1]:
        node = node[key]
    del node[path[-1]]


def _json_insert(mutant: Mutant, path: list[Any], value: Any) -> None:
    mutant.edited_config = True
    node = mutant.config
    for key in path[:-1]:
        node = node[key]
    node.insert(path[-1], value)


def _json_text(mutant: Mutant, text: str) -> None:
    """The architecture as text that need not be JSON."""
    if mutant.members is not None:
        mutant.members["config.json"] = text.encode("utf-8", "surrogatepass")
        mutant.edited_config = False
    elif not mutant.beside:
        mutant.edited_config = False
        with h5py.File(mutant.hdf5, "r+") as file:
            file.attrs["model_config"] = np.bytes_(text.encode("utf-8", "surrogatepass") or b" ")


def _attribute(mutant: Mutant, place: str, name: str, value: Any) -> None:
    with h5py.File(mutant.hdf5, "r+") as file:
        attributes = file[place].attrs
        if value is None:
            del attributes[name]
        elif isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            attributes[name] = [np.bytes_(item.encode("utf-8", "surrogatepass") or b" ") for item in value]
        else:
            attributes[name] = value


def _dataset(mutant: Mutant, place: str, dtype: str, shape: list[int], chunks: list[int] | None, fill: Any) -> None:
    """Changes type, shape and value; with ``chunks`` the data is compressed and none of it is stored."""
    with h5py.File(mutant.hdf5, "r+") as file:
        if place in file:
            del file[place]
        options = {"chunks": tuple(chunks), "compression": "gzip"} if chunks else {}
        dataset = file.create_dataset(place, tuple(shape), dtype, **options, fillvalue=fill)
        if not chunks and fill is not None:
            dataset[...] = fill


def _link(mutant: Mutant, place: str, kind: str, *target: str) -> None:
    with h5py.File(mutant.hdf5, "r+") as file:
        if place in file:
            del file[place]
        links = {"soft": h5py.SoftLink, "external": h5py.ExternalLink}
        file[place] = file[target[0]] if kind == "hard" else links[kind](*target)


def _remove(mutant: Mutant, place: str) -> None:
    with h5py.File(mutant.hdf5, "r+") as file:
        del file[place]


def _member(mutant: Mutant, name: str, text: str | None) -> None:
    if mutant.members is not None and text is None:
        mutant.members.pop(name, None)
    elif mutant.members is not None:
        mutant.members[name] = text.encode("utf-8", "surrogatepass")


EDITS: dict[str, Callable[..., None]] = {
    "json": _json,
    "json delete": _json_delete,
    "json insert": _json_insert,
    "json text": _json_text,
    "attribute": _attribute,
    "dataset": _dataset,
    "link": _link,
    "remove": _remove,
    "member": _member,
}


def _overwritten(data: bytes, place: int, new: str) -> bytes:
    content = bytes.fromhex(new)
    return data[:place] + content + data[place + len(content) :]


RAW: dict[str, Callable[..., bytes]] = {
    "bytes": _overwritten,
    "truncate": lambda data, length: data[:length],
    "splice": lambda data, place, new: data[:place] + bytes.fromhex(new) + data[place:],
    "cut": lambda data, place, length: data[:place] + data[place + length :],
}
"""Edits of the finished file."""


def is_raw(recipe: Recipe) -> bool:
    """Whether bytes are changed regardless of their meaning, internal structures of HDF5 included."""
    return any(edit[0] in RAW for edit in recipe["edits"])


# -- choosing edits --------------------------------------------------------------------------------------------------

NUMBERS = [-1, 0, 1, 2, 3, 4, 5, 7, 8, 16, 63, 255, 1000, 65536, 10**6, 10**9, 2**31 - 1, 2**31, 2**32, 2**53, 10**12,
           2**62, 2**63 - 1, 2**63, 2**64, 10**30, -(2**31), -(2**63), 0.0, -0.0, 0.5, 1.5, 1e-320, 1e38, 1e308,
           float("nan"), float("inf"), float("-inf")]  # fmt: skip
NAMES = ["", " ", "a/b", "../../etc/passwd", 'quo"te', "new\nline", "*/ int evil; /*", "#include <evil>", "??/", "\\",
         "if", "__import__('os')", "na\u00efve", "\uff49\uff46", "\u202e", "\x00", "\x1b[2J", "\ud800", "x" * 10_000,
         "%s%n", "{0}", 'R"(', "//"]  # fmt: skip
WORDS = ["same", "valid", "causal", "linear", "relu", "softmax", "channels_first", "channels_last", "float64", "int32",
         "bool", "float16", "string", "mixed_float16", "concat", "sum", "bilinear", "nearest", "lanczos5", "Sequential",
         "Functional", "Dense", "Lambda", "InputLayer", "LSTM", "Conv2D", "Bidirectional", "TimeDistributed",
         "__tuple__", "__lambda__", "__keras_tensor__", "__numpy__", "function", "int", "one_hot",
         "tf_idf"]  # fmt: skip


def value(random: random.Random, depth: int = 0) -> Any:
    """A random JSON value; unpleasant ones are more likely."""
    kind = random.random()
    if kind < 0.45:
        return random.choice(NUMBERS)
    if kind < 0.6:
        return random.choice(WORDS)
    if kind < 0.7:
        return random.choice(NAMES)
    if kind < 0.8:
        return random.choice([None, True, False, [], {}, [[]], [None], [None, None]])
    if depth > 2:
        return None
    if kind < 0.95:
        return [value(random, depth + 1) for _ in range(random.randint(1, 4))]
    return {random.choice(WORDS + NAMES): value(random, depth + 1), "class_name": random.choice(WORDS), "config": {}}


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """All paths of a JSON document with their values."""
    yield path, node
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in items:
        yield from places(child, (*path, key))


def recipe(random: random.Random, seed: str) -> Recipe:
    """A mutant of ``seed``: one edit, or a few of one kind."""
    hdf5, text, members = _seed(seed)
    config = json.loads(text)
    kinds = ["json"] * 6 + ["hdf5"] * 3 + ["raw"] * 2 + (["member"] if members else [])
    if seed.startswith("layer:"):
        kinds = ["json"] * 12 + ["hdf5", "hdf5", "raw"] * bool(LAYERS[int(seed.removeprefix("layer:"))][3])
    kind = random.choice(kinds)
    count = random.choice([1, 1, 1, 2, 3])
    if kind == "json":
        edits = [_json_edit(random, config) for _ in range(count)]
    elif kind == "hdf5":
        edits = [_hdf5_edit(random, hdf5) for _ in range(count)]
    elif kind == "member":
        edits = [["member", random.choice([*members, "assets/layers/dense/vocabulary.txt", "../x", "/etc/passwd"]),
                  random.choice([None, "", "[]", "{", json.dumps(value(random)), "9" * 30, "1\n2\n3"])]]  # fmt: skip
    else:
        size = len(hdf5) if members is None else (GOLDEN / seed).stat().st_size
        edits = [_raw_edit(random, size) for _ in range(count)]
    return {"seed": seed, "edits": edits}


def _json_edit(random: random.Random, config: Any) -> list[Any]:
    where = list(places(config))
    options = [place for place in where if "config" in place[0][-2:-1] and not isinstance(place[1], dict)]
    path, old = random.choice(options if options and random.random() < 0.6 else where)
    choice = random.random()
    if choice < 0.1 and path:
        return ["json delete", list(path)]
    if choice < 0.2:
        _, other = random.choice(where)  # copies a part of the document: cycles, wrong references
        new = copy.deepcopy(other) if len(json.dumps(other)) < 20_000 else None
        if path and isinstance(path[-1], int) and random.random() < 0.5:
            return ["json insert", list(path), new]
        return ["json", list(path), new]
    if isinstance(old, (int, float)) and not isinstance(old, bool) and choice < 0.7:
        return ["json", list(path), random.choice(NUMBERS)]
    if isinstance(old, list) and old and choice < 0.7:
        return ["json", [*path, random.randrange(len(old))], value(random)]
    if isinstance(old, str) and choice < 0.6:
        return ["json", list(path), random.choice(WORDS + NAMES)]
    return ["json", list(path), value(random)]


@cache
def _objects(data: bytes) -> tuple[list[str], list[str], list[tuple[str, str]]]:
    """Groups, datasets and attributes of an HDF5 file."""
    groups, datasets, attributes = ["/"], [], []
    with h5py.File(io.BytesIO(data), "r") as file:
        attributes += [("/", name) for name in file.attrs]

        def visit(name: str, node: Any) -> None:
            (groups if isinstance(node, h5py.Group) else datasets).append(f"/{name}")
            attributes.extend((f"/{name}", attribute) for attribute in node.attrs)

        file.visititems(visit)
    return groups, datasets, attributes


def _hdf5_edit(random: random.Random, data: bytes) -> list[Any]:
    groups, datasets, attributes = _objects(data)
    choice = random.random()
    if choice < 0.35 and attributes:
        place, name = random.choice(attributes)
        new = [None, 3, 1e300, "text", [1, 2], ["a", "b"], [random.choice(NAMES)], "x" * 1000, True]
        return ["attribute", place, name, random.choice(new)]
    if choice < 0.7 and datasets:
        dtype = random.choice(["f4", "f4", "f8", "f2", "i4", "i8", "u1", "?", "S4", "c8", ">f4", "V2"])
        shape = [random.choice([0, 1, 2, 3, 5, 16]) for _ in range(random.randint(0, 5))]
        chunks = None
        if random.random() < 0.2:
            shape = [random.choice([1, 3, 10**6, 2**31, 2**40]) for _ in range(random.randint(1, 2))]
            chunks = [min(n, 1000) for n in shape]
        fill = random.choice([None, 0, 1]) if dtype[0] not in "SV" else None
        return ["dataset", random.choice(datasets), dtype, shape, chunks, fill]
    place = random.choice(groups[1:] + datasets)  # every seed of kind hdf5 has some
    if choice < 0.8:
        return ["remove", place]
    target = random.choice(groups + datasets)
    return ["link", place, *random.choice([["soft", target], ["soft", place], ["external", "/etc/passwd", "/"],
                                           ["hard", target], ["external", "other.h5", target]])]  # fmt: skip


def _raw_edit(random: random.Random, size: int) -> list[Any]:
    place = random.randrange(size)
    if random.random() < 0.5:
        place = min(place, random.randrange(min(size, 4096)))  # the first pages hold most of the structure
    new = bytes(
        random.choice([0, 1, 2, 127, 128, 254, 255, random.randrange(256)]) for _ in range(random.randint(1, 8))
    )
    return random.choice(
        [["bytes", place, new.hex()]] * 5
        + [["truncate", place], ["splice", place, new.hex()], ["cut", place, len(new)]]
    )
