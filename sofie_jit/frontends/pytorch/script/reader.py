"""Reads TorchScript archives: the text of their code, and the tree of modules."""

from __future__ import annotations

from pathlib import Path

from sofie_jit.errors import ModelFileError
from sofie_jit.frontends.base import errors_of_file
from sofie_jit.frontends.limits import JSON_BYTES
from sofie_jit.frontends.pytorch.archive import Archive, Storages
from sofie_jit.frontends.pytorch.model import ScriptModel
from sofie_jit.frontends.pytorch.pickles import Pickle

REMEDY = (
    "save the model with torch.export.save(torch.export.export(model, inputs), 'model.pt2'), or trace it with torch.jit"
)


def read_file(path: Path) -> ScriptModel:
    """Reads a file. Raises ModelFileError for one that is damaged, or has no code."""
    with errors_of_file(f"'{path}'"):
        archive = Archive(path)
        names = [name for name in archive.names if name.startswith("code/") and name.endswith(".py")]
        if not names:
            raise ModelFileError(
                f"'{path}' holds weights or a pickled module, as torch.save writes them, but not what the model "
                f"computes: {REMEDY}"
            )
        code: dict[str, str] = {}
        for name in names:
            module = name.removeprefix("code/").removesuffix(".py").replace("/", ".")
            try:
                code[module] = bytes(archive.read(name)).decode()
            except UnicodeDecodeError as error:
                raise ModelFileError(f"'{name}' is not text; the file is damaged: fetch or save it again") from error
        if sum(map(len, code.values())) > JSON_BYTES:
            raise ModelFileError(f"the archive has more than {JSON_BYTES:,} characters of code; no model has")
        storages = Storages(archive)
        pickle = Pickle(storages, "data/", script=True)
        root = pickle.read("data.pkl")
        folder = "constants/" if any(name.startswith("constants/") for name in archive.names) else "data/"
        pickle.folder = folder
        constants = pickle.read("constants.pkl") if "constants.pkl" in archive else {"tuple": []}
        # PyTorch looks the version up in this order
        member = next((name for name in (".data/version", "version") if name in archive), None)
        version = bytes(archive.read(member)).decode("ascii", "replace").strip() if member else ""
        return ScriptModel(str(path), version, code, root, constants, pickle.tensors)
