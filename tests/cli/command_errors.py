"""The message of a command that fails."""

from __future__ import annotations

import pytest

from sofie_jit.cli import main


def error_of(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(argv) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"sofie-jit {argv[0]}: ")
    return err
