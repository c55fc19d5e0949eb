"""Another format is a module with ``open`` and a line in the table of formats: here a JSON file of Gemm and Relu."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from sofie_jit import RModel, check, frontends, load
from sofie_jit.frontends import base, sandbox
from sofie_jit.ir.builder import Builder
from sofie_jit.operators import Gemm, Relu


@dataclass
class Toy(base.Translation):
    file: str
    read: list[dict[str, Any]]
    format = "toy"
    source = property(lambda self: self.file)
    inputs = property(lambda self: self().inputs)

    def nodes(self):
        return [base.Node(f"node{i}", node["op"]) for i, node in enumerate(self.read)]

    def __call__(self, sizes=None):
        builder, problems = Builder(RModel("toy")), base.Problems()
        x = builder.input("x", "float32", (None, 2))
        for node, options in zip(self.nodes(), self.read, strict=True):
            call = base.NodeCall(node.name, str(node), builder)
            with problems.collected(), base.errors_of_node(call.label, options, self.format):
                if node.type not in ("Gemm", "Relu"):
                    call.refuse("only Gemm and Relu are known")
                w = [call.constant(np.float32(options["w"]), "w")] if node.type == "Gemm" else []
                x = call.add(Gemm() if w else Relu(), x, *w)
        problems.raise_all()
        builder.rmodel.add_output_tensor_names(x.name)
        return builder.rmodel


def read_toy(path) -> list[dict[str, Any]]:
    return json.loads(path.read_text())["toy"]


def open(source, **process):
    return Toy(str(source), sandbox.read(f"{__name__}:read_toy", source, **process))


def test_load_check_and_infer(tmp_path, monkeypatch):
    monkeypatch.setattr(frontends, "FORMATS", [frontends.Format("toy", __name__, lambda c: b'"toy"' in c.head)])
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text('{"toy": [{"op": "Gemm", "w": [[1, -1], [2, -2]]}, {"op": "Relu"}]}')
    bad.write_text('{"toy": [{"op": "Sin"}, {"op": "Relu"}, {"op": "Cos"}]}')
    for untrusted in (None, True, False):
        assert load(good, untrusted=untrusted).infer(np.ones((1, 2))).tolist() == [[3, 0]]
        assert check(good, untrusted=untrusted)
        problems = [node.problem for node in check(bad, untrusted=untrusted).nodes]
        assert [problem.partition(":")[0] for problem in problems] == ["node0 (Sin)", "", "node2 (Cos)"]
