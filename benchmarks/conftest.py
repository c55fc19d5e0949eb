"""Give every engine the same cores and threads before it starts, and print the tables at the end."""

from __future__ import annotations

from typing import Any

import pytest

from sofie_jit.bench import environment, report
from sofie_jit.bench.measure import Cell

CELLS = pytest.StashKey[dict[str, list[Cell]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--threads", type=int, default=1, help="cores, and threads of every engine (default 1)")


def pytest_configure(config: pytest.Config) -> None:
    import os

    threads = config.getoption("--threads")
    os.environ.update(environment.variables(threads))
    environment.pin(threads)
    config.stash[CELLS] = {}


@pytest.fixture
def cells(request: pytest.FixtureRequest) -> dict[str, list[Cell]]:
    """The measurements of each model."""
    return request.config.stash[CELLS]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for name, cells in config.stash[CELLS].items():
        terminalreporter.section(name)
        terminalreporter.write_line(report.table(cells))
