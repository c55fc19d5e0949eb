"""Options of the command line: those that do not exist, inputs as arguments and options, Python terms in messages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_errors import error_of

import sofie_jit
from sofie_jit.cli import COMMANDS, _parsers, main
from sofie_jit.cli.options import in_options, refuse_unknown
from sofie_jit.demo import MODEL_FILE


def error_of_options(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The message of a wrong command line, in one line."""
    with pytest.raises(SystemExit, match="2"):
        main(argv)
    usage, _, said = capsys.readouterr().err.partition(f"sofie-jit {argv[0]}: error: ")
    assert usage.startswith(f"usage: sofie-jit {argv[0]} ")
    return said


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["emit", "m.h5", "--weights", "binary"], "emit has no option --weights; did you mean --binary or --embed-"),
        (["emit", "m.h5", "--march", "native"], "emit has no option --march: the compiler of the header takes -march"),
        (["run", "m.h5", "--inpu", "x.npy", "-o", "y.npy"], "run has no option --inpu; did you mean --input?"),
        (["run", "--treads", "2", "m.h5", "x.npy"], "run has no option --treads; did you mean --threads?"),
        (["run", "m.h5", "x.npy", "--batch", "5"], "run has no option --batch; it is an option of compare, profile, b"),
        (["build", "m.h5", "--input-shapes=3"], "build has no option --input-shapes; did you mean --input-shape?"),
        (["profile", "m.h5", "--rows", "3"], "profile has no option --rows: give --batch"),
        (["bench", "m.h5", "--config", "c.json"], "bench has no option --config: write an ONNX file with it"),
        (["bench", "m.h5", "--input-shape", "3"], "sofie-jit convert FILE m.onnx --input-shape SIZES; or give arrays"),
        (["compare", "m.h5", "--untrusted"], "the model's framework reads the file, too"),
        (["info", "m.h5", "--nonsense"], "info has no option --nonsense; see sofie-jit info --help"),
        (["run", "m.h5", "-o", "y.npy"], "give the inputs: INPUT, one file per input"),
        (["run", "m.h5", "x.npy", "-o", "y.npy", "--input", "x.npy"], "give the inputs once: INPUT or --input INPUT"),
        (["profile", "m.h5", "x.npy", "--batch", "3"], "--batch is for random numbers: not allowed with inputs"),
        (["compare", "m.h5", "--input", "x.npy", "--rows", "3"], "--rows is for random numbers: not allowed with"),
    ],
)
def test_options_that_do_not_exist_or_do_not_fit(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in error_of_options(capsys, *argv)


def test_options_are_not_abbreviated(capsys: pytest.CaptureFixture[str]) -> None:
    _, parsers = _parsers()
    for command in COMMANDS:
        for option in [text for text in parsers[command]._option_string_actions if text.startswith("--")]:
            refuse_unknown(command, [option, f"{option}=1", "--", "--nonsense"], parsers, {})
            with pytest.raises(SystemExit, match="2"):
                main([command, option[:-1]])
    capsys.readouterr()


def test_values_that_look_like_options(capsys: pytest.CaptureFixture[str]) -> None:
    """A text with a blank is a value, and so is everything after ``--``."""
    assert "--strange name.h5" in error_of(capsys, "info", "--strange name.h5")
    assert "--strange.h5" in error_of(capsys, "info", "--", "--strange.h5")


def test_inputs_stand_anywhere(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, x, y = str(MODEL_FILE), str(images), str(tmp_path / "y.npy")
    expected = sofie_jit.load(model).infer(np.load(images))
    for argv in (
        [model, x, "-o", y],
        [model, "-o", y, x],
        ["-o", y, model, x],
        [model, "-o", y, "--input", x],
        ["--threads", "1", model, "-o", y, f"image={x}"],
    ):
        Path(y).unlink(missing_ok=True)
        assert main(["run", *argv]) == 0
        np.testing.assert_array_equal(np.load(y), expected)
    assert main(["profile", model, x]) == main(["profile", model, "--input", x]) == 0
    assert main(["compare", "--no-times", model, x]) == 0
    assert "(100 rows, " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "said", "shown"),
    [
        ("info", "pass config= with the .json file", "pass --config with the .json file"),
        ("info", "give backend=, or", "give --backend, or"),
        ("bench", "give backend=, or", "give backend=, or"),  # it has no such option
        ("run", "load(..., columns=[...])", "load(..., columns=[...])"),
        ("run", "load(columns=, threads=1)", "load(columns=, threads=1)"),
        ("run", "named with columns= of load", "named with --columns of load"),
        ("run", "together with input_shapes=, or", "together with --input-shape, or"),
        ("run", "with input_shapes= (on the command line: --input-shape), or", "with --input-shape, or"),
        ("info", "loaded with untrusted=True.", "loaded with --untrusted."),
        ("build", "lacks (dispatch=True writes a", "lacks (--dispatch writes a"),
        ("build", "this kind; march= is for one", "this kind; --march is for one"),
        ("info", "lacks (dispatch=True writes a", "lacks (dispatch=True writes a"),
        ("emit", "cut it with outputs=", "cut it with outputs= of sofie_jit.load"),
        ("emit", "with replace={'a': f}", "with replace={'a': f}"),
        ("emit", "padding=same, a-config=, x.backend=", "padding=same, a-config=, x.backend="),
    ],
)
def test_arguments_in_messages_are_options(command: str, said: str, shown: str) -> None:
    assert in_options(said, _parsers()[1][command]) == shown


def test_advice_of_a_report_names_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import keras

    keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]).save_weights(tmp_path / "m.weights.h5")
    for command in ("info", "check"):
        assert main([command, str(tmp_path / "m.weights.h5")]) == 1
        out, err = capsys.readouterr()
        assert "--config with the .json file" in out + err
        assert "config=" not in out + err
