"""The layers and operators that were registered in this process, for any frontend."""

from __future__ import annotations

from collections.abc import Hashable

registered: set[Hashable] = set()
"""If it is not empty, files may be translated differently than in other processes."""
