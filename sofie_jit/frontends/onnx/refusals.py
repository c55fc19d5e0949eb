"""Operators that are refused on purpose: reason, and what to do."""

from __future__ import annotations

_RANDOM = ("it draws random numbers", "export the model for inference")
_STRINGS = ("strings are not supported", "convert them to numbers before the model")
_IMAGE = ("it reads or writes images in a file format", "decode them before the model")

OPERATORS: dict[tuple[str, str], tuple[str, str]] = {
    **dict.fromkeys(
        [
            ("", name)
            for name in (
                "Bernoulli",
                "Multinomial",
                "RandomNormal",
                "RandomNormalLike",
                "RandomUniform",
                "RandomUniformLike",
            )
        ],
        _RANDOM,
    ),
    **dict.fromkeys(
        [("", name) for name in ("StringConcat", "StringNormalizer", "StringSplit", "RegexFullMatch")], _STRINGS
    ),
    **dict.fromkeys([("ai.onnx.ml", name) for name in ("CastMap", "CategoryMapper", "DictVectorizer")], _STRINGS),
    ("", "ImageDecoder"): _IMAGE,
}
"""Domain and operator -> reason and way on."""

DOMAINS: dict[str, tuple[str, str]] = {
    "ai.onnx.preview.training": ("training is not supported", "export the model for inference"),
    "com.microsoft.nchwc": (
        "ONNX Runtime wrote the file for a single kind of processor",
        "use the original file, or optimize it with ORT_ENABLE_EXTENDED in place of ORT_ENABLE_ALL",
    ),
}
"""Domains all of whose operators are refused."""


def refused(domain: str, op_type: str) -> tuple[str, str] | None:
    """Reason and way on for an operator that is refused on purpose; None for another one.

    >>> refused("", "RandomNormal")
    ('it draws random numbers', 'export the model for inference')
    """
    return OPERATORS.get((domain, op_type)) or DOMAINS.get(domain)
