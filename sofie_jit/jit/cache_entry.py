"""Opens the entries of the cache of compiled models. It imports little, because a process may need nothing else."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from sofie_jit.errors import SofieError
from sofie_jit.jit import cache_folder
from sofie_jit.jit import library as machine_code
from sofie_jit.jit.library import Library
from sofie_jit.jit.library_file import LibraryFile


def open_entry(folder: Path, key: str) -> Library | None:
    """The machine code with this key; None if it is not there. Damaged entries are removed."""
    path = folder / f"{key}.so"
    try:
        file = LibraryFile(path)
        if not (cache_folder.is_own(os.fstat(file.descriptor)) and file.facts.identity == key and file.is_intact()):
            raise SofieError(f"'{path}' is damaged")
        library = machine_code.load(file)
    except FileNotFoundError:
        return None
    except (SofieError, OSError) as error:
        import logging  # rarely needed, and slow to import

        logging.getLogger("sofie_jit").info("an entry of the cache is not used and removed: %s", error)
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return library
