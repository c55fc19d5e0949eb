"""The recipes of docs/how-to/many_machines.md for packages that no other test needs, each in its own process.

A recipe is skipped if its package is missing: pip install dask-awkward ray[data] pyspark. pyspark needs Java.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sofie_jit
from tolerance import randomize

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "many_machines.md").read_text()
FEATURES = [f"feature{i}" for i in range(16)]

IN_ORDER = "scores.sort_values('event')['score']"
RECIPES = {"dask_awkward": ("dask_awkward", "scores[:, 0]"), "Spark": ("pyspark", IN_ORDER), "Ray": ("ray", IN_ORDER)}
"""Heading of the recipe -> its package, and an expression for the scores in the order of the events."""


@pytest.mark.parametrize("heading", RECIPES)
def test_recipe(heading: str, tmp_path: Path) -> None:
    package, scores = RECIPES[heading]
    keras, pandas = pytest.importorskip("keras"), pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    randomize(keras.Sequential([keras.Input((16,)), keras.layers.Dense(5, "softmax")])).save(tmp_path / "m.h5")
    x = np.random.default_rng(0).normal(size=(1000, 16)).astype(np.float32)
    events = pandas.DataFrame(x, columns=FEATURES).assign(event=range(1000))
    events.to_parquet(tmp_path / "events.parquet", row_group_size=250)

    found = re.search(rf"^##+ {heading}\n.*?^```py\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"the page has no recipe called {heading}"
    (tmp_path / "recipe.py").write_text(f"import numpy as np\n{found[1]}\nnp.save('scores.npy', {scores})\n")
    environment = {
        **os.environ,
        "PYTHONPATH": os.fspath(ROOT),
        "OMP_NUM_THREADS": "1",
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    run = subprocess.run([sys.executable, "recipe.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    if heading == "dask_awkward":
        x = x[x[:, 0] > 0]
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), sofie_jit.load(tmp_path / "m.h5").infer(x)[:, 0])
