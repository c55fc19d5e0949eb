"""Tables as text for terminals and as HTML for notebooks, and numbers with three digits."""

from __future__ import annotations

from collections.abc import Sequence

Row = Sequence[str]
Rows = Sequence[Row]
"""The header, then the body."""


def text(rows: Rows, left: int = 1, total: Row | None = None) -> str:
    """A table with aligned columns as text.

    ``rows``: the header, then the body.
    ``left``: number of columns, from the first, that are left-aligned. The others are right-aligned.
    ``total``: a last row, below a line.

    >>> print(text([("fruit", "count"), ("apples", "3"), ("plums", "12")], total=("all", "15")))
    fruit   count
    -------------
    apples      3
    plums      12
    -------------
    all        15
    """
    everything = [*rows, total] if total else rows
    widths = [max(len(row[i]) for row in everything) for i in range(len(rows[0]))]

    def line(row: Row) -> str:
        cells = (c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        return "  ".join(cells)

    head, *body = map(line, rows)
    rule = "-" * len(head)
    lines = [head, rule, *body, *([rule, line(total)] if total else [])]
    return "\n".join(line.rstrip() for line in lines)


def markup(rows: Rows, left: int = 1, caption: str = "", total: Row | None = None) -> str:
    """The same table as HTML, with an optional ``caption``. All text is escaped."""
    import html  # notebooks only, and slow to import

    def tr(cells: Row, tag: str) -> str:
        sides = ("left" if i < left else "right" for i in range(len(cells)))
        inner = (
            f'<{tag} style="text-align: {side}">{html.escape(cell)}</{tag}>'
            for cell, side in zip(cells, sides, strict=True)
        )
        return f"<tr>{''.join(inner)}</tr>"

    head, *body = rows
    title = f'<caption style="text-align: left">{html.escape(caption)}</caption>' if caption else ""
    foot = f"<tfoot>{tr(total, 'th')}</tfoot>" if total else ""
    lines = "".join(tr(row, "td") for row in body)
    return f"<table>{title}<thead>{tr(head, 'th')}</thead><tbody>{lines}</tbody>{foot}</table>"


def size(count: float) -> str:
    """A number of bytes with three digits.

    >>> size(54_321)
    '54.3 kB'
    """
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.5 else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def duration(seconds: float) -> str:
    """A time with three digits.

    >>> duration(0.01234)
    '12.3 ms'
    """
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def ratio(value: float) -> str:
    """A number with three digits, or with all digits before the decimal point.

    >>> ratio(0.12345), ratio(12345.6)
    ('0.123', '12,346')
    """
    return f"{value:,.0f}" if value >= 999.5 else f"{value:.3g}"
