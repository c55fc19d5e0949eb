"""A digest of bytes for names and checks of files."""

from __future__ import annotations

try:
    from _blake2 import blake2b  # hashlib has the same function, but imports OpenSSL first, which takes 4 ms
except ImportError:
    from hashlib import blake2b


class Digest:
    """The digest of bytes that are given one after the other."""

    def __init__(self) -> None:
        self._state = blake2b(digest_size=16)

    def add(self, data: bytes | memoryview) -> None:
        """Appends bytes."""
        self._state.update(data)

    def text(self) -> str:
        """The digest as 32 digits."""
        digits: str = self._state.hexdigest()
        return digits


def digest(*parts: bytes) -> str:
    """The digest of some bytes, which depends on where one part ends, as 32 digits.

    >>> digest(b"ab", b"c") == digest(b"a", b"bc"), len(digest(b""))
    (False, 32)
    """
    found = Digest()
    for part in parts:
        found.add(len(part).to_bytes(8, "little"))
        found.add(part)
    return found.text()
