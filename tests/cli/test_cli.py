"""The command line with a valid, an invalid and a missing file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

import sofie_jit
from sofie_jit.cli import COMMANDS, main
from sofie_jit.cli.arrays import source_of
from sofie_jit.demo import MODEL_FILE, load_digits
from sofie_jit.frontends.sandbox import isolated
from sofie_jit.report.progress import Progress, Steps


@pytest.fixture
def images(tmp_path: Path) -> Path:
    path = tmp_path / "x.npy"
    np.save(path, load_digits().images)
    return path


@pytest.fixture
def two_outputs(tmp_path: Path) -> Path:
    """A model with two inputs and two outputs."""
    import keras

    a, b = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    both = keras.layers.Concatenate(name="both")([a, b])
    path = tmp_path / "two.keras"
    keras.Model([a, b], [both, keras.layers.ReLU(name="positive")(both)]).save(path)
    return path


def error_of(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(argv) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"sofie-jit {argv[0]}: ")
    return err


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
    ],
)
def test_without_a_command(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(argv)
    assert said in capsys.readouterr().err


def test_convert_takes_its_file_as_an_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = tmp_path / "one.onnx", tmp_path / "two.onnx"
    assert main(["convert", str(MODEL_FILE), str(one)]) == main(["convert", str(MODEL_FILE), "-o", str(two)]) == 0
    assert one.read_bytes() == two.read_bytes()


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


def test_engines_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    from sofie_jit.bench import ENGINES, find_engines

    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for name in ENGINES:
        assert name.replace(",", "") in said
        assert find_engines(name.replace(",", "")) == [name]


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


def test_compare(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figure = tmp_path / "figure.svg"
    assert main(["compare", str(MODEL_FILE), "--input", str(images), "--no-times", "--plot", str(figure)]) == 0
    assert "agrees with Keras" in capsys.readouterr().out
    assert figure.read_text().startswith("<?xml")
    assert main(["compare", str(MODEL_FILE), "--rows", "3", "--no-times", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"][0]["shape"] == [3, 10]


def test_doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for part in ("cppyy", "EXTRA_CLING_ARGS", "precompiled header", "GFLOP/s", "sofie_jit can run models here"):
        assert part in out
    monkeypatch.setenv("SOFIE_JIT_NUM_THREADS", "many")
    assert main(["doctor", "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)
    assert [f["what"] for f in findings if f["severe"]] == ["threads"]


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


def test_run(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digits = load_digits()
    for output in (tmp_path / "y.npy", tmp_path / "y.npz"):
        assert main(["run", str(MODEL_FILE), str(images), "-o", str(output)]) == 0
        assert str(output) in capsys.readouterr().out
        loaded = np.load(output)
        answers = loaded if output.suffix == ".npy" else loaded[loaded.files[0]]
        assert np.abs(answers - digits.keras).max() < 1e-6


def test_run_reads_and_writes_tables_and_archives_in_pieces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    digits = load_digits()
    pixels = digits.images.reshape(100, 64)
    table = pandas.DataFrame({f"p{i}": pixels[:, i] for i in reversed(range(64))} | {"label": digits.labels})
    table.to_csv("x.csv", index=False)
    table.to_parquet("x.parquet", row_group_size=40)
    np.savetxt("unnamed.csv", pixels, delimiter=",")
    np.savez_compressed("x.npz", image=digits.images)
    np.savez("fortran.npz", anything=np.asfortranarray(digits.images))
    chosen = ["--columns", ",".join(f"p{i}" for i in range(64))]
    read = {
        "y.npy": np.load,
        "y.npz": lambda path: np.load(path)["digit"],
        "y.csv": lambda path: pandas.read_csv(path).to_numpy(),
        "y.parquet": lambda path: pandas.read_parquet(path)[[f"digit_{i}" for i in range(10)]].to_numpy(),
    }
    cases = [("x.csv", chosen), ("x.parquet", chosen), ("unnamed.csv", []), ("x.npz", []), ("fortran.npz", [])]
    for (source, options), output in zip(cases, ["y.npy", "y.npz", "y.csv", "y.parquet", "y.npy"], strict=True):
        assert main(["run", str(MODEL_FILE), source, *options, "--chunk", "33", "-o", output]) == 0
        assert capsys.readouterr().out == f"wrote {output}: digit float32 (100, 10)\n"
        answers = read[output](output)
        assert answers.shape == (100, 10)
        assert np.abs(answers - digits.keras).max() < 1e-6
    assert main(["run", str(MODEL_FILE), "unnamed.csv", "-o", "-"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == ",".join(f"digit_{i}" for i in range(10))
    assert len(out.splitlines()) == 101
    assert err == "wrote standard output: digit float32 (100, 10)\n"
    for wrong, said in (
        (["x.csv", "--columns", "p0,nope"], "no column nope"),
        (["unnamed.csv", "--columns", "p0"], "does not name the columns"),
        (["x.npz", "--columns", "p0"], "--columns is for"),
    ):
        assert said in error_of(capsys, "run", str(MODEL_FILE), *wrong, "-o", "z.csv")
    np.save("empty.npy", digits.images[:0])
    for output in ("e.npy", "e.npz", "e.csv", "e.parquet"):
        assert main(["run", str(MODEL_FILE), "empty.npy", "-o", output]) == 0
    assert np.load("e.npy").shape == (0, 10)
    capsys.readouterr()
    assert "nowhere" in error_of(capsys, "run", str(MODEL_FILE), "empty.npy", "-o", "nowhere/y.npy")


def test_tables_of_some_inputs(two_outputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--columns for any input of several, all inputs from one table, and what to do if columns or arrays do not fit."""
    a, b = np.array([[1.0, -2.0], [0.5, 4.0]]), np.array([[3.0, -4.0, 5.0], [6.0, 7.0, -8.0]])
    np.save(tmp_path / "a.npy", a)
    np.save(tmp_path / "b.npy", b)
    expected = np.concatenate([a, b], axis=1)
    swapped, both = tmp_path / "swapped.csv", tmp_path / "both.csv"
    np.savetxt(swapped, a[:, ::-1], delimiter=",", header="eta,pt", comments="")
    np.savetxt(
        both, np.concatenate([b, np.zeros((2, 1)), a], axis=1), delimiter=",", header="x,y,z,w,pt,eta", comments=""
    )
    output = str(tmp_path / "y.npz")
    chosen = ["--columns", "a=pt,eta"]
    for inputs in (
        [swapped, tmp_path / "b.npy", *chosen],
        [f"b={tmp_path / 'b.npy'}", f"a={swapped}", *chosen],
        [both, *chosen, "--columns", "b=x,y,z"],
    ):
        assert main(["run", str(two_outputs), *map(str, inputs), "-o", output]) == 0, inputs
        np.testing.assert_array_equal(np.load(output)["both"], expected)
    for command in (["compare", "--no-times"], ["profile"]):
        name, *options = command
        given = [str(swapped), str(tmp_path / "b.npy")]
        assert main([name, str(two_outputs), *options, "--input", *given, *chosen]) == 0
    capsys.readouterr()
    first, second, one = str(tmp_path / "a.npy"), str(tmp_path / "b.npy"), str(tmp_path / "one.csv")
    np.savetxt(one, b[:1], delimiter=",")
    for wrong, said in (
        ([second, first], f"they fit as a={first} b={second}"),
        (
            [str(both), second],
            "both.csv has 6 columns (x, y, z, w, pt, eta); a row of input 'a' has 2 numbers: select "
            "columns with --columns a=NAME,...",
        ),
        ([str(swapped), second, "--columns", "pt,eta"], "the model's inputs are named a, b; give INPUT=NAME,..."),
        ([str(swapped), second, *chosen, *chosen], "names columns of input 'a' more than once"),
        ([first, second, *chosen], "a.npy has no named columns"),
        ([str(swapped), one, *chosen], "different numbers of rows: 'b' ends before the others"),
    ):
        assert said in error_of(capsys, "run", str(two_outputs), *wrong, "-o", output)
    assert "they fit as" in error_of(capsys, "profile", str(two_outputs), "--input", second, first)
    pixels = tmp_path / "pixels.csv"
    np.savetxt(pixels, np.zeros((2, 65)), delimiter=",", header=",".join(f"p{i}" for i in range(65)), comments="")
    error = error_of(capsys, "run", str(MODEL_FILE), str(pixels), "-o", output)
    assert "has 65 columns (p0, p1," in error
    assert "a row of input 'image' has 64 numbers: select columns with --columns NAME,..." in error
    names = ",".join(f"p{i}" for i in range(64))
    assert main(["profile", str(MODEL_FILE), "--input", str(pixels), "--columns", names]) == 0  # rows become images


