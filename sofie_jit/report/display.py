"""How networks show themselves: a table in notebooks (:func:`describe`), and a drawing (:class:`Graph`)."""

from __future__ import annotations

import html
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sofie_jit.codegen.print_jit import jit_text
from sofie_jit.errors import MissingDependencyError, SofieError
from sofie_jit.ir.operators.operator import ROperator, format_shape
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.pipeline import Optimize, lower
from sofie_jit.report import tables

SHOWN = 40
"""Of more operators than this, the table is folded up in notebooks."""


def describe(title: str, rmodel: RModel, *, optimize: Optimize = True, note: str = "") -> str:
    """``rmodel`` as HTML: inputs, outputs, operators, parameters and memory; one that is not finished says so."""
    try:
        rmodel.generate()
        size = memory(lower(rmodel, optimize))
    except SofieError as error:
        return f"<pre>{html.escape(repr(rmodel))}\nnot complete: {html.escape(str(error))}</pre>"
    kinds = [("input", name, kind) for name, kind in rmodel.inputs.items()]
    kinds += [("state", name, kind) for name, kind in rmodel.states.items()]
    labels = rmodel.output_labels or rmodel.outputs
    kinds += [("output", label, rmodel.tensor_type(name)) for label, name in zip(labels, rmodel.outputs, strict=True)]
    tensors = [(what, name, kind.dtype, format_shape(kind.shape)) for what, name, kind in kinds]
    facts = [f"{_parameters(rmodel):,} parameters", *size]
    unfolded = " open" if len(rmodel.operators) <= SHOWN else ""
    return (
        f"<div><b>{html.escape(title)}</b> <code>{html.escape(rmodel.name)}</code>: {html.escape('; '.join(facts))}"
        + (f"<br>{html.escape(note)}" if note else "")
        + tables.markup([("", "name", "type", "shape"), *tensors], left=4)
        + f"<details{unfolded}><summary>{len(rmodel.operators)} operators</summary>"
        + tables.markup(_operators(rmodel), left=3)
        + "</details></div>"
    )


def _operators(rmodel: RModel) -> list[tuple[str, ...]]:
    """The table of operators: with the layers they came from, or in a network built by hand the tensors they make."""
    rows = rmodel.operator_rows()
    if any(op.origin for op in rmodel.operators):
        return [("operator", "from", "output", "parameters"), *rows]
    names = [", ".join(filter(None, op.outputs)) for op in rmodel.operators]
    made = [(row[0], name, *row[2:]) for row, name in zip(rows, names, strict=True)]
    return [("operator", "computes", "output", "parameters"), *made]


def memory(lowered: RModel) -> list[str]:
    """What a compiled network holds, in words: its weights, and the arena of a call in bytes by open dimensions."""
    rendering = jit_text(lowered)
    weights = sum(lowered.initialized[name].nbytes for name in rendering.weights)
    arena: Counter[tuple[str, ...]] = Counter()
    for slot in rendering.slots:
        arena[slot.dims] += slot.size
    terms = [" × ".join([tables.size(count), *dims]) for dims, count in sorted(arena.items())]
    tiles = ", big batches tile by tile" if rendering.tiled and terms else ""
    return [f"weights {tables.size(weights)}", f"memory of a call {' + '.join(terms) or '0 B'}{tiles}"]


def _parameters(rmodel: RModel) -> int:
    return sum(values.size for values in rmodel.initialized.values())


