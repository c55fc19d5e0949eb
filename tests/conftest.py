"""Shared set-up: TensorFlow is quiet and on the CPU; most modules read files without forking."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ["SOFIE_JIT_CACHE"] = "off"  # results must come from code that was compiled for them
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

READ_IN_COPIES = {
    "test_sandbox",
    "test_toy_frontend",
    "test_hostile",
    "test_load",
    "test_concurrency",
    "test_cli",
    "test_golden",
}
"""The modules whose files are read as users' are: in copies of the process."""


@pytest.fixture(autouse=True, scope="module")
def where_files_are_read(request):
    """Other modules read files in the process, because a copy takes a tenth of a second with TensorFlow in memory."""
    from sofie_jit.frontends.sandbox import forked

    with pytest.MonkeyPatch.context() as patch:
        if request.module.__name__ not in READ_IN_COPIES:
            patch.setattr(forked, "CAN_FORK", False)
        yield
