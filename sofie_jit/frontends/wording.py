"""The wording of refusals in all frontends.

A refusal is one line, ``name (Class): reason; workaround, or workaround``. The reasons are where a layer or operator is
translated: in the argument of ``call.refuse``, and for whole classes in ``keras/refusals.py``.
"""

from __future__ import annotations

CUT = "cut the model before it with outputs="
"""The workaround for any layer or operator near the end of a model."""


def refusal(label: object, reason: str, *workarounds: str) -> str:
    """The message for a layer or operator that cannot be translated.

    >>> print(refusal("a (Foo)", "this class is not supported", CUT))
    a (Foo): this class is not supported; cut the model before it with outputs=
    """
    *others, last = ("", *workarounds)
    joined = ", ".join(filter(None, others))
    return f"{label}: {reason}" + (f"; {joined}, or {last}" if joined else f"; {last}" if last else "")


def replacing(name: str) -> str:
    """The workaround of a function in place of the layer ``name``."""
    return f"pass a function, load(..., replace={{{name!r}: function}})"
