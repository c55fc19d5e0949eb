"""sofie-jit info, check and doctor."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_errors import error_of

from sofie_jit.cli import main
from sofie_jit.demo import MODEL_FILE


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(MODEL_FILE)]) == 0
    out = capsys.readouterr().out
    assert "float32 (batch, 8, 8, 1)" in out
    assert "float32 (batch, 10)" in out
    assert "Conv" in out


def test_info_lists_open_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(MODEL_FILE)]) == 0
    assert "\nopen    batch (axis 0 of image)\n" in capsys.readouterr().out
    assert main(["info", str(MODEL_FILE), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sizes"] == {"batch": [["image", 0]]}


def test_info_of_torchscript_without_shapes(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(Path(__file__).parents[1] / "golden" / "pytorch" / "scripted.pt")
    assert main(["info", path]) == 0
    out = capsys.readouterr().out
    assert "input   weight: Optional[Tensor], of unknown shape\n" in out
    assert "\n  layers.2\n" in out
    assert "such as --input-shape 16" in out
    assert main(["check", path]) == 0  # load accepts it, and compiles it when it is first called
    assert "can be loaded\n  its nodes are not checked: The inputs are x: Tensor, weight:" in capsys.readouterr().out
    assert main(["info", path, "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["inputs"][0] == {"name": "x", "type": "Tensor"}
    assert about["parameters"] > 0
    assert main(["info", path, "--input-shape", "4"]) == 0
    assert "open    batch (axis 0 of x)" in capsys.readouterr().out


def test_info_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(MODEL_FILE), "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["inputs"] == [{"name": "image", "dtype": "float32", "shape": ["batch", 8, 8, 1]}]
    assert about["parameters"] == sum(op["parameters"] for op in about["operators"]) == 13754
    assert about["flops"] == sum(op["flops"] for op in about["operators"]) > 100_000
    assert "digit (Dense)" in about["layers"]


def test_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import keras

    assert main(["check", str(MODEL_FILE)]) == 0
    assert "can be loaded" in capsys.readouterr().out
    keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x, name="own")]).save(tmp_path / "m.h5")
    assert main(["check", str(tmp_path / "m.h5"), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert [node["name"] for node in report["nodes"] if node["problem"]] == ["own"]
    (tmp_path / "wrong.h5").write_text("not a model")
    assert main(["check", str(tmp_path / "wrong.h5")]) == 1
    assert "cannot be loaded" in capsys.readouterr().out
    assert "missing.h5" in error_of(capsys, "check", str(tmp_path / "missing.h5"))


def test_backend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden = Path(__file__).parents[1] / "golden" / "theano" / "conv3d.h5"
    with np.load(golden.with_suffix(".npz")) as expected:
        (x,), (y,) = ([expected[key] for key in expected.files if key[0] == kind] for kind in "io")
    np.save(tmp_path / "x.npy", x)
    run = ["run", str(golden), str(tmp_path / "x.npy"), "-o", str(tmp_path / "y.npy")]
    assert "on the command line --backend" in error_of(capsys, *run)
    assert main([*run, "--backend", "theano"]) == 0
    assert abs(np.load(tmp_path / "y.npy") - y).max() < 1e-6
    for command in (["info"], ["check"], ["profile"], ["emit", "-o", "-"], ["convert", str(tmp_path / "m.onnx")]):
        name, *options = command
        assert main([name, str(golden), *options, "--backend", "theano"]) == 0, command
    capsys.readouterr()
    assert "Keras cannot run it" in error_of(capsys, "compare", str(golden), "--backend", "theano", "--no-times")


def test_doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for part in ("cppyy", "EXTRA_CLING_ARGS", "precompiled header", "GFLOP/s", "sofie_jit can run models here"):
        assert part in out
    monkeypatch.setenv("SOFIE_JIT_NUM_THREADS", "many")
    assert main(["doctor", "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)
    assert [f["what"] for f in findings if f["severe"]] == ["threads"]
