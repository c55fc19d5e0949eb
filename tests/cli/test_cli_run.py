"""sofie-jit run: arrays, tables and archives, in and out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_errors import error_of

import sofie_jit
from sofie_jit.cli import main
from sofie_jit.cli.arrays import source_of
from sofie_jit.demo import MODEL_FILE, load_digits


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
    assert err == "printed digit float32 (100, 10)\n"
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
        assert "--batch is for random numbers: not allowed with inputs" in capsys.readouterr().err


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


def test_a_text_file_as_array(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.npy").write_text("1, 2, 3\n")
    found = error_of(capsys, "run", str(MODEL_FILE), str(tmp_path / "x.npy"), "-o", str(tmp_path / "y.npy"))
    assert "does not contain arrays of numbers" in found
    assert "pickle" not in found


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
    monkeypatch.setattr("sofie_jit.cli.csv_table._arrow_csv", lambda: None)
    for piece, expected in zip(found, source_of(path, columns)[str(path)].pieces(rows), strict=True):
        np.testing.assert_array_equal(piece, expected)


@pytest.mark.parametrize("text", ["a,b\n", "a,b\n1,2\n3\n", "a,b\n1,x\n"])
def test_pyarrow_refuses_what_numpy_refuses(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "x.csv"
    path.write_text(text)
    for arrow in (True, False):
        if not arrow:
            monkeypatch.setattr("sofie_jit.cli.csv_table._arrow_csv", lambda: None)
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


def test_which_first_lines_of_csv_files_are_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, nan = tmp_path / "x.CSV", np.nan
    for arrow in (True, False):
        if not arrow:
            monkeypatch.setattr("sofie_jit.cli.csv_table._arrow_csv", lambda: None)
        for text, names, expected in (
            ("0,1,2\n0.5,1,2\n", ["0", "1", "2"], [[0.5, 1, 2]]),  # as pandas writes unnamed columns
            (",0,1\n0,1.5,2\n", ["0", "1"], [[1.5, 2]]),  # with their index
            (",a,b\n0,1.5,2\n1,3,4\n", ["a", "b"], [[1.5, 2], [3, 4]]),
            ('"","a"\n"x",1\n"y",2\n', ["a"], [[1], [2]]),  # as R writes the names of rows
            ("# a,b\n1,2\n3,4\n", ["a", "b"], [[1, 2], [3, 4]]),  # as numpy.savetxt writes a header
            ("# made by hand\n\n#a, b\n1,2\n", ["a", "b"], [[1, 2]]),
            ("# made, by hand\na,b\n1,2\n", ["a", "b"], [[1, 2]]),
            ("# made by hand\n1,2\n", None, [[1, 2]]),
            ("# 0,1\n2,3\n", ["0", "1"], [[2, 3]]),
            ("\n\n1,2\n", None, [[1, 2]]),
            ("# a,b\n", ["a", "b"], np.empty((0, 2))),
            ("a,1st,n/a\n1,2,3\n", ["a", "1st", "n/a"], [[1, 2, 3]]),
            ("my number\n1\n", ["my number"], [[1]]),
            ('"a, b", c\r\n1,2\r\n', ["a, b", "c"], [[1, 2]]),
            ("\ufeffa,b\n1,2\n", ["a", "b"], [[1, 2]]),
            ("\ufeff1,2\n3,4\n", None, [[1, 2], [3, 4]]),  # Excel
            ("1,,3\n4,5,\n", None, [[1, nan, 3], [4, 5, nan]]),
            ("1,n/a,3\nNaN,nan,NA\n", None, [[1, nan, 3], [nan, nan, nan]]),
            ("NaN,n/a,\n1,2,3\n", None, [[nan, nan, nan], [1, 2, 3]]),
            ("a,b\n1,\n", ["a", "b"], [[1, nan]]),
            ("a,b\n", ["a", "b"], np.empty((0, 2))),
        ):
            path.write_bytes(text.encode())
            table = source_of(path)[str(path)]
            assert table.names == names
            np.testing.assert_array_equal(np.concatenate(list(table.pieces(5))), expected)
        for text, said in (
            ("0,1,2\n3,4,5\n", "may name the columns or be a row: give --header or --no-header"),
            ("0\n1\n", "may name the columns or be a row"),
            ("1,pt\n1,2\n", r"has words \('pt'\) and numbers \(1\): give --header"),
            ("pt;eta\n1;2\n", "separated by commas, not by semicolons: 'pt;eta'"),
            ("1,5;2,5\n1,5;2,5\n", "not by semicolons"),
            ("1 2\n3 4\n", "not by blanks"),
            ("1\t2\n3\t4\n", "not by tabs"),
            ("a,b\n1,2\n3,x\n", "column 'b' has 'x' in line 3"),
            ("1,2\n3,x\n", "column 1 has 'x' in line 2"),
            ("1,2\n3\n", "line 2 has 1 cell, the first 2"),
            ("1,2\n3,4,5\n", "line 2 has 3 cells, the first 2"),
            ("", "x.CSV is empty: expected rows of numbers, separated by commas"),
            ("\n \n", "x.CSV is empty"),
            ("# a b\n1 2\n", "not by blanks"),
            ("# a,b\n1,2\n3,x\n", "column 'b' has 'x' in line 3"),
            (",a\n0,x\n", "column 'a' has 'x' in line 2"),
        ):
            path.write_text(text)
            with pytest.raises(sofie_jit.InputError, match=said):
                list(source_of(path)[str(path)].pieces(5))
        for text, header, rows in (
            ("0,1\n2,3\n", True, [[2, 3]]),
            ("0,1\n2,3\n", False, [[0, 1], [2, 3]]),
            ("# a,b\n0,1\n2,3\n", True, [[0, 1], [2, 3]]),
            ("# a,b\n0,1\n2,3\n", False, [[0, 1], [2, 3]]),
            ("# a b\n0,1\n2,3\n", True, [[2, 3]]),
            (",a\n0,1\n", True, [[1]]),
        ):
            path.write_text(text)
            (piece,) = source_of(path, header=header)[str(path)].pieces(5)
            np.testing.assert_array_equal(piece, rows)
        path.write_text(",a\n7,1\n")
        (piece,) = source_of(path, ["", "a"])[str(path)].pieces(5)  # columns that are named are read
        np.testing.assert_array_equal(piece, [[7, 1]])


def test_an_index_of_pandas_in_a_parquet_file_is_not_read(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    path = tmp_path / "x.parquet"
    pandas.DataFrame({"a": [3.0, 2], "b": [6.0, 5]}, index=[7, 4]).to_parquet(path)
    (piece,) = source_of(path)[str(path)].pieces(5)
    np.testing.assert_array_equal(piece, [[3, 6], [2, 5]])
    (piece,) = source_of(path, ["b", "__index_level_0__"])[str(path)].pieces(5)
    np.testing.assert_array_equal(piece, [[6, 7], [5, 4]])


def test_header_and_columns_of_csv_files(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, table, y = np.load(images).reshape(100, 64), str(tmp_path / "x.csv"), str(tmp_path / "y.npy")
    np.savetxt(table, x, "%.9g", delimiter=",", header=",".join(map(str, range(64))), comments="")
    expected = sofie_jit.load(MODEL_FILE).infer(x.reshape(100, 8, 8, 1))
    for options in ([], ["--header"], ["--header", "--columns", ", ".join(map(str, range(64)))]):
        assert main(["run", str(MODEL_FILE), table, *options, "-o", y]) == 0
        np.testing.assert_array_equal(np.load(y), expected)
    capsys.readouterr()
    few = error_of(capsys, "run", str(MODEL_FILE), table, "--header", "--columns", "0,1", "-o", y)
    assert "--columns names 2 columns" in few
    assert "has 64 numbers" in few
