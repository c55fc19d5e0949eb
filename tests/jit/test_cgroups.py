"""CPU quotas of containers limit the number of threads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sofie_jit.jit import threads
from sofie_jit.jit.cgroups import cpu_quota

V2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1 = "33 24 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct"
V1_IN_CONTAINER = "33 24 0:29 /docker/1a /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct"
V1_MEMORY = "34 24 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"


def system(folder: Path, groups: str, mounts: list[str], files: dict[str, str]) -> Path:
    """A directory like / of a machine with these control groups."""
    for name, text in {"proc/self/cgroup": groups, "proc/self/mountinfo": "\n".join(mounts), **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return folder


CASES = {
    "version 2": ("0::/", [V2], {"sys/fs/cgroup/cpu.max": "150000 100000"}, 1.5),
    "version 2, no limit": ("0::/a", [V2], {"sys/fs/cgroup/a/cpu.max": "max 100000"}, None),
    "version 2, limit above": (
        "0::/pod/app",
        [V2],
        {"sys/fs/cgroup/pod/app/cpu.max": "800000 100000", "sys/fs/cgroup/pod/cpu.max": "200000 100000"},
        2.0,
    ),
    "version 1": (
        "5:memory:/\n4:cpu,cpuacct:/job",
        [V1_MEMORY, V1],
        {
            "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "300000",
            "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000",
        },
        3.0,
    ),
    "version 1, no limit": (
        "4:cpu,cpuacct:/job",
        [V1],
        {
            "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000",
        },
        None,
    ),
    "version 1, path of the host": (
        "4:cpuacct,cpu:/docker/1a",
        [V1_IN_CONTAINER],
        {
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        },
        0.5,
    ),
    "both versions": (
        "4:cpu,cpuacct:/\n0::/",
        [V1, V2],
        {
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "400000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        },
        4.0,
    ),
    "not readable as numbers": ("0::/", [V2], {"sys/fs/cgroup/cpu.max": "many"}, None),
}


@pytest.mark.parametrize("case", CASES)
def test_quota(case: str, tmp_path: Path) -> None:
    *given, expected = CASES[case]
    assert cpu_quota(system(tmp_path, *given)) == expected


def test_without_proc(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) is None


def test_of_this_machine() -> None:
    assert cpu_quota() is None or cpu_quota() > 0


@pytest.mark.parametrize(("quota", "cores"), [(None, 8), (0.5, 1), (2.9, 2), (20.0, 8)])
def test_cores(quota: float | None, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(8), raising=False)
    monkeypatch.setattr(threads, "cpu_quota", lambda: quota)
    for name in threads.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert threads.available_cores() == threads.thread_count(None) == cores
    assert threads.thread_count(5) == 5, "an explicit number counts"
