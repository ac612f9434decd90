"""What this process may use, as it finds it."""

from __future__ import annotations

import os
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")


def memory_bytes() -> int:
    """The lowest memory limit of its control groups, else the machine's memory."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        tree = GROUPS / "memory" if controllers else GROUPS
        name = "memory.limit_in_bytes" if controllers else "memory.max"
        here = tree / path.lstrip("/")
        for folder in (here, *(p for p in here.parents if p.is_relative_to(tree))):
            try:
                text = (folder / name).read_text().strip()
            except OSError:  # within a container the path is the host's
                continue
            if text.isdigit():
                found.append(int(text))
    return min(found)