def test_a_table_fills_the_open_size_of_an_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns determine one open size; arrays and several open sizes need --input-shape, with or without a name."""
    import keras

    monkeypatch.chdir(tmp_path)
    particles, globals_ = keras.Input((None, 4), name="particles"), keras.Input((2,), name="globals")
    summed = keras.layers.GlobalAveragePooling1D()(particles * particles)
    keras.Model([particles, globals_], keras.layers.Concatenate()([summed, globals_])).save("m.keras")
    p, g = np.random.default_rng(0).normal(size=(5, 3, 4)).astype(np.float32), np.ones((5, 3), np.float32)
    np.save("p.npy", p)
    np.save("flat.npy", p.reshape(5, 12))
    np.save("g.npy", g[:, :2])
    flat = p.reshape(5, 12)
    for name, array in (("p", flat), ("g", g), ("odd", flat[:, :11]), ("steps", flat[:, :4])):
        header = ",".join(f"{name}{i}" for i in range(array.shape[1]))
        np.savetxt(f"{name}.csv", array, delimiter=",", header=header, comments="")
    expected = np.concatenate([(p * p).mean(axis=1), g[:, :2]], axis=1)
    for given in (
        ["p.npy", "g.npy"],
        ["p.csv", "g.npy", "--chunk", "2"],
        ["p.csv", "g.csv", "--columns", "globals=g0,g1"],
        ["globals=g.npy", "particles=p.csv"],
        ["flat.npy", "g.npy", "--input-shape", "particles=3,4"],
        ["flat.npy", "g.npy", "--input-shape", "3,4", "--input-shape", "2"],
    ):
        assert main(["run", "m.keras", *given, "-o", "y.npy"]) == 0, given
        np.testing.assert_allclose(np.load("y.npy"), expected, rtol=1e-5)
    assert main(["compare", "m.keras", "--no-times", "--input", "p.csv", "g.npy"]) == 0
    capsys.readouterr()
    for given, said in (
        (["flat.npy", "g.npy"], "a row of flat.npy has 12 numbers; a row of input 'particles' has the shape (None, 4)"),
        (["flat.npy", "g.npy"], "give --input-shape particles=3,4"),
        (["p.csv", "g.csv"], "g.csv has 3 columns (g0, g1, g2); a row of input 'globals' has 2 numbers: select"),
        (["odd.csv", "g.npy"], "odd.csv has 11 columns"),
        (["steps.csv", "g.npy"], "give --input-shape particles=1,4 if each has a single element"),
        (["g.npy", "p.csv"], "they fit as particles=p.csv globals=g.npy"),
        (["p.csv", "g.npy", "--input-shape", "3,4"], "--input-shape NAME=SIZES"),
        (["p.csv", "g.npy", "--input-shape", "nope=3,4"], "there is no input 'nope'"),
        (["p.csv", "g.npy", "--input-shape", "globals=2", "--input-shape", "3,4"], "give NAME=SIZES for all of them"),
        (["p.csv", "g.npy", "--input-shape", "globals=2", "--input-shape", "globals=2"], "more than one shape"),
    ):
        assert said in error_of(capsys, "run", "m.keras", *given, "-o", "z.npy")
    keras.Sequential([keras.Input((None, None, 2), name="map"), keras.layers.Activation("relu")]).save("two.keras")
    assert "with 2 open sizes: give them with --input-shape SIZE,SIZE,2" in error_of(
        capsys, "run", "two.keras", "p.csv", "-o", "z.npy"
    )
    assert main(["run", "two.keras", "p.csv", "-o", "y.npy", "--input-shape", "2,3,2"]) == 0
    np.testing.assert_array_equal(np.load("y.npy"), np.maximum(p.reshape(5, 2, 3, 2), 0))


def test_rows_are_random_or_given(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for batch in ("1", "7"):
        with pytest.raises(SystemExit):
            main(["profile", str(MODEL_FILE), "--batch", batch, "--input", str(images)])
        assert "--input: not allowed with argument --batch" in capsys.readouterr().err


def test_run_takes_all_rows_at_once_if_they_depend_on_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import keras

    x = keras.Input((2,), name="x")
    keras.Model(x, x - keras.ops.sum(x, axis=0)).save(tmp_path / "m.keras")
    np.save(tmp_path / "x.npy", np.ones((5, 2)))
    argv = ["run", str(tmp_path / "m.keras"), str(tmp_path / "x.npy"), "-o", str(tmp_path / "y.npy")]
    assert main(argv) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), np.full((5, 2), -4))
    capsys.readouterr()
    assert "depend on each other" in error_of(capsys, *argv, "--chunk", "2")


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


def test_run_with_several_inputs_and_outputs(
    two_outputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = np.array([[1.0, -2.0]], np.float32), np.array([[3.0, -4.0, 5.0]], np.float32)
    np.save(tmp_path / "a.npy", a)
    np.save(tmp_path / "b.npy", b)
    np.savez(tmp_path / "both.npz", b=b, a=a)
    output = tmp_path / "y.npz"
    for inputs in (["a.npy", "b.npy"], ["both.npz"]):
        output.unlink(missing_ok=True)
        assert main(["run", str(two_outputs), *(str(tmp_path / name) for name in inputs), "-o", str(output)]) == 0
        results = np.load(output)
        assert results.files == ["both", "positive"]
        np.testing.assert_array_equal(results["both"], [[1, -2, 3, -4, 5]])
        np.testing.assert_array_equal(results["positive"], [[1, 0, 3, 0, 5]])
    capsys.readouterr()
    assert ".npz" in error_of(
        capsys, "run", str(two_outputs), str(tmp_path / "both.npz"), "-o", str(tmp_path / "y.npy")
    )


def test_run_with_wrong_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "shape.npy", np.zeros((5, 9)))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "text.npy").write_text("1 2 3")
    for name, said in [("shape", "(5, 9)"), ("objects", "objects.npy"), ("text", "text.npy"), ("none", "none.npy")]:
        error = error_of(capsys, "run", str(MODEL_FILE), str(tmp_path / f"{name}.npy"), "-o", str(tmp_path / "y.npy"))
        assert said in error
        assert error.count("\n") == 1


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


# -- inputs by position and by name ----------------------------------------------------------------------------------


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
    assert "1 rows" in capsys.readouterr().out
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


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (
            ["run", "m.h5", "x.npy", "-o", "y.npy", "--treads", "2"],
            "unrecognized arguments: --treads 2; did you mean --threads?",
        ),
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


def test_a_text_file_as_array(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.npy").write_text("1, 2, 3\n")
    found = error_of(capsys, "run", str(MODEL_FILE), str(tmp_path / "x.npy"), "-o", str(tmp_path / "y.npy"))
    assert "does not contain arrays of numbers" in found
    assert "pickle" not in found


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


@pytest.mark.parametrize("columns", [None, ["c", "a", "c"]])
@pytest.mark.parametrize("rows", [1, 7, 1000, 5000])
def test_pyarrow_reads_tables_as_numpy_does(
    columns: list[str] | None, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "x.csv"
    table = np.random.default_rng(0).normal(size=(3000, 3)) * 10.0 ** np.arange(-300, 301, 300)
    table[0] = np.nan, np.inf, -np.inf
    np.savetxt(path, table, "%.17g", delimiter=",", header="a,b,c", comments="")
    found = [*source_of(path, columns)[str(path)].pieces(rows)]
    monkeypatch.setattr("sofie_jit.cli.arrays._arrow_csv", lambda: None)
    for piece, expected in zip(found, source_of(path, columns)[str(path)].pieces(rows), strict=True):
        np.testing.assert_array_equal(piece, expected)


@pytest.mark.parametrize("text", ["a,b\n", "a,b\n1,2\n3\n", "a,b\n1,\n", "a,b\n1,x\n"])
def test_pyarrow_refuses_what_numpy_refuses(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "x.csv"
    path.write_text(text)
    for arrow in (True, False):
        if not arrow:
            monkeypatch.setattr("sofie_jit.cli.arrays._arrow_csv", lambda: None)
        if text.count("\n") == 1:
            assert [piece.shape for piece in source_of(path)[str(path)].pieces(5)] == [(0, 2)]
        else:
            with pytest.raises(sofie_jit.InputError, match="does not contain arrays of numbers"):
                list(source_of(path)[str(path)].pieces(5))


def test_run_without_the_shapes_of_torchscript(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(Path(__file__).parents[1] / "golden" / "pytorch" / "scripted.pt")
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    given = ["run", path, str(tmp_path / "x.npy")]
    assert main([*given, "-o", str(tmp_path / "y.npy")]) == 1
    assert "write them to a .npz file" in capsys.readouterr().err
    assert main([*given, "-o", str(tmp_path / "y.npz")]) == 0
    expected = sofie_jit.load(path, input_shapes=[(None, 4)]).infer(x)
    with np.load(tmp_path / "y.npz") as found:
        assert {name: np.array_equal(found[name], y) for name, y in expected.items()} == {"total": True, "last": True}
    assert main(["profile", path]) == 1
    said = capsys.readouterr().err
    assert "--input-shape 16" in said
    assert "infer" not in said


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
    assert main(["info", str(masked)]) == 1
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
