"""The command line: help, wrong commands and files, and all commands together."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from command_errors import error_of

import sofie_jit
from sofie_jit.cli import COMMANDS, main
from sofie_jit.demo import MODEL_FILE
from sofie_jit.frontends.sandbox import isolated
from sofie_jit.report.progress import Progress, Steps


def test_demo(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    out = capsys.readouterr().out
    for line in ("accuracy", "difference from Keras", "load and compile", "time per image"):
        assert f"\n{line}" in out
    (loading,) = (line for line in out.splitlines() if line.startswith("load and compile"))
    assert "compiled now" in loading or "machine code from the cache" in loading


def test_module_and_script_are_the_same_program() -> None:
    run = subprocess.run([sys.executable, "-m", "sofie_jit", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout == f"sofie-jit {sofie_jit.__version__}\n"


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_has_examples(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([*command, "--help"])
    assert exit_.value.code == 0
    assert "examples:\n  sofie-jit " in capsys.readouterr().out


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["run", "m.h5"], ["run", "m.h5", "x.txt", "-o", "y.npy"]])
def test_wrong_command_lines(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(argv)
    assert exit_.value.code == 2
    assert "usage: sofie-jit" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "give a command: demo, info, check,"),
        (["inof", "m.h5"], "there is no command 'inof'; did you mean info? (see sofie-jit --help)"),
        (["m.h5"], "there is no command 'm.h5' (see sofie-jit --help)"),
        (["--verison"], "there is no option '--verison'; did you mean --version? (see sofie-jit --help)"),
        (["--", "run"], "there is no option '--' (see sofie-jit --help)"),
    ],
)
def test_without_a_command(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(argv)
    assert said in capsys.readouterr().err


def test_engines_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    from sofie_jit.bench import ENGINES, find_engines

    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for name in ENGINES:
        assert name.replace(",", "") in said
        assert find_engines(name.replace(",", "")) == [name]


def test_compare(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figure = tmp_path / "figure.svg"
    assert main(["compare", str(MODEL_FILE), "--input", str(images), "--no-times", "--plot", str(figure)]) == 0
    assert "agrees with Keras" in capsys.readouterr().out
    assert figure.read_text().startswith("<?xml")
    assert main(["compare", str(MODEL_FILE), "--rows", "3", "--no-times", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"][0]["shape"] == [3, 10]


@pytest.mark.parametrize("command", ["info", "run", "emit", "profile", "compare"])
def test_missing_and_wrong_files(
    command: str, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = {"run": [str(images), "-o", str(tmp_path / "y.npy")], "emit": ["-o", str(tmp_path / "m.hxx")]}
    missing = tmp_path / "missing.h5"
    assert str(missing) in error_of(capsys, command, str(missing), *rest.get(command, []))
    wrong = tmp_path / "wrong.h5"
    wrong.write_text("not a model")
    assert str(wrong) in error_of(capsys, command, str(wrong), *rest.get(command, []))
    assert not (tmp_path / "y.npy").exists()
    assert not (tmp_path / "m.hxx").exists()


def test_steps_are_shown_on_terminals_alone(capsys: pytest.CaptureFixture[str]) -> None:
    for shown in (None, True):
        with Steps("loading 98 MB", 2, shown=shown) as step:
            step("reading")
            step("compiling")
    assert capsys.readouterr().err == (
        "\rloading 98 MB: reading (1 of 2)\033[K\rloading 98 MB: compiling (2 of 2)\033[K\r\033[K"
    )


def test_progress_is_shown_on_terminals_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(10) as bar:
        bar.advance(10)
    assert capsys.readouterr().err == ""
    with Progress(10, shown=True) as bar:
        bar.advance(5)
        bar.advance(5)
    assert "100%  10 of 10 rows" in capsys.readouterr().err
    with Progress(None, shown=True) as bar:
        bar.advance(1234)
    assert "1,234 rows" in capsys.readouterr().err


def test_untrusted_files(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another process reads the file; results and errors are the same."""
    wrong = tmp_path / "wrong.h5"
    wrong.write_bytes(MODEL_FILE.read_bytes()[:9999])
    for command, rest in (
        ("info", []), ("check", []), ("run", [str(images), "-o", "-"]), ("emit", ["-o", "-"]), ("profile", []),
    ):  # fmt: skip
        assert main([command, str(MODEL_FILE), "--untrusted", *rest]) == 0
        assert capsys.readouterr().out
    with patch.object(isolated, "CHILD", "import sys; sys.exit({path!r} and 'it is over')"):
        assert "crashed the process that read it (it is over)" in error_of(
            capsys, "info", str(MODEL_FILE), "--untrusted"
        )
    assert "damaged" in error_of(capsys, "info", str(wrong), "--untrusted")
    with pytest.raises(SystemExit):
        main(["compare", str(MODEL_FILE), "--untrusted"])


