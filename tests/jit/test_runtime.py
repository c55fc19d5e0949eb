"""Structs and constants that the runtime shares with the kernels and with Python."""

from __future__ import annotations

import re
from pathlib import Path

import sofie_jit
from sofie_jit.codegen import tuning
from sofie_jit.jit import fast_call

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


def constant(file: str, name: str) -> int:
    """The number that a runtime header defines as ``name``."""
    found = re.search(rf"\b{name} = (\d+)", (SOURCES / "jit" / "runtime" / file).read_text())
    assert found, f"no constant {name} in {file}"
    return int(found[1])


def test_fast_calls_have_the_room_that_python_counts_on() -> None:
    room = [constant("python_call.hxx", f"max_{things}") for things in ("tensors", "dims", "axes")]
    assert room == [fast_call.MOST_TENSORS, fast_call.MOST_DIMS, fast_call.MOST_AXES]


def test_threads_get_whole_register_tiles() -> None:
    assert constant("thread_pool.hxx", "tile") == tuning.MC_STEP
