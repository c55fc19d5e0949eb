"""Every engine gets the same cores and threads, and is told so before it starts; the last lines are the table."""

from __future__ import annotations

from typing import Any

import pytest

from sofie_jit.bench import environment, report
from sofie_jit.bench.measure import Cell

CELLS = pytest.StashKey[dict[str, list[Cell]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--threads", type=int, default=1, help="threads of every engine, and cores (default 1)")


def pytest_configure(config: pytest.Config) -> None:
    import os

    threads = config.getoption("--threads")
    os.environ.update(environment.variables(threads))
    environment.pin(threads)
    config.stash[CELLS] = {}


@pytest.fixture
def cells(request: pytest.FixtureRequest) -> dict[str, list[Cell]]:
    """What has been measured, per model."""
    return request.config.stash[CELLS]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for name, cells in config.stash[CELLS].items():
        terminalreporter.section(name)
        terminalreporter.write_line(report.table(cells))
