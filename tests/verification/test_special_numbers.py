"""What differs from Keras, given NaN, infinities, denormals and signed zeros, is what docs/accuracy.md lists."""

from __future__ import annotations

import numpy as np
import pytest

import accuracy
import special_numbers
from special_numbers import EXCEPTIONS, differs

pytest.importorskip("keras")


def test_what_differs_is_a_difference() -> None:
    one, nan, inf = (np.array([number, 2], np.float32) for number in (1, np.nan, np.inf))
    zero, denormal = (np.array([number, 2], np.float32) for number in (0, 1e-40))
    for number in (one, nan, inf, zero, denormal):
        assert not differs(number, number, number, denormal=False)
    for got, want in ((one, nan), (nan, one), (nan, inf), (-inf, inf), (one, inf), (-zero, zero), (one, one * 1.00001)):
        assert differs(got, want, want, denormal=False)
    assert not differs(denormal, zero, denormal, denormal=False)
    assert differs(denormal > 0, zero > 0, denormal > 0, denormal=False)
    assert not differs(denormal > 0, zero > 0, denormal > 0, denormal=True)


def test_what_differs_is_listed() -> None:
    """One test, so that one process compiles the model."""
    listed: dict[str, set[str]] = {}
    for deviation in EXCEPTIONS:
        for row in deviation.rows:
            listed.setdefault(row, {"pairs"}).update(deviation.given)  # pairs are made of all these
    assert listed.keys() <= special_numbers.rows().keys()
    for optimize in (True, False):
        found = special_numbers.measured(optimize)
        assert found.touched == frozenset(), "their bits depend on other rows of the batch"
        others = {row: kinds - listed.get(row, set()) for row, kinds in found.different.items()}
        assert {row: kinds for row, kinds in others.items() if kinds} == {}
        for deviation in EXCEPTIONS:
            same = [row for row in deviation.rows if not found.different.get(row, frozenset()) & {*deviation.given}]
            assert deviation.varies or same == [], f"no longer {deviation.here!r}: edit EXCEPTIONS"


def test_the_document_has_the_table() -> None:
    assert special_numbers.document() in accuracy.DOCUMENT.read_text(), "run python -m tests.accuracy"
