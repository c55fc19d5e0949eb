"""The kernel headers as text, ready to stand in a generated header.

On disk they use the namespace ``sofie_jit`` and macros ``SOFIE_JIT_*``. In generated code both carry a hash of all
kernels, so that headers of one release share their kernels and headers of different releases never clash.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

DIRECTORY = Path(__file__).parents[1] / "kernels"
_NAMESPACE = re.compile(r"sofie_jit\b(?<!\wsofie_jit)")  # what begins with letters is found several times as fast
_MACRO = re.compile(r"SOFIE_JIT_(?<!\wSOFIE_JIT_)")
_INCLUDE = re.compile(r'^#include "([^"]+)"\n', re.MULTILINE)


@functools.cache
def kernel_hash() -> str:
    """Ten hex digits that name the text of all kernels."""
    digest = hashlib.sha256()
    for path in sorted(DIRECTORY.glob("*/*.hxx")):
        if path.name == "reference.hxx":  # used by the tests only
            continue
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:10]


def kernel_namespace() -> str:
    """The namespace of the kernels in generated code."""
    return f"sofie_jit_{kernel_hash()}"


_added: dict[str, str] = {}


def add_source(namespace: str, text: str) -> str:
    """Adds a user's C++ as a kernel header, in ``namespace`` within that of the kernels; the name of the header.

    Equal ``namespace`` must mean equal ``text``.
    """
    name, guard = f"{namespace}.hxx", f"SOFIE_JIT_{namespace.upper()}_HXX"
    includes = "".join(re.findall(r"^[ \t]*#[ \t]*include[ \t]*<.*>.*\n", text, re.MULTILINE))
    body = re.sub(r"^[ \t]*#[ \t]*include[ \t]*<.*>.*\n", "", text, flags=re.MULTILINE)
    _added[name] = (
        f"#ifndef {guard}\n#define {guard}\n{includes}namespace sofie_jit {{\ninline namespace SOFIE_JIT_ISA {{\n"
        f"namespace {namespace} {{\n{body}\n}}\n}}\n}}\n#endif\n"
    )
    return name


def _source(name: str) -> str:
    return _added[name] if name in _added else (DIRECTORY / name).read_text()


@functools.cache
def _includes(name: str) -> tuple[str, ...]:
    return tuple(_INCLUDE.findall(_source(name)))


def closure(names: Iterable[str]) -> list[str]:
    """``names`` and every kernel header they include, each once, included ones first."""
    order: list[str] = []

    def visit(name: str) -> None:
        if name not in order:
            for included in _includes(name):
                visit(included)
            order.append(name)

    for name in sorted(set(names)):
        visit(name)
    return order


@functools.cache
def kernel_text(name: str) -> str:
    """One kernel header under the hashed names, without its includes of other kernels and without comments."""
    return renamed("".join(map(_without_comment, _INCLUDE.sub("", _source(name)).splitlines(keepends=True))))


def _without_comment(line: str) -> str:
    code, slashes, comment = line.partition("//")
    if not slashes or '"' in comment or code[-1:].strip():  # in a string, or in an address
        return line
    return code.rstrip() + "\n" if code.strip() else ""


def renamed(text: str) -> str:
    """``text`` with the kernels' namespace and macros under their hashed names."""
    text = _NAMESPACE.sub(kernel_namespace(), text)
    return _MACRO.sub(f"SOFIE_JIT_{kernel_hash().upper()}_", text)


def variant(text: str, name: str) -> str:
    """``text`` under hashed names, with those of the copy called ``name``: kernels for another instruction set."""
    text = text.replace(kernel_namespace(), f"{kernel_namespace()}_{name}")
    macros = f"SOFIE_JIT_{kernel_hash().upper()}_"
    return text.replace(macros, f"{macros}{name.upper()}_")
