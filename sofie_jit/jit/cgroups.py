"""CPU quotas of control groups, with which containers limit the processor time of their processes (Linux)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class _Mount(NamedTuple):
    """A mounted hierarchy of control groups."""

    root: str
    """The group that is mounted, such as that of a container."""
    path: str
    """The directory where it is mounted."""
    controllers: frozenset[str]
    """Those of a hierarchy of version 1; empty for the one of version 2."""


def cpu_quota(system: Path = Path("/")) -> float | None:
    """The processor time per time that the control groups of this process grant: 1.5 are one and a half cores.

    The groups of versions 1 (``cpu.cfs_quota_us``) and 2 (``cpu.max``) count, and those above them. ``system``: the
    directory with ``proc`` and the directories that it names.

    Returns None if there is no limit, or none that can be read.
    """
    try:
        groups = (system / "proc/self/cgroup").read_text().splitlines()
        mounts = (system / "proc/self/mountinfo").read_text().splitlines()
    except OSError:  # not Linux, or /proc is not mounted
        return None
    own = dict(_groups(groups))
    limits = [
        limit
        for mount in _mounts(mounts)
        for group, path in own.items()
        if group == mount.controllers
        for folder in _folders(mount, path)
        if (limit := _limit(system / folder.lstrip("/"), bool(mount.controllers))) is not None
    ]
    return min(limits, default=None)


def _groups(lines: list[str]) -> Iterator[tuple[frozenset[str], str]]:
    """Controllers and path of each group in /proc/self/cgroup, of those that limit processors."""
    for line in lines:
        number, controllers, path = line.split(":", 2)
        names = frozenset(filter(None, controllers.split(",")))
        if number == "0" or "cpu" in names:
            yield names, path


def _mounts(lines: list[str]) -> Iterator[_Mount]:
    """The hierarchies in /proc/self/mountinfo that limit processors."""
    known = {"cpu", "cpuacct", "cpuset", "memory", "blkio", "pids"}  # those that are mounted together with cpu
    for line in lines:
        before, _, after = line.partition(" - ")
        root, path = (field.replace("\\040", " ") for field in before.split()[3:5])
        kind, _, options = after.split(maxsplit=2)
        if kind == "cgroup2":
            yield _Mount(root, path, frozenset())
        elif kind == "cgroup" and "cpu" in options.split(","):
            yield _Mount(root, path, frozenset(options.split(",")) & known)


def _folders(mount: _Mount, group: str) -> Iterator[str]:
    """The directories of a group and of the groups above it, up to the mounted one.

    A container may see a path of its host in /proc/self/cgroup; its own group is then the mounted one.
    """
    root = mount.root.rstrip("/")
    below = group[len(root) :] if f"{group}/".startswith(f"{root}/") else ""
    parts = [part for part in below.split("/") if part not in ("", "..")]
    for depth in range(len(parts), -1, -1):
        yield "/".join([mount.path, *parts[:depth]])


def _limit(folder: Path, first_version: bool) -> float | None:
    """The limit of one group in cores; None if it has none."""
    try:
        if first_version:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        else:
            quota, period = (folder / "cpu.max").read_text().split()
        return int(quota) / int(period) if quota != "max" and int(quota) > 0 and int(period) > 0 else None
    except (OSError, ValueError):  # the highest group has no limit and therefore no such file
        return None
