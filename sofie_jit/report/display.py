"""How networks appear in notebooks: a table (:func:`describe`) and a drawing (:class:`Graph`)."""

from __future__ import annotations

import html
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sofie_jit.errors import MissingDependencyError, counted
from sofie_jit.ir.dims import format_shape
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from sofie_jit.report import tables
from sofie_jit.report.colors import hues
from sofie_jit.report.output_file import IMAGES, with_suffix
from sofie_jit.report.summary import HEADER, named_types, operator_rows, parameters

SHOWN = 40
"""The table of operators starts collapsed in notebooks if there are more than this."""

SOURCES = (".dot", ".gv")
"""Suffixes of files in graphviz's language; graphviz renders :data:`IMAGES`."""


def describe(title: str, rmodel: RModel, *, facts: Sequence[str] = (), note: str = "") -> str:
    """A network as HTML: inputs, outputs, operators and number of parameters.

    ``title``: text in front of the network's name.
    ``facts``: further facts for the first line, such as the memory that the compiled network needs.
    ``note``: a line below it.

    Raises what :meth:`RModel.generate` raises.
    """
    tensors = [(role, name, kind.dtype, format_shape(kind.shape)) for role, name, kind in named_types(rmodel)]
    first = "; ".join([f"{parameters(rmodel):,} parameters", *facts])
    unfolded = " open" if len(rmodel.operators) <= SHOWN else ""
    return (
        f"<div><b>{html.escape(title)}</b> <code>{html.escape(rmodel.name)}</code>: {html.escape(first)}"
        + (f"<br>{html.escape(note)}" if note else "")
        + tables.markup([("", "name", "type", "shape"), *tensors], left=4)
        + f"<details{unfolded}><summary>{counted(len(rmodel.operators), 'operator')}</summary>"
        + tables.markup(_operators(rmodel), left=3)
        + "</details></div>"
    )


def describe_invalid(rmodel: RModel, error: Exception) -> str:
    """A network that is not valid, or not yet complete, as HTML with the ``error`` that says why."""
    return f"<pre>{html.escape(repr(rmodel))}\nnot complete: {html.escape(str(error))}</pre>"


def _operators(rmodel: RModel) -> list[tuple[str, ...]]:
    """The table of operators with their layers, or in a network built by hand with the tensors they compute."""
    rows = operator_rows(rmodel)
    if any(op.origin for op in rmodel.operators):
        return [HEADER, *rows]
    names = [", ".join(filter(None, op.outputs)) for op in rmodel.operators]
    named = [(row[0], name, *row[2:]) for row, name in zip(rows, names, strict=True)]
    return [(HEADER[0], "computes", *HEADER[2:]), *named]


class Graph:
    """The operators of a network and the tensors between them, as a drawing.

    ``rmodel``: the network. ``RModel.draw`` and ``Model.draw`` make a Graph.

    Notebooks show the drawing if graphviz's program ``dot`` is installed, and a table otherwise. ``print`` shows the
    table. The attribute ``dot`` is the drawing in graphviz's language.

    >>> import sofie_jit
    >>> from sofie_jit.demo import MODEL_FILE
    >>> drawing = sofie_jit.load(MODEL_FILE).draw(optimized=True)
    >>> print(drawing.dot[:9])
    digraph {
    """

    def __init__(self, rmodel: RModel):
        rmodel.generate()
        self._rmodel = rmodel
        self.dot = "\n".join(["digraph {", *_HEAD, *_nodes(rmodel), *_edges(rmodel), "}", ""])

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the drawing to a file and returns its path.

        ``path``: the suffix .svg, .png or .pdf selects an image, which needs graphviz. .dot and .gv select graphviz's
        language.

        Raises MissingDependencyError if an image is wanted and graphviz is not installed, OptionError for another
        suffix, FileNotFoundError if there is no such folder.
        """
        path = Path(path)
        with_suffix(path, (*IMAGES, *SOURCES), "a drawing")
        if path.suffix in SOURCES:
            path.write_text(self.dot)
        else:
            path.write_bytes(self._render(path.suffix[1:]))
        return path

    def _render(self, kind: str) -> bytes:
        program = shutil.which("dot")
        if not program:
            raise MissingDependencyError(
                "images are drawn by graphviz's program 'dot', which is not installed (Debian, Ubuntu: apt-get install "
                "graphviz); a .dot file can be written without it"
            )
        return subprocess.run(
            [program, f"-T{kind}"], input=self.dot.encode(), stdout=subprocess.PIPE, check=True
        ).stdout

    def _rows(self) -> list[tuple[str, ...]]:
        rows = []
        for (name, origin, shapes, _), op in zip(operator_rows(self._rmodel), self._rmodel.operators, strict=True):
            reads = ", ".join(n for n in op.inputs if n and n not in self._rmodel.initialized)
            rows.append((name, origin, reads, ", ".join(filter(None, op.outputs)), shapes))
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
    """One line per input, operator and output."""
    terminal = 'shape=ellipse fillcolor="#eeeeee"'
    for number, (name, kind) in enumerate((rmodel.inputs | rmodel.states).items()):
        yield f"  in{number} [label={_quoted(name, kind.dtype)} {terminal}];"
    hue = hues(op.op_type for op in rmodel.operators)
    for number, op in enumerate(rmodel.operators):
        count = parameters(rmodel, op.inputs)
        weights = [f"{count:,} parameters"] if count else []
        fused = getattr(op, "activation", None)
        title = f"{op.op_type} + {fused.op_type}" if isinstance(fused, ROperator) else op.op_type
        color = f"{hue[op.op_type]:.4f} 0.2 1.0"  # hue, saturation, value
        yield f'  op{number} [label={_quoted(title, op.origin, *weights)} fillcolor="{color}"];'
    for number, name in enumerate(rmodel.output_labels or rmodel.outputs):
        yield f"  out{number} [label={_quoted(name, rmodel.tensor_type(rmodel.outputs[number]).dtype)} {terminal}];"


def _edges(rmodel: RModel) -> Iterator[str]:
    """One line per tensor that one node hands to another, labelled with its shape."""
    source = {name: f"in{number}" for number, name in enumerate(rmodel.inputs | rmodel.states)}

    def edge(tensor: str, target: str) -> str:
        label = _quoted(f" {format_shape(rmodel.tensor_type(tensor).shape)}")
        return f"  {source[tensor]} -> {target} [label={label}];"

    for number, op in enumerate(rmodel.operators):
        yield from (edge(name, f"op{number}") for name in dict.fromkeys(op.inputs) if name in source)
        source |= {name: f"op{number}" for name in op.outputs if name}
    for number, name in enumerate(rmodel.outputs):
        if name in source:  # an output may be a weight, which has no node
            yield edge(name, f"out{number}")


def _quoted(*lines: str) -> str:
    """Lines of text as a label in graphviz's language."""
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") for line in lines if line)
    return '"' + "\\n".join(escaped) + '"'
