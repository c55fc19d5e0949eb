"""The constants that the kernels and Python share."""

from __future__ import annotations

from sofie_jit.codegen import tuning
from sofie_jit.codegen.kernel_library import DIRECTORY


def test_the_header_is_up_to_date() -> None:
    text = (DIRECTORY / "core" / "tuning.hxx").read_text()
    assert text == tuning.header(), "run python -m sofie_jit.codegen.tuning"


def test_constants_fit_each_other() -> None:
    assert all(tuning.MC_STEP % rows == 0 for rows in tuning.MR.values())
    assert tuning.MC_STEP % 4 == 0
    assert max(tuning.MR) == tuning.ALIGNMENT
    assert tuning.RECURRENT_UNIT_MULTIPLE % tuning.MAX_NR == 0
    assert all(tuning.RECURRENT_ROWS % rows == 0 for rows in tuning.MR.values())
