"""Files of PyTorch, evaluated without torch."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import sofie_jit
from sofie_jit import frontends
from sofie_jit.frontends.base import Translation, leaves
from sofie_jit.verification.difference import TOLERANCE, distance
from sofie_jit.verification.evaluate import evaluate

FOLDER = Path(__file__).parents[2] / "golden" / "pytorch"
FILES = sorted([*FOLDER.glob("*.pt2"), *FOLDER.glob("*.pt")])
SHAPES = {"sequence": [(None, 5, 3)], "graph": [(None, 6, 2)], "scripted": [(None, 4)]}
"""Shapes of inputs, which files of TorchScript do not contain."""


def load(path: Path) -> sofie_jit.Model:
    """A model of a file."""
    return sofie_jit.load(path, **({} if path.suffix == ".pt2" else {"input_shapes": SHAPES[path.stem]}))


def check(path: Path, model: sofie_jit.Model) -> None:
    """Asserts that a model gives PyTorch's outputs, by the rule of tests/tolerance.py."""
    with np.load(path.with_suffix(".npz")) as expected:
        inputs = [expected[name] for name in expected.files if name.startswith("input:")]
        outputs = [expected[name] for name in expected.files if name.startswith("output:")]
        exact = [expected[name] for name in expected.files if name.startswith("exact:")]
    found = leaves(model.infer(*inputs))
    assert [(y.shape, y.dtype) for y in found] == [(y.shape, y.dtype) for y in outputs]
    for y, theirs, best in zip(found, outputs, exact, strict=True):
        assert distance(y, best) <= max(2 * distance(theirs, best), TOLERANCE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_outputs_are_those_of_pytorch(path: Path) -> None:
    check(path, load(path))


def test_all_files_are_there() -> None:
    assert {path.stem for path in FILES} >= {"mlp", "cnn", "sequence", "graph", "scripted"}
    assert all(path.stat().st_size < 60_000 for path in FILES)


def test_outputs_have_the_structure_of_the_module() -> None:
    model = sofie_jit.load(FOLDER / "graph.pt2")
    found = model.infer(np.zeros((2, 6, 2), np.float32))
    assert set(found) == {"nodes", "event"}
    assert isinstance(found["event"], tuple)
    assert found["event"][0].shape == (2, 3)
    scripted = load(FOLDER / "scripted.pt")
    assert set(scripted.infer(np.zeros((2, 4), np.float32))) == {"total", "last"}


def test_optional_inputs_of_torchscript() -> None:
    model = sofie_jit.load(FOLDER / "scripted.pt", input_shapes=[(None, 4), (None, 4)])
    plain = load(FOLDER / "scripted.pt")
    x, weight = np.ones((2, 4), np.float32), np.full((2, 4), 3, np.float32)
    assert model.input_names == ["x", "weight"]
    assert model.infer(x, weight)["last"].shape == (2, 16)
    assert plain.infer(x)["last"].shape == (2, 12)


def test_shapes_of_torchscript_are_checked() -> None:
    names = list(sofie_jit.load(FOLDER / "scripted.pt", input_shapes=[(None, 4)] * 2).input_names)
    named = sofie_jit.load(FOLDER / "scripted.pt", input_shapes=dict.fromkeys(reversed(names), (None, 4)))
    assert (list(named.input_names), named.input_shapes) == (names, [(None, 4)] * 2)
    with pytest.raises(sofie_jit.OptionError, match="has shapes of a, nope; the inputs are"):
        sofie_jit.load(FOLDER / "scripted.pt", input_shapes={"a": (None, 4), "nope": (None, 4)})
    with pytest.raises(sofie_jit.OptionError, match="input_shapes= has 3 shapes"):
        sofie_jit.load(FOLDER / "scripted.pt", input_shapes=[(None, 4)] * 3)
    with pytest.raises(sofie_jit.OptionError, match="input_dtypes= has 2 types"):
        sofie_jit.load(FOLDER / "scripted.pt", input_shapes=[(None, 4)], input_dtypes=["float32"] * 2)
    with pytest.raises(sofie_jit.ShapeError, match=r"which cannot have the shape \(None, 99\)"):
        sofie_jit.load(FOLDER / "mlp.pt2", input_shapes=[(None, 99)])


def test_torchscript_without_shapes_is_compiled_for_the_first_call() -> None:
    model = sofie_jit.load(FOLDER / "scripted.pt")
    with pytest.raises(sofie_jit.OptionError, match=r"before the first call.*x: Tensor, weight: Optional\[Tensor\]"):
        print(model.input_shapes)
    x = np.ones((2, 4))
    expected = load(FOLDER / "scripted.pt").infer(x)
    found = model.infer(x)
    assert all(np.array_equal(found[name], expected[name]) for name in ("total", "last"))
    assert model.infer(np.ones((5, 4), np.float32))["last"].shape == (5, 12)
    assert model.input_shapes == [(None, 4)]
    assert model.infer({"x": x, "weight": x})["last"].shape == (2, 16)
    assert model.input_names == ["x", "weight"]
    with pytest.raises(sofie_jit.InputError, match=r"named \['x'\]"):
        model.infer({"y": x})
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.infer(x)["last"], expected["last"])


