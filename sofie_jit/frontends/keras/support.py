"""What can be translated: of Keras as a whole (:func:`supported_layers`), and of one file (:func:`check`)."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sofie_jit.errors import SofieError, UnsupportedLayerError


@dataclass(frozen=True)
class Support:
    """What is known of a class of layers or operations."""

    name: str
    """Keras's class; bare operations are called ``ops.Add``, classes of other packages ``package>Class``."""
    family: str
    """The module of ``sofie_jit.frontends.keras.layers`` that translates it; '' if none does."""
    description: str
    """What it computes, in a sentence; '' for operations, which are those of numpy."""
    refused: str
    """What is refused of it and why: options, or if ``family`` is '' the class as a whole; '' for nothing."""
    options: tuple[str, ...] = ()
    """The options that its translation acts upon, those of older versions of Keras included."""
    ignored: tuple[str, ...] = ()
    """The options that have no influence at inference; ``*`` stands for all that are not in ``options``."""
    refusals: tuple[str, ...] = ()
    """What a file is told that is refused, as it stands in the source: of options, and of inputs that do not fit."""

    @property
    def supported(self) -> bool:
        """Whether there is a translation."""
        return bool(self.family)

    def __str__(self) -> str:
        if not self.supported:
            return f"{self.name}: not supported, {self.refused}"
        limits = f" (not: {self.refused})" if self.refused else ""
        return f"{self.name}: {self.description or self.family}{limits}"


def supported_layers() -> dict[str, Support]:
    """Every class that is known, by name: those that are translated, with what is not, and those refused, with why.

    Options are those that the layers' handlers read in their source, so the list is what the code does. An option that
    is neither read nor without influence makes :func:`sofie_jit.load` raise UnsupportedLayerError if a file sets it.
    """
    from sofie_jit.frontends.keras import refusals
    from sofie_jit.frontends.keras.layers import registry
    from sofie_jit.frontends.keras.options import reading

    known = {}
    for name, entry in registry.entries().items():
        family = "ops" if name.startswith("ops.") else entry.handler.__module__.rpartition(".")[2]
        description = (inspect.getdoc(entry.handler) or "").partition("\n\n")[0].replace("\n", " ")
        found = reading(entry.handler, name)
        known[name] = Support(
            name, family, description, entry.refuses,
            tuple(sorted(found.read)), (*registry.IGNORED_OPTIONS, *sorted(found.ignored)), found.refusals,
        )  # fmt: skip
    for name, reason in refusals.CLASSES.items():
        known.setdefault(name, Support(name, "", "", reason))
    return dict(sorted(known.items()))


TITLES = {
    "convolution_transpose": "Transposed convolution",
    "ops": "Bare operations",
    "reshaping_spatial": "Padding, cropping, upsampling",
    "tf_graph_ops": "Operations of TensorFlow's graphs (Keras 2)",
    "tf_ops": "TensorFlow functions (Keras 2)",
}
"""Names of families that are not those of their modules."""


EXPLANATION = """\
*Options* are those that act at inference, as Keras 3 calls them; old names are translated to these. All others of the
class serve training only. Values that are refused say so when a file is loaded, and in
`sofie_jit.supported_layers()["Conv2D"].refusals`."""


def markdown() -> str:
    """The page docs/layers.md: every class that is known."""
    families: dict[str, list[Support]] = {}
    for known in supported_layers().values():
        families.setdefault(known.family, []).append(known)
    parts = [
        "# Layers",
        "",
        "Written by `python -m sofie_jit.frontends.keras.support` from the layers' handlers.",
        "",
        EXPLANATION,
    ]
    for family, members in sorted(item for item in families.items() if item[0]):
        parts += ["", f"## {TITLES.get(family, family.replace('_', ' ').capitalize())}", ""]
        if family == "ops":
            parts += [", ".join(f"`{s.name.removeprefix('ops.')}`" for s in members) + ".", "", "Refused are:", ""]
            parts += _refused_operations()
            continue
        parts += ["| Layer | What it computes | Options | Refused |", "| --- | --- | --- | --- |"]
        parts += [
            f"| {s.name} | {s.description.replace('|', chr(92) + '|')} | {', '.join(s.options)} | {s.refused} |"
            for s in members
        ]
    return "\n".join([*parts, "", "## Not supported", "", refused_markdown(), ""])


