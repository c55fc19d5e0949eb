"""Types of options that methods of RModel and Model share."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

Optimize = bool | Collection[str]
"""True runs all optional passes, False none; a collection of names selects some of them."""

Weights = Literal["text", "binary", "embedded"]
"""Where a saved header's weights are: in a text file as SOFIE's, in a binary file, or in the header itself."""
