"""Writes the table of schemas: ``python -m sofie_jit.frontends.pytorch.aten.write_schemas``. This needs torch."""

from __future__ import annotations

import re

from sofie_jit.frontends.pytorch.aten.registry import handlers
from sofie_jit.frontends.pytorch.aten.schemas import FILE

_EXCLUDED = re.compile(
    r"\bout\b|[(, ]t(\[\])? |\[\]\(a!|\.\.\.|\b(Dimname|Dict|Storage|Future|Tensor_list|list_Tensor)\b"
)
"""Overloads with a place for the result, for generic lists, and the like."""


def main() -> None:
    """Writes the schemas of the operators that have a handler, and of their forms that work in place."""
    import torch

    names = {key.partition(".")[0] for key in handlers()}
    lines: dict[str, list[str]] = {}
    for schema in torch._C._jit_get_all_schemas():
        namespace, _, name = schema.name.partition("::")
        base = name[:-1] if name.endswith("_") and not name.endswith("__") else name
        text = str(schema).removeprefix("aten::")
        if namespace == "aten" and base in names and "Tensor" in text and not _EXCLUDED.search(text):
            lines.setdefault(name, []).append(text)
    FILE.write_text("".join(f"{line}\n" for name in sorted(lines) for line in lines[name]), "utf-8")


if __name__ == "__main__":
    main()
