"""sofie-jit emit and convert."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_errors import error_of

from sofie_jit.cli import main
from sofie_jit.demo import MODEL_FILE


def test_convert_takes_its_file_as_an_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = tmp_path / "one.onnx", tmp_path / "two.onnx"
    assert main(["convert", str(MODEL_FILE), str(one)]) == main(["convert", str(MODEL_FILE), "-o", str(two)]) == 0
    assert one.read_bytes() == two.read_bytes()


def test_emit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = tmp_path / "digits.hxx"
    assert main(["emit", str(MODEL_FILE), "-o", str(header)]) == 0
    assert str(header) in capsys.readouterr().out
    assert "namespace TMVA_SOFIE_digits" in header.read_text()
    assert (tmp_path / "digits.dat").stat().st_size > 100_000
    assert "digits.txt" in error_of(capsys, "emit", str(MODEL_FILE), "-o", str(tmp_path / "digits.txt"))


def test_emit_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = tmp_path / "digits.hxx"
    options = ["--embed-weights", "--namespace", "a::b", "--dispatch"]
    assert main(["emit", str(MODEL_FILE), "-o", str(header), *options]) == 0
    assert capsys.readouterr().out == f"wrote {header}, weights inside\n"
    assert "namespace a::b {" in header.read_text()
    assert "avx512" in header.read_text()
    assert main(["emit", str(MODEL_FILE), "-o", str(header), "--binary"]) == 0
    assert capsys.readouterr().out == f"wrote {header} and {tmp_path / 'digits.bin'}\n"
    assert "namespace" in error_of(capsys, "emit", str(MODEL_FILE), "-o", str(header), "--namespace", "class")
    assert main(["emit", str(MODEL_FILE), "-o", "-", "--self-test"]) == 0
    assert "namespace TMVA_SOFIE_digits" in (printed := capsys.readouterr().out)
    assert "bool self_test(" in printed
    assert "--binary" in error_of(capsys, "emit", str(MODEL_FILE), "-o", "-", "--binary")