def test_columns_before_the_first_call() -> None:
    names = ["pt", "eta", "phi", "mass"]
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    expected = sofie_jit.load(FOLDER / "scripted.pt").infer(x)["last"]
    table = {name: x[:, i] for i, name in reversed(list(enumerate(names)))}
    records = np.rec.fromarrays(list(table.values()), names=list(table))
    for columns in (names, {"x": names}):
        for given in (table, records, {"x": records}, [records]):
            model = sofie_jit.load(FOLDER / "scripted.pt")
            assert np.array_equal(model.predict(given, columns=columns)["last"], expected)
            model = pickle.loads(pickle.dumps(sofie_jit.load(FOLDER / "scripted.pt", columns=columns)))
            for _ in range(2):
                assert np.array_equal(model.infer(given)["last"], expected)
    both = sofie_jit.load(FOLDER / "scripted.pt", columns={"x": names})
    assert np.array_equal(both.infer({"x": records, "weight": x})["last"], both.infer(x, x)["last"])
    with pytest.raises(sofie_jit.InputError, match="does not know the column more"):
        both.infer({**table, "more": x[:, 0]})
    assert np.array_equal(both.predict(x)["last"], expected)
    with pytest.raises(sofie_jit.InputError, match="columns of a table are named with columns="):
        sofie_jit.load(FOLDER / "scripted.pt").predict(table)


def test_predict_before_the_first_call() -> None:
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    expected = sofie_jit.load(FOLDER / "scripted.pt").infer(x, x)["last"]
    for given in ([x, x], {"x": x, "weight": x}):
        for batch_size in (None, 2):
            found = sofie_jit.load(FOLDER / "scripted.pt").predict(given, batch_size=batch_size)["last"]
            assert np.array_equal(found, expected)
    model = sofie_jit.load(FOLDER / "scripted.pt")
    assert np.array_equal(model.predict(x=x, weight=x)["last"], expected)
    with pytest.raises(sofie_jit.InputError, match="there is no option rows="):
        model.predict(x, rows=3)
    with pytest.raises(sofie_jit.InputError, match="cannot be computed for batch = 5"):
        model.predict([x, x[:1]])


def test_modules_of_torchscript_can_be_outputs_and_can_be_replaced() -> None:
    path = FOLDER / "scripted.pt"
    options = {"input_shapes": [(None, 4)]}
    x = np.ones((2, 4), np.float32)
    plain = sofie_jit.load(path, outputs=["layers.0"], **options).infer(x)
    assert plain.shape == (2, 4)
    replaced = sofie_jit.load(path, replace={"layers.0": lambda x: x * 2}, outputs=["layers.0"], **options)
    assert np.array_equal(replaced.infer(x), 2 * x)
    with pytest.raises(sofie_jit.GraphError, match=r"layers\.0: the .* <lambda>\(\), cannot be called with"):
        sofie_jit.load(path, replace={"layers.0": lambda: 1}, **options)


