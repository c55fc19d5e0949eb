"""The process that makes the entries of files in the cache of compiled models; ``file_cache.py`` describes them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.codegen.print_jit import JitText, jit_text
from sofie_jit.errors import SofieError
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.weights import watched
from sofie_jit.jit import cache, cache_compile, cache_folder
from sofie_jit.models import file_cache
from sofie_jit.models.facts import encode_facts
from sofie_jit.models.file_cache import Source
from sofie_jit.models.recording import Recorder, RecordingError
from sofie_jit.models.signature import Signature
from sofie_jit.passes.explicit_states import explicit_states
from sofie_jit.passes.pipeline import lower


def record_all(folder: str) -> None:
    """Makes every entry that is wanted in the folder of the cache, unless another process does so already."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(cache_compile.NICE)
    root = Path(folder)
    with cache_compile.lock(root, "recording") as locked:
        while locked and (wanted := sorted(root.glob("*.want"))):
            for path in wanted:
                try:
                    _record(path)
                finally:
                    with contextlib.suppress(OSError):
                        path.unlink()
        if locked:
            cache_compile.evict(root)


def _record(wanted: Path) -> None:
    """Makes one entry, or notes why that is not possible."""
    try:
        path, options = json.loads(wanted.read_text())
        source = file_cache.source_of(path, **options)
        if source is None or source.key != wanted.stem:
            return  # the file has changed since
        facts = entry_of(source)
    except (SofieError, OSError, ValueError) as error:
        cache_folder.write(wanted.with_suffix(".plain"), [str(error).encode()])
        return
    file_cache.write_entry(wanted.with_suffix(".model"), facts)


def entry_of(source: Source) -> dict[str, Any]:
    """The facts about a file in its entry.

    Raises RecordingError if its network has weights of unknown origin, and what :func:`sofie_jit.load` raises.
    """
    with tempfile.TemporaryDirectory(prefix="sofie_jit_") as folder:
        # a copy, which nobody changes meanwhile, and without the other files that it may refer to
        copy = dataclasses.replace(source, path=Path(folder) / source.path.name)
        with source.path.open("rb") as original:
            stamp = file_cache.stamp(original.fileno())
            with copy.path.open("wb") as target:
                shutil.copyfileobj(original, target)
            if stamp != file_cache.stamp(original.fileno()):
                stamp = None
        network = file_cache.translated(copy)
        lowered, code = _compiled(network, source)
        with copy.path.open("rb") as file:
            recorder = Recorder(file.read())  # an mmap would be searched byte by byte
            with watched(recorder.watch):
                again, _ = _compiled(file_cache.translated(copy), source)
            recipe = recorder.recipe([again.initialized[name] for name in code.weights])
            for name, array in zip(code.weights, recipe.run(file.fileno()), strict=True):
                expected = lowered.initialized[name]
                if (array.dtype, array.shape) != (expected.dtype, expected.shape) or (
                    array.tobytes() != np.ascontiguousarray(expected).tobytes()
                ):
                    raise RecordingError(f"the steps that compute the weight '{name}' give other values")
            digest = file_cache.content_digest(file.fileno())
    labels = explicit_states(network).output_labels or list(lowered.outputs)
    return {
        "digest": digest,
        "stamp": stamp,
        "code": cache.key(code),
        "model": encode_facts(Signature.of(lowered, labels), code, network),
        "steps": recipe.steps,
        "results": recipe.results,
    }


def _compiled(network: RModel, source: Source) -> tuple[RModel, JitText]:
    lowered = lower(explicit_states(network), source.options["optimize"])
    return lowered, jit_text(lowered, vector_bytes=cache.vector_bytes())