def _refused_operations() -> list[str]:
    """A line for every reason, with the operations of ``keras.ops`` that it stands for."""
    from sofie_jit.frontends.keras import refusals

    reasons: dict[str, list[str]] = {}
    for name, reason in refusals.OPERATIONS.items():
        reasons.setdefault(reason, []).append(f"`{name}`")
    return [f"* {', '.join(names)}: {reason}" for reason, names in reasons.items()]


def refused_markdown() -> str:
    """The README's table of what is refused, and why."""
    reasons: dict[str, list[str]] = {}
    for known in supported_layers().values():
        if known.refused:
            text = known.refused if not known.supported else f"in part: {known.refused}"
            reasons.setdefault(text, []).append(known.name)
    rows = [f"| {', '.join(_grouped(names))} | {reason} |" for reason, names in reasons.items()]
    return "\n".join(["| Layer | Why it is refused, and a way on |", "| --- | --- |", *rows])


def _grouped(names: list[str]) -> Iterator[str]:
    """``Conv1D/2D/3D`` for layers that differ in that alone."""
    seen: dict[str, list[str]] = {}
    for name in names:
        stem = name[:-2] if name[-2:] in ("1D", "2D", "3D") else name
        seen.setdefault(stem, []).append(name)
    for members in seen.values():
        yield "/".join([members[0], *(name[-2:] for name in members[1:])])


@dataclass(frozen=True)
class LayerReport:
    """One layer of a file."""

    name: str
    """With the names of the models around it."""
    class_name: str
    problem: str
    """Why it cannot be translated; '' if it can."""


@dataclass(frozen=True)
class Report:
    """What :func:`check` found; true if the file can be loaded."""

    source: str
    problems: list[str]
    """One line per layer that stands in the way, or why the file cannot be read at all."""
    layers: list[LayerReport] = field(default_factory=list)
    """All layers in Keras's order; empty if the file could not be read."""

    @property
    def ok(self) -> bool:
        """Whether the file can be loaded."""
        return not self.problems

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        bad = sum(bool(layer.problem) for layer in self.layers)
        verdict = "can be loaded" if self.ok else "cannot be loaded"
        count = f"{len(self.layers)} layers" + (f", {bad} of them not supported" if bad else "")
        lines = [f"{self.source}: {verdict}" + (f" ({count})" if self.layers else "")]
        width = max((len(layer.name) for layer in self.layers), default=0)
        lines += [
            f"  {'no' if layer.problem else 'ok'}  {layer.name:{width}}  {layer.class_name}" for layer in self.layers
        ]
        return "\n".join([*lines, *(f"  {problem}" for problem in self.problems)])


def check(
    source: str | os.PathLike[str] | Any,
    *,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    outputs: list[str] | None = None,
    replace: Mapping[str, Any] | None = None,
    untrusted: bool | None = None,
) -> Report:
    """Whether :func:`sofie_jit.load` would accept these arguments, layer by layer; nothing is compiled.

    Raises FileNotFoundError. What else is wrong with the file is in the report.
    """
    from sofie_jit.frontends import keras as parser
    from sofie_jit.models.open_model import examine

    label = str(source) if isinstance(source, (str, os.PathLike)) else type(source).__name__
    try:
        graph = parser.read_graph(source, config, outputs, untrusted)
    except SofieError as error:
        return Report(label, str(error).splitlines())
    problems: list[str] = []
    try:
        examine(parser.Translation(graph, replace))
    except UnsupportedLayerError as error:
        problems = error.problems
    except SofieError as error:
        problems = [str(error).removeprefix(f"{graph.source}: ")]

    def problem_of(layer: Any) -> str:
        return next((problem for problem in problems if problem.startswith(f"{layer}:")), "")

    layers = [LayerReport(x.name, x.class_name, problem_of(x)) for x, _ in graph.root.leaves()]
    return Report(label, problems, layers)


REFUSED = re.compile(r"(<!-- refused:.*?-->\n).*?(\n<!-- end of refused -->)", re.DOTALL)
"""Where the README has its table."""


def write_markdown(root: Path) -> None:
    """Brings README.md and docs/layers.md of the repository ``root`` up to date."""
    readme = (root / "README.md").read_text()
    (root / "README.md").write_text(REFUSED.sub(lambda m: f"{m[1]}{refused_markdown()}{m[2]}", readme))
    (root / "docs" / "layers.md").write_text(markdown())


if __name__ == "__main__":
    from sofie_jit.frontends.keras import support  # the module that handlers know, not this one under the name __main__

    support.write_markdown(Path())