@pytest.fixture(scope="module")
def difference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two inputs, the first minus twice the second."""
    import keras

    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    path = tmp_path_factory.mktemp("two") / "difference.keras"
    keras.Model([a, b], a - 2.0 * b).save(path)
    return path


def test_inputs_are_matched_and_counted(
    difference: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", [[3.0, 4.0]])
    np.save("y.npy", [[1.0, 1.0]])
    np.savez("both.npz", b=[[1.0, 1.0]], a=[[3.0, 4.0]])
    for inputs, expected in (
        (["x.npy", "x.npy"], [[-3, -4]]),
        (["x.npy", "y.npy"], [[1, 2]]),
        (["b=y.npy", "a=x.npy"], [[1, 2]]),
        (["b=both.npz", "a=both.npz"], [[1, 2]]),
        (["both.npz"], [[1, 2]]),
    ):
        assert main(["run", str(difference), *inputs, "-o", "z.npy"]) == 0
        assert capsys.readouterr().out.startswith("wrote z.npy: ")
        np.testing.assert_array_equal(np.load("z.npy"), expected)
    for inputs, said in (
        (["x.npy"], "the model has 2 inputs (a, b); got 1 array"),
        (["x.npy", "x.npy", "y.npy"], "the model has 2 inputs (a, b); got 3 arrays"),
        (["a=x.npy"], "inputs are named a, b; got a"),
        (["a=x.npy", "y.npy"], "got a, a file without a name"),
        (["a=x.npy", "a=y.npy"], "got a, a"),
        (["a=x.npy", "c=y.npy"], "got a, c"),
    ):
        assert said in error_of(capsys, "run", str(difference), *inputs, "-o", "w.npy")
        assert said in error_of(capsys, "compare", str(difference), "--no-times", "--input", *inputs)
        assert said in error_of(capsys, "profile", str(difference), "--input", *inputs)
    assert not Path("w.npy").exists()
    assert main(["compare", str(difference), "--no-times", "--input", "b=y.npy", "a=x.npy"]) == 0
    assert "(1 row, " in capsys.readouterr().out
    one = ["run", str(MODEL_FILE), str(images), str(images), "-o", "w.npy"]
    assert "the model has 1 input (image); got 2 arrays" in error_of(capsys, *one)
    one = ["compare", str(MODEL_FILE), "--no-times", "--input", str(images), str(images)]
    assert "the model has 1 input (image); got 2 arrays" in error_of(capsys, *one)


def test_files_to_write_are_checked_before_any_work(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sofie_jit.frontends.open", None)  # a model would be read by it
    model, missing = str(MODEL_FILE), str(tmp_path / "missing")
    for argv, said in (
        (["compare", model, "--plot", "p.xyz"], "a figure is written as .svg, .png or .pdf, not as 'p.xyz'"),
        (["compare", model, "--plot", f"{missing}/p.svg"], "there is no folder"),
        (["profile", model, "--plot", "p.xyz"], "a figure is written as"),
        (["run", model, str(images), "-o", f"{missing}/y.npy"], "there is no folder"),
        (["emit", model, "-o", "m.txt"], "a C++ header is written as"),
        (["emit", model, "-o", f"{missing}/m.hxx"], "there is no folder"),
        (["convert", model, "m.txt"], "an ONNX file is written as .onnx, not as 'm.txt'"),
    ):
        assert said in error_of(capsys, *argv)


def test_files_that_are_read_are_not_overwritten(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sofie_jit.frontends.open", None)  # a model would be read by it
    names = {name: tmp_path / name for name in ("m.h5", "m.onnx", "m.hxx", "m.dat", "m.so", "m.svg", "c.json")}
    for path in names.values():
        path.write_bytes(b"model")
    (tmp_path / "link.npy").symlink_to(images)
    x = str(images)
    for argv in (
        ["run", "m.h5", x, "-o", x],
        ["run", "m.h5", f"image={x}", "-o", "link.npy"],
        ["convert", "m.onnx", "m.onnx"],
        ["convert", "m.onnx", "-o", "./m.onnx"],
        ["emit", "m.hxx", "-o", "m.hxx"],
        ["emit", "m.dat", "-o", "m.hxx"],
        ["emit", "m.h5", "--config", "c.json", "-o", "c.json"],
        ["build", "m.so", "-o", "m.so"],
        ["profile", "m.svg", "--plot", "m.svg"],
        ["compare", "m.svg", "--plot", "m.svg"],
    ):
        assert "is read by this command and would be overwritten" in error_of(capsys, *argv)
    assert all(path.read_bytes() == b"model" for path in names.values())
    np.testing.assert_array_equal(np.load(images).shape, (100, 8, 8, 1))


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (
            ["run", "m.h5", "x.npy", "-o", "y.npy", "--treads", "2"],
            "run has no option --treads; did you mean --threads?",
        ),
        (["run", "m.h5", "x.npy", "-o", "y.npy", "-t", "2"], "unrecognized arguments: -t 2"),
        (["run", "m.h5", "https://example.org/x.npy", "-o", "y.npy"], "is a URL: download the file"),
        (["profile", "m.h5", "--batch", "x"], "'x' is not a positive integer"),
        (["profile", "m.h5", "--batch", "1,32"], "'1,32' is a list: profile takes one size"),
        (["convert", "m.h5"], "give the file to write once: ONNX or -o ONNX"),
        (["convert", "m.h5", "m.onnx", "-o", "n.onnx"], "give the file to write once"),
        (["emit", "m.h5", "--input-shape", "a,b"], "'a,b' is not a list of sizes such as 224,224,3"),
    ],
)
def test_messages_about_wrong_command_lines(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(argv)
    err = capsys.readouterr().err
    assert err.startswith(f"usage: sofie-jit {argv[0]} ")  # the usage of the command
    assert words in err


def test_shapes_must_be_those_of_the_inputs(capsys: pytest.CaptureFixture[str]) -> None:
    assert "which cannot have the shape (None, 9, 8, 1)" in error_of(
        capsys, "info", str(MODEL_FILE), "--input-shape", "9,8,1"
    )
    assert main(["check", str(MODEL_FILE), "--input-shape", "9,8,1"]) == 1
    assert "which cannot have the shape (None, 9, 8, 1)" in capsys.readouterr().out


def test_files_that_were_written_are_named(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, figure = tmp_path / "y.npz", tmp_path / "p.svg"
    assert main(["run", str(MODEL_FILE), str(images), "-o", str(output), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": str(output), "rows": 100, "outputs": [{"name": "digit", "dtype": "float32", "shape": [100, 10]}],
    }  # fmt: skip
    assert main(["profile", str(MODEL_FILE), "--plot", str(figure)]) == 0
    assert f"wrote {figure}" in capsys.readouterr().out
    assert main(["profile", str(MODEL_FILE), "--plot", str(figure), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["operators"]
    assert f"wrote {figure}" in err


@pytest.fixture
def masked(tmp_path: Path) -> Path:
    """An ONNX file with a Scan over an open axis: a GRU with a mask."""
    import keras

    x = keras.Input((None, 3), name="particles")
    y = keras.layers.Dense(2)(keras.layers.GRU(4, return_sequences=True)(keras.layers.Masking()(x)))
    return sofie_jit.load(keras.Model(x, y)).save_onnx(tmp_path / "masked.onnx")


def test_models_that_are_compiled_per_size(masked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = sofie_jit.load(masked)
    rng = np.random.default_rng(0)
    for length in (1, 6):
        x = rng.normal(size=(4, length, 3)).astype(np.float32)
        x[1, length // 2 :] = x[2] = 0
        np.save(tmp_path / "x.npy", x)
        assert main(["run", str(masked), str(tmp_path / "x.npy"), "-o", str(tmp_path / "y.npy")]) == 0
        y = np.load(tmp_path / "y.npy")
        assert np.array_equal(y, model.infer(x))
        fixed = ["--input-shape", f"{length},3"]
        assert main(["convert", str(masked), str(tmp_path / "fixed.onnx"), *fixed]) == 0
        np.testing.assert_allclose(sofie_jit.load(tmp_path / "fixed.onnx").infer(x), y, atol=1e-6)
    pytest.importorskip("onnxruntime")
    assert main(["compare", str(masked), "--input", str(tmp_path / "x.npy"), "--batch", "2"]) == 0
    assert main(["bench", str(masked), "--input", str(tmp_path / "x.npy"), "--engines", "sofie_jit"]) == 0
    capsys.readouterr()
    assert main(["info", str(masked)]) == 0
    assert "The operators depend on time: load compiles the model for each new" in capsys.readouterr().out
    assert main(["info", str(masked), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["compiled_for_each"] == ["time"]
    assert main(["emit", str(masked), "-o", str(tmp_path / "m.hxx")]) == 1
    assert "--input-shape" in capsys.readouterr().err
    assert main(["compare", str(masked), "--no-times", "--layers", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"][0]["shape"][1:] == [16, 2]
    assert main(["profile", str(masked)]) == 0


def test_bench_of_a_model_that_cannot_be_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", 4]) for name in "xy")
    node = onnx.helper.make_node("RandomUniformLike", ["x"], ["r"])
    total = onnx.helper.make_node("Mul", ["x", "r"], ["y"])
    opsets = [onnx.helper.make_opsetid("", 18)]
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node, total], "g", [x], [y]), opset_imports=opsets, ir_version=8
    )
    onnx.save(model, tmp_path / "m.onnx")
    assert main(["bench", str(tmp_path / "m.onnx"), "--batch", "1,2", "--engines", "sofie_jit,header"]) == 1
    out = capsys.readouterr().out
    assert out.count("RandomUniformLike") == out.count("sofie_jit; header: ") == 1
