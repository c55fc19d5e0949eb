"""What users have registered in this process: layers and operators of any frontend."""

from __future__ import annotations

from collections.abc import Hashable

registered: set[Hashable] = set()
"""While it is not empty, files may be translated otherwise than in other processes."""