class Graph:
    """The operators of a network and the tensors between them, as a drawing.

    Notebooks show it, if graphviz's program ``dot`` is installed; without, and with ``print``, it is a table. ``dot``
    holds it in graphviz's language; :meth:`save` writes a file.
    """

    def __init__(self, rmodel: RModel):
        rmodel.generate()
        self._rmodel = rmodel
        self.dot = "\n".join(["digraph {", *_HEAD, *_nodes(rmodel), *_edges(rmodel), "}", ""])

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the drawing: ``.svg``, ``.png`` or ``.pdf`` with graphviz, ``.dot`` and ``.gv`` without it.

        Raises MissingDependencyError without graphviz, ValueError for another ending.
        """
        path = Path(path)
        if path.suffix in (".dot", ".gv"):
            path.write_text(self.dot)
        elif path.suffix in (".svg", ".png", ".pdf"):
            path.write_bytes(self._render(path.suffix[1:]))
        else:
            raise ValueError(f"a drawing is written as .svg, .png, .pdf, .dot or .gv, not as '{path}'")
        return path

    def _render(self, kind: str) -> bytes:
        program = shutil.which("dot")
        if not program:
            raise MissingDependencyError(
                "drawing needs graphviz's program 'dot' (Debian, Ubuntu: apt-get install graphviz); a .dot file needs "
                "nothing"
            )
        return subprocess.run(
            [program, f"-T{kind}"], input=self.dot.encode(), stdout=subprocess.PIPE, check=True
        ).stdout

    def _rows(self) -> list[Sequence[str]]:
        reads = [", ".join(n for n in op.inputs if n and n not in self._rmodel.initialized)
                 for op in self._rmodel.operators]  # fmt: skip
        rows = [
            (op, origin, source, ", ".join(filter(None, made.outputs)), shapes)
            for (op, origin, shapes, _), source, made in zip(
                self._rmodel.operator_rows(), reads, self._rmodel.operators, strict=True
            )
        ]
        return [("operator", "from", "reads", "computes", "shape"), *rows]

    def __str__(self) -> str:
        return tables.text(self._rows(), left=5)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        if shutil.which("dot"):
            return {"image/svg+xml": self._render("svg").decode(), "text/plain": str(self)}
        return {"text/html": tables.markup(self._rows(), left=5), "text/plain": str(self)}


_HEAD = (
    '  rankdir=TB; ranksep=0.3; bgcolor="transparent";',
    '  node [fontname="Helvetica" fontsize=10 shape=box style="rounded,filled" margin="0.12,0.06"];',
    '  node [color="#666666" penwidth=0.7];',
    '  edge [fontname="Helvetica" fontsize=9 color="#888888" fontcolor="#666666" arrowsize=0.6];',
)


def _nodes(rmodel: RModel) -> Iterator[str]:
    ends = 'shape=ellipse fillcolor="#eeeeee"'
    for number, (name, kind) in enumerate((rmodel.inputs | rmodel.states).items()):
        yield f"  in{number} [label={_quoted(name, kind.dtype)} {ends}];"
    colors: dict[str, int] = {}
    for number, op in enumerate(rmodel.operators):
        count = sum(rmodel.initialized[name].size for name in op.inputs if name in rmodel.initialized)
        weights = [f"{count:,} parameters"] if count else []
        color = colors.setdefault(op.op_type, 1 + len(colors) % 9)
        fused = getattr(op, "activation", None)
        title = f"{op.op_type} + {fused.op_type}" if isinstance(fused, ROperator) else op.op_type
        yield f'  op{number} [label={_quoted(title, op.origin, *weights)} fillcolor="/pastel19/{color}"];'
    for number, name in enumerate(rmodel.output_labels or rmodel.outputs):
        yield f"  out{number} [label={_quoted(name, rmodel.tensor_type(rmodel.outputs[number]).dtype)} {ends}];"


def _edges(rmodel: RModel) -> Iterator[str]:
    made = {name: f"in{number}" for number, name in enumerate(rmodel.inputs | rmodel.states)}

    def edge(tensor: str, target: str) -> str:
        return f"  {made[tensor]} -> {target} [label={_quoted(' ' + format_shape(rmodel.tensor_type(tensor).shape))}];"

    for number, op in enumerate(rmodel.operators):
        yield from (edge(name, f"op{number}") for name in _tensors(op) if name in made)
        made |= {name: f"op{number}" for name in op.outputs if name}
    for number, name in enumerate(rmodel.outputs):
        if name in made:  # and no weight
            yield edge(name, f"out{number}")


def _tensors(op: ROperator) -> list[str]:
    return list(dict.fromkeys(filter(None, op.inputs)))


def _quoted(*lines: str) -> str:
    """Lines as a label in graphviz's language."""
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") for line in lines if line)
    return '"' + "\\n".join(escaped) + '"'
