"""Branches and loops that depend on data, in archives of PyTorch written by hand. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import archives
import numpy as np
import pytest

import sofie_jit
from sofie_jit import frontends
from sofie_jit.errors import ModelFileError, SofieError, UnsupportedLayerError
from sofie_jit.verification.evaluate import evaluate

ROWS = np.array([[1, -2, 0.5], [0.25, 3, -1]], np.float32)
INPUTS = [ROWS, -ROWS, 10 * abs(ROWS), 0 * ROWS, np.nan * ROWS, ROWS[:0]]

SCRIPT = """
if bool(torch.gt(torch.sum(x), 0)):
  y = torch.mul(x, 2)
  n = 1
else:
  y = torch.neg(x)
  n = 2
_0 = bool(torch.lt(torch.sum(torch.abs(y)), 50))
z, i = y, 0
while _0:
  z = torch.add(z, n)
  i = torch.add(i, 1)
  if torch.gt(i, 9):
    _1 = False
  else:
    _1 = bool(torch.lt(torch.sum(torch.abs(z)), 50))
  _0 = _1
return (z, i)
"""


def expected(x: np.ndarray) -> tuple[np.ndarray, int]:
    """The results of SCRIPT."""
    with np.errstate(invalid="ignore"):
        y, n = (x * 2, 1) if x.sum() > 0 else (-x, 2)
    i, goes_on = 0, abs(y).sum() < 50
    while goes_on:
        y, i = y + n, i + 1
        goes_on = i <= 9 and abs(y).sum() < 50
    return y, i


def test_script(tmp_path: Path) -> None:
    path = archives.script(tmp_path / "m.pt", SCRIPT)
    model = sofie_jit.load(path, input_shapes=[(None, 3)])
    network = frontends.open(path, input_shapes=[(None, 3)])()
    for x in INPUTS:
        for found in (model.infer(x), evaluate(network, [x])):
            np.testing.assert_array_equal(found[0], expected(x)[0])
            assert found[1] == expected(x)[1]


def graph(name: str, nodes: list[dict[str, Any]], output: str, *inputs: str) -> dict[str, Any]:
    """A graph as an argument of a node."""
    given = [{"as_tensor": {"name": each}} for each in inputs]
    inner = {"inputs": given, "outputs": [{"as_tensor": {"name": output}}], "nodes": nodes, "tensor_values": {}}
    return {"as_graph": {"name": name, "graph": inner}}


def conditional(*graphs: dict[str, Any], target: str = "torch.ops.higher_order.cond") -> list[dict[str, Any]]:
    """The nodes of a program that returns y, that of a graph for x if the sum of x is positive, else of the other."""
    arguments = [{"as_tensor": {"name": "positive"}}, *graphs, {"as_tensors": [{"name": "x"}]}]
    return [
        archives.node("torch.ops.aten.sum.default", "sum", self="x"),
        archives.node("torch.ops.aten.gt.Scalar", "positive", self="sum", other={"as_int": 0}),
        {
            "target": target, "outputs": [{"as_tensor": {"name": "y"}}], "metadata": {},
            "inputs": [{"name": "", "arg": argument, "kind": 1} for argument in arguments],
        },
    ]  # fmt: skip


EXP = graph("true_graph_0", [archives.node("torch.ops.aten.exp.default", "e", self="a")], "e", "a")
TWICE = graph("false_graph_0", [archives.node("torch.ops.aten.add.Tensor", "e", self="b", other="b")], "e", "b")


def test_exported(tmp_path: Path) -> None:
    path = archives.exported(tmp_path / "m.pt2", archives.program(conditional(EXP, TWICE), "y", (2, 3)))
    model = sofie_jit.load(path)
    for x in INPUTS[:5]:
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(model.infer(x), np.exp(x) if x.sum() > 0 else x + x, rtol=1e-6)
    assert [node.type for node in frontends.open(path).nodes()][2:] == [
        "higher_order.cond",
        "aten.exp",
        "aten.add.Tensor",
    ]


@pytest.mark.parametrize(
    ("nodes", "error", "message"),
    [
        (conditional(EXP, graph("g", [], "b", "b", "c")), ModelFileError, "cond.*zip"),
        (conditional(EXP, graph("g", [], "c", "b")), ModelFileError, "'c', which the model does not define"),
        (conditional(EXP, {"as_graph": {"name": "g"}}), ModelFileError, "form that torch.export.save writes"),
        (conditional(EXP), ModelFileError, "cond"),
        (
            conditional(EXP, TWICE, target="torch.ops.higher_order.map_impl"),
            UnsupportedLayerError,
            "map_impl.*not supp",
        ),
        (
            conditional(EXP, graph("g", [archives.node("torch.ops.aten.sum.default", "e", self="b")], "e", "b")),
            UnsupportedLayerError,
            r"its branches return float32 \(2, 3\) and float32 \(\)",
        ),
        (
            conditional(EXP, graph("g", [archives.node("torch.ops.aten.frobnicate", "e", self="b")], "e", "b")),
            UnsupportedLayerError,
            "aten.frobnicate.*not supported",
        ),
    ],
)
def test_graphs_that_are_refused(
    tmp_path: Path, nodes: list[dict[str, Any]], error: type[SofieError], message: str
) -> None:
    path = archives.exported(tmp_path / "m.pt2", archives.program(nodes, "y", (2, 3)))
    with pytest.raises(error, match=message):
        frontends.open(path)()


POSITIVE = "if bool(torch.gt(torch.sum(x), 0)):\n"
COPY = "y = torch.add(x, 1)\nz = y\n"
UNTIL = "while bool(torch.lt(torch.sum(y), 9)):\n"


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (POSITIVE + "  y = x\nelse:\n  y = torch.sum(x, [1])\nreturn y", r"\(if\): its branches return .*equal types"),
        (POSITIVE + "  y = x\nelse:\n  y = torch.to(x, 7)\nreturn y", r"branches return float32 .* and float64"),
        (POSITIVE + "  return x\nelse:\n  pass\nreturn torch.neg(x)", "a return in a branch or loop"),
        (POSITIVE + "  y = x\nelse:\n  y = None\nreturn torch.neg(y)", "a value of Tensor in one case and None in an"),
        ("l = [x]\n" + POSITIVE + "  _0 = torch.append(l, x)\nelse:\n  pass\nreturn x", r"\(if\): it changes a list"),
        ("y = x\nl = [x]\n" + UNTIL + "  y = torch.add(y, 1)\n  l = [y, y]\nreturn l[0]", "a list of 1 in one case"),
        ("y = x\n" + UNTIL + "  y = torch.cat([y, y])\nreturn y", r"carried value 1 is .*batch, 3.*2\*batch"),
        (COPY + POSITIVE + "  z = torch.neg(y)\nelse:\n  z = y\n_0 = torch.add_(z, 1)\nreturn y", "both are one"),
        (COPY + UNTIL + "  z = torch.neg(y)\n_0 = torch.add_(z, 1)\nreturn y", "after another one was changed"),
        (POSITIVE + "  ops.prim.RaiseException(1)\n  y = x\nelse:\n  y = x\nreturn y", "model refuses these inputs"),
        ("n = int(torch.sum(x))\nreturn torch.slice(x, 1, 0, n)", "argument end is a number that the model comp"),
        ("n = int(torch.sum(x))\nreturn torch.zeros([n])", "number that the model computes"),
        ("n = int(torch.sum(x))\nl = [x, x]\nreturn l[n]", "its index is a number that the model computes"),
        ("if torch.gt(x, 0):\n  y = x\nelse:\n  y = x\nreturn y", "its condition is a tensor"),
        ("if bool(x):\n  y = x\nelse:\n  y = torch.neg(x)\nreturn y", "depends on a tensor"),
    ],
)  # fmt: skip
def test_code_that_is_refused(tmp_path: Path, forward: str, message: str) -> None:
    path = archives.script(tmp_path / "m.pt", forward)
    with pytest.raises(UnsupportedLayerError, match=message) as caught:
        frontends.open(path, input_shapes=[(None, 3)])()
    assert str(path) in str(caught.value)


def test_branches_that_raise_are_left_out(tmp_path: Path) -> None:
    forward = POSITIVE + '  y = x\nelse:\n  ops.prim.RaiseException("negative")\nreturn torch.neg(x)'
    network = frontends.open(archives.script(tmp_path / "m.pt", forward), input_shapes=[(None, 3)])()
    for x in INPUTS:
        np.testing.assert_array_equal(evaluate(network, [x])[0], -x)


def test_sizes_of_branches(tmp_path: Path) -> None:
    """A branch that depends on an open size is compiled for each size, and a fixed size decides it."""
    forward = "if torch.gt(torch.size(x, 0), 2):\n  y = torch.mul(x, 2)\nelse:\n  y = x\nreturn y"
    path = archives.script(tmp_path / "m.pt", forward)
    for model in (sofie_jit.load(path, input_shapes=[(None, 3)]), sofie_jit.load(path)):
        for rows in (1, 2, 3, 5):
            x = np.ones((rows, 3), np.float32)
            np.testing.assert_array_equal(model.infer(x), x * 2 if rows > 2 else x)
    fixed = sofie_jit.load(path, input_shapes=[(4, 3)])
    assert [op.op_type for op in fixed.rmodel.operators] == ["Mul"]


def test_results_of_modules_in_branches(tmp_path: Path) -> None:
    more = "class N(Module):\n  def forward(self: __torch__.N,\n    x: Tensor) -> Tensor:\n    return torch.neg(x)"
    forward = POSITIVE + "  y = (self.inner).forward(x, )\nelse:\n  y = x\nreturn y"
    attributes = {"inner": archives.Object("__torch__", "N", {})}
    path = archives.script(tmp_path / "m.pt", forward, attributes, more=more)
    np.testing.assert_array_equal(sofie_jit.load(path, input_shapes=[(None, 3)]).infer(ROWS), -ROWS)
    with pytest.raises(UnsupportedLayerError, match="is the result of a module in a branch or loop"):
        frontends.open(path, input_shapes=[(None, 3)], outputs=["inner"])()