def test_rows_do_not_depend_on_the_batch() -> None:
    model = sofie_jit.load(FOLDER / "sequence.pt2")
    x = np.random.default_rng(0).normal(size=(67, 5, 3)).astype(np.float32)
    whole = model.infer(x)
    assert model.infer(x[:0]).shape == (0, 5, 8)
    assert np.array_equal(model.infer(x[5:6]), whole[5:6])


def test_modules_can_be_outputs_and_can_be_replaced() -> None:
    path = FOLDER / "mlp.pt2"
    model = sofie_jit.load(path, outputs=["0"])
    x = np.ones((2, 5), np.float32)
    assert model.infer(x).shape == (2, 8)
    doubled = sofie_jit.load(path, outputs=["0"], replace={"0": lambda x: sofie_jit.ops.tile(x, (1, 2)) * 2})
    assert np.array_equal(doubled.infer(x), np.full((2, 10), 2, np.float32))
    with pytest.raises(sofie_jit.ModelFileError, match=r"replace= names '9'.*its modules are: 0, 1, 2, 3"):
        sofie_jit.load(path, replace={"9": lambda x: x})
    with pytest.raises(sofie_jit.GraphError, match=r"mlp.pt2: 0: the .* <lambda>\(x, y\), cannot be called"):
        sofie_jit.load(path, replace={"0": lambda x, y: x})
    with pytest.raises(sofie_jit.GraphError, match="must return 1 tensor; it returned 2"):
        sofie_jit.load(path, replace={"0": lambda x: (x, x)})


def test_check_and_info(capsys: pytest.CaptureFixture[str]) -> None:
    report = sofie_jit.check(FOLDER / "cnn.pt2")
    assert report
    assert [node.type for node in report.nodes][:2] == ["aten.conv2d", "aten.batch_norm"]
    from sofie_jit.cli import main

    assert main(["info", str(FOLDER / "cnn.pt2")]) == 0
    assert "saved by" in capsys.readouterr().out


def test_nothing_needs_torch() -> None:
    """All files load and are computed in a process in which ``import torch`` fails."""
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "import test_pytorch_golden as golden\n"
        "for path in golden.FILES:\n"
        "    network = golden.opened(path)()\n"
        "    golden.check_network(path, network)\n"
        "print(len(golden.FILES))\n"
    )
    folder = Path(__file__).parent
    paths = os.pathsep.join([str(folder), str(folder.parents[2]), os.environ.get("PYTHONPATH", "")])
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": paths}
    )
    assert found.stdout.strip() == str(len(FILES)), found.stderr


def opened(path: Path) -> Translation:
    """The network of a file, without compiling it."""
    return frontends.open(path, **({} if path.suffix == ".pt2" else {"input_shapes": SHAPES[path.stem]}))


def check_network(path: Path, network: sofie_jit.RModel) -> None:
    """Asserts that a network, evaluated in numpy, gives PyTorch's outputs."""
    with np.load(path.with_suffix(".npz")) as expected:
        found = evaluate(network, [expected[name] for name in expected.files if name.startswith("input:")])
        exact = [expected[name] for name in expected.files if name.startswith("exact:")]
    assert all(distance(y, best) <= 1e-5 for y, best in zip(found, exact, strict=True))


def test_the_version_of_torchscript_is_optional(tmp_path: Path) -> None:
    with zipfile.ZipFile(FOLDER / "scripted.pt") as archive:
        members = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    members.pop("version")
    assert frontends.open(_archive(tmp_path / "none.pt", members)).metadata == {"format": "PyTorch (TorchScript)"}
    members[".data/version"] = b"3\n"
    assert frontends.open(_archive(tmp_path / "data.pt", members)).metadata["version of TorchScript"] == "3"


def _archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"archive/{name}", content)
    return path
