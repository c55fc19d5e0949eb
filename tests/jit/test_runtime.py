"""Structs that runtime and kernels share through an address, and that must be equal in both."""

from __future__ import annotations

import re
from pathlib import Path

import sofie_jit

SOURCES = Path(sofie_jit.__file__).parent


def members(file: str, struct: str) -> str:
    """The members of a struct without comments and line breaks."""
    text = re.sub(r"//.*", "", (SOURCES / file).read_text())
    found = re.search(rf"^struct {struct} {{\n(.*?)^}};", text, re.MULTILINE | re.DOTALL)
    assert found, f"no struct {struct} in {file}"
    return re.sub(r"\s+", " ", found[1]).strip()


def test_runtime_and_kernels_have_the_same_team() -> None:
    runtime = members("jit/runtime/session.hxx", "Team")
    assert runtime == members("kernels/core/team.hxx", "Team")
    assert runtime.count(";") == 4
