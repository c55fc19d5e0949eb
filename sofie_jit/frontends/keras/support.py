"""The classes of Keras that are supported (:func:`supported_layers`), and the documentation pages about them.

``python -m sofie_jit.frontends.keras.support`` in the repository updates docs/layers.md.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from sofie_jit.records import dataclass


@dataclass(frozen=True)
class Support:
    """The support of one class of layers or operations."""

    name: str
    """Keras's class; operations outside layers are called ``ops.Add``, classes of other packages ``package>Class``."""
    family: str
    """The module of ``sofie_jit.frontends.keras.layers`` that translates it; '' if it is not supported."""
    description: str
    """The computation in one sentence; '' for operations, which are defined as in numpy."""
    refused: str
    """Its options that are not supported, or the reason why the class is not; '' if there are none."""
    options: tuple[str, ...] = ()
    """Options that have an effect, those of older versions of Keras included."""
    ignored: tuple[str, ...] = ()
    """Options without influence at inference; ``*`` stands for all that are not in ``options``."""
    refusals: tuple[str, ...] = ()
    """Messages for a file that is refused, as they are written in the source: about options, and about unfit inputs."""

    @property
    def supported(self) -> bool:
        """Whether the class can be translated."""
        return bool(self.family)

    def __str__(self) -> str:
        if not self.supported:
            return f"{self.name}: not supported, {self.refused}"
        limits = f" (not supported: {self.refused})" if self.refused else ""
        return f"{self.name}: {self.description or self.family}{limits}"


def supported_layers() -> dict[str, Support]:
    """All known classes of Keras by name, supported or not.

    The options are read from the source of the layers' handlers, so the list cannot differ from the code. If a file
    sets an option that is neither used nor without influence, :func:`sofie_jit.load` raises UnsupportedLayerError.

    >>> supported_layers()["Dense"].options
    ('activation', 'units', 'use_bias')
    >>> supported_layers()["Lambda"].supported
    False
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
    for name, reason in {**refusals.CLASSES, **refusals.ADDED_CLASSES}.items():
        known.setdefault(name, Support(name, "", "", reason))
    return dict(sorted(known.items()))


TITLES = {
    "convolution_transpose": "Transposed convolution",
    "ops": "Bare operations",
    "reshaping_spatial": "Padding, cropping, upsampling",
    "tf_graph_ops": "Operations of TensorFlow's graphs (Keras 2)",
    "tf_ops": "TensorFlow functions (Keras 2)",
    "addons": "TensorFlow Addons",
    "addons_cells": "TensorFlow Addons: recurrent layers",
    "efficientnet": "efficientnet and segmentation_models",
    "keras_contrib": "keras_contrib",
    "keras_hub": "keras_hub",
    "keras_tcn": "keras-tcn",
    "model_optimization": "model-optimization (TensorFlow)",
    "self_attention": "keras-self-attention",
}
"""Titles of families that differ from the names of their modules."""


EXPLANATION = """\
*Options* lists the options with an effect at inference, under their names in Keras 3; older names are converted. All
other options matter for training only. A value that is not supported raises an error when a file is loaded;
`sofie_jit.supported_layers()["Conv2D"].refusals` lists their texts, with {...} in place of values from the file."""


def markdown() -> str:
    """The page docs/layers.md with every known class."""
    families: dict[str, list[Support]] = {}
    for known in supported_layers().values():
        families.setdefault(known.family, []).append(known)
    parts = [
        "# Layers",
        "",
        "Generated from the layers' handlers by `python -m sofie_jit.frontends.keras.support`.",
        "",
        EXPLANATION,
    ]
    for family, members in sorted(item for item in families.items() if item[0]):
        parts += ["", f"## {TITLES.get(family, family.replace('_', ' ').capitalize())}", ""]
        if family == "ops":
            parts += [
                ", ".join(f"`{s.name.removeprefix('ops.')}`" for s in members) + ".",
                "",
                "Not supported are:",
                "",
            ]
            parts += _refused_operations()
            continue
        parts += ["| Layer | Computes | Options | Not supported |", "| --- | --- | --- | --- |"]
        parts += [
            f"| {s.name} | {s.description.replace('|', chr(92) + '|')} | {', '.join(s.options)} | {s.refused} |"
            for s in members
        ]
    return "\n".join([*parts, "", "## Not supported", "", refused_markdown(), ""])


def _refused_operations() -> list[str]:
    """One line per reason, with the operations of ``keras.ops`` that it applies to."""
    from sofie_jit.frontends.keras import refusals

    reasons: dict[str, list[str]] = {}
    for name, reason in refusals.OPERATIONS.items():
        reasons.setdefault(reason, []).append(f"`{name}`")
    return [f"* {', '.join(names)}: {reason}" for reason, names in reasons.items()]


def refused_markdown() -> str:
    """The table of classes and options that are not supported."""
    reasons: dict[str, list[str]] = {}
    for known in supported_layers().values():
        if known.refused:
            text = known.refused if not known.supported else f"in part: {known.refused}"
            reasons.setdefault(text, []).append(known.name)
    rows = [f"| {', '.join(_grouped(names))} | {reason} |" for reason, names in reasons.items()]
    return "\n".join(["| Layer | Reason and workaround |", "| --- | --- |", *rows])


def _grouped(names: list[str]) -> Iterator[str]:
    """Joins names that differ in their number of dimensions only: ``Conv1D/2D/3D``."""
    seen: dict[str, list[str]] = {}
    for name in names:
        stem = name[:-2] if name[-2:] in ("1D", "2D", "3D") else name
        seen.setdefault(stem, []).append(name)
    for members in seen.values():
        yield "/".join([members[0], *(name[-2:] for name in members[1:])])


def write_markdown(root: Path) -> None:
    """Updates docs/layers.md of the repository at ``root``."""
    (root / "docs" / "layers.md").write_text(markdown())


if __name__ == "__main__":
    from sofie_jit.frontends.keras import support  # the module under its name, which is not __main__

    support.write_markdown(Path())
