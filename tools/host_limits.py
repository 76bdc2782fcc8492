"""Limits of the host's kernel that many machines on one host run into."""

import os
from pathlib import Path

from tools.errors import ToolError
from tools.progress import say

INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
# A machine with its systemd, kubelet, runtime and control plane watches with about twenty; the kernel's default for all
# of a user's is 128, and whoever comes later fails in ways that say nothing of it: no boot, no kubelet.
NEEDED = 1024


def ensure(limit: Path = INOTIFY) -> None:
    """Raises the number of inotify instances until the next boot of the host. Raises ToolError if that takes root."""
    if not limit.exists() or int(limit.read_text()) >= NEEDED:
        return
    if os.geteuid() != 0:
        raise ToolError(f"this host allows too few watches for local machines: sudo sysctl -w {_setting()}")
    say(f"raising a limit of this host until its next boot: {_setting()} (it was {limit.read_text().strip()})")
    limit.write_text(f"{NEEDED}\n")


def _setting() -> str:
    return f"fs.inotify.max_user_instances={NEEDED}"
