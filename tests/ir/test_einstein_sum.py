"""Einstein sums with diagonals, and in a given order."""

from __future__ import annotations

import numpy as np
import pytest

from sofie_jit.errors import ShapeError
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Builder
from sofie_jit.ir.dims import BATCH
from sofie_jit.ir.rmodel import RModel
from sofie_jit.verification.evaluate import evaluate

GENERATOR = np.random.default_rng(0)
X, A, B = (GENERATOR.normal(size=size).astype(np.float32) for size in ((4, 3, 3), (3, 5), (5, 2)))


@pytest.mark.parametrize(
    ("subscripts", "path"),
    [
        ("bij,jk,kl->bil", None), ("bij,jk,kl->bil", [(1, 2), (0, 1)]), ("bij,jk,kl->bil", [(2, 0), (1, 0)]),
        ("bii,ij,jk->bk", [(0, 1), (1, 0)]), ("bii,ik,kl->bil", None), ("bii,jk,kl", [(2, 1), (0, 1)]),
        ("...ii,ik,kl->...il", [(0, 2), (0, 1)]),
    ],
)  # fmt: skip
def test_sums_of_three_operands(subscripts: str, path: list[tuple[int, int]] | None) -> None:
    rmodel = RModel("m")
    x = Builder(rmodel).input("x", "float32", (BATCH, 3, 3))
    rmodel.add_output_tensor_names([ops.einsum(subscripts, x, A, B, path=path).name])
    rmodel.generate()
    for batch in (1, 4):
        (y,) = evaluate(rmodel, X[:batch])
        assert np.allclose(y, np.einsum(subscripts, X[:batch], A, B), atol=1e-5)


@pytest.mark.parametrize("path", [[(0, 1)], [(0, 3), (0, 1)], [(0, 0), (0, 1)], [(0, 1), (0, 1), (0, 1)]])
def test_paths_that_do_not_fit(path: list[tuple[int, int]]) -> None:
    x = Builder(RModel("m")).input("x", "float32", (BATCH, 3, 3))
    with pytest.raises(ShapeError, match="path"):
        ops.einsum("bij,jk,kl->bil", x, A, B, path=path)
