"""Compiled libraries: writes a network as machine code with its weights, and opens such a file as a Model."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sofie_jit.codegen.stored_network import decode_network, encode_network
from sofie_jit.errors import OptionError
from sofie_jit.ir.rmodel import RModel
from sofie_jit.jit import library as machine_code
from sofie_jit.jit import library_file, processor, runtime_functions
from sofie_jit.jit.library_file import ALIGNMENT, Facts, LibraryFile
from sofie_jit.jit.session import Session
from sofie_jit.jit.threads import thread_count
from sofie_jit.models.compiled_model import CompiledModel
from sofie_jit.models.description import Description
from sofie_jit.models.execution import Execution
from sofie_jit.models.facts import decode_facts, encode_facts
from sofie_jit.models.model import Model
from sofie_jit.models.signature import Signature
from sofie_jit.report.output_file import with_suffix
from sofie_jit.version import __version__

if TYPE_CHECKING:
    from sofie_jit.ir.options import Optimize

MAX_WEIGHTS = 1_500_000_000
"""Bytes of weights that a library may contain; code reaches data within two gigabytes."""


# -- writing -----------------------------------------------------------------------------------------------------------


SUFFIXES = (".so", ".dylib")
"""Suffixes of compiled libraries."""


def save_library(
    rmodel: RModel,
    path: str | os.PathLike[str],
    *,
    dispatch: bool = False,
    march: str | None = None,
    optimize: Optimize = True,
) -> Path:
    """Writes a network as a compiled library; see :meth:`RModel.save_library`."""
    from sofie_jit.jit import library_source, toolchain
    from sofie_jit.passes.explicit_states import explicit_states
    from sofie_jit.passes.pipeline import lower

    if dispatch and march is not None:
        raise OptionError("dispatch=True makes code for every processor of this kind; march= is for one: give only one")
    with_suffix(Path(path), SUFFIXES, "a compiled library")
    compiler = toolchain.find()
    flags = () if dispatch else toolchain.native_flags() if march is None else (f"-march={march}",)
    macros = compiler.macros(*flags)
    rmodel.generate()
    network = explicit_states(rmodel)
    labels = network.output_labels or list(network.outputs)
    lowered = lower(network, optimize)
    codes = library_source.texts(lowered, processor.vector_bytes(macros), dispatch=dispatch)
    code = next(iter(codes.values()))
    signature = Signature.of(lowered, labels)
    arrays = {name: _native(lowered.initialized[name]) for name in code.weights}
    places, size = _places(arrays)
    if size > MAX_WEIGHTS:
        raise OptionError(f"the weights take {size:,} bytes; a compiled library holds at most {MAX_WEIGHTS:,}")
    source = library_source.library_source(codes, signature.outputs, signature.work, list(places.values()))
    blob = _blob(arrays, places, size)
    identity = _digest([source.encode(), *blob])
    blob[0] = _header(identity)
    source += f'\nSOFIE_JIT_EXPORTED const char sofie_jit_identity[33] = "{identity}";\n'
    image = compiler.build(source, {library_source.WEIGHTS_FILE: blob}, *flags)
    start = image.index(_header(identity))
    facts = Facts(
        version=__version__,
        interface=runtime_functions.interface(),
        system=library_file.system()[0],
        machine=library_file.system()[1],
        features=processor.needed(macros),
        compiler=" ".join([*compiler.command, *flags]),
        identity=identity,
        digest="",
        weights={n: [a.dtype.name, list(a.shape), start + places[n]] for n, a in arrays.items()},
        model=encode_facts(signature, code, rmodel),
    )
    library_file.write(Path(path), library_file.joined(image, facts, encode_network(lowered)))
    return Path(path)


def _digest(parts: Sequence[bytes]) -> str:
    import hashlib

    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:32]


def _native(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


def _places(arrays: dict[str, np.ndarray]) -> tuple[dict[str, int], int]:
    """Where each weight begins in the file of weights, and the length of the file."""
    places, size = {}, ALIGNMENT
    for name, array in arrays.items():
        places[name] = size
        size += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
    return places, size


def _header(identity: str) -> bytes:
    """The first bytes of the weights, by which they are found in the library."""
    return f"sofie_jit weights {identity}".encode().ljust(ALIGNMENT, b"\0")


def _blob(arrays: dict[str, np.ndarray], places: dict[str, int], size: int) -> list[Any]:
    """The parts of the file of weights; the first one is still empty."""
    parts: list[Any] = [b""]
    for array in arrays.values():
        parts += [array.reshape(-1).view(np.uint8).data, bytes(-array.nbytes % ALIGNMENT)]
    return parts


# -- opening -----------------------------------------------------------------------------------------------------------


def stored_network(file: LibraryFile) -> RModel:
    """The network that a library computes, as it was compiled. Executes nothing of the file."""
    rmodel = decode_network(file.network(), file.weights())
    rmodel.generate()
    return rmodel


def open_library(file: LibraryFile, *, threads: int | None = None, optimize: Optimize = True) -> Model:
    """Loads the machine code of a library as a Model; see :func:`sofie_jit.load`."""
    if optimize is not True:
        raise OptionError(f"'{file.path}' is compiled already: optimize= is an option of Model.save_library")
    library = machine_code.load(file)
    facts = file.facts.model
    code, signature = decode_facts(facts)
    session = Session(code, library.functions, library.weights)
    network = functools.lru_cache(1)(functools.partial(stored_network, file))

    def pickled_as(function: Callable[..., Any]) -> Callable[[], tuple[Callable[..., Any], tuple[Any, ...]]]:
        return lambda: (function, (file.content(), str(file.path)))

    count = thread_count(threads)
    reopened = functools.partial(_execution_of, threads=count)
    execution = Execution(session, signature, count, network, pickled_as(reopened))
    note = "compiled; the operators are those that run"
    description = Description.stored(signature, facts["name"], facts["states"], network, note=note)
    pickled = pickled_as(open_content)
    if not facts["states"]:
        return CompiledModel(description, execution, pickled, threads=threads)
    from sofie_jit.models.stateful_model import StatefulModel

    return StatefulModel(description, execution, pickled, threads=threads)


# -- pickles -----------------------------------------------------------------------------------------------------------


_FILES: dict[str, LibraryFile] = {}
"""Digest -> the files of libraries that came in pickles, so that equal pickles take their memory once."""


def _file_of(content: bytes, path: str) -> LibraryFile:
    """The content of a library, which was at ``path``, as a file in memory."""
    import tempfile

    key = _digest([content])
    if key not in _FILES:
        file: Any
        if hasattr(os, "memfd_create"):  # needs no directory that programs may be started from
            file = os.fdopen(os.memfd_create("sofie_jit"), "w+b")
        else:
            file = tempfile.TemporaryFile()  # noqa: SIM115 (its code runs as long as the process)
        file.write(content)
        file.flush()
        _FILES[key] = LibraryFile(Path(path), file)
    return _FILES[key]


def open_content(content: bytes, path: str, *, threads: int | None = None, optimize: Optimize = True) -> Model:
    """The Model of a library's content, which was at ``path``."""
    return open_library(_file_of(content, path), threads=threads, optimize=optimize)


def _execution_of(content: bytes, path: str, threads: int) -> Execution:
    model = open_content(content, path, threads=threads)
    return model._execution if isinstance(model, CompiledModel) else model._step  # type: ignore[attr-defined]
