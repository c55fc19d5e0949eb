"""The operators of ONNX files that are supported (:func:`supported_operators`), and the documentation page about them.

``python -m sofie_jit.frontends.onnx.support`` in the repository updates docs/operators.md.
"""

from __future__ import annotations

from pathlib import Path

from sofie_jit.records import dataclass


@dataclass(frozen=True)
class OperatorSupport:
    """The support of one operator."""

    domain: str
    """Its domain; ``ai.onnx`` is ONNX's own."""
    name: str
    versions: tuple[int, ...]
    """Versions of the domain in which its supported forms appeared; a form is valid until the next one."""
    limits: tuple[str, ...] = ()
    """Attributes, inputs and outputs that are not supported, and why."""


_STEPS = (
    "weights that are computed by the model, peepholes, `clip`, `input_forget` and the activations Affine and "
    "ScaledTanh need a known number of steps, at most 256"
)
_STRINGS = "strings"
_LABELS = "labels that are strings, unless nothing uses them"
LIMITS: dict[str, tuple[str, ...]] = {
    "BatchNormalization": (),
    "Det": ("matrices of more than four rows",),
    "DeformConv": ("images of one or three dimensions",),
    "Dropout": ("`training_mode`, which draws random numbers",),
    "GRU": (_STEPS,),
    "If": ("a condition that is computed from data needs branches whose outputs have equal types",),
    "LSTM": (_STEPS,),
    "LayerNormalization": ("`stash_type`: the statistics are computed in the type of the input",),
    "LinearAttention": ("the number of steps must be known, and at most 256",),
    "Loop": (
        "if its number of iterations or its conditions are computed from data: carried tensors whose types change, and "
        "outputs of all iterations whose number has no bound",
    ),
    "MaxPool": (),
    "RNN": (_STEPS,),
    "Resize": (),
    "Scan": ("states whose types change, if its number of iterations depends on data",),
    "Upsample": (),
    "ai.onnx.ml.LabelEncoder": (_STRINGS,),
    "ai.onnx.ml.LinearClassifier": (_LABELS,),
    "ai.onnx.ml.OneHotEncoder": (_STRINGS,),
    "ai.onnx.ml.SVMClassifier": (_LABELS,),
    "ai.onnx.ml.TreeEnsembleClassifier": (_LABELS,),
    "ai.onnx.ml.ZipMap": ("dictionaries: the result is the matrix of scores",),
}
"""What handlers refuse that compose an operator of others; their operator in the RModel may lack more."""


def supported_operators() -> dict[str, OperatorSupport]:
    """All operators of ONNX files that can be translated, by name; those of other domains as ``domain.name``.

    The list is made from the handlers, so it cannot differ from the code. A node with an attribute, input or output
    that is not supported raises UnsupportedLayerError when the file is loaded.

    >>> supported_operators()["Clip"].versions
    (6, 11)
    """
    from sofie_jit.frontends.onnx.nodes.registry import handlers
    from sofie_jit.ir.operators.unsupported import UNSUPPORTED

    found = {}
    for (domain, name), versions in handlers().items():
        missing = {} if domain else UNSUPPORTED.get(name, {})
        lacking = tuple(f"`{part}`: {entry.reason}" for part, entry in missing.items() if entry.harmless is not None)
        key = f"{domain}.{name}" if domain else name
        limits = LIMITS.get(key, lacking)
        found[key] = OperatorSupport(domain or "ai.onnx", name, tuple(sorted(versions)), limits)
    return dict(sorted(found.items()))


EXPLANATION = """\
*Since* lists the versions of the operator set in which the supported forms of an operator appeared. Everything that is
not supported raises an error with the name of the node when a file is loaded; `sofie_jit.register_operator` adds
operators, `load(replace=)` replaces nodes."""


def markdown() -> str:
    """The page docs/operators.md."""
    parts = [
        "# Operators of ONNX files",
        "",
        "Generated from the operators' handlers by `python -m sofie_jit.frontends.onnx.support`.",
        "",
        EXPLANATION,
    ]
    domains: dict[str, list[OperatorSupport]] = {}
    for known in supported_operators().values():
        domains.setdefault(known.domain, []).append(known)
    for domain, members in sorted(domains.items()):
        parts += ["", f"## {domain}", "", "| Operator | Since | Not supported |", "| --- | --- | --- |"]
        parts += [f"| {m.name} | {', '.join(map(str, m.versions))} | {'; '.join(m.limits)} |" for m in members]
    return "\n".join([*parts, ""])


if __name__ == "__main__":
    from sofie_jit.frontends.onnx import support  # the module under its name, which is not __main__

    Path("docs/operators.md").write_text(support.markdown())
